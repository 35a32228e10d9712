#!/usr/bin/python3
"""docs/SUPPORT.md cannot lie: it is what the tables of the kinds say (make docs would not change
it), and whatever a table decodes into a member, somebody reads.

The page is written by the tool support_table of the environment's PILOT_BUILD (default build).
"""

import glob
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# Structs of fields that are checked and have no effect (NO_EFFECT_CHECKED).
INERT = {"readiness_probe", "health_target", "health_command", "probe_header", "zone_aware",
         "zone_aware_failover"}
# The frame around every resource is no kind.
ENVELOPE = "pilotd/model/envelope.c"
ROW = re.compile(r'^\s+(?:STRING|BOOL|U32|DOUBLE|DURATION|ENUM|OBJECTS?|STRINGS|LABELS|RAW|OPT_\w+'
                 r'|\w+_AS|\w+_MAP)\(\s*(?:"\w+",\s*)?(\w+),\s*(\w+)', re.M)


def text_of(*patterns):
    paths = [path for pattern in patterns
             for path in sorted(glob.glob(os.path.join(ROOT, pattern)))]
    return "\n".join(open(path, encoding="utf-8").read() for path in paths)


def unread_members():
    """Members that a table fills in and no code names behind an arrow or a dot."""
    code = text_of("pilotd/*/*.c", "pilotd/*/*.h")
    read = set(re.findall(r"(?:->|\.)\s*(\w+)", code))
    for path in sorted(glob.glob(os.path.join(ROOT, "pilotd", "model", "*.c"))):
        if os.path.relpath(path, ROOT) == ENVELOPE:
            continue
        for struct, member in ROW.findall(open(path, encoding="utf-8").read()):
            if struct not in INERT and member not in read:
                yield f"{os.path.relpath(path, ROOT)}: nobody reads {struct}.{member}"


def stale_page():
    tool = os.path.join(ROOT, os.environ.get("PILOT_BUILD", "build"), "tools", "support_table")
    done = subprocess.run([tool], stdout=subprocess.PIPE, text=True, check=True, timeout=30)
    if text_of("docs/SUPPORT.md") != done.stdout:
        yield "docs/SUPPORT.md is stale: run make docs"


def main():
    faults = list(stale_page()) + list(unread_members())
    print("\n".join(faults) if faults else "docs: SUPPORT.md is what the tables and the code say")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
