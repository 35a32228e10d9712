/*
 * fake_etcd: a cluster of etcd as its clients see it: one history of revisions, leases, watches,
 * compaction, restored backups; members that are stopped, or cut off from the others.
 *
 * What is committed is so for all; a member that is isolated neither reads nor writes, and brings
 * nothing to its watches. Speaks etcd's own messages (fake_etcd_wire.c), so that all of
 * replication/ runs above it.
 *
 * Behaviour: etcd's "API" and "API guarantees" pages, and what tests/unit holds against a real one.
 */
#ifndef SIM_FAKE_ETCD_H
#define SIM_FAKE_ETCD_H

#include "base/arena.h"
#include "base/map.h"
#include "sim.h"

enum { ETCD_MEMBERS = 3 };

struct etcd_version { /* of a key; immutable */
    const char *key, *value;
    size_t size;
    int64_t create, mod, lease;
    bool is_gone;
    struct etcd_version *former;
};

struct etcd_lease_of {
    int64_t id, ttl_ms;
    uint64_t until_us;
    int64_t granted; /* at this revision */
};

struct etcd_member {
    uint64_t stopped_until_us, isolated_until_us;
};

/* Who asked: told the answer's messages, then its end, unless it has hung up. */
struct etcd_caller {
    void (*on_message)(struct etcd_caller *c, const void *bytes, size_t size_bytes);
    void (*on_end)(struct etcd_caller *c, int status, const char *text);
    /* fake_etcd's own, of a watch: */
    struct fake_etcd *etcd;
    struct etcd_caller *next;
    struct sim_event pump;
    size_t member;
    int64_t next_revision;
    bool is_watching;
    char prefix[64];
};

struct fake_etcd {
    struct sim *sim;
    struct arena *a;
    struct map newest; /* key → struct etcd_version */
    struct etcd_version **log;
    size_t log_count, log_capacity;
    int64_t revision, compacted;
    uint64_t term, cluster;
    unsigned generation; /* counts restored backups */
    struct etcd_lease_of *leases;
    size_t lease_count, lease_capacity;
    int64_t next_lease;
    struct sim_event expiry;
    int64_t backup; /* its revision; 0: none was made */
    int64_t backup_compacted;
    struct etcd_member members[ETCD_MEMBERS];
    struct etcd_caller *watches;
    bool is_full; /* its quota is used up: nothing but deletions is taken */
    /* After each revision, and after a restored backup; may be NULL. */
    void (*on_commit)(struct fake_etcd *e, void *owner);
    void *owner;
    bool forgets_events, reads_old; /* mutants of etcd itself: what must never happen */
};

void fake_etcd_init(struct fake_etcd *e, struct sim *sim);
void fake_etcd_fini(struct fake_etcd *e);

/* ---- the state ---- */

/* As it stood at a revision; NULL: not there. */
const struct etcd_version *etcd_at(const struct etcd_version *newest, int64_t revision);
const struct etcd_version *etcd_get(const struct fake_etcd *e, const char *key);

/* One transaction: begin, then writes, then commit. */
struct etcd_commit {
    struct fake_etcd *etcd;
    int64_t revision;
    size_t writes;
};
struct etcd_commit etcd_begin(struct fake_etcd *e);
void etcd_put(
    struct etcd_commit *c, const char *key, const void *value, size_t size, int64_t lease);
void etcd_delete(struct etcd_commit *c, const char *key);
void etcd_commit(struct etcd_commit *c);

/* For those that write beside pilotd; keys with the prefix. */
void etcd_put_text(struct fake_etcd *e, const char *key, const char *value, int64_t lease);
void etcd_delete_key(struct fake_etcd *e, const char *key);

int64_t etcd_lease_grant(struct fake_etcd *e, int64_t ttl_ms);
struct etcd_lease_of *etcd_lease_find(struct fake_etcd *e, int64_t id); /* NULL: dead */
void etcd_lease_keep(struct fake_etcd *e, struct etcd_lease_of *lease);
void etcd_lease_revoke(struct fake_etcd *e, int64_t id);

/* ---- what befalls it ---- */

void etcd_compact(struct fake_etcd *e, int64_t revision);
void etcd_backup(struct fake_etcd *e);
void etcd_restore(struct fake_etcd *e); /* all its connections are to be cut */

/* ---- requests: "package.Service/Method" and a message ---- */

void fake_etcd_ask(struct fake_etcd *e, struct etcd_caller *caller, size_t member,
    const char *method, const void *bytes, size_t size_bytes);
void fake_etcd_hang_up(struct etcd_caller *caller);

#endif
