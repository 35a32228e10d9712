/* transport: how connections to a service are wrapped: TLS of a rule, TLS of the mesh, PROXY. */
#include "shop_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define DB         "outbound|80||db.test"
#define DB_V1      "outbound|80|v1|db.test"
#define IDENTITY   "{'SERVICE_ACCOUNT': 'web'}"
#define HTTP_80    "{'number': 80, 'name': 'http', 'protocol': 'HTTP'}"
#define HTTP2_80   "{'number': 80, 'name': 'http', 'protocol': 'HTTP2'}"
#define INTERNAL   "'location': 'MESH_INTERNAL'"
#define EXTERNAL   "'location': 'MESH_EXTERNAL'"
#define AT_1       "{'address': '10.1.0.1', 'serviceAccount': 'one'}"
#define AT_2       "{'address': '10.1.0.2', 'serviceAccount': 'two'}"
#define STATIC     "'resolution': 'STATIC', 'endpoints': "
#define ON_1       STATIC "[" AT_1 "]"
#define ON_1_AND_2 STATIC "[" AT_1 ", " AT_2 "]"

#define SOCKET       "transportSocket/typedConfig"
#define COMMON       SOCKET "/commonTlsContext"
#define VALIDATION   COMMON "/validationContext"
#define COMBINED     COMMON "/combinedValidationContext"
#define MATCH(n)     "transportSocketMatches/" #n
#define MATCH_TLS    MATCH(0) "/transportSocket/typedConfig"
#define NAMES        "/defaultValidationContext/matchTypedSubjectAltNames"
#define OWN_SECRET   "/tlsCertificateSdsSecretConfigs/0"
#define THEIR_SECRET "/validationContextSdsSecretConfig"
#define SYSTEM_FILE  "/etc/ssl/certs/ca-certificates.crt"
#define ADS          "{\"ads\":{},\"initialFetchTimeout\":\"0.050s\",\"resourceApiVersion\":\"V3\"}"
#define AGENT                                                                                      \
    "{\"apiConfigSource\":{\"apiType\":\"GRPC\",\"grpcServices\":"                                 \
    "[{\"envoyGrpc\":{\"clusterName\":\"sds-grpc\"}}],\"setNodeOnFirstMessageOnly\":true,"         \
    "\"transportApiVersion\":\"V3\"},\"initialFetchTimeout\":\"0s\",\"resourceApiVersion\":"       \
    "\"V3\"}"
#define URI_NAME(text) "{\"sanType\":\"URI\",\"matcher\":{\"exact\":\"" text "\"}}"
#define DNS_NAME(text) "{\"sanType\":\"DNS\",\"matcher\":{\"exact\":\"" text "\"}}"
#define ONE            URI_NAME("spiffe://cluster.local/ns/default/sa/one")
#define TWO            URI_NAME("spiffe://cluster.local/ns/default/sa/two")

/* ---- the service db.test ---- */

static void add_db(struct shop *s, const char *ports, const char *more)
{
    s->values[s->count++] = make_entry(
        s->a, "db", arena_printf(s->a, "'hosts': ['db.test'], 'ports': [%s], %s", ports, more));
}

/* What the rule for it says from "trafficPolicy" or "subsets" on. */
static void add_policy(struct shop *s, const char *policy)
{
    shop_add_rule(s, "db", arena_printf(s->a, "'host': 'db.test', %s", policy));
}

static void open_with_tls(struct shop *s, const char *metadata, const char *tls)
{
    add_db(s, HTTP_80, ON_1_AND_2);
    add_policy(s, arena_printf(s->a, "'trafficPolicy': {'tls': {%s}}", tls));
    shop_open(s, metadata);
}

static void expect(struct shop *s, const char *cluster, const char *path, const char *value)
{
    const char *found = translated_at(&s->t, XDS_CLUSTER, cluster, path);
    if (strcmp(found, value) != 0)
        fail_msg("%s/%s is %s, not %s", cluster, path, found, value);
}

static void expect_db(struct shop *s, const char *path, const char *value)
{
    expect(s, DB, path, value);
}

static void expect_plain(struct shop *s, const char *cluster)
{
    expect(s, cluster, "transportSocket", "(absent)");
    expect(s, cluster, "transportSocketMatches", "(absent)");
}

