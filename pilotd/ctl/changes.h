/*
 * changes: writes to the store: planned from what is there, told, and carried out all or none;
 * what somebody else changed in between is not overwritten.
 */
#ifndef CTL_CHANGES_H
#define CTL_CHANGES_H

#include "base/map.h"
#include "ctl/rollout.h"
#include "ctl/session.h"
#include "model/load.h"

extern const struct flag flag_if_rev, flag_dry_run, flag_rollback_on_nack;
#define CHANGE_FLAGS                                                                               \
    &flag_if_rev, &flag_dry_run, &flag_wait, &flag_timeout, &flag_rollback_on_nack, &flag_server

enum { CHANGES_AT_ONCE_MAX = 100 }; /* etcd allows 128 operations in one transaction */

struct planned {
    struct store_write write;
    const char *done;   /* the word that tells what it does */
    const char *former; /* what is there now; NULL: nothing */
};

struct changes {
    struct ctl *ctl;
    struct session *session;
    const struct loader *loader; /* whose lines are told; may be NULL */
    int64_t if_revision;         /* of --if-rev; or below 0 */
    bool is_dry_run;
    bool may_be_parts; /* more than can be written at once are written one part after the other */
    const struct map *known; /* key → struct store_entry, all of the store; NULL: it is asked */
    LIST(struct planned) items;
    int64_t revision; /* once carried out: the store's after it */
};

/* Takes the flags; false after saying what is wrong. */
bool changes_init(struct changes *c, struct ctl *ctl, struct session *session);

/* Both ask the store. What is there already, unchanged, will not be written. */
bool changes_put(
    struct changes *c, const char *key, const char *value, size_t size, struct error *err);
bool changes_remove(struct changes *c, const char *key, struct error *err);
/* Every resource of the files. */
bool changes_put_files(struct changes *c, const struct loader *loader, struct error *err);

bool changes_is_written(const struct planned *planned);

/* Tells what it brings (analysis.h) and what it did; with --wait, who has it. With
 * --rollback-on-nack, what was there before is put back once a proxy has refused what came of it. A
 * status, after saying what is wrong. */
int changes_carry_out(struct changes *c);

#endif
