/* walk_origin: whose rules, settings and endpoints a walk came by. */
#include "walk_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define TO_ORDERS "'route': [{'destination': {'host': 'orders'}}]"
#define TCP_9000  "{'number': 9000, 'name': 'tcp', 'protocol': 'TCP'}"
#define TLS_443   "{'number': 443, 'name': 'tls', 'protocol': 'TLS'}"

static const struct walk_origin *follow(struct shop *s, const struct call *call)
{
    return shop_origin(s, WEB_LABELS, shop_walk(s, call));
}

static const char *from_of(const struct cluster_origin *origin, const char *block)
{
    for (list_each (const struct policy_origin, policy, &origin->policy))
        if (strcmp(policy->block, block) == 0)
            return policy->from;
    return "(absent)";
}

/* ---- rules ---- */

static void test_each_route_names_its_rule_and_match(void **state)
{
    struct shop *s = *state;
    shop_open_orders(s,
        "{'match': [{'sourceLabels': {'app': 'other'}}], " TO_ORDERS "},"
        "{'match': [{'uri': {'prefix': '/a'}}, {'uri': {'prefix': '/b'}}], " TO_ORDERS "},"
        "{" TO_ORDERS "}");
    struct call call = call_of("orders", "/c");
    const struct walk_origin *origin = follow(s, &call);

    assert_string_equal(origin->host, "VirtualService default/orders");
    assert_int_equal(origin->routes.count, 3);
    assert_string_equal(origin->routes.items[0], "VirtualService default/orders http[1].match[0]");
    assert_string_equal(origin->routes.items[1], "VirtualService default/orders http[1].match[1]");
    assert_string_equal(origin->routes.items[2], "VirtualService default/orders http[2]");
}

static void test_without_a_rule_the_service_itself_is_named(void **state)
{
    struct shop *s = *state;
    shop_add_service(s, ORDERS, HTTP_8080, "");
    shop_open(s, WEB_LABELS);
    struct call call = call_of("orders", "/");
    const struct walk_origin *origin = follow(s, &call);

    assert_string_equal(origin->host, "ServiceEntry default/service-0");
    assert_string_equal(origin->routes.items[0], "the service's default");
}

static void test_a_rule_for_other_callers_alone_is_mentioned(void **state)
{
    struct shop *s = *state;
    shop_open_orders(s, "{'match': [{'sourceLabels': {'app': 'other'}}], " TO_ORDERS "}");
    struct call call = call_of("orders", "/");

    assert_string_equal(follow(s, &call)->host,
        "ServiceEntry default/service-0"
        " (VirtualService default/orders has no rule for this caller)");
}

static void test_a_delegates_rule_is_named_with_its_roots(void **state)
{
    struct shop *s = *state;
    shop_add_service(s, ORDERS, HTTP_8080, "");
    shop_add_routes(s,
        "root",
        "'hosts': ['orders'], 'http': [{'match': [{'uri': {'prefix': '/x'}}], " TO_ORDERS "},"
        "{'match': [{'uri': {'prefix': '/a'}}], 'delegate': {'name': 'leaf'}}]");
    shop_add_routes(s,
        "leaf",
        "'http': [{'match': [{'uri': {'prefix': '/a/b'}}], " TO_ORDERS "},"
        "{'redirect': {'uri': '/new'}}]");
    shop_open(s, WEB_LABELS);
    struct call call = call_of("orders", "/a/c");
    const struct walk_origin *origin = follow(s, &call);

    assert_int_equal(origin->routes.count, 3);
    assert_string_equal(origin->routes.items[1],
        "VirtualService default/root http[1] → VirtualService default/leaf http[0]");
    assert_string_equal(origin->routes.items[2],
        "VirtualService default/root http[1] → VirtualService default/leaf http[1]");
}

