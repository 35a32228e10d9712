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

/* Codes: 01xx syntax and shape, 02xx values, 03xx rules across fields, 04xx analysis across
 * resources, 05xx keys and store. A code is never used for another thing. */
enum diag_code {
    DIAG_NOT_JSON = 101, /* not JSON or YAML at all, or duplicate keys, or nested too deeply */
    DIAG_UNKNOWN_FIELD = 102,
    DIAG_WRONG_TYPE = 103,
    DIAG_REQUIRED = 104,
    DIAG_UNKNOWN_KIND = 105,
    DIAG_UNSUPPORTED = 106, /* a field of Istio's that is not supported (yet) */
    DIAG_TOO_LARGE = 107,
    DIAG_NO_EFFECT = 108, /* warning: accepted, does nothing */
    DIAG_OUT_OF_RANGE = 201,
    DIAG_UNKNOWN_VALUE = 202, /* of an enumeration */
    DIAG_BAD_FORMAT = 203,    /* durations, addresses, host names, regular expressions */
    DIAG_CONFLICT = 301,      /* fields that exclude each other */
    DIAG_RULE = 302,          /* any other rule across fields */
    DIAG_UNKNOWN_HOST = 401,
    DIAG_UNKNOWN_SUBSET = 402,
    DIAG_SHADOWED = 403,
    DIAG_DUPLICATE_HOST = 404,
    DIAG_PORT_CONFLICT = 405,
    DIAG_UNUSED = 406,            /* a resource that nobody comes to use */
    DIAG_NOT_MERGED = 407,        /* what an older resource for the same host leaves no room for */
    DIAG_NO_ENDPOINTS = 408,      /* traffic that nobody is there for */
    DIAG_NO_OUTLIERS = 409,       /* locality failover without outlier detection */
    DIAG_DUPLICATE_SERVICE = 410, /* a host that another namespace declares, too */
    DIAG_UNKNOWN_PORT = 411,
    DIAG_UNKNOWN_DELEGATE = 412,
    DIAG_NO_ADDRESS = 413,   /* TCP that is told apart by its port alone */
    DIAG_BAD_KEY = 501,      /* a key outside the keyspace's layout */
    DIAG_KEY_MISMATCH = 502, /* the value's kind or name is not its key's */
};

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
