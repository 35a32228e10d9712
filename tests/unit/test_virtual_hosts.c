/* virtual hosts: who is in a route table, under which names, and what a change costs. */
#include "shop_fixture.h"

#include "translate/domains.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define HTTP_80      "{'number': 80, 'name': 'http', 'protocol': 'HTTP'}"
#define BOTH_PORTS   HTTP_80 ", {'number': 8080, 'name': 'http-b', 'protocol': 'HTTP'}"
#define OTHER_NODE   "sidecar~10.0.0.2~web.other~other.svc.cluster.local"
#define HOST(n)      "virtualHosts/" #n
#define ROUTES_TO(h) "'http': [{'route': [{'destination': {'host': '" h "'}}]}]"

/* ---- domains ---- */

static void test_a_service_has_short_names_in_its_own_namespace(void **state)
{
    struct shop *s = *state;
    shop_add_service(s, ORDERS, HTTP_8080, "");

    shop_open(s, "{}");

    shop_expect_table(s, "8080", HOST(0) "/name", ORDERS ":8080");
    shop_expect_table(s,
        "8080",
        HOST(0) "/domains",
        "[\"" ORDERS "\",\"" ORDERS ".\",\"orders\",\"orders.default.svc\",\"orders.default\"]");
    shop_expect_table(s, "8080", HOST(0) "/includeRequestAttemptCount", "true");
}

static void test_from_another_namespace_the_name_alone_is_not_enough(void **state)
{
    struct shop *s = *state;
    shop_add_service(s, ORDERS, HTTP_8080, "");

    shop_open_for(s, OTHER_NODE, "{}");

    shop_expect_table(s,
        "8080",
        HOST(0) "/domains",
        "[\"" ORDERS "\",\"" ORDERS ".\",\"orders.default.svc\",\"orders.default\"]");
}

static void test_a_host_of_elsewhere_has_no_short_names(void **state)
{
    struct shop *s = *state;
    shop_add_service(s, "api.shop.test", HTTP_80, "");
    shop_add_service(s, "*.wild.test", HTTP_80, "");
    shop_add_service(s, "a.b.default.svc.cluster.local", HTTP_80, "");

    shop_open(s, "{}");

    shop_expect_table(s, "80", HOST(0) "/domains", "[\"*.wild.test\",\"*.wild.test.\"]");
    shop_expect_table(s, "80", HOST(1) "/domains/2", "a.b.default.svc");
    shop_expect_table(s, "80", HOST(2) "/domains", "[\"api.shop.test\",\"api.shop.test.\"]");
}

static void test_virtual_addresses_are_names_too(void **state)
{
    struct shop *s = *state;
    shop_add_service(s, "api.test", HTTP_80, "'addresses': ['10.9.0.1', '2001:db8::1']");

    shop_open(s, "{}");

    shop_expect_table(
        s, "80", HOST(0) "/domains", "[\"api.test\",\"api.test.\",\"10.9.0.1\",\"[2001:db8::1]\"]");
}

static void test_a_name_that_two_claim_goes_to_the_older(void **state)
{
    struct shop *s = *state;
    shop_add_service(s, "z.test", HTTP_80, "'addresses': ['10.9.0.1']");
    shop_add_service(s, "a.test", HTTP_80, "'addresses': ['10.9.0.1']");

    shop_open(s, "{}");

    shop_expect_table(s, "80", HOST(0) "/domains", "[\"a.test\",\"a.test.\"]");
    shop_expect_table(s, "80", HOST(1) "/domains", "[\"z.test\",\"z.test.\",\"10.9.0.1\"]");
}

static void test_a_full_name_goes_before_anothers_short_one(void **state)
{
    struct arena *a = ((struct shop *)*state)->a;
    struct domain_claims hosts[2] = { { .rank = 0 }, { .rank = 1 } };
    list_push(a, &hosts[0].domains, ORDERS);
    list_push(a, &hosts[0].domains, "Orders.default");
    list_push(a, &hosts[1].domains, "orders.default");

    domains_settle(a, hosts, ARRAY_COUNT(hosts));

    assert_int_equal(hosts[0].domains.count, 1);
    assert_string_equal(hosts[0].domains.items[0], ORDERS);
    assert_int_equal(hosts[1].domains.count, 1);
}

