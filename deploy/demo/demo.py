#!/usr/bin/env python3
"""The whole path on one machine: etcd, three pilotd, HAProxy, and a small shop of services with Envoy
sidecars, registered by a shell script. Shows routing, faults, leases, egress and failover, with numbers.

Exits 1 when a number is off. --keep leaves everything up and prints what to try.
As a plain user: sidecars listen on loopback addresses (interception NONE). As root also: apps in
network namespaces of their own with redirected traffic, as on VMs (redirect.py).
"""

import argparse
import json
import os
import signal
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import redirect  # noqa: E402
from cluster import HERE, PYTHON, Cluster, Failure, free_port, get, wait_until  # noqa: E402
from load import Load  # noqa: E402

PORT = 9080  # of every service; each instance has its own
LEASE_TTL_S = 5
REQUESTS = 1000
# name, version, loopback address of its sidecar, the services it calls
WORKLOADS = [
    ("client", "v1", "127.40.0.1", []),
    ("productpage", "v1", "127.40.0.2", ["details", "reviews"]),
    ("details", "v1", "127.40.0.3", []),
    ("details", "v1", "127.40.0.4", []),
    ("reviews", "v1", "127.40.0.5", []),
    ("reviews", "v2", "127.40.0.6", ["ratings"]),
    ("reviews", "v3", "127.40.0.7", ["ratings"]),
    ("ratings", "v1", "127.40.0.8", []),
]
CLIENT = "127.40.0.1"
EXTERNAL = "127.40.1.1:8888"


class Workload:
    """An app, its sidecar and its registrar: three processes that live and die together."""

    def __init__(self, cluster, name, version, address, calls):
        self.key = f"{name}-{version}-{address.rsplit('.', 1)[1]}"
        self.processes = []
        port = free_port()
        if name != "client":
            command = [PYTHON, os.path.join(HERE, "app.py"), "--name", name, "--version", version,
                       "--listen", f"127.0.0.1:{port}"]
            for host in calls:
                command += ["--calls", f"{host}={address}:{PORT}"]
            self.processes.append(cluster.start(f"{self.key}-app", command))
            wait_until(lambda: get(f"127.0.0.1:{port}")[0] in (200, 502), f"{self.key} answering")
            self.processes.append(cluster.register(
                self.key, "default", name, LEASE_TTL_S,
                {"ports": [{"name": "http", "number": PORT, "protocol": "HTTP"}]},
                {"address": address, "ports": {"http": port}, "labels": {"version": version}}))
        node = f"sidecar~{address}~{self.key}.default~default.svc.cluster.local"
        self.sidecar = cluster.start_sidecar(self.key, node, address,
                                             labels=[f"app={name}", f"version={version}"])
        self.processes.append(self.sidecar)

    def kill(self):
        for process in self.processes:
            process.kill()


