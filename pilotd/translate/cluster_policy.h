/*
 * cluster_policy: the blocks of a DestinationRule's traffic policy, each as the part of a Cluster
 * that it becomes. What a block does not say is Istio's default, not Envoy's: no limits, least
 * request, no panic.
 */
#ifndef TRANSLATE_CLUSTER_POLICY_H
#define TRANSLATE_CLUSTER_POLICY_H

#include "mesh/policy.h"
#include "proto/pb.h"

/* How requests go out; Envoy's default is HTTP/1.1. */
enum upstream_http { UPSTREAM_DEFAULT, UPSTREAM_HTTP2, UPSTREAM_AS_DOWNSTREAM };
enum upstream_http upstream_http_of(enum protocol protocol, const struct connection_pool *pool);
/* The same with what the mesh and DestinationRules may ask of clients. */
enum upstream_http upstream_http_upgraded(enum upstream_http http, enum protocol protocol,
    const struct connection_pool *pool, const struct mesh_config *mesh);

/* What the rule leaves out of the policy is as the mesh says. */
void effective_policy_fill(struct effective_policy *policy, const struct mesh_config *mesh);

struct http_options {
    enum upstream_http http;
    const struct connection_pool *pool; /* may be NULL */
    const struct client_tls *tls;       /* may be NULL */
    int64_t idle_timeout_ms;            /* where the pool says nothing; 0: Envoy's */
};
typedef LIST(pb_Cluster_TypedExtensionProtocolOptionsEntry *) http_options_list;
/* At most one item: PB_LIST(typed_extension_protocol_options, list.count, list.items). */
http_options_list http_options_build(struct arena *a, const struct http_options *o);

pb_Duration *cluster_connect_timeout(
    struct arena *a, const struct mesh_config *mesh, const struct connection_pool *pool);
pb_CircuitBreakers *cluster_limits(struct arena *a, const struct effective_policy *policy);
pb_UpstreamConnectionOptions *cluster_keepalive(
    struct arena *a, const struct mesh_config *mesh, const struct connection_pool *pool);
pb_OutlierDetection *cluster_outlier_detection(
    struct arena *a, const struct outlier_detection *outlier);
pb_Cluster_CommonLbConfig *cluster_common_balance(
    struct arena *a, const struct mesh_config *mesh, const struct effective_policy *policy);

/* Sets lb_policy and its settings. */
void cluster_balance(struct arena *a, pb_Cluster *cluster, const struct load_balancer *lb);

#endif
