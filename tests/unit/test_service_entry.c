/* ServiceEntry and WorkloadEntry: what their tables give, and the verdicts on what cannot be. */
#include "model/service_entry.h"
#include "model_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* What may come after "unix:///". */
#define LONG_20  "12345678901234567890"
#define LONG_106 LONG_20 LONG_20 LONG_20 LONG_20 LONG_20 "123456"

#define HTTP "ports: [{number: 80, name: http, protocol: HTTP}]"

static void check(void **state, const struct fault_case *cases, size_t count)
{
    assert_faults(*state, "ServiceEntry", cases, count);
}

static void test_every_field_is_decoded(void **state)
{
    const struct service_entry *se = spec_of(*state,
        "ServiceEntry",
        "{hosts: [a.b], addresses: [10.0.0.1, '::1'], exportTo: ['~'], subjectAltNames: [s], "
        "ports: [{number: 80, name: web, protocol: gRPC-Web, targetPort: 8080}, "
        "{number: 81, name: auto}], "
        "location: MESH_INTERNAL, resolution: STATIC, endpoints: [{address: 10.0.0.2, "
        "ports: {web: 1, auto: 2}, labels: {version: v1}, network: n, locality: r/z/s, "
        "serviceAccount: acc, weight: 3}]}");

    assert_string_equal(se->hosts.items[0], "a.b");
    assert_string_equal(se->addresses.items[1], "::1");
    assert_string_equal(se->export_to.items[0], "~");
    assert_string_equal(se->subject_alt_names.items[0], "s");
    assert_int_equal(se->ports.items[0].protocol, PROTOCOL_GRPC_WEB);
    assert_int_equal(se->ports.items[0].target_port, 8080);
    assert_int_equal(se->ports.items[1].protocol, PROTOCOL_AUTO);
    assert_int_equal(se->location, MESH_INTERNAL);
    assert_int_equal(se->resolution, RESOLUTION_STATIC);
    const struct workload_entry *e = se->endpoints.items;
    assert_string_equal(e->address, "10.0.0.2");
    assert_string_equal(e->ports.items[0].key, "auto");
    assert_int_equal(e->ports.items[0].value, 2);
    assert_string_equal(labels_find(&e->labels, "version"), "v1");
    assert_string_equal(e->network, "n");
    assert_string_equal(e->locality, "r/z/s");
    assert_string_equal(e->service_account, "acc");
    assert_true(e->weight.is_set && e->weight.value == 3);
}

static void test_defaults_are_external_and_none(void **state)
{
    const struct service_entry *se = spec_of(*state, "ServiceEntry", "{hosts: [a.b]}");

    assert_int_equal(se->location, MESH_EXTERNAL);
    assert_int_equal(se->resolution, RESOLUTION_NONE);
    assert_null(se->workload_selector);
}

static void test_hosts_are_required_and_never_everything(void **state)
{
    static const struct fault_case cases[] = {
        { "{}", "spec.hosts: is required [PIL0104]" },
        { "{hosts: []}", "spec.hosts: must not be empty [PIL0104]" },
        { "{hosts: ['*', '-', '*.a.b']}",
            "spec.hosts[0]: must be a host name, with '*' only at its beginning and not alone, not "
            "\"*\" [PIL0203]\n"
            "spec.hosts[1]: must be a host name, with '*' only at its beginning and not alone, not "
            "\"-\" [PIL0203]" },
    };

    check(state, cases, ARRAY_COUNT(cases));
}

