"""pilotctl as an operator uses it: against a real etcd and a real replica, and its exit statuses."""

import json
import os
import signal
import subprocess
import sys
import textwrap

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "deploy", "demo"))

from cluster import PILOTCTL, PYTHON, Cluster, free_port, wait_until  # noqa: E402

GOOD, FINDINGS, USAGE, UNREACHABLE, REFUSED = range(5)
ROUTE = textwrap.dedent("""\
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: reviews, namespace: shop}
    spec:
      hosts: [reviews]
      http:
      - route:
        - destination: {host: reviews}
    """)
FAULTY = textwrap.dedent("""\
    # canary for reviews
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: reviews, namespace: shop}
    spec:
      hosts: [reviews]
      http:
      - match:
        - uri:
            prefx: /beta
        route:
        - destination: {host: reviews, subset: v2}
          weigth: 10
    """)


@pytest.fixture(scope="module")
def cluster():
    made = Cluster()
    made.start_etcd(1)
    made.start_pilotds(1)
    yield made
    made.close()


def run(*arguments, stdin=None, env=None):
    return subprocess.run([PILOTCTL, *arguments], input=stdin, text=True, timeout=60,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          env=dict(os.environ, **(env or {})))


def test_validate_tells_every_fault_with_its_place_and_what_is_meant(tmp_path):
    path = tmp_path / "reviews.yaml"
    path.write_text(FAULTY)

    done = run("validate", "-f", str(path))

    assert done.returncode == FINDINGS
    lines = done.stdout.splitlines()
    assert any(line.startswith(f"{path}:10:") and "spec.http[0].match[0].uri.prefx" in line
               and "prefix" in line and "[PIL0102]" in line for line in lines), done.stdout
    assert any(line.startswith(f"{path}:13:") and "weigth" in line and "weight" in line
               for line in lines), done.stdout


def test_validate_reads_standard_input_and_json():
    document = {"apiVersion": "networking.istio.io/v1", "kind": "DestinationRule",
                "metadata": {"name": "a", "namespace": "b"}, "spec": {"host": "a"}}

    assert run("validate", "-f", "-", stdin=json.dumps(document)).returncode == GOOD
    assert run("validate", "-f", "-", stdin="{").returncode == FINDINGS


@pytest.mark.parametrize("arguments, says", [
    ((), "VERB"),
    (("aply",), "did you mean apply"),
    (("apply",), "-f FILE is needed"),
    (("apply", "--fil", "x"), "did you mean --file"),
    (("get", "widgets"), "unknown kind"),
    (("status", "-o", "xml"), "must be table, wide, name, json or yaml"),
    (("bootstrap", "nonsense"), "TYPE~IP~NAME.NAMESPACE~DOMAIN"),
    (("bootstrap", "x", "--tls-cert", "c", "--tls-key", "k"), "go with --tls-ca"),
    (("bootstrap", "x", "--tls-ca", "a", "--tls-cert", "c"), "--tls-cert and --tls-key go together"),
    (("bootstrap", "x", "--tls-ca", "a", "--tls-secrets", "/nowhere"), "/nowhere/xds-authorities.json: No such file"),
])
def test_wrong_usage_exits_2_and_says_what_is_meant(arguments, says):
    done = run(*arguments)

    assert done.returncode == USAGE
    assert says in done.stdout


def test_a_server_out_of_reach_exits_3():
    assert run("status", "--server", f"127.0.0.1:{free_port()}").returncode == UNREACHABLE
    store = f"etcd://127.0.0.1:{free_port()}/pilot"
    assert run("get", "--store", store).returncode == UNREACHABLE


