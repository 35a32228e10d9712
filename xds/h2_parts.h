/*
 * h2_parts: what an HTTP/2 connection and its streams are made of; for h2.c, which has the
 * connection, and h2_stream.c, which has what goes out on a stream.
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
    enum grpc_status status;
    char *message;
};

struct h2_connection {
    struct xds_socket socket;
    uv_timer_t keepalive;
    const struct h2_handlers *handlers;
    void *owner, *data;
    nghttp2_session *session;
    struct h2_stream *streams;
    unsigned handles;
    bool is_idle_closing, was_protocol_error, is_first_read;
    bool is_refused;            /* closes once it has been told why */
    bool has_heard, was_pinged; /* since the last tick of keepalive */
    bool is_busy;               /* inside nghttp2, which must not be entered twice */
};

/* Sends whatever may go now, and closes the connection once that was the last. */
void h2_send_pending(struct h2_connection *c);

/* nghttp2's callback for DATA. */
int h2_stream_on_send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head,
    size_t size, nghttp2_data_source *source, void *user);
void h2_stream_free(struct h2_stream *s);

#endif
