/*
 * store: one interface over where the keyspace lives: etcd, or a folder of files.
 *
 * A store follows every key under its prefix and tells its listener what changed, in revision
 * order, gapless: first the whole keyspace (as changes), then on_synced, then what changes. When it
 * lost the thread (compaction, another member, a restored backup) it lists again and reports only
 * the difference to what it had told before, so a listener never sees a reset. Whether it did is
 * looked at now and then: some keys after others are compared with the store's own, at the revision
 * that was told; a difference is counted, logged, and mended by listing again. Keys are without the
 * prefix: "config/virtualservices/default/reviews". Every key under the prefix is told, known to
 * anybody or not; one with a NUL byte inside is left out, and logged.
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
    STORE_TXN_WRITES_MAX = 128, /* etcd's own limit; a larger transaction is refused */
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
    STORE_FOLLOWING,  /* what was missed while it was BEHIND comes at once */
    STORE_BEHIND,     /* known, but the connection is gone: what there is may be old */
};

struct store_status {
    enum store_state state;
    int64_t revision;    /* everything up to here has been told */
    unsigned histories;  /* times the store turned out to be another than was followed: what it
                            told before is of no revision that it has now, be it higher */
    const char *member;  /* "host:port" followed now or last; "" for files */
    const char *problem; /* why not FOLLOWING, or "" */
    uint64_t following_since_ms; /* FOLLOWING: uv_now() when it began, with this watch */
    uint64_t last_heard_ms; /* uv_now() when the last message of the store was read; 0: never */
};

struct store_listener {
    /* changes and what they point to are borrowed until return. `revision` is the store's after
     * them; with count 0 only the revision moved. What one revision changed is never split over two
     * calls. Before on_synced the keyspace comes in several calls of one revision; a key that was
     * told and then went, or changed while a broken listing was begun again, is told as a change.
     * After a backup was restored, `revision` is lower than it was. */
    void (*on_changes)(struct store_listener *l, const struct store_change *changes, size_t count,
        int64_t revision);
    void (*on_synced)(struct store_listener *l); /* once: the first listing has been told whole */
    /* When the state, the member or the problem is another one. */
    void (*on_state)(struct store_listener *l, const struct store_status *status);
    /* file: what is wrong with one file (text: a line each, "FILE:LINE:COLUMN: …"), again when it
     * is something else, and with an empty text when it is mended. May be NULL. */
    void (*on_fault)(struct store_listener *l, const char *file, const char *text);
};

/* What a file store needs to know of resources: the key of a document, or NULL after an error in
 * `d`. Given by whoever knows kinds, so that replication/ need not. */
struct store_layout {
    const char *(*key_of)(
        struct arena *a, const char *kind, const char *ns, const char *name, struct diags *d);
};

struct store_stats { /* read by /metrics */
    metric_value lists, watch_events, reconnects, compactions, errors, writes;
    metric_value histories; /* times etcd turned out to be another than the one that was followed */
    metric_value audited, divergences; /* keys compared with etcd's own; those that differed */
};

/*
 * etcd://HOST[:PORT][,HOST[:PORT]…][/PREFIX]: the members, port 2379 unless given, and the prefix
 * of the keys, "/pilot/" unless given. etcds:// is the same over TLS.
 *
 * file:DIR. Every *.yaml, *.yml and *.json below DIR is read, in the order of their paths; names
 * that begin with a dot are skipped. Two kinds of file:
 * - DIR/mesh, DIR/cluster, DIR/config/<kinds>/<namespace>/<name>, DIR/services/<namespace>/<name>,
 *   DIR/registry/<namespace>/<service>/<instance>, DIR/replicas/<id>, DIR/holds/<key> and
 *   DIR/tombstones/<key> hold one value each; the path without its extension is the key. JSON is
 *   passed on byte for byte.
 * - All other files hold resources, one a document; their keys come from the layout. The value is
 *   the document as JSON.
 * When two documents have one key the first counts, and the other is a fault. A file that is not
 * YAML or JSON is a fault, and what it held before stays until it is mended.
 *
 * create_revision gives the order of the values: those with a metadata.creationTimestamp come
 * first, by time; all others follow, in the order of path and then document. Values under
 * registry/, replicas/, holds/ and tombstones/ have no order, and 1 each. mod_revision and the
 * store's revision count rescans that found a change, from 1, in this process only.
 *
 * A write replaces or removes DIR/<key>.json, atomically; it is refused for keys outside those of
 * the first kind of file, and for a value that lives in a file of another name.
 */
