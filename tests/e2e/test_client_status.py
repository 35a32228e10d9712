"""ClientStatusDiscoveryService: what gRPC's own client reads of the proxies of a server, and of all
loops of a replica."""

import queue
import time

import grpc
import pytest
from envoy.admin.v3 import config_dump_shared_pb2  # noqa: F401
from envoy.service.discovery.v3 import discovery_pb2 as d
from envoy.service.status.v3 import csds_pb2, csds_pb2_grpc
from envoy.type.matcher.v3 import node_pb2, string_pb2, struct_pb2, regex_pb2

from harness import World, cluster_name, wait_until
from test_xds_protocol import TYPES, WAIT_S, Ads, Fixture

ALL = csds_pb2.ClientStatusRequest()
NAMES = {url: kind for kind, url in TYPES.items()}


def by_id(**pattern):
    return node_pb2.NodeMatcher(node_id=string_pb2.StringMatcher(**pattern))


def request(*matchers):
    return csds_pb2.ClientStatusRequest(node_matchers=matchers)


class Status:
    def __init__(self, address):
        self.channel = grpc.insecure_channel(address)
        self.stub = csds_pb2_grpc.ClientStatusDiscoveryServiceStub(self.channel)

    def fetch(self, *matchers):
        return list(self.stub.FetchClientStatus(request(*matchers), timeout=WAIT_S).config)

    def stream(self, *requests):
        return [list(response.config)
                for response in self.stub.StreamClientStatus(iter(requests), timeout=WAIT_S)]

    def refusal(self, *matchers):
        with pytest.raises(grpc.RpcError) as caught:
            self.fetch(*matchers)
        return caught.value.code(), caught.value.details()


@pytest.fixture
def fixture(request):
    f = Fixture(*getattr(request, "param", ("0", "all")))
    yield f
    f.close()


@pytest.fixture
def status(fixture):
    s = Status(fixture.address)
    yield s
    s.channel.close()


@pytest.fixture
def open_ads(fixture):
    streams = []

    def opener(variant, node):
        streams.append(Ads(fixture.address, variant, node=node))
        return streams[-1]
    yield opener
    for stream in streams:
        stream.close()


def states(config):
    """Kind and name -> word of its state."""
    return {(NAMES[c.type_url], c.name): csds_pb2.ConfigStatus.Name(c.config_status)
            for c in config.generic_xds_configs}


def until_states(status, node, expected):
    deadline = time.monotonic() + WAIT_S
    while True:
        configs = status.fetch(by_id(exact=node))
        if configs and states(configs[0]) == expected:
            return configs[0]
        assert time.monotonic() < deadline, configs
        time.sleep(0.01)


@pytest.mark.parametrize("variant", ["sotw", "delta"])
def test_each_resource_is_told_with_its_version_its_time_and_why_it_was_refused(
        fixture, status, open_ads, variant):
    fixture.publish("set CDS a 1", "set CDS b 1", "set EDS a 1")
    began = time.time()
    proxy = open_ads(variant, "proxy~1")
    proxy.subscribe("CDS")
    clusters = proxy.take()
    until_states(status, "proxy~1", {("CDS", "a"): "STALE", ("CDS", "b"): "STALE"})

    proxy.answer(clusters)
    proxy.subscribe("EDS", "a", "none")
    proxy.take_ack("EDS", ["a", "none"])
    config = until_states(status, "proxy~1", {
        ("CDS", "a"): "SYNCED", ("CDS", "b"): "SYNCED",
        ("EDS", "a"): "SYNCED", ("EDS", "none"): "NOT_SENT"})

    assert config.node.id == "proxy~1"
    told = {(NAMES[c.type_url], c.name): c for c in config.generic_xds_configs}
    if variant == "delta":
        versions = {r.name: r.version for r in clusters.resources}
        assert {n: told["CDS", n].version_info for n in "ab"} == versions
    for key in (("CDS", "a"), ("CDS", "b"), ("EDS", "a")):
        assert began - 1 < told[key].last_updated.ToSeconds() <= time.time()
        assert len(told[key].version_info) == 32 and not told[key].HasField("error_state")
    assert not told["EDS", "none"].HasField("last_updated")

    fixture.publish("set CDS b 2")
    proxy.answer(proxy.take(), refusal="b is no good: \u00e9")
    config = until_states(status, "proxy~1", {
        ("CDS", "a"): "SYNCED" if variant == "delta" else "ERROR", ("CDS", "b"): "ERROR",
        ("EDS", "a"): "SYNCED", ("EDS", "none"): "NOT_SENT"})
    told = {c.name: c for c in config.generic_xds_configs if c.type_url == TYPES["CDS"]}
    assert told["b"].error_state.details == "b is no good: \u00e9"
    assert told["b"].error_state.version_info == told["b"].version_info
    assert began - 1 < told["b"].error_state.last_update_attempt.ToSeconds() <= time.time()


