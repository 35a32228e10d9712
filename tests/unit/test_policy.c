/* policy: precedence of DestinationRules and VirtualServices, visibility, overrides. */
#include "mesh_fixture.h"

#include "mesh/policy.h"
#include "model/destination_rule.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define SERVICE(ns)                                                                                \
    {                                                                                              \
        "services/" ns "/reviews",                                                                 \
            "{\"ports\":[{\"name\":\"http\",\"number\":80,\"protocol\":\"HTTP\"}]}"                \
    }
#define RULE(ns, name, spec)                                                                       \
    {                                                                                              \
        "config/destinationrules/" ns "/" name,                                                    \
            "{\"apiVersion\":\"networking.istio.io/"                                               \
            "v1\",\"kind\":\"DestinationRule\",\"metadata\":"                                      \
            "{\"name\":\"" name "\",\"namespace\":\"" ns "\"},\"spec\":" spec "}"                  \
    }
#define ROUTE(ns, name, hosts, more)                                                               \
    {                                                                                              \
        "config/virtualservices/" ns "/" name,                                                     \
            "{\"apiVersion\":\"networking.istio.io/v1\",\"kind\":\"VirtualService\",\"metadata\":" \
            "{\"name\":\"" name "\",\"namespace\":\"" ns "\"},\"spec\":{\"hosts\":[" hosts         \
            "]," more "\"http\":[{\"route\":[{\"destination\":{\"host\":\"reviews.back.svc."       \
            "cluster.local\"}}]"                                                                   \
            "}]}}"                                                                                 \
    }
#define SUBSET(name) "{\"name\":\"" name "\",\"labels\":{\"version\":\"" name "\"}}"
#define HOST         "reviews.back.svc.cluster.local"

static const char client_id[] = "sidecar~10.1.1.1~web-1.front~front.svc.cluster.local";

struct world {
    struct arena *a;
    struct snapshot *snapshot;
    struct scope *scope;
};

static struct world world_new(
    const struct fixture_value *values, size_t count, const char *id, const char *metadata)
{
    struct world w = { arena_new(), fixture_snapshot(values, count), NULL };
    w.scope = fixture_scope(w.a, id, metadata);
    return w;
}

static void world_free(struct world *w)
{
    snapshot_release(w->snapshot);
    arena_free(w->a);
}

static const struct effective_rule *rule_of(struct world *w)
{
    const struct service *service = snapshot_find_service(w->snapshot, HOST, w->scope->ns);
    assert_non_null(service);
    return effective_rule_find(w->a, w->snapshot, w->scope, service);
}

static void test_the_clients_namespace_beats_the_services_and_the_root(void **state)
{
    (void)state;
    const struct fixture_value values[] = { SERVICE("back"),
        RULE("istio-system", "root", "{\"host\":\"" HOST "\",\"subsets\":[" SUBSET("root") "]}"),
        RULE("back", "own", "{\"host\":\"reviews\",\"subsets\":[" SUBSET("own") "]}"),
        RULE("front", "mine", "{\"host\":\"" HOST "\",\"subsets\":[" SUBSET("mine") "]}"),
        RULE("else", "other", "{\"host\":\"" HOST "\",\"subsets\":[" SUBSET("other") "]}") };
    const char *const expected[] = { "root", "own", "mine" };

    for (size_t rules = 1; rules <= 3; rules++) {
        struct world w = world_new(values, 1 + rules, client_id, "{}");
        const struct effective_rule *rule = rule_of(&w);
        assert_int_equal(rule->subsets.count, 1);
        assert_string_equal(rule->subsets.items[0]->name, expected[rules - 1]);
        world_free(&w);
    }
}

