/*
 * walk: one call, followed through what a proxy was sent, as its Envoy would: the listener that
 * takes the connection, the filter chain, the route that wins and those that do not, and where it
 * ends.
 *
 * It reads Envoy's messages and nothing else, so it shows what is, whatever the resources meant.
 * Whose rules these were is walk_origin.h's to say. Results live in the arena.
 */
#ifndef TRANSLATE_WALK_H
#define TRANSLATE_WALK_H

#include "model/types.h"
#include "xds/view.h"

/* ---- a call, as its caller makes it ---- */

enum call_tls { CALL_PLAINTEXT, CALL_TLS, CALL_MTLS }; /* MTLS: shows a certificate of the mesh */
enum call_http { CALL_BYTES, CALL_HTTP1, CALL_HTTP2 };

struct call {
    bool is_inbound;     /* to the proxy's own workload; else from it */
    const char *address; /* an IP: where the connection goes; NULL: not known */
    uint32_t port;
    enum call_tls tls;
    const char *server_name;               /* of TLS; NULL: none */
    string_list alpn;                      /* of TLS, in the caller's order */
    enum call_http http;                   /* what is inside the TLS, if any */
    const char *method, *authority, *path; /* path: with its query */
    label_list headers;                    /* further ones, in order; names in lower case */
};

/* ---- what becomes of it ---- */

enum walk_end {
    WALK_DELIVERED, /* to clusters */
    WALK_ANSWERED,  /* by the proxy: a redirect or a fixed response */
    WALK_REFUSED,   /* the cluster is there to refuse */
    WALK_NO_LISTENER,
    WALK_NO_CHAIN,
    WALK_NO_CERTIFICATE, /* the chain wants one of the mesh */
    WALK_NOT_TLS,        /* the chain wants TLS */
    WALK_STILL_TLS,      /* the chain wants HTTP, and TLS is what comes */
    WALK_NOT_HTTP,       /* the chain wants HTTP */
    WALK_NO_TABLE,       /* the route table was not sent */
    WALK_NO_HOST,
    WALK_NO_ROUTE,
    WALK_NO_CLUSTER,  /* the cluster was not sent */
    WALK_NO_ENDPOINT, /* nobody is there to take it */
    WALK_ENDS
};
/* "no route matched" */
const char *walk_end_text(enum walk_end end);
bool walk_end_is_good(enum walk_end end);

/* Something that was looked at. */
struct walk_try {
    const char *name;   /* "" when it has none */
    const char *reason; /* why it was not taken; NULL: it was */
};
typedef LIST(struct walk_try) walk_try_list;

/* A setting, for people: "timeout", "10s". */
struct walk_fact {
    const char *name, *text;
};
typedef LIST(struct walk_fact) walk_fact_list;

struct walk_endpoint {
    const char *address;  /* IP:PORT, [IP]:PORT, NAME:PORT, or a path */
    const char *health;   /* "HEALTHY"; "": it is what the caller asked for, whatever that is */
    const char *locality; /* region/zone/subzone; "" when it has none */
    uint32_t weight, priority;
    const char *transport; /* the transport socket match it falls under; NULL: the cluster's */
};

struct walk_cluster {
    const char *name;
    bool is_known; /* it was sent */
    bool refuses;  /* it is there for connections that nobody may take */
    walk_fact_list facts;
    LIST(struct walk_endpoint) endpoints;
};

struct walk_destination {
    struct walk_cluster cluster;
    double percent;       /* of calls */
    bool is_mirror;       /* gets copies */
    walk_fact_list facts; /* that hold for this destination alone */
};

struct walk {
    enum walk_end end;
    const char *why; /* more about the end; NULL: nothing */
    uint32_t status; /* what the proxy answers itself; 0: it does not */

    walk_try_list listeners;             /* the last was taken, if one was */
    const char *listener;                /* NULL: none; what follows likewise */
    bool is_redirected;                  /* not made to the listener: where it was going counts */
    const char *transport, *server_name; /* what the listener's filters saw; server_name "": none */
    string_list applications;

    walk_try_list chains; /* in the listener's order */
    const char *chain;    /* "" when it has no name */
    size_t chain_index;   /* in the listener; SIZE_MAX: the default */
    bool ends_tls;
    string_list filters; /* the chain's */

    const char *table;            /* route configuration */
    const char *authority, *path; /* as they are matched */
    const char *host;             /* virtual host */
    const char *domain;           /* by which it was found */
    walk_try_list routes;         /* of the host, up to the one that won */
    const char *route;
    walk_fact_list action;
    LIST(struct walk_destination) destinations;
};

const struct walk *walk_build(
    struct arena *a, const struct xds_view *view, const struct call *call);

#endif
