/* http routes: what a VirtualService's http section comes to, route by route. */
#include "shop_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define TO_ORDERS  "'route': [{'destination': {'host': 'orders'}}]"
#define ELSE       "{" TO_ORDERS "}"
#define WHEN(what) "{'match': [{" what "}], " TO_ORDERS "}, " ELSE

/* One route made from one `match`, and one for the rest. */
static void expect_match(struct shop *s, const char *path, const char *value)
{
    shop_expect_route(s, 0, arena_printf(s->a, "match/%s", path), value);
}

static void expect_action(struct shop *s, const char *path, const char *value)
{
    shop_expect_route(s, 0, arena_printf(s->a, "route/%s", path), value);
}

/* ---- matches ---- */

static void test_paths_are_matched_exactly_by_prefix_or_by_expression(void **state)
{
    struct shop *s = *state;

    shop_open_orders(s,
        "{'match': [{'uri': {'exact': '/a'}}, {'uri': {'prefix': '/b'}},"
        " {'uri': {'regex': '/c.*'}}], " TO_ORDERS "}, " ELSE);

    shop_expect_route(s, 0, "match", "{\"path\":\"/a\"}");
    shop_expect_route(s, 1, "match", "{\"prefix\":\"/b\"}");
    shop_expect_route(s, 2, "match", "{\"safeRegex\":{\"regex\":\"/c.*\"}}");
    shop_expect_route(s, 3, "match", "{\"prefix\":\"/\"}");
    shop_expect_route(s, 4, "match", "(absent)");
}

static void test_the_case_of_paths_can_be_ignored(void **state)
{
    struct shop *s = *state;

    shop_open_orders(s, WHEN("'uri': {'prefix': '/a'}, 'ignoreUriCase': true"));

    expect_match(s, "caseSensitive", "false");
}

static void test_headers_are_sorted_by_name_and_pseudo_headers_come_last(void **state)
{
    struct shop *s = *state;

    shop_open_orders(s,
        WHEN("'headers': {'x-b': {'exact': '1'}, 'x-a': {'prefix': '2'}},"
             " 'withoutHeaders': {'x-ab': {'regex': '3'}},"
             " 'scheme': {'exact': 'http'}, 'authority': {'exact': 'o'},"
             " 'method': {'exact': 'GET'}"));

    expect_match(s, "headers/0", "{\"name\":\"x-a\",\"stringMatch\":{\"prefix\":\"2\"}}");
    expect_match(s, "headers/1/name", "x-ab");
    expect_match(s, "headers/2", "{\"name\":\"x-b\",\"stringMatch\":{\"exact\":\"1\"}}");
    expect_match(s, "headers/3", "{\"name\":\":method\",\"stringMatch\":{\"exact\":\"GET\"}}");
    expect_match(s, "headers/4/name", ":authority");
    expect_match(s, "headers/5/name", ":scheme");
    expect_match(s, "headers/6", "(absent)");
}

static void test_an_empty_match_asks_only_that_the_header_is_there(void **state)
{
    struct shop *s = *state;

    shop_open_orders(s, WHEN("'headers': {'x-a': {}, 'x-b': {'exact': ''}}"));

    expect_match(s, "headers/0", "{\"name\":\"x-a\",\"presentMatch\":true}");
    expect_match(s, "headers/1", "{\"name\":\"x-b\",\"stringMatch\":{\"exact\":\"\"}}");
}

static void test_a_missing_header_differs_from_every_value(void **state)
{
    struct shop *s = *state;

    shop_open_orders(s, WHEN("'withoutHeaders': {'x-a': {'exact': '1'}, 'x-b': {}}"));

    expect_match(s, "headers/0/invertMatch", "true");
    expect_match(s, "headers/0/treatMissingHeaderAsEmpty", "true");
    expect_match(s, "headers/1", "{\"name\":\"x-b\",\"presentMatch\":true,\"invertMatch\":true}");
}

