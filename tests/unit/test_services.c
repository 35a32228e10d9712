/* services: declarations that get in each other's way, and what the digests must tell apart. */
#include "mesh_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define RESOURCE(plural, kind, name, spec)                                                         \
    {                                                                                              \
        "config/" plural "/shop/" name,                                                            \
            "{\"apiVersion\":\"networking.istio.io/v1\",\"kind\":\"" kind "\",\"metadata\":{"      \
            "\"name\":\"" name "\",\"namespace\":\"shop\"},\"spec\":" spec "}"                     \
    }
#define ENTRY(name, port, more)                                                                    \
    RESOURCE("serviceentries",                                                                     \
        "ServiceEntry",                                                                            \
        name,                                                                                      \
        "{\"hosts\":[\"db.test\"],\"resolution\":\"STATIC\",\"ports\":[{" port                     \
        ",\"name\":\"http\",\"protocol\":\"HTTP\"}]," more "}")
#define SELECTS(app) "\"workloadSelector\":{\"labels\":{\"app\":\"" app "\"}}"
#define WORKLOAD(name, address, app)                                                               \
    RESOURCE("workloadentries",                                                                    \
        "WorkloadEntry",                                                                           \
        name,                                                                                      \
        "{\"address\":\"" address "\",\"labels\":{\"app\":\"" app "\"}}")

static const struct service *only_service(const struct snapshot *s, const char *host)
{
    struct service_slice found = snapshot_services_of_host(s, host);
    assert_int_equal(found.count, 1);
    return found.items[0];
}

static void test_two_port_names_for_one_number_are_one_port_and_a_finding(void **state)
{
    (void)state;
    const struct fixture_value values[] = { { "registry/shop/cart/a",
        "{\"address\":\"10.0.0.1\",\"ports\":{\"http\":8080,\"grpc\":8080}}" } };
    struct snapshot *s = fixture_snapshot(values, ARRAY_COUNT(values));

    const struct service *cart = only_service(s, "cart.shop.svc.cluster.local");

    assert_int_equal(cart->ports.count, 1);
    assert_string_equal(cart->ports.items[0].name, "grpc");
    assert_int_equal(s->findings.count, 1);
    assert_string_equal(s->findings.items[0].diag.path, "ports.http");
    snapshot_release(s);
}

static void test_a_disagreement_on_a_port_is_told_once(void **state)
{
    (void)state;
    const struct fixture_value values[] = {
        { "registry/shop/cart/a", "{\"address\":\"10.0.0.1\",\"ports\":{\"http\":8083}}" },
        { "registry/shop/cart/b", "{\"address\":\"10.0.0.2\",\"ports\":{\"http\":8082}}" },
        { "registry/shop/cart/c", "{\"address\":\"10.0.0.3\",\"ports\":{\"http\":8081}}" }
    };
    struct snapshot *s = fixture_snapshot(values, ARRAY_COUNT(values));

    assert_int_equal(only_service(s, "cart.shop.svc.cluster.local")->ports.items[0].number, 8081);
    assert_int_equal(s->findings.count, 1);
    snapshot_release(s);
}

static void test_a_service_that_lists_its_own_host_has_its_instances_once(void **state)
{
    (void)state;
    const struct fixture_value values[] = {
        { "services/shop/cart",
            "{\"ports\":[{\"name\":\"http\",\"number\":80,\"protocol\":\"HTTP\"}],"
            "\"hosts\":[\"cart.shop.svc.cluster.local\"]}" },
        { "registry/shop/cart/a", "{\"address\":\"10.0.0.1\",\"ports\":{\"http\":8080}}" }
    };
    struct snapshot *s = fixture_snapshot(values, ARRAY_COUNT(values));

    assert_int_equal(only_service(s, "cart.shop.svc.cluster.local")->endpoints.count, 1);
    assert_int_equal(s->findings.count, 0);
    snapshot_release(s);
}

