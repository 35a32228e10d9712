"""What needs redirection, because it depends on where the caller meant to go: egress policy,
original destinations, virtual addresses."""

import os
import socketserver
import ssl

import pytest

from certificates import Authority
from redirected import ADDRESSES, SUBNET, RedirectedMesh
from sidecars import HTTP_PORT, destination_rule, resource, service, to, virtual_service
from traffic import nothing_is_refused  # noqa: F401

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="redirection needs root: iptables")

HERE, THERE = ADDRESSES
VIRTUAL, OTHER_VIRTUAL = f"{SUBNET}.101", f"{SUBNET}.102"
PORTS = iter(range(7001, 7400))


@pytest.fixture(scope="module")
def mesh():
    with RedirectedMesh() as it:
        yield it


@pytest.fixture
def only_the_registry(mesh):
    """What is not in the registry cannot be called."""
    mesh.apply_values({"mesh": {"outboundTrafficPolicy": {"mode": "REGISTRY_ONLY"}}})
    yield
    mesh.apply_values({"mesh": {}})


class Says(socketserver.StreamRequestHandler):
    """Its name, the address that it was called at, and the line it was sent."""

    def handle(self):
        line = self.rfile.readline()
        where = self.connection.getsockname()[0]
        self.wfile.write(f"{self.server.name} {where} ".encode() + line)


def outside(mesh, name, **arguments):
    return mesh.tcp_backend(name, handler=Says, address="0.0.0.0", **arguments)


@pytest.fixture(scope="module")
def plain(mesh):
    return outside(mesh, "plain")


@pytest.fixture(scope="module")
def web(mesh):
    return mesh.backend("web", address="0.0.0.0")


@pytest.fixture(scope="module")
def two(mesh):
    return {version: outside(mesh, version) for version in ("v1", "v2")}


def endpoints(backends):
    return [{"address": HERE, "labels": {"version": version}, "ports": {"main": backend.port}}
            for version, backend in backends.items()]


# ---- egress ----

def test_what_nobody_registered_is_called_where_it_is(mesh, plain, web):
    assert mesh.say(plain.port, at=THERE) == f"plain {THERE} hello\n"
    assert mesh.ask("stranger.test", port=web.port, at=HERE).name == "web"


def test_what_nobody_registered_can_be_forbidden(mesh, plain, web, only_the_registry):
    assert mesh.say(plain.port, at=THERE) == ""
    with pytest.raises(OSError):
        mesh.ask("stranger.test", port=web.port, at=HERE)


def test_strangers_at_a_port_of_http(mesh, web):
    """At a port of HTTP services, a Host that is none of theirs goes where it meant to."""
    def stranger():
        return mesh.ask("stranger.test", port=web.port, at=THERE)

    there = {"address": HERE, "ports": {"main": web.port}}
    mesh.apply("friend", service("friend", [there], port=web.port))
    assert mesh.ask("friend.test", port=web.port).name == "web"
    assert stranger().name == "web"
    mesh.apply_values({"mesh": {"outboundTrafficPolicy": {"mode": "REGISTRY_ONLY"}}})
    assert mesh.ask("friend.test", port=web.port).name == "web"
    assert stranger().status == 502 and stranger().name is None
    mesh.apply_values({"mesh": {}})


# ---- original destinations ----

def test_tcp_goes_where_it_meant_to(mesh, plain, only_the_registry):
    mesh.apply("original", service("original", None, port=plain.port, protocol="TCP",
                                   resolution="NONE", location="MESH_EXTERNAL"))
    assert mesh.say(plain.port, at=HERE) == f"plain {HERE} hello\n"
    assert mesh.say(plain.port, at=THERE) == f"plain {THERE} hello\n"
    mesh.apply("original")


def test_only_the_addresses_that_are_listed(mesh, plain, only_the_registry):
    mesh.apply("listed", service("listed", None, port=plain.port, protocol="TCP", resolution="NONE",
                                 location="MESH_EXTERNAL", addresses=[f"{HERE}/32"]))
    assert mesh.say(plain.port, at=HERE) == f"plain {HERE} hello\n"
    assert mesh.say(plain.port, at=THERE) == ""
    mesh.apply("listed")