static void test_query_parameters_are_sorted(void **state)
{
    struct shop *s = *state;

    shop_open_orders(s, WHEN("'queryParams': {'q': {'exact': '1'}, 'p': {}}"));

    expect_match(s, "queryParameters/0", "{\"name\":\"p\",\"presentMatch\":true}");
    expect_match(s, "queryParameters/1", "{\"name\":\"q\",\"stringMatch\":{\"exact\":\"1\"}}");
}

/* ---- which of them are this caller's ---- */

static void test_nothing_follows_the_first_route_that_takes_everything(void **state)
{
    struct shop *s = *state;

    shop_open_orders(s,
        "{'match': [{'uri': {'prefix': '/'}, 'headers': {'x': {}}}], " TO_ORDERS "},"
        "{'match': [{'uri': {'regex': '.*'}}, {'uri': {'prefix': '/b'}}], " TO_ORDERS "}, " ELSE);

    shop_expect_route(s, 0, "match/prefix", "/");
    shop_expect_route(s, 1, "match/safeRegex/regex", ".*");
    shop_expect_route(s, 2, "match", "(absent)");
}

#define ONLY_IF(name, what)                                                                        \
    "{'match': [{'name': '" name "', " what "}], 'name': 'r', " TO_ORDERS "}, "

static void test_port_labels_namespace_and_gateways_are_decided_here(void **state)
{
    struct shop *s = *state;

    shop_open_orders(s,
        ONLY_IF("a", "'port': 8080, 'uri': {'prefix': '/a'}")
            ONLY_IF("b", "'port': 9999, 'uri': {'prefix': '/b'}")
                ONLY_IF("c", "'sourceLabels': {'app': 'web'}, 'uri': {'prefix': '/c'}")
                    ONLY_IF("d", "'sourceLabels': {'app': 'cart'}, 'uri': {'prefix': '/d'}")
                        ONLY_IF("e", "'sourceNamespace': 'default', 'uri': {'prefix': '/e'}")
                            ONLY_IF("f", "'sourceNamespace': 'other', 'uri': {'prefix': '/f'}")
                                ONLY_IF("g",
                                    "'gateways': ['mesh'], 'sourceLabels': {'app': 'cart'},"
                                    " 'uri': {'prefix': '/g'}") ELSE);

    shop_expect_route(s, 0, "name", "r.a");
    shop_expect_route(s, 1, "name", "r.c");
    shop_expect_route(s, 2, "name", "r.e");
    shop_expect_route(s, 3, "name", "r.g");
    shop_expect_route(s, 4, "match/prefix", "/");
    shop_expect_route(s, 5, "match", "(absent)");
}

static void test_a_virtual_service_without_a_route_for_the_caller_is_as_if_absent(void **state)
{
    struct shop *s = *state;

    shop_open_orders(s, "{'match': [{'sourceLabels': {'app': 'cart'}}], " TO_ORDERS "}");

    shop_expect_route(s, 0, "name", "default");
    expect_action(s, "cluster", ORDERS_PORT);
}

/* ---- destinations ---- */

static void test_one_destination_is_a_cluster_whatever_its_weight(void **state)
{
    struct shop *s = *state;

    shop_open_orders(
        s, "{'route': [{'destination': {'host': 'orders', 'subset': 'v1'}, 'weight': 7}]}");

    expect_action(s, "cluster", "outbound|8080|v1|" ORDERS);
    expect_action(s, "weightedClusters", "(absent)");
}

static void test_several_destinations_are_weighted_and_those_of_weight_0_left_out(void **state)
{
    struct shop *s = *state;

    shop_open_orders(s,
        "{'route': [{'destination': {'host': 'orders', 'subset': 'v1'}, 'weight': 90},"
        " {'destination': {'host': 'orders', 'subset': 'v0'}, 'weight': 0},"
        " {'destination': {'host': 'orders', 'subset': 'v2'}, 'weight': 10}]}");

    expect_action(s,
        "weightedClusters",
        "{\"clusters\":[{\"name\":\"outbound|8080|v1|" ORDERS "\",\"weight\":90},"
        "{\"name\":\"outbound|8080|v2|" ORDERS "\",\"weight\":10}]}");
}