static void test_a_host_may_be_left_without_a_name(void **state)
{
    struct arena *a = ((struct shop *)*state)->a;
    struct domain_claims hosts[2] = { { .rank = 1 }, { .rank = 0 } };
    list_push(a, &hosts[0].domains, "A.test");
    list_push(a, &hosts[1].domains, "a.test");

    domains_settle(a, hosts, ARRAY_COUNT(hosts));

    assert_int_equal(hosts[0].domains.count, 0);
    assert_string_equal(hosts[1].domains.items[0], "a.test");
}

/* ---- tables ---- */

static void test_a_table_is_a_message_put_together_from_its_parts(void **state)
{
    struct shop *s = *state;
    shop_add_service(s, ORDERS, HTTP_8080, "");

    shop_open(s, "{}");

    shop_expect_table(s, "8080", "name", "8080");
    shop_expect_table(s, "8080", "validateClusters", "false");
    shop_expect_table(s, "8080", "maxDirectResponseBodySizeBytes", "1048576");
    shop_expect_table(s, "8080", "ignorePortInHostMatching", "true");
    shop_expect_table(s, "8080", HOST(1) "/name", "allow_any");
    shop_expect_table(s, "8080", HOST(2), "(absent)");
}

static void test_unknown_hosts_go_where_they_were_going(void **state)
{
    struct shop *s = *state;
    shop_add_service(s, ORDERS, HTTP_8080, "");

    shop_open(s, "{}");

    shop_expect_table(s, "8080", HOST(1) "/domains", "[\"*\"]");
    shop_expect_table(s, "8080", HOST(1) "/routes/0/name", "allow_any");
    shop_expect_table(s, "8080", HOST(1) "/routes/0/route/cluster", "PassthroughCluster");
    shop_expect_table(s, "8080", HOST(1) "/routes/0/route/timeout", "0s");
    shop_expect_table(s, "8080", HOST(1) "/routes/0/route/retryPolicy", "(absent)");
}

static void test_with_registry_only_unknown_hosts_get_502(void **state)
{
    struct shop *s = *state;
    shop_add_service(s, ORDERS, HTTP_8080, "");
    shop_add_mesh(s, "'outboundTrafficPolicy': {'mode': 'REGISTRY_ONLY'}");

    shop_open(s, "{}");

    shop_expect_table(s, "8080", HOST(1) "/name", "block_all");
    shop_expect_table(s, "8080", HOST(1) "/routes/0/directResponse", "{\"status\":502}");
}

static void test_only_ports_that_speak_http_have_tables(void **state)
{
    struct shop *s = *state;
    shop_add_service(s,
        "multi.test",
        "{'number': 81, 'name': 'a', 'protocol': 'HTTP2'},"
        "{'number': 82, 'name': 'b', 'protocol': 'GRPC'},"
        "{'number': 83, 'name': 'c', 'protocol': 'TCP'},"
        "{'number': 84, 'name': 'd', 'protocol': 'HTTPS'},"
        "{'number': 85, 'name': 'e', 'protocol': 'UDP'},"
        "{'number': 86, 'name': 'f'}",
        "");

    shop_open(s, "{}");

    assert_int_equal(xds_view_count(s->t.view, XDS_ROUTE), 3);
    shop_expect_table(s, "81", HOST(0) "/name", "multi.test:81");
    shop_expect_table(s, "82", HOST(0) "/name", "multi.test:82");
    shop_expect_table(s, "86", HOST(0) "/name", "multi.test:86");
}

