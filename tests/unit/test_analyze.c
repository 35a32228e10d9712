/* analyze: each finding with its place, and what must not be found. */
#include "mesh_fixture.h"

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
#define CART                                                                                       \
    {                                                                                              \
        "registry/shop/cart/a", "{\"address\":\"10.0.0.1\",\"ports\":{\"http\":8080}}"             \
    }
#define RULE(ns, name, spec) RESOURCE("destinationrules", "DestinationRule", ns, name, spec)
#define ROUTES(ns, name, more, http)                                                               \
    RESOURCE("virtualservices",                                                                    \
        "VirtualService",                                                                          \
        ns,                                                                                        \
        name,                                                                                      \
        "{\"hosts\":[\"cart\"]," more "\"http\":[" http "]}")
#define TO(host)              "\"route\":[{\"destination\":{\"host\":\"" host "\"}}]"
#define TO_SUBSET(host, name) "{\"destination\":{\"host\":\"" host "\",\"subset\":\"" name "\"}}"
#define STABLE                "\"subsets\":[{\"name\":\"stable\",\"labels\":{\"version\":\"v1\"}}]"
#define PORT(host, number, protocol, more)                                                         \
    "{\"hosts\":[\"" host "\"]," more "\"resolution\":\"STATIC\",\"ports\":[{\"number\":" number   \
    ",\"name\":\"p\",\"protocol\":\"" protocol "\"}]}"
#define ENTRY(name, spec) RESOURCE("serviceentries", "ServiceEntry", "shop", name, spec)

enum { VALUES = 5 };

