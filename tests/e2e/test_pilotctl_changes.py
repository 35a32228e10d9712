"""What pilotctl changes, and how it goes back: diff, edit, history, rollback, export, import."""

import json
import os
import stat
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
      name: {name}
      namespace: shop
    spec:
      hosts:
      - reviews
      http:
      - timeout: {timeout}
        route:
        - destination:
            host: reviews
    """)


@pytest.fixture(name="cluster", scope="module")
def small_cluster():
    made = Cluster()
    made.start_etcd(1)
    yield made
    made.close()


@pytest.fixture(name="ctl")
def empty_keyspace(cluster):
    """Runs pilotctl against an empty keyspace; (exit status, standard output, standard error)."""
    etcdctl(cluster, "del", "/pilot/", "--prefix")

    def run(*arguments, stdin=None, env=None):
        done = subprocess.run([PILOTCTL, *arguments], input=stdin, text=True, timeout=60,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              env=dict(os.environ, PILOTD_STORE=cluster.store, **(env or {})))
        return done.returncode, done.stdout, done.stderr
    return run


def etcdctl(cluster, *arguments):
    subprocess.run(["etcdctl", "--endpoints", cluster.etcd_urls[0], *arguments], check=True,
                   stdout=subprocess.DEVNULL, env=dict(os.environ, ETCDCTL_API="3"))


def apply(ctl, timeout, name="reviews", *flags):
    return ctl("apply", "-f", "-", *flags, stdin=ROUTE.format(name=name, timeout=timeout))


def timeout_of(ctl, *flags):
    status, out, _ = ctl("get", "vs", "reviews", "-n", "shop", "-o", "json", *flags)
    return json.loads(out)["spec"]["http"][0]["timeout"] if status == GOOD else None


def revisions(ctl):
    """Of the history, newest first: [(change, revision)]"""
    _, out, _ = ctl("history", "vs", "reviews", "-n", "shop", "-o", "json")
    return [(row["change"], row["revision"]) for row in json.loads(out)]


# ---- diff ----

def test_diff_shows_what_files_would_change_and_exits_1(ctl):
    document = ROUTE.format(name="reviews", timeout="1s")
    status, out, _ = ctl("diff", "-f", "-", stdin=document)
    assert status == FINDINGS and out.startswith("--- VirtualService/shop/reviews (not there)\n")

    apply(ctl, "1s")
    assert ctl("diff", "-f", "-", stdin=document) == (GOOD, "", "")
    status, out, _ = ctl("diff", "-f", "-", stdin=document.replace("1s", "2s"))
    assert status == FINDINGS
    lines = out.splitlines()
    assert lines[1] == "+++ VirtualService/shop/reviews (<stdin>)"
    changed = [line.strip() for line in lines[2:] if line[0] in "+-"]
    assert len(changed) == 2 and "timeout: " in changed[0] and "1s" in changed[0] and "2s" in changed[1]
    assert ctl("diff", "-f", "-", stdin=document.replace("1s", "x"))[0] == REFUSED


def test_diff_is_as_diff_u_has_it(ctl, tmp_path):
    before = [f"l{i}: {i % 7}" for i in range(80)]
    after = before[:5] + ["new1: x", "new2: y"] + before[5:40] + before[43:70] + ["l70: other"] + before[71:]
    for name, lines in (("before", before), ("after", after)):
        (tmp_path / name).write_text("\n".join(lines) + "\n")
    as_value = [json.dumps(dict(line.split(": ") for line in lines)) for lines in (before, after)]
    document = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: d, namespace: d, annotations: {}}}\nspec: {{hosts: [a.b], " \
               "http: [{{route: [{{destination: {{host: a.b}}}}]}}]}}\n"
    ctl("apply", "-f", "-", stdin=document.format(as_value[0]))

    _, out, _ = ctl("diff", "-f", "-", stdin=document.format(as_value[1]))

    for name in ("before", "after"):
        _, text, _ = ctl("get", "vs", "d", "-n", "d", "-o", "yaml")
        (tmp_path / name).write_text(text)
        ctl("apply", "-f", "-", stdin=document.format(as_value[1]))
    wanted = subprocess.run(["diff", "-u", str(tmp_path / "before"), str(tmp_path / "after")],
                            stdout=subprocess.PIPE, text=True, check=False).stdout
    assert len(out.splitlines()) > 20
    assert out.splitlines()[2:] == wanted.splitlines()[2:]


# ---- if nothing changed in between ----

def test_a_change_can_be_bound_to_what_was_read(ctl):
    assert apply(ctl, "1s", "reviews", "--if-rev", "0")[0] == GOOD
    status, _, err = apply(ctl, "2s", "reviews", "--if-rev", "0")
    assert status == FINDINGS and "VirtualService/shop/reviews is there, of revision" in err
    read = revisions(ctl)[0][1]
    assert apply(ctl, "2s", "reviews", "--if-rev", str(read))[0] == GOOD
    status, _, err = apply(ctl, "3s", "reviews", "--if-rev", str(read))
    assert status == FINDINGS and "was changed at revision" in err
    assert timeout_of(ctl) == "2s"
    now = revisions(ctl)[0][1]
    assert ctl("delete", "vs", "reviews", "-n", "shop")[0] == GOOD
    status, _, err = apply(ctl, "3s", "reviews", "--if-rev", str(now))
    assert status == FINDINGS and "was deleted since" in err


def test_a_dry_run_says_and_does_nothing(ctl):
    status, out, _ = apply(ctl, "1s", "reviews", "--dry-run")
    assert status == GOOD and "created (not done: --dry-run)" in out
    assert timeout_of(ctl) is None
    apply(ctl, "1s")
    assert "deleted (not done" in ctl("delete", "vs", "reviews", "-n", "shop", "--dry-run")[1]
    assert timeout_of(ctl) == "1s"


# ---- history and rollback ----

def test_history_and_the_way_back(ctl):
    apply(ctl, "1s")
    apply(ctl, "2s")
    changed, created, *_ = revisions(ctl)
    assert (changed[0], created[0]) == ("changed", "created")
    assert timeout_of(ctl, "--rev", str(created[1])) == "1s"
    assert "-  - timeout: " in ctl("diff", "vs", "reviews", "-n", "shop", "--rev", str(created[1]))[1]

    status, out, _ = ctl("rollback", "vs", "reviews", "-n", "shop")
    assert status == GOOD and f"back to what it was at revision {created[1]}: " in out
    assert timeout_of(ctl) == "1s"
    assert ctl("rollback", "vs", "reviews", "-n", "shop", "--to", str(changed[1]))[0] == GOOD
    assert timeout_of(ctl) == "2s"

    ctl("delete", "vs", "reviews", "-n", "shop")
    assert revisions(ctl)[0][0] == "deleted"
    assert ctl("rollback", "vs", "reviews", "-n", "shop")[0] == GOOD
    assert timeout_of(ctl) == "2s"
    status, _, err = ctl("rollback", "vs", "reviews", "-n", "shop", "--to", str(created[1] - 1))
    assert status == FINDINGS and "was not there at revision" in err


def test_what_is_compacted_is_said(ctl, cluster):
    apply(ctl, "1s")
    apply(ctl, "2s")
    changed, created, *_ = (revision for _, revision in revisions(ctl))
    etcdctl(cluster, "compaction", str(changed))

    _, out, _ = ctl("history", "vs", "reviews", "-n", "shop")
    assert f"What was before revision {changed} was compacted" in out
    assert timeout_of(ctl, "--rev", str(changed)) == "2s"
    for words in (("get", "vs", "reviews", "--rev", str(created)), ("export", "--rev", str(created)),
                  ("rollback", "vs", "reviews", "--to", str(created)),
                  ("diff", "vs", "reviews", "--rev", str(created))):
        status, _, err = ctl(*words, "-n", "shop")
        assert status == FINDINGS and "was compacted" in err, words
    status, _, err = ctl("rollback", "vs", "reviews", "-n", "shop")
    assert status == FINDINGS and "was compacted away" in err
    status, _, err = ctl("get", "vs", "--rev", "99999999")
    assert status == FINDINGS and "has not come to revision 99999999" in err


def test_a_folder_of_files_remembers_nothing(ctl, tmp_path):
    (tmp_path / "store").mkdir()
    status, _, err = ctl("get", "vs", "--rev", "1", "--store", f"file:{tmp_path}/store")
    assert status == FINDINGS and "remembers no former revisions" in err


# ---- edit ----

def editor_that(tmp_path, *turns):
    """An $EDITOR that does one of the shell commands each time it is opened; $1 is the file."""
    path = tmp_path / "editor"
    cases = "".join(f"{i}) {turn} ;;\n" for i, turn in enumerate(turns, 1))
    path.write_text(f"""#!/bin/sh