def test_proxies_are_picked_by_their_ids(fixture, status, open_ads):
    fixture.publish("set CDS a 1")
    for node in ("sidecar~1~web.default", "sidecar~2~WEB.other", "router~3~edge.default"):
        open_ads("delta", node).subscribe("CDS")
    fixture.until(lambda s: s["requests"] == 3)

    def found(*matchers):
        return sorted(config.node.id.split("~")[1] for config in status.fetch(*matchers))

    assert found() == ["1", "2", "3"]
    assert found(by_id(exact="sidecar~2~WEB.other")) == ["2"]
    assert found(by_id(exact="sidecar~2~web.other")) == []
    assert found(by_id(exact="sidecar~2~web.other", ignore_case=True)) == ["2"]
    assert found(by_id(prefix="sidecar~")) == ["1", "2"]
    assert found(by_id(suffix=".default")) == ["1", "3"]
    assert found(by_id(contains="web")) == ["1"]
    assert found(by_id(contains="web", ignore_case=True)) == ["1", "2"]
    assert found(by_id(contains="sidecar~1~web.default.and.more")) == []
    assert found(by_id(prefix="router~"), by_id(contains="~2~")) == ["2", "3"]


def test_what_is_not_supported_is_refused_by_name(status):
    regex = regex_pb2.RegexMatcher(regex=".*")
    code, why = status.refusal(by_id(exact="a"), by_id(safe_regex=regex))
    assert code == grpc.StatusCode.INVALID_ARGUMENT and "node_matchers[1].node_id.safe_regex" in why
    code, why = status.refusal(node_pb2.NodeMatcher(node_metadatas=[struct_pb2.StructMatcher(
        path=[struct_pb2.StructMatcher.PathSegment(key="CLUSTER_ID")])]))
    assert code == grpc.StatusCode.INVALID_ARGUMENT and "node_matchers[0].node_metadatas" in why
    code, why = status.refusal(node_pb2.NodeMatcher())
    assert code == grpc.StatusCode.INVALID_ARGUMENT and "node_id" in why
    code, why = status.refusal(by_id())
    assert code == grpc.StatusCode.INVALID_ARGUMENT and "node_id" in why
    code, why = status.refusal(*[by_id(exact="a")] * 101)
    assert code == grpc.StatusCode.INVALID_ARGUMENT and "100" in why
    custom = string_pb2.StringMatcher()
    custom.custom.name = "lua"
    code, why = status.refusal(node_pb2.NodeMatcher(node_id=custom))
    assert code == grpc.StatusCode.INVALID_ARGUMENT and "node_id" in why


@pytest.mark.parametrize("fixture", [("0",)], indirect=True)
def test_unasked_only_proxies_that_are_named_are_told(fixture, status, open_ads):
    fixture.publish("set CDS a 1")
    open_ads("delta", "proxy~1").subscribe("CDS")
    fixture.until(lambda s: s["requests"] == 1)

    assert [c.node.id for c in status.fetch(by_id(exact="proxy~1"))] == ["proxy~1"]
    for matchers in ([], [by_id(prefix="proxy~1")], [by_id(exact="PROXY~1", ignore_case=True)],
                     [by_id(exact="proxy~1"), by_id(contains="p")]):
        code, why = status.refusal(*matchers)
        assert code == grpc.StatusCode.PERMISSION_DENIED and "--client-status" in why


@pytest.mark.parametrize("fixture", [("0", "off")], indirect=True)
def test_where_it_is_off_nothing_is_told(status):
    code, why = status.refusal(by_id(exact="proxy~1"))
    assert code == grpc.StatusCode.PERMISSION_DENIED and "--client-status" in why


