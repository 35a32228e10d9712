#include "translate/inbound_listeners.h"

#include "translate/access_log.h"
#include "translate/assignment.h"
#include "translate/fixed_clusters.h"
#include "translate/http_manager.h"
#include "translate/listener_plan.h"
#include "translate/names.h"
#include "translate/secrets.h"
#include "translate/tcp_proxy.h"

/* ---- the table of one route ---- */

enum { INBOUND_RETRIES = 2 };

static pb_RouteAction *action_build(struct arena *a, const char *cluster)
{
    pb_Duration *none = pb_millis(a, 0);
    return pb_new_RouteAction(a,
        pb_RouteAction_cluster(pb_str(cluster)),
        .timeout = none,
        .retry_policy = pb_new_RetryPolicy(a,
            .retry_on = pb_str("reset-before-request"),
            .num_retries = pb_u32(a, INBOUND_RETRIES)),
        .max_stream_duration = pb_new_RouteAction_MaxStreamDuration(
            a, .max_stream_duration = none, .grpc_timeout_header_max = none));
}

static pb_RouteConfiguration *routes_build(
    struct arena *a, const char *cluster, uint32_t service_port)
{
    string_list domains = { 0 };
    list_push(a, &domains, "*");
    pb_Route *route = pb_new_Route(a,
        .name = pb_str("default"),
        .match = pb_new_RouteMatch(a, pb_RouteMatch_prefix(pb_str("/"))),
        pb_Route_route(action_build(a, cluster)));
    pb_VirtualHost *host = pb_new_VirtualHost(a,
        .name = arena_printf(a, "inbound|http|%u", service_port),
        PB_LIST(domains, domains.count, pb_strs(&domains)),
        PB_ONE(a, routes, Route, route));
    return pb_new_RouteConfiguration(a,
        .name = pb_str(cluster),
        PB_ONE(a, virtual_hosts, VirtualHost, host),
        .validate_clusters = pb_bool(a, false));
}

/* ---- chains: the ways in to a port, by what it speaks and whether TLS of the mesh is taken ----
 */

enum alpn { ALPN_ANY, ALPN_PLAIN_HTTP, ALPN_MESH_HTTP, ALPN_MESH_TCP, ALPN_MESH };

static void push_alpn(struct arena *a, string_list *out, enum alpn alpn)
{
    static const char *const texts[][6] = {
        [ALPN_ANY] = { NULL },
        [ALPN_PLAIN_HTTP] = { "http/1.1", "h2c" },
        [ALPN_MESH_HTTP] = { "istio-http/1.0", "istio-http/1.1", "istio-h2" },
        [ALPN_MESH_TCP] = { "istio-peer-exchange", "istio" },
        [ALPN_MESH] = { "istio",
            "istio-peer-exchange",
            "istio-http/1.0",
            "istio-http/1.1",
            "istio-h2" },
    };
    for (size_t i = 0; texts[alpn][i]; i++)
        list_push(a, out, texts[alpn][i]);
}

struct way {
    bool is_http, is_tls, is_of_mesh; /* of mesh: TLS ends here; else it passes */
    enum alpn alpn;
};

enum speech { SPEECH_TCP, SPEECH_HTTP, SPEECH_SNIFFED };
enum { WAYS_MAX = 5, MODES = MUTUAL_TLS_STRICT + 1, SPEECHES = SPEECH_SNIFFED + 1 };

static const struct {
    size_t count;
    struct way ways[WAYS_MAX];
} ways_in[SPEECHES][MODES] = {
    [SPEECH_HTTP] = {
        [MUTUAL_TLS_DISABLE] = { 1, { { .is_http = true } } },
        [MUTUAL_TLS_PERMISSIVE] = { 2, { { true, true, true, ALPN_MESH }, { .is_http = true } } },
        [MUTUAL_TLS_STRICT] = { 1, { { true, true, true, ALPN_ANY } } },
    },
    [SPEECH_TCP] = {
        [MUTUAL_TLS_DISABLE] = { 1, { { .is_http = false } } },
        [MUTUAL_TLS_PERMISSIVE] = { 3,
            { { false, true, true, ALPN_MESH }, { .is_tls = true }, { .is_tls = false } } },
        [MUTUAL_TLS_STRICT] = { 1, { { false, true, true, ALPN_ANY } } },
    },
    [SPEECH_SNIFFED] = {
        [MUTUAL_TLS_DISABLE] = { 2,
            { { .is_http = true, .alpn = ALPN_PLAIN_HTTP }, { .is_http = false } } },
        [MUTUAL_TLS_PERMISSIVE] = { 5,
            { { true, true, true, ALPN_MESH_HTTP },
                { .is_http = true, .alpn = ALPN_PLAIN_HTTP },
                { false, true, true, ALPN_MESH_TCP },
                { .is_tls = false },
                { .is_tls = true } } },
        [MUTUAL_TLS_STRICT] = { 2,
            { { true, true, true, ALPN_MESH_HTTP }, { false, true, true, ALPN_ANY } } },
    },
};