static void test_addresses_are_ips(void **state)
{
    static const struct fault_case cases[] = {
        { "{hosts: [a.b], addresses: [10.0.0.0/8, '2001:db8::/32']}", "" },
        { "{hosts: [a.b], addresses: [10.0.0.0/8], resolution: DNS}",
            "spec.addresses[0]: a range of addresses needs resolution NONE or STATIC [PIL0302]" },
        { "{hosts: [a.b], addresses: [10.0.0.0/33]}",
            "spec.addresses[0]: must be an IP address, or a range of them such as 10.0.0.0/8, not "
            "\"10.0.0.0/33\" [PIL0203]" },
        { "{hosts: [a.b], addresses: [a.b, 10.0.0.256]}",
            "spec.addresses[0]: must be an IP address, or a range of them such as 10.0.0.0/8, not "
            "\"a.b\" [PIL0203]\n"
            "spec.addresses[1]: must be an IP address, or a range of them such as 10.0.0.0/8, not "
            "\"10.0.0.256\" [PIL0203]" },
        { "{hosts: [a.b], addresses: [10.0.0.1, 0.0.0.0, '0::0']}",
            "warning: spec.addresses[1]: is every address, so it is none of this service; leave it "
            "out [PIL0108]\n"
            "warning: spec.addresses[2]: is every address, so it is none of this service; leave it "
            "out [PIL0108]" },
    };

    check(state, cases, ARRAY_COUNT(cases));
}

static void test_partial_wildcards_are_no_server_names(void **state)
{
    static const struct fault_case cases[] = {
        { "{hosts: ['*.a.b', '*-x.b'], " HTTP "}", "" },
        { "{hosts: ['*-x.b'], addresses: [10.0.0.1], ports: [{number: 443, name: t, protocol: "
          "TLS}]}",
            "" },
        { "{hosts: ['*.a.b', '*-x.b'], ports: [{number: 443, name: t, protocol: HTTPS}]}",
            "warning: spec.hosts[1]: Envoy matches no such wildcard with server names, so no TLS "
            "connection is for it; use a wildcard of whole labels, such as *.example.com "
            "[PIL0108]" },
    };

    check(state, cases, ARRAY_COUNT(cases));
}

static void test_ports_are_named_numbered_and_unique(void **state)
{
    static const struct fault_case cases[] = {
        { "{hosts: [a.b], ports: [{}]}",
            "spec.ports[0].number: is required [PIL0104]\n"
            "spec.ports[0].name: is required [PIL0104]" },
        { "{hosts: [a.b], ports: [{number: 65536, name: a_b, protocol: HTP, targetPort: -1}]}",
            "spec.ports[0].number: must be from 1 to 65535 [PIL0201]\n"
            "spec.ports[0].name: must be a DNS label (letters, digits and '-', at most 63), not "
            "\"a_b\" [PIL0203]\n"
            "spec.ports[0].protocol: unknown value \"HTP\"; did you mean \"HTTP\"? [PIL0202]\n"
            "spec.ports[0].targetPort: must be from 1 to 65535 [PIL0201]" },
        { "{hosts: [a.b], ports: [{number: 1, name: a}, {number: 1, name: b}, "
          "{number: 2, name: a}]}",
            "spec.ports[1].number: 1 is another port's number [PIL0301]\n"
            "spec.ports[2].name: \"a\" is another port's name [PIL0301]" },
        { "{hosts: [a.b], ports: [{number: 1, name: a, protocol: HBONE}]}",
            "spec.ports[0].protocol: HBONE is not supported yet [PIL0106]" },
    };

    check(state, cases, ARRAY_COUNT(cases));
}

