/* outbound listeners: which there are, and how connections are told apart on each. */
#include "shop_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define TCP_9000  "{'number': 9000, 'name': 'tcp', 'protocol': 'TCP'}"
#define TLS_443   "{'number': 443, 'name': 'tls', 'protocol': 'TLS'}"
#define ANY_90    "{'number': 90, 'name': 'any'}"
#define CHAIN(n)  "filterChains/" #n
#define FILTER    "filters/0/typedConfig"
#define DEFAULT   "defaultFilterChain"
#define LOG_LINE  "%START_TIME%"
#define MODE_NONE "{'INTERCEPTION_MODE': 'NONE'}"

/* ---- where redirected connections arrive ---- */

static void test_virtual_outbound_hands_over_and_lets_the_rest_through(void **state)
{
    struct shop *s = *state;

    shop_open(s, "{}");

    shop_expect_listener(s, "virtualOutbound", "address/socketAddress/address", "0.0.0.0");
    shop_expect_listener(s, "virtualOutbound", "address/socketAddress/portValue", "15001");
    shop_expect_listener(s, "virtualOutbound", "useOriginalDst", "true");
    shop_expect_listener(s, "virtualOutbound", "transparent", "(absent)");
    shop_expect_listener(
        s, "virtualOutbound", CHAIN(0) "/filterChainMatch", "{\"destinationPort\":15001}");
    shop_expect_listener(s, "virtualOutbound", CHAIN(0) "/" FILTER "/cluster", "BlackHoleCluster");
    shop_expect_listener(s, "virtualOutbound", CHAIN(1) "/filterChainMatch", "(absent)");
    shop_expect_listener(
        s, "virtualOutbound", CHAIN(1) "/" FILTER "/cluster", "PassthroughCluster");
    shop_expect_listener(s, "virtualOutbound", "trafficDirection", "OUTBOUND");
}

static void test_with_registry_only_the_rest_goes_nowhere(void **state)
{
    struct shop *s = *state;
    shop_add_service(s, ORDERS, HTTP_8080, "");
    shop_add_mesh(
        s, "'outboundTrafficPolicy': {'mode': 'REGISTRY_ONLY'}, 'proxyListenPort': 15101");

    shop_open(s, "{}");

    shop_expect_listener(s, "virtualOutbound", "address/socketAddress/portValue", "15101");
    shop_expect_listener(
        s, "virtualOutbound", CHAIN(0) "/filterChainMatch/destinationPort", "15101");
    shop_expect_listener(s, "virtualOutbound", CHAIN(1) "/" FILTER "/cluster", "BlackHoleCluster");
    shop_expect_listener(s, "0.0.0.0_8080", DEFAULT "/" FILTER "/cluster", "BlackHoleCluster");
}

static void test_tproxy_is_transparent(void **state)
{
    struct shop *s = *state;

    shop_open(s, "{'INTERCEPTION_MODE': 'TPROXY'}");

    shop_expect_listener(s, "virtualOutbound", "transparent", "true");
}

/* ---- HTTP ---- */

static void test_http_services_share_a_listener_that_looks_at_the_first_bytes(void **state)
{
    struct shop *s = *state;
    shop_add_service(s, ORDERS, HTTP_8080, "'addresses': ['10.9.0.1']");
    shop_add_service(s, "cart.test", HTTP_8080, "");

    shop_open(s, "{}");

    assert_int_equal(xds_view_count(s->t.view, XDS_LISTENER), 3);
    shop_expect_listener(s, "0.0.0.0_8080", "bindToPort", "false");
    shop_expect_listener(s,
        "0.0.0.0_8080",
        CHAIN(0) "/filterChainMatch",
        "{\"transportProtocol\":\"raw_buffer\",\"applicationProtocols\":[\"http/1.1\",\"h2c\"]}");
    shop_expect_listener(s, "0.0.0.0_8080", CHAIN(1), "(absent)");
    shop_expect_listener(s, "0.0.0.0_8080", DEFAULT "/" FILTER "/cluster", "PassthroughCluster");
    shop_expect_listener(
        s, "0.0.0.0_8080", "listenerFilters/0/name", "envoy.filters.listener.http_inspector");
    shop_expect_listener(s, "0.0.0.0_8080", "listenerFilters/1", "(absent)");
    shop_expect_listener(s, "0.0.0.0_8080", "listenerFiltersTimeout", "0s");
    shop_expect_listener(s, "0.0.0.0_8080", "continueOnListenerFiltersTimeout", "true");
}

