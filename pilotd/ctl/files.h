/*
 * files: the -f of a command line: reads the files (- is standard input) and loads what is in them.
 */
#ifndef CTL_FILES_H
#define CTL_FILES_H

#include "ctl/ctl.h"
#include "model/load.h"

enum { FILE_LIMIT_BYTES = 64 * 1024 * 1024 };

/* The whole file in `a`, NUL-terminated. */
bool files_read(
    struct arena *a, const char *path, const char **text, size_t *size, struct error *err);

/* Loads every -f. EXIT_GOOD, or a status after saying what is wrong (no -f, an unreadable file).
 * Faults of resources are the caller's to print. */
int files_load(struct ctl *ctl, struct loader *loader);

/* Prints every fault, sorted by file, line and column, to standard error; true when none is an
 * error. */
bool files_print_faults(struct ctl *ctl, const struct loader *loader, FILE *out);

#endif
