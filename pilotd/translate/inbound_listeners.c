#include "translate/inbound_listeners.h"

#include "translate/access_log.h"
#include "translate/assignment.h"
#include "translate/fixed_clusters.h"
#include "translate/http_manager.h"
#include "translate/names.h"
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

/* ---- chains ---- */

struct chain {
    const char *name, *cluster, *stat_prefix; /* stat_prefix of HTTP */
    struct inbound_port port;                 /* number 0: any */
    struct access_log log;
};
typedef LIST(pb_FilterChain *) chain_list;

static pb_FilterChainMatch *match_build(struct arena *a, const struct chain *c, bool is_sniffed)
{
    string_list applications = { 0 };
    if (is_sniffed) {
        list_push(a, &applications, "http/1.1");
        list_push(a, &applications, "h2c");
    }
    return pb_new_FilterChainMatch(a,
        .destination_port = c->port.number ? pb_u32(a, c->port.number) : NULL,
        .transport_protocol = pb_str("raw_buffer"),
        PB_LIST(application_protocols, applications.count, pb_strs(&applications)));
}

static pb_FilterChain *chain_build(
    struct arena *a, const char *name, pb_FilterChainMatch *match, pb_Filter *filter)
{
    return pb_new_FilterChain(
        a, .name = pb_str(name), .filter_chain_match = match, PB_ONE(a, filters, Filter, filter));
}

static void push_http(
    struct arena *a, chain_list *chains, const struct chain *c, const char *name, bool is_sniffed)
{
    struct http_manager manager = { .is_inbound = true,
        .stat_prefix = c->stat_prefix,
        .routes = routes_build(a, c->cluster, c->port.service_port),
        .has_grpc_web = c->port.protocol == PROTOCOL_GRPC_WEB,
        .access_log = c->log };
    list_push(a,
        chains,
        chain_build(a, name, match_build(a, c, is_sniffed), http_manager_build(a, &manager)));
}

static void push_tcp(struct arena *a, chain_list *chains, const struct chain *c)
{
    struct tcp_proxy proxy = { .cluster = c->cluster, .access_log = c->log };
    list_push(
        a, chains, chain_build(a, c->name, match_build(a, c, false), tcp_proxy_build(a, &proxy)));
}

static void push_port(struct arena *a, chain_list *chains, const char *bind,
    const struct inbound_port *port, const struct access_log *log)
{
    const char *name = name_listener(a, bind, port->number);
    struct chain chain = { .name = name,
        .cluster = name_inbound(a, port->number),
        .stat_prefix = arena_printf(a, "inbound_%s", name),
        .port = *port,
        .log = *log };
    if (protocol_is_http((enum protocol)port->protocol)) {
        push_http(a, chains, &chain, name, false);
        return;
    }
    if (port->protocol == PROTOCOL_AUTO)
        push_http(a, chains, &chain, name, true);
    push_tcp(a, chains, &chain);
}

/* What is for no service goes to the application as it came; what is for the listener's own port
 * would go round in circles. */
static void push_fallbacks(
    struct arena *a, chain_list *chains, uint32_t listen_port, const struct access_log *log)
{
    struct tcp_proxy blackhole = { .cluster = NAME_BLACKHOLE, .access_log = *log };
    list_push(a,
        chains,
        chain_build(a,
            NAME_VIRTUAL_INBOUND "-blackhole",
            pb_new_FilterChainMatch(a, .destination_port = pb_u32(a, listen_port)),
            tcp_proxy_build(a, &blackhole)));
    struct chain rest = { .name = NAME_VIRTUAL_INBOUND,
        .cluster = NAME_INBOUND_PASSTHROUGH,
        .stat_prefix = NAME_INBOUND_PASSTHROUGH,
        .log = *log };
    push_http(a, chains, &rest, NAME_VIRTUAL_INBOUND "-catchall-http", true);
    push_tcp(a, chains, &rest);
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

static bool is_sniffed(const struct inbound_port *port)
{
    return port->protocol == PROTOCOL_AUTO;
}

/* Ports whose protocol is known are not sniffed: a server that speaks first would wait for ever. */
static pb_ListenerFilter *http_inspector(
    struct arena *a, const inbound_port_list *ports, uint32_t listen_port)
{
    predicate_list known = { 0 };
    for (list_each (const struct inbound_port, port, ports)) {
        if (!is_sniffed(port))
            push_predicate(a, &known, port->number);
    }
    if (listen_port)
        push_predicate(a, &known, listen_port);
    return pb_new_ListenerFilter(a,
        .name = pb_str("envoy.filters.listener.http_inspector"),
        pb_ListenerFilter_typed_config(pb_any(a, &pb_new_HttpInspector(a)->base)),
        .filter_disabled = known.count ? any_of(a, &known) : NULL);
}

/* ---- what both kinds of listener are made from ---- */

struct inbound_args {
    const char *address;
    uint64_t is_transparent;
    struct arg_ref ports; /* inbound_port_list */
    struct arg_ref mesh;
};
static const struct arg inbound_rows[] = {
    ARG(struct inbound_args, address, ARG_TEXT),
    ARG(struct inbound_args, is_transparent, ARG_U64),
    ARG(struct inbound_args, ports, ARG_REF),
    ARG(struct inbound_args, mesh, ARG_REF),
};

static struct access_log log_of(const struct mesh_config *mesh)
{
    return (struct access_log){ mesh->access_log_file, mesh->access_log_format };
}

static pb_Listener *listener_build(struct arena *a, const struct inbound_args *args,
    const char *name, uint32_t port, const chain_list *chains, const filter_list *filters)
{
    const struct mesh_config *mesh = args->mesh.value;
    struct access_log log = log_of(mesh);
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
    struct access_log log = log_of(mesh);
    chain_list chains = { 0 };
    push_fallbacks(a, &chains, mesh->proxy_inbound_listen_port, &log);
    for (list_each (const struct inbound_port, port, ports))
        push_port(a, &chains, args->address, port, &log);

    filter_list filters = { 0 };
    push_filter(a, &filters, "envoy.filters.listener.original_dst", &pb_new_OriginalDst(a)->base);
    if (args->is_transparent)
        push_filter(a,
            &filters,
            "envoy.filters.listener.original_src",
            &pb_new_OriginalSrc(a, .mark = TPROXY_MARK)->base);
    list_push(a, &filters, http_inspector(a, ports, mesh->proxy_inbound_listen_port));
    return &listener_build(
        a, args, NAME_VIRTUAL_INBOUND, mesh->proxy_inbound_listen_port, &chains, &filters)
                ->base;
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
        .address = ip_families_of(sel->scope).v4 ? "0.0.0.0" : "::",
        .is_transparent = sel->scope->interception == INTERCEPTION_TPROXY,
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
    struct access_log log = log_of(args->mesh.value);
    chain_list chains = { 0 };
    filter_list filters = { 0 };
    push_port(a, &chains, args->address, port, &log);
    if (is_sniffed(port))
        list_push(a, &filters, http_inspector(a, args->ports.value, 0));
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
        .ports = ports_ref(&ports),
        .mesh = mesh_ref(sel->snapshot),
    };
    selection_add(sel, memo_render(sel->memo, &bound_inbound_renderer, &args));
}
