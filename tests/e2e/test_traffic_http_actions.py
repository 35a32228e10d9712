"""What is done with a request: what test_traffic_rules.py leaves to say."""

import base64
import concurrent.futures
import socket
import time

import pytest

from harness import free_port, wait_until
from sidecars import CLIENT, HTTP_PORT, OTHER, destination_rule, service, to, virtual_service
from traffic import (HangsUp, Upgrades, Verbatim, apply_routes, at, endpoint,  # noqa: F401
                     exchange, mesh, nothing_is_refused, of_lines, statuses, tries, two, values)

POOL = concurrent.futures.ThreadPoolExecutor(8)
ENVOY_USUAL_TIMEOUT_S = 15


@pytest.fixture(scope="module")
def verbatim(mesh):
    return {"v1": mesh.tcp_backend("verbatim", handler=Verbatim)}


@pytest.fixture(scope="module")
def counting(mesh):
    """A backend whose requests are counted by their paths, which tests make their own."""
    return mesh.backend("counting")


@pytest.fixture(scope="module", autouse=True)
def waiting(mesh, two):
    """A request that takes longer than Envoy's own timeout, under way while other tests run."""
    apply_routes(mesh, "patient", two, {"route": [to("patient")]})
    mesh.apply("ruleless", service("ruleless", two))
    path = f"/delay/{ENVOY_USUAL_TIMEOUT_S + 0.5}"
    return [POOL.submit(mesh.ask, f"{name}.test", path, timeout=30)
            for name in ("patient", "ruleless")]


# ---- rewrites ----

REWRITES = {  # name -> the match, the rewrite, paths asked for and what they become
    "a prefix": ({"prefix": "/old"}, {"uri": "/new"},
                 {"/old": "/new", "/older": "/newer", "/old/a?b=c": "/new/a?b=c"}),
    "a prefix by a slash": ({"prefix": "/old/"}, {"uri": "/"}, {"/old/": "/", "/old/a": "/a"}),
    "a prefix for all": ({"prefix": "/"}, {"uri": "/v1/"}, {"/": "/v1/", "/a": "/v1/a"}),
    "a whole path": ({"exact": "/old"}, {"uri": "/new"}, {"/old": "/new", "/old?a=b": "/new?a=b"}),
    "what an expression matched": ({"regex": "/old/[0-9]+"}, {"uri": "/new"},
                                   {"/old/12?a": "/new?a"}),
    "a part": ({"prefix": "/"}, {"uriRegexRewrite": {"match": "/v[0-9]+", "rewrite": "/any"}},
               {"/v1/a/v2": "/any/a/any", "/a?q=/v1": "/a?q=/v1", "/b": "/b"}),
    "parts in another order": (
        {"prefix": "/"},
        {"uriRegexRewrite": {"match": "^/([^/]+)/([^/]+)$", "rewrite": "/\\2/\\1"}},
        {"/a/b": "/b/a", "/a/b/c": "/a/b/c", "/a/b?c=d": "/b/a?c=d"}),
}


@pytest.mark.parametrize("name", REWRITES)
def test_a_path_is_rewritten(mesh, two, name):
    match, rewrite, paths = REWRITES[name]
    apply_routes(mesh, "path", two,
                 {"match": [{"uri": match}], "rewrite": rewrite, "route": [to("path")]})
    assert {path: mesh.ask("path.test", path).json["path"] for path in paths} == paths


def test_a_prefix_of_any_case_is_rewritten(mesh, two):
    apply_routes(mesh, "case", two, {"match": [{"uri": {"prefix": "/Old"}, "ignoreUriCase": True}],
                                     "rewrite": {"uri": "/new"}, "route": [to("case")]})
    assert mesh.ask("case.test", "/OLD/A").json["path"] == "/new/A"


