/* snapshot: services from ServiceEntries and the registry, findings, independence of order. */
#include "mesh_fixture.h"

#include "mesh/policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define RESOURCE(plural, kind, ns, name, spec)                                                     \
    {                                                                                              \
        "config/" plural "/" ns "/" name,                                                          \
            "{\"apiVersion\":\"networking.istio.io/v1\",\"kind\":\"" kind "\",\"metadata\":{"      \
            "\"name\":\"" name "\",\"namespace\":\"" ns "\"},\"spec\":" spec "}"                   \
    }
#define ENTRY(ns, name, spec) RESOURCE("serviceentries", "ServiceEntry", ns, name, spec)
#define RULE(ns, name, spec)  RESOURCE("destinationrules", "DestinationRule", ns, name, spec)
#define ROUTE(ns, name, spec) RESOURCE("virtualservices", "VirtualService", ns, name, spec)
#define INSTANCE(key, address, port)                                                               \
    {                                                                                              \
        "registry/" key,                                                                           \
            "{\"address\":\"" address "\",\"ports\":{\"http\":" port "},\"labels\":{\"version\":"  \
            "\"v1\"},\"locality\":\"r1/z1\",\"weight\":3,\"health\":\"draining\"}"                 \
    }

static const struct service *only_service(const struct snapshot *s, const char *host)
{
    struct service_slice found = snapshot_services_of_host(s, host);
    assert_int_equal(found.count, 1);
    return found.items[0];
}

static void test_a_service_is_inferred_from_its_instances(void **state)
{
    (void)state;
    const struct fixture_value values[] = { INSTANCE("shop/cart/a", "10.0.0.1", "8080"),
        INSTANCE("shop/cart/b", "10.0.0.2", "8080") };
    struct snapshot *s = fixture_snapshot(values, ARRAY_COUNT(values));

    const struct service *cart = only_service(s, "cart.shop.svc.cluster.local");
    const struct endpoint *first = &cart->endpoints.items[0];

    assert_int_equal(cart->ports.count, 1);
    assert_int_equal(cart->ports.items[0].number, 8080);
    assert_int_equal(cart->ports.items[0].protocol, PROTOCOL_HTTP);
    assert_int_equal(cart->endpoints.count, 2);
    assert_string_equal(first->address, "10.0.0.1");
    assert_string_equal(first->locality.zone, "z1");
    assert_int_equal(first->weight, 3);
    assert_int_equal(first->health, HEALTH_DRAINING);
    assert_int_equal(s->findings.count, 0);
    snapshot_release(s);
}

static void test_instances_that_disagree_on_a_port_give_the_lowest_and_a_finding(void **state)
{
    (void)state;
    const struct fixture_value values[] = { INSTANCE("shop/cart/a", "10.0.0.1", "8081"),
        INSTANCE("shop/cart/b", "10.0.0.2", "8080") };
    struct snapshot *s = fixture_snapshot(values, ARRAY_COUNT(values));

    const struct service *cart = only_service(s, "cart.shop.svc.cluster.local");

    assert_int_equal(cart->ports.items[0].number, 8080);
    assert_int_equal(endpoint_port(&cart->endpoints.items[0], &cart->ports.items[0]), 8081);
    assert_int_equal(s->findings.count, 1);
    snapshot_release(s);
}

static void test_a_declared_service_has_its_ports_hosts_and_addresses(void **state)
{
    (void)state;
    const struct fixture_value values[] = {
        { "services/shop/cart",
            "{\"ports\":[{\"name\":\"http\",\"number\":80,\"protocol\":\"HTTP\"}],"
            "\"hosts\":[\"cart.example.test\"],\"addresses\":[\"10.9.0.1\"]}" },
        INSTANCE("shop/cart/a", "10.0.0.1", "8080")
    };
    struct snapshot *s = fixture_snapshot(values, ARRAY_COUNT(values));

    const struct service *cart = only_service(s, "cart.shop.svc.cluster.local");
    const struct service *alias = only_service(s, "cart.example.test");

    assert_int_equal(cart->ports.items[0].number, 80);
    assert_int_equal(endpoint_port(&cart->endpoints.items[0], &cart->ports.items[0]), 8080);
    assert_string_equal(cart->addresses.items[0], "10.9.0.1");
    assert_int_equal(alias->endpoints.count, 1);
    snapshot_release(s);
}