def test_http_hosts_under_a_wildcard_go_where_they_meant_to(mesh, web, only_the_registry):
    mesh.apply("wild", service("wild", None, hosts=["*.wild.test"], port=web.port,
                               resolution="NONE", location="MESH_EXTERNAL"))
    assert mesh.ask("any.wild.test", port=web.port, at=THERE).name == "web"
    assert mesh.ask("tame.test", port=web.port, at=THERE).status == 502
    mesh.apply("wild")


def test_the_port_may_be_another_one(mesh, plain):
    port = next(PORTS)
    document = service("override", None, port=port, protocol="TCP", resolution="NONE",
                       location="MESH_EXTERNAL")
    document["spec"]["ports"][0]["targetPort"] = plain.port
    mesh.apply("override", document)
    assert mesh.say(port, at=THERE) == f"plain {THERE} hello\n"


def test_server_names_under_a_wildcard_go_where_they_meant_to(mesh, only_the_registry, tmp_path):
    authority = Authority(str(tmp_path))
    server = authority.server("secure", "DNS:*.sni.test,DNS:tame.test")
    secure = outside(mesh, "secure", context=server)
    context = ssl.create_default_context(cafile=authority.pem)

    def say(server_name):
        try:
            with mesh.connect(THERE, secure.port) as raw, \
                    context.wrap_socket(raw, server_hostname=server_name) as connection:
                connection.sendall(b"hello\n")
                return connection.makefile().readline()
        except OSError:
            return ""

    mesh.apply("sni", service("sni", None, hosts=["*.sni.test"], port=secure.port, protocol="TLS",
                              resolution="NONE", location="MESH_EXTERNAL"))
    assert say("any.sni.test") == f"secure {THERE} hello\n"
    assert say("tame.test") == ""


# ---- virtual addresses ----

def virtual(name, backends, addresses, port):
    return service(name, endpoints(backends), port=port, protocol="TCP", addresses=addresses)


def test_services_of_one_port_are_told_apart_by_their_addresses(mesh, two):
    port = next(PORTS)
    mesh.apply("virtual", virtual("one", {"v1": two["v1"]}, [VIRTUAL], port),
               virtual("two", {"v2": two["v2"]}, [OTHER_VIRTUAL], port))
    assert mesh.say(port, at=VIRTUAL).startswith("v1 ")
    assert mesh.say(port, at=OTHER_VIRTUAL).startswith("v2 ")


def test_a_range_of_addresses_is_a_service(mesh, two):
    port = next(PORTS)
    mesh.apply("ranges", virtual("low", {"v1": two["v1"]}, ["10.77.0.0/17"], port),
               virtual("high", {"v2": two["v2"]}, ["10.77.128.0/17"], port))
    assert mesh.say(port, at="10.77.0.9").startswith("v1 ")
    assert mesh.say(port, at="10.77.200.9").startswith("v2 ")


def test_rules_may_say_where_to(mesh, two):
    port = next(PORTS)
    rules = resource("VirtualService", "subnets", {"hosts": ["subnets.test"], "tcp": [
        {"match": [{"destinationSubnets": ["10.78.1.0/24"]}], "route": [to("subnets", "v2")]},
        {"route": [to("subnets", "v1")]}]})
    mesh.apply("subnets", virtual("subnets", two, ["10.78.0.0/16"], port),
               destination_rule("subnets", versions=("v1", "v2")), rules)
    assert mesh.say(port, at="10.78.1.1").startswith("v2 ")
    assert mesh.say(port, at="10.78.2.1").startswith("v1 ")


def test_a_virtual_address_is_a_name_of_an_http_service(mesh, web):
    backends = [{"address": HERE, "ports": {"main": web.port}}]
    mesh.apply("named", service("named", backends, addresses=[VIRTUAL]),
               virtual_service("named", [{"headers": {"request": {"set": {"x-rule": "yes"}}},
                                          "route": [to("named")]}]))
    for host in ("named.test", VIRTUAL):
        answer = mesh.ask(host, port=HTTP_PORT, at=VIRTUAL)
        assert answer.name == "web" and answer.json["headers"]["x-rule"] == "yes"
