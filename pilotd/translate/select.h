/*
 * select: walks the snapshot for one scope and renders what it selects.
 *
 * The outbound part is shared by all proxies with one outbound key; the inbound part is the proxy's
 * own. Each select_* function yields argument tuples and adds the rendered resources to the
 * selection; renderers see nothing but their tuple.
 */
#ifndef TRANSLATE_SELECT_H
#define TRANSLATE_SELECT_H

#include "mesh/policy.h"
#include "translate/memo.h"

struct selected_service {
    const struct service *service;
    const struct effective_rule *rule;
};

struct selection {
    struct arena *a;
    const struct snapshot *snapshot;
    const struct scope *scope;
    struct memo *memo;
    LIST(struct selected_service) services; /* visible to the scope, sorted by host */
    LIST(struct xds_resource *) out[XDS_TYPE_COUNT];
};

/* Takes over the reference. */
void selection_add(struct selection *sel, struct xds_resource *resource);

/* The mesh's settings as an argument: struct mesh_config. */
struct arg_ref mesh_ref(const struct snapshot *s);

void select_clusters(struct selection *sel); /* clusters.c: outbound, passthrough, blackhole */
void select_service_clusters(struct selection *sel);   /* of those outbound alone */
void select_endpoints(struct selection *sel);          /* endpoints.c */
void select_outbound_listeners(struct selection *sel); /* listeners.c: virtualOutbound, per port */
void select_routes(struct selection *sel); /* routes.c: a RouteConfiguration for each HTTP port */
void select_grpc(struct selection *sel);   /* grpc.c: instead of both, for gRPC's own client */
void select_inbound(
    struct selection *sel); /* inbound.c: clusters and listeners of the proxy itself */

#endif
