"""pilotctl's verb table: what help, completion and manual pages say; and the forms of what is read."""

import json
import os
import pty
import re
import select
import shlex
import subprocess
import sys
import textwrap

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "deploy", "demo"))

from cluster import PILOTCTL, Cluster  # noqa: E402

GOOD, FINDINGS, USAGE, UNREACHABLE, REFUSED = range(5)
ROUTE = textwrap.dedent("""\
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata:
      name: reviews
      namespace: shop
      annotations: {note: "yes", number: "017", lines: "a\\nb", empty: ""}
    spec:
      hosts: [reviews]
      http:
      - timeout: 1.5s
        route:
        - destination: {host: reviews}
          weight: 100
    """)


def run(*arguments, env=None):
    return subprocess.run([PILOTCTL, *arguments], text=True, timeout=60, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, env=dict(os.environ, **(env or {})))


def verbs():
    usage = run("--help")
    assert usage.returncode == GOOD
    return re.findall(r"^  ([a-z-]+) +[A-Z]", usage.stdout, re.M)


@pytest.fixture(name="store")
def made_store(tmp_path):
    directory = tmp_path / "store"
    directory.mkdir()
    (tmp_path / "route.yaml").write_text(ROUTE)
    store = f"file:{directory}"
    assert run("apply", "--store", store, "-f", str(tmp_path / "route.yaml")).returncode == GOOD
    return store


# ---- help ----

def test_every_verb_has_help_with_examples_that_it_would_take():
    assert len(verbs()) > 10
    for verb in verbs():
        help_text = run(verb, "--help").stdout
        head, examples = help_text.split("\nExamples:\n")
        assert head.startswith(f"pilotctl {verb}")
        flags = set(re.findall(r"(?:^|\s)(-\w|--[\w-]+)(?=[, ])", head))
        calls = [line for line in examples.splitlines() if line.startswith("  pilotctl ")]
        assert calls, verb
        for call in calls:
            words = shlex.split(call.split(" -- ")[0].split("<(")[-1].rstrip(")"))
            for word in words[2:]:
                assert not re.match(r"-\w|--", word) or word.split("=")[0] in flags, (verb, word)


def test_help_goes_by_verb_or_before_it_and_other_names_lead_to_the_same():
    assert run("help", "proxies").stdout == run("proxies", "--help").stdout
    for other in ("ps", "proxy-status"):
        assert run(other, "--help").stdout == run("proxies", "--help").stdout
    assert run("x", "get", "--help").stdout == run("get", "--help").stdout


# ---- manual pages ----

def test_there_is_a_sound_manual_page_for_every_verb(tmp_path):
    assert run("manual", "-o", str(tmp_path)).returncode == GOOD
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        ["pilotctl.1"] + [f"pilotctl-{verb}.1" for verb in verbs()])
    for path in tmp_path.iterdir():
        done = subprocess.run(["groff", "-man", "-ww", "-Tutf8", "-Kutf8", str(path)], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=True)
        assert not done.stderr, (path, done.stderr)
    text = re.sub(".\x08", "", subprocess.run(
        ["groff", "-man", "-Tutf8", "-Kutf8", "-P-c", str(tmp_path / "pilotctl-get.1")], text=True,
        stdout=subprocess.PIPE, check=True).stdout)
    assert "EXIT STATUS" in (tmp_path / "pilotctl.1").read_text()
    assert "--namespace NAME" in text and "pilotctl get vs reviews" in text


# ---- completion ----

def complete(*words, env=None):
    done = run("__complete", *words, env=env)
    return [line.split("\t")[0] for line in done.stdout.splitlines()]


def test_completion_knows_verbs_flags_choices_and_what_is_in_the_store(store):
    env = {"PILOTD_STORE": store}
    assert complete("") == verbs()
    assert complete("va") == ["validate"]
    assert complete("status", "--fin") == ["--findings"]
    assert complete("get", "-o", "j") == ["json"]
    assert complete("get", "--output=j") == ["--output=json"]
    assert complete("get", "virt") == ["virtualservices"]
    assert complete("get", "vs", "", env=env) == ["reviews"]
    assert complete("get", "dr", "", env=env) == []
    assert complete("get", "-n", "", env=env) == ["shop"]
    assert complete("get", "--store", store, "vs", "re") == ["reviews"]
    assert complete("nonsense", "") == []


def test_completion_of_what_is_away_is_nothing_and_soon(tmp_path):
    assert complete("get", "--store", "etcd://127.0.0.1:1/pilot", "vs", "") == []
    assert complete("proxies", "--server", "127.0.0.1:1", "") == []


def shell(program, script):
    path = os.path.dirname(PILOTCTL) + os.pathsep + os.environ["PATH"]
    done = subprocess.run([*program, script], text=True, timeout=60, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, env=dict(os.environ, PATH=path))
    assert done.returncode == 0 and not done.stderr, done.stderr
    return done.stdout.split()


