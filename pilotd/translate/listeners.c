#include "translate/fixed_clusters.h"
#include "translate/listener_plan.h"
#include "translate/names.h"
#include "translate/outbound_listener.h"

#include <string.h>

static const char *fallback_cluster(const struct mesh_config *mesh)
{
    return mesh->outbound_traffic_policy->mode == ALLOW_ANY ? NAME_PASSTHROUGH : NAME_BLACKHOLE;
}

static void set_tcp(struct tcp_proxy *proxy, const struct effective_policy *policy)
{
    const struct connection_pool *pool = policy->connection_pool;
    const struct tcp_settings *tcp = pool ? pool->tcp : NULL;
    const struct load_balancer *lb = policy->load_balancer;
    if (tcp) {
        proxy->idle_timeout_ms = (uint64_t)tcp->idle_timeout.ms;
        proxy->max_connection_duration_ms = (uint64_t)tcp->max_connection_duration.ms;
    }
    proxy->hashes_source_ip = lb && lb->consistent_hash && lb->consistent_hash->use_source_ip;
}

static struct arg_ref chain_of(struct selection *sel, const struct planned_chain *planned)
{
    struct listener_chain *chain = ARENA_NEW(sel->a, struct listener_chain);
    uint32_t port = planned->port->number;
    struct effective_policy policy = effective_policy_of(planned->to->rule, port, NULL);
    chain->server_name = planned->server_name;
    chain->is_mongo = planned->port->protocol == PROTOCOL_MONGO;
    chain->proxy.cluster = name_outbound(sel->a, port, NULL, planned->to->service->host);
    set_tcp(&chain->proxy, &policy);
    return listener_chain_ref(chain);
}

/* A proxy that has addresses of both families listens on both. */
static const char *extra_bind(const struct selection *sel, const struct planned_listener *planned)
{
    struct ip_families families = ip_families_of(sel->scope);
    bool is_wildcard = strcmp(planned->bind, wildcard_address(sel->scope)) == 0;
    return is_wildcard && families.v4 && families.v6 ? "::" : NULL;
}

static void select_planned(struct selection *sel, const struct planned_listener *planned)
{
    struct outbound_listener_args args = {
        .bind = planned->bind,
        .extra_bind = extra_bind(sel, planned),
        .port = planned->port,
        .is_bound = planned->is_bound,
        .route_name = planned->route_name,
        .has_grpc_web = planned->has_grpc_web,
        /* Where a connection was going is known only if it was redirected. */
        .fallback = planned->is_bound ? NULL : fallback_cluster(sel->snapshot->mesh),
        .mesh = mesh_ref(sel->snapshot),
    };
    for (list_each (const struct planned_chain, chain, &planned->chains))
        list_push(sel->a, &args.chains, chain_of(sel, chain));
    selection_add(sel, memo_render(sel->memo, &outbound_listener_renderer, &args));
}

static void select_virtual_outbound(struct selection *sel)
{
    struct virtual_outbound_args args = {
        .bind = wildcard_address(sel->scope),
        .is_transparent = sel->scope->interception == INTERCEPTION_TPROXY,
        .fallback = fallback_cluster(sel->snapshot->mesh),
        .mesh = mesh_ref(sel->snapshot),
    };
    selection_add(sel, memo_render(sel->memo, &virtual_outbound_renderer, &args));
}

void select_outbound_listeners(struct selection *sel)
{
    listener_plan plan = listener_plan_build(sel);
    for (list_each (const struct planned_listener, planned, &plan))
        select_planned(sel, planned);
    if (sel->scope->interception != INTERCEPTION_NONE)
        select_virtual_outbound(sel);
}