def test_the_authority_is_rewritten(mesh, two):
    apply_routes(mesh, "who", two,
                 at("/rewrite", rewrite={"authority": "rewritten.host"}, route=[to("who")]),
                 at("/host", headers={"request": {"set": {"Host": "set.host"}}}, route=[to("who")]),
                 at("/authority", headers={"request": {"set": {":authority": "set.authority"}}},
                    route=[to("who")]),
                 at("/one", route=[to("who", headers={"request": {"set": {"host": "one.host"}}})]),
                 at("/split", route=[
                     to("who", "v1", 50, headers={"request": {"set": {"host": "v1.host"}}}),
                     to("who", "v2", 50, headers={"request": {"set": {"host": "v2.host"}}})]),
                 {"route": [to("who")]})
    hosts = {path: mesh.ask("who.test", path).json["headers"]["host"]
             for path in ("/rewrite", "/host", "/authority", "/one", "/")}
    assert hosts == {"/rewrite": "rewritten.host", "/host": "set.host", "/one": "one.host",
                     "/authority": "set.authority", "/": "who.test"}
    for _ in range(20):
        seen = mesh.ask("who.test", "/split").json
        assert seen["headers"]["host"] == f"{seen['name']}.host"


# ---- redirects ----

REDIRECTS = {  # the redirect, what HOST/a?b=c is told
    "uri": ({"uri": "/there"}, 301, "http://HOST/there?b=c"),
    "uri-query": ({"uri": "/there?x=y"}, 301, "http://HOST/there?x=y"),
    "authority": ({"authority": "far.away"}, 301, "http://far.away/a?b=c"),
    "both": ({"authority": "far.away", "uri": "/there"}, 301, "http://far.away/there?b=c"),
    "scheme": ({"scheme": "https"}, 301, "https://HOST/a?b=c"),
    "port": ({"port": 8443}, 301, "http://HOST:8443/a?b=c"),
    "usual-http": ({"authority": "far.away", "port": 80}, 301, "http://far.away/a?b=c"),
    "usual-https": ({"scheme": "https", "port": 443}, 301, "https://HOST/a?b=c"),
    "unusual": ({"scheme": "https", "port": 80}, 301, "https://HOST:80/a?b=c"),
    "request-port": ({"authority": "far.away", "derivePort": "FROM_REQUEST_PORT"}, 301,
                     f"http://far.away:{HTTP_PORT}/a?b=c"),
    "protocol-port": ({"authority": "far.away", "derivePort": "FROM_PROTOCOL_DEFAULT",
                       "scheme": "https"}, 301, "https://far.away/a?b=c"),
    **{f"code-{code}": ({"uri": "/there", "redirectCode": code}, code, "http://HOST/there?b=c")
       for code in (301, 302, 303, 307, 308)},
}


@pytest.fixture(scope="module")
def redirecting(mesh):
    """All cases of REDIRECTS, in one change."""
    documents = []
    for name, (redirect, _, _) in REDIRECTS.items():
        documents += [service(f"{name}.redirect", []),
                      virtual_service(f"{name}.redirect", [{"redirect": redirect}])]
    mesh.apply("redirects", *documents)


@pytest.mark.parametrize("name", REDIRECTS)
def test_a_redirect_says_where_to(mesh, redirecting, name):
    _, status, location = REDIRECTS[name]
    answer = mesh.ask(f"{name}.redirect.test", "/a?b=c")
    assert answer.status == status
    assert answer.headers["location"] == location.replace("HOST", f"{name}.redirect.test")


def test_a_redirect_keeps_the_port_that_was_asked_for(mesh, redirecting):
    answer = mesh.ask(f"scheme.redirect.test:{HTTP_PORT}", "/a")
    assert answer.headers["location"] == f"https://scheme.redirect.test:{HTTP_PORT}/a"
    answer = mesh.ask(f"port.redirect.test:{HTTP_PORT}", "/a")
    assert answer.headers["location"] == "http://port.redirect.test:8443/a"


def test_only_what_matches_is_redirected(mesh, two):
    apply_routes(mesh, "moved", two, at("/old", redirect={"uri": "/new", "redirectCode": 308}),
                 {"route": [to("moved")]})
    answer = mesh.ask("moved.test", "/old/x", method="POST", body="text")
    assert (answer.status, answer.headers["location"]) == (308, "http://moved.test/new")
    assert mesh.ask("moved.test", "/new").json["path"] == "/new"


# ---- direct responses ----

