"""The mesh that is measured, and how it gets into etcd.

S services, each a ServiceEntry (MESH_INTERNAL, STATIC, one HTTP port) with ten endpoints, half v1 and half
v2; a DestinationRule (pool, outlier detection, two subsets); a VirtualService (a header-and-prefix match to
v2 with a timeout and a response header; a 90/10 split with retries).
"""

import base64
import http.client
import json

from cluster import Failure

PORT, ENDPOINTS = 8080, 10
KEYS_A_TRANSACTION = 100
SPLIT_TABLE = f"vhds|{PORT}"


def b64(text):
    return base64.b64encode(text.encode()).decode()


class Etcd:
    """Puts through the JSON gateway, up to 100 keys a transaction."""

    def __init__(self, url):
        self.connection = http.client.HTTPConnection(url[7:], timeout=30)

    def put(self, pairs):
        pairs = list(pairs)
        for at in range(0, len(pairs), KEYS_A_TRANSACTION):
            operations = [{"request_put": {"key": b64("/pilot/" + key), "value": b64(json.dumps(value))}}
                          for key, value in pairs[at:at + KEYS_A_TRANSACTION]]
            self.connection.request("POST", "/v3/kv/txn", json.dumps({"success": operations}))
            answer = self.connection.getresponse()
            body = answer.read()
            if answer.status != 200:
                raise Failure(f"etcd: {answer.status} {body[:200]}")


def host(service):
    return f"svc-{service}.default.svc.cluster.local"


def virtual_host_name(service):
    """In the table that comes by virtual host."""
    return f"{SPLIT_TABLE}/{host(service)}:{PORT}"


def cluster_name(service):
    return f"outbound|{PORT}||{host(service)}"


def resource(plural, kind, service, spec):
    value = {"apiVersion": "networking.istio.io/v1", "kind": kind,
             "metadata": {"name": f"svc-{service}", "namespace": "default"}, "spec": spec}
    return f"config/{plural}/default/svc-{service}", value


def service_entry(service, version=0):
    """Another version has another address of the first endpoint."""
    endpoints = [{"address": f"10.{service // 250}.{service % 250}.{e + 1}",
                  "labels": {"version": "v1" if e < ENDPOINTS // 2 else "v2"}} for e in range(ENDPOINTS)]
    if version:
        endpoints[0]["address"] = f"11.{version // 62500}.{version // 250 % 250}.{version % 250 + 1}"
    return resource("serviceentries", "ServiceEntry", service, {
        "hosts": [host(service)], "location": "MESH_INTERNAL", "resolution": "STATIC",
        "ports": [{"number": PORT, "name": "http", "protocol": "HTTP"}], "endpoints": endpoints})


def destination_rule(service):
    return resource("destinationrules", "DestinationRule", service, {
        "host": host(service),
        "trafficPolicy": {"connectionPool": {"tcp": {"maxConnections": 100},
                                             "http": {"http2MaxRequests": 1000}},
                          "outlierDetection": {"consecutive5xxErrors": 5, "interval": "10s",
                                               "baseEjectionTime": "30s"}},
        "subsets": [{"name": v, "labels": {"version": v}} for v in ("v1", "v2")]})


def virtual_service(service, version=0):
    """Another version has another timeout."""
    def to(subset):
        return {"host": host(service), "subset": subset}
    return resource("virtualservices", "VirtualService", service, {"hosts": [host(service)], "http": [
        {"match": [{"headers": {"end-user": {"exact": "jason"}}, "uri": {"prefix": "/api"}}],
         "timeout": f"{version + 5}s", "headers": {"response": {"add": {"x-route": "canary"}}},
         "route": [{"destination": to("v2")}]},
        {"retries": {"attempts": 3, "perTryTimeout": "2s", "retryOn": "5xx"},
         "route": [{"destination": to("v1"), "weight": 90},
                   {"destination": to("v2"), "weight": 10}]}]})


def fill(etcd, services):
    for kind in (service_entry, destination_rule, virtual_service):
        etcd.put(kind(service) for service in range(services))
