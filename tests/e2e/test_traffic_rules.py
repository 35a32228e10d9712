"""What VirtualServices do to requests, seen at the backends, through real Envoys."""

import collections
import time

import pytest

from harness import wait_until
from sidecars import HTTP_PORT, OTHER, destination_rule, resource, service, to, virtual_service
from traffic import mesh, nothing_is_refused, two  # noqa: F401


def split(name, match):
    """v2 for what matches, v1 for the rest."""
    return (destination_rule(name, versions=("v1", "v2")),
            virtual_service(name, [{"match": match, "route": [to(name, "v2")]},
                                   {"route": [to(name, "v1")]}]))


MATCHES = {
    "exact": ([{"uri": {"exact": "/a"}}], [("/a", {})], [("/a/", {}), ("/A", {}), ("/ab", {})]),
    "prefix": ([{"uri": {"prefix": "/a"}}], [("/a", {}), ("/abc", {}), ("/a/b", {})], [("/b", {}), ("/A", {})]),
    "regex": ([{"uri": {"regex": "/v[0-9]+/x"}}], [("/v12/x", {})], [("/v/x", {}), ("/v1/x/y", {})]),
    "any-case": ([{"uri": {"prefix": "/Login"}, "ignoreUriCase": True}], [("/login", {}), ("/LOGIN/x", {})],
                 [("/logout", {})]),
    "authority": ([{"authority": {"prefix": "authority."}}], [("/", {})], []),
    "scheme": ([{"scheme": {"exact": "https"}}], [], [("/", {})]),
    "header-exact": ([{"headers": {"end-user": {"exact": "jason"}}}], [("/", {"end-user": "jason"})],
                     [("/", {"end-user": "jasonx"}), ("/", {})]),
    "header-prefix": ([{"headers": {"x": {"prefix": "ab"}}}], [("/", {"x": "abc"})], [("/", {"x": "ba"})]),
    "header-regex": ([{"headers": {"x": {"regex": "a.c"}}}], [("/", {"x": "abc"})], [("/", {"x": "abcd"})]),
    "header-there": ([{"headers": {"x": {}}}], [("/", {"x": "any"})], [("/", {})]),
    "without-header": ([{"withoutHeaders": {"x": {"exact": "1"}}}], [("/", {}), ("/", {"x": "2"})],
                       [("/", {"x": "1"})]),
    "query": ([{"queryParams": {"q": {"exact": "1"}, "r": {"regex": "b+"}}}], [("/?q=1&r=bb", {})],
              [("/?q=1", {}), ("/?q=2&r=b", {})]),
    "all-of-one": ([{"uri": {"prefix": "/a"}, "headers": {"x": {"exact": "1"}}}], [("/a", {"x": "1"})],
                   [("/a", {}), ("/b", {"x": "1"})]),
    "any-of-several": ([{"uri": {"prefix": "/a"}}, {"headers": {"x": {"exact": "1"}}}],
                       [("/a", {}), ("/b", {"x": "1"})], [("/b", {})]),
    "port": ([{"port": HTTP_PORT}], [("/", {})], []),
    "other-port": ([{"port": HTTP_PORT + 1}], [], [("/", {})]),
    "source-labels": ([{"sourceLabels": {"app": "client"}}], [("/", {})], []),
    "other-labels": ([{"sourceLabels": {"app": "other"}}], [], [("/", {})]),
    "source-namespace": ([{"sourceNamespace": "default"}], [("/", {})], []),
    "other-namespace": ([{"sourceNamespace": "elsewhere"}], [], [("/", {})]),
}


@pytest.fixture(scope="module")
def matching(mesh, two):
    """All cases of MATCHES, in one change."""
    documents = []
    for name, (match, _, _) in MATCHES.items():
        documents += [service(name, two), *split(name, match)]
    mesh.apply("matches", *documents)


