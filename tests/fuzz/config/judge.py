"""One long-lived Envoy, served whatever a proxy would be sent, that says what it does not accept.

A small state-of-the-world ADS server gives it one view after the other, in make-before-break
order, and reads the refusals (NACKs) with Envoy's own words. Envoy runs in a network namespace of
its own, where every port is free and nothing can be reached; it talks to the server through a
socket of the file system.

    with Judge() as judge:
        complaints = judge.try_view({"CDS": [(name, bytes)], "EDS": [], "LDS": [], "RDS": []})
"""

import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from concurrent import futures

import grpc
from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.endpoint.v3 import endpoint_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.config.route.v3 import route_pb2
from envoy.extensions.transport_sockets.tls.v3 import secret_pb2
from envoy.service.discovery.v3 import ads_pb2_grpc, discovery_pb2
from envoy.service.secret.v3 import sds_pb2_grpc

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), *[".."] * 3))
sys.path.insert(0, os.path.join(ROOT, "deploy", "demo"))

from cluster import ENVOY  # noqa: E402

TYPES = {
    "CDS": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
    "EDS": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
    "LDS": "type.googleapis.com/envoy.config.listener.v3.Listener",
    "RDS": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
}
SHORT = {url: short for short, url in TYPES.items()}
SECRET = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"
HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
RESOLVER = "envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig"
ADDRESSES = ["10.0.0.1", "10.0.0.2", "10.50.0.1", "fd00::1"]  # of proxies, which bind to them
ALONE = ["unshare", "--net", "sh", "-c", "ip link set lo up; for a in " + " ".join(ADDRESSES) +
         "; do ip addr add $a dev lo; done; exec \"$@\"", "sh"]
START_S, ANSWER_S, QUIET_S = 20, 20, 1


def message_class(short):
    return {"CDS": cluster_pb2.Cluster, "EDS": endpoint_pb2.ClusterLoadAssignment,
            "LDS": listener_pb2.Listener, "RDS": route_pb2.RouteConfiguration}[short]


class Dead(Exception):
    """Envoy ended, or does not answer."""


def cluster(name, path):
    h2 = {"@type": f"type.googleapis.com/{HTTP_OPTIONS}",
          "explicitHttpConfig": {"http2ProtocolOptions": {}}}
    address = {"pipe": {"path": path}}
    return {"name": name, "type": "STATIC", "connectTimeout": "1s",
            "typedExtensionProtocolOptions": {HTTP_OPTIONS: h2},
            "loadAssignment": {"clusterName": name, "endpoints": [
                {"lbEndpoints": [{"endpoint": {"address": address}}]}]}}


def make_files(directory):
    """The files that random TLS settings name (vocabulary.c), beside where Envoy runs."""
    with open(os.path.join(directory, "ca.cnf"), "w", encoding="utf-8") as out:
        out.write("[ca]\ndefault_ca = it\n[it]\ndatabase = index\ndefault_md = sha256\n")
    open(os.path.join(directory, "index"), "wb").close()
    for command in (
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
            " -subj /CN=judge -keyout key.pem -out cert.pem",
            "ca -gencrl -config ca.cnf -keyfile key.pem -cert cert.pem -crldays 2 -out crl.pem"):
        subprocess.run(
            ["openssl", *command.split()], cwd=directory, check=True, capture_output=True)


def secret(name, directory):
    """What an agent beside the proxy serves: authorities, or a certificate."""
    def text(file):
        with open(os.path.join(directory, file), "rb") as source:
            return source.read()
    made = secret_pb2.Secret(name=name)
    if name == "ROOTCA" or name.endswith("-cacert"):
        made.validation_context.trusted_ca.inline_bytes = text("cert.pem")
    else:
        made.tls_certificate.certificate_chain.inline_bytes = text("cert.pem")
        made.tls_certificate.private_key.inline_bytes = text("key.pem")
    return made


