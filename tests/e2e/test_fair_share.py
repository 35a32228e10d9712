"""Replicas come to have equal numbers of streams: one that is full sends some to those that have room."""

import contextlib
import json
import os
import subprocess
import threading

import grpc
import pytest

from harness import PILOTCTL, World, cluster_name, wait_until
from test_balancer import HAProxy
from cluster import ROOT

TOOL = os.path.join(ROOT, os.environ.get("PILOT_BUILD", "build"), "tools", "xds_proxies")
WEB = cluster_name("web")


@pytest.fixture
def world(etcd):
    with World(etcd) as made:
        made.put_service("web")
        yield made


@contextlib.contextmanager
def peer(world, replica, streams):
    """Another replica, that tells each second that it has so many streams (a number, or called)."""
    wait_until(lambda: world.read(f"replicas/{replica.name}"), "a record to copy")
    ended, beat = threading.Event(), 0

    def tell():
        nonlocal beat
        while not ended.is_set():
            beat += 1
            record = json.loads(world.read(f"replicas/{replica.name}"))
            count = streams() if callable(streams) else streams
            world.put("replicas/peer", dict(record, id="peer", instance="x", streams=count, beat=beat))
            ended.wait(1)
    thread = threading.Thread(target=tell)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def fill(world, replica, count):
    """One after the other: the first is the oldest."""
    clients = []
    for _ in range(count):
        clients.append(world.connect(replica))
        clients[-1].wait_for("CDS", WEB)
    return clients


def wait_for_cap(replica, cap):
    wait_until(lambda: replica.metric("pilotd_stream_cap") == cap, f"the cap is {cap}")


def test_alone_there_is_no_cap(world):
    replica = world.replica()
    fill(world, replica, 20)
    assert replica.metric("pilotd_stream_cap") == 0
    assert replica.metric("pilotd_streams_refused_total") == 0


def test_a_full_replica_sends_new_streams_to_those_that_have_room(world):
    replica = world.replica()
    there = fill(world, replica, 30)
    with peer(world, replica, 0):
        wait_for_cap(replica, 28)

        def one_is_refused():
            client = world.connect(replica)
            wait_until(lambda: client.error or client.responses, "an answer or an end")
            return client.error
        error = wait_until(one_is_refused, "a new stream is refused")
        assert error.code() == grpc.StatusCode.UNAVAILABLE
        assert "others have fewer streams" in error.details()
        assert replica.metric("pilotd_streams_refused_total") == 1
        assert sum(client.error is None for client in there) >= 20, "who is there stays, down to the share"


def test_a_full_replica_takes_new_streams_when_the_others_are_full_too(world):
    replica = world.replica()
    fill(world, replica, 12)
    with peer(world, replica, 40):
        wait_for_cap(replica, 42)
        fill(world, replica, 40)
        wait_until(lambda: replica.metric("pilotd_stream_cap") > 60, "they are counted")
        assert replica.metric("pilotd_streams_refused_total") == 0


def test_the_cap_can_be_switched_off(world):
    replica = world.replica("--stream-margin", "0")
    with peer(world, replica, 0):
        wait_until(lambda: len(replica.status()["replicas"]) == 2, "the peer is known")
        fill(world, replica, 40)
        assert replica.metric("pilotd_stream_cap") == 0
        assert replica.metric("pilotd_streams_refused_total") == 0


def test_a_full_replica_sheds_its_oldest_streams_little_by_little(world):
    replica = world.replica("--threads", "1")
    clients = fill(world, replica, 60)
    with peer(world, replica, lambda: sum(client.error is not None for client in clients)):
        wait_for_cap(replica, 46)
        assert replica.status()["streamCap"] == 46
        told = subprocess.run([PILOTCTL, "status", "--server", replica.admin], text=True, stdout=subprocess.PIPE)
        assert "streams   a fair share and its margin are 46\n" in told.stdout
        wait_until(lambda: replica.metric("pilotd_streams_shed_total") >= 22, "it sheds", 60)
        beat = json.loads(world.read("replicas/peer"))["beat"]
        wait_until(lambda: json.loads(world.read("replicas/peer"))["beat"] > beat + 3, "and more beats")
        assert 22 <= replica.metric("pilotd_streams_shed_total") <= 24, "half way from the cap to the share"
        gone = [client for client in clients if client.error]
        assert {client.error.code() for client in gone} == {grpc.StatusCode.UNAVAILABLE}
        assert "others have fewer streams" in gone[0].error.details()
        assert replica.metric("pilotd_streams_shed_total") == len(gone)
        assert gone == clients[:len(gone)], "the oldest"
        assert replica.metric("pilotd_connections_aged_total") == 0


# ---- three replicas behind the balancer that is shipped ----

CLIENTS = 240


class Proxies:
    """Many raw clients through a balancer, which connect anew as Envoys do (tests/tools/xds_proxies.c)."""

    def __init__(self, balancer):
        self.served = {}  # client -> types that the stream was sent
        self.sent_twice = []
        self.closed = {}  # client -> when its stream broke, until it is served again
        self.waits = []  # from the one to the other
        self.process = subprocess.Popen([TOOL, str(CLIENTS), balancer.address], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        for line in self.process.stdout:
            event = json.loads(line)
            if event["e"] == "close":
                self.closed.setdefault(event["c"], event["t"])
                self.served.pop(event["c"], None)
            elif event["e"] == "response":
                self.take(event)

    def take(self, event):
        self.sent_twice += [resource for resource in event["set"] if resource[3] == "held"]
        self.served.setdefault(event["c"], set()).add(event["type"])
        if event["c"] in self.closed:
            self.waits.append(event["t"] - self.closed.pop(event["c"]))

    def are_served(self):
        return len(self.served) == CLIENTS

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.thread.join()


def streams(replica):
    return replica.metric('pilot_xds{variant="delta"}')


def total(replicas, name):
    return sum(replica.metric(name) for replica in replicas)


def is_within_cap(replica):
    return 0 < streams(replica) <= replica.metric("pilotd_stream_cap")


def test_a_replica_that_dies_and_returns_is_given_its_share_again(world):
    world.put_service("web", 8080)
    replicas = [world.replica() for _ in range(3)]
    balancer = HAProxy(replicas, world.directory).start()
    proxies = Proxies(balancer)
    try:
        wait_until(proxies.are_served, "all are served", 60)
        wait_until(lambda: all(is_within_cap(replica) for replica in replicas), "all have a cap")
        assert total(replicas, "pilotd_streams_shed_total") == 0

        *others, victim = replicas
        held = streams(victim)
        victim.kill()
        wait_until(lambda: total(others, 'pilot_xds{variant="delta"}') == CLIENTS and proxies.are_served(),
                   "the others serve all", 60)
        assert len(proxies.waits) == held, "its streams broke, each once, and no others"
        assert total(others, "pilotd_streams_refused_total") == 0
        print(f"{held} streams elsewhere within {max(proxies.waits) * 1000:.0f} ms")

        there = [*others, world.replica("--xds", victim.xds, "--admin", victim.admin, replica_id="r3")]
        wait_until(lambda: all(is_within_cap(replica) for replica in there), "each is within its cap", 90)
        moved = total(there, "pilotd_streams_shed_total")
        assert 20 <= moved <= CLIENTS / 3
        wait_until(proxies.are_served, "all are served")
        assert len(proxies.waits) <= held + moved + total(there, "pilotd_streams_refused_total")
        assert total(there, "pilotd_streams_refused_total") <= 10
        assert not proxies.sent_twice
        print(f"{moved} streams shed: {[streams(replica) for replica in there]}")
    finally:
        proxies.close()
        balancer.kill()
