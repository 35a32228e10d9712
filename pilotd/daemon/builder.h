/*
 * builder: snapshots and views, made on libuv's pool, one job at a time.
 *
 * The translator, with its memory of what was rendered, belongs to the job that runs. Everything
 * else is called, and calls back, on the loop given to builder_open.
 */
#ifndef DAEMON_BUILDER_H
#define DAEMON_BUILDER_H

#include "daemon/publication.h"
#include "keyspace/keyspace.h"
#include "translate/translate.h"

#include <uv.h>

/* What to build; the builder takes over one reference of each object and scope, and the arrays,
 * which are on the heap. */
struct build_order {
    uint64_t changed_ns;     /* for the publication */
    bool is_whole;           /* a new snapshot; else more scopes for the last one */
    struct object **objects; /* whole only: all there are; NULL: those of the last one … */
    size_t object_count;
    struct keyspace_changes changes; /* … after these */
    int64_t revision;
    unsigned level; /* of translation */
    struct shared_scope **scopes;
    size_t scope_count;
};

struct build_result {
    struct publication *publication; /* borrowed until return */
    uint64_t took_us;
};

struct builder_owner {
    /* The views are there: they may go to the proxies. What they are is not summed up yet: hash and
     * reference come with on_built. */
    void (*on_views)(struct builder_owner *owner, struct publication *publication);
    /* The builder is idle again: may order the next. */
    void (*on_built)(struct builder_owner *owner, const struct build_result *result);
};

struct builder;

struct builder *builder_open(
    uv_loop_t *loop, struct builder_owner *owner, struct translate_stats *stats);
bool builder_is_busy(const struct builder *b);
void builder_order(struct builder *b, const struct build_order *order); /* not while it is busy */

/* on_built comes no more; frees when the job that runs has ended. */
void builder_close(struct builder *b);

#endif
