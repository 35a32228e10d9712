#include "translate/transport.h"

#include "model/format.h"

#include <string.h>

/* Where Debian, Ubuntu, Alpine and Arch keep the system's authorities. Envoy has no notion of
 * "the system's". */
#define SYSTEM_AUTHORITIES "/etc/ssl/certs/ca-certificates.crt"

static pb_SubjectAltNameMatcher *name_matcher(struct arena *a, const char *name)
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

static pb_CertificateValidationContext *validation_build(
    struct arena *a, const struct client_tls *tls, const string_list *names)
{
    if (tls->insecure_skip_verify.value)
        return pb_new_CertificateValidationContext(a);
    pb_SubjectAltNameMatcher **matchers = ARENA_ARRAY(a, pb_SubjectAltNameMatcher *, names->count);
    for (size_t i = 0; i < names->count; i++)
        matchers[i] = name_matcher(a, names->items[i]);
    const char *file =
        tls->ca_certificates && *tls->ca_certificates ? tls->ca_certificates : SYSTEM_AUTHORITIES;
    return pb_new_CertificateValidationContext(a,
        .trusted_ca = pb_new_DataSource(a, pb_DataSource_filename(pb_str(file))),
        PB_LIST(match_typed_subject_alt_names, names->count, matchers));
}

pb_TransportSocket *transport_build(
    struct arena *a, const struct client_tls *tls, const string_list *names, bool is_http2)
{
    if (!tls || tls->mode != TLS_SIMPLE)
        return NULL;
    string_list alpn = { 0 };
    if (is_http2)
        list_push(a, &alpn, "h2");
    pb_UpstreamTlsContext *context = pb_new_UpstreamTlsContext(a,
        .sni = pb_str(tls->sni),
        .common_tls_context = pb_new_CommonTlsContext(a,
            .tls_params = pb_new_TlsParameters(a,
                .tls_minimum_protocol_version = PB_TlsParameters_TlsProtocol_TLSv1_2,
                .tls_maximum_protocol_version = PB_TlsParameters_TlsProtocol_TLSv1_3),
            pb_CommonTlsContext_validation_context(validation_build(a, tls, names)),
            PB_LIST(alpn_protocols, alpn.count, pb_strs(&alpn))));
    return pb_new_TransportSocket(a,
        .name = pb_str("envoy.transport_sockets.tls"),
        pb_TransportSocket_typed_config(pb_any(a, &context->base)));
}
