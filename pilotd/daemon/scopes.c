#include "daemon/scopes.h"

static void free_wanted(void *value)
{
    struct wanted_scope *w = value;
    shared_scope_release(w->scope);
    xds_view_release(w->view);
    free(w);
}

void scopes_fini(struct scopes *s)
{
    map_fini(&s->by_key, free_wanted);
}

struct xds_view *scopes_want(struct scopes *s, struct shared_scope *scope)
{
    struct wanted_scope *w = map_find(&s->by_key, scope->scope.key);
    if (!w) {
        w = xcalloc(1, sizeof *w);
        w->scope = shared_scope_retain(scope);
        map_put(&s->by_key, scope->scope.key, w);
        s->waiting++;
    }
    w->loops++;
    return w->view;
}

void scopes_drop(struct scopes *s, const char *key)
{
    struct wanted_scope *w = map_find(&s->by_key, key);
    INVARIANT(w && w->loops > 0);
    if (--w->loops > 0)
        return;
    if (!w->view)
        s->waiting--;
    map_remove(&s->by_key, key);
    free_wanted(w);
}

void scopes_take(struct scopes *s, const struct publication *p)
{
    for (size_t i = 0; i < p->count; i++) {
        struct wanted_scope *w = map_find(&s->by_key, p->views[i].scope->scope.key);
        if (!w)
            continue;
        if (!w->view)
            s->waiting--;
        xds_view_release(w->view);
        w->view = xds_view_retain(p->views[i].view);
    }
}

struct gathering {
    struct shared_scope **items;
    size_t count;
    bool only_waiting;
};

static void gather(const char *key, void *value, void *context)
{
    const struct wanted_scope *w = value;
    struct gathering *g = context;
    (void)key;
    if (!g->only_waiting || !w->view)
        g->items[g->count++] = shared_scope_retain(w->scope);
}

struct shared_scope **scopes_list(const struct scopes *s, bool only_waiting, size_t *count)
{
    struct gathering g = { .only_waiting = only_waiting };
    g.items = xcalloc(s->by_key.count + 1, sizeof *g.items);
    map_each (&s->by_key, gather, &g)
        ;
    *count = g.count;
    return g.items;
}
