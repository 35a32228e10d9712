"""proto/: our .proto files are upstream's as far as they go, our JSON is protobuf's own, and what
protobuf-c packs is what Python's protobuf reads."""

import json
import os
import random
import shutil
import subprocess
import sys

import pytest
from google.protobuf import json_format, message_factory

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "tools"))
import check_protos  # noqa: E402

BUILD = os.path.join(ROOT, os.environ.get("PILOT_BUILD", "build"))
PROTO = os.path.join(ROOT, "proto")
ROUNDS = 40
MAX_DEPTH = 6


def test_our_protos_are_upstreams():
    faults, compared = check_protos.check(PROTO)

    assert faults == []
    assert compared > 100


CORE = "envoy/config/core/v3/core.proto"
CLUSTER = "envoy/config/cluster/v3/cluster.proto"


@pytest.mark.parametrize("file, old, new, fault", [
    (CORE, "string sub_zone = 3;", "string sub_zone = 4;", "number"),
    (CORE, "string sub_zone = 3;", "bytes sub_zone = 3;", "type"),
    (CORE, "string sub_zone = 3;", "repeated string sub_zone = 3;", "label"),
    (CORE, "string sub_zone = 3;", "string subzone = 3;", "no such field"),
    (CORE, "bytes metadata = 3;", "google.protobuf.Struct metadata = 3;", "nests in itself"),
    (CORE, "bytes metadata = 3;", "string metadata = 3;", "type"),
    (CORE, "oneof user_agent_version_type {", "oneof user_agent {", "oneof"),
    (CORE, "message Locality {", "message Place {}\nmessage Locality {", "no such message"),
    (CORE, "DRAINING = 3;", "DRAINING = 7;", "upstream 3"),
    (CORE, "DRAINING = 3;", "LEAVING = 3;", "no such value"),
    (CLUSTER, "string alt_stat_name = 28;", "string alt_stat_name = 28;\n"
     "  google.protobuf.UInt32Value max_requests_per_connection = 9;", "deprecated"),
])
def test_a_wrong_declaration_is_found(tmp_path, file, old, new, fault):
    copy = tmp_path / "proto"
    shutil.copytree(PROTO, copy)
    text = (copy / file).read_text()
    assert text.count(old) == 1
    (copy / file).write_text(text.replace(old, new))

    faults, _ = check_protos.check(str(copy))

    assert any(fault in line for line in faults), faults


