#include "translate/assignment.h"
#include "translate/cluster_policy.h"
#include "translate/fixed_clusters.h"
#include "translate/inbound_listeners.h"
#include "translate/names.h"
#include "translate/stat_name.h"

#include <string.h>

/* ---- the ports of the workload ---- */

static const char *loopback_of(const struct scope *scope)
{
    return ip_families_of(scope).v4 ? "127.0.0.1" : "::1";
}

/* Left out: ports that the proxy itself listens on, and, where its listener would be bound on the
 * application's very address, what it could only send to itself. */
static bool is_served(const struct selection *sel, const struct local_port *local)
{
    const struct mesh_config *mesh = sel->snapshot->mesh;
    if (local->port->protocol == PROTOCOL_UDP || !local->number ||
        local->number == mesh->proxy_listen_port ||
        local->number == mesh->proxy_inbound_listen_port)
        return false;
    return sel->scope->interception != INTERCEPTION_NONE ||
           strcmp(local->endpoint->address, loopback_of(sel->scope)) != 0;
}

/* Of services that share a port of the workload, the oldest says what it speaks. */
static local_port_list served_ports(const struct selection *sel)
{
    local_port_list all = local_ports(sel->a, sel->snapshot, sel->scope), served = { 0 };
    for (list_each (struct local_port, local, &all)) {
        struct local_port *last = served.count ? &served.items[served.count - 1] : NULL;
        if (!is_served(sel, local))
            continue;
        if (!last || last->number != local->number)
            list_push(sel->a, &served, *local);
        else if (local->service->create_revision < last->service->create_revision)
            *last = *local;
    }
    return served;
}

static struct inbound_port inbound_port_of(const struct local_port *local)
{
    return (struct inbound_port){ .number = local->number,
        .service_port = local->port->number,
        .protocol = local->port->protocol };
}

/* ---- clusters ---- */

struct inbound_cluster_args {
    uint64_t number, service_port, protocol;
    const char *stat_name;       /* NULL: the cluster's */
    const char *loopback;        /* where the application is; NULL: where the connection went */
    uint64_t binds_v4, binds_v6; /* source addresses that redirection leaves alone */
    struct arg_ref rule, mesh;   /* struct effective_rule, struct mesh_config */
};
static const struct arg inbound_cluster_rows[] = {
    ARG(struct inbound_cluster_args, number, ARG_U64),
    ARG(struct inbound_cluster_args, service_port, ARG_U64),
    ARG(struct inbound_cluster_args, protocol, ARG_U64),
    ARG(struct inbound_cluster_args, stat_name, ARG_TEXT),
    ARG(struct inbound_cluster_args, loopback, ARG_TEXT),
    ARG(struct inbound_cluster_args, binds_v4, ARG_U64),
    ARG(struct inbound_cluster_args, binds_v6, ARG_U64),
    ARG(struct inbound_cluster_args, rule, ARG_REF),
    ARG(struct inbound_cluster_args, mesh, ARG_REF),
};

static const char *inbound_cluster_name(struct arena *a, const void *opaque)
{
    const struct inbound_cluster_args *args = opaque;
    return name_inbound(a, (uint32_t)args->number);
}

static pb_ClusterLoadAssignment *loopback_assignment(
    struct arena *a, const struct inbound_cluster_args *args)
{
    pb_Address *address = assignment_address(a, args->loopback, (uint32_t)args->number);
    pb_LbEndpoint *endpoint =
        pb_new_LbEndpoint(a, pb_LbEndpoint_endpoint(pb_new_Endpoint(a, .address = address)));
    return pb_new_ClusterLoadAssignment(a,
        .cluster_name = pb_str(inbound_cluster_name(a, args)),
        PB_ONE(a,
            endpoints,
            LocalityLbEndpoints,
            pb_new_LocalityLbEndpoints(a, PB_ONE(a, lb_endpoints, LbEndpoint, endpoint))));
}

/* Hosts that were called once are kept for good, and with them the connections to the application.
 * It is the longest that Istio can write. */
static const int64_t never_seconds = 9223372035;

