"""Whatever is in etcd, and whatever etcd does: it is told with its place, and everything else goes on."""

import json
import os
import subprocess
import sys

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "deploy", "demo"))

from cluster import PILOTD, Cluster, free_port, get, wait_until  # noqa: E402

ROUTE = {"apiVersion": "networking.istio.io/v1", "kind": "VirtualService",
         "metadata": {"name": "subset", "namespace": "shop"},
         "spec": {"hosts": ["cart"], "http": [{"route": [
             {"destination": {"host": "cart", "subset": "v9"}}]}]}}

# key, value, what its reason says
FAULTS = [
    ("config/virtualservices/shop/notjson", '{"a":', "is not JSON: stopped at byte"),
    ("config/virtualservices/shop/big", '"' + "x" * 1500000 + '"', "1048576 bytes"),
    ("config/virtualservices/shop/deep", "[" * 10000 + "]" * 10000, "nested deeper than 64 levels"),
    ("config/virtualservices/shop/other", json.dumps(ROUTE), "other"),
    ("config/virtualservices/only-two", "{}", "must be config/KIND/NAMESPACE/NAME"),
    ("config/widgets/shop/a", "{}", "unknown kind"),
    ("nonsense/x", "1", "outside the layout"),
    ("registry/shop/cart/bad", '{"address":"10.0.0.9","ports":{"http":0}}', "ports"),
]


def put(cluster, key, value):
    done = subprocess.run(["etcdctl", "--endpoints", cluster.etcd_urls[0], "put", f"/pilot/{key}"],
                          input=value, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          env=dict(os.environ, ETCDCTL_API="3"), timeout=30)
    assert done.returncode == 0, done.stdout


def status(replica):
    return json.loads(get(replica.admin, "/debug/status")[1])


def snapshot(replica):
    return json.loads(get(replica.admin, "/debug/snapshot")[1])


def endpoints_of(replica, host):
    return {service["host"]: service["endpoints"]
            for service in snapshot(replica).get("services", [])}.get(host)


@pytest.fixture()
def cluster():
    made = Cluster()
    made.start_etcd(1)
    made.start_pilotds(2)
    yield made
    made.close()


def test_bad_values_are_told_with_their_place_and_harm_nothing_else(cluster):
    replica = cluster.pilotds[0]
    put(cluster, "registry/shop/cart/good", '{"address":"10.0.0.1","ports":{"http":8080}}')
    for key, value, _ in FAULTS:
        put(cluster, key, value)

    wait_until(lambda: status(replica)["rejectedCount"] == len(FAULTS), "all are rejected")
    reasons = {item["key"]: " ".join(item["reasons"]) for item in status(replica)["rejected"]}
    for key, _, says in FAULTS:
        assert says in reasons[key], (key, reasons[key])
    metrics = get(replica.admin, "/metrics")[1]
    assert f"pilotd_rejected {len(FAULTS)}" in metrics

    put(cluster, "registry/shop/cart/later", '{"address":"10.0.0.2","ports":{"http":8080}}')
    host = "cart.shop.svc.cluster.local"
    wait_until(lambda: endpoints_of(replica, host) == 2, "what is good is in force")
    hashes = {status(r)["hash"] for r in cluster.pilotds}
    wait_until(lambda: len({status(r)["hash"] for r in cluster.pilotds}) == 1, f"one hash {hashes}")


def test_a_subset_that_nothing_defines_is_found(cluster):
    replica = cluster.pilotds[0]
    put(cluster, "registry/shop/cart/a", '{"address":"10.0.0.1","ports":{"http":8080}}')
    put(cluster, "config/virtualservices/shop/subset", json.dumps(ROUTE))

    found = wait_until(lambda: status(replica)["findings"], "a finding")

    assert found[0]["key"] == "config/virtualservices/shop/subset"
    assert 'spec.http[0].route[0].destination.subset: no DestinationRule' in found[0]["text"]


def test_etcd_away_later_is_served_through_and_caught_up_with(cluster):
    replica, etcd = cluster.pilotds[0], cluster.etcds[0]
    put(cluster, "registry/shop/cart/a", '{"address":"10.0.0.1","ports":{"http":8080}}')
    host = "cart.shop.svc.cluster.local"
    wait_until(lambda: endpoints_of(replica, host) == 1, "the instance is known")

    etcd.kill()
    wait_until(lambda: status(replica)["state"] == "degraded", "the loss is told")
    assert get(replica.admin, "/serving")[0] == 200 and get(replica.admin, "/ready")[0] == 404
    assert endpoints_of(replica, host) == 1
    assert status(replica)["store"]["problem"]

    etcd.start()
    wait_until(lambda: get(cluster.etcd_urls[0][7:], "/health")[0] == 200, "etcd is back")
    put(cluster, "registry/shop/cart/b", '{"address":"10.0.0.2","ports":{"http":8080}}')
    wait_until(lambda: endpoints_of(replica, host) == 2, "caught up", 30)
    wait_until(lambda: status(replica)["state"] == "serving", "all is well")


