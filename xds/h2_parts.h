/*
 * h2_parts: what an HTTP/2 connection and its streams are made of; for h2.c, which has the
 * connection, h2_stream.c, which has what goes out on a stream, and h2_patience.c, which has what
 * is not waited for any longer.
 */
#ifndef XDS_H2_PARTS_H
#define XDS_H2_PARTS_H

#include "xds/h2.h"
#include "xds/socket.h"

#include <nghttp2/nghttp2.h>

struct queued { /* a slice that waits to be sent */
    const uint8_t *data;
    size_t size;
    struct xds_resource *owner; /* retained; NULL: data is the queue's own, freed after it */
    uint8_t *own;
};

struct h2_stream {
    struct h2_connection *connection;
    struct h2_stream *next, **link; /* link: what points to this one */
    int32_t id;
    void *data;
    struct arena *headers; /* while they come in */
    struct h2_request request;
    struct queued *queue;
    size_t head, count, capacity; /* queue[head..count) waits */
    bool is_accepted, is_deferred, is_ending, is_ended, is_half_closed;
    uint64_t waits_since_ms; /* what is to be sent; 0: nothing is */
    uint32_t moved_bytes;    /* and how much of it went since */
    uint64_t told_ms;        /* when its end was sent; 0: it was not, or the client has ended too */
    enum grpc_status status;
    char *message;
};

struct h2_connection {
    struct xds_socket socket;
    uv_timer_t tick;
    const struct xds_limits *limits;
    const struct h2_handlers *handlers;
    void *owner, *data;
    nghttp2_session *session;
    struct h2_stream *streams;
    unsigned handles;
    bool is_idle_closing, was_protocol_error, is_first_read;
    bool is_refused; /* closes once it has been told why */
    bool is_busy;    /* inside nghttp2, which must not be entered twice */
    bool has_asked;
    uint64_t quiet_since_ms;      /* without a stream */
    uint64_t heard_ms, pinged_ms; /* the latter 0: nothing is awaited */
    struct token_bucket frames, stream_opens;
    uint32_t header_bytes; /* of the request whose headers come in */
    enum xds_limit limit;  /* that it has crossed */
    bool is_leaving;       /* it has been told so; what comes is not read any more */
};

/* Sends whatever may go now, and closes the connection once that was the last. */
void h2_send_pending(struct h2_connection *c);

/* What its client is not waited for: h2_patience.c. */
void h2_patience_begin(struct h2_connection *c);
void h2_patience_told(struct h2_stream *s); /* all is said, and the client has not ended it */
/* It has crossed `limit`: is told, and has a moment to read it. */
void h2_dismiss(struct h2_connection *c, enum xds_limit limit);

/* nghttp2's callback for DATA. */
int h2_stream_on_send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head,
    size_t size, nghttp2_data_source *source, void *user);
void h2_stream_free(struct h2_stream *s);

#endif
