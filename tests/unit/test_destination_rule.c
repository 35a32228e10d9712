/* DestinationRule: what its tables give, and the verdicts on what cannot be. */
#include "model/destination_rule.h"
#include "model_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define POLICY(text)   "{host: h, trafficPolicy: {" text "}}"
#define BALANCER(text) POLICY("loadBalancer: {" text "}")
#define POOL(text)     POLICY("connectionPool: {" text "}")
#define LOCALITY(text) POLICY("loadBalancer: {localityLbSetting: {" text "}}, outlierDetection: {}")
#define AT_LOCALITY    "spec.trafficPolicy.loadBalancer.localityLbSetting."
#define AT_POLICY      "spec.trafficPolicy."

static void check(void **state, const struct fault_case *cases, size_t count)
{
    assert_faults(*state, "DestinationRule", cases, count);
}

static void test_every_field_is_decoded(void **state)
{
    const struct destination_rule *dr = spec_of(*state,
        "DestinationRule",
        "{host: '*.x.y', exportTo: [.], workloadSelector: {matchLabels: {app: c}}, "
        "trafficPolicy: {loadBalancer: {consistentHash: {httpCookie: {name: c, path: /p, ttl: 0s}, "
        "maglev: {tableSize: 65537}, minimumRingSize: 7}, localityLbSetting: {enabled: false, "
        "distribute: [{from: r/z/*, to: {'r/z/*': 70, 'r/y/*': 30}}], failoverPriority: [a, "
        "b=c]}}, "
        "connectionPool: {tcp: {maxConnections: 1, connectTimeout: 30ms, maxConnectionDuration: "
        "1h, "
        "idleTimeout: 2h, tcpKeepalive: {probes: 3, time: 7200s, interval: 75s}}, "
        "http: {http1MaxPendingRequests: 2, http2MaxRequests: 3, maxRequestsPerConnection: 4, "
        "maxRetries: 5, maxConcurrentStreams: 6, idleTimeout: 7s, h2UpgradePolicy: UPGRADE}}, "
        "outlierDetection: {splitExternalLocalOriginErrors: true, consecutiveLocalOriginFailures: "
        "8, "
        "consecutiveGatewayErrors: 0, consecutive5xxErrors: 9, interval: 10s, "
        "baseEjectionTime: 11s, maxEjectionPercent: 100, minHealthPercent: 12}, "
        "tls: {mode: SIMPLE, caCertificates: /ca.pem, sni: s, subjectAltNames: [t]}, "
        "portLevelSettings: [{port: {number: 80}, loadBalancer: {simple: ROUND_ROBIN, "
        "warmup: {duration: 10s, minimumPercent: 5, aggression: 1.5}}, tls: {mode: DISABLE}}]}, "
        "subsets: [{name: v1, labels: {version: v1}, trafficPolicy: {loadBalancer: "
        "{simple: LEAST_REQUEST, warmupDurationSecs: 30s}}}, {name: all}]}");

    const struct traffic_policy *p = dr->traffic_policy;
    const struct consistent_hash *hash = p->load_balancer->consistent_hash;
    assert_string_equal(dr->host, "*.x.y");
    assert_string_equal(labels_find(&dr->workload_selector->labels, "app"), "c");
    assert_string_equal(hash->http_cookie->path, "/p");
    assert_true(hash->http_cookie->ttl.is_set && hash->http_cookie->ttl.ms == 0);
    assert_int_equal(hash->maglev->table_size, 65537);
    assert_int_equal(hash->minimum_ring_size, 7);
    const struct locality_lb_setting *locality = p->load_balancer->locality_lb_setting;
    assert_true(locality->enabled.is_set && !locality->enabled.value);
    assert_string_equal(locality->distribute.items[0].to.items[0].key, "r/y/*");
    assert_int_equal(locality->distribute.items[0].to.items[0].value, 30);
    assert_string_equal(locality->failover_priority.items[1], "b=c");
    assert_int_equal(p->connection_pool->tcp->connect_timeout.ms, 30);
    assert_int_equal(p->connection_pool->tcp->tcp_keepalive->time.ms, 7200000);
    assert_int_equal(p->connection_pool->http->max_concurrent_streams, 6);
    assert_int_equal(p->connection_pool->http->h2_upgrade_policy, H2_UPGRADE);
    assert_int_equal(p->outlier_detection->consecutive_local_origin_failures.value, 8);
    assert_true(p->outlier_detection->consecutive_gateway_errors.is_set);
    assert_int_equal(p->outlier_detection->consecutive_gateway_errors.value, 0);
    assert_int_equal(p->outlier_detection->consecutive_5xx_errors.value, 9);
    assert_int_equal(p->outlier_detection->min_health_percent, 12);
    assert_int_equal(p->tls->mode, TLS_SIMPLE);
    assert_string_equal(p->tls->subject_alt_names.items[0], "t");
    const struct port_traffic_policy *port = p->port_level_settings.items;
    assert_int_equal(port->port->number, 80);
    assert_int_equal(port->load_balancer->simple, LB_ROUND_ROBIN);
    assert_true(port->load_balancer->warmup->aggression.value == 1.5);
    assert_int_equal(port->tls->mode, TLS_DISABLE);
    assert_string_equal(dr->subsets.items[0].labels.items[0].value, "v1");
    assert_int_equal(
        dr->subsets.items[0].traffic_policy->load_balancer->warmup->duration.ms, 30000);
    assert_int_equal(dr->subsets.items[1].labels.count, 0);
}

