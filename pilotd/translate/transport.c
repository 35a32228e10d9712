#include "translate/transport.h"

#include <string.h>

/* Where Debian, Ubuntu, Alpine and Arch keep the system's authorities. Envoy has no notion of
 * "the system's". */
#define SYSTEM_AUTHORITIES "/etc/ssl/certs/ca-certificates.crt"

static pb_DataSource *file(struct arena *a, const char *path)
{
    return path ? pb_new_DataSource(a, pb_DataSource_filename(pb_str(path))) : NULL;
}

static bool skips_verification(const struct client_tls *tls)
{
    return tls->insecure_skip_verify.value;
}

/* What the names must be, whoever says it. */
static pb_CertificateValidationContext *names_build(
    struct arena *a, const struct client_tls *tls, const string_list *names)
{
    if (skips_verification(tls))
        return pb_new_CertificateValidationContext(a);
    pb_SubjectAltNameMatcher **matchers = ARENA_ARRAY(a, pb_SubjectAltNameMatcher *, names->count);
    for (size_t i = 0; i < names->count; i++)
        matchers[i] = name_matcher_build(a, names->items[i]);
    return pb_new_CertificateValidationContext(
        a, PB_LIST(match_typed_subject_alt_names, names->count, matchers));
}

/* ---- TLS that a rule asks for: towards servers that are not of the mesh ---- */

static void set_validation(pb_CommonTlsContext *common, pb_CertificateValidationContext *peer)
{
    pb_CommonTlsContext with = { pb_CommonTlsContext_validation_context(peer) };
    common->validation_context_type_case = with.validation_context_type_case;
    common->validation_context = with.validation_context;
}

/* NULL: whoever it is, for the mesh does not want servers verified unless a rule says by what. A
 * rule that says which names or which revocations count does want it. */
static const char *authorities_of(const struct transport *t)
{
    const struct client_tls *tls = t->tls;
    struct opt_bool verifies = t->mesh->verify_certificate_at_client;
    if (skips_verification(tls))
        return NULL;
    if (tls->ca_certificates)
        return tls->ca_certificates;
    bool is_wanted =
        !verifies.is_set || verifies.value || tls->subject_alt_names.count > 0 || tls->ca_crl;
    return is_wanted ? SYSTEM_AUTHORITIES : NULL;
}

static void set_files(struct arena *a, const struct transport *t, pb_CommonTlsContext *common)
{
    const struct client_tls *tls = t->tls;
    const char *authorities = authorities_of(t);
    pb_CertificateValidationContext *peer =
        authorities ? names_build(a, tls, t->names) : pb_new_CertificateValidationContext(a);
    peer->trusted_ca = file(a, authorities);
    peer->crl = file(a, authorities ? tls->ca_crl : NULL);
    set_validation(common, peer);
    if (tls->mode != TLS_MUTUAL)
        return;
    pb_TlsCertificate **own = ARENA_ARRAY(a, pb_TlsCertificate *, 1);
    own[0] = pb_new_TlsCertificate(a,
        .certificate_chain = file(a, tls->client_certificate),
        .private_key = file(a, tls->private_key));
    common->n_tls_certificates = 1;
    common->tls_certificates = own;
}

/* A secret of that name has the certificate; its authorities have the name with -cacert. */
static void set_secrets(struct arena *a, const struct transport *t, pb_CommonTlsContext *common)
{
    const struct client_tls *tls = t->tls;
    const char *name = tls->credential_name;
    if (tls->mode == TLS_MUTUAL) {
        pb_SdsSecretConfig **own = ARENA_ARRAY(a, pb_SdsSecretConfig *, 1);
        own[0] = secret_build(a, name, t->secrets);
        common->n_tls_certificate_sds_secret_configs = 1;
        common->tls_certificate_sds_secret_configs = own;
    }
    pb_CertificateValidationContext *peer = names_build(a, tls, t->names);
    if (skips_verification(tls)) {
        set_validation(common, peer);
        return;
    }
    pb_CommonTlsContext with = { pb_CommonTlsContext_combined_validation_context(
        pb_new_CommonTlsContext_CombinedCertificateValidationContext(a,
            .default_validation_context = peer,
            .validation_context_sds_secret_config =
                secret_build(a, arena_printf(a, "%s-cacert", name), t->secrets))) };
    common->validation_context_type_case = with.validation_context_type_case;
    common->combined_validation_context = with.combined_validation_context;
}

static pb_TlsParameters *params_of(struct arena *a, const struct tls_config *defaults)
{
    static const struct tls_config none = { 0 };
    const struct tls_config *config = defaults ? defaults : &none;
    return pb_new_TlsParameters(a,
        .tls_minimum_protocol_version = PB_TlsParameters_TlsProtocol_TLSv1_2,
        .tls_maximum_protocol_version = PB_TlsParameters_TlsProtocol_TLSv1_3,
        PB_LIST(cipher_suites, config->cipher_suites.count, pb_strs(&config->cipher_suites)),
        PB_LIST(ecdh_curves, config->ecdh_curves.count, pb_strs(&config->ecdh_curves)));
}