static void expect_auto_mtls(struct shop *s, const char *cluster)
{
    expect(s, cluster, "transportSocket", "(absent)");
    expect(s, cluster, MATCH(0) "/name", "tlsMode-istio");
    expect(s, cluster, MATCH(1) "/name", "tlsMode-disabled");
}

/* ---- TLS that a rule asks for, with files ---- */

static void test_mutual_tls_shows_a_certificate_from_files(void **state)
{
    struct shop *s = *state;

    open_with_tls(s,
        "{}",
        "'mode': 'MUTUAL', 'clientCertificate': '/c.pem', 'privateKey': '/k.pem',"
        " 'caCertificates': '/ca.pem', 'caCrl': '/crl.pem', 'sni': 'x.test',"
        " 'subjectAltNames': ['y.test']");

    expect_db(s, "transportSocket/name", "envoy.transport_sockets.tls");
    expect_db(s,
        COMMON "/tlsCertificates",
        "[{\"certificateChain\":{\"filename\":\"/c.pem\"},"
        "\"privateKey\":{\"filename\":\"/k.pem\"}}]");
    expect_db(s, VALIDATION "/trustedCa/filename", "/ca.pem");
    expect_db(s, VALIDATION "/crl/filename", "/crl.pem");
    expect_db(s, VALIDATION "/matchTypedSubjectAltNames", "[" DNS_NAME("y.test") "]");
    expect_db(s, SOCKET "/sni", "x.test");
    expect_db(s, COMMON "/alpnProtocols", "(absent)");
    expect_db(s, COMMON "/tlsCertificateSdsSecretConfigs", "(absent)");
    expect_db(s, "transportSocketMatches", "(absent)");
}

static void test_mutual_tls_may_verify_nothing_and_still_shows_its_certificate(void **state)
{
    struct shop *s = *state;

    open_with_tls(s,
        "{}",
        "'mode': 'MUTUAL', 'clientCertificate': '/c.pem', 'privateKey': '/k.pem',"
        " 'insecureSkipVerify': true");

    expect_db(s, VALIDATION, "{}");
    expect_db(s, COMMON "/tlsCertificates/0/privateKey/filename", "/k.pem");
}

static void test_simple_tls_shows_no_certificate(void **state)
{
    struct shop *s = *state;

    open_with_tls(s, IDENTITY, "'mode': 'SIMPLE'");

    expect_db(s, COMMON "/tlsCertificates", "(absent)");
    expect_db(s, COMMON "/tlsCertificateSdsSecretConfigs", "(absent)");
    expect_db(s, VALIDATION "/trustedCa/filename", SYSTEM_FILE);
    expect_db(s, VALIDATION "/matchTypedSubjectAltNames", "[" ONE "," TWO "]");
}

static void test_the_mesh_says_whether_servers_are_verified_and_how_tls_is_spoken(void **state)
{
    struct shop *s = *state;
    shop_add_mesh(s,
        "'verifyCertificateAtClient': false, 'tlsDefaults': {'cipherSuites':"
        " ['ECDHE-RSA-AES128-GCM-SHA256'], 'ecdhCurves': ['P-256']}");
    add_db(s, HTTP_80, ON_1);
    add_policy(s,
        "'trafficPolicy': {'tls': {'mode': 'SIMPLE'}}, 'subsets': [{'name': 'v1', 'trafficPolicy':"
        " {'tls': {'mode': 'SIMPLE', 'caCertificates': '/ca.pem'}}}]");

    shop_open(s, "{}");

    expect_db(s, VALIDATION "/trustedCa", "(absent)");
    expect(s, DB_V1, VALIDATION "/trustedCa/filename", "/ca.pem");
    expect_db(s,
        COMMON "/tlsParams",
        "{\"tlsMinimumProtocolVersion\":\"TLSv1_2\",\"tlsMaximumProtocolVersion\":\"TLSv1_3\","
        "\"cipherSuites\":[\"ECDHE-RSA-AES128-GCM-SHA256\"],\"ecdhCurves\":[\"P-256\"]}");
}

/* ---- with a secret ---- */

