/*
 * status_page: what envoy.service.status.v3 (CSDS) tells of proxies, a page at a time.
 *
 * A call asks for the status of some proxies; their answer can be gigabytes. So it is made in
 * pages, each of what is not much more than STATUS_PAGE_BYTES, the next when the last one is on its
 * way. A page says where it begins and, once it is filled in, where the next one does; between two
 * of them proxies may come and go. It goes from one server of the process to the other, whichever
 * loop they run on, so that it tells of the proxies of all.
 *
 * What is told of a resource are its type, name, version (the one that this server gave it), sync
 * state and times, and why it was refused; never its content, and of the node never its metadata.
 *
 * Pure.
 */
#ifndef XDS_STATUS_PAGE_H
#define XDS_STATUS_PAGE_H

#include "base/buf.h"
#include "base/error.h"
#include "xds/source.h"
#include "xds/stream.h"

enum {
    STATUS_PAGE_BYTES = 256 * 1024,
    STATUS_PAGE_VISITS = 1000, /* proxies looked at for one page */
    STATUS_MAX_MATCHERS = 100, /* a request */
};

/* Which proxies are meant: any of its matchers takes them, or it has none. */
struct status_query;

/* Of a ClientStatusRequest. False: err names the field that is not supported. */
bool status_query_new(
    const uint8_t *bytes, size_t size_bytes, struct status_query **out, struct error *err);
/* Of the proxies of this id. */
struct status_query *status_query_exact(const char *node_id);
void status_query_free(struct status_query *q); /* NULL is fine */
bool status_query_takes(const struct status_query *q, const char *node_id);
/* Does it ask for nothing but proxies whose ids it knows? */
bool status_query_is_exact(const struct status_query *q);

struct status_page {
    uint64_t call;              /* of the server that it returns to */
    struct status_query *query; /* its own */
    bool is_framed;             /* each ClientStatusResponse a gRPC message; else fields to join */

    /* where it begins, and then where the next one does */
    size_t server;   /* in the order of whoever carries it */
    uint64_t serial; /* proxies of this number or a lower one */
    enum xds_type type;
    char *after; /* within the proxy of that number: behind this name; NULL: it is not begun */
    bool is_last;

    struct buf configs; /* ClientStatusResponse.config, of these */
    size_t count;
};

/* At the first of all. Takes the query over. */
struct status_page *status_page_new(struct status_query *query, uint64_t call, bool is_framed);
void status_page_free(struct status_page *p); /* NULL is fine */

/* Appends one proxy, or the rest of it, or what has room of it; true when that was all of it. The
 * next page begins behind. `serial` is its number. */
bool status_page_add(struct status_page *p, const struct xds_node *node,
    const struct xds_stream *stream, uint64_t serial);
/* The next page begins with this proxy, or goes on within it. */
void status_page_stop_before(struct status_page *p, uint64_t serial);
bool status_page_is_full(const struct status_page *p);

/* This server has no more. */
void status_page_leave_server(struct status_page *p);

#endif
