/*
 * tar: an archive of texts, in POSIX's ustar format. Reference: pax(1), ustar interchange format.
 */
#ifndef CTL_TAR_H
#define CTL_TAR_H

#include "base/buf.h"

enum { TAR_NAME_MAX = 99 };

/* Appends a file; `name` is at most TAR_NAME_MAX bytes. `time_s` is when it was written. */
void tar_add(struct buf *archive, const char *name, const char *text, size_t size, int64_t time_s);
void tar_end(struct buf *archive);

#endif
