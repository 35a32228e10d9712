#!/usr/bin/env python3
"""Breaks a real pilotd cluster on purpose, and watches what must hold meanwhile. `make chaos`.

    run.py [--seed N] [--logs DIR] [SCENARIO...]       without names: all of chaos/scenarios

Ends with a table, and with 1 if something that must hold did not. Needs root (net.py says why).
"""

import argparse
import glob
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

import goals  # noqa: E402
import net  # noqa: E402
from checker import AGREEMENT, ALARM, Checker, yield_to_what_is_watched  # noqa: E402
from etcd import History  # noqa: E402
from facts import fact  # noqa: E402
from mesh import PILOTD, Mesh  # noqa: E402
from cluster import wait_until  # noqa: E402 (where mesh.py says)
from scenario import load  # noqa: E402
from steps import Steps  # noqa: E402

POLL_S, READY_S = 0.25, 60.0
ALARM_TEXT = "replicas differ"  # in the log of a replica
COLUMNS = (("scenario", 26), ("seconds", 8), ("requests", 9), ("failed", 7), ("differed", 9), ("back", 5),
           ("failover p50 p99", 17), ("recovery", 9), ("B twice", 8), ("", 0))


class Run:
    """One scenario on a mesh of its own."""

    def __init__(self, scenario, network, directory, seed, pilotd=None):
        self.scenario = scenario
        self.mesh = Mesh(network, directory, pilotd or PILOTD)
        self.checker = Checker()
        self.steps = Steps(self.mesh, self.checker, seed)
        self.stopping = threading.Event()
        self.took = 0.0

    def run(self):
        self.mesh.start(self.scenario.start)
        put = self.checker.queue.put
        self.checker.start()
        self.steps.history = History(self.mesh.etcd_addresses, lambda *a: put(("restart", *a)),
                                     lambda *a: put(("event", *a)))
        wait_until(lambda: self.checker.model.begin, "history has begun", READY_S)
        self.read("proxy", self.mesh.start_proxies())
        self.mesh.start_apps()
        self.steps.writer.start()
        for member in self.mesh.of("pilotd"):
            threading.Thread(target=self.poll, args=(member,), daemon=True).start()
        wait_until(lambda: len(self.checker.proxies) == self.mesh.proxy_count, "proxies", READY_S)
        wait_until(self.is_up, "the mesh is up", READY_S)
        for lines in self.mesh.start_callers():
            self.read("http", lines)
        self.break_things()

    def is_up(self):
        with self.steps.writer.lock:
            revision = self.steps.writer.tick()
            end = time.monotonic() + 3
            while time.monotonic() < end:
                if not self.steps.what_lacks(revision):
                    return True
                time.sleep(0.1)
        return False

    def break_things(self):
        time.sleep(1)  # of traffic before the first fault
        self.checker.figures["failover"].clear()
        self.checker.figures["news"].clear()
        began = time.monotonic()
        self.steps.run(self.scenario.steps)
        self.steps.settle()
        self.took = time.monotonic() - began
        self.checker.queue.put(("end",))
        self.checker.ended.wait(READY_S)
        self.judge_ends()

    def judge_ends(self):
        for member in self.mesh.of("pilotd"):
            with open(member.log_path, encoding="utf-8", errors="replace") as log:
                text = log.read()
            if "Sanitizer" in text or "runtime error:" in text or (member.is_wanted and not member.is_running()):
                self.checker.broken("replicas live", f"{member.name}: {text[-300:]}")
            alarms = [line for line in text.splitlines() if ALARM_TEXT in line]
            if alarms and not self.checker.counts[AGREEMENT]:
                self.checker.broken(ALARM, f"{len(alarms)} times: {alarms[0][:300]}")

    # ---- what is observed ----

    def read(self, kind, stream):
        def lines():
            yield_to_what_is_watched()
            with open(os.path.join(self.mesh.directory, f"{kind}.log"), "a", encoding="utf-8") as log:
                for line in stream:
                    log.write(line)
                    self.checker.queue.put((kind, with_fact(json.loads(line))))
        threading.Thread(target=lines, daemon=True).start()

    def poll(self, member):
        while not self.stopping.wait(POLL_S):
            if not member.is_running() or member.is_stopped:
                self.checker.queue.put(("poll", time.monotonic(), member.name, None, None, 0, 0))
                continue
            is_ready, status = False, None
            try:
                is_ready = self.mesh.is_ready(member)
                status = self.mesh.status(member)
            except (OSError, ValueError):
                pass
            if not member.is_stopped:
                self.checker.queue.put(("poll", time.monotonic(), member.name, is_ready, status,
                                        *consumed(member)))

    def close(self):
        self.stopping.set()
        self.checker.stopping.set()
        self.steps.writer.stopping.set()
        self.mesh.close()

    # ---- what came of it ----

    def broken(self):
        """invariant -> (count, texts), but for what the scenario allows."""
        told = {}
        for invariant, texts in self.checker.violations.items():
            count = self.checker.counts[invariant]
            if count > self.scenario.allowed.get(invariant, (0, ""))[0]:
                told[invariant] = (count, texts)
        return told

    def row(self):
        checker = self.checker
        failovers = checker.figures["failover"]
        p = [goals.quantile(failovers, name) for name in ("p50", "p99")]
        return [self.scenario.name, f"{self.took:.0f}", checker.counts["requests"],
                checker.counts["no failed request"], checker.counts["same revision, same hash"],
                checker.counts["no way back"],
                f"{p[0]:.2f} s {p[1]:.2f} s" if failovers else "-",
                f"{max(self.steps.recoveries, default=0):.1f} s", checker.counts["bytes twice"],
                "BROKEN" if self.broken() else "held"]

    def goals(self):
        return [[self.scenario.name, *goals.judged(goal, self.checker.figures[goal.figure])]
                for goal in self.scenario.goals]


