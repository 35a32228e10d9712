#include "translate/fixed_clusters.h"

#include "translate/cluster_policy.h"
#include "translate/names.h"

#include <string.h>

struct ip_families ip_families_of(const struct scope *scope)
{
    struct ip_families families = { 0 };
    for (list_each (const char *, address, &scope->addresses)) {
        bool is_v6 = strchr(*address, ':');
        families.v6 |= is_v6;
        families.v4 |= !is_v6;
    }
    families.v4 |= !families.v6;
    return families;
}

static pb_SocketAddress *any_port_of(struct arena *a, const char *address)
{
    return pb_new_SocketAddress(a, .address = pb_str(address), pb_SocketAddress_port_value(0));
}

/* Redirection leaves connections from these alone: they are the proxy's own. */
pb_BindConfig *bind_config_build(struct arena *a, struct ip_families binds)
{
    if (!binds.v4 && !binds.v6)
        return NULL;
    pb_SocketAddress *v6 = any_port_of(a, "::6");
    if (!binds.v4)
        return pb_new_BindConfig(a, .source_address = v6);
    pb_BindConfig *config = pb_new_BindConfig(a, .source_address = any_port_of(a, "127.0.0.6"));
    if (!binds.v6)
        return config;
    return pb_new_BindConfig(a,
        .source_address = config->source_address,
        PB_ONE(a,
            extra_source_addresses,
            ExtraSourceAddress,
            pb_new_ExtraSourceAddress(a, .address = v6)));
}

/* ---- passthrough ---- */

struct passthrough_args {
    const char *name;
    uint64_t binds_v4, binds_v6;
    struct arg_ref mesh;
};
static const struct arg passthrough_rows[] = {
    ARG(struct passthrough_args, name, ARG_TEXT),
    ARG(struct passthrough_args, binds_v4, ARG_U64),
    ARG(struct passthrough_args, binds_v6, ARG_U64),
    ARG(struct passthrough_args, mesh, ARG_REF),
};

static const char *passthrough_name(struct arena *a, const void *args)
{
    (void)a;
    return ((const struct passthrough_args *)args)->name;
}

enum { PASSTHROUGH_IDLE_MS = 300000 };

static ProtobufCMessage *passthrough_render(struct arena *a, const void *opaque)
{
    const struct passthrough_args *args = opaque;
    const struct mesh_config *mesh = args->mesh.value;
    http_options_list options = http_options_build(a,
        &(struct http_options){
            .http = UPSTREAM_AS_DOWNSTREAM, .idle_timeout_ms = PASSTHROUGH_IDLE_MS });
    pb_Cluster *cluster = pb_new_Cluster(a,
        .name = pb_str(args->name),
        pb_Cluster_type(PB_Cluster_DiscoveryType_ORIGINAL_DST),
        .lb_policy = PB_Cluster_LbPolicy_CLUSTER_PROVIDED,
        .connect_timeout = cluster_connect_timeout(a, mesh, NULL),
        .circuit_breakers = cluster_limits(a, &(struct effective_policy){ 0 }),
        .upstream_connection_options = cluster_keepalive(a, mesh, NULL),
        .upstream_bind_config = bind_config_build(
            a, (struct ip_families){ .v4 = args->binds_v4, .v6 = args->binds_v6 }),
        PB_LIST(typed_extension_protocol_options, options.count, options.items));
    return &cluster->base;
}

static const struct renderer passthrough_renderer = {
    .name = "passthrough cluster",
    .type = XDS_CLUSTER,
    .args_bytes = sizeof(struct passthrough_args),
    .args = passthrough_rows,
    .arg_count = ARRAY_COUNT(passthrough_rows),
    .name_of = passthrough_name,
    .render = passthrough_render,
};

void select_passthrough(struct selection *sel, const char *name, struct ip_families binds)
{
    struct passthrough_args args = {
        .name = name, .binds_v4 = binds.v4, .binds_v6 = binds.v6, .mesh = mesh_ref(sel->snapshot)
    };
    selection_add(sel, memo_render(sel->memo, &passthrough_renderer, &args));
}

/* ---- black hole ---- */

struct blackhole_args {
    struct arg_ref mesh;
};
static const struct arg blackhole_rows[] = { ARG(struct blackhole_args, mesh, ARG_REF) };

static const char *blackhole_name(struct arena *a, const void *args)
{
    (void)a, (void)args;
    return NAME_BLACKHOLE;
}

static ProtobufCMessage *blackhole_render(struct arena *a, const void *opaque)
{
    const struct blackhole_args *args = opaque;
    return &pb_new_Cluster(a,
        .name = pb_str(NAME_BLACKHOLE),
        pb_Cluster_type(PB_Cluster_DiscoveryType_STATIC),
        .connect_timeout = cluster_connect_timeout(a, args->mesh.value, NULL))
                ->base;
}

static const struct renderer blackhole_renderer = {
    .name = "blackhole cluster",
    .type = XDS_CLUSTER,
    .args_bytes = sizeof(struct blackhole_args),
    .args = blackhole_rows,
    .arg_count = ARRAY_COUNT(blackhole_rows),
    .name_of = blackhole_name,
    .render = blackhole_render,
};

void select_blackhole(struct selection *sel)
{
    struct blackhole_args args = { .mesh = mesh_ref(sel->snapshot) };
    selection_add(sel, memo_render(sel->memo, &blackhole_renderer, &args));
}
