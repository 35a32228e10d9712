"""An etcd whose disk quota is used up: what there is is served and followed, the replica says what
is wrong with its own record, and all is well again once there is room."""

import json
import os
import subprocess
import sys

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "deploy", "demo"))

from cluster import Cluster, free_port, get, wait_until  # noqa: E402

QUOTA = 8 * 1024 * 1024


def etcdctl(cluster, *arguments, value=None):
    return subprocess.run(["etcdctl", "--endpoints", cluster.etcd_urls[0], *arguments], input=value,
                          text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          env=dict(os.environ, ETCDCTL_API="3"), timeout=60)


def status(replica):
    return json.loads(get(replica.admin, "/debug/status")[1])


def metric(replica, name):
    for line in get(replica.admin, "/metrics")[1].splitlines():
        if line.startswith(name + " "):
            return float(line.split()[1])
    raise AssertionError(f"no metric {name}")


@pytest.fixture()
def cluster():
    made = Cluster()
    peer, client = f"http://127.0.0.1:{free_port()}", f"http://127.0.0.1:{free_port()}"
    made.start("etcd", ["etcd", "--name", "small", "--data-dir", f"{made.directory}/small",
                        "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
                        "--listen-client-urls", client, "--advertise-client-urls", client,
                        "--initial-cluster", f"small={peer}", "--quota-backend-bytes", str(QUOTA)])
    made.etcd_urls, made.store = [client], f"etcd://{client[7:]}/pilot"
    wait_until(lambda: '"true"' in get(client[7:], "/health")[1], "etcd is up")
    made.start_pilotds(1)
    yield made
    made.close()


def test_a_full_etcd_is_followed_told_and_recovered_from(cluster):
    replica = cluster.pilotds[0]
    instance = "/pilot/registry/shop/cart/a"
    assert etcdctl(cluster, "put", instance, '{"address":"10.0.0.1","ports":{"http":8080}}'
                   ).returncode == 0
    wait_until(lambda: json.loads(get(replica.admin, "/debug/snapshot")[1])["services"], "known")

    for i in range(100):
        if etcdctl(cluster, "put", f"/elsewhere/{i}", value="x" * 1000000).returncode != 0:
            break
    wait_until(lambda: "NOSPACE" in status(replica)["problem"], "the replica says why", 30)
    wait_until(lambda: status(replica)["state"] == "degraded", "and is degraded")
    assert status(replica)["store"]["state"] == "following"
    assert get(replica.admin, "/serving")[0] == 200 and get(replica.admin, "/ready")[0] == 404
    assert etcdctl(cluster, "del", instance).returncode == 0
    wait_until(lambda: not json.loads(get(replica.admin, "/debug/snapshot")[1])["services"],
               "what can be written to etcd is followed")
    reconnects = metric(replica, "pilotd_store_reconnects_total")

    assert etcdctl(cluster, "del", "--prefix", "/elsewhere/").returncode == 0
    revision = json.loads(etcdctl(cluster, "get", "x", "-w", "json").stdout)["header"]["revision"]
    for command in (["compaction", str(revision)], ["defrag"], ["alarm", "disarm"]):
        done = etcdctl(cluster, *command)
        assert done.returncode == 0, done.stdout
    wait_until(lambda: status(replica)["state"] == "serving", "all is well again", 30)
    assert get(replica.admin, "/ready")[0] == 200
    assert metric(replica, "pilotd_store_reconnects_total") == reconnects
    assert metric(replica, "pilotd_store_divergences_total") == 0
