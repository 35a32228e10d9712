#include "translate/walk_parts.h"

#include <string.h>

enum { NANOS_IN_A_MS = 1000000, MS_IN_A_SECOND = 1000 };

const char *text_of_duration(struct arena *a, const pb_Duration *d)
{
    if (!d)
        return "none";
    double seconds = (double)d->seconds + (double)(d->nanos / NANOS_IN_A_MS) / MS_IN_A_SECOND;
    return arena_printf(a, "%.15gs", seconds);
}

double percent_of_fraction(const pb_FractionalPercent *f)
{
    static const double parts[] = { 100, 10000, 1000000 }; /* by DenominatorType */
    if (!f || (size_t)f->denominator >= ARRAY_COUNT(parts))
        return 0;
    return 100 * (double)f->numerator / parts[f->denominator];
}

const char *text_join(struct arena *a, char *const *texts, size_t count)
{
    const char *joined = count ? texts[0] : "";
    for (size_t i = 1; i < count; i++)
        joined = arena_printf(a, "%s, %s", joined, texts[i]);
    return joined;
}

void walk_note(struct arena *a, walk_fact_list *facts, const char *name, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    struct walk_fact fact = { name, arena_vprintf(a, fmt, args) };
    va_end(args);
    list_push(a, facts, fact);
}
