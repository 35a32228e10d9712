/* walk: which virtual host and route take a request, why the others do not, and what follows. */
#include "walk_fixture.h"

#include "translate/walk_path.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define TO_ORDERS "'route': [{'destination': {'host': 'orders'}}]"

/* ---- tables that are sent by virtual host ---- */

static void test_a_split_table_is_walked_as_a_whole_one_is(void **state)
{
    struct shop *s = *state;
    shop_add_service(s, ORDERS, HTTP_8080, "");
    shop_add_service(s, "cart.test", HTTP_8080, "");
    shop_open(s, "{'VHDS': true}");
    struct call cart = call_of("cart.test", "/"), other = call_of("other.test", "/");

    const struct walk *walk = shop_walk(s, &cart);
    assert_string_equal(walk->table, "vhds|8080");
    assert_string_equal(walk->host, "vhds|8080/cart.test:8080");
    assert_string_equal(walk->route, "default");
    assert_string_equal(shop_walk(s, &other)->host, "vhds|8080/allow_any");
}

/* ---- reasons ---- */

/* One rule with that match (the inside of its braces), on its own. */
static void open_match(struct shop *s, const char *match)
{
    shop_open_orders(s, arena_printf(s->a, "{'match': [{%s}], " TO_ORDERS "}", match));
}

static void expect_reason(struct shop *s, const struct call *call, const char *reason)
{
    const struct walk *walk = shop_walk(s, call);
    assert_true(walk->routes.count > 0);
    const char *found = walk->routes.items[0].reason;
    assert_string_equal(found ? found : "taken", reason);
}

static void test_paths_are_matched_without_their_query(void **state)
{
    struct shop *s = *state;
    open_match(s, "'uri': {'exact': '/a'}");
    struct call same = call_of("orders", "/a?x=1"), longer = call_of("orders", "/ab");

    expect_reason(s, &same, "taken");
    expect_reason(s, &longer, "path /ab is not \"/a\"");
}

static void test_a_path_may_be_a_prefix_a_pattern_or_in_any_case(void **state)
{
    struct shop *s = *state;
    shop_open_orders(s,
        "{'name': 'prefix', 'match': [{'uri': {'prefix': '/p/'}}], " TO_ORDERS "},"
        "{'name': 'regex', 'match': [{'uri': {'regex': '/v[0-9]+'}}], " TO_ORDERS "},"
        "{'name': 'case', 'match': [{'uri': {'prefix': '/C'}, 'ignoreUriCase': true}], " TO_ORDERS
        "}");
    struct call prefix = call_of("orders", "/p/x"), regex = call_of("orders", "/v12");
    struct call part = call_of("orders", "/v12/x"), any_case = call_of("orders", "/cx");

    assert_string_equal(shop_walk(s, &prefix)->route, "prefix");
    assert_string_equal(shop_walk(s, &regex)->route, "regex");
    assert_string_equal(shop_walk(s, &any_case)->route, "case");
    const struct walk *walk = shop_walk(s, &part);
    assert_null(walk->route);
    assert_int_equal(walk->end, WALK_NO_ROUTE);
    assert_int_equal(walk->status, 404);
    assert_string_equal(tries_text(s->a, &walk->routes),
        "prefix: path /v12/x does not begin with \"/p/\"; "
        "regex: path /v12/x does not match \"/v[0-9]+\"; "
        "case: path /v12/x does not begin with \"/C\"");
}

static void test_headers_must_be_there_and_fit(void **state)
{
    struct shop *s = *state;
    open_match(s, "'headers': {'x-user': {'exact': 'jason'}}");
    struct call none = call_of("orders", "/"), other = none, right = none, twice = none;
    call_add_header(s->a, &other, "x-user", "bob");
    call_add_header(s->a, &right, "x-user", "jason");
    call_add_header(s->a, &twice, "x-user", "jason");
    call_add_header(s->a, &twice, "x-user", "bob");

    expect_reason(s, &none, "header x-user is missing");
    expect_reason(s, &other, "header x-user: \"bob\" is not \"jason\"");
    expect_reason(s, &right, "taken");
    expect_reason(s, &twice, "header x-user: \"jason,bob\" is not \"jason\"");
}

