"""What policies do to connections that are not HTTP, and where TLS that passes goes: what
test_traffic_connections.py leaves to say."""

import collections
import itertools
import socket
import socketserver
import ssl
import time

import pytest

from certificates import Authority
from harness import free_port, wait_until
from secret_server import SecretServer
from sidecars import CLIENT, OTHER, destination_rule, loopback, resource, service, to
from traffic import mesh, nothing_is_refused  # noqa: F401

PORTS = itertools.count(7001)


@pytest.fixture(scope="module")
def authority(mesh):
    return Authority(f"{mesh.directory}/pki")


@pytest.fixture(scope="module")
def three(mesh):
    return {name: mesh.tcp_backend(name) for name in ("v1", "v2", "v3")}


@pytest.fixture(scope="module")
def two(three):
    return {name: three[name] for name in ("v1", "v2")}


def tcp(mesh, name, backends, policy=None, *routes, versions=("v1", "v2")):
    """Applies a service, its rule and, if there are routes, a VirtualService; its port."""
    port = next(PORTS)
    documents = [service(name, backends, port=port, protocol="TCP"),
                 destination_rule(name, policy, versions=versions)]
    if routes:
        documents.append(resource("VirtualService", name, {
            "hosts": [f"{name}.test"], "tcp": list(routes)}))
    mesh.apply(name, *documents)
    return port


def who(mesh, port, times, **arguments):
    return collections.Counter(mesh.say(port, **arguments).split(" ")[0] for _ in range(times))


def endpoint(backend, **more):
    return {"address": "127.0.0.1", "ports": {"main": getattr(backend, "port", backend)}, **more}


# ---- routes ----

def test_destination_subnets_are_matched(mesh, two):
    """Without redirection a connection goes to the proxy's own address."""
    narrow = {"match": [{"destinationSubnets": [f"{CLIENT}/32"]}], "route": [to("subnets", "v1")]}
    wide = {"match": [{"destinationSubnets": ["127.0.0.0/8"]}], "route": [to("subnets", "v2")]}
    port = tcp(mesh, "subnets", two, None, narrow, wide)
    assert who(mesh, port, 4) == {"v1": 4} and who(mesh, port, 4, at=OTHER) == {"v2": 4}


def test_a_weight_of_zero_is_nothing(mesh, two):
    port = tcp(mesh, "zero", two, None, {"route": [to("zero", "v1", 100), to("zero", "v2", 0)]})
    assert who(mesh, port, 40) == {"v1": 40}


def test_a_match_of_several_takes_any_of_them(mesh, two):
    port = tcp(mesh, "several", two, None,
               {"match": [{"sourceLabels": {"app": "other"}}, {"sourceNamespace": "nobody"}],
                "route": [to("several", "v2")]}, {"route": [to("several", "v1")]})
    assert who(mesh, port, 4) == {"v1": 4} and who(mesh, port, 4, at=OTHER) == {"v2": 4}


def test_a_connection_is_for_another_service(mesh, two):
    tcp(mesh, "target", {"v2": two["v2"]})
    port = tcp(mesh, "source", {"v1": two["v1"]}, None, {"route": [to("target")]})
    assert who(mesh, port, 4) == {"v2": 4}


# ---- policies ----

def test_round_robin_is_a_rota_of_connections(mesh, three):
    port = tcp(mesh, "rota", three, {"loadBalancer": {"simple": "ROUND_ROBIN"}})
    seen = [mesh.say(port).split(" ")[0] for _ in range(9)]
    assert set(seen[:3]) == set(three) and seen == seen[:3] * 3


RINGS = {"maglev": {"tableSize": 251}, "ringHash": {"minimumRingSize": 64}}


@pytest.mark.parametrize("kind", RINGS)
def test_a_source_address_keeps_its_backend(mesh, three, kind):
    """Callers of many addresses, each with a backend of its own, and all backends with callers."""
    port = tcp(mesh, kind.lower(), three, {"loadBalancer": {"consistentHash": {
        "useSourceIp": True, kind: RINGS[kind]}}})
    homes = {}
    for caller, _ in itertools.product(range(1, 41), range(2)):
        with socket.create_connection((CLIENT, port), 5, (f"127.63.0.{caller}", 0)) as connection:
            connection.sendall(b"hello\n")
            home = connection.makefile().readline().split(" ")[0]
        assert homes.setdefault(caller, home) == home
    assert set(homes.values()) == set(three)


