/*
 * http: HTTP/2 requests on a uv loop. The one door to libcurl.
 *
 * A request is one POST with a fixed body, over HTTP/2 (plain text with prior knowledge, or TLS),
 * on a connection of its own, so certificates that were replaced count from the next request on.
 * The answer's body is gathered in `received`; its headers and trailers are shown as they come.
 *
 * Callbacks come from the loop, never from inside an http_* call, and may call any http_* function:
 * what libcurl reports is kept until libcurl has returned.
 */
#ifndef REPLICATION_HTTP_H
#define REPLICATION_HTTP_H

#include "base/buf.h"
#include "base/error.h"

#include <uv.h>

struct http; /* the requests of one loop */
struct http_request;

struct http_limits {
    uint64_t connect_timeout_ms;
    uint64_t timeout_ms; /* for the whole; 0: none */
    uint64_t stall_ms;   /* ends when nothing was received for so long; 0: never */
    size_t body_bytes;   /* ends when `received` would hold more */
};

struct http_result {
    const struct error *err; /* NULL: the answer came whole, with status 200 */
    bool is_unsent;          /* there was no connection: the other side never saw the request */
    bool is_too_large;       /* it ended at limits.body_bytes */
};

struct http_handlers {
    /* A header or trailer; the name is in lower case. Must not call http_*. */
    void (*on_header)(struct http_request *r, const char *name, const char *value);
    /* There is more in `received`; take it from there with buf_consume. NULL: only at the end. */
    void (*on_data)(struct http_request *r);
    /* The last call. The request may be started again. */
    void (*on_end)(struct http_request *r, const struct http_result *result);
};

/* Lives in the caller's struct, zeroed before its first use. */
struct http_request {
    const struct http_handlers *handlers;
    const char *url;
    const char *const *headers; /* "name: value", NULL at the end; until http_start returns */
    const void *body;           /* borrowed until on_end or http_cancel */
    size_t body_size;
    struct http_limits limits;
    struct buf received;
    struct http_job *job; /* http.c's own; NULL when the request does not run */
};

/* Files in PEM. Of the authorities (NULL: the system's), and what is shown to the server (NULL:
 * nothing). */
struct http_tls {
    const char *ca_file, *cert_file, *key_file;
};

/* `tls` outlives it; NULL: plain text. */
struct http *http_open(uv_loop_t *loop, const struct http_tls *tls);

const char *http_scheme(const struct http *h); /* of the URLs: "http" or "https" */

/* Cancels all requests. Frees later, from the loop. */
void http_close(struct http *h);

void http_start(struct http *h, struct http_request *r);

/* Ends it without a callback and frees `received`. Fine for a request that does not run. */
void http_cancel(struct http_request *r);

#endif
