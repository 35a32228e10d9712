/*
 * keyspace: the configuration as it stands: each value decoded into an object, or rejected with its
 * reasons. What was decoded is replaced, what was rejected is absent, and neither touches another.
 */
#ifndef DAEMON_KEYSPACE_H
#define DAEMON_KEYSPACE_H

#include "base/map.h"
#include "base/metrics.h"
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
    struct arena *arena;
};

struct keyspace_stats {
    metric_value objects, rejected; /* gauges */
    metric_value decoded, rejected_total;
    metric_value decode_us; /* time spent, all told */
};

struct keyspace {
    struct map by_key;  /* key → struct object, retained */
    struct map rejects; /* key → struct reject */
    struct keyspace_stats *stats;
    const struct log_scope *log;
};

void keyspace_init(struct keyspace *k, struct keyspace_stats *stats, const struct log_scope *log);
void keyspace_fini(struct keyspace *k);

/* True when the objects are others than before. */
bool keyspace_apply(struct keyspace *k, const struct store_change *change);

/* Drops the objects whose keys are not in `keys`. True when there were some. */
bool keyspace_keep(struct keyspace *k, const struct map *keys);

/* For a value of pilotd's own keys that is not what it must be. */
void keyspace_reject(struct keyspace *k, const struct store_entry *entry, const struct diags *d);

/* All objects, each retained, in an array on the heap; the caller's. */
struct object **keyspace_objects(const struct keyspace *k, size_t *count);

#endif