static void test_a_credentials_secrets_come_from_where_configuration_comes_from(void **state)
{
    struct shop *s = *state;

    open_with_tls(
        s, "{}", "'mode': 'MUTUAL', 'credentialName': 'db-client', 'subjectAltNames': ['y.test']");

    expect_db(s, COMMON OWN_SECRET "/name", "db-client");
    expect_db(s, COMMON OWN_SECRET "/sdsConfig", ADS);
    expect_db(s, COMBINED THEIR_SECRET "/name", "db-client-cacert");
    expect_db(s, COMBINED THEIR_SECRET "/sdsConfig", ADS);
    expect_db(s, COMBINED NAMES, "[" DNS_NAME("y.test") "]");
    expect_db(s, COMMON "/tlsCertificates", "(absent)");
    expect_db(s, VALIDATION, "(absent)");
}

static void test_with_an_agent_secrets_come_from_the_agent(void **state)
{
    struct shop *s = *state;

    open_with_tls(s, IDENTITY, "'mode': 'SIMPLE', 'credentialName': 'db-client'");

    expect_db(s, COMMON "/tlsCertificateSdsSecretConfigs", "(absent)");
    expect_db(s, COMBINED THEIR_SECRET "/name", "db-client-cacert");
    expect_db(s, COMBINED THEIR_SECRET "/sdsConfig", AGENT);
}

static void test_with_a_credential_too_a_server_may_go_unverified(void **state)
{
    struct shop *s = *state;

    open_with_tls(
        s, "{}", "'mode': 'MUTUAL', 'credentialName': 'db-client', 'insecureSkipVerify': true");

    expect_db(s, COMMON OWN_SECRET "/name", "db-client");
    expect_db(s, VALIDATION, "{}");
    expect_db(s, COMBINED, "(absent)");
}

/* ---- TLS of the mesh that a rule asks for ---- */

static void test_istio_mutual_is_tls_of_the_mesh(void **state)
{
    struct shop *s = *state;

    open_with_tls(s, IDENTITY, "'mode': 'ISTIO_MUTUAL'");

    expect_db(s, "transportSocket/name", "envoy.transport_sockets.tls");
    expect_db(s, SOCKET "/sni", "outbound_.80_._.db.test");
    expect_db(s, COMMON "/alpnProtocols", "[\"istio-peer-exchange\",\"istio\"]");
    expect_db(s, COMMON OWN_SECRET "/name", "default");
    expect_db(s, COMMON OWN_SECRET "/sdsConfig", AGENT);
    expect_db(s, COMBINED THEIR_SECRET "/name", "ROOTCA");
    expect_db(s, COMBINED THEIR_SECRET "/sdsConfig", AGENT);
    expect_db(s, COMBINED NAMES, "[" ONE "," TWO "]");
    expect_db(s,
        COMMON "/tlsParams",
        "{\"tlsMinimumProtocolVersion\":\"TLSv1_2\",\"tlsMaximumProtocolVersion\":\"TLSv1_3\"}");
    expect_db(s, "transportSocketMatches", "(absent)");
    expect_db(s, "typedExtensionProtocolOptions", "(absent)");
}

static void test_istio_mutual_takes_the_rules_names(void **state)
{
    struct shop *s = *state;

    open_with_tls(
        s, "{}", "'mode': 'ISTIO_MUTUAL', 'sni': 'x.test', 'subjectAltNames': ['spiffe://a/b']");

    expect_db(s, SOCKET "/sni", "x.test");
    expect_db(s, COMBINED NAMES, "[" URI_NAME("spiffe://a/b") "]");
    expect_db(s, COMMON OWN_SECRET "/sdsConfig", ADS);
}

/* A matcher of URIs sees no name of another kind. */
static void test_names_that_are_no_identities_are_matched_as_what_they_are(void **state)
{
    struct shop *s = *state;

    open_with_tls(
        s, IDENTITY, "'mode': 'ISTIO_MUTUAL', 'subjectAltNames': ['spiffe://a/b', 'y.test']");

    expect_db(s, COMBINED NAMES, "[" URI_NAME("spiffe://a/b") "," DNS_NAME("y.test") "]");
}

static void test_a_subset_has_its_own_server_name_and_http2_its_protocol(void **state)
{
    struct shop *s = *state;
    add_db(s, HTTP2_80, ON_1);
    add_policy(
        s, "'trafficPolicy': {'tls': {'mode': 'ISTIO_MUTUAL'}}, 'subsets': [{'name': 'v1'}]");

    shop_open(s, IDENTITY);

    expect(s, DB_V1, SOCKET "/sni", "outbound_.80_.v1_.db.test");
    expect(s, DB_V1, COMMON "/alpnProtocols", "[\"istio-peer-exchange\",\"istio\",\"h2\"]");
}

