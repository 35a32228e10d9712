/*
 * truth: what must be served at each revision of etcd's history: a keyspace, a snapshot and views
 * made from nothing of what etcd has there.
 */
#ifndef SIM_TRUTH_H
#define SIM_TRUTH_H

#include "fake_etcd.h"
#include "mesh/scope.h"
#include "translate/translate.h"

struct truth_moment {
    int64_t revision;  /* of a change to configuration */
    int64_t effective; /* since when nothing that is built of it has changed */
    struct hash128 hash;
    size_t objects;
};

struct truth {
    struct fake_etcd *etcd;
    struct translator *translator;   /* its memory alone is kept, for speed */
    struct truth_moment **histories; /* of each generation of etcd; in order of revision */
    size_t *counts;
    size_t generations;
    /* Of the newest moment, with no memory of anything before; made when it is first asked for. */
    struct translator *fresh;
    struct truth_moment fresh_of;
};

void truth_init(struct truth *t, struct fake_etcd *etcd);
void truth_fini(struct truth *t);

/* After each commit. */
void truth_note(struct truth *t);

/* What stood at a revision of etcd's newest history, or a former one; never NULL. */
const struct truth_moment *truth_at(const struct truth *t, size_t generation, int64_t revision);
/* The newest. */
const struct truth_moment *truth_now(const struct truth *t);

/* The view of a proxy by the newest revision, made from nothing; the caller's to release. */
struct xds_view *truth_view(struct truth *t, const struct scope *scope);

#endif
