/* delegates: the verdicts, and a root's routes with its delegates' put in their place. */
#include "mesh/policy.h"
#include "model/virtual_service.h"

#include "mesh_fixture.h"
#include "model_fixture.h"
#include "translate_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* ---- what can be written ---- */

#define ROUTE          "route: [{destination: {host: a}}]"
#define ROOT(http)     "{hosts: [h], http: [{" http "}]}"
#define DELEGATE(http) "{http: [{" http "}]}"
#define LEFT_OUT                                                                                   \
    "is a regular expression: routes for which the other side of the delegation says this too "    \
    "are left out; use exact or prefix [PIL0302]"

static void check(void **state, const struct fault_case *cases, size_t count)
{
    assert_faults(*state, "VirtualService", cases, count);
}

static void test_a_route_that_delegates_has_no_action_of_its_own(void **state)
{
    static const struct fault_case cases[] = {
        { ROOT("delegate: {name: d, namespace: n}, timeout: 1s"), "" },
        { ROOT("delegate: {name: d}, " ROUTE ", redirect: {uri: /}, "
               "directResponse: {status: 200}"),
            "spec.http[0].route: cannot be given together with delegate [PIL0301]\n"
            "spec.http[0].redirect: cannot be given together with delegate [PIL0301]\n"
            "spec.http[0].directResponse: cannot be given together with delegate [PIL0301]" },
        { ROOT("delegate: {}"), "spec.http[0].delegate.name: is required [PIL0104]" },
        { ROOT("delegate: {name: A_b, namespace: a.b}"),
            "spec.http[0].delegate.name: must be lower-case DNS labels joined by dots (at most "
            "253 characters), not \"A_b\" [PIL0203]\n"
            "spec.http[0].delegate.namespace: must be a lower-case DNS label (letters, digits and "
            "'-', at most 63), not \"a.b\" [PIL0203]" },
    };

    check(state, cases, ARRAY_COUNT(cases));
}

static void test_a_delegate_has_http_routes_alone_and_delegates_no_further(void **state)
{
    static const struct fault_case cases[] = {
        { DELEGATE(ROUTE), "" },
        { "{exportTo: ['*'], http: [{directResponse: {status: 200}}]}", "" },
        { DELEGATE("delegate: {name: d}"),
            "spec.http[0].delegate: a delegate (without hosts) cannot delegate further "
            "[PIL0302]" },
        { "{gateways: [g], tls: [{match: [{sniHosts: [10.0.0.1]}], " ROUTE "}], tcp: [{" ROUTE
          "}], http: [{" ROUTE "}]}",
            "spec.gateways: must be empty where there are no hosts (a delegate) [PIL0302]\n"
            "spec.tls: must be empty where there are no hosts (a delegate) [PIL0302]\n"
            "spec.tcp: must be empty where there are no hosts (a delegate) [PIL0302]\n"
            "warning: spec.tls[0].match[0].sniHosts[0]: is an IP address, which clients do not "
            "send as server name [PIL0302]" },
    };

    check(state, cases, ARRAY_COUNT(cases));
}

static void test_regular_expressions_of_both_sides_are_warned_of(void **state)
{
#define REGEXES                                                                                    \
    "match: [{uri: {prefix: /}}, {uri: {regex: x}, scheme: {regex: x}, method: {regex: x}, "       \
    "authority: {regex: x}, headers: {h: {regex: x}}, withoutHeaders: {w: {regex: x}}, "           \
    "queryParams: {q: {regex: x}}}], "
#define WARNINGS                                                                                   \
    "warning: spec.http[0].match[1].uri: " LEFT_OUT "\n"                                           \
    "warning: spec.http[0].match[1].scheme: " LEFT_OUT "\n"                                        \
    "warning: spec.http[0].match[1].method: " LEFT_OUT "\n"                                        \
    "warning: spec.http[0].match[1].authority: " LEFT_OUT "\n"                                     \
    "warning: spec.http[0].match[1].headers.h: " LEFT_OUT "\n"                                     \
    "warning: spec.http[0].match[1].withoutHeaders.w: " LEFT_OUT "\n"                              \
    "warning: spec.http[0].match[1].queryParams.q: " LEFT_OUT
    static const struct fault_case cases[] = {
        { DELEGATE(REGEXES ROUTE), WARNINGS },
        { ROOT(REGEXES "delegate: {name: d}"), WARNINGS },
        { ROOT(REGEXES ROUTE), "" },
    };

    check(state, cases, ARRAY_COUNT(cases));
}