def test_the_shells_complete_by_it():
    def bash(line, *words):
        quoted = " ".join(shlex.quote(word) for word in words)
        return shell(["bash", "-c"], f"""source <(pilotctl completion bash)
            COMP_LINE={shlex.quote(line)} COMP_POINT={len(line)} COMP_WORDS=({quoted})
            COMP_CWORD={len(words) - 1}
            _pilotctl; echo "${{COMPREPLY[@]}}" """)

    assert bash("pilotctl val", "pilotctl", "val") == ["validate"]
    assert bash("pilotctl get -o ", "pilotctl", "get", "-o", "") == [
        "table", "wide", "name", "json", "yaml"]
    assert bash("pilotctl get --output=j", "pilotctl", "get", "--output", "=", "j") == ["json"]

    assert shell(["zsh", "-f", "-c"], """compdef() { :; }
        _describe() { print -l ${(P)2%%:*}; }
        source <(pilotctl completion zsh)
        words=(pilotctl get -o j) CURRENT=4; _pilotctl""") == ["json"]

    assert shell(["fish", "--no-config", "-c"], """pilotctl completion fish | source
        complete -C 'pilotctl get -o j'""") == ["json"]


# ---- what is read ----

def test_get_in_every_form(store, tmp_path):
    def get(*arguments):
        return run("get", "--store", store, *arguments).stdout

    table = get("vs").splitlines()
    assert table[0].split() == ["KIND", "NAMESPACE", "NAME", "REVISION", "HOSTS"]
    assert table[1].split()[:3] == ["VirtualService", "shop", "reviews"]
    assert "KEY" in get("vs", "-o", "wide") and "config/virtualservices/shop/reviews" in get(
        "vs", "-o", "wide")
    assert get("-o", "name") == "VirtualService/shop/reviews\n"
    for words in (("vs", "reviews"), ("vs/reviews",), ("VirtualService/shop/reviews",)):
        assert json.loads(get(*words, "-o", "json"))["spec"]["hosts"] == ["reviews"]
    assert isinstance(json.loads(get("vs", "-o", "json")), list)
    assert run("get", "--store", store, "vs", "nobody").returncode == FINDINGS

    (tmp_path / "again.yaml").write_text(get("vs", "reviews", "-o", "yaml"))
    again = run("apply", "--store", store, "-f", str(tmp_path / "again.yaml"))
    assert "VirtualService/shop/reviews unchanged" in again.stdout, (tmp_path / "again.yaml").read_text()


def lines_of(process):
    """Reads a line within a deadline."""
    def read():
        ready, _, _ = select.select([process.stdout], [], [], 20)
        assert ready, "no line came"
        return process.stdout.readline().decode()
    return read


def test_watch_tells_what_is_new_changed_and_gone_a_line_of_json_each(store, tmp_path):
    watch = subprocess.Popen([PILOTCTL, "get", "--store", store, "vs", "--watch", "--interval", "0.1",
                              "-o", "json"], stdout=subprocess.PIPE, bufsize=0)
    try:
        line = lines_of(watch)
        first = json.loads(line())
        assert (first["event"], first["name"]) == ("added", "VirtualService/shop/reviews")
        assert first["object"]["spec"]["hosts"] == ["reviews"]

        (tmp_path / "route.yaml").write_text(ROUTE.replace("1.5s", "2s"))
        run("apply", "--store", store, "-f", str(tmp_path / "route.yaml"))
        second = json.loads(line())
        assert second["event"] == "changed" and second["object"]["spec"]["http"][0]["timeout"] == "2s"

        run("delete", "--store", store, "vs", "reviews", "-n", "shop")
        assert json.loads(line()) == {"event": "gone", "name": "VirtualService/shop/reviews"}
    finally:
        watch.kill()
        watch.wait()


def test_watch_of_a_server_that_was_never_there_ends():
    assert run("status", "--watch", "--server", "127.0.0.1:1").returncode == UNREACHABLE


# ---- colours ----

@pytest.fixture(name="cluster", scope="module")
def small_cluster():
    made = Cluster()
    made.start_etcd(1)
    made.start_pilotds(1)
    yield made
    made.close()


def test_dashboard_prints_where_the_pages_are_and_opens_a_browser(cluster, tmp_path):
    server = cluster.pilotds[0].admin
    browser = tmp_path / "browser"
    browser.write_text(f"#!/bin/sh\necho \"$1\" > {tmp_path}/opened\n")
    browser.chmod(0o755)
    env = {"BROWSER": str(browser)}

    done = run("dashboard", "--print", "--server", server, env=env)
    assert (done.returncode, done.stdout) == (GOOD, f"http://{server}/\n")
    assert not (tmp_path / "opened").exists()

    done = run("dashboard", "--server", f"127.0.0.1:1,{server}", env=env)
    assert (done.returncode, done.stdout) == (GOOD, f"http://{server}/\n")
    assert (tmp_path / "opened").read_text() == f"http://{server}/\n"

    done = run("dashboard", "--server", server, env={"BROWSER": "/nonexistent"})
    assert done.returncode == FINDINGS and "did not open" in done.stdout
    done = run("dashboard", "--server", server, env={"BROWSER": "", "DISPLAY": "", "WAYLAND_DISPLAY": ""})
    assert (done.returncode, done.stdout) == (GOOD, f"http://{server}/\n")
    assert run("dashboard", "--server", "127.0.0.1:1").returncode == UNREACHABLE


