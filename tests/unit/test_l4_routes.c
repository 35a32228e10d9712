/* tls and tcp of a VirtualService: where a proxy's connections go. */
#include "shop_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define TLS_443      "{'number': 443, 'name': 'tls', 'protocol': 'TLS'}"
#define TCP_9000     "{'number': 9000, 'name': 'tcp', 'protocol': 'TCP'}"
#define TLS_LISTENER "0.0.0.0_443"
#define TCP_LISTENER "0.0.0.0_9000"
#define OTHER_NODE   "sidecar~10.0.0.1~web.other~other.svc.cluster.local"

/* ---- rules in, chains out, both as text ---- */

/* A VirtualService of `kind` (tls, tcp) for the hosts: of each line "MATCH > HOST" a route to that
 * host. MATCH: the inside of one match; "" without. The earlier is the older. */
static void add_rules(struct shop *s, const char *kind, const char *hosts, const char *lines)
{
    const char *routes = "";
    char *rest = arena_strdup(s->a, lines);
    for (char *line; (line = strsep(&rest, "\n"));) {
        char *host = strchr(line, '>');
        assert_non_null(host);
        *host = '\0';
        routes = arena_printf(s->a,
            "%s%s{%s%s%s'route': [{'destination': {'host': '%s'}}]}",
            routes,
            *routes ? ", " : "",
            *line ? "'match': [{" : "",
            line,
            *line ? "}], " : "",
            host + 2);
    }
    shop_add_routes(s,
        arena_printf(s->a, "rules-%zu", s->count),
        arena_printf(s->a, "'hosts': [%s], '%s': [%s]", hosts, kind, routes));
}

/* One that shares a tcp service's connections: `route`, the inside of the list. */
static void add_shares(struct shop *s, const char *hosts, const char *route)
{
    shop_add_routes(
        s, "shares", arena_printf(s->a, "'hosts': [%s], 'tcp': [{'route': [%s]}]", hosts, route));
}

static const char *listener(struct shop *s, const char *name, const char *path)
{
    return translated_at(&s->t, XDS_LISTENER, name, path);
}

static bool is_absent(const char *text)
{
    return strcmp(text, "(absent)") == 0;
}

/* A cluster, or "3*CLUSTER + 4*CLUSTER"; "http" where there is a table. */
static const char *destination(struct shop *s, const char *name, const char *filter)
{
    const char *cluster = listener(s, name, arena_printf(s->a, "%s/cluster", filter)), *text = "";
    if (!is_absent(cluster))
        return cluster;
    for (int i = 0;; i++) {
        const char *at = arena_printf(s->a, "%s/weightedClusters/clusters/%d", filter, i);
        const char *share = listener(s, name, arena_printf(s->a, "%s/name", at));
        if (is_absent(share))
            return i ? text : "http";
        const char *weight = listener(s, name, arena_printf(s->a, "%s/weight", at));
        text = arena_printf(s->a, "%s%s%s*%s", text, i ? " + " : "", weight, share);
    }
}

/* "10.0.0.0/8,10.1.0.0/16 ", or "". */
static const char *ranges(struct shop *s, const char *name, const char *chain)
{
    const char *text = "";
    for (int i = 0;; i++) {
        const char *at = arena_printf(s->a, "%s/filterChainMatch/prefixRanges/%d", chain, i);
        const char *address = listener(s, name, arena_printf(s->a, "%s/addressPrefix", at));
        if (is_absent(address))
            return i ? arena_printf(s->a, "%s ", text) : "";
        const char *bits = listener(s, name, arena_printf(s->a, "%s/prefixLen", at));
        text = arena_printf(s->a, "%s%s%s/%s", text, i ? "," : "", address, bits);
    }
}

/* "[a.test,b.test] ", or "". */
static const char *names(struct shop *s, const char *name, const char *chain)
{
    const char *path = arena_printf(s->a, "%s/filterChainMatch/serverNames", chain);
    char *text = arena_printf(s->a, "%s ", listener(s, name, path)), *out = text;
    for (const char *c = text; *c; c++)
        if (*c != '"')
            *out++ = *c;
    *out = '\0';
    return *text == '[' ? text : "";
}