static void test_a_sniffed_service_with_an_address_has_a_table_of_its_own(void **state)
{
    struct shop *s = *state;
    shop_add_service(
        s, "api.test", "{'number': 90, 'name': 'any'}", "'addresses': ['10.9.0.1', '10.9.0.2']");

    shop_open(s, "{}");

    assert_int_equal(xds_view_count(s->t.view, XDS_ROUTE), 1);
    shop_expect_table(s, "api.test:90", HOST(0) "/name", "api.test:90");
    shop_expect_table(s, "api.test:90", HOST(0) "/domains", "[\"*\"]");
    shop_expect_table(s, "api.test:90", HOST(0) "/routes/0/route/cluster", "outbound|90||api.test");
    shop_expect_table(s, "api.test:90", HOST(1), "(absent)");
}

/* ---- hosts of VirtualServices ---- */

static void test_a_host_without_a_service_is_on_port_80_alone(void **state)
{
    struct shop *s = *state;
    shop_add_service(s, "w.test", BOTH_PORTS, "");
    shop_add_routes(s, "v", "'hosts': ['v.test', '*.v.test'], " ROUTES_TO("w.test"));

    shop_open(s, "{}");

    shop_expect_table(s, "80", HOST(0) "/name", "w.test:80");
    shop_expect_table(s, "80", HOST(1) "/name", "v.test:80");
    shop_expect_table(s, "80", HOST(1) "/domains", "[\"v.test\"]");
    shop_expect_table(s, "80", HOST(1) "/routes/0/route/cluster", "outbound|80||w.test");
    shop_expect_table(s, "80", HOST(2) "/name", "allow_any");
    shop_expect_table(s, "8080", HOST(1) "/name", "allow_any");
}

static void test_a_virtual_service_supplies_each_of_its_services_ports(void **state)
{
    struct shop *s = *state;
    shop_add_service(s, "w.test", BOTH_PORTS, "");
    shop_add_routes(s, "w", "'hosts': ['*.test'], 'http': [{'redirect': {'uri': '/x'}}]");

    shop_open(s, "{}");

    shop_expect_table(s, "80", HOST(0) "/routes/0/redirect/pathRedirect", "/x");
    shop_expect_table(s, "8080", HOST(0) "/routes/0/redirect/pathRedirect", "/x");
}

/* ---- what is rendered again ---- */

static void two_services(struct shop *s, const char *to)
{
    s->count = 0;
    shop_add_service(s, ORDERS, HTTP_8080, "");
    shop_add_service(s, "cart.test", HTTP_8080, "");
    shop_add_routes(s,
        "orders",
        arena_printf(s->a,
            "'hosts': ['orders'], 'http': [{'match': [{'sourceLabels': {'app': 'nobody'}}],"
            " 'route': [{'destination': {'host': 'other.test'}}]},"
            " {'route': [{'destination': {'host': '%s'}}]}]",
            to));
}

static struct xds_view *view_of(
    struct translator *t, struct snapshot *snapshot, const struct scope *scope)
{
    translator_begin(t, snapshot);
    return translator_view(t, scope);
}

static void test_a_changed_virtual_service_costs_one_host_and_one_table(void **state)
{
    struct shop *s = *state;
    struct translate_stats stats = { 0 };
    struct translator *t = translator_new(&stats);
    struct scope *scope = fixture_scope(s->a, WEB_NODE, "{}");
    two_services(s, "orders");
    struct snapshot *before = fixture_snapshot(s->values, s->count);
    two_services(s, "cart.test");
    struct snapshot *after = fixture_snapshot(s->values, s->count);
    struct xds_view *first = view_of(t, before, scope);
    int64_t rendered = stats.rendered;

    struct xds_view *second = view_of(t, after, scope);

    assert_int_equal(stats.rendered - rendered, 2);
    assert_false(hash128_equal(&xds_view_find(first, XDS_ROUTE, "8080")->version,
        &xds_view_find(second, XDS_ROUTE, "8080")->version));
    xds_view_release(first);
    xds_view_release(second);
    translator_free(t);
    snapshot_release(before);
    snapshot_release(after);
}