static enum speech speech_of(enum protocol protocol)
{
    if (protocol == PROTOCOL_AUTO)
        return SPEECH_SNIFFED;
    return protocol_is_http(protocol) ? SPEECH_HTTP : SPEECH_TCP;
}

struct chain {
    const char *name, *http_name, *cluster, *stat_prefix; /* stat_prefix of HTTP */
    struct inbound_port port;                             /* number 0: any */
    struct access_log log;
    enum mutual_tls mode;
    const struct mesh_config *mesh;
};
typedef LIST(pb_FilterChain *) chain_list;

static pb_FilterChainMatch *match_build(
    struct arena *a, const struct chain *c, const struct way *way)
{
    string_list applications = { 0 };
    push_alpn(a, &applications, way->alpn);
    return pb_new_FilterChainMatch(a,
        .destination_port = c->port.number ? pb_u32(a, c->port.number) : NULL,
        .transport_protocol = pb_str(way->is_tls ? "tls" : "raw_buffer"),
        PB_LIST(application_protocols, applications.count, pb_strs(&applications)));
}

static pb_FilterChain *chain_build(
    struct arena *a, const char *name, pb_FilterChainMatch *match, pb_Filter *filter)
{
    return pb_new_FilterChain(
        a, .name = pb_str(name), .filter_chain_match = match, PB_ONE(a, filters, Filter, filter));
}

static pb_Filter *http_filter(struct arena *a, const struct chain *c)
{
    struct http_manager manager = { .is_inbound = true,
        .stat_prefix = c->stat_prefix,
        .routes = routes_build(a, c->cluster, c->port.service_port),
        .has_grpc_web = c->port.protocol == PROTOCOL_GRPC_WEB,
        .normalization = normalization_of(c->mesh),
        .access_log = c->log };
    return http_manager_build(a, &manager);
}

static pb_Filter *tcp_filter(struct arena *a, const struct chain *c)
{
    struct tcp_proxy proxy = { .cluster = c->cluster, .access_log = c->log };
    return tcp_proxy_build(a, &proxy);
}

/* Certificates come to proxies that have an agent: the others never have such a chain. */
static void push_ways(struct arena *a, chain_list *chains, const struct chain *c)
{
    enum speech speech = speech_of((enum protocol)c->port.protocol);
    for (size_t i = 0; i < ways_in[speech][c->mode].count; i++) {
        const struct way *way = &ways_in[speech][c->mode].ways[i];
        pb_FilterChain *chain = chain_build(a,
            way->is_http ? c->http_name : c->name,
            match_build(a, c, way),
            way->is_http ? http_filter(a, c) : tcp_filter(a, c));
        if (way->is_of_mesh)
            chain->transport_socket =
                mesh_server_build(a, SECRETS_FROM_AGENT, c->mesh, way->is_http);
        list_push(a, chains, chain);
    }
}

static void push_port(struct arena *a, chain_list *chains, const char *bind,
    const struct inbound_port *port, const struct chain *common)
{
    struct chain chain = *common;
    chain.name = chain.http_name = name_listener(a, bind, port->number);
    chain.cluster = name_inbound(a, port->number);
    chain.stat_prefix = arena_printf(a, "inbound_%s", chain.name);
    chain.port = *port;
    push_ways(a, chains, &chain);
}

/* What is for no service goes to the application as it came; what is for the listener's own port
 * would go round in circles. */
static void push_fallbacks(
    struct arena *a, chain_list *chains, uint32_t listen_port, const struct chain *common)
{
    struct tcp_proxy blackhole = { .cluster = NAME_BLACKHOLE, .access_log = common->log };
    list_push(a,
        chains,
        chain_build(a,
            NAME_VIRTUAL_INBOUND "-blackhole",
            pb_new_FilterChainMatch(a, .destination_port = pb_u32(a, listen_port)),
            tcp_proxy_build(a, &blackhole)));
    struct chain rest = *common;
    rest.name = NAME_VIRTUAL_INBOUND;
    rest.http_name = NAME_VIRTUAL_INBOUND "-catchall-http";
    rest.cluster = rest.stat_prefix = NAME_INBOUND_PASSTHROUGH;
    rest.port = (struct inbound_port){ .protocol = PROTOCOL_AUTO };
    push_ways(a, chains, &rest);
}

/* ---- listener filters ---- */

typedef LIST(pb_ListenerFilter *) filter_list;
typedef LIST(pb_ListenerFilterChainMatchPredicate *) predicate_list;

