"""The mesh of a chaos run: 3 etcd members, 3 pilotd, 2 HAProxy, Envoys, raw proxies, apps, registrars.

Each etcd, pilotd, HAProxy and Envoy has a network namespace and an address of its own (net.py); apps,
callers, raw proxies and the runner share the bridge's.
"""

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
from email.utils import parsedate_to_datetime

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
sys.path.insert(0, os.path.join(ROOT, "deploy", "demo"))

from cluster import ENVOY, PILOTCTL, PILOTD, Process, get, wait_until  # noqa: E402
from etcd import Etcd  # noqa: E402
from net import sh  # noqa: E402

ETCD_PORT, PEER_PORT, XDS_PORT, ADMIN_PORT, ENVOY_ADMIN_PORT, SERVICE_PORT = (
    2379, 2380, 15010, 15014, 15000, 8080)
PILOTD_NEXT = os.path.join(os.path.dirname(PILOTD), "tools", "pilotd-next")  # translates differently
XDS_PROXIES = os.path.join(os.path.dirname(PILOTD), "tools", "xds_proxies")
FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"
LEASE_TTL_S = 6
PASSWORD = "chaos"
DATA_DIR_BYTES = 64 << 20
START_S = 90  # the machine may be busy
WEB, CANARY, CLOCK, FLAPPY = "web", "canary", "clock", "flappy"
SERVICES = [f"svc-{i}" for i in range(20)]
BACKENDS = [f"10.77.5.{i + 1}" for i in range(6)]  # 4 of web, 2 of canary


class Member(Process):
    """What stands in a namespace, on one address."""

    def __init__(self, host, command, directory, env=None):
        super().__init__(host.name, command, directory, env, host.prefix)
        self.host, self.is_stopped, self.is_wanted = host, False, False

    def start(self):
        self.is_wanted, self.is_stopped = True, False
        return super().start()

    def kill(self):
        self.is_wanted = False
        super().kill()

    def pause(self):
        self.is_stopped = True
        self.signal(signal.SIGSTOP)

    def resume(self):
        self.is_stopped = False
        self.signal(signal.SIGCONT)


def instance(address, port=SERVICE_PORT, **more):
    return {"address": address, "ports": {"http": port}, **more}


def virtual_service(canary_percent):
    return {"apiVersion": "networking.istio.io/v1", "kind": "VirtualService",
            "metadata": {"name": WEB, "namespace": "default"},
            "spec": {"hosts": [WEB], "http": [{"route": [
                {"destination": {"host": WEB}, "weight": 100 - canary_percent},
                {"destination": {"host": CANARY}, "weight": canary_percent}]}]}}


