/*
 * last_good: a copy of the configuration in a file, for a replica that starts while the store is
 * away.
 *
 * DIR/last-good is text around the values as they stand in the store:
 *
 *     pilotd last-good 2
 *     epoch 3f9c…            of the cluster, as in the key `cluster`
 *     revision 1234          all up to here
 *     level 1                of translation, in force there
 *     objects 2
 *     17 23 31 412           create and mod revision, bytes of key and value, of each object
 *     config/virtualservices/…{"apiVersion":…}
 *     …
 *     hash 6d1f…             of all before this line (base/hash.h)
 *
 * It is written beside itself, synced and renamed, so the file is whole or it is the one before.
 * Reading believes nothing: a file that is cut off, changed, too large or of another version is
 * refused.
 */
#ifndef DAEMON_LAST_GOOD_H
#define DAEMON_LAST_GOOD_H

#include "base/error.h"
#include "model/object.h"
#include "replication/store.h"

#define LAST_GOOD_LIMIT_BYTES ((size_t)1024 * 1024 * 1024)

struct last_good_state {
    const char *epoch;
    int64_t revision, level;
    struct object *const *objects;
    size_t count;
};

/* Blocks; on any thread. False leaves the former file. */
bool last_good_write(
    const char *dir, const struct last_good_state *state, size_t *bytes, struct error *err);

struct last_good_copy {
    const char *epoch; /* in the arena */
    int64_t revision, level;
    LIST(struct store_entry) entries; /* key, value, revisions */
};

/* Blocks. False: there is none (ERROR_NOT_FOUND), or it is not to be trusted. */
bool last_good_read(
    struct arena *a, const char *dir, struct last_good_copy *copy, struct error *err);

#endif
