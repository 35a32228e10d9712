/* what gRPC's own xDS clients are sent, which refuse what only an Envoy knows. */
#include "shop_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define GRPC     "{'GENERATOR': 'grpc'}"
#define MANAGER  "apiListener/apiListener"
#define ROUTE(n) "virtualHosts/0/routes/" #n

static void test_each_spelling_of_a_host_is_a_listener_with_the_services_routes(void **state)
{
    struct shop *s = *state;
    static const char *const names[] = { ORDERS ":8080", "orders:8080", "orders.default.svc:8080" };
    shop_add_service(s, ORDERS, HTTP_8080, "");

    shop_open(s, GRPC);

    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        shop_expect_listener(s, names[i], MANAGER "/rds/routeConfigName", ORDERS_PORT);
        shop_expect_listener(
            s, names[i], MANAGER "/httpFilters/0/name", "envoy.filters.http.fault");
        shop_expect_listener(
            s, names[i], MANAGER "/httpFilters/1/name", "envoy.filters.http.router");
        shop_expect_listener(s, names[i], MANAGER "/httpFilters/2", "(absent)");
    }
    shop_expect_listener(s, "virtualOutbound", "name", "(absent)");
    shop_expect_listener(s, "virtualInbound", "name", "(absent)");
    shop_expect_table(s, ORDERS_PORT, ROUTE(0) "/route/cluster", ORDERS_PORT);
    shop_expect_table(s, "8080", "name", "(absent)");
}

static void test_a_timeout_is_the_streams_and_cors_is_left_out(void **state)
{
    struct shop *s = *state;
    shop_add_service(s, ORDERS, HTTP_8080, "");
    shop_add_routes(s,
        "orders",
        "'hosts': ['" ORDERS "'], 'http': [{'timeout': '3s', "
        "'corsPolicy': {'allowOrigins': [{'exact': 'http://a.test'}]}, "
        "'route': [{'destination': {'host': '" ORDERS "'}}]}]");

    shop_open(s, GRPC);

    shop_expect_table(s, ORDERS_PORT, ROUTE(0) "/route/maxStreamDuration/maxStreamDuration", "3s");
    shop_expect_table(s, ORDERS_PORT, ROUTE(0) "/typedPerFilterConfig", "(absent)");
}

static void test_a_cluster_has_neither_a_transport_nor_a_policy_that_grpc_lacks(void **state)
{
    struct shop *s = *state;
    shop_add_service(s, ORDERS, HTTP_8080, "");
    shop_add_rule(
        s, "orders", "'host': '" ORDERS "', 'trafficPolicy': {'tls': {'mode': 'SIMPLE'}}");

    shop_open(s, GRPC);

    assert_int_equal(xds_view_count(s->t.view, XDS_CLUSTER), 1);
    assert_string_equal(translated_at(&s->t, XDS_CLUSTER, ORDERS_PORT, "type"), "EDS");
    assert_string_equal(
        translated_at(&s->t, XDS_CLUSTER, ORDERS_PORT, "transportSocket"), "(absent)");
    assert_string_equal(translated_at(&s->t, XDS_CLUSTER, ORDERS_PORT, "lbPolicy"), "(absent)");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, shop_setup, shop_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_each_spelling_of_a_host_is_a_listener_with_the_services_routes),
        TEST(test_a_timeout_is_the_streams_and_cors_is_left_out),
        TEST(test_a_cluster_has_neither_a_transport_nor_a_policy_that_grpc_lacks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