static pb_TransportSocket *own_tls(struct arena *a, const struct transport *t)
{
    string_list alpn = { 0 };
    if (t->is_http2)
        list_push(a, &alpn, "h2");
    pb_CommonTlsContext *common = pb_new_CommonTlsContext(a,
        .tls_params = params_of(a, t->mesh->tls_defaults),
        PB_LIST(alpn_protocols, alpn.count, pb_strs(&alpn)));
    if (t->tls->credential_name)
        set_secrets(a, t, common);
    else
        set_files(a, t, common);
    pb_UpstreamTlsContext *context =
        pb_new_UpstreamTlsContext(a, .sni = pb_str(t->tls->sni), .common_tls_context = common);
    return pb_new_TransportSocket(a,
        .name = pb_str("envoy.transport_sockets.tls"),
        pb_TransportSocket_typed_config(pb_any(a, &context->base)));
}

/* ---- TLS of the mesh ---- */

static pb_TransportSocket *mesh_tls(struct arena *a, const struct transport *t)
{
    const char *sni = t->tls && t->tls->sni && *t->tls->sni ? t->tls->sni : t->mesh_sni;
    return mesh_client_build(a, t->secrets, t->names, sni, t->is_http2);
}

static pb_TransportSocket *raw_buffer(struct arena *a)
{
    return pb_new_TransportSocket(a,
        .name = pb_str("envoy.transport_sockets.raw_buffer"),
        pb_TransportSocket_typed_config(pb_any(a, &pb_new_RawBuffer(a)->base)));
}

/* ---- what goes before it ---- */

static pb_TransportSocket *introduced(
    struct arena *a, const struct transport *t, pb_TransportSocket *inner)
{
    if (!t->proxy_protocol)
        return inner;
    unsigned version = t->proxy_protocol->version == PROXY_PROTOCOL_V2
                           ? PB_ProxyProtocolConfig_Version_V2
                           : PB_ProxyProtocolConfig_Version_V1;
    pb_ProxyProtocolUpstreamTransport *settings = pb_new_ProxyProtocolUpstreamTransport(a,
        .config = pb_new_ProxyProtocolConfig(a, .version = version),
        .transport_socket = inner ? inner : raw_buffer(a));
    return pb_new_TransportSocket(a,
        .name = pb_str("envoy.transport_sockets.upstream_proxy_protocol"),
        pb_TransportSocket_typed_config(pb_any(a, &settings->base)));
}

pb_TransportSocket *transport_build(struct arena *a, const struct transport *t)
{
    if (t->auto_mtls == AUTO_MTLS_BY_ENDPOINT)
        return NULL;
    pb_TransportSocket *inner = NULL;
    if (t->auto_mtls == AUTO_MTLS_ALWAYS || (t->tls && t->tls->mode == TLS_ISTIO_MUTUAL))
        inner = mesh_tls(a, t);
    else if (t->tls && t->tls->mode != TLS_DISABLE)
        inner = own_tls(a, t);
    return introduced(a, t, inner);
}

/* ---- by endpoint ---- */

#define TLS_MODE "tlsMode"

static pb_Struct *tls_mode_istio(struct arena *a)
{
    pb_Value *value = pb_new_Value(a, pb_Value_string_value(pb_str("istio")));
    return pb_new_Struct(a,
        PB_ONE(a,
            fields,
            Struct_FieldsEntry,
            pb_new_Struct_FieldsEntry(a, .key = pb_str(TLS_MODE), .value = value)));
}

pb_Metadata *transport_endpoint_metadata(struct arena *a)
{
    return pb_new_Metadata(a,
        PB_ONE(a,
            filter_metadata,
            Metadata_FilterMetadataEntry,
            pb_new_Metadata_FilterMetadataEntry(
                a, .key = pb_str("envoy.transport_socket_match"), .value = tls_mode_istio(a))));
}

transport_match_list transport_matches_build(struct arena *a, const struct transport *t)
{
    transport_match_list matches = { 0 };
    if (t->auto_mtls != AUTO_MTLS_BY_ENDPOINT)
        return matches;
    list_push(a,
        &matches,
        pb_new_Cluster_TransportSocketMatch(a,
            .name = pb_str(TLS_MODE "-istio"),
            .match = tls_mode_istio(a),
            .transport_socket = introduced(a, t, mesh_tls(a, t))));
    list_push(a,
        &matches,
        pb_new_Cluster_TransportSocketMatch(a,
            .name = pb_str(TLS_MODE "-disabled"),
            .match = pb_new_Struct(a),
            .transport_socket = introduced(a, t, raw_buffer(a))));
    return matches;
}
