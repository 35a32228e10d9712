"""Which rule a request gets: what test_traffic_rules.py leaves to say of matches, hosts, owners."""

import os

import pytest

from harness import wait_until
from sidecars import (CLIENT, HTTP_PORT, OTHER, destination_rule, resource, service, to,
                      virtual_service)
from traffic import (endpoint, mesh, names, nothing_is_refused, split, statuses,  # noqa: F401
                     two)

OLD, NEW = "2020-01-01T00:00:00Z", "2021-01-01T00:00:00Z"


def path(*paths):
    return [{"path": p} for p in paths]


def headers(*several):
    return [{"headers": h} for h in several]


def methods(*several):
    return [{"method": m} for m in several]


# name -> the match, requests that it takes, requests that it leaves
MATCHES = {
    "exact-query": ({"uri": {"exact": "/a"}}, path("/a", "/a?b=c"), path("/a/?b=c", "/")),
    "prefix-words": ({"uri": {"prefix": "/a/"}}, path("/a/", "/a/b", "/a/?c"), path("/a", "/ab/")),
    "regex-whole": ({"uri": {"regex": "/[a-z]+"}}, path("/abc", "/abc?1=2"),
                    path("/abc/", "/abc1", "/", "/x/abc")),
    "regex-choice": ({"uri": {"regex": "/(login|logout)(/.*)?"}}, path("/login", "/logout/now"),
                     path("/logon", "/login2")),
    "exact-any-case": ({"uri": {"exact": "/LogIn"}, "ignoreUriCase": True},
                       path("/login", "/LOGIN?q"), path("/login/x", "/log")),
    "regex-its-case": ({"uri": {"regex": "/Abc"}, "ignoreUriCase": True},
                       path("/Abc"), path("/abc")),
    "scheme-exact": ({"scheme": {"exact": "http"}}, path("/"), []),
    "scheme-prefix": ({"scheme": {"prefix": "https"}}, [], path("/")),
    "scheme-regex": ({"scheme": {"regex": "https?"}}, path("/"), []),
    "method-prefix": ({"method": {"prefix": "P"}}, methods("POST", "PUT", "PATCH"), methods("GET")),
    "method-regex": ({"method": {"regex": "DELETE|OPTIONS"}}, methods("DELETE", "OPTIONS"),
                     methods("GET", "POST")),
    "authority-exact": ({"authority": {"exact": "authority-exact.test"}}, path("/"),
                        headers({"host": "authority-exact.test:8080"})),
    "authority-regex": ({"authority": {"regex": "[a-z-]+[.]test:[0-9]+"}},
                        headers({"host": "authority-regex.test:8080"}), path("/")),
    "header-any-case": ({"headers": {"x-user": {"exact": "Jo"}}}, headers({"X-USER": "Jo"}),
                        headers({"x-user": "jo"}, {})),
    "header-empty": ({"headers": {"x-a": {"exact": ""}}}, headers({"x-a": ""}),
                     headers({"x-a": "1"}, {})),
    "headers-all": ({"headers": {"x-a": {"exact": "1"}, "x-b": {"prefix": "2"}, "x-c": {}}},
                    headers({"x-a": "1", "x-b": "23", "x-c": "any"}),
                    headers({"x-a": "1", "x-b": "23"}, {"x-a": "1", "x-c": ""}, {"x-b": "23"})),
    "header-regex-whole": ({"headers": {"cookie": {"regex": "(.*; )?user=jo(;.*)?"}}},
                           headers({"cookie": "a=b; user=jo"}, {"cookie": "user=jo; c=d"}),
                           headers({"cookie": "user=joe"}, {})),
    "without-there": ({"withoutHeaders": {"x-a": {}}}, headers({}, {"x-b": "1"}),
                      headers({"x-a": "1"}, {"x-a": ""})),
    "without-prefix": ({"withoutHeaders": {"x-a": {"prefix": "b"}}}, headers({}, {"x-a": "ab"}),
                       headers({"x-a": "bc"})),
    "without-regex": ({"withoutHeaders": {"x-a": {"regex": "[0-9]+"}}}, headers({}, {"x-a": "1b"}),
                      headers({"x-a": "12"})),
    "without-several": ({"withoutHeaders": {"x-a": {}, "x-b": {"exact": "1"}}},
                        headers({}, {"x-b": "2"}), headers({"x-a": "1"}, {"x-b": "1"})),
    "with-and-without": ({"headers": {"x-a": {}}, "withoutHeaders": {"x-b": {}}},
                         headers({"x-a": "1"}),
                         headers({}, {"x-b": "1"}, {"x-a": "1", "x-b": "1"})),
    "query-there": ({"queryParams": {"q": {}}}, path("/?q=1", "/?a&q=", "/x?q"),
                    path("/", "/?r=q")),
    "query-empty": ({"queryParams": {"q": {"exact": ""}}}, path("/?q=", "/?q"),
                    path("/?q=1", "/?r=")),
    "query-prefix": ({"queryParams": {"q": {"prefix": "a"}}}, path("/?q=abc"), path("/?q=ba", "/")),
    "query-regex": ({"queryParams": {"q": {"regex": "[0-9]+"}}}, path("/?q=12"),
                    path("/?q=12a", "/?q=")),
    "all-kinds": ({"uri": {"prefix": "/a"}, "method": {"exact": "PUT"}, "headers": {"x-a": {}},
                   "queryParams": {"q": {"exact": "1"}}, "withoutHeaders": {"x-b": {}},
                   "port": HTTP_PORT, "sourceLabels": {"app": "client"}},
                  [{"path": "/a?q=1", "method": "PUT", "headers": {"x-a": "1"}}],
                  [{"path": "/a?q=1", "method": "PUT"},
                   {"path": "/a?q=1", "headers": {"x-a": "1"}},
                   {"path": "/a?q=2", "method": "PUT", "headers": {"x-a": "1"}},
                   {"path": "/b?q=1", "method": "PUT", "headers": {"x-a": "1"}},
                   {"path": "/a?q=1", "method": "PUT", "headers": {"x-a": "1", "x-b": ""}}]),
}


