/*
 * walk_path: a request's path as Envoy has it before routes are tried.
 */
#ifndef TRANSLATE_WALK_PATH_H
#define TRANSLATE_WALK_PATH_H

#include "base/arena.h"

struct path_care {
    bool unescapes_slashes; /* %2F and %5C */
    bool normalizes;        /* dot segments, backslashes, needless escapes */
    bool merges_slashes;
};

/* The query stays as it is. */
const char *walk_path_normalize(struct arena *a, const char *path, const struct path_care *care);

/* Of the path alone, without query and fragment. */
size_t walk_path_size(const char *path);

#endif
