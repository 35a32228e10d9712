"""A proxy that goes from one replica to another is sent only what differs, and follows on from there."""

import json
import os
import queue
import sys
import threading

import grpc
import pytest
from envoy.service.discovery.v3 import ads_pb2_grpc, discovery_pb2

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "deploy", "demo"))

from cluster import Cluster, Failure, get, wait_until  # noqa: E402
from test_keyspace_faults import put, status  # noqa: E402

URLS = {"CDS": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
        "EDS": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
        "LDS": "type.googleapis.com/envoy.config.listener.v3.Listener",
        "RDS": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"}
SHORT = {url: short for short, url in URLS.items()}
NODE = "sidecar~10.9.9.9~web-1.shop~shop.svc.cluster.local"
CART = "outbound|8080||cart.shop.svc.cluster.local"


class Proxy:
    """A raw Delta ADS client that acknowledges everything and remembers versions, like Envoy."""

    def __init__(self, address, versions=None):
        self.versions = {short: dict(held) for short, held in (versions or {}).items()}
        self.requests, self.responses = queue.Queue(), queue.Queue()
        self.channel = grpc.insecure_channel(address)
        stub = ads_pb2_grpc.AggregatedDiscoveryServiceStub(self.channel)
        self.call = stub.DeltaAggregatedResources(iter(self.requests.get, None))
        self.status = None
        threading.Thread(target=self.read, daemon=True).start()
        self.subscribe("CDS", node=True)

    def subscribe(self, short, names=(), node=False):
        request = discovery_pb2.DeltaDiscoveryRequest(
            type_url=URLS[short], resource_names_subscribe=names,
            initial_resource_versions=self.versions.get(short, {}))
        if node:
            request.node.id = NODE
        self.requests.put(request)

    def read(self):
        try:
            for response in self.call:
                short = SHORT[response.type_url]
                held = self.versions.setdefault(short, {})
                for resource in response.resources:
                    held[resource.name] = resource.version
                for name in response.removed_resources:
                    held.pop(name, None)
                self.requests.put(discovery_pb2.DeltaDiscoveryRequest(
                    type_url=response.type_url, response_nonce=response.nonce))
                self.responses.put((short, sorted(r.name for r in response.resources),
                                    sorted(response.removed_resources),
                                    response.control_plane.identifier))
        except grpc.RpcError as error:
            self.status = error.code()

    def next(self, deadline_s=10):
        try:
            return self.responses.get(timeout=deadline_s)
        except queue.Empty:
            raise Failure("no response came") from None

    def is_quiet(self, for_s=0.5):
        """Nothing comes; a response that should not is given back."""
        try:
            return self.responses.get(timeout=for_s)
        except queue.Empty:
            return True

    def close(self):
        self.requests.put(None)
        self.call.cancel()
        self.channel.close()


@pytest.fixture()
def cluster():
    made = Cluster()
    made.start_etcd(1)
    made.start_pilotds(2)
    put(made, "registry/shop/cart/a", '{"address":"10.0.0.1","ports":{"http":8080}}')
    wait_until(lambda: len({status(r)["hash"] for r in made.pilotds}) == 1 and
               all("cart" in get(r.admin, "/debug/snapshot")[1] for r in made.pilotds), "agreement")
    yield made
    made.close()


def connect_fully(address):
    proxy = Proxy(address)
    assert CART in proxy.next()[1]
    proxy.subscribe("EDS", [CART])
    assert proxy.next()[:2] == ("EDS", [CART])
    proxy.subscribe("LDS")
    assert proxy.next()[0] == "LDS"
    proxy.subscribe("RDS", ["8080"])
    assert proxy.next()[:2] == ("RDS", ["8080"])
    return proxy


def reconnect(address, versions):
    proxy = Proxy(address, versions)
    proxy.subscribe("EDS", list(versions["EDS"]))
    proxy.subscribe("LDS")
    proxy.subscribe("RDS", list(versions["RDS"]))
    return proxy


def test_a_proxy_that_has_everything_is_sent_one_empty_response(cluster):
    first = connect_fully(cluster.pilotds[0].xds)
    versions = first.versions
    first.close()

    second = reconnect(cluster.pilotds[1].xds, versions)

    *said, identifier = second.next()
    assert said == ["CDS", [], []]
    replica, revision = identifier.split("@")
    assert replica == "pilotd-2" and int(revision) > 0
    assert second.is_quiet() is True
    second.close()


def test_a_proxy_that_missed_a_change_is_sent_that_change(cluster):
    first = connect_fully(cluster.pilotds[0].xds)
    versions = first.versions
    first.close()
    put(cluster, "registry/shop/cart/b", '{"address":"10.0.0.2","ports":{"http":8080}}')
    wait_until(lambda: '"endpoints":2' in get(cluster.pilotds[1].admin, "/debug/snapshot")[1]
               .replace(" ", "").replace("\t", ""), "the change is known")

    second = reconnect(cluster.pilotds[1].xds, versions)

    assert second.next()[:3] == ("CDS", [], [])
    assert second.next()[:3] == ("EDS", [CART], [])
    assert second.is_quiet() is True
    put(cluster, "config/virtualservices/shop/cart", json.dumps({
        "apiVersion": "networking.istio.io/v1", "kind": "VirtualService",
        "metadata": {"name": "cart", "namespace": "shop"},
        "spec": {"hosts": ["cart"], "http": [{"timeout": "3s", "route": [
            {"destination": {"host": "cart"}}]}]}}))
    assert second.next()[:3] == ("RDS", ["8080"], [])
    assert second.is_quiet() is True
    second.close()


def test_a_drained_replica_ends_its_streams_and_is_not_ready(cluster):
    replica = cluster.pilotds[0]
    proxy = connect_fully(replica.xds)

    assert replica.stop() == 0

    wait_until(lambda: proxy.status is not None, "the stream ended")
    assert proxy.status == grpc.StatusCode.UNAVAILABLE
    proxy.close()
