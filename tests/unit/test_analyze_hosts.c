/* analyze: hosts that two resources are for, ports that two services want, idle workloads. */
#include "analyze_fixture.h"
#include "mesh_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define VS(ns, name, hosts, more)                                                                  \
    ROUTES(ns, name, "{hosts: [" hosts "], " more "http: [{" ANSWER "}]}")
#define TCP_VS(ns, name, hosts) ROUTES(ns, name, "{hosts: [" hosts "], tcp: [{" TO("cart") "}]}")
#define LOSER(name, index)      "VirtualService/shop/" name " spec.hosts[" index "] PIL0404\n"
#define FQDN                    "cart.shop.svc.cluster.local"

static void test_virtual_services_of_one_host(void **state)
{
    static const struct analyze_case cases[] = {
        { "one host twice, by any spelling",
            CART VS("shop", "a", "cart", "") VS("shop", "b", "x.test, " FQDN, ""),
            LOSER("b", "1") },
        { "the oldest of three wins over both others",
            CART VS("shop", "c", "cart", "") VS("shop", "b", "cart", "")
                VS("shop", "a", "cart", ""),
            LOSER("a", "0") LOSER("b", "0") },
        { "for a gateway alone",
            CART VS("shop", "a", "cart", "") VS("shop", "b", "cart", "gateways: [gw], "),
            "" },
        { "for a gateway as well",
            CART VS("shop", "a", "cart", "") VS("shop", "b", "cart", "gateways: [gw, mesh], "),
            LOSER("b", "0") },
        { "in namespaces that do not see each other's",
            CART VS("front", "a", FQDN, "exportTo: ['.'], ")
                VS("shop", "b", "cart", "exportTo: ['.', other], "),
            "" },
        { "a namespace sees both",
            CART VS("front", "a", FQDN, "exportTo: [other], ")
                VS("shop", "b", "cart", "exportTo: ['.', other], "),
            LOSER("b", "0") },
        { "all see the older one",
            CART VS("front", "a", FQDN, "") VS("shop", "b", "cart", "exportTo: ['.'], "),
            LOSER("b", "0") },
        { "all see the younger one",
            CART VS("front", "a", FQDN, "exportTo: ['.'], ") VS("shop", "b", "cart", ""),
            LOSER("b", "0") },
        { "a wildcard twice, past others of its length",
            VS("shop", "a", "'*.aa.test'", "") VS("shop", "b", "'*.bb.test'", "")
                VS("shop", "c", "'*.aa.test'", ""),
            LOSER("c", "0") },
        { "a longer wildcard wins whatever its age",
            VS("shop", "a", "'*.test'", "") VS("shop", "b", "'*.aa.test'", ""),
            "" },
        { "rules for connections go together",
            CART VS("shop", "a", "cart", "") TCP_VS("shop", "b", "cart"),
            "" },
        { "routes after rules for connections",
            CART TCP_VS("shop", "a", "cart") VS("shop", "b", "cart", ""),
            LOSER("b", "0") },
    };
    (void)state;
    check_cases(cases, ARRAY_COUNT(cases));
}

static void test_the_finding_says_who_wins_and_why(void **state)
{
    (void)state;
    check_text(CART VS("shop", "z", "cart", "") VS("shop", "a", "cart", ""),
        FQDN
        " is also a host of VirtualService shop/z, which is older (created at revision 2, this "
        "one at 3): its http routes are in force where both are visible, and none of these");
}

#define HTTP_PORT         "ports: [{number: 80, name: http, protocol: HTTP}]"
#define X(ns, name, more) ENTRY(ns, name, "{hosts: [x.test], resolution: DNS, " more HTTP_PORT "}")

static void test_services_of_one_host(void **state)
{
    static const struct analyze_case cases[] = {
        { "in two namespaces",
            X("a", "older", "") X("b", "younger", ""),
            "ServiceEntry/b/younger spec.hosts[0] PIL0410\n" },
        { "each for its own namespace",
            X("a", "older", "exportTo: ['.'], ") X("b", "younger", "exportTo: ['.'], "),
            "" },
        { "the younger for its own namespace, where it is the one",
            X("a", "older", "") X("b", "younger", "exportTo: ['.'], "),
            "" },
        { "the older for the younger's namespace, where that is the one",
            X("a", "older", "exportTo: [b], ") X("b", "younger", ""),
            "" },
        { "in one namespace, with one port",
            X("a", "older", "") X("a", "younger", ""),
            "ServiceEntry/a/younger spec.ports[0] PIL0405\n" },
    };
    (void)state;
    check_cases(cases, ARRAY_COUNT(cases));
}

#define PORT(name, number, protocol, more)                                                         \
    ENTRY("shop",                                                                                  \
        name,                                                                                      \
        "{hosts: [" name ".test], resolution: DNS, " more "ports: [{number: " number               \
        ", name: p, protocol: " protocol "}]}")
#define ADDRESS        "addresses: [10.9.0.1], "
#define OPEN(name)     "ServiceEntry/shop/" name " spec.addresses PIL0413\n"
#define CONFLICT(name) "ServiceEntry/shop/" name " spec.ports[0] PIL0405\n"

