#include "base/metrics.h"

#include <string.h>

void metrics_render(
    struct buf *out, const struct metric_desc *rows, size_t count, const void *values)
{
    const char *former = "";
    for (const struct metric_desc *row = rows; row < rows + count; row++) {
        if (strcmp(former, row->name) != 0)
            buf_printf(
                out, "# HELP %s %s\n# TYPE %s %s\n", row->name, row->help, row->name, row->type);
        former = row->name;
        const metric_value *v =
            (const metric_value *)(const void *)((const char *)values + row->offset);
        buf_printf(out,
            "%s%s %lld\n",
            row->name,
            row->labels ? row->labels : "",
            (long long)atomic_load_explicit(v, memory_order_relaxed));
    }
}
