"""Where a request goes: what test_traffic_rules.py leaves to say of weights, hashes, rules for
destinations, subsets and delegates."""

import http.client

import pytest

from sidecars import (CLIENT, HTTP_PORT, OTHER, destination_rule, resource, service, to,
                      virtual_service)
from traffic import apply_routes, at, endpoint, mesh, names, nothing_is_refused, two  # noqa: F401

ROOT_NAMESPACE = "istio-system"


@pytest.fixture(scope="module")
def four(mesh, two):
    return {**two, "v3": mesh.backend("v3"), "v4": mesh.backend("v4")}


# ---- weights ----

WEIGHTS = {  # weights of v1 to v3, bounds of what v1 gets of 400, seven standard deviations off
    "half": ((50, 50, 0), (130, 270)), "few": ((1, 3, 0), (40, 160)),
    "all": ((100, 0, 0), (400, 400)),
    "more-than-100": ((200, 100, 100), (130, 270)), "three": ((80, 10, 10), (264, 376)),
}


@pytest.mark.parametrize("name", WEIGHTS)
def test_weights_are_kept_to(mesh, four, name):
    weights, (least, most) = WEIGHTS[name]
    shares = dict(zip(four, weights))
    apply_routes(mesh, name, four, {"route": [to(name, v, w) for v, w in shares.items()]})
    counts = mesh.count(f"{name}.test", 400)
    assert least <= counts["v1"] <= most, counts
    assert set(counts) == {v for v, w in shares.items() if w > 0}


def test_the_only_destination_gets_all_whatever_its_weight(mesh, two):
    apply_routes(mesh, "only", two, at("/zero", route=[to("only", "v2", 0)]),
                 at("/some", route=[to("only", "v2", 7)]), {"route": [to("only", "v1")]})
    for path in ("/zero", "/some"):
        assert mesh.count("only.test", 10, path=path) == {"v2": 10}


def test_weights_are_of_services_as_of_subsets(mesh, two):
    both = [to("across", weight=50), to("across-2", weight=50)]
    mesh.apply("across", service("across", {"v1": two["v1"]}),
               service("across-2", {"v2": two["v2"]}), virtual_service("across", [{"route": both}]))
    counts = mesh.count("across.test", 200)
    assert 50 < counts["v1"] < 150, counts  # seven standard deviations


# ---- hashes ----

def by_header(**more):
    return {"loadBalancer": {"consistentHash": {"httpHeaderName": "x-user", **more}}}


def homes(mesh, host, users, **arguments):
    return {user: mesh.ask(host, headers={"x-user": user}, **arguments).name for user in users}


USERS = [f"user-{i}" for i in range(60)]


KINDS = {"unsaid": {}, "ring": {"ringHash": {"minimumRingSize": 4096}},
         "old-ring": {"minimumRingSize": 64}, "maglev": {"maglev": {"tableSize": 251}},
         "usual-maglev": {"maglev": {}}}


@pytest.mark.parametrize("kind", KINDS)
def test_callers_stay_where_they_are_when_another_backend_goes(mesh, four, kind):
    """All but those of the one that went; but for a few, since the others' shares grow (17 of 100
    move with a ring). Of callers without a home 67 would."""
    name, rule = f"stay-{kind}", destination_rule(f"stay-{kind}", by_header(**KINDS[kind]))
    mesh.apply(name, service(name, four), rule)
    before = homes(mesh, f"{name}.test", USERS)
    assert set(before.values()) == set(four) and homes(mesh, f"{name}.test", USERS) == before
    left = {version: backend for version, backend in four.items() if version != "v4"}
    mesh.apply(name, service(name, left), rule)
    after = homes(mesh, f"{name}.test", USERS)
    moved = [u for u in USERS if before[u] != "v4" and after[u] != before[u]]
    assert set(after.values()) == set(left) and len(moved) <= 20, moved


