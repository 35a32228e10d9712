/*
 * quota: how many streams a server's process should have, of all that a cluster of them has.
 *
 * Its owner, on a thread of its own, says so anew once in a while; all serving loops go by it.
 */
#ifndef XDS_QUOTA_H
#define XDS_QUOTA_H

#include "base/metrics.h"

enum { QUOTA_REMEMBERED = 1024 }; /* of those refused, more or less */

struct quota {
    metric_value cap;  /* a gauge; 0: any number */
    metric_value room; /* at the cap: how many may still be refused, for others have room */
    metric_value refused, shed; /* streams */
    _Atomic uint64_t
        refused_last[QUOTA_REMEMBERED]; /* hashes of names, each at a place of its own */
};

/* Is one more than these to be refused? That uses up room. Who was refused and comes back knows no
 * other, or has a balancer that does not: it is taken. Any thread. */
bool quota_refuses(struct quota *q, int64_t streams, const char *who);

#endif