def bootstrap(path):
    """As `pilotctl bootstrap` makes it, in what acceptance depends on. "sds-grpc" is where an
    agent serves certificates; names are resolved by nobody, which is known at once."""
    nobody = {"socketAddress": {"address": "127.0.0.1", "portValue": 9}}
    source = {"ads": {}, "resourceApiVersion": "V3"}
    return {
        "node": {"id": "judge", "cluster": "judge"},
        "staticResources": {"clusters": [cluster("xds", path), cluster("sds-grpc", path)]},
        "typedDnsResolverConfig": {"name": "envoy.network.dns_resolver.cares", "typedConfig": {
            "@type": f"type.googleapis.com/{RESOLVER}", "resolvers": [nobody],
            "queryTimeoutSeconds": 1, "queryTries": 1}},
        "layeredRuntime": {"layers": [{"name": "limits", "staticLayer": {
            "re2.max_program_size.error_level": 32768}}]},
        "dynamicResources": {"ldsConfig": source, "cdsConfig": source, "adsConfig": {
            "apiType": "GRPC", "transportApiVersion": "V3",
            "grpcServices": [{"envoyGrpc": {"clusterName": "xds"}}]}}}


class Stream(ads_pb2_grpc.AggregatedDiscoveryServiceServicer,
             sds_pb2_grpc.SecretDiscoveryServiceServicer):
    """Hands what the one Envoy says to `requests`, and what is put into `responses` to it. Secrets
    are answered at once, over both services."""

    def __init__(self, directory):
        self.directory = directory
        self.requests, self.responses = queue.Queue(), queue.Queue()

    def StreamAggregatedResources(self, request_iterator, context):
        mine = self.responses = queue.Queue()
        return self._stream(mine, request_iterator, context)

    def StreamSecrets(self, request_iterator, context):
        return self._stream(queue.Queue(), request_iterator, context)

    def _stream(self, responses, requests, context):
        context.add_callback(lambda: responses.put(None))
        threading.Thread(target=self._listen, args=(requests, responses), daemon=True).start()
        yield from iter(responses.get, None)

    def _listen(self, requests, responses):
        """The first request with a response's nonce acknowledges it; all others ask."""
        nonce, acknowledged, names = 0, True, set()
        try:
            for request in requests:
                if request.type_url != SECRET:
                    self.requests.put(request)
                    continue
                is_new = not set(request.resource_names) <= names
                names = set(request.resource_names)
                if names and (is_new or acknowledged or request.response_nonce != str(nonce)):
                    nonce, acknowledged = nonce + 1, False
                    responses.put(self._secrets(names, str(nonce)))
                else:
                    acknowledged = True
        except grpc.RpcError:
            pass

    def _secrets(self, names, nonce):
        response = discovery_pb2.DiscoveryResponse(
            version_info=nonce, nonce=nonce, type_url=SECRET)
        for name in sorted(names):
            response.resources.add().Pack(secret(name, self.directory))
        return response


