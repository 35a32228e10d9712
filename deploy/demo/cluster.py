"""The processes of a small mesh on one machine: etcd, pilotd, HAProxy, apps with Envoy sidecars.

Every process is started in its own group, logs to a file of its own, and is gone when the Cluster is
closed. Nothing waits by sleeping: wait_until polls a condition with a deadline.
"""

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, os.environ.get("PILOT_BUILD", "build"))
VENV = os.path.join(ROOT, "build", "venv", "bin")
PYTHON = os.path.join(VENV, "python")
HERE = os.path.dirname(os.path.abspath(__file__))
PILOTD, PILOTCTL = os.path.join(BUILD, "pilotd"), os.path.join(BUILD, "pilotctl")
ENVOY = os.environ.get("PILOT_ENVOY") or os.path.join(VENV, "envoy")


class Failure(Exception):
    """A number is off, or something did not happen in time."""


def wait_until(condition, what, deadline_s=20.0, interval_s=0.05):
    """Polls until condition() is true and returns its value; Failure names `what` after the deadline."""
    end = time.monotonic() + deadline_s
    problem = None
    while time.monotonic() < end:
        try:
            value = condition()
            if value:
                return value
        except (OSError, ValueError, http.client.HTTPException, subprocess.SubprocessError,
                Failure) as error:
            problem = error
        time.sleep(interval_s)
    raise Failure(f"{what}: not within {deadline_s:g} s" + (f" ({problem!r})" if problem else ""))


def free_port(address="127.0.0.1"):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((address, 0))
        return probe.getsockname()[1]


