"""What rules do to connections that are not HTTP, and to TLS, seen at the backends."""

import collections
import socket
import socketserver
import ssl
import threading

import pytest

from certificates import Authority
from harness import wait_until
from secret_server import SecretServer
from sidecars import (CLIENT, OTHER, BackendHandler, destination_rule, loopback,
                      resource, service, to)
from traffic import mesh, nothing_is_refused  # noqa: F401

TLS_PORT = 7443
PORTS = iter(range(7001, 7400))


@pytest.fixture(scope="module")
def authority(mesh):
    return Authority(f"{mesh.directory}/pki")


@pytest.fixture(scope="module")
def two(mesh):
    return {"v1": mesh.tcp_backend("v1"), "v2": mesh.tcp_backend("v2")}


def tcp_service(name, backends, port, **spec):
    return service(name, backends, port=port, protocol=spec.pop("protocol", "TCP"), **spec)


def tcp_rule(name, *routes, **spec):
    return resource("VirtualService", name, {"hosts": [f"{name}.test"], "tcp": list(routes), **spec})


def who(mesh, port, times, **arguments):
    return collections.Counter(mesh.say(port, **arguments).split(" ")[0] for _ in range(times))


# ---- tcp ----

def test_tcp_goes_where_its_port_says(mesh, two):
    one, other = next(PORTS), next(PORTS)
    document = tcp_service("ports", two, one)
    document["spec"]["ports"].append({"number": other, "name": "other", "protocol": "TCP"})
    for endpoint in document["spec"]["endpoints"]:
        endpoint["ports"]["other"] = endpoint["ports"]["main"]
    mesh.apply("ports", document, destination_rule("ports", versions=("v1", "v2")), tcp_rule(
        "ports", {"match": [{"port": one}], "route": [to("ports", "v1")]},
        {"match": [{"port": other}], "route": [to("ports", "v2")]}))
    assert who(mesh, one, 4) == {"v1": 4} and who(mesh, other, 4) == {"v2": 4}


def test_tcp_goes_where_its_caller_says(mesh, two):
    port = next(PORTS)
    mesh.apply("callers", tcp_service("callers", two, port),
               destination_rule("callers", versions=("v1", "v2")), tcp_rule(
                   "callers", {"match": [{"sourceLabels": {"app": "other"}}], "route": [to("callers", "v2")]},
                   {"match": [{"sourceNamespace": "default"}], "route": [to("callers", "v1")]}))
    assert who(mesh, port, 4) == {"v1": 4} and who(mesh, port, 4, at=OTHER) == {"v2": 4}


def test_tcp_is_split_by_weight(mesh, two):
    port = next(PORTS)
    mesh.apply("tcpweights", tcp_service("tcpweights", two, port),
               destination_rule("tcpweights", versions=("v1", "v2")),
               tcp_rule("tcpweights", {"route": [to("tcpweights", "v1", 90), to("tcpweights", "v2", 10)]}))
    counts = who(mesh, port, 200)
    assert 150 < counts["v1"] < 200, counts  # seven standard deviations


def test_tcp_of_a_subset_goes_there(mesh, two):
    port = next(PORTS)
    mesh.apply("tcpsubset", tcp_service("tcpsubset", two, port),
               destination_rule("tcpsubset", versions=("v1", "v2")),
               tcp_rule("tcpsubset", {"route": [to("tcpsubset", "v2")]}))
    assert who(mesh, port, 4) == {"v2": 4}


def test_an_idle_connection_is_closed(mesh, two):
    port = next(PORTS)
    mesh.apply("idle", tcp_service("idle", two, port), destination_rule(
        "idle", {"connectionPool": {"tcp": {"idleTimeout": "0.3s"}}}))
    with socket.create_connection((CLIENT, port), timeout=5) as connection:
        assert connection.recv(1) == b""


def test_the_older_of_two_services_has_the_port(mesh, two):
    port = next(PORTS)
    mesh.apply("conflict", tcp_service("zz-older", {"v1": two["v1"]}, port),
               tcp_service("aa-younger", {"v2": two["v2"]}, port))
    assert who(mesh, port, 4) == {"v1": 4}


