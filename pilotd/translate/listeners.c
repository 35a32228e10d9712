#include "translate/cluster_policy.h"
#include "translate/dynamic_dns.h"
#include "translate/fixed_clusters.h"
#include "translate/listener_plan.h"
#include "translate/names.h"
#include "translate/outbound_listener.h"

#include <string.h>

static const char *fallback_cluster(const struct mesh_config *mesh)
{
    return mesh->outbound_traffic_policy->mode == ALLOW_ANY ? NAME_PASSTHROUGH : NAME_BLACKHOLE;
}

/* An IPv6 address goes in brackets. */
static const char *join_host_port(struct arena *a, const struct tunnel *tunnel)
{
    bool is_ipv6 = strchr(tunnel->target_host, ':') != NULL;
    return arena_printf(a, is_ipv6 ? "[%s]:%u" : "%s:%u", tunnel->target_host, tunnel->target_port);
}

static void set_tcp(struct arena *a, struct tcp_proxy *proxy, const struct effective_policy *policy)
{
    const struct connection_pool *pool = policy->connection_pool;
    const struct tcp_settings *tcp = pool ? pool->tcp : NULL;
    const struct load_balancer *lb = policy->load_balancer;
    if (tcp) {
        proxy->idle_timeout = tcp->idle_timeout;
        proxy->max_connection_duration_ms = (uint64_t)tcp->max_connection_duration.ms;
    }
    if (policy->tunnel) {
        proxy->tunnel_to = join_host_port(a, policy->tunnel);
        proxy->tunnels_by_post = policy->tunnel->protocol == TUNNEL_POST;
    }
    proxy->hashes_source_ip = lb && lb->consistent_hash && lb->consistent_hash->use_source_ip;
}

/* Several have one filter: what it does with a connection is the first one's rule. */
static struct effective_policy policy_of(
    const struct mesh_config *mesh, const struct planned_chain *planned)
{
    const struct planned_share *first = &planned->shares.items[0];
    bool is_one = planned->shares.count == 1;
    struct effective_policy policy = { 0 };
    if (!first->to.to)
        return policy;
    policy = effective_policy_of(first->to.to->rule, first->to.port, is_one ? first->subset : NULL);
    effective_policy_fill(&policy, mesh);
    return policy;
}

static void set_destinations(
    struct arena *a, struct tcp_proxy *proxy, const struct planned_chain *planned)
{
    if (planned->shares.count == 1) {
        proxy->cluster = planned->shares.items[0].to.cluster;
        return;
    }
    for (list_each (const struct planned_share, share, &planned->shares))
        list_push(a, &proxy->shares, ((struct tcp_share){ share->to.cluster, share->weight }));
    proxy->stat_prefix = arena_printf(a, "%s.%s", planned->rule->name, planned->rule->ns);
}

static struct arg_ref chain_of(struct selection *sel, const struct planned_chain *planned)
{
    struct listener_chain *chain = ARENA_NEW(sel->a, struct listener_chain);
    struct effective_policy policy = policy_of(sel->snapshot->mesh, planned);
    chain->server_names = planned->server_names;
    chain->ranges = planned->ranges;
    chain->dynamic_port = planned->is_dynamic ? planned->port->number : 0;
    chain->dns_family = planned->is_dynamic ? dynamic_dns_family(sel->scope) : 0;
    chain->is_mongo = planned->port->protocol == PROTOCOL_MONGO;
    set_destinations(sel->a, &chain->proxy, planned);
    set_tcp(sel->a, &chain->proxy, &policy);
    return listener_chain_ref(chain);
}

static const char *extra_bind(const struct selection *sel, const struct planned_listener *planned)
{
    bool is_wildcard = strcmp(planned->bind, wildcard_address(sel->scope)) == 0;
    return is_wildcard ? extra_wildcard_address(sel->scope) : NULL;
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
        .has_dynamic_dns = planned->has_dynamic_dns,
        .dns_family = planned->has_dynamic_dns ? dynamic_dns_family(sel->scope) : 0,
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
        .extra_bind = extra_virtual_address(sel->scope),
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
