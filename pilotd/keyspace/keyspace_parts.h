/*
 * keyspace_parts: what keyspace.c (values that come and go) and keyspace_holds.c (what is in force
 * where there is no good one) are to each other.
 */
#ifndef DAEMON_KEYSPACE_PARTS_H
#define DAEMON_KEYSPACE_PARTS_H

#include "keyspace/keyspace.h"

#define HOLDS_PREFIX      "holds/"
#define TOMBSTONES_PREFIX "tombstones/"

/* Bools: the objects are others than before. */

/* ---- keyspace.c ---- */

bool keyspace_put(struct keyspace *k, struct object *object); /* takes it */
bool keyspace_drop(struct keyspace *k, const char *key);
void keyspace_drop_reject(struct keyspace *k, const char *key);

/* `waiting`: of a reject, or of an instance that is lost. */
void keyspace_set_waiting(struct keyspace *k, bool *waiting, bool is_waiting);

/* ---- keyspace_holds.c ---- */

/* The value is no good: its reasons are in `d`. */
bool keyspace_refuse(struct keyspace *k, const struct store_entry *entry, const struct diags *d);
/* The key is gone. */
bool keyspace_lose(struct keyspace *k, const char *key, int64_t revision);
/* The key is there, be its value good or not. */
void keyspace_find_again(struct keyspace *k, const char *key);
bool keyspace_hear_hold(struct keyspace *k, const struct store_change *change);
bool keyspace_hear_tombstone(struct keyspace *k, const struct store_change *change);

#endif