@pytest.mark.parametrize("name", MATCHES)
def test_a_match_takes_its_requests_and_no_others(mesh, matching, name):
    _, taken, left = MATCHES[name]
    for path, headers in taken:
        assert mesh.ask(f"{name}.test", path, headers=headers).name == "v2", (path, headers)
    for path, headers in left:
        assert mesh.ask(f"{name}.test", path, headers=headers).name == "v1", (path, headers)


def test_another_caller_has_its_own_rules(mesh, matching):
    assert mesh.ask("other-labels.test", at=OTHER).name == "v2"
    assert mesh.ask("source-labels.test", at=OTHER).name == "v1"
    assert mesh.ask("other-namespace.test", at=OTHER).name == "v2"


def test_methods_are_matched(mesh, two):
    mesh.apply("method", service("method", two), *split("method", [{"method": {"exact": "POST"}}]))
    assert mesh.ask("method.test", method="POST").name == "v2"
    assert mesh.ask("method.test", method="PUT").name == "v1"


def test_the_first_rule_that_matches_wins(mesh, two):
    mesh.apply("order", service("order", two), destination_rule("order", versions=("v1", "v2")),
               virtual_service("order", [
                   {"match": [{"uri": {"prefix": "/a"}}], "route": [to("order", "v2")]},
                   {"match": [{"uri": {"prefix": "/a/b"}}], "route": [to("order", "v1")]},
                   {"route": [to("order", "v1")]}]))
    assert mesh.ask("order.test", "/a/b").name == "v2"


# ---- what is done with a request ----

def test_rewrites_change_what_the_backend_sees(mesh, two):
    mesh.apply("rewrite", service("rewrite", two), virtual_service("rewrite", [
        {"match": [{"uri": {"prefix": "/old"}}], "rewrite": {"uri": "/new", "authority": "inner.host"},
         "route": [to("rewrite")]},
        {"match": [{"uri": {"exact": "/one"}}], "rewrite": {"uri": "/other"}, "route": [to("rewrite")]},
        {"match": [{"uri": {"prefix": "/re"}}],
         "rewrite": {"uriRegexRewrite": {"match": "^/re/([a-z]+)/(.*)$", "rewrite": "/\\2/\\1"}},
         "route": [to("rewrite")]}]))
    seen = mesh.ask("rewrite.test", "/old/x?q=1").json
    assert (seen["path"], seen["headers"]["host"]) == ("/new/x?q=1", "inner.host")
    assert mesh.ask("rewrite.test", "/one").json["path"] == "/other"
    assert mesh.ask("rewrite.test", "/re/abc/d/e").json["path"] == "/d/e/abc"


def test_redirects_say_where_to(mesh, two):
    mesh.apply("redirect", service("redirect", two), virtual_service("redirect", [
        {"match": [{"uri": {"exact": "/all"}}],
         "redirect": {"uri": "/there", "authority": "far.away", "scheme": "https", "port": 8443,
                      "redirectCode": 308}},
        {"match": [{"uri": {"exact": "/path"}}], "redirect": {"uri": "/there"}},
        {"match": [{"uri": {"exact": "/port"}}],
         "redirect": {"authority": "far.away", "derivePort": "FROM_REQUEST_PORT"}},
        {"redirect": {"authority": "far.away", "redirectCode": 302}}]))

    def where(path):
        answer = mesh.ask("redirect.test", path)
        return answer.status, answer.headers["location"]

    assert where("/all") == (308, "https://far.away:8443/there")
    assert where("/path") == (301, "http://redirect.test/there")
    assert where("/port") == (301, f"http://far.away:{HTTP_PORT}/port")
    assert where("/kept?q=1") == (302, "http://far.away/kept?q=1")


def test_a_direct_response_needs_no_backend(mesh):
    mesh.apply("direct", service("direct", []), virtual_service("direct", [
        {"match": [{"uri": {"exact": "/text"}}], "directResponse": {"status": 418, "body": {"string": "short"}}},
        {"directResponse": {"status": 503}}]))
    assert mesh.ask("direct.test", "/text")[::2] == (418, "short")
    assert mesh.ask("direct.test", "/")[::2] == (503, "")


