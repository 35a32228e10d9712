/* tls and tcp of a VirtualService: what their tables give, and the verdicts on what cannot be. */
#include "model/virtual_service.h"

#include "model_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define ROUTE    "route: [{destination: {host: a}}]"
#define TLS(tls) "{hosts: [a.test], tls: [" tls "]}"
#define TCP(tcp) "{hosts: [a.test], tcp: [" tcp "]}"

static void test_every_field_of_a_connections_route_is_decoded(void **state)
{
    const struct virtual_service *vs = spec_of(*state,
        "VirtualService",
        "{hosts: ['*.a.test', b.test], "
        "tls: [{match: [{sniHosts: [x.a.test, b.test], destinationSubnets: [10.0.0.0/8, '::1'], "
        "port: 443, sourceLabels: {app: x}, sourceNamespace: s, gateways: [mesh]}], "
        "route: [{destination: {host: d, subset: v1, port: {number: 1}}, weight: 3}, "
        "{destination: {host: e}, weight: 4}]}], "
        "tcp: [{match: [{destinationSubnets: [10.0.0.1], port: 9000, sourceLabels: {app: y}, "
        "sourceNamespace: t, gateways: [n/g]}], " ROUTE "}, {" ROUTE "}]}");

    const struct l4_match *tls = vs->tls.items[0].match.items, *tcp = vs->tcp.items[0].match.items;
    const struct route_destination *to = vs->tls.items[0].route.items;
    assert_string_equal(tls->sni_hosts.items[1], "b.test");
    assert_string_equal(tls->destination_subnets.items[1], "::1");
    assert_int_equal(tls->port, 443);
    assert_string_equal(tls->source_labels.items[0].value, "x");
    assert_string_equal(tls->source_namespace, "s");
    assert_string_equal(tls->gateways.items[0], "mesh");
    assert_string_equal(to[0].destination->subset, "v1");
    assert_int_equal(to[0].destination->port->number, 1);
    assert_int_equal(to[0].weight, 3);
    assert_int_equal(to[1].weight, 4);
    assert_int_equal(tcp->sni_hosts.count, 0);
    assert_string_equal(tcp->destination_subnets.items[0], "10.0.0.1");
    assert_int_equal(tcp->port, 9000);
    assert_string_equal(tcp->source_namespace, "t");
    assert_string_equal(tcp->gateways.items[0], "n/g");
    assert_int_equal(vs->tcp.items[1].match.count, 0);
}

static void check(void **state, const struct fault_case *cases, size_t count)
{
    assert_faults(*state, "VirtualService", cases, count);
}

static void test_tls_says_which_names_and_both_say_where_to(void **state)
{
    static const struct fault_case cases[] = {
        { TLS("{}"),
            "spec.tls[0].match: is required [PIL0104]\n"
            "spec.tls[0].route: is required [PIL0104]" },
        { TLS("{match: [], route: []}"),
            "spec.tls[0].match: must not be empty [PIL0104]\n"
            "spec.tls[0].route: must not be empty [PIL0104]" },
        { TLS("{match: [{}, {sniHosts: []}], " ROUTE "}"),
            "spec.tls[0].match[0].sniHosts: is required [PIL0104]\n"
            "spec.tls[0].match[1].sniHosts: must not be empty [PIL0104]" },
        { TCP("{}"), "spec.tcp[0].route: is required [PIL0104]" },
        { TCP("{route: [{}]}"), "spec.tcp[0].route[0].destination: is required [PIL0104]" },
        { TCP("{match: [{sniHosts: [a.test]}], " ROUTE "}"),
            "spec.tcp[0].match[0].sniHosts: unknown field; known here: destinationSubnets, port, "
            "sourceLabels, sourceNamespace, gateways, sourceSubnet [PIL0102]" },
    };

    check(state, cases, ARRAY_COUNT(cases));
}