static void test_callers_whose_routes_come_out_alike_share_them(void **state)
{
    struct shop *s = *state;
    struct translate_stats stats = { 0 };
    struct translator *t = translator_new(&stats);
    two_services(s, "orders");
    struct snapshot *snapshot = fixture_snapshot(s->values, s->count);
    struct scope *web = fixture_scope(s->a, WEB_NODE, "{\"LABELS\": {\"app\": \"web\"}}");
    struct scope *job = fixture_scope(s->a, WEB_NODE, "{\"LABELS\": {\"app\": \"job\"}}");
    struct scope *nobody = fixture_scope(s->a, WEB_NODE, "{\"LABELS\": {\"app\": \"nobody\"}}");
    struct xds_view *views[3] = { view_of(t, snapshot, web) };
    int64_t rendered = stats.rendered;

    views[1] = translator_view(t, job);
    int64_t for_job = stats.rendered - rendered;
    views[2] = translator_view(t, nobody);

    assert_int_equal(for_job, 0);
    assert_ptr_equal(
        xds_view_find(views[0], XDS_ROUTE, "8080"), xds_view_find(views[1], XDS_ROUTE, "8080"));
    assert_int_equal(stats.rendered - rendered, 2);
    for (size_t i = 0; i < ARRAY_COUNT(views); i++)
        xds_view_release(views[i]);
    translator_free(t);
    snapshot_release(snapshot);
}

/* ---- split tables ---- */

#define SPLIT     "{'VHDS': true}"
#define TABLE     "vhds|8080"
#define IN(table) table "/"

static const char *part_of(struct shop *s, const char *host, const char *path)
{
    return translated_at(&s->t, XDS_VIRTUAL_HOST, host, path);
}

static void test_a_split_table_has_its_hosts_beside_it(void **state)
{
    struct shop *s = *state;
    two_services(s, "cart.test");

    shop_open(s, SPLIT);

    shop_expect_table(s, "8080", "", "(absent)");
    shop_expect_table(s,
        TABLE,
        "",
        "{\"name\":\"" TABLE "\",\"validateClusters\":false,\"vhds\":{\"configSource\":{\"ads\":{},"
        "\"initialFetchTimeout\":\"0s\",\"resourceApiVersion\":\"V3\"}},"
        "\"maxDirectResponseBodySizeBytes\":1048576,\"ignorePortInHostMatching\":true}");
    shop_expect_listener(
        s, "0.0.0.0_8080", "filterChains/0/filters/0/typedConfig/rds/routeConfigName", TABLE);
    assert_int_equal(xds_view_count(s->t.view, XDS_VIRTUAL_HOST), 3);
    assert_string_equal(part_of(s, IN(TABLE) ORDERS ":8080", "name"), IN(TABLE) ORDERS ":8080");
    assert_string_equal(
        part_of(s, IN(TABLE) ORDERS ":8080", "routes/0/route/cluster"), "outbound|8080||cart.test");
    assert_string_equal(part_of(s, IN(TABLE) "cart.test:8080", "domains/0"), "cart.test");
    assert_string_equal(part_of(s, IN(TABLE) "allow_any", "name"), IN(TABLE) "allow_any");
    assert_string_equal(part_of(s, IN(TABLE) "allow_any", "routes/0/name"), "allow_any");
}

static void test_each_table_has_parts_of_its_own(void **state)
{
    struct shop *s = *state;
    shop_add_service(s, "w.test", BOTH_PORTS, "");
    shop_add_service(s, "api.test", "{'number': 90, 'name': 'any'}", "'addresses': ['10.9.0.1']");

    shop_open(s, SPLIT);

    assert_int_equal(xds_view_count(s->t.view, XDS_VIRTUAL_HOST), 5);
    assert_string_equal(
        part_of(s, "vhds|80/w.test:80", "routes/0/route/cluster"), "outbound|80||w.test");
    assert_string_equal(part_of(s, "vhds|8080/w.test:8080", "domains/0"), "w.test");
    assert_string_equal(part_of(s, "vhds|80/allow_any", "domains"), "[\"*\"]");
    assert_string_equal(part_of(s, "vhds|api.test:90/api.test:90", "domains"), "[\"*\"]");
}

