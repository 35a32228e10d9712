/* inbound TLS of the mesh: how a proxy that has an identity tells its connections apart. */
#include "shop_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define APP_NODE "sidecar~10.0.0.1~app.default~default.svc.cluster.local"
#define IDENTITY "{'SERVICE_ACCOUNT': 'app'}"
#define BOUND    "{'SERVICE_ACCOUNT': 'app', 'INTERCEPTION_MODE': 'NONE'}"
#define HTTP_80  "{'number': 80, 'name': 'a', 'protocol': 'HTTP'}"
#define TCP_90   "{'number': 90, 'name': 'b', 'protocol': 'TCP'}"
#define ANY_70   "{'number': 70, 'name': 'c'}"
#define INBOUND  "virtualInbound"

/* The workload serves these ports. */
static void open_app(struct shop *s, const char *ports, const char *metadata)
{
    const char *spec = arena_printf(s->a,
        "'hosts': ['app.test'], 'resolution': 'STATIC', 'ports': [%s],"
        " 'endpoints': [{'address': '10.0.0.1'}]",
        ports);
    s->values[s->count++] = make_entry(s->a, "app", spec);
    shop_open_for(s, APP_NODE, metadata);
}

static const char *part(struct shop *s, const char *name, const char *chain, const char *path)
{
    const char *text =
        translated_at(&s->t, XDS_LISTENER, name, arena_printf(s->a, "%s/%s", chain, path));
    return strcmp(text, "(absent)") == 0 ? "" : text;
}

/* "tls [istio] ends > http inbound|80||": of what, whether TLS ends here, where it goes. */
static const char *chain_text(struct shop *s, const char *name, const char *chain)
{
#define FILTER "filters/0/typedConfig/"
    const char *tcp = part(s, name, chain, FILTER "cluster");
    const char *http =
        part(s, name, chain, FILTER "routeConfig/virtualHosts/0/routes/0/route/cluster");
    const char *alpn = part(s, name, chain, "filterChainMatch/applicationProtocols");
    return arena_printf(s->a,
        "%s%s%s%s > %s%s",
        part(s, name, chain, "filterChainMatch/transportProtocol"),
        *alpn ? " " : "",
        alpn,
        *part(s, name, chain, "transportSocket") ? " ends" : "",
        *http ? "http " : "",
        *http ? http : tcp);
}

/* The chains of a port ("" for those of none), one a line. */
static const char *chains_of(struct shop *s, const char *name, const char *port)
{
    const char *text = "";
    for (int i = 0;; i++) {
        const char *chain = arena_printf(s->a, "filterChains/%d", i);
        if (!*part(s, name, chain, "filters"))
            return text;
        if (strcmp(part(s, name, chain, "filterChainMatch/destinationPort"), port) == 0)
            text =
                arena_printf(s->a, "%s%s%s", text, *text ? "\n" : "", chain_text(s, name, chain));
    }
}

static void expect_chains(struct shop *s, const char *name, const char *port, const char *chains)
{
    assert_string_equal(chains_of(s, name, port), chains);
}

#define MESH                                                                                       \
    "[\"istio\",\"istio-peer-exchange\",\"istio-http/1.0\",\"istio-http/1.1\",\"istio-h2\"]"
#define MESH_HTTP  "[\"istio-http/1.0\",\"istio-http/1.1\",\"istio-h2\"]"
#define MESH_TCP   "[\"istio-peer-exchange\",\"istio\"]"
#define PLAIN_HTTP "[\"http/1.1\",\"h2c\"]"

/* ---- chains ---- */

static void test_an_http_port_takes_requests_from_the_mesh_and_plain_ones(void **state)
{
    struct shop *s = *state;

    open_app(s, HTTP_80, IDENTITY);

    expect_chains(
        s, INBOUND, "80", "tls " MESH " ends > http inbound|80||\nraw_buffer > http inbound|80||");
}

