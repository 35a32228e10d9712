#!/usr/bin/env python3
"""make bench: what pilotd costs, each figure with its unit, paired with a reference of the machine.

    bench.py [--services 1000] [--endpoints 10] [--proxies 500] [--changes 20] [--json FILE]

The load is tests/tools/xds_load.c (one process, its CPU told apart). The reference is a fixed amount of
hashing, timed before and after: where the two differ, or differ from another day's, so do the figures.
"""

import argparse
import base64
import hashlib
import json
import os
import queue
import statistics
import subprocess
import sys
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "deploy", "demo"))

from cluster import BUILD, Cluster, Failure, get  # noqa: E402

PORT = 8080
TICKS = os.sysconf("SC_CLK_TCK")


def reference_ms():
    """The time a fixed amount of SHA-256 takes here and now."""
    block, started = b"x" * (1 << 20), time.monotonic()
    for _ in range(64):
        hashlib.sha256(block).digest()
    return (time.monotonic() - started) * 1000


def cpu_s(pid):
    fields = open(f"/proc/{pid}/stat", encoding="ascii").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def rss_kb(pid):
    for line in open(f"/proc/{pid}/status", encoding="ascii"):
        if line.startswith("VmRSS"):
            return int(line.split()[1])
    return 0


def settled_kb(pid):
    """The least of the next ten seconds: memory is given back once a burst is over."""
    least, end = rss_kb(pid), time.monotonic() + 10
    while time.monotonic() < end:
        least = min(least, rss_kb(pid))
        time.sleep(0.2)
    return least


class Etcd:
    """Puts through the JSON gateway, 100 keys a transaction."""

    def __init__(self, url):
        import http.client
        self.connection = http.client.HTTPConnection(url[7:], timeout=10)

    def put(self, pairs):
        pairs = list(pairs)
        for at in range(0, len(pairs), 100):
            operations = [{"request_put": {"key": b64("/pilot/" + key), "value": b64(json.dumps(value))}}
                          for key, value in pairs[at:at + 100]]
            self.connection.request("POST", "/v3/kv/txn", json.dumps({"success": operations}))
            answer = self.connection.getresponse()
            body = answer.read()
            if answer.status != 200:
                raise Failure(f"etcd: {answer.status} {body[:200]}")


def b64(text):
    return base64.b64encode(text.encode()).decode()


def service_value():
    return {"ports": [{"name": "http", "number": PORT, "protocol": "HTTP"}]}


def instance_value(service, endpoint, weight=1):
    return {"address": f"10.{service // 250}.{service % 250}.{endpoint + 1}", "ports": {"http": PORT},
            "labels": {"version": "v1"}, "weight": weight}


def fill(etcd, services, endpoints):
    for service in range(services):
        etcd.put([(f"services/default/svc-{service}", service_value())] +
                 [(f"registry/default/svc-{service}/i{e}", instance_value(service, e))
                  for e in range(endpoints)])


