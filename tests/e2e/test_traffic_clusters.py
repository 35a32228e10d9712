"""What a DestinationRule's policies do, seen at the backends."""

import concurrent.futures
import socket
import socketserver
import subprocess
import threading
import time

import pytest

from harness import free_port, wait_until
from sidecars import (CLIENT, HTTP_PORT, OTHER, BackendHandler, destination_rule, service, to,
                      virtual_service)
from traffic import mesh, nothing_is_refused  # noqa: F401

# Near each sidecar of the mesh, and near neither.
NEAR_CLIENT, NEAR_OTHER, FAR = "r1/z1/s1", "r2/z2/s2", "r3/z3/s3"
POOL = concurrent.futures.ThreadPoolExecutor(64)


@pytest.fixture(scope="module")
def three(mesh):
    return {name: mesh.backend(name) for name in ("v1", "v2", "v3")}


@pytest.fixture(scope="module")
def two(three):
    return {name: three[name] for name in ("v1", "v2")}


@pytest.fixture
def sick(mesh):
    """Two backends of one test's own, which may fail."""
    return {name: mesh.backend(name) for name in ("v1", "v2")}


def once(name, **spec):
    """A rule without retries: what a backend answers is what its caller gets."""
    return virtual_service(name, [{"retries": {"attempts": 0}, "route": [to(name)], **spec}])


def names(mesh, host, times, **arguments):
    return [mesh.ask(host, **arguments).name for _ in range(times)]


def at(backend, locality, **more):
    return {"address": "127.0.0.1", "ports": {"main": backend.port}, "locality": locality, **more}


class HeldHandler(BackendHandler):
    """Answers when the server's gate is open."""

    def status(self, path):
        self.server.gate.wait(20)
        return super().status(path)


def held(mesh, name):
    backend = mesh.backend(name)
    backend.gate, backend.RequestHandlerClass = threading.Event(), HeldHandler
    return backend


# ---- who is next ----

def test_round_robin_is_a_rota(mesh, three):
    mesh.apply("rota", service("rota", three),
               destination_rule("rota", {"loadBalancer": {"simple": "ROUND_ROBIN"}}))
    seen = names(mesh, "rota.test", 12)
    assert set(seen[:3]) == set(three) and seen == seen[:3] * 4


@pytest.mark.parametrize("simple, at_least, at_most", [
    ("LEAST_REQUEST", 251, 399), ("RANDOM", 151, 249)])
def test_a_busy_backend_is_avoided_or_not(mesh, three, simple, at_least, at_most):
    """One of two holds a request. Of two taken by chance the idle one is chosen (300 of 400 are
    its, give or take 9), or one by chance alone (200, give or take 10)."""
    name, slow = simple.lower().replace("_", "-"), held(mesh, "slow")
    mesh.apply(name, service(name, {"v1": slow, "v2": three["v2"]}),
               destination_rule(name, {"loadBalancer": {"simple": simple}}))
    calls = []
    while not slow.seen:
        calls.append(POOL.submit(mesh.ask, f"{name}.test", timeout=30))
        wait_until(lambda: slow.seen or calls[-1].done(), "it is held or answered")
    slow.RequestHandlerClass = BackendHandler  # of connections from now on
    counts = mesh.count(f"{name}.test", 400)
    slow.gate.set()
    assert calls[-1].result().name == "slow"
    assert at_least <= counts["v2"] <= at_most, counts


def test_a_warm_up_lets_traffic_flow(mesh, two):
    mesh.apply("warm", service("warm", two), destination_rule("warm", {"loadBalancer": {
        "simple": "ROUND_ROBIN",
        "warmup": {"duration": "10s", "minimumPercent": 50, "aggression": 1.5}}}))
    assert set(names(mesh, "warm.test", 20)) == {"v1", "v2"}


# ---- outlier detection ----

def outliers(mesh, name, backends, policy=None, **settings):
    settings = {"interval": "0.1s", "baseEjectionTime": "1s", "maxEjectionPercent": 100, **settings}
    mesh.apply(name, service(name, backends), once(name), destination_rule(name, {
        "loadBalancer": {"simple": "ROUND_ROBIN"}, "outlierDetection": settings, **(policy or {})}))


def is_left_out(mesh, host, backend, times=8):
    """Round robin goes past a backend only when it is ejected."""
    return backend not in names(mesh, host, times)


def test_what_fails_is_ejected_and_comes_back(mesh, sick):
    sick["v1"].status = 500
    outliers(mesh, "eject", sick, consecutive5xxErrors=2)
    wait_until(lambda: is_left_out(mesh, "eject.test", "v1"), "v1 is ejected")
    sick["v1"].status = 200
    wait_until(lambda: "v1" in names(mesh, "eject.test", 4), "v1 is back")


