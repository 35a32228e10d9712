"""What the verbs of a scenario do to a running mesh. Each is a method; its words are its arguments."""

import json
import os
import random
import re
import resource
import subprocess
import threading
import time

import cgroup
from etcd import PREFIX, Etcd, Unavailable, b64
from mesh import CLOCK, ENVOY_ADMIN_PORT, PEER_PORT, PILOTD_NEXT, instance, virtual_service
from cluster import Failure, get, wait_until  # where mesh.py says
from model import cluster_name
from scenario import Fault, seconds

CLOCK_S, WEIGHTS_EVERY = 0.5, 4
FAULTS = ("kill", "term", "stop", "cut", "reconnect")  # what ends streams
CONVERGE_S = 5.0
GIVE_UP_S = 60.0


FLOOD_SERVICES, FLOOD_CONNECTIONS, FLOOD_PUTS = 100, 4, 128


def flood_transactions(count):
    """Whole requests, made before the first is sent."""
    for first in range(0, count, FLOOD_PUTS):
        yield json.dumps({"success": [{"requestPut": {
            "key": b64(f"{PREFIX}registry/flood/s{n % FLOOD_SERVICES}/i{n}"),
            "value": b64(json.dumps(instance(f"10.{100 + n // 62500}.{n // 250 % 250}.{n % 250 + 1}")))}}
            for n in range(first, min(first + FLOOD_PUTS, count))]}).encode()


LIMITS = {"memory": lambda text: int(text) << 20, "cpu": lambda text: float(text.rstrip("%")) / 100}