static void test_a_header_that_must_not_fit_may_be_missing(void **state)
{
    struct shop *s = *state;
    open_match(s, "'withoutHeaders': {'x-user': {'prefix': 'ja'}}");
    struct call none = call_of("orders", "/"), other = none, wrong = none;
    call_add_header(s->a, &other, "x-user", "bob");
    call_add_header(s->a, &wrong, "x-user", "jason");

    expect_reason(s, &none, "taken");
    expect_reason(s, &other, "taken");
    expect_reason(s, &wrong, "header x-user: \"jason\" begins with \"ja\", and must not");
}

static void test_a_header_that_must_not_be_there(void **state)
{
    struct shop *s = *state;
    open_match(s, "'withoutHeaders': {'x-user': {}}");
    struct call none = call_of("orders", "/"), there = none;
    call_add_header(s->a, &there, "x-user", "bob");

    expect_reason(s, &none, "taken");
    expect_reason(s, &there, "header x-user is there, and must not be");
}

static void test_method_authority_and_scheme_are_headers(void **state)
{
    struct shop *s = *state;
    open_match(s,
        "'method': {'exact': 'POST'}, 'authority': {'prefix': 'orders'},"
        " 'scheme': {'exact': 'http'}");
    struct call get = call_of("orders", "/"), post = get;
    post.method = "POST";

    expect_reason(s, &get, "header :method: \"GET\" is not \"POST\"");
    expect_reason(s, &post, "taken");
}

static void test_of_several_parameters_the_first_counts(void **state)
{
    struct shop *s = *state;
    open_match(s, "'queryParams': {'a': {'exact': '1'}}");
    struct call first = call_of("orders", "/?b=2&a=1&a=2"), second = call_of("orders", "/?a=2&a=1");
    struct call none = call_of("orders", "/?ab=1"), bare = call_of("orders", "/?a");

    expect_reason(s, &first, "taken");
    expect_reason(s, &second, "query parameter a: \"2\" is not \"1\"");
    expect_reason(s, &none, "query parameter a is missing");
    expect_reason(s, &bare, "query parameter a: \"\" is not \"1\"");
}

/* ---- virtual hosts ---- */

static void expect_host(struct shop *s, const char *authority, const char *host)
{
    struct call call = call_of(authority, "/");
    const struct walk *walk = shop_walk(s, &call);
    assert_string_equal(walk->host ? walk->host : "(none)", host);
}

static void test_a_host_is_found_by_name_then_by_the_longest_wildcard(void **state)
{
    struct shop *s = *state;
    shop_add_service(s, "exact.wild.test", HTTP_8080, "");
    shop_add_service(s, "*.wild.test", HTTP_8080, "");
    shop_add_service(s, "*.deep.wild.test", HTTP_8080, "");
    shop_open(s, WEB_LABELS);

    expect_host(s, "exact.wild.test", "exact.wild.test:8080");
    expect_host(s, "EXACT.wild.test:8080", "exact.wild.test:8080");
    expect_host(s, "a.wild.test", "*.wild.test:8080");
    expect_host(s, "a.deep.wild.test", "*.deep.wild.test:8080");
    expect_host(s, "wild.test", "allow_any");
}

static void test_short_names_are_domains_too(void **state)
{
    struct shop *s = *state;
    shop_add_service(s, ORDERS, HTTP_8080, "");
    shop_open(s, WEB_LABELS);
    struct call call = call_of("orders.default", "/");

    assert_string_equal(shop_walk(s, &call)->host, ORDERS ":8080");
    assert_string_equal(shop_walk(s, &call)->domain, "orders.default");
    assert_string_equal(shop_walk(s, &call)->table, "8080");
}

/* ---- what follows ---- */

