#include "translate/walk_origin.h"

#include "translate/listener_plan.h"
#include "translate/names.h"
#include "translate/route_plan.h"
#include "translate/walk_origin_parts.h"

#include <string.h>

/* ---- names for people ---- */

const char *origin_title(struct arena *a, const struct object *object)
{
    const char *kind = kind_info(object->kind)->name;
    if (object->service)
        return arena_printf(a, "%s %s/%s/%s", kind, object->ns, object->service, object->name);
    return arena_printf(a, "%s %s/%s", kind, object->ns, object->name);
}

const char *origin_of_service(struct arena *a, const struct service *service)
{
    if (service->object)
        return origin_title(a, service->object);
    return arena_printf(a, "the instances of %s/%s", service->ns, service->name);
}

const struct selected_service *origin_find_service(const struct selection *sel, const char *host)
{
    for (list_each (const struct selected_service, selected, &sel->services))
        if (strcmp(selected->service->host, host) == 0)
            return selected;
    return NULL;
}

/* ---- rules of HTTP ---- */

/* The delegate's own route: a copy shares what the route does. */
static size_t leaf_index(const struct virtual_service *vs, const struct http_route *copy)
{
    size_t i = 0;
    while (i < vs->http.count && (vs->http.items[i].route.items != copy->route.items ||
                                     vs->http.items[i].redirect != copy->redirect ||
                                     vs->http.items[i].direct_response != copy->direct_response))
        i++;
    return i;
}

/* " http[1]", or " http[1] or http[3]" when the root names the delegate twice. */
static const char *root_rules(
    const struct selection *sel, const struct object *root, const struct object *delegate)
{
    const struct virtual_service *vs = root->spec;
    const char *text = "";
    for (size_t i = 0; i < vs->http.count; i++) {
        const struct delegate *name = vs->http.items[i].delegate;
        if (name && delegate_find(sel->snapshot, root, name) == delegate)
            text = arena_printf(sel->a, "%s%s http[%zu]", text, *text ? " or" : "", i);
    }
    return text;
}

/* ".match[1]"; "" when it has none, or one that was made of two. */
static const char *match_text(
    struct arena *a, const struct http_route *route, const struct http_match *match)
{
    if (!match || match < route->match.items || match >= route->match.items + route->match.count)
        return "";
    return arena_printf(a, ".match[%zu]", (size_t)(match - route->match.items));
}

static const char *rule_text(const struct selection *sel, const struct http_routes *routes,
    const struct planned_route *planned)
{
    struct arena *a = sel->a;
    const struct object *root = routes->root, *owner = root;
    for (list_each (const struct effective_route, effective, &routes->items))
        if (effective->route == planned->route)
            owner = effective->owner;
    const struct virtual_service *vs = owner->spec;
    if (owner != root) {
        size_t index = leaf_index(vs, planned->route);
        const struct http_route *leaf = &vs->http.items[index];
        return arena_printf(a,
            "%s%s → %s http[%zu]%s",
            origin_title(a, root),
            root_rules(sel, root, owner),
            origin_title(a, owner),
            index,
            match_text(a, leaf, planned->match));
    }
    return arena_printf(a,
        "%s http[%zu]%s",
        origin_title(a, owner),
        (size_t)(planned->route - vs->http.items),
        match_text(a, planned->route, planned->match));
}

static void trace_rules(struct selection *sel, struct walk_origin *out,
    const struct object *virtual_service, const struct route_plan *plan, size_t tried)
{
    const struct http_routes *routes =
        virtual_service_routes(sel->a, sel->snapshot, virtual_service);
    out->host = origin_title(sel->a, virtual_service);
    for (size_t i = 0; i < tried && i < plan->routes.count; i++)
        list_push(sel->a, &out->routes, rule_text(sel, routes, &plan->routes.items[i]));
}

static void trace_default(
    struct selection *sel, struct walk_origin *out, const char *host, const struct object *passed)
{
    const struct selected_service *selected = origin_find_service(sel, host);
    if (!selected)
        return;
    const char *declared = origin_of_service(sel->a, selected->service);
    out->host = passed ? arena_printf(sel->a,
                             "%s (%s has no rule for this caller)",
                             declared,
                             origin_title(sel->a, passed))
                       : declared;
    list_push(sel->a, &out->routes, "the service's default");
}