def test_hashes_hold_on_routes_and_subsets(mesh, four):
    labelled = [endpoint(b, labels={"version": "v1" if v in ("v1", "v2") else "v2"})
                for v, b in four.items()]
    both = [to("routed", "v1", 50), to("routed", "v2", 50)]
    mesh.apply("routed", service("routed", labelled),
               destination_rule("routed", by_header(), versions=("v1", "v2")),
               virtual_service("routed", [at("/subset", route=[to("routed", "v2")]),
                                          at("/split", route=both), {"route": [to("routed")]}]))
    for path, whole in (("/", set(four)), ("/subset", {"v3", "v4"})):
        first = homes(mesh, "routed.test", USERS, path=path)
        assert homes(mesh, "routed.test", USERS, path=path) == first
        assert set(first.values()) == whole
    for user in USERS[:8]:  # of each subset one
        seen = set(names(mesh, "routed.test", 40, path="/split", headers={"x-user": user}))
        assert len(seen & {"v1", "v2"}) == len(seen & {"v3", "v4"}) == 1, seen


def test_a_subset_has_a_hash_of_its_own(mesh, four):
    rule = destination_rule("own-hash", {"loadBalancer": {"simple": "ROUND_ROBIN"}}, subsets=[
        {"name": "all"}, {"name": "sticky", "trafficPolicy": by_header()}])
    mesh.apply("own-hash", service("own-hash", four), rule, virtual_service("own-hash", [
        at("/sticky", route=[to("own-hash", "sticky")]), {"route": [to("own-hash", "all")]}]))
    user = {"headers": {"x-user": "one"}}
    assert len(mesh.count("own-hash.test", 12, path="/sticky", **user)) == 1
    assert mesh.count("own-hash.test", 12, **user) == {v: 3 for v in four}


def test_who_says_nothing_that_is_hashed_goes_anywhere(mesh, two):
    mesh.apply("silent", service("silent", two), destination_rule("silent", by_header()))
    assert set(names(mesh, "silent.test", 40)) == set(two)


def test_source_addresses_have_homes(mesh, four):
    mesh.apply("sources", service("sources", four), destination_rule("sources", {
        "loadBalancer": {"consistentHash": {"useSourceIp": True}}}))

    def home(number):
        connection = http.client.HTTPConnection(CLIENT, HTTP_PORT, timeout=5,
                                                source_address=(f"127.64.0.{number}", 0))
        try:
            connection.request("GET", "/", headers={"host": "sources.test"})
            return connection.getresponse().getheader("x-backend")
        finally:
            connection.close()

    first = {number: home(number) for number in range(1, 41)}
    assert set(first.values()) == set(four)
    assert {number: home(number) for number in first} == first


COOKIES = {  # the cookie, what Set-Cookie has; None: there is none
    "lasting": ({"ttl": "3600s"}, {"Max-Age=3600", "HttpOnly"}),
    "session": ({"ttl": "0s"}, {"HttpOnly"}),
    "path": ({"ttl": "60s", "path": "/shop"}, {"Max-Age=60", "Path=/shop", "HttpOnly"}),
    "attributes": ({"ttl": "60s", "attributes": [{"name": "SameSite", "value": "Strict"}]},
                   {"Max-Age=60", "SameSite=Strict", "HttpOnly"}),
    "unmade": ({}, None),
}


@pytest.mark.parametrize("name", COOKIES)
def test_a_cookie_is_made_as_said(mesh, four, name):
    cookie, wanted = COOKIES[name]
    mesh.apply(f"cookie-{name}", service(f"cookie-{name}", four), destination_rule(
        f"cookie-{name}", {"loadBalancer": {"consistentHash": {
            "httpCookie": {"name": "home", **cookie}}}}))
    made = mesh.ask(f"cookie-{name}.test").headers.get("set-cookie")
    if wanted is None:
        assert made is None
        return
    value, *attributes = made.split("; ")
    assert value.startswith("home=") and set(attributes) == wanted
    assert len(mesh.count(f"cookie-{name}.test", 10, headers={"cookie": value})) == 1


# ---- whose rule for a destination ----

def only(name, version, namespace="default", host="whose.test", **spec):
    """A rule under which the subset `one` is this version alone."""
    return destination_rule(name, namespace=namespace, host=host, subsets=[
        {"name": "one", "labels": {"version": version}}], **spec)


def whose(mesh, backends, *rules, namespace="elsewhere"):
    """Of a service of `namespace` with these rules: whom CLIENT (of default) and OTHER (of
    elsewhere) get."""
    mesh.apply("whose", service("whose", backends, namespace=namespace), *rules,
               virtual_service("whose", [{"route": [to("whose", "one")]}], namespace))
    seen = [set(names(mesh, "whose.test", 8, at=at_)) for at_ in (CLIENT, OTHER)]
    return tuple(next(iter(s)) if len(s) == 1 else s for s in seen)