static void test_an_endpoint_has_the_target_port_of_its_own_entry(void **state)
{
    (void)state;
    const struct fixture_value values[] = { ENTRY("one",
                                                "\"number\":80,\"targetPort\":8080",
                                                "\"endpoints\":[{\"address\":\"10.0.0.1\"}]"),
        ENTRY("two",
            "\"number\":80,\"targetPort\":9090",
            "\"endpoints\":[{\"address\":\"10.0.0.2\"}]") };
    struct snapshot *s = fixture_snapshot(values, ARRAY_COUNT(values));

    const struct service *db = only_service(s, "db.test");

    assert_int_equal(endpoint_port(&db->endpoints.items[0], &db->ports.items[0]), 8080);
    assert_int_equal(endpoint_port(&db->endpoints.items[1], &db->ports.items[0]), 9090);
    snapshot_release(s);
}

static void test_the_digest_tells_which_entry_selects_a_workload(void **state)
{
    (void)state;
    const struct fixture_value before[] = { ENTRY("one", "\"number\":80", SELECTS("a")),
        ENTRY("two", "\"number\":81", SELECTS("b")),
        WORKLOAD("wa", "10.0.0.1", "a"),
        WORKLOAD("wb", "10.0.0.2", "b") };
    const struct fixture_value after[] = { ENTRY("one", "\"number\":80", SELECTS("b")),
        ENTRY("two", "\"number\":81", SELECTS("a")),
        WORKLOAD("wa", "10.0.0.1", "a"),
        WORKLOAD("wb", "10.0.0.2", "b") };
    struct snapshot *s = fixture_snapshot(before, ARRAY_COUNT(before));
    struct snapshot *t = fixture_snapshot(after, ARRAY_COUNT(after));

    const struct service *x = only_service(s, "db.test"), *y = only_service(t, "db.test");

    assert_int_equal(endpoint_port(&x->endpoints.items[0], &x->ports.items[0]), 80);
    assert_int_equal(endpoint_port(&y->endpoints.items[0], &y->ports.items[0]), 0);
    assert_false(hash128_equal(&x->endpoints_digest, &y->endpoints_digest));
    snapshot_release(s);
    snapshot_release(t);
}

static void test_a_selector_takes_those_with_all_its_labels_metadatas_first(void **state)
{
    (void)state;
    const struct fixture_value values[] = {
        ENTRY("one",
            "\"number\":80",
            "\"workloadSelector\":{\"labels\":{\"app\":\"a\",\"tier\":\"t\"}}"),
        { "config/workloadentries/shop/x",
            "{\"apiVersion\":\"networking.istio.io/v1\",\"kind\":\"WorkloadEntry\",\"metadata\":{"
            "\"name\":\"x\",\"namespace\":\"shop\",\"labels\":{\"tier\":\"t\"}},\"spec\":{"
            "\"address\":\"10.0.0.1\",\"labels\":{\"app\":\"a\",\"tier\":\"other\"}}}" },
        WORKLOAD("y", "10.0.0.2", "a")
    };
    struct snapshot *s = fixture_snapshot(values, ARRAY_COUNT(values));

    const struct service *db = only_service(s, "db.test");

    assert_int_equal(db->endpoints.count, 1);
    assert_string_equal(db->endpoints.items[0].address, "10.0.0.1");
    assert_string_equal(labels_find(&db->endpoints.items[0].labels, "tier"), "t");
    snapshot_release(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_port_names_for_one_number_are_one_port_and_a_finding),
        cmocka_unit_test(test_a_disagreement_on_a_port_is_told_once),
        cmocka_unit_test(test_a_service_that_lists_its_own_host_has_its_instances_once),
        cmocka_unit_test(test_an_endpoint_has_the_target_port_of_its_own_entry),
        cmocka_unit_test(test_the_digest_tells_which_entry_selects_a_workload),
        cmocka_unit_test(test_a_selector_takes_those_with_all_its_labels_metadatas_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
