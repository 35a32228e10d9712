/*
 * process: what the process itself takes, under the names that Prometheus' own clients give it.
 */
#ifndef DAEMON_PROCESS_H
#define DAEMON_PROCESS_H

#include "base/metrics.h"

struct process_stats {
    metric_value resident_bytes, open_fds, max_fds;
    metric_value start_time_seconds; /* its owner sets it */
    metric_value cpu_ms;             /* user and system */
};

void process_gauges(struct process_stats *stats);

#endif
