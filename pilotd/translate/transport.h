/*
 * transport: how a cluster's connections are wrapped: plain, TLS as a DestinationRule's tls says,
 * or TLS of the mesh where both ends have an identity; all of it after a PROXY protocol header when
 * the rule asks for one.
 *
 * Files (certificates, keys, authorities) are on the proxy's own machine and read by Envoy.
 */
#ifndef TRANSLATE_TRANSPORT_H
#define TRANSLATE_TRANSPORT_H

#include "translate/secrets.h"

/* TLS of the mesh that no rule asks for (Istio's auto mTLS). */
enum auto_mtls {
    AUTO_MTLS_NEVER,
    AUTO_MTLS_BY_ENDPOINT, /* to those that say they can */
    AUTO_MTLS_ALWAYS,      /* Envoy picks endpoints that we do not tell it of: all can */
};

struct transport {
    const struct client_tls *tls;                /* may be NULL */
    const struct proxy_protocol *proxy_protocol; /* may be NULL */
    const struct mesh_config *mesh;
    enum auto_mtls auto_mtls;
    enum secret_source secrets;
    const string_list *names; /* that the server's certificate may say; empty: what the authority
                                 signed is enough */
    const char *mesh_sni;     /* by which gateways route TLS of the mesh */
    bool is_http2;
};

/* NULL for plain connections. */
pb_TransportSocket *transport_build(struct arena *a, const struct transport *t);

/* Which socket for which endpoint; empty unless AUTO_MTLS_BY_ENDPOINT. */
typedef LIST(pb_Cluster_TransportSocketMatch *) transport_match_list;
transport_match_list transport_matches_build(struct arena *a, const struct transport *t);

/* What an endpoint says of itself so that the first of these matches. */
pb_Metadata *transport_endpoint_metadata(struct arena *a);

#endif
