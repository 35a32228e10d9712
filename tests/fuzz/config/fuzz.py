"""Whatever is valid, Envoy accepts: random worlds through the pure core, what it sends to an Envoy.

    fuzz.py --seconds 60              from a first seed that is told
    fuzz.py --seed 17 --count 1       one world again
    fuzz.py --core-only               crashes and non-determinism alone, many times as fast

A world that fails is made as small as it gets, by resources and then by fields, and printed with
what Envoy says of it. Exits with 1 after the first; with --keep-going it goes on, and tells each
failure that is unlike those before."""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from judge import ROOT, TYPES, Dead, Judge  # noqa: E402

CORE = os.path.join(ROOT, os.environ.get("PILOT_BUILD", "build"), "tools", "config_fuzz")
SHRINK_S, WORDS_MAX = 60, 2000


class Crash(Exception):
    """The core ended in the middle of a world."""


class Core:
    """config_fuzz, started again whenever it ends."""

    def __init__(self):
        self.log = tempfile.TemporaryFile()
        self.process = None

    def _start(self):
        self.log.seek(0)
        self.log.truncate()
        self.process = subprocess.Popen(
            [CORE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True)

    def close(self):
        if self.process:
            self.process.stdin.close()
            self.process.wait(timeout=20)
        self.log.close()

    def ask(self, question):
        if not self.process:
            self._start()
        try:
            self.process.stdin.write(json.dumps(question) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if line:
            return json.loads(line)
        code, self.process = self.process.wait(timeout=20), None
        self.log.seek(0)
        log = self.log.read().decode(errors="replace")
        raise Crash(f"the core ended with {code}: {log[:3000]}")


def views_of(answer):
    for view in answer.get("views", []):
        yield {short: [(name, bytes.fromhex(data)) for name, data in view[short]]
               for short in TYPES}


class Fuzzer:
    def __init__(self, judge):
        self.core, self.judge = Core(), judge
        self.worlds = self.tried = self.valid = 0

    def complaints(self, seed, resources=None):
        """[(where, words)], empty for a good world."""
        question = {"seed": seed}
        if self.judge:
            question["views"] = True
        if resources is not None:
            question["resources"] = resources
        try:
            answer = self.core.ask(question)
        except Crash as crash:
            cause = re.sub(r"(?s)^.*(ERROR: |runtime error|INVARIANT)", r"\1", str(crash))
            return [("crash", cause)]
        self.tried, self.valid = self.tried + answer["tried"], self.valid + answer["valid"]
        if "fault" in answer:
            return [("determinism", answer["fault"])]
        for view in views_of(answer):
            found = self.judged(view)
            if found:
                return found
        return []

    def judged(self, view):
        try:
            return [(kind, brief(words)) for kind, words in self.judge.try_view(view)]
        except Dead as dead:
            self.judge.stop()
            self.judge.start()
            return [("envoy", str(dead))]

    def resources_of(self, seed):
        """Those of the world, or None when making them is what crashes."""
        try:
            return self.core.ask({"seed": seed, "text": True})["resources"]
        except Crash:
            return None

    def shrink(self, seed, kinds):
        """The fewest resources, then fields, that still bring a complaint of one of those kinds."""
        end = time.monotonic() + SHRINK_S

        def still_fails(resources):
            return time.monotonic() < end and kinds & kinds_of(self.complaints(seed, resources))

        resources = self.resources_of(seed)
        if resources is None or not still_fails(resources):
            return resources
        size = max(1, len(resources) // 2)
        while size:
            resources = without_chunks(resources, size, still_fails)
            size //= 2
        for i in range(len(resources)):
            resources = without_fields(resources, i, still_fails)
        return resources


def brief(words):
    """Without the whole resource, which Envoy repeats."""
    return re.sub(r"(?s)goo\.gle/debug.*?\n(?=: )", "", words)


def kinds_of(complaints):
    """What stays the same of a failure while it shrinks, and tells it from others: what Envoy says,
    but for names and numbers."""
    return {kind + re.sub(r"'[^']*'|\"[^\"]*\"|\S*\|\S*|[0-9a-fx.:]*[0-9]+", "#", words)[-90:]
            for kind, words in complaints}


def without_chunks(resources, size, still_fails):
    at = 0
    while at < len(resources):
        fewer = resources[:at] + resources[at + size:]
        if fewer and still_fails(fewer):
            resources = fewer
        else:
            at += size
    return resources


def places(value, path=()):
    """Every member and item, the outer ones first."""
    steps = list(value) if isinstance(value, dict) else range(len(value) - 1, -1, -1)
    for step in steps:
        yield path + (step,)
    for step in steps:
        if isinstance(value[step], (dict, list)):
            yield from places(value[step], path + (step,))


def without_place(value, path):
    """A copy without it, or None when it is gone already."""
    copy = json.loads(json.dumps(value))
    node = copy
    try:
        for step in path[:-1]:
            node = node[step]
        del node[path[-1]]
    except (KeyError, IndexError, TypeError):
        return None
    return copy


def without_fields(resources, i, still_fails):
    value = json.loads(resources[i]["value"])
    for path in list(places(value)):
        smaller = without_place(value, path)
        if smaller is None:
            continue
        fewer = list(resources)
        fewer[i] = dict(resources[i], value=json.dumps(smaller, ensure_ascii=False))
        if still_fails(fewer):
            value, resources = smaller, fewer
    return resources


def show(complaints):
    for kind, words in complaints:
        print(f"  {kind}: {words[:WORDS_MAX]}", flush=True)


def report(fuzzer, seed, complaints):
    print(f"\nseed {seed} fails:")
    show(complaints)
    resources = fuzzer.shrink(seed, kinds_of(complaints))
    for resource in resources or []:
        print(f"  {resource['key']}\n    {resource['value']}")
    again = fuzzer.complaints(seed, resources)
    if not again:
        print("  which Envoy accepts by itself: it is what came before that matters")
    show(again)


def run(fuzzer, options):
    """Returns how many worlds failed."""
    begin, failed, seed, known = time.monotonic(), 0, options.seed, set()
    while time.monotonic() < begin + options.seconds and seed < options.seed + options.count:
        complaints = fuzzer.complaints(seed)
        fuzzer.worlds += 1
        if complaints:
            failed += 1
            if not kinds_of(complaints) <= known:
                report(fuzzer, seed, complaints)
            known |= kinds_of(complaints)
            if not options.keep_going:
                break
        seed += 1
    spent = time.monotonic() - begin
    share = 100 * fuzzer.valid / max(1, fuzzer.tried)
    print(f"fuzz-config: seeds {options.seed}..{seed - 1}: {fuzzer.worlds} worlds in {spent:.1f} s,"
          f" {share:.0f} % of the resources valid, {failed} failed")
    return failed


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--seconds", type=float, default=1e9)
    parser.add_argument("--count", type=float, default=float("inf"))
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--core-only", action="store_true")
    parser.add_argument("--keep-going", action="store_true")
    options = parser.parse_args()
    if options.seconds > 1e8 and options.count == float("inf"):
        options.seconds = 60
    if options.core_only:
        return 1 if run(Fuzzer(None), options) else 0
    with Judge() as judge:
        return 1 if run(Fuzzer(judge), options) else 0


if __name__ == "__main__":
    sys.exit(main())
