#include "translate/secrets.h"

#include "model/format.h"

#include <string.h>

#define AGENT_CLUSTER "sds-grpc"

enum secret_source secret_source_of(const struct scope *scope)
{
    return *scope->service_account ? SECRETS_FROM_AGENT : SECRETS_FROM_CONTROL_PLANE;
}

static pb_ConfigSource *agent(struct arena *a)
{
    pb_GrpcService *service = pb_new_GrpcService(a,
        pb_GrpcService_envoy_grpc(
            pb_new_GrpcService_EnvoyGrpc(a, .cluster_name = pb_str(AGENT_CLUSTER))));
    return pb_new_ConfigSource(a,
        pb_ConfigSource_api_config_source(pb_new_ApiConfigSource(a,
            .api_type = PB_ApiConfigSource_ApiType_GRPC,
            .transport_api_version = PB_ApiVersion_V3,
            .set_node_on_first_message_only = true,
            PB_ONE(a, grpc_services, GrpcService, service))),
        .initial_fetch_timeout = pb_millis(a, 0),
        .resource_api_version = PB_ApiVersion_V3);
}

/* Which has none to give yet: Envoy should not hold up all that comes with a cluster, for 15 s by
 * default, before it refuses the cluster's connections. */
static pb_ConfigSource *control_plane(struct arena *a)
{
    return pb_new_ConfigSource(a,
        pb_ConfigSource_ads(pb_new_AggregatedConfigSource(a)),
        .initial_fetch_timeout = pb_millis(a, 50),
        .resource_api_version = PB_ApiVersion_V3);
}

pb_SdsSecretConfig *secret_build(struct arena *a, const char *name, enum secret_source source)
{
    pb_ConfigSource *from = source == SECRETS_FROM_AGENT ? agent(a) : control_plane(a);
    return pb_new_SdsSecretConfig(a, .name = pb_str(name), .sds_config = from);
}

/* ---- the two sides ---- */

static pb_TransportSocket *wrap(struct arena *a, const ProtobufCMessage *context)
{
    return pb_new_TransportSocket(a,
        .name = pb_str("envoy.transport_sockets.tls"),
        pb_TransportSocket_typed_config(pb_any(a, context)));
}

static pb_CommonTlsContext *common_build(struct arena *a, enum secret_source source,
    pb_CertificateValidationContext *peer, pb_TlsParameters *params, const string_list *protocols)
{
    if (!params->tls_minimum_protocol_version)
        params->tls_minimum_protocol_version = PB_TlsParameters_TlsProtocol_TLSv1_2;
    params->tls_maximum_protocol_version = PB_TlsParameters_TlsProtocol_TLSv1_3;
    return pb_new_CommonTlsContext(a,
        .tls_params = params,
        PB_ONE(a,
            tls_certificate_sds_secret_configs,
            SdsSecretConfig,
            secret_build(a, "default", source)),
        pb_CommonTlsContext_combined_validation_context(
            pb_new_CommonTlsContext_CombinedCertificateValidationContext(a,
                .default_validation_context = peer,
                .validation_context_sds_secret_config = secret_build(a, "ROOTCA", source))),
        PB_LIST(alpn_protocols, protocols->count, pb_strs(protocols)));
}

pb_SubjectAltNameMatcher *name_matcher_build(struct arena *a, const char *name)
{
    unsigned type = PB_SubjectAltNameMatcher_SanType_DNS;
    if (strstr(name, "://"))
        type = PB_SubjectAltNameMatcher_SanType_URI;
    else if (format_is_ip(name))
        type = PB_SubjectAltNameMatcher_SanType_IP_ADDRESS;
    return pb_new_SubjectAltNameMatcher(a,
        .san_type = type,
        .matcher = pb_new_StringMatcher(a, pb_StringMatcher_exact(pb_str(name))));
}

typedef LIST(pb_SubjectAltNameMatcher *) matcher_list;

static void push_matcher(struct arena *a, matcher_list *matchers, pb_StringMatcher *matcher)
{
    list_push(a,
        matchers,
        pb_new_SubjectAltNameMatcher(
            a, .san_type = PB_SubjectAltNameMatcher_SanType_URI, .matcher = matcher));
}

static pb_CertificateValidationContext *peer_build(struct arena *a, const matcher_list *matchers)
{
    return pb_new_CertificateValidationContext(
        a, PB_LIST(match_typed_subject_alt_names, matchers->count, matchers->items));
}