static void test_a_tcp_port_lets_tls_of_others_pass_to_the_application(void **state)
{
    static const char *const protocols[] = { "TCP", "TLS", "HTTPS", "MONGO", "MYSQL", "REDIS" };
    struct shop *s = *state;
    const char *ports = "";
    for (size_t i = 0; i < ARRAY_COUNT(protocols); i++)
        ports = arena_printf(s->a,
            "%s%s{'number': %zu, 'name': 'p%zu', 'protocol': '%s'}",
            ports,
            i ? ", " : "",
            90 + i,
            i,
            protocols[i]);

    open_app(s, ports, IDENTITY);

    for (size_t i = 0; i < ARRAY_COUNT(protocols); i++)
        expect_chains(s,
            INBOUND,
            arena_printf(s->a, "%zu", 90 + i),
            arena_printf(s->a,
                "tls " MESH " ends > inbound|%zu||\n"
                "tls > inbound|%zu||\n"
                "raw_buffer > inbound|%zu||",
                90 + i,
                90 + i,
                90 + i));
}

static void test_a_port_of_no_protocol_takes_all_of_these(void **state)
{
    struct shop *s = *state;

    open_app(s, ANY_70, IDENTITY);

    expect_chains(s,
        INBOUND,
        "70",
        "tls " MESH_HTTP " ends > http inbound|70||\n"
        "raw_buffer " PLAIN_HTTP " > http inbound|70||\n"
        "tls " MESH_TCP " ends > inbound|70||\n"
        "raw_buffer > inbound|70||\n"
        "tls > inbound|70||");
}

static void test_what_is_for_no_port_is_told_apart_as_well(void **state)
{
    struct shop *s = *state;

    shop_open_for(s, APP_NODE, IDENTITY);

    expect_chains(s, INBOUND, "15006", " > BlackHoleCluster");
    expect_chains(s,
        INBOUND,
        "",
        "tls " MESH_HTTP " ends > http InboundPassthroughCluster\n"
        "raw_buffer " PLAIN_HTTP " > http InboundPassthroughCluster\n"
        "tls " MESH_TCP " ends > InboundPassthroughCluster\n"
        "raw_buffer > InboundPassthroughCluster\n"
        "tls > InboundPassthroughCluster");
}

static void test_without_an_identity_tls_never_ends_here(void **state)
{
    struct shop *s = *state;

    open_app(s, HTTP_80 ", " TCP_90 ", " ANY_70, "{}");

    expect_chains(s, INBOUND, "80", "raw_buffer > http inbound|80||");
    expect_chains(s, INBOUND, "90", "raw_buffer > inbound|90||");
    expect_chains(s,
        INBOUND,
        "70",
        "raw_buffer " PLAIN_HTTP " > http inbound|70||\nraw_buffer > inbound|70||");
}

static void test_without_redirection_each_port_has_its_chains_on_its_own_listener(void **state)
{
    struct shop *s = *state;

    open_app(s, HTTP_80 ", " TCP_90, BOUND);

    expect_chains(s,
        "10.0.0.1_80",
        "80",
        "tls " MESH " ends > http inbound|80||\nraw_buffer > http inbound|80||");
    expect_chains(s,
        "10.0.0.1_90",
        "90",
        "tls " MESH " ends > inbound|90||\ntls > inbound|90||\nraw_buffer > inbound|90||");
    shop_expect_listener(s, INBOUND, "name", "(absent)");
}

/* ---- how the server shows itself, and whom it takes ---- */

#define FIRST_80     "filterChains/6/"
#define FIRST_90     "filterChains/8/"
#define COMMON       "transportSocket/typedConfig/commonTlsContext/"
#define VALIDATION   COMMON "combinedValidationContext/"
#define AGENT_PATH   "sdsConfig/apiConfigSource/grpcServices/0/envoyGrpc/clusterName"
#define PREFIX(text) "{\"sanType\":\"URI\",\"matcher\":{\"prefix\":\"" text "\"}}"

