/*
 * path: how a place within a document is written, so that whoever finds a fault and whoever knows
 * the lines agree: spec.http[0].route[1].weight, metadata.labels["app.kubernetes.io/name"].
 *
 * A key that reads as an identifier follows a dot; any other stands quoted in brackets, with its
 * control characters escaped and cut after PATH_KEY_MAX bytes.
 */
#ifndef BASE_PATH_H
#define BASE_PATH_H

#include "base/buf.h"

enum { PATH_KEY_MAX = 120 };

void path_add_key(struct buf *path, const char *key);
void path_add_index(struct buf *path, size_t index);

/* The size in bytes of the path that encloses the first `size` bytes of `path`; 0 for the root. */
size_t path_parent_size(const char *path, size_t size);

#endif