def test_an_unlisted_target_port_is_the_number(mesh, two):
    port = next(PORTS)
    document = tcp_service("target", [{"address": "127.0.0.1", "labels": {}}], port)
    document["spec"]["ports"][0]["targetPort"] = two["v2"].port
    mesh.apply("target", document)
    assert who(mesh, port, 2) == {"v2": 2}


def test_a_unix_socket_is_an_endpoint(mesh, two):
    path, port = f"{mesh.directory}/backend.sock", next(PORTS)

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            self.wfile.write(b"unix " + self.rfile.readline())

    server = socketserver.ThreadingUnixStreamServer(path, Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    mesh.apply("unix", tcp_service("unix", [{"address": f"unix://{path}"}], port))
    assert mesh.say(port) == "unix hello\n"
    server.shutdown()
    server.server_close()


# ---- TLS that passes: routed by server name ----

def tls_name(mesh, authority, server_name, at=CLIENT):
    """The backend that a TLS connection for the name reaches; "" when it is cut."""
    context = ssl.create_default_context(cafile=authority.pem)
    context.check_hostname = False
    try:
        with socket.create_connection((at, TLS_PORT), timeout=5) as raw:
            with context.wrap_socket(raw, server_hostname=server_name) as connection:
                connection.sendall(b"hello\n")
                return connection.makefile().readline().split(" ")[0]
    except (OSError, ssl.SSLError):
        return ""


@pytest.fixture(scope="module")
def secure(mesh, authority):
    context = authority.server("secure", "DNS:*.secure.test,DNS:plain.test")
    return {v: mesh.tcp_backend(v, context=context) for v in ("v1", "v2")}


def test_tls_is_routed_by_the_name_that_is_asked_for(mesh, authority, secure):
    rules = resource("VirtualService", "sni", {
        "hosts": ["*.secure.test"], "tls": [
            {"match": [{"sniHosts": ["two.secure.test"]}],
             "route": [{"destination": {"host": "sni.secure.test", "subset": "v2"}}]},
            {"match": [{"sniHosts": ["*.secure.test"]}],
             "route": [{"destination": {"host": "sni.secure.test", "subset": "v1"}}]}]})
    mesh.apply("sni", service("sni.secure", secure, port=TLS_PORT, protocol="TLS"),
               service("plain", {"v2": secure["v2"]}, port=TLS_PORT, protocol="HTTPS"),
               destination_rule("sni", versions=("v1", "v2"), host="sni.secure.test"), rules)
    assert tls_name(mesh, authority, "two.secure.test") == "v2"
    assert tls_name(mesh, authority, "any.secure.test") == "v1"
    assert tls_name(mesh, authority, "plain.test") == "v2"
    assert tls_name(mesh, authority, "unknown.test") == ""


# ---- TLS that begins at the proxy ----

@pytest.fixture(scope="module")
def https(mesh, authority):
    """HTTP over TLS; what clients showed is in `peers`."""
    class Handler(BackendHandler):
        def setup(self):
            super().setup()
            self.server.peers.append(self.connection.getpeercert())

    def start(name, alt_names, wants_client=False):
        backend = mesh.backend(name)
        backend.peers, backend.RequestHandlerClass = [], Handler
        backend.socket = authority.server(name, alt_names, wants_client).wrap_socket(
            backend.socket, server_side=True)
        return backend

    return start


def originate(mesh, name, backend, tls):
    mesh.apply(name, service(name, {"v1": backend}, location="MESH_EXTERNAL"),
               destination_rule(name, {"tls": tls}))
    return mesh.ask(f"{name}.test")


def test_tls_is_originated_and_the_server_verified(mesh, authority, https, tmp_path):
    server = https("tls-server", "DNS:simple.test,DNS:other.name")
    simple = {"mode": "SIMPLE", "caCertificates": authority.pem}
    assert originate(mesh, "simple", server, simple).name == "tls-server"
    assert originate(mesh, "misnamed", server, simple).status == 503
    assert originate(mesh, "renamed", server, {**simple, "subjectAltNames": ["other.name"]}).status == 200
    assert originate(mesh, "wrongname", server, {**simple, "subjectAltNames": ["no.name"]}).status == 503
    stranger = Authority(str(tmp_path), "stranger")
    assert originate(mesh, "untrusted", server,
                     {"mode": "SIMPLE", "caCertificates": stranger.pem, "sni": "simple.test"}).status == 503
    assert originate(mesh, "unverified", server, {"mode": "SIMPLE", "insecureSkipVerify": True}).status == 200
    assert originate(mesh, "plaintext", server, {"mode": "DISABLE"}).status in (400, 502, 503)


def test_mutual_tls_shows_the_clients_certificate(mesh, authority, https):
    server = https("mtls-server", "DNS:mutual.test", wants_client=True)
    certificate, key = authority.issue("client", "DNS:client.test")
    answer = originate(mesh, "mutual", server, {
        "mode": "MUTUAL", "caCertificates": authority.pem, "clientCertificate": certificate,
        "privateKey": key})
    assert answer.name == "mtls-server"
    assert server.peers[-1]["subjectAltName"] == (("DNS", "client.test"),)
    without = {"mode": "SIMPLE", "caCertificates": authority.pem, "sni": "mutual.test"}
    assert originate(mesh, "anonymous", server, without).status == 503


# ---- what goes before ----

@pytest.mark.parametrize("version, signature", [("V1", b"PROXY TCP4 "), ("V2", b"\r\n\r\n\0\r\nQUIT\n")])
def test_the_proxy_protocol_says_who_called(mesh, version, signature):
    first = []

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            data = b""
            while len(data) < 16:
                data += self.request.recv(200)
            first.append(data)
            self.request.sendall(b"seen\n")

    backend, port = mesh.tcp_backend("pp", handler=Handler), next(PORTS)
    name = f"proxyprotocol{version.lower()}"
    mesh.apply(name, tcp_service(name, {"v1": backend}, port),
               destination_rule(name, {"proxyProtocol": {"version": version}}))
    assert mesh.say(port) == "seen\n" and first[0].startswith(signature)


def test_a_tunnel_asks_a_proxy_for_the_target(mesh):
    asked = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            asked.append(self.rfile.readline().decode().split()[:2])
            while self.rfile.readline().strip():
                pass
            self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
            self.wfile.write(b"through " + self.rfile.readline())

    backend, port = mesh.tcp_backend("proxy", handler=Handler), next(PORTS)
    mesh.apply("tunnel", tcp_service("tunnel", {"v1": backend}, port), destination_rule(
        "tunnel", {"tunnel": {"protocol": "CONNECT", "targetHost": "far.away", "targetPort": 443}}))
    assert mesh.say(port) == "through hello\n" and asked == [["CONNECT", "far.away:443"]]


# ---- TLS of the mesh ----

@pytest.fixture(scope="module")
def identities(mesh, authority):
    """Proxies with identities: a caller, and one before a server."""
    agents = []

    def start(name, address, flags=()):
        agent = SecretServer(*authority.issue(name, f"URI:spiffe://cluster.local/ns/default/sa/{name}"),
                             authority.pem)
        agents.append(agent)
        return mesh.start_sidecar(name, address, "default", {"app": name}, flags=(
            "--service-account", name, "--sds", agent.address, *flags))

    yield start
    for agent in agents:
        agent.close()


@pytest.mark.parametrize("mode", ["auto", "ISTIO_MUTUAL"])
def test_proxies_with_identities_speak_tls_to_each_other(mesh, authority, identities, mode):
    name = f"mesh-{mode.lower().replace('_', '-')}"
    address, caller = loopback(3), loopback(4)
    local = mesh.backend(name)
    documents = [service(name, [{"address": address, "serviceAccount": f"{name}-server",
                                 "ports": {"main": local.port}}])]
    if mode != "auto":
        documents.append(destination_rule(name, {"tls": {"mode": mode}}))
    mesh.apply(name, *documents)
    server = identities(f"{name}-server", address)
    client = identities(f"{name}-caller", caller)
    seen = wait_until(lambda: mesh.ask(f"{name}.test", at=caller).status == 200 and
                      mesh.ask(f"{name}.test", at=caller).json, "the call passes")
    assert f"spiffe://cluster.local/ns/default/sa/{name}-caller" in seen["headers"]["x-forwarded-client-cert"]
    if mode == "auto":  # PERMISSIVE: one without an identity is heard as well
        plain = mesh.ask(f"{name}.test")
        assert plain.status == 200 and "x-forwarded-client-cert" not in plain.json["headers"]
    for sidecar in (server, client):
        mesh.stop_sidecar(sidecar)
