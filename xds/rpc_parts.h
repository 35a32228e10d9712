/*
 * rpc_parts: what a call is made of; for rpc.c, which moves it, rpc_limits.c, which ends it when
 * its client wants too much, rpc_status.c, which answers questions about proxies, rpc_reflection.c,
 * about what is served, and rpc_report.c.
 */
#ifndef XDS_RPC_PARTS_H
#define XDS_RPC_PARTS_H

#include "xds/rpc.h"
#include "xds/stream.h"

enum method {
    DISCOVERY_SOTW,
    DISCOVERY_DELTA,
    HEALTH_CHECK,
    HEALTH_WATCH,
    STATUS_FETCH,
    STATUS_STREAM,
    REFLECTION_INFO
};

struct rpc {
    struct rpc *next, *prev;
    struct rpc_list *list;
    struct rpc_shared *shared;
    struct h2_stream *stream; /* NULL once it is closed */
    enum method method;
    struct grpc_reader reader;
    struct token_bucket requests;
    uint64_t awaited_since_ms; /* the rest of a message, or the first; 0: none is */
    struct rpc_deadline *deadline;
    /* of a discovery stream */
    enum xds_type type; /* the one that it serves; XDS_TYPE_COUNT: it is aggregated */
    struct xds_stream *xds;
    struct xds_subscriber subscriber;
    bool is_subscribed, is_ended;
    bool has_asked_in_vain;    /* for a type that is not served: told once */
    bool is_asked, is_watched; /* a health check's one request has come; its service is known */
    struct xds_node *node;     /* its own, without metadata */
    uint64_t serial;           /* a later call has a higher one */
    uint64_t opened_ms;
    uv_timer_t patience; /* while the stream awaits names */
    struct admission_place place;
    bool has_asked;                     /* the first request has been heard */
    bool has_preview;                   /* a view has come that is not to be sent */
    bool has_entered;                   /* and the first view has come */
    struct xds_view *awaited;           /* the newest, while it waits for that or for its place */
    struct status_call *status;         /* of a question about proxies; else NULL */
    struct reflection_call *reflection; /* about what is served; else NULL */
};

void rpc_end(struct rpc *rpc, enum grpc_status status, const char *message);

/* Ends it because of `limit`; saying `text`, or NULL: what the limit's row says. */
void rpc_cross(struct rpc *rpc, enum xds_limit limit, const char *text);
bool rpc_may_ask(struct rpc *rpc); /* one message more; false: it was ended */
void rpc_has_fed(struct rpc *rpc); /* bytes have come */
void rpc_set_deadline(struct rpc *rpc, uint64_t timeout_ms);
void rpc_drop_deadline(struct rpc *rpc);

/* A question about proxies: rpc_status.c. */
void rpc_status_open(struct rpc *rpc);
bool rpc_status_on_message(void *rpc, const uint8_t *bytes, size_t size_bytes);
void rpc_status_emptied(struct rpc *rpc);
void rpc_status_half_closed(struct rpc *rpc);
void rpc_status_closed(struct rpc *rpc); /* nothing for other calls */

/* What is served: rpc_reflection.c. */
void rpc_reflection_open(struct rpc *rpc);
bool rpc_reflection_on_message(void *rpc, const uint8_t *bytes, size_t size_bytes);
void rpc_reflection_emptied(struct rpc *rpc);
void rpc_reflection_half_closed(struct rpc *rpc);
void rpc_reflection_closed(struct rpc *rpc); /* nothing for other calls */

#endif