def test_too_many_connections_are_cut(mesh, two):
    port = tcp(mesh, "limit", {"v1": two["v1"]}, {"connectionPool": {"tcp": {"maxConnections": 1}}})
    with socket.create_connection((CLIENT, port), timeout=5) as first:
        first.sendall(b"hello\n")
        assert first.makefile().readline() == "v1 hello\n"
        assert mesh.say(port) == ""
    wait_until(lambda: mesh.say(port) == "v1 hello\n", "there is room again")


def test_a_connection_lasts_no_longer_than_allowed(mesh, two):
    port = tcp(mesh, "lasts", two, {"connectionPool": {"tcp": {"maxConnectionDuration": "0.4s"}}})
    begin = time.monotonic()
    with socket.create_connection((CLIENT, port), timeout=5) as connection:
        lines = connection.makefile()
        try:
            while time.monotonic() - begin < 5:
                connection.sendall(b"hello\n")
                if not lines.readline():
                    break
        except OSError:
            pass
    assert 0.35 < time.monotonic() - begin < 5


def test_a_backend_that_refuses_is_ejected(mesh, two):
    port = tcp(mesh, "refuses", [endpoint(free_port()), endpoint(two["v2"])], {
        "loadBalancer": {"simple": "ROUND_ROBIN"}, "outlierDetection": {
            "consecutive5xxErrors": 1, "interval": "0.1s", "baseEjectionTime": "60s",
            "maxEjectionPercent": 100}}, versions=())
    wait_until(lambda: who(mesh, port, 24) == {"v2": 24}, "only the other one is asked")


def test_connections_stay_near_until_that_fails(mesh, two):
    refused = endpoint(free_port(), locality="r1/z1/s1")
    near, far = endpoint(two["v1"], locality="r1/z2"), endpoint(two["v2"], locality="r3")
    policy = {"outlierDetection": {"consecutive5xxErrors": 1, "interval": "0.1s",
                                   "baseEjectionTime": "60s", "maxEjectionPercent": 100}}
    port = tcp(mesh, "near", [near, far], policy, versions=())
    assert who(mesh, port, 6) == {"v1": 6}
    port = tcp(mesh, "fails", [refused, near, far], policy, versions=())
    wait_until(lambda: who(mesh, port, 6) == {"v1": 6}, "the next zone is asked")


@pytest.mark.parametrize("health", ["draining", "unhealthy"])
def test_an_instance_that_is_not_well_gets_no_connections(mesh, two, health):
    port, values = next(PORTS), {}
    values[f"services/default/tcp-{health}"] = {
        "ports": [{"number": port, "name": "main", "protocol": "TCP"}]}
    for version, state in (("v1", health), ("v2", "healthy")):
        values[f"registry/default/tcp-{health}/{version}"] = {
            **endpoint(two[version]), "health": state}
    mesh.apply_values(values)
    wait_until(lambda: mesh.say(port), "it is served")
    assert who(mesh, port, 12) == {"v2": 12}


def test_a_tunnel_by_post_carries_bytes(mesh):
    asked = []

    class Handler(socketserver.StreamRequestHandler):
        """Gives back the first chunk that comes, and ends when its caller has."""

        def handle(self):
            asked.append(self.rfile.readline().split(b" ")[0])
            while self.rfile.readline().strip():
                pass
            self.wfile.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
            self.rfile.readline()
            line = self.rfile.readline()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
            self.rfile.read()

    port = tcp(mesh, "post", {"v1": mesh.tcp_backend("proxy", handler=Handler)}, {
        "tunnel": {"protocol": "POST", "targetHost": "far.away", "targetPort": 443}})
    assert mesh.say(port) == "hello\n" and asked == [b"POST"]


# ---- TLS that passes ----

@pytest.fixture(scope="module")
def secure(mesh, authority):
    context = authority.server("secure", "DNS:pass.test")
    context.num_tickets = 0  # an answer waits for their acknowledgement
    return {v: mesh.tcp_backend(v, context=context) for v in ("v1", "v2")}