static void test_endpoints_fit_the_resolution(void **state)
{
    static const struct fault_case cases[] = {
        { "{hosts: [a.b], " HTTP ", endpoints: [{address: 10.0.0.1}]}",
            "spec.endpoints: cannot be given with resolution NONE; use resolution STATIC or DNS "
            "[PIL0302]" },
        { "{hosts: [a.b], " HTTP ", resolution: STATIC, endpoints: [{address: x.y}]}",
            "spec.endpoints[0].address: must be an IP address with resolution STATIC; use "
            "resolution DNS [PIL0302]" },
        { "{hosts: [a.b], " HTTP ", resolution: DNS, endpoints: [{address: x.y}, "
          "{address: 10.0.0.1}]}",
            "" },
        { "{hosts: [a.b], " HTTP ", resolution: DNS, endpoints: [{address: '*.y'}]}",
            "spec.endpoints[0].address: must be an IP address, a host name, or unix:// and the "
            "absolute path of a socket (at most 107 bytes), not \"*.y\" [PIL0203]" },
        { "{hosts: ['*.b'], " HTTP ", resolution: DNS}",
            "spec.hosts[0]: must be a whole name with resolution DNS and no endpoints; give "
            "endpoints [PIL0302]" },
        { "{hosts: [a.b], " HTTP ", resolution: DNS_ROUND_ROBIN, endpoints: [{address: x.y}, "
          "{address: x.z}]}",
            "spec.endpoints: must be at most one with resolution DNS_ROUND_ROBIN [PIL0302]" },
        { "{hosts: [a.b], " HTTP ", resolution: STATIC, endpoints: [{address: 10.0.0.1, "
          "ports: {https: 1}}]}",
            "spec.endpoints[0].ports.https: is no port of the service entry [PIL0302]" },
        { "{hosts: ['*.b'], resolution: DYNAMIC_DNS, " HTTP "}", "" },
        { "{hosts: [a.b], resolution: DYNAMIC_DNS, addresses: [10.0.0.1], endpoints: [{address: "
          "10.0.0.2}], ports: [{number: 80, name: tcp, protocol: TCP}]}",
            "spec.hosts[0]: must be a wildcard with resolution DYNAMIC_DNS; use resolution DNS for "
            "a whole name [PIL0302]\n"
            "spec.addresses: cannot be given with resolution DYNAMIC_DNS [PIL0301]\n"
            "spec.endpoints: cannot be given with resolution DYNAMIC_DNS [PIL0301]\n"
            "spec.ports[0].protocol: must be HTTP, HTTP2, GRPC or TLS with resolution "
            "DYNAMIC_DNS [PIL0302]" },
    };

    check(state, cases, ARRAY_COUNT(cases));
}

static void test_unix_sockets_stand_alone(void **state)
{
    static const struct fault_case cases[] = {
        { "{hosts: [a.b], " HTTP ", resolution: STATIC, endpoints: [{address: 'unix:///a/b'}, "
          "{address: 'unix://@abstract'}]}",
            "" },
        { "{hosts: [a.b], " HTTP ", resolution: STATIC, endpoints: [{address: 'unix:///a/b', "
          "ports: {http: 1}}]}",
            "spec.endpoints[0].ports: cannot be given with the address of a unix socket "
            "[PIL0301]" },
        { "{hosts: [a.b], " HTTP ", resolution: DNS, endpoints: [{address: 'unix:///a/b'}]}",
            "spec.endpoints[0].address: a unix socket needs resolution STATIC [PIL0302]" },
        { "{hosts: [a.b], ports: [{number: 1, name: a}, {number: 2, name: b}], resolution: STATIC, "
          "endpoints: [{address: 'unix:///a/b'}]}",
            "spec.endpoints[0].address: a unix socket needs exactly one port [PIL0302]" },
    };

    check(state, cases, ARRAY_COUNT(cases));
}

static void test_several_hosts_of_plain_tcp_cannot_be_told_apart(void **state)
{
    static const struct fault_case cases[] = {
        { "{hosts: [a.b, c.d], ports: [{number: 1, name: t, protocol: TCP}, "
          "{number: 443, name: s, protocol: TLS}], resolution: DNS}",
            "spec.ports[0].protocol: must be HTTP or TLS: with several hosts and no addresses "
            "others cannot be told apart [PIL0302]" },
        { "{hosts: [a.b, c.d], ports: [{number: 1, name: t, protocol: TCP}]}", "" },
    };

    check(state, cases, ARRAY_COUNT(cases));
}

