/*
 * world: the objects of a keyspace, and what becomes of them when something is written: what the
 * replicas have, computed here.
 */
#ifndef CTL_WORLD_H
#define CTL_WORLD_H

#include "ctl/session.h"
#include "keyspace/keyspace.h"
#include "mesh/snapshot.h"
#include "model/load.h"

/* What is in force is decided by the same code as in a replica that starts now. */
struct world {
    struct arena *a;
    struct keyspace keyspace;
    struct keyspace_stats stats;
    struct log_scope log;
    int64_t revision; /* nothing was made later */
};

/* Reads the keyspace, at one revision. False: the store could not be asked. */
bool world_read(struct world *w, struct session *s, struct error *err);
void world_fini(struct world *w);

/* As if written. What exists keeps its age; a write without value deletes. */
void world_write(struct world *w, const struct store_write *writes, size_t count);

/* Which values are rejected, and what is in force in their place; which instances are held that are
 * absent: a line each. */
void world_tell(const struct world *w, FILE *out);

/* What the valid resources of files are when they are applied; *count of them, in the arena. */
struct store_write *writes_of_files(struct arena *a, const struct loader *loader, size_t *count);

/* The caller's to release. */
struct snapshot *world_snapshot(const struct world *w);
struct snapshot *snapshot_of_files(struct arena *a, const struct loader *loader);

#endif