static void test_clients_must_show_a_certificate_of_the_trust_domain(void **state)
{
    struct shop *s = *state;

    open_app(s, HTTP_80, IDENTITY);

    shop_expect_listener(s, INBOUND, FIRST_80 "filterChainMatch/destinationPort", "80");
    shop_expect_listener(
        s, INBOUND, FIRST_80 "transportSocket/name", "envoy.transport_sockets.tls");
    shop_expect_listener(
        s, INBOUND, FIRST_80 "transportSocket/typedConfig/requireClientCertificate", "true");
    shop_expect_listener(
        s, INBOUND, FIRST_80 COMMON "tlsCertificateSdsSecretConfigs/0/name", "default");
    shop_expect_listener(
        s, INBOUND, FIRST_80 COMMON "tlsCertificateSdsSecretConfigs/0/" AGENT_PATH, "sds-grpc");
    shop_expect_listener(
        s, INBOUND, FIRST_80 VALIDATION "validationContextSdsSecretConfig/name", "ROOTCA");
    shop_expect_listener(s,
        INBOUND,
        FIRST_80 VALIDATION "defaultValidationContext/matchTypedSubjectAltNames",
        "[" PREFIX("spiffe://cluster.local/") "]");
}

static void test_aliases_of_the_trust_domain_are_as_good(void **state)
{
    struct shop *s = *state;
    shop_add_mesh(s, "'trustDomain': 'new.test', 'trustDomainAliases': ['old.test']");

    open_app(s, HTTP_80, IDENTITY);

    shop_expect_listener(s,
        INBOUND,
        FIRST_80 VALIDATION "defaultValidationContext/matchTypedSubjectAltNames",
        "[" PREFIX("spiffe://new.test/") "," PREFIX("spiffe://old.test/") "]");
}

static void test_protocols_are_offered_by_what_the_chain_speaks(void **state)
{
    struct shop *s = *state;

    open_app(s, HTTP_80 ", " TCP_90, IDENTITY);

    shop_expect_listener(s, INBOUND, FIRST_80 COMMON "alpnProtocols", "[\"h2\",\"http/1.1\"]");
    shop_expect_listener(s,
        INBOUND,
        FIRST_90 COMMON "alpnProtocols",
        "[\"istio-peer-exchange\",\"h2\",\"http/1.1\"]");
}

static void test_how_tls_is_spoken_is_the_meshs_choice(void **state)
{
    struct shop *s = *state;
    shop_add_mesh(s,
        "'meshMTLS': {'minProtocolVersion': 'TLSV1_3', 'cipherSuites':"
        " ['ECDHE-RSA-AES128-GCM-SHA256'], 'ecdhCurves': ['P-256']}");

    open_app(s, HTTP_80, IDENTITY);

    shop_expect_listener(s,
        INBOUND,
        FIRST_80 COMMON "tlsParams",
        "{\"tlsMinimumProtocolVersion\":\"TLSv1_3\",\"tlsMaximumProtocolVersion\":\"TLSv1_3\","
        "\"cipherSuites\":[\"ECDHE-RSA-AES128-GCM-SHA256\"],\"ecdhCurves\":[\"P-256\"]}");
}

static void test_without_a_choice_only_strong_ciphers_are_taken(void **state)
{
    struct shop *s = *state;

    open_app(s, HTTP_80, IDENTITY);

    shop_expect_listener(s,
        INBOUND,
        FIRST_80 COMMON "tlsParams",
        "{\"tlsMinimumProtocolVersion\":\"TLSv1_2\",\"tlsMaximumProtocolVersion\":\"TLSv1_3\","
        "\"cipherSuites\":[\"ECDHE-ECDSA-AES256-GCM-SHA384\",\"ECDHE-RSA-AES256-GCM-SHA384\","
        "\"ECDHE-ECDSA-AES128-GCM-SHA256\",\"ECDHE-RSA-AES128-GCM-SHA256\","
        "\"AES256-GCM-SHA384\",\"AES128-GCM-SHA256\"]}");
}

static void test_the_application_is_told_who_called(void **state)
{
    struct shop *s = *state;

    open_app(s, HTTP_80, IDENTITY);

    shop_expect_listener(s, INBOUND, FIRST_80 FILTER "forwardClientCertDetails", "APPEND_FORWARD");
    shop_expect_listener(s,
        INBOUND,
        FIRST_80 FILTER "setCurrentClientCertDetails",
        "{\"subject\":true,\"dns\":true,\"uri\":true}");
}

/* ---- who looks at the first bytes ---- */

#define NOT_AT(port, next) "{\"destinationPortRange\":{\"start\":" port ",\"end\":" next "}}"