def test_a_direct_response_has_the_body_that_is_given(mesh):
    def answer(prefix, status, body=None, **route):
        response = {"status": status, **({"body": body} if body else {})}
        return at(prefix, directResponse=response, **route)

    octets, large = bytes(range(32, 127)) * 3, "x" * 100_000
    mesh.apply("says", service("says", []), virtual_service("says", [
        answer("/none", 503), answer("/text", 200, {"string": "text ü"}),
        answer("/bytes", 201, {"bytes": base64.b64encode(octets).decode()}),
        answer("/large", 200, {"string": large}), answer("/empty", 204),
        answer("/headers", 418, {"string": "{}"}, headers={"response": {
            "set": {"content-type": "application/json"}, "add": {"x-a": "1"}}})]))

    def said(path):
        reply = mesh.ask("says.test", path)
        return reply.status, reply.body

    assert said("/none") == (503, "") and said("/text") == (200, "text ü")
    assert said("/bytes") == (201, octets.decode()) and said("/large") == (200, large)
    assert said("/empty") == (204, "") and mesh.ask("says.test", "/text", method="HEAD").body == ""
    headers = mesh.ask("says.test", "/headers").headers
    assert (headers["content-type"], headers["x-a"]) == ("application/json", "1")


# ---- retries ----

def test_a_call_that_reaches_nobody_is_made_again_elsewhere(mesh, two):
    """If nobody says otherwise. The rota meets the one that is not there every other time."""
    rota = destination_rule("usual", {"loadBalancer": {"simple": "ROUND_ROBIN"}})
    backends = service("usual", [endpoint(free_port()), endpoint(two["v1"])])
    mesh.apply("usual", backends, rota)
    assert statuses(mesh, "usual.test", 20) == {200: 20}
    mesh.apply("usual", backends, rota,
               virtual_service("usual", [{"retries": {"attempts": 0}, "route": [to("usual")]}]))
    assert statuses(mesh, "usual.test", 20) == {200: 10, 503: 10}


def test_an_answer_is_an_answer_unless_retries_say_otherwise(mesh, counting):
    apply_routes(mesh, "answers", {"v1": counting}, {"route": [to("answers")]})
    for status in (503, 500):
        assert mesh.ask("answers.test", f"/status/{status}/once").status == status
        assert tries(counting, f"/status/{status}/once") == 1


CONDITIONS = {  # retryOn, statuses that are tried again, statuses that are not
    "5xx": ("5xx", (500, 502, 503), (409, 404)),
    "gateway": ("gateway-error", (502, 503, 504), (500,)),
    "conflict": ("retriable-4xx", (409,), (404, 500)),
    "status": ("418", (418,), (500, 503)),
    "statuses": ("429,gateway-error,507", (429, 503, 507), (500, 418)),
    "no-answer": ("connect-failure,refused-stream", (), (500, 503)),
}


@pytest.mark.parametrize("name", CONDITIONS)
def test_what_is_tried_again_is_said(mesh, counting, name):
    retry_on, again, once = CONDITIONS[name]
    apply_routes(mesh, name, {"v1": counting}, {
        "retries": {"attempts": 2, "retryOn": retry_on, "backoff": "0.01s"}, "route": [to(name)]})
    paths = {status: f"/status/{status}/{name}" for status in again + once}
    assert {status: mesh.ask(f"{name}.test", path).status for status, path in paths.items()} == {
        status: status for status in paths}
    assert {status: tries(counting, path) for status, path in paths.items()} == {
        **{status: 3 for status in again}, **{status: 1 for status in once}}


def test_a_call_that_is_hung_up_on_is_tried_again(mesh):
    backend = mesh.tcp_backend("hangs-up", handler=HangsUp)
    retries = {"attempts": 3, "retryOn": "reset", "backoff": "0.01s"}
    apply_routes(mesh, "reset", {"v1": backend}, {"retries": retries, "route": [to("reset")]})
    assert mesh.ask("reset.test", "/reset").status == 503
    assert len(backend.lines) == 4


def test_a_second_try_is_made_elsewhere_or_anywhere(mesh):
    """Of four turns of the rota three are the sick one's."""
    sick, well = mesh.backend("sick"), mesh.backend("well")
    sick.status = 503
    backends = service("elsewhere", [endpoint(sick, weight=3), endpoint(well, weight=1)])
    rota = destination_rule("elsewhere", {"loadBalancer": {"simple": "ROUND_ROBIN"}})

    def seen(**settings):
        retries = {"attempts": 1, "retryOn": "503", "backoff": "0.01s", **settings}
        mesh.apply("elsewhere", backends, rota, virtual_service(
            "elsewhere", [{"retries": retries, "route": [to("elsewhere")]}]))
        return statuses(mesh, "elsewhere.test", 40)

    assert seen() == {200: 40}
    assert seen(retryIgnorePreviousHosts=True) == {200: 40}
    assert seen(retryIgnorePreviousHosts=False)[503] > 0