static void push_filter(
    struct arena *a, filter_list *filters, const char *name, const ProtobufCMessage *config)
{
    list_push(a,
        filters,
        pb_new_ListenerFilter(
            a, .name = pb_str(name), pb_ListenerFilter_typed_config(pb_any(a, config))));
}

static void push_predicate(struct arena *a, predicate_list *list, uint32_t port)
{
    pb_Int32Range *range = pb_new_Int32Range(a, .start = (int32_t)port, .end = (int32_t)port + 1);
    list_push(a,
        list,
        pb_new_ListenerFilterChainMatchPredicate(
            a, pb_ListenerFilterChainMatchPredicate_destination_port_range(range)));
}

static pb_ListenerFilterChainMatchPredicate *any_of(struct arena *a, const predicate_list *list)
{
    if (list->count == 1)
        return list->items[0];
    return pb_new_ListenerFilterChainMatchPredicate(a,
        pb_ListenerFilterChainMatchPredicate_or_match(
            pb_new_ListenerFilterChainMatchPredicate_MatchSet(
                a, PB_LIST(rules, list->count, list->items))));
}

static pb_ListenerFilter *inspector(
    struct arena *a, const char *name, const ProtobufCMessage *settings, predicate_list *not_for)
{
    return pb_new_ListenerFilter(a,
        .name = pb_str(name),
        pb_ListenerFilter_typed_config(pb_any(a, settings)),
        .filter_disabled = not_for->count ? any_of(a, not_for) : NULL);
}

/* Ports whose protocol is known are not sniffed: a server that speaks first would wait for ever. */
static void push_http_inspector(
    struct arena *a, filter_list *out, const inbound_port_list *ports, uint32_t listen_port)
{
    predicate_list known = { 0 };
    for (list_each (const struct inbound_port, port, ports))
        if (port->protocol != PROTOCOL_AUTO)
            push_predicate(a, &known, port->number);
    if (listen_port)
        push_predicate(a, &known, listen_port);
    list_push(a,
        out,
        inspector(
            a, "envoy.filters.listener.http_inspector", &pb_new_HttpInspector(a)->base, &known));
}

static void push_tls_inspector(struct arena *a, filter_list *out, uint32_t listen_port)
{
    predicate_list not_for = { 0 };
    if (listen_port)
        push_predicate(a, &not_for, listen_port);
    list_push(a,
        out,
        inspector(
            a, "envoy.filters.listener.tls_inspector", &pb_new_TlsInspector(a)->base, &not_for));
}

/* ---- what both kinds of listener are made from ---- */

struct inbound_args {
    const char *address, *extra_address;
    uint64_t is_transparent;
    uint64_t mode;        /* enum mutual_tls */
    struct arg_ref ports; /* inbound_port_list */
    struct arg_ref mesh;
};
static const struct arg inbound_rows[] = {
    ARG(struct inbound_args, address, ARG_TEXT),
    ARG(struct inbound_args, extra_address, ARG_TEXT),
    ARG(struct inbound_args, is_transparent, ARG_U64),
    ARG(struct inbound_args, mode, ARG_U64),
    ARG(struct inbound_args, ports, ARG_REF),
    ARG(struct inbound_args, mesh, ARG_REF),
};

static struct chain common_of(const struct inbound_args *args)
{
    return (struct chain){
        .log = access_log_of(args->mesh.value),
        .mode = (enum mutual_tls)args->mode,
        .mesh = args->mesh.value,
    };
}

static enum mutual_tls mode_of(const struct selection *sel)
{
    return *sel->scope->service_account ? MUTUAL_TLS_PERMISSIVE : MUTUAL_TLS_DISABLE;
}

static pb_Listener *listener_build(struct arena *a, const struct inbound_args *args,
    const char *name, uint32_t port, const chain_list *chains, const filter_list *filters)
{
    const struct mesh_config *mesh = args->mesh.value;
    struct access_log log = access_log_of(mesh);
    access_log_list logs = access_log_build_no_route(a, &log);
    return pb_new_Listener(a,
        .name = pb_str(name),
        .address = assignment_address(a, args->address, port),
        PB_LIST(filter_chains, chains->count, chains->items),
        PB_LIST(listener_filters, filters->count, filters->items),
        PB_LIST(access_log, logs.count, logs.items),
        .transparent = args->is_transparent ? pb_bool(a, true) : NULL,
        .listener_filters_timeout = pb_millis(a, mesh->protocol_detection_timeout.ms),
        .continue_on_listener_filters_timeout = true,
        .traffic_direction = PB_TrafficDirection_INBOUND,
        .max_connections_to_accept_per_socket_event = pb_u32(a, 1));
}

