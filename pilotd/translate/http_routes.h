/*
 * http_routes: the routes of a plan, in its order.
 */
#ifndef TRANSLATE_HTTP_ROUTES_H
#define TRANSLATE_HTTP_ROUTES_H

#include "translate/route_plan.h"

typedef LIST(pb_Route *) route_list;

/* `port`: of the listener. `default_retry`: the mesh's, or NULL: the built-in one. */
route_list http_routes_build(struct arena *a, const struct route_plan *plan, uint32_t port,
    const struct http_retry *default_retry);

#endif
