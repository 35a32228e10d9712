/*
 * fake_h2: xds/h2.h over a sim, and the client's end of it: connections of one stream each.
 * Linked in the place of xds/h2.c.
 */
#ifndef SIM_FAKE_H2_H
#define SIM_FAKE_H2_H

#include "sim.h"

struct channel;
struct channel_handlers {
    void (*on_message)(struct channel *c, const uint8_t *bytes, size_t size_bytes); /* one, whole */
    /* The last call, unless the client closed it: the stream or its connection is gone. */
    void (*on_closed)(struct channel *c, const char *why);
};

/* To whoever of the process listens; what is not accepted is closed. `path` is gRPC's. */
struct channel *channel_open(struct sim *sim, struct sim_process *process, const char *path,
    const struct channel_handlers *handlers, void *owner);
/* Whose stream is being opened at the server's end right now; NULL: none, or it has gone. */
void *channel_opening(void);
void *channel_owner(const struct channel *c);
void channel_send(struct channel *c, const void *message, size_t size_bytes);
void channel_close(struct channel *c); /* frees; nothing comes any more */
/* The way between is dead until then. */
void channel_cut(struct channel *c, uint64_t until_us);

#endif
