/*
 * xds_socket: a connection's bytes, on a uv loop.
 *
 * It lives in its owner's struct and reads, once it was told to, as long as it is open. What is
 * written is gathered until the next flush, and not copied if it has an owner (a shared resource,
 * retained until the bytes went). Not more than XDS_SOCKET_LIMIT_BYTES wait: whoever writes asks
 * xds_socket_is_full first, and goes on after on_written. All of this is the same with TLS beneath,
 * which starts once its handshake is done.
 */
#ifndef XDS_SOCKET_H
#define XDS_SOCKET_H

#include "base/buf.h"
#include "xds/resource.h"

#include <uv.h>

enum { XDS_SOCKET_LIMIT_BYTES = 128 * 1024 };

struct xds_socket;
struct handshakes;

struct xds_socket_handlers {
    void (*on_waiting)(struct xds_socket *s); /* there are bytes, and it was told to wait */
    void (*on_bytes)(struct xds_socket *s, const uint8_t *bytes, size_t size_bytes);
    void (*on_written)(struct xds_socket *s); /* what was flushed before has gone */
    void (*on_gone)(struct xds_socket *s);    /* the other side has: close it */
    void (*on_closed)(struct xds_socket *s);  /* the last call, after xds_socket_close */
};

struct xds_socket {
    uv_tcp_t tcp;
    const struct xds_socket_handlers *handlers;
    struct gathered *gathered; /* for the next flush; NULL: nothing */
    struct socket_tls *tls;    /* NULL: plain text */
    char peer[64];             /* "10.0.0.7:41234" */
    bool is_closing, is_held;
};

/* Accepts one waiting connection of `listener`, with TLS if there are handshakes; false when it is
 * gone already. It is to be closed in either case. Nothing comes before xds_socket_read; and with
 * xds_socket_wait before it, on_waiting says that something would. */
bool xds_socket_accept(struct xds_socket *s, uv_stream_t *listener, struct handshakes *handshakes,
    const struct xds_socket_handlers *handlers);
void xds_socket_wait(struct xds_socket *s);
void xds_socket_read(struct xds_socket *s);
void xds_socket_close(struct xds_socket *s);  /* at once */
void xds_socket_ignore(struct xds_socket *s); /* nothing is read any more */

/* Into the next flush; without an owner (retained), the bytes are copied. */
void xds_socket_write(
    struct xds_socket *s, const uint8_t *data, size_t size_bytes, struct xds_resource *owner);
void xds_socket_flush(struct xds_socket *s);

/* Who the other side has proved to be (xds/tls.h), appended; in plain text, nobody. */
void xds_socket_identity(const struct xds_socket *s, struct buf *out);

bool xds_socket_is_full(const struct xds_socket *s);  /* enough waits */
bool xds_socket_is_empty(const struct xds_socket *s); /* all that was written has gone */

#endif