static void test_an_instance_serves_only_the_ports_it_names(void **state)
{
    (void)state;
    const struct fixture_value values[] = {
        { "services/shop/cart",
            "{\"ports\":[{\"name\":\"http\",\"number\":80,\"protocol\":\"HTTP\"},"
            "{\"name\":\"tcp-admin\",\"number\":90,\"protocol\":\"TCP\"}]}" },
        INSTANCE("shop/cart/a", "10.0.0.1", "8080")
    };
    struct snapshot *s = fixture_snapshot(values, ARRAY_COUNT(values));

    const struct service *cart = only_service(s, "cart.shop.svc.cluster.local");

    assert_int_equal(endpoint_port(&cart->endpoints.items[0], service_port_find(cart, 90)), 0);
    snapshot_release(s);
}

static void test_entries_of_one_host_and_namespace_add_up(void **state)
{
    (void)state;
    const struct fixture_value values[] = {
        ENTRY("shop",
            "one",
            "{\"hosts\":[\"db.test\"],\"resolution\":\"STATIC\",\"ports\":[{\"number\":80,"
            "\"name\":\"http\",\"protocol\":\"HTTP\"}],\"endpoints\":[{\"address\":\"10.0.0.1\"}]"
            "}"),
        ENTRY("shop",
            "two",
            "{\"hosts\":[\"db.test\"],\"resolution\":\"STATIC\",\"ports\":[{\"number\":81,"
            "\"name\":\"http-b\",\"protocol\":\"HTTP\"}],\"endpoints\":[{\"address\":\"10.0.0.2\"}]"
            "}"),
        ENTRY("else",
            "three",
            "{\"hosts\":[\"db.test\"],\"resolution\":\"STATIC\",\"ports\":[{\"number\":82,"
            "\"name\":\"http-c\",\"protocol\":\"HTTP\"}],\"endpoints\":[{\"address\":\"10.0.0.3\"}]"
            "}")
    };
    struct snapshot *s = fixture_snapshot(values, ARRAY_COUNT(values));

    const struct service *own = snapshot_find_service(s, "db.test", "shop");
    const struct service *foreign = snapshot_find_service(s, "db.test", "else");
    const struct service *oldest = snapshot_find_service(s, "db.test", "nowhere");

    assert_int_equal(own->ports.count, 2);
    assert_int_equal(own->endpoints.count, 2);
    assert_int_equal(endpoint_port(&own->endpoints.items[0], &own->ports.items[0]), 80);
    assert_int_equal(endpoint_port(&own->endpoints.items[0], &own->ports.items[1]), 0);
    assert_int_equal(foreign->ports.items[0].number, 82);
    assert_ptr_equal(oldest, own);
    snapshot_release(s);
}

