#!/usr/bin/python3
"""Dependencies point one way: checks every project #include against the order of the rooms."""

import glob
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# room -> the rooms it may include besides itself
ALLOWED = {
    "base": set(),
    "proto": {"base"},
    "replication": {"base", "proto"},
    "model": {"base"},
    "keyspace": {"base", "replication", "model"},
    "mesh": {"base", "model"},
    "xds": {"base", "proto"},
    "translate": {"base", "proto", "model", "mesh", "xds"},
    "daemon": {"base", "proto", "replication", "model", "keyspace", "mesh", "xds", "translate"},
    "ctl": {"base", "proto", "replication", "model", "keyspace", "mesh", "xds", "translate"},
}
# third-party header -> the files that may include it: its door
DOORS = {
    r"cjson/": {"base/json.h"},
    r"yaml\.h": {"base/yaml.c", "base/yaml_write.c"},
    r"curl/": {"replication/http.c", "pilotd/ctl/admin.c"},
    r"nghttp2/": {"xds/h2_parts.h", "xds/h2_memory.h"},
    r"openssl/": {"base/hash.c", "xds/tls_parts.h"},
    r"zlib\.h": {"xds/gunzip.c"},
    r"xxhash\.h": {"base/hash.c"},
    r"re2/": {"pilotd/model/re2.cc"},
}
# mesh/ and translate/ know nothing of sockets, time or threads
PURE = {"model", "mesh", "translate"}
IMPURE_HEADERS = r"^(uv\.h|pthread\.h|time\.h|sys/socket\.h|sys/time\.h|netinet/.*|unistd\.h)$"


def room_of(path):
    parts = os.path.relpath(path, ROOT).split(os.sep)
    return parts[1] if parts[0] == "pilotd" else parts[0]


def faults_of(path):
    room, name = room_of(path), os.path.relpath(path, ROOT)
    for number, line in enumerate(open(path, encoding="utf-8"), 1):
        found = re.match(r'\s*#\s*include\s+([<"])([^>"]+)[>"]', line)
        if not found:
            continue
        quote, header = found.groups()
        target = header.split("/")[0]
        if quote == '"' and target in ALLOWED and target != room and target not in ALLOWED[room]:
            yield f"{name}:{number}: {room} must not include {target} ({header})"
        if quote == "<":
            for pattern, doors in DOORS.items():
                if re.match(pattern, header) and name not in doors:
                    yield f"{name}:{number}: <{header}> only through {', '.join(sorted(doors))}"
            if room in PURE and re.match(IMPURE_HEADERS, header):
                yield f"{name}:{number}: {room} is pure and must not include <{header}>"


def main():
    files = [f for pattern in ("base", "proto", "replication", "xds", "pilotd/*")
             for suffix in ("c", "h", "cc")
             for f in glob.glob(os.path.join(ROOT, pattern, f"*.{suffix}"))]
    faults = [fault for path in sorted(files) for fault in faults_of(path)]
    print("\n".join(faults) if faults else f"layers: {len(files)} files point one way")
    return 1 if faults or not files else 0


if __name__ == "__main__":
    sys.exit(main())