def test_a_second_try_is_made_near_or_far(mesh):
    """Without outlier detection's ejections the near one stays the first choice."""
    near, far = mesh.backend("near"), mesh.backend("far")
    near.status = 503
    backends = service("remote", [endpoint(near, locality="r1/z1/s1"),
                                  endpoint(far, locality="r9/z9/s9")])
    policy = {"outlierDetection": {"consecutive5xxErrors": 0}}

    def seen(**settings):
        retries = {"attempts": 3, "retryOn": "503", "backoff": "0.01s", **settings}
        mesh.apply("remote", backends, destination_rule("remote", policy), virtual_service(
            "remote", [{"retries": retries, "route": [to("remote")]}]))
        return statuses(mesh, "remote.test", 10)

    assert seen() == {503: 10}
    assert seen(retryRemoteLocalities=True) == {200: 10}


def test_the_mesh_says_how_often_when_a_rule_does_not(mesh, counting):
    never = {"retries": {"attempts": 0}, "route": [to("own-retry")]}
    mesh.apply("mesh-retry", service("mesh-retry", {"v1": counting}),
               service("own-retry", {"v1": counting}), virtual_service("own-retry", [never]))
    mesh.apply_values({"mesh": {"defaultHttpRetryPolicy": {"attempts": 4, "retryOn": "418"}}})
    try:
        for name, times in (("mesh-retry", 5), ("own-retry", 1)):
            assert mesh.ask(f"{name}.test", f"/status/418/{name}").status == 418
            assert tries(counting, f"/status/418/{name}") == times
    finally:
        mesh.apply_values({"mesh": {}})


# ---- timeouts ----

def test_tries_together_have_the_routes_time(mesh, counting):
    apply_routes(mesh, "together", {"v1": counting}, {
        "timeout": "0.7s", "route": [to("together")],
        "retries": {"attempts": 20, "retryOn": "5xx", "perTryTimeout": "0.2s", "backoff": "0.01s"}})
    begin = time.monotonic()
    assert mesh.ask("together.test", "/delay/3/together").status == 504
    assert 0.65 < time.monotonic() - begin < 2.5
    assert 2 <= tries(counting, "/delay/3/together") <= 4


def test_a_timeout_is_for_its_route(mesh, two):
    apply_routes(mesh, "routes-time", two, {
        "match": [{"headers": {"x-hurry": {}}}], "timeout": "0.1s", "route": [to("routes-time")]},
        {"timeout": "5s", "route": [to("routes-time")]})
    assert mesh.ask("routes-time.test", "/delay/0.5", headers={"x-hurry": "1"}).status == 504
    assert mesh.ask("routes-time.test", "/delay/0.5").status == 200


# ---- faults ----

ALWAYS, NEVER = {"percentage": {"value": 100}}, {"percentage": {"value": 0}}


def seconds(mesh, host, path, **arguments):
    begin = time.monotonic()
    return mesh.ask(host, path, **arguments).status, time.monotonic() - begin


def test_faults_happen_as_often_as_said(mesh, counting):
    teapot, late = {"httpStatus": 418}, {"fixedDelay": "0.4s"}

    def faulty(name, **fault):
        return at(f"/{name}-fault", fault=fault, route=[to("faulty")])

    apply_routes(mesh, "faulty", {"v1": counting},
                 faulty("unsaid", abort=teapot, delay=late),
                 faulty("never", abort={**teapot, **NEVER}, delay={**late, **NEVER}),
                 faulty("late", delay={**late, **ALWAYS}),
                 faulty("old", delay={**late, "percent": 100}),
                 faulty("both", abort={**teapot, **ALWAYS}, delay={**late, **ALWAYS}),
                 faulty("quarter", abort={**teapot, "percentage": {"value": 25}}))
    seen = {name: seconds(mesh, "faulty.test", f"/{name}-fault")
            for name in ("unsaid", "never", "late", "old", "both")}
    assert {name: (status, took >= 0.38) for name, (status, took) in seen.items()} == {
        "unsaid": (200, False), "never": (200, False), "late": (200, True), "old": (200, True),
        "both": (418, True)}, seen
    assert tries(counting, "/both-fault") == 0
    some = statuses(mesh, "faulty.test", 400, path="/quarter-fault")
    assert 40 < some[418] < 160, some  # seven standard deviations
    assert tries(counting, "/quarter-fault") == some[200] == 400 - some[418]