/* Either one finding, or none where `code` is 0. */
static const struct {
    const char *what;
    struct fixture_value values[VALUES];
    enum diag_code code;
    const char *key, *path, *hint;
} cases[] = {
    { "a route to a host that is there", { CART, ROUTES("shop", "v", "", "{" TO("cart") "}") }, 0 },
    { "a route to a host that nothing defines",
        { CART, ROUTES("shop", "v", "", "{" TO("carts") "}") },
        DIAG_UNKNOWN_HOST,
        "config/virtualservices/shop/v",
        "spec.http[0].route[0].destination.host",
        "did you mean \"cart.shop.svc.cluster.local\"?" },
    { "a mirror to a host that nothing defines",
        { CART,
            ROUTES("shop", "v", "",
                "{\"mirror\":{\"host\":\"elsewhere.example.test\"}," TO("cart") "}") },
        DIAG_UNKNOWN_HOST,
        "config/virtualservices/shop/v",
        "spec.http[0].mirror.host",
        NULL },
    { "the second destination's subset",
        { CART,
            RULE("shop", "r", "{\"host\":\"cart\"," STABLE "}"),
            ROUTES("shop", "v", "",
                "{\"route\":[{\"weight\":90,\"destination\":{\"host\":\"cart\",\"subset\":"
                "\"stable\"}},{\"weight\":10,\"destination\":{\"host\":\"cart\",\"subset\":"
                "\"stabel\"}}]}") },
        DIAG_UNKNOWN_SUBSET,
        "config/virtualservices/shop/v",
        "spec.http[0].route[1].destination.subset",
        "did you mean \"stable\"?" },
    { "a subset without any rule",
        { CART, ROUTES("shop", "v", "", "{\"route\":[" TO_SUBSET("cart", "v9") "]}") },
        DIAG_UNKNOWN_SUBSET,
        "config/virtualservices/shop/v",
        "spec.http[0].route[0].destination.subset",
        NULL },
    { "a subset of a rule that is not visible from there",
        { CART,
            RULE("shop", "r", "{\"host\":\"cart\",\"exportTo\":[\".\"]," STABLE "}"),
            RESOURCE("virtualservices", "VirtualService", "front", "v",
                "{\"hosts\":[\"x.test\"],\"http\":[{\"route\":[" TO_SUBSET(
                    "cart.shop.svc.cluster.local", "stable") "]}]}") },
        DIAG_UNKNOWN_SUBSET,
        "config/virtualservices/front/v",
        "spec.http[0].route[0].destination.subset",
        NULL },
    { "a subset of a rule of the root namespace",
        { CART,
            RULE("istio-system", "r", "{\"host\":\"cart.shop.svc.cluster.local\"," STABLE "}"),
            ROUTES("shop", "v", "", "{\"route\":[" TO_SUBSET("cart", "stable") "]}") },
        0 },
    { "a rule after a catch-all",
        { CART,
            ROUTES("shop", "v", "",
                "{\"match\":[{\"uri\":{\"prefix\":\"/a\"}},{\"uri\":{\"prefix\":\"/\"}}]," TO(
                    "cart") "},{" TO("cart") "}") },
        DIAG_SHADOWED,
        "config/virtualservices/shop/v",
        "spec.http[1]",
        NULL },
    { "a rule after a regular expression that takes every path",
        { CART,
            ROUTES("shop", "v", "",
                "{\"match\":[{\"uri\":{\"regex\":\".*\"}}]," TO("cart") "},{" TO("cart") "}") },
        DIAG_SHADOWED,
        "config/virtualservices/shop/v",
        "spec.http[1]",
        NULL },
    { "a catch-all that comes last",
        { CART,
            ROUTES("shop", "v", "",
                "{\"match\":[{\"uri\":{\"prefix\":\"/a\"}}]," TO("cart") "},{" TO("cart") "}") },
        0 },
    { "a match of some callers alone",
        { CART,
            ROUTES("shop", "v", "",
                "{\"match\":[{\"sourceLabels\":{\"app\":\"web\"}}]," TO("cart") "},{" TO(
                    "cart") "}") },
        0 },
    { "a second VirtualService for a host",
        { CART,
            ROUTES("shop", "older", "", "{" TO("cart") "}"),
            ROUTES("shop", "newer", "", "{" TO("cart") "}") },
        DIAG_DUPLICATE_HOST,
        "config/virtualservices/shop/newer",
        "spec.hosts",
        NULL },
    { "a second VirtualService for a gateway alone",
        { CART,
            ROUTES("shop", "older", "", "{" TO("cart") "}"),
            ROUTES("shop", "newer", "\"gateways\":[\"shop/gw\"],", "{" TO("cart") "}") },
        0 },
    { "a rule whose host no service has",
        { CART, RULE("shop", "r", "{\"host\":\"kart\"}") },
        DIAG_UNKNOWN_HOST,
        "config/destinationrules/shop/r",
        "spec.host",
        "did you mean \"cart.shop.svc.cluster.local\"?" },
    { "a rule whose wildcard covers a service",
        { CART, RULE("shop", "r", "{\"host\":\"*.svc.cluster.local\"}") },
        0 },
    { "a rule whose wildcard covers none",
        { CART, RULE("shop", "r", "{\"host\":\"*.gone.test\"}") },
        DIAG_UNKNOWN_HOST,
        "config/destinationrules/shop/r",
        "spec.host",
        NULL },
    { "two TCP services on a port",
        { ENTRY("older", PORT("a.test", "9000", "TCP", "")),
            ENTRY("newer", PORT("b.test", "9000", "TCP", "")) },
        DIAG_PORT_CONFLICT,
        "config/serviceentries/shop/newer",
        "spec.ports",
        "give the services virtual addresses, or different ports" },
    { "two TCP services on a port, one with an address",
        { ENTRY("older", PORT("a.test", "9000", "TCP", "")),
            ENTRY("newer", PORT("b.test", "9000", "TCP", "\"addresses\":[\"10.9.0.1\"],")) },
        0 },
    { "two TLS services on a port, told apart by name",
        { ENTRY("older", PORT("a.test", "443", "TLS", "")),
            ENTRY("newer", PORT("b.test", "443", "TLS", "")) },
        0 },
    { "two HTTP services on a port",
        { ENTRY("older", PORT("a.test", "80", "HTTP", "")),
            ENTRY("newer", PORT("b.test", "80", "HTTP", "")) },
        0 },
    { "a port that two entries of a host declare",
        { ENTRY("older", PORT("a.test", "80", "HTTP", "")),
            ENTRY("newer", PORT("a.test", "80", "HTTP", "")) },
        DIAG_PORT_CONFLICT,
        "config/serviceentries/shop/newer",
        "spec.ports[0]",
        NULL },
};

static void assert_text(const char *what, const char *is, const char *wanted)
{
    if (!is != !wanted || (is && strcmp(is, wanted) != 0))
        fail_msg("%s: %s, not %s", what, is ? is : "nothing", wanted ? wanted : "nothing");
}