def test_apply_get_delete(cluster, tmp_path):
    path = tmp_path / "route.yaml"
    path.write_text(ROUTE)

    assert "created" in cluster.ctl("apply", "-f", str(path)).stdout
    assert "unchanged" in cluster.ctl("apply", "-f", str(path)).stdout
    path.write_text(ROUTE.replace("hosts: [reviews]", "hosts: [reviews, ratings]"))
    assert "configured" in cluster.ctl("apply", "-f", str(path)).stdout

    table = cluster.ctl("get", "virtualservices").stdout
    assert "reviews" in table and "shop" in table
    assert cluster.ctl("get", "vs", "-o", "name").stdout.strip() == "VirtualService/shop/reviews"
    stored = json.loads(cluster.ctl("get", "vs", "reviews", "-n", "shop", "-o", "json").stdout)
    assert stored["spec"]["hosts"] == ["reviews", "ratings"]

    assert "deleted" in cluster.ctl("delete", "vs", "reviews", "-n", "shop").stdout
    again = cluster.ctl("delete", "vs", "reviews", "-n", "shop", check=False)
    assert again.returncode == FINDINGS and "not found" in again.stdout


def test_apply_writes_nothing_when_one_resource_is_refused(cluster, tmp_path):
    path = tmp_path / "two.yaml"
    path.write_text(ROUTE.replace("name: reviews", "name: good") + "---\n" + FAULTY)

    done = cluster.ctl("apply", "-f", str(path), check=False)

    assert done.returncode == REFUSED
    assert "nothing was written" in done.stdout
    assert cluster.ctl("get", "vs", "good", "-n", "shop", check=False).returncode == FINDINGS


def test_status_shows_the_replica_and_what_was_rejected(cluster):
    assert "pilotd-1" in cluster.ctl("status").stdout

    value = subprocess.run(["etcdctl", "--endpoints", cluster.etcd_urls[0], "put",
                            "/pilot/config/virtualservices/shop/broken", "{\"spec\":"],
                           env=dict(os.environ, ETCDCTL_API="3"), stdout=subprocess.DEVNULL)
    assert value.returncode == 0
    seen = wait_until(lambda: "shop/broken" in cluster.ctl("status", check=False).stdout
                      and cluster.ctl("status", check=False), "the reject is shown")
    assert seen.returncode == FINDINGS
    assert "is not JSON" in seen.stdout

    cluster.ctl("delete", "vs", "broken", "-n", "shop")
    wait_until(lambda: cluster.ctl("status", check=False).returncode == GOOD, "all is well again")