class Demo:
    def __init__(self):
        self.cluster = Cluster()
        self.workloads = {}
        self.number = 0
        self.is_kept = False

    def say(self, text):
        self.number += 1
        print(f"\n[{self.number}] {text}", flush=True)

    def check(self, is_good, text):
        print(f"    {'ok' if is_good else 'OFF'}: {text}", flush=True)
        if not is_good:
            raise Failure(text)

    def apply(self, name):
        output = self.cluster.ctl("apply", "-f", f"{HERE}/resources/{name}.yaml").stdout
        print("    $ pilotctl apply -f deploy/demo/resources/%s.yaml\n      %s"
              % (name, output.strip().replace("\n", "\n      ")), flush=True)

    def ask(self, user=None):
        """One request of the client to productpage, through six Envoys; returns the page."""
        headers = {"Host": "productpage", **({"end-user": user} if user else {})}
        status, body = get(f"{CLIENT}:{PORT}", "/productpage", headers)
        if status != 200:
            raise Failure(f"GET /productpage: {status} {body[:300]}")
        return json.loads(body)

    def versions(self, count, user=None):
        seen = {}
        for _ in range(count):
            version = self.ask(user)["reviews"]["version"]
            seen[version] = seen.get(version, 0) + 1
        return seen

    def wait_versions(self, wanted, user=None):
        """The rule has arrived everywhere: 30 answers in a row are as wanted."""
        wait_until(lambda: set(self.versions(30, user)) == set(wanted), f"only {wanted} answer")

    # ---- the steps ----

    def start(self):
        self.say("etcd with 3 members, 3 pilotd, HAProxy in front")
        started = time.monotonic()
        self.cluster.start_etcd(3)
        self.cluster.start_pilotds(3)
        self.cluster.start_haproxy()
        print(f"    store {self.cluster.store}\n    xDS   {self.cluster.lb}")
        self.say(f"{len(WORKLOADS)} workloads, each with an Envoy, registered into etcd by curl")
        for name, version, address, calls in WORKLOADS:
            workload = Workload(self.cluster, name, version, address, calls)
            self.workloads[workload.key] = workload
        wait_until(lambda: self.ask()["reviews"]["version"], "a page through all sidecars", 60)
        self.check(True, f"up in {time.monotonic() - started:.1f} s; the client got a page")
        wait_until(lambda: self.cluster.ctl("status", check=False).returncode == 0, "agreement")
        print(indent(self.cluster.ctl("status").stdout))

    def all_to_v1(self):
        self.say("All reviews to v1")
        self.apply("destination-rules")
        self.apply("all-v1")
        self.wait_versions(["v1"])
        seen = self.versions(100)
        self.check(seen == {"v1": 100}, f"100 requests: {seen}")

    def canary(self):
        self.say("A canary: 90 % v1, 10 % v3")
        self.apply("canary")
        wait_until(lambda: "v3" in self.versions(20), "v3 is seen")
        seen = self.versions(REQUESTS)
        share = 100 * seen.get("v3", 0) / REQUESTS
        self.check(set(seen) == {"v1", "v3"} and 6 <= share <= 14,
                   f"{REQUESTS} requests: {seen}, {share:.1f} % to v3 (10 % ± 4)")

    def one_user(self):
        self.say("One user, alice, gets v2")
        self.apply("one-user")
        self.wait_versions(["v2"], "alice")
        alice, bob = self.versions(50, "alice"), self.versions(50, "bob")
        self.check(alice == {"v2": 50} and bob == {"v1": 50}, f"alice {alice}, bob {bob}")

    def delay(self):
        self.say("A delay of 1 s between reviews and ratings, for alice alone")
        self.apply("delay")

        def seconds(user):
            started = time.monotonic()
            self.ask(user)
            return time.monotonic() - started

        wait_until(lambda: seconds("alice") >= 1, "the delay is felt")
        alice, bob = seconds("alice"), seconds("bob")
        self.check(1 <= alice < 2 and bob < 0.9, f"alice waited {alice:.2f} s, bob {bob:.3f} s")
        self.cluster.ctl("delete", "virtualservice", "ratings", "-n", "default")

    def endpoints(self, cluster_name):
        """The addresses that productpage's Envoy has for a cluster."""
        sidecar = self.workloads["productpage-v1-2"].sidecar
        clusters = json.loads(get(sidecar.admin, "/clusters?format=json")[1])["cluster_statuses"]
        for cluster in clusters:
            if cluster["name"] == cluster_name:
                return sorted(host["address"]["socket_address"]["address"]
                              for host in cluster.get("host_statuses", []))
        return []

    def dead_instance(self):
        self.say(f"An instance of details is killed (its lease has {LEASE_TTL_S} s)")
        name = f"outbound|{PORT}||details.default.svc.cluster.local"
        both, left = ["127.40.0.3", "127.40.0.4"], ["127.40.0.3"]
        self.check(self.endpoints(name) == both, f"before: {both}")
        killed = time.monotonic()
        self.workloads["details-v1-4"].kill()
        wait_until(lambda: self.endpoints(name) == left, "the dead instance is gone", LEASE_TTL_S + 10)
        took = time.monotonic() - killed
        self.check(took <= LEASE_TTL_S + 2, f"gone after {took:.1f} s (TTL + 2 s at most)")

    def egress(self):
        self.say("Egress: a host outside the mesh, allowed by a ServiceEntry")
        self.cluster.start("external-app", [PYTHON, os.path.join(HERE, "app.py"), "--name", "external",
                                            "--listen", EXTERNAL])

        def call(host):
            return get(f"{CLIENT}:8888", "/", {"Host": host})

        self.apply("external")
        wait_until(lambda: call("api.example.test")[0] == 200, "the external host answers")
        self.check(True, "api.example.test: 200")
        self.apply("registry-only")
        wait_until(lambda: call("unlisted.example.test")[0] == 502, "an unlisted host is refused")
        listed, unlisted = call("api.example.test")[0], call("unlisted.example.test")[0]
        self.check((listed, unlisted) == (200, 502),
                   f"REGISTRY_ONLY: api.example.test {listed}, unlisted.example.test {unlisted}")

    def streams(self, replica):
        status = json.loads(get(replica.admin, "/debug/proxies")[1])
        return len(status)

    def failover(self):
        self.say("A replica is killed (SIGKILL) under constant traffic")
        victim = max(self.cluster.pilotds, key=self.streams)
        with Load(f"{CLIENT}:{PORT}", "/productpage", {"Host": "productpage"}) as load:
            wait_until(lambda: load.total() > 50, "traffic flows")
            moved = self.streams(victim)
            victim.kill()
            rest = [r for r in self.cluster.pilotds if r is not victim]
            alive = sum(1 for w in self.workloads.values() if w.sidecar.is_running())
            killed = time.monotonic()
            wait_until(lambda: sum(self.streams(r) for r in rest) == alive, "all streams elsewhere")
            took = time.monotonic() - killed
            self.apply("canary")
            wait_until(lambda: "v3" in self.versions(20), "a change reaches the moved proxies")
            victim.start()
            self.cluster.wait_ready()
            wait_until(lambda: load.total() > REQUESTS, "a thousand requests", 60)
        self.check(not load.failures, f"{victim.name} with {moved} proxies: elsewhere after "
                   f"{took:.2f} s; {load.total()} requests, {len(load.failures)} failed"
                   + first(load.failures))

    def upgrade(self):
        self.say("Every replica is upgraded, one at a time: drained, restarted")
        with Load(f"{CLIENT}:{PORT}", "/productpage", {"Host": "productpage"}) as load:
            for replica in self.cluster.pilotds:
                started = time.monotonic()
                status = replica.stop(30)
                self.check(status == 0, f"{replica.name} drained and exited {status} "
                           f"after {time.monotonic() - started:.1f} s")
                replica.start()
                self.cluster.wait_ready()
                seen = load.total()
                wait_until(lambda: load.total() > seen + REQUESTS, "traffic flows on", 60)
            wait_until(lambda: self.cluster.ctl("status", check=False).returncode == 0, "agreement")
        self.check(not load.failures, f"{load.total()} requests, {len(load.failures)} failed"
                   + first(load.failures))
        print(indent(self.cluster.ctl("status").stdout))

    def redirection(self):
        if os.geteuid() != 0:
            self.say("Redirection in network namespaces needs root: left out")
            return
        self.say("Redirection: apps and sidecars in network namespaces of their own")
        for line in redirect.run(self.cluster):
            self.check(True, line)

    def run(self):
        self.start()
        for step in (self.all_to_v1, self.canary, self.one_user, self.delay, self.dead_instance,
                     self.egress, self.failover, self.upgrade, self.redirection):
            step()
        print("\nAll numbers are as they should be.")

    def what_to_try(self):
        self.is_kept = True
        print(f"""
Everything is up. Try, in another terminal:
    export PILOTD_STORE={self.cluster.store} PILOTD_SERVER={self.cluster.servers()}
    build/pilotctl status
    build/pilotctl proxies
    build/pilotctl get virtualservices
    build/pilotctl apply -f deploy/demo/resources/canary.yaml
    curl -H 'Host: productpage' http://{CLIENT}:{PORT}/productpage
    curl http://{self.workloads['productpage-v1-2'].sidecar.admin}/clusters
Logs are in {self.cluster.directory}. Ctrl-C ends it all.""", flush=True)
        threading.Event().wait()


def indent(text):
    return "\n".join("    " + line for line in text.rstrip().splitlines())


def first(failures):
    return f" (first: {failures[0]})" if failures else ""


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--keep", action="store_true")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # cleans up like Ctrl-C
    demo = Demo()
    try:
        demo.run()
        if args.keep:
            demo.what_to_try()
    except Failure as failure:
        print(f"\nFAILED: {failure}", file=sys.stderr)
        for process in demo.cluster.processes:
            if process.name.startswith(("pilotd", "haproxy")):
                print(f"--- {process.name}\n{process.log_tail(10)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0 if demo.is_kept else 1
    finally:
        demo.cluster.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
