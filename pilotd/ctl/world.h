/*
 * world: the objects of a keyspace, and what becomes of them when something is written: what the
 * replicas have, computed here.
 */
#ifndef CTL_WORLD_H
#define CTL_WORLD_H

#include "base/map.h"
#include "ctl/session.h"
#include "mesh/snapshot.h"
#include "model/load.h"

/* By key. What does not decode is not in force, and not here. Texts live in the arena. */
struct world {
    struct arena *a;
    struct map objects;
    int64_t revision; /* the highest of a creation */
};

/* Reads all that configuration is made of. False: the store could not be asked. */
bool world_read(struct world *w, struct session *s, struct error *err);
void world_fini(struct world *w);

/* As if written. What exists keeps its age; a write without value deletes. */
void world_write(struct world *w, const struct store_write *writes, size_t count);

/* What the valid resources of files are when they are applied; *count of them, in the arena. */
struct store_write *writes_of_files(struct arena *a, const struct loader *loader, size_t *count);

/* The caller's to release. */
struct snapshot *world_snapshot(const struct world *w);
struct snapshot *snapshot_of_files(struct arena *a, const struct loader *loader);

#endif