static void test_tls_is_looked_for_before_http(void **state)
{
    struct shop *s = *state;

    open_app(s, ANY_70 ", " HTTP_80, IDENTITY);

#define INSPECTOR(n, part) INBOUND, "listenerFilters/" #n "/" part
    shop_expect_listener(s, INSPECTOR(0, "name"), "envoy.filters.listener.original_dst");
    shop_expect_listener(s, INSPECTOR(1, "name"), "envoy.filters.listener.tls_inspector");
    shop_expect_listener(s, INSPECTOR(1, "filterDisabled"), NOT_AT("15006", "15007"));
    shop_expect_listener(s, INSPECTOR(2, "name"), "envoy.filters.listener.http_inspector");
    shop_expect_listener(s,
        INSPECTOR(2, "filterDisabled"),
        "{\"orMatch\":{\"rules\":[" NOT_AT("80", "81") "," NOT_AT("15006", "15007") "]}}");
    shop_expect_listener(s, INSPECTOR(3, "name"), "(absent)");
}

static void test_without_an_identity_nobody_looks_for_tls(void **state)
{
    struct shop *s = *state;

    open_app(s, HTTP_80, "{}");

    shop_expect_listener(s, INSPECTOR(1, "name"), "envoy.filters.listener.http_inspector");
    shop_expect_listener(s, INSPECTOR(2, "name"), "(absent)");
}

static void test_on_a_listener_of_its_own_a_known_port_is_looked_at_for_tls_alone(void **state)
{
    struct shop *s = *state;

    open_app(s, HTTP_80 ", " ANY_70, BOUND);

#define OWN(port, n, part) "10.0.0.1_" port, "listenerFilters/" #n "/" part
    shop_expect_listener(s, OWN("80", 0, "name"), "envoy.filters.listener.tls_inspector");
    shop_expect_listener(s, OWN("80", 0, "filterDisabled"), "(absent)");
    shop_expect_listener(s, OWN("80", 1, "name"), "(absent)");
    shop_expect_listener(s, OWN("70", 0, "name"), "envoy.filters.listener.tls_inspector");
    shop_expect_listener(s, OWN("70", 1, "name"), "envoy.filters.listener.http_inspector");
    shop_expect_listener(s, OWN("70", 1, "filterDisabled"), "(absent)");
}

/* ---- memory ---- */

static void test_proxies_with_and_without_identity_share_nothing_that_differs(void **state)
{
    struct shop *s = *state;
    open_app(s, HTTP_80, IDENTITY);

    struct xds_view *without =
        translator_view(s->t.translator, fixture_scope(s->a, APP_NODE, "{}"));
    struct xds_view *other = translator_view(
        s->t.translator, fixture_scope(s->a, APP_NODE, "{\"SERVICE_ACCOUNT\": \"somebody-else\"}"));

    struct xds_resource *own = xds_view_find(s->t.view, XDS_LISTENER, INBOUND);
    assert_ptr_not_equal(own, xds_view_find(without, XDS_LISTENER, INBOUND));
    assert_ptr_equal(own, xds_view_find(other, XDS_LISTENER, INBOUND));
    xds_view_release(without);
    xds_view_release(other);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, shop_setup, shop_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_an_http_port_takes_requests_from_the_mesh_and_plain_ones),
        TEST(test_a_tcp_port_lets_tls_of_others_pass_to_the_application),
        TEST(test_a_port_of_no_protocol_takes_all_of_these),
        TEST(test_what_is_for_no_port_is_told_apart_as_well),
        TEST(test_without_an_identity_tls_never_ends_here),
        TEST(test_without_redirection_each_port_has_its_chains_on_its_own_listener),
        TEST(test_clients_must_show_a_certificate_of_the_trust_domain),
        TEST(test_aliases_of_the_trust_domain_are_as_good),
        TEST(test_protocols_are_offered_by_what_the_chain_speaks),
        TEST(test_how_tls_is_spoken_is_the_meshs_choice),
        TEST(test_without_a_choice_only_strong_ciphers_are_taken),
        TEST(test_the_application_is_told_who_called),
        TEST(test_tls_is_looked_for_before_http),
        TEST(test_without_an_identity_nobody_looks_for_tls),
        TEST(test_on_a_listener_of_its_own_a_known_port_is_looked_at_for_tls_alone),
        TEST(test_proxies_with_and_without_identity_share_nothing_that_differs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
