"""apply --wait: it ends when every proxy has acknowledged, or says who has not and why."""

import json
import os
import subprocess
import time

import pytest
from envoy.service.discovery.v3 import discovery_pb2
from google.rpc import status_pb2

from harness import PILOTCTL, Delta, World, cluster_name, wait_until

GOOD, FINDINGS, USAGE = 0, 1, 2
NODES = [f"sidecar~10.0.0.{i}~web-{i}.default~default.svc.cluster.local" for i in range(1, 5)]
RULE = """
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: web, namespace: default}
spec: {host: web, trafficPolicy: {connectionPool: {tcp: {maxConnections: %d}}}}
"""


class Picky(Delta):
    """Refuses clusters from when it is told to."""
    refuses = False

    def _take(self, response):
        if not (self.refuses and response.type_url.endswith("Cluster")):
            super()._take(response)
            return
        self.out.put(discovery_pb2.DeltaDiscoveryRequest(
            type_url=response.type_url, response_nonce=response.nonce,
            error_detail=status_pb2.Status(code=3, message="too picky for this")))
        self.responses += 1


@pytest.fixture(name="world")
def fixture_world(etcd):
    with World(etcd) as made:
        made.replica()
        made.replica()
        revision = made.put_service()
        for replica in made.replicas:
            made.wait_served(replica, revision)
        yield made


@pytest.fixture(name="ctl")
def fixture_ctl(world):
    def run(*arguments, stdin=None):
        done = subprocess.run([PILOTCTL, *arguments], input=stdin, text=True, timeout=60,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              env=dict(os.environ, PILOTD_STORE=world.store,
                                       PILOTD_SERVER=world.replicas[0].admin))
        return done.returncode, done.stdout
    return run


def connect(world, kind, node, replica, **options):
    """A client that has its first configuration."""
    client = kind(replica.xds, node, **options)
    world.clients.append(client)
    client.wait_for("CDS", cluster_name("web"))
    return client


def settled(world):
    """Nothing is on its way to anybody."""
    def all_settled():
        told = [t for r in world.replicas for p in r.json("/debug/proxies") for t in p["types"].values()]
        return told and all(t["settled"] or t["state"] == "not sent" for t in told)
    wait_until(all_settled, "all have what they should have")


def stored(ctl):
    _, out = ctl("get", "dr", "web", "-o", "json")
    return json.loads(out)["spec"]["trafficPolicy"]["connectionPool"]["tcp"]["maxConnections"]


def test_it_ends_when_the_proxies_of_all_replicas_have_it(world, ctl):
    for i, node in enumerate(NODES):
        connect(world, Delta, node, world.replicas[i % 2])

    status, out = ctl("apply", "-f", "-", "--wait", stdin=RULE % 7)

    assert status == GOOD, out
    assert "applied   4/4 proxies, 2 replicas" in out
    seen = {client.resources["CDS"][cluster_name("web")][0] for client in world.clients}
    assert len(seen) == 1
    row = ctl("get", "dr", "web", "-o", "wide")[1].splitlines()[1].split()
    assert "4/4" in row


def test_who_has_not_answered_is_named(world, ctl):
    connect(world, Delta, NODES[0], world.replicas[0])
    settled(world)
    silent = connect(world, Delta, NODES[1], world.replicas[1])
    settled(world)
    silent.answers = False

    status, out = ctl("apply", "-f", "-", "--wait", "--timeout", "1", stdin=RULE % 7)

    assert status == FINDINGS
    assert "applied   1/2 proxies" in out
    assert f"late      {NODES[1]} (at {world.replicas[1].admin}) has not answered CDS" in out
    assert "1/2" in ctl("get", "dr", "web", "-o", "wide")[1].splitlines()[1].split()


def test_a_refusal_is_told_and_what_was_there_before_is_put_back(world, ctl):
    picky = connect(world, Picky, NODES[0], world.replicas[0])
    connect(world, Delta, NODES[1], world.replicas[1])
    assert ctl("apply", "-f", "-", "--wait", stdin=RULE % 7)[0] == GOOD
    picky.refuses = True

    status, out = ctl("apply", "-f", "-", "--wait", stdin=RULE % 8)
    assert status == FINDINGS
    assert f"refused   {NODES[0]} (at {world.replicas[0].admin}) refused CDS: too picky" in out
    assert stored(ctl) == 8

    status, out = ctl("apply", "-f", "-", "--rollback-on-nack", stdin=RULE % 9)
    assert status == FINDINGS and "rolled back to what was there before" in out
    assert stored(ctl) == 8

    ctl("delete", "dr", "web")
    status, out = ctl("apply", "-f", "-", "--rollback-on-nack", stdin=RULE % 9)
    assert status == FINDINGS and "rolled back" in out
    assert ctl("get", "dr", "web")[0] == FINDINGS


