"""The balancer's set-up as it is shipped: where new streams go, and that streams which are there stay."""

import os
import re
import shutil
import signal
import socket
import tempfile

import grpc
import pytest

from harness import Etcd, Process, World, cluster_name, free_port, wait_until
from cluster import ROOT
from relay import Relay

WEB = cluster_name("web")


def in_h2_mode(config):
    config = config.replace("mode tcp", "mode http\n    http-reuse always")
    config = config.replace('bind "${PILOT_LB}"', 'bind "${PILOT_LB}" proto h2')
    return re.sub(r'(server pilotd-\d "\S+") port', r"\1 proto h2 check-proto h1 port", config)


class HAProxy(Process):
    """In front of up to three replicas: of their ports in plain text, or of those with TLS. As it is
    shipped it passes bytes on; in h2 mode it speaks HTTP/2 on both sides, and has the streams of several
    clients on one connection to a replica."""

    def __init__(self, replicas, directory, port="xds", is_h2=False):
        self.address = f"127.0.0.1:{free_port()}"
        env = {"PILOT_LB": self.address}
        for i in (1, 2, 3):
            replica = replicas[i - 1] if i <= len(replicas) else None
            env[f"PILOT_{i}"] = getattr(replica, port) if replica else "127.0.0.1:1"
            env[f"PILOT_{i}_ADMIN"] = replica.admin.rsplit(":", 1)[1] if replica else "1"
        binary = shutil.which("haproxy") or "/usr/sbin/haproxy"
        with open(os.path.join(ROOT, "deploy/haproxy/haproxy.cfg"), encoding="utf-8") as shipped:
            config = in_h2_mode(shipped.read()) if is_h2 else shipped.read()
        path = os.path.join(directory, "haproxy.cfg")
        with open(path, "w", encoding="utf-8") as out:  # a busy machine is no replica that hangs
            out.write(config.replace("timeout check 300ms", "timeout check 10s"))
        super().__init__("haproxy", [binary, "-db", "-f", path], directory, env)

    def start(self):
        super().start()
        wait_until(lambda: socket.create_connection(tuple(self.address.rsplit(":", 1)), 1).close() is None,
                   "HAProxy listens")
        return self


@pytest.fixture
def world():
    with tempfile.TemporaryDirectory(prefix="pilotd-e2e-") as directory:
        with World(Etcd.start(directory)) as made:
            made.put_service("web")
            made.balancers = []
            yield made
            for balancer in made.balancers:
                balancer.kill()
        made.etcd.kill()


def balance(world, *replicas, is_h2=False):
    balancer = HAProxy(replicas, world.directory, is_h2=is_h2).start()
    world.balancers.append(balancer)
    return balancer


def connect(world, balancer):
    """A client through the balancer, served."""
    class Front:
        xds = balancer.address
    client = world.connect_until_served(Front)
    client.wait_for("CDS", WEB)
    return client


def streams(replica):
    return replica.metric('pilot_xds{variant="delta"}')


def test_a_stale_replica_keeps_its_streams_and_gets_no_new_ones(world):
    host, port = world.etcd.address.split(":")
    relay = Relay(host, int(port))
    cut_off = world.replica(store=f"etcd://{relay.address}{world.prefix[:-1]}")
    balancer = balance(world, cut_off, fresh := world.replica())
    clients = [connect(world, balancer) for _ in range(4)]
    held = streams(cut_off)
    assert held > 0 and held + streams(fresh) == 4

    relay.cut()
    wait_until(lambda: cut_off.get("/ready")[0] == 404, "it is stale")

    def gets_none_of_three():
        before = streams(cut_off)
        for _ in range(3):
            connect(world, balancer)
        return streams(cut_off) == before
    wait_until(gets_none_of_three, "new ones go elsewhere")  # once HAProxy has looked
    assert gets_none_of_three() and gets_none_of_three()
    assert streams(cut_off) >= held and [c.error for c in clients] == [None] * 4


def test_when_all_are_stale_new_streams_are_served_all_the_same(world):
    replica = world.replica()
    balancer = balance(world, replica)
    first = connect(world, balancer)

    world.etcd.process.signal(signal.SIGSTOP)
    wait_until(lambda: replica.get("/ready")[0] == 404, "it is stale")
    second = connect(world, balancer)
    assert first.error is None and second.error is None
    world.etcd.process.signal(signal.SIGCONT)
    wait_until(replica.is_ready, "it is fresh again", 30)
    connect(world, balancer)
    assert first.error is None and second.error is None


def test_in_h2_mode_clients_share_a_connection_and_are_moved_in_a_drain(world):
    first = world.replica("--threads", "1")
    balancer = balance(world, first, is_h2=True)
    clients = [connect(world, balancer) for _ in range(6)]
    assert streams(first) == 6 and first.metric("pilotd_connections") < 6

    world.put_service("news")
    for client in clients:
        client.wait_for("CDS", cluster_name("news"))
    assert all(client.error is None for client in clients)

    first.signal(signal.SIGTERM)
    for client in clients:
        wait_until(lambda client=client: client.error, "it is told to leave")
        assert client.error.code() == grpc.StatusCode.UNAVAILABLE
    first.wait()
    balancer.kill()
    second = world.replica("--threads", "1")
    balancer = balance(world, second, is_h2=True)
    again = [connect(world, balancer) for _ in range(6)]
    world.put_service("more")
    for client in again:
        client.wait_for("CDS", cluster_name("more"))
