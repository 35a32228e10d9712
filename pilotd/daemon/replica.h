/*
 * replica: this replica's own record, `replicas/<id>`, leased and rewritten every second.
 *
 * It is seen again through the watch, which proves in one that etcd has a quorum, that the member
 * followed is alive, that the stream flows and that this loop turns: the time since the last beat
 * seen was put is the replica's freshness. A beat that etcd acknowledged and the watch does not
 * bring means a member that is stopped or cut off: another one is followed.
 */
#ifndef DAEMON_REPLICA_H
#define DAEMON_REPLICA_H

#include "daemon/record.h"
#include "replication/lease.h"

enum {
    REPLICA_BEAT_MS = 1000,
    REPLICA_UNSEEN_MS = 3000, /* an acknowledged beat that a watch of this age does not bring */
    REPLICA_STALE_MS = 3000,  /* no beat seen for so long: not ready for new streams */
    REPLICA_LOST_MS = 10000,  /* and for so long: another member is followed, again and again */
};

struct replica;
struct replica_owner {
    /* Fills in what is to be told: all but instance and beat. Texts are borrowed until return. */
    void (*on_compose)(struct replica_owner *o, struct replica_record *record);
    void (*on_beat)(struct replica_owner *o); /* every REPLICA_BEAT_MS, written or not */
    void (*on_closed)(struct replica_owner *o);
};

struct replica *replica_open(uv_loop_t *loop, struct store *store, const char *id,
    int64_t ttl_seconds, struct replica_owner *owner, const struct log_scope *log);

/* Something in the record is new: it is written at once, or when the write under way has ended. */
void replica_touch(struct replica *r);

/* The watch brought the record of this id. */
void replica_seen(struct replica *r, const struct replica_record *record);

/* The watch says that it is gone: somebody deleted it. It is written again. */
void replica_missed(struct replica *r);

/* Why the record could not be written or leased when that was tried last, or "". A store that says
 * no (it is full, the user may not write) is not the member's fault: then no other is followed. */
const char *replica_problem(const struct replica *r);

const char *replica_instance(const struct replica *r);
uint64_t replica_age_ms(
    const struct replica *r); /* since a beat was put that came back, or opened */
bool replica_has_rival(const struct replica *r); /* another process writes this id's record */

/* Revokes the lease, so that the record goes; then on_closed. Frees later, from the loop. With
 * `at_once`, also while the other waits, nothing is waited for: the record goes when the lease runs
 * out. */
void replica_close(struct replica *r, bool at_once);

#endif
