/*
 * epoch: the key `cluster`: {"epoch": …, "level": …}: which cluster of replicas this keyspace is
 * of, and the translation level in force.
 *
 * The epoch is drawn at random and made once, by whichever replica comes first: a condition lets
 * only one of several through. It tells keyspaces apart that look alike. The level is changed by
 * whichever replica sees first that another one is possible, under the condition that nobody else
 * has changed the key.
 *
 * Once both are told they stay in force, whatever becomes of the key: one that is deleted (by hand,
 * or with all there was) or garbled is told loudly, and written again as it stood, under the
 * condition that it still is as it was seen. An epoch is the cluster's, not that of what is in the
 * keyspace, so it outlives a keyspace that is emptied. It does not outlive its history: where a
 * restored backup, or an etcd that is another one, has no such key, a new one is made. A replica
 * that comes while the key is not there, and others are, leaves it to them for a while, for they
 * may know it. A good value with another epoch is somebody's will: it is told, and heeded.
 */
#ifndef DAEMON_EPOCH_H
#define DAEMON_EPOCH_H

#include "base/metrics.h"
#include "replication/store.h"

enum { EPOCH_TEXT_MAX = 64, EPOCH_PATIENCE = 3 /* beats */ };

struct epoch {
    char text[EPOCH_TEXT_MAX + 1]; /* "" while it is not known */
    int64_t level;                 /* in force; 0 while it is not known */
    char *value;                   /* the last good one in this history; NULL: none was told */
    int64_t mod_revision;          /* of the key as it stands, good or not; 0: it is not there */
    bool is_good;                  /* as it stands */
    bool has_other_past;           /* what is told next is the difference to another history */
    char problem[96];              /* what was found wrong with it last, or "" */
    metric_value *faults;          /* and how often something was */
    unsigned waited;
    bool is_making;
    struct store *store;
    struct store_call make;
    const struct log_scope *log;
};

/* What the watch says of the key; an error in `d` for a value that is no epoch. */
void epoch_told(struct epoch *e, const struct store_change *change, struct diags *d);

/* Makes or mends the key. Once the keyspace is synced, and then with each beat. */
void epoch_review(struct epoch *e, bool has_peers);
/* Writes another level, unless a write is under way. */
void epoch_propose_level(struct epoch *e, int64_t level);
void epoch_close(struct epoch *e);

#endif
