"""What pilotctl tells of a running mesh: services, instances, replicas; and what it does to instances."""

import glob
import json
import os
import subprocess
import tarfile

import pytest

from harness import PILOTCTL, World, cluster_name, get, wait_until

GOOD, FINDINGS, USAGE, UNREACHABLE, REFUSED = range(5)
FAKETIME = next(iter(glob.glob("/usr/lib/*/faketime/libfaketime.so.1")), "")


@pytest.fixture(name="world")
def fixture_world(etcd):
    with World(etcd) as made:
        yield made


@pytest.fixture(name="replica")
def fixture_replica(world):
    return world.replica()


@pytest.fixture(name="ctl")
def fixture_ctl(world, replica):
    """Runs pilotctl; (exit status, standard output, standard error)."""
    def run(*arguments, stdin=None):
        done = subprocess.run([PILOTCTL, *arguments], input=stdin, text=True, timeout=60,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              env=dict(os.environ, PILOTD_STORE=world.store,
                                       PILOTD_SERVER=replica.admin))
        return done.returncode, done.stdout, done.stderr
    return run


def put_instance(world, name="a", lease=0, **more):
    world.put(f"registry/shop/cart/{name}", dict(
        {"address": "10.0.0.1", "ports": {"http": 8080}, "labels": {"version": "v1"},
         "locality": "eu/x/1"}, **more), lease)


def endpoints(ctl, *words):
    status, out, err = ctl("endpoints", *words, "-o", "json")
    assert status == GOOD, err
    return json.loads(out)


def until_endpoints(ctl, expected, of=lambda e: e["health"]):
    wait_until(lambda: [of(e) for e in endpoints(ctl)] == expected, f"endpoints {expected}")


def test_services_and_endpoints(world, replica, ctl):
    put_instance(world)
    until_endpoints(ctl, ["healthy"])

    (endpoint,) = endpoints(ctl, "cart")
    assert endpoint["host"] == "cart.shop.svc.cluster.local"
    assert endpoint["ports"] == {"http": 8080} and endpoint["locality"] == "eu/x/1"
    assert endpoint["labels"]["version"] == "v1" and endpoint["key"] == "registry/shop/cart/a"
    table = ctl("endpoints")[1].splitlines()
    assert table[0].split()[:4] == ["HOST", "ADDRESS", "PORTS", "HEALTH"]
    assert table[1].split()[:4] == ["cart.shop.svc.cluster.local", "10.0.0.1", "http:8080", "healthy"]
    assert endpoints(ctl, "nobody") == []
    host = "cart.shop.svc.cluster.local"
    assert len(json.loads(get(replica.admin, f"/debug/endpoints?host={host}")[1])) == 1
    assert len(json.loads(get(replica.admin, "/debug/endpoints?host=c%61rt.shop.svc.cluster.local")[1])) == 1
    assert json.loads(get(replica.admin, "/debug/endpoints?host=other")[1]) == []
    assert "/debug/endpoints" in get(replica.admin, "/")[1]

    services = json.loads(ctl("services", "-o", "json")[1])
    assert [(s["host"], s["ports"], s["endpoints"]) for s in services] == [(host, [8080], 1)]
    assert ctl("services", "-n", "other", "-o", "name")[1] == ""
    assert ctl("services", "-o", "name")[1] == f"shop/{host}\n"


def test_replicas_and_snapshot(world, replica, ctl):
    put_instance(world)
    until_endpoints(ctl, ["healthy"])

    (row,) = json.loads(ctl("replicas", "-o", "json")[1])
    assert row["admin"] == replica.admin and row["state"] == "serving"
    assert row["id"] in ctl("replicas")[1]
    told = json.loads(ctl("snapshot", "-o", "json")[1])
    assert told["objects"]["instance"] == 1 and told["hash"] == row["hash"]
    assert f"hash      {row['hash']}" in ctl("snapshot")[1]
    for verb in ("services", "endpoints", "replicas", "snapshot"):
        assert ctl(verb, "--server", "127.0.0.1:1")[0] == UNREACHABLE


def test_drain_and_undrain_keep_the_lease(world, ctl):
    lease = world.etcd.call("lease/grant", {"TTL": 60})["ID"]
    put_instance(world, "a", lease)
    put_instance(world, "b", address="10.0.0.2")
    until_endpoints(ctl, ["healthy", "healthy"])

    status, out, _ = ctl("drain", "cart/a", "-n", "shop")
    assert (status, out) == (GOOD, "instance/shop/cart/a draining\n")
    until_endpoints(ctl, ["draining", "healthy"])
    assert ctl("drain", "cart", "-n", "shop")[0] == GOOD
    until_endpoints(ctl, ["draining", "draining"])
    assert ctl("undrain", "cart", "-n", "shop")[0] == GOOD
    until_endpoints(ctl, ["healthy", "healthy"])

    world.etcd.call("lease/revoke", {"ID": lease})
    until_endpoints(ctl, ["10.0.0.2"], of=lambda e: e["address"])
    status, _, err = ctl("drain", "cart/nobody", "-n", "shop")
    assert status == FINDINGS and "no such instance in namespace shop" in err
    assert ctl("drain")[0] == USAGE


def test_what_is_deregistered_is_gone_at_once_and_not_held(world, ctl, replica):
    for i in range(4):
        lease = world.etcd.call("lease/grant", {"TTL": 60})["ID"]
        put_instance(world, f"i{i}", lease, address=f"10.0.0.{i + 1}")
    until_endpoints(ctl, ["healthy"] * 4)

    status, out, _ = ctl("deregister", "cart", "-n", "shop")

    assert status == GOOD and len(out.splitlines()) == 4
    until_endpoints(ctl, [])
    assert replica.status()["heldCount"] == 0


