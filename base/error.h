/*
 * error: the world misbehaved. The callee fills the caller's struct and returns false; the text
 * is inside it and owns nothing. Add context on the way up; log once, at the top.
 */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include "base/base.h"

enum error_code {
    ERROR_NONE,
    ERROR_IO,          /* a file, a socket, the system */
    ERROR_UNREACHABLE, /* the other side cannot be reached, or timed out */
    ERROR_REFUSED,     /* the other side said no: authentication, quota, a failed comparison */
    ERROR_GARBLED,     /* what came cannot be understood */
    ERROR_NOT_FOUND,
    ERROR_COMPACTED, /* etcd no longer has that revision */
    ERROR_USAGE,     /* a wrong flag or setting */
};

struct error {
    enum error_code code;
    char text[512];
};

/* Both return false, so that a callee can `return error_set(err, …);`. */
bool error_set(struct error *err, enum error_code code, const char *fmt, ...) PRINTF_LIKE(3, 4);
bool error_context(struct error *err, const char *fmt, ...) PRINTF_LIKE(2, 3); /* "context: text" */

#endif
