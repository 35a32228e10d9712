/* analyze: where VirtualServices lead; the order of what is found; suggestions. */
#include "analyze_fixture.h"
#include "mesh_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define LEADS(to)     HTTP("{route: [" to "]}")
#define DEST(more)    "{destination: {host: cart" more "}}"
#define V(path, code) "VirtualService/shop/v spec." path " PIL" code "\n"
#define V1            "{name: v1, labels: {version: v1}}"
#define VERSIONS      RULE("shop", "r", "{host: cart, subsets: [" V1 "]}")

static void test_hosts(void **state)
{
    static const struct analyze_case cases[] = {
        { "a host that is there", CART HTTP("{" TO("cart") "}"), "" },
        { "a host that nothing defines",
            CART HTTP("{" TO("carts") "}"),
            V("http[0].route[0].destination.host", "0401") },
        { "a mirror's",
            CART HTTP("{mirror: {host: x.test}, " TO("cart") "}"),
            V("http[0].mirror.host", "0401") },
        { "one of several mirrors'",
            CART HTTP("{mirrors: [{destination: {host: cart}}, {destination: {host: x.test}}], " TO(
                "cart") "}"),
            V("http[0].mirrors[1].destination.host", "0401") },
        { "of connections",
            CART ROUTES("shop",
                "v",
                "{hosts: [a.test], tls: [{match: [{sniHosts: [a.test]}], " TO(
                    "x.test") "}], tcp: [{" TO("y.test") "}]}"),
            V("tcp[0].route[0].destination.host", "0401")
                V("tls[0].route[0].destination.host", "0401") },
        { "a host that its namespace alone sees",
            SERVICE("cart", "exportTo: ['.'], ") ROUTES(
                "front", "v", "{hosts: [x.test], http: [{" TO("cart.shop.svc.cluster.local") "}]}"),
            "VirtualService/front/v spec.http[0].route[0].destination.host PIL0401\n" },
        { "callers in another namespace do not see it",
            SERVICE("cart", "exportTo: ['.'], ") ROUTES(
                "shop", "v", "{hosts: [x.test], exportTo: ['.', front], http: [{" TO("cart") "}]}"),
            V("http[0].route[0].destination.host", "0401") },
        { "callers in the own namespace are not meant",
            SERVICE("cart", "exportTo: [front], ") ROUTES(
                "shop", "v", "{hosts: [x.test], exportTo: [front], http: [{" TO("cart") "}]}"),
            "" },
    };
    (void)state;
    check_cases(cases, ARRAY_COUNT(cases));
}

#define TWO_PORTS(one, other)                                                                      \
    ENTRY("shop",                                                                                  \
        "two",                                                                                     \
        "{hosts: [two.shop.svc.cluster.local], resolution: DNS, ports: [{number: " one             \
        ", name: http-a, protocol: HTTP}, {number: " other ", name: http-b, protocol: HTTP}]}")

static void test_ports(void **state)
{
    static const struct analyze_case cases[] = {
        { "a port that it has", CART LEADS(DEST(", port: {number: 80}")), "" },
        { "a port that it has not",
            CART LEADS(DEST(", port: {number: 8080}")),
            V("http[0].route[0].destination.port.number", "0411") },
        { "no port named, of one that is the caller's, too",
            CART TWO_PORTS("80", "81") HTTP("{" TO("two") "}"),
            "" },
        { "no port named, of several that are not the caller's",
            CART TWO_PORTS("81", "82") HTTP("{" TO("two") "}"),
            V("http[0].route[0].destination", "0411") },
        { "no port named, in a rule for a port",
            CART TWO_PORTS("81", "82") HTTP("{match: [{port: 81}], " TO("two") "}"),
            "" },
        { "no port named, of only one", CART SERVICE("web", "") HTTP("{" TO("web") "}"), "" },
        { "no port named of the host itself",
            TWO_PORTS("81", "82") ROUTES("shop", "v", "{hosts: [two], http: [{" TO("two") "}]}"),
            "" },
    };
    (void)state;
    check_cases(cases, ARRAY_COUNT(cases));
}