/* ---- a root and its delegates ---- */

struct family {
    struct arena *a;
    struct fixture_value values[8];
    size_t count;
    struct snapshot *snapshot;
};

static int setup(void **state)
{
    struct family *f = xcalloc(1, sizeof *f);
    f->a = arena_new();
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct family *f = *state;
    snapshot_release(f->snapshot);
    arena_free(f->a);
    free(f);
    return 0;
}

static char *double_quoted(char *text)
{
    for (char *c = text; *c; c++)
        if (*c == '\'')
            *c = '"';
    return text;
}

/* `where`: "NAMESPACE/NAME". The earlier is the older. */
static void add(struct family *f, const char *where, const char *spec)
{
    const char *slash = strchr(where, '/');
    char *json = arena_printf(f->a,
        "{'apiVersion': 'networking.istio.io/v1', 'kind': 'VirtualService',"
        " 'metadata': {'namespace': '%.*s', 'name': '%s'}, 'spec': {%s}}",
        (int)(slash - where),
        where,
        slash + 1,
        spec);
    f->values[f->count++] =
        (struct fixture_value){ arena_printf(f->a, "config/virtualservices/%s", where),
            double_quoted(json) };
}

static void build(struct family *f)
{
    snapshot_release(f->snapshot);
    f->snapshot = fixture_snapshot(f->values, f->count);
}

/* The routes that root "web/root" comes to. */
static const struct http_routes *routes(struct family *f)
{
    const struct object_list *all = &f->snapshot->objects[KIND_VIRTUAL_SERVICE];
    for (size_t i = 0; i < all->count; i++)
        if (strcmp(all->items[i]->key, "config/virtualservices/web/root") == 0)
            return virtual_service_routes(f->a, f->snapshot, all->items[i]);
    fail_msg("there is no root");
    return NULL;
}

#define TO_A "'route': [{'destination': {'host': 'a'}}]"

/* One route with `root` beside the delegate's name, one with `leaf` beside its destination. */
static const struct http_routes *merged(struct family *f, const char *root, const char *leaf)
{
    f->count = 0;
    add(f,
        "web/root",
        arena_printf(f->a,
            "'hosts': ['h.test'], 'http': [{'delegate': {'name': 'leaf'}%s%s}]",
            *root ? ", " : "",
            root));
    add(f, "web/leaf", arena_printf(f->a, "'http': [{" TO_A "%s%s}]", *leaf ? ", " : "", leaf));
    build(f);
    return routes(f);
}

/* ---- matches as text: "uri^/a method=GET", one of them after another behind " | " ---- */

static const char *with_text(
    struct family *f, const char *before, const char *name, const struct string_match *m)
{
    if (!m)
        return before;
    char how = m->exact ? '=' : m->prefix ? '^' : m->regex ? '~' : '?';
    const char *what = m->exact ? m->exact : m->prefix ? m->prefix : m->regex ? m->regex : "";
    return arena_printf(f->a, "%s %s%c%s", before, name, how, what);
}

static const char *with_texts(
    struct family *f, const char *before, const char *name, const named_match_list *list)
{
    for (list_each (const struct named_match, m, list))
        before = with_text(f, before, arena_printf(f->a, "%s.%s", name, m->key), &m->value);
    return before;
}

