/*
 * epoch: the key `cluster`: {"epoch": …}, which cluster of replicas this keyspace is of.
 *
 * Drawn at random and made once, by whichever replica comes first: a condition lets only one of
 * several through. It tells keyspaces apart that look alike, as one and its restored copy.
 */
#ifndef DAEMON_EPOCH_H
#define DAEMON_EPOCH_H

#include "replication/store.h"

enum { EPOCH_TEXT_MAX = 64 };

struct epoch {
    char text[EPOCH_TEXT_MAX + 1]; /* "" while it is not known */
    bool is_told;                  /* the key is there, good or not */
    bool is_making;
    struct store *store;
    struct store_call make;
    const struct log_scope *log;
};

/* The key's value (NULL: it is gone). False after an error in `d` for one that is no epoch. */
bool epoch_told(struct epoch *e, const char *value, size_t size_bytes, struct diags *d);

/* Makes the key unless it is there. Once the keyspace is synced; again while it fails. */
void epoch_make(struct epoch *e);
void epoch_close(struct epoch *e);

#endif
