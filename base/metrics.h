/*
 * metrics: Prometheus' text form. A module keeps its counters in a plain struct of metric_value and
 * metric_histogram fields that any thread may add to; whoever serves /metrics has a table that
 * names them.
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

/* Upper bounds of a histogram's buckets, in what is observed, and how much of that is one of what
 * is told: microseconds are told as seconds. */
enum { METRIC_BUCKETS_MAX = 16 };
struct metric_buckets {
    int64_t bounds[METRIC_BUCKETS_MAX];
    size_t count;
    int64_t per_unit;
};
extern const struct metric_buckets metric_seconds; /* of microseconds: 100 us to 30 s */
extern const struct metric_buckets metric_bytes;   /* 256 B to 64 MiB */

struct metric_histogram {
    metric_value counts[METRIC_BUCKETS_MAX + 1]; /* of each bucket alone; the last: of all above */
    metric_value sum;
};

/* A value, seen so many times. */
void metric_observe(
    struct metric_histogram *h, const struct metric_buckets *buckets, int64_t value, int64_t times);

struct metric_desc {
    const char *name, *type, *help; /* type: counter, gauge or histogram */
    const char *labels;             /* ready-made "{state=\"good\"}", or NULL */
    size_t offset;                  /* of the metric_value or metric_histogram in its struct */
    const struct metric_buckets *buckets; /* of a histogram; else NULL */
};

/* Appends each row; HELP and TYPE once for rows that follow each other with one name. */
void metrics_render(
    struct buf *out, const struct metric_desc *rows, size_t count, const void *values);

#endif