def test_etcd_away_at_the_start_is_waited_for():
    cluster = Cluster()
    try:
        admin, etcd_port = free_port(), free_port()
        replica = cluster.start("early", [PILOTD, "--store", f"etcd://127.0.0.1:{etcd_port}/pilot",
                                          "--xds", "127.0.0.1:0", "--admin", f"127.0.0.1:{admin}",
                                          "--drain-spread", "100ms"])
        replica.admin = f"127.0.0.1:{admin}"
        wait_until(lambda: get(replica.admin, "/ready")[0] == 503, "it waits")
        wait_until(lambda: "waiting for the store" in replica.log_tail(50), "it says so")
        assert status(replica)["state"] == "starting"
        assert status(replica)["store"]["problem"]

        peer, client = f"http://127.0.0.1:{free_port()}", f"http://127.0.0.1:{etcd_port}"
        cluster.start("etcd", ["etcd", "--name", "late", "--data-dir", f"{cluster.directory}/late",
                               "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
                               "--listen-client-urls", client, "--advertise-client-urls", client,
                               "--initial-cluster", f"late={peer}"])
        wait_until(lambda: get(replica.admin, "/ready")[0] == 200, "ready once etcd is there", 30)
        with open(replica.log_path, encoding="utf-8") as log:
            assert log.read().count("waiting for the store") == 1, "said once"
        assert replica.stop() == 0
    finally:
        cluster.close()


def test_a_replicas_record_comes_and_goes(cluster):
    def records():
        listed = subprocess.run(["etcdctl", "--endpoints", cluster.etcd_urls[0], "get", "--prefix",
                                 "--keys-only", "/pilot/replicas/"], text=True, timeout=30,
                                env=dict(os.environ, ETCDCTL_API="3"), stdout=subprocess.PIPE)
        return sorted(line.rsplit("/", 1)[1] for line in listed.stdout.split())

    wait_until(lambda: records() == ["pilotd-1", "pilotd-2"], "both have a record")
    assert cluster.pilotds[1].stop() == 0
    assert records() == ["pilotd-1"], "gone at once after a drain"
    wait_until(lambda: len(status(cluster.pilotds[0])["replicas"]) == 1, "the other one knows")
    cluster.pilotds[0].kill()
    wait_until(lambda: records() == [], "gone with its lease after a kill", 20)


def test_files_are_a_store_too(tmp_path):
    cluster = Cluster()
    folder = tmp_path / "mesh"
    (folder / "registry/shop/cart").mkdir(parents=True)
    (folder / "registry/shop/cart/a.json").write_text('{"address":"10.0.0.1","ports":{"http":80}}')
    rule = folder / "rules.yaml"
    good = json.dumps(dict(ROUTE, spec={"hosts": ["cart"], "http": [{"route": [
        {"destination": {"host": "cart"}}]}]}))
    rule.write_text(f"---\n{good}\n---\n" + good.replace('"subset"', '"second"'))
    try:
        admin = free_port()
        replica = cluster.start("files", [PILOTD, "--store", f"file:{folder}", "--xds",
                                          "127.0.0.1:0", "--admin", f"127.0.0.1:{admin}"])
        replica.admin = f"127.0.0.1:{admin}"
        wait_until(lambda: get(replica.admin, "/ready")[0] == 200, "ready")
        routes = lambda: snapshot(replica)["objects"]["VirtualService"]  # noqa: E731
        assert routes() == 2

        rule.write_text(f"---\n{good}\n---\n{{ broken")
        fault = wait_until(lambda: status(replica)["faults"], "the broken file is told")
        assert "rules.yaml" in fault[0]["file"] or "rules.yaml" in fault[0]["text"]
        assert routes() == 2, "what it held stays"

        rule.write_text(good)
        wait_until(lambda: routes() == 1 and not status(replica)["faults"], "mended")
        (folder / "registry/shop/cart/a.json").unlink()
        wait_until(lambda: not snapshot(replica)["services"], "removed")
    finally:
        cluster.close()


@pytest.mark.parametrize("arguments, status_wanted, says", [
    (["--stroe", "x"], 2, "--stroe"),
    (["--threads", "many"], 2, "threads"),
    (["--store", "redis://x"], 2, "etcd://"),
    (["--xds-tls", "127.0.0.1:15012"], 2, "needs --xds-tls-cert"),
])
def test_wrong_flags_exit_2_and_say_what_is_meant(arguments, status_wanted, says):
    done = subprocess.run([PILOTD, *arguments], text=True, timeout=20,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    assert done.returncode == status_wanted, done.stdout
    assert says in done.stdout