static const char *with_caller(struct family *f, const char *text, const struct http_match *m)
{
    if (m->ignore_uri_case)
        text = arena_printf(f->a, "%s ignoring-case", text);
    if (m->port)
        text = arena_printf(f->a, "%s port=%u", text, m->port);
    for (list_each (const struct label, label, &m->source_labels))
        text = arena_printf(f->a, "%s %s=%s", text, label->key, label->value);
    if (m->source_namespace)
        text = arena_printf(f->a, "%s ns=%s", text, m->source_namespace);
    for (list_each (const char *const, gateway, &m->gateways))
        text = arena_printf(f->a, "%s gateway=%s", text, *gateway);
    if (m->stat_prefix)
        text = arena_printf(f->a, "%s stat=%s", text, m->stat_prefix);
    return text;
}

static const char *match_text(struct family *f, const struct http_match *m)
{
    const char *text = m->name ? m->name : "";
    text = with_text(f, text, "uri", m->uri);
    text = with_text(f, text, "scheme", m->scheme);
    text = with_text(f, text, "method", m->method);
    text = with_text(f, text, "authority", m->authority);
    text = with_texts(f, text, "headers", &m->headers);
    text = with_texts(f, text, "without", &m->without_headers);
    text = with_texts(f, text, "query", &m->query_params);
    text = with_caller(f, text, m);
    return *text == ' ' ? text + 1 : text;
}

/* "everything" without a match; "nothing" without a route. */
static const char *matches_text(struct family *f, const struct http_routes *list)
{
    if (list->items.count == 0)
        return "nothing";
    const char *text = "";
    const struct http_route *route = list->items.items[0].route;
    for (list_each (const struct http_match, m, &route->match))
        text = arena_printf(f->a, "%s%s%s", text, *text ? " | " : "", match_text(f, m));
    return route->match.count ? text : "everything";
}

struct match_case {
    const char *root, *leaf, *merged; /* matches; "" for none */
};

static const char *as_list(struct family *f, const char *matches)
{
    return *matches ? arena_printf(f->a, "'match': [%s]", matches) : "";
}

static void check_matches(struct family *f, const struct match_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct match_case *c = &cases[i];
        const char *found = matches_text(f, merged(f, as_list(f, c->root), as_list(f, c->leaf)));
        if (strcmp(found, c->merged) != 0)
            fail_msg("%s and %s match %s, not %s", c->root, c->leaf, found, c->merged);
    }
}

#define URI(how, text)   "{'uri': {'" how "': '" text "'}}"
#define METHOD(text)     "{'method': {'exact': '" text "'}}"
#define HEADER(key, how) "{'headers': {'" key "': {" how "}}}"

/* ---- both must match ---- */

static void test_one_sides_matches_are_enough(void **state)
{
    static const struct match_case cases[] = {
        { "", "", "everything" },
        { URI("prefix", "/a"), "", "uri^/a" },
        { "", URI("exact", "/b"), "uri=/b" },
        { URI("regex", "a.*") ", " METHOD("GET"), "", "uri~a.* | method=GET" },
        { "{}", METHOD("GET"), "method=GET" },
        { METHOD("GET"), "{}", "method=GET" },
    };

    check_matches(*state, cases, ARRAY_COUNT(cases));
}