# ---- what a proxy was sent ----

NODE = "sidecar~10.0.0.9~web-1.shop~shop.svc.cluster.local"


def test_proxy_config_shows_what_the_proxy_has_from_whichever_replica_it_is_at(world, replica, ctl):
    other = world.replica()
    revision = world.put_service()
    for one in (replica, other):
        world.wait_served(one, revision)
    wait_until(lambda: len(json.loads(ctl("replicas", "-o", "json")[1])) == 2, "they know of each other")
    client = world.connect(other, NODE)
    client.wait_for("CDS", cluster_name("web"))
    client.wait_for("LDS", "virtualOutbound")
    wait_until(lambda: all(t["settled"] or t["state"] == "not sent" for p in other.json("/debug/proxies")
                           for t in p["types"].values()), "nothing is on its way")

    status, out, err = ctl("proxy-config", "cluster", "web-1", "-o", "json")

    assert status == GOOD, err
    assert {c["name"] for c in json.loads(out)} == set(client.resources["CDS"])
    rows = [line.split()[:3] for line in ctl("pc", "listener", NODE)[1].splitlines()[1:]]
    assert ["LDS", "virtualOutbound", "synced"] in rows
    assert {row[1] for row in rows} == set(client.resources["LDS"])
    whole = json.loads(ctl("pc", "all", "web-1", "-o", "json")[1])
    assert whole["id"] == NODE and set(whole["resources"]) >= {"CDS", "EDS", "LDS", "RDS"}
    assert whole["view"] == other.json("/debug/proxies")[0]["view"]
    assert get(replica.admin, f"/debug/config?proxy={NODE}")[0] == 404
    assert get(replica.admin, "/debug/config")[0] == 400
    assert set(json.loads(get(other.admin, f"/debug/config?proxy={NODE}&type=EDS")[1])["resources"]) == {"EDS"}
    assert NODE in ctl("proxies")[1] and other.admin in ctl("ps", "web-1")[1]

    status, _, err = ctl("pc", "cluster", "nobody")
    assert status == FINDINGS and "no such proxy is connected" in err
    world.connect(other, NODE.replace("web-1", "web-2")).wait_for("CDS", cluster_name("web"))
    status, _, err = ctl("pc", "cluster", "web-")
    assert status == USAGE and "2 proxies are meant" in err
    assert ctl("pc", "cluster")[0] == USAGE and ctl("pc", "clutser", "web-1")[0] == USAGE


# ---- doctor ----

def verdicts(ctl, *flags):
    status, out, _ = ctl("doctor", "-o", "json", *flags)
    return status, {row["CHECK"]: (row["VERDICT"], row["DETAIL"]) for row in json.loads(out)}


def test_doctor_finds_all_well_and_says_what_is_not(world, replica, ctl):
    world.put_service()
    status, found = verdicts(ctl)
    assert status == GOOD, found
    assert found["store"][0] == "good" and found[f"ready {replica.admin}"][0] == "good"
    assert found[f"follows {replica.admin}"][0] == "good" and found["agreement"][0] == "good"
    assert any(check.startswith("etcd ") for check in found)

    world.put("config/virtualservices/shop/broken", "{")
    wait_until(lambda: verdicts(ctl)[1]["rejected"][0] == "bad", "the reject is found")
    assert verdicts(ctl)[0] == FINDINGS
    status, found = verdicts(ctl, "--store", "etcd://127.0.0.1:1/pilot")
    assert status == FINDINGS and found["store"][0] == "bad"
    status, found = verdicts(ctl, "--server", "127.0.0.1:1")
    assert status == FINDINGS and found["ready 127.0.0.1:1"][0] == "bad"


def test_doctor_finds_a_clock_that_is_off(world, ctl):
    other = world.pilotd(env={"LD_PRELOAD": FAKETIME, "FAKETIME": "-1h", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                              "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"})
    other.wait_ready()
    _, found = verdicts(ctl, "--server", other.admin)
    verdict, detail = found[f"clock {other.admin}"]
    assert verdict == "look" and "behind this machine's" in detail


# ---- bug-report ----

def test_a_bug_report_has_what_is_needed_and_no_secrets(world, replica, ctl, tmp_path):
    world.put_service()
    world.put("config/virtualservices/shop/reviews", {
        "apiVersion": "networking.istio.io/v1", "kind": "VirtualService",
        "metadata": {"name": "reviews", "namespace": "shop", "annotations": {"api-token": "hush1"}},
        "spec": {"hosts": ["reviews"], "http": [{
            "headers": {"request": {"set": {"Authorization": "Bearer hush2", "x-plain": "seen"}}},
            "route": [{"destination": {"host": "reviews"}}]}]}})
    path = tmp_path / "report.tar"

    status, out, err = ctl("bug-report", "-o", str(path))

    assert status == GOOD and str(path) in out, err
    with tarfile.open(path) as archive:
        texts = {member.name: archive.extractfile(member).read().decode() for member in archive}
    assert len(texts) == int(out.split(": ")[1].split()[0])
    assert replica.admin in texts["bug-report/replicas.txt"]
    assert json.loads(texts["bug-report/replica-1/debug/status.txt"])["state"] == "serving"
    assert "pilotd_" in texts["bug-report/replica-1/metrics.txt"]
    keyspace = texts["bug-report/keyspace.yaml"]
    assert "name: reviews" in keyspace and "x-plain: seen" in keyspace
    assert "Authorization: (blacked out)" in keyspace
    assert not any("hush" in text for text in texts.values())
