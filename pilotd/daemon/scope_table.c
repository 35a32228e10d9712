#include "daemon/scope_table.h"

struct table_scope;

struct subscription {
    struct xds_subscriber *subscriber;
    struct table_scope *of;
    struct subscription *before, *next;
    uint64_t ticket; /* that it waits for; 0: it was let in */
    struct subscription *waits_before, *waits_next;
};

struct table_scope {
    struct shared_scope *scope;
    struct xds_view *view; /* NULL: none yet */
    struct subscription *first;
    struct subscription *told_next; /* while a view is told: who is told next */
    bool is_telling;
};

void scope_table_fini(struct scope_table *t)
{
    INVARIANT(t->by_key.count == 0);
    map_fini(&t->by_key, NULL);
}

static struct table_scope *add_scope(struct scope_table *t, const struct scope *scope)
{
    struct table_scope *of = xcalloc(1, sizeof *of);
    of->scope = shared_scope_new(scope);
    map_put(&t->by_key, scope->key, of);
    t->on_want(t, of->scope);
    return of;
}

static void drop_if_unused(struct scope_table *t, struct table_scope *of)
{
    if (of->first || of->is_telling)
        return;
    map_remove(&t->by_key, of->scope->scope.key);
    t->on_drop(t, of->scope);
    shared_scope_release(of->scope);
    xds_view_release(of->view);
    free(of);
}

bool scope_table_has(const struct scope_table *t, const char *key)
{
    return map_find(&t->by_key, key);
}

/* ---- those who wait ---- */

static void wait(struct scope_table *t, struct subscription *s)
{
    s->waits_before = t->last_waiting;
    *(t->last_waiting ? &t->last_waiting->waits_next : &t->first_waiting) = s;
    t->last_waiting = s;
}

static void wait_no_more(struct scope_table *t, struct subscription *s)
{
    if (s->ticket == 0)
        return;
    *(s->waits_before ? &s->waits_before->waits_next : &t->first_waiting) = s->waits_next;
    *(s->waits_next ? &s->waits_next->waits_before : &t->last_waiting) = s->waits_before;
    s->ticket = 0;
}

bool scope_table_has_waiting(const struct scope_table *t)
{
    return t->first_waiting;
}

size_t scope_table_decide(struct scope_table *t, uint64_t ticket, bool is_let_in)
{
    size_t count = 0;
    while (t->first_waiting && t->first_waiting->ticket <= ticket) {
        struct subscription *s = t->first_waiting;
        wait_no_more(t, s);
        count++;
        if (!is_let_in)
            s->subscriber->on_refused(s->subscriber);
        else if (s->of->view)
            s->subscriber->on_view(s->subscriber, s->of->view);
    }
    return count;
}

/* ---- subscribers ---- */

void scope_table_add(struct scope_table *t, const struct scope *scope,
    struct xds_subscriber *subscriber, uint64_t ticket)
{
    INVARIANT(ticket > 0);
    struct table_scope *of = map_find(&t->by_key, scope->key);
    if (!of)
        of = add_scope(t, scope);
    struct subscription *s = xcalloc(1, sizeof *s);
    *s = (struct subscription){
        .subscriber = subscriber, .of = of, .next = of->first, .ticket = ticket
    };
    if (of->first)
        of->first->before = s;
    of->first = s;
    subscriber->token = s;
    wait(t, s);
    if (of->view)
        subscriber->on_preview(subscriber, of->view);
}

void scope_table_remove(struct scope_table *t, struct xds_subscriber *subscriber)
{
    struct subscription *s = subscriber->token;
    struct table_scope *of = s->of;
    if (of->told_next == s)
        of->told_next = s->next;
    *(s->before ? &s->before->next : &of->first) = s->next;
    if (s->next)
        s->next->before = s->before;
    wait_no_more(t, s);
    free(s);
    subscriber->token = NULL;
    drop_if_unused(t, of);
}

/* Who subscribes meanwhile waits, and stands before those who are told. */
size_t scope_table_view(struct scope_table *t, const char *key, struct xds_view *view)
{
    struct table_scope *of = map_find(&t->by_key, key);
    size_t told = 0;
    if (!of)
        return 0;
    struct xds_view *former = of->view;
    of->view = xds_view_retain(view);
    xds_view_release(former);
    of->is_telling = true;
    of->told_next = of->first;
    while (of->told_next) {
        struct subscription *s = of->told_next;
        of->told_next = s->next;
        told += s->ticket == 0;
        if (s->ticket == 0)
            s->subscriber->on_view(s->subscriber, of->view);
        else
            s->subscriber->on_preview(s->subscriber, of->view);
    }
    of->is_telling = false;
    drop_if_unused(t, of);
    return told;
}
