/* MeshConfig: what its table gives, and what of it is refused or has no effect. */
#include "model/mesh_config.h"
#include "model_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void test_every_field_is_decoded(void **state)
{
    const struct mesh_config *m = spec_of(*state,
        "MeshConfig",
        "{proxyListenPort: 1, proxyInboundListenPort: 2, connectTimeout: 3s, "
        "protocolDetectionTimeout: 0s, tcpKeepalive: {probes: 4}, "
        "outboundTrafficPolicy: {mode: ALLOW_ANY}, defaultHttpRetryPolicy: {attempts: 0}, "
        "localityLbSetting: {enabled: true}, defaultServiceExportTo: ['~'], "
        "defaultVirtualServiceExportTo: [.], defaultDestinationRuleExportTo: ['*'], "
        "rootNamespace: root, accessLogFile: /dev/stdout, accessLogFormat: '%PROTOCOL%', "
        "dnsRefreshRate: 5s, enableAutoMtls: false}");

    assert_int_equal(m->proxy_listen_port, 1);
    assert_int_equal(m->proxy_inbound_listen_port, 2);
    assert_int_equal(m->connect_timeout.ms, 3000);
    assert_true(m->protocol_detection_timeout.is_set);
    assert_int_equal(m->tcp_keepalive->probes, 4);
    assert_int_equal(m->outbound_traffic_policy->mode, ALLOW_ANY);
    assert_int_equal(m->default_http_retry_policy->attempts, 0);
    assert_true(m->locality_lb_setting->enabled.value);
    assert_string_equal(m->default_service_export_to.items[0], "~");
    assert_string_equal(m->default_virtual_service_export_to.items[0], ".");
    assert_string_equal(m->default_destination_rule_export_to.items[0], "*");
    assert_string_equal(m->root_namespace, "root");
    assert_string_equal(m->access_log_file, "/dev/stdout");
    assert_string_equal(m->access_log_format, "%PROTOCOL%");
    assert_int_equal(m->dns_refresh_rate.ms, 5000);
    assert_true(m->enable_auto_mtls.is_set && !m->enable_auto_mtls.value);
}

static void test_an_empty_outbound_policy_is_registry_only(void **state)
{
    const struct mesh_config *m = spec_of(*state, "MeshConfig", "{outboundTrafficPolicy: {}}");

    assert_int_equal(m->outbound_traffic_policy->mode, REGISTRY_ONLY);
}

static void test_verdicts(void **state)
{
    static const struct fault_case cases[] = {
        { "{enableAutoMtls: true, trustDomain: td}", "" },
        { "{trustDomain: a/b}",
            "trustDomain: must be a SPIFFE trust domain: lower-case letters, digits, '.', '-' and "
            "'_', not \"a/b\" [PIL0203]" },
        { "{connectTimeout: 31s, protocolDetectionTimeout: -1s}",
            "connectTimeout: must be from 1 to 30000 ms [PIL0201]\n"
            "protocolDetectionTimeout: must be at least 0 ms [PIL0201]" },
        { "{accessLogFile: logs/access.log, dnsRefreshRate: 1ms}",
            "accessLogFile: must be the absolute path of a file, not \"logs/access.log\" "
            "[PIL0203]\n"
            "dnsRefreshRate: must be at least 2 ms [PIL0201]" },
        { "{proxyListenPort: 15006, proxyInboundListenPort: 15001}", "" },
        { "{proxyListenPort: 15006}",
            "proxyListenPort: proxyInboundListenPort listens at that port (15006 by default) "
            "[PIL0301]" },
        { "{proxyInboundListenPort: 15001}",
            "proxyInboundListenPort: proxyListenPort listens at that port (15001 by default) "
            "[PIL0301]" },
        { "{accessLogFile: /var/log/}",
            "accessLogFile: must be the absolute path of a file, not \"/var/log/\" [PIL0203]" },
        { "{outboundTrafficPolicy: {mode: ALLOW_ANY_DYNAMIC_DNS}}",
            "outboundTrafficPolicy.mode: ALLOW_ANY_DYNAMIC_DNS is not supported yet [PIL0106]" },
        { "{outboundTrafficPolicy: {mode: ALLOWANY}}",
            "outboundTrafficPolicy.mode: unknown value \"ALLOWANY\"; did you mean \"ALLOW_ANY\"? "
            "[PIL0202]" },
        { "{accessLogEncoding: JSON, h2UpgradePolicy: UPGRADE}", "" },
        { "{accessLogEncoding: JSON, accessLogFormat: '%START_TIME%'}",
            "accessLogFormat: must be a JSON object with accessLogEncoding JSON: is not JSON: "
            "stopped at byte 0; or use accessLogEncoding TEXT [PIL0203]" },
        { "{accessLogEncoding: JSON, accessLogFormat: '{\"t\": \"%START_TIME%\"}'}", "" },
        { "{meshMTLS: {cipherSuites: [RC4]}, tlsDefaults: {ecdhCurves: [P-1]}}",
            "meshMTLS.cipherSuites[0]: must be a cipher suite such as "
            "ECDHE-RSA-AES256-GCM-SHA384, not \"RC4\" [PIL0203]\n"
            "tlsDefaults.ecdhCurves[0]: must be a curve: P-256, P-384, P-521, X25519 or "
            "X25519MLKEM768, not \"P-1\" [PIL0203]" },
        { "{defaultConfig: {concurrency: 2}, ingressClass: x}",
            "warning: defaultConfig: has no effect; it is for the proxies' agents [PIL0108]\n"
            "warning: ingressClass: has no effect; there is no Kubernetes here [PIL0108]" },
        { "{defaultHttpRetryPolicy: {retryOn: 5xx}}",
            "defaultHttpRetryPolicy: has a retry policy, but attempts is 0, which means none; say "
            "how many attempts [PIL0302]" },
        { "{defaultVirtualServiceExportTo: ['~']}",
            "defaultVirtualServiceExportTo[0]: \"~\" (nobody) is for service entries only "
            "[PIL0302]" },
        { "{accessLogFormat: \"%PROTOCOL%\\n%NOPE%\"}",
            "accessLogFormat: must be text with %COMMANDS% of Envoy's; "
            "\"%PROTOCOL%\\u000a%NOPE%\" is not: %NOPE% is not known [PIL0203]" },
        { "{rootNamespace: Root}",
            "rootNamespace: must be a lower-case DNS label (letters, digits and '-', at most 63), "
            "not \"Root\" [PIL0203]" },
    };

    assert_faults(*state, "MeshConfig", cases, ARRAY_COUNT(cases));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, model_setup, model_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_every_field_is_decoded),
        TEST(test_an_empty_outbound_policy_is_registry_only),
        TEST(test_verdicts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