static void test_endpoints_are_listed_or_selected(void **state)
{
    static const struct fault_case cases[] = {
        { "{hosts: [a.b], " HTTP ", resolution: STATIC, endpoints: [{address: 10.0.0.1}], "
          "workloadSelector: {labels: {a: b}}}",
            "spec.workloadSelector: cannot be given together with endpoints [PIL0301]" },
        { "{hosts: [a.b], " HTTP ", resolution: STATIC, workloadSelector: {labels: {'': b, c: "
          "'*'}}}",
            "spec.workloadSelector.labels[\"\"]: must be a label's key: [PREFIX/]NAME of letters, "
            "digits, '-', '_' and '.', at most 63, not \"\" [PIL0203]\n"
            "spec.workloadSelector.labels.c: must be a label's value: letters, digits, '-', '_' "
            "and '.', at most 63, not \"*\" [PIL0203]" },
        { "{hosts: [a.b], " HTTP ", workloadSelector: {labels: {a: b}}}",
            "warning: spec.workloadSelector: has no effect with resolution NONE: connections go "
            "where they were going; use resolution STATIC [PIL0108]" },
        { "{hosts: [a.b], " HTTP ", resolution: STATIC, workloadSelector: {}}",
            "warning: spec.workloadSelector: has no labels, so it selects every workload of the "
            "namespace [PIL0302]" },
    };

    check(state, cases, ARRAY_COUNT(cases));
}

static void test_nobody_excludes_everybody_else(void **state)
{
    static const struct fault_case cases[] = {
        { "{hosts: [a.b], exportTo: ['~', x]}",
            "spec.exportTo[0]: \"~\" (nobody) excludes other entries [PIL0301]" },
    };

    check(state, cases, ARRAY_COUNT(cases));
}

static void test_workload_entries_have_an_address(void **state)
{
    static const struct fault_case cases[] = {
        { "{address: a.b, ports: {7777: 7777}}", "" },
        { "{}", "spec.address: is required [PIL0104]" },
        { "{network: n}",
            "warning: spec.network: networks have no gateways here, so without an address it "
            "cannot be reached; give its address [PIL0108]" },
        { "{address: 'unix:///dir/'}",
            "spec.address: must be an IP address, a host name, or unix:// and the absolute path of "
            "a socket (at most 107 bytes), not \"unix:///dir/\" [PIL0203]" },
        { "{address: 'unix:///" LONG_106 "'}", "" },
        { "{address: 'unix:///" LONG_106 "x'}",
            "spec.address: must be an IP address, a host name, or unix:// and the absolute path of "
            "a socket (at most 107 bytes), not \"unix:///" LONG_20 LONG_20
            "123456789012…\" [PIL0203]" },
        { "{address: a.b, locality: r//s, ports: {p: 0, a.b: 1}, weight: -1}",
            "spec.locality: must be REGION, REGION/ZONE or REGION/ZONE/SUBZONE, not \"r//s\" "
            "[PIL0203]\n"
            "spec.ports.p: must be from 1 to 65535 [PIL0201]\n"
            "spec.ports[\"a.b\"]: must be a DNS label (letters, digits and '-', at most 63), not "
            "\"a.b\" [PIL0203]\n"
            "spec.weight: must be from 0 to 4294967295 [PIL0201]" },
    };

    assert_faults(*state, "WorkloadEntry", cases, ARRAY_COUNT(cases));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, model_setup, model_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_every_field_is_decoded),
        TEST(test_defaults_are_external_and_none),
        TEST(test_hosts_are_required_and_never_everything),
        TEST(test_addresses_are_ips),
        TEST(test_partial_wildcards_are_no_server_names),
        TEST(test_ports_are_named_numbered_and_unique),
        TEST(test_endpoints_fit_the_resolution),
        TEST(test_unix_sockets_stand_alone),
        TEST(test_several_hosts_of_plain_tcp_cannot_be_told_apart),
        TEST(test_endpoints_are_listed_or_selected),
        TEST(test_nobody_excludes_everybody_else),
        TEST(test_workload_entries_have_an_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
