/*
 * analysis: what resources come to together (mesh/snapshot.h: findings), for the verbs that check
 * or change them.
 */
#ifndef CTL_ANALYSIS_H
#define CTL_ANALYSIS_H

#include "ctl/session.h"
#include "mesh/snapshot.h"
#include "model/load.h"

#include <stdio.h>

/* Analyses the loaded resources alone and prints what is found, at its line; the number of it. */
size_t analysis_of_files(struct ctl *ctl, const struct loader *loader, FILE *out);

/*
 * Prints what a change to the store brings: the findings that are not there without it. Those about
 * a loaded resource come with its line; `loader` may be NULL. A write without value deletes. False:
 * the store could not be asked.
 */
struct change {
    const struct loader *loader;
    const struct store_write *writes;
    size_t count;
};
bool analysis_of_change(
    struct session *s, const struct change *change, FILE *out, size_t *found, struct error *err);

/* The store with the change, its findings among it; the caller's to release. NULL: the store could
 * not be asked. */
struct snapshot *analysis_snapshot(
    struct session *s, const struct change *change, struct error *err);

/* "VirtualService/default/reviews" for people. */
const char *key_title(struct arena *a, const char *key);

#endif
