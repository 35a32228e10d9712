#!/usr/bin/python3
"""Makes pb_names.h: the short names that proto/pb.h promises, from our .proto files.

    pb_names.py PROTO_DIR HEADER_DIR FILE.proto… > pb_names.h

What protobuf-c calls a thing is looked up in the headers it made, by comparing names without case and
underscores. Two messages that would get one short name are an error unless RENAMED says how they differ.
"""

import os
import re
import sys

# full name -> short name, where the last part alone would clash
RENAMED = {
    "envoy.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig":
        "dynamic_forward_proxy_ClusterConfig",
    "envoy.extensions.filters.http.dynamic_forward_proxy.v3.FilterConfig":
        "http_dynamic_forward_proxy_FilterConfig",
    "envoy.extensions.filters.network.sni_dynamic_forward_proxy.v3.FilterConfig":
        "sni_dynamic_forward_proxy_FilterConfig",
    "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": "upstreams_HttpProtocolOptions",
    "envoy.type.v3.HashPolicy": "tcp_HashPolicy",
}


def fold(name):
    return re.sub(r"[._]", "", name).lower()


class File:
    """The messages, oneof fields and enum values of one .proto file."""

    def __init__(self, path):
        text = re.sub(r"//[^\n]*", "", open(path, encoding="utf-8").read())
        self.package = re.search(r"\bpackage ([\w.]+);", text).group(1)
        self.messages, self.oneofs, self.enums = [], [], []
        self.scope = []  # (kind, name)
        for token in re.finditer(r"(message|enum|oneof|service) (\w+) \{|(\})|([\w.<>, ]+) = (\d+);|(\{\})", text):
            self.take(token)

    def full(self):
        return ".".join([self.package] + [name for kind, name in self.scope if kind == "message"])

    def take(self, token):
        kind, name, close, declaration = token.group(1, 2, 3, 4)
        if kind:
            self.scope.append((kind, name))
            if kind == "message":
                self.messages.append(self.full())
        elif close:
            self.scope.pop()
        elif declaration and self.scope[-1][0] == "oneof":
            field = declaration.split()[-1]
            self.oneofs.append((self.full(), self.scope[-1][1], field))
        elif declaration and declaration.strip().startswith("map<"):
            words = declaration.split()[-1].split("_")
            self.messages.append(f"{self.full()}.{''.join(w.capitalize() for w in words)}Entry")
        elif declaration and self.scope[-1][0] == "enum":
            self.enums.append((self.full(), self.scope[-1][1], declaration.split()[-1]))


def short_name(full, package):
    return RENAMED.get(full) or full[len(package) + 1:].replace(".", "_")


def c_names(headers):
    """Folded name -> C name, for structs, descriptors and enumerators."""
    structs, descriptors, enumerators = {}, {}, {}
    for header in headers:
        text = open(header, encoding="utf-8").read()
        for name in re.findall(r"^typedef struct (?:_?\w+) (\w+);", text, re.M):
            structs[fold(name)] = name
        for name in re.findall(r"^extern const ProtobufCMessageDescriptor (\w+);", text, re.M):
            descriptors[fold(name)] = name
        for name in re.findall(r"^\s+(\w+) = -?\d+", text, re.M):
            enumerators[fold(name)] = name
    return structs, descriptors, enumerators


def main():
    proto_dir, header_dir, *paths = sys.argv[1:]
    headers = [os.path.relpath(path, proto_dir)[:-6] + ".pb-c.h" for path in paths]
    structs, descriptors, enumerators = c_names([os.path.join(header_dir, h) for h in headers])
    files = [File(path) for path in paths]
    taken = {}
    print("/* Made by proto/pb_names.py. */\n#ifndef PB_NAMES_H\n#define PB_NAMES_H\n")
    print("\n".join(f'#include "{header}"' for header in headers) + "\n")
    for file in files:
        for full in file.messages:
            short = short_name(full, file.package)
            if short in taken:
                sys.exit(f"{full} and {taken[short]} are both {short}: give one a name in RENAMED")
            taken[short] = full
            print(f"typedef {structs[fold(full)]} pb_{short};")
            print(f"#define pb_{short}_desc {descriptors[fold(full + 'descriptor')]}")
            print(f"#define pb_new_{short}(a, ...) PB((a), {short}, __VA_ARGS__)")
        for full, oneof, field in file.oneofs:
            case = enumerators[fold(full + oneof + field)]
            print(f"#define pb_{short_name(full, file.package)}_{field}(x) "
                  f".{oneof}_case = {case}, .{field.lower()} = (x)")
        for full, enum, value in file.enums:
            inside = full + "." if full != file.package else file.package + "."
            prefix = short_name(full, file.package) + "_" if full != file.package else ""
            print(f"#define PB_{prefix}{enum}_{value} {enumerators[fold(inside + enum + value)]}")
    print("\n/* Every message, by full name: X(descriptor). */\n#define PB_MESSAGES(X) \\")
    for file in files:
        for full in file.messages:
            print(f"    X({descriptors[fold(full + 'descriptor')]}) \\")
    print("\n#endif")


if __name__ == "__main__":
    main()
