/*
 * triggers: what the store told, and what of it makes the next push, for /metrics.
 *
 * Belongs to the control loop.
 */
#ifndef DAEMON_TRIGGERS_H
#define DAEMON_TRIGGERS_H

#include "base/metrics.h"

#include <stdbool.h>

enum trigger { TRIGGER_ENDPOINT, TRIGGER_SERVICE, TRIGGER_CONFIG, TRIGGER_GLOBAL, TRIGGERS };

struct trigger_stats {
    metric_value inbound[TRIGGERS]; /* values heard */
    metric_value pushes[TRIGGERS];  /* builds that they made */
};

struct triggers {
    bool is_pending[TRIGGERS];
    uint64_t since_ns; /* the first of those that are; 0: none is */
    struct trigger_stats *stats;
};

/* The value of a key has changed, and with it what is in force (or not). */
void triggers_heard(struct triggers *t, const char *key, bool is_in_force);

/* All that is pending goes into the build that begins now: when the first of it was heard; 0: none.
 */
uint64_t triggers_take(struct triggers *t);

#endif