def get(address, path="/", headers=None, timeout=10):
    """One GET; returns (status, body text)."""
    connection = http.client.HTTPConnection(address, timeout=timeout)
    try:
        connection.request("GET", path, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace")
    finally:
        connection.close()


class Process:
    def __init__(self, name, command, directory, env=None, prefix=(), pass_fds=()):
        self.pass_fds = pass_fds
        self.name, self.command, self.directory = name, list(prefix) + command, directory
        self.env = dict(os.environ, **(env or {}))
        self.log_path = os.path.join(directory, f"{name}.log")
        self.popen = None

    def start(self):
        with open(self.log_path, "ab") as log:
            self.popen = subprocess.Popen(self.command, stdout=log, stderr=log, env=self.env,
                                          stdin=subprocess.DEVNULL, cwd=self.directory,
                                          start_new_session=True, pass_fds=self.pass_fds)
        return self

    def is_running(self):
        return self.popen is not None and self.popen.poll() is None

    def signal(self, number):
        if self.is_running():
            os.killpg(self.popen.pid, number)

    def wait(self, deadline_s=10.0):
        try:
            return self.popen.wait(deadline_s)
        except subprocess.TimeoutExpired:
            raise Failure(f"{self.name} did not exit within {deadline_s:g} s; see {self.log_path}")

    def kill(self):
        self.signal(signal.SIGKILL)
        if self.popen:
            self.popen.wait()

    def stop(self, deadline_s=10.0):
        """SIGTERM, then its exit status."""
        self.signal(signal.SIGTERM)
        return self.wait(deadline_s)

    def log_tail(self, lines=20):
        with open(self.log_path, encoding="utf-8", errors="replace") as log:
            return "".join(log.readlines()[-lines:])


class Cluster:
    def __init__(self, address="127.0.0.1"):
        self.address = address
        self.directory = tempfile.mkdtemp(prefix="pilotd-")
        os.chmod(self.directory, 0o755)
        self.processes = []
        self.etcds, self.pilotds, self.haproxy = [], [], None
        self.cleanups = []

    def start(self, name, command, env=None, prefix=()):
        process = Process(name, command, self.directory, env, prefix).start()
        self.processes.append(process)
        return process

    def close(self):
        for process in reversed(self.processes):
            process.kill()
        for cleanup in reversed(self.cleanups):
            cleanup()
        shutil.rmtree(self.directory, ignore_errors=True)

    # ---- etcd ----

    def start_etcd(self, count=3):
        peers = [f"http://127.0.0.1:{free_port()}" for _ in range(count)]
        clients = [f"http://127.0.0.1:{free_port()}" for _ in range(count)]
        members = ",".join(f"etcd-{i + 1}={peer}" for i, peer in enumerate(peers))
        for i in range(count):
            self.etcds.append(self.start(f"etcd-{i + 1}", [
                "etcd", "--name", f"etcd-{i + 1}", "--data-dir", f"{self.directory}/etcd-{i + 1}",
                "--listen-peer-urls", peers[i], "--initial-advertise-peer-urls", peers[i],
                "--listen-client-urls", clients[i], "--advertise-client-urls", clients[i],
                "--initial-cluster", members, "--logger", "zap", "--log-level", "warn"]))
        self.etcd_urls = clients
        self.store = "etcd://" + ",".join(url[7:] for url in clients) + "/pilot"
        for url in clients:
            wait_until(lambda: get(url[7:], "/health")[1].find('"true"') >= 0, f"etcd at {url}")

    # ---- pilotd ----

    def start_pilotds(self, count=3, arguments=()):
        for i in range(count):
            xds, admin = free_port(self.address), free_port()
            command = [PILOTD, "--store", self.store, "--id", f"pilotd-{i + 1}",
                       "--xds", f"{self.address}:{xds}", "--admin", f"127.0.0.1:{admin}",
                       "--drain-spread", "500ms", *arguments]
            replica = self.start(f"pilotd-{i + 1}", command)
            replica.xds, replica.admin = f"{self.address}:{xds}", f"127.0.0.1:{admin}"
            self.pilotds.append(replica)
        self.wait_ready()

    def wait_ready(self):
        for replica in self.pilotds:
            wait_until(lambda: get(replica.admin, "/ready")[0] == 200, f"{replica.name} ready")

    def servers(self):
        return ",".join(replica.admin for replica in self.pilotds)

    # ---- the balancer ----

    def start_haproxy(self):
        self.lb = f"{self.address}:{free_port(self.address)}"
        env = {"PILOT_LB": self.lb}
        for i, replica in enumerate(self.pilotds, 1):
            env[f"PILOT_{i}"] = replica.xds
            env[f"PILOT_{i}_ADMIN"] = replica.admin.rsplit(":", 1)[1]
        # The admin port is on loopback; HAProxy's check address is the server's own unless told.
        config = open(os.path.join(ROOT, "deploy/haproxy/haproxy.cfg"), encoding="utf-8").read()
        config = config.replace(" port ", " addr 127.0.0.1 port ")
        path = os.path.join(self.directory, "haproxy.cfg")
        with open(path, "w", encoding="utf-8") as out:
            out.write(config)
        binary = shutil.which("haproxy") or "/usr/sbin/haproxy"
        self.haproxy = self.start("haproxy", [binary, "-db", "-f", path], env)
        wait_until(lambda: socket.create_connection(tuple(self.lb.rsplit(":", 1)), 1).close() is None,
                   "HAProxy listening")

    # ---- pilotctl ----

    def ctl(self, *arguments, check=True, env=None):
        done = subprocess.run([PILOTCTL, *arguments], text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=60,
                              env=dict(os.environ, PILOTD_STORE=self.store,
                                       PILOTD_SERVER=self.servers(), **(env or {})))
        if check and done.returncode != 0:
            raise Failure(f"pilotctl {' '.join(arguments)}: exit {done.returncode}\n{done.stdout}")
        return done

    # ---- workloads ----

    def start_sidecar(self, name, node_id, admin_address, labels=(), interception="NONE", xds=None,
                      prefix=()):
        admin_port = free_port(admin_address) if not prefix else 15000
        arguments = ["bootstrap", node_id, "--xds", xds or self.lb, "--interception", interception,
                     "--admin-address", admin_address, "--admin-port", str(admin_port)]
        for label in labels:
            arguments += ["--label", label]
        path = os.path.join(self.directory, f"{name}.json")
        with open(path, "w", encoding="utf-8") as out:
            out.write(self.ctl(*arguments).stdout)
        os.chmod(path, 0o644)
        sidecar = self.start(f"{name}-envoy", [
            ENVOY, "-c", path, "--concurrency", "1", "--use-dynamic-base-id", "-l", "warning",
            "--drain-time-s", "1"], prefix=prefix)
        sidecar.admin = f"{admin_address}:{admin_port}"
        return sidecar

    def register(self, name, ns, service, ttl_s, service_value, instance_value):
        registrar = self.start(f"{name}-registrar", [
            "sh", os.path.join(HERE, "registrar.sh"), self.etcd_urls[0], str(ttl_s), ns, service, name,
            json.dumps(service_value), json.dumps(instance_value)])
        wait_until(lambda: "registered" in registrar.log_tail(), f"{name} registered")
        return registrar
