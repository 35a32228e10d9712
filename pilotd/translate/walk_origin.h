/*
 * walk_origin: whose rules a walk came by: the VirtualService and its rule behind each route, the
 * DestinationRule behind each setting of a cluster, the resource behind each endpoint.
 *
 * It asks the very functions that the translator asked (mesh/policy.h, route_plan.h,
 * listener_plan.h), so it cannot come to another answer. Results live in the arena.
 */
#ifndef TRANSLATE_WALK_ORIGIN_H
#define TRANSLATE_WALK_ORIGIN_H

#include "mesh/scope.h"
#include "mesh/snapshot.h"
#include "translate/walk.h"

/* A block of a traffic policy: "loadBalancer", "DestinationRule shop/reviews, subset v2". */
struct policy_origin {
    const char *block, *from;
};

struct cluster_origin {
    const char *service; /* what declares it: "ServiceEntry shop/db"; NULL: not of a service */
    const char *missing; /* what nothing defines, so that there is no such cluster; NULL: all is */
    LIST(struct policy_origin) policy;
    string_list endpoints; /* of each endpoint: "instance shop/reviews/r1", or "" */
};

struct walk_origin {
    const char *host;   /* of the virtual host's routes, or of the chain; NULL: nobody's */
    string_list routes; /* of each route that was tried: "VirtualService shop/reviews http[0]…" */
    LIST(struct cluster_origin) clusters; /* of each destination */
};

/* `walk`: through the view of that scope at that snapshot. */
const struct walk_origin *walk_origin_build(
    struct arena *a, const struct snapshot *s, const struct scope *scope, const struct walk *walk);

#endif