/* How an etcd is reached. etcds:// alone: files in PEM. Of the authority that signed the members'
 * certificates (NULL: the system's), and of what is shown to them (NULL: nothing); its common name
 * is the user where etcd demands certificates. They are read again with each connection. The
 * password of a user is the first line of a file. */
struct store_access {
    const char *ca_file, *cert_file, *key_file;
    const char *user, *password_file;
};

struct store_options {
    const char *url;
    struct store_access access;
    const struct store_layout *layout; /* file: only */
    const struct log_scope *log;
    struct store_stats *stats; /* the caller's; may be NULL */
    bool is_readonly;          /* refuses writes */
    uint64_t audit_every_ms;   /* etcd: a shard of the keys is compared so often; 0: every 5 s */
    bool is_oneshot; /* pilotctl: no watch; store_get/list/txn only; listener may be NULL */
};

/* Copies what it needs. False for a URL it does not understand; an etcd that is away is no error
 * here: it is tried for ever, and on_state tells. */
bool store_open(uv_loop_t *loop, const struct store_options *options,
    struct store_listener *listener, struct store **out, struct error *err);

/* Frees later, from the loop; no callback of the listener or of a pending call comes any more. */
void store_close(struct store *s);

const struct store_status *store_status(const struct store *s);

/* Drops the watch and follows from the next member: for who knows that this one is dead although
 * its connection is open. file: looks at the folder now. Nothing is told twice for it. */
void store_reconnect(struct store *s);

/* Certificates or the password were replaced: the watch begins anew with them, from the same
 * member. */
void store_reload(struct store *s);

/*
 * Requests. Each calls back exactly once (err NULL when it worked), unless it is cancelled or the
 * store is closed first. A request is tried on the members in turn until its timeout
 * (STORE_REQUEST_TIMEOUT_MS; a list, for each part of it). A conditional write is tried again only
 * if the first one surely was not carried out; else it ends with ERROR_UNREACHABLE, and may have
 * been. Several requests under way at once may be carried out in any order.
 */
enum { STORE_REQUEST_TIMEOUT_MS = 5000 };

struct store_reply {
    const struct error *err; /* NULL when it worked */
    bool succeeded;          /* txn: the comparison held */
    int64_t revision;        /* the store's after the request */
    int64_t lease;           /* grant: the lease's id; keepalive: the id, or 0 when it is dead */
    int64_t compacted;       /* history: what was before it is forgotten */
    const struct store_entry *entries; /* get, list: sorted by key, borrowed until return */
    size_t count;
};
struct store_call {
    void (*on_reply)(struct store_call *call, const struct store_reply *reply);
};

void store_get(struct store *s, const char *key, struct store_call *call);
void store_list(
    struct store *s, const char *key_prefix, struct store_call *call); /* one revision */

/* As they were at that revision. ERROR_COMPACTED where the store has forgotten it or has not come
 * to it; ERROR_REFUSED of a store that remembers nothing (file:). */
void store_get_at(struct store *s, const char *key, int64_t revision, struct store_call *call);
void store_list_at(
    struct store *s, const char *key_prefix, int64_t revision, struct store_call *call);

/* All that is remembered of a key, oldest first: its values, and its deletions (value NULL). `last`
 * is the mod_revision it has now, 0 when it is not there: by that the end is known. The reply's
 * `compacted` says from which revision on is remembered; 0: from the first. Others as above. */
void store_history(struct store *s, const char *key, int64_t last, struct store_call *call);

/* Nothing comes back for this call any more; whether it was carried out is not known. */
void store_cancel(struct store *s, struct store_call *call);

/* One write, conditional when expected_mod_revision >= 0 (0: only if absent). value NULL deletes;
 * that nothing was there is no error. */
struct store_write {
    const char *key, *value;
    size_t size;
    int64_t lease;
    int64_t expected_mod_revision; /* STORE_ANY_REVISION: unconditional */
};
enum { STORE_ANY_REVISION = -1 };
/* All or nothing, at one revision; no key twice. (Files: all is staged before the first is put in
 * place, but a crash may leave a part.) */
void store_txn(
    struct store *s, const struct store_write *writes, size_t count, struct store_call *call);

/* Leases; a revoked or dead one can be revoked. Those of a file store do not run out: its keys are
 * removed when it is revoked or the store closes. */
void store_lease_grant(struct store *s, int64_t ttl_seconds, struct store_call *call);
void store_lease_keepalive(struct store *s, int64_t lease, struct store_call *call);
void store_lease_revoke(struct store *s, int64_t lease, struct store_call *call);

#endif