static void test_connections_name_their_rule_too(void **state)
{
    struct shop *s = *state;
    shop_add_service(s, "a.test", TLS_443, "");
    shop_add_service(s, "b.test", TLS_443, "");
    shop_add_service(s, "c.test", TCP_9000, "");
    shop_add_routes(s,
        "names",
        "'hosts': ['a.test', 'b.test'], 'tls': ["
        "{'match': [{'sniHosts': ['a.test']}], 'route': [{'destination': {'host': 'b.test'}}]},"
        "{'match': [{'sniHosts': ['b.test']}], 'route': [{'destination': {'host': 'a.test'}}]}]");
    shop_add_routes(s,
        "ranges",
        "'hosts': ['c.test'], 'tcp': ["
        "{'match': [{'destinationSubnets': ['10.9.0.0/16']}],"
        " 'route': [{'destination': {'host': 'a.test', 'port': {'number': 443}}}]},"
        "{'route': [{'destination': {'host': 'c.test'}}]}]");
    shop_open(s, WEB_LABELS);
    struct call tls = { .address = "10.9.9.9", .port = 443, .tls = CALL_TLS };
    struct call near = { .address = "10.9.9.9", .port = 9000 }, far = near, other = near;
    tls.server_name = "b.test";
    far.address = "11.0.0.1";
    other.port = 99;

    assert_string_equal(follow(s, &tls)->host, "VirtualService default/names tls[1]");
    assert_string_equal(follow(s, &near)->host, "VirtualService default/ranges tcp[0]");
    assert_string_equal(follow(s, &far)->host, "VirtualService default/ranges tcp[1]");
    assert_string_equal(follow(s, &other)->host, "MeshConfig outboundTrafficPolicy ALLOW_ANY");
}

static void test_a_service_without_rules_is_named_for_connections(void **state)
{
    struct shop *s = *state;
    shop_add_service(s, "a.test", TLS_443, "");
    shop_add_service(s, "c.test", TCP_9000, "");
    shop_open(s, WEB_LABELS);
    struct call tcp = { .address = "10.9.9.9", .port = 9000 };
    struct call tls = { .address = "10.9.9.9", .port = 443, .tls = CALL_TLS };
    struct call other = tls;
    tls.server_name = "a.test";
    other.server_name = "x.test";

    assert_string_equal(follow(s, &tcp)->host, "ServiceEntry default/service-1");
    assert_string_equal(follow(s, &tls)->host, "ServiceEntry default/service-0");
    assert_string_equal(follow(s, &other)->host, "MeshConfig outboundTrafficPolicy ALLOW_ANY");
}

/* ---- settings ---- */

static void open_policy(struct shop *s)
{
    shop_add_mesh(s, "'defaultTrafficPolicy': {'outlierDetection': {'consecutive5xxErrors': 9}}");
    shop_add_rule(s,
        "orders",
        "'host': 'orders', 'trafficPolicy': {'loadBalancer': {'simple': 'RANDOM'},"
        "'tls': {'mode': 'DISABLE'}, 'portLevelSettings': [{'port': {'number': 8081},"
        "'connectionPool': {'tcp': {'maxConnections': 1}}}]},"
        "'subsets': [{'name': 'v1', 'labels': {'version': 'v1'}, 'trafficPolicy':"
        " {'loadBalancer': {'simple': 'ROUND_ROBIN'}}}]");
    shop_add_service(
        s, ORDERS, HTTP_8080 ", {'number': 8081, 'name': 'http-2', 'protocol': 'HTTP'}", "");
    shop_add_routes(s,
        "orders",
        "'hosts': ['orders'], 'http': [{'match': [{'uri': {'prefix': '/v1'}}],"
        " 'route': [{'destination': {'host': 'orders', 'subset': 'v1', 'port': {'number': "
        "8080}}}]},"
        "{'match': [{'uri': {'prefix': '/v9'}}],"
        " 'route': [{'destination': {'host': 'orders', 'subset': 'v9', 'port': {'number': "
        "8080}}}]},"
        "{'route': [{'destination': {'host': 'orders', 'port': {'number': 8081}}}]}]");
    shop_open(s, WEB_LABELS);
}

