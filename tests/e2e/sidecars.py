"""A mesh small enough for one test to change in a moment: a pilotd on a folder, Envoys beside callers,
and backends in this process that say what reached them.

    with Mesh() as mesh:
        mesh.apply("canary", service("reviews", {"v1": mesh.backend("v1")}), virtual_service(...))
        assert mesh.ask("reviews.test").name == "v1"

Nothing is redirected: each Envoy listens on an address of its own at the services' ports.
`apply` returns when every Envoy has the change: a marker's route, which is sent after clusters and
listeners, answers with the change's number. `nothing_refused` is for an autouse fixture.
"""

import collections
import http.client
import itertools
import json
import os
import shutil
import socket
import socketserver
import subprocess
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from harness import PILOTCTL, PILOTD, Process, Replica, free_port, get, wait_until
from cluster import ENVOY

HTTP_PORT, MARKER_PORT = 8080, 7999
MARKER = "marker.test"


def loopback(number):
    """An address (1 to 14) of this process alone: Envoys share ports, so two runs on one machine
    would answer each other's callers."""
    place = os.getpid() % 4096
    return f"127.{61 + place // 2048}.{place // 16 % 128}.{place % 16 * 16 + number}"


CLIENT, OTHER = loopback(1), loopback(2)


# ---- resources ----

def resource(kind, name, spec, namespace="default", **metadata):
    return {"apiVersion": "networking.istio.io/v1", "kind": kind,
            "metadata": {"name": name, "namespace": namespace, **metadata}, "spec": spec}


def service(name, backends, port=HTTP_PORT, protocol="HTTP", namespace="default", **spec):
    """A ServiceEntry for NAME.test; backends: version label -> backend, or a list of endpoints."""
    endpoints = backends
    if isinstance(backends, dict):
        endpoints = [{"address": "127.0.0.1", "labels": {"version": version},
                      "ports": {"main": backend.port}} for version, backend in backends.items()]
    spec = {"hosts": [f"{name}.test"], "location": "MESH_INTERNAL", "resolution": "STATIC",
            "ports": [{"number": port, "name": "main", "protocol": protocol}],
            "endpoints": endpoints, **spec}
    return resource("ServiceEntry", name, {k: v for k, v in spec.items() if v is not None}, namespace)


def to(name, subset=None, weight=None, **more):
    """One destination of a route."""
    destination = {"host": f"{name}.test"}
    if subset:
        destination["subset"] = subset
    out = {"destination": destination, **more}
    if weight is not None:
        out["weight"] = weight
    return out


def virtual_service(name, http, namespace="default", hosts=None, **spec):
    return resource("VirtualService", name, {"hosts": hosts or [f"{name}.test"], "http": http, **spec},
                    namespace)


def destination_rule(name, policy=None, versions=(), namespace="default", host=None, **spec):
    """Subsets of the versions' names."""
    spec = {"host": host or f"{name}.test", **spec}
    if policy:
        spec["trafficPolicy"] = policy
    if versions:
        spec["subsets"] = [{"name": v, "labels": {"version": v}} for v in versions]
    return resource("DestinationRule", name, spec, namespace)


# ---- backends ----