static const char *action(struct shop *s, const char *path, const char *fact)
{
    struct call call = call_of("orders:8080", path);
    return fact_of(s->a, &shop_walk(s, &call)->action, fact);
}

static void test_a_redirect_says_where_to(void **state)
{
    struct shop *s = *state;
    shop_open_orders(s,
        "{'match': [{'uri': {'prefix': '/a'}}], 'redirect': {'uri': '/new', 'redirectCode': 308}},"
        "{'match': [{'uri': {'prefix': '/b'}}], 'redirect': {'authority': 'far.test', 'port': 99}},"
        "{'match': [{'uri': {'prefix': '/c'}}], 'redirect': {'scheme': 'https'}},"
        "{'redirect': {'uri': '/new?z=1'}}");
    struct call call = call_of("orders:8080", "/a/b?c=d");

    assert_int_equal(shop_walk(s, &call)->end, WALK_ANSWERED);
    assert_int_equal(shop_walk(s, &call)->status, 308);
    assert_string_equal(action(s, "/a/b?c=d", "location"), "http://orders:8080/new?c=d");
    assert_string_equal(action(s, "/b?c=d", "location"), "http://far.test:99/b?c=d");
    assert_string_equal(action(s, "/c", "location"), "https://orders:8080/c");
    assert_string_equal(action(s, "/d?c=d", "location"), "http://orders:8080/new?z=1");
}

static void test_a_fixed_response_is_told(void **state)
{
    struct shop *s = *state;
    shop_open_orders(s, "{'directResponse': {'status': 418, 'body': {'string': 'tea'}}}");
    struct call call = call_of("orders", "/");

    assert_int_equal(shop_walk(s, &call)->status, 418);
    assert_string_equal(action(s, "/", "body"), "tea");
}

static void test_rewrites_keep_the_rest_and_the_query(void **state)
{
    struct shop *s = *state;
    shop_open_orders(s,
        "{'match': [{'uri': {'prefix': '/a'}}], 'rewrite': {'uri': '/b'}, " TO_ORDERS "},"
        "{'match': [{'uri': {'exact': '/c'}}], 'rewrite': {'uri': '/d', 'authority': "
        "'far'}, " TO_ORDERS "},"
        "{'rewrite': {'uriRegexRewrite': {'match': '/x/([a-z]+)', 'rewrite': '/\\\\1'}}, " TO_ORDERS
        "}");

    assert_string_equal(action(s, "/a/x?y=1", "path becomes"), "/b/x?y=1");
    assert_string_equal(action(s, "/c?y=1", "path becomes"), "/d?y=1");
    assert_string_equal(action(s, "/c", "host becomes"), "far");
    assert_string_equal(action(s, "/x/abc/d?y=/x/z", "path becomes"), "/abc/d?y=/x/z");
}

static void test_settings_of_a_route_are_told(void **state)
{
    struct shop *s = *state;
    shop_open_orders(s,
        "{'timeout': '1.5s', 'retries': {'attempts': 3, 'retryOn': '5xx', 'perTryTimeout': "
        "'250ms'},"
        " 'fault': {'delay': {'fixedDelay': '2s', 'percentage': {'value': 0.5}}},"
        " 'headers': {'request': {'set': {'a': '1'}, 'add': {'b': '2'}, 'remove': ['c']},"
        " 'response': {'remove': ['d']}}, " TO_ORDERS "}");

    assert_string_equal(action(s, "/", "timeout"), "1.5s");
    assert_string_equal(action(s, "/", "retries"), "3 on 5xx, each try at most 0.25s");
    assert_string_equal(action(s, "/", "fault"), "0.5 % are delayed by 2s");
    assert_string_equal(action(s, "/", "request header"), "set a: 1; add b: 2; remove c");
    assert_string_equal(action(s, "/", "response header"), "remove d");
}

