"""Instances that vanish with many others of their service at once stay in force for a while; who says
farewell, or dies alone, is gone at once."""

import json
import signal
import subprocess
import time

import pytest
from envoy.config.endpoint.v3 import endpoint_pb2
from envoy.service.discovery.v3 import discovery_pb2

from harness import PILOTCTL, TYPES, World, b64, cluster_name, wait_until

WEB = cluster_name("web")


class Mesh(World):
    """A service whose instances hang on leases."""

    def lease(self, ttl_s=600):
        return self.etcd.call("lease/grant", {"TTL": ttl_s})["ID"]

    def end(self, lease):
        """All that hangs on it goes, as when it runs out."""
        self.etcd.call("lease/revoke", {"ID": lease})

    def register(self, count, lease, service="web", first=1):
        self.put(f"services/default/{service}",
                 {"ports": [{"name": "http", "number": 80, "protocol": "HTTP"}]})
        for i in range(first, first + count):
            revision = self.put(f"registry/default/{service}/i{i}",
                                {"address": f"10.1.0.{i}", "ports": {"http": 8080}}, lease)
        return revision

    def say_farewell(self, instances, lease):
        """As a registrar that takes them away on purpose."""
        operations = []
        for name in instances:
            key = f"{self.prefix}registry/default/web/{name}"
            tombstone = f"{self.prefix}tombstones/registry/default/web/{name}"
            operations += [{"requestDeleteRange": {"key": b64(key)}},
                           {"requestPut": {"key": b64(tombstone), "value": b64("{}"), "lease": lease}}]
        return int(self.etcd.call("kv/txn", {"success": operations})["header"]["revision"])

    def held(self):
        """The instances that have a hold."""
        begin = self.prefix + "holds/registry/"
        answer = self.etcd.call("kv/range", {"key": b64(begin), "range_end": b64(begin[:-1] + "0"),
                                             "keys_only": True})
        return int(answer.get("count", 0))

    def watch_endpoints(self, replica):
        client = self.connect(replica)
        client.out.put(discovery_pb2.DeltaDiscoveryRequest(
            type_url=TYPES["EDS"], resource_names_subscribe=[WEB]))
        client.wait_for("EDS", WEB)
        return client


def endpoints(client):
    """Of the cluster, the last part of each address."""
    assignment = endpoint_pb2.ClusterLoadAssignment.FromString(client.resources["EDS"][WEB][1])
    return sorted(int(endpoint.endpoint.address.socket_address.address.split(".")[3])
                  for locality in assignment.endpoints for endpoint in locality.lb_endpoints)


@pytest.fixture
def mesh(etcd):
    with Mesh(etcd) as made:
        yield made


def agree(mesh, revision):
    for replica in mesh.replicas:
        mesh.wait_served(replica, revision)
    assert len({replica.status()["hash"] for replica in mesh.replicas}) == 1
    assert {replica.status()["agreement"] for replica in mesh.replicas} == {"agreed"}


def last_revision(mesh):
    return int(mesh.etcd.call("kv/range", {"key": b64(mesh.prefix)})["header"]["revision"])


def test_all_instances_that_expire_at_once_stay_in_force_on_all_replicas(mesh):
    lease = mesh.lease()
    mesh.register(4, lease)
    replicas = [mesh.replica() for _ in range(3)]
    clients = [mesh.watch_endpoints(replica) for replica in replicas]
    before = [client.responses for client in clients]
    first = replicas[0].status()["hash"]

    mesh.end(lease)
    wait_until(lambda: mesh.held() == 4, "they are held")
    mesh.replica()  # this one has never seen them
    agree(mesh, last_revision(mesh))

    assert [replica.status()["hash"] for replica in mesh.replicas] == [first] * 4
    assert [client.responses for client in clients] == before  # nobody was told anything
    assert [replica.status()["held"] for replica in mesh.replicas] == [
        [{"service": "registry/default/web", "instances": 4}]] * 4
    assert [replica.metric("pilotd_held_instances") for replica in mesh.replicas] == [4] * 4
    assert endpoints(mesh.watch_endpoints(mesh.replicas[3])) == [1, 2, 3, 4]
    shown = subprocess.run([PILOTCTL, "status", "--server", replicas[0].admin],
                           capture_output=True, text=True, timeout=60, check=False)
    assert shown.returncode == 1
    assert "held      registry/default/web: 4 instances expired at once" in shown.stdout

    # One comes back elsewhere, one says that it does not: the others are held on.
    mesh.put("registry/default/web/i2", {"address": "10.1.0.22", "ports": {"http": 8080}}, mesh.lease())
    mesh.say_farewell(["i3"], mesh.lease())
    wait_until(lambda: mesh.held() == 2, "two holds are left")
    for client in clients:
        wait_until(lambda client=client: endpoints(client) == [1, 4, 22], "their endpoints")
    agree(mesh, last_revision(mesh))
    assert [replica.metric("pilotd_held_instances") for replica in mesh.replicas] == [2] * 4


