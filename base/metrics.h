/*
 * metrics: Prometheus' text form. A module keeps its counters in a plain struct of metric_value
 * fields that any thread may add to; whoever serves /metrics has a table that names them.
 */
#ifndef BASE_METRICS_H
#define BASE_METRICS_H

#include "base/buf.h"

#include <stdatomic.h>

typedef _Atomic int64_t metric_value;

static inline void metric_add(metric_value *v, int64_t n)
{
    atomic_fetch_add_explicit(v, n, memory_order_relaxed);
}

static inline void metric_set(metric_value *v, int64_t n)
{
    atomic_store_explicit(v, n, memory_order_relaxed);
}

struct metric_desc {
    const char *name, *type, *help; /* type: counter or gauge */
    const char *labels;             /* ready-made "{state=\"good\"}", or NULL */
    size_t offset;                  /* of the metric_value in its struct */
};

/* Appends each row; HELP and TYPE once for rows that follow each other with one name. */
void metrics_render(
    struct buf *out, const struct metric_desc *rows, size_t count, const void *values);

#endif