static void test_a_port_not_given_is_the_services_only_one_or_the_listeners(void **state)
{
    struct shop *s = *state;
    shop_add_service(s, "one.shop", "{'number': 81, 'name': 'http', 'protocol': 'HTTP'}", "");
    shop_add_service(s,
        "two.shop",
        "{'number': 82, 'name': 'http', 'protocol': 'HTTP'},"
        "{'number': 83, 'name': 'http-b', 'protocol': 'HTTP'}",
        "");

#define TO(path, host)                                                                             \
    "{'match': [{'uri': {'exact': '" path "'}}], 'route': [{'destination': {" host "}}]}"
    shop_open_orders(s,
        TO("/1", "'host': 'one.shop'") "," TO("/2", "'host': 'two.shop'") "," TO(
            "/3", "'host': 'nobody.shop'") "," TO("/4",
            "'host': 'two.shop', 'port': {'number': 83}") "," TO("/5", "'host': 'nobody'"));

    shop_expect_route(s, 0, "route/cluster", "outbound|81||one.shop");
    shop_expect_route(s, 1, "route/cluster", "outbound|8080||two.shop");
    shop_expect_route(s, 2, "route/cluster", "outbound|8080||nobody.shop");
    shop_expect_route(s, 3, "route/cluster", "outbound|83||two.shop");
    shop_expect_route(s, 4, "route/cluster", "outbound|8080||nobody.default.svc.cluster.local");
}

static void test_a_consistent_hash_is_on_the_route_and_stays_with_its_host(void **state)
{
    struct shop *s = *state;
    shop_add_rule(s,
        "orders",
        "'host': 'orders', 'subsets': [{'name': 'v1', 'trafficPolicy': {'loadBalancer': {"
        "'consistentHash': {'httpCookie': {'name': 'c', 'path': '/p', 'ttl': '0s'}}}}}],"
        "'trafficPolicy': {'loadBalancer': {'consistentHash': {'httpHeaderName': 'x-user'}}}");

    shop_open_orders(s,
        "{'match': [{'uri': {'exact': '/1'}}], 'route': [{'destination': {'host': 'orders',"
        " 'subset': 'v1'}}]}, " ELSE);

    shop_expect_route(
        s, 0, "route/hashPolicy", "[{\"cookie\":{\"name\":\"c\",\"ttl\":\"0s\",\"path\":\"/p\"}}]");
    shop_expect_route(s, 1, "route/hashPolicy", "[{\"header\":{\"headerName\":\"x-user\"}}]");
    shop_expect_route(s, 1, "route/retryPolicy/retryHostPredicate", "(absent)");
    shop_expect_route(s, 1, "route/retryPolicy/numRetries", "2");
}

static void test_the_default_route_is_hashed_too_and_still_avoids_a_failed_host(void **state)
{
    struct shop *s = *state;
    shop_add_service(s, ORDERS, HTTP_8080, "");
    shop_add_rule(s,
        "orders",
        "'host': 'orders',"
        "'trafficPolicy': {'loadBalancer': {'consistentHash': {'useSourceIp': true}}}");

    shop_open(s, "{}");

    expect_action(s, "hashPolicy", "[{\"connectionProperties\":{\"sourceIp\":true}}]");
    expect_action(
        s, "retryPolicy/retryHostPredicate/0/name", "envoy.retry_host_predicates.previous_hosts");
}

/* ---- timeouts and retries ---- */

static void test_without_a_timeout_a_route_has_none(void **state)
{
    struct shop *s = *state;

    shop_open_orders(
        s, "{'timeout': '2.5s', 'match': [{'uri': {'exact': '/1'}}], " TO_ORDERS "}, " ELSE);

    shop_expect_route(s, 0, "route/timeout", "2.500s");
    shop_expect_route(s, 0, "route/maxGrpcTimeout", "2.500s");
    shop_expect_route(s, 1, "route/timeout", "0s");
    shop_expect_route(s, 1, "route/maxGrpcTimeout", "0s");
}