def test_a_rule_of_the_caller_then_of_the_service_then_of_the_root_counts(mesh, four):
    root, third = only("root", "v1", ROOT_NAMESPACE), only("third", "v2", "third")
    of_service, of_caller = only("service", "v3", "elsewhere"), only("caller", "v4")
    assert whose(mesh, four, third) == (None, None)  # of a third party: no rule, so no such subset
    assert whose(mesh, four, root, third) == ("v1", "v1")
    assert whose(mesh, four, of_service, root, third) == ("v3", "v3")
    assert whose(mesh, four, of_caller, of_service, root, third) == ("v4", "v3")
    assert whose(mesh, four, of_caller, root, namespace="third") == ("v4", "v1")


def test_rules_for_destinations_are_seen_where_they_are_exported(mesh, two):
    hidden = only("hidden", "v1", "elsewhere", exportTo=["."])
    shown = only("shown", "v2", ROOT_NAMESPACE)
    assert whose(mesh, two, hidden, shown) == ("v2", "v1")
    named = only("hidden", "v1", "elsewhere", exportTo=["default"])
    assert whose(mesh, two, named, shown) == ("v1", "v2")


def test_the_mesh_says_to_whom_a_rule_is_exported(mesh, two):
    try:
        mesh.apply_values({"mesh": {"defaultDestinationRuleExportTo": ["."]}})
        assert whose(mesh, two, only("rule", "v1", "elsewhere")) == (None, "v1")
    finally:
        mesh.apply_values({"mesh": {}})
    assert whose(mesh, two, only("rule", "v1", "elsewhere")) == ("v1", "v1")


def test_the_rule_of_the_narrowest_host_counts_alone(mesh, four):
    wide, narrow = only("wide", "v1", host="*.test"), only("narrow", "v2", host="*.whose.test")
    exact = only("exact", "v3", host="a.whose.test")
    hosts = ("a.whose", "b.whose", "whose")
    services = [service(name, four) for name in hosts]
    routes = [virtual_service(name, [{"route": [to(name, "one")]}]) for name in hosts]
    mesh.apply("whose", *services, *routes, wide, narrow, exact)
    seen = {name: set(names(mesh, f"{name}.test", 6)) for name in hosts}
    assert seen == {"a.whose": {"v3"}, "b.whose": {"v2"}, "whose": {"v1"}}
    bare = destination_rule("exact", {"loadBalancer": {"simple": "RANDOM"}}, host="a.whose.test")
    mesh.apply("whose", *services, *routes, wide, narrow, bare)
    assert mesh.ask("a.whose.test").status == 503  # it says no subsets, and inherits none
    mesh.apply("whose")


def test_rules_of_one_namespace_and_host_add_up(mesh, four):
    def rule(name, created, versions, policy):
        out = destination_rule(name, policy, host="sum.test", subsets=[
            {"name": subset, "labels": {"version": v}} for subset, v in versions.items()])
        out["metadata"]["creationTimestamp"] = f"{created}-01-01T00:00:00Z"
        return out

    rota = {"loadBalancer": {"simple": "ROUND_ROBIN"}}
    mesh.apply("sum", service("sum", four),
               rule("second", 2002, {"a": "v2", "b": "v3"}, by_header()),
               rule("first", 2001, {"a": "v1"}, rota), virtual_service("sum", [
                   at("/a", route=[to("sum", "a")]), at("/b", route=[to("sum", "b")]),
                   {"route": [to("sum")]}]))
    assert mesh.count("sum.test", 6, path="/a") == {"v1": 6}  # the elder's
    assert mesh.count("sum.test", 6, path="/b") == {"v3": 6}
    assert mesh.count("sum.test", 12, headers={"x-user": "one"}) == {v: 3 for v in four}


def test_a_rule_for_chosen_callers_stands_in_for_the_others(mesh, two):
    chosen = only("chosen", "v1", workloadSelector={"matchLabels": {"app": "client"}})
    other = only("other", "v1", workloadSelector={"matchLabels": {"app": "nobody"}})
    everyone = only("everyone", "v2")
    assert whose(mesh, two, everyone, chosen, namespace="default") == ("v1", "v2")
    assert whose(mesh, two, everyone, other, namespace="default") == ("v2", "v2")


