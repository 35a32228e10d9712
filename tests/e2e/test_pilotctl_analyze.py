"""What resources come to together: told by validate, apply, delete and status, each at its place."""

import json
import os
import subprocess
import sys
import textwrap

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "deploy", "demo"))

from cluster import PILOTCTL, Cluster, wait_until  # noqa: E402

GOOD, FINDINGS, USAGE, UNREACHABLE, REFUSED = range(5)
SERVICE = textwrap.dedent("""\
    apiVersion: networking.istio.io/v1
    kind: ServiceEntry
    metadata: {name: cart, namespace: shop}
    spec:
      hosts: [cart.shop.svc.cluster.local]
      resolution: STATIC
      ports:
      - {number: 80, name: http, protocol: HTTP}
      endpoints:
      - address: 10.0.0.1
        labels: {version: v1}
    """)
SUBSETS = textwrap.dedent("""\
    apiVersion: networking.istio.io/v1
    kind: DestinationRule
    metadata: {name: cart, namespace: shop}
    spec:
      host: cart
      subsets:
      - name: v1
        labels: {version: v1}
    """)
ROUTE = textwrap.dedent("""\
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: cart, namespace: shop}
    spec:
      hosts: [cart]
      http:
      - route:
        - destination:
            host: cart
            subset: v1
    """)
SHADOWED = ROUTE + textwrap.indent(textwrap.dedent("""\
    - match:
      - uri: {prefix: /beta}
      route:
      - destination: {host: cart}
    """), "  ")


def write(path, *documents):
    path.write_text("---\n".join(documents))
    return str(path)