#define WITH(fields) "{" fields ", " TO_ORDERS "}"

static void test_requests_are_retried_twice_unless_told_otherwise(void **state)
{
    struct shop *s = *state;

    shop_open_orders(s, ELSE);

    expect_action(s, "retryPolicy/numRetries", "2");
    expect_action(s, "retryPolicy/hostSelectionRetryMaxAttempts", "5");
    expect_action(s,
        "retryPolicy/retryOn",
        "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes");
    expect_action(s, "retryPolicy/retryHostPredicate/1", "(absent)");
}

static void test_zero_attempts_are_no_retries(void **state)
{
    struct shop *s = *state;

    shop_open_orders(s, WITH("'retries': {'attempts': 0}"));

    expect_action(s, "retryPolicy", "(absent)");
}

static void test_status_codes_among_the_conditions_are_taken_out(void **state)
{
    struct shop *s = *state;

    shop_open_orders(s,
        WITH("'retries': {'attempts': 3, 'perTryTimeout': '20ms', 'backoff': '10ms',"
             " 'retryOn': '503,gateway-error,429', 'retryRemoteLocalities': true,"
             " 'retryIgnorePreviousHosts': false}"));

    expect_action(s, "retryPolicy/numRetries", "3");
    expect_action(s, "retryPolicy/retryOn", "gateway-error,retriable-status-codes");
    expect_action(s, "retryPolicy/retriableStatusCodes", "[503,429]");
    expect_action(s, "retryPolicy/perTryTimeout", "0.020s");
    expect_action(s, "retryPolicy/retryBackOff", "{\"baseInterval\":\"0.010s\"}");
    expect_action(s, "retryPolicy/retryHostPredicate", "(absent)");
    expect_action(
        s, "retryPolicy/retryPriority/name", "envoy.retry_priorities.previous_priorities");
    expect_action(s, "retryPolicy/retryPriority/typedConfig/updateFrequency", "2");
}

static void test_the_mesh_says_how_routes_that_say_nothing_are_retried(void **state)
{
    struct shop *s = *state;
    shop_add_mesh(s, "'defaultHttpRetryPolicy': {'attempts': 5, 'retryOn': '5xx'}");

    shop_open_orders(s, ELSE);

    expect_action(s, "retryPolicy/numRetries", "5");
    expect_action(s, "retryPolicy/retryOn", "5xx");
}

/* ---- rewriting ---- */

static void test_the_path_is_rewritten_by_prefix_or_by_expression(void **state)
{
    struct shop *s = *state;

    shop_open_orders(s,
        "{'match': [{'uri': {'prefix': '/1'}}], 'rewrite': {'uri': '/2'}, " TO_ORDERS "},"
        "{'rewrite': {'uriRegexRewrite': {'match': '/(a)', 'rewrite': '/\\\\1'}}, " TO_ORDERS "}");

    shop_expect_route(s, 0, "route/prefixRewrite", "/2");
    shop_expect_route(s, 1, "route/prefixRewrite", "(absent)");
    shop_expect_route(s, 1, "route/regexRewrite/pattern/regex", "/(a)");
    shop_expect_route(s, 1, "route/regexRewrite/substitution", "/\\1");
}

static void test_a_rewritten_authority_goes_before_one_that_is_set(void **state)
{
    struct shop *s = *state;

    shop_open_orders(s,
        "{'rewrite': {'authority': 'a.test'}, 'route': [{'destination': {'host': 'orders'},"
        " 'headers': {'request': {'set': {'Host': 'b.test'}}}}]}");

    expect_action(s, "hostRewriteLiteral", "a.test");
    shop_expect_route(s, 0, "requestHeadersToAdd", "(absent)");
}

