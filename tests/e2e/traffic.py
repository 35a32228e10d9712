"""What the tests of traffic share: a mesh for each file, rules in short, HTTP word for word.

    from traffic import mesh, nothing_is_refused, two  # noqa: F401 (fixtures)

sidecars.py says how a mesh is changed and asked.
"""

import collections
import http.client
import socketserver

import pytest

from sidecars import CLIENT, HTTP_PORT, Mesh, destination_rule, service, to, virtual_service


@pytest.fixture(scope="module")
def mesh():
    with Mesh() as it:
        yield it


@pytest.fixture(autouse=True)
def nothing_is_refused(mesh):
    yield from mesh.nothing_refused()


@pytest.fixture(scope="module")
def two(mesh):
    """Backends v1 and v2, for services of any name."""
    return {name: mesh.backend(name) for name in ("v1", "v2")}


# ---- rules in short ----

def split(name, match, versions=("v1", "v2")):
    """v2 for what matches, v1 for the rest."""
    return [destination_rule(name, versions=versions),
            virtual_service(name, [{"match": match, "route": [to(name, "v2")]},
                                   {"route": [to(name, "v1")]}])]


def at(prefix, **route):
    """A route for the paths that begin so."""
    return {"match": [{"uri": {"prefix": prefix}}], **route}


def apply_routes(mesh, name, backends, *routes, policy=None):
    """A service whose routes are these, in this order."""
    mesh.apply(name, service(name, backends),
               destination_rule(name, policy, versions=tuple(backends)),
               virtual_service(name, list(routes)))


def endpoint(backend, **more):
    return {"address": "127.0.0.1", "ports": {"main": getattr(backend, "port", backend)}, **more}


# ---- what was seen ----

def names(mesh, host, times, **arguments):
    return [mesh.ask(host, **arguments).name for _ in range(times)]


def statuses(mesh, host, times, **arguments):
    return collections.Counter(mesh.ask(host, **arguments).status for _ in range(times))


def tries(backend, path):
    """How many requests for a path have come to a backend."""
    with backend.lock:
        return len([seen for seen in backend.seen if seen["path"] == path])


# ---- word for word ----

def exchange(host, *pairs, path="/", at=CLIENT, port=HTTP_PORT):
    """A GET with these headers, names as often as they stand there; the answer's likewise, and its
    body."""
    connection = http.client.HTTPConnection(at, port, timeout=10)
    try:
        connection.putrequest("GET", path, skip_host=True)
        for name, value in (("host", host), *pairs):
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.getheaders(), answer.read().decode()
    finally:
        connection.close()


def values(pairs, name):
    """Of a header that may stand there several times."""
    return [value for key, value in pairs if key.lower() == name]


def of_lines(lines):
    """The headers of a head."""
    return [tuple(line.split(": ", 1)) for line in lines[1:] if ": " in line]


def read_head(rfile):
    """The lines of a request's head; none at the connection's end."""
    lines = []
    for line in rfile:
        if line == b"\r\n":
            break
        lines.append(line.decode().rstrip("\r\n"))
    return lines


class Verbatim(socketserver.StreamRequestHandler):
    """Answers each request with its head, and with two headers of one name."""

    def handle(self):
        while lines := read_head(self.rfile):
            body = "\n".join(lines).encode()
            self.wfile.write(b"HTTP/1.1 200 OK\r\nx-old: one\r\nx-old: two\r\n"
                             b"content-length: %d\r\n\r\n%s" % (len(body), body))


class HangsUp(socketserver.StreamRequestHandler):
    """Reads a request, and closes the connection instead of an answer."""

    def handle(self):
        if lines := read_head(self.rfile):
            with self.server.lock:
                self.server.lines.append(lines[0])


class Upgrades(socketserver.StreamRequestHandler):
    """Says yes to another protocol, and then sends back what it is sent."""

    def handle(self):
        lines = read_head(self.rfile)
        protocol = values(of_lines(lines), "upgrade")
        if not protocol:
            return
        self.wfile.write(b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\n"
                         b"upgrade: %s\r\n\r\n" % protocol[0].encode())
        for line in self.rfile:
            self.wfile.write(b"echo " + line)
