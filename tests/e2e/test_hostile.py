"""Clients that mean harm: each is told which limit it crossed, counted and closed, while a proxy on the
same loop is served as ever."""

import gzip
import os
import struct
import threading
import time

import grpc
import pytest
from envoy.service.discovery.v3 import discovery_pb2
from harness import NODE, PILOTD, TYPES, WAIT_S, Etcd, World, cluster_name, wait_until
from raw_http2 import (ADS, CONTINUATION, DATA, END_HEADERS, HEADERS, PING, PREFACE, PRIORITY, RST_STREAM,
                       SETTINGS, WINDOW_UPDATE, RawHttp2, frame, grpc_headers, grpc_message)

ENHANCE_YOUR_CALM, NO_ERROR, CANCEL = 11, 0, struct.pack(">I", 8)
DELTA, SOTW = ADS + "DeltaAggregatedResources", ADS + "StreamAggregatedResources"
IS_SANITIZED = any(kind in PILOTD for kind in ("asan", "tsan"))
# How late a change may be on a machine that has other things to do; idle, it takes some milliseconds.
SERVED_WITHIN_S = 10 if IS_SANITIZED else 2
ATTACKERS, CHANGES = 3, 4


@pytest.fixture(scope="module")
def etcd(tmp_path_factory):
    etcd = Etcd.start(str(tmp_path_factory.mktemp("etcd")))
    yield etcd
    etcd.kill()


@pytest.fixture(scope="module")
def world(etcd):
    """One serving loop, so that whoever is attacked is on the attackers' own."""
    with World(etcd) as world:
        replica = world.replica("--threads", "1", "--request-timeout", "2s")
        world.put_service("web")
        client = world.connect_until_served(replica)
        client.wait_for("CDS", cluster_name("web"))
        world.count = 0
        yield world


@pytest.fixture(autouse=True)
def is_whole(request):
    """Whatever was done, the proxy that was there before is still on its first stream."""
    yield
    if "world" in request.fixturenames:
        world = request.getfixturevalue("world")
        assert world.clients[0].error is None and world.replicas[0].is_running()


def change_until_served(world):
    """Seconds until the proxy has one change more."""
    world.count += 1
    start = time.monotonic()
    world.put_service(f"s{world.count}")
    world.clients[0].wait_for("CDS", cluster_name(f"s{world.count}"))
    return time.monotonic() - start


def crossed(replica, limit):
    name = f'pilotd_xds_limits_total{{limit="{limit}"}}'
    return replica.metric(name)


def wait_crossed(replica, limit, times):
    wait_until(lambda: crossed(replica, limit) >= times, f"{limit} is counted {times} times")


def resident_bytes(replica):
    with open(f"/proc/{replica.popen.pid}/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def request(type_url=TYPES["CDS"], node=NODE, **fields):
    message = discovery_pb2.DeltaDiscoveryRequest(type_url=type_url, **fields)
    message.node.id = node
    return message.SerializeToString()


def opened(path=DELTA, stream=1, **more):
    return frame(HEADERS, END_HEADERS, stream, grpc_headers(path, **more))


# ---- floods: so much at once that nobody could take it for a proxy ----

def long_header(name, value):
    """A literal with indexing, of any length below 16,384."""
    def integer(number):
        return bytes([number]) if number < 127 else \
            bytes([127, (number - 127) & 0x7F | 0x80, (number - 127) >> 7])
    return b"\x40" + integer(len(name)) + name + integer(len(value)) + value


def rapid_reset():
    return b"".join(opened(stream=1 + 2 * i) + frame(RST_STREAM, 0, 1 + 2 * i, CANCEL) for i in range(20000))


def endless_headers():
    return frame(HEADERS, 0, 1, grpc_headers(DELTA)) + 50000 * frame(CONTINUATION, 0, 1, b"\x00\x01a\x01b")


def header_bomb():
    """4,000 bytes are put into the table of headers once, and 15,000 times named by one byte."""
    return frame(HEADERS, END_HEADERS, 1,
                 grpc_headers(DELTA) + long_header(b"x", b"y" * 4000) + b"\xbe" * 11000)


def long_headers():
    return b"".join(opened(stream=1 + 2 * i) for i in range(3)) + frame(
        HEADERS, END_HEADERS, 7, grpc_headers(DELTA) + b"".join(
            b"\x00\x04name\x7e" + 126 * b"v" for _ in range(120)))


def tiny_requests():
    """A thousand to a frame, and not one is like another."""
    requests = [grpc_message(request(resource_names_subscribe=[f"n{i}"]) if i == 0 else
                             discovery_pb2.DeltaDiscoveryRequest(
                                 type_url=TYPES["CDS"], resource_names_subscribe=[f"n{i}"]).SerializeToString())
                for i in range(20000)]
    whole = b"".join(requests)
    return opened() + b"".join(frame(DATA, 0, 1, whole[at:at + 16384]) for at in range(0, len(whole), 16384))


FLOODS = {
    "rapid-reset": (rapid_reset, "stream_rate"),
    "settings": (lambda: 50000 * frame(SETTINGS, 0, 0), "frames"),
    "pings": (lambda: 50000 * frame(PING, 0, 0, bytes(8)), "frames"),
    "window-updates": (lambda: 50000 * frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 1)), "frames"),
    "priorities": (lambda: 50000 * frame(PRIORITY, 0, 1, struct.pack(">IB", 3, 1)), "frames"),
    # to be passed over, and cheap: but they are no request
    "unknown-frames": (lambda: 50000 * frame(0x77, 0, 0), "silence"),
    "empty-data": (lambda: opened() + 50000 * frame(DATA, 0, 1), "frames"),
    "bytes-of-data": (lambda: opened() + frame(DATA, 0, 1, struct.pack(">BI", 0, 60000)) +
                      50000 * frame(DATA, 0, 1, b"x"), "frames"),
    "continuations": (endless_headers, "frames"),
    "header-bomb": (header_bomb, "headers"),
    "long-headers": (long_headers, "headers"),
}


