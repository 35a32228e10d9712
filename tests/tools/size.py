#!/usr/bin/python3
"""Holds the limits of size: 60 lines and complexity 12 a function, 800 lines a file, 100 columns.

Measured by pmccabe (Debian): its modified McCabe count, in which a
switch is one decision.
"""

import glob
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MAX_FUNCTION_LINES, MAX_COMPLEXITY, MAX_FILE_LINES, MAX_COLUMNS = 60, 12, 800, 100


def sources():
    for room in ("base", "proto", "replication", "xds", "pilotd/*", "tests/unit", "tests/fuzz/*",
                 "tests/sim"):
        for suffix in ("c", "h", "cc"):
            yield from glob.glob(os.path.join(ROOT, room, f"*.{suffix}"))


def function_faults(files):
    done = subprocess.run(["pmccabe"] + [f for f in files if f.endswith(".c")],
                          stdout=subprocess.PIPE, text=True, check=True)
    for line in done.stdout.splitlines():
        modified, _, _, _, lines, where = line.split("\t", 5)
        if int(lines) > MAX_FUNCTION_LINES:
            yield f"{where}: {lines} lines, at most {MAX_FUNCTION_LINES}"
        if int(modified) > MAX_COMPLEXITY:
            yield f"{where}: complexity {modified}, at most {MAX_COMPLEXITY}"


def file_faults(files):
    for path in files:
        lines = open(path, encoding="utf-8").read().splitlines()
        name = os.path.relpath(path, ROOT)
        if len(lines) > MAX_FILE_LINES:
            yield f"{name}: {len(lines)} lines, at most {MAX_FILE_LINES}"
        for number, line in enumerate(lines, 1):
            if len(line) > MAX_COLUMNS:
                yield f"{name}:{number}: {len(line)} columns, at most {MAX_COLUMNS}"


def main():
    files = sorted(sources())
    faults = list(function_faults(files)) + list(file_faults(files))
    print("\n".join(faults) if faults else f"size: {len(files)} files within the limits")
    return 1 if faults or not files else 0


if __name__ == "__main__":
    sys.exit(main())