def test_headers_are_set_added_and_removed(mesh, two):
    route = to("headers", headers={"request": {"set": {"x-to": "destination"}},
                                   "response": {"remove": ["x-backend"], "add": {"x-one": "b"}}})
    mesh.apply("headers", service("headers", {"v1": two["v1"]}), virtual_service("headers", [
        {"headers": {"request": {"set": {"x-set": "new", "host": "set.host"}, "add": {"x-add": "2"},
                                 "remove": ["x-gone"]},
                     "response": {"set": {"x-answer": "yes"}, "add": {"x-one": "a"}}},
         "route": [route]}]))
    answer = mesh.ask("headers.test", headers={"x-set": "old", "x-add": "1", "x-gone": "1"})
    seen = answer.json["headers"]
    assert (seen["x-set"], seen["x-to"], seen["host"]) == ("new", "destination", "set.host")
    assert "x-gone" not in seen and seen["x-add"] in ("1,2", "2")
    assert answer.headers["x-answer"] == "yes" and "x-backend" not in answer.headers


def test_a_timeout_ends_a_slow_request(mesh, two):
    mesh.apply("timeout", service("timeout", two),
               virtual_service("timeout", [{"timeout": "0.2s", "route": [to("timeout")]}]))
    assert mesh.ask("timeout.test", "/delay/3").status == 504
    assert mesh.ask("timeout.test", "/delay/0").status == 200


def test_retries_are_made_as_often_as_asked(mesh):
    flaky = mesh.backend("flaky")
    mesh.apply("retry", service("retry", {"v1": flaky}), virtual_service("retry", [
        {"match": [{"uri": {"prefix": "/fail"}}],
         "retries": {"attempts": 2, "retryOn": "5xx", "backoff": "0.01s"}, "route": [to("retry")]},
        {"match": [{"uri": {"prefix": "/delay"}}],
         "retries": {"attempts": 1, "retryOn": "5xx", "perTryTimeout": "0.2s"}, "timeout": "5s",
         "route": [to("retry")]},
        {"retries": {"attempts": 0}, "route": [to("retry")]}]))
    assert mesh.ask("retry.test", "/fail/2").status == 200 and flaky.failures["/fail/2"] == 3
    assert mesh.ask("retry.test", "/fail/9").status == 503 and flaky.failures["/fail/9"] == 3
    assert mesh.ask("retry.test", "/delay/2").status == 504
    wait_until(lambda: len([s for s in flaky.seen if s["path"] == "/delay/2"]) == 2, "two tries")
    before = len(flaky.seen)
    assert mesh.ask("retry.test", "/status/503").status == 503 and len(flaky.seen) == before + 1


def test_faults_delay_and_abort(mesh, two):
    mesh.apply("fault", service("fault", two), virtual_service("fault", [
        {"match": [{"uri": {"prefix": "/abort"}}], "route": [to("fault")],
         "fault": {"abort": {"httpStatus": 418, "percentage": {"value": 100}}}},
        {"match": [{"uri": {"prefix": "/never"}}], "route": [to("fault")],
         "fault": {"abort": {"httpStatus": 418, "percentage": {"value": 0}}}},
        {"match": [{"uri": {"prefix": "/half"}}], "route": [to("fault")],
         "fault": {"abort": {"httpStatus": 418, "percentage": {"value": 50}}}},
        {"match": [{"uri": {"prefix": "/grpc"}}], "route": [to("fault")],
         "fault": {"abort": {"grpcStatus": "NOT_FOUND", "percentage": {"value": 100}}}},
        {"match": [{"uri": {"prefix": "/slow"}}], "route": [to("fault")],
         "fault": {"delay": {"fixedDelay": "0.3s", "percentage": {"value": 100}}}},
        {"route": [to("fault")]}]))
    assert mesh.ask("fault.test", "/abort").status == 418
    assert mesh.ask("fault.test", "/never").status == 200
    halves = collections.Counter(mesh.ask("fault.test", "/half").status for _ in range(200))
    assert 50 < halves[418] < 150, halves  # seven standard deviations
    grpc = mesh.ask("fault.test", "/grpc", headers={"content-type": "application/grpc"})
    assert grpc.headers.get("grpc-status") == "5"
    begin = time.monotonic()
    assert mesh.ask("fault.test", "/slow").status == 200 and time.monotonic() - begin > 0.25