def test_gateway_errors_are_counted_apart(mesh, sick):
    sick["v1"].status = 500
    outliers(mesh, "gateway", sick, consecutive5xxErrors=0, consecutiveGatewayErrors=2)
    assert names(mesh, "gateway.test", 40).count("v1") == 20
    sick["v1"].status = 503
    wait_until(lambda: is_left_out(mesh, "gateway.test", "v1"), "v1 is ejected")


def test_connections_that_fail_are_counted_apart(mesh, sick):
    nobody = free_port()
    dead = {"address": "127.0.0.1", "ports": {"main": nobody}}
    alive = {"address": "127.0.0.1", "ports": {"main": sick["v2"].port}}
    outliers(mesh, "local", [dead, alive], splitExternalLocalOriginErrors=True,
             consecutiveLocalOriginFailures=1, consecutive5xxErrors=0)
    wait_until(lambda: names(mesh, "local.test", 8) == ["v2"] * 8, "the dead one is ejected")


def test_no_more_are_ejected_than_allowed(mesh, sick):
    for backend in sick.values():
        backend.status = 500
    outliers(mesh, "atmost", sick, consecutive5xxErrors=1, maxEjectionPercent=50,
             baseEjectionTime="60s")
    wait_until(lambda: len(set(names(mesh, "atmost.test", 6))) == 1, "one is ejected")
    for _ in range(10):
        assert mesh.ask("atmost.test").status == 500  # of the other one


def test_when_all_are_ejected_nobody_is_asked(mesh, sick):
    for backend in sick.values():
        backend.status = 500
    outliers(mesh, "all", sick, consecutive5xxErrors=1, baseEjectionTime="60s")
    wait_until(lambda: mesh.ask("all.test").status == 503, "both are ejected")
    before = sum(len(backend.seen) for backend in sick.values())
    assert mesh.ask("all.test").name is None
    assert sum(len(backend.seen) for backend in sick.values()) == before


def test_below_the_least_health_all_are_asked(mesh, sick):
    for backend in sick.values():
        backend.status = 500
    outliers(mesh, "panic", sick, consecutive5xxErrors=1, minHealthPercent=50,
             baseEjectionTime="60s")
    client, ejected = mesh.sidecars[0], "panic.test.*ejections_active"
    wait_until(lambda: mesh.ask("panic.test") and client.stat(ejected) == 2, "both are ejected")
    wait_until(lambda: set(names(mesh, "panic.test", 8)) == {"v1", "v2"}, "both are asked even so")


# ---- connection pools ----

def pool(mesh, name, backends, **settings):
    mesh.apply(name, service(name, backends), once(name),
               destination_rule(name, {"connectionPool": settings}))


def test_too_many_connections_overflow(mesh):
    slow = held(mesh, "slow")
    pool(mesh, "connections", {"v1": slow}, tcp={"maxConnections": 1},
         http={"http1MaxPendingRequests": 1})
    first = POOL.submit(mesh.ask, "connections.test")
    wait_until(lambda: slow.seen, "the first is under way")
    second = POOL.submit(mesh.ask, "connections.test")
    wait_until(lambda: mesh.sidecars[0].stat("connections.test.*upstream_rq_pending_active") == 1,
               "the second waits")
    third = mesh.ask("connections.test")
    assert third.status == 503 and third.headers["x-envoy-overloaded"] == "true"
    slow.gate.set()
    assert first.result().status == 200 and second.result().status == 200 and len(slow.seen) == 2


def test_too_many_requests_overflow(mesh):
    slow = held(mesh, "slow")
    pool(mesh, "requests", {"v1": slow}, http={"http2MaxRequests": 1})
    first = POOL.submit(mesh.ask, "requests.test")
    wait_until(lambda: slow.seen, "the first is under way")
    assert mesh.ask("requests.test").headers["x-envoy-overloaded"] == "true"
    slow.gate.set()
    assert first.result().status == 200 and len(slow.seen) == 1


def connections(mesh, host, times, **arguments):
    """How many connections of the backend the requests came by."""
    return len({mesh.ask(host, **arguments).json["connection"] for _ in range(times)})


def test_a_connection_carries_as_many_requests_as_allowed(mesh, two):
    pool(mesh, "carries", {"v1": two["v1"]}, http={"maxRequestsPerConnection": 2})
    assert connections(mesh, "carries.test", 6) == 3


