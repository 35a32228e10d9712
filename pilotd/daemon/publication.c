#include "daemon/publication.h"

struct shared_scope *shared_scope_new(const struct scope *scope)
{
    struct arena *a = arena_new();
    struct shared_scope *s = ARENA_NEW(a, struct shared_scope);
    refcount_init(&s->refs);
    s->scope = *scope_dup(a, scope);
    s->arena = a;
    return s;
}

struct shared_scope *shared_scope_retain(struct shared_scope *s)
{
    refcount_retain(&s->refs);
    return s;
}

void shared_scope_release(struct shared_scope *s)
{
    if (s && refcount_release(&s->refs))
        arena_free(s->arena);
}

struct publication *publication_new(struct snapshot *snapshot, struct hash128 hash, size_t count)
{
    struct publication *p = xcalloc(1, sizeof *p + count * sizeof p->views[0]);
    refcount_init(&p->refs);
    p->snapshot = snapshot_retain(snapshot);
    p->hash = hash;
    p->count = count;
    return p;
}

struct publication *publication_retain(struct publication *p)
{
    refcount_retain(&p->refs);
    return p;
}

void publication_release(struct publication *p)
{
    if (!p || !refcount_release(&p->refs))
        return;
    for (size_t i = 0; i < p->count; i++) {
        shared_scope_release(p->views[i].scope);
        xds_view_release(p->views[i].view);
    }
    xds_view_release(p->reference);
    snapshot_release(p->snapshot);
    free(p);
}