static void test_each_setting_names_the_level_it_comes_from(void **state)
{
    struct shop *s = *state;
    open_policy(s);
    struct call subset = call_of("orders", "/v1"), port = call_of("orders", "/");
    const struct cluster_origin *of_subset = follow(s, &subset)->clusters.items;
    const struct cluster_origin *of_port = follow(s, &port)->clusters.items;

    assert_string_equal(
        from_of(of_subset, "loadBalancer"), "DestinationRule default/orders, subset v1");
    assert_string_equal(from_of(of_subset, "tls"), "DestinationRule default/orders");
    assert_string_equal(from_of(of_subset, "outlierDetection"), "MeshConfig defaultTrafficPolicy");
    assert_string_equal(from_of(of_subset, "connectionPool"), "default");
    assert_string_equal(
        from_of(of_port, "connectionPool"), "DestinationRule default/orders, port 8081");
    assert_string_equal(
        from_of(of_port, "loadBalancer"), "default, for the settings of port 8081 leave it out");
}

static void test_what_nothing_defines_is_said(void **state)
{
    struct shop *s = *state;
    open_policy(s);
    struct call call = call_of("orders", "/v9");
    const struct cluster_origin *origin = follow(s, &call)->clusters.items;

    assert_string_equal(origin->missing, "no DestinationRule in force has a subset v9");
    assert_int_equal(origin->policy.count, 0);
}

static void test_endpoints_name_who_registered_them(void **state)
{
    struct shop *s = *state;
    s->values[s->count++] = make_service(
        s->a, "web", "'ports': [{'name': 'http', 'number': 8080, 'protocol': 'HTTP'}]");
    s->values[s->count++] =
        make_instance(s->a, "web/one", "'address': '10.3.0.1', 'ports': {'http': 80}");
    s->values[s->count++] = make_instance(
        s->a, "web/two", "'address': '10.3.0.2', 'ports': {'http': 80}, 'health': 'draining'");
    shop_open(s, WEB_LABELS);
    struct call call = call_of("web", "/");
    const struct walk *walk = shop_walk(s, &call);
    const struct cluster_origin *origin = follow(s, &call)->clusters.items;
    const struct walk_cluster *cluster = &walk->destinations.items[0].cluster;

    assert_string_equal(origin->service, "service default/web");
    assert_int_equal(origin->endpoints.count, 2);
    for (size_t i = 0; i < 2; i++) {
        bool is_one = strcmp(cluster->endpoints.items[i].address, "10.3.0.1:80") == 0;
        assert_string_equal(origin->endpoints.items[i],
            is_one ? "instance default/web/one" : "instance default/web/two");
        assert_string_equal(cluster->endpoints.items[i].health, is_one ? "UNKNOWN" : "DRAINING");
    }
}

static void test_draining_endpoints_alone_take_nothing(void **state)
{
    struct shop *s = *state;
    s->values[s->count++] = make_instance(
        s->a, "web/two", "'address': '10.3.0.2', 'ports': {'http': 8080}, 'health': 'draining'");
    shop_open(s, WEB_LABELS);
    struct call call = call_of("web", "/");

    assert_int_equal(shop_walk(s, &call)->end, WALK_NO_ENDPOINT);
    assert_string_equal(
        follow(s, &call)->clusters.items[0].service, "the instances of default/web");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, shop_setup, shop_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_each_route_names_its_rule_and_match),
        TEST(test_without_a_rule_the_service_itself_is_named),
        TEST(test_a_rule_for_other_callers_alone_is_mentioned),
        TEST(test_a_delegates_rule_is_named_with_its_roots),
        TEST(test_connections_name_their_rule_too),
        TEST(test_a_service_without_rules_is_named_for_connections),
        TEST(test_each_setting_names_the_level_it_comes_from),
        TEST(test_what_nothing_defines_is_said),
        TEST(test_endpoints_name_who_registered_them),
        TEST(test_draining_endpoints_alone_take_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