def tls_name(authority, port, server_name, at=CLIENT):
    """The backend that a TLS connection for the name reaches; "" when it is cut."""
    context = ssl.create_default_context(cafile=authority.pem)
    context.check_hostname = False
    try:
        with socket.create_connection((at, port), timeout=5) as raw, \
                context.wrap_socket(raw, server_hostname=server_name) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.sendall(b"hello\n")
            return connection.makefile().readline().split(" ")[0]
    except OSError:
        return ""


def tls(mesh, name, secure, *routes):
    """Applies a service NAME.test, and routes for what is under *.NAME.test too; its port."""
    port, host = next(PORTS), f"{name}.test"
    mesh.apply(name, service(name, secure, port=port, protocol="TLS"),
               destination_rule(name, versions=("v1", "v2")), resource("VirtualService", name, {
                   "hosts": [host, f"*.{host}"], "tls": list(routes)}))
    return port


def asked_for(route, *server_names, **match):
    return {"match": [{"sniHosts": list(server_names), **match}], "route": route}


def test_tls_is_split_by_weight(mesh, authority, secure):
    port = tls(mesh, "weights", secure, asked_for(
        [to("weights", "v1", 85), to("weights", "v2", 15)], "weights.test"))
    counts = collections.Counter(tls_name(authority, port, "weights.test") for _ in range(100))
    assert 60 < counts["v1"] < 100, counts  # seven standard deviations
    assert counts["v1"] + counts["v2"] == 100


def test_the_longest_server_name_wins(mesh, authority, secure):
    port = tls(mesh, "longest", secure, asked_for([to("longest", "v1")], "*.longest.test"),
               asked_for([to("longest", "v2")], "*.deep.longest.test"))
    assert tls_name(authority, port, "any.longest.test") == "v1"
    assert tls_name(authority, port, "any.deep.longest.test") == "v2"


def test_tls_goes_where_its_port_and_caller_say(mesh, authority, secure):
    name = "callers.test"
    port = tls(mesh, "callers", secure,
               asked_for([to("callers", "v2")], name, port=1),
               asked_for([to("callers", "v2")], name, sourceLabels={"app": "other"}),
               asked_for([to("callers", "v1")], name, sourceNamespace="default"))
    for _ in range(5):
        assert tls_name(authority, port, name) == "v1"
        assert tls_name(authority, port, name, at=OTHER) == "v2"


def test_a_server_name_is_the_first_rules_that_names_it(mesh, authority, secure):
    """The rest of a later rule's names are in force."""
    port = tls(mesh, "overlap", secure,
               asked_for([to("overlap", "v1")], "a.overlap.test", "b.overlap.test"),
               asked_for([to("overlap", "v2")], "b.overlap.test", "c.overlap.test"))
    reached = {name: tls_name(authority, port, f"{name}.overlap.test") for name in "abc"}
    mesh.apply("overlap")
    assert reached == {"a": "v1", "b": "v1", "c": "v2"}


# ---- TLS of the mesh ----

def test_tls_of_the_mesh_can_be_disabled(mesh, authority):
    """Between proxies with identities it is automatic; a rule that says DISABLE goes before."""
    agents, address, caller = [], loopback(3), loopback(4)

    def start(name, where):
        identity = authority.issue(name, f"URI:spiffe://cluster.local/ns/default/sa/{name}")
        agents.append(SecretServer(*identity, authority.pem))
        return mesh.start_sidecar(name, where, "default", {"app": name}, flags=(
            "--service-account", name, "--sds", agents[-1].address))

    local = mesh.backend("local")
    document = service("disable", [{"address": address, "serviceAccount": "disable-server",
                                    "ports": {"main": local.port}}])
    mesh.apply("disable", document)
    sidecars = [start("disable-server", address), start("disable-caller", caller)]

    def shown():
        answer = mesh.ask("disable.test", at=caller)
        headers = answer.json["headers"] if answer.status == 200 else {}
        return headers and headers.get("x-forwarded-client-cert", "nothing")

    assert "sa/disable-caller" in wait_until(shown, "the call passes")
    mesh.apply("disable", document, destination_rule("disable", {"tls": {"mode": "DISABLE"}}))
    assert shown() == "nothing"
    for sidecar in sidecars:
        mesh.stop_sidecar(sidecar)
    for agent in agents:
        agent.close()
