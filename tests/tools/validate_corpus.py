#!/usr/bin/python3
"""Compares `pilotctl validate` with known verdicts: validate_corpus.py PILOTCTL CORPUS.jsonl

A line of the corpus is {"id", "kind", "resource", "expect": "valid" or "invalid"}; lines that are
"ambiguous" are skipped. Prints a row for each kind and names every verdict that differs; exit 1
when one differs that DELIBERATE does not explain.
"""

import collections
import json
import re
import subprocess
import sys

from corpus_table import print_table

UNSUPPORTED, UNKNOWN_KIND = "PIL0106", "PIL0105"

# id of a verdict that pilotd gives differently on purpose -> why (docs/CONFORMANCE.md says more)
DELIBERATE = {
    "ut/TestValidateServiceEntries/discovery_type_DYNAMIC_DNS-"
    "_MESH_INTERNAL_with_waypoint_-invalid-":
        "there are no waypoints here, and their label means nothing",
}


def verdict(pilotctl, resource):
    """("valid" or "invalid", the lines of its errors)."""
    done = subprocess.run([pilotctl, "validate", "-f", "-"], input=json.dumps(resource),
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=30, check=False)
    errors = [line for line in done.stdout.splitlines()
              if re.search(r"\[PIL\d+\]$", line) and ": warning: " not in line]
    if done.returncode not in (0, 1, 4):
        sys.exit(f"pilotctl validate ended with {done.returncode}: {done.stdout}")
    return ("valid" if done.returncode == 0 else "invalid"), errors


def classify(row, got, errors):
    """What one verdict counts as, and what is to be said about it."""
    codes = set(re.findall(r"\[(PIL\d+)\]", "\n".join(errors)))
    if codes == {UNKNOWN_KIND}:
        return "refused", None
    if got == row["expect"]:
        stale = row["id"] in DELIBERATE
        return "equal", "is listed as deliberate, but equal" if stale else None
    if row["id"] in DELIBERATE:
        return "explained", DELIBERATE[row["id"]]
    what = "a field is not supported" if codes == {UNSUPPORTED} else f"{got}, not {row['expect']}"
    detail = errors if got == "invalid" else [row.get("note", "")]
    return "differs", "\n      ".join([what] + detail)


def compare(pilotctl, corpus):
    """Prints the table and what differs; true when nothing differs unexplained."""
    counts, remarks, is_good = collections.defaultdict(collections.Counter), [], True
    for line in open(corpus, encoding="utf-8"):
        row = json.loads(line)
        if row.get("ambiguous"):
            continue
        outcome, remark = classify(row, *verdict(pilotctl, row["resource"]))
        counts[row["kind"]][outcome] += 1
        if remark:
            remarks.append(f"  {outcome:9} {row['id']}: {remark}")
            is_good = is_good and outcome == "explained"
    print_table("validation", counts)
    print("\n".join(remarks))
    return is_good and bool(counts)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    return 0 if compare(*sys.argv[1:]) else 1


if __name__ == "__main__":
    sys.exit(main())
