/*
 * diag: what is wrong with somebody's configuration, all of it, each with its exact place.
 *
 * A diag names the place (`path`, as in spec.http[0].route[1].weight), says what it must be
 * (`message`), and may say how to mend it (`hint`). The code (PIL0101) is stable and is what
 * documentation is found by. The line and column are filled where the source is a file.
 */
#ifndef BASE_DIAG_H
#define BASE_DIAG_H

#include "base/arena.h"

enum diag_severity { DIAG_ERROR, DIAG_WARNING };

/* The codes, one row each in diag_codes.def. */
enum diag_code {
#define DIAG_CODE(name, number, ...) name = number,
#include "base/diag_codes.def"
#undef DIAG_CODE
};

/* What is to be said of a code: pilotctl explain. */
struct diag_page {
    enum diag_code code;
    const char *title, *meaning, *example, *mend; /* example "": no file could give it */
};
extern const struct diag_page diag_pages[];
extern const size_t diag_page_count;

struct diag {
    enum diag_severity severity;
    enum diag_code code;
    const char *path, *message, *hint; /* hint may be NULL */
    unsigned line, column;             /* 1-based; 0 when not from a file */
};

/* At most `limit` are kept (default DIAGS_LIMIT); `dropped` counts the others. */
enum { DIAGS_LIMIT = 100 };
struct diags {
    struct arena *arena;
    LIST(struct diag) list;
    size_t errors, warnings, dropped, limit;
};

void diags_init(struct diags *d, struct arena *a);

/* message is formatted; hint may be NULL and is copied. */
void diag_add(struct diags *d, enum diag_severity severity, enum diag_code code, const char *path,
    const char *hint, const char *fmt, ...) PRINTF_LIKE(6, 7);

/* "PATH: message; hint [PIL0101]" */
const char *diag_text(struct arena *a, const struct diag *diag);

/* Of `candidates`, the one nearest to `word` within two edits (a third of its length), or NULL:
 * the "did you mean". */
const char *diag_nearest(const char *word, const char *const *candidates, size_t count);

#endif