#define NEW_ONE URI_NAME("spiffe://new.test/ns/default/sa/one")
#define OLD_ONE URI_NAME("spiffe://old.test/ns/default/sa/one")

static void test_the_same_account_under_an_alias_of_the_trust_domain_is_as_good(void **state)
{
    struct shop *s = *state;
    shop_add_mesh(s, "'trustDomain': 'new.test', 'trustDomainAliases': ['old.test', 'new.test']");
    add_db(s,
        HTTP_80,
        STATIC "[" AT_1 ", {'address': '10.1.0.3', 'serviceAccount': 'one'},"
               " {'address': '10.1.0.4'}], 'subjectAltNames': ['spiffe://z']");
    add_policy(s, "'trafficPolicy': {'tls': {'mode': 'ISTIO_MUTUAL'}}");

    shop_open(s, IDENTITY);

    expect_db(s, COMBINED NAMES, "[" URI_NAME("spiffe://z") "," NEW_ONE "," OLD_ONE "]");
}

/* ---- TLS of the mesh that nobody asks for ---- */

static void test_auto_mtls_is_towards_endpoints_that_say_they_can(void **state)
{
    struct shop *s = *state;
    add_db(s, HTTP_80, INTERNAL ", " ON_1_AND_2);

    shop_open(s, IDENTITY);

    expect_auto_mtls(s, DB);
    expect_db(s, MATCH(0) "/match", "{\"tlsMode\":\"istio\"}");
    expect_db(s, MATCH(0) "/transportSocket/name", "envoy.transport_sockets.tls");
    expect_db(s, MATCH_TLS "/sni", "outbound_.80_._.db.test");
    expect_db(s, MATCH_TLS "/commonTlsContext" OWN_SECRET "/name", "default");
    expect_db(s, MATCH_TLS "/commonTlsContext" OWN_SECRET "/sdsConfig", AGENT);
    expect_db(
        s, MATCH_TLS "/commonTlsContext/combinedValidationContext" NAMES, "[" ONE "," TWO "]");
    expect_db(s, MATCH(1) "/match", "{}");
    expect_db(s, MATCH(1) "/transportSocket/name", "envoy.transport_sockets.raw_buffer");
    expect_db(s, MATCH(2), "(absent)");
}

static void test_endpoints_say_by_account_or_label_whether_they_can(void **state)
{
#define ENDPOINT(n)   "endpoints/0/lbEndpoints/" #n "/"
#define METADATA      "metadata/filterMetadata/envoy.transport_socket_match"
#define SAYS_ISTIO    ", 'labels': {'security.istio.io/tlsMode': 'istio'}}"
#define SAYS_DISABLED ", 'labels': {'security.istio.io/tlsMode': 'disabled'}}"
    static const char *const cans[] = {
        "{\"tlsMode\":\"istio\"}", "(absent)", "{\"tlsMode\":\"istio\"}", "(absent)"
    };
    struct shop *s = *state;
    add_db(s,
        HTTP_80,
        STATIC "[" AT_1 ", {'address': '10.1.0.2'}, {'address': '10.1.0.3'" SAYS_ISTIO
               ", {'address': '10.1.0.4', 'serviceAccount': 'x'" SAYS_DISABLED "]");

    shop_open(s, "{}");

    for (size_t i = 0; i < ARRAY_COUNT(cans); i++) {
        const char *path = arena_printf(s->a, "endpoints/0/lbEndpoints/%zu/" METADATA, i);
        assert_string_equal(translated_at(&s->t, XDS_ENDPOINT, DB, path), cans[i]);
    }
}

static void test_without_an_identity_or_inside_only_connections_are_plain(void **state)
{
    struct shop *s = *state;
    add_db(s, HTTP_80, INTERNAL ", " ON_1);

    shop_open(s, "{}");

    expect_plain(s, DB);
}