def test_settings_of_a_port_and_of_a_subset_go_before(mesh, two):
    single = {"connectionPool": {"http": {"maxRequestsPerConnection": 1}}}
    document = service("levels", two)
    document["spec"]["ports"].append({"number": HTTP_PORT + 1, "name": "other", "protocol": "HTTP"})
    for endpoint in document["spec"]["endpoints"]:
        endpoint["ports"]["other"] = endpoint["ports"]["main"]
    of_port = {"portLevelSettings": [{"port": {"number": HTTP_PORT + 1}, **single}]}
    rule = destination_rule("levels", of_port, versions=("v1", "v2"))
    rule["spec"]["subsets"][1]["trafficPolicy"] = single
    mesh.apply("levels", document, rule, virtual_service("levels", [
        {"match": [{"headers": {"x": {"exact": "2"}}}], "route": [to("levels", "v2")]},
        {"route": [to("levels", "v1")]}]))
    assert connections(mesh, "levels.test", 4) == 1
    assert connections(mesh, "levels.test", 4, port=HTTP_PORT + 1) == 4
    assert connections(mesh, "levels.test", 4, headers={"x": "2"}) == 4


def test_a_connection_that_idles_is_closed(mesh):
    class Handler(BackendHandler):
        def finish(self):
            super().finish()
            self.server.closed.append(self.client_address[1])

    backend = mesh.backend("v1")
    backend.closed, backend.RequestHandlerClass = [], Handler
    pool(mesh, "idles", {"v1": backend}, http={"idleTimeout": "0.2s"})
    first = mesh.ask("idles.test").json["connection"]
    wait_until(lambda: first in backend.closed, "it is closed")
    assert mesh.ask("idles.test").json["connection"] != first