static void test_hosts_and_subsets_have_names(void **state)
{
    static const struct fault_case cases[] = {
        { "{host: '*'}", "" },
        { "{subsets: [{name: a}, {name: a}, {labels: {}}]}",
            "spec.subsets[2].name: is required [PIL0104]\n"
            "spec.host: is required [PIL0104]" },
        { "{host: h, subsets: [{name: a}, {name: a}]}",
            "spec.subsets[1].name: \"a\" is another subset's name [PIL0301]" },
        { "{host: h, subsets: [{name: v|1, labels: {'a b': c, d: 'e f'}}]}",
            "spec.subsets[0].name: must be a DNS label (letters, digits and '-', at most 63), not "
            "\"v|1\" [PIL0203]\n"
            "spec.subsets[0].labels[\"a b\"]: must be a label's key: [PREFIX/]NAME of letters, "
            "digits, '-', '_' and '.', at most 63, not \"a b\" [PIL0203]\n"
            "spec.subsets[0].labels.d: must be a label's value: letters, digits, '-', '_' and '.', "
            "at most 63, not \"e f\" [PIL0203]" },
    };

    check(state, cases, ARRAY_COUNT(cases));
}

static void test_empty_policies_are_mistakes(void **state)
{
    static const struct fault_case cases[] = {
        { POLICY(""), "spec.trafficPolicy: must say at least one thing [PIL0104]" },
        { POLICY("outlierDetection: {}"), "" },
        { POOL(""), AT_POLICY "connectionPool: must say tcp or http [PIL0104]" },
        { POLICY("portLevelSettings: [{tls: {}}]"),
            AT_POLICY "portLevelSettings[0].port: is required [PIL0104]" },
    };

    check(state, cases, ARRAY_COUNT(cases));
}

static void test_load_balancers_are_of_one_kind(void **state)
{
    static const struct fault_case cases[] = {
        { BALANCER("simple: RANDOM, consistentHash: {useSourceIp: true}"),
            AT_POLICY "loadBalancer.consistentHash: cannot be given together with simple "
                      "[PIL0301]" },
        { BALANCER("simple: ROUNDROBIN"),
            AT_POLICY "loadBalancer.simple: unknown value \"ROUNDROBIN\"; did you mean "
                      "\"ROUND_ROBIN\"? [PIL0202]" },
        { BALANCER("consistentHash: {useSourceIp: true, httpHeaderName: x, ringHash: {}, maglev: "
                   "{tableSize: 65536}}"),
            AT_POLICY "loadBalancer.consistentHash.maglev.tableSize: must be a prime number "
                      "[PIL0302]\n" AT_POLICY
                      "loadBalancer.consistentHash.useSourceIp: cannot be given together with "
                      "httpHeaderName [PIL0301]\n" AT_POLICY
                      "loadBalancer.consistentHash.maglev: cannot be given together with ringHash "
                      "[PIL0301]" },
        { BALANCER("consistentHash: {httpCookie: {ttl: 1s}}"),
            AT_POLICY "loadBalancer.consistentHash.httpCookie.name: is required [PIL0104]" },
        { BALANCER("consistentHash: {ringHash: {minimumRingSize: 8388609}}"),
            AT_POLICY "loadBalancer.consistentHash.ringHash.minimumRingSize: must be from 0 to "
                      "8388608 [PIL0201]" },
        { BALANCER("consistentHash: {}"),
            "warning: " AT_POLICY
            "loadBalancer.consistentHash: says nothing to hash by, so requests go anywhere; say "
            "httpHeaderName, httpCookie, useSourceIp or httpQueryParameterName [PIL0302]" },
        { BALANCER("warmup: {aggression: -0.1, duration: 1s}"),
            AT_POLICY "loadBalancer.warmup.aggression: must be more than 0 [PIL0201]" },
        { BALANCER("simple: RANDOM, warmup: {duration: 1s}"),
            "warning: " AT_POLICY
            "loadBalancer.warmup: has an effect with ROUND_ROBIN and LEAST_REQUEST only "
            "[PIL0108]" },
        { BALANCER("warmup: {duration: 1s}, warmupDurationSecs: 1s"),
            AT_POLICY "loadBalancer.warmupDurationSecs: cannot be given together with warmup "
                      "[PIL0301]" },
    };

    check(state, cases, ARRAY_COUNT(cases));
}

