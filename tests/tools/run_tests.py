#!/usr/bin/python3
"""Runs the tests and closes with one line: N passed, N failed.

  run_tests.py [--checks] [--unit PROGRAM…] [--fuzz FOLDER] [--sim PROGRAM] [--e2e] [--oldest] [-k EXPR]

--checks  the checks of the tree itself (layers, size, docs, mutants)
--unit    each of the programs (cmocka, read as TAP)
--fuzz    what the fuzzers have found before, once more (tests/fuzz/): programs of that folder
--sim     a few hundred histories of the simulator: one test
--e2e     pytest over tests/e2e, with the environment's PILOT_BUILD (default build); without -k then
          --oldest as well
--oldest  those of them that ask an Envoy what it does (or that -k picks), with the oldest Envoy
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET

UNIT_TIMEOUT_S = 300
SIM_SEEDS = 200
E2E_TIMEOUT_S = 3000
OLDEST_ENVOY, OF_ENVOYS = "build/venv/oldest/envoy/_bin/envoy", "traffic or golden or accepts or real_envoy or tls_envoy"
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def run_unit(program):
    """Returns (passed, failed names, output)."""
    name = os.path.basename(program)
    env = dict(os.environ, CMOCKA_MESSAGE_OUTPUT="TAP")
    try:
        done = subprocess.run([program], cwd=ROOT, env=env, timeout=UNIT_TIMEOUT_S, text=True,
                              errors="replace", stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        output, status = done.stdout, done.returncode
    except subprocess.TimeoutExpired as late:
        output, status = (late.stdout or b"").decode(errors="replace"), "timeout"
    passed = len(re.findall(r"^ok \d+", output, re.M))
    failed = [f"{name}: {line}" for line in re.findall(r"^not ok \d+ - (.*)", output, re.M)]
    if not failed and (status != 0 or not passed):
        failed = [f"{name}: exit {status}" + ("" if passed else ", no test ran")]
    return passed, failed, output


def unit(programs):
    passed, failed = 0, []
    for program in sorted(programs):
        start = time.monotonic()
        good, bad, output = run_unit(program)
        print(f"{os.path.basename(program)}: {good} passed, {len(bad)} failed ({time.monotonic() - start:.1f} s)",
              flush=True)
        if bad:
            print(output[-8000:], flush=True)
        passed += good
        failed += bad
    return passed, failed


def fuzz(folder):
    sys.path.insert(0, os.path.join(ROOT, "tests", "fuzz"))
    import run as fuzzers
    return fuzzers.replay(sorted(fuzzers.TARGETS), os.path.join(ROOT, folder))


def sim(program):
    done = subprocess.run([program, str(SIM_SEEDS)], cwd=ROOT, timeout=UNIT_TIMEOUT_S)
    return int(done.returncode == 0), [f"sim: exit {done.returncode}"] if done.returncode else []


def e2e(expression):
    passed, failed = pytest(expression)
    if expression:
        return passed, failed
    good, bad = oldest()
    return passed + good, failed + bad


def oldest(expression=None):
    print("with the oldest Envoy:", flush=True)
    passed, failed = pytest(expression or OF_ENVOYS, OLDEST_ENVOY)
    return passed, [f"{name} (oldest Envoy)" for name in failed]


def pytest(expression, envoy=None):
    env = dict(os.environ, **({"PILOT_ENVOY": os.path.join(ROOT, envoy)} if envoy else {}))
    with tempfile.NamedTemporaryFile(suffix=".xml") as report:
        command = ["build/venv/bin/python", "-m", "pytest", "-q", "-x" if expression and not envoy else "-ra",
                   "--durations=8", "-p", "no:cacheprovider", f"--junitxml={report.name}", "tests/e2e"]
        if expression:
            command += ["-k", expression]
        try:
            status = subprocess.run(command, cwd=ROOT, env=env, timeout=E2E_TIMEOUT_S).returncode
        except subprocess.TimeoutExpired:
            return 0, ["end-to-end tests: timed out"]
        try:
            suite = ET.parse(report.name).getroot().find("testsuite")
        except ET.ParseError:
            return 0, [f"end-to-end tests: no report, pytest exited {status}"]
    bad = [f"{case.get('classname')}.{case.get('name')}" for case in suite.iter("testcase")
           if case.find("failure") is not None or case.find("error") is not None]
    skipped = int(suite.get("skipped", 0))
    passed = int(suite.get("tests", 0)) - len(bad) - skipped
    if skipped:
        print(f"{skipped} skipped")
    if status != 0 and not bad:
        bad = [f"end-to-end tests: pytest exited {status}"]
    return passed, bad


def checks():
    passed, failed = 0, []
    for name in ("layers.py", "size.py", "check_docs.py", "check_mutants.py"):
        done = subprocess.run(["build/venv/bin/python", f"tests/tools/{name}"], cwd=ROOT)
        if done.returncode == 0:
            passed += 1
        else:
            failed.append(name)
    return passed, failed


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--checks", action="store_true")
    parser.add_argument("--unit", nargs="+")
    parser.add_argument("--fuzz")
    parser.add_argument("--sim")
    parser.add_argument("--e2e", action="store_true")
    parser.add_argument("--oldest", action="store_true")
    parser.add_argument("-k", default="")
    args = parser.parse_args()
    passed, failed = 0, []
    for wanted, run in ((args.checks, checks), (args.unit, lambda: unit(args.unit)),
                        (args.fuzz, lambda: fuzz(args.fuzz)),
                        (args.sim, lambda: sim(args.sim)),
                        (args.e2e, lambda: e2e(args.k)),
                        (args.oldest, lambda: oldest(args.k))):
        if wanted:
            good, bad = run()
            passed += good
            failed += bad
    for name in failed:
        print(f"FAILED {name}")
    print(f"{passed} passed, {len(failed)} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