/* Envoy refuses all hosts of a table if two of them have one domain, in whatever case. */
static void test_no_domain_is_in_two_parts_of_a_table(void **state)
{
    struct shop *s = *state;
    shop_add_service(s, "z.test", HTTP_8080, "'addresses': ['10.9.0.1', '10.9.0.2']");
    shop_add_service(s, "a.test", HTTP_8080, "'addresses': ['10.9.0.1']");
    shop_add_service(s, "orders.default", HTTP_8080, "'addresses': ['10.9.0.2']");
    shop_add_service(s, ORDERS, HTTP_8080, "");

    shop_open(s, SPLIT);

    assert_string_equal(part_of(s, IN(TABLE) "a.test:8080", "domains"), "[\"a.test\",\"a.test.\"]");
    assert_string_equal(part_of(s, IN(TABLE) "z.test:8080", "domains"),
        "[\"z.test\",\"z.test.\",\"10.9.0.1\",\"10.9.0.2\"]");
    assert_string_equal(part_of(s, IN(TABLE) "orders.default:8080", "domains"),
        "[\"orders.default\",\"orders.default.\"]");
    assert_string_equal(part_of(s, IN(TABLE) ORDERS ":8080", "domains"),
        "[\"" ORDERS "\",\"" ORDERS ".\",\"orders\",\"orders.default.svc\"]");
}

static void test_a_changed_virtual_service_costs_one_part_of_a_split_table(void **state)
{
    struct shop *s = *state;
    struct translate_stats stats = { 0 };
    struct translator *t = translator_new(&stats);
    struct scope *scope = fixture_scope(s->a, WEB_NODE, "{\"VHDS\": true}");
    two_services(s, "orders");
    struct snapshot *before = fixture_snapshot(s->values, s->count);
    two_services(s, "cart.test");
    struct snapshot *after = fixture_snapshot(s->values, s->count);
    struct xds_view *first = view_of(t, before, scope);
    int64_t rendered = stats.rendered;

    struct xds_view *second = view_of(t, after, scope);

    assert_int_equal(stats.rendered - rendered, 1);
    assert_ptr_equal(
        xds_view_find(first, XDS_ROUTE, TABLE), xds_view_find(second, XDS_ROUTE, TABLE));
    assert_ptr_not_equal(xds_view_find(first, XDS_VIRTUAL_HOST, IN(TABLE) ORDERS ":8080"),
        xds_view_find(second, XDS_VIRTUAL_HOST, IN(TABLE) ORDERS ":8080"));
    xds_view_release(first);
    xds_view_release(second);
    translator_free(t);
    snapshot_release(before);
    snapshot_release(after);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, shop_setup, shop_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_service_has_short_names_in_its_own_namespace),
        TEST(test_from_another_namespace_the_name_alone_is_not_enough),
        TEST(test_a_host_of_elsewhere_has_no_short_names),
        TEST(test_virtual_addresses_are_names_too),
        TEST(test_a_name_that_two_claim_goes_to_the_older),
        TEST(test_a_full_name_goes_before_anothers_short_one),
        TEST(test_a_host_may_be_left_without_a_name),
        TEST(test_a_table_is_a_message_put_together_from_its_parts),
        TEST(test_unknown_hosts_go_where_they_were_going),
        TEST(test_with_registry_only_unknown_hosts_get_502),
        TEST(test_only_ports_that_speak_http_have_tables),
        TEST(test_a_sniffed_service_with_an_address_has_a_table_of_its_own),
        TEST(test_a_host_without_a_service_is_on_port_80_alone),
        TEST(test_a_virtual_service_supplies_each_of_its_services_ports),
        TEST(test_a_changed_virtual_service_costs_one_host_and_one_table),
        TEST(test_callers_whose_routes_come_out_alike_share_them),
        TEST(test_a_split_table_has_its_hosts_beside_it),
        TEST(test_each_table_has_parts_of_its_own),
        TEST(test_no_domain_is_in_two_parts_of_a_table),
        TEST(test_a_changed_virtual_service_costs_one_part_of_a_split_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