@pytest.fixture(scope="module")
def matching(mesh, two):
    """All cases of MATCHES, in one change."""
    documents = []
    for name, (match, _, _) in MATCHES.items():
        documents += [service(name, two), *split(name, [match])]
    mesh.apply("more-matches", *documents)


@pytest.mark.parametrize("name", MATCHES)
def test_a_match_takes_its_requests_and_no_others(mesh, matching, name):
    _, taken, left = MATCHES[name]
    for request in taken:
        assert mesh.ask(f"{name}.test", **request).name == "v2", request
    for request in left:
        assert mesh.ask(f"{name}.test", **request).name == "v1", request


# ---- several matches, several rules ----

def test_a_part_of_several_matches_is_not_enough(mesh, two):
    """Of the matches one must be met whole, not each of them in part."""
    mesh.apply("or", service("or", two), *split("or", [
        {"uri": {"prefix": "/a"}, "headers": {"x": {"exact": "1"}}},
        {"uri": {"prefix": "/b"}, "headers": {"x": {"exact": "2"}}}]))
    assert mesh.ask("or.test", "/a", headers={"x": "1"}).name == "v2"
    assert mesh.ask("or.test", "/b", headers={"x": "2"}).name == "v2"
    assert mesh.ask("or.test", "/a", headers={"x": "2"}).name == "v1"
    assert mesh.ask("or.test", "/b", headers={"x": "1"}).name == "v1"


def test_what_no_rule_takes_is_not_found(mesh, two):
    mesh.apply("norule", service("norule", two), virtual_service("norule", [
        {"match": [{"uri": {"prefix": "/a"}}], "route": [to("norule")]}]))
    assert mesh.ask("norule.test", "/a").status == 200
    answer = mesh.ask("norule.test", "/b")
    assert answer.status == 404 and answer.name is None


EVERYTHING = {"none": None, "prefix": [{"uri": {"prefix": "/"}}],
              "regex": [{"uri": {"regex": ".*"}}]}


@pytest.mark.parametrize("kind", EVERYTHING)
def test_behind_a_rule_for_all_nothing_comes(mesh, two, kind):
    name, everything = f"shadow-{kind}", EVERYTHING[kind]
    first = {"route": [to(name, "v1")], **({"match": everything} if everything else {})}
    mesh.apply(name, service(name, two), destination_rule(name, versions=("v1", "v2")),
               virtual_service(name, [first, {"match": [{"uri": {"exact": "/b"}}],
                                              "route": [to(name, "v2")]}]))
    assert mesh.ask(f"{name}.test", "/b").name == "v1"


def test_a_rule_that_changes_or_goes_counts_no_more(mesh, two):
    backend, rule = service("change", two), destination_rule("change", versions=("v1", "v2"))
    for version in ("v1", "v2"):
        mesh.apply("change", backend, rule,
                   virtual_service("change", [{"route": [to("change", version)]}]))
        assert mesh.count("change.test", 6) == {version: 6}
    mesh.apply("change", backend, rule)
    assert set(names(mesh, "change.test", 40)) == {"v1", "v2"}


