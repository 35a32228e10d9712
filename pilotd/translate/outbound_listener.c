#include "translate/outbound_listener.h"

#include "model/mesh_config.h"
#include "translate/assignment.h"
#include "translate/dynamic_dns.h"
#include "translate/http_manager.h"
#include "translate/names.h"

typedef LIST(pb_FilterChain *) chain_list;
typedef LIST(pb_Filter *) filter_list;
typedef LIST(pb_ListenerFilter *) inspector_list;

static void add_proxy(struct hasher *h, const struct tcp_proxy *proxy)
{
    hasher_add_text(h, proxy->cluster);
    hasher_add_text(h, proxy->stat_prefix);
    hasher_add_u32(h, (uint32_t)proxy->shares.count);
    for (list_each (const struct tcp_share, share, &proxy->shares)) {
        hasher_add_text(h, share->cluster);
        hasher_add_u32(h, share->weight);
    }
    hasher_add_u32(h, proxy->idle_timeout.is_set);
    hasher_add(h, &proxy->idle_timeout.ms, sizeof proxy->idle_timeout.ms);
    hasher_add(h, &proxy->max_connection_duration_ms, sizeof proxy->max_connection_duration_ms);
    hasher_add_u32(h, proxy->hashes_source_ip);
    hasher_add_text(h, proxy->tunnel_to);
    hasher_add_u32(h, proxy->tunnels_by_post);
}

struct arg_ref listener_chain_ref(const struct listener_chain *chain)
{
    struct hasher *h = hasher_new();
    hasher_add_u32(h, (uint32_t)chain->server_names.count);
    for (list_each (const char *const, name, &chain->server_names))
        hasher_add_text(h, *name);
    hasher_add_u32(h, (uint32_t)chain->ranges.count);
    for (list_each (const struct cidr, range, &chain->ranges)) {
        hasher_add_u32(h, (uint32_t)range->family);
        hasher_add_u32(h, range->bits);
        hasher_add(h, range->bytes, sizeof range->bytes);
    }
    add_proxy(h, &chain->proxy);
    hasher_add_u32(h, chain->is_mongo);
    hasher_add_u32(h, chain->dynamic_port);
    hasher_add_u32(h, chain->dns_family);
    return (struct arg_ref){ .value = chain, .digest = hasher_finish(h) };
}

static struct access_log log_of(const struct arg_ref *mesh)
{
    return access_log_of(mesh->value);
}

/* ---- chains ---- */

static pb_FilterChain *chain_to(
    struct arena *a, const char *name, const char *cluster, const struct arg_ref *mesh)
{
    struct tcp_proxy proxy = { .cluster = cluster, .access_log = log_of(mesh) };
    return pb_new_FilterChain(
        a, .name = pb_str(name), PB_ONE(a, filters, Filter, tcp_proxy_build(a, &proxy)));
}

static pb_Filter *mongo_proxy(struct arena *a, const char *cluster)
{
    pb_MongoProxy *settings = pb_new_MongoProxy(a, .stat_prefix = pb_str(cluster));
    return pb_new_Filter(a,
        .name = pb_str("envoy.filters.network.mongo_proxy"),
        pb_Filter_typed_config(pb_any(a, &settings->base)));
}

bool listener_chain_is_default(const struct listener_chain *chain)
{
    return chain->server_names.count == 0 && chain->ranges.count == 0;
}

static pb_FilterChainMatch *match_of(struct arena *a, const struct listener_chain *chain)
{
    LIST(pb_CidrRange *) ranges = { 0 };
    for (list_each (const struct cidr, range, &chain->ranges))
        list_push(a,
            &ranges,
            pb_new_CidrRange(a,
                .address_prefix = pb_str(cidr_address(a, range)),
                .prefix_len = pb_u32(a, range->bits)));
    return pb_new_FilterChainMatch(a,
        PB_LIST(server_names, chain->server_names.count, pb_strs(&chain->server_names)),
        PB_LIST(prefix_ranges, ranges.count, ranges.items));
}

static pb_FilterChain *tcp_chain(
    struct arena *a, const struct listener_chain *chain, const struct arg_ref *mesh)
{
    struct tcp_proxy proxy = chain->proxy;
    proxy.access_log = log_of(mesh);
    filter_list filters = { 0 };
    if (chain->is_mongo)
        list_push(a, &filters, mongo_proxy(a, proxy.cluster ? proxy.cluster : proxy.stat_prefix));
    if (chain->dynamic_port)
        list_push(
            a, &filters, dynamic_dns_server_name_filter(a, chain->dns_family, chain->dynamic_port));
    list_push(a, &filters, tcp_proxy_build(a, &proxy));
    return pb_new_FilterChain(a,
        .filter_chain_match = listener_chain_is_default(chain) ? NULL : match_of(a, chain),
        PB_LIST(filters, filters.count, filters.items));
}

