/*
 * route_plan: a VirtualService as one kind of caller has it on one port.
 *
 * What is decided here never reaches Envoy's configuration: which matches are this caller's (by
 * port, gateways, source labels and namespace), where destinations lead (host, port and subset
 * become a cluster), and whether a hash picks the host there. Callers for whom all this comes out
 * alike share one plan's digest, and with it one rendered virtual host, whatever their labels are.
 */
#ifndef TRANSLATE_ROUTE_PLAN_H
#define TRANSLATE_ROUTE_PLAN_H

#include "model/virtual_service.h"
#include "translate/select.h"

struct planned_destination {
    const char *cluster;
    const struct consistent_hash *hash; /* NULL: no hash */
    const struct selected_service *to;  /* NULL: no service has the host */
    uint32_t port;
};
/* `owner` is the VirtualService that says so: short names are of its namespace. */
struct planned_destination destination_resolve(struct selection *sel, const struct object *owner,
    const struct destination *d, uint32_t listener_port);

/* One entry of `match` of one route; entries that are not this caller's are left out. */
struct planned_route {
    const struct http_route *route; /* NULL: the default route of a service, to destinations[0] */
    const struct http_match *match; /* NULL: everything */
    LIST(struct planned_destination) destinations; /* one for each of route->route */
    string_list mirrors; /* clusters: of route->mirror, if any, then of each of route->mirrors */
};

struct route_plan {
    LIST(struct planned_route) routes; /* up to the first that takes everything */
    struct hash128 digest;             /* of all that the routes are made from */
};

/* NULL when no route is for this caller: then the VirtualService is as if absent. */
const struct route_plan *route_plan_build(
    struct selection *sel, const struct object *virtual_service, uint32_t port);

/* For a service without VirtualService: everything goes to it. */
const struct route_plan *route_plan_build_default(
    struct selection *sel, const struct selected_service *service, uint32_t port);

#endif
