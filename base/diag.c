#include "base/diag.h"

#include <string.h>

void diags_init(struct diags *d, struct arena *a)
{
    *d = (struct diags){ .arena = a, .limit = DIAGS_LIMIT };
}

void diag_add(struct diags *d, enum diag_severity severity, enum diag_code code, const char *path,
    const char *hint, const char *fmt, ...)
{
    *(severity == DIAG_ERROR ? &d->errors : &d->warnings) += 1;
    if (d->list.count >= d->limit) {
        d->dropped++;
        return;
    }
    va_list args;
    va_start(args, fmt);
    struct diag diag = {
        .severity = severity,
        .code = code,
        .path = arena_strdup(d->arena, path),
        .message = arena_vprintf(d->arena, fmt, args),
        .hint = arena_strdup(d->arena, hint),
    };
    va_end(args);
    list_push(d->arena, &d->list, diag);
}

const char *diag_text(struct arena *a, const struct diag *diag)
{
    return arena_printf(a,
        "%s%s%s%s%s [PIL%04d]",
        diag->path,
        *diag->path ? ": " : "",
        diag->message,
        diag->hint ? "; " : "",
        diag->hint ? diag->hint : "",
        (int)diag->code);
}

enum { NEAREST_MAX = 48 };

/* Levenshtein's distance, one row at a time. Both words are shorter than NEAREST_MAX. */
static size_t distance(const char *a, const char *b)
{
    size_t row[NEAREST_MAX + 1], columns = strlen(b);
    for (size_t j = 0; j <= columns; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1]; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= columns; j++) {
            size_t replace = diagonal + (a[i - 1] != b[j - 1]);
            size_t other = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            diagonal = row[j];
            row[j] = replace < other ? replace : other;
        }
    }
    return row[columns];
}

const char *diag_nearest(const char *word, const char *const *candidates, size_t count)
{
    const char *best = NULL;
    size_t size = strlen(word), limit = size / 3 < 2 ? size / 3 : 2;
    size_t best_distance = limit + 1;
    if (size >= NEAREST_MAX)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        if (strlen(candidates[i]) >= NEAREST_MAX)
            continue;
        size_t far = distance(word, candidates[i]);
        if (far < best_distance) {
            best = candidates[i];
            best_distance = far;
        }
    }
    return best;
}