static void test_rules_of_one_host_and_namespace_are_merged(void **state)
{
    (void)state;
    const struct fixture_value values[] = { SERVICE("back"),
        RULE("back", "a", "{\"host\":\"reviews\",\"subsets\":[" SUBSET("v1") "]}"),
        RULE("back",
            "b",
            "{\"host\":\"" HOST "\",\"trafficPolicy\":{\"loadBalancer\":{\"simple\":\"RANDOM\"}},"
            "\"subsets\":[" SUBSET("v1") "," SUBSET("v2") "]}"),
        RULE("back",
            "c",
            "{\"host\":\"reviews\",\"trafficPolicy\":{\"loadBalancer\":{\"simple\":"
            "\"ROUND_ROBIN\"}}}") };
    struct world w = world_new(values, ARRAY_COUNT(values), client_id, "{}");

    const struct effective_rule *rule = rule_of(&w);

    assert_int_equal(rule->objects.count, 3);
    assert_int_equal(rule->subsets.count, 2);
    assert_int_equal(rule->policy->load_balancer->simple, LB_RANDOM);
    world_free(&w);
}

static void test_an_exact_host_replaces_the_wildcard_and_a_longer_wildcard_a_shorter(void **state)
{
    (void)state;
    const struct fixture_value values[] = { SERVICE("back"),
        RULE("back", "any", "{\"host\":\"*.local\",\"subsets\":[" SUBSET("any") "]}"),
        RULE("back", "some", "{\"host\":\"*.svc.cluster.local\",\"subsets\":[" SUBSET("some") "]}"),
        RULE("back", "one", "{\"host\":\"reviews\",\"subsets\":[" SUBSET("one") "]}") };
    const char *const expected[] = { "any", "some", "one" };

    for (size_t rules = 1; rules <= 3; rules++) {
        struct world w = world_new(values, 1 + rules, client_id, "{}");
        assert_string_equal(rule_of(&w)->subsets.items[0]->name, expected[rules - 1]);
        world_free(&w);
    }
}

static void test_a_selector_that_matches_stands_for_the_rules_without(void **state)
{
    (void)state;
    const struct fixture_value values[] = { SERVICE("back"),
        RULE("front", "all", "{\"host\":\"" HOST "\",\"subsets\":[" SUBSET("all") "]}"),
        RULE("front",
            "web",
            "{\"host\":\"" HOST "\",\"workloadSelector\":{\"matchLabels\":{\"app\":\"web\"}},"
            "\"subsets\":[" SUBSET("web") "]}") };
    struct world web =
        world_new(values, ARRAY_COUNT(values), client_id, "{\"LABELS\":{\"app\":\"web\"}}");
    struct world job =
        world_new(values, ARRAY_COUNT(values), client_id, "{\"LABELS\":{\"app\":\"job\"}}");

    assert_string_equal(rule_of(&web)->subsets.items[0]->name, "web");
    assert_string_equal(rule_of(&job)->subsets.items[0]->name, "all");
    world_free(&web);
    world_free(&job);
}

static void test_a_private_rule_is_seen_in_its_namespace_alone(void **state)
{
    (void)state;
    const struct fixture_value values[] = { SERVICE("back"),
        RULE("back",
            "own",
            "{\"host\":\"reviews\",\"exportTo\":[\".\"],\"subsets\":[" SUBSET("own") "]}") };
    struct world outside = world_new(values, ARRAY_COUNT(values), client_id, "{}");
    struct world inside = world_new(
        values, ARRAY_COUNT(values), "sidecar~10.1.1.2~api-1.back~back.svc.cluster.local", "{}");

    assert_int_equal(rule_of(&outside)->subsets.count, 0);
    assert_int_equal(rule_of(&inside)->subsets.count, 1);
    world_free(&outside);
    world_free(&inside);
}

