/*
 * VirtualService: Istio's page of that name. Field names are Istio's in snake case.
 */
#ifndef MODEL_VIRTUAL_SERVICE_H
#define MODEL_VIRTUAL_SERVICE_H

#include "model/types.h"

struct destination {
    const char *host, *subset;        /* subset NULL: none */
    const struct port_selector *port; /* NULL: the service's only port, or the listener's */
};

struct header_operations {
    label_list set, add;
    string_list remove;
};
struct headers {
    const struct header_operations *request, *response; /* either may be NULL */
};

struct http_route_destination {
    const struct destination *destination;
    uint32_t weight;
    const struct headers *headers;
};

struct http_match {
    const char *name;
    const struct string_match *uri, *scheme, *method, *authority; /* NULL: any */
    named_match_list headers, without_headers, query_params;
    bool ignore_uri_case;
    uint32_t port; /* 0: any */
    label_list source_labels;
    const char *source_namespace; /* NULL: any */
    string_list gateways;
    const char *stat_prefix;
};

enum derive_port { DERIVE_PORT_NONE, FROM_PROTOCOL_DEFAULT, FROM_REQUEST_PORT };
struct http_redirect {
    const char *uri, *authority, *scheme;
    const char *prefix_rewrite;   /* in place of what the match took of the path */
    uint32_t port, redirect_code; /* 0: not given */
    enum derive_port derive_port;
};

struct http_body {
    const char *string; /* NULL when bytes is set */
    const char *bytes;  /* base64 as written; checked */
};
struct http_direct_response {
    uint32_t status;
    const struct http_body *body;
};

struct regex_rewrite {
    const char *match, *rewrite;
};
struct http_rewrite {
    const char *uri, *authority;
    const struct regex_rewrite *uri_regex_rewrite;
};

struct http_retry {
    uint32_t attempts;
    struct duration per_try_timeout, backoff;
    const char *retry_on;
    struct opt_bool retry_remote_localities, retry_ignore_previous_hosts;
};

struct fault_delay {
    struct duration fixed_delay;
    const struct percent *percentage; /* NULL: 0 %, as in Istio */
    uint32_t percent;                 /* the deprecated whole number */
};
struct fault_abort {
    uint32_t http_status; /* 0 when grpc_status is set */
    const char *grpc_status;
    const struct percent *percentage;
};
struct http_fault {
    const struct fault_delay *delay;
    const struct fault_abort *abort;
};

struct http_mirror {
    const struct destination *destination;
    const struct percent *percentage; /* NULL: all */
};

enum unmatched_preflights { PREFLIGHTS_UNSPECIFIED, PREFLIGHTS_FORWARD, PREFLIGHTS_IGNORE };
struct cors_policy {
    string_list allow_origin; /* deprecated: exact */
    LIST(struct string_match) allow_origins;
    string_list allow_methods, allow_headers, expose_headers;
    struct duration max_age;
    struct opt_bool allow_credentials;
    enum unmatched_preflights unmatched_preflights;
};

/* The VirtualService without hosts that has the routes. */
struct delegate {
    const char *name, *namespace; /* namespace NULL: the resource's own */
};

struct http_route {
    const char *name;
    LIST(struct http_match) match; /* empty: everything */
    LIST(struct http_route_destination) route;
    const struct http_redirect *redirect;
    const struct http_direct_response *direct_response;
    const struct http_rewrite *rewrite;
    struct duration timeout;
    const struct http_retry *retries;
    const struct http_fault *fault;
    const struct destination *mirror;
    const struct percent *mirror_percentage;
    struct opt_u32 mirror_percent; /* deprecated */
    LIST(struct http_mirror) mirrors;
    const struct cors_policy *cors_policy;
    const struct headers *headers;
    const struct delegate *delegate; /* then there is no action of its own */
};

/* Which connections: by what they carry (server names, of TLS alone; addresses) and by whose they
 * are. */
struct l4_match {
    string_list sni_hosts;
    string_list destination_subnets; /* addresses or CIDR */
    uint32_t port;                   /* 0: any */
    label_list source_labels;
    const char *source_namespace; /* NULL: any */
    string_list gateways;
};
struct route_destination {
    const struct destination *destination;
    uint32_t weight;
};
/* Of `tls` (each match has server names) and of `tcp` (no match: everything). */
struct l4_route {
    LIST(struct l4_match) match;
    LIST(struct route_destination) route;
};

struct virtual_service {
    string_list hosts, gateways, export_to;
    LIST(struct http_route) http;
    LIST(struct l4_route) tls, tcp;
};

#endif
