/*
 * store: one interface over where the keyspace lives: etcd, or a folder of files.
 *
 * A store follows every key under its prefix and tells its listener what changed, in revision
 * order, gapless: first the whole keyspace (as changes), then on_synced, then what changes. When it
 * lost the thread (compaction, another member, a restored backup) it lists again and reports only
 * the difference to what it had told before, so a listener never sees a reset. Keys are without the
 * prefix: "config/virtualservices/default/reviews".
 *
 * Everything runs on the uv loop given to store_open; callbacks come from that loop, never from
 * inside a store_* call. A listener may call store_* from its callbacks, store_close included.
 *
 * Behaviour of etcd: etcd's "API" and "API guarantees" pages.
 */
#ifndef REPLICATION_STORE_H
#define REPLICATION_STORE_H

#include "base/diag.h"
#include "base/error.h"
#include "base/log.h"
#include "base/metrics.h"

#include <uv.h>

enum {
    STORE_VALUE_LIMIT_BYTES = 1024 * 1024, /* a larger value is reported, not decoded */
    STORE_LEASE_NONE = 0,
};

struct store;

struct store_entry {
    const char *key;
    const char *value; /* size bytes; NUL-terminated beyond them */
    size_t size;
    int64_t create_revision, mod_revision, lease;
};

struct store_change {
    struct store_entry entry; /* when is_gone: key and mod_revision only */
    bool is_gone;
};

enum store_state {
    STORE_CONNECTING, /* nothing known yet */
    STORE_FOLLOWING,
    STORE_BEHIND, /* known, but the connection is gone: what there is may be old */
};

struct store_status {
    enum store_state state;
    int64_t revision;    /* everything up to here has been told */
    const char *member;  /* "host:port" followed now or last; "" for files */
    const char *problem; /* why not FOLLOWING, or "" */
};

struct store_listener {
    /* changes and what they point to are borrowed until return. `revision` is the store's after
     * them; with count 0 only the revision went forward. */
    void (*on_changes)(struct store_listener *l, const struct store_change *changes, size_t count,
        int64_t revision);
    void (*on_synced)(struct store_listener *l); /* once: the first listing has been told whole */
    void (*on_state)(struct store_listener *l, const struct store_status *status);
};

/* What a file store needs to know of resources: the key of a document, or NULL after an error in
 * `d`. Given by whoever knows kinds, so that replication/ need not. */
struct store_layout {
    const char *(*key_of)(
        struct arena *a, const char *kind, const char *ns, const char *name, struct diags *d);
};

struct store_stats { /* read by /metrics */
    metric_value lists, watch_events, reconnects, compactions, errors, writes;
};

struct store_options {
    const char *url; /* etcd://h1:2379,h2:2379/prefix or file:DIR */
    const struct store_layout *layout; /* file: only */
    const struct log_scope *log;
    struct store_stats *stats; /* the caller's; may be NULL */
    bool is_readonly;          /* refuses writes */
    bool is_oneshot; /* pilotctl: no watch; store_get/list/txn only; listener may be NULL */
};

/* Copies what it needs. False for a URL it does not understand; an etcd that is away is no error
 * here: it is tried for ever, and on_state tells. */
bool store_open(uv_loop_t *loop, const struct store_options *options,
    struct store_listener *listener, struct store **out, struct error *err);

/* Frees later, from the loop; no callback of the listener or of a pending call comes any more. */
void store_close(struct store *s);

const struct store_status *store_status(const struct store *s);

/*
 * Requests. Each calls back exactly once (err NULL when it worked), unless the store is closed
 * first. A request is tried on the members in turn until its timeout (STORE_REQUEST_TIMEOUT_MS).
 */
enum { STORE_REQUEST_TIMEOUT_MS = 5000 };

struct store_reply {
    const struct error *err; /* NULL when it worked */
    bool succeeded;          /* txn: the comparison held */
    int64_t revision;        /* the store's after the request */
    int64_t lease;           /* grant: the lease's id; keepalive: the id, or 0 when it is dead */
    const struct store_entry *entries; /* get, list: sorted by key, borrowed until return */
    size_t count;
};
struct store_call {
    void (*on_reply)(struct store_call *call, const struct store_reply *reply);
};

void store_get(struct store *s, const char *key, struct store_call *call);
void store_list(struct store *s, const char *key_prefix, struct store_call *call); /* one revision */

/* One write, conditional when expected_mod_revision >= 0 (0: only if absent). value NULL deletes. */
struct store_write {
    const char *key, *value;
    size_t size;
    int64_t lease;
    int64_t expected_mod_revision; /* STORE_ANY_REVISION: unconditional */
};
enum { STORE_ANY_REVISION = -1 };
/* All or nothing, at one revision. */
void store_txn(
    struct store *s, const struct store_write *writes, size_t count, struct store_call *call);

/* Leases; a file store grants lease 1 and forgets what it held when it closes. */
void store_lease_grant(struct store *s, int64_t ttl_seconds, struct store_call *call);
void store_lease_keepalive(struct store *s, int64_t lease, struct store_call *call);
void store_lease_revoke(struct store *s, int64_t lease, struct store_call *call);

#endif
