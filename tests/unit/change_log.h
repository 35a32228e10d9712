/* A made-up store for properties: its changes in the order of revisions, for replicas that take
 * them each at its own pace. Texts live in the arena. */
#ifndef TESTS_UNIT_CHANGE_LOG_H
#define TESTS_UNIT_CHANGE_LOG_H

#include "base/arena.h"
#include "replication/store.h"

enum { CHANGE_LOG_MAX = 1000 };

struct change_log {
    struct store_change changes[CHANGE_LOG_MAX];
    size_t count;
    struct arena *a;
};

static const struct store_change *change_log_latest(const struct change_log *log, const char *key)
{
    for (size_t i = log->count; i-- > 0;)
        if (strcmp(log->changes[i].entry.key, key) == 0)
            return &log->changes[i];
    return NULL;
}

/* Its mod revision; 0: it is not there. What a transaction compares. */
static int64_t change_log_revision(const struct change_log *log, const char *key)
{
    const struct store_change *latest = change_log_latest(log, key);
    return latest && !latest->is_gone ? latest->entry.mod_revision : 0;
}

/* NULL deletes; a full log takes no more. */
static void change_log_write(
    struct change_log *log, const char *key, const char *value, int64_t lease)
{
    const struct store_change *former = change_log_latest(log, key);
    bool is_there = former && !former->is_gone;
    int64_t revision = (int64_t)log->count + 1;
    if ((!value && !is_there) || log->count == CHANGE_LOG_MAX)
        return;
    log->changes[log->count++] = (struct store_change){
        .entry = { .key = arena_strdup(log->a, key),
            .value = value ? arena_strdup(log->a, value) : NULL,
            .size = value ? strlen(value) : 0,
            .create_revision = is_there ? former->entry.create_revision : revision,
            .mod_revision = revision,
            .lease = lease },
        .is_gone = !value,
    };
}

#endif
