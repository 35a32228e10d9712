/*
 * applied: when this replica came to serve what was written: the last APPLIED_KEPT changes of the
 * keyspace, for /debug/changes and pilotctl trace.
 *
 * Records of replicas are no changes. Several changes that were built together are one entry. Pure:
 * the caller says what time it is.
 */
#ifndef DAEMON_APPLIED_H
#define DAEMON_APPLIED_H

#include "base/buf.h"

enum { APPLIED_KEPT = 1024 };

/* The revisions from `from` to `to`, of those in which something was written. */
struct applied_entry {
    int64_t from, to;
    int64_t heard_ms, applied_ms; /* Unix time */
};

struct applied {
    struct applied_entry ring[APPLIED_KEPT];
    uint64_t count;               /* of all there ever were */
    struct applied_entry waiting; /* heard and not served yet; from 0: nothing is */
};

void applied_heard(struct applied *a, int64_t revision, int64_t now_ms);
/* What is served is right up to there. */
void applied_served(struct applied *a, int64_t revision, int64_t now_ms);
/* Revisions count anew. */
void applied_forget(struct applied *a);

/* Oldest first: {"kept": how many at most, "changes": [{"from", "to", "heardMs", "appliedMs"}]} */
void applied_report(const struct applied *a, struct buf *out);

#endif
