"""pilotctl route: it says of a call what an Envoy does with it, and whose rule that is."""

import json
import os
import random
import subprocess
import textwrap

import pytest

from harness import PILOTCTL
from sidecars import CLIENT, HTTP_PORT, Mesh, destination_rule, resource, service, to, virtual_service

GOOD, FINDINGS, USAGE, REFUSED = 0, 1, 2, 4
NODE = {"id": "sidecar~10.0.0.9~web-1.shop~shop.svc.cluster.local",
        "metadata": {"LABELS": {"app": "web"}}}
SHOP = textwrap.dedent("""\
    apiVersion: networking.istio.io/v1
    kind: ServiceEntry
    metadata: {name: reviews, namespace: shop}
    spec:
      hosts: [reviews.shop.svc.cluster.local]
      addresses: [10.10.0.1]
      resolution: STATIC
      ports:
      - {number: 9080, name: http, protocol: HTTP}
      - {number: 3306, name: tcp, protocol: TCP}
      endpoints:
      - {address: 10.0.0.1, labels: {version: v1}, locality: r/z/s}
      - {address: 10.0.0.2, labels: {version: v2}}
    ---
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: reviews, namespace: shop}
    spec:
      hosts: [reviews]
      http:
      - name: jason
        match: [{headers: {end-user: {exact: jason}}}, {uri: {prefix: /beta}}]
        rewrite: {uri: /b}
        timeout: 3s
        route: [{destination: {host: reviews, subset: v2}}]
      - match: [{uri: {prefix: /gone}}]
        route: [{destination: {host: reviews, subset: v9}}]
      - route:
        - {destination: {host: reviews, subset: v1}, weight: 75}
        - {destination: {host: reviews, subset: v2}, weight: 25}
    ---
    apiVersion: networking.istio.io/v1
    kind: DestinationRule
    metadata: {name: reviews, namespace: shop}
    spec:
      host: reviews
      trafficPolicy:
        connectionPool: {tcp: {maxConnections: 10}}
      subsets:
      - {name: v1, labels: {version: v1}}
      - name: v2
        labels: {version: v2}
        trafficPolicy: {loadBalancer: {simple: RANDOM}}
    """)


def run(*arguments):
    return subprocess.run([PILOTCTL, "route", *arguments], text=True, timeout=60,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)


@pytest.fixture(name="route")
def fixture_route(tmp_path):
    """Follows a call of the shop's web proxy; the finished process."""
    (tmp_path / "shop.yaml").write_text(SHOP)
    (tmp_path / "node.json").write_text(json.dumps(NODE))

    def follow(*arguments):
        return run("-f", str(tmp_path / "shop.yaml"), "--node", str(tmp_path / "node.json"),
                   *arguments)
    return follow


# ---- what it says ----

def test_the_rule_that_wins_is_named_and_why_the_others_do_not(route):
    done = route("http://reviews.shop:9080/x")

    assert done.returncode == GOOD, done.stderr
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert "listener 0.0.0.0_9080" in lines
    assert any("header end-user is missing [VirtualService shop/reviews http[0].match[0]]" in line
               for line in lines), done.stdout
    assert any('path /x does not begin with "/beta" [VirtualService shop/reviews http[0].match[1]]'
               in line for line in lines)
    assert any(line.endswith("taken [VirtualService shop/reviews http[2]]") for line in lines)
    assert lines[-1] == "end delivered"


def test_json_has_the_split_the_policy_and_the_endpoints(route):
    answer = json.loads(route("-o", "json", "http://reviews:9080/").stdout)

    assert answer["virtualHost"] == "reviews.shop.svc.cluster.local:9080"
    assert answer["domain"] == "reviews"
    first, second = answer["destinations"]
    assert (first["percent"], second["percent"]) == (75, 25)
    assert second["policy"]["loadBalancer"] == "DestinationRule shop/reviews, subset v2"
    assert second["policy"]["connectionPool"] == "DestinationRule shop/reviews"
    assert second["policy"]["tls"] == "default"
    assert first["endpoints"] == [{
        "address": "10.0.0.1:9080", "health": "UNKNOWN", "locality": "r/z/s", "weight": 1,
        "priority": 0, "from": "ServiceEntry shop/reviews"}]


def test_headers_and_paths_decide(route):
    answer = json.loads(route("-o", "json", "-H", "End-User: jason", "http://reviews:9080/").stdout)
    assert answer["route"] == "jason"

    answer = json.loads(route("-o", "json", "http://reviews:9080/beta/x?y=1").stdout)
    action = {fact["name"]: fact["value"] for fact in answer["action"]}
    assert action["path becomes"] == "/b/x?y=1"
    assert action["timeout"] == "3s"


def test_a_call_that_gets_nowhere_says_what_is_missing(route):
    done = route("http://reviews:9080/gone")

    assert done.returncode == FINDINGS
    assert "no DestinationRule in force has a subset v9" in done.stdout
    assert "the cluster was not sent, status 503" in done.stdout


