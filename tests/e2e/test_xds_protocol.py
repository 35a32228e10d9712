"""xds/ on a real socket: what gRPC's own client, raw bytes and a real Envoy make of a server whose
one view is told by its standard input (tests/tools/xds_fixture.c)."""

import base64
import http.server
import json
import os
import queue
import shutil
import socket
import struct
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request

import grpc
import pytest
from envoy.config.bootstrap.v3 import bootstrap_pb2
from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.endpoint.v3 import endpoint_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.config.route.v3 import route_pb2
from envoy.extensions.filters.http.router.v3 import router_pb2  # noqa: F401 (Any needs it)
from envoy.extensions.filters.network.http_connection_manager.v3 import (  # noqa: F401
    http_connection_manager_pb2)
from envoy.extensions.upstreams.http.v3 import http_protocol_options_pb2  # noqa: F401
from envoy.service.discovery.v3 import ads_pb2_grpc
from envoy.service.discovery.v3 import discovery_pb2 as d
from google.protobuf import json_format
from certificates import Authority
from cluster import ENVOY
from grpc_health.v1 import health_pb2, health_pb2_grpc
from raw_http2 import (DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PREFACE, RST_STREAM, SETTINGS,
                       WINDOW_UPDATE, RawHttp2, frame, grpc_headers)
from relay import Relay

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, os.environ.get("PILOT_BUILD", "build"))
WAIT_S = 20
TYPES = {
    "CDS": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
    "EDS": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
    "LDS": "type.googleapis.com/envoy.config.listener.v3.Listener",
    "RDS": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
}
ADS = "/envoy.service.discovery.v3.AggregatedDiscoveryService/"


