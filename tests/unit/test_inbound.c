/* inbound: how a proxy takes the connections that come to its own workload. */
#include "translate_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define APP_NODE "sidecar~10.0.0.1~app.default~default.svc.cluster.local"

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

/* The workload at 10.0.0.1 serves these ports. */
static void add_app(struct fixture *f, const char *ports)
{
    add(f,
        make_entry(f->a,
            "app",
            arena_printf(f->a,
                "'hosts': ['app.test'], 'resolution': 'STATIC', 'ports': [%s],"
                "'endpoints': [{'address': '10.0.0.1'}]",
                ports)));
}

static void translate_mode(struct fixture *f, const char *node_id, const char *mode)
{
    const char *metadata = arena_printf(f->a, "{\"INTERCEPTION_MODE\": \"%s\"}", mode);
    translated_init(&f->t, f->values, f->count, fixture_scope(f->a, node_id, metadata));
    f->is_translated = true;
}

static void translate(struct fixture *f)
{
    translate_mode(f, APP_NODE, "REDIRECT");
}

static const char *listener(struct fixture *f, const char *name, const char *path)
{
    return translated_at(&f->t, XDS_LISTENER, name, path);
}

/* Each chain as "name:port/applications cluster", in order. */
static const char *chains_of(struct fixture *f, const char *name)
{
    const char *text = "";
    for (int i = 0;; i++) {
        const char *at = arena_printf(f->a, "filterChains/%d", i);
        if (!strcmp(listener(f, name, at), "(absent)"))
            return text;
        const char *filter = arena_printf(f->a, "%s/filters/0/typedConfig", at);
        const char *cluster = listener(f, name, arena_printf(f->a, "%s/cluster", filter));
        if (!strcmp(cluster, "(absent)"))
            cluster = listener(f,
                name,
                arena_printf(f->a, "%s/routeConfig/virtualHosts/0/routes/0/route/cluster", filter));
        text = arena_printf(f->a,
            "%s%s%s:%s/%s %s",
            text,
            i ? "\n" : "",
            listener(f, name, arena_printf(f->a, "%s/name", at)),
            listener(f, name, arena_printf(f->a, "%s/filterChainMatch/destinationPort", at)),
            listener(f, name, arena_printf(f->a, "%s/filterChainMatch/applicationProtocols", at)),
            cluster);
    }
}

#define FALLBACK_CHAINS                                                                            \
    "virtualInbound-blackhole:15006/(absent) BlackHoleCluster\n"                                   \
    "virtualInbound-catchall-http:(absent)/[\"http/1.1\",\"h2c\"] InboundPassthroughCluster\n"     \
    "virtualInbound:(absent)/(absent) InboundPassthroughCluster"

/* ---- redirection ---- */

static void test_without_services_all_goes_to_the_application_as_it_came(void **state)
{
    struct fixture *f = *state;

    translate(f);

    assert_string_equal(chains_of(f, "virtualInbound"), FALLBACK_CHAINS);
    assert_string_equal(listener(f, "virtualInbound", "address/socketAddress"),
        "{\"address\":\"0.0.0.0\",\"portValue\":15006}");
    assert_string_equal(listener(f, "virtualInbound", "trafficDirection"), "INBOUND");
    assert_string_equal(listener(f, "virtualInbound", "listenerFiltersTimeout"), "0s");
    assert_string_equal(listener(f, "virtualInbound", "continueOnListenerFiltersTimeout"), "true");
    assert_string_equal(listener(f, "virtualInbound", "transparent"), "(absent)");
    assert_string_equal(listener(f, "virtualInbound", "listenerFilters/0/name"),
        "envoy.filters.listener.original_dst");
}

static void test_each_port_has_a_chain_for_its_protocol(void **state)
{
    struct fixture *f = *state;
    add_app(f,
        "{'number': 70, 'name': 'tcp', 'protocol': 'TCP'},"
        "{'number': 80, 'name': 'http', 'protocol': 'HTTP'},"
        "{'number': 81, 'name': 'auto'},"
        "{'number': 53, 'name': 'udp', 'protocol': 'UDP'}");

    translate(f);

    assert_string_equal(chains_of(f, "virtualInbound"),
        FALLBACK_CHAINS "\n"
                        "0.0.0.0_70:70/(absent) inbound|70||\n"
                        "0.0.0.0_80:80/(absent) inbound|80||\n"
                        "0.0.0.0_81:81/[\"http/1.1\",\"h2c\"] inbound|81||\n"
                        "0.0.0.0_81:81/(absent) inbound|81||");
    assert_string_equal(translated_at(&f->t, XDS_CLUSTER, "inbound|53||", "type"), "(absent)");
}