#define SELECTED(name)                                                                             \
    RULE("shop",                                                                                   \
        "selected",                                                                                \
        "{host: cart, workloadSelector: {matchLabels: {app: web}}, subsets: [{name: " name         \
        ", labels: {version: v1}}]}")

static void test_subsets(void **state)
{
    static const struct analyze_case cases[] = {
        { "a subset that a rule defines", CART VERSIONS LEADS(DEST(", subset: v1")), "" },
        { "the second destination's",
            CART VERSIONS HTTP(
                "{route: [{weight: 90, destination: {host: cart, subset: v1}}, {weight: 10, "
                "destination: {host: cart, subset: v2}}]}"),
            V("http[0].route[1].destination.subset", "0402") },
        { "a subset without any rule",
            CART LEADS(DEST(", subset: v1")),
            V("http[0].route[0].destination.subset", "0402") },
        { "a subset for some callers alone", CART SELECTED("v1") LEADS(DEST(", subset: v1")), "" },
        { "another subset for some callers alone",
            CART SELECTED("v2") LEADS(DEST(", subset: v1")),
            V("http[0].route[0].destination.subset", "0402") },
        { "a subset of a rule that is not visible from there",
            CART RULE("shop",
                "r",
                "{host: cart, exportTo: ['.'], subsets: [{name: v1, labels: {version: v1}}]}")
                ROUTES("front",
                    "v",
                    "{hosts: [x.test], http: [{route: [{destination: {host: "
                    "cart.shop.svc.cluster.local, subset: v1}}]}]}"),
            "VirtualService/front/v spec.http[0].route[0].destination.subset PIL0402\n" },
        { "a subset of a rule of the root namespace",
            CART RULE("istio-system",
                "r",
                "{host: cart.shop.svc.cluster.local, subsets: [{name: v1, labels: {version: v1}}]}")
                LEADS(DEST(", subset: v1")),
            "" },
    };
    (void)state;
    check_cases(cases, ARRAY_COUNT(cases));
}

#define EMPTY(more)                                                                                \
    ENTRY("shop",                                                                                  \
        "cart",                                                                                    \
        "{hosts: [cart.shop.svc.cluster.local], ports: [{number: 80, name: http, protocol: HTTP}]" \
        ", " more "}")
#define NEW_VERSION                                                                                \
    RULE("shop",                                                                                   \
        "r",                                                                                       \
        "{host: cart, subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: "  \
        "v2}}]}")
#define SPLIT(weight)                                                                              \
    HTTP("{route: [{weight: 90, destination: {host: cart, subset: v1}}, {weight: " weight          \
         ", destination: {host: cart, subset: v2}}]}")
#define NO_V2 "DestinationRule/shop/r spec.subsets[1].labels PIL0408\n"

