"""How a ServiceEntry's endpoints are found, seen at the backends."""

import socket
import socketserver
import ssl
import subprocess

import pytest

from certificates import Authority
from harness import wait_until
from name_server import NameServer
from sidecars import (HTTP_PORT, OTHER, BackendHandler, destination_rule, loopback, resource, service,
                      to, virtual_service)
from traffic import mesh, nothing_is_refused, two  # noqa: F401

RESOLVER = loopback(3)
# Where a backend on all of loopback is called at, as the name server says.
HERE, THERE = "127.62.0.1", "127.62.0.2"


@pytest.fixture(scope="module")
def name_server(mesh):
    """What the proxy at RESOLVER asks."""
    server = NameServer()
    trial = server.asked_by(["true"], mesh.directory)
    if subprocess.run(trial, stderr=subprocess.DEVNULL).returncode != 0:
        pytest.skip("no mount namespace can be made here, for a /etc/resolv.conf of one's own")
    sidecar = mesh.start_sidecar("resolver", RESOLVER, "default")
    sidecar.kill()
    sidecar.command = server.asked_by(sidecar.command, mesh.directory)
    sidecar.start()
    mesh.wait_for_marker(sidecar)
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def anywhere(mesh):
    """A backend that keeps the addresses it was called at."""
    class Handler(BackendHandler):
        def status(self, path):
            self.server.called_at.append(self.connection.getsockname()[0])
            return super().status(path)

    backend = mesh.backend("anywhere", address="0.0.0.0")
    backend.called_at, backend.RequestHandlerClass = [], Handler
    return backend


def called_at(mesh, backend, host, times):
    """The addresses that a number of new requests arrived at."""
    backend.called_at.clear()
    for _ in range(times):
        mesh.ask(host, at=RESOLVER)
    return set(backend.called_at)


def named(name, backend, resolution, address=None):
    """A service whose endpoints are names."""
    endpoints = [{"address": address, "ports": {"main": backend.port}}] if address else None
    document = service(name, endpoints, resolution=resolution)
    if not endpoints:
        document["spec"]["ports"][0]["targetPort"] = backend.port
    return document


# ---- names ----

def test_dns_asks_all_addresses_of_a_name(mesh, name_server, anywhere):
    name_server.names["many.names"] = [HERE, THERE]
    mesh.apply("dns", named("dns", anywhere, "DNS", "many.names"),
               destination_rule("dns", {"loadBalancer": {"simple": "ROUND_ROBIN"}}))
    wait_until(lambda: called_at(mesh, anywhere, "dns.test", 4) == {HERE, THERE}, "both are called")
    name_server.names["many.names"] = [THERE]
    wait_until(lambda: called_at(mesh, anywhere, "dns.test", 4) == {THERE}, "the change is seen")


def test_dns_round_robin_asks_one_address_of_a_name(mesh, name_server, anywhere):
    name_server.names["first.names"] = [HERE, THERE]
    single = {"connectionPool": {"http": {"maxRequestsPerConnection": 1}}}
    mesh.apply("logical", named("logical", anywhere, "DNS_ROUND_ROBIN", "first.names"),
               destination_rule("logical", single))
    wait_until(lambda: called_at(mesh, anywhere, "logical.test", 6) == {HERE}, "one is called")
    name_server.names["first.names"] = [THERE, HERE]
    wait_until(lambda: called_at(mesh, anywhere, "logical.test", 6) == {THERE}, "then the other")


def test_without_endpoints_the_host_is_the_name(mesh, name_server, anywhere):
    name_server.names["itself.test"] = [THERE]
    mesh.apply("itself", named("itself", anywhere, "DNS"))
    wait_until(lambda: called_at(mesh, anywhere, "itself.test", 1) == {THERE}, "it is called")


@pytest.mark.parametrize("resolution", ["DNS", "DNS_ROUND_ROBIN"])
def test_the_systems_resolver_is_asked(mesh, two, resolution):
    name = f"system-{resolution.lower().replace('_', '-')}"
    mesh.apply(name, named(name, two["v1"], resolution, "localhost"))
    wait_until(lambda: mesh.ask(f"{name}.test").name == "v1", "localhost is called")


def test_names_of_subsets_are_resolved(mesh, name_server, two):
    name_server.names.update({"one.names": [HERE], "two.names": [THERE]})
    one, other = mesh.backend("one", address=HERE), mesh.backend("two", address=THERE)
    endpoints = [
        {"address": "one.names", "ports": {"main": one.port}, "labels": {"version": "v1"}},
        {"address": "two.names", "ports": {"main": other.port}, "labels": {"version": "v2"}}]
    mesh.apply("split", service("split", endpoints, resolution="DNS"),
               destination_rule("split", versions=("v1", "v2")), virtual_service("split", [
                   {"match": [{"headers": {"x": {"exact": "2"}}}], "route": [to("split", "v2")]},
                   {"route": [to("split", "v1")]}]))

    def asked(**headers):
        return mesh.count("split.test", 6, at=RESOLVER, headers=headers)

    wait_until(lambda: asked() == {"one": 6} and asked(x="2") == {"two": 6}, "both are called")


