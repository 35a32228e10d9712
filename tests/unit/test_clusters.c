/* clusters: what a service, its DestinationRule and the mesh come to. */
#include "translate_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define REVIEWS           "outbound|9080||reviews.default.svc.cluster.local"
#define REVIEWS_V1        "outbound|9080|v1|reviews.default.svc.cluster.local"
#define HTTP_OPTIONS      "typedExtensionProtocolOptions/" HTTP_OPTIONS_TYPE
#define HTTP_OPTIONS_TYPE "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
#define REVIEWS_SPEC                                                                               \
    "'hosts': ['reviews.default.svc.cluster.local'], 'resolution': 'STATIC',"                      \
    "'ports': [{'number': 9080, 'name': 'http', 'protocol': 'HTTP'}],"                             \
    "'endpoints': [{'address': '10.1.0.1', 'labels': {'version': 'v1'}}]"

struct fixture {
    struct arena *a;
    struct fixture_value values[8];
    size_t count;
    struct translated t;
    bool is_translated;
};

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    f->a = arena_new();
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    if (f->is_translated)
        translated_fini(&f->t);
    arena_free(f->a);
    free(f);
    return 0;
}

static void add(struct fixture *f, struct fixture_value value)
{
    f->values[f->count++] = value;
}

static void translate_for(struct fixture *f, const char *node_id, const char *metadata)
{
    translated_init(&f->t, f->values, f->count, fixture_scope(f->a, node_id, metadata));
    f->is_translated = true;
}

static void translate(struct fixture *f)
{
    translate_for(f, WEB_NODE, "{}");
}

/* The reviews service under one rule, given from "trafficPolicy" or "subsets" on. */
static void translate_reviews(struct fixture *f, const char *rule)
{
    add(f, make_entry(f->a, "reviews", REVIEWS_SPEC));
    add(f, make_rule(f->a, "reviews", arena_printf(f->a, "'host': 'reviews', %s", rule)));
    translate(f);
}

static void expect(struct fixture *f, const char *cluster, const char *path, const char *value)
{
    assert_string_equal(translated_at(&f->t, XDS_CLUSTER, cluster, path), value);
}

/* ---- which clusters, and of what kind ---- */

static void test_three_clusters_are_always_there(void **state)
{
    struct fixture *f = *state;

    translate(f);

    assert_int_equal(xds_view_count(f->t.view, XDS_CLUSTER), 3);
    expect(f, "BlackHoleCluster", "type", "STATIC");
    expect(f, "BlackHoleCluster", "loadAssignment", "(absent)");
    expect(f, "PassthroughCluster", "type", "ORIGINAL_DST");
    expect(f, "PassthroughCluster", "lbPolicy", "CLUSTER_PROVIDED");
    expect(f, "PassthroughCluster", HTTP_OPTIONS "/commonHttpProtocolOptions/idleTimeout", "300s");
    expect(f, "PassthroughCluster", "upstreamBindConfig", "(absent)");
    expect(f, "InboundPassthroughCluster", "upstreamBindConfig/sourceAddress/address", "127.0.0.6");
}

static void test_a_gateway_has_no_passthrough(void **state)
{
    struct fixture *f = *state;

    translate_for(f, "router~10.0.0.9~gw.default~default.svc.cluster.local", "{}");

    assert_int_equal(xds_view_count(f->t.view, XDS_CLUSTER), 1);
    expect(f, "BlackHoleCluster", "type", "STATIC");
}

static void test_a_port_without_a_rule_has_no_limits_and_balances_by_least_request(void **state)
{
    struct fixture *f = *state;
    add(f, make_entry(f->a, "reviews", REVIEWS_SPEC));

    translate(f);

    expect(f, REVIEWS, "type", "EDS");
    expect(f, REVIEWS, "edsClusterConfig/serviceName", REVIEWS);
    expect(f, REVIEWS, "edsClusterConfig/edsConfig/ads", "{}");
    expect(f, REVIEWS, "lbPolicy", "LEAST_REQUEST");
    expect(f, REVIEWS, "connectTimeout", "10s");
    expect(f, REVIEWS, "circuitBreakers/thresholds/0/maxConnections", "4294967295");
    expect(f, REVIEWS, "circuitBreakers/thresholds/0/maxPendingRequests", "4294967295");
    expect(f, REVIEWS, "circuitBreakers/thresholds/0/maxRequests", "4294967295");
    expect(f, REVIEWS, "circuitBreakers/thresholds/0/maxRetries", "4294967295");
    expect(f, REVIEWS, "commonLbConfig", "{\"healthyPanicThreshold\":{}}");
    expect(f, REVIEWS, "outlierDetection", "(absent)");
    expect(f, REVIEWS, "typedExtensionProtocolOptions", "(absent)");
    expect(f, REVIEWS, "transportSocket", "(absent)");
}

