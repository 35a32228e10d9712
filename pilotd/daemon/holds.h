/*
 * holds: writes what the keyspace wants held to `holds/<key>`, and removes what it wants no longer
 * (daemon/keyspace.h). Every replica does; a condition on the hold's revision lets the first one
 * through, and the watch tells all. One write at a time, on the control loop.
 *
 * A replica that has the last good value publishes nothing until the hold is there, so that nobody
 * sees the value go and come back; after HOLDS_GRACE_MS what the store has is in force: nothing, or
 * an older hold. A write that fails is tried again every HOLDS_RETRY_MS.
 */
#ifndef DAEMON_HOLDS_H
#define DAEMON_HOLDS_H

#include "daemon/keyspace.h"

#include <uv.h>

enum { HOLDS_GRACE_MS = 500, HOLDS_RETRY_MS = 1000 };

struct holds_owner {
    void (*on_gave_up)(struct holds_owner *o, bool is_changed); /* the grace is over */
};

struct holds {
    struct store *store;
    struct keyspace *keyspace;
    struct holds_owner *owner;
    const struct log_scope *log;
    uv_timer_t grace, retry;
    struct store_call call;
    char *writing; /* the key whose hold is being written; NULL: none */
    bool is_failing, is_shared;
};

/* A store that is not shared is not written to: what is in force stays so, in this process. */
void holds_open(struct holds *h, uv_loop_t *loop, struct store *store, bool is_shared,
    struct keyspace *keyspace, struct holds_owner *owner, const struct log_scope *log);

/* The keyspace is another one, and known whole. */
void holds_review(struct holds *h);

void holds_close(struct holds *h); /* before the store */

#endif