static void test_the_http_manager_takes_its_routes_over_ads(void **state)
{
    struct shop *s = *state;
    shop_add_service(s, ORDERS, HTTP_8080, "");

    shop_open(s, "{}");

#define MANAGER(part) "0.0.0.0_8080", CHAIN(0) "/" FILTER "/" part
    shop_expect_listener(s, MANAGER("statPrefix"), "outbound_0.0.0.0_8080;");
    shop_expect_listener(s,
        MANAGER("rds"),
        "{\"configSource\":{\"ads\":{},\"initialFetchTimeout\":\"0s\","
        "\"resourceApiVersion\":\"V3\"},\"routeConfigName\":\"8080\"}");
    shop_expect_listener(s, MANAGER("httpFilters/0/name"), "envoy.filters.http.fault");
    shop_expect_listener(s, MANAGER("httpFilters/1/name"), "envoy.filters.http.cors");
    shop_expect_listener(s, MANAGER("httpFilters/2/name"), "envoy.filters.http.router");
    shop_expect_listener(s, MANAGER("httpFilters/3"), "(absent)");
    shop_expect_listener(s, MANAGER("streamIdleTimeout"), "0s");
    shop_expect_listener(s, MANAGER("useRemoteAddress"), "false");
    shop_expect_listener(s, MANAGER("normalizePath"), "true");
    shop_expect_listener(s, MANAGER("upgradeConfigs"), "[{\"upgradeType\":\"websocket\"}]");
    shop_expect_listener(s, MANAGER("pathWithEscapedSlashesAction"), "KEEP_UNCHANGED");
    shop_expect_listener(s, MANAGER("proxy100Continue"), "true");
    shop_expect_listener(s, MANAGER("serverName"), "(absent)");
    shop_expect_listener(s, MANAGER("accessLog"), "(absent)");
}

static void test_grpc_web_has_its_filter_whoever_is_the_oldest(void **state)
{
    struct shop *s = *state;
    shop_add_service(s, ORDERS, HTTP_8080, "");
    shop_add_service(s, "web.test", "{'number': 8080, 'name': 'web', 'protocol': 'GRPC-WEB'}", "");

    shop_open(s, "{}");

    shop_expect_listener(s, MANAGER("httpFilters/0/name"), "envoy.filters.http.grpc_web");
    shop_expect_listener(s, MANAGER("httpFilters/1/name"), "envoy.filters.http.fault");
}

static void test_detection_may_be_given_a_time(void **state)
{
    struct shop *s = *state;
    shop_add_service(s, ORDERS, HTTP_8080, "");
    shop_add_service(s, "db.test", TCP_9000, "");
    shop_add_mesh(s, "'protocolDetectionTimeout': '5s'");

    shop_open(s, "{}");

    shop_expect_listener(s, "0.0.0.0_8080", "listenerFiltersTimeout", "5s");
    shop_expect_listener(s, "0.0.0.0_9000", "listenerFiltersTimeout", "0s");
}

/* ---- TCP and TLS ---- */

static void test_any_address_is_none_of_a_services_own(void **state)
{
    struct shop *s = *state;
    shop_add_service(s, "db.test", TCP_9000, "'addresses': ['0.0.0.0', '::', '10.9.0.2']");
    shop_add_service(s, "log.test", ANY_90, "'addresses': ['0::']");

    shop_open(s, "{}");

    shop_expect_listener(s, "10.9.0.2_9000", "name", "10.9.0.2_9000");
    shop_expect_listener(s, "0.0.0.0_9000", "name", "(absent)");
    shop_expect_listener(s, "::_9000", "name", "(absent)");
    shop_expect_listener(s, "0.0.0.0_90", "name", "0.0.0.0_90");
}