static void test_each_port_and_subset_has_its_cluster_and_udp_has_none(void **state)
{
    struct fixture *f = *state;
    add(f,
        make_entry(f->a,
            "multi",
            "'hosts': ['multi.test'], 'resolution': 'STATIC', 'ports': ["
            "{'number': 80, 'name': 'http', 'protocol': 'HTTP'},"
            "{'number': 90, 'name': 'tcp', 'protocol': 'TCP'},"
            "{'number': 53, 'name': 'udp', 'protocol': 'UDP'}],"
            "'endpoints': [{'address': '10.1.0.1'}]"));
    add(f,
        make_rule(f->a,
            "multi",
            "'host': 'multi.test', 'subsets': ["
            "{'name': 'v1', 'labels': {'version': 'v1'}}, {'name': 'v2'}]"));

    translate(f);

    const char *names[] = { "outbound|80||multi.test",
        "outbound|80|v1|multi.test",
        "outbound|80|v2|multi.test",
        "outbound|90||multi.test",
        "outbound|90|v1|multi.test",
        "outbound|90|v2|multi.test" };
    for (size_t i = 0; i < ARRAY_COUNT(names); i++)
        expect(f, names[i], "type", "EDS");
    assert_int_equal(xds_view_count(f->t.view, XDS_CLUSTER), 3 + ARRAY_COUNT(names));
}

static void test_names_to_resolve_are_inside_the_cluster(void **state)
{
    struct fixture *f = *state;
    add(f,
        make_entry(f->a,
            "api",
            "'hosts': ['api.test'], 'resolution': 'DNS',"
            "'ports': [{'number': 443, 'name': 'tls', 'protocol': 'TLS'}],"
            "'endpoints': [{'address': 'a.test'}, {'address': 'b.test', 'ports': {'tls': 8443}}]"));

    translate(f);

    const char *api = "outbound|443||api.test";
    const char *first = "loadAssignment/endpoints/0/lbEndpoints/0/endpoint/address/socketAddress";
    const char *second = "loadAssignment/endpoints/0/lbEndpoints/1/endpoint/address/socketAddress";
    expect(f, api, "type", "STRICT_DNS");
    expect(f, api, "dnsLookupFamily", "V4_ONLY");
    expect(f, api, "dnsRefreshRate", "60s");
    expect(f, api, "dnsJitter", "0.100s");
    expect(f, api, "respectDnsTtl", "true");
    expect(f, api, "typedDnsResolverConfig/typedConfig/udpMaxQueries", "100");
    expect(f, api, first, "{\"address\":\"a.test\",\"portValue\":443}");
    expect(f, api, second, "{\"address\":\"b.test\",\"portValue\":8443}");
    assert_null(xds_view_find(f->t.view, XDS_ENDPOINT, api));
}

static void test_a_name_without_endpoints_resolves_its_own_host(void **state)
{
    struct fixture *f = *state;
    add(f,
        make_entry(f->a,
            "api",
            "'hosts': ['api.test'], 'resolution': 'DNS', 'ports': ["
            "{'number': 80, 'name': 'http', 'protocol': 'HTTP', 'targetPort': 8080}]"));

    translate(f);

    expect(f,
        "outbound|80||api.test",
        "loadAssignment/endpoints/0/lbEndpoints/0/endpoint/address/socketAddress",
        "{\"address\":\"api.test\",\"portValue\":8080}");
}

static void test_round_robin_names_are_logical_only_with_exactly_one(void **state)
{
    struct fixture *f = *state;
    add(f,
        make_entry(f->a,
            "one",
            "'hosts': ['one.test'], 'resolution': 'DNS_ROUND_ROBIN',"
            "'ports': [{'number': 80, 'name': 'http', 'protocol': 'HTTP'}],"
            "'endpoints': [{'address': 'a.test', 'labels': {'version': 'v1'}}]"));
    add(f,
        make_rule(f->a,
            "one",
            "'host': 'one.test', 'subsets': [{'name': 'none', 'labels': {'version': 'v9'}}]"));

    translate(f);

    expect(f, "outbound|80||one.test", "type", "LOGICAL_DNS");
    expect(f, "outbound|80|none|one.test", "type", "STRICT_DNS");
    expect(f, "outbound|80|none|one.test", "loadAssignment/endpoints", "(absent)");
}

