"""A stream that opens is not answered from a past that its proxy has left behind."""

import time

import grpc
import pytest

from harness import World, cluster_name, wait_until
from relay import Relay

WEB, LATE = cluster_name("web"), cluster_name("late")


@pytest.fixture
def world(etcd):
    with World(etcd) as made:
        made.put_service("web")
        yield made


@pytest.fixture
def lagging(world):
    """A replica whose watch can be held back."""
    host, port = world.etcd.address.split(":")
    relay = Relay(host, int(port))
    return world.replica(store=f"etcd://{relay.address}{world.prefix[:-1]}"), relay


def test_a_new_stream_waits_for_what_was_written_before_it(world, lagging):
    replica, relay = lagging
    let_go = relay.hold()
    world.put_service("late")
    client = world.connect(replica)

    wait_until(lambda: replica.metric("pilotd_gate_reads_total") > 0, "the store is asked")
    assert client.responses == 0
    let_go()
    client.wait_for("CDS", LATE)
    assert replica.metric("pilotd_stale_streams_total") == 0


def test_who_cannot_know_sends_proxies_elsewhere(world, lagging):
    replica, relay = lagging
    let_go = relay.hold()
    world.put_service("late")
    begin = time.monotonic()
    client = world.connect(replica)

    wait_until(lambda: client.error, "it is turned away")
    assert time.monotonic() - begin > 0.9 and client.responses == 0
    assert client.error.code() == grpc.StatusCode.UNAVAILABLE
    assert "ask another replica" in client.error.details()
    assert replica.metric("pilotd_turned_away_streams_total") >= 1
    let_go()
    world.connect(replica).wait_for("CDS", LATE)


def test_a_replica_that_is_known_to_be_stale_serves_who_comes_all_the_same(world, lagging):
    replica, relay = lagging
    relay.cut()
    world.put_service("late")
    client = world.connect_until_served(replica)
    client.wait_for("CDS", WEB)
    assert replica.get("/ready")[0] == 404 and LATE not in client.resources["CDS"]
    assert replica.metric("pilotd_stale_streams_total") >= 1


def test_many_streams_share_few_reads(world):
    replica = world.replica()
    for _ in range(200):
        world.connect(replica)
    for client in world.clients:
        client.wait_for("CDS", WEB)

    assert replica.metric("pilotd_stale_streams_total") == 0
    assert replica.metric("pilotd_gate_reads_total") < 100