# ---- ports and callers ----

def test_rules_are_for_a_port(mesh, two):
    ports = [{"number": HTTP_PORT, "name": "main", "protocol": "HTTP"},
             {"number": HTTP_PORT + 1, "name": "second", "protocol": "HTTP", "targetPort": 1}]
    both = [{"address": "127.0.0.1", "labels": {"version": v},
             "ports": {"main": b.port, "second": b.port}} for v, b in two.items()]
    mesh.apply("ports", service("ports", both, ports=ports),
               *split("ports", [{"port": HTTP_PORT + 1}]))
    assert mesh.count("ports.test", 4) == {"v1": 4}
    assert mesh.count("ports.test", 4, port=HTTP_PORT + 1) == {"v2": 4}


def test_a_destination_names_its_port(mesh, two):
    ports = [{"number": HTTP_PORT, "name": "main", "protocol": "HTTP"},
             {"number": HTTP_PORT + 1, "name": "second", "protocol": "HTTP"}]
    both = [{"address": "127.0.0.1", "ports": {"main": two["v1"].port, "second": two["v2"].port}}]

    def port(number):
        return {"destination": {"host": "toport.test", "port": {"number": number}}}

    mesh.apply("toport", service("toport", both, ports=ports), virtual_service("toport", [
        {"match": [{"uri": {"exact": "/other"}}], "route": [port(HTTP_PORT + 1)]},
        {"match": [{"uri": {"exact": "/unsaid"}}], "route": [to("toport")]},
        {"route": [port(HTTP_PORT)]}]))
    assert mesh.ask("toport.test", "/other").name == "v2"
    assert mesh.ask("toport.test", "/other", port=HTTP_PORT + 1).name == "v2"
    assert mesh.ask("toport.test", port=HTTP_PORT + 1).name == "v1"
    assert mesh.ask("toport.test", "/unsaid").name == "v1"  # of several: the port that is called
    assert mesh.ask("toport.test", "/unsaid", port=HTTP_PORT + 1).name == "v2"


CALLERS = {  # the match, who CLIENT gets, who OTHER gets
    "labels-and-ns": ({"sourceLabels": {"app": "client"}, "sourceNamespace": "default"},
                      "v2", "v1"),
    "labels-not-ns": ({"sourceLabels": {"app": "client"}, "sourceNamespace": "elsewhere"},
                      "v1", "v1"),
    "labels-not-all": ({"sourceLabels": {"app": "client", "tier": "front"}}, "v1", "v1"),
    "callers-mesh": ({"gateways": ["mesh"]}, "v2", "v2"),
    "callers-gateway": ({"gateways": ["edge"]}, "v1", "v1"),
    "callers-both": ({"gateways": ["edge", "mesh"]}, "v2", "v2"),
    # Where a match says its gateways, its caller's labels and namespace are not looked at.
    "mesh-and-labels": ({"gateways": ["mesh"], "sourceLabels": {"app": "nobody"}}, "v2", "v2"),
}


@pytest.mark.parametrize("name", CALLERS)
def test_rules_are_for_a_caller(mesh, two, name):
    match, client, other = CALLERS[name]
    rule, routes = split(name, [match])
    routes["spec"]["gateways"] = ["mesh", "edge"]
    mesh.apply(name, service(name, two), rule, routes)
    assert mesh.count(f"{name}.test", 4) == {client: 4}
    assert mesh.count(f"{name}.test", 4, at=OTHER) == {other: 4}


def test_rules_of_gateways_are_not_for_callers_in_the_mesh(mesh, two):
    mesh.apply("edge", service("edge", two), virtual_service(
        "edge", [{"directResponse": {"status": 418}}], gateways=["edge"]))
    assert mesh.ask("edge.test").status == 200
    mesh.apply("edge", service("edge", two), virtual_service(
        "edge", [{"directResponse": {"status": 418}}], gateways=["edge", "mesh"]))
    assert mesh.ask("edge.test").status == 418


# ---- whose rules ----

def told(name, status, namespace="default", created=None, hosts=None, **spec):
    """A VirtualService known by the status of its answers."""
    out = virtual_service(name, [{"directResponse": {"status": status}}], namespace, hosts, **spec)
    if created:
        out["metadata"]["creationTimestamp"] = created
    return out