/* What a listener has: of each chain a line "RANGES [SERVER NAMES] > DESTINATION"; the default
 * last, after "else ". */
static const char *chains_of(struct shop *s, const char *name)
{
    const char *text = "";
    bool is_default = false;
    for (int i = 0; !is_default; i++) {
        const char *chain = arena_printf(s->a, "filterChains/%d", i);
        is_default = is_absent(listener(s, name, chain));
        if (is_default)
            chain = "defaultFilterChain";
        if (is_absent(listener(s, name, chain)))
            break;
        text = arena_printf(s->a,
            "%s%s%s%s%s> %s",
            text,
            *text ? "\n" : "",
            is_default ? "else " : "",
            ranges(s, name, chain),
            names(s, name, chain),
            destination(s, name, arena_printf(s->a, "%s/filters/0/typedConfig", chain)));
    }
    return text;
}

static void expect_chains(struct shop *s, const char *name, const char *chains)
{
    assert_string_equal(chains_of(s, name), chains);
}

/* Services a.test, b.test and c.test, on 443 as TLS, without addresses of their own. */
static struct shop *tls_shop(void **state)
{
    struct shop *s = *state;
    shop_add_service(s, "a.test", TLS_443, "");
    shop_add_service(s, "b.test", TLS_443, "");
    shop_add_service(s, "c.test", TLS_443, "");
    return s;
}

/* Service a.test, on 9000 as TCP. */
static struct shop *tcp_shop(void **state)
{
    struct shop *s = *state;
    shop_add_service(s, "a.test", TCP_9000, "");
    return s;
}

/* ---- by server name ---- */

static void test_connections_go_by_the_server_name(void **state)
{
    struct shop *s = tls_shop(state);
    add_rules(s, "tls", "'a.test'", "'sniHosts': ['a.test'] > b.test");

    shop_open(s, "{}");

    expect_chains(s,
        TLS_LISTENER,
        "[a.test] > outbound|443||b.test\n"
        "[b.test] > outbound|443||b.test\n"
        "[c.test] > outbound|443||c.test\n"
        "else > PassthroughCluster");
    shop_expect_listener(
        s, TLS_LISTENER, "listenerFilters/0/name", "envoy.filters.listener.tls_inspector");
}

static void test_a_wildcard_name_stands_beside_the_names_inside_it(void **state)
{
    struct shop *s = *state;
    shop_add_service(s, "*.w.test", TLS_443, "");
    shop_add_service(s, "a.test", TLS_443, "");
    add_rules(
        s, "tls", "'*.w.test'", "'sniHosts': ['*.w.test'] > b.test\n'sniHosts': ['x.w.test'] > c");

    shop_open(s, "{}");

    expect_chains(s,
        TLS_LISTENER,
        "[*.w.test] > outbound|443||b.test\n"
        "[x.w.test] > outbound|443||c.default.svc.cluster.local\n"
        "[a.test] > outbound|443||a.test\n"
        "else > PassthroughCluster");
}

static void test_names_are_sorted_in_lower_case_and_each_once(void **state)
{
    struct shop *s = *state;
    shop_add_service(s, "a.test", TLS_443, "");
    add_rules(s,
        "tls",
        "'a.test', '*.z.test'",
        "'sniHosts': ['y.z.test', 'A.Test', 'X.z.test', 'a.test', 'x.z.test'] > a.test");

    shop_open(s, "{}");

    expect_chains(s,
        TLS_LISTENER,
        "[a.test,x.z.test,y.z.test] > outbound|443||a.test\nelse > PassthroughCluster");
}

static void test_each_match_of_a_tls_route_is_a_way_of_its_own(void **state)
{
    struct shop *s = *state;
    shop_add_service(s, "a.test", TLS_443, "");
    add_rules(s,
        "tls",
        "'*.a.test', 'a.test'",
        "'sniHosts': ['a.test']}, {'sniHosts': ['x.a.test'],"
        " 'destinationSubnets': ['10.2.0.0/16', '10.1.0.7'] > b.test");

    shop_open(s, "{}");

    expect_chains(s,
        TLS_LISTENER,
        "[a.test] > outbound|443||b.test\n"
        "10.1.0.7/32,10.2.0.0/16 [x.a.test] > outbound|443||b.test\n"
        "else > PassthroughCluster");
}