/* What the HTTP inspector reports of a connection that it found to be HTTP. */
static pb_FilterChainMatch *match_http(struct arena *a)
{
    string_list protocols = { 0 };
    list_push(a, &protocols, "http/1.1");
    list_push(a, &protocols, "h2c");
    return pb_new_FilterChainMatch(a,
        .transport_protocol = pb_str("raw_buffer"),
        PB_LIST(application_protocols, protocols.count, pb_strs(&protocols)));
}

/* Only a listener of HTTP alone, which nothing else can reach, need not look before it decides. */
static bool inspects_http(const struct outbound_listener_args *args)
{
    return args->route_name && (!args->is_bound || args->chains.count > 0);
}

static pb_FilterChain *http_chain(
    struct arena *a, const struct outbound_listener_args *args, const char *name)
{
    struct http_manager manager = {
        .stat_prefix = arena_printf(a, "outbound_%s", name),
        .route_name = args->route_name,
        .has_grpc_web = args->has_grpc_web != 0,
        .has_dynamic_dns = args->has_dynamic_dns != 0,
        .dns_family = (unsigned)args->dns_family,
        .normalization = normalization_of(args->mesh.value),
        .access_log = log_of(&args->mesh),
    };
    return pb_new_FilterChain(a,
        .filter_chain_match = inspects_http(args) ? match_http(a) : NULL,
        PB_ONE(a, filters, Filter, http_manager_build(a, &manager)));
}

/* ---- listener filters ---- */

static bool has_server_names(const arg_ref_list *chains)
{
    for (list_each (const struct arg_ref, ref, chains))
        if (((const struct listener_chain *)ref->value)->server_names.count > 0)
            return true;
    return false;
}

static void push_inspector(
    struct arena *a, inspector_list *out, const char *name, const ProtobufCMessage *settings)
{
    list_push(a,
        out,
        pb_new_ListenerFilter(
            a, .name = pb_str(name), pb_ListenerFilter_typed_config(pb_any(a, settings))));
}

static inspector_list inspectors(struct arena *a, const struct outbound_listener_args *args)
{
    inspector_list list = { 0 };
    if (has_server_names(&args->chains))
        push_inspector(
            a, &list, "envoy.filters.listener.tls_inspector", &pb_new_TlsInspector(a)->base);
    if (inspects_http(args))
        push_inspector(
            a, &list, "envoy.filters.listener.http_inspector", &pb_new_HttpInspector(a)->base);
    return list;
}

/* ---- a listener ---- */

static const struct arg outbound_listener_rows[] = {
    ARG(struct outbound_listener_args, bind, ARG_TEXT),
    ARG(struct outbound_listener_args, extra_bind, ARG_TEXT),
    ARG(struct outbound_listener_args, port, ARG_U64),
    ARG(struct outbound_listener_args, is_bound, ARG_U64),
    ARG(struct outbound_listener_args, route_name, ARG_TEXT),
    ARG(struct outbound_listener_args, has_grpc_web, ARG_U64),
    ARG(struct outbound_listener_args, has_dynamic_dns, ARG_U64),
    ARG(struct outbound_listener_args, dns_family, ARG_U64),
    ARG(struct outbound_listener_args, fallback, ARG_TEXT),
    ARG(struct outbound_listener_args, chains, ARG_REFS),
    ARG(struct outbound_listener_args, mesh, ARG_REF),
};

static const char *outbound_listener_name(struct arena *a, const void *opaque)
{
    const struct outbound_listener_args *args = opaque;
    return name_listener(a, args->bind, (uint32_t)args->port);
}

/* The chain without a match is the default, unless it is alone. */
static void set_chains(
    struct arena *a, const struct outbound_listener_args *args, pb_Listener *listener)
{
    chain_list chains = { 0 };
    pb_FilterChain *rest = NULL;
    if (args->route_name)
        list_push(a, &chains, http_chain(a, args, listener->name));
    for (list_each (const struct arg_ref, ref, &args->chains)) {
        const struct listener_chain *chain = ref->value;
        pb_FilterChain *built = tcp_chain(a, chain, &args->mesh);
        if (listener_chain_is_default(chain))
            rest = built;
        else
            list_push(a, &chains, built);
    }
    if (chains.count == 0 && rest) {
        list_push(a, &chains, rest);
        rest = NULL;
    } else if (!rest && args->fallback) {
        rest = chain_to(a, "PassthroughFilterChain", args->fallback, &args->mesh);
    }
    listener->n_filter_chains = chains.count;
    listener->filter_chains = chains.items;
    listener->default_filter_chain = rest;
}

