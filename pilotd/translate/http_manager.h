/*
 * http_manager: the HTTP connection manager of a filter chain, outbound or inbound.
 *
 * Its settings are Istio's: no idle timeout of streams, normalised paths, WebSocket upgrades,
 * `server: istio-envoy` inbound; the filters fault, cors and router (grpc_web before them where the
 * port speaks it).
 */
#ifndef TRANSLATE_HTTP_MANAGER_H
#define TRANSLATE_HTTP_MANAGER_H

#include "translate/access_log.h"

struct http_manager {
    bool is_inbound;
    const char *stat_prefix;             /* without the ';' that Istio ends it with */
    const char *route_name;              /* a route table over ADS; or else */
    const pb_RouteConfiguration *routes; /* the table itself */
    bool has_grpc_web;
    bool has_dynamic_dns; /* hosts are resolved when they are asked for, in dns_family */
    unsigned dns_family;
    enum normalization normalization; /* of paths, before they are matched */
    struct access_log access_log;
};

enum normalization normalization_of(const struct mesh_config *mesh);

pb_Filter *http_manager_build(struct arena *a, const struct http_manager *m);

/* What gRPC's own xDS client takes of one: the routes over ADS, fault and router. */
pb_HttpConnectionManager *http_manager_build_grpc(struct arena *a, const char *route_name);

#endif