static void test_of_equal_matches_the_first_counts(void **state)
{
    struct shop *s = *state;
    shop_add_service(s, "a.test", TLS_443, "");
    add_rules(s, "tls", "'a.test'", "'sniHosts': ['a.test'] > b\n'sniHosts': ['A.TEST'] > c.test");
    add_rules(s, "tls", "'a.test'", "'sniHosts': ['a.test'] > d.test");

    shop_open(s, "{}");

    expect_chains(s,
        TLS_LISTENER,
        "[a.test] > outbound|443||b.default.svc.cluster.local\nelse > PassthroughCluster");
}

/* Envoy refuses a listener in which two chains have one name, among whatever others. */
static void test_a_server_name_is_the_first_rules_that_names_it(void **state)
{
    struct shop *s = *state;
    shop_add_service(s, "a.test", TLS_443, "");
    add_rules(s,
        "tls",
        "'*.test'",
        "'sniHosts': ['a.test', 'b.test'] > a.test\n"
        "'sniHosts': ['d.test', 'b.test'] > b.test\n"
        "'sniHosts': ['b.test'] > c.test");

    shop_open(s, "{}");

    expect_chains(s,
        TLS_LISTENER,
        "[a.test,b.test] > outbound|443||a.test\n"
        "[d.test] > outbound|443||b.test\n"
        "else > PassthroughCluster");
}

static void test_a_way_that_is_taken_in_part_keeps_the_rest(void **state)
{
    struct shop *s = *state;
    shop_add_service(s, "a.test", TLS_443, "");
    add_rules(s,
        "tls",
        "'*.test'",
        "'sniHosts': ['a.test'], 'destinationSubnets': ['10.0.0.0/8'] > a.test\n"
        "'sniHosts': ['a.test', 'b.test'],"
        " 'destinationSubnets': ['10.0.0.0/8', '11.0.0.0/8', '12.0.0.0/8'] > b.test\n"
        "'sniHosts': ['a.test'] > c.test");

    shop_open(s, "{}");

    expect_chains(s,
        TLS_LISTENER,
        "10.0.0.0/8 [a.test] > outbound|443||a.test\n"
        "10.0.0.0/8 [b.test] > outbound|443||b.test\n"
        "11.0.0.0/8,12.0.0.0/8 [a.test,b.test] > outbound|443||b.test\n"
        "[a.test] > outbound|443||c.test\n"
        "else > PassthroughCluster");
}

/* Envoy knows "*.x.test" alone, and refuses a listener that has others. */
static void test_names_that_envoy_cannot_match_are_left_out(void **state)
{
    struct shop *s = *state;
    shop_add_service(s, "*-x.test", TLS_443, "");
    shop_add_service(s, "a.test", TLS_443, "");
    add_rules(s,
        "tls",
        "'a.test', '*-y.test', '*z.test'",
        "'sniHosts': ['*-y.test', '*z.test'] > b.test\n"
        "'sniHosts': ['*z.test', 'a.test'] > c.test");

    shop_open(s, "{}");

    expect_chains(s, TLS_LISTENER, "[a.test] > outbound|443||c.test\nelse > PassthroughCluster");
}

/* Nor does it take one that has no chain at all. */
static void test_a_listener_for_nothing_is_not_there(void **state)
{
    struct shop *s = *state;
    shop_add_service(s, "*-x.test", TLS_443, "");

    shop_open(s, "{'INTERCEPTION_MODE': 'NONE'}");

    shop_expect_listener(s, "127.0.0.1_443", "name", "(absent)");
}

static void test_on_its_own_address_a_service_takes_only_the_names_of_its_rules(void **state)
{
    struct shop *s = *state;
    shop_add_service(s, "a.test", TLS_443, "'addresses': ['10.9.0.1']");
    shop_add_service(s, "b.test", TLS_443, "'addresses': ['10.9.0.2']");
    add_rules(s, "tls", "'a.test'", "'sniHosts': ['a.test'] > c.test");

    shop_open(s, "{}");

    expect_chains(s, "10.9.0.1_443", "[a.test] > outbound|443||c.test\nelse > PassthroughCluster");
    expect_chains(s, "10.9.0.2_443", "> outbound|443||b.test");
    shop_expect_listener(
        s, "10.9.0.1_443", "listenerFilters/0/name", "envoy.filters.listener.tls_inspector");
}