static void test_the_family_of_names_is_the_proxys(void **state)
{
    struct fixture *f = *state;
    add(f,
        make_entry(f->a,
            "api",
            "'hosts': ['api.test'], 'resolution': 'DNS',"
            "'ports': [{'number': 80, 'name': 'http', 'protocol': 'HTTP'}]"));
    translate_for(f, "sidecar~fd00::1~web.default~default.svc.cluster.local", "{}");

    struct scope *v4 = fixture_scope(f->a, WEB_NODE, "{}");
    struct xds_view *other = translator_view(f->t.translator, v4);

    const char *api = "outbound|80||api.test";
    expect(f, api, "dnsLookupFamily", "V6_ONLY");
    assert_ptr_not_equal(
        xds_view_find(f->t.view, XDS_CLUSTER, api), xds_view_find(other, XDS_CLUSTER, api));
    xds_view_release(other);
}

static void test_without_resolution_the_destination_is_the_callers(void **state)
{
    struct fixture *f = *state;
    add(f,
        make_entry(f->a,
            "wiki",
            "'hosts': ['*.wiki.test'], 'resolution': 'NONE', 'ports': ["
            "{'number': 443, 'name': 'tls', 'protocol': 'TLS'},"
            "{'number': 80, 'name': 'http', 'protocol': 'HTTP', 'targetPort': 8080}]"));

    translate(f);

    expect(f, "outbound|443||*.wiki.test", "type", "ORIGINAL_DST");
    expect(f, "outbound|443||*.wiki.test", "lbPolicy", "CLUSTER_PROVIDED");
    expect(f, "outbound|443||*.wiki.test", "originalDstLbConfig", "(absent)");
    expect(f, "outbound|80||*.wiki.test", "originalDstLbConfig", "{\"upstreamPortOverride\":8080}");
    assert_int_equal(xds_view_count(f->t.view, XDS_ENDPOINT), 0);
}

static void test_passthrough_balancing_needs_no_endpoints(void **state)
{
    struct fixture *f = *state;

    translate_reviews(f, "'trafficPolicy': {'loadBalancer': {'simple': 'PASSTHROUGH'}}");

    expect(f, REVIEWS, "type", "ORIGINAL_DST");
    expect(f, REVIEWS, "edsClusterConfig", "(absent)");
    assert_null(xds_view_find(f->t.view, XDS_ENDPOINT, REVIEWS));
}

/* ---- HTTP ---- */

static void test_the_protocol_of_the_port_decides_how_requests_go_out(void **state)
{
    struct fixture *f = *state;
    add(f,
        make_entry(f->a,
            "p",
            "'hosts': ['p.test'], 'resolution': 'STATIC', 'ports': ["
            "{'number': 1, 'name': 'a', 'protocol': 'HTTP'},"
            "{'number': 2, 'name': 'b', 'protocol': 'HTTP2'},"
            "{'number': 3, 'name': 'c', 'protocol': 'GRPC'},"
            "{'number': 4, 'name': 'd', 'protocol': 'GRPC-WEB'},"
            "{'number': 5, 'name': 'e', 'protocol': 'TCP'},"
            "{'number': 6, 'name': 'f'}]"));

    translate(f);

    const char *h2 = HTTP_OPTIONS "/explicitHttpConfig/http2ProtocolOptions";
    expect(f, "outbound|1||p.test", HTTP_OPTIONS, "(absent)");
    expect(f, "outbound|2||p.test", h2, "{}");
    expect(f, "outbound|3||p.test", h2, "{}");
    expect(f, "outbound|4||p.test", h2, "{}");
    expect(f, "outbound|5||p.test", HTTP_OPTIONS, "(absent)");
    expect(f,
        "outbound|6||p.test",
        HTTP_OPTIONS "/useDownstreamProtocolConfig",
        "{\"httpProtocolOptions\":{},\"http2ProtocolOptions\":{}}");
}