static void test_a_tcp_service_listens_on_each_of_its_addresses(void **state)
{
    struct shop *s = *state;
    shop_add_service(s, "db.test", TCP_9000, "'addresses': ['10.9.0.1', '10.9.0.2']");

    shop_open(s, "{}");

    shop_expect_listener(s, "10.9.0.1_9000", "address/socketAddress/address", "10.9.0.1");
    shop_expect_listener(s, "10.9.0.1_9000", CHAIN(0) "/filterChainMatch", "(absent)");
    shop_expect_listener(
        s, "10.9.0.1_9000", CHAIN(0) "/" FILTER "/cluster", "outbound|9000||db.test");
    shop_expect_listener(
        s, "10.9.0.2_9000", CHAIN(0) "/" FILTER "/cluster", "outbound|9000||db.test");
    shop_expect_listener(s, "10.9.0.1_9000", DEFAULT, "(absent)");
    shop_expect_listener(s, "10.9.0.1_9000", "listenerFilters", "(absent)");
    shop_expect_listener(s, "0.0.0.0_9000", "name", "(absent)");
}

static void test_of_tcp_services_without_an_address_the_oldest_has_the_port(void **state)
{
    struct shop *s = *state;
    shop_add_service(s, "z.test", TCP_9000, "");
    shop_add_service(s, "a.test", TCP_9000, "");

    shop_open(s, "{}");

    shop_expect_listener(
        s, "0.0.0.0_9000", CHAIN(0) "/" FILTER "/cluster", "outbound|9000||z.test");
    shop_expect_listener(s, "0.0.0.0_9000", CHAIN(1), "(absent)");
}

static void test_tls_services_are_told_apart_by_server_name(void **state)
{
    struct shop *s = *state;
    shop_add_service(s, "a.test", TLS_443, "");
    shop_add_service(s, "*.b.test", "{'number': 443, 'name': 'h', 'protocol': 'HTTPS'}", "");
    shop_add_service(s, "c.test", TLS_443, "'addresses': ['10.9.0.1']");

    shop_open(s, "{}");

    shop_expect_listener(
        s, "0.0.0.0_443", CHAIN(0) "/filterChainMatch", "{\"serverNames\":[\"a.test\"]}");
    shop_expect_listener(
        s, "0.0.0.0_443", CHAIN(1) "/filterChainMatch", "{\"serverNames\":[\"*.b.test\"]}");
    shop_expect_listener(
        s, "0.0.0.0_443", CHAIN(1) "/" FILTER "/cluster", "outbound|443||*.b.test");
    shop_expect_listener(s, "0.0.0.0_443", DEFAULT "/name", "PassthroughFilterChain");
    shop_expect_listener(
        s, "0.0.0.0_443", "listenerFilters/0/name", "envoy.filters.listener.tls_inspector");
    shop_expect_listener(s, "10.9.0.1_443", CHAIN(0) "/filterChainMatch", "(absent)");
    shop_expect_listener(s, "10.9.0.1_443", "listenerFilters", "(absent)");
}

static void test_http_and_tcp_on_one_port_go_together_whichever_is_older(void **state)
{
    struct shop *s = *state;
    shop_add_service(s, "tcp.test", "{'number': 8080, 'name': 'tcp', 'protocol': 'TCP'}", "");
    shop_add_service(s, ORDERS, HTTP_8080, "");

    shop_open(s, "{}");

    shop_expect_listener(s, MANAGER("rds/routeConfigName"), "8080");
    shop_expect_listener(
        s, "0.0.0.0_8080", DEFAULT "/" FILTER "/cluster", "outbound|8080||tcp.test");
    shop_expect_listener(s, "0.0.0.0_8080", CHAIN(1), "(absent)");
}

static void test_a_server_that_speaks_first_shares_its_port_with_its_like_alone(void **state)
{
    struct shop *s = *state;
    shop_add_service(s, "mongo.test", "{'number': 8080, 'name': 'm', 'protocol': 'MONGO'}", "");
    shop_add_service(s, ORDERS, HTTP_8080, "");

    shop_open(s, "{}");

    shop_expect_listener(
        s, "0.0.0.0_8080", CHAIN(0) "/filters/0/name", "envoy.filters.network.mongo_proxy");
    shop_expect_listener(
        s, "0.0.0.0_8080", CHAIN(0) "/filters/1/typedConfig/cluster", "outbound|8080||mongo.test");
    shop_expect_listener(s, "0.0.0.0_8080", "listenerFilters", "(absent)");
    assert_int_equal(xds_view_count(s->t.view, XDS_ROUTE), 0);
}

