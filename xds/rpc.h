/*
 * rpc: one call on a server: an ADS stream (SotW or Delta), a health check, or a question about the
 * proxies or about what is served.
 *
 * Between h2 (bytes) and xds_stream (meaning): reassembles messages, asks the source for views, and
 * writes what the stream says. Belongs to its server's loop.
 */
#ifndef XDS_RPC_H
#define XDS_RPC_H

#include "xds/admission.h"
#include "xds/h2.h"
#include "xds/server.h"

struct rpc;

struct rpc_shared { /* of one server */
    uv_loop_t *loop;
    const char *identity;
    struct xds_source *source;
    struct xds_stats *stats;
    const struct xds_limits *limits;
    const struct log_scope *log;
    struct log_limit log_limit; /* of lines that clients cause */
    bool is_serving;
    struct admission admission;
    /* What its client came with has been compared, or needs not be. Called again and again. */
    void (*on_arrived)(struct h2_connection *c);
    enum xds_status_access status_access;
    size_t status_calls, reflection_calls;
    uint64_t next_serial; /* of calls, from 1 */
    uv_timer_t pace;      /* its owner opens and closes it; rpc.c lets in by it */
};

struct rpc_list {
    struct rpc *first;
};

/* Accepts or refuses the request; an rpc that was accepted is the stream's data. */
void rpc_open(struct rpc_shared *shared, struct rpc_list *list, struct h2_stream *stream,
    const struct h2_request *request);
void rpc_take_bytes(struct rpc *rpc, const uint8_t *bytes, size_t size_bytes);
void rpc_half_closed(struct rpc *rpc);
void rpc_emptied(struct rpc *rpc); /* what it sent is on its way */
void rpc_tick(struct rpc *rpc);    /* once in a while */
void rpc_closed(struct rpc *rpc);  /* frees */

/* Tells every health watcher what shared->is_serving has become. */
void rpc_list_tell_health(struct rpc_list *list);
/* Ends those of one connection with UNAVAILABLE. */
void rpc_list_end(struct rpc_list *list, const struct h2_connection *c, const char *message);
/* The ADS streams, from the one that was opened first to the last; NULL after that. */
const struct rpc *rpc_list_oldest(const struct rpc_list *list);
const struct rpc *rpc_younger(const struct rpc *rpc);
struct h2_connection *rpc_connection(const struct rpc *rpc);
void rpc_list_report(const struct rpc_list *list, struct buf *out);
/* As much of the proxies here as has room. */
void rpc_list_fill_status(const struct rpc_list *list, struct status_page *page);
/* Hands a page to the call that it is of, which takes it over; if that is gone, frees it. */
void rpc_list_take_status(struct rpc_list *list, struct status_page *page);

#endif