def test_the_oldest_of_two_rules_for_a_host_counts_alone(mesh, two):
    part = virtual_service("b-old", [{"match": [{"uri": {"exact": "/old"}}],
                                      "directResponse": {"status": 418}}], hosts=["twice.test"])
    part["metadata"]["creationTimestamp"] = OLD
    young = told("a-new", 419, created=NEW, hosts=["twice.test"])
    mesh.apply("twice", service("twice", two), young, part)
    assert mesh.ask("twice.test", "/old").status == 418
    assert mesh.ask("twice.test", "/new").status == 404  # not the younger one's


def test_an_equal_age_is_settled_by_name(mesh, two):
    mesh.apply("tie", service("tie", two), told("tie-b", 419, created=OLD, hosts=["tie.test"]),
               told("tie-a", 418, created=OLD, hosts=["tie.test"]))
    assert mesh.ask("tie.test").status == 418


def test_the_narrowest_host_counts_whatever_its_age(mesh, two):
    hosts = ["a.b.narrow", "c.b.narrow", "d.narrow"]
    mesh.apply("narrow", *[service(name, two, hosts=[f"{name}.test"]) for name in hosts],
               told("narrow-1", 431, created=OLD, hosts=["*.narrow.test"]),
               told("narrow-2", 432, created=NEW, hosts=["*.b.narrow.test"]),
               told("narrow-3", 433, created=NEW, hosts=["a.b.narrow.test"]))
    assert [mesh.ask(f"{name}.test").status for name in hosts] == [433, 432, 431]


def test_one_resource_may_be_for_several_hosts(mesh, two):
    mesh.apply("many", service("many-a", two), service("many-b", two), service("many-c", two),
               told("many", 418, hosts=["many-a.test", "many-b.test"]))
    assert mesh.ask("many-a.test").status == mesh.ask("many-b.test").status == 418
    assert mesh.ask("many-c.test").status == 200


@pytest.mark.parametrize("export, seen_by_client, seen_by_other", [
    (["."], False, True), (["*"], True, True), (["default"], True, False),
    ([".", "default"], True, True), (["nobody"], False, False), (None, True, True)])
def test_rules_are_seen_where_they_are_exported(mesh, two, export, seen_by_client, seen_by_other):
    name = "seen-" + "-".join({".": "own", "*": "all"}.get(e, e) for e in export or ["unsaid"])
    spec = {"exportTo": export} if export else {}
    mesh.apply(name, service(name, two), told(name, 418, "elsewhere", **spec))
    assert (mesh.ask(f"{name}.test").status == 418) == seen_by_client
    assert (mesh.ask(f"{name}.test", at=OTHER).status == 418) == seen_by_other


def test_services_are_seen_where_they_are_exported(mesh, two):
    exports = {"own": ["."], "all": ["*"], "there": ["elsewhere"], "nobody": ["~"]}
    mesh.apply("sees", *[service(f"sees-{name}", two, exportTo=namespaces)
                         for name, namespaces in exports.items()])

    def seen(at):
        return {name for name in exports if mesh.ask(f"sees-{name}.test", at=at).name in two}

    assert seen(CLIENT) == {"own", "all"} and seen(OTHER) == {"all", "there"}


def test_the_mesh_says_what_is_exported_when_a_resource_does_not(mesh, two):
    """The marker that tells when a change is there is not exported either."""
    mesh.apply("default-export", service("shown", two, exportTo=["*"]), service("hidden", two),
               told("shown", 418))
    try:
        mesh.write("mesh.json", [{"defaultServiceExportTo": ["."],
                                  "defaultVirtualServiceExportTo": ["."]}])
        wait_until(lambda: mesh.ask("shown.test", at=OTHER).status == 200, "the rule is hidden")
        wait_until(lambda: mesh.ask("hidden.test", at=OTHER).name is None, "the service is hidden")
        assert mesh.ask("shown.test").status == 418 and mesh.ask("hidden.test").status == 200
    finally:
        mesh.apply_values({"mesh": {}})
    assert mesh.ask("shown.test", at=OTHER).status == 418
    assert mesh.ask("hidden.test", at=OTHER).status == 200


# ---- names ----

def test_a_host_is_its_name_however_it_is_spelled(mesh, two):
    mesh.apply("spell", service("spell", two), told("spell", 418))
    port = f"spell.test:{HTTP_PORT}"
    for host in ("spell.test", "SPELL.Test", port, "spell.test.", "spell.test:1"):
        assert mesh.ask(host).status == 418, host


