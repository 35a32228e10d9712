/*
 * epoch: the key `cluster`: {"epoch": …, "level": …}: which cluster of replicas this keyspace is
 * of, and the translation level in force.
 *
 * The epoch is drawn at random and made once, by whichever replica comes first: a condition lets
 * only one of several through. It tells keyspaces apart that look alike, as one and its restored
 * copy. The level is changed by whichever replica sees first that another one is possible, under
 * the condition that nobody else has changed the key.
 */
#ifndef DAEMON_EPOCH_H
#define DAEMON_EPOCH_H

#include "replication/store.h"

enum { EPOCH_TEXT_MAX = 64 };

struct epoch {
    char text[EPOCH_TEXT_MAX + 1]; /* "" while it is not known */
    int64_t level;                 /* 1 unless the key says another one */
    int64_t mod_revision;
    char *value;  /* as it stands in the store; NULL: it is not there, or no good */
    bool is_told; /* the key is there, good or not */
    bool is_making;
    struct store *store;
    struct store_call make;
    const struct log_scope *log;
};

/* What the watch says of the key. False after an error in `d` for a value that is no epoch. */
bool epoch_told(struct epoch *e, const struct store_change *change, struct diags *d);

/* Makes the key unless it is there. Once the keyspace is synced; again while it fails. */
void epoch_make(struct epoch *e);
/* Writes another level, unless a write is under way. */
void epoch_propose_level(struct epoch *e, int64_t level);
void epoch_close(struct epoch *e);

#endif