static void test_ports(void **state)
{
    static const struct analyze_case cases[] = {
        { "TCP without an address", PORT("a", "22", "TCP", ""), OPEN("a") },
        { "TCP with an address", PORT("a", "22", "tcp", ADDRESS), "" },
        { "two of TCP on a port",
            PORT("a", "22", "TCP", "") PORT("b", "22", "TCP", ""),
            OPEN("a") CONFLICT("b") },
        { "one of them with an address",
            PORT("a", "22", "TCP", "") PORT("b", "22", "TCP", ADDRESS),
            OPEN("a") },
        { "each on its port",
            PORT("a", "22", "TCP", "") PORT("b", "23", "TCP", ""),
            OPEN("a") OPEN("b") },
        { "two that do not see each other",
            PORT("a", "22", "TCP", "exportTo: [x], ") PORT("b", "22", "TCP", "exportTo: [y], "),
            OPEN("a") OPEN("b") },
        { "two of TLS, told apart by name",
            PORT("a", "443", "TLS", "") PORT("b", "443", "TLS", ""),
            "" },
        { "two of HTTP, told apart by name",
            PORT("a", "80", "HTTP", "") PORT("b", "80", "HTTP", ""),
            "" },
        { "HTTP and TCP", PORT("a", "80", "HTTP", "") PORT("b", "80", "TCP", ""), CONFLICT("b") },
        { "TCP and HTTP, at whatever address",
            PORT("b", "80", "TCP", "") PORT("a", "80", "HTTP", ADDRESS),
            CONFLICT("b") },
        { "TCP at an address and HTTP",
            PORT("b", "80", "TCP", ADDRESS) PORT("a", "80", "HTTP", ""),
            "" },
        { "TLS and TCP", PORT("a", "443", "TLS", "") PORT("b", "443", "TCP", ""), OPEN("b") },
        { "a server that speaks first, and HTTP after it",
            PORT("a", "80", "MySQL", "") PORT("b", "80", "HTTP", ""),
            OPEN("a") CONFLICT("b") },
        { "HTTP, and a server that speaks first after it",
            PORT("a", "80", "HTTP", "") PORT("b", "80", "MySQL", ""),
            CONFLICT("b") },
    };
    (void)state;
    check_cases(cases, ARRAY_COUNT(cases));
}

static void test_what_is_said_of_ports(void **state)
{
    (void)state;
    check_text(PORT("a", "22", "TCP", ""),
        "without addresses a.test takes every connection to port 22, wherever that was going; give "
        "it addresses");
    check_text(PORT("a", "80", "HTTP", "") PORT("b", "80", "TCP", ""),
        "port 80 is also the HTTP service a.test: connections that carry HTTP go where their Host "
        "says, all others come to b.test; give the services addresses, or different ports");
    check_text(PORT("a", "80", "HTTP", "") PORT("b", "80", "MySQL", ""),
        "HTTP port 80 belongs to the older service a.test where both are visible; b.test is out of "
        "reach there; give the services addresses, or different ports");
}

static void test_services_of_the_registry_without_addresses_are_told_of_conflicts_alone(
    void **state)
{
    (void)state;
    const struct fixture_value values[] = {
        { "registry/shop/a/1", "{\"address\":\"10.0.0.1\",\"ports\":{\"tcp\":5432}}" },
        { "registry/shop/b/1", "{\"address\":\"10.0.0.2\",\"ports\":{\"tcp\":5432}}" },
    };
    struct snapshot *s = fixture_snapshot(values, ARRAY_COUNT(values));

    assert_int_equal(s->findings.count, 1);
    assert_int_equal(s->findings.items[0].diag.code, DIAG_PORT_CONFLICT);
    assert_string_equal(s->findings.items[0].key, "registry/shop/b/1");
    assert_string_equal(s->findings.items[0].diag.path, "ports.tcp");
    snapshot_release(s);
}

#define WORKLOAD(ns, app)                                                                          \
    RESOURCE("WorkloadEntry", ns, "w", "{address: 10.0.0.1, labels: {app: " app "}}")
#define SELECTING                                                                                  \
    ENTRY("shop",                                                                                  \
        "x",                                                                                       \
        "{hosts: [x.test], location: MESH_INTERNAL, resolution: STATIC, workloadSelector: "        \
        "{labels: "                                                                                \
        "{app: web}}, " HTTP_PORT "}")

#define NOBODY "ServiceEntry/shop/x spec.workloadSelector PIL0408\n"

static void test_workloads(void **state)
{
    static const struct analyze_case cases[] = {
        { "a workload that is selected", SELECTING WORKLOAD("shop", "web"), "" },
        { "a workload that is not",
            SELECTING WORKLOAD("shop", "job"),
            NOBODY "WorkloadEntry/shop/w spec.labels PIL0406\n" },
        { "a workload of another namespace",
            SELECTING WORKLOAD("other", "web"),
            NOBODY "WorkloadEntry/other/w spec.labels PIL0406\n" },
    };
    (void)state;
    check_cases(cases, ARRAY_COUNT(cases));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_virtual_services_of_one_host),
        cmocka_unit_test(test_the_finding_says_who_wins_and_why),
        cmocka_unit_test(test_services_of_one_host),
        cmocka_unit_test(test_ports),
        cmocka_unit_test(test_what_is_said_of_ports),
        cmocka_unit_test(
            test_services_of_the_registry_without_addresses_are_told_of_conflicts_alone),
        cmocka_unit_test(test_workloads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
