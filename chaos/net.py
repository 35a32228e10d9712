"""The network of a chaos run: namespaces on one bridge, in a network namespace of the runner's own.

    enter()              the runner starts itself anew in network, mount and process namespaces of its own
    network = Network()  the bridge; the runner has 10.77.0.1 on it
    host = network.host("pilotd-1", "10.77.2.1")
    host.cut_off(addresses, "drop"); host.heal(); network.slow(host, addresses, 0.3, 0.05)

Nothing is left behind, however the runner ends: its namespaces go with it, and so do the processes,
the files (a tmpfs on /run), the links and the rules in them. Needs root.
"""

import ctypes
import os
import signal
import subprocess
import sys

BRIDGE_ADDRESS, PREFIX_BITS = "10.77.0.1", 16
BRIDGE_MAC = "02:00:0a:4d:00:01"  # else it takes the lowest of its links', another one when a link comes
ENTERED = "PILOTD_CHAOS_ENTERED"
PR_SET_PDEATHSIG = 1
FILES_LIMIT = "2g"  # of the tmpfs that holds etcd's data and the logs


def sh(*command):
    done = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        raise OSError(f"{' '.join(command)}: exit {done.returncode}: {done.stdout.strip()}")
    return done.stdout


def enter():
    """Returns in the new namespaces; outside of them it does not return."""
    if os.geteuid() != 0:
        sys.exit("chaos: needs root, for network namespaces of its own")
    if os.environ.get(ENTERED) != "yes":
        os.environ[ENTERED] = "yes"
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # whoever kills the parent ends all
        command = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
                   sys.executable, *sys.argv]
        os.execvp(command[0], command)
    del os.environ[ENTERED]
    sh("mount", "-t", "tmpfs", "-o", f"size={FILES_LIMIT}", "chaos", "/run")
    os.makedirs("/run/netns")


class Host:
    """A namespace with one address on the bridge."""

    def __init__(self, name, address, number):
        self.name, self.address, self.link = name, address, f"v{number}"
        self.prefix = ["ip", "netns", "exec", name]
        sh("ip", "netns", "add", name)
        sh("ip", "link", "add", self.link, "type", "veth", "peer", "name", "eth0", "netns", name)
        sh("ip", "link", "set", self.link, "master", "br0", "up")
        for command in (["addr", "add", f"{address}/{PREFIX_BITS}", "dev", "eth0"],
                        ["link", "set", "eth0", "up"], ["link", "set", "lo", "up"]):
            sh("ip", "-n", name, *command)
        self.delay = None

    def cut_off(self, addresses, how):
        """`how`: drop (silence both ways) or reject (connections are refused and reset)."""
        target = ["DROP"] if how == "drop" else ["REJECT", "--reject-with", "tcp-reset"]
        for address in addresses:
            for chain, side in (("OUTPUT", "-d"), ("INPUT", "-s")):
                sh(*self.prefix, "iptables", "-A", chain, "-p", "tcp", side, address, "-j", *target)

    def heal(self):
        sh(*self.prefix, "iptables", "-F")
        if self.delay:
            self.delay.kill()
            self.delay.wait()
            self.delay = None
            sh("ip", "link", "del", f"{self.link}d")
            sh("ip", "link", "set", self.link, "master", "br0")


class Network:
    def __init__(self):
        self.hosts = {}
        sh("ip", "link", "set", "lo", "up")
        sh("ip", "link", "add", "br0", "address", BRIDGE_MAC, "type", "bridge")
        sh("ip", "addr", "add", f"{BRIDGE_ADDRESS}/{PREFIX_BITS}", "dev", "br0")
        sh("ip", "link", "set", "br0", "up")

    def host(self, name, address):
        self.hosts[name] = Host(name, address, len(self.hosts))
        return self.hosts[name]

    def address(self, address):
        """One more of the runner's own."""
        sh("ip", "addr", "add", f"{address}/{PREFIX_BITS}", "dev", "br0")

    def slow(self, host, addresses, delay_s, loss):
        """What goes to and from these addresses comes later, and a share of it never. Not every
        kernel has netem, so a process carries the frames between the host's link and the bridge."""
        bridge_side = f"{host.link}d"
        sh("ip", "link", "add", bridge_side, "type", "veth", "peer", "name", f"{host.link}e")
        sh("ip", "link", "set", f"{host.link}e", "master", "br0", "up")
        sh("ip", "link", "set", bridge_side, "up")
        sh("ip", "link", "set", host.link, "nomaster")
        here = os.path.dirname(os.path.abspath(__file__))
        host.delay = subprocess.Popen(
            [sys.executable, os.path.join(here, "slow_link.py"), host.link, bridge_side,
             str(delay_s), str(loss), *addresses])