/* ---- whose, and at which port ---- */

/* Of these eight rules those are taken that are the proxy's. */
static void open_with_callers(struct shop *s, const char *node_id)
{
    add_rules(s,
        "tcp",
        "'a.test'",
        "'destinationSubnets': ['10.0.0.1'], 'port': 9001 > x1.test\n"
        "'destinationSubnets': ['10.0.0.2'], 'port': 9000 > x2.test\n"
        "'destinationSubnets': ['10.0.0.3'], 'gateways': ['gw'] > x3.test\n"
        "'destinationSubnets': ['10.0.0.4'], 'gateways': ['gw', 'mesh'] > x4.test\n"
        "'destinationSubnets': ['10.0.0.5'], 'sourceLabels': {'app': 'web'} > x5.test\n"
        "'destinationSubnets': ['10.0.0.6'], 'sourceLabels': {'app': 'x'} > x6.test\n"
        "'destinationSubnets': ['10.0.0.7'], 'sourceNamespace': 'default' > x7.test\n"
        "'destinationSubnets': ['10.0.0.8'], 'sourceNamespace': 'other',"
        " 'gateways': ['mesh'] > x8.test");
    shop_open_for(s, node_id, WEB_LABELS);
}

static void test_matches_of_other_callers_never_reach_the_proxy(void **state)
{
    struct shop *s = tcp_shop(state);

    open_with_callers(s, WEB_NODE);

    expect_chains(s,
        TCP_LISTENER,
        "10.0.0.2/32 > outbound|9000||x2.test\n"
        "10.0.0.4/32 > outbound|9000||x4.test\n"
        "10.0.0.5/32 > outbound|9000||x5.test\n"
        "10.0.0.7/32 > outbound|9000||x7.test\n"
        "else > outbound|9000||a.test");
}

static void test_matches_know_the_callers_namespace(void **state)
{
    struct shop *s = tcp_shop(state);

    open_with_callers(s, OTHER_NODE);

    expect_chains(s,
        TCP_LISTENER,
        "10.0.0.2/32 > outbound|9000||x2.test\n"
        "10.0.0.4/32 > outbound|9000||x4.test\n"
        "10.0.0.5/32 > outbound|9000||x5.test\n"
        "10.0.0.8/32 > outbound|9000||x8.test\n"
        "else > outbound|9000||a.test");
}

static void test_tls_matches_are_asked_for_caller_and_port_too(void **state)
{
    struct shop *s = *state;
    shop_add_service(
        s, "a.test", TLS_443 ", {'number': 444, 'name': 'more', 'protocol': 'HTTPS'}", "");
    add_rules(s,
        "tls",
        "'a.test'",
        "'sniHosts': ['a.test'], 'sourceLabels': {'app': 'x'} > x1.test\n"
        "'sniHosts': ['a.test'], 'gateways': ['gw'] > x2.test\n"
        "'sniHosts': ['a.test'], 'sourceNamespace': 'other' > x3.test\n"
        "'sniHosts': ['a.test'], 'port': 444 > x4.test");

    shop_open(s, WEB_LABELS);

    expect_chains(s, TLS_LISTENER, "[a.test] > outbound|443||a.test\nelse > PassthroughCluster");
    expect_chains(s, "0.0.0.0_444", "[a.test] > outbound|444||x4.test\nelse > PassthroughCluster");
}

static void test_rules_of_gateways_and_of_other_namespaces_are_none(void **state)
{
    struct shop *s = tcp_shop(state);
    shop_add_routes(s,
        "gateways",
        "'hosts': ['a.test'], 'gateways': ['gw'],"
        " 'tcp': [{'route': [{'destination': {'host': 'x1.test'}}]}]");
    shop_add_routes(s,
        "private",
        "'hosts': ['a.test'], 'exportTo': ['.'],"
        " 'tcp': [{'route': [{'destination': {'host': 'x2.test'}}]}]");

    shop_open_for(s, OTHER_NODE, "{}");

    expect_chains(s, TCP_LISTENER, "> outbound|9000||a.test");
}