def test_a_fault_is_for_those_who_match(mesh, two):
    apply_routes(mesh, "chosen", two, {
        "match": [{"headers": {"end-user": {"exact": "jason"}}}], "route": [to("chosen")],
        "fault": {"abort": {"httpStatus": 500, **ALWAYS}}}, {"route": [to("chosen")]})
    assert mesh.ask("chosen.test", headers={"end-user": "jason"}).status == 500
    assert mesh.ask("chosen.test", headers={"end-user": "other"}).status == 200


@pytest.mark.parametrize("name, number", [("CANCELLED", "1"), ("UNAVAILABLE", "14"),
                                          ("UNAUTHENTICATED", "16")])
def test_a_fault_may_be_one_of_grpc(mesh, two, name, number):
    apply_routes(mesh, "grpc", two, {"fault": {"abort": {"grpcStatus": name, **ALWAYS}},
                                     "route": [to("grpc")]})
    answer = mesh.ask("grpc.test", headers={"content-type": "application/grpc"})
    assert (answer.status, answer.headers["grpc-status"]) == (200, number)


# ---- mirrors ----

def test_a_mirror_gets_its_share(mesh, two):
    shares = {"unsaid": {}, "half": {"percentage": {"value": 50}}, "none": NEVER}
    shadows = {name: mesh.backend(name) for name in shares}
    apply_routes(mesh, "shares", {**two, **shadows}, {
        "route": [to("shares", "v1")],
        "mirrors": [to("shares", name, **share) for name, share in shares.items()]})
    assert mesh.count("shares.test", 400) == {"v1": 400}
    wait_until(lambda: len(shadows["unsaid"].seen) == 400, "all are mirrored")
    assert 130 < len(shadows["half"].seen) < 270  # seven standard deviations
    assert shadows["none"].seen == []


@pytest.mark.parametrize("field, value, share", [
    ("mirrorPercentage", {"value": 100}, 1), ("mirrorPercentage", {"value": 0}, 0),
    ("mirrorPercent", 100, 1), ("mirrorPercent", 0, 0)], ids=["all", "none", "old-all", "old-none"])
def test_one_mirror_gets_its_share(mesh, two, counting, field, value, share, request):
    """A mirrored request that comes last tells that those before it have had their time."""
    name = "mirror-" + request.node.callspec.id
    mirror = {"mirror": to(f"{name}.shadow")["destination"], "route": [to(name)]}
    mesh.apply(name, service(name, two), service(f"{name}.shadow", {"v1": counting}),
               virtual_service(name, [at("/last", **mirror), {**mirror, field: value}]))
    assert mesh.count(f"{name}.test", 20, path=f"/{name}").keys() <= two.keys()
    mesh.ask(f"{name}.test", f"/last/{name}")
    wait_until(lambda: tries(counting, f"/last/{name}") == 1, "the last one is mirrored")
    wait_until(lambda: tries(counting, f"/{name}") >= 20 * share, "all are mirrored")
    assert tries(counting, f"/{name}") == 20 * share


def test_a_mirror_that_is_ill_is_not_felt(mesh, two, counting):
    ill = {"well": counting, "hangs-up": mesh.tcp_backend("mirror", handler=HangsUp)}
    apply_routes(mesh, "felt", {**two, **ill}, {"route": [to("felt", "v1")], "mirrors": [
        to("felt", "well"), to("felt", "hangs-up"), to("felt", "missing"), to("nobody-there")]})
    begin = time.monotonic()
    for _ in range(5):
        assert mesh.ask("felt.test", "/felt", method="POST", body="text").name == "v1"
    assert time.monotonic() - begin < 5
    wait_until(lambda: tries(counting, "/felt") == 5, "it is mirrored all the same")


# ---- CORS ----

