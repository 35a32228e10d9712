#!/usr/bin/env python3
"""Compares proto/ with upstream's descriptors: every message, field, enum value, oneof and method that
we declare must be upstream's, by name, number, type and label. We may declare less, never otherwise.

    check_protos.py [PROTO_DIR]        needs protoc, xds-protos, grpcio-health-checking, grpcio-reflection

Besides: nothing deprecated is in use, and no message that is read from the outside can nest in
itself, since protobuf-c would recurse as deep as the sender likes.
"""

import glob
import importlib
import os
import subprocess
import sys
import tempfile

from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.descriptor import FieldDescriptor

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# Declared otherwise on purpose: field -> (our type, upstream's). Both are length-delimited.
BYTES_FOR_MESSAGE = {
    "envoy.config.core.v3.Node.metadata": ".google.protobuf.Struct",
    "envoy.type.matcher.v3.NodeMatcher.node_metadatas": ".envoy.type.matcher.v3.StructMatcher",
}
# No Python package has descriptors of these.
WITHOUT_UPSTREAM = {"etcdserverpb", "mvccpb"}
# Deprecated upstream, and still what Envoy reads and Istio sends.
DEPRECATED_IN_USE = {
    "envoy.config.cluster.v3.Cluster.dns_jitter",
    "envoy.config.cluster.v3.Cluster.dns_refresh_rate",
    "envoy.config.cluster.v3.Cluster.respect_dns_ttl",
    "envoy.config.route.v3.RouteAction.max_grpc_timeout",
}
READ_FROM_OUTSIDE = [
    "envoy.service.discovery.v3.DiscoveryRequest",
    "envoy.service.discovery.v3.DeltaDiscoveryRequest",
    "envoy.service.status.v3.ClientStatusRequest",
    "grpc.health.v1.HealthCheckRequest",
    "grpc.reflection.v1alpha.ServerReflectionRequest",
    "etcdserverpb.RangeResponse",
    "etcdserverpb.PutResponse",
    "etcdserverpb.DeleteRangeResponse",
    "etcdserverpb.TxnResponse",
    "etcdserverpb.WatchResponse",
    "etcdserverpb.LeaseGrantResponse",
    "etcdserverpb.LeaseRevokeResponse",
    "etcdserverpb.LeaseKeepAliveResponse",
    "etcdserverpb.AuthenticateResponse",
    "etcdserverpb.StatusResponse",
]
TYPE_NAMES = {number: name for name, number in descriptor_pb2.FieldDescriptorProto.Type.items()}
LABEL_NAMES = {number: name for name, number in descriptor_pb2.FieldDescriptorProto.Label.items()}


def our_files(proto_dir):
    """The FileDescriptorProtos of every .proto file under proto_dir."""
    names = sorted(os.path.relpath(path, proto_dir) for path in
                   glob.glob(os.path.join(proto_dir, "**", "*.proto"), recursive=True))
    with tempfile.NamedTemporaryFile(suffix=".pb") as out:
        subprocess.run(["protoc", f"-I{proto_dir}", f"--descriptor_set_out={out.name}"] + names,
                       cwd=ROOT, check=True)
        return descriptor_pb2.FileDescriptorSet.FromString(out.read()).file


def load_upstream(packages):
    """Imports every generated module that lies where one of the packages does."""
    for package in packages - WITHOUT_UPSTREAM:
        folder = package.replace("grpc.", "grpc_", 1) if package.startswith("grpc.") else package
        module = importlib.import_module(folder)
        for base in module.__path__:
            for path in glob.glob(os.path.join(base, "*_pb2.py")):
                importlib.import_module(f"{folder}.{os.path.basename(path)[:-3]}")
    return descriptor_pool.Default()


def flatten(files):
    """full name -> message, full name -> enum"""
    messages, enums = {}, {}

    def walk(prefix, message):
        name = f"{prefix}.{message.name}"
        messages[name] = message
        enums.update((f"{name}.{enum.name}", enum) for enum in message.enum_type)
        for nested in message.nested_type:
            walk(name, nested)

    for file in files:
        enums.update((f"{file.package}.{enum.name}", enum) for enum in file.enum_type)
        for message in file.message_type:
            walk(file.package, message)
    return messages, enums


