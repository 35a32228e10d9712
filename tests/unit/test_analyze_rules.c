/* analyze: DestinationRules that nobody uses, what merging drops, failover that cannot happen. */
#include "analyze_fixture.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define FQDN               "cart.shop.svc.cluster.local"
#define V1                 "subsets: [{name: v1, labels: {version: v1}}]"
#define POLICY             "trafficPolicy: {connectionPool: {tcp: {maxConnections: 1}}}"
#define R(path, code)      "DestinationRule/shop/r spec." path " PIL" code "\n"
#define OF(ns, path, code) "DestinationRule/" ns "/r spec." path " PIL" code "\n"

static void test_hosts(void **state)
{
    static const struct analyze_case cases[] = {
        { "a host that a service has", CART RULE("shop", "r", "{host: cart}"), "" },
        { "a host that no service has", CART RULE("shop", "r", "{host: kart}"), R("host", "0401") },
        { "a wildcard over a service",
            CART RULE("shop", "r", "{host: '*.svc.cluster.local'}"),
            "" },
        { "a wildcard over all", CART RULE("shop", "r", "{host: '*'}"), "" },
        { "a wildcard over none",
            CART RULE("shop", "r", "{host: '*.gone.test'}"),
            R("host", "0401") },
        { "a wildcard stands for something",
            ENTRY(
                "shop", "x", "{hosts: [x.test], ports: [{number: 80, name: http, protocol: HTTP}]}")
                RULE("shop", "r", "{host: '*x.test'}"),
            R("host", "0401") },
    };
    (void)state;
    check_cases(cases, ARRAY_COUNT(cases));
}

static void test_rules_that_nobody_looks_for(void **state)
{
    static const struct analyze_case cases[] = {
        { "a rule for the callers of its own namespace",
            CART RULE("front", "r", "{host: " FQDN "}"),
            "" },
        { "a rule for callers of others, neither in the service's namespace nor in the root's",
            CART RULE("front", "r", "{host: " FQDN ", exportTo: [other]}"),
            OF("front", "exportTo", "0406") },
        { "the same in the service's namespace",
            CART RULE("shop", "r", "{host: cart, exportTo: [other]}"),
            "" },
        { "the same in the root namespace",
            CART RULE("istio-system", "r", "{host: " FQDN ", exportTo: [other]}"),
            "" },
        { "a rule whose callers do not see the service",
            SERVICE("cart", "exportTo: ['.'], ") RULE("front", "r", "{host: " FQDN "}"),
            OF("front", "host", "0406") },
        { "a rule for some callers that do not see the service",
            SERVICE("cart", "exportTo: ['.'], ")
                RULE("front", "r", "{host: " FQDN ", workloadSelector: {matchLabels: {app: web}}}"),
            OF("front", "host", "0406") },
    };
    (void)state;
    check_cases(cases, ARRAY_COUNT(cases));
}

static void test_rules_that_others_hide(void **state)
{
    static const struct analyze_case cases[] = {
        { "a wildcard beside the only host it covers",
            CART RULE("shop", "exact", "{host: cart}") RULE("shop", "r", "{host: '*.local'}"),
            R("host", "0406") },
        { "a wildcard beside one of two hosts",
            CART SERVICE("web", "") RULE("shop", "exact", "{host: cart}")
                RULE("shop", "r", "{host: '*.local'}"),
            "" },
        { "a wildcard beside a longer one",
            CART RULE("shop", "long", "{host: '*.svc.cluster.local'}")
                RULE("shop", "r", "{host: '*.local'}"),
            R("host", "0406") },
        { "a wildcard beside a host's rule for some callers",
            CART RULE("shop", "exact", "{host: cart, workloadSelector: {matchLabels: {app: web}}}")
                RULE("shop", "r", "{host: '*.local'}"),
            "" },
        { "a wildcard that more callers see",
            CART RULE("shop", "exact", "{host: cart, exportTo: ['.']}")
                RULE("shop", "r", "{host: '*.local'}"),
            "" },
        { "a wildcard in another namespace",
            CART RULE("shop", "exact", "{host: cart}") RULE("front", "r", "{host: '*.local'}"),
            "" },
        { "the root's rule where the service's namespace has one for all",
            CART RULE("shop", "own", "{host: cart}") RULE("istio-system", "r", "{host: " FQDN "}"),
            OF("istio-system", "host", "0406") },
        { "the root's rule where the service's namespace has one for itself",
            CART RULE("shop", "own", "{host: cart, exportTo: ['.']}")
                RULE("istio-system", "r", "{host: " FQDN "}"),
            "" },
        { "the root's rule for the root's own callers",
            CART RULE("shop", "own", "{host: cart}")
                RULE("istio-system", "r", "{host: " FQDN ", exportTo: ['.']}"),
            "" },
    };
    (void)state;
    check_cases(cases, ARRAY_COUNT(cases));
}

