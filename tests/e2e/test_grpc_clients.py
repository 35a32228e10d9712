"""Applications without a proxy, whose gRPC takes its configuration from pilotd, reach real backends."""

import concurrent.futures
import json
import os
import subprocess
import sys

import grpc
import pytest

from harness import ROOT, World, wait_until

HOST = "who.default.svc.cluster.local"
NODE = "sidecar~127.0.0.1~caller.default~default.svc.cluster.local"
HERE = os.path.dirname(os.path.abspath(__file__))
NODE_MODULES = os.path.join(ROOT, "build", "node", "node_modules")
CALLERS = {
    "python": [sys.executable, os.path.join(HERE, "grpc_caller.py")],
    "node": ["node", os.path.join(HERE, "grpc_caller.js")],
    "go": [os.path.join(ROOT, "build", "go", "caller")],
}


class Backend:
    def __init__(self, name):
        self.server = grpc.server(concurrent.futures.ThreadPoolExecutor(2))
        answer = grpc.unary_unary_rpc_method_handler(lambda request, context: name.encode())
        self.server.add_generic_rpc_handlers(
            [grpc.method_handlers_generic_handler("pilotd.test.Who", {"Ask": answer})])
        self.port = self.server.add_insecure_port("127.0.0.1:0")
        self.server.start()


class Caller:
    def __init__(self, command, replica):
        bootstrap = {
            "authorities": {}, "xds_servers": [{"server_uri": replica.xds, "channel_creds": [{"type": "insecure"}],
                             "server_features": ["xds_v3"]}],
            "node": {"id": NODE, "locality": {}, "cluster": "test", "metadata": {"GENERATOR": "grpc"}},
        }
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=dict(os.environ, NODE_PATH=NODE_MODULES, GRPC_XDS_BOOTSTRAP_CONFIG=json.dumps(bootstrap)))

    def ask(self, target, *headers):
        self.process.stdin.write(" ".join([target, *headers]) + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


@pytest.fixture(scope="module")
def backends():
    made = {name: Backend(name) for name in ("v1", "v2", "v3")}
    yield made
    for backend in made.values():
        backend.server.stop(0)


@pytest.fixture
def world(etcd, backends):
    with World(etcd) as made:
        made.put("services/default/who", {"ports": [{"name": "grpc", "number": 80, "protocol": "GRPC"}]})
        made.put("config/destinationrules/default/who", resource("DestinationRule", {
            "host": "who", "subsets": [{"name": v, "labels": {"version": v}} for v in ("v1", "v2")]}))
        for version in ("v1", "v2"):
            register(made, version, backends[version])
        yield made


@pytest.fixture(params=CALLERS)
def caller(request, world):
    if request.param == "node" and not os.path.isdir(NODE_MODULES):
        pytest.skip("Node's gRPC is not there: `make deps` found no npm")
    if request.param == "go" and not os.path.exists(CALLERS["go"][0]):
        pytest.skip("Go's gRPC is not there: `make deps` found no Go that is new enough")
    made = Caller(CALLERS[request.param], world.replica())
    yield made
    made.close()


def resource(kind, spec):
    return {"apiVersion": "networking.istio.io/v1", "kind": kind,
            "metadata": {"name": "who", "namespace": "default"}, "spec": spec}


def register(world, version, backend):
    world.put(f"registry/default/who/{version}",
              {"address": "127.0.0.1", "ports": {"grpc": backend.port}, "labels": {"version": version}})


def route(world, *http):
    world.put("config/virtualservices/default/who",
              resource("VirtualService", {"hosts": ["who"], "http": list(http)}))


def to(version, weight=100):
    return {"destination": {"host": "who", "subset": version}, "weight": weight}


def wait_answers(caller, wanted, target=f"{HOST}:80", *headers):
    """Ten calls in a row are answered by `wanted`, and by each of them."""
    wait_until(lambda: {caller.ask(target, *headers) for _ in range(10)} == set(wanted),
               f"{target} is answered by {wanted}")


def test_calls_follow_the_service_its_routes_and_its_endpoints(world, caller, backends):
    for spelling in (HOST, "who", "who.default", "who.default.svc"):
        wait_answers(caller, ["v1", "v2"], f"{spelling}:80")

    route(world, {"route": [to("v1")]})
    wait_answers(caller, ["v1"])
    route(world, {"route": [to("v1", 50), to("v2", 50)]})
    wait_answers(caller, ["v1", "v2"])
    route(world, {"match": [{"headers": {"x-new": {"exact": "yes"}}}], "route": [to("v2")]},
          {"route": [to("v1")], "timeout": "3s", "retries": {"attempts": 2, "retryOn": "unavailable"},
           "corsPolicy": {"allowOrigins": [{"exact": "http://a.test"}]}})
    wait_answers(caller, ["v2"], f"{HOST}:80", "x-new=yes")
    wait_answers(caller, ["v1"])

    world.put("registry/default/who/v1", {"address": "127.0.0.1", "labels": {"version": "v1"},
                                          "ports": {"grpc": backends["v3"].port}})
    wait_answers(caller, ["v3"])


def share(caller, version, calls=60):
    return [caller.ask(f"{HOST}:80") for _ in range(calls)].count(version) / calls


def test_weights_are_kept_and_a_change_of_them_arrives(world, caller):
    route(world, {"route": [to("v1", 90), to("v2", 10)]})
    wait_until(lambda: 0 < share(caller, "v2") < 0.3, "one in ten goes to v2")
    route(world, {"route": [to("v1", 10), to("v2", 90)]})
    wait_until(lambda: 0.7 < share(caller, "v2") < 1, "nine in ten go to v2")


def test_a_policy_that_grpc_has_not_harms_no_call(world, caller):
    world.put("config/destinationrules/default/who", resource("DestinationRule", {
        "host": "who", "trafficPolicy": {
            "loadBalancer": {"simple": "LEAST_REQUEST"}, "tls": {"mode": "SIMPLE"},
            "connectionPool": {"http": {"http2MaxRequests": 100}},
            "outlierDetection": {"consecutive5xxErrors": 5, "interval": "1s"}}}))

    wait_answers(caller, ["v1", "v2"])


def test_a_host_that_nobody_has_fails_and_harms_no_other(caller):
    assert caller.ask("nobody.default.svc.cluster.local:80") in ("UNAVAILABLE", "DEADLINE_EXCEEDED")
    wait_answers(caller, ["v1", "v2"])
