/*
 * socket_parts: what a socket is made of; for socket.c, which has the bytes as they are on the
 * network, and socket_tls.c, which has what TLS puts between them and the plain text.
 */
#ifndef XDS_SOCKET_PARTS_H
#define XDS_SOCKET_PARTS_H

#include "base/arena.h"
#include "xds/socket.h"

/* What is written until the next flush: its small bytes in an arena, its large ones borrowed from
 * retained resources. */
struct gathered {
    uv_write_t write;
    struct xds_socket *socket;
    struct gathered *next;
    struct arena *a;
    LIST(uv_buf_t) bufs;
    LIST(struct xds_resource *) owners;
    size_t size;
};

void gathered_free(struct gathered *g); /* NULL is fine */

/* Between plain text and the network; all are no more than calls from socket.c. */
struct socket_tls *socket_tls_new(struct xds_socket *s, struct handshakes *handshakes);
void socket_tls_take(struct socket_tls *t, const uint8_t *bytes, size_t size_bytes);
void socket_tls_flush(struct socket_tls *t, struct gathered *g); /* takes it over */
size_t socket_tls_waiting(const struct socket_tls *t); /* bytes that the network has not got yet */
void socket_tls_identity(const struct socket_tls *t, struct buf *out);
void socket_tls_gone(struct socket_tls *t); /* the other side has */
void socket_tls_end(struct socket_tls *t);  /* before the socket closes */
void socket_tls_free(struct socket_tls *t); /* NULL is fine */

#endif