static void test_connection_pool_becomes_limits_and_options(void **state)
{
    struct fixture *f = *state;

    translate_reviews(f,
        "'trafficPolicy': {'connectionPool': {"
        "'tcp': {'maxConnections': 5, 'connectTimeout': '1.5s', 'maxConnectionDuration': '60s',"
        " 'tcpKeepalive': {'probes': 3, 'time': '7200s', 'interval': '75s'}},"
        "'http': {'http1MaxPendingRequests': 6, 'http2MaxRequests': 7, 'maxRetries': 8,"
        " 'maxRequestsPerConnection': 9, 'idleTimeout': '30s', 'h2UpgradePolicy': 'UPGRADE',"
        " 'maxConcurrentStreams': 10}}}");

    expect(f, REVIEWS, "connectTimeout", "1.500s");
    expect(f,
        REVIEWS,
        "circuitBreakers/thresholds/0",
        "{\"maxConnections\":5,\"maxPendingRequests\":6,\"maxRequests\":7,\"maxRetries\":8}");
    expect(f,
        REVIEWS,
        "upstreamConnectionOptions/tcpKeepalive",
        "{\"keepaliveProbes\":3,\"keepaliveTime\":7200,\"keepaliveInterval\":75}");
    expect(f,
        REVIEWS,
        HTTP_OPTIONS "/commonHttpProtocolOptions",
        "{\"idleTimeout\":\"30s\",\"maxConnectionDuration\":\"60s\","
        "\"maxRequestsPerConnection\":9}");
    expect(f,
        REVIEWS,
        HTTP_OPTIONS "/explicitHttpConfig/http2ProtocolOptions/maxConcurrentStreams",
        "10");
}

static void test_the_clients_protocol_can_be_asked_for(void **state)
{
    struct fixture *f = *state;

    translate_reviews(
        f, "'trafficPolicy': {'connectionPool': {'http': {'useClientProtocol': true}}}");

    expect(f, REVIEWS, HTTP_OPTIONS "/useDownstreamProtocolConfig/http2ProtocolOptions", "{}");
}

/* ---- the mesh's settings ---- */

static void test_the_meshs_timeouts_and_keepalive_hold_where_no_rule_says_otherwise(void **state)
{
    struct fixture *f = *state;
    add(f, make_mesh(f->a, "'connectTimeout': '3s', 'tcpKeepalive': {'probes': 9, 'time': '10s'}"));
    add(f, make_entry(f->a, "reviews", REVIEWS_SPEC));
    add(f,
        make_rule(f->a,
            "reviews",
            "'host': 'reviews', 'subsets': [{'name': 'v1', 'trafficPolicy': {'connectionPool':"
            " {'tcp': {'connectTimeout': '1s', 'tcpKeepalive': {'time': '20s'}}}}}]"));

    translate(f);

    expect(f, "BlackHoleCluster", "connectTimeout", "3s");
    expect(f, "PassthroughCluster", "connectTimeout", "3s");
    expect(f, "PassthroughCluster", "upstreamConnectionOptions/tcpKeepalive/keepaliveProbes", "9");
    expect(f, REVIEWS, "connectTimeout", "3s");
    expect(f, REVIEWS, "upstreamConnectionOptions/tcpKeepalive/keepaliveTime", "10");
    expect(f, REVIEWS_V1, "connectTimeout", "1s");
    expect(f,
        REVIEWS_V1,
        "upstreamConnectionOptions/tcpKeepalive",
        "{\"keepaliveProbes\":9,\"keepaliveTime\":20}");
}

/* ---- load balancing ---- */

static void test_each_simple_policy_has_its_name(void **state)
{
    struct fixture *f = *state;
    const char *policies[][2] = { { "RANDOM", "RANDOM" },
        { "ROUND_ROBIN", "(absent)" },
        { "LEAST_REQUEST", "LEAST_REQUEST" },
        { "LEAST_CONN", "LEAST_REQUEST" },
        { "UNSPECIFIED", "LEAST_REQUEST" } };
    add(f, make_entry(f->a, "reviews", REVIEWS_SPEC));
    const char *subsets = "";
    for (size_t i = 0; i < ARRAY_COUNT(policies); i++)
        subsets = arena_printf(f->a,
            "%s%s{'name': 's%zu', 'trafficPolicy': {'loadBalancer': {'simple': '%s'}}}",
            subsets,
            i ? ", " : "",
            i,
            policies[i][0]);
    add(f,
        make_rule(
            f->a, "reviews", arena_printf(f->a, "'host': 'reviews', 'subsets': [%s]", subsets)));

    translate(f);

    for (size_t i = 0; i < ARRAY_COUNT(policies); i++)
        expect(f,
            arena_printf(f->a, "outbound|9080|s%zu|reviews.default.svc.cluster.local", i),
            "lbPolicy",
            policies[i][1]);
}