static void send_on(struct arena *a, pb_Cluster *cluster, const struct inbound_cluster_args *args)
{
    if (args->loopback) {
        cluster->type = PB_Cluster_DiscoveryType_STATIC;
        cluster->load_assignment = loopback_assignment(a, args);
        return;
    }
    cluster->lb_policy = PB_Cluster_LbPolicy_CLUSTER_PROVIDED;
    cluster->cleanup_interval = pb_new_Duration(a, .seconds = never_seconds);
    cluster->upstream_bind_config =
        bind_config_build(a, (struct ip_families){ .v4 = args->binds_v4, .v6 = args->binds_v6 });
}

/* The limits of a DestinationRule hold on the server's side too: else the server's own proxy would
 * have others than its callers'. */
static ProtobufCMessage *inbound_cluster_render(struct arena *a, const void *opaque)
{
    const struct inbound_cluster_args *args = opaque;
    const struct mesh_config *mesh = args->mesh.value;
    const struct effective_policy policy =
        effective_policy_of(args->rule.value, (uint32_t)args->service_port, NULL);
    const struct connection_pool *pool = policy.connection_pool;
    http_options_list options = http_options_build(a,
        &(struct http_options){
            .http = upstream_http_of((enum protocol)args->protocol, pool), .pool = pool });
    pb_Cluster *cluster = pb_new_Cluster(a,
        .name = pb_str(inbound_cluster_name(a, args)),
        pb_Cluster_type(PB_Cluster_DiscoveryType_ORIGINAL_DST),
        .alt_stat_name = pb_str(args->stat_name),
        .connect_timeout = cluster_connect_timeout(a, mesh, pool),
        .circuit_breakers = cluster_limits(a, &policy),
        .upstream_connection_options = cluster_keepalive(a, mesh, pool),
        PB_LIST(typed_extension_protocol_options, options.count, options.items));
    send_on(a, cluster, args);
    return &cluster->base;
}

static const struct renderer inbound_cluster_renderer = {
    .name = "inbound cluster",
    .type = XDS_CLUSTER,
    .args_bytes = sizeof(struct inbound_cluster_args),
    .args = inbound_cluster_rows,
    .arg_count = ARRAY_COUNT(inbound_cluster_rows),
    .name_of = inbound_cluster_name,
    .render = inbound_cluster_render,
};

static bool goes_to_loopback(const struct selection *sel)
{
    const struct inbound_traffic_policy *policy = sel->snapshot->mesh->inbound_traffic_policy;
    return policy && policy->mode == INBOUND_LOCALHOST;
}

static const char *stat_name_of(const struct selection *sel, const struct local_port *local)
{
    const struct stat_subject subject = {
        .service = local->service,
        .port = local->port,
        .target_port = local->number,
    };
    return stat_name_build(sel->a, sel->snapshot->mesh->inbound_cluster_stat_name, &subject);
}

static void select_inbound_cluster(struct selection *sel, const struct local_port *local)
{
    const struct effective_rule *rule =
        effective_rule_find(sel->a, sel->snapshot, sel->scope, local->service);
    bool goes_on = sel->scope->interception != INTERCEPTION_NONE && !goes_to_loopback(sel);
    struct ip_families families = ip_families_of(sel->scope);
    struct inbound_cluster_args args = {
        .number = local->number,
        .service_port = local->port->number,
        .protocol = local->port->protocol,
        .loopback = goes_on ? NULL : loopback_of(sel->scope),
        .stat_name = stat_name_of(sel, local),
        .binds_v4 = goes_on && families.v4,
        .binds_v6 = goes_on && families.v6,
        .rule = { .value = rule, .digest = rule->digest },
        .mesh = mesh_ref(sel->snapshot),
    };
    selection_add(sel, memo_render(sel->memo, &inbound_cluster_renderer, &args));
}

void select_inbound(struct selection *sel)
{
    local_port_list locals = served_ports(sel);
    inbound_port_list ports = { 0 };
    for (list_each (struct local_port, local, &locals)) {
        struct inbound_port port = inbound_port_of(local);
        select_inbound_cluster(sel, local);
        if (sel->scope->interception == INTERCEPTION_NONE)
            select_bound_inbound(sel, local->endpoint->address, &port);
        else
            list_push(sel->a, &ports, port);
    }
    if (sel->scope->interception != INTERCEPTION_NONE)
        select_virtual_inbound(sel, &ports);
    select_passthrough(sel, NAME_INBOUND_PASSTHROUGH, ip_families_of(sel->scope));
}
