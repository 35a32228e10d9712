/* scope: what a proxy is, from its node id and metadata. */
#include "mesh_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const char node_id[] = "sidecar~10.1.1.1~web-1.shop~shop.svc.cluster.local";

static void test_id_and_metadata_make_a_scope(void **state)
{
    (void)state;
    struct arena *a = arena_new();

    struct scope *s = fixture_scope(
        a, node_id, "{\"LABELS\":{\"version\":\"v1\",\"app\":\"web\"},\"NETWORK\":\"n1\"}");

    assert_int_equal(s->type, PROXY_SIDECAR);
    assert_string_equal(s->id, "web-1.shop");
    assert_string_equal(s->ns, "shop");
    assert_string_equal(s->domain, "cluster.local");
    assert_string_equal(s->addresses.items[0], "10.1.1.1");
    assert_string_equal(s->labels.items[0].key, "app");
    assert_string_equal(s->network, "n1");
    assert_int_equal(s->interception, INTERCEPTION_REDIRECT);
    arena_free(a);
}

static void test_metadata_overrides_namespace_and_addresses(void **state)
{
    (void)state;
    struct arena *a = arena_new();

    struct scope *s = fixture_scope(
        a, node_id, "{\"NAMESPACE\":\"other\",\"INSTANCE_IPS\":\"10.2.2.2,fd00::2\"}");

    assert_string_equal(s->ns, "other");
    assert_int_equal(s->addresses.count, 2);
    assert_string_equal(s->addresses.items[1], "fd00::2");
    arena_free(a);
}

static void test_order_of_labels_makes_no_difference(void **state)
{
    (void)state;
    struct arena *a = arena_new();

    struct scope *one = fixture_scope(a, node_id, "{\"LABELS\":{\"a\":\"1\",\"b\":\"2\"}}");
    struct scope *two = fixture_scope(a, node_id, "{\"LABELS\":{\"b\":\"2\",\"a\":\"1\"}}");

    assert_string_equal(one->key, two->key);
    arena_free(a);
}

static void test_proxies_that_differ_by_address_share_the_outbound_key(void **state)
{
    (void)state;
    struct arena *a = arena_new();

    struct scope *one = fixture_scope(a, node_id, "{}");
    struct scope *two =
        fixture_scope(a, "sidecar~10.1.1.2~web-2.shop~shop.svc.cluster.local", "{}");
    struct scope *other =
        fixture_scope(a, "sidecar~10.1.1.2~web-2.prod~prod.svc.cluster.local", "{}");

    assert_string_equal(one->outbound_key, two->outbound_key);
    assert_string_not_equal(one->key, two->key);
    assert_string_not_equal(two->outbound_key, other->outbound_key);
    arena_free(a);
}

static void test_no_bytes_in_a_label_make_it_another_scope(void **state)
{
    (void)state;
    struct arena *a = arena_new();

    struct scope *two = fixture_scope(a, node_id, "{\"LABELS\":{\"a\":\"1\",\"b\":\"2\"}}");
    struct scope *one = fixture_scope(a, node_id, "{\"LABELS\":{\"a\":\"1\\u001fb\\u001f2\"}}");
    struct scope *sized = fixture_scope(a, node_id, "{\"LABELS\":{\"a\":\"11:b1:2\"}}");

    assert_string_not_equal(two->key, one->key);
    assert_string_not_equal(two->outbound_key, one->outbound_key);
    assert_string_not_equal(two->outbound_key, sized->outbound_key);
    arena_free(a);
}

static bool splits_tables(struct arena *a, const char *metadata, bool is_aggregated_delta)
{
    const struct scope_input input = { node_id, metadata, "", "", "", is_aggregated_delta };
    struct scope scope;
    struct error err;
    assert_true(scope_parse(a, &input, &scope, &err));
    return scope.splits_tables;
}

static void test_tables_are_split_for_those_that_ask_for_it_over_delta(void **state)
{
    (void)state;
    struct arena *a = arena_new();

    assert_true(splits_tables(a, "{\"VHDS\":true}", true));
    assert_true(splits_tables(a, "{\"VHDS\":\"true\"}", true));
    assert_false(splits_tables(a, "{\"VHDS\":\"false\"}", true));
    assert_false(splits_tables(a, "{}", true));
    assert_false(splits_tables(a, "{\"VHDS\":true}", false));
    assert_false(splits_tables(a, "{\"VHDS\":true,\"GENERATOR\":\"grpc\"}", true));
    assert_string_not_equal(fixture_scope(a, node_id, "{}")->outbound_key,
        fixture_scope(a, node_id, "{\"VHDS\":true}")->outbound_key);
    arena_free(a);
}

