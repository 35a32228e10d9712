"""/metrics as Prometheus reads it, and what a change leaves there."""

import os
import sys

import pytest
from certificates import Authority
from harness import ROOT, Etcd, World, cluster_name, wait_until
from prometheus_client.parser import text_string_to_metric_families

sys.path.insert(0, os.path.join(ROOT, "tests", "tools"))

from metrics_page import page  # noqa: E402

# What dashboards made for Istio ask for.
ISTIO = {"pilot_info", "pilot_xds", "pilot_xds_pushes", "pilot_total_xds_rejects", "pilot_xds_push_time",
         "pilot_xds_config_size_bytes", "pilot_proxy_queue_time", "pilot_proxy_convergence_time",
         "pilot_inbound_updates", "pilot_push_triggers", "pilot_services", "pilot_virt_services",
         "pilot_total_rejected_configs", "pilot_eds_no_instances"}


@pytest.fixture(scope="module")
def etcd(tmp_path_factory):
    etcd = Etcd.start(str(tmp_path_factory.mktemp("etcd")))
    yield etcd
    etcd.kill()


def families(replica):
    code, text = replica.get("/metrics")
    assert code == 200
    return {family.name: family for family in text_string_to_metric_families(text)}


def samples(replica):
    """{(name, sorted labels): value}; the parser ends the names of counters with _total, as OpenMetrics does."""
    return {(s.name, tuple(sorted(s.labels.items()))): s.value
            for family in families(replica).values() for s in family.samples}


def value(replica, name, **labels):
    return samples(replica)[name, tuple(sorted(labels.items()))]


def test_every_family_can_be_read_and_says_what_it_is(etcd):
    with World(etcd) as world:
        found = families(world.replica())

    assert all(f.documentation and f.type in ("counter", "gauge", "histogram") for f in found.values())
    assert ISTIO <= set(found), ISTIO - set(found)
    assert all(name.startswith(("pilot_", "pilotd_", "process_")) for name in found)
    for family in found.values():
        told = [(s.name, tuple(sorted(s.labels.items()))) for s in family.samples]
        assert len(told) == len(set(told)), family.name


def test_a_change_shows_in_times_sizes_and_reasons(etcd):
    with World(etcd) as world:
        replica = world.replica()
        world.put_service("web")
        clients = [world.connect_until_served(replica, f"sidecar~10.9.0.{i}~p{i}.default~default.svc.cluster.local")
                   for i in (1, 2)]
        for client in clients:
            client.wait_for("CDS", cluster_name("web"))
        before = samples(replica)

        world.put_service("news")
        for client in clients:
            client.wait_for("CDS", cluster_name("news"))

        def moved():
            now = samples(replica)
            return {key: now[key] - before.get(key, 0) for key in now if now[key] != before.get(key, 0)}
        wait_until(lambda: moved().get(("pilot_proxy_convergence_time_count", ()), 0) >= 2, "two proxies are told")
        told = moved()
        cds = (("type", "cds"),)
        assert told["pilot_xds_pushes_total", cds] >= 2
        assert told["pilot_xds_push_time_count", cds] == told["pilot_xds_pushes_total", cds]
        assert told["pilot_xds_config_size_bytes_sum", cds] > 100 * told["pilot_xds_pushes_total", cds]
        assert 0 < told["pilot_proxy_convergence_time_sum", ()] < 60
        assert told["pilot_inbound_updates_total", (("type", "svc"),)] == 1
        assert told["pilot_inbound_updates_total", (("type", "eds"),)] == 1
        assert told["pilot_push_triggers_total", (("type", "endpoint"),)] == 1
        assert ("pilot_inbound_updates_total", (("type", "config"),)) not in told


def test_the_process_and_its_snapshot_are_told(etcd):
    with World(etcd) as world:
        replica = world.replica()
        world.wait_served(replica, world.put_service("web"))
        told = families(replica)
        hash_, = [s.labels["hash"] for s in told["pilotd_snapshot_info"].samples]
        assert hash_ == replica.status()["hash"]
        descriptors = value(replica, "process_open_fds")
        assert descriptors == pytest.approx(len(os.listdir(f"/proc/{replica.popen.pid}/fd")), abs=3)
        assert value(replica, "process_max_fds") >= descriptors
        assert 0 < value(replica, "process_cpu_seconds_total") < 60
        assert 1 << 20 < value(replica, "process_resident_memory_bytes") < 1 << 32


def test_services_without_instances_are_counted(etcd):
    with World(etcd) as world:
        replica = world.replica()
        world.wait_served(replica, world.put_service("web"))
        assert value(replica, "pilot_eds_no_instances") == 0

        world.delete("registry/default/web/i1")

        wait_until(lambda: value(replica, "pilot_eds_no_instances") == 1, "web has none")


def test_the_page_of_metrics_is_what_a_replica_tells(etcd, tmp_path):
    ca = Authority(str(tmp_path))
    certificate, key = ca.issue("pilotd", "IP:127.0.0.1")
    with World(etcd) as world:
        told = world.replica("--xds-tls", "127.0.0.1:0", "--xds-tls-cert", certificate,
                             "--xds-tls-key", key).get("/metrics")[1]
    path = os.path.join(ROOT, "docs", "METRICS.md")
    if os.environ.get("PILOT_WRITE_DOCS"):
        with open(path, "w", encoding="utf-8") as out:
            out.write(page(told))
    with open(path, encoding="utf-8") as kept:
        assert kept.read() == page(told), "make docs writes it anew"