static void test_what_is_outside_the_mesh_has_no_auto_mtls(void **state)
{
    struct shop *s = *state;
    add_db(s, HTTP_80, EXTERNAL ", " ON_1);
    shop_add_service(s, "unsaid.test", HTTP_80, "");

    shop_open(s, IDENTITY);

    expect_plain(s, DB);
    expect_plain(s, "outbound|80||unsaid.test");
}

static void test_the_registrys_services_are_of_the_mesh(void **state)
{
    struct shop *s = *state;
    s->values[s->count++] = make_instance(
        s->a, "cart/1", "'address': '10.3.0.1', 'ports': {'http': 80}, 'serviceAccount': 'cart'");

    shop_open(s, IDENTITY);

    const char *cart = "outbound|80||cart.default.svc.cluster.local";
    expect_auto_mtls(s, cart);
    expect(s,
        cart,
        MATCH_TLS "/commonTlsContext/combinedValidationContext" NAMES,
        "[" URI_NAME("spiffe://cluster.local/ns/default/sa/cart") "]");
    assert_string_equal(
        translated_at(&s->t, XDS_ENDPOINT, cart, ENDPOINT(0) METADATA), "{\"tlsMode\":\"istio\"}");
}

static void test_the_mesh_can_switch_auto_mtls_off(void **state)
{
    struct shop *s = *state;
    shop_add_mesh(s, "'enableAutoMtls': false");
    add_db(s, HTTP_80, INTERNAL ", " ON_1);

    shop_open(s, IDENTITY);

    expect_plain(s, DB);
}

static void test_a_rule_that_speaks_of_tls_is_obeyed(void **state)
{
    struct shop *s = *state;
    add_db(s, HTTP_80, INTERNAL ", " ON_1);
    add_policy(s,
        "'trafficPolicy': {'loadBalancer': {'simple': 'RANDOM'}}, 'subsets': ["
        "{'name': 'v1', 'trafficPolicy': {'tls': {'mode': 'DISABLE'}}},"
        "{'name': 'v2', 'trafficPolicy': {'tls': {'mode': 'SIMPLE', 'sni': 'x.test'}}},"
        "{'name': 'v3', 'trafficPolicy': {'tls': {'mode': 'ISTIO_MUTUAL'}}}, {'name': 'v4'}]");

    shop_open(s, IDENTITY);

    expect_auto_mtls(s, DB);
    expect_plain(s, DB_V1);
    expect(s, "outbound|80|v2|db.test", "transportSocketMatches", "(absent)");
    expect(s, "outbound|80|v2|db.test", SOCKET "/sni", "x.test");
    expect(s, "outbound|80|v3|db.test", "transportSocketMatches", "(absent)");
    expect(s, "outbound|80|v3|db.test", SOCKET "/sni", "outbound_.80_.v3_.db.test");
    expect_auto_mtls(s, "outbound|80|v4|db.test");
}

static void test_a_port_that_says_nothing_of_tls_is_free_of_the_rules(void **state)
{
    struct shop *s = *state;
    add_db(s, HTTP_80 ", {'number': 81, 'name': 'b', 'protocol': 'HTTP'}", INTERNAL ", " ON_1);
    add_policy(s,
        "'trafficPolicy': {'tls': {'mode': 'DISABLE'}, 'portLevelSettings':"
        " [{'port': {'number': 81}, 'loadBalancer': {'simple': 'RANDOM'}}]}");

    shop_open(s, IDENTITY);

    expect_plain(s, DB);
    expect_auto_mtls(s, "outbound|81||db.test");
}

static void test_names_to_resolve_say_so_inside_the_cluster(void **state)
{
    struct shop *s = *state;
    add_db(s,
        HTTP_80,
        INTERNAL ", 'resolution': 'DNS', 'endpoints': [{'address': 'a.test', 'serviceAccount':"
                 " 'one'}, {'address': 'b.test'}]");

    shop_open(s, IDENTITY);

    expect_auto_mtls(s, DB);
    expect_db(s, "loadAssignment/" ENDPOINT(0) METADATA, "{\"tlsMode\":\"istio\"}");
    expect_db(s, "loadAssignment/" ENDPOINT(1) "metadata", "(absent)");
}