static void test_what_merging_leaves_out(void **state)
{
    static const struct analyze_case cases[] = {
        { "other subsets add up",
            CART RULE("shop", "older", "{host: cart, " V1 "}")
                RULE("shop", "r", "{host: cart, subsets: [{name: all}]}"),
            "" },
        { "a subset's name again, by any spelling of the host",
            CART RULE("shop", "older", "{host: cart, " V1 "}")
                RULE("shop", "r", "{host: " FQDN ", subsets: [{name: all}, {name: v1}]}"),
            R("subsets[1].name", "0407") },
        { "a second policy",
            CART RULE("shop", "older", "{host: cart, " POLICY "}")
                RULE("shop", "r", "{host: cart, " POLICY "}"),
            R("trafficPolicy", "0407") },
        { "the only policy",
            CART RULE("shop", "older", "{host: cart, " V1 "}")
                RULE("shop", "r", "{host: cart, " POLICY "}"),
            "" },
        { "another namespace's are not merged",
            CART RULE("shop", "older", "{host: cart, " V1 "}")
                RULE("front", "r", "{host: " FQDN ", " V1 "}"),
            "" },
        { "for some callers: instead of the others'",
            CART RULE("shop", "older", "{host: cart, " V1 "}") RULE(
                "shop", "r", "{host: cart, workloadSelector: {matchLabels: {app: web}}, " V1 "}"),
            "" },
        { "for other callers",
            CART RULE("shop", "older", "{host: cart, exportTo: [a], " V1 "}")
                RULE("shop", "r", "{host: cart, exportTo: [b], " V1 "}"),
            "" },
    };
    (void)state;
    check_cases(cases, ARRAY_COUNT(cases));
}

static void test_subsets_without_endpoints(void **state)
{
    static const struct analyze_case cases[] = {
        { "labels that an endpoint has", CART RULE("shop", "r", "{host: cart, " V1 "}"), "" },
        { "labels that none has",
            CART RULE("shop", "r", "{host: cart, subsets: [{name: v2, labels: {version: v2}}]}"),
            R("subsets[0].labels", "0408") },
        { "an empty value is a value",
            CART RULE("shop", "r", "{host: cart, subsets: [{name: x, labels: {zone: ''}}]}"),
            R("subsets[0].labels", "0408") },
    };
    (void)state;
    check_cases(cases, ARRAY_COUNT(cases));
}

#define FAILOVER "loadBalancer: {localityLbSetting: {failover: [{from: a, to: b}]}}"
#define PRIORITY "loadBalancer: {localityLbSetting: {failoverPriority: [zone]}}"
#define OUTLIERS "outlierDetection: {consecutive5xxErrors: 3}"
#define PORT(more)                                                                                 \
    CART RULE("shop",                                                                              \
        "r",                                                                                       \
        "{host: cart, trafficPolicy: {" OUTLIERS                                                   \
        ", portLevelSettings: [{port: {number: 80}, " more "}]}}")

static void test_failover_of_a_port_needs_outlier_detection_of_its_own(void **state)
{
    static const struct analyze_case cases[] = {
        { "failover without",
            PORT(FAILOVER),
            R("trafficPolicy.portLevelSettings[0].loadBalancer.localityLbSetting", "0409") },
        { "failover by priority without",
            PORT(PRIORITY),
            R("trafficPolicy.portLevelSettings[0].loadBalancer.localityLbSetting", "0409") },
        { "failover with it", PORT(FAILOVER ", " OUTLIERS), "" },
        { "distribution needs none",
            PORT("loadBalancer: {localityLbSetting: {distribute: [{from: a, to: {b: 100}}]}}"),
            "" },
        { "failover that is switched off",
            PORT("loadBalancer: {localityLbSetting: {enabled: false, failover: [{from: a, to: "
                 "b}]}}"),
            "" },
    };
    (void)state;
    check_cases(cases, ARRAY_COUNT(cases));
}

static void test_what_is_said(void **state)
{
    (void)state;
    check_text(CART RULE("shop", "older", "{host: cart, " V1 "}")
                   RULE("shop", "r", "{host: cart, " V1 "}"),
        "has no effect: subset \"v1\" of the older DestinationRule shop/older for the same host is "
        "in force");
    check_text(CART RULE("shop", "exact", "{host: cart}") RULE("shop", "r", "{host: '*.local'}"),
        "no caller uses this rule: DestinationRule shop/exact comes first for " FQDN);
    check_text(SERVICE("cart", "exportTo: ['.'], ") RULE("front", "r", "{host: " FQDN "}"),
        "no caller uses this rule: " FQDN " of namespace shop is not exported to front");
    check_text(CART RULE("front", "r", "{host: " FQDN ", exportTo: [other]}"),
        "no caller uses this rule: callers look in their own namespace, in that of " FQDN
        " (shop) and in istio-system; it is in front, and not exported there");
    check_text(CART RULE("shop", "r", "{host: kart}"),
        "no service is known as kart.shop.svc.cluster.local; the rule is not used; did you mean "
        "\"cart.shop.svc.cluster.local\"?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_rules_that_nobody_looks_for),
        cmocka_unit_test(test_rules_that_others_hide),
        cmocka_unit_test(test_what_merging_leaves_out),
        cmocka_unit_test(test_subsets_without_endpoints),
        cmocka_unit_test(test_failover_of_a_port_needs_outlier_detection_of_its_own),
        cmocka_unit_test(test_what_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
