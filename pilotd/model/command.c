#include "model/command.h"

#include "base/diag.h"
#include "model/text.h"

#include <string.h>

/*
 * Envoy's commands, by what may stand in parentheses behind their name. Those whose parameters only
 * Envoy itself can judge (CEL and its like) are left out.
 */
static const char *const plain[] = { "ACCESS_LOG_TYPE",
    "BYTES_RECEIVED",
    "BYTES_RETRANSMITTED",
    "BYTES_SENT",
    "CONNECTION_ID",
    "CONNECTION_TERMINATION_DETAILS",
    "CUSTOM_FLAGS",
    "DOWNSTREAM_CX_RTT",
    "DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED",
    "DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_SENT",
    "DOWNSTREAM_DETECTED_CLOSE_TYPE",
    "DOWNSTREAM_DIRECT_LOCAL_ADDRESS",
    "DOWNSTREAM_DIRECT_LOCAL_ADDRESS_ENDPOINT_ID",
    "DOWNSTREAM_DIRECT_LOCAL_ADDRESS_WITHOUT_PORT",
    "DOWNSTREAM_DIRECT_LOCAL_PORT",
    "DOWNSTREAM_DIRECT_REMOTE_ADDRESS",
    "DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT",
    "DOWNSTREAM_DIRECT_REMOTE_PORT",
    "DOWNSTREAM_HANDSHAKE_DURATION",
    "DOWNSTREAM_HEADER_BYTES_RECEIVED",
    "DOWNSTREAM_HEADER_BYTES_SENT",
    "DOWNSTREAM_LOCAL_ADDRESS",
    "DOWNSTREAM_LOCAL_ADDRESS_ENDPOINT_ID",
    "DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT",
    "DOWNSTREAM_LOCAL_CLOSE_REASON",
    "DOWNSTREAM_LOCAL_DNS_SAN",
    "DOWNSTREAM_LOCAL_EMAIL_SAN",
    "DOWNSTREAM_LOCAL_IP_SAN",
    "DOWNSTREAM_LOCAL_OTHERNAME_SAN",
    "DOWNSTREAM_LOCAL_PORT",
    "DOWNSTREAM_LOCAL_SUBJECT",
    "DOWNSTREAM_LOCAL_URI_SAN",
    "DOWNSTREAM_PEER_CERT",
    "DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_1",
    "DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_256",
    "DOWNSTREAM_PEER_CHAIN_SERIALS",
    "DOWNSTREAM_PEER_DNS_SAN",
    "DOWNSTREAM_PEER_EMAIL_SAN",
    "DOWNSTREAM_PEER_FINGERPRINT_1",
    "DOWNSTREAM_PEER_FINGERPRINT_256",
    "DOWNSTREAM_PEER_IP_SAN",
    "DOWNSTREAM_PEER_ISSUER",
    "DOWNSTREAM_PEER_ISSUER_FINGERPRINT_256",
    "DOWNSTREAM_PEER_ISSUER_SERIAL",
    "DOWNSTREAM_PEER_OTHERNAME_SAN",
    "DOWNSTREAM_PEER_SERIAL",
    "DOWNSTREAM_PEER_SUBJECT",
    "DOWNSTREAM_PEER_URI_SAN",
    "DOWNSTREAM_REMOTE_ADDRESS",
    "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT",
    "DOWNSTREAM_REMOTE_PORT",
    "DOWNSTREAM_TLS_CIPHER",
    "DOWNSTREAM_TLS_GROUP",
    "DOWNSTREAM_TLS_SESSION_ID",
    "DOWNSTREAM_TLS_VERSION",
    "DOWNSTREAM_TRANSPORT_FAILURE_REASON",
    "DOWNSTREAM_WIRE_BYTES_RECEIVED",
    "DOWNSTREAM_WIRE_BYTES_SENT",
    "DURATION",
    "FILTER_CHAIN_NAME",
    "GRPC_STATUS",
    "GRPC_STATUS_NUMBER",
    "HOSTNAME",
    "LOCAL_REPLY_BODY",
    "PACKETS_RETRANSMITTED",
    "PATH",
    "PROTOCOL",
    "QUERY_PARAMS",
    "REQUESTED_SERVER_NAME",
    "REQUEST_DURATION",
    "REQUEST_HEADERS_BYTES",
    "REQUEST_TX_DURATION",
    "RESPONSE_CODE",
    "RESPONSE_DURATION",
    "RESPONSE_FLAGS",
    "RESPONSE_FLAGS_LONG",
    "RESPONSE_HEADERS_BYTES",
    "RESPONSE_TRAILERS_BYTES",
    "RESPONSE_TX_DURATION",
    "ROUNDTRIP_DURATION",
    "ROUTE_NAME",
    "SPAN_ID",
    "STREAM_ID",
    "TLS_JA3_FINGERPRINT",
    "TLS_JA4_FINGERPRINT",
    "TRACE_ID",
    "UNIQUE_ID",
    "UPSTREAM_CLUSTER",
    "UPSTREAM_CLUSTER_RAW",
    "UPSTREAM_CONNECTION_ID",
    "UPSTREAM_CONNECTION_IDS_ATTEMPTED",
    "UPSTREAM_CONNECTION_POOL_READY_DURATION",
    "UPSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED",
    "UPSTREAM_DECOMPRESSED_HEADER_BYTES_SENT",
    "UPSTREAM_DETECTED_CLOSE_TYPE",
    "UPSTREAM_HEADER_BYTES_RECEIVED",
    "UPSTREAM_HEADER_BYTES_SENT",
    "UPSTREAM_HOST",
    "UPSTREAM_HOSTS_ATTEMPTED",
    "UPSTREAM_HOSTS_ATTEMPTED_WITHOUT_PORT",
    "UPSTREAM_HOST_NAME",
    "UPSTREAM_HOST_NAMES_ATTEMPTED",
    "UPSTREAM_HOST_NAMES_ATTEMPTED_WITHOUT_PORT",
    "UPSTREAM_HOST_NAME_WITHOUT_PORT",
    "UPSTREAM_LOCAL_ADDRESS",
    "UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT",
    "UPSTREAM_LOCAL_CLOSE_REASON",
    "UPSTREAM_LOCAL_DNS_SAN",
    "UPSTREAM_LOCAL_IP_SAN",
    "UPSTREAM_LOCAL_PORT",
    "UPSTREAM_LOCAL_URI_SAN",
    "UPSTREAM_PEER_CERT",
    "UPSTREAM_PEER_DNS_SAN",
    "UPSTREAM_PEER_IP_SAN",
    "UPSTREAM_PEER_ISSUER",
    "UPSTREAM_PEER_SUBJECT",
    "UPSTREAM_PEER_URI_SAN",
    "UPSTREAM_PROTOCOL",
    "UPSTREAM_REMOTE_ADDRESS",
    "UPSTREAM_REMOTE_ADDRESS_ENDPOINT_ID",
    "UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT",
    "UPSTREAM_REMOTE_PORT",
    "UPSTREAM_REQUEST_ATTEMPT_COUNT",
    "UPSTREAM_SERVER_NAME",
    "UPSTREAM_TLS_CIPHER",
    "UPSTREAM_TLS_GROUP",
    "UPSTREAM_TLS_SESSION_ID",
    "UPSTREAM_TLS_VERSION",
    "UPSTREAM_TRANSPORT_FAILURE_REASON",
    "UPSTREAM_WIRE_BYTES_RECEIVED",
    "UPSTREAM_WIRE_BYTES_SENT",
    "VIRTUAL_CLUSTER_NAME" };