/* Envoy does not learn of these endpoints one by one. */
static void test_where_the_caller_picks_the_endpoint_all_must_be_able(void **state)
{
    struct shop *s = *state;
    add_db(s, HTTP_80, INTERNAL ", " ON_1_AND_2);
    s->values[s->count++] = make_entry(s->a,
        "mixed",
        "'hosts': ['mixed.test'], 'ports': [" HTTP_80 "], " INTERNAL ", " STATIC "[" AT_1
        ", {'address': '10.1.0.9'}]");
    s->values[s->count++] = make_entry(s->a,
        "none",
        "'hosts': ['none.test'], 'ports': [" HTTP_80 "], 'resolution': 'NONE', " INTERNAL);
    shop_add_rule(
        s, "all", "'host': '*.test', 'trafficPolicy': {'loadBalancer': {'simple': 'PASSTHROUGH'}}");

    shop_open(s, IDENTITY);

    expect_db(s, "type", "ORIGINAL_DST");
    expect_db(s, "transportSocketMatches", "(absent)");
    expect_db(s, SOCKET "/sni", "outbound_.80_._.db.test");
    expect_db(s, COMBINED NAMES, "[" ONE "," TWO "]");
    expect_plain(s, "outbound|80||mixed.test");
    expect_plain(s, "outbound|80||none.test");
}

/* ---- the PROXY protocol goes before whatever follows ---- */

#define INTRODUCED "envoy.transport_sockets.upstream_proxy_protocol"
#define INNER      SOCKET "/transportSocket"

static void open_introduced(struct shop *s, const char *metadata, const char *policy)
{
    add_db(s, HTTP_80, INTERNAL ", " ON_1);
    add_policy(s, arena_printf(s->a, "'trafficPolicy': {%s}", policy));
    shop_open(s, metadata);
}

static void test_the_proxy_protocol_goes_before_plain_bytes(void **state)
{
    struct shop *s = *state;

    open_introduced(s, "{}", "'proxyProtocol': {}");

    expect_db(s, "transportSocket/name", INTRODUCED);
    expect_db(s, SOCKET "/config", "{}"); /* version 1 */
    expect_db(s, INNER "/name", "envoy.transport_sockets.raw_buffer");
}

static void test_the_proxy_protocol_goes_before_tls_of_a_rule(void **state)
{
    struct shop *s = *state;

    open_introduced(s,
        IDENTITY,
        "'proxyProtocol': {'version': 'V2'}, 'tls': {'mode': 'SIMPLE', 'sni': 'x.test'}");

    expect_db(s, "transportSocket/name", INTRODUCED);
    expect_db(s, SOCKET "/config/version", "V2");
    expect_db(s, INNER "/name", "envoy.transport_sockets.tls");
    expect_db(s, INNER "/typedConfig/sni", "x.test");
}

static void test_the_proxy_protocol_goes_before_tls_of_the_mesh(void **state)
{
    struct shop *s = *state;

    open_introduced(s, "{}", "'proxyProtocol': {'version': 'V1'}, 'tls': {'mode': 'ISTIO_MUTUAL'}");

    expect_db(s, "transportSocket/name", INTRODUCED);
    expect_db(s, INNER "/typedConfig/commonTlsContext" OWN_SECRET "/name", "default");
}

static void test_the_proxy_protocol_goes_before_either_of_auto_mtls(void **state)
{
    struct shop *s = *state;

    open_introduced(s, IDENTITY, "'proxyProtocol': {'version': 'V2'}");

    expect_auto_mtls(s, DB);
    expect_db(s, MATCH(0) "/transportSocket/name", INTRODUCED);
    expect_db(s, MATCH_TLS "/config/version", "V2");
    expect_db(s, MATCH_TLS "/transportSocket/name", "envoy.transport_sockets.tls");
    expect_db(s, MATCH(1) "/transportSocket/name", INTRODUCED);
    expect_db(s,
        MATCH(1) "/transportSocket/typedConfig/transportSocket/name",
        "envoy.transport_sockets.raw_buffer");
}

static void test_without_tls_the_proxy_protocol_stays(void **state)
{
    struct shop *s = *state;

    open_introduced(s, IDENTITY, "'proxyProtocol': {}, 'tls': {'mode': 'DISABLE'}");

    expect_db(s, "transportSocket/name", INTRODUCED);
    expect_db(s, INNER "/name", "envoy.transport_sockets.raw_buffer");
    expect_db(s, "transportSocketMatches", "(absent)");
}