class Writer(threading.Thread):
    """Constant change: the clock's port counts up, and a VirtualService's weights go round."""

    def __init__(self, addresses):
        super().__init__(daemon=True)
        self.etcd, self.lock = Etcd(addresses), threading.Lock()
        self.count, self.stopping = 1, threading.Event()

    def run(self):
        while not self.stopping.wait(CLOCK_S):
            with self.lock:
                try:
                    self.tick()
                    if self.count % WEIGHTS_EVERY == 0:
                        self.etcd.put("config/virtualservices/default/web",
                                      virtual_service(10 + self.count // WEIGHTS_EVERY % 8 * 10))
                except Unavailable:
                    pass

    def tick(self):
        """Writes the next value of the clock and returns its revision."""
        self.count = self.count % 60000 + 1
        return self.etcd.put(f"registry/default/{CLOCK}/now", instance("10.77.6.1", self.count))


class Steps:
    def __init__(self, mesh, checker, seed):
        self.mesh, self.checker, self.random = mesh, checker, random.Random(seed)
        self.etcd = Etcd(mesh.etcd_addresses)
        self.writer = Writer(mesh.etcd_addresses)
        self.turn, self.last = 0, None
        self.recoveries, self.threads = [], []  # of all faults, with what etcd took

    def run(self, steps):
        for place, words, inner in steps:
            if words[0] == "choose":
                self.choose(int(words[1]), seconds(words[3]), inner)
                continue
            if inner is not None:
                for _ in range(int(words[1])):
                    self.run(inner)
                continue
            verb = getattr(self, "do_" + words[0].replace("-", "_"), None)
            if not verb:
                raise Fault(f"{place}: no such verb: {words[0]}")
            if words[0] in FAULTS:
                self.checker.faults.append(time.monotonic())
            try:
                verb(*words[1:])
            except (TypeError, ValueError, KeyError) as problem:
                raise Fault(f"{place}: {' '.join(words)}: {problem}") from problem

    def choose(self, count, duration, inner):
        """So many of these faults at once, as the seed says. A line is what begins it | what ends it."""
        chosen, whom = self.random.sample(inner, count), {}
        for place, words, _ in chosen:
            self.last = None
            self.run([(place, words[:words.index("|")], None)])
            whom[place] = self.last
            print("    " + " ".join(words) + (f" ({self.last.name})" if self.last else ""), flush=True)
        time.sleep(duration)
        for place, words, _ in chosen:
            self.last = whom[place]
            self.run([(place, words[words.index("|") + 1:], None)])

    # ---- who is meant ----

    def targets(self, word):
        replicas, kinds = self.mesh.of("pilotd"), ("etcd", "pilotd", "haproxy", "envoy")
        if word in kinds:
            return self.mesh.of(word)
        if word == "that":
            return [self.last]
        if word == "next-replica":
            self.turn += 1
            self.last = replicas[(self.turn - 1) % len(replicas)]
        elif word == "random-replica":
            self.last = self.random.choice(replicas)
        elif word in ("leader", "follower"):
            leader, followers = self.mesh.etcd_leader()
            self.last = leader if word == "leader" else self.random.choice(followers)
        elif word.startswith("watched-by:"):
            member = self.mesh.status(self.mesh.members[word.split(":")[1]])["store"]["member"]
            self.last = next(m for m in self.mesh.of("etcd") if m.host.address in member)
        else:
            self.last = self.mesh.members[word]
        return [self.last]

    # ---- processes ----

    def do_kill(self, who):
        for member in self.targets(who):
            member.kill()

    def do_start(self, who):
        for member in self.targets(who):
            member.start()

    def do_term(self, who):
        for member in self.targets(who):
            member.is_wanted = False
            if member.stop(30) != 0:
                self.checker.broken("replicas live", f"{member.name} did not end well when told to")

    def do_stop(self, who):
        for member in self.targets(who):
            member.pause()

    def do_continue(self, who):
        for member in self.targets(who):
            member.resume()

    def do_upgrade(self, who):
        self.replace(who, self.mesh.pilotd_path, PILOTD_NEXT)

    def do_downgrade(self, who):
        self.replace(who, PILOTD_NEXT, self.mesh.pilotd_path)

    def replace(self, who, former, binary):
        for member in self.targets(who):
            self.do_term(member.name)
            member.command = [binary if word == former else word for word in member.command]
            member.start()

    def do_expect(self, _level, level, _within="within", limit="1s"):
        """All replicas build this translation level."""
        wait_until(lambda: {self.mesh.status(member)["level"] for member in self.mesh.of("pilotd")}
                   == {int(level)}, f"all at level {level}", seconds(limit))

    def do_registrar(self, what):
        self.mesh.registrar.send_signal({"stop": 19, "continue": 18}[what])

    # ---- the network ----

    def do_cut(self, who, _from, _etcd, how):
        for member in self.targets(who):
            member.host.cut_off(self.mesh.etcd_hosts, how)

    def do_slow(self, who, _from, _etcd, delay, loss):
        for member in self.targets(who):
            self.mesh.network.slow(member.host, self.mesh.etcd_hosts, seconds(delay),
                                   float(loss.rstrip("%")) / 100)

    def do_heal(self, who):
        for member in self.targets(who):
            member.host.heal()

    # ---- proxies ----

    def do_reconnect(self):
        self.mesh.command_proxies("reconnect")

    def do_nack(self, number):
        self.checker.refusing.add(int(number))
        self.mesh.command_proxies(f"nack {number}")

    def do_accept(self, number):
        self.mesh.command_proxies(f"accept {number}")

    def do_deafen(self, number):
        self.checker.impaired.add(int(number))
        self.mesh.command_proxies(f"deafen {number}")

    def do_listen(self, number):
        self.mesh.command_proxies(f"listen {number}")

    def do_sip(self, number):
        self.checker.impaired.add(int(number))
        self.mesh.command_proxies(f"sip {number}")

    # ---- what a replica may use ----

    def do_clock(self, who, step):
        """The wall clock is this much off, from now on."""
        match = re.fullmatch(r"([+-]\d+)h", step)
        for member in self.targets(who):
            self.mesh.set_clock(member.name, int(match[1]) * 3600)
            wait_until(lambda: abs(self.mesh.clock_s(member) - time.time() - int(match[1]) * 3600) < 60,
                       f"{member.name} has its clock {step}", 10)

    def do_limit(self, who, what, amount):
        for member in self.targets(who):
            pid = member.popen.pid
            if what == "descriptors":
                _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
                resource.prlimit(pid, resource.RLIMIT_NOFILE, (int(amount), hard))
            elif what in LIMITS:
                cgroup.limit(pid, what, LIMITS[what](amount))
            else:
                raise ValueError(f"no limit of {what}")

    def do_release(self, who, what):
        for member in self.targets(who):
            most = cgroup.release(member.popen.pid, what)
            if most is not None:
                print(f"    {member.name} took {most >> 10} KiB more at most", flush=True)

    def do_fill_disk(self, who):
        """What is under --data-dir is full."""
        for member in self.targets(who):
            try:
                with open(os.path.join(self.mesh.data_dir(member.name), "filler"), "wb", 0) as filler:
                    while True:
                        filler.write(bytes(4096))
            except OSError:
                pass

    def do_free_disk(self, who):
        for member in self.targets(who):
            os.remove(os.path.join(self.mesh.data_dir(member.name), "filler"))

    # ---- the store ----

    def do_remove(self, who):
        """From the cluster of etcd; the member hears of it, and ends."""
        for member in self.targets(who):
            ids = {m["name"]: m["ID"] for m in self.etcd.call("cluster/member/list", {})["members"]}
            self.etcd.call("cluster/member/remove", {"ID": ids[member.name]})
            wait_until(lambda: not member.is_running(), f"{member.name} ends", 30)

    def do_rejoin(self, who):
        """As a new member, with nothing, on the address of the former one."""
        for member in self.targets(who):
            peer = f"http://{member.host.address}:{PEER_PORT}"
            self.etcd.call("cluster/member/add", {"peerURLs": [peer]})
            self.mesh.forget(member)
            member.start()

    def do_compact(self):
        self.etcd.compact()

    def do_put(self, key, *value):
        self.etcd.put(key, " ".join(value))

    def do_delete(self, key):
        self.etcd.delete(key)

    def do_flap(self, service, rate, _for, duration):
        """One instance comes and goes, so many times a second; meanwhile the steps go on."""
        pause = 0.5 / float(rate.rstrip("Hz"))
        thread = threading.Thread(target=self.flap, args=(service, pause, seconds(duration)), daemon=True)
        self.threads.append(thread)
        thread.start()

    def flap(self, service, pause, duration):
        etcd, end = Etcd(self.mesh.etcd_addresses), time.monotonic() + duration
        key = f"registry/default/{service}/flapping"
        while time.monotonic() < end:
            try:
                etcd.put(key, instance("10.77.6.9"))
                time.sleep(pause)
                etcd.delete(key)
            except Unavailable:
                pass
            time.sleep(pause)

    def do_poison(self):
        """Values that no decoder likes, each under a key of its own."""
        rules = "config/virtualservices/default/"
        self.etcd.put(rules + "p-json", "{\"kind\":")
        self.etcd.put(rules + "p-binary", bytes(range(256)) * 10)
        self.etcd.put(rules + "p-deep", "[" * 10000 + "]" * 10000)
        self.etcd.put(rules + "p-big", json.dumps({"spec": "x" * 1500000}), 0)
        self.etcd.put("registry/default/flappy/p-null", "null")
        self.etcd.put("registry/default/flappy/p-port", {"address": "10.0.0.1", "ports": {"http": -1}})
        self.etcd.put("registry/default/flappy/" + "p" * 2000, "{}")
        self.etcd.put("config/unheard/of", "{}")
        self.etcd.put("services/default/p-" + "deep", {"ports": [[[[]]]]})

    def do_flood(self, count, _keys):
        """As fast as etcd takes them: instances of services that only their own namespace sees."""
        for number in range(FLOOD_SERVICES):
            self.etcd.put(f"services/flood/s{number}", {
                "ports": [{"name": "http", "number": 80, "protocol": "HTTP"}], "exportTo": ["."]})
        began, bodies = time.monotonic(), iter(list(flood_transactions(int(count))))
        lock, failed = threading.Lock(), []

        def pour():
            etcd = Etcd(self.mesh.etcd_addresses)
            while True:
                with lock:
                    body = next(bodies, None)
                if body is None:
                    return
                try:
                    etcd.call("kv/txn", body, 30)
                except Unavailable as problem:
                    failed.append(problem)
        threads = [threading.Thread(target=pour) for _ in range(FLOOD_CONNECTIONS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        print(f"    {count} keys in {time.monotonic() - began:.1f} s, {len(failed)} writes failed", flush=True)

    def do_ebb(self):
        self.etcd.delete_all("registry/flood/")
        self.etcd.delete_all("services/flood/")

    def do_revoke(self, who):
        for member in self.targets(who):
            self.etcd.call("auth/user/revoke", {"name": member.name, "role": "pilot"})

    def do_grant(self, who):
        for member in self.targets(who):
            self.etcd.call("auth/user/grant", {"user": member.name, "role": "pilot"})

    def do_backup(self):
        self.backup = os.path.join(self.mesh.directory, "backup.db")
        self.etcdctl("snapshot", "save", self.backup)

    def do_restore(self):
        """All members anew from the backup, as a cluster whose history ends there."""
        self.do_kill("etcd")
        self.checker.queue.put(("era", time.monotonic(), None))
        for member in self.mesh.of("etcd"):
            self.mesh.restore(member, self.backup, self.etcdctl)
        self.do_start("etcd")
        self.history.restart()

    def etcdctl(self, *words):
        done = subprocess.run(["etcdctl", "--endpoints", self.mesh.etcd_addresses[0], *words], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=30,
                              env=dict(os.environ, ETCDCTL_API="3"))
        if done.returncode != 0:
            raise Failure(f"etcdctl {' '.join(words)}: {done.stdout}")

    def do_fill(self):
        """Writes until etcd's quota is full; `Start: etcd-flags --quota-backend-bytes=N` sets it."""
        for number in range(10000):
            try:
                self.etcd.put(f"../filler/{number % 4}", "x" * 1000000)
            except Unavailable:
                return
        raise Failure("the quota of etcd is not reached")

    def do_free(self):
        """As an operator does: compact, defragment, disarm."""
        self.etcd.compact()
        for address in self.mesh.etcd_addresses:
            Etcd([address]).call("maintenance/defragment", {}, 20)
        for alarm in self.etcd.call("maintenance/alarm", {"action": "GET"}).get("alarms", []):
            self.etcd.call("maintenance/alarm", {"action": "DEACTIVATE", **alarm})

    # ---- time ----

    def do_wait(self, duration):
        time.sleep(seconds(duration))

    def do_join(self):
        for thread in self.threads:
            thread.join()

    def do_converge(self, *within):
        """The fault is over: all must have what is written now, soon."""
        limit = seconds(within[1]) if within else CONVERGE_S
        began = time.monotonic()
        with self.writer.lock:
            revision = wait_until(self.write_clock, "etcd takes a write", GIVE_UP_S)
            written = time.monotonic()
            try:
                wait_until(lambda: not self.what_lacks(revision), "all converge", GIVE_UP_S, 0.02)
            except Failure:
                self.checker.broken("converged in time", f"never: {self.what_lacks(revision)}")
                raise
        took = time.monotonic() - began
        self.recoveries.append(took)
        self.checker.figures["recovery"].append(time.monotonic() - written)
        if took > limit:
            self.checker.broken("converged in time", f"{took:.1f} s after the fault, not {limit:g} s")

    def do_notice(self, _within, limit):
        """No replica says that it is ready any more."""
        wait_until(lambda: not any(map(self.mesh.is_ready, self.mesh.of("pilotd"))), "all notice",
                   seconds(limit), 0.02)
        self.checker.figures["noticed"].append(time.monotonic() - self.checker.faults[-1])

    def do_balance(self, _within, limit):
        """Each replica has less proxies than its cap."""
        wait_until(self.is_balanced, "proxies are shared out", seconds(limit), 0.1)

    def is_balanced(self):
        told = [self.mesh.status(member) for member in self.mesh.of("pilotd")]
        return all(status["proxies"] < status["streamCap"] for status in told)

    def write_clock(self):
        try:
            return self.writer.tick()
        except Unavailable:
            return None

    def what_lacks(self, revision):
        """What has not got to this revision, or None."""
        clock = self.checker.clock(revision)
        if not clock:
            return "the history of etcd"
        behind = self.checker.behind(clock)
        if behind:
            return f"proxies {behind[:5]} of {len(behind)}"
        names = [member.name for member in self.mesh.of("pilotd") if member.is_wanted]
        if not self.checker.agreed(names):
            return "replicas are not ready, or do not agree"
        return next((f"{envoy.name}" for envoy in self.mesh.of("envoy")
                     if not self.envoy_has(envoy, clock)), None)

    def envoy_has(self, envoy, clock):
        text = get(f"{envoy.host.address}:{ENVOY_ADMIN_PORT}", "/clusters", timeout=2)[1]
        return re.search(re.escape(f"{cluster_name(CLOCK)}::10.77.6.1:{clock[0][1]}::"), text) is not None

    def settle(self):
        """At the end nothing is written any more: then every proxy is like the model, in all."""
        self.do_join()
        self.writer.stopping.set()
        self.writer.join()
        self.do_converge("within", "10s")
        try:
            wait_until(lambda: not self.checker.unlike_model(), "all is as the model says", 10)
        except Failure:
            for text in self.checker.unlike_model()[:3]:
                self.checker.broken("what history says", f"at the end, {text}")