def run(*arguments):
    """(exit status, standard output, standard error)"""
    done = subprocess.run([PILOTCTL, *arguments], text=True, timeout=60,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(name="store")
def empty_store(tmp_path):
    directory = tmp_path / "store"
    directory.mkdir()
    return f"file:{directory}"


# ---- validate ----

def test_validate_tells_where_resources_do_not_fit_and_exits_0(tmp_path):
    path = write(tmp_path / "all.yaml", SERVICE, SUBSETS,
                 SHADOWED.replace("subset: v1", "subset: v11"))

    status, out, _ = run("validate", "-f", path)

    assert status == GOOD
    assert out.splitlines() == [
        f"{path}:31:9: warning: spec.http[0].route[0].destination.subset: no DestinationRule for "
        "cart.shop.svc.cluster.local defines subset \"v11\"; requests get 503; did you mean "
        "\"v1\"? [PIL0402]",
        f"{path}:32:5: warning: spec.http[1]: is never reached: spec.http[0] takes every request "
        "that it matches; put the more specific rule first [PIL0403]",
        "3 resources are valid, with 2 warnings (of these files alone: --store URL takes in what "
        "is there)"]


def test_validate_takes_files_together(tmp_path):
    service = write(tmp_path / "service.yaml", SERVICE)
    rest = write(tmp_path / "rest.yaml", SUBSETS, ROUTE)

    assert "PIL0401" in run("validate", "-f", rest)[1]
    assert run("validate", "-f", rest, "-f", service) == (GOOD, "3 resources are valid\n", "")


def test_what_is_not_valid_by_itself_is_not_looked_at_together(tmp_path):
    path = write(tmp_path / "all.yaml", SHADOWED.replace("prefix: /beta", "prefx: /beta"))

    status, out, _ = run("validate", "-f", path)

    assert status == FINDINGS
    assert "PIL0102" in out and "PIL04" not in out


def test_validate_takes_in_a_store_when_it_is_named(tmp_path, store):
    assert run("apply", "--store", store, "-f", write(tmp_path / "a.yaml", SERVICE))[0] == GOOD
    rest = write(tmp_path / "rest.yaml", SUBSETS, ROUTE)

    assert run("validate", "--store", store, "-f", rest) == (GOOD, "2 resources are valid\n", "")
    assert not list((tmp_path / "store").glob("config/virtualservices/**/cart*"))


# ---- apply, delete ----

def test_apply_tells_what_the_change_brings_and_nothing_else(tmp_path, store):
    path = write(tmp_path / "all.yaml", SERVICE, SUBSETS, ROUTE)
    assert run("apply", "--store", store, "-f", path)[2] == ""

    path = write(tmp_path / "all.yaml", SERVICE, SUBSETS, SHADOWED)
    status, out, err = run("apply", "--store", store, "-f", path)
    assert status == GOOD and "VirtualService/shop/cart configured" in out
    assert err.startswith(f"{path}:32:5: warning: spec.http[1]: is never reached")
    assert len(err.splitlines()) == 1

    other = write(tmp_path / "other.yaml", ROUTE.replace("name: cart", "name: again"))
    err = run("apply", "--store", store, "-f", other)[2]
    assert err.startswith(f"{other}:5:11: warning: spec.hosts[0]: cart.shop.svc.cluster.local is "
                          "also a host of VirtualService shop/cart, which is older")
    assert "is never reached" not in err
    assert run("apply", "--store", store, "-f", other)[2] == ""


def test_a_change_may_break_what_is_there(tmp_path, store):
    path = write(tmp_path / "all.yaml", SERVICE, SUBSETS, ROUTE)
    assert run("apply", "--store", store, "-f", path)[0] == GOOD

    renamed = write(tmp_path / "rule.yaml", SUBSETS.replace("name: v1", "name: stable"))
    assert ("VirtualService/shop/cart: warning: spec.http[0].route[0].destination.subset: no "
            "DestinationRule for cart.shop.svc.cluster.local defines subset \"v1\""
            in run("apply", "--store", store, "-f", renamed)[2])

    status, out, err = run("delete", "--store", store, "serviceentry", "cart", "-n", "shop")
    assert status == GOOD and "ServiceEntry/shop/cart deleted" in out
    assert "VirtualService/shop/cart: warning: spec.http[0].route[0].destination.host" in err


# ---- describe ----

def test_describe_says_what_is_in_force_for_a_service(tmp_path, store):
    run("apply", "--store", store, "-f", write(tmp_path / "all.yaml", SERVICE, SUBSETS, SHADOWED))

    status, out, _ = run("describe", "service", "cart", "-n", "shop", "--store", store)

    assert status == GOOD
    lines = [" ".join(line.split()) for line in out.splitlines()]
    for line in ("service cart.shop.svc.cluster.local", "ports http 80", "endpoints 1 endpoints, 1 healthy",
                 "declared ServiceEntry/shop/cart", "for callers of namespace shop",
                 "routes VirtualService/shop/cart", "rule DestinationRule/shop/cart",
                 "subset v1: 1 endpoints, 1 healthy"):
        assert line in lines, out
    assert any(line.startswith("finding spec.http[1]: is never reached") for line in lines)
    told = json.loads(run("x", "describe", "svc", "cart.shop.svc.cluster.local", "--store", store, "-o", "json")[1])
    assert told["routes"] == "VirtualService/shop/cart" and told["subsets"] == ["v1: 1 endpoints, 1 healthy"]
    assert run("describe", "service", "nobody", "--store", store)[0] == FINDINGS


def test_describe_says_what_a_resource_comes_to(tmp_path, store):
    run("apply", "--store", store, "-f", write(tmp_path / "all.yaml", SERVICE, SUBSETS, SHADOWED))
    status, out, _ = run("describe", "vs", "cart", "-n", "shop", "--store", store)
    assert status == GOOD and "is never reached" in out and "hosts:" in out
    told = json.loads(run("describe", "vs/shop/cart", "--store", store, "-o", "json")[1])
    assert told["state"] == "valid" and len(told["findings"]) == 1
    assert told["value"]["spec"]["hosts"] == ["cart"]

    broken = tmp_path / "store" / "config" / "virtualservices" / "shop" / "broken.json"
    broken.parent.mkdir(parents=True, exist_ok=True)
    broken.write_text('{"spec": {}}')
    status, out, _ = run("describe", "vs", "broken", "-n", "shop", "--store", store)
    assert status == FINDINGS and "rejected" in out and "[PIL0104]" in out
    assert run("describe", "vs", "nobody", "--store", store)[0] == FINDINGS


# ---- status ----

@pytest.fixture(name="cluster", scope="module")
def small_cluster():
    made = Cluster()
    made.start_etcd(1)
    made.start_pilotds(1)
    yield made
    made.close()


def test_status_counts_findings_and_lists_them_when_asked(cluster, tmp_path):
    assert "findings" not in cluster.ctl("status").stdout
    path = write(tmp_path / "all.yaml", SERVICE, SUBSETS, SHADOWED)
    assert "never reached" in cluster.ctl("apply", "-f", path).stdout

    short = wait_until(lambda: "findings  1 (" in cluster.ctl("status").stdout
                       and cluster.ctl("status").stdout, "the finding is counted")
    assert "never reached" not in short
    listed = cluster.ctl("status", "--findings").stdout
    assert "warning   config/virtualservices/shop/cart: spec.http[1]: is never reached" in listed

    told = json.loads(cluster.ctl("status", "-o", "json").stdout)
    assert told["findingCount"] == 1
    (finding,) = told["findings"]
    assert finding["key"] == "config/virtualservices/shop/cart"
    assert (finding["code"], finding["path"]) == ("PIL0403", "spec.http[1]")
    assert finding["text"].startswith("spec.http[1]: is never reached")