static void test_workloads_are_selected_by_labels_in_the_namespace(void **state)
{
    (void)state;
    const struct fixture_value values[] = {
        ENTRY("shop",
            "vms",
            "{\"hosts\":[\"vms.test\"],\"resolution\":\"STATIC\",\"location\":\"MESH_INTERNAL\","
            "\"ports\":[{\"number\":80,\"name\":\"http\",\"protocol\":\"HTTP\",\"targetPort\":8080}"
            "],"
            "\"workloadSelector\":{\"labels\":{\"app\":\"vm\"}}}"),
        RESOURCE("workloadentries",
            "WorkloadEntry",
            "shop",
            "a",
            "{\"address\":\"10.0.0.1\",\"labels\":{\"app\":\"vm\"}}"),
        RESOURCE("workloadentries",
            "WorkloadEntry",
            "shop",
            "b",
            "{\"address\":\"10.0.0.2\",\"labels\":{\"app\":\"other\"}}"),
        RESOURCE("workloadentries",
            "WorkloadEntry",
            "else",
            "c",
            "{\"address\":\"10.0.0.3\",\"labels\":{\"app\":\"vm\"}}")
    };
    struct snapshot *s = fixture_snapshot(values, ARRAY_COUNT(values));

    const struct service *vms = only_service(s, "vms.test");

    assert_int_equal(vms->endpoints.count, 1);
    assert_string_equal(vms->endpoints.items[0].address, "10.0.0.1");
    assert_int_equal(endpoint_port(&vms->endpoints.items[0], &vms->ports.items[0]), 8080);
    snapshot_release(s);
}

static void test_a_proxy_finds_its_own_ports_by_address(void **state)
{
    (void)state;
    const struct fixture_value values[] = { INSTANCE("shop/cart/a", "10.0.0.1", "8080"),
        INSTANCE("shop/api/a", "10.0.0.1", "7070"),
        INSTANCE("shop/api/b", "10.0.0.2", "7070") };
    struct snapshot *s = fixture_snapshot(values, ARRAY_COUNT(values));
    struct arena *a = arena_new();
    struct scope *scope = fixture_scope(a, "sidecar~10.0.0.1~w.shop~shop.svc.cluster.local", "{}");

    local_port_list local = local_ports(a, s, scope);

    assert_int_equal(local.count, 2);
    assert_int_equal(local.items[0].number, 7070);
    assert_string_equal(local.items[1].service->host, "cart.shop.svc.cluster.local");
    arena_free(a);
    snapshot_release(s);
}

static void test_the_mesh_config_has_istios_defaults(void **state)
{
    (void)state;
    struct snapshot *s = fixture_snapshot(NULL, 0);

    assert_int_equal(s->mesh->proxy_listen_port, 15001);
    assert_int_equal(s->mesh->connect_timeout.ms, 10000);
    assert_int_equal(s->mesh->outbound_traffic_policy->mode, ALLOW_ANY);
    assert_string_equal(s->mesh->root_namespace, "istio-system");
    snapshot_release(s);
}

/* ---- findings ---- */

static const struct fixture_value suspicious[] = {
    INSTANCE("shop/cart/a", "10.0.0.1", "8080"),
    RULE("shop", "cart",
        "{\"host\":\"cart\",\"subsets\":[{\"name\":\"stable\",\"labels\":{\"version\":\"v1\"}}]}"),
    RULE("shop", "gone", "{\"host\":\"gone\"}"),
    ROUTE("shop", "a",
        "{\"hosts\":[\"cart\"],\"http\":[{\"route\":[{\"destination\":{\"host\":\"cart\","
        "\"subset\":\"stabel\"}}]},{\"route\":[{\"destination\":{\"host\":\"kart\"}}]}]}"),
    ROUTE("shop", "b",
        "{\"hosts\":[\"cart\"],\"http\":[{\"route\":[{\"destination\":"
        "{\"host\":\"cart\"}}]}]}"),
    ENTRY("shop", "tcp-1",
        "{\"hosts\":[\"one.test\"],\"resolution\":\"STATIC\",\"ports\":[{"
        "\"number\":5432,\"name\":\"tcp\",\"protocol\":\"TCP\"}]}"),
    ENTRY("shop", "tcp-2",
        "{\"hosts\":[\"two.test\"],\"resolution\":\"STATIC\",\"ports\":[{"
        "\"number\":5432,\"name\":\"tcp\",\"protocol\":\"TCP\"}]}"),
};