def test_a_stream_answers_each_request_by_one_response_for_each_proxy(fixture, status, open_ads):
    fixture.publish("set CDS a 1")
    for number in range(5):
        open_ads("delta", f"proxy~{number}").subscribe("CDS")
    fixture.until(lambda s: s["requests"] == 5)

    answers = status.stream(request(by_id(exact="proxy~3")), request(by_id(exact="none")), ALL)

    assert [len(configs) for configs in answers] == [1, 0] + [1] * 5
    assert answers[0][0].node.id == "proxy~3"
    assert {configs[0].node.id for configs in answers[2:]} == {f"proxy~{n}" for n in range(5)}


def test_a_proxy_of_many_resources_comes_in_parts_and_each_resource_once(fixture, status, open_ads):
    fixture.publish("bulk CDS 7000 x", "bulk EDS 7000 x")
    proxy = open_ads("delta", "proxy~1")
    proxy.subscribe("CDS")
    clusters = proxy.take_ack("CDS")
    proxy.subscribe("EDS", *[r.name for r in clusters.resources])
    proxy.take_ack("EDS")
    fixture.until_synced()

    parts = status.stream(ALL)
    told = [key for part in parts for config in part for key in states(config)]

    assert len(parts) > 4 and len(told) == len(set(told)) == 14000
    assert all(config.node.id == "proxy~1" for part in parts for config in part)
    assert max(sum(config.ByteSize() for config in part) for part in parts) < 400_000


def test_an_answer_too_long_for_one_message_is_refused_and_streamed(fixture, status, open_ads):
    fixture.publish("bulk CDS 10000 x")
    for number in range(4):
        open_ads("delta", f"proxy~{number}").subscribe("CDS")
    fixture.until(lambda s: s["requests"] == 4)

    code, why = status.refusal()

    assert code == grpc.StatusCode.RESOURCE_EXHAUSTED and "StreamClientStatus" in why
    assert sum(len(states(c)) for part in status.stream(ALL) for c in part) == 40000


def test_who_does_not_read_costs_a_page_and_keeps_nobody_waiting(fixture, status, open_ads):
    fixture.publish("bulk CDS 10000 x")
    proxies = [open_ads("delta", f"proxy~{number}") for number in range(10)]
    for proxy in proxies:
        proxy.subscribe("CDS")
    fixture.until(lambda s: s["responses"] == 10)
    out = queue.Queue()
    slow = Status(fixture.address)
    call = slow.stub.StreamClientStatus(iter(out.get, None))
    out.put(ALL)
    next(call)
    for _ in range(7):  # one less than may wait
        out.put(ALL)

    for proxy in proxies:
        proxy.answer(proxy.take())
    fixture.publish("set CDS another x")
    for proxy in proxies:
        assert [r.name for r in proxy.take().resources] == ["another"]
    assert status.fetch(by_id(exact="none")) == []

    out.put(None)
    call.cancel()
    slow.channel.close()


def test_calls_have_a_limit(fixture, status):
    queues = [queue.Queue() for _ in range(4)]
    calls = [status.stub.StreamClientStatus(iter(q.get, None)) for q in queues]
    for q, call in zip(queues, calls):
        q.put(ALL)
        assert not next(call).config

    code, why = status.refusal(by_id(exact="a"))
    assert code == grpc.StatusCode.RESOURCE_EXHAUSTED

    queues[0].put(None)
    assert not list(calls[0])
    wait_until(lambda: _answered(status), "there is room again")
    for q in queues[1:]:
        q.put(None)


def _answered(status):
    try:
        return status.fetch(by_id(exact="a")) == []
    except grpc.RpcError:
        return False


def test_the_proxies_of_all_loops_are_told_wherever_one_asks(etcd):
    node = "sidecar~10.8.0.{0}~w{0}.default~default.svc.cluster.local"
    with World(etcd) as world:
        world.put_service("web")
        replica = world.replica("--client-status", "all", "--threads", "3")
        clients = [world.connect(replica, node.format(number)) for number in range(1, 13)]
        for client in clients:
            client.wait_for("CDS", cluster_name("web"))
        for _ in range(4):  # connections, which the kernel gives to one loop or another
            status = Status(replica.xds)
            found = status.fetch()
            assert sorted(c.node.id for c in found) == sorted(node.format(n) for n in range(1, 13))
            assert all(("CDS", cluster_name("web")) in states(c) for c in found)
            streamed = status.stream(ALL)
            assert len(streamed) == 12
            status.channel.close()
        wait_until(lambda: replica.metric("pilotd_client_status_calls") == 0, "no call is left")
