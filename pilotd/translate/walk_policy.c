/* Where a cluster's settings and endpoints come from. */
#include "model/destination_rule.h"
#include "translate/cluster_policy.h"
#include "translate/walk_origin_parts.h"

#include <string.h>

/* ---- names of clusters ---- */

struct cluster_name {
    const char *host, *subset; /* subset NULL: none */
    uint32_t port;
};

/* outbound|PORT|SUBSET|HOST */
static bool parse_name(struct arena *a, const char *name, struct cluster_name *out)
{
    char *rest = arena_strdup(a, name), *parts[4] = { NULL };
    size_t count = 0;
    while (rest && count < ARRAY_COUNT(parts))
        parts[count++] = strsep(&rest, "|");
    if (count != ARRAY_COUNT(parts) || rest || strcmp(parts[0], "outbound") != 0)
        return false;
    out->port = (uint32_t)strtoul(parts[1], NULL, 10);
    out->subset = *parts[2] ? parts[2] : NULL;
    out->host = parts[3];
    return true;
}

/* ---- settings ---- */

enum { NOT_THERE = -1 };

#define BLOCK(json, member, port_offset)                                                           \
    {                                                                                              \
        json, offsetof(struct effective_policy, member), offsetof(struct traffic_policy, member),  \
            port_offset                                                                            \
    }
#define OF_PORT(member) (long)offsetof(struct port_traffic_policy, member)

/* The blocks of a policy, and where each is in the structs that may have it. */
static const struct block {
    const char *name;
    size_t effective, own;
    long port; /* NOT_THERE: not settled by port */
} blocks[] = {
    BLOCK("loadBalancer", load_balancer, OF_PORT(load_balancer)),
    BLOCK("connectionPool", connection_pool, OF_PORT(connection_pool)),
    BLOCK("outlierDetection", outlier_detection, OF_PORT(outlier_detection)),
    BLOCK("tls", tls, OF_PORT(tls)),
    BLOCK("tunnel", tunnel, NOT_THERE),
    BLOCK("proxyProtocol", proxy_protocol, NOT_THERE),
    BLOCK("retryBudget", retry_budget, NOT_THERE),
};

static const void *pointer_at(const void *base, size_t offset)
{
    const void *pointer;
    memcpy(&pointer, (const char *)base + offset, sizeof pointer);
    return pointer;
}

/* Where in one traffic policy that very value is; NULL: not there. */
static const char *place_in(struct arena *a, const struct traffic_policy *policy,
    const struct block *b, const void *value, const char *title)
{
    if (!policy)
        return NULL;
    if (pointer_at(policy, b->own) == value)
        return title;
    for (list_each (const struct port_traffic_policy, port, &policy->port_level_settings))
        if (b->port != NOT_THERE && pointer_at(port, (size_t)b->port) == value)
            return arena_printf(a, "%s, port %u", title, port->port->number);
    return NULL;
}

static const char *place_in_rule(
    struct arena *a, const struct object *object, const struct block *b, const void *value)
{
    const struct destination_rule *rule = object->spec;
    const char *title = origin_title(a, object);
    const char *place = place_in(a, rule->traffic_policy, b, value, title);
    for (list_each (const struct subset, subset, &rule->subsets))
        if (!place)
            place = place_in(a,
                subset->traffic_policy,
                b,
                value,
                arena_printf(a, "%s, subset %s", title, subset->name));
    return place;
}

/* A port's settings stand for the whole policy: what they leave out is default, not inherited. */
static bool is_left_out(const struct traffic_policy *policy, const struct block *b)
{
    return policy && b->port != NOT_THERE && pointer_at(policy, b->own);
}

static const char *place_of_nothing(struct arena *a, const struct effective_rule *rule,
    const struct block *b, const struct cluster_name *name)
{
    const struct subset *subset = name->subset ? effective_rule_subset(rule, name->subset) : NULL;
    if (is_left_out(rule->policy, b) || (subset && is_left_out(subset->traffic_policy, b)))
        return arena_printf(a, "default, for the settings of port %u leave it out", name->port);
    return "default";
}

static const char *place_of(struct arena *a, const struct effective_rule *rule,
    const struct block *b, const struct cluster_name *name, const void *value)
{
    const char *place = NULL;
    if (!value)
        return place_of_nothing(a, rule, b, name);
    for (list_each (const struct object *const, object, &rule->objects))
        if (!place)
            place = place_in_rule(a, *object, b, value);
    return place ? place : "MeshConfig defaultTrafficPolicy";
}

static void trace_policy(struct selection *sel, struct cluster_origin *out,
    const struct effective_rule *rule, const struct cluster_name *name)
{
    struct effective_policy policy = effective_policy_of(rule, name->port, name->subset);
    effective_policy_fill(&policy, sel->snapshot->mesh);
    for (size_t i = 0; i < ARRAY_COUNT(blocks); i++) {
        const void *value = pointer_at(&policy, blocks[i].effective);
        struct policy_origin origin = { blocks[i].name,
            place_of(sel->a, rule, &blocks[i], name, value) };
        list_push(sel->a, &out->policy, origin);
    }
}

static const char *missing_of(struct arena *a, const struct selected_service *to,
    const struct service_port *port, const struct cluster_name *name)
{
    if (!to)
        return arena_printf(a, "no service that the proxy sees has the host %s", name->host);
    if (!port)
        return arena_printf(a, "the service has no port %u", name->port);
    if (name->subset && !effective_rule_subset(to->rule, name->subset))
        return arena_printf(a, "no DestinationRule in force has a subset %s", name->subset);
    return NULL;
}

/* ---- endpoints ---- */

static const char *endpoint_text(
    struct arena *a, const struct endpoint *e, const struct service_port *port)
{
    if (begins_with(e->address, "unix://"))
        return e->address + strlen("unix://");
    bool is_v6 = strchr(e->address, ':');
    return arena_printf(a, is_v6 ? "[%s]:%u" : "%s:%u", e->address, endpoint_port(e, port));
}

static const char *owner_of(struct arena *a, const struct service *service,
    const struct service_port *port, const char *address)
{
    for (list_each (const struct endpoint, e, &service->endpoints))
        if (strcmp(endpoint_text(a, e, port), address) == 0)
            return origin_title(a, e->object);
    return "";
}

struct cluster_origin origin_of_cluster(struct selection *sel, const struct walk_cluster *cluster)
{
    struct cluster_origin out = { 0 };
    struct cluster_name name;
    bool is_named = parse_name(sel->a, cluster->name, &name);
    const struct selected_service *to = is_named ? origin_find_service(sel, name.host) : NULL;
    const struct service_port *port = to ? service_port_find(to->service, name.port) : NULL;
    if (is_named)
        out.missing = missing_of(sel->a, to, port, &name);
    if (to)
        out.service = origin_of_service(sel->a, to->service);
    if (to && !out.missing)
        trace_policy(sel, &out, to->rule, &name);
    for (list_each (const struct walk_endpoint, e, &cluster->endpoints))
        list_push(
            sel->a, &out.endpoints, port ? owner_of(sel->a, to->service, port, e->address) : "");
    return out;
}