/* ---- tunnels: the connection asks a proxy for another address ---- */

#define TCP_80 "{'number': 80, 'name': 'tcp', 'protocol': 'TCP'}"
#define TLS_80 "{'number': 80, 'name': 'tls', 'protocol': 'TLS'}"
#define TUNNEL "/filters/0/typedConfig/tunnelingConfig"

static void test_a_tunnel_asks_for_its_target(void **state)
{
    struct shop *s = *state;
    add_db(s, TCP_80, ON_1);
    add_policy(s, "'trafficPolicy': {'tunnel': {'targetHost': 'target.test', 'targetPort': 443}}");

    shop_open(s, "{}");

    shop_expect_listener(
        s, "0.0.0.0_80", "filterChains/0" TUNNEL, "{\"hostname\":\"target.test:443\"}");
}

static void test_a_tunnel_may_be_asked_for_by_post_and_lead_to_an_address(void **state)
{
    struct shop *s = *state;
    add_db(s, TLS_80, ON_1);
    add_policy(s,
        "'trafficPolicy': {'tunnel': {'protocol': 'POST', 'targetHost': '2001:db8::1',"
        " 'targetPort': 8443}, 'portLevelSettings': [{'port': {'number': 80}, 'connectionPool':"
        " {'tcp': {'maxConnections': 1}}}]}");

    shop_open(s, "{}");

    shop_expect_listener(s,
        "0.0.0.0_80",
        "filterChains/0" TUNNEL,
        "{\"hostname\":\"[2001:db8::1]:8443\",\"usePost\":true}");
}

static void test_a_subset_has_its_own_tunnel_or_none(void **state)
{
    struct shop *s = *state;
    add_db(s, TCP_80, ON_1);
    add_policy(s,
        "'trafficPolicy': {'tunnel': {'targetHost': 'top.test', 'targetPort': 1}}, 'subsets': ["
        "{'name': 'v1'}, {'name': 'v2', 'trafficPolicy': {'tunnel': {'protocol': 'CONNECT',"
        " 'targetHost': 'own.test', 'targetPort': 2}}}]");
    shop_add_routes(s,
        "db",
        "'hosts': ['db.test'], 'tcp': ["
        "{'match': [{'destinationSubnets': ['10.0.0.1']}],"
        " 'route': [{'destination': {'host': 'db.test', 'subset': 'v1'}}]},"
        "{'match': [{'destinationSubnets': ['10.0.0.2']}],"
        " 'route': [{'destination': {'host': 'db.test', 'subset': 'v2'}}]},"
        "{'match': [{'destinationSubnets': ['10.0.0.3']}],"
        " 'route': [{'destination': {'host': 'db.test', 'subset': 'v2'}, 'weight': 1},"
        " {'destination': {'host': 'x.test'}, 'weight': 1}]}]");

    shop_open(s, "{}");

    shop_expect_listener(s, "0.0.0.0_80", "filterChains/0" TUNNEL, "(absent)");
    shop_expect_listener(s, "0.0.0.0_80", "filterChains/1" TUNNEL "/hostname", "own.test:2");
    shop_expect_listener(s, "0.0.0.0_80", "filterChains/2" TUNNEL "/hostname", "top.test:1");
    shop_expect_listener(s, "0.0.0.0_80", "defaultFilterChain" TUNNEL "/hostname", "top.test:1");
}

/* ---- how much may be retried, and how a quiet connection is kept ---- */

#define BUDGET "circuitBreakers/thresholds/0/retryBudget"

static void test_a_retry_budget_has_istios_defaults(void **state)
{
    struct shop *s = *state;
    add_db(s, HTTP_80, ON_1);
    add_policy(s,
        "'trafficPolicy': {'retryBudget': {}, 'portLevelSettings': [{'port': {'number': 80},"
        " 'loadBalancer': {'simple': 'RANDOM'}}]}, 'subsets': [{'name': 'v1', 'trafficPolicy':"
        " {'retryBudget': {'percent': 12.5, 'minRetryConcurrency': 7}}},"
        "{'name': 'v2', 'trafficPolicy': {'retryBudget': {'percent': 0}}}]");

    shop_open(s, "{}");

    expect_db(s, BUDGET, "{\"budgetPercent\":{\"value\":20},\"minRetryConcurrency\":3}");
    expect(s, DB_V1, BUDGET, "{\"budgetPercent\":{\"value\":12.5},\"minRetryConcurrency\":7}");
    expect(s, "outbound|80|v2|db.test", BUDGET, "{\"budgetPercent\":{},\"minRetryConcurrency\":3}");
}

