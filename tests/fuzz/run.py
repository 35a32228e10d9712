#!/usr/bin/python3
"""Drives the fuzzers of tests/fuzz/targets/ (README.md beside this file).

  run.py fuzz [TARGET…] --seconds 60   each for so long, two at a time; what they find stays in build/
  run.py minimize [TARGET…]            the least inputs that reach as much, into tests/fuzz/corpus/
  run.py replay [TARGET…]              everything that is kept, once, through the build in PILOT_BUILD
  run.py coverage [TARGET…]            the lines of each parser that its corpus reaches

Exits with 1 when a fuzzer finds something, or a kept input fails."""

import argparse
import concurrent.futures
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
HERE = os.path.join(ROOT, "tests", "fuzz")
WORK = os.path.join(ROOT, "build", "fuzzing", "work")
FOUND = os.path.join(ROOT, "build", "fuzzing", "found")
FUZZERS = os.path.join(ROOT, "build", "fuzz", "fuzzers")
FILES_MAX, CORPUS_BYTES_MAX, JOBS = 200, 300 * 1024, 2
LIMITS = ["-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1"]
# Entropic scheduling would spend two thirds of the time on choosing what to try next.
SCHEDULE = ["-entropic=0", "-len_control=0"]

# target -> what it is there to reach, the largest input that is worth trying, its dictionary
TARGETS = {
    "admin": (["pilotd/daemon/http1.c", "pilotd/daemon/http_server.c", "pilotd/daemon/admin.c",
               "pilotd/daemon/report.c"], 10000, "http"),
    "discovery": (["xds/discovery_codec.c", "xds/stream.c", "xds/known.c", "proto/pb_struct.c",
                   "pilotd/mesh/scope.c"], 4096, "discovery"),
    "etcd": (["replication/etcd_store.c", "replication/etcd_client.c", "replication/etcd_call.c",
              "replication/etcd_audit.c", "replication/grpc.c"], 4096, None),
    "etcd_codec": (["replication/etcd_codec.c"], 4096, None),
    "files": (["replication/file_read.c", "base/json.c"], 4096, "config"),
    "grpc": (["xds/grpc.c", "xds/gunzip.c"], 4096, None),
    "h2": (["xds/h2*.c", "xds/socket.c", "xds/server.c", "xds/rpc.c", "xds/rpc_status.c",
            "xds/rpc_limits.c", "xds/rpc_reflection.c",
            "xds/admission.c"], 4096, "discovery"),
    "last_good": (["pilotd/daemon/last_good.c"], 2048, "last_good"),
    "reflection": (["xds/reflection.c"], 1024, None),
    # what is of pilotctl route alone (walk*.c) is not in it
    "resources": (["pilotd/translate/[!w]*.c", "pilotd/mesh/*.c", "pilotd/model/*.c"], 4096, None),
    "status": (["xds/status_page.c", "xds/stream_status.c"], 4096, "discovery"),
    "values": (["pilotd/keyspace/keyspace.c", "pilotd/keyspace/keyspace_holds.c",
                "pilotd/keyspace/held.c", "pilotd/daemon/record.c", "pilotd/daemon/peers.c",
                "pilotd/model/decoder.c", "pilotd/model/schema.c", "pilotd/model/registry.c"], 4096,
               "config"),
    "yaml": (["base/yaml.c", "pilotd/model/load.c"], 4096, "config"),
}


def size_of(folder):
    return sum(os.path.getsize(path) for path in glob.glob(os.path.join(folder, "*")))


def count_of(folder):
    return len(os.listdir(folder)) if os.path.isdir(folder) else 0


def kept(target, kind="corpus"):
    return os.path.join(HERE, kind, target)


def names_of_fields():
    """Every field of every kind, from the page that is made of the tables that decode them."""
    text = open(os.path.join(ROOT, "docs", "SUPPORT.md"), encoding="utf-8").read()
    return sorted({word for path in re.findall(r"`([\w.\[\]<>*]+)`", text)
                   for word in re.findall(r"[A-Za-z]\w+", path)})