static void test_headers_are_set_before_they_are_added_and_each_is_sorted(void **state)
{
    struct shop *s = *state;

    shop_open_orders(s,
        WITH("'headers': {'request': {'add': {'b': '1', 'a': '2'}, 'set': {'d': '3', 'c': '4'},"
             " 'remove': ['x', 'y']}, 'response': {'add': {'e': '5'}, 'remove': ['z']}}"));

    shop_expect_route(s,
        0,
        "requestHeadersToAdd",
        "[{\"header\":{\"key\":\"c\",\"value\":\"4\"},"
        "\"appendAction\":\"OVERWRITE_IF_EXISTS_OR_ADD\"},"
        "{\"header\":{\"key\":\"d\",\"value\":\"3\"},"
        "\"appendAction\":\"OVERWRITE_IF_EXISTS_OR_ADD\"},"
        "{\"header\":{\"key\":\"a\",\"value\":\"2\"}},{\"header\":{\"key\":\"b\",\"value\":\"1\"}}"
        "]");
    shop_expect_route(s, 0, "requestHeadersToRemove", "[\"x\",\"y\"]");
    shop_expect_route(
        s, 0, "responseHeadersToAdd", "[{\"header\":{\"key\":\"e\",\"value\":\"5\"}}]");
    shop_expect_route(s, 0, "responseHeadersToRemove", "[\"z\"]");
}

#define ADDS(name) "'headers': {'request': {'add': {'" name "': '1'}}}"

static void test_an_only_destinations_headers_follow_the_routes(void **state)
{
    struct shop *s = *state;

    shop_open_orders(s,
        "{" ADDS("z") ", 'route': [{'destination': {'host': 'orders'},"
                      " 'headers': {'request': {'set': {':authority': 'o.test'}, 'add': {'a': "
                      "'1'}}}}]}");

    shop_expect_route(s, 0, "requestHeadersToAdd/0/header/key", "z");
    shop_expect_route(s, 0, "requestHeadersToAdd/1/header/key", "a");
    shop_expect_route(s, 0, "requestHeadersToAdd/2", "(absent)");
    expect_action(s, "hostRewriteLiteral", "o.test");
}

static void test_several_destinations_have_headers_of_their_own(void **state)
{
    struct shop *s = *state;

    shop_open_orders(s,
        "{'route': [{'destination': {'host': 'orders', 'subset': 'v1'}, 'weight': 1, " ADDS(
            "a") "}, {'destination': {'host': 'orders', 'subset': 'v2'}, 'weight': 1,"
                 " 'headers': {'request': {'set': {'host': 'o.test'}}, 'response': {'remove': "
                 "['b']}}}]}");

    shop_expect_route(s, 0, "requestHeadersToAdd", "(absent)");
    expect_action(s, "weightedClusters/clusters/0/requestHeadersToAdd/0/header/key", "a");
    expect_action(s, "weightedClusters/clusters/0/hostRewriteLiteral", "(absent)");
    expect_action(s, "weightedClusters/clusters/1/hostRewriteLiteral", "o.test");
    expect_action(s, "weightedClusters/clusters/1/responseHeadersToRemove", "[\"b\"]");
    expect_action(s, "hostRewriteLiteral", "(absent)");
}

/* ---- answers ---- */

#define REDIRECT(path, what) "{'match': [{'uri': {'exact': '" path "'}}], 'redirect': {" what "}},"

