/*
 * types: the small values that several kinds share. All of it lives in an object's arena.
 */
#ifndef MODEL_TYPES_H
#define MODEL_TYPES_H

#include "base/arena.h"

/* Not set is not zero: Istio tells them apart. */
struct duration {
    int64_t ms;
    bool is_set;
};
struct opt_u32 {
    uint32_t value;
    bool is_set;
};
struct opt_bool {
    bool value, is_set;
};
struct opt_double {
    double value;
    bool is_set;
};

/* A string map, sorted by key. */
struct label {
    const char *key, *value;
};
typedef LIST(struct label) label_list;

/* The value of `key`, or NULL. */
const char *labels_find(const label_list *labels, const char *key);
/* Does `labels` have every pair of `wanted`? An empty `wanted` matches everything. */
bool labels_match(const label_list *labels, const label_list *wanted);

struct port_selector {
    uint32_t number;
};

/* Exactly one of the three is set, or none ({}: present). */
struct string_match {
    const char *exact, *prefix, *regex;
};
struct named_match { /* of a map from names to StringMatch, sorted by name */
    const char *key;
    struct string_match value;
};
typedef LIST(struct named_match) named_match_list;

struct percent {
    double value; /* 0..100 */
};

struct workload_selector {
    label_list labels; /* spelled matchLabels in some kinds, labels in others */
};

enum protocol {    /* of a port; Istio's "Protocol Selection" page */
    PROTOCOL_AUTO, /* empty or unknown: sniffed */
    PROTOCOL_HTTP,
    PROTOCOL_HTTP2,
    PROTOCOL_GRPC,
    PROTOCOL_GRPC_WEB,
    PROTOCOL_HTTPS,
    PROTOCOL_TLS,
    PROTOCOL_TCP,
    PROTOCOL_MONGO,
    PROTOCOL_MYSQL,
    PROTOCOL_REDIS,
    PROTOCOL_UDP,
};
bool protocol_is_http(enum protocol p);  /* HTTP, HTTP2, GRPC, GRPC_WEB */
bool protocol_is_http2(enum protocol p); /* HTTP2, GRPC, GRPC_WEB */
bool protocol_is_tls(enum protocol p);   /* HTTPS, TLS */
const char *protocol_name(enum protocol p);

#endif