/* By these protocols a server tells the mesh's own connections from TLS that merely passes. */
static string_list mesh_protocols(struct arena *a, bool is_http2)
{
    string_list protocols = { 0 };
    list_push(a, &protocols, "istio-peer-exchange");
    list_push(a, &protocols, "istio");
    if (is_http2)
        list_push(a, &protocols, "h2");
    return protocols;
}

pb_TransportSocket *mesh_client_build(struct arena *a, enum secret_source source,
    const string_list *names, const char *sni, bool is_http2)
{
    matcher_list matchers = { 0 };
    string_list protocols = mesh_protocols(a, is_http2);
    for (list_each (const char *const, name, names))
        list_push(a, &matchers, name_matcher_build(a, *name));
    pb_UpstreamTlsContext *context = pb_new_UpstreamTlsContext(a,
        .sni = pb_str(sni),
        .common_tls_context =
            common_build(a, source, peer_build(a, &matchers), pb_new_TlsParameters(a), &protocols));
    return wrap(a, &context->base);
}

/* Clients' protocols that the mesh does not need are left to Envoy's choice of the rest. */
static string_list served_protocols(struct arena *a, bool is_http)
{
    string_list protocols = { 0 };
    if (!is_http)
        list_push(a, &protocols, "istio-peer-exchange");
    list_push(a, &protocols, "h2");
    list_push(a, &protocols, "http/1.1");
    return protocols;
}

static string_list usual_ciphers(struct arena *a)
{
    static const char *const ciphers[] = {
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES128-GCM-SHA256",
        "AES256-GCM-SHA384",
        "AES128-GCM-SHA256",
    };
    string_list list = { 0 };
    for (size_t i = 0; i < ARRAY_COUNT(ciphers); i++)
        list_push(a, &list, ciphers[i]);
    return list;
}

static pb_TlsParameters *server_params(struct arena *a, const struct tls_config *config)
{
    static const struct tls_config none = { 0 };
    const struct tls_config *own = config ? config : &none;
    string_list ciphers = own->cipher_suites.count > 0 ? own->cipher_suites : usual_ciphers(a);
    return pb_new_TlsParameters(a,
        .tls_minimum_protocol_version = own->min_protocol_version == TLS_PROTOCOL_1_3
                                            ? PB_TlsParameters_TlsProtocol_TLSv1_3
                                            : PB_TlsParameters_TlsProtocol_TLSv1_2,
        PB_LIST(cipher_suites, ciphers.count, pb_strs(&ciphers)),
        PB_LIST(ecdh_curves, own->ecdh_curves.count, pb_strs(&own->ecdh_curves)));
}

pb_TransportSocket *mesh_server_build(
    struct arena *a, enum secret_source source, const struct mesh_config *mesh, bool is_http)
{
    matcher_list matchers = { 0 };
    string_list protocols = served_protocols(a, is_http), domains = { 0 };
    list_push(a, &domains, mesh->trust_domain);
    for (list_each (const char *const, alias, &mesh->trust_domain_aliases))
        list_push(a, &domains, *alias);
    for (list_each (const char *const, domain, &domains))
        push_matcher(a,
            &matchers,
            pb_new_StringMatcher(
                a, pb_StringMatcher_prefix(arena_printf(a, "spiffe://%s/", *domain))));
    pb_DownstreamTlsContext *context = pb_new_DownstreamTlsContext(a,
        .common_tls_context = common_build(
            a, source, peer_build(a, &matchers), server_params(a, mesh->mesh_mtls), &protocols),
        .require_client_certificate = pb_bool(a, true));
    return wrap(a, &context->base);
}

/* ---- names ---- */

static void push_once(struct arena *a, string_list *names, const char *name)
{
    for (list_each (const char *const, other, names))
        if (strcmp(*other, name) == 0)
            return;
    list_push(a, names, name);
}

void push_identity(struct arena *a, string_list *names, const struct mesh_config *mesh,
    const char *ns, const char *service_account)
{
    push_once(a,
        names,
        arena_printf(a, "spiffe://%s/ns/%s/sa/%s", mesh->trust_domain, ns, service_account));
    for (list_each (const char *const, alias, &mesh->trust_domain_aliases))
        push_once(
            a, names, arena_printf(a, "spiffe://%s/ns/%s/sa/%s", *alias, ns, service_account));
}
