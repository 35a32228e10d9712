/*
 * etcd_audit: whether what was told is what etcd has: some keys of the index against etcd's own, at
 * the revision that was told.
 *
 * Two questions. The key that was changed last, and that which was deleted last, say whether this
 * etcd has the same history (a restored backup may have grown past the revision that is known). And
 * one shard after the other, ETCD_SHARD_KEYS at a time, round and round, says whether anything was
 * lost or invented on the way. What is compared is copied from the index when it is asked, so it
 * may move on meanwhile.
 */
#ifndef REPLICATION_ETCD_AUDIT_H
#define REPLICATION_ETCD_AUDIT_H

#include "replication/etcd_call.h"
#include "replication/etcd_codec.h"
#include "replication/key_index.h"

enum {
    ETCD_SHARD_KEYS = 1000,
    ETCD_SHARD_STALL_MS = 3000,
    ETCD_NEWEST_STALL_MS = 1500, /* a member without a leader says nothing: others may have one */
};

enum etcd_verdict {
    ETCD_SAME,
    ETCD_DIFFERENT,
    ETCD_OTHER_HISTORY, /* etcd does not know that revision yet, or its header went back */
    ETCD_NOT_KNOWN,     /* no answer, or that revision is compacted */
};

struct etcd_finding {
    enum etcd_verdict verdict;
    bool is_compacted, is_refused; /* why it is not known */
    size_t compared, differing;
    char text[256];                   /* the first keys that differ, or why it is not known */
    const struct etcd_header *header; /* of the answer; NULL when there is none */
};

/* What is asked, and of whom. */
struct etcd_question {
    struct etcd_channel *channel;
    const char *member, *prefix;
    const struct key_index *index;
    struct etcd_header known; /* of the cluster that the index was told from */
    int64_t revision;         /* that of the index */
};

/* Lives in the caller's struct, zeroed before its first use. */
struct etcd_audit {
    void (*on_finding)(struct etcd_audit *audit, const struct etcd_finding *finding);
    /* The rest is etcd_audit.c's. */
    struct etcd_call call;
    struct etcd_question asked;
    struct buf body;
    struct arena *arena;
    key_told_list told; /* what etcd should have */
    bool is_shard;
    int64_t limit;    /* keys of a shard; fewer after an answer that was too large */
    struct buf after; /* the last key of the shard before; empty: from the first key */
};

/* One question at a time. The answer comes later; with no key told at all, newest is not asked. */
void etcd_audit_newest(struct etcd_audit *audit, const struct etcd_question *question);
void etcd_audit_shard(struct etcd_audit *audit, const struct etcd_question *question);

bool etcd_audit_is_running(const struct etcd_audit *audit);
void etcd_audit_cancel(struct etcd_audit *audit);
void etcd_audit_fini(struct etcd_audit *audit);

/* Whether `seen` cannot come from the cluster that said `known` when it was at `revision`. */
bool etcd_is_other_history(
    const struct etcd_header *seen, const struct etcd_header *known, int64_t revision);

#endif
