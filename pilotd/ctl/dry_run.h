/*
 * dry_run: what a proxy would be sent, computed here by the core itself, without a server. For the
 * verbs that take -f FILE… --node NODE [--mesh MESH.yaml] [--store URL]: of files alone; of a
 * store, with the files as if they were applied there; or, without files, of the store as it is.
 */
#ifndef CTL_DRY_RUN_H
#define CTL_DRY_RUN_H

#include "ctl/ctl.h"
#include "mesh/scope.h"
#include "mesh/snapshot.h"
#include "model/load.h"
#include "translate/translate.h"

extern const struct flag flag_node, flag_mesh;

struct dry_run {
    struct loader loader;
    struct scope scope;
    struct snapshot *snapshot;
    struct xds_view *view;
};

/* EXIT_GOOD, or a status after saying what is wrong. To be ended in any case. */
int dry_run_begin(struct ctl *ctl, struct dry_run *run);
void dry_run_end(struct dry_run *run);

#endif