static struct arg_ref ports_ref(const inbound_port_list *ports)
{
    size_t size_bytes = ports->count * sizeof *ports->items;
    return (struct arg_ref){ .value = ports, .digest = hash128_of(ports->items, size_bytes) };
}

/* ---- virtualInbound ---- */

enum { TPROXY_MARK = 1337 }; /* by which the host's own rules tell the proxy's connections */

static const char *virtual_inbound_name(struct arena *a, const void *args)
{
    (void)a, (void)args;
    return NAME_VIRTUAL_INBOUND;
}

static ProtobufCMessage *virtual_inbound_render(struct arena *a, const void *opaque)
{
    const struct inbound_args *args = opaque;
    const struct mesh_config *mesh = args->mesh.value;
    const inbound_port_list *ports = args->ports.value;
    struct chain common = common_of(args);
    chain_list chains = { 0 };
    push_fallbacks(a, &chains, mesh->proxy_inbound_listen_port, &common);
    for (list_each (const struct inbound_port, port, ports))
        push_port(a, &chains, args->address, port, &common);

    filter_list filters = { 0 };
    push_filter(a, &filters, "envoy.filters.listener.original_dst", &pb_new_OriginalDst(a)->base);
    if (args->is_transparent)
        push_filter(a,
            &filters,
            "envoy.filters.listener.original_src",
            &pb_new_OriginalSrc(a, .mark = TPROXY_MARK)->base);
    if (args->mode != MUTUAL_TLS_DISABLE)
        push_tls_inspector(a, &filters, mesh->proxy_inbound_listen_port);
    push_http_inspector(a, &filters, ports, mesh->proxy_inbound_listen_port);
    uint32_t at = mesh->proxy_inbound_listen_port;
    pb_Listener *listener = listener_build(a, args, NAME_VIRTUAL_INBOUND, at, &chains, &filters);
    listener_set_extra_address(a, listener, args->extra_address, at);
    return &listener->base;
}

static const struct renderer virtual_inbound_renderer = {
    .name = "virtual inbound listener",
    .type = XDS_LISTENER,
    .args_bytes = sizeof(struct inbound_args),
    .args = inbound_rows,
    .arg_count = ARRAY_COUNT(inbound_rows),
    .name_of = virtual_inbound_name,
    .render = virtual_inbound_render,
};

void select_virtual_inbound(struct selection *sel, const inbound_port_list *ports)
{
    struct inbound_args args = {
        .address = wildcard_address(sel->scope),
        .extra_address = extra_virtual_address(sel->scope),
        .is_transparent = sel->scope->interception == INTERCEPTION_TPROXY,
        .mode = mode_of(sel),
        .ports = ports_ref(ports),
        .mesh = mesh_ref(sel->snapshot),
    };
    selection_add(sel, memo_render(sel->memo, &virtual_inbound_renderer, &args));
}

/* ---- a port's own listener ---- */

static const struct inbound_port *only_port(const struct inbound_args *args)
{
    return ((const inbound_port_list *)args->ports.value)->items;
}

static const char *bound_inbound_name(struct arena *a, const void *opaque)
{
    const struct inbound_args *args = opaque;
    return name_listener(a, args->address, only_port(args)->number);
}

static ProtobufCMessage *bound_inbound_render(struct arena *a, const void *opaque)
{
    const struct inbound_args *args = opaque;
    const struct inbound_port *port = only_port(args);
    struct chain common = common_of(args);
    chain_list chains = { 0 };
    filter_list filters = { 0 };
    push_port(a, &chains, args->address, port, &common);
    if (args->mode != MUTUAL_TLS_DISABLE)
        push_tls_inspector(a, &filters, 0);
    if (port->protocol == PROTOCOL_AUTO)
        push_http_inspector(a, &filters, args->ports.value, 0);
    return &listener_build(a, args, bound_inbound_name(a, args), port->number, &chains, &filters)
                ->base;
}

static const struct renderer bound_inbound_renderer = {
    .name = "bound inbound listener",
    .type = XDS_LISTENER,
    .args_bytes = sizeof(struct inbound_args),
    .args = inbound_rows,
    .arg_count = ARRAY_COUNT(inbound_rows),
    .name_of = bound_inbound_name,
    .render = bound_inbound_render,
};

void select_bound_inbound(
    struct selection *sel, const char *address, const struct inbound_port *port)
{
    inbound_port_list ports = { 0 };
    list_push(sel->a, &ports, *port);
    struct inbound_args args = {
        .address = address,
        .mode = mode_of(sel),
        .ports = ports_ref(&ports),
        .mesh = mesh_ref(sel->snapshot),
    };
    selection_add(sel, memo_render(sel->memo, &bound_inbound_renderer, &args));
}
