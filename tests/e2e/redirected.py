"""A mesh whose callers are in a network namespace of their own, where iptables sends what they call
to the Envoy beside them: for what needs redirection. Only root can make it.

What is called is on this machine's end of a cable to that namespace, at any of ADDRESSES.
"""

import concurrent.futures
import ctypes
import http.client
import os
import socket
import subprocess

from harness import PILOTCTL, PILOTD, Process, Replica
from cluster import ENVOY
from sidecars import HTTP_PORT, Mesh, Reply

NAME, CABLE, SUBNET = "pd-traffic", "pd-traffic", "10.231.78"
OUTSIDE, INSIDE = f"{SUBNET}.1", f"{SUBNET}.2"
ADDRESSES = (f"{SUBNET}.11", f"{SUBNET}.12")
MARK, ADMIN_PORT, CLONE_NEWNET = 77, 15000, 0x40000000
REDIRECT = "-j REDIRECT --to-ports 15001"
COMMANDS = f"""
ip netns add {NAME}
ip link add {CABLE} type veth peer name eth0 netns {NAME}
ip addr add {OUTSIDE}/24 dev {CABLE}
ip addr add {ADDRESSES[0]}/24 dev {CABLE}
ip addr add {ADDRESSES[1]}/24 dev {CABLE}
ip link set {CABLE} up
ip -n {NAME} link set lo up
ip -n {NAME} addr add {INSIDE}/24 dev eth0
ip -n {NAME} link set eth0 up
ip -n {NAME} route add default via {OUTSIDE}
ip netns exec {NAME} iptables -t nat -A OUTPUT -p tcp -m mark --mark {MARK} {REDIRECT}
"""


def remove():
    for command in (f"ip netns del {NAME}", f"ip link del {CABLE}"):
        subprocess.run(command.split(), stderr=subprocess.DEVNULL, timeout=20)


def enter():
    libc = ctypes.CDLL(None, use_errno=True)
    with open(f"/run/netns/{NAME}", "rb") as namespace:
        if libc.setns(namespace.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")


def redirected_socket():
    out = socket.socket()
    out.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, MARK)
    return out


class RedirectedMesh(Mesh):
    """`at` is where a caller means to go; by default an address that nobody has."""

    NOWHERE = f"{SUBNET}.200"

    def __init__(self):
        super().__init__()
        self.inside = None
        self.pilotd = Replica("pilotd", [PILOTD, "--store", f"file:{self.store}", "--xds",
                                         f"{OUTSIDE}:0", "--admin", "127.0.0.1:0"], self.directory)

    def __enter__(self):
        remove()
        for command in COMMANDS.strip().splitlines():
            subprocess.run(command.split(), check=True, timeout=20)
        self.inside = concurrent.futures.ThreadPoolExecutor(1, initializer=enter)
        self.mark()
        self.pilotd.start().wait_ready()
        self.start_redirected()
        return self

    def __exit__(self, *exception):
        super().__exit__(*exception)
        self.inside.shutdown()
        remove()

    def start_redirected(self):
        node = f"sidecar~{INSIDE}~client.default~default.svc.cluster.local"
        path = os.path.join(self.directory, "client.json")
        with open(path, "w", encoding="utf-8") as out:
            subprocess.run([PILOTCTL, "bootstrap", node, "--xds", self.pilotd.xds, "--admin-port",
                            str(ADMIN_PORT)], check=True, stdout=out, timeout=20)
        command = [ENVOY, "-c", path, "--concurrency", "1", "--use-dynamic-base-id",
                   "--reject-unknown-dynamic-fields", "-l", "error"]
        sidecar = Process("client", command, self.directory,
                          prefix=["ip", "netns", "exec", NAME]).start()
        sidecar.address = self.NOWHERE
        self.sidecars.append(sidecar)
        self.wait_for_marker(sidecar)

    def connect(self, at, port, timeout=10):
        connection = self.inside.submit(redirected_socket).result()
        connection.settimeout(timeout)
        connection.connect((at, port))
        return connection

    def ask(self, host, path="/", port=HTTP_PORT, at=NOWHERE, **_):
        with self.connect(at, port) as connection:
            call = http.client.HTTPConnection(at, port)
            call.sock = connection
            call.request("GET", path, headers={"host": host})
            answer = call.getresponse()
            text = answer.read().decode(errors="replace")
            return Reply(answer.status, {k.lower(): v for k, v in answer.getheaders()}, text)

    def say(self, port, line="hello\n", at=NOWHERE, timeout=10):
        with self.connect(at, port, timeout) as connection:
            try:
                connection.sendall(line.encode())
                return connection.makefile().readline()
            except (ConnectionError, socket.timeout):
                return ""