static void test_what_both_say_is_put_together(void **state)
{
    static const struct match_case cases[] = {
        { URI("prefix", "/a"), METHOD("GET"), "uri^/a method=GET" },
        { URI("regex", "a.*"), METHOD("GET"), "uri~a.* method=GET" },
        { METHOD("GET"),
            "{'scheme': {'exact': 'https'}, 'authority': {'prefix': 'a'}}",
            "scheme=https method=GET authority^a" },
        { "{'headers': {'b': {'exact': '1'}, 'd': {}}}",
            "{'headers': {'a': {'regex': 'x'}, 'c': {'prefix': '2'}}}",
            "headers.a~x headers.b=1 headers.c^2 headers.d?" },
        { "{'withoutHeaders': {'x': {}}, 'queryParams': {'q': {'exact': '1'}}}",
            "{'withoutHeaders': {'w': {}}, 'queryParams': {'p': {'exact': '2'}}}",
            "without.w? without.x? query.p=2 query.q=1" },
        { "{'port': 80, 'sourceLabels': {'b': '1'}, 'gateways': ['mesh', 'g'], 'statPrefix': 'r'}",
            "{'sourceLabels': {'a': '2', 'b': '1'}, 'sourceNamespace': 'n'}",
            "port=80 a=2 b=1 ns=n gateway=mesh gateway=g stat=r" },
        { "{'sourceNamespace': 'n', 'gateways': ['mesh', 'g'], 'statPrefix': 'r'}",
            "{'port': 80, 'sourceNamespace': 'n', 'gateways': ['g'], 'statPrefix': 'l'}",
            "port=80 ns=n gateway=g stat=l" },
        { "{'ignoreUriCase': true, 'uri': {'prefix': '/a'}}",
            "{'ignoreUriCase': true, 'method': {'exact': 'GET'}}",
            "uri^/a method=GET ignoring-case" },
    };

    check_matches(*state, cases, ARRAY_COUNT(cases));
}

static void test_the_delegates_match_counts_where_it_is_inside_the_roots(void **state)
{
    static const struct match_case cases[] = {
        { URI("prefix", "/a"), URI("prefix", "/a"), "uri^/a" },
        { URI("prefix", "/a"), URI("prefix", "/a/b"), "uri^/a/b" },
        { URI("prefix", "/a"), URI("exact", "/a/b"), "uri=/a/b" },
        { URI("exact", "/a"), URI("exact", "/a"), "uri=/a" },
        { METHOD("GET"), METHOD("GET"), "method=GET" },
        { HEADER("h", "'prefix': 'a'"), HEADER("h", "'exact': 'ab'"), "headers.h=ab" },
    };

    check_matches(*state, cases, ARRAY_COUNT(cases));
}

static void test_matches_that_exclude_each_other_leave_nothing(void **state)
{
    static const struct match_case cases[] = {
        { URI("prefix", "/a/b"), URI("prefix", "/a"), "nothing" },
        { URI("prefix", "/a"), URI("exact", "/b"), "nothing" },
        { URI("exact", "/a"), URI("exact", "/b"), "nothing" },
        { URI("exact", "/a"), URI("prefix", "/a"), "nothing" },
        { URI("regex", "a"), URI("regex", "a"), "nothing" },
        { URI("regex", "a"), URI("exact", "/a"), "nothing" },
        { URI("prefix", "/"), URI("regex", "a"), "nothing" },
        { METHOD("GET"), METHOD("POST"), "nothing" },
        { "{'scheme': {'exact': 'http'}}", "{'scheme': {'exact': 'https'}}", "nothing" },
        { "{'authority': {'exact': 'a'}}", "{'authority': {'exact': 'b'}}", "nothing" },
        { HEADER("h", "'exact': '1'"), HEADER("h", "'exact': '2'"), "nothing" },
        { HEADER("h", "'exact': '1'"), HEADER("h", ""), "nothing" },
        { HEADER("h", ""), HEADER("h", "'exact': '1'"), "nothing" },
        { "{'withoutHeaders': {'h': {'exact': '1'}}}",
            "{'withoutHeaders': {'h': {'exact': '2'}}}",
            "nothing" },
        { "{'queryParams': {'q': {'exact': '1'}}}",
            "{'queryParams': {'q': {'exact': '2'}}}",
            "nothing" },
        { "{'ignoreUriCase': true, 'uri': {'prefix': '/a'}}", METHOD("GET"), "nothing" },
        { URI("prefix", "/a"), "{'ignoreUriCase': true, 'uri': {'prefix': '/a'}}", "nothing" },
        { "{'port': 80}", "{'port': 81}", "nothing" },
        { "{'sourceNamespace': 'n'}", "{'sourceNamespace': 'm'}", "nothing" },
        { "{'sourceNamespace': 'n'}", METHOD("GET"), "nothing" },
        { "{'sourceLabels': {'a': '1'}}", "{'sourceLabels': {'a': '2'}}", "nothing" },
        { "{'gateways': ['mesh']}", "{'gateways': ['mesh', 'g']}", "nothing" },
    };

    check_matches(*state, cases, ARRAY_COUNT(cases));
}