static void test_redirects_leave_out_a_port_that_goes_without_saying(void **state)
{
    struct shop *s = *state;

    shop_open_orders(s,
        REDIRECT("/1", "'uri': '/x', 'authority': 'new.test'")
            REDIRECT("/2", "'scheme': 'https', 'port': 443, 'redirectCode': 302")
                REDIRECT("/3", "'scheme': 'https', 'port': 80, 'redirectCode': 308") REDIRECT(
                    "/4", "'derivePort': 'FROM_REQUEST_PORT', 'redirectCode': 303") REDIRECT("/5",
                    "'authority': 'a.test', 'derivePort': 'FROM_PROTOCOL_DEFAULT',"
                    " 'redirectCode': 307")
                    REDIRECT("/6", "'port': 80, 'authority': 'a.test', 'redirectCode': 301") ELSE);

    shop_expect_route(s, 0, "redirect", "{\"hostRedirect\":\"new.test\",\"pathRedirect\":\"/x\"}");
    shop_expect_route(s,
        1,
        "redirect",
        "{\"pathRedirect\":\"\",\"responseCode\":\"FOUND\",\"schemeRedirect\":\"https\"}");
    shop_expect_route(s, 2, "redirect/portRedirect", "80");
    shop_expect_route(s, 2, "redirect/responseCode", "PERMANENT_REDIRECT");
    shop_expect_route(s, 3, "redirect/portRedirect", "8080");
    shop_expect_route(s, 3, "redirect/responseCode", "SEE_OTHER");
    shop_expect_route(s, 4, "redirect/portRedirect", "(absent)");
    shop_expect_route(s, 4, "redirect/responseCode", "TEMPORARY_REDIRECT");
    shop_expect_route(s, 5, "redirect/portRedirect", "(absent)");
    shop_expect_route(s, 5, "redirect/responseCode", "(absent)");
}

#define RESPOND(path, what)                                                                        \
    "{'match': [{'uri': {'exact': '" path "'}}], 'directResponse': {" what "}},"

static void test_a_direct_response_has_text_bytes_or_nothing(void **state)
{
    struct shop *s = *state;

    shop_open_orders(s,
        RESPOND("/1", "'status': 503, 'body': {'string': 'closed'}")
            RESPOND("/2", "'status': 200, 'body': {'bytes': 'AP9+YQ=='}")
                RESPOND("/3", "'status': 200, 'body': {'bytes': 'Zm9vYmE='}")
                    RESPOND("/4", "'status': 404") ELSE);

    shop_expect_route(
        s, 0, "directResponse", "{\"status\":503,\"body\":{\"inlineString\":\"closed\"}}");
    shop_expect_route(s, 1, "directResponse/body/inlineBytes", "AP9+YQ==");
    shop_expect_route(s, 2, "directResponse/body/inlineBytes", "Zm9vYmE=");
    shop_expect_route(s, 3, "directResponse", "{\"status\":404}");
}

/* ---- filters ---- */

#define FAULT "typedPerFilterConfig/envoy.filters.http.fault"
#define CORS  "typedPerFilterConfig/envoy.filters.http.cors"

static void test_faults_have_percentages_of_four_decimals(void **state)
{
    struct shop *s = *state;

    shop_open_orders(s,
        WITH("'fault': {'delay': {'fixedDelay': '7s', 'percentage': {'value': 0.29}},"
             " 'abort': {'httpStatus': 500, 'percentage': {'value': 33.33}}}"));

    shop_expect_route(s, 0, FAULT "/delay/fixedDelay", "7s");
    shop_expect_route(
        s, 0, FAULT "/delay/percentage", "{\"numerator\":2900,\"denominator\":\"MILLION\"}");
    shop_expect_route(s, 0, FAULT "/abort/httpStatus", "500");
    shop_expect_route(
        s, 0, FAULT "/abort/percentage", "{\"numerator\":333300,\"denominator\":\"MILLION\"}");
}

static void test_a_fault_without_a_percentage_never_happens(void **state)
{
    struct shop *s = *state;

    shop_open_orders(
        s, WITH("'fault': {'delay': {'fixedDelay': '1s'}, 'abort': {'httpStatus': 500}}"));

    shop_expect_route(s, 0, FAULT "/delay/percentage", "{}");
    shop_expect_route(s, 0, FAULT "/abort/percentage", "(absent)");
}

static void test_a_delay_takes_the_old_whole_percent(void **state)
{
    struct shop *s = *state;

    shop_open_orders(s, WITH("'fault': {'delay': {'fixedDelay': '1s', 'percent': 50}}"));

    shop_expect_route(s, 0, FAULT "/delay/percentage", "{\"numerator\":50}");
}