static const char *const optional[] = { "DOWNSTREAM_PEER_CERT_V_END",
    "DOWNSTREAM_PEER_CERT_V_START",
    "EMIT_TIME",
    "EMIT_TIME_LOCAL",
    "RESPONSE_CODE_DETAILS",
    "START_TIME",
    "START_TIME_LOCAL",
    "UPSTREAM_PEER_CERT_V_END",
    "UPSTREAM_PEER_CERT_V_START" };
static const char *const needed[] = { "CLUSTER_METADATA", "UPSTREAM_METADATA" };
static const char *const needed_and_cut[] = { "DYNAMIC_METADATA", "ENVIRONMENT", "QUERY_PARAM" };
static const char *const header[] = {
    "REQ", "REQUEST_HEADER", "RESP", "RESPONSE_HEADER", "RESPONSE_TRAILER", "TRAILER"
};

static const struct group {
    const char *const *names;
    size_t count;
    bool may_have_parameters, must_have_parameters;
    bool names_headers;   /* the parameters are NAME or NAME?OTHER */
    bool may_have_length; /* ":10" after the parameters */
} groups[] = {
    { plain, ARRAY_COUNT(plain) },
    { optional, ARRAY_COUNT(optional), .may_have_parameters = true },
    { needed, ARRAY_COUNT(needed), true, true },
    { needed_and_cut, ARRAY_COUNT(needed_and_cut), true, true, .may_have_length = true },
    { header, ARRAY_COUNT(header), true, true, .names_headers = true, .may_have_length = true },
};

