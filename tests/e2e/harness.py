"""What end-to-end tests of pilotd stand on: an etcd, replicas on free ports, a Delta ADS client, raw
sockets. Processes, ports and waiting with a deadline are the demo's (deploy/demo/cluster.py).

    with World(Etcd.start(directory)) as world:
        replica = world.replica()
        world.put("registry/default/web/i1", {"address": "10.1.0.1", "ports": {"http": 8080}})
        wait_until(lambda: replica.status()["revision"] >= 2, "the instance is served")
"""

import base64
import http.client
import itertools
import json
import os
import queue
import re
import shutil
import signal
import socket
import sys
import tempfile
import threading

import grpc
from envoy.service.discovery.v3 import ads_pb2_grpc
from envoy.service.discovery.v3 import discovery_pb2
from google.protobuf import struct_pb2

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "deploy", "demo"))

from cluster import PILOTCTL, PILOTD, Process, free_port, get, wait_until  # noqa: E402,F401

WAIT_S = 20
TYPES = {
    "CDS": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
    "EDS": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
    "LDS": "type.googleapis.com/envoy.config.listener.v3.Listener",
    "RDS": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
    "VHDS": "type.googleapis.com/envoy.config.route.v3.VirtualHost",
}
NODE = "sidecar~10.9.0.1~probe.default~default.svc.cluster.local"
COUNTER = itertools.count(1)


def b64(value):
    return base64.b64encode(value if isinstance(value, bytes) else value.encode()).decode()


class Etcd:
    """One member, spoken to through its JSON gateway."""

    def __init__(self, directory, port=None):
        self.port, self.peer = port or free_port(), free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.process = Process(f"etcd-{self.port}", [
            "etcd", "--name", "e", "--data-dir", f"{directory}/etcd-{self.port}",
            "--listen-client-urls", f"http://{self.address}",
            "--advertise-client-urls", f"http://{self.address}",
            "--listen-peer-urls", f"http://127.0.0.1:{self.peer}",
            "--initial-advertise-peer-urls", f"http://127.0.0.1:{self.peer}",
            "--initial-cluster", f"e=http://127.0.0.1:{self.peer}",
            "--logger", "zap", "--log-level", "warn"], directory)

    @classmethod
    def start(cls, directory, port=None):
        return cls(directory, port).up()

    def up(self):
        """Starts it, or starts it again on its data."""
        self.process.start()
        wait_until(lambda: '"true"' in get(self.address, "/health")[1], f"etcd at {self.address}")
        return self

    def kill(self):
        self.process.kill()

    def call(self, path, request):
        connection = http.client.HTTPConnection(self.address, timeout=WAIT_S)
        try:
            connection.request("POST", f"/v3/{path}", json.dumps(request))
            answer = connection.getresponse()
            body = answer.read()
            assert answer.status == 200, body[:300]
            return json.loads(body)
        finally:
            connection.close()


class Replica(Process):
    """A pilotd on ports of its own choice, which it tells in its first log line."""

    def start(self):
        super().start()
        self.admin = self.xds = self.tls = None
        return self

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as log:
            return log.read()

    def wait_listening(self):
        wait_until(lambda: "msg=\"pilotd starts\"" in self.log() or not self.is_running(),
                   f"{self.name} listens")
        assert self.is_running(), self.log()
        line = [line for line in self.log().splitlines() if "pilotd starts" in line][-1]
        self.xds = re.search(r" xds=(\S+)", line).group(1)
        self.tls = re.search(r" xds_tls=(\S+)", line).group(1)
        self.admin = re.search(r" admin=(\S+)", line).group(1)
        return self

    def wait_ready(self):
        self.wait_listening()
        wait_until(self.is_ready, f"{self.name} ready")
        return self

    def get(self, path):
        return get(self.admin, path)

    def is_ready(self):
        return self.get("/ready")[0] == 200

    def wait_serving(self):
        """Stale or not."""
        self.wait_listening()
        wait_until(lambda: self.get("/serving")[0] == 200, f"{self.name} serves")
        return self

    def json(self, path):
        code, body = self.get(path)
        assert code == 200, (path, code, body)
        return json.loads(body)

    def status(self):
        return self.json("/debug/status")

    def rejected(self):
        """key -> reasons"""
        return {value["key"]: value["reasons"] for value in self.status()["rejected"]}

    def metric(self, name):
        for line in self.get("/metrics")[1].splitlines():
            if line.startswith(name + " "):
                return int(line.split()[1])
        raise AssertionError(f"no metric {name}")