static void test_port_settings_replace_whole_and_subsets_block_by_block(void **state)
{
    (void)state;
    const struct fixture_value values[] = { SERVICE("back"),
        RULE("back",
            "own",
            "{\"host\":\"reviews\",\"trafficPolicy\":{\"loadBalancer\":{\"simple\":\"RANDOM\"},"
            "\"outlierDetection\":{\"consecutive5xxErrors\":3},"
            "\"portLevelSettings\":[{\"port\":{\"number\":81},"
            "\"connectionPool\":{\"tcp\":{\"maxConnections\":7}}}]},"
            "\"subsets\":[{\"name\":\"v1\",\"labels\":{\"version\":\"v1\"},"
            "\"trafficPolicy\":{\"loadBalancer\":{\"simple\":\"ROUND_ROBIN\"}}}]}") };
    struct world w = world_new(values, ARRAY_COUNT(values), client_id, "{}");
    const struct effective_rule *rule = rule_of(&w);

    struct effective_policy top = effective_policy_of(rule, 80, NULL);
    struct effective_policy port = effective_policy_of(rule, 81, NULL);
    struct effective_policy subset = effective_policy_of(rule, 80, "v1");

    assert_int_equal(top.load_balancer->simple, LB_RANDOM);
    assert_non_null(top.outlier_detection);
    assert_null(port.load_balancer);
    assert_null(port.outlier_detection);
    assert_int_equal(port.connection_pool->tcp->max_connections, 7);
    assert_int_equal(subset.load_balancer->simple, LB_ROUND_ROBIN);
    assert_non_null(subset.outlier_detection);
    world_free(&w);
}

static void test_an_exact_route_host_beats_wildcards_and_the_oldest_wins(void **state)
{
    (void)state;
    const struct fixture_value values[] = { SERVICE("back"),
        ROUTE("back", "wide", "\"*.local\"", ""),
        ROUTE("back", "wider", "\"*.cluster.local\"", ""),
        ROUTE("back", "first", "\"reviews\"", ""),
        ROUTE("back", "second", "\"" HOST "\"", "") };
    const char *const expected[] = { NULL, "wide", "wider", "first", "first" };

    for (size_t count = 1; count <= ARRAY_COUNT(values); count++) {
        struct world w = world_new(values, count, client_id, "{}");
        const struct object *found = virtual_service_find(w.snapshot, w.scope, HOST);
        if (expected[count - 1])
            assert_string_equal(found->name, expected[count - 1]);
        else
            assert_null(found);
        world_free(&w);
    }
}

static void test_routes_that_are_not_exported_are_not_seen(void **state)
{
    (void)state;
    const struct fixture_value values[] = { SERVICE("back"),
        ROUTE("back", "private", "\"reviews\"", "\"exportTo\":[\".\"],") };
    struct world w = world_new(values, ARRAY_COUNT(values), client_id, "{}");

    assert_null(virtual_service_find(w.snapshot, w.scope, HOST));
    world_free(&w);
}

static void test_hosts_are_resolved_and_matched_as_istio_does(void **state)
{
    (void)state;
    struct arena *a = arena_new();

    assert_string_equal(host_resolve(a, "reviews", "back", "cluster.local"), HOST);
    assert_string_equal(host_resolve(a, "reviews.back", "x", "cluster.local"), "reviews.back");
    assert_string_equal(host_resolve(a, "*", "back", "cluster.local"), "*");
    assert_true(host_matches("*.example.com", "a.example.com"));
    assert_false(host_matches("*.example.com", "example.com"));
    assert_false(host_matches("a.example.com", "b.example.com"));
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_clients_namespace_beats_the_services_and_the_root),
        cmocka_unit_test(test_rules_of_one_host_and_namespace_are_merged),
        cmocka_unit_test(test_an_exact_host_replaces_the_wildcard_and_a_longer_wildcard_a_shorter),
        cmocka_unit_test(test_a_selector_that_matches_stands_for_the_rules_without),
        cmocka_unit_test(test_a_private_rule_is_seen_in_its_namespace_alone),
        cmocka_unit_test(test_port_settings_replace_whole_and_subsets_block_by_block),
        cmocka_unit_test(test_an_exact_route_host_beats_wildcards_and_the_oldest_wins),
        cmocka_unit_test(test_routes_that_are_not_exported_are_not_seen),
        cmocka_unit_test(test_hosts_are_resolved_and_matched_as_istio_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
