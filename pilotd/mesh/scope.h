/*
 * scope: what a proxy is, as far as its configuration depends on it.
 *
 * Parsed from the Node a proxy sends: the id (sidecar~IP~NAME.NAMESPACE~DOMAIN) and the metadata
 * (NAMESPACE, LABELS, CLUSTER_ID, INTERCEPTION_MODE, GENERATOR, VHDS, REDIRECT_IPV6, …). Two
 * proxies with equal scope keys get the same view. The outbound key leaves out what only inbound
 * listeners depend on, so that proxies of one namespace, labels and locality share one outbound
 * view.
 */
#ifndef MESH_SCOPE_H
#define MESH_SCOPE_H

#include "base/error.h"
#include "mesh/service.h"

enum proxy_type { PROXY_SIDECAR, PROXY_ROUTER };
enum interception { INTERCEPTION_REDIRECT, INTERCEPTION_TPROXY, INTERCEPTION_NONE };

struct scope {
    enum proxy_type type;
    const char *id;          /* the workload's NAME.NAMESPACE; not part of any key */
    const char *ns, *domain; /* namespace; DNS domain, "cluster.local" */
    string_list addresses;   /* of the proxy; INSTANCE_IPS or the id's IP */
    label_list labels;       /* and those of its place (topology.h) */
    struct locality locality;
    enum interception interception;
    const char *cluster_id, *network; /* may be "" */
    const char *service_account;      /* its identity in the mesh, for which an agent beside it has
                                         the certificate; "": it has none */
    bool is_grpc;        /* no Envoy but gRPC's own xDS client in an application (GENERATOR grpc) */
    bool redirects_ipv6; /* what is redirected comes by both IP versions (REDIRECT_IPV6) */
    bool splits_tables;  /* it is sent its route tables by virtual host (VHDS) */
    bool takes_auto_addresses; /* names are resolved to virtual addresses beside it
                                  (DNS_AUTO_ALLOCATE) */
    const char *bind_address;  /* outbound listeners of interception NONE: 127.0.0.1, or the proxy's
                                  own address when that is a loopback one */
    const char *outbound_key, *key; /* canonical text; key = outbound_key + the inbound part */
};

/* What a Node says, already taken out of its protobuf: metadata as a flat JSON object text. */
struct scope_input {
    const char *node_id;
    const char *metadata_json; /* "{}" when there is none */
    const char *region, *zone, *sub_zone;
    bool is_aggregated_delta; /* it asks for all types on one Delta stream, as VHDS needs */
};

/* In `a`. False (err: what in the id or metadata is wrong, and what would be right). */
bool scope_parse(
    struct arena *a, const struct scope_input *input, struct scope *out, struct error *err);

/* A deep copy whose life is `a`'s. */
struct scope *scope_dup(struct arena *a, const struct scope *s);

#endif