static void test_tls_and_tcp_are_for_ports_that_speak_so(void **state)
{
    struct shop *s = tcp_shop(state);
    shop_add_service(s, "b.test", TLS_443, "");
    add_rules(s, "tls", "'a.test'", "'sniHosts': ['a.test'] > x1.test");
    add_rules(s, "tcp", "'b.test'", "> x2.test");

    shop_open(s, "{}");

    expect_chains(s, TCP_LISTENER, "> outbound|9000||a.test");
    expect_chains(s, TLS_LISTENER, "[b.test] > outbound|443||b.test\nelse > PassthroughCluster");
}

/* ---- plain TCP ---- */

static void test_the_first_tcp_route_that_takes_all_is_the_last(void **state)
{
    struct shop *s = tcp_shop(state);
    add_rules(s,
        "tcp",
        "'a.test'",
        "'destinationSubnets': ['10.1.0.0/16'] > b.test\n"
        "'destinationSubnets': ['10.2.0.0/16']}, {'sourceLabels': {'app': 'web'} > c.test\n"
        "> d.test\n"
        "'destinationSubnets': ['10.3.0.0/16'] > e.test");

    shop_open(s, WEB_LABELS);

    expect_chains(
        s, TCP_LISTENER, "10.1.0.0/16 > outbound|9000||b.test\nelse > outbound|9000||c.test");
}

static void test_what_no_tcp_route_takes_goes_to_the_service(void **state)
{
    struct shop *s = tcp_shop(state);
    add_rules(s,
        "tcp",
        "'a.test'",
        "'destinationSubnets': ['10.2.0.0/16']},"
        " {'destinationSubnets': ['2001:db8::/32', '10.1.0.0/16', '10.1.0.0/16'] > b.test");

    shop_open(s, "{}");

    expect_chains(s,
        TCP_LISTENER,
        "10.1.0.0/16,10.2.0.0/16,2001:db8::/32 > outbound|9000||b.test\n"
        "else > outbound|9000||a.test");
}

static void test_a_range_of_everything_is_no_range(void **state)
{
    struct shop *s = tcp_shop(state);
    add_rules(s, "tcp", "'a.test'", "'destinationSubnets': ['10.0.0.0/8', '0.0.0.0/0'] > b.test");

    shop_open(s, "{}");

    expect_chains(s, TCP_LISTENER, "> outbound|9000||b.test");
}

static void test_a_range_is_the_first_rules_that_names_it(void **state)
{
    struct shop *s = tcp_shop(state);
    add_rules(s,
        "tcp",
        "'a.test'",
        "'destinationSubnets': ['10.0.0.0/8', '11.0.0.0/8'] > b.test\n"
        "'destinationSubnets': ['10.1.1.1/8', '12.0.0.0/8'] > c.test\n"
        "'destinationSubnets': ['11.0.0.0/8'] > d.test");

    shop_open(s, "{}");

    expect_chains(s,
        TCP_LISTENER,
        "10.0.0.0/8,11.0.0.0/8 > outbound|9000||b.test\n"
        "12.0.0.0/8 > outbound|9000||c.test\n"
        "else > outbound|9000||a.test");
}

static void test_rules_of_one_host_add_up_the_oldest_first(void **state)
{
    struct shop *s = tcp_shop(state);
    add_rules(s, "tcp", "'*.test'", "'destinationSubnets': ['10.1.0.0/16'] > b.test");
    add_rules(s, "http", "'a.test'", "> x.test");
    add_rules(s, "tcp", "'a.test'", "> c.test");
    add_rules(s, "tcp", "'a.test'", "'destinationSubnets': ['10.2.0.0/16'] > d.test");

    shop_open(s, "{}");

    expect_chains(
        s, TCP_LISTENER, "10.1.0.0/16 > outbound|9000||b.test\nelse > outbound|9000||c.test");
}

/* ---- where to ---- */

static void test_connections_are_shared_by_weight(void **state)
{
    struct shop *s = tcp_shop(state);
    add_shares(s,
        "'a.test'",
        "{'destination': {'host': 'a.test', 'subset': 'v1'}, 'weight': 75},"
        "{'destination': {'host': 'b'}, 'weight': 0},"
        "{'destination': {'host': 'c', 'port': {'number': 7}}, 'weight': 5}");

    shop_open(s, "{}");

    expect_chains(s,
        TCP_LISTENER,
        "> 75*outbound|9000|v1|a.test + 5*outbound|7||c.default.svc.cluster.local");
    shop_expect_listener(
        s, TCP_LISTENER, "filterChains/0/filters/0/typedConfig/statPrefix", "shares.default");
}

