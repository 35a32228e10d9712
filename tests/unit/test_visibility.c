/* visibility: who sees what by exportTo, and which hosts a pattern covers. */
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
/* A ServiceEntry of one host; `more`: further fields, each with its comma. */
#define ENTRY(ns, name, host, more)                                                                \
    RESOURCE("serviceentries",                                                                     \
        "ServiceEntry",                                                                            \
        ns,                                                                                        \
        name,                                                                                      \
        "{\"hosts\":[\"" host "\"]," more "\"resolution\":\"STATIC\",\"ports\":[{\"number\":80,"   \
        "\"name\":\"http\",\"protocol\":\"HTTP\"}]}")
#define ROUTE(ns, name, hosts, more)                                                               \
    RESOURCE("virtualservices",                                                                    \
        "VirtualService",                                                                          \
        ns,                                                                                        \
        name,                                                                                      \
        "{\"hosts\":[" hosts "]," more "\"http\":[{\"directResponse\":{\"status\":200}}]}")
#define EXPORT(to) "\"exportTo\":[" to "],"

/* ---- exportTo ---- */

enum { EXPORTS = 3 };

static string_list list_of(const char *const items[EXPORTS])
{
    static const char *copy[EXPORTS];
    string_list list = { .items = copy };
    while (list.count < EXPORTS && items[list.count]) {
        copy[list.count] = items[list.count];
        list.count++;
    }
    return list;
}

static const struct {
    const char *export_to[EXPORTS];
    bool is_seen_at_home, is_seen_in_shop, is_seen_elsewhere;
} exports[] = {
    { { "*" }, true, true, true },
    { { "." }, true, false, false },
    { { "~" }, false, false, false },
    { { "shop" }, false, true, false },
    { { ".", "shop" }, true, true, false },
    { { "shop", "bank", "*" }, true, true, true },
};

static void test_export_to_names_who_sees(void **state)
{
    (void)state;
    const string_list none = { 0 };

    for (size_t i = 0; i < ARRAY_COUNT(exports); i++) {
        string_list to = list_of(exports[i].export_to);
        assert_int_equal(export_is_visible(&to, &none, "home", "home"), exports[i].is_seen_at_home);
        assert_int_equal(export_is_visible(&to, &none, "home", "shop"), exports[i].is_seen_in_shop);
        assert_int_equal(
            export_is_visible(&to, &none, "home", "else"), exports[i].is_seen_elsewhere);
    }
}

static void test_without_export_to_the_meshs_default_holds(void **state)
{
    (void)state;
    const string_list none = { 0 };
    string_list own = list_of((const char *const[EXPORTS]){ "." });

    assert_true(export_is_visible(&none, &own, "home", "home"));
    assert_false(export_is_visible(&none, &own, "home", "shop"));
    assert_true(export_is_visible(&none, &none, "home", "shop"));
}

static void test_the_meshs_default_is_of_services_and_routes_each(void **state)
{
    (void)state;
    const struct fixture_value values[] = { { "mesh",
                                                "{\"defaultServiceExportTo\":[\".\"],"
                                                "\"defaultVirtualServiceExportTo\":[\"*\"]}" },
        ENTRY("home", "a", "a.test", ""),
        ROUTE("home", "a", "\"a.test\"", "") };
    struct snapshot *s = fixture_snapshot(values, ARRAY_COUNT(values));
    struct arena *a = arena_new();
    struct scope *shop = fixture_scope(a, "sidecar~10.0.0.1~w.shop~shop.svc.cluster.local", "{}");

    assert_non_null(snapshot_find_service(s, "a.test", "home"));
    assert_null(snapshot_find_service(s, "a.test", "shop"));
    assert_non_null(virtual_service_find(s, shop, "a.test"));
    arena_free(a);
    snapshot_release(s);
}

/* ---- services of one host ---- */

static void test_the_own_namespaces_service_beats_an_older_one(void **state)
{
    (void)state;
    const struct fixture_value values[] = { ENTRY("old", "a", "a.test", ""),
        ENTRY("mid", "a", "a.test", ""),
        ENTRY("young", "a", "a.test", "") };
    struct snapshot *s = fixture_snapshot(values, ARRAY_COUNT(values));

    assert_string_equal(snapshot_find_service(s, "a.test", "young")->ns, "young");
    assert_string_equal(snapshot_find_service(s, "a.test", "else")->ns, "old");
    assert_null(snapshot_find_service(s, "b.test", "young"));
    snapshot_release(s);
}

static void test_an_inferred_service_is_as_old_as_its_oldest_instance(void **state)
{
    (void)state;
    const struct fixture_value values[] = {
        { "registry/shop/cart/z", "{\"address\":\"10.0.0.1\",\"ports\":{\"http\":8080}}" },
        ENTRY("bank", "a", "cart.shop.svc.cluster.local", ""),
        { "registry/shop/cart/a", "{\"address\":\"10.0.0.2\",\"ports\":{\"http\":8080}}" }
    };
    struct snapshot *s = fixture_snapshot(values, ARRAY_COUNT(values));

    const struct service *found = snapshot_find_service(s, "cart.shop.svc.cluster.local", "else");

    assert_string_equal(found->ns, "shop");
    assert_int_equal(found->create_revision, 1);
    snapshot_release(s);
}

