"""The copy on disk: a replica that starts while etcd is away serves what was last known."""

import json
import os
import subprocess
import tempfile
import time

import pytest

from harness import PILOTD, Etcd, World, b64, cluster_name, wait_until

WEB, GONE, LATE = cluster_name("web"), cluster_name("gone"), cluster_name("late")


@pytest.fixture
def world():
    """With an etcd of its own, and one replica that has kept its copy and was killed."""
    with tempfile.TemporaryDirectory(prefix="pilotd-e2e-") as directory:
        with World(Etcd.start(directory)) as made:
            made.put_service("gone")
            made.put_service("web")
            made.copy = f"{directory}/copies/last-good"
            os.mkdir(f"{directory}/copies")
            made.arguments = ("--data-dir", f"{directory}/copies")
            replica = made.replica(*made.arguments)
            made.hash = replica.status()["hash"]
            wait_until(lambda: os.path.exists(made.copy), "the copy is there")
            replica.kill()
            yield made
        made.etcd.kill()


def start_without_etcd(world):
    world.etcd.kill()
    replica = world.pilotd(*world.arguments)
    replica.wait_listening()
    return replica


def test_the_copy_is_served_until_etcd_is_back(world):
    world.put_service("late")
    world.delete("services/default/gone")
    world.delete("registry/default/gone/i1")
    replica = start_without_etcd(world).wait_serving()
    client = world.connect(replica)

    client.wait_for("CDS", WEB)
    client.wait_for("CDS", GONE)
    status = replica.status()
    assert status["state"] == "degraded" and "--data-dir" in status["problem"]
    assert status["hash"] == world.hash and replica.metric("pilotd_copy_served") == 1
    code, body = replica.get("/ready")
    assert code == 404 and "stale" in body
    assert LATE not in client.resources["CDS"]

    responses = client.responses
    world.etcd.up()
    client.wait_for("CDS", LATE)
    wait_until(lambda: GONE not in client.resources["CDS"], "what was deleted is gone")
    wait_until(lambda: replica.status()["state"] == "serving", "it serves as ever")
    assert WEB in client.resources["CDS"] and replica.metric("pilotd_copy_served") == 0
    assert client.responses - responses < 8  # one difference, not a whole configuration
    assert client.error is None


def test_what_comes_later_is_kept_too(world):
    replica = world.replica(*world.arguments)
    revision = world.put_service("late")
    wait_until(lambda: replica.metric("pilotd_copy_revision") >= revision, "it is kept")
    replica.kill()
    again = start_without_etcd(world).wait_serving()
    world.connect(again).wait_for("CDS", LATE)


def test_a_copy_has_all_that_its_revision_brought(world):
    world.replica(*world.arguments)
    epoch = json.loads(wait_until(lambda: world.read("cluster"), "the key cluster is there"))
    wait_until(lambda: time.time() - os.path.getmtime(world.copy) > 1.5, "it may be written at once")

    def put(key, value):
        return {"requestPut": {"key": b64(world.prefix + key), "value": b64(json.dumps(value))}}

    ports = [{"name": "http", "number": 80, "protocol": "HTTP"}]
    answer = world.etcd.call("kv/txn", {"success": [put("cluster", dict(epoch, later=1)),
                                                    put("services/default/late", {"ports": ports})]})
    line = f"revision {answer['header']['revision']}\n".encode()

    def copy():
        with open(world.copy, "rb") as file:
            text = file.read()
        return text if line in text else None
    assert b"services/default/late" in wait_until(copy, "it is kept")


@pytest.mark.parametrize("spoil, why", [
    (lambda text: text[:-100], "cut off or was changed"),
    (lambda text: text.replace(b"10.1.0.1", b"10.6.6.6"), "cut off or was changed"),
    (lambda text: b"somebody's diary\n", "no copy that pilotd has written")])
def test_a_copy_that_is_not_to_be_trusted_is_not_served(world, spoil, why):
    with open(world.copy, "rb") as file:
        text = file.read()
    with open(world.copy, "wb") as file:
        file.write(spoil(text))
    replica = start_without_etcd(world)

    wait_until(lambda: why in replica.log(), "it says so")
    assert not replica.is_ready() and world.copy in replica.log()
    world.etcd.up()
    replica.wait_ready()
    world.connect(replica).wait_for("CDS", WEB)


def test_without_a_copy_it_waits(world):
    os.unlink(world.copy)
    replica = start_without_etcd(world)

    wait_until(lambda: "there is no copy" in replica.log(), "it says so")
    assert not replica.is_ready()
    world.etcd.up()
    replica.wait_ready()


@pytest.mark.parametrize("store, directory, why", [
    ("file:/tmp", "/tmp", "goes with etcd"),
    ("etcd://127.0.0.1:1/pilot", "/proc/nowhere", "--data-dir: /proc/nowhere")])
def test_a_directory_that_is_no_use_is_refused_at_the_start(store, directory, why):
    done = subprocess.run([PILOTD, "--store", store, "--data-dir", directory, "--xds", "127.0.0.1:0",
                           "--admin", "127.0.0.1:0"], stderr=subprocess.PIPE, text=True, timeout=30)
    assert done.returncode == 2 and why in done.stderr


def test_a_copy_that_cannot_be_written_is_told_and_harms_nobody(world):
    os.unlink(world.copy)
    os.mkdir(world.copy)
    replica = world.replica(*world.arguments)

    wait_until(lambda: replica.metric("pilotd_copy_failures_total") > 0, "it is counted")
    assert "cannot be written" in replica.log() and replica.is_ready()
    os.rmdir(world.copy)
    wait_until(lambda: replica.metric("pilotd_copy_writes_total") > 0, "it is tried again")