def test_a_mirror_gets_a_copy(mesh, two):
    shadow, never = mesh.backend("shadow"), mesh.backend("never")
    mesh.apply("mirror", service("mirror", two), service("shadow", {"v1": shadow}),
               service("never", {"v1": never}),
               virtual_service("mirror", [{"route": [to("mirror")], "mirrors": [
                   {"destination": {"host": "shadow.test"}},
                   {"destination": {"host": "never.test"}, "percentage": {"value": 0}}]}]))
    assert mesh.ask("mirror.test", "/copied", method="POST", body="text").name in two
    seen = wait_until(lambda: shadow.seen, "the mirror has seen it")[0]
    assert (seen["path"], seen["method"], seen["body"]) == ("/copied", "POST", "text")
    assert seen["headers"]["host"].startswith("mirror.test-shadow") and never.seen == []


def test_cors_is_answered_for(mesh, two):
    mesh.apply("cors", service("cors", two), virtual_service("cors", [
        {"corsPolicy": {"allowOrigins": [{"exact": "https://good.site"}, {"regex": "https://.*[.]fine"}],
                        "allowMethods": ["GET", "PUT"], "allowHeaders": ["x-token"],
                        "exposeHeaders": ["x-seen"], "maxAge": "60s", "allowCredentials": True},
         "route": [to("cors")]}]))
    preflight = {"origin": "https://good.site", "access-control-request-method": "PUT"}
    answer = mesh.ask("cors.test", method="OPTIONS", headers=preflight)
    assert answer.status == 200 and answer.name is None
    assert answer.headers["access-control-allow-origin"] == "https://good.site"
    assert answer.headers["access-control-allow-methods"] == "GET,PUT"
    assert answer.headers["access-control-max-age"] == "60"
    simple = mesh.ask("cors.test", headers={"origin": "https://a.fine"})
    assert simple.headers["access-control-allow-origin"] == "https://a.fine"
    assert simple.headers["access-control-expose-headers"] == "x-seen"
    bad = mesh.ask("cors.test", headers={"origin": "https://bad.site"})
    assert "access-control-allow-origin" not in bad.headers


# ---- where it goes ----

def test_weights_split_the_traffic(mesh, two):
    three = {**two, "v3": mesh.backend("v3")}
    mesh.apply("weights", service("weights", three), destination_rule("weights", versions=tuple(three)),
               virtual_service("weights", [{"route": [to("weights", "v1", 75), to("weights", "v2", 25),
                                                      to("weights", "v3", 0)]}]))
    counts = mesh.count("weights.test", 400)
    assert 240 < counts["v1"] < 360 and counts["v3"] == 0, counts  # seven standard deviations


HASHES = {
    "hash-header": ({"httpHeaderName": "x-user"}, lambda i: {"headers": {"x-user": f"u{i}"}}),
    "hash-query": ({"httpQueryParameterName": "user"}, lambda i: {"path": f"/?user={i}"}),
    "hash-cookie": ({"httpCookie": {"name": "user", "ttl": "60s"}},
                    lambda i: {"headers": {"cookie": f"user={i}"}}),
    "hash-maglev": ({"httpHeaderName": "x-user", "maglev": {"tableSize": 5003}},
                    lambda i: {"headers": {"x-user": f"u{i}"}}),
}


