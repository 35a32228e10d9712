/*
 * route_action: to which clusters a route sends its requests, and how.
 */
#ifndef TRANSLATE_ROUTE_ACTION_H
#define TRANSLATE_ROUTE_ACTION_H

#include "translate/route_plan.h"

/* `authority`: what Host becomes, or NULL. `default_retry`: for a route that says nothing of
 * retries; NULL: the built-in policy. */
pb_RouteAction *route_action_build(struct arena *a, const struct planned_route *planned,
    const char *authority, const struct http_retry *default_retry);

#endif