# ---- subsets ----

def test_a_subset_has_all_that_bear_its_labels(mesh, four):
    labels = {"v1": {"version": "v1", "tier": "a"}, "v2": {"version": "v1", "tier": "b"},
              "v3": {"version": "v2", "tier": "a"}, "v4": {}}
    subsets = {"v1": {"version": "v1"}, "a": {"tier": "a"}, "both": {"version": "v1", "tier": "b"},
               "every": {}, "none": {"version": "v1", "tier": "c"}}
    endpoints = [endpoint(backend, labels=labels[v]) for v, backend in four.items()]
    routes = [at(f"/{name}", route=[to("labels", name)]) for name in subsets]
    mesh.apply("labels", service("labels", endpoints), virtual_service("labels", routes),
               destination_rule("labels", {"loadBalancer": {"simple": "ROUND_ROBIN"}}, subsets=[
                   {"name": name, "labels": wanted} for name, wanted in subsets.items()]))
    seen = {name: set(names(mesh, "labels.test", 8, path=f"/{name}")) for name in subsets}
    assert seen == {"v1": {"v1", "v2"}, "a": {"v1", "v3"}, "both": {"v2"}, "every": set(four),
                    "none": {None}}


def test_a_subsets_policy_goes_before_the_rules(mesh, two):
    policy = {"connectionPool": {"http": {"maxRequestsPerConnection": 1}},
              "loadBalancer": {"simple": "ROUND_ROBIN"}}
    mesh.apply("policies", service("policies", two),
               destination_rule("policies", policy, subsets=[
                   {"name": "inherits"}, {"name": "overrides", "trafficPolicy": by_header()}]),
               virtual_service("policies", [at("/own", route=[to("policies", "overrides")]),
                                            {"route": [to("policies", "inherits")]}]))
    user = {"headers": {"x-user": "one"}}
    assert mesh.count("policies.test", 8, **user) == {"v1": 4, "v2": 4}
    assert len(mesh.count("policies.test", 8, path="/own", **user)) == 1
    ports = {mesh.ask("policies.test", "/own", **user).json["connection"] for _ in range(6)}
    assert len(ports) == 6  # what is not overridden is inherited: each request its connection


# ---- delegates ----

def part(name, http_, namespace="default", **spec):
    return resource("VirtualService", name, {"http": http_, **spec}, namespace)


def delegate(name, namespace=None):
    return {"delegate": {"name": name, **({"namespace": namespace} if namespace else {})}}


