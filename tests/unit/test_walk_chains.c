/* walk: which listener takes a connection, and which of its filter chains, as Envoy decides it. */
#include "walk_fixture.h"

#include "translate/assignment.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* ---- listeners, made by hand ---- */

struct world {
    struct arena *a;
    LIST(struct xds_resource *) resources;
    struct xds_view *view;
};

static int setup(void **state)
{
    struct world *w = xcalloc(1, sizeof *w);
    w->a = arena_new();
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    xds_view_release(w->view);
    arena_free(w->a);
    free(w);
    return 0;
}

static void add(struct world *w, const pb_Listener *listener)
{
    struct pb_bytes bytes = pb_pack(w->a, &listener->base);
    list_push(w->a,
        &w->resources,
        xds_resource_new(XDS_LISTENER, listener->name, bytes.data, bytes.size));
}

static const struct walk *follow(struct world *w, const struct call *call)
{
    struct xds_resource **lists[XDS_TYPE_COUNT] = { [XDS_LISTENER] = w->resources.items };
    const size_t counts[XDS_TYPE_COUNT] = { [XDS_LISTENER] = w->resources.count };
    if (!w->view)
        w->view = xds_view_new(1, NULL, lists, counts);
    return walk_build(w->a, w->view, call);
}

static pb_Filter *tcp(struct world *w)
{
    pb_TcpProxy *proxy = pb_new_TcpProxy(w->a, pb_TcpProxy_cluster(pb_str("c")));
    return pb_new_Filter(w->a, pb_Filter_typed_config(pb_any(w->a, &proxy->base)));
}

static pb_Filter *http(struct world *w)
{
    pb_HttpConnectionManager *manager = pb_new_HttpConnectionManager(w->a,
        pb_HttpConnectionManager_route_config(
            pb_new_RouteConfiguration(w->a, .name = pb_str("table"))));
    return pb_new_Filter(w->a, pb_Filter_typed_config(pb_any(w->a, &manager->base)));
}

static pb_Listener *listener(struct world *w, const char *name, const char *ip, uint32_t port)
{
    return pb_new_Listener(w->a,
        .name = pb_str(name),
        .address = assignment_address(w->a, ip, port),
        .bind_to_port = pb_bool(w->a, false),
        .traffic_direction = PB_TrafficDirection_OUTBOUND,
        .default_filter_chain = pb_new_FilterChain(
            w->a, .name = pb_str("rest"), PB_ONE(w->a, filters, Filter, tcp(w))));
}

static void add_entry(struct world *w)
{
    pb_Listener *entry = listener(w, "virtualOutbound", "0.0.0.0", 15001);
    entry->use_original_dst = pb_bool(w->a, true);
    entry->bind_to_port = NULL;
    add(w, entry);
}

static struct call bytes_to(const char *address, uint32_t port)
{
    return (struct call){ .address = address, .port = port };
}

static void expect_listener(struct world *w, const struct call *call, const char *name)
{
    const struct walk *walk = follow(w, call);
    assert_string_equal(walk->listener ? walk->listener : "(none)", name);
}

/* ---- which listener ---- */

static void test_a_redirected_connection_goes_by_its_address_then_by_its_port(void **state)
{
    struct world *w = *state;
    add_entry(w);
    add(w, listener(w, "exact", "10.0.0.1", 80));
    add(w, listener(w, "port", "0.0.0.0", 80));
    struct call exact = bytes_to("10.0.0.1", 80), port = bytes_to("10.0.0.2", 80);
    struct call rest = bytes_to("10.0.0.1", 81), unknown = bytes_to(NULL, 80);

    expect_listener(w, &exact, "exact");
    expect_listener(w, &port, "port");
    expect_listener(w, &rest, "virtualOutbound");
    expect_listener(w, &unknown, "port");
    assert_string_equal(tries_text(w->a, &follow(w, &port)->listeners),
        "10.0.0.2_80: there is no listener for this address and port; port: taken");
}

static void test_further_addresses_of_a_listener_count(void **state)
{
    struct world *w = *state;
    add_entry(w);
    pb_Listener *both = listener(w, "both", "0.0.0.0", 80);
    pb_AdditionalAddress *more =
        pb_new_AdditionalAddress(w->a, .address = assignment_address(w->a, "::", 80));
    both->n_additional_addresses = 1;
    both->additional_addresses = &more;
    add(w, both);
    struct call v6 = bytes_to("2001:db8::1", 80), other_port = bytes_to("2001:db8::1", 81);

    expect_listener(w, &v6, "both");
    expect_listener(w, &other_port, "virtualOutbound");
}

