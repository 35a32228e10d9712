#include "model/types.h"

#include <string.h>

const char *labels_find(const label_list *labels, const char *key)
{
    for (size_t low = 0, high = labels->count; low < high;) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(key, labels->items[middle].key);
        if (order == 0)
            return labels->items[middle].value;
        *(order < 0 ? &high : &low) = order < 0 ? middle : middle + 1;
    }
    return NULL;
}

bool labels_match(const label_list *labels, const label_list *wanted)
{
    for (list_each (const struct label, want, wanted)) {
        const char *value = labels_find(labels, want->key);
        if (!value || strcmp(value, want->value) != 0)
            return false;
    }
    return true;
}

static const struct {
    const char *name;
    bool is_http, is_http2, is_tls;
} protocols[] = {
    [PROTOCOL_AUTO] = { .name = "" },
    [PROTOCOL_HTTP] = { .name = "HTTP", .is_http = true },
    [PROTOCOL_HTTP2] = { .name = "HTTP2", .is_http = true, .is_http2 = true },
    [PROTOCOL_GRPC] = { .name = "GRPC", .is_http = true, .is_http2 = true },
    [PROTOCOL_GRPC_WEB] = { .name = "GRPC-WEB", .is_http = true, .is_http2 = true },
    [PROTOCOL_HTTPS] = { .name = "HTTPS", .is_tls = true },
    [PROTOCOL_TLS] = { .name = "TLS", .is_tls = true },
    [PROTOCOL_TCP] = { .name = "TCP" },
    [PROTOCOL_MONGO] = { .name = "MONGO" },
    [PROTOCOL_MYSQL] = { .name = "MYSQL" },
    [PROTOCOL_REDIS] = { .name = "REDIS" },
    [PROTOCOL_UDP] = { .name = "UDP" },
};

bool protocol_is_http(enum protocol p)
{
    return protocols[p].is_http;
}

bool protocol_is_http2(enum protocol p)
{
    return protocols[p].is_http2;
}

bool protocol_is_tls(enum protocol p)
{
    return protocols[p].is_tls;
}

const char *protocol_name(enum protocol p)
{
    return protocols[p].name;
}
