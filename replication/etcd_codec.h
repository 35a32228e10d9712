/*
 * etcd_codec: etcd's messages, to and from our own structs.
 *
 * Encoders append one framed message to `out`, ready to be a request's body. Decoders copy into an
 * arena, and return false for bytes that are not the message, or that etcd would not say: without a
 * header, a page with fewer keys than it counts or out of order, events out of order. So nothing
 * that was cut off or mixed up on the way is taken for a keyspace with less in it. Keys are without
 * the prefix on our side, with it on etcd's.
 */
#ifndef REPLICATION_ETCD_CODEC_H
#define REPLICATION_ETCD_CODEC_H

#include "base/buf.h"
#include "replication/grpc.h"
#include "replication/store.h"

/* The first words of every answer. */
struct etcd_header {
    int64_t revision; /* the member's newest, not that of what was asked */
    uint64_t term, cluster;
};

struct etcd_bytes {
    const void *data;
    size_t size;
};

struct etcd_range { /* what to ask for */
    const char *prefix, *key;
    bool is_single;         /* that key alone; else all keys that begin with it */
    struct etcd_bytes from; /* the `next` of the page before; empty for the first page */
    int64_t revision;       /* 0: the newest */
    int64_t limit;          /* 0: none */
};

typedef LIST(struct store_entry) etcd_entry_list;
typedef LIST(struct store_change) etcd_change_list;

struct etcd_page {
    struct etcd_header header;
    etcd_entry_list entries; /* sorted by key */
    size_t skipped;          /* keys with a NUL byte, which are not among the entries */
    struct etcd_bytes next;  /* where the next page begins; empty after the last */
};

struct etcd_watch {
    struct etcd_header header;
    etcd_change_list changes;
    bool is_created, is_canceled;
    bool is_fragment; /* the next message goes on with the same revision */
    int64_t compact_revision;
    const char *cancel_reason;
    size_t skipped;
};

struct etcd_txn {
    struct etcd_header header;
    bool succeeded;
};

struct etcd_lease {
    struct etcd_header header;
    int64_t id, ttl_seconds; /* ttl 0: dead */
};

extern const char etcd_method_range[], etcd_method_txn[], etcd_method_watch[],
    etcd_method_lease_grant[], etcd_method_lease_revoke[], etcd_method_lease_keepalive[],
    etcd_method_login[];

void etcd_encode_range(struct buf *out, const struct etcd_range *range);
void etcd_encode_watch(struct buf *out, const char *prefix, int64_t start_revision);
/* Of one key alone. */
void etcd_encode_watch_key(
    struct buf *out, const char *prefix, const char *key, int64_t start_revision);
void etcd_encode_txn(
    struct buf *out, const char *prefix, const struct store_write *writes, size_t count);
void etcd_encode_lease_grant(struct buf *out, int64_t ttl_seconds);
void etcd_encode_lease_revoke(struct buf *out, int64_t lease);
void etcd_encode_lease_keepalive(struct buf *out, int64_t lease);
void etcd_encode_login(struct buf *out, const char *user, const char *password);

bool etcd_decode_range(
    struct arena *a, const char *prefix, struct grpc_message message, struct etcd_page *page);
bool etcd_decode_watch(
    struct arena *a, const char *prefix, struct grpc_message message, struct etcd_watch *watch);
bool etcd_decode_txn(struct arena *a, struct grpc_message message, struct etcd_txn *txn);
bool etcd_decode_lease_grant(
    struct arena *a, struct grpc_message message, struct etcd_lease *lease);
bool etcd_decode_lease_revoke(
    struct arena *a, struct grpc_message message, struct etcd_header *header);
bool etcd_decode_lease_keepalive(
    struct arena *a, struct grpc_message message, struct etcd_lease *lease);

bool etcd_decode_login(struct arena *a, struct grpc_message message, const char **token);

/* A read pinned at a revision that this etcd has not come to. (Its status is that of a compacted
 * one.) */
bool etcd_is_future_revision(const struct error *err);

#endif
