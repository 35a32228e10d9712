/*
 * wire: one direction of a connection: messages arrive in order, each some time after it was sent,
 * and none while the way is blocked.
 */
#ifndef SIM_WIRE_H
#define SIM_WIRE_H

#include "sim.h"

struct wire;
struct parcel {
    struct parcel *next;
    int tag; /* the sender's and the receiver's own */
    struct buf bytes;
};

struct wire_handlers {
    /* Takes the bytes over if it likes: what is left in them is freed. May close the wire. */
    void (*on_arrival)(struct wire *w, struct parcel *p);
    uint64_t (*blocked_until)(struct wire *w); /* NULL: never blocked */
};

/* Lives in its owner's struct. */
struct wire {
    struct sim *sim;
    const struct wire_handlers *handlers;
    struct sim_event event;
    struct parcel *first, *last;
    uint64_t most_us; /* that a message takes */
};

/* Messages arrive in `process` on `loop`; NULL: in the world. */
void wire_open(struct wire *w, struct sim *sim, const struct wire_handlers *handlers,
    struct sim_process *process, const void *loop);
void wire_send(struct wire *w, int tag, const void *bytes, size_t size_bytes);
void wire_close(struct wire *w); /* what is on the way is lost */

#endif