static void test_udp_has_no_listener(void **state)
{
    struct shop *s = *state;
    shop_add_service(s, "dns.test", "{'number': 53, 'name': 'udp', 'protocol': 'UDP'}", "");

    shop_open(s, "{}");

    assert_int_equal(xds_view_count(s->t.view, XDS_LISTENER), 2);
}

static void test_the_destination_rule_reaches_tcp(void **state)
{
    struct shop *s = *state;
    shop_add_service(s, "db.test", TCP_9000, "");
    shop_add_rule(s,
        "db",
        "'host': 'db.test', 'trafficPolicy': {"
        "'connectionPool': {'tcp': {'idleTimeout': '60s', 'maxConnectionDuration': '1h'}},"
        "'loadBalancer': {'consistentHash': {'useSourceIp': true}}}");

    shop_open(s, "{}");

#define TCP(part) "0.0.0.0_9000", CHAIN(0) "/" FILTER "/" part
    shop_expect_listener(s, TCP("idleTimeout"), "60s");
    shop_expect_listener(s, TCP("maxDownstreamConnectionDuration"), "3600s");
    shop_expect_listener(s, TCP("hashPolicy"), "[{\"sourceIp\":{}}]");
}

static void test_what_envoy_takes_for_one_is_one(void **state)
{
    struct shop *s = *state;
    shop_add_service(s, "A.test", TLS_443, "");
    shop_add_service(s, "a.test", TLS_443, "");
    shop_add_service(s, "db.test", TCP_9000, "'addresses': ['2001:db8::1', '2001:0DB8:0::1']");

    shop_open(s, "{}");

    shop_expect_listener(s, "0.0.0.0_443", CHAIN(0) "/" FILTER "/cluster", "outbound|443||A.test");
    shop_expect_listener(s, "0.0.0.0_443", CHAIN(1), "(absent)");
    shop_expect_listener(s, "2001:db8::1_9000", CHAIN(1), "(absent)");
    assert_int_equal(xds_view_count(s->t.view, XDS_LISTENER), 4);
}

/* ---- sniffed ports ---- */

static void test_a_port_of_no_protocol_is_http_or_else_tcp(void **state)
{
    struct shop *s = *state;
    shop_add_service(s, "a.test", ANY_90, "");
    shop_add_service(s, "b.test", ANY_90, "'addresses': ['10.9.0.1']");

    shop_open(s, "{}");

    shop_expect_listener(s, "0.0.0.0_90", CHAIN(0) "/" FILTER "/rds/routeConfigName", "90");
    shop_expect_listener(s, "0.0.0.0_90", DEFAULT "/" FILTER "/cluster", "outbound|90||a.test");
    shop_expect_listener(s, "10.9.0.1_90", CHAIN(0) "/" FILTER "/rds/routeConfigName", "b.test:90");
    shop_expect_listener(s, "10.9.0.1_90", DEFAULT "/" FILTER "/cluster", "outbound|90||b.test");
}

/* ---- access log ---- */

static void test_the_access_log_is_everywhere_but_at_the_blackhole(void **state)
{
    struct shop *s = *state;
    shop_add_service(s, ORDERS, HTTP_8080, "");
    shop_add_service(s, "db.test", TCP_9000, "");
    shop_add_mesh(s, "'accessLogFile': '/dev/stdout', 'accessLogFormat': '" LOG_LINE "'");

    shop_open(s, "{}");

#define LOG        "accessLog/0/typedConfig"
#define LOG_FORMAT LOG "/logFormat/textFormatSource/inlineString"
    shop_expect_listener(s, MANAGER(LOG "/path"), "/dev/stdout");
    shop_expect_listener(s, MANAGER(LOG_FORMAT), LOG_LINE "\n");
    shop_expect_listener(s, "0.0.0.0_8080", DEFAULT "/" FILTER "/" LOG "/path", "/dev/stdout");
    shop_expect_listener(s, TCP(LOG "/path"), "/dev/stdout");
    shop_expect_listener(s, "0.0.0.0_8080", "accessLog", "(absent)");
    shop_expect_listener(s, "virtualOutbound", LOG "/path", "/dev/stdout");
    shop_expect_listener(
        s, "virtualOutbound", "accessLog/0/filter/responseFlagFilter/flags", "[\"NR\"]");
    shop_expect_listener(s, "virtualOutbound", CHAIN(0) "/" FILTER "/accessLog", "(absent)");
    shop_expect_listener(s, "virtualOutbound", CHAIN(1) "/" FILTER "/" LOG "/path", "/dev/stdout");
}

