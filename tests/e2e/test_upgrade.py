"""A rolling upgrade to a release that translates differently, and back: no proxy is sent a change
before all replicas can build it, and then all change over at one revision."""

import json
import os
import tempfile

import pytest
from envoy.service.discovery.v3 import discovery_pb2

import harness
from harness import Etcd, World, cluster_name, wait_until

NEXT = os.path.join(os.path.dirname(harness.PILOTD), "tools", "pilotd-next")
WEB = cluster_name("web")


@pytest.fixture
def world():
    with tempfile.TemporaryDirectory(prefix="pilotd-e2e-") as directory:
        with World(Etcd.start(directory)) as made:
            made.put_service("web")
            yield made
        made.etcd.kill()


def connect(world, replica):
    """A client that asks for routes as well, once it has them."""
    client = world.connect(replica)
    client.out.put(discovery_pb2.DeltaDiscoveryRequest(
        type_url=harness.TYPES["RDS"], resource_names_subscribe=["80"]))
    client.wait_for("CDS", WEB)
    client.wait_for("RDS", "80")
    return client


def replace(world, replicas, i, binary):
    """By another release under the same id."""
    replicas[i].stop(harness.WAIT_S)
    replicas[i] = world.replica(replica_id=f"id{i}", binary=binary)


def routes(client):
    return client.resources["RDS"]["80"]


def all_at(replicas, level):
    seen = [replica.status() for replica in replicas]
    return all(status["level"] == level and status["agreement"] == "agreed" for status in seen) and \
        len({status["hash"] for status in seen}) == 1


def test_all_change_over_together_and_back(world):
    replicas = [world.replica(replica_id=f"id{i}") for i in range(3)]
    assert [replica.status()["levelInForce"] for replica in replicas] == [1, 1, 1]
    before = routes(connect(world, replicas[0]))

    for i in (0, 1):
        replace(world, replicas, i, NEXT)
        assert routes(connect(world, replicas[i])) == before
    watchers = [connect(world, replica) for replica in replicas[:2]]
    replace(world, replicas, 2, NEXT)
    watchers.append(connect(world, replicas[2]))
    told = [watcher.responses for watcher in watchers]
    wait_until(lambda: all_at(replicas, 2), "all are at level 2", 30)
    wait_until(lambda: all(routes(watcher) != before for watcher in watchers), "proxies are told")
    assert len({routes(watcher) for watcher in watchers}) == 1
    assert [watcher.responses - count for watcher, count in zip(watchers, told)] == [1, 1, 1]
    revisions = {replica.status()["replicas"][0]["snapshotRevision"] for replica in replicas}
    assert len(revisions) == 1 and json.loads(world.read("cluster"))["level"] == 2

    replace(world, replicas, 0, harness.PILOTD)
    wait_until(lambda: all_at(replicas, 1), "all are back at level 1", 30)
    wait_until(lambda: all(routes(watcher) == before for watcher in watchers[1:]), "proxies are told")
    assert routes(connect(world, replicas[0])) == before


def test_one_that_cannot_follow_is_not_ready(world):
    world.put("cluster", {"epoch": "e1", "level": 9, "later": {"kept": True}})
    new = world.pilotd().wait_listening()
    wait_until(lambda: new.status()["levelInForce"] == 1, "it lowers the level for itself")
    new.wait_ready()
    assert json.loads(world.read("cluster")) == {"epoch": "e1", "level": 1, "later": {"kept": True}}