def test_the_hold_is_for_a_limited_time(mesh):
    lease = mesh.lease()
    mesh.register(3, lease)
    replicas = [mesh.replica("--hold-time", "3s") for _ in range(2)]
    client = mesh.watch_endpoints(replicas[0])
    mesh.end(lease)
    wait_until(lambda: mesh.held() == 3, "they are held")
    assert endpoints(client) == [1, 2, 3]

    wait_until(lambda: mesh.held() == 0, "the holds have run out")
    wait_until(lambda: endpoints(client) == [], "nothing is in force")
    agree(mesh, last_revision(mesh))
    assert [replica.metric("pilotd_held_instances") for replica in replicas] == [0, 0]


def test_those_that_die_one_after_another_are_held_once_they_are_many(mesh):
    leases = [mesh.lease() for _ in range(3)]
    for i, lease in enumerate(leases):
        mesh.register(1, lease, first=i + 1)
    client = mesh.watch_endpoints(mesh.replica())
    mesh.replica()
    mesh.end(leases[0])
    wait_until(lambda: endpoints(client) == [2, 3], "the first is gone")
    assert mesh.held() == 0

    mesh.end(leases[1])
    wait_until(lambda: mesh.held() == 2, "both are held")
    wait_until(lambda: endpoints(client) == [1, 2, 3], "and in force")
    mesh.end(leases[2])
    wait_until(lambda: mesh.held() == 3, "the last one, too")
    agree(mesh, last_revision(mesh))
    assert endpoints(client) == [1, 2, 3]


def test_a_single_death_is_gone_within_its_lease_and_two_seconds(mesh):
    mesh.register(1, mesh.lease())
    mesh.register(1, mesh.lease(), first=2)
    ttl_s = 3
    began = time.monotonic()
    mesh.register(1, mesh.lease(ttl_s), first=3)
    replica = mesh.replica()
    client = mesh.watch_endpoints(replica)
    wait_until(lambda: endpoints(client) == [1, 2], "it is gone")
    assert time.monotonic() - began < ttl_s + 2
    assert mesh.held() == 0
    assert replica.metric("pilotd_mass_expired_instances_total") == 0


def test_who_says_farewell_is_gone_at_once(mesh):
    lease = mesh.lease()
    mesh.register(4, lease)
    replicas = [mesh.replica() for _ in range(2)]
    client = mesh.watch_endpoints(replicas[0])
    revision = mesh.say_farewell(["i1", "i2", "i3"], lease)
    wait_until(lambda: endpoints(client) == [4], "they are gone")
    agree(mesh, revision)
    assert mesh.held() == 0
    assert [replica.metric("pilotd_mass_expired_instances_total") for replica in replicas] == [0, 0]


def test_what_hangs_on_no_lease_cannot_expire(mesh):
    mesh.register(3, 0)
    client = mesh.watch_endpoints(mesh.replica())
    for i in (1, 2, 3):
        mesh.delete(f"registry/default/web/i{i}")
    wait_until(lambda: endpoints(client) == [], "they are gone")
    assert mesh.held() == 0


def test_unhealthy_instances_are_not_missed(mesh):
    lease = mesh.lease()
    mesh.register(2, mesh.lease())
    for i, health in ((3, "draining"), (4, "unhealthy"), (5, "unhealthy")):
        mesh.put(f"registry/default/web/i{i}",
                 {"address": f"10.1.0.{i}", "ports": {"http": 8080}, "health": health}, lease)
    client = mesh.watch_endpoints(mesh.replica())
    mesh.end(lease)
    wait_until(lambda: endpoints(client) == [1, 2], "they are gone")
    assert mesh.held() == 0


def test_the_only_instances_of_many_services_are_held_too(mesh):
    lease = mesh.lease()
    for name in ("web", "shop", "cart"):
        mesh.register(1, lease, service=name)
    replica = mesh.replica()
    client = mesh.watch_endpoints(replica)
    mesh.end(lease)
    wait_until(lambda: mesh.held() == 3, "they are held")
    agree(mesh, last_revision(mesh))
    assert endpoints(client) == [1]
    assert replica.metric("pilotd_held_instances") == 3


def test_a_share_of_100_holds_nothing(mesh):
    lease = mesh.lease()
    mesh.register(3, lease)
    client = mesh.watch_endpoints(mesh.replica("--hold-share", "100"))
    mesh.end(lease)
    wait_until(lambda: endpoints(client) == [], "they are gone")
    assert mesh.held() == 0


def test_a_greater_share_must_be_lost(mesh):
    lease = mesh.lease()
    mesh.register(2, lease)
    mesh.register(2, mesh.lease(), first=3)
    client = mesh.watch_endpoints(mesh.replica())
    mesh.end(lease)
    wait_until(lambda: endpoints(client) == [3, 4], "half of them is not too many")
    assert mesh.held() == 0


def beat_of(mesh, replica):
    return json.loads(mesh.read(f"replicas/{replica.name}") or '{"beat": 0}')["beat"]


