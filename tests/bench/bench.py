#!/usr/bin/env python3
"""make bench: what pilotd costs, beside its goal and istiod's figure. make bench ROW="storm endpoint".

    bench.py [--tls] [--services S] [--proxies N] [--json FILE] [ROW…]

With --tls the proxies come over mutual TLS, and the floor is sealed likewise; goals are those of plain text.
Each row can be run alone. istiod's figures were taken on a machine of this kind, for the same work, with SotW
and Delta. The floor is the same bytes written to as many sockets by a plain loop (tests/tools/socket_floor.c),
measured beside what it is compared with. The load generator is one process; its processor time is told apart.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(ROOT, "deploy", "demo"), os.path.join(ROOT, "tests", "e2e")]

from cluster import Failure  # noqa: E402

import mesh  # noqa: E402
from world import Spent, World, cpu_s, floor, memory_mb, settled_mb  # noqa: E402

FLOOR_FACTOR = 1.5


class Table:
    """Figures as they come: printed, and kept for the JSON."""

    def __init__(self):
        self.figures = []

    def head(self, text):
        print(f"\n{text}\n  {'':<52} {'pilotd':>10} {'unit':<5} {'goal':>10}  {'istiod':<22}", flush=True)

    def add(self, row, name, value, unit, goal=None, istiod=""):
        """`goal` is what the value must stay below; None: told for understanding."""
        is_met = None if goal is None else value < goal
        self.figures.append({"row": row, "figure": name, "value": round(value, 3), "unit": unit,
                             "goal_below": goal and round(goal, 3), "is_met": is_met, "istiod": istiod})
        told = "" if goal is None else f"< {goal:.4g}"
        mark = {None: "", True: "met", False: "MISSED"}[is_met]
        print(f"  {name:<52} {value:>10.2f} {unit:<5} {told:>10}  {istiod:<22} {mark}", flush=True)


# ---- one row each: (table, world) ----

def start(table, world):
    table.add("start", "start to ready, from etcd", world.ready_ms / 1000, "s", 2, "20-31 (files)")
    table.add("start", "resident memory then", world.empty_mb, "MB", 400, "950")
    table.add("start", "peak until then", memory_mb(world.pid, "VmHWM"), "MB")
    table.add("start", "CPU until then", cpu_s(world.pid), "s")
    table.add("start", "the snapshot's build alone", world.build_ms(), "ms")


def storm(table, world):
    proxies = world.ready["clients"]
    least = floor(proxies, world.bytes_each, world.files)
    table.add("storm", "floor: the same bytes by a plain loop", least["ms"] / 1000, "s")
    table.add("storm", "floor: CPU of its writer", least["writer_cpu_s"], "s")
    table.add("storm", f"all {proxies} have everything", world.storm_ms / 1000, "s",
              FLOOR_FACTOR * least["ms"] / 1000, "118 / 118 (warm 21 / 32)")
    table.add("storm", "CPU of pilotd", world.storm_pilotd_s, "s", 10, "207")
    table.add("storm", "CPU of the generator", world.storm_load_s, "s")
    table.add("storm", "bytes a proxy", world.bytes_each / 1e6, "MB", None, "7.3")
    table.add("storm", "peak of resident memory", world.peak_mb, "MB", 300, "6500 / 6900")


def memory(table, world):
    each_kb = (settled_mb(world.pid) - world.empty_mb) * 1024 / world.ready["clients"]
    table.add("memory", "resident memory a connected proxy, settled", each_kb, "KB", 20, "2000 / 3700")


class Changes:
    """One change after the other: ms from the put to the last proxy; CPU and bytes of one on average."""

    def __init__(self, world, count, pair_of, name):
        self.ms = []
        before = self.change(world, pair_of, name)  # the first is not counted: nothing is warm
        self.ms, spent = [], Spent(world)
        for _ in range(count):
            last = self.change(world, pair_of, name)
        self.pilotd_s, self.load_s = (total / count for total in spent.take())
        self.bytes = (last["bytes"] - before["bytes"]) / count

    def change(self, world, pair_of, name):
        pair = pair_of(world.next_version())
        began_ns = time.monotonic_ns()
        world.etcd.put([pair])
        event = world.clients.wait_change(name)
        self.ms.append((event["last_ns"] - began_ns) / 1e6)
        return event


def change_endpoint(world, count):
    return Changes(world, count, lambda v: mesh.service_entry(0, v), mesh.cluster_name(0))


def endpoint(table, world):
    done = change_endpoint(world, 20)
    table.add("endpoint", "put to the last proxy, median of 20", statistics.median(done.ms), "ms", 25, "724 / 375")
    table.add("endpoint", "the worst", max(done.ms), "ms")
    table.add("endpoint", "CPU of pilotd", done.pilotd_s, "s", 0.03, "1.2 / 0.50")
    table.add("endpoint", "CPU of the generator", done.load_s, "s")
    table.add("endpoint", "bytes to all", done.bytes / 1e6, "MB")
    table.add("endpoint", "the snapshot's build alone", world.build_ms(), "ms")


def route(table, world):
    done = Changes(world, 5, lambda v: mesh.virtual_service(0, v), str(mesh.PORT))
    proxies = world.ready["clients"]
    least = floor(proxies, int(done.bytes / proxies), world.files)
    table.add("route", "floor: the same bytes by a plain loop", least["ms"], "ms")
    table.add("route", "floor: CPU of its writer", least["writer_cpu_s"], "s")
    table.add("route", "put to the last proxy, median of 5", statistics.median(done.ms), "ms",
              FLOOR_FACTOR * least["ms"], "12800 / 11600")
    table.add("route", "the worst", max(done.ms), "ms")
    table.add("route", "CPU of pilotd", done.pilotd_s, "s", None, "21 / 22")
    table.add("route", "CPU of the generator", done.load_s, "s")
    table.add("route", "bytes to all", done.bytes / 1e6, "MB", None, "4900 / 990")
    table.add("route", "the snapshot's build alone", world.build_ms(), "ms")


def vhds(table, world):
    """As `route`, but the table comes by virtual host."""
    done = Changes(world, 20, lambda v: mesh.virtual_service(0, v), mesh.virtual_host_name(0))
    table.add("vhds", "put to the last proxy, median of 20", statistics.median(done.ms), "ms", 50, "12800 / 11600")
    table.add("vhds", "the worst", max(done.ms), "ms")
    table.add("vhds", "CPU of pilotd", done.pilotd_s, "s", None, "21 / 22")
    table.add("vhds", "CPU of the generator", done.load_s, "s")
    table.add("vhds", "bytes to all", done.bytes / 1e6, "MB", 5, "4900 / 990")
    table.add("vhds", "the snapshot's build alone", world.build_ms(), "ms")


def paced(interval_s, count):
    """Yields 0 to count - 1, each when its time has come."""
    began = time.monotonic()
    for number in range(count):
        time.sleep(max(0.0, began + number * interval_s - time.monotonic()))
        yield number


def steady(table, world):
    """100 changes in 10 s, each of another service."""
    put_ns, spent = {}, Spent(world)
    for number in paced(0.1, 100):
        put_ns[mesh.cluster_name(number)] = time.monotonic_ns()
        world.etcd.put([mesh.service_entry(number, world.next_version())])
    last_ns, names = {}, list(put_ns)
    world.clients.wait(lambda e: last_ns.update({e.get("name"): e.get("last_ns")}) or
                       all(name in last_ns for name in names))
    ms = sorted((last_ns[name] - put_ns[name]) / 1e6 for name in names)
    pilotd_s, load_s = spent.take()
    table.add("steady", "put to the last proxy, p50", statistics.median(ms), "ms", 20, "1067 / 270")
    table.add("steady", "the worst", ms[-1], "ms", 60, "1943 / 853")
    table.add("steady", "CPU of pilotd, for all", pilotd_s, "s", 0.2, "12 / 5.2")
    table.add("steady", "CPU of the generator", load_s, "s")


RATE, A_TRANSACTION, FLOOD_S = 1000, 10, 30


def flood(table, world):
    """1,000 endpoint changes a second for 30 s, ten a transaction; then one more, which must be seen."""
    before_mb, spent, late_s = settled_mb(world.pid), Spent(world), 0.0
    began = time.monotonic()
    for number in paced(A_TRANSACTION / RATE, FLOOD_S * RATE // A_TRANSACTION):
        first = number * A_TRANSACTION
        version = world.next_version()
        world.etcd.put(mesh.service_entry(1 + (first + i) % (world.services - 1), version)
                       for i in range(A_TRANSACTION))
        late_s = max(late_s, time.monotonic() - began - number * A_TRANSACTION / RATE)
    peak_mb = memory_mb(world.pid)
    began_ns = time.monotonic_ns()
    world.etcd.put([mesh.service_entry(0, world.next_version())])
    last = world.clients.wait_change(mesh.cluster_name(0))
    pilotd_s, load_s = spent.take()
    table.add("flood", "the last change: put to the last proxy", (last["last_ns"] - began_ns) / 1e6, "ms", 500)
    table.add("flood", "CPU of pilotd, a second", pilotd_s / FLOOD_S, "s")
    table.add("flood", "CPU of the generator, a second", load_s / FLOOD_S, "s")
    table.add("flood", "the writer of changes was late by, at worst", late_s * 1000, "ms")
    table.add("flood", "resident memory meanwhile, more than before", peak_mb - before_mb, "MB")
    table.add("flood", "resident memory afterwards, more than before", settled_mb(world.pid) - before_mb, "MB", 5)


def back(table, world):
    """All connections are closed and opened anew, each proxy with the versions it has."""
    table.add("back", "resident memory, all idle", settled_mb(world.pid), "MB", 300)
    world.forget_peak()
    spent = Spent(world)
    event = world.clients.come_anew()
    pilotd_s, load_s = spent.take()
    table.add("back", "until each has its answer", (event["ns"] - event["began_ns"]) / 1e9, "s", 5)
    table.add("back", "unchanged resources sent", event["same"], "", 1)
    table.add("back", "resources sent", event["resources"], "", 1)
    table.add("back", "CPU of pilotd", pilotd_s, "s")
    table.add("back", "CPU of the generator", load_s, "s")
    table.add("back", "peak of resident memory", memory_mb(world.pid, "VmHWM"), "MB", 300)


def cost(services, proxies, has_tls):
    """(MB a proxy, ms and CPU seconds of one endpoint's change, CPU seconds of the storm)"""
    world = World(services, has_tls)
    try:
        world.connect(proxies)
        done = change_endpoint(world, 40)
        return {"MB": settled_mb(world.pid), "ms": statistics.median(done.ms), "CPU s": done.pilotd_s,
                "CPU s of the storm": world.storm_pilotd_s}
    finally:
        world.close()


def growth(table, world):
    """Twice the services, twice the proxies: by what factor each cost grows. Linear is 2."""
    services, proxies, tls = world.services, 250, world.has_tls
    least, more_services, more_proxies = (cost(services, proxies, tls), cost(services * 2, proxies, tls),
                                          cost(services, proxies * 2, tls))
    for what, told in (("services", more_services), ("proxies", more_proxies)):
        for unit, value in told.items():
            table.add("growth", f"{what} x 2: {unit} grows from {least[unit]:.4g} by", value / least[unit],
                      "x", 2.4)


ROWS = {  # name: (services, proxies, what it is)
    "start": (start, 10000, 0, "start to ready"),
    "storm": (storm, 1000, 1000, "all proxies connect at once and have everything"),
    "memory": (memory, 1000, 1000, "memory of a connected proxy"),
    "endpoint": (endpoint, 1000, 1000, "one endpoint changes"),
    "route": (route, 1000, 1000, "one VirtualService changes"),
    "vhds": (vhds, 1000, 1000, "one VirtualService changes, tables by virtual host"),
    "steady": (steady, 1000, 200, "100 endpoint changes in 10 s"),
    "flood": (flood, 1000, 1000, "1,000 endpoint changes a second for 30 s"),
    "back": (back, 100, 10000, "all reconnect with what they have"),
    "growth": (growth, 500, 0, "cost against size"),
}


def run(names, args, table):
    """Rows of one size that follow each other share their world."""
    world, size = None, None
    try:
        for name in names:
            row, services, proxies, what = ROWS[name]
            services, proxies = args.services or services, args.proxies or proxies if proxies else 0
            routes = mesh.SPLIT_TABLE if row is vhds else str(mesh.PORT)
            if (services, proxies, routes) != size:
                if world:
                    world.close()
                world, size = World(services, args.tls), (services, proxies, routes)
                if proxies:
                    world.connect(proxies, routes)
            table.head(f"{name}: {what} (S = {services}, N = {proxies})")
            row(table, world)
    finally:
        if world:
            world.close()


def machine():
    with open("/proc/cpuinfo", encoding="ascii") as info:
        model = next((line.split(":", 1)[1].strip() for line in info if line.startswith("model name")), "?")
    return {"processor": model, "processors": os.cpu_count(), "kernel": platform.release(),
            "load_before": os.getloadavg()[0]}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("rows", nargs="*", metavar="ROW", help=", ".join(ROWS))
    parser.add_argument("--tls", action="store_true", help="the proxies come over mutual TLS")
    parser.add_argument("--services", type=int, help="instead of the row's own")
    parser.add_argument("--proxies", type=int, help="instead of the row's own")
    parser.add_argument("--json", help="also write the figures to this file")
    args = parser.parse_args()
    unknown = [name for name in args.rows if name not in ROWS]
    if unknown:
        parser.error(f"no such row: {unknown[0]}; there are {', '.join(ROWS)}")
    table, told = Table(), machine()
    print(f"{told['processors']} x {told['processor']}, Linux {told['kernel']}, load {told['load_before']:.1f}")
    try:
        run(args.rows or list(ROWS), args, table)
    except Failure as failure:
        print(f"FAILED: {failure}", file=sys.stderr)
        return 1
    finally:
        if args.json:
            with open(args.json, "w", encoding="utf-8") as out:
                json.dump({"machine": told, "has_tls": args.tls, "figures": table.figures}, out, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