static void test_localities_add_up_and_do_not_overlap(void **state)
{
    static const struct fault_case cases[] = {
        { LOCALITY("distribute: [{from: a/b, to: {a/b: 80, a/c: 25}}]"),
            AT_LOCALITY "distribute[0].to: weights must add up to 100, not 105 [PIL0302]" },
        { LOCALITY("distribute: [{from: a/b, to: {a/b: 100, c: 0}}]"),
            AT_LOCALITY "distribute[0].to.c: must be from 1 to 100 [PIL0201]" },
        { LOCALITY("distribute: [{from: a/b, to: {'*': 50, x/y: 50}}]"),
            AT_LOCALITY "distribute[0].to[\"x/y\"]: overlaps a locality given before [PIL0301]" },
        { LOCALITY("distribute: [{from: a/b/c, to: {a: 100}}, {from: a/*, to: {a: 100}}, "
                   "{from: ab, to: {a: 100}}]"),
            AT_LOCALITY "distribute[1].from: overlaps a locality given before [PIL0301]" },
        { LOCALITY("distribute: [{from: a//c, to: {'*/b': 50, a/b/c/d: 50}}]"),
            AT_LOCALITY "distribute[0].from: must be REGION, REGION/ZONE or REGION/ZONE/SUBZONE; "
                        "'*' may stand at the end [PIL0203]\n" AT_LOCALITY
                        "distribute[0].to[\"*/b\"]: must be REGION, REGION/ZONE or "
                        "REGION/ZONE/SUBZONE; '*' may stand at the end [PIL0203]\n" AT_LOCALITY
                        "distribute[0].to[\"a/b/c/d\"]: must be REGION, REGION/ZONE or "
                        "REGION/ZONE/SUBZONE; '*' may stand at the end [PIL0203]" },
    };

    check(state, cases, ARRAY_COUNT(cases));
}

static void test_failover_is_between_regions(void **state)
{
    static const struct fault_case cases[] = {
        { LOCALITY("failover: [{from: a, to: a}, {from: a/b, to: c}, {from: '*', to: c}]"),
            AT_LOCALITY
            "failover[0]: must name two different regions [PIL0302]\n" AT_LOCALITY
            "failover[1]: must name regions, without '/' and '*' [PIL0302]\n" AT_LOCALITY
            "failover[2]: must name regions, without '/' and '*' [PIL0302]" },
        { LOCALITY("failover: [{from: a, to: b}], distribute: [{from: a, to: {b: 100}}]"),
            AT_LOCALITY "failover: cannot be given together with distribute [PIL0301]" },
        { LOCALITY("failover: [{from: a, to: b}], "
                   "failoverPriority: [topology.kubernetes.io/region]"),
            AT_LOCALITY "failoverPriority[0]: topology.kubernetes.io/region cannot be given "
                        "together with failover [PIL0301]" },
        { BALANCER("localityLbSetting: {failover: [{from: a, to: b}]}"),
            "" }, /* what it lacks, analysis says */
    };

    check(state, cases, ARRAY_COUNT(cases));
}

static void test_pools_and_outliers_have_limits(void **state)
{
    static const struct fault_case cases[] = {
        { POOL("tcp: {maxConnections: -1}"),
            AT_POLICY "connectionPool.tcp.maxConnections: must be from 0 to 2147483647 [PIL0201]" },
        { POOL("tcp: {connectTimeout: 0s}, http: {idleTimeout: 30.000000005s}"),
            AT_POLICY
            "connectionPool.tcp.connectTimeout: must be at least 1 ms [PIL0201]\n" AT_POLICY
            "connectionPool.http.idleTimeout: must be whole milliseconds [PIL0201]" },
        { POOL("http: {h2UpgradePolicy: UPGRADE, useClientProtocol: true}"),
            AT_POLICY "connectionPool.http.useClientProtocol: cannot be given together with "
                      "h2UpgradePolicy UPGRADE [PIL0301]" },
        { POLICY("outlierDetection: {maxEjectionPercent: 101, minHealthPercent: -1}"),
            AT_POLICY "outlierDetection.maxEjectionPercent: must be from 0 to 100 "
                      "[PIL0201]\n" AT_POLICY
                      "outlierDetection.minHealthPercent: must be from 0 to 100 [PIL0201]" },
        { POLICY("outlierDetection: {consecutiveLocalOriginFailures: 1}"),
            AT_POLICY "outlierDetection.consecutiveLocalOriginFailures: needs "
                      "splitExternalLocalOriginErrors: true [PIL0302]" },
        { POLICY("outlierDetection: {consecutiveErrors: 5}"),
            "warning: " AT_POLICY "outlierDetection.consecutiveErrors: has no effect; use "
            "consecutive5xxErrors [PIL0108]" },
        { POLICY("portLevelSettings: [{port: {number: 80}}, {port: {number: 80}}]"),
            "warning: " AT_POLICY
            "portLevelSettings[1]: has no effect: there are settings for port 80 before it "
            "[PIL0108]" },
    };

    check(state, cases, ARRAY_COUNT(cases));
}