class Fixture:
    def __init__(self, *arguments):
        self.process = subprocess.Popen(
            [os.path.join(BUILD, "tools", "xds_fixture"), *arguments], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.log = []
        threading.Thread(target=self._read_log, daemon=True).start()
        self.port = int(self._line().split()[1])
        self.address = f"127.0.0.1:{self.port}"

    def _read_log(self):
        for line in self.process.stderr:
            self.log.append(line)

    def _line(self):
        return self.process.stdout.readline().strip()

    def run(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self._line()

    def do(self, *commands):
        for command in commands:
            assert self.run(command) == "done", command

    def publish(self, *commands):
        self.do(*commands, "publish")

    def stats(self):
        return {key: int(value) for key, value in
                (word.split("=") for word in self.run("stats").split())}

    def until(self, condition):
        """The counters, once they meet the condition."""
        deadline = time.monotonic() + WAIT_S
        while not condition(self.stats()):
            assert time.monotonic() < deadline, self.stats()
            time.sleep(0.01)
        return self.stats()

    def until_synced(self):
        deadline = time.monotonic() + WAIT_S
        while True:
            types = json.loads(self.run("report"))[0]["types"]
            if all(t["state"] in ("synced", "not sent") for t in types.values()):
                return
            assert time.monotonic() < deadline, types
            time.sleep(0.01)

    def close(self):
        """It must end by itself, and well: with a sanitizer this is where its findings show."""
        if self.process.poll() is None:
            self.process.stdin.close()
        assert self.process.wait(WAIT_S) == 0, "".join(self.log)[-4000:]


class SecuredFixture(Fixture):
    """The same with TLS; a client speaks plain text to a relay before it."""

    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="pilotd-e2e-")
        ca = Authority(self.directory)
        super().__init__("0", "named", *ca.issue("pilotd", "IP:127.0.0.1"), ca.pem)
        self.relay = Relay("127.0.0.1", self.port, ca.client(ca.issue("proxy", "DNS:proxy")))
        self.address = self.relay.address
        self.port = int(self.address.split(":")[1])

    def close(self):
        super().close()
        shutil.rmtree(self.directory)


@pytest.fixture
def fixture(request):
    wanted = getattr(request, "param", ())
    f = SecuredFixture() if wanted == "tls" else Fixture(*wanted)
    yield f
    f.close()


plain_and_tls = pytest.mark.parametrize("fixture", [(), "tls"], indirect=True, ids=["plain", "tls"])


class Ads:
    """One stream, on a connection of its own unless a channel is given."""

    def __init__(self, address, variant, channel=None, node="proxy~1", service=None):
        self.own_channel = None if channel else grpc.insecure_channel(
            address, options=[("grpc.use_local_subchannel_pool", 1)])
        stub = ads_pb2_grpc.AggregatedDiscoveryServiceStub(channel or self.own_channel)
        self.is_delta = variant == "delta"
        self.node = node
        self.out, self.received = queue.Queue(), queue.Queue()
        method = stub.DeltaAggregatedResources if self.is_delta else stub.StreamAggregatedResources
        if service:
            method = self.method_of(channel or self.own_channel, service)
        self.call = method(iter(self.out.get, None))
        threading.Thread(target=self._receive, daemon=True).start()

    def method_of(self, channel, service):
        """Of a service of one type: cluster, Clusters."""
        name, what = service
        request, response, verb = ((d.DeltaDiscoveryRequest, d.DeltaDiscoveryResponse, "Delta") if self.is_delta
                                   else (d.DiscoveryRequest, d.DiscoveryResponse, "Stream"))
        return channel.stream_stream(
            f"/envoy.service.{name}.v3.{name.capitalize()}DiscoveryService/{verb}{what}",
            request_serializer=request.SerializeToString, response_deserializer=response.FromString)

    def _receive(self):
        try:
            for response in self.call:
                self.received.put(response)
            self.received.put(None)
        except grpc.RpcError as error:
            self.received.put(error)

    def send(self, kind, **fields):
        url = TYPES.get(kind, kind)
        request = (d.DeltaDiscoveryRequest if self.is_delta else d.DiscoveryRequest)(
            type_url=url, **fields)
        if self.node:
            request.node.id = self.node
            self.node = None
        self.out.put(request)

    def subscribe(self, kind, *names, **fields):
        field = "resource_names_subscribe" if self.is_delta else "resource_names"
        self.send(kind, **{field: names}, **fields)

    def take(self):
        response = self.received.get(timeout=WAIT_S)
        assert not isinstance(response, grpc.RpcError), response
        return response

    def answer(self, response, refusal=None, names=()):
        kind = next(k for k, url in TYPES.items() if url == response.type_url)
        fields = {"response_nonce": response.nonce}
        if refusal:
            fields["error_detail"] = {"code": 3, "message": refusal}
        if not self.is_delta:
            fields.update(resource_names=names, version_info=response.version_info)
        self.send(kind, **fields)

    def take_ack(self, kind, names=()):
        response = self.take()
        assert response.type_url == TYPES[kind]
        self.answer(response, names=names)
        return response

    def error(self):
        error = self.received.get(timeout=WAIT_S)
        assert isinstance(error, grpc.RpcError), error
        return error

    def assert_silent(self):
        """Nothing waits for us: whatever we ask next is answered first."""
        assert self.received.empty(), self.received.get()

    def close(self):
        self.out.put(None)
        self.call.cancel()
        if self.own_channel:
            self.own_channel.close()


@pytest.fixture
def open_ads(fixture):
    streams = []

    def opener(variant, **options):
        streams.append(Ads(fixture.address, variant, **options))
        return streams[-1]
    yield opener
    for stream in streams:
        stream.close()


def unpacked(response):
    classes = {"CDS": cluster_pb2.Cluster, "EDS": endpoint_pb2.ClusterLoadAssignment,
               "LDS": listener_pb2.Listener, "RDS": route_pb2.RouteConfiguration}
    kind = next(k for k, url in TYPES.items() if url == response.type_url)
    found = []
    for resource in response.resources:
        packed = resource if isinstance(response, d.DiscoveryResponse) else resource.resource
        assert packed.type_url == TYPES[kind]
        message = classes[kind]()
        message.ParseFromString(packed.value)
        found.append(message)
    return found


def texts(response):
    return {c.name: c.alt_stat_name for c in unpacked(response)}


# ---- happy paths ----

@plain_and_tls
def test_delta_sends_then_changes_then_removes(fixture, open_ads):
    fixture.publish("set CDS a one", "set CDS b one", "set EDS a one", "set LDS l one",
                    "set RDS r one")
    ads = open_ads("delta")

    ads.subscribe("CDS")
    first = ads.take_ack("CDS")
    ads.subscribe("EDS", "a", "b")
    endpoints = ads.take_ack("EDS")
    ads.subscribe("LDS")
    listeners = ads.take_ack("LDS")
    ads.subscribe("RDS", "r")
    routes = ads.take_ack("RDS")

    assert texts(first) == {"a": "one", "b": "one"}
    assert [r.name for r in first.resources] == ["a", "b"] and not first.removed_resources
    assert unpacked(endpoints)[0].endpoints[0].locality.region == "one"
    assert list(endpoints.removed_resources) == ["b"]
    assert unpacked(listeners)[0].filter_chains[0].name == "one"
    assert unpacked(routes)[0].virtual_hosts[0].name == "one"

    fixture.publish("set CDS b two", "del CDS a")
    change = ads.take_ack("CDS")
    assert texts(change) == {"b": "two"} and not change.removed_resources
    none = ads.take_ack("EDS")
    assert not none.resources and list(none.removed_resources) == ["b"], "b warms until it is told"
    gone = ads.take_ack("CDS")
    assert not gone.resources and list(gone.removed_resources) == ["a"]


def test_sotw_sends_then_changes_then_removes(fixture, open_ads):
    fixture.publish("set CDS a one", "set CDS b one", "set EDS a one", "set LDS l one",
                    "set RDS r one")
    ads = open_ads("sotw")

    ads.subscribe("CDS")
    first = ads.take_ack("CDS")
    ads.subscribe("EDS", "a")
    ads.take_ack("EDS", ["a"])
    ads.subscribe("LDS")
    ads.take_ack("LDS")
    ads.subscribe("RDS", "r")
    ads.take_ack("RDS", ["r"])
    fixture.publish("set CDS b two", "del CDS a")
    union, reduced = ads.take_ack("CDS"), ads.take_ack("CDS")

    assert texts(first) == {"a": "one", "b": "one"}
    assert texts(union) == {"a": "one", "b": "two"}
    assert texts(reduced) == {"b": "two"}
    assert len({first.version_info, union.version_info, reduced.version_info}) == 3


def test_delta_resume_on_a_new_stream_is_one_empty_response(fixture, open_ads):
    fixture.publish("set CDS a one", "set LDS l one")
    before = open_ads("delta")
    before.subscribe("CDS")
    held = {r.name: r.version for r in before.take_ack("CDS").resources}
    before.close()

    ads = open_ads("delta", node="proxy~2")
    ads.subscribe("CDS", initial_resource_versions=held)
    response = ads.take_ack("CDS")

    assert not response.resources and not response.removed_resources
    fixture.publish("set CDS b one")
    assert texts(ads.take_ack("CDS")) == {"b": "one"}


def test_a_refusal_is_reported_and_not_repeated(fixture, open_ads):
    fixture.publish("set CDS a one")
    ads = open_ads("delta")
    ads.subscribe("CDS")
    ads.answer(ads.take(), refusal="cluster a: no good")
    fixture.until(lambda s: s["nacks"] == 1)

    report, = json.loads(fixture.run("report"))
    assert report["id"] == "proxy~1" and report["variant"] == "delta"
    assert report["types"]["CDS"]["state"] == "nacked"
    assert report["types"]["CDS"]["lastNack"] == "cluster a: no good"
    fixture.publish("set CDS b one")
    assert texts(ads.take_ack("CDS")) == {"b": "one"}
    fixture.publish("set CDS a two")
    assert texts(ads.take_ack("CDS")) == {"a": "two"}
    fixture.until(lambda s: s["acks"] == 2)
    report, = json.loads(fixture.run("report"))
    assert report["types"]["CDS"]["state"] == "synced"
    assert report["types"]["EDS"]["state"] == "not sent"


@pytest.mark.parametrize("variant", ["sotw", "delta"])
def test_a_response_says_of_which_replica_and_revision_it_is_and_a_revision_alone_sends_nothing(
        fixture, open_ads, variant):
    fixture.publish("set CDS a one", "set LDS l one")
    ads = open_ads(variant)
    ads.subscribe("CDS")
    assert ads.take_ack("CDS").control_plane.identifier == "fixture@1"
    fixture.until_synced()

    fixture.publish("set CDS a one")
    fixture.publish("set CDS a two")
    changed = ads.take_ack("CDS")
    assert texts(changed) == {"a": "two"} and changed.control_plane.identifier == "fixture@3"
    fixture.until_synced()
    fixture.publish("set CDS a two")
    ads.subscribe("LDS")
    assert ads.take_ack("LDS").control_plane.identifier == "fixture@4"
    fixture.until_synced()

    ads.assert_silent()
    assert fixture.stats()["responses"] == 3


# ---- health ----

@plain_and_tls
def test_health_check_and_watch_follow_the_server(fixture):
    with grpc.insecure_channel(fixture.address) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        request = health_pb2.HealthCheckRequest()
        response = health_pb2.HealthCheckResponse

        watch = health.Watch(request, timeout=WAIT_S)
        unknown = health.Watch(health_pb2.HealthCheckRequest(service="nobody"), timeout=WAIT_S)
        assert next(watch).status == response.NOT_SERVING
        assert next(unknown).status == response.SERVICE_UNKNOWN
        fixture.do("serving yes")
        assert next(watch).status == response.SERVING
        assert health.Check(request, timeout=WAIT_S).status == response.SERVING
        fixture.do("serving no")
        assert next(watch).status == response.NOT_SERVING
        assert health.Check(request, timeout=WAIT_S).status == response.NOT_SERVING
        named = health_pb2.HealthCheckRequest(
            service="envoy.service.discovery.v3.AggregatedDiscoveryService")
        assert health.Check(named, timeout=WAIT_S).status == response.NOT_SERVING
        with pytest.raises(grpc.RpcError) as error:
            health.Check(health_pb2.HealthCheckRequest(service="nobody"), timeout=WAIT_S)
        assert error.value.code() == grpc.StatusCode.NOT_FOUND
        watch.cancel()
        unknown.cancel()


# ---- bad clients ----

def raw(fixture, data):
    with socket.create_connection(("127.0.0.1", fixture.port), timeout=WAIT_S) as s:
        s.sendall(data)
        received = b""
        try:
            while chunk := s.recv(65536):
                received += chunk
        except ConnectionResetError:
            pass
        return received


@plain_and_tls
def test_http1_is_told_what_this_port_speaks(fixture):
    answer = raw(fixture, b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 505 ")
    assert b"gRPC over HTTP/2" in answer
    fixture.until(lambda s: s["connections"] == 0 and s["protocol_errors"] == 1)


@pytest.mark.parametrize("data", [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 100,
    b"\x00" * 10000,
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + struct.pack(">I", 0xFFFFFF00) + b"\x00" * 6,
])
def test_garbage_is_hung_up_on_and_harms_nobody(fixture, open_ads, data):
    fixture.publish("set CDS a one")
    ads = open_ads("delta")
    ads.subscribe("CDS")
    ads.take_ack("CDS")

    raw(fixture, data)

    fixture.until(lambda s: s["connections"] == 1 and s["protocol_errors"] == 1)
    fixture.publish("set CDS a two")
    assert texts(ads.take_ack("CDS")) == {"a": "two"}


def test_a_message_over_the_limit_is_resource_exhausted(fixture, open_ads):
    ads = open_ads("delta")
    ads.subscribe("CDS", "x" * (5 * 1024 * 1024))

    assert ads.error().code() == grpc.StatusCode.RESOURCE_EXHAUSTED


def test_too_many_names_are_resource_exhausted(fixture, open_ads):
    fixture.publish("set EDS a one")
    ads = open_ads("delta")
    start = time.monotonic()
    ads.subscribe("EDS", *(f"{i:06x}" for i in range(250000, 0, -1)))

    assert ads.error().code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert time.monotonic() - start < 10


def test_metadata_over_the_limit_is_resource_exhausted(fixture, open_ads):
    ads = open_ads("delta", node=None)
    node = {"id": "p", "metadata": {"x": "y" * 300000}}
    ads.subscribe("CDS", node=node)

    error = ads.error()
    assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED and "262144" in error.details()


def test_an_unknown_type_ends_that_stream_alone(fixture, open_ads):
    fixture.publish("set CDS a one")
    with grpc.insecure_channel(fixture.address) as channel:
        good, bad = open_ads("delta", channel=channel), open_ads("delta", channel=channel)
        good.subscribe("CDS")
        good.take_ack("CDS")

        bad.subscribe("type.googleapis.com/no.such.Type é%")

        error = bad.error()
        assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
        assert "no.such.Type é%" in error.details()
        fixture.publish("set CDS a two")
        assert texts(good.take_ack("CDS")) == {"a": "two"}
        good.close()


ONE_TYPE = {"CDS": ("cluster", "Clusters"), "EDS": ("endpoint", "Endpoints"),
            "LDS": ("listener", "Listeners"), "RDS": ("route", "Routes")}


@pytest.mark.parametrize("kind", ONE_TYPE)
@pytest.mark.parametrize("variant", ["sotw", "delta"])
def test_a_stream_of_one_type_serves_that(fixture, open_ads, variant, kind):
    fixture.publish(*(f"set {each} a one" for each in ONE_TYPE))
    names = () if kind in ("CDS", "LDS") else ("a",)
    ads = open_ads(variant, service=ONE_TYPE[kind])

    ads.subscribe(kind, *names)
    first = ads.take_ack(kind, names)
    fixture.until_synced()
    fixture.publish(f"set {kind} a two")
    second = ads.take_ack(kind, names)

    assert [m.SerializeToString() for m in unpacked(first)] != [m.SerializeToString() for m in unpacked(second)]
    ads.subscribe("CDS" if kind != "CDS" else "EDS", "a")
    error = ads.error()
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT and TYPES[kind] in error.details()


@pytest.mark.parametrize("variant", ["sotw", "delta"])
def test_on_a_stream_of_one_type_requests_need_not_name_it(fixture, open_ads, variant):
    fixture.publish("set CDS a one")
    ads = open_ads(variant, service=ONE_TYPE["CDS"])

    ads.send("")

    assert texts(ads.take_ack("CDS")) == {"a": "one"}


@pytest.mark.parametrize("variant", ["sotw", "delta"])
def test_a_type_that_is_not_served_costs_the_stream_nothing(fixture, open_ads, variant):
    """An Envoy asks for secrets when a cluster needs one; with runtime over ADS even first of all."""
    fixture.publish("set CDS a one")
    ads = open_ads(variant)
    ads.subscribe("type.googleapis.com/envoy.service.runtime.v3.Runtime", "limits")
    ads.subscribe("CDS")
    assert texts(ads.take_ack("CDS"))["a"] == "one"
    ads.subscribe("type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
                  "default")
    fixture.publish("set CDS a two")
    assert texts(ads.take_ack("CDS"))["a"] == "two"
    ads.close()


def test_a_refused_or_missing_node_is_invalid(fixture, open_ads):
    nameless, refused = open_ads("sotw", node=None), open_ads("sotw", node="refused")
    nameless.subscribe("CDS")
    refused.subscribe("CDS")

    assert nameless.error().code() == grpc.StatusCode.INVALID_ARGUMENT
    error = refused.error()
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT and "not welcome" in error.details()


def test_bytes_that_are_no_message_are_invalid(fixture):
    with grpc.insecure_channel(fixture.address) as channel:
        call = channel.stream_stream(ADS + "DeltaAggregatedResources")(iter([b"\xff\xff\xff"]))
        with pytest.raises(grpc.RpcError) as error:
            next(call)
    assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def ask_compressed(fixture, compression):
    request = d.DeltaDiscoveryRequest(type_url=TYPES["CDS"])
    request.node.id = "x" * 10000
    with grpc.insecure_channel(fixture.address, compression=compression) as channel:
        call = channel.stream_stream(ADS + "DeltaAggregatedResources")(
            iter([request.SerializeToString()]))
        return d.DeltaDiscoveryResponse.FromString(next(call))


def test_gzip_is_accepted(fixture):
    fixture.publish("set CDS a one")

    assert texts(ask_compressed(fixture, grpc.Compression.Gzip)) == {"a": "one"}


def test_another_compression_is_unimplemented(fixture):
    with pytest.raises(grpc.RpcError) as error:
        ask_compressed(fixture, grpc.Compression.Deflate)

    assert error.value.code() == grpc.StatusCode.UNIMPLEMENTED and "gzip" in error.value.details()


def test_an_unknown_method_is_unimplemented(fixture):
    with grpc.insecure_channel(fixture.address) as channel:
        with pytest.raises(grpc.RpcError) as error:
            channel.unary_unary("/no.such.Service/Method")(b"", timeout=WAIT_S)
    assert error.value.code() == grpc.StatusCode.UNIMPLEMENTED


# ---- HTTP/2 by hand ----

@pytest.mark.parametrize("content_type, method, status", [
    ("text/html", "POST", "415"), ("application/grpcs", "POST", "415"),
    ("application/grpc", "PUT", "405")])
def test_what_is_not_grpc_gets_an_http_status(fixture, content_type, method, status):
    client = RawHttp2(fixture.address)
    client.send(PREFACE + frame(SETTINGS, 0, 0) + frame(
        HEADERS, END_HEADERS, 1,
        grpc_headers(ADS + "DeltaAggregatedResources", content_type, method)))

    _, flags, _, block = client.until(HEADERS, 1)

    assert flags & END_STREAM and block[":status"] == status
    client.until(RST_STREAM, 1)  # nobody reads what may still come
    client.socket.close()


@plain_and_tls
def test_a_message_in_pieces_of_one_byte(fixture):
    fixture.publish("set CDS a one")
    request = d.DeltaDiscoveryRequest(type_url=TYPES["CDS"])
    request.node.id = "slow~1"
    body = request.SerializeToString()
    message = b"\x00" + struct.pack(">I", len(body)) + body
    data = PREFACE + frame(SETTINGS, 0, 0) + frame(
        HEADERS, END_HEADERS, 1, grpc_headers(ADS + "DeltaAggregatedResources"))
    data += b"".join(frame(DATA, 0, 1, message[i:i + 3]) for i in range(0, len(message), 3))
    client = RawHttp2(fixture.address)

    client.send(data, piece=1)
    _, _, _, payload = client.until(DATA, 1)

    response = d.DeltaDiscoveryResponse.FromString(payload[5:])
    assert texts(response) == {"a": "one"}
    client.socket.close()


def fall_asleep(fixture, name):
    """A client that asks for everything, allows as much as there may be, and does not read."""
    request = d.DiscoveryRequest(type_url=TYPES["CDS"])
    request.node.id = name
    body = request.SerializeToString()
    asleep = RawHttp2(fixture.address)
    window = struct.pack(">HI", 4, 0x7FFFFFFF)
    asleep.send(PREFACE + frame(SETTINGS, 0, 0, window)
                + frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 0x7FFF0000))
                + frame(HEADERS, END_HEADERS, 1, grpc_headers(ADS + "StreamAggregatedResources"))
                + frame(DATA, 0, 1, b"\x00" + struct.pack(">I", len(body)) + body))
    return asleep