static void test_every_match_of_the_delegate_meets_every_one_of_the_roots(void **state)
{
    static const struct match_case cases[] = {
        { URI("prefix", "/a") ", " URI("prefix", "/b"),
            METHOD("GET") ", " METHOD("POST"),
            "uri^/a method=GET | uri^/b method=GET | uri^/a method=POST | uri^/b method=POST" },
        { URI("prefix", "/a") ", " METHOD("GET"),
            URI("exact", "/a/x") ", " METHOD("POST"),
            "uri=/a/x | uri=/a/x method=GET | uri^/a method=POST" },
        { URI("prefix", "/a") ", " URI("prefix", "/b"),
            URI("exact", "/b") ", " URI("exact", "/a"),
            "uri=/b | uri=/a" },
        { URI("prefix", "/a") ", " URI("prefix", "/b"),
            URI("exact", "/a") ", " URI("exact", "/c"),
            "nothing" }, /* the second meets none */
    };

    check_matches(*state, cases, ARRAY_COUNT(cases));
}

/* ---- names, and what the delegate leaves open ---- */

static void test_names_are_joined_or_the_one_that_there_is(void **state)
{
    static const char *const cases[][3] = {
        { "'name': 'r', 'match': [{'name': 'm'}]",
            "'name': 'l', 'match': [{'name': 'n'}]",
            "r-l m-n" },
        { "'name': 'r', 'match': [{'name': 'm'}]", "'match': [{'port': 80}]", "r m port=80" },
        { "'match': [{'port': 80}]", "'name': 'l', 'match': [{'name': 'n'}]", "l n port=80" },
        { "'name': 'r', 'match': [{'name': 'm'}]", "'name': 'l'", "r-l m" },
        { "", "", "- everything" },
    };
    struct family *f = *state;

    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        const struct http_routes *list = merged(f, cases[i][0], cases[i][1]);
        const char *name = list->items.items[0].route->name;
        assert_string_equal(
            arena_printf(f->a, "%s %s", name ? name : "-", matches_text(f, list)), cases[i][2]);
    }
}

#define POLICIES(text, seconds)                                                                    \
    "'rewrite': {'uri': '/" text "'}, 'timeout': '" seconds "s', 'retries': {'attempts': " seconds \
    "}, 'fault': {'abort': {'httpStatus': 50" seconds ", 'percentage': {'value': " seconds "}}}, " \
    "'corsPolicy': {'allowMethods': ['GET'], 'maxAge': '" seconds "s'}, "                          \
    "'headers': {'request': {'set': {'x': '" text "'}}}, 'mirror': {'host': '" text "'}, "         \
    "'mirrorPercentage': {'value': " seconds "}, 'mirrorPercent': " seconds

static void expect_policies(const struct http_route *route, const char *text, int seconds)
{
    assert_string_equal(route->rewrite->uri + 1, text);
    assert_int_equal(route->timeout.ms, seconds * 1000);
    assert_int_equal(route->retries->attempts, seconds);
    assert_int_equal(route->fault->abort->http_status, 500 + seconds);
    assert_int_equal(route->cors_policy->max_age.ms, seconds * 1000);
    assert_string_equal(route->headers->request->set.items[0].value, text);
    assert_true(route->mirror_percentage->value == seconds);
    assert_int_equal(route->mirror_percent.value, seconds);
}

static void test_what_the_delegate_leaves_open_the_root_says(void **state)
{
    struct family *f = *state;

    const struct http_route *route =
        merged(f, POLICIES("root", "1"), "'name': 'l'")->items.items[0].route;

    expect_policies(route, "root", 1);
    assert_string_equal(route->mirror->host, "root.web.svc.cluster.local");
}

