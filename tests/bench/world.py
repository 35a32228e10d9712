"""What is measured, running: etcd with S services, one pilotd, N proxies in one load generator."""

import json
import os
import queue
import subprocess
import threading
import time

from certificates import Authority
from cluster import BUILD, Cluster, Failure, free_port, get

from mesh import PORT, Etcd, fill

TICKS = os.sysconf("SC_CLK_TCK")


def cpu_s(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory_mb(pid, what="VmRSS"):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        for line in status:
            if line.startswith(what + ":"):
                return int(line.split()[1]) / 1024
    return 0


def settled_mb(pid):
    """The least of the next five seconds: memory is given back once a burst is over."""
    least, end = memory_mb(pid), time.monotonic() + 5
    while time.monotonic() < end:
        time.sleep(0.2)
        least = min(least, memory_mb(pid))
    return least


def floor(sockets, size_bytes, files=None):
    """The same bytes to as many sockets by a plain loop, with files over TLS: ms and CPU seconds of both sides."""
    tls = ("--tls", files) if files else ()
    return json.loads(subprocess.run([f"{BUILD}/tools/socket_floor", *tls, str(sockets), str(size_bytes)],
                                     check=True, capture_output=True, text=True, timeout=120).stdout)


class Clients:
    """With `files` ("CA,CERT,KEY") over TLS."""

    def __init__(self, cluster, where, count, table, files=None):
        address, port = where.rsplit(":", 1)
        tls = ("--tls", files) if files else ()
        self.popen = subprocess.Popen([f"{BUILD}/tools/xds_load", *tls, address, port, str(count), table],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        cluster.cleanups.append(self.popen.kill)
        self.events = queue.Queue()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.popen.stdout:
            self.events.put(json.loads(line))

    def wait(self, wanted, deadline_s=150):
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

    def wait_change(self, name):
        return self.wait(lambda e: e["event"] == "change" and e["name"] == name)

    def come_anew(self):
        self.popen.stdin.write("\n")
        self.popen.stdin.flush()
        return self.wait(lambda e: e["event"] == "back")


class Spent:
    """Processor time since it was made, of pilotd and of the generator apart."""

    def __init__(self, world):
        self.world = world
        self.pilotd, self.load = self.now()

    def now(self):
        load = self.world.clients.popen.pid if self.world.clients else None
        return cpu_s(self.world.pid), cpu_s(load) if load else 0.0

    def take(self):
        pilotd, load = self.now()
        return pilotd - self.pilotd, load - self.load


class World:
    """With has_tls all proxies come over mutual TLS."""

    def __init__(self, services, has_tls=False):
        self.cluster, self.clients, self.services, self.version = Cluster(), None, services, 0
        self.has_tls, self.files = has_tls, None
        try:
            self.cluster.start_etcd(1)
            self.etcd = Etcd(self.cluster.etcd_urls[0])
            fill(self.etcd, services)
            self.start_pilotd()
        except BaseException:
            self.close()
            raise

    def start_pilotd(self):
        began = time.monotonic()
        self.cluster.start_pilotds(1, self.tls_flags() if self.has_tls else ())
        self.ready_ms = (time.monotonic() - began) * 1000
        self.replica = self.cluster.pilotds[0]
        self.pid = self.replica.popen.pid
        self.empty_mb = memory_mb(self.pid)

    def tls_flags(self):
        ca = Authority(os.path.join(self.cluster.directory, "ca"))
        server, server_key = ca.issue("pilotd", "IP:127.0.0.1")
        self.files = ",".join((ca.pem, *ca.issue("proxy", "URI:spiffe://cluster.local/ns/default/sa/bench")))
        self.tls_address = f"127.0.0.1:{free_port()}"
        return ("--xds-tls", self.tls_address, "--xds-tls-cert", server, "--xds-tls-key", server_key,
                "--xds-tls-ca", ca.pem)

    def forget_peak(self):
        with open(f"/proc/{self.pid}/clear_refs", "w", encoding="ascii") as out:
            out.write("5")

    def connect(self, proxies, table=str(PORT)):
        """All at once; the event that tells that each has everything, and the ms it took."""
        self.forget_peak()
        before_s, began_ns = cpu_s(self.pid), time.monotonic_ns()
        self.clients = Clients(self.cluster, self.tls_address if self.has_tls else self.replica.xds, proxies,
                               table, self.files)
        self.ready = self.clients.wait(lambda e: e["event"] == "ready")
        self.storm_ms = (self.ready["ns"] - began_ns) / 1e6
        self.bytes_each = self.ready["bytes"] // proxies
        self.storm_pilotd_s = cpu_s(self.pid) - before_s
        self.storm_load_s = cpu_s(self.clients.popen.pid)
        self.peak_mb = memory_mb(self.pid, "VmHWM")

    def next_version(self):
        self.version += 1
        return self.version

    def build_ms(self):
        """pilotd's own figure of its last build."""
        for line in get(self.replica.admin, "/metrics")[1].splitlines():
            if line.startswith("pilotd_build_last_us "):
                return float(line.split()[1]) / 1000
        raise Failure("pilotd tells no time of its last build")

    def close(self):
        if self.clients:
            self.clients.popen.kill()
        self.cluster.close()
