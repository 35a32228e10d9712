#include "daemon/builder.h"

struct builder {
    uv_work_t work;
    uv_loop_t *loop;
    struct builder_owner *owner;
    struct translator *translator; /* the job's while one runs */
    struct snapshot *snapshot;     /* likewise; the newest one */
    struct hash128 hash;           /* of that */
    struct build_order order;
    struct build_result result;
    bool is_busy, is_closed;
};

static void release_order(struct build_order *order)
{
    for (size_t i = 0; i < order->object_count; i++)
        object_release(order->objects[i]);
    for (size_t i = 0; i < order->scope_count; i++)
        shared_scope_release(order->scopes[i]);
    if (order->changes.arena)
        keyspace_changes_fini(&order->changes);
    free(order->objects);
    free(order->scopes);
    *order = (struct build_order){ 0 };
}

/* ---- on the pool ---- */

static void build_snapshot(struct builder *b)
{
    struct snapshot *former = b->snapshot;
    const struct build_order *o = &b->order;
    INVARIANT(o->objects || former);
    b->snapshot =
        o->objects
            ? snapshot_build(o->objects, o->object_count, o->revision, o->level)
            : snapshot_next(former, o->changes.items, o->changes.count, o->revision, o->level);
    translator_begin(b->translator, b->snapshot);
    snapshot_release(former);
}

static void build(uv_work_t *work)
{
    struct builder *b = container_of(work, struct builder, work);
    uint64_t began_ns = uv_hrtime();
    if (b->order.is_whole)
        build_snapshot(b);
    struct publication *p = publication_new(b->snapshot, b->hash, b->order.scope_count);
    p->is_whole = b->order.is_whole;
    p->changed_ns = b->order.changed_ns;
    for (size_t i = 0; i < p->count; i++) {
        struct shared_scope *scope = b->order.scopes[i];
        p->views[i] = (struct published_view){
            .scope = shared_scope_retain(scope),
            .view = translator_view(b->translator, &scope->scope),
        };
    }
    /* Here, not on the loop: the last reference of many old objects may go with it. */
    release_order(&b->order);
    p->made_ns = uv_hrtime();
    b->result.publication = p;
    b->result.took_us = (uv_hrtime() - began_ns) / 1000;
}

/* What replicas compare: a third of the work, which proxies need not wait for. */
static void sum_up(uv_work_t *work)
{
    struct builder *b = container_of(work, struct builder, work);
    struct publication *p = b->result.publication;
    uint64_t began_ns = uv_hrtime();
    p->hash = b->hash = translator_hash(b->translator);
    p->reference = xds_view_retain(translator_reference(b->translator));
    b->result.took_us += (uv_hrtime() - began_ns) / 1000;
}

/* ---- on the loop ---- */

static void free_builder(struct builder *b)
{
    translator_free(b->translator);
    snapshot_release(b->snapshot);
    free(b);
}

static void end(struct builder *b)
{
    struct build_result result = b->result;
    b->is_busy = false;
    if (b->is_closed)
        free_builder(b);
    else
        b->owner->on_built(b->owner, &result);
    publication_release(result.publication);
}

static void on_summed_up(uv_work_t *work, int status)
{
    INVARIANT(status == 0);
    end(container_of(work, struct builder, work));
}

static void on_views(uv_work_t *work, int status)
{
    struct builder *b = container_of(work, struct builder, work);
    INVARIANT(status == 0);
    if (!b->is_closed)
        b->owner->on_views(b->owner, b->result.publication);
    if (b->is_closed || !b->result.publication->is_whole)
        end(b);
    else
        INVARIANT(uv_queue_work(b->loop, &b->work, sum_up, on_summed_up) == 0);
}

struct builder *builder_open(
    uv_loop_t *loop, struct builder_owner *owner, struct translate_stats *stats)
{
    struct builder *b = xcalloc(1, sizeof *b);
    b->loop = loop;
    b->owner = owner;
    b->translator = translator_new(stats);
    return b;
}

bool builder_is_busy(const struct builder *b)
{
    return b->is_busy;
}

void builder_order(struct builder *b, const struct build_order *order)
{
    INVARIANT(!b->is_busy && !b->is_closed && (order->is_whole || b->snapshot));
    b->is_busy = true;
    b->order = *order;
    INVARIANT(uv_queue_work(b->loop, &b->work, build, on_views) == 0);
}

void builder_close(struct builder *b)
{
    b->is_closed = true;
    if (!b->is_busy)
        free_builder(b);
}