def send_all(client, data):
    try:
        client.send(data)
    except OSError:
        pass  # hung up on: what was sent first is what matters


def flood(address, data):
    """Returns what the attacker was told."""
    client = RawHttp2(address).greet()
    sending = threading.Thread(target=send_all, args=(client, data), daemon=True)
    sending.start()
    told = client.farewell()
    sending.join(WAIT_S)
    return told


class Attack:
    """Some threads that do it again and again until the block ends."""

    def __init__(self, do):
        self.do, self.is_over, self.told = do, threading.Event(), []
        self.threads = [threading.Thread(target=self._run, daemon=True) for _ in range(ATTACKERS)]

    def _run(self):
        while not self.is_over.is_set():
            self.told.append(self.do())

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, kind, value, trace):
        self.is_over.set()
        for thread in self.threads:
            thread.join(WAIT_S)


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_is_closed_with_a_reason_and_everyone_else_served(world, name):
    make, limit = FLOODS[name]
    replica, data = world.replicas[0], make()
    before = crossed(replica, limit)

    with Attack(lambda: flood(replica.xds, data)) as attack:
        wait_crossed(replica, limit, before + 1)
        delays = [change_until_served(world) for _ in range(CHANGES)]

    assert max(delays) < SERVED_WITHIN_S, delays
    told = [each for each in attack.told if each]
    assert told, "no attacker was told anything"
    assert {code for code, _ in told} == {ENHANCE_YOUR_CALM}, told[:3]
    assert all(text for _, text in told)


def test_more_requests_than_any_proxy_has_end_the_stream(world):
    replica = world.replicas[0]
    before = crossed(replica, "request_rate")
    client = RawHttp2(replica.xds).greet()
    sending = threading.Thread(target=send_all, args=(client, tiny_requests()), daemon=True)
    sending.start()

    wait_crossed(replica, "request_rate", before + 1)

    assert change_until_served(world) < SERVED_WITHIN_S
    client.close()
    sending.join(WAIT_S)


def test_a_thousand_streams_too_many_are_refused_and_the_others_stay(world):
    replica = world.replicas[0]
    before = crossed(replica, "streams")
    client = RawHttp2(replica.xds).greet()

    client.send(b"".join(opened(stream=1 + 2 * i) for i in range(300)))

    wait_crossed(replica, "streams", before + 200)
    body = grpc_message(request())
    client.send(frame(DATA, 0, 1, body))
    assert len(client.until(DATA, 1)[3]) > 5
    client.close()


# ---- patience ----

def test_who_says_nothing_is_closed(world):
    replica = world.replicas[0]
    before = crossed(replica, "silence")
    silent, half = RawHttp2(replica.xds), RawHttp2(replica.xds)
    half.send(PREFACE[:10])
    polite = RawHttp2(replica.xds).greet()

    told = polite.farewell()
    silent.farewell()
    half.farewell()

    assert told[0] == ENHANCE_YOUR_CALM and "--request-timeout" in told[1]
    wait_crossed(replica, "silence", before + 3)


def test_a_request_that_does_not_come_whole_ends_its_stream(world):
    replica = world.replicas[0]
    before = crossed(replica, "slow_request")
    client = RawHttp2(replica.xds).greet()
    body = grpc_message(request())
    client.send(opened() + opened(stream=3) + frame(DATA, 0, 1, body[:10]) + frame(DATA, 0, 3, body))

    client.until(HEADERS, 1)

    assert "--request-timeout" in client.until(HEADERS, 1)[3]["grpc-message"]
    assert crossed(replica, "slow_request") == before + 1
    assert change_until_served(world) < SERVED_WITHIN_S
    client.send(frame(PING, 0, 0, bytes(8)))  # the other stream, which asked, goes on
    assert client.until(PING, 0)
    client.close()