ORIGIN = "https://good.site"
GOOD = {"allowOrigins": [{"exact": ORIGIN}], "allowMethods": ["GET", "PUT"], "maxAge": "3600s",
        "allowHeaders": ["x-a", "x-b"], "exposeHeaders": ["x-c", "x-d"]}


def preflight(mesh, host, origin=ORIGIN):
    return mesh.ask(host, method="OPTIONS", headers={
        "origin": origin, "access-control-request-method": "PUT"})


def test_a_preflight_is_told_what_is_allowed(mesh, two):
    apply_routes(mesh, "preflight", two, {"corsPolicy": GOOD, "route": [to("preflight")]})
    answer = preflight(mesh, "preflight.test")
    assert answer.status == 200 and answer.name is None
    told = {name[len("access-control-"):]: value for name, value in answer.headers.items()
            if name.startswith("access-control-")}
    assert told == {"allow-origin": ORIGIN, "allow-methods": "GET,PUT", "allow-headers": "x-a,x-b",
                    "max-age": "3600", "expose-headers": "x-c,x-d"}


def test_a_call_from_another_site_is_told_what_it_may_see(mesh, two):
    apply_routes(mesh, "simple", two, {"corsPolicy": {**GOOD, "allowCredentials": True},
                                       "route": [to("simple")]})
    answer = mesh.ask("simple.test", headers={"origin": ORIGIN})
    assert answer.name in two and answer.headers["access-control-allow-origin"] == ORIGIN
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert answer.headers["access-control-expose-headers"] == "x-c,x-d"
    assert "access-control-allow-origin" not in mesh.ask("simple.test").headers


@pytest.mark.parametrize("allowed, taken, left", [
    ({"allowOrigins": [{"prefix": "https://a."}]}, ["https://a.b", "https://a.c:1"],
     ["https://b.a."]),
    ({"allowOrigins": [{"regex": "https://[a-z]+[.]fine"}]}, ["https://so.fine"],
     ["https://so.finer", "https://1.fine"]),
    ({"allowOrigins": [{"exact": "https://a"}, {"exact": "https://b"}]}, ["https://a", "https://b"],
     ["https://c"]),
    ({"allowOrigin": ["https://a"]}, ["https://a"], ["https://b"]),
    ({"allowOrigins": [{"exact": "*"}]}, ["https://any"], [])],
    ids=["prefix", "regex", "several", "old", "star"])
def test_sites_are_matched(mesh, two, allowed, taken, left, request):
    name = "sites-" + request.node.callspec.id
    apply_routes(mesh, name, two, {"corsPolicy": allowed, "route": [to(name)]})

    def is_allowed(origin):
        answer = mesh.ask(f"{name}.test", headers={"origin": origin})
        return answer.headers.get("access-control-allow-origin") in (origin, "*")

    assert [is_allowed(o) for o in taken] == [True] * len(taken)
    assert [is_allowed(o) for o in left] == [False] * len(left)


@pytest.mark.parametrize("setting, reaches_backend", [
    (None, True), ("FORWARD", True), ("IGNORE", False)])
def test_a_preflight_from_elsewhere_is_forwarded_or_not(mesh, two, setting, reaches_backend):
    name = f"unmatched-{(setting or 'unsaid').lower()}"
    policy = {**GOOD, **({"unmatchedPreflights": setting} if setting else {})}
    apply_routes(mesh, name, two, {"corsPolicy": policy, "route": [to(name)]})
    answer = preflight(mesh, f"{name}.test", "https://bad.site")
    assert (answer.name in two) == reaches_backend
    assert "access-control-allow-origin" not in answer.headers


# ---- headers ----

OPERATIONS = {
    "request": {"set": {"x-set": "new"}, "add": {"x-add": "more"}, "remove": ["x-gone"]},
    "response": {"set": {"x-set": "new"}, "add": {"x-old": "three"}, "remove": ["x-gone"]},
}