def on_terminal(*arguments, env, statuses=(GOOD,)):
    """What a terminal is sent."""
    master, slave = pty.openpty()
    process = subprocess.Popen([PILOTCTL, *arguments], stdout=slave, stdin=slave,
                               env=dict(os.environ, **env))
    os.close(slave)
    text = b""
    try:
        while piece := os.read(master, 65536):
            text += piece
    except OSError:  # the other end is closed
        pass
    os.close(master)
    assert process.wait(20) in statuses
    return text


def test_colours_are_for_terminals_and_not_where_they_are_refused(cluster):
    server = ("status", "--server", cluster.servers())
    assert b"\x1b[32magreed" in on_terminal(*server, env={"TERM": "xterm", "NO_COLOR": ""})
    assert b"\x1b[" not in on_terminal(*server, env={"TERM": "xterm", "NO_COLOR": "1"})
    assert b"\x1b[" not in on_terminal(*server, env={"TERM": "dumb", "NO_COLOR": ""})
    assert "\x1b[" not in cluster.ctl("status").stdout


# ---- every verb that reads ----

# Those that change something, or make files and texts that nothing but pilotctl itself or a file decides.
NOT_READING = set("""apply edit delete diff validate render rollback export import schema explain register deregister drain
    undrain bootstrap bug-report dashboard completion manual dev log-level""".split())
NODE = "sidecar~10.0.0.9~probe.default~default.svc.cluster.local"
# What a verb needs to say something of a small cluster without proxies.
READING = {
    "describe": ["vs", "reviews"], "history": ["vs", "reviews"], "trace": ["vs", "reviews"],
    "route": ["--node", NODE, "http://reviews.shop/"],
    "redirect": ["verify", "--uid", "1"],
}
OF_A_PROXY = {"proxy-config": ["all", "probe"], "proxy-diff": ["probe"], "proxy-log": ["probe"]}


def reading():
    return [verb for verb in verbs() if verb not in NOT_READING]


@pytest.fixture(name="read", scope="module")
def fixture_read(cluster):
    """A verb's words, of a cluster with a resource, and the environment that it is found by."""
    env = {"PILOTD_STORE": cluster.store, "PILOTD_SERVER": cluster.servers(), "PILOTD_ENVOY_ADMIN": "127.0.0.1:1"}
    applied = subprocess.run([PILOTCTL, "apply", "-f", "-"], input=ROUTE.replace("shop", "default"), text=True,
                             env=dict(os.environ, **env), timeout=60)
    assert applied.returncode == GOOD
    return lambda verb: ([verb, *READING.get(verb, OF_A_PROXY.get(verb, []))], env)


def test_every_verb_that_reads_has_all_forms_and_can_be_watched():
    assert len(reading()) > 15
    for verb in reading():
        text = run(verb, "--help").stdout
        for flag in ("-o, --output         FORMAT     table, wide, name, json or yaml", "-w, --watch ", "    --interval "):
            assert flag in text, (verb, flag)


def test_every_verb_that_reads_prints_json_once_and_a_line_of_it_for_each_change_when_watched(read):
    for verb in reading():
        if verb in OF_A_PROXY or (verb == "redirect" and os.geteuid() != 0):
            continue
        words, env = read(verb)
        done = run(*words, "-o", "json", env=env)
        assert done.returncode in (GOOD, FINDINGS), (verb, done.stdout)
        once = json.loads(done.stdout)
        watch = subprocess.Popen([PILOTCTL, *words, "-o", "json", "--watch", "--interval", "0.1"], bufsize=0,
                                 stdout=subprocess.PIPE, env=dict(os.environ, **env))
        try:
            if once:  # of an empty list there is nothing to tell
                assert isinstance(json.loads(lines_of(watch)()), dict), verb
            else:
                assert watch.poll() is None, verb
        finally:
            watch.kill()
            watch.wait()


def test_no_verb_that_reads_colours_what_is_not_a_terminal_or_where_colours_are_refused(read):
    for verb in reading():
        words, env = read(verb)
        assert "\x1b[" not in run(*words, env=env).stdout, verb
        refused = on_terminal(*words, env=dict(env, TERM="xterm", NO_COLOR="1"), statuses=range(5))
        assert b"\x1b[" not in refused, verb


def test_status_in_json_and_yaml_says_the_same(cluster):
    told = json.loads(cluster.ctl("status", "-o", "json").stdout)
    assert told["agreement"] == "agreed"
    assert "agreement: agreed\n" in cluster.ctl("status", "-o", "yaml").stdout
    assert cluster.ctl("status", "-o", "name").stdout == "pilotd-1\n"
    assert f"pilotd-1 {told['version']}, translation level" in cluster.ctl(
        "version", "--server", cluster.servers()).stdout