static void test_a_fault_for_all_is_the_answer(void **state)
{
    struct shop *s = *state;
    shop_open_orders(s,
        "{'match': [{'uri': {'prefix': '/all'}}],"
        " 'fault': {'abort': {'httpStatus': 418, 'percentage': {'value': 100}}}, " TO_ORDERS "},"
        "{'fault': {'abort': {'httpStatus': 418, 'percentage': {'value': 99}}}, " TO_ORDERS "}");
    struct call all = call_of("orders", "/all"), most = call_of("orders", "/");

    assert_int_equal(shop_walk(s, &all)->end, WALK_ANSWERED);
    assert_int_equal(shop_walk(s, &all)->status, 418);
    assert_int_equal(shop_walk(s, &most)->end, WALK_DELIVERED);
}

static void test_splits_and_copies_are_in_percent(void **state)
{
    struct shop *s = *state;
    shop_add_service(s, "new.test", HTTP_8080, "");
    shop_open_orders(s,
        "{'route': [{'destination': {'host': 'orders'}, 'weight': 90},"
        " {'destination': {'host': 'new.test'}, 'weight': 10,"
        " 'headers': {'request': {'set': {'a': '1'}}}}],"
        " 'mirrors': [{'destination': {'host': 'new.test'}, 'percentage': {'value': 2.5}}]}");
    struct call call = call_of("orders", "/");
    const struct walk *walk = shop_walk(s, &call);

    assert_int_equal(walk->destinations.count, 3);
    const struct walk_destination *d = walk->destinations.items;
    assert_string_equal(d[0].cluster.name, ORDERS_PORT);
    assert_true(d[0].percent == 90 && d[1].percent == 10 && d[2].percent == 2.5);
    assert_true(d[2].is_mirror && !d[1].is_mirror);
    assert_string_equal(fact_of(s->a, &d[1].facts, "request header"), "set a: 1");
}

static void test_nobody_to_take_it_is_503(void **state)
{
    struct shop *s = *state;
    shop_add_service(s, "empty.test", HTTP_8080, "");
    shop_open_orders(s,
        "{'match': [{'uri': {'prefix': '/subset'}}],"
        " 'route': [{'destination': {'host': 'orders', 'subset': 'v9'}}]}, {" TO_ORDERS "}");
    struct call gone = call_of("orders", "/subset"), good = call_of("orders", "/");

    assert_int_equal(shop_walk(s, &gone)->end, WALK_NO_CLUSTER);
    assert_int_equal(shop_walk(s, &gone)->status, 503);
    assert_int_equal(shop_walk(s, &good)->end, WALK_DELIVERED);
    assert_int_equal(shop_walk(s, &good)->status, 0);
}

static void test_clusters_are_told_in_short(void **state)
{
    struct shop *s = *state;
    shop_add_rule(s,
        "orders",
        "'host': '" ORDERS "', 'trafficPolicy': {"
        "'connectionPool': {'tcp': {'maxConnections': 7}, 'http': {'maxRetries': 3}},"
        "'outlierDetection': {'consecutive5xxErrors': 4, 'baseEjectionTime': '9s',"
        " 'maxEjectionPercent': 50}, 'loadBalancer': {'simple': 'ROUND_ROBIN'},"
        "'tls': {'mode': 'SIMPLE', 'sni': 'far.test'}}");
    shop_open_orders(s, "{" TO_ORDERS "}");
    struct call call = call_of("orders", "/");
    const struct walk_cluster *c = &shop_walk(s, &call)->destinations.items[0].cluster;

    assert_string_equal(fact_of(s->a, &c->facts, "type"), "EDS");
    assert_string_equal(fact_of(s->a, &c->facts, "balancing"), "ROUND_ROBIN");
    assert_string_equal(fact_of(s->a, &c->facts, "limits"), "7 connections, 3 retries");
    assert_string_equal(
        fact_of(s->a, &c->facts, "outliers"), "ejected for 9s after 4 5xx, at most 50 %");
    assert_string_equal(fact_of(s->a, &c->facts, "transport"), "TLS to far.test");
    assert_int_equal(c->endpoints.count, 1);
    assert_string_equal(c->endpoints.items[0].address, "10.1.0.2:8080");
}

