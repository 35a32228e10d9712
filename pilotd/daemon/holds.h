/*
 * holds: writes what the keyspace wants held to `holds/<key>`, and removes what it wants no longer
 * (keyspace/keyspace.h). Every replica does; a condition on each hold's revision lets the first one
 * through, and the watch tells all. Many in one transaction, one transaction at a time, on the
 * control loop. Those of instances that expired hang on a lease that nobody renews: they end after
 * `hold_time_ms`, all of one occasion together.
 *
 * A replica that has what is to be held publishes nothing until the holds are there, so that nobody
 * sees it go and come back. That takes HOLDS_GRACE_MS at most, and again as long whenever some were
 * written meanwhile, HOLDS_WAIT_MAX_MS in all; then what the store has is in force: nothing, or an
 * older hold. A write that fails is tried again every HOLDS_RETRY_MS.
 */
#ifndef DAEMON_HOLDS_H
#define DAEMON_HOLDS_H

#include "keyspace/keyspace.h"

#include <uv.h>

enum {
    HOLDS_GRACE_MS = 500,
    HOLDS_WAIT_MAX_MS = 2000,
    HOLDS_RETRY_MS = 1000,
    HOLDS_LEASE_FRESH_MS = 1000,    /* a lease takes in more holds for so long */
    HOLDS_BATCH_BYTES = 256 * 1024, /* once a transaction has as many, it takes no more */
};

struct holds_owner {
    void (*on_gave_up)(struct holds_owner *o, bool is_changed); /* the grace is over */
};

struct holds {
    struct store *store;
    struct keyspace *keyspace;
    struct holds_owner *owner;
    const struct log_scope *log;
    int64_t hold_time_ms;
    uv_timer_t grace, retry;
    size_t waited_for; /* how many waited when the grace began */
    uint64_t waits_since_ms;

    /* What is being written: granting its lease, then the transaction. */
    struct store_call call;
    struct arena *batch; /* NULL: nothing */
    LIST(struct store_write) writes;
    string_list keys; /* of what is held */
    int64_t lease;
    uint64_t leased_ms;
    int64_t told_revision, must_know_revision; /* forestalled there: what by will be told */
    bool is_failing, is_shared;
};

struct holds_options {
    struct store *store;
    bool is_shared; /* else it is not written to: what is in force stays so, in this process */
    int64_t hold_time_ms;
    struct keyspace *keyspace;
    struct holds_owner *owner;
    const struct log_scope *log;
};

void holds_open(struct holds *h, uv_loop_t *loop, const struct holds_options *options);

/* The keyspace is another one, known whole up to here. */
void holds_review(struct holds *h, int64_t revision);

void holds_close(struct holds *h); /* before the store */

#endif