class Backend(ThreadingHTTPServer):
    """Says as JSON what it is and what reached it. Paths that begin with /status/N, /delay/SECONDS
    or /fail/N (the first N requests get 503) are done so; `answers` may be set to a status for all."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, name, address="127.0.0.1"):
        super().__init__((address, 0), BackendHandler)
        self.name, self.port = name, self.server_address[1]
        self.seen, self.lock = [], threading.Lock()
        self.failures = collections.Counter()
        self.status = 200
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def server_bind(self):
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]

    def handle_error(self, request, client_address):
        pass  # callers hang up on purpose


class BackendHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def log_message(self, *args):
        pass

    def status(self, path):
        server, words = self.server, path.split("?")[0].split("/")
        if words[1:2] == ["status"]:
            return int(words[2])
        if words[1:2] == ["delay"]:
            time.sleep(float(words[2]))
        if words[1:2] == ["fail"]:
            with server.lock:
                server.failures[path] += 1
                return 503 if server.failures[path] <= int(words[2]) else 200
        return server.status

    def answer(self):
        length = int(self.headers.get("content-length") or 0)
        body = self.rfile.read(length)
        seen = {"name": self.server.name, "path": self.path, "method": self.command,
                "headers": {k.lower(): v for k, v in self.headers.items()},
                "connection": self.client_address[1], "body": body.decode(errors="replace")}
        with self.server.lock:
            self.server.seen.append(seen)
        status = self.status(self.path)
        text = json.dumps(seen).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.send_header("x-backend", self.server.name)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_OPTIONS = do_PATCH = answer


class TcpBackend(socketserver.ThreadingTCPServer):
    """Says its name, then what it was sent, line by line; keeps the first line of each connection."""

    daemon_threads = True
    allow_reuse_address = True

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            for line in self.rfile:
                with self.server.lock:
                    self.server.lines.append(line)
                self.wfile.write(self.server.name.encode() + b" " + line)

    def __init__(self, name, context=None, handler=None, address="127.0.0.1"):
        self.context = context
        super().__init__((address, 0), handler or self.Handler)
        self.name, self.port = name, self.server_address[1]
        self.lines, self.lock = [], threading.Lock()
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def get_request(self):
        connection, address = super().get_request()
        if self.context:
            connection = self.context.wrap_socket(connection, server_side=True,
                                                  do_handshake_on_connect=False)
        return connection, address

    def handle_error(self, request, client_address):
        pass


# ---- the mesh ----

Answer = collections.namedtuple("Answer", "status headers body")


class Reply(Answer):
    @property
    def json(self):
        return json.loads(self.body)

    @property
    def name(self):
        """Of the backend that answered."""
        return self.headers.get("x-backend")


class Sidecar(Process):
    def __init__(self, name, directory, address, admin_port, config, envoy=ENVOY):
        super().__init__(name, [envoy, "-c", config, "--concurrency", "1", "--use-dynamic-base-id",
                                "--reject-unknown-dynamic-fields", "-l", "warning"], directory)
        self.address, self.admin = address, f"127.0.0.1:{admin_port}"

    def stat(self, name):
        for line in get(self.admin, f"/stats?filter={name}")[1].splitlines():
            if ": " in line:
                return int(line.rsplit(": ", 1)[1])
        return 0


class Mesh:
    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="pilotd-mesh-")
        self.store = os.path.join(self.directory, "store")
        os.mkdir(self.store)
        self.counter, self.sidecars, self.backends = itertools.count(1), [], []
        self.pilotd = Replica("pilotd", [PILOTD, "--store", f"file:{self.store}", "--xds",
                                         "127.0.0.1:0", "--admin", "127.0.0.1:0"], self.directory)

    def __enter__(self):
        self.mark()
        self.pilotd.start().wait_ready()
        self.start_sidecar("client", CLIENT, "default", {"app": "client"}, "r1/z1/s1")
        self.start_sidecar("other", OTHER, "elsewhere", {"app": "other"}, "r2/z2/s2")
        return self

    def __exit__(self, *exception):
        for process in self.sidecars + [self.pilotd]:
            process.kill()
        for backend in self.backends:
            backend.shutdown()
            backend.server_close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def start_sidecar(self, name, address, namespace, labels=None, locality="", flags=()):
        admin_port = free_port()
        command = [PILOTCTL, "bootstrap", f"sidecar~{address}~{name}.{namespace}~{namespace}.svc."
                   "cluster.local", "--xds", self.pilotd.xds, "--interception", "NONE",
                   "--admin-port", str(admin_port), "--locality", locality, *flags]
        for label, value in (labels or {}).items():
            command += ["--label", f"{label}={value}"]
        path = os.path.join(self.directory, f"{name}.json")
        with open(path, "w", encoding="utf-8") as out:
            out.write(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True,
                                     timeout=20).stdout)
        sidecar = Sidecar(name, self.directory, address, admin_port, path).start()
        self.sidecars.append(sidecar)
        self.wait_for_marker(sidecar)
        return sidecar

    def stop_sidecar(self, sidecar):
        self.sidecars.remove(sidecar)
        sidecar.kill()

    def backend(self, name, **arguments):
        return self.keep(Backend(name, **arguments))

    def tcp_backend(self, name, **arguments):
        return self.keep(TcpBackend(name, **arguments))

    def keep(self, backend):
        self.backends.append(backend)
        return backend

    # ---- what is in the store ----

    def write(self, name, documents):
        path = os.path.join(self.store, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path + ".new", "w", encoding="utf-8") as out:
            out.write("\n---\n".join(json.dumps(document) for document in documents))
        os.rename(path + ".new", path)

    def mark(self):
        self.number = next(self.counter)
        body = {"status": 200, "body": {"string": f"change {self.number}"}}
        self.write("marker.yaml", [
            service("marker", [], port=MARKER_PORT),
            virtual_service("marker", [{"directResponse": body}])])

    def wait_for_marker(self, sidecar):
        wanted = f"change {self.number}"
        wait_until(lambda: self.ask(MARKER, port=MARKER_PORT, at=sidecar.address).body == wanted,
                   f"{sidecar.name} has {wanted}", interval_s=0.02)

    def settle(self):
        """Waits until the proxies have what was written. Twice: pilotd may look at the folder while
        it is written, and so take the first marker without the file that came before it."""
        for _ in range(2):
            self.mark()
            for sidecar in self.sidecars:
                self.wait_for_marker(sidecar)

    def apply(self, name, *documents):
        self.write(f"{name}.yaml", documents)
        self.settle()

    def apply_values(self, values):
        """key -> JSON value, as registrars write them."""
        for key, value in values.items():
            self.write(f"{key}.json", [value])
        self.settle()

    def nothing_refused(self):
        """For a fixture to yield from: a rule that pilotd rejects, or a proxy refuses, leaves a test
        to say something about nothing."""
        before = len(self.pilotd.log())
        yield
        assert self.pilotd.rejected() == {}
        said = self.pilotd.log()[before:].splitlines()
        assert [line for line in said if "resources rejected" in line] == []

    # ---- what callers see ----

    def ask(self, host, path="/", method="GET", headers=None, port=HTTP_PORT, at=CLIENT, body=None,
            timeout=10):
        connection = http.client.HTTPConnection(at, port, timeout=timeout)
        try:
            connection.request(method, path, body, headers={"host": host, **(headers or {})})
            answer = connection.getresponse()
            text = answer.read().decode(errors="replace")
            return Reply(answer.status, {k.lower(): v for k, v in answer.getheaders()}, text)
        finally:
            connection.close()

    def count(self, host, times, **arguments):
        """Who answered how often."""
        return collections.Counter(self.ask(host, **arguments).name for _ in range(times))

    def say(self, port, line="hello\n", at=CLIENT, timeout=10):
        """One line over a TCP connection; what came back, "" when it was cut."""
        with socket.create_connection((at, port), timeout=timeout) as connection:
            connection.sendall(line.encode())
            try:
                return connection.makefile().readline()
            except (ConnectionError, socket.timeout):
                return ""