static void test_what_no_rule_takes_goes_where_it_was_going_or_nowhere(void **state)
{
    struct shop *s = *state;
    shop_add_service(s, ORDERS, HTTP_8080, "");
    shop_add_mesh(s, "'outboundTrafficPolicy': {'mode': 'REGISTRY_ONLY'}");
    shop_open(s, WEB_LABELS);
    struct call http = call_of("far.test", "/");
    struct call bytes = { .address = "10.9.9.9", .port = 99 };

    assert_string_equal(shop_walk(s, &http)->host, "block_all");
    assert_int_equal(shop_walk(s, &http)->status, 502);
    assert_int_equal(shop_walk(s, &bytes)->end, WALK_REFUSED);
}

static void test_passthrough_keeps_address_and_port(void **state)
{
    struct shop *s = *state;
    shop_add_service(s, ORDERS, HTTP_8080, "");
    shop_open(s, WEB_LABELS);
    struct call call = { .address = "2001:db8::1", .port = 99 };
    const struct walk_destination *d = shop_walk(s, &call)->destinations.items;

    assert_string_equal(d->cluster.name, "PassthroughCluster");
    assert_string_equal(d->cluster.endpoints.items[0].address, "[2001:db8::1]:99");
}

/* ---- paths ---- */

static void test_paths_are_made_plain_before_they_are_matched(void **state)
{
    struct shop *s = *state;
    static const struct {
        const char *in, *out;
    } paths[] = {
        { "/a/../b", "/b" },
        { "/a/./b/", "/a/b/" },
        { "/a/..", "/" },
        { "/../a", "/a" },
        { "/a/%2e%2E/b", "/b" },
        { "/%61%2Fb", "/a%2Fb" },
        { "/a\\b", "/a/b" },
        { "/a//b", "/a//b" },
        { "/...", "/..." },
        { "/a/../b?c=/../d", "/b?c=/../d" },
        { "*", "*" },
    };
    static const struct path_care care = { .normalizes = true };

    for (size_t i = 0; i < ARRAY_COUNT(paths); i++)
        assert_string_equal(walk_path_normalize(s->a, paths[i].in, &care), paths[i].out);
}

static void test_slashes_are_unescaped_and_merged_on_request(void **state)
{
    struct shop *s = *state;
    static const struct path_care care = {
        .unescapes_slashes = true, .normalizes = true, .merges_slashes = true
    };

    assert_string_equal(walk_path_normalize(s->a, "/a%2f%5cb//c?d=//e", &care), "/a/b/c?d=//e");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, shop_setup, shop_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_split_table_is_walked_as_a_whole_one_is),
        TEST(test_paths_are_matched_without_their_query),
        TEST(test_a_path_may_be_a_prefix_a_pattern_or_in_any_case),
        TEST(test_headers_must_be_there_and_fit),
        TEST(test_a_header_that_must_not_fit_may_be_missing),
        TEST(test_a_header_that_must_not_be_there),
        TEST(test_method_authority_and_scheme_are_headers),
        TEST(test_of_several_parameters_the_first_counts),
        TEST(test_a_host_is_found_by_name_then_by_the_longest_wildcard),
        TEST(test_short_names_are_domains_too),
        TEST(test_a_redirect_says_where_to),
        TEST(test_a_fixed_response_is_told),
        TEST(test_rewrites_keep_the_rest_and_the_query),
        TEST(test_settings_of_a_route_are_told),
        TEST(test_a_fault_for_all_is_the_answer),
        TEST(test_splits_and_copies_are_in_percent),
        TEST(test_nobody_to_take_it_is_503),
        TEST(test_clusters_are_told_in_short),
        TEST(test_what_no_rule_takes_goes_where_it_was_going_or_nowhere),
        TEST(test_passthrough_keeps_address_and_port),
        TEST(test_paths_are_made_plain_before_they_are_matched),
        TEST(test_slashes_are_unescaped_and_merged_on_request),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
