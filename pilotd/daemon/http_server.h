/*
 * http_server: HTTP/1.1 connections on a uv loop, for GET and HEAD.
 *
 * One request of a connection is answered at a time. Limits: HTTP_CONNECTIONS_MAX connections (for
 * one more, the oldest that waits for nothing of ours is closed), HTTP_IDLE_MS for a request to
 * come whole and HTTP_WRITE_MS for a response to be taken, or for one piece of a stream.
 */
#ifndef DAEMON_HTTP_SERVER_H
#define DAEMON_HTTP_SERVER_H

#include "base/error.h"
#include "base/metrics.h"
#include "daemon/http1.h"

#include <uv.h>

enum {
    HTTP_CONNECTIONS_MAX = 256,
    HTTP_IDLE_MS = 30000,
    HTTP_WRITE_MS = 30000,
    HTTP_LINGER_MS = 1000, /* a refused client may still send; reset too early, it misses why */
};

struct http_server;
struct http_exchange; /* a request that wants its response */

struct http_handler {
    /* http_respond must follow, now or later. The request is borrowed until then. */
    void (*on_request)(
        struct http_handler *h, const struct http1_request *request, struct http_exchange *x);
};

/* At the address, or at `socket`, which listens already and stays the caller's (0: none). */
bool http_server_open(uv_loop_t *loop, const char *address, int socket,
    struct http_handler *handler, metric_value *requests, metric_value *errors,
    struct http_server **out, struct error *err);
int http_server_port(const struct http_server *s);

/* Takes the body's memory over; `body` is empty afterwards. */
void http_respond(struct http_exchange *x, int status, const char *content_type, struct buf *body);

/*
 * A response that goes on until the connection ends, which any side may do; a stream waits for
 * nothing of ours, so it makes room for others as an idle connection does.
 */
struct http_stream {
    void (*on_end)(struct http_stream *s); /* once: the connection is closed */
    struct http_exchange *exchange;        /* NULL after that */
};

/* In place of http_respond, to a GET. The stream must live until its on_end. False: the connection
 * has gone already, and on_end does not come. */
bool http_stream_begin(
    struct http_exchange *x, const char *content_type, struct http_stream *stream);

/* Takes the memory over. False: the piece before is still being sent; this one is dropped. on_end
 * may come out of it. */
bool http_stream_send(struct http_stream *s, struct buf *piece);

/* Closes all connections. Frees later, from the loop, when each exchange under way has had its
 * http_respond. */
void http_server_close(struct http_server *s);

#endif
