"""pilotctl redirect: in a network namespace, with a real Envoy that runs as a user of its own."""

import concurrent.futures
import ctypes
import http.client
import json
import os
import socket
import socketserver
import subprocess

import pytest

from cluster import ENVOY
from harness import PILOTCTL, PILOTD, Process, Replica, get, wait_until
from sidecars import Backend, Mesh, resource, to, virtual_service

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces and nftables need root")

GOOD, FINDINGS, USAGE = range(3)
NAME, CABLE, UID, CLONE_NEWNET = "pd-redirect", "pd-redirect", "47111", 0x40000000
OUTSIDE, INSIDE = "10.231.79.1", "10.231.79.2"
OUTSIDE6, INSIDE6 = "fd00:231:79::1", "fd00:231:79::2"
COMMANDS = f"""
ip netns add {NAME}
ip link add {CABLE} type veth peer name eth0 netns {NAME}
ip addr add {OUTSIDE}/24 dev {CABLE}
ip addr add {OUTSIDE6}/64 dev {CABLE} nodad
ip link set {CABLE} up
ip -n {NAME} link set lo up
ip -n {NAME} addr add {INSIDE}/24 dev eth0
ip -n {NAME} addr add {INSIDE6}/64 dev eth0 nodad
ip -n {NAME} link set eth0 up
"""


def remove():
    for command in (f"ip netns del {NAME}", f"ip link del {CABLE}"):
        subprocess.run(command.split(), stderr=subprocess.DEVNULL, timeout=20)