def test_hosts_under_a_wildcard_are_resolved_when_asked_for(mesh, name_server):
    name_server.names.update({"a.dynamic.test": [HERE], "b.dynamic.test": [HERE]})
    backend = mesh.backend("dynamic", address=HERE)
    mesh.apply("dynamic", service("dynamic", None, hosts=["*.dynamic.test"], port=backend.port,
                                  resolution="DYNAMIC_DNS", location="MESH_EXTERNAL"))

    def ask(host):  # the port as clients send it: it is asked at that one
        return mesh.ask(f"{host}:{backend.port}", port=backend.port, at=RESOLVER)

    for host in ("a.dynamic.test", "b.dynamic.test"):
        answer = wait_until(lambda: ask(host).status == 200 and ask(host), f"{host} is called")
        assert answer.name == "dynamic" and answer.json["headers"]["host"].startswith(host)
    assert ask("c.dynamic.test").status == 503  # no such name


def test_server_names_under_a_wildcard_are_resolved_when_asked_for(mesh, name_server, tmp_path):
    name_server.names["a.sni.test"] = [HERE]
    authority = Authority(str(tmp_path))

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            self.wfile.write(b"dynamic " + self.rfile.readline())

    backend = mesh.tcp_backend("dynamic", handler=Handler, address=HERE,
                               context=authority.server("dynamic", "DNS:*.sni.test"))
    mesh.apply("dynamictls", service("dynamictls", None, hosts=["*.sni.test"], port=backend.port,
                                     protocol="TLS", resolution="DYNAMIC_DNS",
                                     location="MESH_EXTERNAL"))
    context = ssl.create_default_context(cafile=authority.pem)

    def say(server_name):
        with socket.create_connection((RESOLVER, backend.port), timeout=5) as raw, \
                context.wrap_socket(raw, server_hostname=server_name) as connection:
            connection.sendall(b"hello\n")
            return connection.makefile().readline()

    assert wait_until(lambda: say("a.sni.test"), "it is called") == "dynamic hello\n"
    with pytest.raises(OSError):
        say("b.sni.test")  # no such name


# ---- workloads ----

def workload(name, backend, labels, namespace="default"):
    return resource("WorkloadEntry", name, {
        "address": "127.0.0.1", "ports": {"main": backend.port}, "labels": labels}, namespace)


def test_workloads_are_selected_by_their_labels(mesh, two):
    entry = service("selected", None, workloadSelector={"labels": {"app": "selected"}})
    chosen = workload("one", two["v1"], {"app": "selected", "version": "v1"})
    others = [workload("two", two["v2"], {"app": "another"}),
              workload("three", two["v2"], {"app": "selected"}, "elsewhere")]
    mesh.apply("selected", entry, chosen, *others)
    wait_until(lambda: mesh.ask("selected.test").status == 200, "it is served")
    assert mesh.count("selected.test", 6) == {"v1": 6}
    others[0] = workload("two", two["v2"], {"app": "selected"})
    mesh.apply("selected", entry, *others)
    wait_until(lambda: mesh.count("selected.test", 4) == {"v2": 4}, "the one left is called")


def test_workloads_make_subsets(mesh, two):
    mesh.apply("workloads", service("workloads", None, workloadSelector={"labels": {"app": "w"}}),
               *(workload(f"w-{version}", backend, {"app": "w", "version": version})
                 for version, backend in two.items()),
               destination_rule("workloads", versions=tuple(two)),
               virtual_service("workloads", [{"route": [to("workloads", "v2")]}]))
    wait_until(lambda: mesh.ask("workloads.test").status == 200, "it is served")
    assert mesh.count("workloads.test", 6) == {"v2": 6}


# ---- services of one host ----

def test_ports_of_one_hosts_services_add_up(mesh, two):
    first = service("shared", {"v1": two["v1"]})
    second = service("shared", {"v2": two["v2"]}, port=HTTP_PORT + 1)
    second["metadata"]["name"], second["spec"]["ports"][0]["name"] = "shared-more", "more"
    second["spec"]["endpoints"][0]["ports"] = {"more": two["v2"].port}
    mesh.apply("shared", first, second)
    assert mesh.count("shared.test", 4) == {"v1": 4}
    assert mesh.count("shared.test", 4, port=HTTP_PORT + 1) == {"v2": 4}


def test_a_callers_own_service_goes_before_anothers(mesh, two):
    mesh.apply("own", service("own", {"v1": two["v1"]}),
               service("own", {"v2": two["v2"]}, namespace="elsewhere"))
    assert mesh.count("own.test", 4) == {"v1": 4}
    assert mesh.count("own.test", 4, at=OTHER) == {"v2": 4}


def test_a_port_of_the_service_may_be_another_one_of_its_endpoints(mesh, two):
    document = service("targets", [{"address": "127.0.0.1"}])
    document["spec"]["ports"][0]["targetPort"] = two["v2"].port
    mesh.apply("targets", document)
    assert mesh.ask("targets.test").name == "v2"