def dictionary(target, folder):
    """The arguments that name it. That of configuration has the fields' names besides."""
    name = TARGETS[target][2]
    if not name:
        return []
    lines = open(os.path.join(HERE, "dictionaries", f"{name}.dict"), encoding="utf-8").read()
    if name == "config":
        lines += "".join(f'"{word}"\n' for word in names_of_fields())
    path = os.path.join(folder, f"{target}.dict")
    with open(path, "w", encoding="utf-8") as out:
        out.write(lines)
    return [f"-dict={path}"]


# ---- fuzzing ----


def fuzz_one(target, seconds, folder):
    """Returns (statistics, the log's path, whether it found something)."""
    own = os.path.join(WORK, target)
    os.makedirs(own, exist_ok=True)
    os.makedirs(FOUND, exist_ok=True)
    log = os.path.join(WORK, f"{target}.log")
    command = ["nice", "-n", "10", os.path.join(FUZZERS, target), f"-max_total_time={seconds}",
               f"-max_len={TARGETS[target][1]}", f"-artifact_prefix={FOUND}/{target}-", *LIMITS, *SCHEDULE,
               *dictionary(target, folder), own]
    command += [path for path in (kept(target), kept(target, "crashes")) if os.path.isdir(path)]
    with open(log, "w", encoding="utf-8") as out:
        status = subprocess.run(command, cwd=ROOT, stdout=out, stderr=out).returncode
    return statistics(log), log, status != 0


def statistics(log):
    text = open(log, encoding="utf-8", errors="replace").read()
    last = re.findall(r"#\d+\s.*cov: (\d+) ft: (\d+)", text)
    runs = re.findall(r"stat::number_of_executed_units:\s*(\d+)", text)
    speed = re.findall(r"stat::average_exec_per_sec:\s*(\d+)", text)
    return {"runs": int(runs[-1]) if runs else 0, "speed": int(speed[-1]) if speed else 0,
            "edges": int(last[-1][0]) if last else 0, "features": int(last[-1][1]) if last else 0}


def tell_found(target, log):
    text = open(log, encoding="utf-8", errors="replace").read()
    begin = re.search(r"^.*(invariant failed|runtime error|ERROR: ).*$", text, re.M)
    print(text[begin.start():begin.start() + 3000] if begin else text[-3000:])
    artifact = re.search(r"Test unit written to (\S+)", text)
    if artifact:
        print(f"{target}: again with  build/fuzz/fuzzers/{target} "
              f"{os.path.relpath(artifact.group(1), ROOT)}")


def fuzz(targets, seconds):
    found = 0
    with tempfile.TemporaryDirectory() as folder, \
            concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        pending = {pool.submit(fuzz_one, target, seconds, folder): target for target in targets}
        for done in concurrent.futures.as_completed(pending):
            target = pending[done]
            stats, log, is_found = done.result()
            print(f"{target:12} {stats['runs']:10} runs {stats['speed']:7}/s {stats['edges']:6} "
                  f"edges {stats['features']:7} features {'FOUND' if is_found else 'ok'}", flush=True)
            if is_found:
                tell_found(target, log)
            found += is_found
    print(f"fuzz: {len(targets) - found} passed, {found} failed")
    return found


# ---- keeping ----


def minimize(targets):
    for target in targets:
        with tempfile.TemporaryDirectory() as merged:
            sources = [path for path in (kept(target), os.path.join(WORK, target))
                       if os.path.isdir(path)]
            subprocess.run(["nice", os.path.join(FUZZERS, target), "-set_cover_merge=1",
                            f"-max_len={TARGETS[target][1]}", "-use_counters=0", *LIMITS, merged,
                            *sources], cwd=ROOT, check=True, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL)
            keep(target, merged)
        print(f"{target:12} {count_of(kept(target)):4} files {size_of(kept(target)):7} bytes",
              flush=True)
    return 0


def keep(target, merged):
    """As many as the limits allow, the smaller ones first."""
    paths = sorted(glob.glob(os.path.join(merged, "*")), key=lambda p: (os.path.getsize(p), p))
    shutil.rmtree(kept(target), ignore_errors=True)
    os.makedirs(kept(target))
    size = 0
    for path in paths[:FILES_MAX]:
        size += os.path.getsize(path)
        if size > CORPUS_BYTES_MAX:
            break
        shutil.copy(path, os.path.join(kept(target), os.path.basename(path)[:12]))