def test_a_connection_that_is_not_made_is_given_up(mesh):
    """The server's queue of connections is full, so it does not answer new ones."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        fillers = []
        for _ in range(3):
            fillers.append(socket.socket())
            fillers[-1].setblocking(False)
            fillers[-1].connect_ex(full.getsockname())
        pool(mesh, "unmade", [{"address": "127.0.0.1", "ports": {"main": full.getsockname()[1]}}],
             tcp={"connectTimeout": "0.2s"})
        begin = time.monotonic()
        answer = mesh.ask("unmade.test", timeout=30)
        for filler in fillers:
            filler.close()
    assert answer.status == 503 and 0.15 < time.monotonic() - begin < 5  # the default is 10 s


# ---- how HTTP is spoken ----

@pytest.fixture(scope="module")
def preface(mesh):
    """Keeps the first line of each connection, and hangs up."""
    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            self.server.lines.append(self.rfile.readline().split(b" ")[-1].strip())

    return mesh.tcp_backend("preface", handler=Handler)


def spoken(mesh, backend, name, h2_client=False):
    """The version that the backend was spoken to in."""
    backend.lines.clear()
    flag = "--http2-prior-knowledge" if h2_client else "--http1.1"
    subprocess.run(["curl", "-s", flag, "--max-time", "10", "-o", "/dev/null", "-H",
                    f"Host: {name}.test", f"http://{CLIENT}:{HTTP_PORT}/"], timeout=20)
    return wait_until(lambda: backend.lines, "the backend is spoken to")[0]


@pytest.mark.parametrize("policy, of_http1, of_http2", [
    ({}, b"HTTP/1.1", b"HTTP/1.1"),
    ({"h2UpgradePolicy": "UPGRADE"}, b"HTTP/2.0", b"HTTP/2.0"),
    ({"useClientProtocol": True}, b"HTTP/1.1", b"HTTP/2.0")], ids=["default", "upgrade", "clients"])
def test_the_version_of_http_is_as_asked(mesh, preface, policy, of_http1, of_http2, request):
    name = f"version-{request.node.callspec.id}"
    pool(mesh, name, {"v1": preface}, http=policy)
    assert spoken(mesh, preface, name) == of_http1
    assert spoken(mesh, preface, name, h2_client=True) == of_http2


@pytest.mark.parametrize("protocol", ["HTTP2", "GRPC"])
def test_a_port_of_http2_is_spoken_to_so(mesh, preface, protocol):
    name = f"port-{protocol.lower()}"
    mesh.apply(name, service(name, {"v1": preface}, protocol=protocol), once(name))
    assert spoken(mesh, preface, name) == b"HTTP/2.0"


# ---- retry budgets ----

TENTH = {"percent": 10, "minRetryConcurrency": 1}


@pytest.mark.parametrize("budget", [None, TENTH], ids=["none", "tenth"])
def test_a_budget_bounds_retries(mesh, budget):
    """Twenty requests fail at once: each is retried three times, or a tenth of those in flight."""
    name, failing = "bounded" if budget else "unbounded", held(mesh, "failing")
    failing.status = 500
    rule = destination_rule(name, {"retryBudget": budget} if budget else None)
    mesh.apply(name, service(name, {"v1": failing}), rule, virtual_service(name, [
        {"retries": {"attempts": 3, "retryOn": "5xx", "backoff": "0.01s"}, "route": [to(name)]}]))
    calls = [POOL.submit(mesh.ask, f"{name}.test", timeout=30) for _ in range(20)]
    wait_until(lambda: len(failing.seen) == 20, "all are in flight")
    failing.gate.set()
    assert {call.result().status for call in calls} == {500}
    tries = len(failing.seen)
    assert 20 < tries < 40 if budget else tries == 80, tries


# ---- locality ----

WATCH = {"consecutive5xxErrors": 1, "interval": "0.1s", "baseEjectionTime": "1s",
         "maxEjectionPercent": 100}


def locality(setting, watch=True):
    policy = {"loadBalancer": {"simple": "ROUND_ROBIN", "localityLbSetting": setting}}
    return {**policy, "outlierDetection": WATCH} if watch else policy


def test_the_nearest_is_asked_until_it_fails(mesh, sick):
    near, far = sick["v1"], sick["v2"]
    mesh.apply("near", service("near", [at(near, NEAR_CLIENT), at(far, FAR)]), once("near"),
               destination_rule("near", locality({"enabled": True})))
    assert mesh.count("near.test", 10) == {"v1": 10}
    near.status = 500
    wait_until(lambda: names(mesh, "near.test", 5) == ["v2"] * 5, "it fails over")
    near.status = 200
    wait_until(lambda: names(mesh, "near.test", 5) == ["v1"] * 5, "it is local again")


def test_each_caller_has_its_own_nearest(mesh, three):
    endpoints = [at(three["v1"], NEAR_CLIENT), at(three["v2"], NEAR_OTHER)]
    mesh.apply("whose", service("whose", endpoints),
               destination_rule("whose", locality({"enabled": True})))
    assert mesh.count("whose.test", 6) == {"v1": 6}
    assert mesh.count("whose.test", 6, at=OTHER) == {"v2": 6}


def test_the_same_zone_goes_before_the_same_region(mesh, three):
    mesh.apply("zones", service("zones", [at(three["v1"], "r1/z9"), at(three["v2"], "r1/z1/s9"),
                                          at(three["v3"], FAR)]),
               destination_rule("zones", locality({"enabled": True})))
    assert mesh.count("zones.test", 6) == {"v2": 6}


def test_failover_names_the_next_region(mesh, three):
    mesh.apply("regions", service("regions", [at(three["v2"], "r2/z"), at(three["v3"], "r3/z")]),
               destination_rule("regions", locality({"failover": [{"from": "r1", "to": "r3"}]})))
    assert mesh.count("regions.test", 6) == {"v3": 6}


@pytest.mark.parametrize("setting, watch", [({"enabled": True}, False), ({"enabled": False}, True)],
                         ids=["unwatched", "disabled"])
def test_without_it_all_localities_are_asked(mesh, three, setting, watch, request):
    name = request.node.callspec.id
    mesh.apply(name, service(name, [at(three["v1"], NEAR_CLIENT), at(three["v2"], FAR)]),
               destination_rule(name, locality(setting, watch)))
    assert set(names(mesh, f"{name}.test", 20)) == {"v1", "v2"}


def test_traffic_is_distributed_as_said(mesh, three):
    mesh.apply("distribute", service("distribute", [
        at(three["v1"], NEAR_CLIENT), at(three["v2"], NEAR_OTHER), at(three["v3"], FAR)]),
        destination_rule("distribute", locality({"distribute": [
            {"from": "r1/*", "to": {"r1/z1/*": 80, "r2/*": 20}},
            {"from": "r2/z2/*", "to": {"r3/*": 100}}]}, watch=False)))
    counts = mesh.count("distribute.test", 100)
    assert 70 <= counts["v1"] <= 90 and counts["v3"] == 0, counts
    assert mesh.count("distribute.test", 6, at=OTHER) == {"v3": 6}


def test_labels_may_say_what_is_near(mesh, three):
    """Each caller is nearest to what shares its label, wherever that is."""
    endpoints = [at(three["v1"], FAR, labels={"app": "client"}),
                 at(three["v2"], NEAR_CLIENT, labels={"app": "other"}),
                 at(three["v3"], NEAR_CLIENT, labels={"app": "none"})]
    mesh.apply("labels", service("labels", endpoints), destination_rule(
        "labels", locality({"failoverPriority": ["app"]})))
    assert mesh.count("labels.test", 6) == {"v1": 6}
    assert mesh.count("labels.test", 6, at=OTHER) == {"v2": 6}