def test_a_deadline_ends_a_call(world):
    client = RawHttp2(world.replicas[0].xds).greet()
    client.send(opened("/grpc.health.v1.Health/Watch", grpc_timeout="300m")
                + frame(DATA, 0, 1, grpc_message(b"")))
    start = time.monotonic()
    client.until(HEADERS, 1)

    assert client.until(HEADERS, 1)[3]["grpc-status"] == "4"
    assert 0.25 < time.monotonic() - start < SERVED_WITHIN_S
    client.close()


def test_a_deadline_that_is_none_is_invalid(world):
    client = RawHttp2(world.replicas[0].xds).greet()
    client.send(opened(grpc_timeout="soon"))
    client.until(HEADERS, 1)

    assert client.until(HEADERS, 1)[3]["grpc-status"] == "3"
    client.close()


BIG = 40  # services, and so some hundred kilobytes


@pytest.fixture
def impatient(etcd):
    with World(etcd) as world:
        replica = world.replica("--threads", "1", "--stall-timeout", "1s", "--idle-timeout", "1s",
                                "--keepalive", "1s", "--max-address-connections", "8")
        for i in range(BIG):
            world.put(f"config/destinationrules/default/d{i}", {
                "apiVersion": "networking.istio.io/v1", "kind": "DestinationRule",
                "metadata": {"name": f"d{i}", "namespace": "default"},
                "spec": {"host": f"s{i}", "subsets": [{"name": f"v{j}", "labels": {"version": f"v{j}" + "x" * 50}}
                                                      for j in range(50)]}})
            revision = world.put_service(f"s{i}")
        world.wait_served(replica, revision)
        yield world


def ask_for_all(client, stream=1):
    client.send(opened(SOTW, stream) + frame(DATA, 0, stream, grpc_message(
        discovery_pb2.DiscoveryRequest(type_url=TYPES["CDS"], node={"id": NODE}).SerializeToString())))


def test_a_stream_without_a_window_is_reset_and_its_neighbour_goes_on(impatient):
    """As behind a balancer that has several proxies on one connection."""
    replica = impatient.replicas[0]
    client = RawHttp2(replica.xds).greet()
    ask_for_all(client)
    client.send(frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 1 << 30))
                + opened("/grpc.health.v1.Health/Watch", stream=3) + frame(DATA, 0, 3, grpc_message(b"")))

    code = client.until(RST_STREAM, 1)[3]

    assert int.from_bytes(code, "big") == ENHANCE_YOUR_CALM
    assert crossed(replica, "stall") == 1
    client.send(frame(PING, 0, 0, bytes(8)))
    client.until(PING, 0)
    client.close()


def test_who_does_not_read_is_closed(impatient):
    replica = impatient.replicas[0]
    client = RawHttp2(replica.xds, receive_bytes=4096).greet(struct.pack(">HI", 4, 0x7FFFFFFF))
    client.send(frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 0x7FFF0000)))
    for i in range(50):  # more than the kernel's buffers hold
        ask_for_all(client, 1 + 2 * i)

    wait_until(lambda: send_all(client, frame(PING, 0, 0, bytes(8))) or crossed(replica, "stall"),
               "the connection is closed as stalled")

    client.close()


def test_a_connection_without_streams_is_closed(impatient):
    client = RawHttp2(impatient.replicas[0].xds).greet()
    client.send(opened("/no.such/Method"))
    start = time.monotonic()

    told = None
    while told is None:
        kind, _, _, payload = client.frame()
        if kind == PING:
            client.send(frame(PING, 1, 0, payload))
        elif kind == 7:
            told = int.from_bytes(payload[4:8], "big"), payload[8:].decode()

    assert told[0] == NO_ERROR and "--idle-timeout" in told[1]
    assert time.monotonic() - start > 0.9
    client.close()


def test_who_does_not_answer_a_ping_is_closed(impatient):
    replica = impatient.replicas[0]
    client = RawHttp2(replica.xds).greet()
    client.send(opened("/grpc.health.v1.Health/Watch") + frame(DATA, 0, 1, grpc_message(b"")))
    client.until(PING, 0)

    client.farewell()

    wait_crossed(replica, "keepalive", 1)


def test_an_address_has_so_many_connections(impatient):
    replica = impatient.replicas[0]
    clients = [RawHttp2(replica.xds).greet() for _ in range(9)]

    wait_crossed(replica, "address_connections", 1)

    assert clients[8].farewell() is None
    clients[0].close()
    def one_more():
        client = RawHttp2(replica.xds).greet()
        client.socket.settimeout(0.5)
        try:
            return client.frame()
        except (AssertionError, ConnectionError):
            return None
    wait_until(one_more, "there is room again")
    for client in clients[1:8]:
        client.close()