static void test_ports_whose_protocol_is_known_are_not_sniffed(void **state)
{
    struct fixture *f = *state;
    add_app(f, "{'number': 70, 'name': 'tcp', 'protocol': 'TCP'}, {'number': 81, 'name': 'auto'}");

    translate(f);

    assert_string_equal(listener(f, "virtualInbound", "listenerFilters/1/name"),
        "envoy.filters.listener.http_inspector");
    assert_string_equal(listener(f, "virtualInbound", "listenerFilters/1/filterDisabled"),
        "{\"orMatch\":{\"rules\":[{\"destinationPortRange\":{\"start\":70,\"end\":71}},"
        "{\"destinationPortRange\":{\"start\":15006,\"end\":15007}}]}}");
}

static void test_requests_are_retried_only_if_they_never_reached_the_application(void **state)
{
    struct fixture *f = *state;
    add_app(f, "{'number': 8080, 'name': 'http', 'protocol': 'HTTP', 'targetPort': 80}");

    translate(f);

    const char *routes = "filterChains/3/filters/0/typedConfig/routeConfig";
    assert_string_equal(
        listener(f, "virtualInbound", arena_printf(f->a, "%s/name", routes)), "inbound|80||");
    assert_string_equal(
        listener(f, "virtualInbound", arena_printf(f->a, "%s/validateClusters", routes)), "false");
    assert_string_equal(
        listener(f, "virtualInbound", arena_printf(f->a, "%s/virtualHosts/0/name", routes)),
        "inbound|http|8080");
    assert_string_equal(
        listener(
            f, "virtualInbound", arena_printf(f->a, "%s/virtualHosts/0/routes/0/route", routes)),
        "{\"cluster\":\"inbound|80||\",\"timeout\":\"0s\","
        "\"retryPolicy\":{\"retryOn\":\"reset-before-request\",\"numRetries\":2},"
        "\"maxStreamDuration\":{\"maxStreamDuration\":\"0s\",\"grpcTimeoutHeaderMax\":\"0s\"}}");
}

static void test_a_redirected_connection_goes_where_it_was_going(void **state)
{
    struct fixture *f = *state;
    add_app(f,
        "{'number': 80, 'name': 'http', 'protocol': 'HTTP'},"
        "{'number': 81, 'name': 'grpc', 'protocol': 'GRPC'}, {'number': 82, 'name': 'auto'}");

    translate(f);

    const char *path = "typedExtensionProtocolOptions/"
                       "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
    assert_string_equal(translated_at(&f->t, XDS_CLUSTER, "inbound|80||", "type"), "ORIGINAL_DST");
    assert_string_equal(
        translated_at(&f->t, XDS_CLUSTER, "inbound|80||", "lbPolicy"), "CLUSTER_PROVIDED");
    assert_string_equal(
        translated_at(&f->t, XDS_CLUSTER, "inbound|80||", "upstreamBindConfig/sourceAddress"),
        "{\"address\":\"127.0.0.6\",\"portValue\":0}");
    assert_string_equal(translated_at(&f->t, XDS_CLUSTER, "inbound|80||", path), "(absent)");
    assert_string_equal(
        translated_at(
            &f->t, XDS_CLUSTER, "inbound|81||", arena_printf(f->a, "%s/explicitHttpConfig", path)),
        "{\"http2ProtocolOptions\":{}}");
    assert_string_equal(translated_at(&f->t,
                            XDS_CLUSTER,
                            "inbound|82||",
                            arena_printf(f->a, "%s/useDownstreamProtocolConfig", path)),
        "{\"httpProtocolOptions\":{},\"http2ProtocolOptions\":{}}");
}

static void test_the_rules_limits_hold_on_the_servers_side_too(void **state)
{
    struct fixture *f = *state;
    add_app(f, "{'number': 80, 'name': 'http', 'protocol': 'HTTP'}");
    add(f,
        make_rule(f->a,
            "app",
            "'host': 'app.test', 'trafficPolicy': {'connectionPool':"
            " {'tcp': {'maxConnections': 7}}, 'loadBalancer': {'simple': 'RANDOM'}}"));

    translate(f);

    assert_string_equal(
        translated_at(
            &f->t, XDS_CLUSTER, "inbound|80||", "circuitBreakers/thresholds/0/maxConnections"),
        "7");
    assert_string_equal(
        translated_at(&f->t, XDS_CLUSTER, "inbound|80||", "lbPolicy"), "CLUSTER_PROVIDED");
}