static void test_consistent_hashing_chooses_ring_or_maglev(void **state)
{
    struct fixture *f = *state;

    translate_reviews(f,
        "'trafficPolicy': {'loadBalancer': {'consistentHash': {'useSourceIp': true}}},"
        "'subsets': ["
        "{'name': 'v1', 'trafficPolicy': {'loadBalancer': {'consistentHash':"
        " {'useSourceIp': true, 'ringHash': {'minimumRingSize': 2000}}}}},"
        "{'name': 'v2', 'trafficPolicy': {'loadBalancer': {'consistentHash':"
        " {'useSourceIp': true, 'maglev': {'tableSize': 65537}}}}}]");

    expect(f, REVIEWS, "lbPolicy", "RING_HASH");
    expect(f, REVIEWS, "ringHashLbConfig/minimumRingSize", "1024");
    expect(f, REVIEWS_V1, "ringHashLbConfig/minimumRingSize", "2000");
    const char *v2 = "outbound|9080|v2|reviews.default.svc.cluster.local";
    expect(f, v2, "lbPolicy", "MAGLEV");
    expect(f, v2, "maglevLbConfig/tableSize", "65537");
    expect(f, v2, "ringHashLbConfig", "(absent)");
}

static void test_warm_up_slows_the_start(void **state)
{
    struct fixture *f = *state;

    translate_reviews(f,
        "'trafficPolicy': {'loadBalancer': {'simple': 'ROUND_ROBIN', 'warmup':"
        " {'duration': '60s', 'minimumPercent': 20, 'aggression': 2}}},"
        "'subsets': [{'name': 'v1', 'trafficPolicy': {'loadBalancer':"
        " {'warmup': {'duration': '45s'}}}}]");

    expect(f, REVIEWS, "roundRobinLbConfig/slowStartConfig/slowStartWindow", "60s");
    expect(f, REVIEWS, "roundRobinLbConfig/slowStartConfig/minWeightPercent/value", "20");
    expect(f, REVIEWS, "roundRobinLbConfig/slowStartConfig/aggression/defaultValue", "2");
    expect(f, REVIEWS_V1, "leastRequestLbConfig/slowStartConfig", "{\"slowStartWindow\":\"45s\"}");
}

static void test_places_are_weighed_only_where_somebody_set_weights(void **state)
{
    struct fixture *f = *state;
    const char *weighted = "commonLbConfig/localityWeightedLbConfig";

    translate_reviews(f,
        "'trafficPolicy': {'outlierDetection': {'consecutive5xxErrors': 1}}, 'subsets': ["
        "{'name': 'v1', 'trafficPolicy': {'loadBalancer': {'localityLbSetting':"
        " {'failover': [{'from': 'north', 'to': 'south'}]}}}},"
        "{'name': 'v2', 'trafficPolicy': {'loadBalancer': {'localityLbSetting':"
        " {'enabled': false, 'failover': [{'from': 'north', 'to': 'south'}]}}}}]");

    expect(f, REVIEWS, weighted, "(absent)");
    expect(f, REVIEWS_V1, weighted, "{}");
    expect(f, "outbound|9080|v2|reviews.default.svc.cluster.local", weighted, "(absent)");
}

/* ---- outlier detection ---- */

static void test_outlier_detection_enforces_what_is_given_and_never_the_success_rate(void **state)
{
    struct fixture *f = *state;

    translate_reviews(f,
        "'trafficPolicy': {'outlierDetection': {'consecutive5xxErrors': 7,"
        " 'consecutiveGatewayErrors': 0, 'interval': '5m', 'baseEjectionTime': '15m',"
        " 'maxEjectionPercent': 50, 'minHealthPercent': 30}}");

    expect(f, REVIEWS, "outlierDetection/consecutive5xx", "7");
    expect(f, REVIEWS, "outlierDetection/enforcingConsecutive5xx", "100");
    expect(f, REVIEWS, "outlierDetection/consecutiveGatewayFailure", "0");
    expect(f, REVIEWS, "outlierDetection/enforcingConsecutiveGatewayFailure", "0");
    expect(f, REVIEWS, "outlierDetection/enforcingSuccessRate", "0");
    expect(f, REVIEWS, "outlierDetection/interval", "300s");
    expect(f, REVIEWS, "outlierDetection/baseEjectionTime", "900s");
    expect(f, REVIEWS, "outlierDetection/maxEjectionPercent", "50");
    expect(f, REVIEWS, "outlierDetection/splitExternalLocalOriginErrors", "(absent)");
    expect(f, REVIEWS, "commonLbConfig/healthyPanicThreshold/value", "30");
}