static void test_without_redirection_only_bound_listeners_are_reached(void **state)
{
    struct world *w = *state;
    pb_Listener *bound = listener(w, "bound", "127.0.0.1", 80);
    bound->bind_to_port = NULL;
    add(w, bound);
    add(w, listener(w, "unbound", "127.0.0.1", 81));
    struct call there = bytes_to("127.0.0.1", 80), elsewhere = bytes_to("10.0.0.1", 80);
    struct call unbound = bytes_to("127.0.0.1", 81);

    expect_listener(w, &there, "bound");
    expect_listener(w, &elsewhere, "(none)");
    expect_listener(w, &unbound, "(none)");
    assert_int_equal(follow(w, &elsewhere)->end, WALK_NO_LISTENER);
}

static pb_ListenerFilter *listener_filter(struct world *w, const ProtobufCMessage *settings)
{
    return pb_new_ListenerFilter(w->a, pb_ListenerFilter_typed_config(pb_any(w->a, settings)));
}

static void test_what_comes_in_is_not_handed_over(void **state)
{
    struct world *w = *state;
    add_entry(w);
    add(w, listener(w, "port", "0.0.0.0", 80));
    pb_Listener *inbound = listener(w, "virtualInbound", "0.0.0.0", 15006);
    pb_ListenerFilter *original = listener_filter(w, &pb_new_OriginalDst(w->a)->base);
    inbound->traffic_direction = PB_TrafficDirection_INBOUND;
    inbound->n_listener_filters = 1;
    inbound->listener_filters = &original;
    add(w, inbound);
    struct call call = bytes_to("10.0.0.1", 80);
    call.is_inbound = true;

    expect_listener(w, &call, "virtualInbound");
    call.is_inbound = false;
    expect_listener(w, &call, "port");
}

/* ---- which chain ---- */

/* A chain to "c", wanted by what is not NULL or 0. */
struct chain {
    const char *name, *range, *server_name, *transport, *application;
    uint32_t port;
};

static pb_FilterChain *chain_build(struct world *w, const struct chain *c)
{
    char **names = (char *[]){ pb_str(c->server_name) };
    char **applications = (char *[]){ pb_str(c->application) };
    names = arena_dup(w->a, names, sizeof *names, _Alignof(char *));
    applications = arena_dup(w->a, applications, sizeof *applications, _Alignof(char *));
    pb_FilterChainMatch *match = pb_new_FilterChainMatch(w->a,
        .transport_protocol = pb_str(c->transport),
        PB_LIST(server_names, c->server_name ? 1 : 0, names),
        PB_LIST(application_protocols, c->application ? 1 : 0, applications),
        .destination_port = c->port ? pb_u32(w->a, c->port) : NULL);
    if (c->range) {
        char *address = arena_strdup(w->a, c->range), *slash = strchr(address, '/');
        *slash = '\0';
        pb_CidrRange *range = pb_new_CidrRange(
            w->a, .address_prefix = address, .prefix_len = pb_u32(w->a, (uint32_t)atoi(slash + 1)));
        match->n_prefix_ranges = 1;
        match->prefix_ranges = arena_dup(w->a, &range, sizeof range, _Alignof(pb_CidrRange *));
    }
    return pb_new_FilterChain(w->a,
        .name = pb_str(c->name),
        .filter_chain_match = match,
        PB_ONE(w->a, filters, Filter, tcp(w)));
}

/* The only listener, with both inspectors. */
static pb_Listener *open_chains(struct world *w, const struct chain *chains, size_t count)
{
    pb_Listener *l = listener(w, "l", "0.0.0.0", 80);
    l->bind_to_port = NULL;
    l->n_filter_chains = count;
    l->filter_chains = ARENA_ARRAY(w->a, pb_FilterChain *, count);
    for (size_t i = 0; i < count; i++)
        l->filter_chains[i] = chain_build(w, &chains[i]);
    l->n_listener_filters = 2;
    l->listener_filters = ARENA_ARRAY(w->a, pb_ListenerFilter *, 2);
    l->listener_filters[0] = listener_filter(w, &pb_new_TlsInspector(w->a)->base);
    l->listener_filters[1] = listener_filter(w, &pb_new_HttpInspector(w->a)->base);
    return l;
}

static struct call tls_to(const char *address, const char *server_name)
{
    return (
        struct call){ .address = address, .port = 80, .tls = CALL_TLS, .server_name = server_name };
}

static void expect_chain(struct world *w, const struct call *call, const char *name)
{
    const struct walk *walk = follow(w, call);
    assert_string_equal(walk->chain ? walk->chain : "(none)", name);
}

