"""pilotctl and one proxy: what it should have beside what its real Envoy has; the Envoy's log levels."""

import json
import os
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from cluster import ENVOY
from harness import PILOTCTL, ROOT, Process, free_port, get, wait_until
from sidecars import Mesh, loopback, service, to, virtual_service

GOOD, FINDINGS, USAGE, UNREACHABLE = range(4)


@pytest.fixture(name="mesh", scope="module")
def fixture_mesh():
    with Mesh() as mesh:
        mesh.apply("web", service("web", {"v1": mesh.backend("v1")}),
                   virtual_service("web", [{"route": [to("web")]}]))
        yield mesh


@pytest.fixture(name="client")
def fixture_client(mesh):
    return next(s for s in mesh.sidecars if s.name == "client")


def ctl(mesh, *arguments):
    done = subprocess.run([PILOTCTL, *arguments], text=True, timeout=60, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, env=dict(os.environ, PILOTD_SERVER=mesh.pilotd.admin))
    return done.returncode, done.stdout


class Fake(ThreadingHTTPServer):
    """Answers every GET with one text."""

    def __init__(self, text):
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *args):
                pass
        super().__init__(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server_address[1]}"

    def __enter__(self):
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *exception):
        self.shutdown()
        self.server_close()


# ---- proxy-diff ----

def diff(mesh, sidecar, *more):
    return ctl(mesh, "proxy-diff", f"~{sidecar.name}.", "--envoy-admin", sidecar.admin, *more)


def test_a_proxy_that_has_all_differs_in_nothing(mesh, client):
    status, text = wait_until(lambda: (done := diff(mesh, client, "--all", "-o", "json"))[0] == GOOD and done,
                              "the proxy has all")
    told = {(row["TYPE"], row["NAME"]): row for row in json.loads(text)}

    assert {"CDS", "EDS", "LDS", "RDS"} <= {kind for kind, _ in told}
    cluster = told["CDS", "outbound|8080||web.test"]
    assert len(cluster["WANTED"]) == 32 and cluster["ENVOY"] == cluster["WANTED"]
    assert cluster["ACKNOWLEDGED"] == f"{cluster['WANTED']} SYNCED"
    assert told["EDS", "outbound|8080||web.test"]["ENVOY"] == "has it"
    assert {row["VERDICT"] for row in told.values()} == {"same"}


@pytest.mark.parametrize("number, flags, note", [
    (4, ["--variant", "sotw"], "compared by name alone"),
    (5, ["--vhds"], "VHDS"),
], ids=["sotw", "vhds"])
def test_proxies_of_every_kind_are_compared(mesh, number, flags, note):
    sidecar = mesh.start_sidecar(f"kind{number}", loopback(number), "default", flags=flags)
    try:
        def told():
            status, text = diff(mesh, sidecar, "--all")
            return status == GOOD and text
        text = wait_until(told, "the proxy has all")
        assert note in text and "outbound|8080||web.test" in text and " 0 differ" in text
    finally:
        mesh.stop_sidecar(sidecar)


def test_what_differs_in_envoy_is_named_and_the_exit_status_says_so(mesh, client):
    other = next(s for s in mesh.sidecars if s.name == "other")
    status, text = diff(mesh, other)
    assert status == GOOD and "0 differ" in text, text

    # The one proxy's wants beside the other's Envoy: its inbound side is another one.
    status, text = ctl(mesh, "proxy-diff", "~client.", "--envoy-admin", other.admin, "-o", "json")

    rows = json.loads(text)
    assert status == FINDINGS, text
    assert {(row["TYPE"], row["VERDICT"]) for row in rows} == {("LDS", "not in Envoy"), ("LDS", "not wanted")}, text