def with_fact(event):
    if event["e"] == "resource":
        event = {"e": "fact", "version": event["version"],
                 "fact": fact(event["version"][:3], bytes.fromhex(event["hex"]))}
    return event


def consumed(member):
    """(descriptors, resident bytes) of the process itself; ip netns exec has become it."""
    try:
        with open(f"/proc/{member.popen.pid}/statm", encoding="ascii") as statm:
            return len(os.listdir(f"/proc/{member.popen.pid}/fd")), int(statm.read().split()[1]) * 4096
    except OSError:
        return 0, 0


def run_one(path, seed, logs, pilotd=None):
    """In a process of its own, in namespaces of its own. Returns (row, broken, problem, goals)."""
    scenario = load(path)
    network = net.Network()
    directory = f"/run/chaos-{scenario.name}"
    run = Run(scenario, network, directory, seed, pilotd)
    problem = None
    try:
        run.run()
    except Exception:  # told, and the logs kept; the next scenario has a mesh of its own
        problem = traceback.format_exc(limit=-3)
        problem += f"lacking: {run.steps.what_lacks(run.checker.model.revision)}"
        run.judge_ends()
    finally:
        run.close()
    if logs:
        keep_logs(directory, os.path.join(logs, scenario.name))
    return run.row(), run.broken(), problem, run.goals()


def keep_logs(directory, target):
    os.makedirs(target, exist_ok=True)
    for path in glob.glob(os.path.join(directory, "*.log")):
        shutil.copy(path, target)


def tell(row, broken, problem):
    for invariant, (count, texts) in broken.items():
        print(f"  BROKEN {count} times: {invariant}")
        for text in texts:
            print(f"    {text}")
    if problem:
        print("  FAILED: " + problem.strip().replace("\n", "\n    "))
    print("  " + " ".join(f"{name} {value}" for (name, _), value in zip(COLUMNS, row)), flush=True)


def print_table(rows):
    print("\n" + "".join(name.ljust(width) for name, width in COLUMNS))
    for row in rows:
        print("".join(str(value).ljust(width) for (_, width), value in zip(COLUMNS, row)))


def child(arguments):
    """One scenario, entered; its row goes to the parent as the last line."""
    net.enter()
    row, broken, problem, met = run_one(arguments.child, arguments.seed, arguments.logs, arguments.pilotd)
    tell(row, broken, problem)
    print(json.dumps({"row": row, "broken": sorted(broken), "failed": bool(problem), "goals": met}), flush=True)
    os._exit(0)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*")
    parser.add_argument("--seed", type=int, default=int(time.time()) % 100000)
    parser.add_argument("--logs", default=os.path.join(os.path.dirname(HERE), "build", "chaos"))
    parser.add_argument("--pilotd", type=os.path.abspath, help="another build of pilotd")
    parser.add_argument("--sanitized", action="store_true", help="that build is slow and large: goals are not judged")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if arguments.child:
        return child(arguments)
    if os.geteuid() != 0:
        sys.exit("chaos: needs root, for network namespaces of its own")
    paths = sorted(glob.glob(os.path.join(HERE, "scenarios", "*.chaos")))
    if arguments.names:
        paths = [os.path.join(HERE, "scenarios", f"{name}.chaos") for name in arguments.names]
    print(f"seed {arguments.seed}", flush=True)
    if arguments.sanitized:
        paths = [path for path in paths if speaks_of_sanitized(load(path))]
    results = [in_child(path, arguments) for path in paths]
    print_table([result["row"] for result in results if result["row"]])
    if not arguments.sanitized:
        goals.print_table([goal for result in results for goal in result["goals"]])
    return 1 if any(result["broken"] or result["failed"] for result in results) else 0


def speaks_of_sanitized(scenario):
    if scenario.unsanitized:
        print(f"\n{scenario.name}: left out: {scenario.unsanitized}", flush=True)
    return not scenario.unsanitized


def in_child(path, arguments, pilotd=None):
    print(f"\n{load(path).name}: {load(path).hypothesis}", flush=True)
    command = [sys.executable, os.path.join(HERE, "run.py"), "--child", path, "--seed",
               str(arguments.seed), "--logs", arguments.logs]
    if pilotd or arguments.pilotd:
        command += ["--pilotd", pilotd or arguments.pilotd]
    last = ""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as popen:
        try:
            for line in popen.stdout:
                if last:
                    print(last, end="", flush=True)
                last = line
        finally:
            popen.terminate()
    try:
        return json.loads(last)
    except ValueError:
        print(last)
        return {"row": None, "broken": [], "failed": True, "goals": []}


if __name__ == "__main__":
    sys.exit(main())