static void test_of_services_on_one_port_the_oldest_says_what_it_speaks(void **state)
{
    struct fixture *f = *state;
    const char *spec = "'resolution': 'STATIC', 'endpoints': [{'address': '10.0.0.1'}], ";
    add(f,
        make_entry(f->a,
            "old",
            arena_printf(f->a,
                "%s'hosts': ['z.test'],"
                "'ports': [{'number': 80, 'name': 'tcp', 'protocol': 'TCP'}]",
                spec)));
    add(f,
        make_entry(f->a,
            "new",
            arena_printf(f->a,
                "%s'hosts': ['a.test'],"
                "'ports': [{'number': 80, 'name': 'http', 'protocol': 'HTTP'}]",
                spec)));

    translate(f);

    assert_string_equal(
        chains_of(f, "virtualInbound"), FALLBACK_CHAINS "\n0.0.0.0_80:80/(absent) inbound|80||");
    assert_string_equal(listener(f, "virtualInbound", "filterChains/3/filters/0/name"),
        "envoy.filters.network.tcp_proxy");
}

static void test_a_service_on_the_proxys_own_port_gets_no_second_chain(void **state)
{
    struct fixture *f = *state;
    add_app(f,
        "{'number': 15006, 'name': 'http', 'protocol': 'HTTP'},"
        "{'number': 15001, 'name': 'http2', 'protocol': 'HTTP'}");

    translate(f);

    assert_string_equal(chains_of(f, "virtualInbound"), FALLBACK_CHAINS);
}

static void test_transparent_proxying_keeps_the_callers_address(void **state)
{
    struct fixture *f = *state;

    translate_mode(f, APP_NODE, "TPROXY");

    assert_string_equal(listener(f, "virtualInbound", "transparent"), "true");
    assert_string_equal(listener(f, "virtualInbound", "listenerFilters/1/name"),
        "envoy.filters.listener.original_src");
    assert_string_equal(
        listener(f, "virtualInbound", "listenerFilters/1/typedConfig/mark"), "1337");
}

static void test_a_v6_proxy_listens_and_connects_on_v6(void **state)
{
    struct fixture *f = *state;
    add(f,
        make_entry(f->a,
            "app",
            "'hosts': ['app.test'], 'resolution': 'STATIC',"
            "'ports': [{'number': 80, 'name': 'http', 'protocol': 'HTTP'}],"
            "'endpoints': [{'address': 'fd00::1'}]"));

    translate_mode(f, "sidecar~fd00::1~app.default~default.svc.cluster.local", "REDIRECT");

    assert_string_equal(listener(f, "virtualInbound", "address/socketAddress/address"), "::");
    assert_string_equal(
        translated_at(
            &f->t, XDS_CLUSTER, "inbound|80||", "upstreamBindConfig/sourceAddress/address"),
        "::6");
}

static void test_the_meshs_ports_and_access_log_are_used(void **state)
{
    struct fixture *f = *state;
    add(f, make_mesh(f->a, "'proxyInboundListenPort': 16006, 'accessLogFile': '/dev/stdout'"));

    translate(f);

    assert_string_equal(listener(f, "virtualInbound", "address/socketAddress/portValue"), "16006");
    assert_string_equal(
        listener(f, "virtualInbound", "accessLog/0/typedConfig/path"), "/dev/stdout");
    assert_string_equal(
        listener(f, "virtualInbound", "filterChains/1/filters/0/typedConfig/accessLog/0/name"),
        "envoy.access_loggers.file");
    assert_string_equal(
        listener(f, "virtualInbound", "filterChains/2/filters/0/typedConfig/accessLog/0/name"),
        "envoy.access_loggers.file");
}

/* ---- interception NONE ---- */

static void test_without_redirection_each_port_has_a_bound_listener_before_loopback(void **state)
{
    struct fixture *f = *state;
    add_app(
        f, "{'number': 80, 'name': 'http', 'protocol': 'HTTP'}, {'number': 81, 'name': 'auto'}");

    translate_mode(f, APP_NODE, "NONE");

    assert_null(xds_view_find(f->t.view, XDS_LISTENER, "virtualInbound"));
    assert_string_equal(chains_of(f, "10.0.0.1_80"), "10.0.0.1_80:80/(absent) inbound|80||");
    assert_string_equal(listener(f, "10.0.0.1_80", "address/socketAddress"),
        "{\"address\":\"10.0.0.1\",\"portValue\":80}");
    assert_string_equal(listener(f, "10.0.0.1_80", "bindToPort"), "(absent)");
    assert_string_equal(listener(f, "10.0.0.1_80", "listenerFilters"), "(absent)");
    assert_string_equal(listener(f, "10.0.0.1_81", "listenerFilters/0/name"),
        "envoy.filters.listener.http_inspector");
    assert_string_equal(listener(f, "10.0.0.1_81", "listenerFilters/0/filterDisabled"), "(absent)");
    assert_string_equal(translated_at(&f->t, XDS_CLUSTER, "inbound|80||", "type"), "STATIC");
    assert_string_equal(
        translated_at(&f->t,
            XDS_CLUSTER,
            "inbound|80||",
            "loadAssignment/endpoints/0/lbEndpoints/0/endpoint/address/socketAddress"),
        "{\"address\":\"127.0.0.1\",\"portValue\":80}");
    assert_string_equal(
        translated_at(&f->t, XDS_CLUSTER, "inbound|80||", "upstreamBindConfig"), "(absent)");
}