class Messages:
    """Random messages of upstream's classes, filled only where we declare a field."""

    def __init__(self, seed):
        files = check_protos.our_files(PROTO)
        self.pool = check_protos.load_upstream({file.package for file in files})
        messages, self.enums = check_protos.flatten(files)
        self.maps = {name: message for name, message in messages.items()
                     if message.options.map_entry}
        self.declared = {name: message for name, message in messages.items()
                         if check_protos.has_upstream(name) and name not in self.maps}
        self.random = random.Random(seed)

    def new(self, name, depth=0):
        message = message_factory.GetMessageClass(self.pool.FindMessageTypeByName(name))()
        if name == "google.protobuf.Any":
            inner = self.new(self.random.choice(sorted(self.declared)), depth + 2)
            message.Pack(inner)
        elif name == "google.protobuf.Duration":
            message.seconds = self.random.choice((0, 1, 10, 86400 * 365))
            message.nanos = self.random.choice((0, 1, 1000, 250000000, 999999999))
        elif name == "google.protobuf.Timestamp":
            message.seconds = self.random.randrange(-62135596800, 253402300800)
            message.nanos = self.random.choice((0, 1, 1000, 250000000, 999999999))
        elif name == "google.protobuf.Value":
            self.fill_value(message, depth)
        else:
            for field in self.declared[name].field:
                self.fill(message, name, field, depth)
        return message

    def fill_value(self, value, depth):
        kinds = ["null_value", "number_value", "string_value", "bool_value"]
        if depth < MAX_DEPTH:
            kinds += ["struct_value", "list_value"]
        kind = self.random.choice(kinds)
        for field in self.declared["google.protobuf.Value"].field:
            if field.name == kind and field.type != field.TYPE_MESSAGE:
                setattr(value, kind, self.scalar(field))
            elif field.name == kind:
                getattr(value, kind).CopyFrom(self.new(field.type_name[1:], depth + 1))

    def fill(self, message, name, field, depth):
        is_message = field.type == field.TYPE_MESSAGE
        if self.random.random() < 0.15 or (is_message and depth >= MAX_DEPTH):
            return
        if f"{name}.{field.name}" == "envoy.config.core.v3.Node.metadata":
            getattr(message, field.name).CopyFrom(self.new("google.protobuf.Struct", depth + 1))
            getattr(message, field.name)["never"] = "empty"  # as bytes, empty is absent
        elif f"{name}.{field.name}" in check_protos.BYTES_FOR_MESSAGE:
            return  # read by nobody but to refuse it
        elif is_message and field.type_name[1:] in self.maps:
            value = self.maps[field.type_name[1:]].field[1]
            self.fill_map(getattr(message, field.name), value, depth)
        elif field.label == field.LABEL_REPEATED:
            for _ in range(self.random.randrange(4)):
                if is_message:
                    getattr(message, field.name).append(self.new(field.type_name[1:], depth + 1))
                else:
                    getattr(message, field.name).append(self.scalar(field))
        elif is_message:
            getattr(message, field.name).CopyFrom(self.new(field.type_name[1:], depth + 1))
        else:
            setattr(message, field.name, self.scalar(field))

    def fill_map(self, entries, value, depth):
        for _ in range(self.random.randrange(4)):
            key = self.text()
            if value.type == value.TYPE_MESSAGE:
                entries[key].CopyFrom(self.new(value.type_name[1:], depth + 1))
            else:
                entries[key] = self.scalar(value)

    def text(self):
        return self.random.choice(("", "a", "outbound|80||é", 'quote " and \\', "\U0001f600\n\t"))

    def scalar(self, field):
        pick = self.random.choice
        if field.type == field.TYPE_ENUM:
            return pick([value.number for value in self.enums[field.type_name[1:]].value])
        return {
            field.TYPE_BOOL: lambda: pick((False, True)),
            field.TYPE_STRING: self.text,
            field.TYPE_BYTES: lambda: self.random.randbytes(self.random.randrange(5)),
            field.TYPE_DOUBLE: lambda: pick((0.0, 1.0, -2.5, 0.1, 1e300)),
            field.TYPE_INT32: lambda: pick((0, 1, -1, 2**31 - 1, -2**31)),
            field.TYPE_UINT32: lambda: pick((0, 1, 2**32 - 1)),
            field.TYPE_INT64: lambda: pick((0, 1, -1, 2**63 - 1, -2**63)),
            field.TYPE_UINT64: lambda: pick((0, 1, 2**64 - 1)),
        }[field.type]()


@pytest.fixture(scope="module")
def conversions():
    """Of every message that we declare, ROUNDS random ones: (message, our JSON, our bytes)."""
    messages = Messages(seed=20)
    made = [(name, messages.new(name)) for name in sorted(messages.declared) for _ in range(ROUNDS)]
    lines = "".join(f"{name} {message.SerializeToString(deterministic=True).hex()}\n"
                    for name, message in made)
    done = subprocess.run([os.path.join(BUILD, "tools", "pb_to_json")], input=lines, text=True,
                          stdout=subprocess.PIPE, check=True, timeout=120)
    out = done.stdout.split("\n")[:-1]
    assert len(out) == 2 * len(made)
    return list(zip((message for _, message in made), out[::2], out[1::2]))


def test_our_json_is_protobufs(conversions):
    for message, text, _ in conversions:
        assert not text.startswith("error"), f"{message.DESCRIPTOR.full_name}: {text}"
        assert json.loads(text) == json.loads(json_format.MessageToJson(message)), message


def test_what_protobuf_c_packs_is_read_by_python(conversions):
    for message, _, packed in conversions:
        assert type(message).FromString(bytes.fromhex(packed)) == message