class Judge:
    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="pilotd-judge-")
        make_files(self.directory)
        self.pool = futures.ThreadPoolExecutor(2000)
        self.stream = Stream(self.directory)
        self.server = grpc.server(self.pool, options=[("grpc.max_receive_message_length", -1)])
        sds_pb2_grpc.add_SecretDiscoveryServiceServicer_to_server(self.stream, self.server)
        ads_pb2_grpc.add_AggregatedDiscoveryServiceServicer_to_server(self.stream, self.server)
        self.socket = os.path.join(self.directory, "xds.sock")
        self.server.add_insecure_port(f"unix:{self.socket}")
        self.server.start()
        self.envoy, self.version, self.asked, self.done = None, 0, {}, {}

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, kind, value, trace):
        self.stop()
        self.server.stop(0)
        self.pool.shutdown(wait=False, cancel_futures=True)
        shutil.rmtree(self.directory, ignore_errors=True)

    # ---- the process ----

    def start(self):
        """An Envoy that is live on nothing; what comes next it takes as a running one."""
        path = os.path.join(self.directory, "bootstrap.json")
        with open(path, "w", encoding="utf-8") as out:
            json.dump(bootstrap(self.socket), out)
        while not self.stream.requests.empty():
            self.stream.requests.get()
        with open(os.path.join(self.directory, "envoy.log"), "wb") as log:
            self.envoy = subprocess.Popen(
                [*ALONE, ENVOY, "-c", path, "-l", "error", "--use-dynamic-base-id",
                 "--reject-unknown-dynamic-fields", "--drain-time-s", "1",
                 "--parent-shutdown-time-s", "2", "--concurrency", "1"],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=self.directory)
        self.asked, self.done = {short: set() for short in TYPES}, {}
        self._wait(lambda: "first" in self.done, START_S, "it connects")
        for short in ("CDS", "LDS"):
            self._answers([(short, self._send(short, []))])

    def stop(self):
        self.envoy.kill()
        self.envoy.wait()

    def log_tail(self):
        path = os.path.join(self.directory, "envoy.log")
        with open(path, encoding="utf-8", errors="replace") as log:
            return log.read()[-3000:]

    # ---- the conversation ----

    def _take(self, request):
        """A first request, an acknowledgement or a refusal; each also says what names it wants."""
        short = SHORT.get(request.type_url)
        if not short:
            return
        self.asked[short] = set(request.resource_names)
        self.done["first"] = None
        if request.response_nonce:
            self.done[request.response_nonce] = request.error_detail.message

    def _wait(self, condition, seconds, what):
        end = time.monotonic() + seconds
        while not condition():
            if self.envoy.poll() is not None:
                raise Dead(f"ended ({self.envoy.returncode}) before {what}: {self.log_tail()}")
            if time.monotonic() > end:
                raise Dead(f"not within {seconds} s: {what}: {self.log_tail()}")
            try:
                self._take(self.stream.requests.get(timeout=0.2))
            except queue.Empty:
                pass

    def _send(self, short, resources):
        """Sends one type whole, and returns the nonce that its answer will carry."""
        self.version += 1
        nonce = str(self.version)
        response = discovery_pb2.DiscoveryResponse(
            version_info=nonce, nonce=nonce, type_url=TYPES[short])
        for _, data in resources:
            packed = response.resources.add()
            packed.type_url, packed.value = TYPES[short], data
        self.stream.responses.put(response)
        return nonce

    def _answers(self, nonces):
        """[(type, complaint)] once all are answered."""
        self._wait(lambda: all(nonce in self.done for _, nonce in nonces), ANSWER_S,
                   f"{' and '.join(short for short, _ in nonces)} answered (what warms for ever?)")
        answers = [(short, self.done.pop(nonce)) for short, nonce in nonces]
        return [(short, words) for short, words in answers if words]

    def _send_pair(self, first, then, view):
        """Clusters and their endpoints, or listeners and their routes. Envoy answers for clusters
        only when all that it takes have endpoints, so these are sent as soon as it has asked for
        all, or asks no further (it does not for those that it is going to refuse)."""
        names = {name for name, _ in view[then]}
        nonce = self._send(first, view[first])
        end = time.monotonic() + QUIET_S
        self._wait(lambda: nonce in self.done or names <= self.asked[then] or
                   time.monotonic() > end, ANSWER_S, f"{first} answered, or {then} asked for")
        if names and self.done.get(nonce) == "":
            self._wait(lambda: names <= self.asked[then], ANSWER_S,
                       f"{then} asked for: {sorted(names)[:5]}")
        nonces = [(first, nonce)]
        if names:
            nonces.append((then, self._send(then, view[then])))
        return self._answers(nonces)

    def try_view(self, view):
        """[(type, Envoy's words)] for everything that it refuses, by itself: the listeners of the
        view before go first, since Envoy would compare their addresses. Raises Dead."""
        self._answers([("LDS", self._send("LDS", []))])
        return self._send_pair("CDS", "EDS", view) + self._send_pair("LDS", "RDS", view)