def test_connections_are_followed_too(route):
    answer = json.loads(route("-o", "json", "tcp://10.10.0.1:3306").stdout)
    assert answer["listener"] == "10.10.0.1_3306"
    assert answer["destinations"][0]["cluster"] == "outbound|3306||reviews.shop.svc.cluster.local"

    answer = json.loads(route("-o", "json", "tcp://10.9.9.9:3306").stdout)
    assert answer["listener"] == "virtualOutbound"
    assert answer["from"] == "MeshConfig outboundTrafficPolicy ALLOW_ANY"


def test_calls_to_the_workload_itself(route):
    answer = json.loads(route("-o", "json", "--inbound", "http://web:80/").stdout)
    assert answer["listener"] == "virtualInbound"
    assert answer["destinations"][0]["endpoints"][0]["address"] == "10.0.0.9:80"


def test_a_store_is_asked_where_there_are_no_files_or_it_is_named(tmp_path):
    """With files the store is as it would be with them; a node's id is enough of a node."""
    store, files = tmp_path / "store", tmp_path / "files.yaml"
    store.mkdir()
    entry, rest = SHOP.split("---\n", 1)
    (store / "shop.yaml").write_text(entry)
    files.write_text(rest)
    call = ("--store", f"file:{store}", "--node", NODE["id"],
            "http://reviews.shop.svc.cluster.local:9080/beta")
    assert "routes      1 default: taken" in run(*call).stdout
    assert "jason: taken" in run("-f", str(files), *call).stdout
    alone = run("-f", str(files), *call[2:])
    assert "jason" not in alone.stdout


@pytest.mark.parametrize("arguments, says", [
    ((), "one URL is needed"),
    (("http://a", "http://b"), "one URL is needed"),
    (("ftp://a/",), "ftp: must be http, https, grpc, tcp or tls"),
    (("tcp://a",), "a port is needed"),
    (("http://a:0/",), "must be a number from 1 to 65535"),
    (("http://:80/",), "has no host"),
    (("-H", "nonsense", "http://a/"), "'name: value'"),
    (("--tls", "yes", "http://a/"), "plaintext, tls or mtls"),
    (("--tls", "plaintext", "--sni", "a", "http://a/"), "of TLS"),
    (("--address", "a", "http://a/"), "must be an IP address"),
    (("-o", "xml", "http://a/"), "wide, name, json or yaml"),
])
def test_usage_faults_say_what_would_be_right(route, arguments, says):
    done = route(*arguments)
    assert done.returncode == USAGE
    assert says in done.stderr


def test_resources_that_are_refused_are_not_followed(tmp_path, route):
    (tmp_path / "shop.yaml").write_text(SHOP.replace("prefix: /beta", "prefx: /beta"))
    done = route("http://reviews:9080/")
    assert done.returncode == REFUSED
    assert "did you mean" in done.stderr


# ---- that it is so: an Envoy asked the same ----

MATCHERS = {"exact": ["a", "ab", "b"], "prefix": ["a", "b", "ab"], "regex": ["a.*", "[ab]+", "b?"]}
PATHS = ["/", "/a", "/A", "/ab", "/a/b", "/a//b", "/a/../b", "/b/./a", "/%61", "/a%2Fb", "/a%2fb/..",
         "/b/", "/a\\b", "/..", "/a?x=1", "/a?x", "/b?y=a&x=b", "/b?x=a&x=b", "/c?x=%61", "/a/b/c"]
HEADERS = [{}, {"x-one": "a"}, {"x-one": "ab", "x-two": "b"}, {"x-two": ""}, {"x-one": "b"}]
METHODS = ["GET", "POST"]


def some_match(dice):
    how = dice.choice(list(MATCHERS))
    return {how: dice.choice(MATCHERS[how])}


def some_uri(dice):
    how, text = some_match(dice).popitem()
    return {how: f"/{text}"}


def some_rule(dice, number):
    """A rule of one match, answered by the proxy with the rule's number."""
    match = {}
    if dice.random() < 0.6:
        match["uri"] = some_uri(dice)
        match["ignoreUriCase"] = dice.random() < 0.3
    if dice.random() < 0.3:
        match["headers"] = {dice.choice(["x-one", "x-two"]): dice.choice([some_match(dice), {}])}
    if dice.random() < 0.3:
        match["withoutHeaders"] = {dice.choice(["x-one", "x-two"]):
                                   dice.choice([some_match(dice), {}])}
    if dice.random() < 0.3:
        match["queryParams"] = {dice.choice(["x", "y"]): some_match(dice)}
    if dice.random() < 0.2:
        match["method"] = {"exact": dice.choice(METHODS)}
    match.setdefault("method", {"regex": ".*"})
    return {"match": [match], "directResponse": {"status": 200, "body": {"string": str(number)}}}


@pytest.fixture(scope="module", name="mesh")
def fixture_mesh():
    with Mesh() as it:
        yield it