static void test_what_the_delegate_says_stays_whole(void **state)
{
    struct family *f = *state;

    const struct http_route *route =
        merged(f, POLICIES("root", "1"), POLICIES("leaf", "2"))->items.items[0].route;
    expect_policies(route, "leaf", 2);
    assert_string_equal(route->mirror->host, "leaf");

    route = merged(f,
        "'headers': {'response': {'set': {'x': 'root'}}}, 'retries': {'attempts': 3},"
        " 'mirrors': [{'destination': {'host': 'r1'}}, {'destination': {'host': 'r2'}}]",
        "'headers': {'request': {'set': {'x': 'leaf'}}}, 'timeout': '7s',"
        " 'mirrors': [{'destination': {'host': 'l'}}]")
                ->items.items[0]
                .route;
    assert_null(route->headers->response);
    assert_int_equal(route->timeout.ms, 7000);
    assert_int_equal(route->retries->attempts, 3);
    assert_int_equal(route->mirrors.count, 1);
    assert_string_equal(route->mirrors.items[0].destination->host, "l");
}

static void test_all_of_the_roots_mirrors_are_taken_as_its_namespace_means_them(void **state)
{
    struct family *f = *state;

    const struct http_route *route = merged(f,
        "'mirrors': [{'destination': {'host': 'r1'}, 'percentage': {'value': 1}},"
        " {'destination': {'host': 'r2.test', 'subset': 's', 'port': {'number': 1}}}]",
        "")
                                         ->items.items[0]
                                         .route;

    assert_int_equal(route->mirrors.count, 2);
    assert_string_equal(route->mirrors.items[0].destination->host, "r1.web.svc.cluster.local");
    assert_true(route->mirrors.items[0].percentage->value == 1);
    assert_string_equal(route->mirrors.items[1].destination->host, "r2.test");
    assert_string_equal(route->mirrors.items[1].destination->subset, "s");
    assert_int_equal(route->mirrors.items[1].destination->port->number, 1);
}

/* ---- which delegate ---- */

/* Each route: the owner's namespace and the route's name. */
static const char *names_of(struct family *f, const struct http_routes *list)
{
    const char *text = "";
    for (list_each (const struct effective_route, e, &list->items))
        text = arena_printf(f->a,
            "%s%s%s:%s",
            text,
            *text ? ", " : "",
            e->owner->ns,
            e->route->name ? e->route->name : "");
    return text;
}

static void test_a_delegates_routes_stand_where_it_was_named(void **state)
{
    struct family *f = *state;
    add(f,
        "web/root",
        "'hosts': ['h.test'], 'http': [{'name': 'first', " TO_A "},"
        "{'name': 'x', 'delegate': {'name': 'd', 'namespace': 'shop'}},"
        "{'delegate': {'name': 'd'}}, {'name': 'last', " TO_A "},"
        "{'name': 'y', 'delegate': {'name': 'd', 'namespace': 'shop'}}]");
    add(f, "shop/d", "'http': [{'name': '1', " TO_A "}, {'name': '2', " TO_A "}]");
    add(f, "web/d", "'http': [{'name': '3', " TO_A "}]");

    build(f);

    assert_string_equal(names_of(f, routes(f)),
        "web:first, shop:x-1, shop:x-2, web:3, web:last, shop:y-1, shop:y-2");
}

static void test_a_delegate_that_is_not_there_leaves_its_route_out(void **state)
{
    struct family *f = *state;
    add(f,
        "web/root",
        "'hosts': ['h.test'], 'http': [{'name': '1', 'delegate': {'name': 'missing'}},"
        "{'name': '2', 'delegate': {'name': 'd'}},"
        "{'name': '3', 'delegate': {'name': 'with-hosts'}}, {'name': '4', " TO_A "}]");
    add(f, "shop/d", "'http': [{" TO_A "}]");
    add(f, "web/with-hosts", "'hosts': ['i.test'], 'http': [{" TO_A "}]");

    build(f);

    assert_string_equal(names_of(f, routes(f)), "web:4");
}