static void test_traffic_that_leads_nowhere(void **state)
{
    static const struct analyze_case cases[] = {
        { "a share for a subset without endpoints",
            CART NEW_VERSION SPLIT("10"),
            NO_V2 V("http[0].route[1].destination.subset", "0408") },
        { "no share for it", CART NEW_VERSION SPLIT("0"), NO_V2 },
        { "a single destination, whose weight does not count",
            CART NEW_VERSION HTTP("{route: [{weight: 0, destination: {host: cart, subset: v2}}]}"),
            NO_V2 V("http[0].route[0].destination.subset", "0408") },
        { "a service without endpoints",
            EMPTY("resolution: STATIC") LEADS(DEST("")),
            V("http[0].route[0].destination.host", "0408") },
        { "a service without endpoints, with a subset: that is not the subset's fault",
            EMPTY("resolution: STATIC") VERSIONS LEADS(DEST(", subset: v1")),
            V("http[0].route[0].destination.host", "0408") },
        { "a service that is resolved by its own name",
            EMPTY("resolution: DNS") LEADS(DEST("")),
            "" },
        { "a subset of a service that is resolved by its own name",
            EMPTY("resolution: DNS") VERSIONS LEADS(DEST(", subset: v1")),
            "DestinationRule/shop/r spec.subsets[0].labels PIL0408\n" V(
                "http[0].route[0].destination.subset", "0408") },
        { "a service that is called where the caller was going",
            EMPTY("resolution: NONE") VERSIONS LEADS(DEST(", subset: v1")),
            "" },
        { "a subset that is passed through",
            CART RULE("shop",
                "r",
                "{host: cart, trafficPolicy: {loadBalancer: {simple: PASSTHROUGH}}, subsets: [{"
                "name: v2, labels: {version: v2}}]}") LEADS(DEST(", subset: v2")),
            "" },
    };
    (void)state;
    check_cases(cases, ARRAY_COUNT(cases));
}

#define LEAF(more) ROUTES("shop", "leaf", "{" more "http: [{" TO("cart") "}]}")

static void test_delegates(void **state)
{
    static const struct analyze_case cases[] = {
        { "a delegate that is there", CART LEAF("") HTTP("{delegate: {name: leaf}}"), "" },
        { "a delegate that is not there",
            CART HTTP("{delegate: {name: leaf}}"),
            V("http[0].delegate", "0412") },
        { "a delegate with hosts is none",
            CART ROUTES("shop", "leaf", "{hosts: [x.test], http: [{" TO("cart") "}]}")
                HTTP("{delegate: {name: leaf}}"),
            V("http[0].delegate", "0412") },
        { "a delegate of another namespace",
            CART LEAF("") ROUTES("front",
                "v",
                "{hosts: [x.test], http: [{delegate: {name: leaf, namespace: shop}}]}"),
            "" },
        { "a delegate that another namespace does not see",
            CART LEAF("exportTo: ['.'], ") ROUTES("front",
                "v",
                "{hosts: [x.test], http: [{delegate: {name: leaf, namespace: shop}}]}"),
            "VirtualService/front/v spec.http[0].delegate PIL0412\n"
            "VirtualService/shop/leaf spec PIL0406\n" },
        { "a delegate that nobody names",
            CART LEAF(""),
            "VirtualService/shop/leaf spec PIL0406\n" },
        { "routes that match nothing of the root's",
            CART ROUTES("shop",
                "leaf",
                "{http: [{match: [{uri: {prefix: /a/b}}], " TO("cart") "}, {match: [{uri: {prefix: "
                                                                       "/b}}], " TO("cart") "}]}")
                HTTP("{match: [{uri: {prefix: /a}}], delegate: {name: leaf}}"),
            V("http[0].delegate", "0406") },
        { "a delegate that is named for each of its routes",
            CART ROUTES(
                "shop", "leaf", "{http: [{match: [{uri: {prefix: /a/b}}], " TO("cart") "}]}")
                HTTP("{match: [{uri: {prefix: /b}}], delegate: {name: leaf}}, {match: [{uri: "
                     "{prefix: /a}}], delegate: {name: leaf}}"),
            V("http[0].delegate", "0406") },
        { "where a delegate leads",
            CART ROUTES("shop", "leaf", "{http: [{" TO("x.test") "}]}")
                HTTP("{delegate: {name: leaf}}"),
            "VirtualService/shop/leaf spec.http[0].route[0].destination.host PIL0401\n" },
    };
    (void)state;
    check_cases(cases, ARRAY_COUNT(cases));
}

