/*
 * publication: what a build made, on its way to the serving loops: views for scopes.
 *
 * Counted and immutable, as is what it points to; any thread may hold it. A whole one has a new
 * snapshot and a view for every scope that was wanted when the build began; any other adds scopes
 * to the snapshot that is published already.
 */
#ifndef DAEMON_PUBLICATION_H
#define DAEMON_PUBLICATION_H

#include "base/arena.h"
#include "mesh/scope.h"
#include "mesh/snapshot.h"
#include "xds/view.h"

/* A scope that threads share. */
struct shared_scope {
    struct refcount refs;
    struct scope scope;
    struct arena *arena;
};

struct shared_scope *shared_scope_new(const struct scope *scope); /* copies it */
struct shared_scope *shared_scope_retain(struct shared_scope *s);
void shared_scope_release(struct shared_scope *s); /* NULL is fine */

struct published_view {
    struct shared_scope *scope;
    struct xds_view *view;
};

struct publication {
    struct refcount refs;
    struct snapshot *snapshot;
    struct hash128 hash;        /* the control loop's alone, and set once the views are out */
    struct xds_view *reference; /* likewise: whose resources the hash covers; only of a whole one */
    bool is_whole;
    uint64_t changed_ns; /* when the first change that made it was heard (uv_hrtime); 0: none did */
    uint64_t made_ns;    /* when it was ready */
    size_t count;
    struct published_view views[];
};

/* Room for `count` views, which the caller fills in: each takes over a reference of its scope and
 * its view. The snapshot is retained. */
struct publication *publication_new(struct snapshot *snapshot, struct hash128 hash, size_t count);
struct publication *publication_retain(struct publication *p);
void publication_release(struct publication *p); /* NULL is fine */

#endif