static void test_a_single_destination_gets_all_whatever_its_weight(void **state)
{
    struct shop *s = tcp_shop(state);
    add_shares(s, "'a.test'", "{'destination': {'host': 'b.test', 'subset': 'v2'}, 'weight': 0}");

    shop_open(s, "{}");

    expect_chains(s, TCP_LISTENER, "> outbound|9000|v2|b.test");
    shop_expect_listener(s,
        TCP_LISTENER,
        "filterChains/0/filters/0/typedConfig/statPrefix",
        "outbound|9000|v2|b.test");
}

static void test_a_destinations_port_is_its_only_one_or_the_listeners(void **state)
{
    struct shop *s = tcp_shop(state);
    shop_add_service(s, "one.test", "{'number': 1, 'name': 'tcp', 'protocol': 'TCP'}", "");
    shop_add_service(s, "two.test", "{'number': 2, 'name': 't', 'protocol': 'TCP'}, " TCP_9000, "");
    add_shares(s,
        "'a.test'",
        "{'destination': {'host': 'one.test'}, 'weight': 1},"
        "{'destination': {'host': 'two.test'}, 'weight': 1},"
        "{'destination': {'host': 'two.test', 'port': {'number': 2}}, 'weight': 1}");

    shop_open(s, "{}");

    expect_chains(s,
        TCP_LISTENER,
        "> 1*outbound|1||one.test + 1*outbound|9000||two.test + 1*outbound|2||two.test");
}

static void test_the_rule_of_the_destination_shapes_the_connection(void **state)
{
    struct shop *s = tcp_shop(state);
    shop_add_service(s, "b.test", "{'number': 1, 'name': 'tcp', 'protocol': 'TCP'}", "");
    shop_add_rule(s,
        "a",
        "'host': 'a.test', 'trafficPolicy': {'connectionPool': {'tcp': {'idleTimeout': '1s'}}}");
    shop_add_rule(s,
        "b",
        "'host': 'b.test', 'trafficPolicy': {'connectionPool': {'tcp': {'idleTimeout': '2s'}}},"
        "'subsets': [{'name': 'v1', 'trafficPolicy':"
        " {'connectionPool': {'tcp': {'idleTimeout': '3s'}}}}]");
    shop_add_routes(s,
        "v",
        "'hosts': ['a.test'], 'tcp': ["
        "{'match': [{'destinationSubnets': ['10.0.0.1']}],"
        " 'route': [{'destination': {'host': 'b.test', 'subset': 'v1'}}]},"
        "{'match': [{'destinationSubnets': ['10.0.0.2']}], 'route': ["
        "{'destination': {'host': 'b.test', 'subset': 'v1'}, 'weight': 1},"
        "{'destination': {'host': 'a.test'}, 'weight': 1}]}]");

    shop_open(s, "{}");

#define IDLE "/filters/0/typedConfig/idleTimeout"
    shop_expect_listener(s, TCP_LISTENER, "filterChains/0" IDLE, "3s");
    shop_expect_listener(s, TCP_LISTENER, "filterChains/1" IDLE, "2s"); /* the first one's */
    shop_expect_listener(s, TCP_LISTENER, "defaultFilterChain" IDLE, "1s");
}

static void test_mongo_that_is_shared_keeps_its_statistics_apart(void **state)
{
    struct shop *s = *state;
    shop_add_service(s, "m.test", "{'number': 9000, 'name': 'm', 'protocol': 'MONGO'}", "");
    add_shares(s,
        "'m.test'",
        "{'destination': {'host': 'm.test'}, 'weight': 1},"
        "{'destination': {'host': 'n.test'}, 'weight': 1}");

    shop_open(s, "{}");

#define MONGO "filterChains/0/filters/0/"
    shop_expect_listener(s, TCP_LISTENER, MONGO "name", "envoy.filters.network.mongo_proxy");
    shop_expect_listener(s, TCP_LISTENER, MONGO "typedConfig/statPrefix", "shares.default");
    shop_expect_listener(s,
        TCP_LISTENER,
        "filterChains/0/filters/1/typedConfig/weightedClusters/clusters/1/name",
        "outbound|9000||n.test");
}