class Clients:
    def __init__(self, cluster, replica, count):
        host, port = replica.xds.rsplit(":", 1)
        self.popen = subprocess.Popen([f"{BUILD}/tools/xds_load", host, port, str(count), str(PORT)],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        cluster.cleanups.append(self.popen.kill)
        self.events = queue.Queue()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.popen.stdout:
            self.events.put(json.loads(line))

    def wait(self, wanted, deadline_s=120):
        end = time.monotonic() + deadline_s
        while time.monotonic() < end:
            try:
                event = self.events.get(timeout=1)
            except queue.Empty:
                if self.popen.poll() is not None:
                    raise Failure("the load generator ended") from None
                continue
            if wanted(event):
                return event
        raise Failure("the load generator did not see what it should")


def changes(etcd, clients, pid, count, pairs_of, name):
    """Puts one change at a time; returns (ms from put to the last proxy, pilotd's CPU ms) lists."""
    wall, cpu = [], []
    for number in range(count):
        before = cpu_s(pid)
        started = time.monotonic_ns()
        etcd.put(pairs_of(number))
        event = clients.wait(lambda e: e["event"] == "change" and e["name"] == name)
        wall.append((event["last_ns"] - started) / 1e6)
        cpu.append((cpu_s(pid) - before) * 1000)
    return wall, cpu


def virtual_service(number):
    return {"apiVersion": "networking.istio.io/v1", "kind": "VirtualService",
            "metadata": {"name": "svc-0", "namespace": "default"},
            "spec": {"hosts": ["svc-0"], "http": [{"timeout": f"{number + 1}s", "route": [
                {"destination": {"host": "svc-0"}}]}]}}


def spread(values):
    ordered = sorted(values)
    return f"median {statistics.median(ordered):.1f}, worst {ordered[-1]:.1f}"


def measure(cluster, args, rows):
    def row(name, value, unit, note=""):
        rows.append({"figure": name, "value": value, "unit": unit, "note": note})
        print(f"  {name:<58} {value:>10.2f} {unit:<6} {note}", flush=True)

    row("reference before: 64 MiB of SHA-256", reference_ms(), "ms")
    cluster.start_etcd(1)
    etcd = Etcd(cluster.etcd_urls[0])
    fill(etcd, args.services, args.endpoints)
    started = time.monotonic()
    cluster.start_pilotds(1)
    replica = cluster.pilotds[0]
    pid = replica.popen.pid
    row(f"start to ready, {args.services} services x {args.endpoints} endpoints",
        (time.monotonic() - started) * 1000, "ms")
    empty_kb, cpu = rss_kb(pid), cpu_s(pid)
    row("resident memory without proxies", empty_kb / 1024, "MB")
    started = time.monotonic()
    clients = Clients(cluster, replica, args.proxies)
    ready = clients.wait(lambda e: e["event"] == "ready")
    row(f"{args.proxies} proxies connect at once: all have everything",
        (time.monotonic() - started) * 1000, "ms", f"{ready['bytes'] / args.proxies / 1024:.0f} KiB each")
    row("  CPU of pilotd for it", cpu_s(pid) - cpu, "s")
    row("resident memory a proxy, at the peak", (rss_kb(pid) - empty_kb) / args.proxies, "KB")
    row("resident memory a proxy, once it has settled",
        (settled_kb(pid) - empty_kb) / args.proxies, "KB")
    cases = [
        ("one endpoint", f"outbound|{PORT}||svc-0.default.svc.cluster.local",
         lambda n: [("registry/default/svc-0/i0", instance_value(0, 0, n + 2))]),
        ("one VirtualService", str(PORT),
         lambda n: [("config/virtualservices/default/svc-0", virtual_service(n))]),
    ]
    for what, name, pairs_of in cases:
        wall, spent = changes(etcd, clients, pid, args.changes, pairs_of, name)
        row(f"{what} changed: etcd put to the last of {args.proxies} proxies",
            statistics.median(wall), "ms", spread(wall))
        row("  CPU of pilotd for one", statistics.mean(spent), "ms")
    row("CPU of the load generator, all told", cpu_s(clients.popen.pid), "s")
    build = [line for line in get(replica.admin, "/metrics")[1].splitlines()
             if line.startswith("pilotd_build") and not line.startswith("#")]
    print("\n".join("  " + line for line in build))
    row("reference after: 64 MiB of SHA-256", reference_ms(), "ms")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--services", type=int, default=1000)
    parser.add_argument("--endpoints", type=int, default=10)
    parser.add_argument("--proxies", type=int, default=500)
    parser.add_argument("--changes", type=int, default=20)
    parser.add_argument("--json", help="also write the figures to this file")
    args = parser.parse_args()
    cluster, rows = Cluster(), []
    try:
        measure(cluster, args, rows)
    except Failure as failure:
        print(f"FAILED: {failure}", file=sys.stderr)
        return 1
    finally:
        cluster.close()
    if args.json:
        with open(args.json, "w", encoding="utf-8") as out:
            json.dump(rows, out, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