@pytest.mark.parametrize("name", HASHES)
def test_a_hash_keeps_a_caller_at_its_backend(mesh, two, name):
    hash_policy, arguments = HASHES[name]
    mesh.apply(name, service(name, two),
               destination_rule(name, {"loadBalancer": {"consistentHash": hash_policy}}))
    homes = {}
    for i in range(24):
        homes[i] = mesh.ask(f"{name}.test", **arguments(i)).name
        for _ in range(3):
            assert mesh.ask(f"{name}.test", **arguments(i)).name == homes[i]
    assert set(homes.values()) == {"v1", "v2"}


def test_a_cookie_is_given_to_a_caller_without_one(mesh, two):
    mesh.apply("cookie", service("cookie", two), destination_rule("cookie", {"loadBalancer": {
        "consistentHash": {"httpCookie": {"name": "home", "ttl": "60s", "path": "/"}}}}))
    answer = mesh.ask("cookie.test")
    cookie = answer.headers["set-cookie"].split(";")[0]
    for _ in range(10):
        assert mesh.ask("cookie.test", headers={"cookie": cookie}).name == answer.name


def test_a_source_address_keeps_its_backend(mesh, two):
    mesh.apply("source", service("source", two), destination_rule("source", {"loadBalancer": {
        "consistentHash": {"useSourceIp": True}}}))
    assert len(mesh.count("source.test", 20)) == 1


def test_wildcard_hosts_apply_where_no_whole_name_does(mesh, two):
    mesh.apply("wildcard", service("a.wild", two), service("b.wild", two),
               destination_rule("wild", versions=("v1", "v2"), host="*.wild.test"),
               virtual_service("wild", [{"route": [{"destination": {"host": "a.wild.test", "subset": "v2"}}]}],
                               hosts=["*.wild.test"]),
               virtual_service("whole", [{"route": [{"destination": {"host": "b.wild.test", "subset": "v1"}}]}],
                               hosts=["b.wild.test"]))
    assert mesh.count("a.wild.test", 5) == {"v2": 5} and mesh.count("b.wild.test", 5) == {"v1": 5}


def test_what_is_not_exported_is_not_seen(mesh, two):
    mesh.apply("exports", service("private", two, exportTo=["."]),
               service("rules", {"v1": two["v1"]}),
               virtual_service("rules", [{"directResponse": {"status": 418}}], exportTo=["elsewhere"]))
    assert mesh.ask("private.test").status == 200
    assert mesh.ask("private.test", at=OTHER).name is None
    assert mesh.ask("rules.test").status == 200 and mesh.ask("rules.test", at=OTHER).status == 418


def test_the_callers_own_destination_rule_goes_first(mesh, two):
    def only(version, namespace):
        return destination_rule("whose", namespace=namespace, subsets=[
            {"name": "one", "labels": {"version": version}}])
    mesh.apply("whose", service("whose", two), only("v1", "default"), only("v2", "elsewhere"),
               virtual_service("whose", [{"route": [to("whose", "one")]}]))
    assert mesh.count("whose.test", 4) == {"v1": 4}
    assert mesh.count("whose.test", 4, at=OTHER) == {"v2": 4}