static void test_without_redirection_an_application_on_loopback_is_not_sent_to_itself(void **state)
{
    struct fixture *f = *state;
    add(f, make_instance(f->a, "web/a", "'address': '127.0.0.1', 'ports': {'http': 80}"));

    translate_mode(f, "sidecar~127.0.0.1~app.default~default.svc.cluster.local", "NONE");

    assert_null(xds_view_find(f->t.view, XDS_LISTENER, "127.0.0.1_80"));
    assert_null(xds_view_find(f->t.view, XDS_CLUSTER, "inbound|80||"));
}

static void test_on_loopback_a_port_of_workload_and_service_is_the_workloads(void **state)
{
    struct fixture *f = *state;
    add(f, make_instance(f->a, "web/a", "'address': '127.0.0.5', 'ports': {'http': 80}"));
    add(f, make_instance(f->a, "api/a", "'address': '127.0.0.6', 'ports': {'http': 81}"));

    translate_mode(f, "sidecar~127.0.0.5~app.default~default.svc.cluster.local", "NONE");

    assert_string_equal(chains_of(f, "127.0.0.5_80"), "127.0.0.5_80:80/(absent) inbound|80||");
    assert_string_equal(listener(f, "127.0.0.5_81", "trafficDirection"), "OUTBOUND");
}

static void test_an_own_address_that_is_also_a_services_breaks_nothing(void **state)
{
    struct fixture *f = *state;
    add(f,
        make_entry(f->a,
            "db",
            "'hosts': ['db.test'], 'resolution': 'STATIC', 'addresses': ['10.0.0.1'],"
            "'ports': [{'number': 80, 'name': 'tcp', 'protocol': 'TCP'}],"
            "'endpoints': [{'address': '10.0.0.1'}]"));

    translate_mode(f, APP_NODE, "NONE");

    struct xds_cursor cursor = { 0 };
    size_t count = 0;
    while (xds_view_next(f->t.view, XDS_LISTENER, &cursor))
        count++;
    assert_int_equal(count, xds_view_count(f->t.view, XDS_LISTENER));
}

/* ---- gateways ---- */

static void test_a_gateway_has_no_workload_behind_it(void **state)
{
    struct fixture *f = *state;
    add_app(f, "{'number': 80, 'name': 'http', 'protocol': 'HTTP'}");

    translate_mode(f, "router~10.0.0.1~gw.default~default.svc.cluster.local", "REDIRECT");

    assert_int_equal(xds_view_count(f->t.view, XDS_LISTENER), 0);
    assert_null(xds_view_find(f->t.view, XDS_CLUSTER, "inbound|80||"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_without_services_all_goes_to_the_application_as_it_came),
        TEST(test_each_port_has_a_chain_for_its_protocol),
        TEST(test_ports_whose_protocol_is_known_are_not_sniffed),
        TEST(test_requests_are_retried_only_if_they_never_reached_the_application),
        TEST(test_a_redirected_connection_goes_where_it_was_going),
        TEST(test_the_rules_limits_hold_on_the_servers_side_too),
        TEST(test_of_services_on_one_port_the_oldest_says_what_it_speaks),
        TEST(test_a_service_on_the_proxys_own_port_gets_no_second_chain),
        TEST(test_transparent_proxying_keeps_the_callers_address),
        TEST(test_a_v6_proxy_listens_and_connects_on_v6),
        TEST(test_the_meshs_ports_and_access_log_are_used),
        TEST(test_without_redirection_each_port_has_a_bound_listener_before_loopback),
        TEST(test_without_redirection_an_application_on_loopback_is_not_sent_to_itself),
        TEST(test_on_loopback_a_port_of_workload_and_service_is_the_workloads),
        TEST(test_an_own_address_that_is_also_a_services_breaks_nothing),
        TEST(test_a_gateway_has_no_workload_behind_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
