/* Which route of a virtual host takes a request: the first that matches. */
#include "translate/walk_parts.h"

const pb_Route *walk_find_route(struct walking *w, const pb_VirtualHost *host)
{
    for (size_t i = 0; i < host->n_routes; i++) {
        const pb_Route *route = host->routes[i];
        struct walk_try tried = { route->name, walk_mismatch(w, route->match) };
        list_push(w->a, &w->walk->routes, tried);
        if (tried.reason)
            continue;
        w->walk->route = route->name;
        return route;
    }
    walk_stop(w, WALK_NO_ROUTE, NULL);
    return NULL;
}
