/*
 * http1: HTTP/1.1 messages: the head of a request in, the head of a response out.
 *
 * Pure. Strict where leniency has been a hole: lines end in CR LF alone, no folded lines, no spaces
 * around names, no control bytes, one Host, and no bodies, since nothing here takes one.
 */
#ifndef DAEMON_HTTP1_H
#define DAEMON_HTTP1_H

#include "base/buf.h"

enum {
    HTTP1_HEAD_MAX = 8192,   /* request line and fields; more is answered with 431 */
    HTTP1_TARGET_MAX = 1024, /* 414 */
    HTTP1_FIELDS_MAX = 64,   /* 431 */
};

struct http1_request {
    bool is_head;                    /* HEAD; else GET */
    bool keeps_alive;                /* the connection goes on after the response */
    char path[HTTP1_TARGET_MAX + 1]; /* "/debug/status" */
    const char *query; /* within path's array, behind its NUL; "" when there is none */
};

enum http1_outcome {
    HTTP1_MORE,    /* the head is not whole yet */
    HTTP1_REQUEST, /* one request; `used` bytes were its */
    HTTP1_REFUSED, /* `status` says why; the connection must be closed after it */
};
struct http1_result {
    enum http1_outcome outcome;
    size_t used;
    int status;
};

/* At most HTTP1_HEAD_MAX bytes count. */
struct http1_result http1_parse(const char *bytes, size_t size, struct http1_request *out);

/* "Not Found" */
const char *http1_reason(int status);

/* Appends the head of a response with a body of that size. `date` is an IMF-fixdate. */
void http1_response(struct buf *out, int status, const char *content_type, size_t body_bytes,
    bool keeps_alive, const char *date);

/* The head of a response of which nobody knows where it ends: with the connection. */
void http1_stream_response(struct buf *out, const char *content_type, const char *date);

#endif