/* ---- services on one listener ---- */

static void test_services_of_ranges_are_told_apart_by_where_a_connection_was_going(void **state)
{
    struct shop *s = tcp_shop(state);
    shop_add_service(s, "c.test", TCP_9000, "'addresses': ['10.2.0.0/16']");
    shop_add_service(s, "b.test", TCP_9000, "'addresses': ['10.1.0.0/16', '10.9.0.1']");

    shop_open(s, "{}");

    expect_chains(s,
        TCP_LISTENER,
        "10.2.0.0/16 > outbound|9000||c.test\n"
        "10.1.0.0/16 > outbound|9000||b.test\n"
        "else > outbound|9000||a.test");
    expect_chains(s, "10.9.0.1_9000", "> outbound|9000||b.test");
}

static void test_a_rules_ranges_stand_in_for_the_services(void **state)
{
    struct shop *s = *state;
    shop_add_service(s, "a.test", TCP_9000, "'addresses': ['10.1.0.0/16']");
    add_rules(s, "tcp", "'a.test'", "'destinationSubnets': ['10.1.1.0/24'] > b.test\n> c.test");

    shop_open(s, "{}");

    expect_chains(s,
        TCP_LISTENER,
        "10.1.1.0/24 > outbound|9000||b.test\n"
        "10.1.0.0/16 > outbound|9000||c.test\n"
        "else > PassthroughCluster");
}

static void test_tls_of_a_range_is_told_by_range_and_name(void **state)
{
    struct shop *s = *state;
    shop_add_service(s, "a.test", TLS_443, "'addresses': ['10.1.0.0/16']");
    shop_add_service(s, "b.test", TLS_443, "'addresses': ['10.1.0.0/16']");
    add_rules(s,
        "tls",
        "'a.test'",
        "'sniHosts': ['a.test'], 'destinationSubnets': ['10.1.1.0/24'] > x.test\n"
        "'sniHosts': ['a.test'] > y.test");

    shop_open(s, "{}");

    expect_chains(s,
        TLS_LISTENER,
        "10.1.1.0/24 [a.test] > outbound|443||x.test\n"
        "10.1.0.0/16 [a.test] > outbound|443||y.test\n"
        "10.1.0.0/16 [b.test] > outbound|443||b.test\n"
        "else > PassthroughCluster");
}

static void test_of_services_that_cannot_be_told_apart_the_oldest_has_the_way(void **state)
{
    struct shop *s = *state;
    shop_add_service(s, "z.test", TCP_9000, "");
    shop_add_service(s, "a.test", TCP_9000, "");
    add_rules(s, "tcp", "'a.test'", "'destinationSubnets': ['10.1.0.0/16'] > x.test\n> y.test");
    add_rules(s, "tcp", "'z.test'", "> w.test");

    shop_open(s, "{}");

    expect_chains(
        s, TCP_LISTENER, "10.1.0.0/16 > outbound|9000||x.test\nelse > outbound|9000||w.test");
}

static void test_rules_of_the_older_service_have_the_name(void **state)
{
    struct shop *s = tls_shop(state);
    add_rules(s, "tls", "'b.test', 'a.test'", "'sniHosts': ['b.test'] > x.test");
    add_rules(s, "tls", "'c.test', 'b.test'", "'sniHosts': ['b.test'] > y.test");

    shop_open(s, "{}");

    expect_chains(s, TLS_LISTENER, "[b.test] > outbound|443||x.test\nelse > PassthroughCluster");
}

static void test_without_redirection_rules_hold_and_the_rest_is_refused(void **state)
{
    struct shop *s = tls_shop(state);
    add_rules(s, "tls", "'a.test'", "'sniHosts': ['a.test'] > b.test");

    shop_open(s, "{'INTERCEPTION_MODE': 'NONE'}");

    expect_chains(s,
        "127.0.0.1_443",
        "[a.test] > outbound|443||b.test\n"
        "[b.test] > outbound|443||b.test\n"
        "[c.test] > outbound|443||c.test");
}

