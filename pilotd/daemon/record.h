/*
 * record: what a replica tells the others of itself: the value of `replicas/<id>`.
 *
 * What it serves held from `snapshot_revision` up to `revision`: in between, no configuration
 * changed. So two records can be compared whenever these spans meet, although the revision of the
 * store moves with every heartbeat.
 */
#ifndef DAEMON_RECORD_H
#define DAEMON_RECORD_H

#include "base/buf.h"
#include "base/diag.h"
#include "base/hash.h"

enum replica_state { REPLICA_STARTING, REPLICA_SERVING, REPLICA_DRAINING, REPLICA_DEGRADED };
const char *replica_state_name(enum replica_state state);

struct replica_record {
    const char *id, *instance; /* instance: drawn anew by each process */
    const char *version, *xds, *admin;
    const char *xds_tls;               /* NULL: none */
    const char *state;                 /* text: a newer release may know others */
    int64_t level;                     /* it builds at */
    int64_t level_least, level_newest; /* it can build, with all between */
    bool has_snapshot;                 /* else the three below are nothing */
    int64_t snapshot_revision, revision;
    char hash[HASH128_TEXT_BYTES];
    int64_t streams;
    int64_t beat; /* counts the rewrites of one instance */
};

void record_encode(const struct replica_record *r, struct buf *out);

/* Texts live in `a`. False after an error in `d` for what is not such a record. */
bool record_decode(struct arena *a, const char *value, size_t size_bytes,
    struct replica_record *out, struct diags *d);

#endif
