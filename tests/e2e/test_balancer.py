"""The balancer's set-up as it is shipped: where new streams go, and that streams which are there stay."""

import os
import re
import shutil
import signal
import socket
import tempfile

import grpc
import pytest
import yaml

from harness import Etcd, Process, World, cluster_name, free_port, wait_until
from cluster import ENVOY, ROOT
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


class EnvoyBalancer(Process):
    """The other balancer: deploy/envoy/balancer.yaml with the addresses of up to three replicas."""

    def __init__(self, replicas, directory):
        self.address = f"127.0.0.1:{free_port()}"
        with open(os.path.join(ROOT, "deploy/envoy/balancer.yaml"), encoding="utf-8") as shipped:
            config = yaml.safe_load(shipped)
        listener, cluster = config["static_resources"]["listeners"][0], config["static_resources"]["clusters"][0]
        listener["address"]["socket_address"] = self.socket_address(self.address)
        endpoints = cluster["load_assignment"]["endpoints"][0]
        endpoints["lb_endpoints"] = endpoints["lb_endpoints"][:len(replicas)]
        for replica, entry in zip(replicas, endpoints["lb_endpoints"]):
            entry["endpoint"]["address"]["socket_address"] = self.socket_address(replica.xds)
            entry["endpoint"]["health_check_config"]["port_value"] = int(replica.admin.rsplit(":", 1)[1])
        cluster["health_checks"][0]["timeout"] = "10s"  # a busy machine is no replica that hangs
        path = os.path.join(directory, "balancer.yaml")
        with open(path, "w", encoding="utf-8") as out:
            yaml.safe_dump(config, out)
        super().__init__("envoy-balancer", [ENVOY, "-c", path, "--use-dynamic-base-id", "--concurrency", "1",
                                            "-l", "warning"], directory)

    @staticmethod
    def socket_address(text):
        host, port = text.rsplit(":", 1)
        return {"address": host, "port_value": int(port)}

    def start(self):
        super().start()
        wait_until(lambda: socket.create_connection(tuple(self.address.rsplit(":", 1)), 1).close() is None,
                   "Envoy listens")
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


def balance(world, *replicas, kind=HAProxy, **options):
    balancer = kind(replicas, world.directory, **options).start()
    world.balancers.append(balancer)
    return balancer


def connect(world, balancer):
    """A client through the balancer, served."""
    client = world.connect_until_served(balancer_of(balancer))
    client.wait_for("CDS", WEB)
    return client


@pytest.mark.parametrize("kind", [HAProxy, EnvoyBalancer])
def test_a_drain_costs_each_stream_one_reconnect_that_is_served(world, kind):
    first, second = world.replica("--drain-spread", "2s"), world.replica()
    balancer = balance(world, first, second, kind=kind)
    clients = [connect(world, balancer) for _ in range(12)]
    wait_until(lambda: streams(first) + streams(second) == 12, "all are counted")
    moving = streams(first)
    assert moving > 0 and streams(second) > 0

    first.signal(signal.SIGTERM)
    changes, moved = iter(range(1000)), []

    def all_moved():
        world.put_service(f"s{next(changes)}")  # the mesh changes meanwhile
        for client in [client for client in clients if client.error]:
            clients.remove(client)
            again = world.connect(balancer_of(balancer))
            again.wait_for("CDS", WEB)
            moved.append(again)
        return len(moved) == moving
    wait_until(all_moved, "those of the drained one have moved", 30)

    assert first.wait() == 0
    world.put_service("last")
    for client in clients + moved:
        client.wait_for("CDS", cluster_name("last"))
        assert client.error is None  # one reconnect was enough, and who was elsewhere felt nothing
    assert len(clients) == 12 - moving and streams(second) == 12


def balancer_of(balancer):
    class Front:
        xds = balancer.address
    return Front


def streams(replica):
    return replica.metric('pilot_xds{variant="delta"}')


@pytest.mark.parametrize("kind", [HAProxy, EnvoyBalancer])
def test_a_stale_replica_keeps_its_streams_and_gets_no_new_ones(world, kind):
    host, port = world.etcd.address.split(":")
    relay = Relay(host, int(port))
    cut_off = world.replica(store=f"etcd://{relay.address}{world.prefix[:-1]}")
    balancer = balance(world, cut_off, fresh := world.replica(), kind=kind)
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


@pytest.mark.parametrize("kind", [HAProxy, EnvoyBalancer])
def test_when_all_are_stale_new_streams_are_served_all_the_same(world, kind):
    replica = world.replica()
    balancer = balance(world, replica, kind=kind)
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
