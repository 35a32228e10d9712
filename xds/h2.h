/*
 * h2: HTTP/2 connections on a uv loop, server side. The one door to nghttp2.
 *
 * A connection reads, answers and closes itself; its streams carry gRPC: request bytes come in,
 * slices go out, trailers end them. What is written is never copied if it has an owner (a shared
 * resource, retained until it went). Once XDS_SOCKET_LIMIT_BYTES wait in the socket's queue
 * (xds/socket.h), nothing more is taken from the streams until they are gone.
 */
#ifndef XDS_H2_H
#define XDS_H2_H

#include "xds/discovery_codec.h"
#include "xds/grpc.h"
#include "xds/handshakes.h"
#include "xds/limits.h"

#include <uv.h>

enum {
    H2_HEADER_LIMIT_BYTES = 16 * 1024, /* all headers of one request */
    H2_WINDOW_BYTES = 1024 * 1024,     /* what a client may send unasked, a stream and in all */
};

struct h2_connection;
struct h2_stream;

/* Where a stream's headers go; the texts are borrowed until on_request returns. */
struct h2_request {
    const char *method, *path, *content_type; /* never NULL; "" where there is none */
    const char *encoding, *timeout;           /* grpc-encoding, grpc-timeout; likewise */
};

struct h2_handlers {
    /* There is something to read, and it was told to wait. */
    void (*on_waiting)(struct h2_connection *c);
    /* A request's headers are there: answer with h2_stream_accept or h2_stream_refuse. */
    void (*on_request)(struct h2_stream *s, const struct h2_request *request);
    void (*on_bytes)(struct h2_stream *s, const uint8_t *bytes, size_t size_bytes);
    void (*on_half_closed)(struct h2_stream *s); /* the client sends no more */
    /* All that was queued has gone to the socket, or is about to: time for more, one piece. */
    void (*on_emptied)(struct h2_stream *s);
    /* Every few seconds, or more often where limits are short. */
    void (*on_tick)(struct h2_stream *s);
    /* The last call about a stream, however it ended; it is freed afterwards. */
    void (*on_stream_closed)(struct h2_stream *s);
    /* The last call about a connection; it is freed afterwards. `limit` is the one it crossed. */
    void (*on_closed)(struct h2_connection *c, bool was_protocol_error, enum xds_limit limit);
    /* A stream was closed for what it did not read; or refused, for there are enough. */
    void (*on_limit)(struct h2_connection *c, enum xds_limit limit);
};

struct h2_options {
    const struct h2_handlers *handlers;
    void *owner;                   /* the server; h2_connection_owner gives it back */
    struct handshakes *handshakes; /* of TLS; NULL: in plain text */
    uint32_t max_streams;
    const struct xds_limits *limits; /* borrowed for as long as there are connections */
};

/* Accepts one waiting connection of `listener`; NULL when there is none or it is gone already.
 * Nothing of it is read before h2_connection_read; and with h2_connection_wait before it,
 * on_waiting says that something would be. */
struct h2_connection *h2_accept(uv_stream_t *listener, const struct h2_options *options);
void h2_connection_wait(struct h2_connection *c);
void h2_connection_read(struct h2_connection *c);
void *h2_connection_owner(const struct h2_connection *c);
void h2_connection_set_data(struct h2_connection *c, void *data);
void *h2_connection_data(const struct h2_connection *c);       /* NULL until it is set */
const char *h2_connection_peer(const struct h2_connection *c); /* "10.0.0.7:41234" */
/* Who its certificate says it is, appended: "spiffe://…", or a common name, or nothing. */
void h2_connection_identity(const struct h2_connection *c, struct buf *out);

/* GOAWAY: the client opens no more streams here. */
void h2_connection_goaway(struct h2_connection *c);
/* Once all streams are closed and everything is written, the connection closes. */
void h2_connection_close_when_idle(struct h2_connection *c);
void h2_connection_close(struct h2_connection *c); /* at once; on_closed follows */

struct h2_connection *h2_stream_connection(const struct h2_stream *s);
void h2_stream_set_data(struct h2_stream *s, void *data);
void *h2_stream_data(const struct h2_stream *s);

/* 200 and application/grpc; slices may follow. */
void h2_stream_accept(struct h2_stream *s);
/* Another HTTP status, without a body. */
void h2_stream_refuse(struct h2_stream *s, unsigned status);

/* Queues; slices with an owner are retained, the others are copied. */
void h2_stream_send(struct h2_stream *s, const slice_list *slices);
/* Ends the stream once what is queued was sent. `message` is percent-encoded as gRPC asks. */
void h2_stream_end(struct h2_stream *s, enum grpc_status status, const char *message);

#endif