def test_bootstrap_is_what_envoy_takes(tmp_path):
    done = run("bootstrap", "sidecar~10.0.0.7~web-1.shop~shop.svc.cluster.local", "--xds",
               "10.0.0.1:15010,10.0.0.2:15010", "--label", "version=v1", "--locality", "r/z/s")

    bootstrap = json.loads(done.stdout)
    assert bootstrap["node"]["metadata"]["LABELS"] == {"version": "v1"}
    assert bootstrap["node"]["locality"] == {"region": "r", "zone": "z", "sub_zone": "s"}
    assert bootstrap["dynamic_resources"]["ads_config"]["api_type"] == "DELTA_GRPC"
    path = tmp_path / "bootstrap.json"
    path.write_text(done.stdout)
    envoy = os.path.join(ROOT, "build", "venv", "bin", "envoy")
    checked = subprocess.run([envoy, "--mode", "validate", "-c", str(path), "-l", "error",
                              "--use-dynamic-base-id"],
                             text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize("xds, name, kind, wanted", [
    ("pilotd.test:15012", None, "DNS", "pilotd.test"),
    ("10.0.0.1:15012,10.0.0.2:15012", None, "IP_ADDRESS", "10.0.0.1"),
    ("[::1]:15012", None, "IP_ADDRESS", "::1"),
    ("10.0.0.1:15012", "spiffe://mesh/pilotd", "URI", "spiffe://mesh/pilotd"),
])
def test_bootstrap_says_whose_certificate_it_must_be(xds, name, kind, wanted):
    done = run("bootstrap", "sidecar~10.0.0.7~web-1.shop~shop.svc.cluster.local", "--xds", xds, "--tls-ca",
               "ca.pem", *(("--tls-name", name) if name else ()))

    socket = json.loads(done.stdout)["static_resources"]["clusters"][0]["transport_socket"]["typed_config"]
    context = socket["common_tls_context"]["validation_context"]
    assert context["match_typed_subject_alt_names"] == [{"san_type": kind, "matcher": {"exact": wanted}}]
    assert socket.get("sni") == (wanted if kind == "DNS" else None)
    assert "tls_certificates" not in socket["common_tls_context"]


# ---- register ----

APP = """
import http.server, sys, time, signal
time.sleep(float(sys.argv[2]))
server = http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), http.server.BaseHTTPRequestHandler)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
server.serve_forever()
"""


def instances(cluster):
    done = cluster.ctl("get", "instances", "-o", "json")
    return [entry["ports"]["http"] for entry in json.loads(done.stdout)]


def start_register(cluster, port, *more):
    return subprocess.Popen(
        [PILOTCTL, "register", "cart", "-n", "shop", "--address", "127.0.0.1", "--port",
         f"http={port}", "--ttl", "3", *more],
        env=dict(os.environ, PILOTD_STORE=cluster.store), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def test_register_keeps_an_instance_while_it_runs_and_takes_it_away_at_the_end(cluster):
    port = free_port()
    registrar = start_register(cluster, port)
    try:
        wait_until(lambda: instances(cluster) == [port], "registered")
        registrar.send_signal(signal.SIGTERM)
        assert registrar.wait(10) == GOOD
        assert instances(cluster) == []
    finally:
        registrar.kill()


def test_register_waits_for_the_commands_port_and_passes_on_signals_and_status(cluster):
    port = free_port()
    registrar = start_register(cluster, port, "--", PYTHON, "-c", APP, str(port), "0.5")
    try:
        wait_until(lambda: instances(cluster) == [port], "registered once the port accepts")
        registrar.send_signal(signal.SIGTERM)
        assert registrar.wait(10) == 7
        assert instances(cluster) == []
    finally:
        registrar.kill()


def test_an_instance_whose_registrar_is_killed_goes_with_its_lease(cluster):
    port = free_port()
    registrar = start_register(cluster, port)
    wait_until(lambda: instances(cluster) == [port], "registered")
    registrar.kill()
    registrar.wait()
    wait_until(lambda: instances(cluster) == [], "gone with its lease", 15)


GROUP = """
apiVersion: networking.istio.io/v1
kind: WorkloadGroup
metadata: {name: carts, namespace: shop}
spec:
  metadata: {labels: {app: cart, tier: front}}
  template:
    ports: {http: 1, grpc: 9090}
    labels: {version: v1, tier: back}
    locality: r/z/s
    serviceAccount: cart
    weight: 5
"""


def test_a_group_gives_what_the_command_line_leaves_out(cluster, tmp_path):
    (tmp_path / "group.yaml").write_text(GROUP)
    cluster.ctl("apply", "-f", str(tmp_path / "group.yaml"))
    port = free_port()
    registrar = start_register(cluster, port, "--group", "carts", "--label", "version=v2")
    try:
        wait_until(lambda: instances(cluster) == [port], "registered")
        value = json.loads(cluster.ctl("get", "instances", "-o", "json").stdout)[0]
        assert value["ports"] == {"http": port, "grpc": 9090}
        assert value["labels"] == {"version": "v2", "app": "cart", "tier": "front"}
        assert (value["locality"], value["serviceAccount"], value["weight"]) == ("r/z/s", "cart", 5)
    finally:
        registrar.kill()


def test_a_group_that_is_not_there_is_told(cluster):
    done = run("register", "cart", "-n", "shop", "--address", "127.0.0.1", "--port", "http=1",
               "--group", "nobody", env={"PILOTD_STORE": cluster.store})

    assert done.returncode == FINDINGS
    assert "config/workloadgroups/shop/nobody" in done.stdout


def test_register_refuses_what_replicas_would_reject(cluster):
    done = run("register", "cart", "--address", "127.0.0.1", "--port", "http=0",
               env={"PILOTD_STORE": cluster.store})

    assert done.returncode == REFUSED
    assert "ports" in done.stdout
