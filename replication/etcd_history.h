/*
 * etcd_history: what etcd remembers of one key: a watch of it from the first revision that is not
 * compacted, ended once it has come to what is there now.
 *
 * A watch says nothing when there is nothing: where a key has no past at all, that is taken for
 * granted after HISTORY_QUIET_MS. Behaviour: etcd's "API guarantees" page, Watch.
 */
#ifndef REPLICATION_ETCD_HISTORY_H
#define REPLICATION_ETCD_HISTORY_H

#include "replication/etcd_client.h"

enum { HISTORY_QUIET_MS = 1000 };

struct etcd_history;

struct etcd_past { /* where it is asked; all outlive it */
    const struct etcd_url *url;
    struct etcd_channel *channel;
    uv_loop_t *loop;
};

/* store_history, in the list of those under way. */
void etcd_history_open(struct etcd_history **list, const struct etcd_past *past, const char *key,
    int64_t last, struct store_call *call);
/* That of the call, or with NULL all. */
void etcd_history_cancel(struct etcd_history **list, const struct store_call *call);

#endif
