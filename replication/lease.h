/*
 * lease: a lease kept alive for as long as its owner wants the keys that hang on it.
 *
 * Grants a lease, renews it every third of its time to live, and when the store says that it is
 * dead (the store was out of reach for longer, somebody revoked it) grants another. The owner is
 * called with each new lease and then puts its keys again: they went with the old one.
 *
 *     struct record { struct lease_owner owner; struct lease_keeper *lease; … };
 *     static void on_held(struct lease_owner *owner, int64_t lease)
 *     {
 *         struct record *r = container_of(owner, struct record, owner);
 *         store_txn(r->store, &(struct store_write){ .key = r->key, … .lease = lease }, 1,
 * &r->put);
 *     }
 *
 * Callbacks come from the store's loop, never from inside a lease_keeper_* call.
 */
#ifndef REPLICATION_LEASE_H
#define REPLICATION_LEASE_H

#include "replication/store.h"

struct lease_keeper;

/* Inside the owner's struct; outlives the keeper. */
struct lease_owner {
    /* A new lease: put the keys with it. A put that fails with ERROR_NOT_FOUND had a lease that has
     * died since; another on_held follows. */
    void (*on_held)(struct lease_owner *owner, int64_t lease);
    /* The lease is dead and its keys are gone. May be NULL. */
    void (*on_lost)(struct lease_owner *owner);
    /* The lease is revoked (or the store could not be reached for that, and the lease will run
     * out), and the keeper is freed. May be NULL. */
    void (*on_closed)(struct lease_owner *owner);
};

/* Tries until it has a lease, and again, for ever; on_state of the store tells why it takes long.
 */
struct lease_keeper *lease_keeper_open(
    struct store *s, int64_t ttl_seconds, struct lease_owner *owner);

/* The lease that is held, or STORE_LEASE_NONE. */
int64_t lease_keeper_lease(const struct lease_keeper *k);

/* Why it was not granted or renewed when that was tried last; ERROR_NONE: it was. */
const struct error *lease_keeper_error(const struct lease_keeper *k);

/* Revokes, then calls on_closed, at most STORE_REQUEST_TIMEOUT_MS later. The store must stay open
 * until then. NULL is fine, and calls nothing. */
void lease_keeper_close(struct lease_keeper *k);

/* For who cannot wait, also for a close under way: frees without revoking and calls nothing any
 * more; the keys go when the lease runs out. The store may be closed after it. NULL is fine. */
void lease_keeper_abandon(struct lease_keeper *k);

#endif
