"""A value that is rejected changes nothing: the last good one stays in force, on every replica."""

import json
import subprocess
import time

import pytest

from harness import PILOTCTL, World, cluster_name, wait_until

KEY = "config/serviceentries/default/shop"


def shop(host):
    return {"apiVersion": "networking.istio.io/v1", "kind": "ServiceEntry",
            "metadata": {"name": "shop", "namespace": "default"},
            "spec": {"hosts": [host], "resolution": "STATIC", "endpoints": [{"address": "10.0.0.1"}],
                     "ports": [{"number": 80, "name": "http", "protocol": "HTTP"}]}}


GOOD, BETTER, BAD = shop("good.test"), shop("better.test"), shop("b@d")
CLUSTER, BETTER_CLUSTER = "outbound|80||good.test", "outbound|80||better.test"


@pytest.fixture
def world(etcd):
    with World(etcd) as made:
        made.put(KEY, GOOD)
        yield made


def agree(world, revision, replicas):
    for replica in replicas:
        world.wait_served(replica, revision)
    assert len({replica.status()["hash"] for replica in replicas}) == 1
    assert {replica.status()["agreement"] for replica in replicas} == {"agreed"}


def rejected(replica):
    return {line["key"]: line["held"] for line in replica.status()["rejected"]}


def test_the_last_good_value_stays_in_force(world):
    replicas = [world.replica() for _ in range(3)]
    clients = [world.connect(replica) for replica in replicas]
    for client in clients:
        client.wait_for("CDS", CLUSTER)
    before = [client.responses for client in clients]
    first = replicas[0].status()["hash"]

    revision = world.put(KEY, BAD)
    hold = json.loads(wait_until(lambda: world.read(f"holds/{KEY}"), "it is held"))
    assert hold["value"] == GOOD and hold["since"] == revision
    replicas.append(world.replica())  # this one has never seen the good value
    agree(world, revision + 1, replicas)
    assert replicas[3].status()["hash"] == first
    assert [rejected(replica) for replica in replicas] == [{KEY: True}] * 4
    assert [replica.metric("pilotd_held") for replica in replicas] == [1] * 4
    world.connect(replicas[3]).wait_for("CDS", CLUSTER)
    assert [client.responses for client in clients] == before  # nobody was told anything

    revision = world.put(KEY, BETTER)
    wait_until(lambda: world.read(f"holds/{KEY}") is None, "the hold is gone")
    agree(world, revision + 1, replicas)
    for client in world.clients:
        client.wait_for("CDS", BETTER_CLUSTER)
    assert [rejected(replica) for replica in replicas] == [{}] * 4


def test_a_deletion_is_one(world):
    replicas = [world.replica() for _ in range(2)]
    client = world.connect(replicas[0])
    client.wait_for("CDS", CLUSTER)
    world.put(KEY, BAD)
    wait_until(lambda: world.read(f"holds/{KEY}"), "it is held")

    revision = world.delete(KEY)
    wait_until(lambda: CLUSTER not in client.resources["CDS"], "it is gone")
    wait_until(lambda: world.read(f"holds/{KEY}") is None, "and so is the hold")
    agree(world, revision, replicas)


def test_a_value_that_was_never_good_is_absent_and_holds_nobody_up(world):
    replica = world.replica()
    client = world.connect(replica)
    client.wait_for("CDS", CLUSTER)
    begin = time.monotonic()
    world.put("config/serviceentries/default/other", "{")
    world.put_service("web")
    client.wait_for("CDS", cluster_name("web"))
    assert time.monotonic() - begin < 5
    assert rejected(replica) == {"config/serviceentries/default/other": False}
    assert world.read("holds/config/serviceentries/default/other") is None


def test_after_all_replicas_have_left_the_hold_is_still_there(world):
    replica = world.replica()
    world.put(KEY, BAD)
    wait_until(lambda: world.read(f"holds/{KEY}"), "it is held")
    assert replica.stop() == 0
    again = world.replica()
    world.connect(again).wait_for("CDS", CLUSTER)


def test_a_hold_whose_key_has_gone_meanwhile_is_tidied_up(world):
    replica = world.replica()
    world.put(KEY, BAD)
    wait_until(lambda: world.read(f"holds/{KEY}"), "it is held")
    assert replica.stop() == 0
    world.delete(KEY)
    world.replica()
    wait_until(lambda: world.read(f"holds/{KEY}") is None, "the hold is gone")


# ---- pilotctl, which works it out from etcd alone ----

NODE = "sidecar~10.0.0.9~web-1.default~default.svc.cluster.local"


def ask(world, *arguments):
    return subprocess.run([PILOTCTL, *arguments, "--store", world.store], text=True, timeout=60,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_pilotctl_has_in_force_what_replicas_have(world):
    world.replica()
    revision = world.put(KEY, BAD)
    hold = json.loads(wait_until(lambda: world.read(f"holds/{KEY}"), "it is held"))

    told = ask(world, "route", "--node", NODE, "http://good.test/")
    assert "10.0.0.1:80" in told.stdout
    assert told.stderr.startswith(f"held      {KEY}@{revision}: spec.hosts[0]: ")
    assert told.stderr.endswith(f" (its value of revision {hold['of']} stays in force)\n")
    assert f"held      {KEY}@{revision}: " in ask(world, "analyze").stderr

    world.put(KEY, BETTER)
    wait_until(lambda: world.read(f"holds/{KEY}") is None, "the hold is gone")
    told = ask(world, "route", "--node", NODE, "http://better.test/")
    assert "10.0.0.1:80" in told.stdout and told.stderr == ""


def test_pilotctl_tells_what_is_rejected_and_replaced_by_nothing(world):
    revision = world.put("config/serviceentries/default/other", "{")

    told = ask(world, "analyze")
    assert told.stderr.startswith(f"rejected  config/serviceentries/default/other@{revision}: ")
    assert told.stderr.endswith(" (nothing is in force for it)\n")


def test_pilotctl_has_instances_that_are_held(world):
    key = "registry/default/cart/i1"
    instance = {"address": "10.0.0.3", "ports": {"http": 80}}
    created = world.put(key, instance)
    gone = world.delete(key)
    world.put(f"holds/{key}", {"of": created, "created": created, "since": gone, "why": "expired",
                               "value": instance})

    told = ask(world, "route", "--node", NODE, "http://cart.default:80/")
    assert "10.0.0.3:80" in told.stdout
    assert told.stderr == ("held      registry/default/cart: 1 instances expired at once and stay in "
                           "force for a while\n")
    world.put(f"tombstones/{key}", "{}")
    told = ask(world, "route", "--node", NODE, "http://cart.default:80/")
    assert "10.0.0.3:80" not in told.stdout and told.stderr == ""
