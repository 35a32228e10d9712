/* How a cluster's connections are wrapped: TLS, the PROXY protocol, by endpoint. */
#include "translate/walk_parts.h"

#include <string.h>

static const char *certificate_text(struct arena *a, const pb_CommonTlsContext *common)
{
    if (common->n_tls_certificate_sds_secret_configs)
        return arena_printf(
            a, ", as secret %s", common->tls_certificate_sds_secret_configs[0]->name);
    if (common->n_tls_certificates && common->tls_certificates[0]->certificate_chain)
        return arena_printf(a, ", as %s", common->tls_certificates[0]->certificate_chain->filename);
    return "";
}

static const char *tls_text(struct arena *a, const pb_UpstreamTlsContext *tls)
{
    static const pb_CommonTlsContext nothing =
        ENVOY__EXTENSIONS__TRANSPORT_SOCKETS__TLS__V3__COMMON_TLS_CONTEXT__INIT;
    const pb_CommonTlsContext *common =
        tls->common_tls_context ? tls->common_tls_context : &nothing;
    return arena_printf(a,
        "TLS%s%s%s%s%s",
        *tls->sni ? " to " : "",
        tls->sni,
        certificate_text(a, common),
        common->n_alpn_protocols ? ", ALPN " : "",
        text_join(a, common->alpn_protocols, common->n_alpn_protocols));
}

static const char *transport_text(const struct walking *w, const pb_TransportSocket *socket)
{
    if (!socket)
        return "plaintext";
    const pb_UpstreamTlsContext *tls =
        sent_any(w, socket->typed_config, &pb_UpstreamTlsContext_desc);
    if (tls)
        return tls_text(w->a, tls);
    const pb_ProxyProtocolUpstreamTransport *announced =
        sent_any(w, socket->typed_config, &pb_ProxyProtocolUpstreamTransport_desc);
    if (!announced)
        return "plaintext";
    return arena_printf(w->a,
        "PROXY protocol v%u, then %s",
        announced->config && announced->config->version == PB_ProxyProtocolConfig_Version_V2 ? 2u
                                                                                             : 1u,
        transport_text(w, announced->transport_socket));
}

void walk_note_transport(const struct walking *w, walk_fact_list *facts, const pb_Cluster *cluster)
{
    if (!cluster->n_transport_socket_matches)
        walk_note(w->a, facts, "transport", "%s", transport_text(w, cluster->transport_socket));
    for (size_t i = 0; i < cluster->n_transport_socket_matches; i++)
        walk_note(w->a,
            facts,
            "transport",
            "%s: %s",
            cluster->transport_socket_matches[i]->name,
            transport_text(w, cluster->transport_socket_matches[i]->transport_socket));
}

/* ---- by endpoint ---- */

static const pb_Value *find_field(const pb_Struct *s, const char *key)
{
    for (size_t i = 0; s && i < s->n_fields; i++)
        if (strcmp(s->fields[i]->key, key) == 0)
            return s->fields[i]->value;
    return NULL;
}

static bool is_text(const pb_Value *value, const char *text)
{
    return value && value->kind_case == GOOGLE__PROTOBUF__VALUE__KIND_STRING_VALUE &&
           strcmp(value->string_value, text) == 0;
}

static bool labels_cover(const pb_Struct *labels, const pb_Struct *wanted)
{
    for (size_t i = 0; wanted && i < wanted->n_fields; i++) {
        const pb_Value *value = wanted->fields[i]->value;
        if (value->kind_case != GOOGLE__PROTOBUF__VALUE__KIND_STRING_VALUE ||
            !is_text(find_field(labels, wanted->fields[i]->key), value->string_value))
            return false;
    }
    return true;
}

const char *walk_transport_match(const pb_Cluster *cluster, const pb_Metadata *metadata)
{
    const pb_Struct *labels = NULL;
    for (size_t i = 0; metadata && i < metadata->n_filter_metadata; i++)
        if (strcmp(metadata->filter_metadata[i]->key, "envoy.transport_socket_match") == 0)
            labels = metadata->filter_metadata[i]->value;
    for (size_t i = 0; i < cluster->n_transport_socket_matches; i++)
        if (labels_cover(labels, cluster->transport_socket_matches[i]->match))
            return cluster->transport_socket_matches[i]->name;
    return NULL;
}