static void test_what_is_not_exported_leaves_its_host_to_the_next(void **state)
{
    (void)state;
    const struct fixture_value values[] = { ENTRY("old", "a", "a.test", EXPORT("\".\"")),
        ENTRY("mid", "a", "a.test", EXPORT("\"shop\"")),
        ENTRY("young", "a", "a.test", "") };
    struct snapshot *s = fixture_snapshot(values, ARRAY_COUNT(values));

    assert_string_equal(snapshot_find_service(s, "a.test", "old")->ns, "old");
    assert_string_equal(snapshot_find_service(s, "a.test", "shop")->ns, "mid");
    assert_string_equal(snapshot_find_service(s, "a.test", "else")->ns, "young");
    snapshot_release(s);
}

static void test_a_scope_sees_one_service_for_each_host_sorted_by_host(void **state)
{
    (void)state;
    const struct fixture_value values[] = { ENTRY("shop", "z", "z.test", ""),
        ENTRY("home", "a", "a.test", ""),
        ENTRY("shop", "a", "a.test", ""),
        ENTRY("home", "m", "m.test", EXPORT("\".\"")) };
    struct snapshot *s = fixture_snapshot(values, ARRAY_COUNT(values));
    struct arena *a = arena_new();
    struct scope *shop = fixture_scope(a, "sidecar~10.0.0.1~w.shop~shop.svc.cluster.local", "{}");

    service_list seen = visible_services(a, s, shop);

    assert_int_equal(seen.count, 2);
    assert_string_equal(seen.items[0]->host, "a.test");
    assert_string_equal(seen.items[0]->ns, "shop");
    assert_string_equal(seen.items[1]->host, "z.test");
    arena_free(a);
    snapshot_release(s);
}

/* ---- routes without a service ---- */

static void test_hosts_of_routes_that_no_visible_service_has_are_listed_once(void **state)
{
    (void)state;
    const struct fixture_value values[] = { ENTRY("home", "a", "a.test", EXPORT("\".\"")),
        ENTRY("home", "b", "b.test", ""),
        ROUTE("home", "one", "\"a.test\",\"b.test\",\"c.test\",\"*.wild.test\"", ""),
        ROUTE("home", "two", "\"c.test\"", ""),
        ROUTE("home", "gateway", "\"d.test\"", "\"gateways\":[\"home/gw\"],"),
        ROUTE("home", "private", "\"e.test\"", EXPORT("\".\"")) };
    struct snapshot *s = fixture_snapshot(values, ARRAY_COUNT(values));
    struct arena *a = arena_new();
    struct scope *shop = fixture_scope(a, "sidecar~10.0.0.1~w.shop~shop.svc.cluster.local", "{}");

    unserved_host_list hosts = virtual_service_unserved_hosts(a, s, shop);

    assert_int_equal(hosts.count, 2);
    assert_string_equal(hosts.items[0].host, "a.test");
    assert_string_equal(hosts.items[1].host, "c.test");
    assert_string_equal(hosts.items[1].virtual_service->name, "one");
    arena_free(a);
    snapshot_release(s);
}

/* ---- hosts ---- */

static const struct {
    const char *pattern, *host;
    bool is_covered;
} patterns[] = {
    { "a.test", "a.test", true },
    { "a.test", "b.a.test", false },
    { "*", "a.test", true },
    { "*", "*.test", true },
    { "*.test", "a.test", true },
    { "*-x.test", "a-x.test", true },
    { "*-x.test", "a.x.test", false },
    { "*.test", "b.a.test", true },
    { "*.test", "*.a.test", true },
    { "*.test", "*.test", true },
    { "*.test", "test", false },
    { "*.test", ".test", false },
    { "*.test", "a-test", false },
    { "*.a.test", "*.test", false },
};

static void test_a_pattern_covers_whole_labels(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(patterns); i++)
        if (host_matches(patterns[i].pattern, patterns[i].host) != patterns[i].is_covered)
            fail_msg("%s and %s", patterns[i].pattern, patterns[i].host);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_export_to_names_who_sees),
        cmocka_unit_test(test_without_export_to_the_meshs_default_holds),
        cmocka_unit_test(test_the_meshs_default_is_of_services_and_routes_each),
        cmocka_unit_test(test_the_own_namespaces_service_beats_an_older_one),
        cmocka_unit_test(test_an_inferred_service_is_as_old_as_its_oldest_instance),
        cmocka_unit_test(test_what_is_not_exported_leaves_its_host_to_the_next),
        cmocka_unit_test(test_a_scope_sees_one_service_for_each_host_sorted_by_host),
        cmocka_unit_test(test_hosts_of_routes_that_no_visible_service_has_are_listed_once),
        cmocka_unit_test(test_a_pattern_covers_whole_labels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
