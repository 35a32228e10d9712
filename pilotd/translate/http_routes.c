#include "translate/http_routes.h"

#include "translate/http_match.h"
#include "translate/route_action.h"
#include "translate/route_answer.h"
#include "translate/route_filters.h"
#include "translate/route_headers.h"

struct context {
    uint32_t port;
    const struct http_retry *default_retry;
};

/* Istio's: ROUTE, or ROUTE.MATCH. */
static const char *route_name(struct arena *a, const struct planned_route *planned)
{
    if (!planned->route)
        return "default";
    const char *route = planned->route->name ? planned->route->name : "";
    const char *match = planned->match ? planned->match->name : NULL;
    return match && *match ? arena_printf(a, "%s.%s", route, match) : route;
}

/* What the route says, then what its only destination does; with several, each has its own. A
 * rewritten authority stands above both. */
static struct route_headers route_headers(struct arena *a, const struct http_route *route)
{
    struct route_headers headers = { 0 };
    if (!route)
        return headers;
    if (route->rewrite)
        headers.authority = route->rewrite->authority;
    route_headers_add(a, &headers, route->headers);
    if (route->route.count == 1)
        route_headers_add(a, &headers, route->route.items[0].headers);
    return headers;
}

static pb_Route *answer(struct arena *a, const struct planned_route *planned,
    const struct context *c, const struct route_headers *headers)
{
    const struct http_route *route = planned->route;
    if (route && route->redirect)
        return pb_new_Route(a,
            pb_Route_redirect(redirect_build(a, route->redirect, c->port)),
            ROUTE_HEADERS(headers));
    if (route && route->direct_response)
        return pb_new_Route(a,
            pb_Route_direct_response(direct_response_build(a, route->direct_response)),
            ROUTE_HEADERS(headers));
    return pb_new_Route(a,
        pb_Route_route(route_action_build(a, planned, headers->authority, c->default_retry)),
        ROUTE_HEADERS(headers));
}

static pb_Route *build(
    struct arena *a, const struct planned_route *planned, const struct context *c)
{
    struct route_headers headers = route_headers(a, planned->route);
    pb_Route *out = answer(a, planned, c, &headers);
    out->name = pb_str(route_name(a, planned));
    out->match = http_match_build(a, planned->match);
    out->stat_prefix = pb_str(planned->match ? planned->match->stat_prefix : NULL);
    if (planned->route) {
        route_filter_list filters = route_filters_build(a, planned->route);
        out->n_typed_per_filter_config = filters.count;
        out->typed_per_filter_config = filters.items;
    }
    return out;
}

route_list http_routes_build(struct arena *a, const struct route_plan *plan, uint32_t port,
    const struct http_retry *default_retry)
{
    struct context c = { port, default_retry };
    route_list routes = { 0 };
    for (list_each (const struct planned_route, planned, &plan->routes))
        list_push(a, &routes, build(a, planned, &c));
    return routes;
}
