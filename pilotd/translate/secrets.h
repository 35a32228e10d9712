/*
 * secrets: a proxy's identity in the mesh, as TLS on both sides of a connection between proxies.
 *
 * The certificate and its authorities come by SDS, under Istio's names "default" and "ROOTCA": from
 * the agent beside the proxy (cluster "sds-grpc" of its bootstrap) when the proxy says that it has
 * an identity, else from where its other configuration comes from.
 */
#ifndef TRANSLATE_SECRETS_H
#define TRANSLATE_SECRETS_H

#include "mesh/scope.h"
#include "model/mesh_config.h"
#include "proto/pb.h"

enum secret_source { SECRETS_FROM_CONTROL_PLANE, SECRETS_FROM_AGENT };
enum secret_source secret_source_of(const struct scope *scope);

pb_SdsSecretConfig *secret_build(struct arena *a, const char *name, enum secret_source source);

/* That name and no other: an identity (URI), an address, or a DNS name. */
pb_SubjectAltNameMatcher *name_matcher_build(struct arena *a, const char *name);

/* Of a client: with its own certificate, towards servers with one of the names. `sni` may be "". */
pb_TransportSocket *mesh_client_build(struct arena *a, enum secret_source source,
    const string_list *names, const char *sni, bool is_http2);

/* Of a server: from clients of the mesh alone. */
pb_TransportSocket *mesh_server_build(
    struct arena *a, enum secret_source source, const struct mesh_config *mesh, bool is_http);

/* spiffe://TRUST/ns/NAMESPACE/sa/ACCOUNT, and the same under the aliases of the mesh's trust
 * domain, behind what is in the list already; each once. */
void push_identity(struct arena *a, string_list *names, const struct mesh_config *mesh,
    const char *ns, const char *service_account);

#endif