static void test_local_errors_count_apart_only_when_they_are_split(void **state)
{
    struct fixture *f = *state;
    const char *count = "outlierDetection/consecutiveLocalOriginFailure";

    translate_reviews(f,
        "'trafficPolicy': {'outlierDetection': {'splitExternalLocalOriginErrors': true,"
        " 'consecutiveLocalOriginFailures': 4}}, 'subsets': [{'name': 'v1', 'trafficPolicy':"
        " {'outlierDetection': {'consecutive5xxErrors': 4}}}]");

    expect(f, REVIEWS, count, "4");
    expect(f, REVIEWS, "outlierDetection/enforcingConsecutiveLocalOriginFailure", "100");
    expect(f, REVIEWS, "outlierDetection/enforcingLocalOriginSuccessRate", "0");
    expect(f, REVIEWS_V1, count, "(absent)");
    expect(f, REVIEWS_V1, "outlierDetection/enforcingLocalOriginSuccessRate", "(absent)");
}

/* ---- levels ---- */

static void test_a_port_replaces_the_policy_whole(void **state)
{
    struct fixture *f = *state;

    translate_reviews(f,
        "'trafficPolicy': {'connectionPool': {'tcp': {'maxConnections': 5}},"
        " 'portLevelSettings': [{'port': {'number': 9080},"
        " 'loadBalancer': {'simple': 'RANDOM'}}]}");

    expect(f, REVIEWS, "lbPolicy", "RANDOM");
    expect(f, REVIEWS, "circuitBreakers/thresholds/0/maxConnections", "4294967295");
}

/* ---- TLS ---- */

#define CONTEXT    "transportSocket/typedConfig"
#define VALIDATION CONTEXT "/commonTlsContext/validationContext"

static void test_tls_trusts_the_given_file_and_names(void **state)
{
    struct fixture *f = *state;

    translate_reviews(f,
        "'trafficPolicy': {'tls': {'mode': 'SIMPLE', 'caCertificates': '/etc/ca.pem',"
        " 'subjectAltNames': ['a.test', '10.0.0.1', 'spiffe://a/b'], 'sni': 'sni.test'}}");

    expect(f, REVIEWS, "transportSocket/name", "envoy.transport_sockets.tls");
    expect(f, REVIEWS, CONTEXT "/sni", "sni.test");
    expect(f,
        REVIEWS,
        CONTEXT "/commonTlsContext/tlsParams",
        "{\"tlsMinimumProtocolVersion\":\"TLSv1_2\","
        "\"tlsMaximumProtocolVersion\":\"TLSv1_3\"}");
    expect(f, REVIEWS, VALIDATION "/trustedCa/filename", "/etc/ca.pem");
    expect(f,
        REVIEWS,
        VALIDATION "/matchTypedSubjectAltNames",
        "[{\"sanType\":\"DNS\",\"matcher\":{\"exact\":\"a.test\"}},"
        "{\"sanType\":\"IP_ADDRESS\",\"matcher\":{\"exact\":\"10.0.0.1\"}},"
        "{\"sanType\":\"URI\",\"matcher\":{\"exact\":\"spiffe://a/b\"}}]");
    expect(f, REVIEWS, HTTP_OPTIONS, "(absent)");
}

static void test_tls_without_a_server_name_asks_for_the_host_of_each_request(void **state)
{
    struct fixture *f = *state;

    translate_reviews(f, "'trafficPolicy': {'tls': {'mode': 'SIMPLE'}}");

    expect(f,
        REVIEWS,
        HTTP_OPTIONS "/upstreamHttpProtocolOptions",
        "{\"autoSni\":true,\"autoSanValidation\":true}");
    expect(f, REVIEWS, HTTP_OPTIONS "/explicitHttpConfig/httpProtocolOptions", "{}");
    expect(f, REVIEWS, VALIDATION "/trustedCa/filename", "/etc/ssl/certs/ca-certificates.crt");
}