@pytest.mark.parametrize("level", ["route", "destination", "weighted"])
def test_headers_are_set_added_and_removed(mesh, verbatim, level):
    backends = {**verbatim, "v2": verbatim["v1"]}
    destinations = {"route": [to("heads")], "destination": [to("heads", headers=OPERATIONS)],
                    "weighted": [to("heads", v, 50, headers=OPERATIONS) for v in backends]}
    route = {"route": destinations[level], **({"headers": OPERATIONS} if level == "route" else {})}
    apply_routes(mesh, "heads", backends, route)
    for _ in range(4):
        answered, body = exchange("heads.test", ("X-Set", "old"), ("x-set", "older"),
                                  ("x-add", "one"), ("x-gone", "1"), ("x-kept", "yes"))
        asked = of_lines(body.splitlines())
        assert values(asked, "x-set") == ["new"] and values(asked, "x-add") == ["one", "more"]
        assert values(asked, "x-gone") == [] and values(asked, "x-kept") == ["yes"]
        assert values(answered, "x-set") == ["new"]
        assert values(answered, "x-old") == ["one", "two", "three"]


def test_headers_of_an_answer_are_removed(mesh, two):
    operations = {"response": {"remove": ["X-Backend"], "set": {"content-type": "text/plain"}}}
    apply_routes(mesh, "unsaid", two, at("/route", headers=operations, route=[to("unsaid")]),
                 at("/one", route=[to("unsaid", headers=operations)]), {"route": [to("unsaid")]})
    for path in ("/route", "/one"):
        headers = mesh.ask("unsaid.test", path).headers
        assert "x-backend" not in headers and headers["content-type"] == "text/plain"
    assert mesh.ask("unsaid.test").name in two


def test_headers_of_route_and_destination_go_together(mesh, two):
    def told(word):
        return {"request": {"set": {f"x-{word}": "asked"}},
                "response": {"set": {f"x-{word}": "answered"}}}

    apply_routes(mesh, "levels", two,
                 at("/one", headers=told("route"), route=[to("levels", headers=told("one"))]),
                 at("/split", headers=told("route"), route=[
                     to("levels", v, 50, headers=told(v)) for v in two]))
    answer = mesh.ask("levels.test", "/one")
    assert answer.headers["x-route"] == answer.headers["x-one"] == "answered"
    assert answer.json["headers"]["x-route"] == answer.json["headers"]["x-one"] == "asked"
    seen = set()
    for _ in range(60):
        answer = mesh.ask("levels.test", "/split")
        other = {"v1": "x-v2", "v2": "x-v1"}[answer.name]
        seen.add(answer.name)
        assert answer.headers["x-route"] == answer.headers[f"x-{answer.name}"] == "answered"
        assert other not in answer.headers and other not in answer.json["headers"]
    assert seen == set(two)


def test_a_header_may_say_what_envoy_knows(mesh, two):
    apply_routes(mesh, "knows", two, {"route": [to("knows")], "headers": {"request": {"set": {
        "x-caller": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%", "x-percent": "100%%"}}}})
    headers = mesh.ask("knows.test").json["headers"]
    assert (headers["x-caller"], headers["x-percent"]) == ("127.0.0.1", "100%")


# ---- other protocols ----

def test_a_websocket_goes_through(mesh):
    backend = mesh.tcp_backend("upgrades", handler=Upgrades)
    apply_routes(mesh, "socket", {"v1": backend}, {"route": [to("socket")]})
    with socket.create_connection((CLIENT, HTTP_PORT), timeout=5) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nhost: socket.test\r\nconnection: upgrade\r\n"
                           b"upgrade: websocket\r\n\r\n")
        lines = connection.makefile("rb")
        assert lines.readline().startswith(b"HTTP/1.1 101")
        while lines.readline() != b"\r\n":
            pass
        for word in (b"one\n", b"two\n"):
            connection.sendall(word)
            assert lines.readline() == b"echo " + word


def test_each_caller_gets_what_its_rule_does(mesh, two):
    mesh.apply("forwho", service("forwho", two), virtual_service("forwho", [
        {"match": [{"sourceLabels": {"app": "other"}}], "rewrite": {"uri": "/theirs"},
         "route": [to("forwho")]}, {"rewrite": {"uri": "/ours"}, "route": [to("forwho")]}]))
    assert mesh.ask("forwho.test").json["path"] == "/ours"
    assert mesh.ask("forwho.test", at=OTHER).json["path"] == "/theirs"


# ---- last, for it takes its time ----

def test_without_a_timeout_a_slow_answer_is_waited_for(waiting):
    for call in waiting:
        assert call.result(timeout=30).status == 200