static void test_without_a_format_the_access_log_has_the_usual_one(void **state)
{
    struct shop *s = *state;
    shop_add_service(s, "db.test", TCP_9000, "");
    shop_add_mesh(s, "'accessLogFile': '/dev/stdout'");

    shop_open(s, "{}");

    const char *format = translated_at(&s->t, XDS_LISTENER, TCP(LOG_FORMAT));
    assert_non_null(strstr(format, "%UPSTREAM_HOST%"));
    assert_int_equal(format[strlen(format) - 1], '\n');
}

/* ---- without redirection ---- */

static void test_without_redirection_listeners_are_bound_on_loopback(void **state)
{
    struct shop *s = *state;
    shop_add_service(s, ORDERS, HTTP_8080, "'addresses': ['10.9.0.1']");
    shop_add_service(s, "db.test", TCP_9000, "'addresses': ['10.9.0.2']");

    shop_open(s, MODE_NONE);

    assert_int_equal(xds_view_count(s->t.view, XDS_LISTENER), 2);
    shop_expect_listener(s, "127.0.0.1_8080", "address/socketAddress/address", "127.0.0.1");
    shop_expect_listener(s, "127.0.0.1_8080", "bindToPort", "(absent)");
    shop_expect_listener(s, "127.0.0.1_8080", CHAIN(0) "/filterChainMatch", "(absent)");
    shop_expect_listener(s, "127.0.0.1_8080", CHAIN(0) "/" FILTER "/rds/routeConfigName", "8080");
    shop_expect_listener(s, "127.0.0.1_8080", DEFAULT, "(absent)");
    shop_expect_listener(s, "127.0.0.1_8080", "listenerFilters", "(absent)");
    shop_expect_listener(
        s, "127.0.0.1_9000", CHAIN(0) "/" FILTER "/cluster", "outbound|9000||db.test");
}

static void test_without_redirection_services_of_a_port_still_go_together(void **state)
{
    struct shop *s = *state;
    shop_add_service(s, "a.test", TLS_443, "");
    shop_add_service(s, "b.test", TLS_443, "'addresses': ['10.9.0.1']");
    shop_add_service(s, "c.test", ANY_90, "'addresses': ['10.9.0.1']");
    shop_add_service(s, "d.test", "{'number': 90, 'name': 'h', 'protocol': 'HTTP'}", "");

    shop_open(s, MODE_NONE);

    shop_expect_listener(
        s, "127.0.0.1_443", CHAIN(0) "/filterChainMatch/serverNames", "[\"a.test\"]");
    shop_expect_listener(
        s, "127.0.0.1_443", CHAIN(1) "/filterChainMatch/serverNames", "[\"b.test\"]");
    shop_expect_listener(s, "127.0.0.1_443", DEFAULT, "(absent)");
    shop_expect_listener(s, "127.0.0.1_90", CHAIN(0) "/" FILTER "/rds/routeConfigName", "90");
    shop_expect_listener(s, "127.0.0.1_90", DEFAULT "/" FILTER "/cluster", "outbound|90||c.test");
    shop_expect_table(s, "90", "virtualHosts/0/name", "c.test:90");
    shop_expect_table(s, "90", "virtualHosts/1/name", "d.test:90");
}

static void test_a_workloads_own_port_is_not_bound_twice(void **state)
{
    struct shop *s = *state;
    shop_add_service(s, ORDERS, HTTP_8080, "");
    s->values[s->count++] = make_entry(s->a,
        "self",
        "'hosts': ['self.test'], 'resolution': 'STATIC',"
        " 'ports': [{'number': 9000, 'name': 'http', 'protocol': 'HTTP'}],"
        " 'endpoints': [{'address': '127.4.0.1'}]");

    shop_open_for(s, "sidecar~127.4.0.1~self.default~default.svc.cluster.local", MODE_NONE);

    shop_expect_listener(s, "127.4.0.1_8080", "trafficDirection", "OUTBOUND");
    shop_expect_listener(s, "127.4.0.1_9000", "trafficDirection", "INBOUND");
    shop_expect_table(s, "9000", "name", "(absent)");
}

/* ---- addresses ---- */

