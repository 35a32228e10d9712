/*
 * spy: hears which views the streams of xds/stream.c are given, and for whom. The linker puts it
 * before xds_stream_new and xds_stream_view (tests/tests.mk).
 */
#ifndef SIM_SPY_H
#define SIM_SPY_H

#include "xds/stream.h"

struct spy_owner {
    /* A stream was opened for that client (channel_owner). */
    void (*on_stream)(struct spy_owner *o, void *client, const struct xds_stream *stream);
    void (*on_view)(struct spy_owner *o, const struct xds_stream *stream, struct xds_view *view);
};

void spy_begin(struct spy_owner *owner);

#endif