cp "$1" {tmp_path}/seen.$(cat {tmp_path}/count 2>/dev/null | wc -l)
echo >> {tmp_path}/count
case $(wc -l < {tmp_path}/count) in
{cases}
esac
""")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return {"EDITOR": str(path), "VISUAL": "", "TMPDIR": str(tmp_path)}


def test_edit_writes_what_is_valid(ctl, tmp_path):
    apply(ctl, "1s")
    env = editor_that(tmp_path, "sed -i 's/1s/5s/' \"$1\"")
    status, out, _ = ctl("edit", "vs/reviews", "-n", "shop", env=env)
    assert status == GOOD and "configured" in out
    assert timeout_of(ctl) == "5s"
    assert not list(tmp_path.glob("pilotctl-*"))

    env = editor_that(tmp_path, "true")
    (tmp_path / "count").unlink()
    assert ctl("edit", "vs", "reviews", "-n", "shop", env=env)[:2] == (GOOD, "unchanged\n")


def test_edit_opens_what_is_not_valid_again_with_its_faults(ctl, tmp_path):
    apply(ctl, "1s")
    env = editor_that(tmp_path, "sed -i 's/timeout:/timeuot:/' \"$1\"", "sed -i 's/timeuot: .*/timeout: 7s/' \"$1\"")
    assert ctl("edit", "vs", "reviews", "-n", "shop", env=env)[0] == GOOD
    assert "# spec.http[0].timeuot: unknown field; did you mean \"timeout\"? [PIL0102]" in (
        tmp_path / "seen.1").read_text()
    assert timeout_of(ctl) == "7s"

    (tmp_path / "count").unlink()
    env = editor_that(tmp_path, "sed -i 's/timeout:/timeuot:/' \"$1\"", "true")
    status, out, err = ctl("edit", "vs", "reviews", "-n", "shop", env=env)
    assert status == REFUSED and "nothing was written" in out
    assert "is kept in" in err and "timeuot" in open(err.split()[-1], encoding="utf-8").read()
    assert timeout_of(ctl) == "7s"


def test_edit_does_not_overwrite_what_changed_meanwhile(ctl, cluster, tmp_path):
    apply(ctl, "1s")
    other = ROUTE.format(name="reviews", timeout="9s")
    (tmp_path / "other.yaml").write_text(other)
    env = editor_that(tmp_path, f"sed -i 's/1s/5s/' \"$1\"; {PILOTCTL} apply --store {cluster.store} "
                                f"-f {tmp_path}/other.yaml")
    status, _, err = ctl("edit", "vs", "reviews", "-n", "shop", env=env)
    assert status == FINDINGS and "was changed at revision" in err and "is kept in" in err
    assert timeout_of(ctl) == "9s"


# ---- export, import ----

def test_export_and_import_bring_the_keyspace_back(ctl, cluster):
    for name in ("one", "two"):
        apply(ctl, "1s", name)
    etcdctl(cluster, "put", "/pilot/mesh", '{"connectTimeout":"3s"}')
    etcdctl(cluster, "put", "/pilot/services/shop/cart", '{"ports":[{"name":"http","number":80}]}')
    etcdctl(cluster, "put", "/pilot/registry/shop/cart/1", '{"address":"10.0.0.1","ports":{"http":80}}')
    granted = subprocess.run(["etcdctl", "--endpoints", cluster.etcd_urls[0], "lease", "grant", "60"], check=True,
                             stdout=subprocess.PIPE, text=True, env=dict(os.environ, ETCDCTL_API="3"))
    etcdctl(cluster, "put", f"--lease={granted.stdout.split()[1]}", "/pilot/registry/shop/cart/leased",
            '{"address":"10.0.0.2","ports":{"http":80}}')
    status, exported, _ = ctl("export")
    assert status == GOOD
    keys = [line for line in exported.splitlines() if line.startswith(("key: ", "kind: "))]
    assert keys == ["kind: VirtualService"] * 2 + ["kind: MeshConfig", "key: registry/shop/cart/1",
                                                  "key: services/shop/cart"]
    before = [v for v in json.loads(ctl("get", "-o", "json")[1]) if v.get("address") != "10.0.0.2"]

    etcdctl(cluster, "del", "/pilot/", "--prefix")
    apply(ctl, "1s", "stranger")
    assert ctl("import", "-f", "-", "--prune", "--dry-run", stdin=exported)[0] == GOOD
    status, out, err = ctl("import", "-f", "-", "--prune", stdin=exported)
    assert status == GOOD, err
    assert "VirtualService/shop/stranger deleted" in out
    assert json.loads(ctl("get", "-o", "json")[1]) == before
    assert ctl("export")[1].split("\n", 1)[1] == exported.split("\n", 1)[1]


def test_import_takes_more_than_one_transaction_holds_and_refuses_what_is_not_valid(ctl):
    many = "---\n".join(ROUTE.format(name=f"r{i}", timeout="1s") for i in range(250))
    assert ctl("apply", "-f", "-", stdin=many)[0] == FINDINGS
    assert ctl("import", "-f", "-", stdin=many)[0] == GOOD
    assert len(ctl("get", "vs", "-o", "name")[1].splitlines()) == 250
    status, _, err = ctl("import", "-f", "-", stdin="key: replicas/a\nvalue: {}\n")
    assert status == REFUSED and "must be of services/" in err
    status, _, err = ctl("import", "-f", "-", stdin="key: registry/a/b/c\nvalue:\n  address: 1\n")
    assert status == REFUSED and "<stdin>:3:3: address: must be a string" in err
    status, _, err = ctl("import", "-f", "-", stdin="key: registry/a/b/c\n")
    assert status == REFUSED and "value: is required" in err


# ---- analyze ----

def test_analyze_shows_the_stores_findings_and_exits_1(ctl):
    apply(ctl, "1s")
    status, out, _ = ctl("analyze", "-o", "json")
    assert status == FINDINGS
    (found,) = json.loads(out)
    assert found["code"] == "PIL0401" and found["key"] == "config/virtualservices/shop/reviews"
    service = textwrap.dedent("""\
        apiVersion: networking.istio.io/v1
        kind: ServiceEntry
        metadata: {name: r, namespace: shop}
        spec:
          hosts: [reviews.shop.svc.cluster.local]
          resolution: STATIC
          ports: [{number: 80, name: http, protocol: HTTP}]
          endpoints: [{address: 10.0.0.1}]
        """)
    assert ctl("analyze", "-f", "-", "-o", "name", stdin=service) == (GOOD, "", "")