static void test_what_is_said(void **state)
{
    (void)state;
    check_text(CART HTTP("{" TO("carts") "}"),
        "no service is known as carts.shop.svc.cluster.local; requests get 503; did you mean "
        "\"cart.shop.svc.cluster.local\"?");
    check_text(CART HTTP("{" TO("cart.shpo.svc.cluster.local") "}"),
        "no service is known as cart.shpo.svc.cluster.local; requests get 503; did you mean "
        "\"cart.shop.svc.cluster.local\"?");
    check_text(CART ROUTES("front", "v", "{hosts: [x.test], http: [{" TO("cart") "}]}"),
        "no service is known as cart.front.svc.cluster.local; requests get 503; did you mean "
        "\"cart.shop.svc.cluster.local\"?");
    check_text(CART HTTP("{" TO("reviews") "}"),
        "no service is known as reviews.shop.svc.cluster.local; requests get 503");
    check_text(CART RULE("shop", "r", "{host: cart, subsets: [{name: stable}]}")
                   LEADS(DEST(", subset: stabel")),
        "no DestinationRule for cart.shop.svc.cluster.local defines subset \"stabel\"; requests "
        "get "
        "503; did you mean \"stable\"?");
    check_text(CART LEADS(DEST(", port: {number: 8080}")),
        "cart.shop.svc.cluster.local has no port 8080; requests get 503; it has 80");
    check_text(
        SERVICE("cart", "exportTo: ['.'], ") ROUTES(
            "shop", "v", "{hosts: [x.test], exportTo: ['.', front], http: [{" TO("cart") "}]}"),
        "cart.shop.svc.cluster.local of namespace shop is not exported to front; requests get 503 "
        "from namespace front");
    check_text(CART HTTP("{mirror: {host: x.test}, " TO("cart") "}"),
        "no service is known as x.test; mirrored requests are lost");
}

static void test_findings_are_sorted_by_key_then_path(void **state)
{
    static const struct analyze_case cases[] = {
        { "a mesh with much to say",
            HTTP("{match: [{uri: {prefix: /a}}], " TO("x.test") "}, {" TO("y.test") "}")
                RULE("shop", "r", "{host: gone}")
                    ROUTES("other", "a", "{hosts: [x.test], http: [{" TO("z.test") "}]}"),
            "DestinationRule/shop/r spec.host PIL0401\n"
            "VirtualService/other/a spec.http[0].route[0].destination.host PIL0401\n" V(
                "http[0].route[0].destination.host", "0401")
                V("http[1].route[0].destination.host", "0401") },
    };
    (void)state;
    check_cases(cases, ARRAY_COUNT(cases));
}

static void test_services_of_the_registry_count_as_well(void **state)
{
    (void)state;
    const struct fixture_value values[] = {
        { "registry/shop/cart/a",
            "{\"address\":\"10.0.0.1\",\"ports\":{\"http\":8080},\"labels\":{\"version\":\"v1\"}"
            "}" },
        { "config/virtualservices/shop/v",
            "{\"apiVersion\":\"networking.istio.io/v1\",\"kind\":\"VirtualService\",\"metadata\":{"
            "\"name\":\"v\",\"namespace\":\"shop\"},\"spec\":{\"hosts\":[\"cart\"],\"http\":[{"
            "\"route\":[{\"destination\":{\"host\":\"cart\",\"port\":{\"number\":8081}}}]}]}}" },
    };
    struct snapshot *s = fixture_snapshot(values, ARRAY_COUNT(values));

    assert_int_equal(s->findings.count, 1);
    assert_int_equal(s->findings.items[0].diag.code, DIAG_UNKNOWN_PORT);
    assert_string_equal(s->findings.items[0].key, "config/virtualservices/shop/v");
    snapshot_release(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_ports),
        cmocka_unit_test(test_subsets),
        cmocka_unit_test(test_traffic_that_leads_nowhere),
        cmocka_unit_test(test_delegates),
        cmocka_unit_test(test_what_is_said),
        cmocka_unit_test(test_findings_are_sorted_by_key_then_path),
        cmocka_unit_test(test_services_of_the_registry_count_as_well),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
