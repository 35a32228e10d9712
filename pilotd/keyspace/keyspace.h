/*
 * keyspace: the configuration as it stands: each value decoded into an object, or rejected with its
 * reasons. Neither touches another.
 *
 * In place of a rejected value the last good one is in force if `holds/<key>` has it, else nothing:
 * what is in force is a function of the keyspace alone. Where a good value was in force when the
 * bad one came, it stays so while it is being written there (`waiting`); what is built meanwhile
 * must not be published. daemon/holds.h writes.
 *
 * The same goes for instances of the registry that vanish with many others of their service at once
 * (keyspace/expiry.h): in place of an absent key, what `holds/<key>` has is in force, unless there
 * is `tombstones/<key>`: who takes an instance away on purpose puts that in the same transaction,
 * with the instance's lease. Only what a replica hears as it happens is looked at so: what was
 * missed has been decided by others.
 */
#ifndef DAEMON_KEYSPACE_H
#define DAEMON_KEYSPACE_H

#include "base/buf.h"
#include "base/map.h"
#include "base/metrics.h"
#include "keyspace/expiry.h"
#include "keyspace/held.h"
#include "model/object.h"
#include "replication/store.h"

enum {
    REJECT_REASONS_MAX = 20,      /* of one value; the others are counted */
    REJECTS_EXPLAINED_MAX = 1000, /* of more values than these only the keys are kept */
};

struct reject {
    const char *key;
    int64_t revision;
    string_list reasons; /* empty beyond REJECTS_EXPLAINED_MAX */
    size_t reasons_dropped;
    int64_t create_revision;
    struct object *former; /* good, and in force before; NULL: none that is known here */
    bool is_leased, is_waiting, has_waited;
    struct arena *arena;
};

/* First in, first out; a key may be in it several times. */
struct key_queue {
    char **items;
    size_t first, count, capacity; /* of items; those before `first` are taken */
};

struct keyspace_stats {
    metric_value objects, rejected, held; /* gauges */
    metric_value held_instances;          /* of `held` those of absent keys, and in force */
    metric_value decoded, rejected_total;
    metric_value mass_expired; /* instances that vanished with so many others that they were held */
    metric_value decode_us;    /* time spent, all told */
};

struct keyspace {
    struct map by_key;          /* key → struct object, retained */
    struct map rejects;         /* key → struct reject */
    struct map holds;           /* key → struct held */
    struct map tombstones;      /* key of an instance → not NULL */
    struct expiry expiry;       /* instances whose keys are absent */
    struct map changed;         /* keys whose objects are others than when changes were told */
    struct key_queue unsettled; /* keys whose hold may have to be written or removed */
    size_t waiting;             /* rejects, and instances that are lost */
    bool is_live;               /* what is applied happens now */
    bool has_other_past;        /* than what is applied */
    uint64_t now_ms, told_expiry_ms;
    bool is_of_files; /* their create_revision does not tell a key that was made anew */
    struct keyspace_stats *stats;
    const struct log_scope *log;
};

void keyspace_init(struct keyspace *k, const struct expiry_settings *settings,
    struct keyspace_stats *stats, const struct log_scope *log);
void keyspace_fini(struct keyspace *k);

/* Around what came at once. The end is true when the objects are others than before it. */
void keyspace_begin(struct keyspace *k, uint64_t now_ms);
bool keyspace_end(struct keyspace *k);

/* Whether what is applied next has just happened. */
void keyspace_set_live(struct keyspace *k, bool is_live);

/* True when the objects are others than before. */
bool keyspace_apply(struct keyspace *k, const struct store_change *change);

/* Drops the values whose keys are not in `keys`, rejected ones too. True when the objects are
 * others than before. */
bool keyspace_keep(struct keyspace *k, const struct map *keys);

/* For a value of pilotd's own keys that is not what it must be. */
void keyspace_reject(struct keyspace *k, const struct store_entry *entry, const struct diags *d);

/* What is applied next, up to keyspace_end, is the difference to another history: what was in force
 * before is held in place of nothing in it. */
void keyspace_forget_past(struct keyspace *k);

/* Nothing waits for its hold any longer. True when the objects are others than before. */
bool keyspace_stop_waiting(struct keyspace *k);

/* The key's hold is to be looked at once more. */
void keyspace_note_unsettled(struct keyspace *k, const char *key);

/* The next unsettled key, the caller's to free; NULL: there is none. */
char *keyspace_take_unsettled(struct keyspace *k);

/* What is to be done with a key's hold: `value` is filled in to be written under the condition that
 * the hold's revision is `expected`; empty, it is to be deleted. `is_leased`: it stands in for an
 * absent key, and for a limited time. False: nothing. */
struct hold_wanted {
    struct buf *value;
    int64_t expected;
    bool is_leased;
};
bool keyspace_hold_wanted(const struct keyspace *k, const char *key, struct hold_wanted *wanted);

/* All objects, each retained, in an array on the heap; the caller's. */
struct object **keyspace_objects(const struct keyspace *k, size_t *count);

/* What has changed since this was asked last. */
struct keyspace_changes {
    struct object_change *items; /* each object retained */
    size_t count;
    struct arena *arena; /* of the items and of their keys */
};
struct keyspace_changes keyspace_changes(struct keyspace *k);
void keyspace_changes_fini(struct keyspace_changes *changes);

#endif