static void check_case(size_t i)
{
    size_t count = 0;
    while (count < VALUES && cases[i].values[count].key)
        count++;
    struct snapshot *s = fixture_snapshot(cases[i].values, count);

    if (s->findings.count != (cases[i].code ? 1 : 0))
        fail_msg("%s: %zu findings", cases[i].what, s->findings.count);
    for (list_each (const struct finding, f, &s->findings)) {
        assert_int_equal(f->diag.code, cases[i].code);
        assert_int_equal(f->diag.severity, DIAG_WARNING);
        assert_text(cases[i].what, f->key, cases[i].key);
        assert_text(cases[i].what, f->diag.path, cases[i].path);
        assert_text(cases[i].what, f->diag.hint, cases[i].hint);
    }
    snapshot_release(s);
}

static void test_each_fault_is_found_at_its_place_and_nothing_else(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++)
        check_case(i);
}

static void test_the_finding_says_which_virtual_service_wins(void **state)
{
    (void)state;
    const struct fixture_value values[] = { CART,
        ROUTES("shop", "z-older", "", "{" TO("cart") "}"),
        ROUTES("shop", "a-newer", "", "{" TO("cart") "}") };
    struct snapshot *s = fixture_snapshot(values, ARRAY_COUNT(values));

    assert_int_equal(s->findings.count, 1);
    assert_string_equal(s->findings.items[0].key, "config/virtualservices/shop/a-newer");
    assert_non_null(strstr(s->findings.items[0].diag.message, "shop/z-older"));
    snapshot_release(s);
}

static void test_the_oldest_of_three_virtual_services_wins_over_both_others(void **state)
{
    (void)state;
    const struct fixture_value values[] = { CART,
        ROUTES("shop", "first", "", "{" TO("cart") "}"),
        ROUTES("shop", "second", "", "{" TO("cart") "}"),
        ROUTES("shop", "third", "", "{" TO("cart") "}") };
    struct snapshot *s = fixture_snapshot(values, ARRAY_COUNT(values));

    assert_int_equal(s->findings.count, 2);
    for (size_t i = 0; i < s->findings.count; i++)
        assert_non_null(strstr(s->findings.items[i].diag.message, "shop/first"));
    snapshot_release(s);
}

#define WILD(name, host)                                                                           \
    RESOURCE("virtualservices",                                                                    \
        "VirtualService",                                                                          \
        "shop",                                                                                    \
        name,                                                                                      \
        "{\"hosts\":[\"" host "\"],\"http\":[{\"directResponse\":{\"status\":200}}]}")

static void test_wildcard_hosts_are_compared_past_others_of_their_length(void **state)
{
    (void)state;
    const struct fixture_value values[] = {
        WILD("a", "*.aa.test"), WILD("b", "*.bb.test"), WILD("c", "*.aa.test")
    };
    struct snapshot *s = fixture_snapshot(values, ARRAY_COUNT(values));

    assert_int_equal(s->findings.count, 1);
    assert_string_equal(s->findings.items[0].key, "config/virtualservices/shop/c");
    snapshot_release(s);
}

static void test_findings_are_sorted_by_key_then_path(void **state)
{
    (void)state;
    const struct fixture_value values[] = { ROUTES("shop",
                                                "z",
                                                "",
                                                "{\"match\":[{\"uri\":{\"prefix\":\"/a\"}}]," TO(
                                                    "x.test") "},{" TO("y.test") "}"),
        RULE("shop", "r", "{\"host\":\"gone\"}"),
        ROUTES("other", "a", "", "{" TO("z.test") "}") };
    struct snapshot *s = fixture_snapshot(values, ARRAY_COUNT(values));

    assert_int_equal(s->findings.count, 4);
    for (size_t i = 1; i < s->findings.count; i++) {
        const struct finding *a = &s->findings.items[i - 1], *b = &s->findings.items[i];
        int order = strcmp(a->key, b->key);
        assert_true(order < 0 || (order == 0 && strcmp(a->diag.path, b->diag.path) < 0));
    }
    snapshot_release(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_fault_is_found_at_its_place_and_nothing_else),
        cmocka_unit_test(test_the_finding_says_which_virtual_service_wins),
        cmocka_unit_test(test_the_oldest_of_three_virtual_services_wins_over_both_others),
        cmocka_unit_test(test_wildcard_hosts_are_compared_past_others_of_their_length),
        cmocka_unit_test(test_findings_are_sorted_by_key_then_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