static const struct {
    const char *key, *path, *says;
} expected[] = {
    { "config/destinationrules/shop/gone", "spec.host", "not used" },
    { "config/serviceentries/shop/tcp-1", "spec.addresses", "5432" },
    { "config/serviceentries/shop/tcp-2", "spec.ports[0]", "one.test" },
    { "config/virtualservices/shop/a", "spec.http[0].route[0].destination.subset", "\"stabel\"" },
    { "config/virtualservices/shop/a", "spec.http[1]", "never reached" },
    { "config/virtualservices/shop/a",
        "spec.http[1].route[0].destination.host",
        "kart.shop.svc.cluster.local" },
    { "config/virtualservices/shop/b", "spec.hosts[0]", "shop/a" },
};

static void test_what_no_resource_alone_can_see_is_found(void **state)
{
    (void)state;
    struct snapshot *s = fixture_snapshot(suspicious, ARRAY_COUNT(suspicious));

    assert_int_equal(s->findings.count, ARRAY_COUNT(expected));
    for (size_t i = 0; i < ARRAY_COUNT(expected); i++) {
        assert_string_equal(s->findings.items[i].key, expected[i].key);
        assert_string_equal(s->findings.items[i].diag.path, expected[i].path);
        assert_non_null(strstr(s->findings.items[i].diag.message, expected[i].says));
    }
    assert_string_equal(s->findings.items[3].diag.hint, "did you mean \"stable\"?");
    snapshot_release(s);
}

/* ---- order ---- */

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

static void assert_same(const struct snapshot *a, const struct snapshot *b)
{
    assert_int_equal(a->services.count, b->services.count);
    assert_int_equal(a->findings.count, b->findings.count);
    for (size_t i = 0; i < a->services.count; i++) {
        const struct service *x = a->services.items[i], *y = b->services.items[i];
        assert_string_equal(x->host, y->host);
        assert_true(hash128_equal(&x->digest, &y->digest));
        assert_true(hash128_equal(&x->endpoints_digest, &y->endpoints_digest));
    }
    for (size_t i = 0; i < a->findings.count; i++)
        assert_string_equal(a->findings.items[i].diag.message, b->findings.items[i].diag.message);
}

static void test_the_order_of_arrival_makes_no_difference(void **state)
{
    (void)state;
    enum { COUNT = ARRAY_COUNT(suspicious), SHUFFLES = 200 };
    struct object *objects[COUNT];
    uint32_t seed = 7;
    for (size_t i = 0; i < COUNT; i++)
        objects[i] = fixture_object(&suspicious[i], (int64_t)i + 1);
    struct snapshot *first = snapshot_build(objects, COUNT, 9, level_newest);

    for (int round = 0; round < SHUFFLES; round++) {
        for (size_t i = COUNT - 1; i > 0; i--) {
            size_t j = next_random(&seed) % (i + 1);
            struct object *swapped = objects[i];
            objects[i] = objects[j];
            objects[j] = swapped;
        }
        struct snapshot *other = snapshot_build(objects, COUNT, 9, level_newest);
        assert_same(first, other);
        snapshot_release(other);
    }

    snapshot_release(first);
    for (size_t i = 0; i < COUNT; i++)
        object_release(objects[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_service_is_inferred_from_its_instances),
        cmocka_unit_test(test_instances_that_disagree_on_a_port_give_the_lowest_and_a_finding),
        cmocka_unit_test(test_a_declared_service_has_its_ports_hosts_and_addresses),
        cmocka_unit_test(test_an_instance_serves_only_the_ports_it_names),
        cmocka_unit_test(test_entries_of_one_host_and_namespace_add_up),
        cmocka_unit_test(test_workloads_are_selected_by_labels_in_the_namespace),
        cmocka_unit_test(test_a_proxy_finds_its_own_ports_by_address),
        cmocka_unit_test(test_the_mesh_config_has_istios_defaults),
        cmocka_unit_test(test_what_no_resource_alone_can_see_is_found),
        cmocka_unit_test(test_the_order_of_arrival_makes_no_difference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
