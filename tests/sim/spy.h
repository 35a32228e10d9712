/*
 * spy: hears which views the streams of xds/stream.c are given, and for whom, and when a member of
 * the store is given up. The linker puts it before xds_stream_new, xds_stream_view and
 * store_reconnect (tests/tests.mk).
 */
#ifndef SIM_SPY_H
#define SIM_SPY_H

#include "replication/store.h"
#include "xds/stream.h"

struct spy_owner {
    /* A stream was opened for that client (channel_owner). */
    void (*on_stream)(struct spy_owner *o, void *client, const struct xds_stream *stream);
    void (*on_view)(struct spy_owner *o, const struct xds_stream *stream, struct xds_view *view);
    void (*on_given_up)(struct spy_owner *o, const struct store_status *status);
};

void spy_begin(struct spy_owner *owner);

#endif