def test_a_delegates_matches_are_inside_the_roots(mesh, two):
    mesh.apply("inside", service("inside", two), part("inside-part", [
        {"match": [{"uri": {"exact": "/a/exact"}}], "directResponse": {"status": 431}},
        {"match": [{"uri": {"prefix": "/b"}}], "directResponse": {"status": 432}},
        {"match": [{"headers": {"x-a": {"exact": "1"}}}], "directResponse": {"status": 433}},
        {"match": [{"uri": {"prefix": "/a/sub"}, "method": {"exact": "PUT"}}],
         "directResponse": {"status": 434}},
        {"directResponse": {"status": 435}}]),
        virtual_service("inside", [{"match": [{"uri": {"prefix": "/a"}, "headers": {"x-root": {}}}],
                                    **delegate("inside-part")}, {"route": [to("inside")]}]))

    def status(path, method="GET", **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        return mesh.ask("inside.test", path, method, headers=headers).status

    root = {"x_root": "1"}
    assert status("/a/exact", **root) == 431 and status("/a/exact") == 200
    assert status("/b", **root) == 200  # what lies outside the root's match is left out
    assert status("/a/any", x_a="1", **root) == 433 and status("/c", x_a="1", **root) == 200
    assert status("/a/sub/x", "PUT", **root) == 434 and status("/a/sub/x", **root) == 435
    assert status("/a", **root) == 435 and status("/a") == 200


def test_a_root_of_several_matches_lends_each_of_them(mesh, two):
    mesh.apply("lends", service("lends", two), part("lends-part", [
        {"match": [{"method": {"exact": "PUT"}}], "directResponse": {"status": 431}},
        {"directResponse": {"status": 432}}]), virtual_service("lends", [
            {"match": [{"uri": {"prefix": "/a"}}, {"headers": {"x-b": {"exact": "1"}}}],
             **delegate("lends-part")}, {"route": [to("lends")]}]))
    for arguments in ({"path": "/a"}, {"headers": {"x-b": "1"}}):
        assert mesh.ask("lends.test", method="PUT", **arguments).status == 431
        assert mesh.ask("lends.test", **arguments).status == 432
    assert mesh.ask("lends.test", "/c", method="PUT").status == 200


def test_what_a_delegate_leaves_open_the_root_says(mesh, two):
    root = {"timeout": "0.2s", "rewrite": {"uri": "/root"},
            "headers": {"request": {"set": {"x-root": "1"}}}}
    own = {"timeout": "5s", "rewrite": {"uri": "/own"},
           "headers": {"request": {"set": {"x-own": "1"}}}}
    mesh.apply("gaps", service("gaps", two), part("gaps-part", [
        at("/gap/slow", rewrite={"uri": "/delay/1"}, route=[to("gaps")]),
        at("/gap/own/slow", route=[to("gaps")], **{**own, "rewrite": {"uri": "/delay/0.5"}}),
        at("/gap/own", route=[to("gaps")], **own), {"route": [to("gaps")]}]),
        virtual_service("gaps", [at("/gap", **root, **delegate("gaps-part"))]))

    def seen(path):
        request = mesh.ask("gaps.test", path).json
        return request["path"], *[request["headers"].get(name) for name in ("x-root", "x-own")]

    assert seen("/gap") == ("/root", "1", None) and seen("/gap/own") == ("/own", None, "1")
    assert mesh.ask("gaps.test", "/gap/slow").status == 504
    assert mesh.ask("gaps.test", "/gap/own/slow").status == 200


def test_a_delegate_names_hosts_as_its_own_namespace_does(mesh, two):
    for namespace, version in (("default", "v1"), ("parts", "v2")):
        mesh.apply_values({
            f"services/{namespace}/local": {"ports": [{"number": HTTP_PORT, "name": "http"}]},
            f"registry/{namespace}/local/i": {"address": "127.0.0.1",
                                              "ports": {"http": two[version].port}}})
    route = [{"route": [{"destination": {"host": "local"}}]}]
    mesh.apply("locals", service("locals", []), part("here", route), part("there", route, "parts"),
               virtual_service("locals", [at("/here", **delegate("here")),
                                          at("/there", **delegate("there", "parts"))]))
    assert mesh.ask("locals.test", "/here").name == "v1"
    assert mesh.ask("locals.test", "/there").name == "v2"


def test_rules_go_on_where_a_delegate_is_not(mesh, two):
    """Not there, not shown to the root's namespace, or itself a root."""
    rooted = virtual_service("rooted", [{"directResponse": {"status": 418}}], hosts=["rooted.test"])
    mesh.apply("goes-on", service("goes-on", two), rooted,
               part("shut", [{"directResponse": {"status": 418}}], "parts", exportTo=["."]),
               virtual_service("goes-on", [delegate("missing"), delegate("rooted"),
                                           delegate("shut", "parts"), {"route": [to("goes-on")]}]))
    assert mesh.ask("goes-on.test").status == 200


def test_a_delegate_that_changes_changes_its_roots(mesh, two):
    root = virtual_service("follows", [delegate("follows-part")])
    for status in (418, 419):
        mesh.apply("follows", service("follows", two), root,
                   part("follows-part", [{"directResponse": {"status": status}}]))
        assert mesh.ask("follows.test").status == status


def test_a_delegate_of_two_roots_serves_both(mesh, two):
    shared = part("shared", [at("/x", directResponse={"status": 418}), {"route": [to("both-a")]}])
    rest = {"directResponse": {"status": 419}}
    mesh.apply("both", service("both-a", two), service("both-b", two), shared,
               virtual_service("both-a", [at("/", **delegate("shared")), rest]),
               virtual_service("both-b", [at("/x", **delegate("shared")), rest]))
    seen = {name: [mesh.ask(f"{name}.test", path).status for path in ("/x", "/y")]
            for name in ("both-a", "both-b")}
    assert seen == {"both-a": [418, 200], "both-b": [418, 419]}