class World:
    """What one test started, with a prefix of its own in the etcd. Every replica must end well."""

    def __init__(self, etcd=None, directory=None):
        self.etcd = etcd
        self.prefix = f"/test-{next(COUNTER)}/"
        self.directory = directory or tempfile.mkdtemp(prefix="pilotd-e2e-")
        self.replicas, self.clients = [], []

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.close()

    @property
    def store(self):
        return f"etcd://{self.etcd.address}{self.prefix[:-1]}"

    def pilotd(self, *arguments, name=None, replica_id=None, store=None, env=None, binary=PILOTD,
               prefix=(), pass_fds=()):
        """Started, and not waited for. A flag stands before what is given here by the environment.
        Names are of processes; one may come back under the id of another."""
        name = name or f"r{len(self.replicas) + 1}"
        settings = {key: "" for key in os.environ if key.startswith("PILOTD_")}
        settings.update(PILOTD_ID=replica_id or name, PILOTD_STORE=store or self.store, PILOTD_THREADS="2",
                        PILOTD_XDS="127.0.0.1:0", PILOTD_ADMIN="127.0.0.1:0",
                        PILOTD_DRAIN_SPREAD="100ms")
        replica = Replica(name, [binary, *arguments], self.directory, dict(settings, **(env or {})),
                          prefix, pass_fds)
        self.replicas.append(replica.start())
        return replica

    def replica(self, *arguments, **options):
        return self.pilotd(*arguments, **options).wait_ready()

    def connect(self, replica, node=NODE, **options):
        client = Delta(replica.xds, node, **options)
        self.clients.append(client)
        return client

    def connect_until_served(self, replica, node=NODE, **options):
        """As an Envoy, which tries again when a replica sends it elsewhere."""
        def served():
            client = self.connect(replica, node, **options)
            wait_until(lambda: client.error or client.responses, "an answer or an end")
            return None if client.error else client
        return wait_until(served, "a client is served")

    # ---- the keyspace ----

    def put(self, key, value, lease=0):
        """`value` is JSON, or text or bytes as they are. Returns the revision."""
        text = value if isinstance(value, (str, bytes)) else json.dumps(value)
        answer = self.etcd.call("kv/put", {"key": b64(self.prefix + key), "value": b64(text),
                                           "lease": lease})
        return int(answer["header"]["revision"])

    def delete(self, key):
        answer = self.etcd.call("kv/deleterange", {"key": b64(self.prefix + key)})
        return int(answer["header"]["revision"])

    def read(self, key):
        """The value as text, or None."""
        answer = self.etcd.call("kv/range", {"key": b64(self.prefix + key)})
        values = answer.get("kvs", [])
        return base64.b64decode(values[0].get("value", "")).decode() if values else None

    def put_service(self, name="web", port=80):
        self.put(f"services/default/{name}",
                 {"ports": [{"name": "http", "number": port, "protocol": "HTTP"}]})
        return self.put(f"registry/default/{name}/i1",
                        {"address": "10.1.0.1", "ports": {"http": 8080}})

    def wait_served(self, replica, revision):
        wait_until(lambda: (replica.status()["revision"] or 0) >= revision,
                   f"{replica.name} serves revision {revision}")

    # ---- the end ----

    def close(self):
        """What ends badly by a signal (a crash, a sanitizer's report) fails the test."""
        for client in self.clients:
            client.close()
        ends = {}
        for replica in self.replicas:
            replica.signal(signal.SIGCONT)
            replica.signal(signal.SIGTERM)
        for replica in self.replicas:
            ends[replica.name] = replica.wait(WAIT_S)
        logs = {replica.name: replica.log() for replica in self.replicas}
        shutil.rmtree(self.directory, ignore_errors=True)
        for name, log in logs.items():
            assert "Sanitizer" not in log, log[-6000:]
            assert ends[name] in (0, 1, 2, -signal.SIGKILL), (name, ends[name], log[-3000:])


class Delta:
    """A Delta ADS stream that takes everything and accepts it, or says nothing of it."""

    def __init__(self, address, node=NODE, metadata=None, answers=True, credentials=None):
        self.answers = answers
        options = [("grpc.use_local_subchannel_pool", 1)]
        self.channel = grpc.secure_channel(address, credentials, options) if credentials else \
            grpc.insecure_channel(address, options)
        self.out = queue.Queue()
        self.resources = {kind: {} for kind in TYPES}  # name -> (version, bytes)
        self.responses, self.error = 0, None
        stub = ads_pb2_grpc.AggregatedDiscoveryServiceStub(self.channel)
        self.call = stub.DeltaAggregatedResources(iter(self.out.get, None))
        first = discovery_pb2.DeltaDiscoveryRequest(type_url=TYPES["CDS"])
        first.node.id = node
        if metadata:
            struct = struct_pb2.Struct()
            struct.update(metadata)
            first.node.metadata.CopyFrom(struct)
        self.out.put(first)
        self.out.put(discovery_pb2.DeltaDiscoveryRequest(type_url=TYPES["LDS"]))
        self.thread = threading.Thread(target=self._receive, daemon=True)
        self.thread.start()

    def _receive(self):
        try:
            for response in self.call:
                self._take(response)
            self.error = "ended"
        except grpc.RpcError as error:
            self.error = error

    def _take(self, response):
        kind = next(kind for kind, url in TYPES.items() if url == response.type_url)
        held = self.resources[kind]
        for name in response.removed_resources:
            held.pop(name, None)
        for resource in response.resources:
            held[resource.name] = (resource.version, resource.resource.value)
        if self.answers:
            self.out.put(discovery_pb2.DeltaDiscoveryRequest(
                type_url=response.type_url, response_nonce=response.nonce))
        self.responses += 1

    def wait_for(self, kind, name):
        wait_until(lambda: name in self.resources[kind], f"{kind} {name}")

    def close(self):
        self.out.put(None)
        self.call.cancel()
        self.thread.join(WAIT_S)
        self.channel.close()


def cluster_name(service, port=80):
    return f"outbound|{port}||{service}.default.svc.cluster.local"


def raw(address, data, timeout=WAIT_S):
    """Sends bytes, and returns all that comes until the other side closes."""
    host, port = address.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout) as connection:
        connection.sendall(data)
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
        return received