# ---- replaying ----


def replay_one(program, path):
    """None, or what it says where it fails."""
    fault = run_program(program, path)
    if not fault or not os.path.isdir(path):
        return fault
    for inner in sorted(glob.glob(os.path.join(path, "*"))):
        alone = run_program(program, inner)
        if alone:
            return f"{os.path.relpath(inner, ROOT)}: {alone}"
    return fault


def run_program(program, path):
    command = [program, path]
    if os.path.dirname(program) == FUZZERS:
        command.insert(1, "-runs=0")  # libFuzzer goes on from a folder unless it is told not to
    try:
        done = subprocess.run(command, cwd=ROOT, timeout=120, text=True, errors="replace",
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    except subprocess.TimeoutExpired:
        return "it takes too long"
    return None if done.returncode == 0 else f"exit {done.returncode}: {done.stdout[-3000:]}"


def replay(targets, fuzzers):
    """Returns (passed, failed names): one test for each corpus, and one for each former crash."""
    passed, failed, begin = 0, [], time.monotonic()
    for target in targets:
        program = os.path.join(fuzzers, target)
        tests = [(f"fuzz {target}: corpus", kept(target))] if count_of(kept(target)) else []
        tests += [(f"fuzz {target}: {os.path.basename(path)}", path)
                  for path in sorted(glob.glob(os.path.join(kept(target, "crashes"), "*")))]
        for name, path in tests:
            fault = replay_one(program, path)
            if fault:
                print(f"{name}: {fault}", flush=True)
                failed.append(name)
            passed += not fault
    print(f"fuzz replay: {passed} passed, {len(failed)} failed ({time.monotonic() - begin:.1f} s)",
          flush=True)
    return passed, failed


# ---- coverage ----


def coverage(targets):
    build = os.path.join(ROOT, "build", "fuzz-coverage")
    print(f"{'target':12} {'lines':>7}        of")
    for target in targets:
        program, raw = os.path.join(build, "fuzzers", target), os.path.join(build, f"{target}.raw")
        data = os.path.join(build, f"{target}.data")
        paths = [path for path in (kept(target), kept(target, "crashes")) if os.path.isdir(path)]
        subprocess.run([program, *paths], cwd=ROOT, check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, env=dict(os.environ, LLVM_PROFILE_FILE=raw))
        subprocess.run(["llvm-profdata-14", "merge", "-sparse", raw, "-o", data], check=True)
        files = [path for pattern in TARGETS[target][0]
                 for path in sorted(glob.glob(os.path.join(ROOT, pattern)))]
        report = json.loads(subprocess.run(
            ["llvm-cov-14", "export", "-summary-only", f"-instr-profile={data}", program, *files],
            check=True, stdout=subprocess.PIPE).stdout)["data"][0]
        tell_coverage(target, report)
    return 0


def tell_coverage(target, report):
    lines = report["totals"]["lines"]
    print(f"{target:12} {lines['percent']:6.1f} %   {lines['covered']} of {lines['count']} lines")
    if len(report["files"]) > 12:
        return
    for entry in report["files"]:
        lines = entry["summary"]["lines"]
        print(f"{'':12} {lines['percent']:6.1f} %   {os.path.relpath(entry['filename'], ROOT)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("what", choices=["fuzz", "minimize", "replay", "coverage"])
    parser.add_argument("targets", nargs="*")
    parser.add_argument("--seconds", type=int, default=60)
    options = parser.parse_args()
    targets = options.targets or sorted(TARGETS)
    unknown = set(targets) - set(TARGETS)
    if unknown:
        parser.error(f"no such target: {', '.join(unknown)}; there are {', '.join(sorted(TARGETS))}")
    if options.what == "fuzz":
        return 1 if fuzz(targets, options.seconds) else 0
    if options.what == "replay":
        build = os.path.join(ROOT, os.environ.get("PILOT_BUILD", "build"), "fuzzers")
        return 1 if replay(targets, build)[1] else 0
    return minimize(targets) if options.what == "minimize" else coverage(targets)


if __name__ == "__main__":
    sys.exit(main())
