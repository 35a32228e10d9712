/* WorkloadGroup: what its tables give, and the verdicts on what cannot be. */
#include "model/workload_group.h"
#include "model_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void check(void **state, const struct fault_case *cases, size_t count)
{
    assert_faults(*state, "WorkloadGroup", cases, count);
}

static void test_every_field_is_decoded(void **state)
{
    const struct workload_group *group = spec_of(*state,
        "WorkloadGroup",
        "{metadata: {labels: {app: shop}}, template: {ports: {http: 8080, admin: 9}, "
        "labels: {version: v1}, network: n, locality: r/z/s, serviceAccount: acc, weight: 3}}");

    assert_string_equal(labels_find(&group->metadata->labels, "app"), "shop");
    const struct workload_entry *template = group->template;
    assert_null(template->address);
    assert_string_equal(template->ports.items[0].key, "admin");
    assert_int_equal(template->ports.items[1].value, 8080);
    assert_string_equal(labels_find(&template->labels, "version"), "v1");
    assert_string_equal(template->network, "n");
    assert_string_equal(template->locality, "r/z/s");
    assert_string_equal(template->service_account, "acc");
    assert_true(template->weight.is_set && template->weight.value == 3);
}

static void test_a_template_is_required_and_may_be_empty(void **state)
{
    static const struct fault_case cases[] = {
        { "{}", "spec.template: is required [PIL0104]" },
        { "{template: {}}", "" },
        { "{template: {}, metadata: {}}", "" },
    };
    check(state, cases, ARRAY_COUNT(cases));
}

static void test_a_template_is_a_workload_without_an_address(void **state)
{
    static const struct fault_case cases[] = {
        { "{template: {ports: {http: 0}}}",
            "spec.template.ports.http: must be from 1 to 65535 [PIL0201]" },
        { "{template: {address: 10.0.0.1}}",
            "warning: spec.template.address: has no effect; each instance gives its own "
            "[PIL0108]" },
        { "{template: {adress: 10.0.0.1}}",
            "spec.template.adress: unknown field; did you mean \"address\"? [PIL0102]" },
    };
    check(state, cases, ARRAY_COUNT(cases));
}

static void test_annotations_have_no_effect_and_labels_must_be_labels(void **state)
{
    static const struct fault_case cases[] = {
        { "{template: {}, metadata: {annotations: {a: b}}}",
            "warning: spec.metadata.annotations: has no effect; instances have none [PIL0108]" },
        { "{template: {}, metadata: {labels: {a: '*'}}}",
            "spec.metadata.labels.a: must be a label's value: letters, digits, '-', '_' and '.', "
            "at most 63, not \"*\" [PIL0203]" },
    };
    check(state, cases, ARRAY_COUNT(cases));
}

#define NO_EFFECT                                                                                  \
    "warning: spec.probe: has no effect; pilotctl register waits for the port of the command it "  \
    "runs; registrars say how an instance is with health [PIL0108]"

static void test_probes_have_no_effect(void **state)
{
    static const struct fault_case cases[] = {
        { "{template: {}, probe: {httpGet: {port: 80, scheme: HTTPS, path: /, host: h, "
          "httpHeaders: [{name: x-a, value: b}]}}}",
            NO_EFFECT },
        { "{template: {}, probe: {tcpSocket: {port: 80}, periodSeconds: 5}}", NO_EFFECT },
        { "{template: {}, probe: {exec: {command: [ls]}}}", NO_EFFECT },
        { "{template: {}, probe: {grpc: {port: 80, service: s}}}", NO_EFFECT },
        { "{template: {}, probe: null}", "" },
    };
    check(state, cases, ARRAY_COUNT(cases));
}

static void test_probes_are_checked_all_the_same(void **state)
{
    static const struct fault_case cases[] = {
        { "{template: {}, probe: {}}",
            "spec.probe: must have httpGet, tcpSocket, exec or grpc [PIL0104]" },
        { "{template: {}, probe: {httpGet: {}}}",
            "spec.probe.httpGet.port: is required [PIL0104]" },
        { "{template: {}, probe: {tcpSocket: {port: 65536}}}",
            "spec.probe.tcpSocket.port: must be from 1 to 65535 [PIL0201]" },
        { "{template: {}, probe: {httpGet: {port: 1, httpHeaders: [{name: '**'}]}}}",
            "spec.probe.httpGet.httpHeaders[0].name: must be a header name (letters, digits and "
            "'-'), not \"**\" [PIL0203]" },
        { "{template: {}, probe: {httpGet: {port: 1, scheme: FTP}}}",
            "spec.probe.httpGet.scheme: unknown value \"FTP\"; known here: HTTP, HTTPS [PIL0202]" },
        { "{template: {}, probe: {exec: {command: []}}}",
            "spec.probe.exec.command: must not be empty [PIL0104]" },
        { "{template: {}, probe: {grpc: {port: 1}, tcpSocket: {port: 1}}}",
            "spec.probe.grpc: cannot be given together with tcpSocket [PIL0301]" },
        { "{template: {}, probe: {grpc: {port: 1}, periodSeconds: -1}}",
            "spec.probe.periodSeconds: must be from 0 to 2147483647 [PIL0201]" },
    };
    check(state, cases, ARRAY_COUNT(cases));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, model_setup, model_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_every_field_is_decoded),
        TEST(test_a_template_is_required_and_may_be_empty),
        TEST(test_a_template_is_a_workload_without_an_address),
        TEST(test_annotations_have_no_effect_and_labels_must_be_labels),
        TEST(test_probes_have_no_effect),
        TEST(test_probes_are_checked_all_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