static void test_tls_can_be_told_to_verify_nothing(void **state)
{
    struct fixture *f = *state;

    translate_reviews(
        f, "'trafficPolicy': {'tls': {'mode': 'SIMPLE', 'insecureSkipVerify': true}}");

    expect(f, REVIEWS, VALIDATION, "{}");
    expect(f, REVIEWS, HTTP_OPTIONS "/upstreamHttpProtocolOptions", "{\"autoSni\":true}");
}

static void test_tls_over_http2_says_so(void **state)
{
    struct fixture *f = *state;

    translate_reviews(f,
        "'trafficPolicy': {'tls': {'mode': 'SIMPLE', 'sni': 'x'},"
        " 'connectionPool': {'http': {'h2UpgradePolicy': 'UPGRADE'}}}");

    expect(f, REVIEWS, CONTEXT "/commonTlsContext/alpnProtocols", "[\"h2\"]");
}

static void test_a_service_entrys_own_names_are_trusted_when_the_rule_has_none(void **state)
{
    struct fixture *f = *state;
    add(f,
        make_entry(f->a,
            "reviews",
            "'hosts': ['x.test'], 'resolution': 'STATIC', 'subjectAltNames': ['y.test'],"
            "'ports': [{'number': 80, 'name': 'http', 'protocol': 'HTTP'}], 'endpoints': ["
            "{'address': '10.1.0.1', 'serviceAccount': 'x'},"
            "{'address': '10.1.0.2', 'serviceAccount': 'x'}]"));
    add(f,
        make_rule(
            f->a, "reviews", "'host': 'x.test', 'trafficPolicy': {'tls': {'mode': 'SIMPLE'}}"));

    translate(f);

    expect(f,
        "outbound|80||x.test",
        VALIDATION "/matchTypedSubjectAltNames",
        "[{\"sanType\":\"DNS\",\"matcher\":{\"exact\":\"y.test\"}},"
        "{\"sanType\":\"URI\",\"matcher\":"
        "{\"exact\":\"spiffe://cluster.local/ns/default/sa/x\"}}]");
}

static void test_tls_disabled_is_plain(void **state)
{
    struct fixture *f = *state;

    translate_reviews(f, "'trafficPolicy': {'tls': {'mode': 'DISABLE'}}");

    expect(f, REVIEWS, "transportSocket", "(absent)");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_three_clusters_are_always_there),
        TEST(test_a_gateway_has_no_passthrough),
        TEST(test_a_port_without_a_rule_has_no_limits_and_balances_by_least_request),
        TEST(test_each_port_and_subset_has_its_cluster_and_udp_has_none),
        TEST(test_names_to_resolve_are_inside_the_cluster),
        TEST(test_a_name_without_endpoints_resolves_its_own_host),
        TEST(test_round_robin_names_are_logical_only_with_exactly_one),
        TEST(test_the_family_of_names_is_the_proxys),
        TEST(test_without_resolution_the_destination_is_the_callers),
        TEST(test_passthrough_balancing_needs_no_endpoints),
        TEST(test_the_protocol_of_the_port_decides_how_requests_go_out),
        TEST(test_connection_pool_becomes_limits_and_options),
        TEST(test_the_clients_protocol_can_be_asked_for),
        TEST(test_the_meshs_timeouts_and_keepalive_hold_where_no_rule_says_otherwise),
        TEST(test_each_simple_policy_has_its_name),
        TEST(test_consistent_hashing_chooses_ring_or_maglev),
        TEST(test_warm_up_slows_the_start),
        TEST(test_places_are_weighed_only_where_somebody_set_weights),
        TEST(test_outlier_detection_enforces_what_is_given_and_never_the_success_rate),
        TEST(test_local_errors_count_apart_only_when_they_are_split),
        TEST(test_a_port_replaces_the_policy_whole),
        TEST(test_tls_trusts_the_given_file_and_names),
        TEST(test_tls_without_a_server_name_asks_for_the_host_of_each_request),
        TEST(test_tls_can_be_told_to_verify_nothing),
        TEST(test_tls_over_http2_says_so),
        TEST(test_a_service_entrys_own_names_are_trusted_when_the_rule_has_none),
        TEST(test_tls_disabled_is_plain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
