#!/usr/bin/python3
"""Makes reflection_table.c: what xds/reflection_table.h declares, from a FileDescriptorSet.

    reflection_table.py SET.pb > reflection_table.c

The set is read by the numbers of google/protobuf/descriptor.proto's fields, so that the build needs no
protobuf for Python. What is in it must be whole: each file's imports are in it as well.
"""

import sys

NAME, PACKAGE, DEPENDENCY = 1, 2, 3  # of a file; a name is 1 in all that have one
# of a file: field -> what is in it, as in KINDS
FILE = {4: "message", 5: "enum", 6: "service"}
# kind -> field -> kind of what is in it
KINDS = {
    "message": {2: "field", 3: "message", 4: "enum", 8: "oneof"},
    "enum": {2: "value"},
    "service": {2: "method"},
}


def varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 0x80:
            return value, at


def fields(data):
    """(number, bytes) of each field that has a length; others are left out."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        value, at = varint(data, at)
        if key & 7 == 2:
            yield key >> 3, data[at:at + value]
            at += value
        elif key & 7 != 0:
            sys.exit(f"a field of wire type {key & 7}")


def texts(data, number):
    return [value.decode() for key, value in fields(data) if key == number]


def symbols(scope, data, inside):
    """(full name, kind) of whatever has a name; an enum's values are in the scope around it."""
    for number, part in fields(data):
        kind = inside.get(number)
        if not kind:
            continue
        name = f"{scope}.{texts(part, NAME)[0]}"
        yield name, kind
        yield from symbols(scope if kind == "enum" else name, part, KINDS.get(kind, {}))


def with_imports(name, files, seen):
    """The names of a file, and of those that it needs."""
    if name not in seen:
        seen.append(name)
        for needed in texts(files[name], DEPENDENCY):
            with_imports(needed, files, seen)
    return seen


def array(name, numbers):
    lines = [", ".join(map(str, numbers[at:at + 24])) for at in range(0, len(numbers), 24)]
    print(f"static const uint8_t {name}[] = {{ " + ",\n    ".join(lines) + " };")


def main():
    data = open(sys.argv[1], "rb").read()
    files = {texts(file, NAME)[0]: file for _, file in fields(data)}
    names = sorted(files)
    found = sorted((symbol, kind, at) for at, name in enumerate(names)
                   for symbol, kind in symbols(texts(files[name], PACKAGE)[0], files[name], FILE))
    if len(names) > 255 or len({symbol for symbol, _, _ in found}) != len(found):
        sys.exit("too many files, or a name twice")
    print('/* Made by xds/reflection_table.py. */\n#include "xds/reflection_table.h"\n')
    for at, name in enumerate(names):
        array(f"file_{at}", list(files[name]))
        array(f"needs_{at}", [names.index(other) for other in with_imports(name, files, [])])
    print("\nconst struct reflection_file reflection_files[] = {")
    for at, name in enumerate(names):
        print(f'    {{ "{name}", file_{at}, sizeof file_{at}, needs_{at}, sizeof needs_{at} }},')
    print(f"}};\nconst size_t reflection_file_count = {len(names)};")
    print("\nconst struct reflection_symbol reflection_symbols[] = {")
    for symbol, kind, at in found:
        print(f'    {{ "{symbol}", REFLECTION_{kind.upper()}, {at} }},')
    print(f"}};\nconst size_t reflection_symbol_count = {len(found)};")


if __name__ == "__main__":
    main()