static void test_a_proxy_of_ipv6_alone_listens_on_ipv6(void **state)
{
    struct shop *s = *state;
    shop_add_service(s, ORDERS, HTTP_8080, "");

    shop_open_for(s, "sidecar~2001:db8::7~web.default~default.svc.cluster.local", "{}");

    shop_expect_listener(s, "::_8080", "address/socketAddress/address", "::");
    shop_expect_listener(s, "::_8080", "additionalAddresses", "(absent)");
    shop_expect_listener(s, "virtualOutbound", "address/socketAddress/address", "::");
}

static void test_a_proxy_of_both_families_listens_on_both(void **state)
{
    struct shop *s = *state;
    shop_add_service(s, ORDERS, HTTP_8080, "");

    shop_open(s, "{'INSTANCE_IPS': '10.0.0.1,2001:db8::7'}");

    shop_expect_listener(s, "0.0.0.0_8080", "address/socketAddress/address", "0.0.0.0");
    shop_expect_listener(s,
        "0.0.0.0_8080",
        "additionalAddresses",
        "[{\"address\":{\"socketAddress\":{\"address\":\"::\",\"portValue\":8080}}}]");
    shop_expect_listener(s, "virtualOutbound", "additionalAddresses", "(absent)");
    shop_expect_listener(s, "virtualInbound", "additionalAddresses", "(absent)");
}

static void test_redirected_ipv6_arrives_where_the_proxy_says_that_there_is_some(void **state)
{
    struct shop *s = *state;

    shop_open(s, "{'INSTANCE_IPS': '10.0.0.1,2001:db8::7', 'REDIRECT_IPV6': true}");

    shop_expect_listener(s,
        "virtualOutbound",
        "additionalAddresses",
        "[{\"address\":{\"socketAddress\":{\"address\":\"::\",\"portValue\":15001}}}]");
    shop_expect_listener(s,
        "virtualInbound",
        "additionalAddresses",
        "[{\"address\":{\"socketAddress\":{\"address\":\"::\",\"portValue\":15006}}}]");
}

static void test_a_service_on_a_port_of_redirection_is_left_out(void **state)
{
    struct shop *s = *state;
    shop_add_service(s, "a.test", "{'number': 15001, 'name': 'http', 'protocol': 'HTTP'}", "");

    shop_open(s, "{}");

    shop_expect_listener(s, "0.0.0.0_15001", "name", "(absent)");
    assert_int_equal(xds_view_count(s->t.view, XDS_ROUTE), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, shop_setup, shop_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_virtual_outbound_hands_over_and_lets_the_rest_through),
        TEST(test_with_registry_only_the_rest_goes_nowhere),
        TEST(test_tproxy_is_transparent),
        TEST(test_http_services_share_a_listener_that_looks_at_the_first_bytes),
        TEST(test_the_http_manager_takes_its_routes_over_ads),
        TEST(test_grpc_web_has_its_filter_whoever_is_the_oldest),
        TEST(test_detection_may_be_given_a_time),
        TEST(test_any_address_is_none_of_a_services_own),
        TEST(test_a_tcp_service_listens_on_each_of_its_addresses),
        TEST(test_of_tcp_services_without_an_address_the_oldest_has_the_port),
        TEST(test_tls_services_are_told_apart_by_server_name),
        TEST(test_http_and_tcp_on_one_port_go_together_whichever_is_older),
        TEST(test_a_server_that_speaks_first_shares_its_port_with_its_like_alone),
        TEST(test_udp_has_no_listener),
        TEST(test_the_destination_rule_reaches_tcp),
        TEST(test_what_envoy_takes_for_one_is_one),
        TEST(test_a_port_of_no_protocol_is_http_or_else_tcp),
        TEST(test_the_access_log_is_everywhere_but_at_the_blackhole),
        TEST(test_without_a_format_the_access_log_has_the_usual_one),
        TEST(test_without_redirection_listeners_are_bound_on_loopback),
        TEST(test_without_redirection_services_of_a_port_still_go_together),
        TEST(test_a_workloads_own_port_is_not_bound_twice),
        TEST(test_a_proxy_of_ipv6_alone_listens_on_ipv6),
        TEST(test_a_proxy_of_both_families_listens_on_both),
        TEST(test_redirected_ipv6_arrives_where_the_proxy_says_that_there_is_some),
        TEST(test_a_service_on_a_port_of_redirection_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
