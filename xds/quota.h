/*
 * quota: how many streams a server's process should have, of all that a cluster of them has.
 *
 * Its owner, on a thread of its own, says so anew once in a while; all serving loops go by it.
 */
#ifndef XDS_QUOTA_H
#define XDS_QUOTA_H

#include "base/metrics.h"

struct quota {
    metric_value cap;  /* a gauge; 0: any number */
    metric_value room; /* at the cap: how many may still be refused, for others have room */
    metric_value refused, shed; /* streams */
};

/* Is one more than these to be refused? That uses up room. */
bool quota_refuses(struct quota *q, int64_t streams);

#endif