class Mesh:
    def __init__(self, network, directory, pilotd=PILOTD, envoys=3, proxies=250):
        self.network, self.directory, self.pilotd_path = network, directory, pilotd
        self.members, self.helpers = {}, []
        os.makedirs(directory, exist_ok=True)
        for address in BACKENDS:
            network.address(address)
        self.envoy_count, self.proxy_count = envoys, proxies
        self.has_users = self.has_clocks = False
        self.etcd_addresses = [f"10.77.1.{i}:{ETCD_PORT}" for i in (1, 2, 3)]
        self.etcd_hosts = [address.split(":")[0] for address in self.etcd_addresses]
        self.store = "etcd://" + ",".join(self.etcd_addresses) + "/pilot"
        self.balancers = [f"10.77.3.{i}:{XDS_PORT}" for i in (1, 2)]

    # ---- members ----

    def add(self, name, address, command, env=None):
        host = self.network.host(name, address)
        self.members[name] = Member(host, command, self.directory, env)
        return self.members[name]

    def of(self, kind):
        return [m for name, m in self.members.items() if name.startswith(kind + "-")]

    def define_etcd(self, *flags):
        peers = ",".join(f"etcd-{i}=http://10.77.1.{i}:{PEER_PORT}" for i in (1, 2, 3))
        for i in (1, 2, 3):
            client, peer = f"http://10.77.1.{i}:{ETCD_PORT}", f"http://10.77.1.{i}:{PEER_PORT}"
            self.add(f"etcd-{i}", f"10.77.1.{i}", [
                "etcd", "--name", f"etcd-{i}", "--data-dir", f"{self.directory}/etcd-{i}",
                "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
                "--listen-client-urls", client, "--advertise-client-urls", client,
                "--initial-cluster", peers, "--logger", "zap", "--log-level", "warn", *flags])

    def forget(self, member):
        """An etcd that starts with nothing, and joins the cluster that is there."""
        shutil.rmtree(f"{self.directory}/{member.name}")
        member.command += ["--initial-cluster-state", "existing"]

    def restore(self, member, backup, etcdctl):
        data = f"{self.directory}/{member.name}"
        shutil.rmtree(data)
        members = ",".join(f"{m.name}=http://{m.host.address}:{PEER_PORT}" for m in self.of("etcd"))
        etcdctl("snapshot", "restore", backup, "--name", member.name, "--data-dir", data,
                "--initial-cluster", members, "--initial-advertise-peer-urls",
                f"http://{member.host.address}:{PEER_PORT}")

    def data_dir(self, name):
        """A small disk of the replica's own."""
        return os.path.join(self.directory, f"{name}-data")

    def define_pilotds(self):
        for i in (1, 2, 3):
            os.mkdir(self.data_dir(f"pilotd-{i}"))
            sh("mount", "-t", "tmpfs", "-o", f"size={DATA_DIR_BYTES}", "data",
               self.data_dir(f"pilotd-{i}"))
            self.add(f"pilotd-{i}", f"10.77.2.{i}", [
                self.pilotd_path, "--store", self.store, "--id", f"pilotd-{i}", "--xds",
                f"10.77.2.{i}:{XDS_PORT}", "--admin", f"10.77.2.{i}:{ADMIN_PORT}", "--threads", "2",
                "--drain-spread", "1s", "--data-dir", self.data_dir(f"pilotd-{i}"),
                *self.user_flags(f"pilotd-{i}")], self.clock_environment(f"pilotd-{i}"))

    def user_flags(self, name):
        if not self.has_users:
            return []
        path = os.path.join(self.directory, "password")
        with open(path, "w", encoding="ascii") as out:
            out.write(PASSWORD)
        return ["--etcd-user", name, "--etcd-password-file", path]

    def clock_path(self, name):
        return os.path.join(self.directory, f"{name}.clock")

    def set_clock(self, name, ahead_s):
        with open(self.clock_path(name) + ".new", "w", encoding="ascii") as out:
            out.write(f"{ahead_s:+d}\n")
        os.rename(out.name, self.clock_path(name))

    def clock_environment(self, name):
        """The wall clock is what a file says, now; the monotonic one is not touched."""
        if not self.has_clocks:
            return None
        self.set_clock(name, 0)
        return {"LD_PRELOAD": FAKETIME, "FAKETIME_TIMESTAMP_FILE": self.clock_path(name),
                "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}

    def define_balancers(self):
        config = os.path.join(ROOT, "deploy/haproxy/haproxy.cfg")
        for i in (1, 2):
            env = {"PILOT_LB": f"10.77.3.{i}:{XDS_PORT}"}
            for n in (1, 2, 3):
                env[f"PILOT_{n}"] = f"10.77.2.{n}:{XDS_PORT}"
                env[f"PILOT_{n}_ADMIN"] = str(ADMIN_PORT)
            self.add(f"haproxy-{i}", f"10.77.3.{i}", ["/usr/sbin/haproxy", "-db", "-f", config], env)

    def define_envoys(self):
        for i in range(1, self.envoy_count + 1):
            address = f"10.77.4.{i}"
            path = os.path.join(self.directory, f"envoy-{i}.json")
            with open(path, "w", encoding="utf-8") as out:
                subprocess.run([
                    PILOTCTL, "bootstrap", f"sidecar~{address}~caller-{i}.default~default.svc."
                    "cluster.local", "--xds", ",".join(self.balancers), "--interception", "NONE",
                    "--admin-address", address, "--admin-port", str(ENVOY_ADMIN_PORT)],
                    check=True, stdout=out, timeout=20)
            self.add(f"envoy-{i}", address, [ENVOY, "-c", path, "--concurrency", "1", "--base-id",
                                             str(i), "-l", "warning"])

    def helper(self, name, program, *arguments, prefix=(), stdin=subprocess.DEVNULL, stdout=None):
        python = [sys.executable] if program.endswith(".py") else []
        with open(os.path.join(self.directory, f"{name}.log"), "ab") as log:
            popen = subprocess.Popen(
                [*prefix, *python, os.path.join(HERE, program), *arguments],
                stdin=stdin, stdout=stdout or log, stderr=log, text=True)
        self.helpers.append(popen)
        return popen

    # ---- start ----

    def start(self, wishes):
        """Up to agreed replicas and Envoys that answer. Raw proxies and callers come later."""
        self.has_users, self.has_clocks = "etcd-users" in wishes, "clocks" in wishes
        self.envoy_count = 0 if "no-requests" in wishes else self.envoy_count
        self.define_etcd(*wishes.get("etcd-flags", "").split())
        self.define_pilotds()
        self.define_balancers()
        self.define_envoys()
        for member in self.of("etcd"):
            member.start()
        self.wait_etcd()
        if self.has_users:
            Etcd(self.etcd_addresses).demand_users([m.name for m in self.of("pilotd")], PASSWORD)
        self.write_configuration(Etcd(self.etcd_addresses))
        self.start_registrar()
        for kind in ("pilotd", "haproxy", "envoy"):
            for member in self.of(kind):
                member.start()
        for member in self.of("pilotd"):
            wait_until(lambda: self.is_ready(member), f"{member.name} ready", START_S)

    def wait_etcd(self):
        for address in self.etcd_addresses:
            wait_until(lambda: '"true"' in get(address, "/health", timeout=2)[1],
                       f"etcd at {address}", START_S)

    def write_configuration(self, etcd):
        port = [{"name": "http", "number": SERVICE_PORT, "protocol": "HTTP"}]
        for name in [WEB, CANARY, CLOCK, FLAPPY, *SERVICES]:
            etcd.put(f"services/default/{name}", {"ports": port})
        etcd.put(f"registry/default/{CLOCK}/now", instance("10.77.6.1", 1))
        etcd.put(f"registry/default/{FLAPPY}/steady", instance("10.77.6.2"))
        etcd.put(f"config/virtualservices/default/{WEB}", virtual_service(10))

    def registrations(self):
        values = {}
        for i, address in enumerate(BACKENDS):
            values[f"registry/default/{WEB if i < 4 else CANARY}/i{i}"] = instance(address, 8080)
        for i, name in enumerate(SERVICES):
            for n in (1, 2):
                values[f"registry/default/{name}/i{n}"] = instance(f"10.77.{6 + n}.{i + 1}", 9000 + n,
                                                                   weight=n)
        return values

    def start_registrar(self):
        self.registrar = self.helper("registrar", "registrar.py", ",".join(self.etcd_addresses),
                                     str(LEASE_TTL_S), stdin=subprocess.PIPE)
        self.registrar.stdin.write(json.dumps(self.registrations()))
        self.registrar.stdin.close()

    def start_proxies(self):
        self.proxies = self.helper("proxies", XDS_PROXIES, str(self.proxy_count),
                                   ",".join(self.balancers), stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE)
        return self.proxies.stdout

    def start_apps(self):
        self.helper("apps", "traffic.py", "serve", *(f"{address}:8080" for address in BACKENDS))

    def start_callers(self):
        """Each calls its Envoy, from the Envoy's own namespace. Returns what they write."""
        return [self.helper(f"caller-of-{envoy.name}", "traffic.py", "call", f"127.0.0.1:{SERVICE_PORT}",
                            envoy.name, prefix=envoy.host.prefix, stdout=subprocess.PIPE).stdout
                for envoy in self.of("envoy")]

    def command_proxies(self, line):
        self.proxies.stdin.write(line + "\n")
        self.proxies.stdin.flush()

    # ---- asking ----

    def admin(self, member, path, timeout=1.0):
        return get(f"{member.host.address}:{ADMIN_PORT}", path, timeout=timeout)

    def is_ready(self, member):
        return self.admin(member, "/ready")[0] == 200

    def status(self, member):
        return json.loads(self.admin(member, "/debug/status")[1])

    def clock_s(self, member):
        """What the replica takes the time for."""
        connection = http.client.HTTPConnection(f"{member.host.address}:{ADMIN_PORT}", timeout=2)
        try:
            connection.request("GET", "/ready")
            return parsedate_to_datetime(connection.getresponse().headers["date"]).timestamp()
        finally:
            connection.close()

    def etcd_leader(self):
        """(leader, [followers]) of those that answer."""
        leader, followers = None, []
        for member in self.of("etcd"):
            try:
                status = Etcd([f"{member.host.address}:{ETCD_PORT}"]).status()
            except Exception:  # whoever does not answer is neither
                continue
            if status["leader"] == status["header"]["member_id"]:
                leader = member
            else:
                followers.append(member)
        return leader, followers

    def close(self):
        for helper in self.helpers:
            helper.kill()
            helper.wait()
        for member in self.members.values():
            member.resume()
            member.kill()
