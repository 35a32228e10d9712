/*
 * peers: the other replicas, by their records, and whether they agree with this one.
 *
 * Pure but for the log: the caller says what time it is.
 */
#ifndef DAEMON_PEERS_H
#define DAEMON_PEERS_H

#include "base/log.h"
#include "base/map.h"
#include "daemon/record.h"

enum { PEERS_HISTORY = 16, PEERS_MAX = 1000 };

enum agreement {
    AGREEMENT_UNKNOWN, /* their spans have not met, or the levels differ */
    AGREEMENT_AGREES,
    AGREEMENT_DIFFERS,
};
const char *agreement_name(enum agreement agreement);

struct peer {
    struct replica_record record;
    enum agreement agreement; /* by the last record that could be compared */
    uint64_t heard_ms;
    struct arena *arena; /* of the record and the peer */
};

/* What this replica served, and from which revision up to which. */
struct served_span {
    int64_t from, to, level;
    char hash[HASH128_TEXT_BYTES];
};

struct peers {
    struct map by_id;
    size_t differing;
    struct served_span spans[PEERS_HISTORY]; /* a ring; the newest is at `newest` */
    size_t newest;
    const struct log_scope *log;
};

void peers_init(struct peers *p, const struct log_scope *log);
void peers_fini(struct peers *p);

/* What is served now: a span goes on while its beginning and its hash stay. A revision lower than
 * before (a restored backup) begins the history anew. */
void peers_serving(struct peers *p, const struct served_span *now);

/* A record was written, or (by peers_gone) is no more. Texts of `record` are copied. */
void peers_heard(struct peers *p, const struct replica_record *record, uint64_t now_ms);
/* The store's history is another one: what was told of the former cannot be compared any more. */
void peers_forget(struct peers *p);
void peers_gone(struct peers *p, const char *id);

#endif