def test_what_was_refused_before_is_not_this_changes_fault(world, ctl):
    picky = connect(world, Picky, NODES[0], world.replicas[0])
    connect(world, Delta, NODES[1], world.replicas[1])
    settled(world)
    picky.refuses = True
    assert ctl("apply", "-f", "-", "--wait", stdin=RULE % 7)[0] == FINDINGS
    picky.refuses = False

    other = """
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: idle, namespace: default}
spec: {address: 10.9.9.9, labels: {app: idle}}
"""
    status, out = ctl("apply", "-f", "-", "--wait", stdin=other)
    assert status == GOOD, out


def test_a_replica_that_is_away_is_waited_for_and_told(world, ctl):
    world.replicas[1].kill()
    status, out = ctl("apply", "-f", "-", "--wait", "--timeout", "1", "--server",
                      ",".join(r.admin for r in world.replicas), stdin=RULE % 7)
    assert status == FINDINGS and f"late      replica: http://{world.replicas[1].admin}" in out


def test_a_folder_of_files_cannot_be_waited_for(ctl, tmp_path):
    (tmp_path / "store").mkdir()
    status, out = ctl("apply", "-f", "-", "--wait", "--store", f"file:{tmp_path}/store", stdin=RULE % 7)
    assert status == USAGE and "folder of files" in out


# ---- trace ----

def test_trace_tells_of_each_replica_when_it_applied_a_write_and_who_has_acknowledged(world, ctl):
    began = time.time() * 1000
    for i, node in enumerate(NODES):
        connect(world, Delta, node, world.replicas[i % 2])
    assert ctl("apply", "-f", "-", "--wait", stdin=RULE % 7)[0] == GOOD

    status, out = ctl("trace", "destinationrule/default/web", "-o", "json")

    told = json.loads(out)
    assert status == GOOD and told["key"] == "config/destinationrules/default/web"
    assert {one["replica"] for one in told["replicas"]} == {r.admin for r in world.replicas}
    for one in told["replicas"]:
        assert began <= one["heardMs"] <= one["appliedMs"] <= time.time() * 1000
        assert one["applied"] and (one["acknowledged"], one["proxies"]) == (2, 2)
        assert one["waiting"] == one["refused"] == []
        assert one["lastAckMs"] >= one["appliedMs"]
    for words in (["dr", "web"], ["config/destinationrules/default/web"], ["dr/web", "--rev", str(told["revision"])]):
        status, out = ctl("trace", *words)
        assert status == GOOD and out.count(" 2/2 ") == 2 and f"revision {told['revision']}" in out, out


def test_trace_names_who_waits_and_who_refuses(world, ctl):
    picky = connect(world, Picky, NODES[0], world.replicas[0])
    silent = connect(world, Delta, NODES[1], world.replicas[1])
    settled(world)
    picky.refuses, silent.answers = True, False
    assert ctl("apply", "-f", "-", "--wait", "--timeout", "1", stdin=RULE % 7)[0] == FINDINGS

    def traced():
        status, out = ctl("trace", "dr", "web", "-o", "json")
        replicas = {one["replica"]: one for one in json.loads(out)["replicas"]}
        return status == FINDINGS and [replicas[r.admin] for r in world.replicas]
    refusing, waiting = wait_until(lambda: (t := traced()) and t[0]["refused"] and t[1]["waiting"] and t,
                                   "one refuses, one waits")

    assert refusing["refused"] == [f"{NODES[0]} CDS: too picky for this"] and refusing["waiting"] == []
    assert waiting["waiting"] == [f"{NODES[1]} CDS"] and waiting["refused"] == []
    assert "waiting: " + NODES[1] in ctl("trace", "dr", "web")[1]


def test_trace_of_what_is_not_there_says_so(ctl):
    assert ctl("trace", "dr", "nobody")[0] == FINDINGS
    assert ctl("trace")[0] == ctl("trace", "nonsense", "web")[0] == USAGE


def test_a_replica_remembers_when_it_applied_changes(world):
    revisions = [world.put_service(f"s{i}") for i in range(3)]
    for revision in revisions:
        world.wait_served(world.replicas[0], revision)
    told = world.replicas[0].json("/debug/changes")
    assert told["kept"] == 1024
    for revision in revisions:
        assert len([c for c in told["changes"] if c["from"] <= revision <= c["to"]]) == 1
    assert [c["appliedMs"] for c in told["changes"]] == sorted(c["appliedMs"] for c in told["changes"])