static bool is_word(const char *word, const char *text, size_t size)
{
    return strlen(word) == size && strncmp(word, text, size) == 0;
}

static const struct group *group_of(const char *name, size_t size)
{
    for (size_t i = 0; i < ARRAY_COUNT(groups); i++)
        for (size_t j = 0; j < groups[i].count; j++)
            if (is_word(groups[i].names[j], name, size))
                return &groups[i];
    return NULL;
}

/* NAME or NAME?OTHER, each a token that may begin with a colon. */
static bool names_headers(const char *text, size_t size)
{
    static const char token[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                "!#$&'*+-.^_`|~";
    const char *end = text + size;
    for (int names = 1; text && names <= 2; names++) {
        text += *text == ':';
        size_t name = strspn(text, token);
        text += name;
        if (name == 0 || text >= end || *text != '?')
            return name > 0 && text == end;
        text++;
    }
    return false;
}

/* One command, from the character behind its first '%'. */
struct command {
    const char *name, *parameters; /* parameters NULL: no parentheses */
    size_t name_size, parameters_size, length_digits;
    bool has_length;
    const char *end; /* behind the last '%'; NULL: not of a command's form */
};

static struct command command_at(const char *text)
{
    struct command c = { .name = text };
    c.name_size = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
    text += c.name_size;
    if (*text == '(') {
        c.parameters = text + 1;
        c.parameters_size = strcspn(c.parameters, ")");
        text = c.parameters + c.parameters_size;
        if (!*text)
            return c;
        text++;
    }
    if (*text == ':') {
        c.has_length = true;
        c.length_digits = strspn(text + 1, "0123456789");
        text += 1 + c.length_digits;
    }
    if (c.name_size > 0 && *text == '%')
        c.end = text + 1;
    return c;
}

static bool takes(const struct group *group, const struct command *c)
{
    enum { LENGTH_DIGITS_MAX = 9 };
    if (c->parameters && !group->may_have_parameters)
        return false;
    if (group->must_have_parameters && c->parameters_size == 0)
        return false;
    if (group->names_headers && !names_headers(c->parameters, c->parameters_size))
        return false;
    return !c->has_length || (group->may_have_length && c->length_digits > 0 &&
                                 c->length_digits <= LENGTH_DIGITS_MAX);
}

/* The first '%' that is neither doubled nor of a good command; NULL: there is none. */
static const char *first_fault(const char *text)
{
    while ((text = strchr(text, '%'))) {
        if (text[1] == '%') {
            text += 2;
            continue;
        }
        struct command c = command_at(text + 1);
        const struct group *group = c.end ? group_of(c.name, c.name_size) : NULL;
        if (!group || !takes(group, &c))
            return text;
        text = c.end;
    }
    return NULL;
}

bool command_text_is_valid(const char *text)
{
    return !first_fault(text);
}

static const char *nearest_name(const char *name)
{
    const char *best = NULL;
    for (size_t i = 0; i < ARRAY_COUNT(groups) && !best; i++)
        best = diag_nearest(name, groups[i].names, groups[i].count);
    return best;
}

const char *command_text_explain(struct arena *a, const char *text)
{
    const char *at = first_fault(text);
    if (!at)
        return "";
    struct command c = command_at(at + 1);
    const char *name = arena_strndup(a, c.name, c.name_size);
    if (!c.end)
        return "a '%' that begins no command must be doubled";
    if (group_of(c.name, c.name_size))
        return arena_printf(a, "%%%s%% cannot have these parameters", name);
    const char *nearest = nearest_name(name);
    return arena_printf(a,
        "%%%s%% is not known%s%s%s",
        name,
        nearest ? ", did you mean %" : "",
        nearest ? nearest : "",
        nearest ? "%?" : "");
}