/* Accept one connection at a time: spread over the workers, not all to the one that wakes first. */
static pb_UInt32Value *accepts_at_once(struct arena *a)
{
    return pb_u32(a, 1);
}

static ProtobufCMessage *outbound_listener_render(struct arena *a, const void *opaque)
{
    const struct outbound_listener_args *args = opaque;
    const struct mesh_config *mesh = args->mesh.value;
    inspector_list filters = inspectors(a, args);
    pb_Listener *listener = pb_new_Listener(a,
        .name = pb_str(outbound_listener_name(a, args)),
        .address = assignment_address(a, args->bind, (uint32_t)args->port),
        PB_LIST(listener_filters, filters.count, filters.items),
        .listener_filters_timeout =
            pb_millis(a, inspects_http(args) ? mesh->protocol_detection_timeout.ms : 0),
        .continue_on_listener_filters_timeout = true,
        .traffic_direction = PB_TrafficDirection_OUTBOUND,
        .bind_to_port = args->is_bound ? NULL : pb_bool(a, false),
        .max_connections_to_accept_per_socket_event = args->is_bound ? accepts_at_once(a) : NULL);
    set_chains(a, args, listener);
    listener_set_extra_address(a, listener, args->extra_bind, (uint32_t)args->port);
    return &listener->base;
}

const struct renderer outbound_listener_renderer = {
    .name = "outbound listener",
    .type = XDS_LISTENER,
    .args_bytes = sizeof(struct outbound_listener_args),
    .args = outbound_listener_rows,
    .arg_count = ARRAY_COUNT(outbound_listener_rows),
    .name_of = outbound_listener_name,
    .render = outbound_listener_render,
};

/* ---- virtualOutbound ---- */

static const struct arg virtual_outbound_rows[] = {
    ARG(struct virtual_outbound_args, bind, ARG_TEXT),
    ARG(struct virtual_outbound_args, extra_bind, ARG_TEXT),
    ARG(struct virtual_outbound_args, is_transparent, ARG_U64),
    ARG(struct virtual_outbound_args, fallback, ARG_TEXT),
    ARG(struct virtual_outbound_args, mesh, ARG_REF),
};

static const char *virtual_outbound_name(struct arena *a, const void *opaque)
{
    (void)a, (void)opaque;
    return NAME_VIRTUAL_OUTBOUND;
}

/* What was sent to the listener's own port would be redirected to it for ever. No log of it. */
static pb_FilterChain *blackhole(struct arena *a, uint32_t port)
{
    struct tcp_proxy proxy = { .cluster = NAME_BLACKHOLE };
    return pb_new_FilterChain(a,
        .name = pb_str(NAME_VIRTUAL_OUTBOUND "-blackhole"),
        .filter_chain_match = pb_new_FilterChainMatch(a, .destination_port = pb_u32(a, port)),
        PB_ONE(a, filters, Filter, tcp_proxy_build(a, &proxy)));
}

static ProtobufCMessage *virtual_outbound_render(struct arena *a, const void *opaque)
{
    const struct virtual_outbound_args *args = opaque;
    const struct mesh_config *mesh = args->mesh.value;
    struct access_log log = log_of(&args->mesh);
    access_log_list logs = access_log_build_no_route(a, &log);
    chain_list chains = { 0 };
    list_push(a, &chains, blackhole(a, mesh->proxy_listen_port));
    list_push(a,
        &chains,
        chain_to(a, NAME_VIRTUAL_OUTBOUND "-catchall-tcp", args->fallback, &args->mesh));
    pb_Listener *listener = pb_new_Listener(a,
        .name = pb_str(NAME_VIRTUAL_OUTBOUND),
        .address = assignment_address(a, args->bind, mesh->proxy_listen_port),
        PB_LIST(filter_chains, chains.count, chains.items),
        PB_LIST(access_log, logs.count, logs.items),
        .use_original_dst = pb_bool(a, true),
        .transparent = args->is_transparent ? pb_bool(a, true) : NULL,
        .traffic_direction = PB_TrafficDirection_OUTBOUND,
        .max_connections_to_accept_per_socket_event = accepts_at_once(a));
    listener_set_extra_address(a, listener, args->extra_bind, mesh->proxy_listen_port);
    return &listener->base;
}

const struct renderer virtual_outbound_renderer = {
    .name = "virtualOutbound",
    .type = XDS_LISTENER,
    .args_bytes = sizeof(struct virtual_outbound_args),
    .args = virtual_outbound_rows,
    .arg_count = ARRAY_COUNT(virtual_outbound_rows),
    .name_of = virtual_outbound_name,
    .render = virtual_outbound_render,
};