def test_a_delegate_says_what_is_done_in_its_part(mesh, two):
    part = resource("VirtualService", "part", {"http": [
        {"match": [{"uri": {"exact": "/part/two"}}], "route": [{"destination": {"host": "delegate.test", "subset": "v2"}}]},
        {"match": [{"uri": {"exact": "/elsewhere"}}], "directResponse": {"status": 418}},
        {"headers": {"request": {"set": {"x-part": "yes"}}},
         "route": [{"destination": {"host": "delegate.test", "subset": "v1"}}]}]}, "parts")
    hidden = resource("VirtualService", "hidden", {"exportTo": ["."], "http": [
        {"directResponse": {"status": 418}}]}, "parts")
    mesh.apply("delegate", service("delegate", two), destination_rule("delegate", versions=("v1", "v2")),
               part, hidden, virtual_service("delegate", [
                   {"match": [{"uri": {"prefix": "/part"}}], "delegate": {"name": "part", "namespace": "parts"}},
                   {"match": [{"uri": {"prefix": "/hidden"}}],
                    "delegate": {"name": "hidden", "namespace": "parts"}},
                   {"route": [to("delegate", "v1")]}]))
    assert mesh.ask("delegate.test", "/part/two").name == "v2"
    assert mesh.ask("delegate.test", "/part/x").json["headers"]["x-part"] == "yes"
    assert mesh.ask("delegate.test", "/elsewhere").status == 200  # outside the root's match
    assert mesh.ask("delegate.test", "/hidden").status == 200     # not exported: as if it were not there


def test_a_host_or_subset_that_is_not_there_gets_503(mesh, two):
    mesh.apply("nowhere", service("nowhere", two), virtual_service("nowhere", [
        {"match": [{"uri": {"prefix": "/host"}}], "route": [to("nobody")]},
        {"route": [to("nowhere", "v9")]}]))
    assert mesh.ask("nowhere.test", "/host").status == 503
    assert mesh.ask("nowhere.test", "/").status == 503


def test_the_registry_is_routed_like_any_service(mesh, two):
    def instance(version, **more):
        return {"address": "127.0.0.1", "ports": {"http": two[version].port},
                "labels": {"version": version}, **more}
    mesh.apply_values({
        "services/default/stock": {"ports": [{"number": HTTP_PORT, "name": "http", "protocol": "HTTP"}]},
        "registry/default/stock/a": instance("v1"), "registry/default/stock/b": instance("v2")})
    mesh.apply("stock", resource("DestinationRule", "stock", {"host": "stock", "subsets": [
        {"name": v, "labels": {"version": v}} for v in two]}), resource("VirtualService", "stock", {
            "hosts": ["stock"], "http": [
                {"match": [{"headers": {"x": {"exact": "2"}}}],
                 "route": [{"destination": {"host": "stock", "subset": "v2"}}]},
                {"route": [{"destination": {"host": "stock", "subset": "v1"}}]}]}))
    host = "stock.default.svc.cluster.local"
    assert mesh.count(host, 4) == {"v1": 4} and mesh.count("stock", 4, headers={"x": "2"}) == {"v2": 4}


@pytest.mark.parametrize("health", ["draining", "unhealthy"])
def test_an_instance_that_is_not_well_gets_nothing(mesh, two, health):
    values = {f"services/default/{health}": {"ports": [{"number": HTTP_PORT, "name": "http"}]}}
    for version, state in (("v1", health), ("v2", "healthy")):
        values[f"registry/default/{health}/{version}"] = {
            "address": "127.0.0.1", "ports": {"http": two[version].port}, "health": state}
    mesh.apply_values(values)
    host = f"{health}.default.svc.cluster.local"
    wait_until(lambda: mesh.ask(host).status == 200, "it is served")
    assert mesh.count(host, 20) == {"v2": 20}


def test_an_instances_weight_counts(mesh, two):
    values = {"services/default/heavy": {"ports": [{"number": HTTP_PORT, "name": "http"}]}}
    for version, weight in (("v1", 1), ("v2", 9)):
        values[f"registry/default/heavy/{version}"] = {
            "address": "127.0.0.1", "ports": {"http": two[version].port}, "weight": weight}
    mesh.apply("heavy", destination_rule("heavy", {"loadBalancer": {"simple": "ROUND_ROBIN"}},
                                         host="heavy.default.svc.cluster.local"))
    mesh.apply_values(values)
    host = "heavy.default.svc.cluster.local"
    wait_until(lambda: mesh.ask(host).status == 200, "it is served")
    counts = mesh.count(host, 100)
    assert 80 <= counts["v2"] <= 97, counts