static void test_the_longest_range_wins(void **state)
{
    struct world *w = *state;
    static const struct chain chains[] = {
        { "wide", .range = "10.0.0.0/8" },
        { "narrow", .range = "10.1.0.0/16" },
        { "v6", .range = "2001:db8::/32" },
    };
    add(w, open_chains(w, chains, ARRAY_COUNT(chains)));
    add_entry(w);
    struct call wide = bytes_to("10.2.0.1", 80), narrow = bytes_to("10.1.2.3", 80);
    struct call none = bytes_to("11.0.0.1", 80), unknown = bytes_to(NULL, 80);

    expect_chain(w, &wide, "wide");
    expect_chain(w, &narrow, "narrow");
    expect_chain(w, &none, "rest");
    expect_chain(w, &unknown, "rest");
    assert_string_equal(tries_text(w->a, &follow(w, &narrow)->chains),
        "wide: another wants this address; narrow: taken; v6: wants address 2001:db8::/32");
}

static void test_a_server_name_then_its_longest_wildcard(void **state)
{
    struct world *w = *state;
    static const struct chain chains[] = {
        { "test", .server_name = "*.test" },
        { "a.test", .server_name = "*.a.test" },
        { "exact", .server_name = "x.a.test" },
    };
    add(w, open_chains(w, chains, ARRAY_COUNT(chains)));
    add_entry(w);
    struct call exact = tls_to("10.0.0.1", "X.a.test"), one = tls_to("10.0.0.1", "y.a.test");
    struct call two = tls_to("10.0.0.1", "a.test"), none = tls_to("10.0.0.1", "test");
    struct call silent = tls_to("10.0.0.1", NULL), plain = bytes_to("10.0.0.1", 80);

    expect_chain(w, &exact, "exact");
    expect_chain(w, &one, "a.test");
    expect_chain(w, &two, "test");
    expect_chain(w, &none, "rest");
    expect_chain(w, &silent, "rest");
    expect_chain(w, &plain, "rest");
}

static void test_envoy_does_not_go_back_to_a_less_exact_chain(void **state)
{
    struct world *w = *state;
    static const struct chain chains[] = {
        { "port", .port = 80, .transport = "tls" },
        { "any port" },
        { "near", .range = "10.1.0.0/16", .server_name = "a.test", .port = 81 },
        { "far", .range = "10.0.0.0/8", .port = 81 },
    };
    add(w, open_chains(w, chains, ARRAY_COUNT(chains)));
    pb_Listener *second = open_chains(w, chains, ARRAY_COUNT(chains));
    second->name = pb_str("l2");
    second->address = assignment_address(w->a, "0.0.0.0", 81);
    add(w, second);
    add_entry(w);
    struct call wrong_transport = bytes_to("10.0.0.1", 80);
    struct call wrong_name = tls_to("10.1.0.1", "b.test");
    wrong_name.port = 81;

    expect_chain(w, &wrong_transport, "rest");
    expect_chain(w, &wrong_name, "rest");
}

static void test_protocols_are_taken_in_the_callers_order(void **state)
{
    struct world *w = *state;
    static const struct chain chains[] = {
        { "one", .application = "http/1.1" },
        { "two", .application = "h2" },
    };
    add(w, open_chains(w, chains, ARRAY_COUNT(chains)));
    add_entry(w);
    struct call call = tls_to("10.0.0.1", NULL);
    list_push(w->a, &call.alpn, "h2");
    list_push(w->a, &call.alpn, "http/1.1");

    expect_chain(w, &call, "two");
}

static void test_inspectors_see_http_and_tls(void **state)
{
    struct world *w = *state;
    static const struct chain chains[] = {
        { "http", .application = "http/1.1", .transport = "raw_buffer" },
        { "h2c", .application = "h2c", .transport = "raw_buffer" },
        { "tls", .transport = "tls" },
    };
    add(w, open_chains(w, chains, ARRAY_COUNT(chains)));
    add_entry(w);
    struct call plain = call_of("a", "/"), h2c = call_of("a", "/"), inside = call_of("a", "/");
    plain.port = h2c.port = inside.port = 80;
    h2c.http = CALL_HTTP2;
    inside.tls = CALL_TLS;

    expect_chain(w, &plain, "http");
    expect_chain(w, &h2c, "h2c");
    expect_chain(w, &inside, "tls");
}

