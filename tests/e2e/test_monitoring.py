"""deploy/monitoring: each alert fires when it should and not before, and all names in it are told."""

import http.server
import json
import os
import re
import subprocess
import threading

import pytest
import yaml
from certificates import Authority
from harness import ROOT, Etcd, Process, World, free_port, get, wait_until
from sidecars import loopback

MONITORING = os.path.join(ROOT, "deploy", "monitoring")
RULES = os.path.join(MONITORING, "pilotd.rules.yml")
LABELS = 'instance="a:15014", job="pilotd"'

# alert -> (a series that fires, one that does not): promtool's notation, one value a minute
CASES = {
    "PilotdDown": ("up{L} 0x10", "up{L} 1x10"),
    "PilotdNotReady": ("pilotd_ready{L} 0x10", "pilotd_ready{L} 1x10"),
    "PilotdStale": ("pilotd_heartbeat_age_ms{L} 11000x10", "pilotd_heartbeat_age_ms{L} 3000x10"),
    "PilotdServesCopy": ("pilotd_copy_served{L} 1x10", "pilotd_copy_served{L} 0x10"),
    "PilotdReplicasDiffer": ("pilotd_differing_replicas{L} 1x10", "pilotd_differing_replicas{L} 0x10"),
    "PilotdPatchDivergence": ("pilotd_patch_divergences_total{L} 0+1x10", "pilotd_patch_divergences_total{L} 3x10"),
    "PilotdStoreDivergence": ("pilotd_store_divergences_total{L} 0+1x10", "pilotd_store_divergences_total{L} 3x10"),
    "PilotdClusterKeyFault": ("pilotd_cluster_faults_total{L} 0+1x10", "pilotd_cluster_faults_total{L} 3x10"),
    "PilotdValuesRejected": ("pilotd_rejected{L} 2x10", "pilotd_rejected{L} 0x10"),
    "PilotdInstancesHeld": ("pilotd_held_instances{L} 4x10", "pilotd_held_instances{L} 0x10"),
    "PilotdProxiesRefuse": ('pilot_total_xds_rejects{L, type="cds"} 0+1x20',
                            'pilot_total_xds_rejects{L, type="cds"} 5x20'),
    "PilotdSlow": ('pilot_proxy_convergence_time_bucket{L, le="10"} 0+60x20\n'
                   'pilot_proxy_convergence_time_bucket{L, le="1"} 0x20\n'
                   'pilot_proxy_convergence_time_bucket{L, le="+Inf"} 0+60x20',
                   'pilot_proxy_convergence_time_bucket{L, le="0.1"} 0+60x20\n'
                   'pilot_proxy_convergence_time_bucket{L, le="+Inf"} 0+60x20'),
    "PilotdLimitsCrossed": ('pilotd_xds_limits_total{L, limit="frames"} 0+10x10',
                            'pilotd_xds_limits_total{L, limit="frames"} 0+1x10'),
    "PilotdCertificateEnds": ("pilotd_tls_certificate_ends_in_seconds{L} 600000x90",
                              "pilotd_tls_certificate_ends_in_seconds{L} 700000x90"),
}


def rules():
    with open(RULES, encoding="utf-8") as text:
        return {rule["alert"]: rule for rule in yaml.safe_load(text)["groups"][0]["rules"]}


def promtool(*arguments):
    return subprocess.run(["promtool", *arguments], capture_output=True, text=True, timeout=60)


def fires(alert, series, tmp_path):
    """Whether it does at the end of the series."""
    lines = [line.replace("{L", "{" + LABELS) for line in series.splitlines()]
    minutes = int(lines[0].rsplit("x", 1)[1])
    test = {"rule_files": [RULES], "evaluation_interval": "10s", "tests": [{
        "interval": "1m",
        "input_series": [dict(zip(("series", "values"), line.rsplit(" ", 1))) for line in lines],
        "alert_rule_test": [{"eval_time": f"{minutes}m", "alertname": alert, "exp_alerts": []}]}]}
    path = tmp_path / "test.yml"
    path.write_text(yaml.safe_dump(test))
    done = promtool("test", "rules", str(path))
    told = done.stdout + done.stderr
    assert done.returncode == 0 or f"alertname: {alert}" in told, told
    return done.returncode != 0  # none was expected


