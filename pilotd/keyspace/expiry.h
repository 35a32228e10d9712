/*
 * expiry: the registry's instances that vanished without a word: is it one that died,
 * or did a registrar fail and all of its leases run out? Who leaves on purpose puts a tombstone
 * first (keyspace/keyspace.h); this is about the others.
 *
 * The rule: of a service's healthy instances, when those that vanished within `window_ms` and those
 * that are held already are EXPIRY_LEAST or more, and more than `share_percent` of all, then those
 * that vanished are to be held. The same goes for all services together, for a registrar may have
 * had one instance of each. What each replica knows of the past may differ, and so may their
 * settings: it decides only who writes holds; what is in force follows from the store.
 *
 * Memory: what vanished is kept for the window only. Control loop.
 */
#ifndef DAEMON_EXPIRY_H
#define DAEMON_EXPIRY_H

#include "base/map.h"
#include "model/object.h"

enum { EXPIRY_LEAST = 2, EXPIRY_SHARE_NEVER = 100 };

struct expiry_settings {
    int64_t share_percent; /* EXPIRY_SHARE_NEVER: nothing is ever to be held */
    uint64_t window_ms;
};

/* An instance whose key is absent. */
struct lost {
    struct object *former; /* in force when its key went; NULL: its hold alone tells of it */
    int64_t revision;      /* at which its key went */
    uint64_t at_ms;
    bool is_wanted; /* to be held */
    bool is_waiting, has_waited;
    bool is_held; /* by what the store has, and in force */
};

struct expiry {
    struct expiry_settings settings;
    struct map services;   /* "registry/NAMESPACE/SERVICE" → struct instances */
    struct map touched;    /* of these: those that lost some since they were judged */
    size_t in_force, lost; /* of all services together */
    uint64_t purged_ms;
};

/* Of a service. */
struct instances {
    size_t in_force; /* healthy ones, those that are held included */
    struct map lost; /* key → struct lost */
};

void expiry_init(struct expiry *e, const struct expiry_settings *settings);
void expiry_fini(struct expiry *e);

bool expiry_is_instance(const char *key);

/* Every object that comes into force (+1) or goes out of it (-1); those that are no healthy
 * instances do not count. */
void expiry_count(struct expiry *e, const struct object *object, int by);

/* NULL: nothing is known of a loss. */
struct lost *expiry_find(const struct expiry *e, const char *key);
/* Makes it when there is none. */
struct lost *expiry_get(struct expiry *e, const char *key);
void expiry_forget(struct expiry *e, const char *key);

/* An instance's key is gone, and no word was left. */
void expiry_vanished(struct expiry *e, struct object *former, int64_t revision, uint64_t now_ms);

/* The keys of those that are to be held from now on, in order; in `a`. */
string_list expiry_judge(struct expiry *e, struct arena *a, uint64_t now_ms);

/* All that are lost, in order; in `a`. */
string_list expiry_keys(const struct expiry *e, struct arena *a);

/* Forgets those that vanished too long ago and are not held; looks once a second at most. */
void expiry_purge(struct expiry *e, uint64_t now_ms);

#endif