static void test_a_delegate_must_be_exported_to_the_roots_namespace(void **state)
{
    struct family *f = *state;
    add(f,
        "web/root",
        "'hosts': ['h.test'], 'http': [{'delegate': {'name': 'private', 'namespace': 'shop'}},"
        "{'delegate': {'name': 'here', 'namespace': 'shop'}},"
        "{'delegate': {'name': 'elsewhere', 'namespace': 'shop'}},"
        "{'delegate': {'name': 'everywhere', 'namespace': 'shop'}},"
        "{'delegate': {'name': 'own'}}]");
    add(f, "shop/private", "'exportTo': ['.'], 'http': [{'name': 'private', " TO_A "}]");
    add(f, "shop/here", "'exportTo': ['web'], 'http': [{'name': 'here', " TO_A "}]");
    add(f, "shop/elsewhere", "'exportTo': ['x'], 'http': [{'name': 'elsewhere', " TO_A "}]");
    add(f, "shop/everywhere", "'http': [{'name': 'everywhere', " TO_A "}]");
    add(f, "web/own", "'exportTo': ['.'], 'http': [{'name': 'own', " TO_A "}]");

    build(f);
    assert_string_equal(names_of(f, routes(f)), "shop:here, shop:everywhere, web:own");

    f->values[f->count++] =
        (struct fixture_value){ "mesh", "{\"defaultVirtualServiceExportTo\": [\".\"]}" };
    build(f);
    assert_string_equal(names_of(f, routes(f)), "shop:here, web:own");
}

static void test_without_delegates_the_routes_are_the_resources_own(void **state)
{
    struct family *f = *state;
    add(f, "web/root", "'hosts': ['h.test'], 'http': [{'name': '1', " TO_A "}]");
    add(f, "web/d", "'http': [{'name': '2', " TO_A "}]");

    build(f);

    const struct http_routes *list = routes(f);
    assert_string_equal(names_of(f, list), "web:1");
    assert_true(hash128_equal(&list->digest, &list->root->digest));
}

/* ---- the digest ---- */

#define DIGEST_ROOT                                                                                \
    "'hosts': ['h.test'], 'http': [{'delegate': {'name': 'd', 'namespace': 'shop'}}]"

static struct hash128 digest_with(struct family *f, const char *delegate, const char *other)
{
    f->count = 0;
    add(f, "web/root", DIGEST_ROOT);
    if (*delegate)
        add(f, "shop/d", delegate);
    add(f, "shop/other", other);
    build(f);
    return routes(f)->digest;
}

static void test_the_digest_changes_with_the_delegates_alone(void **state)
{
    struct family *f = *state;
    const char *other = "'http': [{" TO_A "}]", *another = "'http': [{'name': 'x', " TO_A "}]";

    struct hash128 usual = digest_with(f, other, other);
    struct hash128 same = digest_with(f, other, another);
    struct hash128 changed = digest_with(f, another, other);
    struct hash128 missing = digest_with(f, "", other);
    struct hash128 hidden = digest_with(f, "'exportTo': ['.'], 'http': [{" TO_A "}]", other);

    assert_true(hash128_equal(&usual, &same));
    assert_false(hash128_equal(&usual, &changed));
    assert_false(hash128_equal(&usual, &missing));
    assert_false(hash128_equal(&usual, &hidden));
}

/* ---- what a proxy is sent ---- */

static void translate_delegation(struct family *f, struct translated *t, const char *path)
{
    f->count = 0;
    add(f,
        "default/root",
        "'hosts': ['orders'], 'http': [{'delegate': {'name': 'd', 'namespace': 'shop'},"
        " 'match': [{'uri': {'prefix': '/a'}}], 'mirror': {'host': 'copy'}}]");
    add(f,
        "shop/d",
        arena_printf(f->a,
            "'http': [{'match': [{'uri': {'prefix': '%s'}}],"
            " 'route': [{'destination': {'host': 'cart'}}]}]",
            path));
    f->values[f->count++] = make_entry(f->a,
        "orders",
        "'hosts': ['orders.default.svc.cluster.local'], 'resolution': 'STATIC',"
        "'ports': [{'number': 80, 'name': 'http', 'protocol': 'HTTP'}],"
        "'endpoints': [{'address': '10.1.0.1'}]");
    translated_init(t, f->values, f->count, fixture_scope(f->a, WEB_NODE, "{}"));
}