static void test_without_a_retry_budget_there_is_none(void **state)
{
    struct shop *s = *state;
    add_db(s, HTTP_80, ON_1);

    shop_open(s, "{}");

    expect_db(s, BUDGET, "(absent)");
}

#define KEEPALIVE                                                                                  \
    "'trafficPolicy': {'connectionPool': {'http': {'http2KeepAlive': {'interval': '30s',"          \
    " 'timeout': '1.5s'}}}}"
#define HTTP_OPTIONS                                                                               \
    "typedExtensionProtocolOptions/envoy.extensions.upstreams.http.v3.HttpProtocolOptions/"        \
    "explicitHttpConfig/"

static void test_pings_keep_connections_of_http2(void **state)
{
    struct shop *s = *state;
    add_db(s, HTTP2_80, ON_1);
    add_policy(s, KEEPALIVE);

    shop_open(s, "{}");

    expect_db(s,
        HTTP_OPTIONS "http2ProtocolOptions/connectionKeepalive",
        "{\"interval\":\"30s\",\"timeout\":\"1.500s\"}");
}

static void test_connections_of_http1_know_no_pings(void **state)
{
    struct shop *s = *state;
    add_db(s, HTTP_80, ON_1);
    add_policy(s, KEEPALIVE);

    shop_open(s, "{}");

    expect_db(s, HTTP_OPTIONS "http2ProtocolOptions", "(absent)");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, shop_setup, shop_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_mutual_tls_shows_a_certificate_from_files),
        TEST(test_mutual_tls_may_verify_nothing_and_still_shows_its_certificate),
        TEST(test_simple_tls_shows_no_certificate),
        TEST(test_the_mesh_says_whether_servers_are_verified_and_how_tls_is_spoken),
        TEST(test_a_credentials_secrets_come_from_where_configuration_comes_from),
        TEST(test_with_an_agent_secrets_come_from_the_agent),
        TEST(test_with_a_credential_too_a_server_may_go_unverified),
        TEST(test_istio_mutual_is_tls_of_the_mesh),
        TEST(test_istio_mutual_takes_the_rules_names),
        TEST(test_names_that_are_no_identities_are_matched_as_what_they_are),
        TEST(test_a_subset_has_its_own_server_name_and_http2_its_protocol),
        TEST(test_the_same_account_under_an_alias_of_the_trust_domain_is_as_good),
        TEST(test_auto_mtls_is_towards_endpoints_that_say_they_can),
        TEST(test_endpoints_say_by_account_or_label_whether_they_can),
        TEST(test_without_an_identity_or_inside_only_connections_are_plain),
        TEST(test_what_is_outside_the_mesh_has_no_auto_mtls),
        TEST(test_the_registrys_services_are_of_the_mesh),
        TEST(test_the_mesh_can_switch_auto_mtls_off),
        TEST(test_a_rule_that_speaks_of_tls_is_obeyed),
        TEST(test_a_port_that_says_nothing_of_tls_is_free_of_the_rules),
        TEST(test_names_to_resolve_say_so_inside_the_cluster),
        TEST(test_where_the_caller_picks_the_endpoint_all_must_be_able),
        TEST(test_the_proxy_protocol_goes_before_plain_bytes),
        TEST(test_the_proxy_protocol_goes_before_tls_of_a_rule),
        TEST(test_the_proxy_protocol_goes_before_tls_of_the_mesh),
        TEST(test_the_proxy_protocol_goes_before_either_of_auto_mtls),
        TEST(test_without_tls_the_proxy_protocol_stays),
        TEST(test_a_tunnel_asks_for_its_target),
        TEST(test_a_tunnel_may_be_asked_for_by_post_and_lead_to_an_address),
        TEST(test_a_subset_has_its_own_tunnel_or_none),
        TEST(test_a_retry_budget_has_istios_defaults),
        TEST(test_without_a_retry_budget_there_is_none),
        TEST(test_pings_keep_connections_of_http2),
        TEST(test_connections_of_http1_know_no_pings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