def test_promtool_takes_the_rules():
    done = promtool("check", "rules", RULES)

    assert done.returncode == 0, done.stdout + done.stderr
    assert set(CASES) == set(rules())
    assert all(rule["annotations"]["action"] for rule in rules().values())


@pytest.mark.parametrize("alert", CASES)
def test_an_alert_fires_when_it_should_and_only_then(alert, tmp_path):
    bad, good = CASES[alert]
    assert fires(alert, bad, tmp_path)
    assert not fires(alert, good, tmp_path)


def expressions():
    with open(os.path.join(MONITORING, "grafana.json"), encoding="utf-8") as text:
        panels = json.load(text)["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    return [t["expr"] for panel in panels for t in panel["targets"]] + [r["expr"] for r in rules().values()]


def test_every_name_in_alerts_and_dashboard_is_told_by_a_replica(tmp_path):
    certificate, key = Authority(str(tmp_path)).issue("pilotd", "IP:127.0.0.1")
    etcd = Etcd.start(str(tmp_path))
    with World(etcd) as world:
        text = world.replica("--xds-tls", "127.0.0.1:0", "--xds-tls-cert", certificate,
                             "--xds-tls-key", key).get("/metrics")[1]
    etcd.kill()
    told = set(re.findall(r"^(\w+)", text, re.M))
    wanted = {name for expr in expressions() for name in re.findall(r"\b(?:pilotd?|process)_\w+", expr)}

    assert len(wanted) > 15 and wanted <= told, wanted - told


def test_prometheus_finds_the_sidecars_by_asking_a_replica(tmp_path):
    """A real Prometheus scrapes a sidecar's stats at the address that the replica told it."""
    etcd = Etcd.start(str(tmp_path))
    with World(etcd) as world:
        replica = world.replica()
        world.put_service("web")
        stats = StatsPage(loopback(9))
        client = world.connect_until_served(
            replica, f"sidecar~{stats.ip}~web-1.default~default.svc.cluster.local",
            metadata={"LABELS": {"app": "web", "version": "v2"}})
        told = replica.json(f"/v1/prometheus/sd?port={stats.port}")
        assert told == [{"targets": [f"{stats.ip}:{stats.port}"], "labels": {
            "__metrics_path__": "/stats/prometheus", "namespace": "default", "proxy": "web-1.default",
            "kind": "sidecar", "app": "web", "version": "v2"}}]
        config = tmp_path / "prometheus.yml"
        config.write_text(yaml.safe_dump({"global": {"scrape_interval": "1s"}, "scrape_configs": [{
            "job_name": "sidecars", "http_sd_configs": [{
                "url": f"http://{replica.admin}/v1/prometheus/sd?port={stats.port}", "refresh_interval": "1s"}]}]}))
        port = free_port()
        prometheus = Process("prometheus", [
            "prometheus", f"--config.file={config}", f"--storage.tsdb.path={tmp_path}/tsdb",
            f"--web.listen-address=127.0.0.1:{port}"], str(tmp_path)).start()

        def found():
            _, body = get(f"127.0.0.1:{port}", "/api/v1/query?query=envoy_server_live")
            return json.loads(body)["data"]["result"]
        wait_until(found, "Prometheus has scraped the sidecar", 40)

        assert found()[0]["metric"]["app"] == "web" and found()[0]["metric"]["job"] == "sidecars"
        prometheus.kill()
        client.close()
        wait_until(lambda: replica.json("/v1/prometheus/sd") == [], "who is gone is not listed")
        assert replica.get("/v1/prometheus/sd?port=0")[0] == 400
        stats.close()
    etcd.kill()


class StatsPage:
    """A sidecar's stats, at an address of its own."""

    def __init__(self, ip):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                text = b"# TYPE envoy_server_live gauge\nenvoy_server_live 1\n" \
                    if self.path == "/stats/prometheus" else b""
                self.send_response(200 if text else 404)
                self.send_header("content-type", "text/plain; version=0.0.4")
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *args):
                pass
        self.ip, self.server = ip, http.server.ThreadingHTTPServer((ip, 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