def test_what_was_missed_is_not_brought_back(mesh):
    """Who was stopped cannot tell what happened at once from what happened: others have decided."""
    lease = mesh.lease()
    mesh.register(3, lease)
    other, replica = mesh.replica("--hold-share", "100"), mesh.replica()
    client = mesh.watch_endpoints(replica)
    replica.signal(signal.SIGSTOP)
    last = beat_of(mesh, other) + 8
    wait_until(lambda: beat_of(mesh, other) >= last, "it is away for long")
    mesh.end(lease)
    replica.signal(signal.SIGCONT)
    wait_until(lambda: endpoints(client) == [], "they are gone")
    agree(mesh, last_revision(mesh))
    assert mesh.held() == 0


def test_leases_that_ran_out_while_the_store_stood_still_are_held(mesh):
    """Nobody could renew them, and replicas are stale when they hear of it: yet it happens just then."""
    mesh.register(3, mesh.lease(3))
    replicas = [mesh.replica() for _ in range(2)]
    client = mesh.watch_endpoints(replicas[0])
    mesh.etcd.process.signal(signal.SIGSTOP)
    wait_until(lambda: not any(replica.is_ready() for replica in replicas), "they are stale")
    time.sleep(2)  # longer than the leases
    mesh.etcd.process.signal(signal.SIGCONT)
    wait_until(lambda: mesh.held() == 3, "they are held")
    wait_until(lambda: all(replica.is_ready() for replica in replicas), "all are well")
    agree(mesh, last_revision(mesh))
    assert endpoints(client) == [1, 2, 3]


def register_process(mesh, index):
    return subprocess.Popen(
        [PILOTCTL, "register", "web", "--store", mesh.store, "--address", f"10.1.0.{index}", "--port",
         "http=8080", "--ttl", "3", "--instance", f"i{index}"], stderr=subprocess.DEVNULL)


def test_pilotctl_register_says_farewell_and_what_is_killed_does_not(mesh):
    mesh.put("services/default/web", {"ports": [{"name": "http", "number": 80, "protocol": "HTTP"}]})
    processes = [register_process(mesh, i) for i in (1, 2, 3)]
    try:
        client = mesh.watch_endpoints(mesh.replica())
        wait_until(lambda: endpoints(client) == [1, 2, 3], "they are registered")
        for process in processes:
            process.terminate()
        wait_until(lambda: endpoints(client) == [], "they are gone")
        assert [process.wait(30) for process in processes] == [0] * 3
        assert mesh.held() == 0

        processes = [register_process(mesh, i) for i in (1, 2, 3)]  # beside their tombstones
        wait_until(lambda: endpoints(client) == [1, 2, 3], "they are registered again")
        assert all(mesh.read(f"tombstones/registry/default/web/i{i}") is None for i in (1, 2, 3))
        for process in processes:
            process.kill()
        wait_until(lambda: mesh.held() == 3, "they are held")
        wait_until(lambda: endpoints(client) == [1, 2, 3], "and in force")
    finally:
        for process in processes:
            process.kill()
            process.wait(30)


def test_a_stray_tombstone_is_told(mesh):
    replica = mesh.replica()
    mesh.put("tombstones/config/virtualservices/default/web", "{}")
    wait_until(replica.rejected, "it is rejected")
    reasons = replica.rejected()["tombstones/config/virtualservices/default/web"]
    assert "tombstones/registry/NAMESPACE/SERVICE/INSTANCE" in reasons[0]
    mesh.delete("tombstones/config/virtualservices/default/web")
    wait_until(lambda: not replica.rejected(), "and gone")


# ---- by hand ----

def empty(mesh):
    mesh.etcd.call("kv/deleterange", {"key": b64(mesh.prefix), "range_end": b64(mesh.prefix[:-1] + "0")})


def test_a_keyspace_that_is_emptied_is_empty_at_once_and_of_the_same_cluster(mesh):
    mesh.register(4, mesh.lease())
    replicas = [mesh.replica() for _ in range(2)]
    client = mesh.watch_endpoints(replicas[0])
    epoch = replicas[0].status()["epoch"]

    empty(mesh)
    wait_until(lambda: WEB not in client.resources["CDS"], "its cluster is gone")
    made = json.loads(wait_until(lambda: mesh.read("cluster"), "the key cluster is there again"))
    agree(mesh, last_revision(mesh))
    assert made["epoch"] == epoch and mesh.held() == 0
    for replica in replicas:
        wait_until(lambda replica=replica: replica.status()["epochProblem"] == "", "it is mended")
        assert replica.status()["epoch"] == epoch
        assert replica.json("/debug/snapshot")["services"] == []
        assert replica.metric("pilotd_cluster_faults_total") == 1
        assert 'msg="the key cluster was deleted"' in replica.log()


def test_a_garbled_key_cluster_is_written_again(mesh):
    replica = mesh.replica()
    stood = wait_until(lambda: mesh.read("cluster"), "it is made")

    mesh.put("cluster", "{")
    wait_until(lambda: mesh.read("cluster") == stood, "it is as it was")
    wait_until(lambda: replica.status()["rejectedCount"] == 0, "nothing is rejected any more")
    assert replica.metric("pilotd_cluster_faults_total") == 1
