/*
 * xds_listener: a listening socket, one of several on one address (SO_REUSEPORT).
 */
#ifndef XDS_LISTENER_H
#define XDS_LISTENER_H

#include "base/error.h"

#include <uv.h>

struct xds_listener {
    uv_tcp_t tcp;
    /* One waits to be accepted. Until it is, no other is announced: they wait in the kernel. */
    void (*on_connection)(struct xds_listener *l);
    void (*on_closed)(struct xds_listener *l);
    bool is_closing;
};

/* "127.0.0.1:15010", "[::1]:15010"; or `socket`, which listens there already and stays the caller's
 * (0: none). It is to be closed in either case. */
bool xds_listener_open(
    struct xds_listener *l, uv_loop_t *loop, const char *address, int socket, struct error *err);
int xds_listener_port(const struct xds_listener *l); /* the bound one, when port 0 was asked */
void xds_listener_refuse(struct xds_listener *l);    /* the one that waits */
void xds_listener_close(struct xds_listener *l);     /* once */

#endif