def test_what_is_on_its_way_or_old_in_envoy_differs_by_version_and_by_address(mesh, client):
    """Beside a fake Envoy that has the real one's dump, changed in two places."""
    changed = json.loads(get(client.admin, "/config_dump?include_eds")[1])
    for part in changed["configs"]:
        for item in part.get("dynamic_active_clusters", []):
            if item["cluster"]["name"] == "outbound|8080||web.test":
                item["version_info"] = "0" * 32
        for item in part.get("dynamic_endpoint_configs", []):
            if item["endpoint_config"]["cluster_name"] == "outbound|8080||web.test":
                item["endpoint_config"]["endpoints"][0]["lb_endpoints"].pop()

    with Fake(json.dumps(changed)) as fake:
        status, text = ctl(mesh, "proxy-diff", "~client.", "--envoy-admin", fake.address, "-o", "json")

    assert status == FINDINGS
    assert [(row["TYPE"], row["NAME"], row["VERDICT"]) for row in json.loads(text)] == [
        ("CDS", "outbound|8080||web.test", "another version in Envoy"),
        ("EDS", "outbound|8080||web.test", "other endpoints in Envoy")]


def test_a_proxy_diff_without_an_envoy_that_answers_is_out_of_reach(mesh):
    status, text = ctl(mesh, "proxy-diff", "~client.", "--envoy-admin", f"127.0.0.1:{free_port()}")
    assert status == UNREACHABLE and "--envoy-admin" in text, text
    assert ctl(mesh, "proxy-diff")[0] == USAGE
    assert ctl(mesh, "proxy-diff", "nobody")[0] == FINDINGS


def test_the_status_of_one_proxy_is_a_page(mesh, client):
    ids = [proxy["id"] for proxy in mesh.pilotd.json("/debug/proxies")]
    one = next(i for i in ids if "~client." in i)
    told = mesh.pilotd.json(f"/debug/client-status?proxy={one}")
    assert {config["node"]["id"] for config in told["config"]} == {one}
    assert mesh.pilotd.json("/debug/client-status?proxy=none").get("config", []) == []
    assert get(mesh.pilotd.admin, "/debug/client-status")[0] == 400


# ---- proxy-log ----

def test_proxy_log_shows_and_sets_the_levels_of_an_envoy(mesh, client):
    def levels(*more):
        status, text = ctl(mesh, "proxy-log", "~client.", "--envoy-admin", client.admin, "-o", "json", *more)
        assert status == GOOD, text
        return {row["LOGGER"]: row["LEVEL"] for row in json.loads(text)}

    before = levels()
    assert before["upstream"] == "warning" and len(before) > 20
    after = levels("--level", "upstream:debug", "--level", "http:error")
    assert (after["upstream"], after["http"], after["router"]) == ("debug", "error", "warning")
    assert set(levels("--level", "warning").values()) == {"warning"}


def test_proxy_log_refuses_what_is_no_level_and_tells_what_envoy_refuses(mesh, client):
    status, text = ctl(mesh, "proxy-log", "~client.", "--level", "upstream:debgu")
    assert status == USAGE and "trace, debug, info" in text
    assert ctl(mesh, "proxy-log", "~client.", "--level", "a&b:info")[0] == USAGE
    status, text = ctl(mesh, "proxy-log", "~client.", "--envoy-admin", client.admin, "--level", "nonsense:info")
    assert status == FINDINGS and "status 400" in text, text


# ---- bootstrap ----

def test_bootstrap_runs_an_envoy_in_its_own_place(mesh):
    address, admin, stats = loopback(3), free_port(), free_port()
    envoy = Process("own", [
        PILOTCTL, "bootstrap", f"sidecar~{address}~own.default~default.svc.cluster.local", "--xds", mesh.pilotd.xds,
        "--interception", "NONE", "--admin-port", str(admin), "--stats", f"127.0.0.1:{stats}",
        "--metadata", "OWNER=the team", "--metadata", 'EXTRA={"n": 1}', "--",
        ENVOY, "--concurrency", "1", "--use-dynamic-base-id", "--reject-unknown-dynamic-fields", "-l", "warning"],
        mesh.directory).start()
    try:
        envoy.address = address
        mesh.wait_for_marker(envoy)
        with open(f"/proc/{envoy.popen.pid}/comm", encoding="utf-8") as name:
            assert "pilotctl" not in name.read()

        status, text = get(f"127.0.0.1:{stats}", "/stats/prometheus")
        assert status == 200 and "envoy_server_live" in text
        assert get(f"127.0.0.1:{stats}", "/config_dump")[0] == 404

        bootstrap = json.loads(get(f"127.0.0.1:{admin}", "/config_dump")[1])["configs"][0]["bootstrap"]
        metadata = bootstrap["node"]["metadata"]
        assert (metadata["OWNER"], metadata["EXTRA"]) == ("the team", {"n": 1})
        assert envoy.stop() == 0
    finally:
        envoy.kill()


