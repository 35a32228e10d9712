"""gRPC reflection on the xDS port: gRPC's own reflection client learns what is served, and calls it by that."""

import json
import os
import queue
import struct
import subprocess

import grpc
import pytest
from google.protobuf import descriptor_pool, message_factory
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from harness import ROOT
from raw_http2 import (ACK, ADS, DATA, END_HEADERS, HEADERS, PING, WINDOW_UPDATE, RawHttp2, frame, grpc_headers,
                       grpc_message)
from test_xds_protocol import WAIT_S, Fixture, resident_bytes

GRPCURL = os.path.join(ROOT, "build", "go", "grpcurl")
PATH = "/grpc.reflection.{}.ServerReflection/ServerReflectionInfo"
AGGREGATED, HEALTH = ADS.strip("/"), "grpc.health.v1.Health"
CALLS, WAITING, REQUEST_BYTES = 16, 16, 1024  # XDS_MAX_REFLECTION_…


@pytest.fixture
def fixture():
    f = Fixture()
    yield f
    f.close()


@pytest.fixture
def channel(fixture):
    with grpc.insecure_channel(fixture.address) as made:
        yield made


@pytest.fixture
def database(channel):
    return ProtoReflectionDescriptorDatabase(channel)


class Questions:
    """A stream of its own, in the words of either version."""

    def __init__(self, channel, version="v1"):
        self.out = queue.Queue()
        self.answers = channel.stream_stream(
            PATH.format(version),
            request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
            response_deserializer=reflection_pb2.ServerReflectionResponse.FromString)(
                iter(self.out.get, None), timeout=WAIT_S)

    def ask(self, **fields):
        self.out.put(reflection_pb2.ServerReflectionRequest(**fields))
        return next(self.answers)

    def close(self):
        self.out.put(None)
        assert list(self.answers) == []


def test_services_are_listed_and_their_descriptors_resolve(database):
    services = database.get_services()
    pool = descriptor_pool.DescriptorPool(database)

    assert {AGGREGATED, HEALTH, "grpc.reflection.v1.ServerReflection"} < set(services) and len(services) == 9
    service = pool.FindServiceByName(AGGREGATED)
    delta = service.methods_by_name["DeltaAggregatedResources"]
    assert delta.client_streaming and delta.server_streaming
    request = message_factory.GetMessageClass(delta.input_type)(type_url="x", node={"id": "me"})
    assert request.DESCRIPTOR.full_name == "envoy.service.discovery.v3.DeltaDiscoveryRequest"
    assert pool.FindMessageTypeByName("envoy.config.cluster.v3.Cluster").fields_by_name["alt_stat_name"].number == 28


def test_a_method_is_called_by_what_was_learnt_of_it(fixture, channel, database):
    fixture.do("serving yes")
    check = descriptor_pool.DescriptorPool(database).FindServiceByName(HEALTH).methods_by_name["Check"]
    request, response = (message_factory.GetMessageClass(t) for t in (check.input_type, check.output_type))

    call = channel.unary_unary(f"/{HEALTH}/Check", request_serializer=request.SerializeToString,
                               response_deserializer=response.FromString)
    answer = call(request(service="grpc.reflection.v1.ServerReflection"), timeout=WAIT_S)

    assert check.output_type.enum_types_by_name["ServingStatus"].values_by_number[answer.status].name == "SERVING"


@pytest.mark.skipif(not os.path.exists(GRPCURL), reason="`make deps` found no Go that is new enough for grpcurl")
def test_grpcurl_lists_describes_and_calls(fixture):
    def grpcurl(*arguments):
        return subprocess.run([GRPCURL, "-plaintext", *arguments], stdout=subprocess.PIPE, text=True, check=True,
                              timeout=WAIT_S).stdout

    fixture.do("serving yes")

    assert AGGREGATED in grpcurl(fixture.address, "list").split()
    assert "rpc DeltaAggregatedResources ( stream .envoy.service.discovery.v3.DeltaDiscoveryRequest )" in grpcurl(
        fixture.address, "describe", AGGREGATED)
    assert json.loads(grpcurl("-d", '{"service": ""}', fixture.address, f"{HEALTH}/Check")) == {"status": "SERVING"}
    fixture.publish("set CDS a one")
    asked = {"node": {"id": "me"}, "type_url": "type.googleapis.com/envoy.config.cluster.v3.Cluster"}
    answer = json.loads(grpcurl("-d", json.dumps(asked), fixture.address, f"{AGGREGATED}/StreamAggregatedResources"))
    assert answer["resources"][0]["name"] == "a" and answer["resources"][0]["altStatName"] == "one"