static void test_server_names_are_among_the_hosts(void **state)
{
    static const struct fault_case cases[] = {
        { "{hosts: ['*.a.test', b.test, '*-x.test'], tls: [{match: [{sniHosts: ['*.a.test', "
          "y.A.TEST, '*.y.a.test', B.test, 1-x.test]}], " ROUTE "}]}",
            "" },
        { "{hosts: ['*-x.test'], tls: [{match: [{sniHosts: ['*-x.test']}], " ROUTE "}]}",
            "warning: spec.tls[0].match[0].sniHosts[0]: Envoy matches no such wildcard with server "
            "names, so no TLS connection is for it; use a wildcard of whole labels, such as "
            "*.example.com [PIL0108]" },
        { "{hosts: ['*.a.test', b.test], tls: [{match: [{sniHosts: [a.test, '*.b.test', x.b.test, "
          "'*.test', xa.test]}], " ROUTE "}]}",
            "spec.tls[0].match[0].sniHosts[0]: a.test is not among the hosts of this virtual "
            "service; name it in hosts, or one that covers it [PIL0302]\n"
            "spec.tls[0].match[0].sniHosts[1]: *.b.test is not among the hosts of this virtual "
            "service; name it in hosts, or one that covers it [PIL0302]\n"
            "spec.tls[0].match[0].sniHosts[2]: x.b.test is not among the hosts of this virtual "
            "service; name it in hosts, or one that covers it [PIL0302]\n"
            "spec.tls[0].match[0].sniHosts[3]: *.test is not among the hosts of this virtual "
            "service; name it in hosts, or one that covers it [PIL0302]\n"
            "spec.tls[0].match[0].sniHosts[4]: xa.test is not among the hosts of this virtual "
            "service; name it in hosts, or one that covers it [PIL0302]" },
        { TLS("{match: [{sniHosts: [a.test]}, {sniHosts: [10.0.0.1]}], " ROUTE "}"),
            "warning: spec.tls[0].match[1].sniHosts[0]: is an IP address, which clients do not "
            "send as server name [PIL0302]" },
        { TLS("{match: [{sniHosts: ['a.*']}], " ROUTE "}"),
            "spec.tls[0].match[0].sniHosts[0]: must be a host name, with '*' only at its "
            "beginning, or an IP address, not \"a.*\" [PIL0203]" },
    };

    check(state, cases, ARRAY_COUNT(cases));
}

static void test_matches_of_connections_are_checked_field_by_field(void **state)
{
    static const struct fault_case cases[] = {
        { TCP("{match: [{destinationSubnets: [10.0.0.0/33, a.test, '::/0', 10.0.0.1]}], " ROUTE
              "}"),
            "spec.tcp[0].match[0].destinationSubnets[0]: must be an IP address, or a range "
            "of them such as 10.0.0.0/8, not \"10.0.0.0/33\" [PIL0203]\n"
            "spec.tcp[0].match[0].destinationSubnets[1]: must be an IP address, or a range "
            "of them such as 10.0.0.0/8, not \"a.test\" [PIL0203]" },
        { TCP("{match: [{port: 65536, sourceNamespace: A.b, gateways: [a/b/c], "
              "sourceLabels: {'a b': c}}], " ROUTE "}"),
            "spec.tcp[0].match[0].port: must be from 1 to 65535 [PIL0201]\n"
            "spec.tcp[0].match[0].sourceNamespace: must be a DNS label (letters, digits and '-', "
            "at most 63), not \"A.b\" [PIL0203]\n"
            "spec.tcp[0].match[0].gateways[0]: must be a gateway: NAME or NAMESPACE/NAME, not "
            "\"a/b/c\" [PIL0203]\n"
            "spec.tcp[0].match[0].sourceLabels[\"a b\"]: must be a label's key: [PREFIX/]NAME of "
            "letters, digits, '-', '_' and '.', at most 63, not \"a b\" [PIL0203]" },
        { TCP("{match: [{sourceSubnet: 10.0.0.0/8}], " ROUTE "}"),
            "warning: spec.tcp[0].match[0].sourceSubnet: has no effect; Istio does not look at it "
            "either; use sourceLabels [PIL0108]" },
    };

    check(state, cases, ARRAY_COUNT(cases));
}

static void test_weights_of_connections_must_not_be_all_0(void **state)
{
    static const struct fault_case cases[] = {
        { TCP("{route: [{destination: {host: a}}, {destination: {host: b}}]}"),
            "spec.tcp[0].route: the weights add up to 0; give each destination its weight "
            "[PIL0302]" },
        { TLS("{match: [{sniHosts: [a.test]}], route: [{destination: {host: a}, weight: "
              "2147483647}, {destination: {host: b}, weight: 2147483647}, "
              "{destination: {host: c}, weight: 2}]}"),
            "spec.tls[0].route: the weights add up to more than 4294967295 [PIL0302]" },
        { TCP("{route: [{destination: {host: a}, weight: 0}]}"), "" },
        { TCP("{route: [{destination: {host: a}, weight: -1}]}"),
            "spec.tcp[0].route[0].weight: must be from 0 to 2147483647 [PIL0201]" },
    };

    check(state, cases, ARRAY_COUNT(cases));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, model_setup, model_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_every_field_of_a_connections_route_is_decoded),
        TEST(test_tls_says_which_names_and_both_say_where_to),
        TEST(test_server_names_are_among_the_hosts),
        TEST(test_matches_of_connections_are_checked_field_by_field),
        TEST(test_weights_of_connections_must_not_be_all_0),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