static void test_short_names_are_meant_as_in_the_namespace_of_who_says_them(void **state)
{
    struct family *f = *state;
    struct translated t;

    translate_delegation(f, &t, "/a/b");

#define FIRST "virtualHosts/0/routes/0/"
    assert_string_equal(translated_at(&t, XDS_ROUTE, "80", FIRST "match/prefix"), "/a/b");
    assert_string_equal(translated_at(&t, XDS_ROUTE, "80", FIRST "route/cluster"),
        "outbound|80||cart.shop.svc.cluster.local");
    assert_string_equal(
        translated_at(&t, XDS_ROUTE, "80", FIRST "route/requestMirrorPolicies/0/cluster"),
        "outbound|80||copy.default.svc.cluster.local");
    assert_string_equal(translated_at(&t, XDS_ROUTE, "80", "virtualHosts/0/routes/1"), "(absent)");
    translated_fini(&t);
}

static void test_a_changed_delegate_changes_the_table_of_its_root(void **state)
{
    struct family *f = *state;
    struct translated t;
    translate_delegation(f, &t, "/a/b");
    struct xds_resource *before = xds_view_find(t.view, XDS_ROUTE, "80");

    const char *spec = "'http': [{'match': [{'uri': {'prefix': '/a/c'}}], " TO_A "}]";
    f->count--;
    struct fixture_value orders = f->values[f->count];
    f->count--;
    add(f, "shop/d", spec);
    f->values[f->count++] = orders;
    build(f);
    translator_begin(t.translator, f->snapshot);
    struct xds_view *view = translator_view(t.translator, fixture_scope(f->a, WEB_NODE, "{}"));

    struct xds_resource *after = xds_view_find(view, XDS_ROUTE, "80");
    assert_non_null(after);
    assert_false(hash128_equal(&before->version, &after->version));
    xds_view_release(view);
    translated_fini(&t);
}

int main(void)
{
#define MODEL_TEST(name) cmocka_unit_test_setup_teardown(name, model_setup, model_teardown)
#define TEST(name)       cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        MODEL_TEST(test_a_route_that_delegates_has_no_action_of_its_own),
        MODEL_TEST(test_a_delegate_has_http_routes_alone_and_delegates_no_further),
        MODEL_TEST(test_regular_expressions_of_both_sides_are_warned_of),
        TEST(test_one_sides_matches_are_enough),
        TEST(test_what_both_say_is_put_together),
        TEST(test_the_delegates_match_counts_where_it_is_inside_the_roots),
        TEST(test_matches_that_exclude_each_other_leave_nothing),
        TEST(test_every_match_of_the_delegate_meets_every_one_of_the_roots),
        TEST(test_names_are_joined_or_the_one_that_there_is),
        TEST(test_what_the_delegate_leaves_open_the_root_says),
        TEST(test_what_the_delegate_says_stays_whole),
        TEST(test_all_of_the_roots_mirrors_are_taken_as_its_namespace_means_them),
        TEST(test_a_delegates_routes_stand_where_it_was_named),
        TEST(test_a_delegate_that_is_not_there_leaves_its_route_out),
        TEST(test_a_delegate_must_be_exported_to_the_roots_namespace),
        TEST(test_without_delegates_the_routes_are_the_resources_own),
        TEST(test_the_digest_changes_with_the_delegates_alone),
        TEST(test_short_names_are_meant_as_in_the_namespace_of_who_says_them),
        TEST(test_a_changed_delegate_changes_the_table_of_its_root),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