static void test_tls_says_where_certificates_are(void **state)
{
    static const struct fault_case cases[] = {
        { POLICY("tls: {mode: ISTIO_MUTUAL}"), "" },
        { POLICY("tls: {mode: MUTUAL, clientCertificate: a, privateKey: b}"), "" },
        { POLICY("tls: {mode: MUTUAL}"),
            AT_POLICY "tls.clientCertificate: is needed for mode MUTUAL [PIL0104]\n" AT_POLICY
                      "tls.privateKey: is needed for mode MUTUAL [PIL0104]" },
        { POLICY("tls: {mode: SIMPLE, credentialName: a}"), "" },
        { POLICY("tls: {mode: MUTUAL, credentialName: a, caCertificates: b}"),
            AT_POLICY "tls.caCertificates: cannot be given together with credentialName "
                      "[PIL0301]" },
        { POLICY("tls: {mode: ISTIO_MUTUAL, clientCertificate: a}"),
            "warning: " AT_POLICY "tls.clientCertificate: has no effect in this mode [PIL0108]" },
        { POLICY("tls: {mode: SIMPLE, insecureSkipVerify: true, subjectAltNames: [a]}"),
            AT_POLICY "tls.insecureSkipVerify: cannot be given together with caCertificates or "
                      "subjectAltNames [PIL0301]" },
    };

    check(state, cases, ARRAY_COUNT(cases));
}

static void test_rarer_policies_are_checked(void **state)
{
    static const struct fault_case cases[] = {
        { POLICY("loadBalancer: {zoneAwareLbSetting: {enabled: true}}"),
            "warning: " AT_POLICY "loadBalancer.zoneAwareLbSetting: has no effect; use "
            "localityLbSetting [PIL0108]" },
        { POLICY("tunnel: {targetHost: a.b, targetPort: 1}, proxyProtocol: {}"),
            AT_POLICY "tunnel: cannot be given together with proxyProtocol [PIL0301]" },
        { POLICY("retryBudget: {percent: 120}, connectionPool: {http: {http2KeepAlive: {}}}"),
            AT_POLICY
            "retryBudget.percent: must be from 0 to 100 [PIL0201]\n" AT_POLICY
            "connectionPool.http.http2KeepAlive.interval: is required [PIL0104]\n" AT_POLICY
            "connectionPool.http.http2KeepAlive.timeout: is required [PIL0104]" },
    };

    check(state, cases, ARRAY_COUNT(cases));
}

static void test_a_rule_for_some_clients_stays_in_its_namespace(void **state)
{
    static const struct fault_case cases[] = {
        { "{host: h, workloadSelector: {matchLabels: {a: b}}, exportTo: [.]}", "" },
        { "{host: h, workloadSelector: {matchLabels: {a: b}}, exportTo: [default]}", "" },
        { "{host: h, workloadSelector: {matchLabels: {a: b}}, exportTo: [x, y]}",
            "spec.exportTo[0]: must be \".\" where there is a workloadSelector [PIL0302]\n"
            "spec.exportTo[1]: must be \".\" where there is a workloadSelector [PIL0302]" },
        { "{host: h, workloadSelector: {}}",
            "warning: spec.workloadSelector: has no labels, so it selects every workload of the "
            "namespace [PIL0302]" },
        { "{host: h, workloadSelector: {labels: {a: b}}}",
            "spec.workloadSelector.labels: unknown field; known here: matchLabels [PIL0102]" },
    };

    check(state, cases, ARRAY_COUNT(cases));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, model_setup, model_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_every_field_is_decoded),
        TEST(test_hosts_and_subsets_have_names),
        TEST(test_empty_policies_are_mistakes),
        TEST(test_load_balancers_are_of_one_kind),
        TEST(test_localities_add_up_and_do_not_overlap),
        TEST(test_failover_is_between_regions),
        TEST(test_pools_and_outliers_have_limits),
        TEST(test_tls_says_where_certificates_are),
        TEST(test_rarer_policies_are_checked),
        TEST(test_a_rule_for_some_clients_stays_in_its_namespace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