@pytest.mark.parametrize("words, said", [
    (["--"], "a command is needed after --"),
    (["--metadata", "X"], '"X" is no KEY=VALUE'),
    (["--metadata", "LABELS={}"], "LABELS is given by a flag of its own"),
    (["--stats", "15090"], '"15090" is no ADDR:PORT'),
])
def test_a_bootstrap_that_is_wrong_is_refused(mesh, words, said):
    status, text = ctl(mesh, "bootstrap", "sidecar~10.0.0.1~a.b~b.svc.cluster.local", *words)
    assert status == USAGE and said in text, text


def test_a_command_that_is_not_there_is_said(mesh):
    status, text = ctl(mesh, "bootstrap", "sidecar~10.0.0.1~a.b~b.svc.cluster.local", "--", "/nonexistent/envoy")
    assert status == FINDINGS and "/nonexistent/envoy: No such file" in text


# ---- units ----

UNITS = os.path.join(ROOT, "deploy", "systemd")


def commands_of(unit):
    with open(os.path.join(UNITS, unit), encoding="utf-8") as text:
        return [line.split("=", 1)[1].strip().lstrip("+") for line in text if line.startswith("Exec")]


def run_as_systemd_would(command, env, instance="cart"):
    """${X} is a word, $X words; the program is ours."""
    words = []
    for word in command.replace("%i", instance).split():
        if word.startswith("${"):
            words.append(env[word[2:-1]])
        elif word.startswith("$"):
            words += env.get(word[1:], "").split()
        else:
            words.append(word)
    assert words[0] == "/usr/bin/pilotctl"
    return subprocess.run([PILOTCTL, *words[1:]], text=True, timeout=60, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, env=dict(os.environ, **env))


def test_the_unit_of_a_sidecar_runs_envoy_with_its_bootstrap_and_redirects(tmp_path):
    envoy = tmp_path / "envoy"
    envoy.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    envoy.chmod(0o755)
    env = {"NODE": "sidecar~10.0.0.7~web-1.default~default.svc.cluster.local", "PILOTD_XDS": "10.0.0.1:15010",
           "BOOTSTRAP": "--locality eu/eu-1 --label app=web", "ENVOY": f"{envoy} -l warning", "PILOTD_REDIRECT_UID": "1"}
    start, apply, undo = commands_of("pilot-sidecar.service")

    told = run_as_systemd_would(start, env).stdout.splitlines()
    assert told[:3] == ["-l", "warning", "--config-yaml"]
    node = json.loads(told[3])["node"]
    assert (node["id"], node["metadata"]["LABELS"]) == (env["NODE"], {"app": "web"})
    assert run_as_systemd_would(f"{apply} --dry-run", env).returncode == GOOD
    assert undo == "/usr/bin/pilotctl redirect undo"


def test_the_unit_of_a_registrar_takes_its_service_from_its_name():
    start, = commands_of("pilot-registrar@.service")
    done = run_as_systemd_would(start, {"REGISTER": "--namespace shop --address 10.0.0.7 --port http=nonsense"})
    assert done.returncode in (USAGE, 4) and "nonsense" in done.stdout, done.stdout


@pytest.mark.parametrize("unit", ["pilot-sidecar.service", "pilot-registrar@.service"])
def test_systemd_takes_the_units(unit, tmp_path):
    with open(os.path.join(UNITS, unit), encoding="utf-8") as text:
        (tmp_path / unit.replace("@.", "@cart.")).write_text(
            text.read().replace("/usr/bin/pilotctl", PILOTCTL).replace("User=envoy", "User=root").replace("Documentation", "#"))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(tmp_path / unit.replace("@.", "@cart."))],
                          text=True, timeout=60, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    ours = [line for line in done.stdout.splitlines() if "pilot-" in line]
    assert done.returncode == GOOD and ours == [], done.stdout