def test_every_method_that_is_told_is_served(channel, database):
    pool = descriptor_pool.DescriptorPool(database)
    methods = [(name, method.name) for name in database.get_services()
               for method in pool.FindServiceByName(name).methods]

    assert len(methods) == 16
    for service, method in methods:
        call = channel.stream_stream(f"/{service}/{method}")(iter([b""]), timeout=WAIT_S)
        try:
            next(call)
            call.cancel()
        except grpc.RpcError as error:
            assert error.code() in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.PERMISSION_DENIED), method


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_each_question_is_answered_in_its_turn(channel, version):
    questions = Questions(channel, version)
    symbol = "envoy.service.status.v3.ClientConfig.GenericXdsConfig.config_status"

    answer = questions.ask(host="here", file_containing_symbol=symbol)
    files = answer.file_descriptor_response.file_descriptor_proto

    assert answer.valid_host == "here" and answer.original_request.file_containing_symbol == symbol
    assert b"envoy/service/status/v3/csds.proto" in files[0] and len(files) == len(set(files)) > 4
    again = questions.ask(file_by_filename="envoy/service/status/v3/csds.proto")
    assert again.file_descriptor_response == answer.file_descriptor_response
    unknown = questions.ask(file_containing_symbol="no.such.Symbol").error_response
    assert unknown.error_code == grpc.StatusCode.NOT_FOUND.value[0] and "symbol" in unknown.error_message
    extension = {"containing_type": "envoy.config.cluster.v3.Cluster", "extension_number": 1000}
    assert questions.ask(file_containing_extension=extension).error_response.error_code == 5
    numbers = questions.ask(all_extension_numbers_of_type="envoy.config.cluster.v3.Cluster")
    assert not numbers.all_extension_numbers_response.extension_number
    assert len(questions.ask(list_services="").list_services_response.service) == 9
    questions.close()


def test_a_request_that_is_too_long_is_refused(channel):
    with pytest.raises(grpc.RpcError) as error:
        Questions(channel).ask(file_by_filename="x" * REQUEST_BYTES)
    assert error.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


def test_who_asks_too_much_at_once_is_refused(fixture):
    message = grpc_message(reflection_pb2.ServerReflectionRequest(list_services="").SerializeToString())
    client = RawHttp2(fixture.address).greet()
    for number, stream in ((WAITING, 1), (WAITING + 1, 3)):
        client.send(frame(HEADERS, END_HEADERS, stream, grpc_headers(PATH.format("v1")))
                    + frame(DATA, 0, stream, message * number))

    heard, refusal = b"", {}
    while heard.count(b"grpc.health.v1.Health") < WAITING or "grpc-status" not in refusal:
        kind, _, stream, payload = client.frame()
        if (kind, stream) == (DATA, 1):
            heard += payload
        elif (kind, stream) == (HEADERS, 3):
            refusal = payload
    assert refusal["grpc-status"] == "8" and "wait" in refusal["grpc-message"]
    client.socket.close()


@pytest.mark.skipif(os.environ.get("PILOT_BUILD", "build") != "build", reason="sanitizers keep what was freed")
def test_who_does_not_read_is_owed_one_answer_at_a_time(fixture):
    question = grpc_message(reflection_pb2.ServerReflectionRequest(
        file_containing_symbol="envoy.config.listener.v3.Listener").SerializeToString())
    client = RawHttp2(fixture.address).greet(struct.pack(">HI", 4, 0))  # nothing may be sent on a stream
    before = resident_bytes(fixture)

    for call in range(CALLS):
        client.send(frame(HEADERS, END_HEADERS, 2 * call + 1, grpc_headers(PATH.format("v1")))
                    + frame(DATA, 0, 2 * call + 1, question * WAITING))
    for _ in range(3):
        client.send(frame(PING, 0, 0, b"anybody?"))
        while client.frame()[:2] != (PING, ACK):
            pass

    assert resident_bytes(fixture) - before < 1_500_000  # all of them: 4 MB
    client.send(frame(WINDOW_UPDATE, 0, 1, struct.pack(">I", 1 << 20)))
    heard = b""
    while heard.count(b"\x0a\x27envoy/config/listener/v3/listener.proto") < WAITING:
        kind, _, stream, payload = client.frame()
        if kind == DATA:
            heard += payload
            client.send(frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", len(payload) or 1)))
        assert (kind, stream) != (HEADERS, 1) or "grpc-status" not in payload
    client.socket.close()


def test_calls_have_a_limit(channel):
    held = [Questions(channel) for _ in range(CALLS)]
    for questions in held:
        questions.ask(list_services="")
    with pytest.raises(grpc.RpcError) as error:
        Questions(channel).ask(list_services="")
    assert error.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED

    held[0].close()
    held[0] = Questions(channel)
    assert held[0].ask(list_services="").list_services_response.service
    for questions in held:
        questions.close()