# ---- messages ----

METHODS = [ADS + "StreamAggregatedResources", DELTA,
           "/envoy.service.cluster.v3.ClusterDiscoveryService/StreamClusters",
           "/envoy.service.endpoint.v3.EndpointDiscoveryService/DeltaEndpoints",
           "/envoy.service.status.v3.ClientStatusDiscoveryService/FetchClientStatus",
           "/envoy.service.status.v3.ClientStatusDiscoveryService/StreamClientStatus",
           "/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"]


def nested(field, depth):
    """A message in a message in …"""
    body = b""
    for _ in range(depth):
        size, length = len(body), b""
        while size > 0x7F:
            length += bytes([size & 0x7F | 0x80])
            size >>= 7
        body = bytes([field << 3 | 2]) + length + bytes([size]) + body
    return body


@pytest.mark.parametrize("method", METHODS)
def test_nesting_without_end_reaches_no_recursion(world, method):
    """protobuf-c recurses as deep as it is told to. Each number of a field is tried at each depth."""
    replica = world.replicas[0]
    with grpc.insecure_channel(replica.xds) as channel:
        for field in range(1, 16):
            call = channel.stream_stream(method)(iter([nested(field, 20000)]), timeout=WAIT_S)
            try:
                for _ in call:
                    call.cancel()
            except grpc.RpcError:
                pass
        metadata = discovery_pb2.DiscoveryRequest(type_url=TYPES["CDS"]).SerializeToString() \
            + b"\x12" + long_field(b"\x0a\x01p" + b"\x1a" + long_field(nested_struct(20000)))
        call = channel.stream_stream(method)(iter([metadata]), timeout=WAIT_S)
        with pytest.raises(grpc.RpcError):
            for _ in call:
                call.cancel()

    assert change_until_served(world) < SERVED_WITHIN_S


def long_field(body):
    size, length = len(body), b""
    while size > 0x7F:
        length += bytes([size & 0x7F | 0x80])
        size >>= 7
    return length + bytes([size]) + body


def nested_struct(depth):
    """google.protobuf.Struct {fields {"a": Value {struct_value: …}}}, from the inside."""
    body = b""
    for _ in range(depth):
        entry = b"\x0a\x01a\x12" + long_field(b"\x2a" + long_field(body))
        body = b"\x0a" + long_field(entry)
    return body


@pytest.mark.skipif(IS_SANITIZED, reason="sanitizers keep what was freed")
def test_a_gzip_bomb_costs_no_more_than_the_limit(world):
    replica = world.replicas[0]
    bomb = gzip.compress(bytes(1 << 30), 9)
    assert len(bomb) < 2 << 20
    before, times = resident_bytes(replica), crossed(replica, "message")
    client = RawHttp2(replica.xds).greet()
    message = grpc_message(bomb, flag=1)
    client.send(opened(grpc_encoding="gzip"))
    sending = threading.Thread(target=send_all, daemon=True, args=(client, b"".join(
        frame(DATA, 0, 1, message[at:at + 16384]) for at in range(0, len(message), 16384))))
    sending.start()

    wait_crossed(replica, "message", times + 1)

    assert resident_bytes(replica) - before < 32 << 20
    assert change_until_served(world) < SERVED_WITHIN_S
    sending.join(WAIT_S)
    client.close()


# ---- very many streams ----

@pytest.mark.skipif(IS_SANITIZED, reason="sanitizers keep what was freed")
def test_ten_thousand_streams_of_one_client_cost_what_proxies_cost(world):
    replica = world.replicas[0]
    before = resident_bytes(replica)
    connections = [RawHttp2(replica.xds).greet(struct.pack(">HI", 4, 0x7FFFFFFF)) for _ in range(100)]
    for client in connections:
        client.send(frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 0x7FFF0000)))
        for i in range(100):
            client.send(opened(stream=1 + 2 * i) + frame(DATA, 0, 1 + 2 * i, grpc_message(request())))
    readers = [threading.Thread(target=drain, args=(client,), daemon=True) for client in connections]
    for reader in readers:
        reader.start()

    wait_until(lambda: replica.metric('pilot_xds{variant="delta"}') >= 10000, "all are there", 60)
    delays = [change_until_served(world) for _ in range(CHANGES)]

    assert max(delays) < 5 * SERVED_WITHIN_S, delays
    assert resident_bytes(replica) - before < 200 << 20
    for client in connections:
        client.close()
    wait_until(lambda: replica.metric("pilotd_connections") <= 2, "they are gone")
    assert change_until_served(world) < SERVED_WITHIN_S


def drain(client):
    try:
        while client.socket.recv(1 << 20):
            pass
    except OSError:
        pass