static void test_grpc_statuses_are_known_by_name(void **state)
{
    struct shop *s = *state;
    static const char *const names[] = { "CANCELLED",
        "UNKNOWN",
        "INVALID_ARGUMENT",
        "DEADLINE_EXCEEDED",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
        "UNAUTHENTICATED" };
    const char *http = "";
    for (size_t i = 0; i < ARRAY_COUNT(names); i++)
        http = arena_printf(s->a,
            "%s{'match': [{'uri': {'exact': '/%zu'}}], 'fault': {'abort': {'grpcStatus': '%s',"
            " 'percentage': {'value': 1}}}, " TO_ORDERS "}, ",
            http,
            i,
            names[i]);

    shop_open_orders(s, arena_printf(s->a, "%s" ELSE, http));

    for (int i = 0; i < (int)ARRAY_COUNT(names); i++)
        shop_expect_route(s, i, FAULT "/abort/grpcStatus", arena_printf(s->a, "%d", i + 1));
}

static void test_cors_names_origins_methods_and_headers(void **state)
{
    struct shop *s = *state;

    shop_open_orders(s,
        WITH("'corsPolicy': {'allowOrigins': [{'exact': 'https://a.test'}, {'prefix': 'b'},"
             " {'regex': '.*c'}], 'allowMethods': ['POST', 'GET'], 'allowHeaders': ['x-a', 'X-B'],"
             " 'exposeHeaders': ['e'], 'maxAge': '1h', 'allowCredentials': false}"));

    shop_expect_route(s,
        0,
        CORS "/allowOriginStringMatch",
        "[{\"exact\":\"https://a.test\"},{\"prefix\":\"b\"},{\"safeRegex\":{\"regex\":\".*c\"}}]");
    shop_expect_route(s, 0, CORS "/allowMethods", "POST,GET");
    shop_expect_route(s, 0, CORS "/allowHeaders", "x-a,X-B");
    shop_expect_route(s, 0, CORS "/exposeHeaders", "e");
    shop_expect_route(s, 0, CORS "/maxAge", "3600");
    shop_expect_route(s, 0, CORS "/allowCredentials", "false");
    shop_expect_route(s, 0, CORS "/forwardNotMatchingPreflights", "true");
    shop_expect_route(s, 0, CORS "/filterEnabled/defaultValue", "{\"numerator\":100}");
}

static void test_the_old_list_of_origins_is_exact(void **state)
{
    struct shop *s = *state;

    shop_open_orders(
        s, WITH("'corsPolicy': {'allowOrigin': ['a'], 'unmatchedPreflights': 'IGNORE'}"));

    shop_expect_route(s, 0, CORS "/allowOriginStringMatch", "[{\"exact\":\"a\"}]");
    shop_expect_route(s, 0, CORS "/forwardNotMatchingPreflights", "false");
    shop_expect_route(s, 0, CORS "/allowCredentials", "(absent)");
}

/* ---- mirrors ---- */

static void test_a_mirror_takes_all_unless_told_otherwise(void **state)
{
    struct shop *s = *state;

    shop_open_orders(s,
        "{'match': [{'uri': {'exact': '/1'}}], 'mirror': {'host': 'copy.shop'}, " TO_ORDERS "},"
        "{'match': [{'uri': {'exact': '/2'}}], 'mirror': {'host': 'copy.shop'},"
        " 'mirrorPercentage': {'value': 0.5}, " TO_ORDERS "},"
        "{'match': [{'uri': {'exact': '/3'}}], 'mirror': {'host': 'copy.shop'},"
        " 'mirrorPercent': 30, " TO_ORDERS "},"
        "{'mirror': {'host': 'copy.shop'}, 'mirrorPercentage': {'value': 0}, " TO_ORDERS "}");

    shop_expect_route(s,
        0,
        "route/requestMirrorPolicies",
        "[{\"cluster\":\"outbound|8080||copy.shop\","
        "\"runtimeFraction\":{\"defaultValue\":{\"numerator\":100}},\"traceSampled\":false}]");
#define FRACTION "route/requestMirrorPolicies/0/runtimeFraction/defaultValue"
    shop_expect_route(s, 1, FRACTION, "{\"numerator\":5000,\"denominator\":\"MILLION\"}");
    shop_expect_route(s, 2, FRACTION, "{\"numerator\":30}");
    shop_expect_route(s, 3, "route/requestMirrorPolicies", "(absent)");
}

