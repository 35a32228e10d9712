#include "translate/route_plan.h"

#include "translate/http_match.h"
#include "translate/names.h"

#include <string.h>

/* ---- is a match this caller's? ---- */

static bool names_mesh(const string_list *gateways)
{
    for (list_each (const char *const, gateway, gateways))
        if (strcmp(*gateway, "mesh") == 0)
            return true;
    return false;
}

/* Gateways, when given, are asked alone: source labels and namespace then play no part. */
static bool match_applies(const struct http_match *match, const struct scope *scope, uint32_t port)
{
    if (match->port != 0 && match->port != port)
        return false;
    if (match->gateways.count > 0)
        return names_mesh(&match->gateways);
    return labels_match(&scope->labels, &match->source_labels) &&
           (!match->source_namespace || strcmp(match->source_namespace, scope->ns) == 0);
}

/* ---- where a destination leads ---- */

static int compare_host(const void *host, const void *item)
{
    return strcmp(host, ((const struct selected_service *)item)->service->host);
}

static const struct selected_service *find_service(const struct selection *sel, const char *host)
{
    if (sel->services.count == 0)
        return NULL;
    return bsearch(
        host, sel->services.items, sel->services.count, sizeof *sel->services.items, compare_host);
}

/* A port that is not given is the service's only one, else the listener's. */
static uint32_t destination_port(
    const struct destination *d, const struct selected_service *to, uint32_t port)
{
    if (d->port)
        return d->port->number;
    return to && to->service->ports.count == 1 ? to->service->ports.items[0].number : port;
}

static const struct consistent_hash *hash_of(
    const struct selected_service *to, uint32_t port, const char *subset)
{
    const struct load_balancer *lb = effective_policy_of(to->rule, port, subset).load_balancer;
    return lb ? lb->consistent_hash : NULL;
}

/* Hosts that no service has are kept: Envoy answers 503 for a cluster it does not know, and the
 * analysis tells the owner. */
struct planned_destination destination_resolve(struct selection *sel, const struct object *owner,
    const struct destination *d, uint32_t listener_port)
{
    const char *host = host_resolve(sel->a, d->host, owner->ns, sel->snapshot->domain);
    const struct selected_service *to = find_service(sel, host);
    uint32_t port = destination_port(d, to, listener_port);
    return (struct planned_destination){
        .cluster = name_outbound(sel->a, port, d->subset, host),
        .hash = to ? hash_of(to, port, d->subset) : NULL,
        .to = to,
        .port = port,
    };
}

static struct planned_route plan_route(
    struct selection *sel, const struct effective_route *effective, uint32_t port)
{
    const struct http_route *route = effective->route;
    const struct object *owner = effective->owner;
    struct planned_route planned = { .route = route };
    for (list_each (const struct http_route_destination, d, &route->route))
        list_push(
            sel->a, &planned.destinations, destination_resolve(sel, owner, d->destination, port));
    if (route->mirror)
        list_push(
            sel->a, &planned.mirrors, destination_resolve(sel, owner, route->mirror, port).cluster);
    for (list_each (const struct http_mirror, m, &route->mirrors))
        list_push(sel->a,
            &planned.mirrors,
            destination_resolve(sel, owner, m->destination, port).cluster);
    return planned;
}

/* ---- the digest ---- */

static void add_hash(struct hasher *h, const struct consistent_hash *hash)
{
    hasher_add_u32(h, hash != NULL);
    if (!hash)
        return;
    const struct http_cookie *cookie = hash->http_cookie;
    hasher_add_text(h, hash->http_header_name);
    hasher_add_text(h, hash->http_query_parameter_name);
    hasher_add_u32(h, hash->use_source_ip);
    hasher_add_u32(h, cookie != NULL);
    if (cookie) {
        hasher_add_text(h, cookie->name);
        hasher_add_text(h, cookie->path);
        hasher_add_u32(h, cookie->ttl.is_set);
        hasher_add(h, &cookie->ttl.ms, sizeof cookie->ttl.ms);
        for (list_each (const struct cookie_attribute, attribute, &cookie->attributes)) {
            hasher_add_text(h, attribute->name);
            hasher_add_text(h, attribute->value);
        }
    }
}

static void add_leads(struct hasher *h, const struct planned_route *planned)
{
    hasher_add_u32(h, (uint32_t)planned->destinations.count);
    for (list_each (const struct planned_destination, d, &planned->destinations)) {
        hasher_add_text(h, d->cluster);
        add_hash(h, d->hash);
    }
    hasher_add_u32(h, (uint32_t)planned->mirrors.count);
    for (list_each (const char *const, cluster, &planned->mirrors))
        hasher_add_text(h, *cluster);
}

/* ---- plans ---- */

/* A plan under construction: routes go into the list and the digest together, so that nothing can
 * be in one and not in the other. */
struct planning {
    struct selection *sel;
    uint32_t port;
    struct route_plan *plan;
    struct hasher *hasher;
};

static void push_route(
    struct planning *p, struct planned_route planned, size_t route_index, size_t match_index)
{
    list_push(p->sel->a, &p->plan->routes, planned);
    hasher_add_u32(p->hasher, (uint32_t)route_index);
    hasher_add_u32(p->hasher, (uint32_t)match_index);
    add_leads(p->hasher, &planned);
}

/* True when it takes everything, so that no later route can be reached. */
static bool push_matches(
    struct planning *p, const struct effective_route *effective, size_t route_index)
{
    const struct http_route *route = effective->route;
    struct planned_route planned = plan_route(p->sel, effective, p->port);
    if (route->match.count == 0) {
        push_route(p, planned, route_index, SIZE_MAX);
        return true;
    }
    for (size_t i = 0; i < route->match.count; i++) {
        planned.match = &route->match.items[i];
        if (!match_applies(planned.match, p->sel->scope, p->port))
            continue;
        push_route(p, planned, route_index, i);
        if (http_match_is_catch_all(planned.match))
            return true;
    }
    return false;
}

const struct route_plan *route_plan_build(
    struct selection *sel, const struct object *virtual_service, uint32_t port)
{
    const struct http_routes *routes =
        virtual_service_routes(sel->a, sel->snapshot, virtual_service);
    struct planning p = {
        .sel = sel,
        .port = port,
        .plan = ARENA_NEW(sel->a, struct route_plan),
        .hasher = hasher_new(),
    };
    hasher_add(p.hasher, routes->digest.bytes, HASH128_BYTES);
    for (size_t i = 0; i < routes->items.count; i++)
        if (push_matches(&p, &routes->items.items[i], i))
            break;
    p.plan->digest = hasher_finish(p.hasher);
    return p.plan->routes.count > 0 ? p.plan : NULL;
}

const struct route_plan *route_plan_build_default(
    struct selection *sel, const struct selected_service *service, uint32_t port)
{
    struct route_plan *plan = ARENA_NEW(sel->a, struct route_plan);
    struct planned_route planned = { 0 };
    list_push(sel->a,
        &planned.destinations,
        (struct planned_destination){
            .cluster = name_outbound(sel->a, port, NULL, service->service->host),
            .hash = hash_of(service, port, NULL),
        });
    list_push(sel->a, &plan->routes, planned);
    struct hasher *h = hasher_new();
    add_leads(h, &planned);
    plan->digest = hasher_finish(h);
    return plan;
}