class Follower:
    """Asks pilotctl what a proxy of the mesh does, by the very files that pilotd reads."""

    def __init__(self, mesh):
        self.node = os.path.join(mesh.directory, "route-node.json")
        self.files = []
        for name in sorted(os.listdir(mesh.store)):
            self.files += ["-f", os.path.join(mesh.store, name)]
        with open(self.node, "w", encoding="utf-8") as out:
            json.dump({"id": f"sidecar~{CLIENT}~client.default~default.svc.cluster.local",
                       "metadata": {"INTERCEPTION_MODE": "NONE", "LABELS": {"app": "client"}}}, out)

    def follow(self, host, path="/", method="GET", headers=None):
        flags = ["-X", method]
        for name, value in (headers or {}).items():
            flags += ["-H", f"{name}: {value}"]
        done = run(*self.files, "--node", self.node, "-o", "json", *flags,
                   f"http://{host}:{HTTP_PORT}{path}")
        assert done.returncode in (GOOD, FINDINGS), done.stderr
        return json.loads(done.stdout)


def body_of(answer):
    facts = {fact["name"]: fact["value"] for fact in answer["action"]}
    return facts.get("body", "")


@pytest.mark.parametrize("seed", range(4))
def test_an_envoy_takes_the_route_that_is_foretold(mesh, seed):
    dice, name = random.Random(seed), f"random-{seed}"
    rules = [some_rule(dice, number) for number in range(12)]
    mesh.apply(name, service(name, []), virtual_service(name, rules))
    follower = Follower(mesh)

    for path in PATHS:
        for headers in HEADERS:
            method = dice.choice(METHODS)
            reply = mesh.ask(f"{name}.test", path, method, headers)
            foretold = follower.follow(f"{name}.test", path, method, headers)
            assert (foretold["status"], body_of(foretold)) == (reply.status, reply.body), (
                path, method, headers, foretold["routes"], rules)


REDIRECTS = [{"uri": "/new"}, {"uri": "/new?z=1"}, {"authority": "far.test"}, {"scheme": "https"},
             {"port": 8443}, {"scheme": "https", "derivePort": "FROM_PROTOCOL_DEFAULT"},
             {"uri": "/n", "authority": "far.test:99", "redirectCode": 307}]


def test_an_envoy_redirects_to_the_location_that_is_foretold(mesh):
    rules = [{"match": [{"uri": {"prefix": f"/{i}"}}], "redirect": redirect}
             for i, redirect in enumerate(REDIRECTS)]
    mesh.apply("moved", service("moved", []), virtual_service("moved", rules))
    follower = Follower(mesh)

    for i, redirect in enumerate(REDIRECTS):
        for path in (f"/{i}", f"/{i}/x?y=1"):
            reply = mesh.ask("moved.test", path, headers={"host": f"moved.test:{HTTP_PORT}"})
            foretold = follower.follow("moved.test", path)
            facts = {fact["name"]: fact["value"] for fact in foretold["action"]}
            assert (foretold["status"], facts["location"]) == (
                reply.status, reply.headers["location"]), redirect


REWRITES = [{"uri": "/n"}, {"uri": "/n/"}, {"authority": "far.test"},
            {"uriRegexRewrite": {"match": "/([0-9]+)/([a-z]+)", "rewrite": "/\\2-\\1"}}]


def test_a_backend_sees_the_path_and_host_that_are_foretold(mesh):
    backend = mesh.backend("v1")
    rules = [{"match": [{"uri": {"prefix": f"/{i}"}}], "rewrite": rewrite,
              "route": [to("rewritten")]} for i, rewrite in enumerate(REWRITES)]
    mesh.apply("rewritten", service("rewritten", {"v1": backend}),
               virtual_service("rewritten", rules))
    follower = Follower(mesh)

    for i in range(len(REWRITES)):
        for path in (f"/{i}", f"/{i}/abc?y=1", f"/{i}x"):
            seen = mesh.ask("rewritten.test", path).json
            foretold = follower.follow("rewritten.test", path)
            facts = {fact["name"]: fact["value"] for fact in foretold["action"]}
            assert facts.get("path becomes", path) == seen["path"], path
            assert facts.get("host becomes", "rewritten.test") == seen["headers"]["host"], path


def test_an_envoy_takes_the_virtual_host_that_is_foretold(mesh):
    hosts = ["*.wild.test", "*.deep.wild.test", "exact.wild.test", "*-x.wild.test"]
    documents = []
    for i, host in enumerate(hosts):
        entry = service(f"host-{i}", [], hosts=[host], resolution="NONE", endpoints=None)
        answer = {"status": 200, "body": {"string": host}}
        documents += [entry, virtual_service(f"host-{i}", [{"directResponse": answer}],
                                             hosts=[host])]
    mesh.apply("hosts", *documents)
    follower = Follower(mesh)

    for host in ("a.wild.test", "a.deep.wild.test", "exact.wild.test", "EXACT.wild.test",
                 "b-x.wild.test", "wild.test", "deep.wild.test", "-x.wild.test"):
        reply = mesh.ask(host)
        foretold = follower.follow(host)
        assert foretold["status"] == reply.status, host
        assert reply.status != 200 or body_of(foretold) == reply.body, host