def resident_bytes(fixture):
    with open(f"/proc/{fixture.process.pid}/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(os.path.basename(BUILD) in ("asan", "tsan"), reason="sanitizers keep what was freed")
@plain_and_tls
def test_what_slow_readers_are_owed_is_kept_once(fixture):
    fixture.publish(*(f"set CDS big{i} {'x' * 1000000}" for i in range(8)))
    first = fall_asleep(fixture, "asleep")
    fixture.until(lambda s: s["responses"] == 1)
    before = resident_bytes(fixture)

    others = [fall_asleep(fixture, f"asleep {i}") for i in range(20)]
    fixture.until(lambda s: s["responses"] == 21)

    assert resident_bytes(fixture) - before < len(others) * 400 * 1024
    for client in (first, *others):
        client.socket.close()


@plain_and_tls
def test_a_slow_reader_blocks_nobody(fixture, open_ads):
    fixture.publish("bulk CDS 15000 one")
    asleep = fall_asleep(fixture, "asleep")
    fixture.until(lambda s: s["responses"] == 1)
    awake = open_ads("delta")
    awake.subscribe("CDS")
    assert len(awake.take_ack("CDS").resources) == 15000

    for round_ in range(5):
        fixture.publish(f"set CDS changed {round_}")
        assert texts(awake.take_ack("CDS")) == {"changed": str(round_)}

    message = b""
    while len(message) < 5 or len(message) < 5 + int.from_bytes(message[1:5], "big"):
        message += asleep.until(DATA, 1)[3]  # it wakes up: all is there
    assert len(d.DiscoveryResponse.FromString(message[5:]).resources) == 15000
    asleep.socket.close()


# ---- many, and the end ----

@plain_and_tls
def test_200_streams_over_several_connections(fixture, open_ads):
    fixture.publish("set CDS a one", "set EDS a one")
    channels = [grpc.insecure_channel(
        fixture.address, options=[("grpc.use_local_subchannel_pool", 1)]) for _ in range(5)]
    streams = [open_ads("delta" if i % 2 else "sotw", channel=channels[i % 5], node=f"p~{i}")
               for i in range(200)]
    for ads in streams:
        ads.subscribe("CDS")
    for ads in streams:
        ads.take_ack("CDS")
        ads.subscribe("EDS", "a")
    for ads in streams:
        ads.take_ack("EDS", ["a"])
    stats = fixture.until(lambda s: s["acks"] == 400)
    assert stats["streams"] == 200 and stats["connections"] == 5

    fixture.publish("set EDS a two")
    for ads in streams:
        assert unpacked(ads.take_ack("EDS", ["a"]))[0].endpoints[0].locality.region == "two"
    assert len(json.loads(fixture.run("report"))) == 200

    for ads in streams:
        ads.close()
    for channel in channels:
        channel.close()
    fixture.until(lambda s: s["connections"] == 0 and s["streams"] == 0)


two_at_once = pytest.mark.parametrize("fixture", [("2",)], indirect=True)


def ask(ads):
    ads.subscribe("CDS")
    ads.subscribe("LDS")


def has_taken(fixture, responses, **counts):
    fixture.until(lambda s: s["responses"] == responses and all(s[k] == v for k, v in counts.items()))


@two_at_once
def test_who_comes_with_all_it_should_have_waits_for_nobody(fixture, open_ads):
    fixture.publish("set CDS a one", "set LDS l one")
    first = open_ads("delta")
    ask(first)
    held = {kind: {r.name: r.version for r in first.take_ack(kind).resources} for kind in ("CDS", "LDS")}
    fixture.until(lambda s: s["acks"] == 2 and s["joining"] == 0)
    joining = [open_ads("delta"), open_ads("sotw")]
    for ads in joining:
        ask(ads)
    late = open_ads("delta")
    ask(late)
    fixture.until(lambda s: s["joining"] == 2 and s["waiting"] == 1)

    back = open_ads("delta")
    back.subscribe("CDS", initial_resource_versions=held["CDS"])

    assert not back.take_ack("CDS").resources
    stats = fixture.stats()
    assert stats["joining"] == 2 and stats["waiting"] == 1
    late.assert_silent()


@two_at_once
def test_streams_over_the_limit_wait_in_order_and_get_the_newest(fixture, open_ads):
    fixture.publish("set CDS a one", "set LDS l one")
    joining = [open_ads("delta"), open_ads("sotw")]
    for number, ads in enumerate(joining):
        ask(ads)
        has_taken(fixture, number + 1, joining=number + 1)
    late = []
    for number in range(3):
        late.append(open_ads(("delta", "sotw", "delta")[number]))
        ask(late[-1])
        has_taken(fixture, 2, joining=2, waiting=number + 1)
    fixture.publish("set CDS a two")

    joining[0].take_ack("CDS")
    has_taken(fixture, 3, waiting=3)  # the change, and listeners after it
    joining[0].take_ack("CDS")
    joining[0].take_ack("LDS")
    assert texts(late[0].take_ack("CDS")) == {"a": "two"}
    has_taken(fixture, 6, joining=2, waiting=2)
    late[1].assert_silent()
    late[0].take_ack("LDS")
    assert texts(late[1].take_ack("CDS")) == {"a": "two"}
    late[2].assert_silent()


@two_at_once
def test_who_leaves_makes_room_waiting_or_not(fixture, open_ads):
    fixture.publish("set CDS a one", "set LDS l one")
    streams = []
    for number in range(5):
        streams.append(open_ads("delta"))
        ask(streams[-1])
        fixture.until(lambda s: s["joining"] + s["waiting"] == number + 1)

    streams[2].close()
    fixture.until(lambda s: s["waiting"] == 2)
    streams[0].close()
    streams[1].send("type.example.com/unknown")
    assert streams[1].take() and streams[1].error().code() == grpc.StatusCode.INVALID_ARGUMENT

    for ads in streams[3:]:
        assert texts(ads.take_ack("CDS")) == {"a": "one"}
    fixture.until(lambda s: s["waiting"] == 0)


@two_at_once
def test_who_never_answers_keeps_nobody_waiting_for_ever(fixture, open_ads):
    fixture.publish("set CDS a one", "set LDS l one")
    silent = [open_ads("delta"), open_ads("delta")]
    for ads in silent:
        ask(ads)
    first = [ads.take() for ads in silent]
    late = open_ads("delta")
    begin = time.monotonic()
    ask(late)

    assert texts(late.take_ack("CDS")) == {"a": "one"} and time.monotonic() - begin > 2
    assert fixture.stats()["overdue"] == 2
    silent[0].answer(first[0])
    assert silent[0].take().type_url == TYPES["LDS"], "it is served on"


@plain_and_tls
def test_a_drain_sends_goaway_and_ends_streams_as_unavailable(fixture, open_ads):
    fixture.publish("set CDS a one")
    streams = [open_ads("delta", node=f"p~{i}") for i in range(4)]
    for ads in streams:
        ads.subscribe("CDS")
        ads.take_ack("CDS")
    by_hand = RawHttp2(fixture.address)
    by_hand.send(PREFACE + frame(SETTINGS, 0, 0))
    by_hand.until(SETTINGS, 0)
    fixture.until(lambda s: s["acks"] == 4 and s["connections"] == 5)

    fixture.do("drain 200 5000")

    for ads in streams:
        error = ads.error()
        assert error.code() == grpc.StatusCode.UNAVAILABLE and "leaving" in error.details()
    by_hand.until(GOAWAY, 0)
    assert fixture.process.stdout.readline().strip() == "drained"
    assert fixture.process.wait(WAIT_S) == 0


@plain_and_tls
def test_a_drain_cuts_those_that_do_not_leave(fixture):
    fixture.publish("bulk CDS 15000 one")
    request = d.DiscoveryRequest(type_url=TYPES["CDS"])
    request.node.id = "asleep"
    body = request.SerializeToString()
    asleep = RawHttp2(fixture.address)
    asleep.send(PREFACE + frame(SETTINGS, 0, 0) +
                frame(HEADERS, END_HEADERS, 1, grpc_headers(ADS + "StreamAggregatedResources")) +
                frame(DATA, 0, 1, b"\x00" + struct.pack(">I", len(body)) + body))
    fixture.until(lambda s: s["responses"] == 1)

    fixture.do("drain 0 300")

    assert fixture.process.stdout.readline().strip() == "drained"
    assert fixture.process.wait(WAIT_S) == 0
    asleep.socket.close()


# ---- a real Envoy ----

class Backend(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = f"{self.server.text} {self.path}".encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def backends():
    servers = []
    for text in ("blue", "green"):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Backend)
        server.text = text
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
    yield {s.text: s.server_address[1] for s in servers}
    for server in servers:
        server.shutdown()
        server.server_close()


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


ADS_SOURCE = {"ads": {}, "resource_api_version": "V3"}


def raw_command(kind, name, message, fields):
    bytes_ = json_format.ParseDict(fields, message()).SerializeToString()
    return f"raw {kind} {name} {base64.b64encode(bytes_).decode()}"


def cluster(name, timeout="1s"):
    return raw_command("CDS", name, cluster_pb2.Cluster, {
        "name": name, "type": "EDS", "connect_timeout": timeout,
        "eds_cluster_config": {"eds_config": ADS_SOURCE}})


def endpoints(name, port):
    return raw_command("EDS", name, endpoint_pb2.ClusterLoadAssignment, {
        "cluster_name": name, "endpoints": [{"lb_endpoints": [{"endpoint": {"address": {
            "socket_address": {"address": "127.0.0.1", "port_value": port}}}}]}]})


def listener(port):
    manager = {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3."
                 "HttpConnectionManager",
        "stat_prefix": "in", "rds": {"route_config_name": "web", "config_source": ADS_SOURCE},
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}]}
    return raw_command("LDS", "front", listener_pb2.Listener, {
        "name": "front",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        "filter_chains": [{"filters": [{
            "name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}]})


def routes(name):
    return raw_command("RDS", "web", route_pb2.RouteConfiguration, {
        "name": "web", "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [
            {"match": {"prefix": "/"}, "route": {"cluster": name}}]}]})


@pytest.fixture
def start_envoy(fixture, tmp_path):
    processes = []

    def start(variant, binary=ENVOY):
        api = "DELTA_GRPC" if variant == "delta" else "GRPC"
        admin = free_port()
        bootstrap = {
            "admin": {"address": {"socket_address": {
                "address": "127.0.0.1", "port_value": admin}}},
            "node": {"id": "sidecar~1", "cluster": "test"},
            "dynamic_resources": {
                "ads_config": {"api_type": api, "transport_api_version": "V3",
                               "grpc_services": [{"envoy_grpc": {"cluster_name": "xds"}}]},
                "cds_config": ADS_SOURCE, "lds_config": ADS_SOURCE},
            "static_resources": {"clusters": [{
                "name": "xds", "type": "STATIC", "connect_timeout": "1s",
                "typed_extension_protocol_options": {
                    "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3."
                                 "HttpProtocolOptions",
                        "explicit_http_config": {"http2_protocol_options": {}}}},
                "load_assignment": {"cluster_name": "xds", "endpoints": [{"lb_endpoints": [{
                    "endpoint": {"address": {"socket_address": {
                        "address": "127.0.0.1", "port_value": fixture.port}}}}]}]}}]}}
        json_format.ParseDict(bootstrap, bootstrap_pb2.Bootstrap())
        path = tmp_path / "envoy.json"
        path.write_text(json.dumps(bootstrap))
        with open(tmp_path / "envoy.log", "w", encoding="utf-8") as log:
            processes.append(subprocess.Popen(
                [binary, "-c", str(path), "--concurrency", "1",
                 "--disable-hot-restart", "--log-level", "warning"], stderr=log, stdout=log))
        return admin
    yield start
    for process in processes:
        process.terminate()
        process.wait(WAIT_S)


def get(port):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/x", timeout=2) as answer:
            return answer.read().decode()
    except (urllib.error.URLError, ConnectionError, TimeoutError) as error:
        return f"failed: {error}"


def admin_stats(admin, name):
    stats = f"http://127.0.0.1:{admin}/stats?filter={name}"
    with urllib.request.urlopen(stats, timeout=WAIT_S) as answer:
        return answer.read().decode()


def until_warm(admin):
    """No cluster waits for its endpoints, as one would for ever that was sent without them."""
    deadline = time.monotonic() + WAIT_S
    while int(admin_stats(admin, "cluster_manager.warming_clusters").split()[-1]) != 0:
        assert time.monotonic() < deadline, "a cluster is warming for ever"
        time.sleep(0.01)


def until_answer(port, wanted):
    deadline = time.monotonic() + 3 * WAIT_S
    while (found := get(port)) != wanted:
        assert time.monotonic() < deadline, found
        time.sleep(0.05)


@pytest.mark.parametrize("variant", ["delta", "sotw"])
def test_a_real_envoy_answers_and_loses_no_request_to_a_change(
        fixture, backends, start_envoy, variant):
    port = free_port()
    fixture.publish(cluster("blue"), endpoints("blue", backends["blue"]), routes("blue"),
                    listener(port))
    admin = start_envoy(variant)
    until_answer(port, "blue /x")
    failed, stop = [], threading.Event()

    def traffic():
        while not stop.is_set():
            answer = get(port)
            if answer not in ("blue /x", "green /x"):
                failed.append(answer)
    thread = threading.Thread(target=traffic)
    thread.start()

    fixture.publish(cluster("green"), endpoints("green", backends["green"]), routes("green"),
                    "del CDS blue", "del EDS blue")
    until_answer(port, "green /x")
    fixture.until_synced()
    fixture.publish(cluster("green", timeout="2s"))  # warms, with endpoints that did not change
    fixture.until_synced()
    until_warm(admin)
    fixture.publish(cluster("blue"), endpoints("blue", backends["blue"]), routes("blue"),
                    "del CDS green", "del EDS green")
    until_answer(port, "blue /x")
    fixture.until_synced()
    until_warm(admin)
    stop.set()
    thread.join()

    assert failed == []
    assert fixture.stats()["nacks"] == 0
    report, = json.loads(fixture.run("report"))
    assert report["variant"] == variant and report["userAgent"].startswith("envoy 1.")
    assert 'control_plane.identifier: "fixture@4"' in admin_stats(admin, "control_plane.identifier")
