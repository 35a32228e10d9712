#include "base/metrics.h"

#include <string.h>

const struct metric_buckets metric_seconds = { { 100,
                                                   500,
                                                   1000,
                                                   2500,
                                                   5000,
                                                   10000,
                                                   25000,
                                                   50000,
                                                   100000,
                                                   250000,
                                                   500000,
                                                   1000000,
                                                   2500000,
                                                   5000000,
                                                   10000000,
                                                   30000000 },
    16,
    1000000 };
const struct metric_buckets metric_bytes = {
    { 256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20, 16 << 20, 64 << 20 },
    10,
    1
};

void metric_observe(
    struct metric_histogram *h, const struct metric_buckets *buckets, int64_t value, int64_t times)
{
    size_t at = 0;
    if (times == 0)
        return;
    while (at < buckets->count && value > buckets->bounds[at])
        at++;
    metric_add(&h->counts[at], times);
    metric_add(&h->sum, value * times);
}

static long long read_value(const metric_value *v)
{
    return (long long)atomic_load_explicit(v, memory_order_relaxed);
}

/* `labels` with one more: `{type="cds"}` and `le="1"` are `{type="cds",le="1"}`. */
static void put_bucket(
    struct buf *out, const struct metric_desc *row, const char *bound, long long n)
{
    size_t size = row->labels ? strlen(row->labels) - 1 : 0;
    buf_printf(out,
        "%s_bucket%.*s%sle=\"%s\"} %lld\n",
        row->name,
        (int)size,
        row->labels ? row->labels : "",
        size ? "," : "{",
        bound,
        n);
}

static void put_histogram(
    struct buf *out, const struct metric_desc *row, const struct metric_histogram *h)
{
    const struct metric_buckets *b = row->buckets;
    const char *labels = row->labels ? row->labels : "";
    long long count = 0;
    char bound[32];
    for (size_t i = 0; i < b->count; i++) {
        count += read_value(&h->counts[i]);
        snprintf(bound, sizeof bound, "%.10g", (double)b->bounds[i] / (double)b->per_unit);
        put_bucket(out, row, bound, count);
    }
    count += read_value(&h->counts[b->count]);
    put_bucket(out, row, "+Inf", count);
    buf_printf(out,
        "%s_sum%s %.10g\n%s_count%s %lld\n",
        row->name,
        labels,
        (double)read_value(&h->sum) / (double)b->per_unit,
        row->name,
        labels,
        count);
}

void metrics_render(
    struct buf *out, const struct metric_desc *rows, size_t count, const void *values)
{
    const char *former = "";
    for (const struct metric_desc *row = rows; row < rows + count; row++) {
        const void *at = (const char *)values + row->offset;
        if (strcmp(former, row->name) != 0)
            buf_printf(
                out, "# HELP %s %s\n# TYPE %s %s\n", row->name, row->help, row->name, row->type);
        former = row->name;
        if (row->buckets)
            put_histogram(out, row, at);
        else
            buf_printf(out,
                "%s%s %lld\n",
                row->name,
                row->labels ? row->labels : "",
                read_value((const metric_value *)at));
    }
}
