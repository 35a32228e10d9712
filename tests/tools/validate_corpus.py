#!/usr/bin/python3
"""Compares `pilotctl validate` with known verdicts: validate_corpus.py PILOTCTL CORPUS.jsonl

A line of the corpus is {"id", "kind", "resource", "expect": "valid" or "invalid"}; lines that are
"ambiguous" are skipped, and kinds that pilotd does not know are counted apart. Prints how many
verdicts are equal for each kind, and every other line: those that differ only because a field is
not supported yet (PIL0106) are listed, all others are faults (exit 1).
"""

import collections
import json
import re
import subprocess
import sys

UNSUPPORTED, UNKNOWN_KIND = "PIL0106", "PIL0105"


def verdict(pilotctl, resource):
    """("valid" or "invalid", the codes of the errors)."""
    done = subprocess.run([pilotctl, "validate", "-f", "-"], input=json.dumps(resource),
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=30, check=False)
    codes = {re.search(r"\[(PIL\d+)\]$", line).group(1) for line in done.stdout.splitlines()
             if re.search(r"\[PIL\d+\]$", line) and ": warning: " not in line}
    if done.returncode not in (0, 1, 4):
        sys.exit(f"pilotctl validate ended with {done.returncode}: {done.stdout}")
    return ("valid" if done.returncode == 0 else "invalid"), codes


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    pilotctl, corpus = sys.argv[1:]
    equal, total = collections.Counter(), collections.Counter()
    unknown, unsupported, faults = collections.Counter(), [], []
    for line in open(corpus, encoding="utf-8"):
        row = json.loads(line)
        if row.get("ambiguous"):
            continue
        kind = row["kind"]
        got, codes = verdict(pilotctl, row["resource"])
        if codes == {UNKNOWN_KIND}:
            unknown[kind] += 1
            continue
        total[kind] += 1
        if got == row["expect"]:
            equal[kind] += 1
        elif got == "invalid" and codes == {UNSUPPORTED}:
            unsupported.append(row["id"])
        else:
            faults.append(f"{row['id']}: {got} {sorted(codes)}, but {row['expect']}")
    for kind in sorted(total):
        print(f"{kind}: {equal[kind]} of {total[kind]}")
    for kind in sorted(unknown):
        print(f"{kind}: not supported yet ({unknown[kind]})")
    for name in unsupported:
        print(f"refused for a field that is not supported yet: {name}")
    for fault in faults:
        print(f"DIFFERS {fault}")
    return 1 if faults or not total else 0


if __name__ == "__main__":
    sys.exit(main())
