#include "model/duration.h"

#include <ctype.h>
#include <string.h>

enum { NS_PER_MS = 1000000 };

static const struct {
    const char *name;
    int64_t ns;
} units[] = {
    /* the longer of two that begin alike comes first */
    { "ms", 1000000 },
    { "us", 1000 },
    { "µs", 1000 }, /* micro sign */
    { "μs", 1000 }, /* Greek mu */
    { "ns", 1 },
    { "s", 1000000000 },
    { "m", 60 * INT64_C(1000000000) },
    { "h", 3600 * INT64_C(1000000000) },
};

static int64_t unit_at(const char **text)
{
    for (size_t i = 0; i < ARRAY_COUNT(units); i++) {
        size_t size = strlen(units[i].name);
        if (strncmp(*text, units[i].name, size) == 0) {
            *text += size;
            return units[i].ns;
        }
    }
    return 0;
}

/* Digits of a decimal fraction below one `unit`, cut to whole nanoseconds. */
static int64_t fraction_of(const char *digits, size_t count, int64_t unit)
{
    int64_t ns = 0;
    for (size_t i = 0; i < count && unit >= 10; i++) {
        unit /= 10;
        ns += (digits[i] - '0') * unit;
    }
    return ns;
}

/* One term, as "1.5h"; adds it to *total_ns. */
static bool term_at(const char **text, int64_t *total_ns)
{
    const char *digits = *text, *fraction = NULL;
    int64_t whole = 0, ns = 0;
    for (; isdigit((unsigned char)**text); (*text)++)
        if (__builtin_mul_overflow(whole, 10, &whole) ||
            __builtin_add_overflow(whole, **text - '0', &whole))
            return false;
    size_t whole_digits = (size_t)(*text - digits), fraction_digits = 0;
    if (**text == '.') {
        fraction = ++*text;
        fraction_digits = strspn(fraction, "0123456789");
        *text += fraction_digits;
    }
    int64_t unit = unit_at(text);
    if (whole_digits + fraction_digits == 0 || unit == 0)
        return false;
    return !__builtin_mul_overflow(whole, unit, &ns) &&
           !__builtin_add_overflow(ns, fraction_of(fraction, fraction_digits, unit), &ns) &&
           !__builtin_add_overflow(*total_ns, ns, total_ns);
}

enum duration_verdict duration_parse(const char *text, struct duration *out)
{
    int64_t ns = 0, sign = *text == '-' ? -1 : 1;
    text += *text == '-' || *text == '+';
    if (strcmp(text, "0") != 0) {
        if (!*text)
            return DURATION_BAD;
        while (*text)
            if (!term_at(&text, &ns))
                return DURATION_BAD;
    }
    if (ns % NS_PER_MS != 0)
        return DURATION_TOO_FINE;
    *out = (struct duration){ .ms = sign * (ns / NS_PER_MS), .is_set = true };
    return DURATION_GOOD;
}