static void test_several_mirrors_have_their_own_shares(void **state)
{
    struct shop *s = *state;

    shop_open_orders(s,
        WITH("'mirrors': [{'destination': {'host': 'a.shop'}, 'percentage': {'value': 0}},"
             " {'destination': {'host': 'b.shop', 'port': {'number': 90}}},"
             " {'destination': {'host': 'c.shop'}, 'percentage': {'value': 10}}]"));

    expect_action(s, "requestMirrorPolicies/0/cluster", "outbound|90||b.shop");
    expect_action(s, "requestMirrorPolicies/1/cluster", "outbound|8080||c.shop");
    expect_action(s,
        "requestMirrorPolicies/1/runtimeFraction/defaultValue",
        "{\"numerator\":100000,\"denominator\":\"MILLION\"}");
    expect_action(s, "requestMirrorPolicies/2", "(absent)");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, shop_setup, shop_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_paths_are_matched_exactly_by_prefix_or_by_expression),
        TEST(test_the_case_of_paths_can_be_ignored),
        TEST(test_headers_are_sorted_by_name_and_pseudo_headers_come_last),
        TEST(test_an_empty_match_asks_only_that_the_header_is_there),
        TEST(test_a_missing_header_differs_from_every_value),
        TEST(test_query_parameters_are_sorted),
        TEST(test_nothing_follows_the_first_route_that_takes_everything),
        TEST(test_port_labels_namespace_and_gateways_are_decided_here),
        TEST(test_a_virtual_service_without_a_route_for_the_caller_is_as_if_absent),
        TEST(test_one_destination_is_a_cluster_whatever_its_weight),
        TEST(test_several_destinations_are_weighted_and_those_of_weight_0_left_out),
        TEST(test_a_port_not_given_is_the_services_only_one_or_the_listeners),
        TEST(test_a_consistent_hash_is_on_the_route_and_stays_with_its_host),
        TEST(test_the_default_route_is_hashed_too_and_still_avoids_a_failed_host),
        TEST(test_without_a_timeout_a_route_has_none),
        TEST(test_requests_are_retried_twice_unless_told_otherwise),
        TEST(test_zero_attempts_are_no_retries),
        TEST(test_status_codes_among_the_conditions_are_taken_out),
        TEST(test_the_mesh_says_how_routes_that_say_nothing_are_retried),
        TEST(test_the_path_is_rewritten_by_prefix_or_by_expression),
        TEST(test_a_rewritten_authority_goes_before_one_that_is_set),
        TEST(test_headers_are_set_before_they_are_added_and_each_is_sorted),
        TEST(test_an_only_destinations_headers_follow_the_routes),
        TEST(test_several_destinations_have_headers_of_their_own),
        TEST(test_redirects_leave_out_a_port_that_goes_without_saying),
        TEST(test_a_direct_response_has_text_bytes_or_nothing),
        TEST(test_faults_have_percentages_of_four_decimals),
        TEST(test_a_fault_without_a_percentage_never_happens),
        TEST(test_a_delay_takes_the_old_whole_percent),
        TEST(test_grpc_statuses_are_known_by_name),
        TEST(test_cors_names_origins_methods_and_headers),
        TEST(test_the_old_list_of_origins_is_exact),
        TEST(test_a_mirror_takes_all_unless_told_otherwise),
        TEST(test_several_mirrors_have_their_own_shares),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