static void test_an_inspector_that_is_off_for_the_port_sees_nothing(void **state)
{
    struct world *w = *state;
    static const struct chain chains[] = { { "http", .application = "http/1.1" } };
    pb_Listener *l = open_chains(w, chains, ARRAY_COUNT(chains));
    pb_ListenerFilterChainMatchPredicate *port = pb_new_ListenerFilterChainMatchPredicate(w->a,
        pb_ListenerFilterChainMatchPredicate_destination_port_range(
            pb_new_Int32Range(w->a, .start = 80, .end = 81)));
    l->listener_filters[1]->filter_disabled = pb_new_ListenerFilterChainMatchPredicate(w->a,
        pb_ListenerFilterChainMatchPredicate_or_match(
            pb_new_ListenerFilterChainMatchPredicate_MatchSet(w->a, PB_LIST(rules, 1, &port))));
    add(w, l);
    add_entry(w);
    struct call call = call_of("a", "/");
    call.port = 80;

    expect_chain(w, &call, "rest");
}

static void test_no_chain_and_no_default_is_the_end(void **state)
{
    struct world *w = *state;
    static const struct chain chains[] = { { "tls", .transport = "tls" } };
    pb_Listener *l = open_chains(w, chains, ARRAY_COUNT(chains));
    l->default_filter_chain = NULL;
    add(w, l);
    add_entry(w);
    struct call call = bytes_to("10.0.0.1", 80);

    assert_int_equal(follow(w, &call)->end, WALK_NO_CHAIN);
}

/* ---- what the chain makes of it ---- */

static pb_TransportSocket *server_tls(struct world *w, bool wants_certificate)
{
    pb_DownstreamTlsContext *tls = pb_new_DownstreamTlsContext(
        w->a, .require_client_certificate = pb_bool(w->a, wants_certificate));
    return pb_new_TransportSocket(w->a, pb_TransportSocket_typed_config(pb_any(w->a, &tls->base)));
}

static enum walk_end end_of(struct world *w, enum call_tls tls, enum call_http speaks)
{
    struct call call = call_of("a", "/");
    call.port = 80;
    call.tls = tls;
    call.http = speaks;
    return follow(w, &call)->end;
}

static void test_a_chain_that_ends_tls_asks_for_it_and_for_certificates(void **state)
{
    struct world *w = *state;
    pb_Listener *l = open_chains(w, NULL, 0);
    l->default_filter_chain = pb_new_FilterChain(
        w->a, .transport_socket = server_tls(w, true), PB_ONE(w->a, filters, Filter, http(w)));
    add(w, l);
    add_entry(w);

    assert_int_equal(end_of(w, CALL_PLAINTEXT, CALL_HTTP1), WALK_NOT_TLS);
    assert_int_equal(end_of(w, CALL_TLS, CALL_HTTP1), WALK_NO_CERTIFICATE);
    assert_int_equal(end_of(w, CALL_MTLS, CALL_BYTES), WALK_NOT_HTTP);
    assert_int_equal(end_of(w, CALL_MTLS, CALL_HTTP1), WALK_NO_HOST);
}

static void test_a_chain_for_http_takes_no_tls_and_no_bytes(void **state)
{
    struct world *w = *state;
    pb_Listener *l = open_chains(w, NULL, 0);
    l->default_filter_chain = pb_new_FilterChain(w->a, PB_ONE(w->a, filters, Filter, http(w)));
    add(w, l);
    add_entry(w);

    assert_int_equal(end_of(w, CALL_TLS, CALL_HTTP1), WALK_STILL_TLS);
    assert_int_equal(end_of(w, CALL_PLAINTEXT, CALL_BYTES), WALK_NOT_HTTP);
    assert_int_equal(end_of(w, CALL_PLAINTEXT, CALL_HTTP2), WALK_NO_HOST);
}

static void test_a_cluster_that_was_not_sent_is_said_so(void **state)
{
    struct world *w = *state;
    add_entry(w);
    struct call call = bytes_to("10.0.0.1", 80);
    const struct walk *walk = follow(w, &call);

    assert_int_equal(walk->end, WALK_NO_CLUSTER);
    assert_int_equal(walk->status, 0);
    assert_false(walk->destinations.items[0].cluster.is_known);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_redirected_connection_goes_by_its_address_then_by_its_port),
        TEST(test_further_addresses_of_a_listener_count),
        TEST(test_without_redirection_only_bound_listeners_are_reached),
        TEST(test_what_comes_in_is_not_handed_over),
        TEST(test_the_longest_range_wins),
        TEST(test_a_server_name_then_its_longest_wildcard),
        TEST(test_envoy_does_not_go_back_to_a_less_exact_chain),
        TEST(test_protocols_are_taken_in_the_callers_order),
        TEST(test_inspectors_see_http_and_tls),
        TEST(test_an_inspector_that_is_off_for_the_port_sees_nothing),
        TEST(test_no_chain_and_no_default_is_the_end),
        TEST(test_a_chain_that_ends_tls_asks_for_it_and_for_certificates),
        TEST(test_a_chain_for_http_takes_no_tls_and_no_bytes),
        TEST(test_a_cluster_that_was_not_sent_is_said_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