def has_upstream(full_name):
    return full_name.split(".")[0] not in WITHOUT_UPSTREAM


def shape(field, oneofs):
    """What must be equal, as pairs of a word and a value."""
    oneof = oneofs[field.oneof_index].name if field.HasField("oneof_index") else ""
    return {
        "number": field.number,
        "type": f"{TYPE_NAMES[field.type]} {field.type_name}",
        "label": LABEL_NAMES[field.label],
        "oneof": oneof,
    }


def field_faults(where, ours, theirs, our_oneofs, their_oneofs):
    mine, upstream = shape(ours, our_oneofs), shape(theirs, their_oneofs)
    struct = BYTES_FOR_MESSAGE.get(where)
    if struct and mine["type"] == "TYPE_BYTES " and theirs.type_name == struct:
        mine["type"] = upstream["type"]
    for word in mine:
        if mine[word] != upstream[word]:
            yield f"{where}: {word} is {mine[word]!r}, upstream {upstream[word]!r}"
    if theirs.options.deprecated and where not in DEPRECATED_IN_USE:
        yield f"{where}: deprecated upstream"


def message_faults(name, ours, pool):
    try:
        theirs = descriptor_pb2.DescriptorProto()
        pool.FindMessageTypeByName(name).CopyToProto(theirs)
    except KeyError:
        yield f"{name}: no such message upstream"
        return
    if ours.options.map_entry != theirs.options.map_entry:
        yield f"{name}: a map here or upstream, not both"
    by_name = {field.name: field for field in theirs.field}
    for field in ours.field:
        where = f"{name}.{field.name}"
        if field.name not in by_name:
            yield f"{where}: no such field upstream"
        else:
            yield from field_faults(where, field, by_name[field.name], ours.oneof_decl,
                                    theirs.oneof_decl)


def enum_faults(name, ours, pool):
    try:
        theirs = pool.FindEnumTypeByName(name).values_by_name
    except KeyError:
        yield f"{name}: no such enum upstream"
        return
    for value in ours.value:
        if value.name not in theirs:
            yield f"{name}.{value.name}: no such value upstream"
        elif theirs[value.name].number != value.number:
            yield f"{name}.{value.name}: {value.number}, upstream {theirs[value.name].number}"


def service_faults(name, ours, pool):
    theirs = descriptor_pb2.ServiceDescriptorProto()
    try:
        pool.FindServiceByName(name).CopyToProto(theirs)
    except KeyError:
        yield f"{name}: no such service upstream"
        return
    by_name = {method.name: method for method in theirs.method}
    for method in ours.method:
        upstream = by_name.get(method.name)
        if upstream is None:
            yield f"{name}.{method.name}: no such method upstream"
            continue
        upstream.ClearField("options")
        if method != upstream:
            yield f"{name}.{method.name}: upstream it is otherwise"


def nesting_faults(messages):
    """Depth first from what is read from the outside: no message may be met below itself."""

    def walk(name, above):
        if name in above:
            yield f"{above[0]}: nests in itself through {name}"
            return
        for field in messages[name].field:
            if field.type == FieldDescriptor.TYPE_MESSAGE:
                yield from walk(field.type_name[1:], above + [name])

    for root in READ_FROM_OUTSIDE:
        if root in messages:
            yield from walk(root, [])
        else:
            yield f"{root}: not declared"


def check(proto_dir):
    """Returns the faults, and how many messages, enums and services were compared."""
    files = our_files(proto_dir)
    messages, enums = flatten(files)
    pool = load_upstream({file.package for file in files})
    faults = [f"{file.name}: not proto3" for file in files if file.syntax != "proto3"]
    compared = 0
    for found, compare in ((messages, message_faults), (enums, enum_faults)):
        for name in filter(has_upstream, found):
            faults += compare(name, found[name], pool)
            compared += 1
    for file in files:
        for service in file.service:
            faults += service_faults(f"{file.package}.{service.name}", service, pool)
            compared += 1
    return faults + list(nesting_faults(messages)), compared


def main():
    faults, compared = check(sys.argv[1] if len(sys.argv) > 1 else os.path.join(ROOT, "proto"))
    print("\n".join(faults) if faults else f"protos: {compared} messages, enums and services are upstream's")
    return 1 if faults or not compared else 0


if __name__ == "__main__":
    sys.exit(main())