def enter():
    libc = ctypes.CDLL(None, use_errno=True)
    with open(f"/run/netns/{NAME}", "rb") as namespace:
        if libc.setns(namespace.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")


class Backend6(Backend):
    address_family = socket.AF_INET6


class Peer(socketserver.StreamRequestHandler):
    """Says who calls, once it is asked: what speaks first is not to be told from HTTP."""

    def handle(self):
        self.rfile.readline()
        self.wfile.write(self.client_address[0].encode() + b"\n")


class PeerServer(socketserver.ThreadingTCPServer):
    daemon_threads = True


class PeerServer6(PeerServer):
    address_family = socket.AF_INET6


def ask_at(address, port, host):
    call = http.client.HTTPConnection(address, port, timeout=10)
    try:
        call.request("GET", "/", headers={"host": host})
        answer = call.getresponse()
        answer.read()
        return answer.headers.get("x-backend")
    finally:
        call.close()


def peer_at(address, port):
    with socket.create_connection((address, port), timeout=10) as connection:
        connection.sendall(b"who?\n")
        return connection.makefile().readline().strip()


class Machine(Mesh):
    """One in a namespace, with an Envoy; what it calls is outside."""

    def __init__(self):
        super().__init__()
        self.apps = []
        self.thread = concurrent.futures.ThreadPoolExecutor(1, initializer=enter)
        os.chmod(self.directory, 0o755)
        self.pilotd = Replica("pilotd", [PILOTD, "--store", f"file:{self.store}", "--xds", f"{OUTSIDE}:0",
                                         "--admin", "127.0.0.1:0"], self.directory)

    def __enter__(self):
        remove()
        for command in COMMANDS.strip().splitlines():
            subprocess.run(command.split(), check=True, timeout=20)
        self.routed = self.backend("routed", address=OUTSIDE)
        self.direct = self.backend("direct", address=OUTSIDE)
        self.direct6 = self.keep(Backend6("direct", address=OUTSIDE6))
        self.write("web.yaml", [
            resource("ServiceEntry", "web", {
                "hosts": ["web.test"], "location": "MESH_INTERNAL", "resolution": "STATIC",
                "ports": [{"number": port, "name": f"p{port}", "protocol": "HTTP"}
                          for port in (self.direct.port, self.direct6.port)],
                "endpoints": [{"address": OUTSIDE, "ports": {f"p{port}": self.routed.port for port in (
                    self.direct.port, self.direct6.port)}}]}),
            virtual_service("web", [{"route": [to("web")]}])])
        self.pilotd.start().wait_ready()
        self.start_envoy()
        self.apps = [self.inside(self.serve, PeerServer, "0.0.0.0"), self.inside(self.serve, PeerServer6, "::")]
        return self

    def __exit__(self, *exception):
        for app in self.apps:
            app.shutdown()
            app.server_close()
        super().__exit__(*exception)
        self.thread.shutdown()
        remove()

    def inside(self, function, *arguments):
        return self.thread.submit(function, *arguments).result()

    @staticmethod
    def serve(kind, address):
        server = kind((address, 0), Peer)
        concurrent.futures.ThreadPoolExecutor(1).submit(server.serve_forever, 0.05)
        return server

    def start_envoy(self):
        path = os.path.join(self.directory, "machine.json")
        node = f"sidecar~{INSIDE}~machine.default~default.svc.cluster.local"
        with open(path, "w", encoding="utf-8") as out:
            subprocess.run([PILOTCTL, "bootstrap", node, "--xds", self.pilotd.xds, "--ips", f"{INSIDE},{INSIDE6}"],
                           check=True, stdout=out, timeout=20)
        self.sidecars.append(Process(
            "envoy", [ENVOY, "-c", path, "--concurrency", "1", "--use-dynamic-base-id",
                      "--reject-unknown-dynamic-fields", "-l", "warning"], self.directory,
            prefix=["ip", "netns", "exec", NAME, "setpriv", "--reuid", UID, "--regid", UID, "--clear-groups"]).start())
        wait_until(lambda: self.inside(self.listens), "Envoy has its listeners")

    def listens(self):
        """Those of services are there; and Envoy has both where all is sent, for IPv4 and IPv6."""
        listeners = get("127.0.0.1:15000", "/listeners")[1]
        for port in (15001, 15006):
            for address in ("127.0.0.1", "::1"):
                socket.create_connection((address, port), timeout=1).close()
        return all(f"_{app.port}::" in listeners for app in (self.direct, self.direct6))

    def redirect(self, *words):
        done = subprocess.run(["ip", "netns", "exec", NAME, PILOTCTL, "redirect", *words], text=True, timeout=60,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return done.returncode, done.stdout

    def calls(self):
        """By IPv4 and IPv6, who answers for web.test when one calls where "direct" is."""
        return (self.inside(ask_at, OUTSIDE, self.direct.port, "web.test"),
                self.inside(ask_at, OUTSIDE6, self.direct6.port, "web.test"))


@pytest.fixture(name="machine", scope="module")
def fixture_machine():
    machine = Machine()
    try:
        yield machine.__enter__()
    finally:  # half of it may be there, when it did not come up
        machine.__exit__()


@pytest.fixture(autouse=True)
def clean(machine):
    yield
    assert machine.redirect("undo")[0] == GOOD


def applied(machine, *flags):
    status, out = machine.redirect("apply", "--uid", UID, *flags)
    assert (status, out) == (GOOD, "")


def test_what_the_machine_calls_goes_through_envoy_until_it_is_undone(machine):
    assert machine.calls() == ("direct", "direct")
    applied(machine)
    assert machine.calls() == ("routed", "routed")
    assert machine.redirect("undo") == (GOOD, "")
    assert machine.calls() == ("direct", "direct")


@pytest.mark.parametrize("flags, expected", [
    (lambda m: ["--exclude-outbound-ports", f"1,{m.direct.port}"], ("direct", "routed")),
    (lambda m: ["--exclude-cidrs", f"{OUTSIDE6}/64"], ("routed", "direct")),
    (lambda m: ["--exclude-cidrs", f"{OUTSIDE},{OUTSIDE6}"], ("direct", "direct")),
    (lambda m: ["--families", "4"], ("routed", "direct")),
    (lambda m: ["--families", "6"], ("direct", "routed")),
], ids=["ports", "range", "addresses", "ipv4", "ipv6"])
def test_what_is_excluded_is_left_alone(machine, flags, expected):
    applied(machine, *flags(machine))
    assert machine.calls() == expected


def test_what_envoys_user_opens_is_left_alone(machine):
    applied(machine)

    def called_by(uid):
        return json.loads(subprocess.run(
            ["ip", "netns", "exec", NAME, "setpriv", "--reuid", uid, "--clear-groups", "curl", "-s", "-m", "10",
             "-H", "host: web.test", f"http://{OUTSIDE}:{machine.direct.port}/"],
            check=True, stdout=subprocess.PIPE, timeout=20).stdout)["name"]
    assert called_by(UID) == "direct"
    assert called_by(str(int(UID) + 1)) == "routed"


def test_what_comes_in_goes_through_envoy_but_for_excluded_ports_and_loopback(machine):
    port, port6 = (app.server_address[1] for app in machine.apps)
    assert (peer_at(INSIDE, port), peer_at(INSIDE6, port6)) == (OUTSIDE, OUTSIDE6)

    applied(machine)
    assert peer_at(INSIDE, port) == "127.0.0.6"
    assert peer_at(INSIDE6, port6) not in (OUTSIDE6, "")
    assert machine.inside(peer_at, "127.0.0.1", port) == "127.0.0.1"
    assert machine.inside(peer_at, INSIDE, port) == INSIDE

    applied(machine, "--exclude-inbound-ports", f"22,{port}")
    assert peer_at(INSIDE, port) == OUTSIDE


def test_verify_tells_what_is_loaded_from_what_should_be(machine):
    def state(*flags):
        status, out = machine.redirect("verify", "--uid", UID, "-o", "json", *flags)
        told = json.loads(out)
        return status, told["state"], told["difference"]
    assert state() == (FINDINGS, "not loaded", [])
    applied(machine, "--exclude-cidrs", "10.9.0.0/16")

    assert state("--exclude-cidrs", "10.9.0.0/16") == (GOOD, "loaded", [])
    status, word, difference = state("--exclude-cidrs", "10.8.0.0/16")
    assert (status, word) == (FINDINGS, "other rules are loaded")
    assert [line.strip("+- \t") for line in difference if line[0] in "+-"] == [
        "ip daddr 10.8.0.0/16 return", "ip daddr 10.9.0.0/16 return"]

    subprocess.run(["ip", "netns", "exec", NAME, "nft", "flush", "chain", "inet", "pilot_redirect", "inbound"],
                   check=True, timeout=20)
    assert state("--exclude-cidrs", "10.9.0.0/16")[:2] == (FINDINGS, "other rules are loaded")
    assert "redirect to :15006" in machine.redirect("verify", "--uid", UID)[1]


def test_a_dry_run_prints_the_file_that_nft_takes_and_loads_nothing(machine):
    status, text = machine.redirect("--dry-run", "--uid", UID, "--exclude-inbound-ports", "")
    assert status == GOOD and "tcp dport 22" not in text and f"meta skuid {UID} return" in text
    subprocess.run(["ip", "netns", "exec", NAME, "nft", "-c", "-f", "-"], input=text, text=True, check=True, timeout=20)
    assert machine.redirect("verify", "--uid", UID)[0] == FINDINGS
    assert "tcp dport 22 return" in machine.redirect("--dry-run", "--uid", "root")[1]


@pytest.mark.parametrize("words, said", [
    ([], "apply, verify or undo"),
    (["apply"], "--uid: is needed"),
    (["apply", "--uid", "nobody-knows"], "no user nobody-knows"),
    (["apply", "--uid", "1", "--exclude-outbound-ports", "80,x"], '"x" is no port'),
    (["apply", "--uid", "1", "--exclude-cidrs", "10.0.0.0/33"], '"10.0.0.0/33" is no address or range'),
    (["undo", "--dry-run"], "apply, verify or undo"),
], ids=lambda value: "" if isinstance(value, str) else "_".join(value) or "nothing")
def test_what_is_wrong_is_said_and_nothing_is_loaded(machine, words, said):
    status, text = machine.redirect(*words)
    assert status == USAGE and said in text, text
    assert machine.redirect("verify", "--uid", UID)[0] == FINDINGS