static void test_http_on_the_port_stays_beside_the_rules(void **state)
{
    struct shop *s = tcp_shop(state);
    shop_add_service(s, "h.test", "{'number': 9000, 'name': 'http', 'protocol': 'HTTP'}", "");
    add_rules(s, "tcp", "'*.test'", "'destinationSubnets': ['10.1.0.0/16'] > b.test");

    shop_open(s, "{}");

    expect_chains(s,
        TCP_LISTENER,
        "> http\n10.1.0.0/16 > outbound|9000||b.test\nelse > outbound|9000||a.test");
}

/* ---- memory: equal arguments, one resource ---- */

static void test_callers_share_a_listener_unless_a_rule_tells_them_apart(void **state)
{
    struct shop *s = tcp_shop(state);
    shop_add_service(s, "b.test", TLS_443, "");
    add_rules(s, "tcp", "'a.test'", "'sourceLabels': {'app': 'web'} > x.test");
    add_rules(s, "tls", "'b.test'", "'sniHosts': ['b.test'], 'sourceNamespace': 'default' > y");
    shop_open(s, WEB_LABELS);

    struct scope *scope =
        fixture_scope(s->a, "sidecar~10.0.0.2~job.default~d", "{\"LABELS\": {\"app\": \"job\"}}");
    struct xds_view *other = translator_view(s->t.translator, scope);

    assert_ptr_equal(xds_view_find(s->t.view, XDS_LISTENER, TLS_LISTENER),
        xds_view_find(other, XDS_LISTENER, TLS_LISTENER));
    assert_ptr_not_equal(xds_view_find(s->t.view, XDS_LISTENER, TCP_LISTENER),
        xds_view_find(other, XDS_LISTENER, TCP_LISTENER));
    xds_view_release(other);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, shop_setup, shop_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_connections_go_by_the_server_name),
        TEST(test_a_wildcard_name_stands_beside_the_names_inside_it),
        TEST(test_names_are_sorted_in_lower_case_and_each_once),
        TEST(test_each_match_of_a_tls_route_is_a_way_of_its_own),
        TEST(test_of_equal_matches_the_first_counts),
        TEST(test_a_server_name_is_the_first_rules_that_names_it),
        TEST(test_a_way_that_is_taken_in_part_keeps_the_rest),
        TEST(test_names_that_envoy_cannot_match_are_left_out),
        TEST(test_a_listener_for_nothing_is_not_there),
        TEST(test_on_its_own_address_a_service_takes_only_the_names_of_its_rules),
        TEST(test_matches_of_other_callers_never_reach_the_proxy),
        TEST(test_matches_know_the_callers_namespace),
        TEST(test_tls_matches_are_asked_for_caller_and_port_too),
        TEST(test_rules_of_gateways_and_of_other_namespaces_are_none),
        TEST(test_tls_and_tcp_are_for_ports_that_speak_so),
        TEST(test_the_first_tcp_route_that_takes_all_is_the_last),
        TEST(test_what_no_tcp_route_takes_goes_to_the_service),
        TEST(test_a_range_of_everything_is_no_range),
        TEST(test_a_range_is_the_first_rules_that_names_it),
        TEST(test_rules_of_one_host_add_up_the_oldest_first),
        TEST(test_connections_are_shared_by_weight),
        TEST(test_a_single_destination_gets_all_whatever_its_weight),
        TEST(test_a_destinations_port_is_its_only_one_or_the_listeners),
        TEST(test_the_rule_of_the_destination_shapes_the_connection),
        TEST(test_mongo_that_is_shared_keeps_its_statistics_apart),
        TEST(test_services_of_ranges_are_told_apart_by_where_a_connection_was_going),
        TEST(test_a_rules_ranges_stand_in_for_the_services),
        TEST(test_tls_of_a_range_is_told_by_range_and_name),
        TEST(test_of_services_that_cannot_be_told_apart_the_oldest_has_the_way),
        TEST(test_rules_of_the_older_service_have_the_name),
        TEST(test_without_redirection_rules_hold_and_the_rest_is_refused),
        TEST(test_http_on_the_port_stays_beside_the_rules),
        TEST(test_callers_share_a_listener_unless_a_rule_tells_them_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