def test_a_service_of_the_registry_has_short_names(mesh, two):
    for namespace in ("default", "elsewhere"):
        mesh.apply_values({
            f"services/{namespace}/short": {"ports": [{"number": HTTP_PORT, "name": "http"}]},
            f"registry/{namespace}/short/i": {
                "address": "127.0.0.1",
                "ports": {"http": two["v1" if namespace == "default" else "v2"].port}}})
    for suffix in (".default", ".default.svc", ".default.svc.cluster.local"):
        for at in (CLIENT, OTHER):
            assert mesh.ask(f"short{suffix}", at=at).name == "v1", (suffix, at)
    assert mesh.ask("short").name == "v1" and mesh.ask("short", at=OTHER).name == "v2"


def test_a_short_host_is_of_the_resources_namespace(mesh, two):
    """Not of its caller's: a rule of `elsewhere` about `near` is for elsewhere's."""
    for namespace, version in (("default", "v1"), ("elsewhere", "v2")):
        mesh.apply_values({
            f"services/{namespace}/near": {"ports": [{"number": HTTP_PORT, "name": "http"}]},
            f"registry/{namespace}/near/i": {"address": "127.0.0.1",
                                             "ports": {"http": two[version].port}}})
    mesh.apply("near", told("near", 418, "elsewhere", hosts=["near"]), virtual_service(
        "caller", [{"route": [{"destination": {"host": "near"}}]}], "elsewhere", ["caller.test"]),
        service("caller", {}, endpoints=[]))
    assert mesh.ask("near.default").status == 200 and mesh.ask("near.elsewhere").status == 418
    assert mesh.ask("caller.test").name == "v2"


def test_a_service_of_a_wildcard_takes_all_under_it(mesh, two):
    mesh.apply("under", service("under", two, hosts=["*.under.test"]),
               service("one.under", {"v1": two["v1"]}), told("under", 418, hosts=["*.under.test"]),
               virtual_service("one.under", [{"route": [to("one.under")]}]))
    assert mesh.ask("any.under.test").status == mesh.ask("a.b.under.test").status == 418
    assert mesh.ask("one.under.test").name == "v1"


@pytest.mark.skipif(os.geteuid() != 0, reason="port 80 is root's")
def test_a_host_that_no_service_has_is_there_at_port_80(mesh, two):
    mesh.apply("alias", service("real", two, port=80),
               destination_rule("real", versions=("v1", "v2")),
               virtual_service("alias", [{"route": [to("real", "v2")]}]))
    assert mesh.count("alias.test", 4, port=80) == {"v2": 4}


# ---- the registry and what it does not know ----

def test_routes_lead_to_other_services(mesh, two):
    mesh.apply("leads", service("leads", {"v1": two["v1"]}), service("led", {"v2": two["v2"]}),
               virtual_service("leads", [
                   {"match": [{"uri": {"prefix": "/led"}}], "route": [to("led")]},
                   {"route": [to("leads")]}]))
    assert mesh.ask("leads.test", "/led").name == "v2" and mesh.ask("leads.test").name == "v1"
    assert mesh.ask("leads.test", "/led").json["headers"]["host"] == "leads.test"


def test_a_service_without_endpoints_has_nobody_to_answer(mesh):
    mesh.apply("empty", service("empty", []))
    assert statuses(mesh, "empty.test", 3) == {503: 3}


def test_endpoints_come_and_go(mesh, two):
    mesh.apply("moves", service("moves", [endpoint(two["v1"])]))
    assert mesh.count("moves.test", 4) == {"v1": 4}
    mesh.apply("moves", service("moves", [endpoint(two["v2"])]))
    assert mesh.count("moves.test", 4) == {"v2": 4}
    mesh.apply("moves", service("moves", [endpoint(b) for b in two.values()]))
    assert set(names(mesh, "moves.test", 40)) == {"v1", "v2"}


def test_a_rule_that_is_rejected_changes_nothing_else(mesh, two, nothing_is_refused):
    good = told("sound", 418, hosts=["sound.test"])
    bad = resource("VirtualService", "unsound", {"hosts": ["unsound.test"], "http": [{"bogus": 1}]})
    mesh.apply("unsound", service("sound", two), service("unsound", two), bad)
    mesh.apply("sound", good)
    assert mesh.ask("sound.test").status == 418 and mesh.ask("unsound.test").status == 200
    assert list(mesh.pilotd.rejected()) == ["config/virtualservices/default/unsound"]
    mesh.apply("unsound")