static const char *outbound_policy(const struct selection *sel)
{
    bool allows_any = sel->snapshot->mesh->outbound_traffic_policy->mode == ALLOW_ANY;
    return allows_any ? "MeshConfig outboundTrafficPolicy ALLOW_ANY"
                      : "MeshConfig outboundTrafficPolicy REGISTRY_ONLY";
}

/* Virtual hosts of services are named HOST:PORT; those that are not were made from MeshConfig, or
 * for the workload itself. */
static void trace_host(struct selection *sel, struct walk_origin *out, const struct walk *walk)
{
    const char *colon = strrchr(walk->host, ':');
    if (begins_with(walk->host, "inbound|")) {
        out->host = "the workload's own port";
        return;
    }
    if (!colon) {
        out->host = outbound_policy(sel);
        return;
    }
    const char *host = arena_strndup(sel->a, walk->host, (size_t)(colon - walk->host));
    uint32_t port = (uint32_t)strtoul(colon + 1, NULL, 10);
    const struct object *rule = virtual_service_find(sel->snapshot, sel->scope, host);
    const struct route_plan *plan = rule ? route_plan_build(sel, rule, port) : NULL;
    if (plan)
        trace_rules(sel, out, rule, plan, walk->routes.count);
    else
        trace_default(sel, out, host, rule);
}

/* ---- rules of connections ---- */

static bool takes_the_rest(const struct planned_chain *chain)
{
    return chain->server_names.count == 0 && chain->ranges.count == 0;
}

/* The chain for HTTP goes first, the one that takes the rest is the default or alone. */
static const struct planned_chain *find_chain(
    const struct planned_listener *listener, const struct walk *walk)
{
    const struct planned_chain *rest = NULL;
    size_t index = listener->route_name ? 1 : 0;
    for (list_each (const struct planned_chain, chain, &listener->chains)) {
        if (takes_the_rest(chain))
            rest = chain;
        else if (index++ == walk->chain_index)
            return chain;
    }
    return walk->chain_index == SIZE_MAX || (index == 0 && walk->chain_index == 0) ? rest : NULL;
}

static const char *l4_rule_text(struct arena *a, const struct planned_chain *chain)
{
    const struct virtual_service *vs = chain->rule->spec;
    const struct l4_route *tls = vs->tls.items, *tcp = vs->tcp.items;
    bool is_tls = tls && chain->route >= tls && chain->route < tls + vs->tls.count;
    return arena_printf(a,
        "%s %s[%zu]",
        origin_title(a, chain->rule),
        is_tls ? "tls" : "tcp",
        (size_t)(chain->route - (is_tls ? tls : tcp)));
}

static void trace_connection(
    struct selection *sel, struct walk_origin *out, const struct walk *walk)
{
    listener_plan plan = listener_plan_build(sel);
    const struct planned_chain *chain = NULL;
    bool is_planned = false;
    for (list_each (const struct planned_listener, listener, &plan)) {
        const char *name = name_listener(sel->a, listener->bind, listener->port);
        if (strcmp(name, walk->listener) != 0)
            continue;
        is_planned = true;
        chain = find_chain(listener, walk);
    }
    if (chain && chain->rule)
        out->host = l4_rule_text(sel->a, chain);
    else if (chain && chain->shares.items[0].to.to)
        out->host = origin_of_service(sel->a, chain->shares.items[0].to.to->service);
    else if (is_planned || strcmp(walk->listener, NAME_VIRTUAL_OUTBOUND) == 0)
        out->host = outbound_policy(sel);
}

/* ---- both ---- */

/* What the translator selects from. */
static void select_services(struct selection *sel)
{
    service_list visible = visible_services(sel->a, sel->snapshot, sel->scope);
    for (list_each (const struct service *const, service, &visible)) {
        struct selected_service selected = { .service = *service,
            .rule = effective_rule_find(sel->a, sel->snapshot, sel->scope, *service) };
        list_push(sel->a, &sel->services, selected);
    }
}

const struct walk_origin *walk_origin_build(
    struct arena *a, const struct snapshot *s, const struct scope *scope, const struct walk *walk)
{
    struct walk_origin *out = ARENA_NEW(a, struct walk_origin);
    struct selection sel = { .a = a, .snapshot = s, .scope = scope };
    select_services(&sel);
    if (walk->host)
        trace_host(&sel, out, walk);
    else if (walk->destinations.count > 0)
        trace_connection(&sel, out, walk);
    for (list_each (const struct walk_destination, d, &walk->destinations))
        list_push(a, &out->clusters, origin_of_cluster(&sel, &d->cluster));
    return out;
}