static void test_without_interception_loopback_proxies_bind_their_own_address(void **state)
{
    (void)state;
    struct arena *a = arena_new();
    const char mode[] = "{\"INTERCEPTION_MODE\":\"NONE\"}";

    struct scope *host = fixture_scope(a, node_id, mode);
    struct scope *laptop =
        fixture_scope(a, "sidecar~127.0.3.1~web-1.shop~shop.svc.cluster.local", mode);

    assert_string_equal(host->bind_address, "127.0.0.1");
    assert_string_equal(laptop->bind_address, "127.0.3.1");
    assert_string_not_equal(host->outbound_key, laptop->outbound_key);
    assert_string_equal(
        fixture_scope(a, "sidecar~::1~web-1.shop~shop.svc.cluster.local", mode)->bind_address,
        "::1");
    arena_free(a);
}

static const struct {
    const char *id, *metadata, *says;
} refused[] = {
    { "web-1", "{}", "TYPE~IP~NAME.NAMESPACE~DOMAIN" },
    { "", "{}", "TYPE~IP~NAME.NAMESPACE~DOMAIN" },
    { "sidecar~10.1.1.1~web-1.shop~d~more", "{}", "TYPE~IP~NAME.NAMESPACE~DOMAIN" },
    { "sidecar~10.1.1.1~web~shop.svc.cluster.local", "{}", "NAME.NAMESPACE" },
    { "ztunnel~10.1.1.1~web-1.shop~shop.svc.cluster.local", "{}", "sidecar or router" },
    { "sidecar~10.1.1.1~web-1.shop~shop.svc.cluster.local", "{\"LABELS\":[1]}", "LABELS" },
    { "sidecar~10.1.1.1~web-1.shop~shop.svc.cluster.local", "{\"LABELS\":{\"a\":1}}", "LABELS.a" },
    { "sidecar~10.1.1.1~web-1.shop~shop.svc.cluster.local", "{\"NAMESPACE\":7}", "NAMESPACE" },
    { "sidecar~10.1.1.1~web-1.shop~shop.svc.cluster.local",
        "{\"INTERCEPTION_MODE\":\"MAYBE\"}",
        "REDIRECT, TPROXY or NONE" },
    { "sidecar~10.1.1.1~web-1.shop~shop.svc.cluster.local",
        "{\"VHDS\":1}",
        "node metadata: VHDS must be true or false" },
    { "sidecar~10.1.1.1~web-1.shop~shop.svc.cluster.local", "{", "not JSON" },
};

static void test_a_wrong_node_is_told_what_would_be_right(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(refused); i++) {
        struct arena *a = arena_new();
        struct scope scope;
        struct error err;
        const struct scope_input input = { refused[i].id, refused[i].metadata, "", "", "" };

        assert_false(scope_parse(a, &input, &scope, &err));
        if (!strstr(err.text, refused[i].says))
            fail_msg("\"%s\" does not say \"%s\"", err.text, refused[i].says);
        arena_free(a);
    }
}

static void test_a_copy_outlives_its_origin(void **state)
{
    (void)state;
    struct arena *a = arena_new(), *b = arena_new();
    struct scope *s = fixture_scope(a, node_id, "{\"LABELS\":{\"app\":\"web\"}}");

    struct scope *copy = scope_dup(b, s);
    char *key = xstrdup(s->key);
    arena_free(a);

    assert_string_equal(copy->key, key);
    assert_string_equal(copy->labels.items[0].value, "web");
    free(key);
    arena_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_id_and_metadata_make_a_scope),
        cmocka_unit_test(test_metadata_overrides_namespace_and_addresses),
        cmocka_unit_test(test_order_of_labels_makes_no_difference),
        cmocka_unit_test(test_proxies_that_differ_by_address_share_the_outbound_key),
        cmocka_unit_test(test_no_bytes_in_a_label_make_it_another_scope),
        cmocka_unit_test(test_tables_are_split_for_those_that_ask_for_it_over_delta),
        cmocka_unit_test(test_without_interception_loopback_proxies_bind_their_own_address),
        cmocka_unit_test(test_a_wrong_node_is_told_what_would_be_right),
        cmocka_unit_test(test_a_copy_outlives_its_origin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
