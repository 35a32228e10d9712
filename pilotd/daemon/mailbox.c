#include "daemon/mailbox.h"

static void free_letters(struct letter *letter)
{
    while (letter) {
        struct letter *next = letter->next;
        letter->kind->free(letter);
        letter = next;
    }
}

static struct letter *take_letters(struct mailbox *m)
{
    uv_mutex_lock(&m->lock);
    struct letter *first = m->first;
    m->first = m->last = NULL;
    uv_mutex_unlock(&m->lock);
    return first;
}

/* A letter may close the mailbox: those after it are then not delivered. is_closed is written on
 * this thread alone, so it is read here without the lock. */
static void on_wake(uv_async_t *async)
{
    struct mailbox *m = container_of(async, struct mailbox, async);
    struct letter *letter = take_letters(m);
    while (letter && !m->is_closed) {
        struct letter *next = letter->next;
        letter->kind->on_arrival(m, letter);
        letter->kind->free(letter);
        letter = next;
    }
    free_letters(letter);
}

void mailbox_open(uv_loop_t *loop, struct mailbox *m)
{
    *m = (struct mailbox){ 0 };
    INVARIANT(uv_mutex_init(&m->lock) == 0);
    INVARIANT(uv_async_init(loop, &m->async, on_wake) == 0);
}

/* Takes out the letter that one of this kind makes pointless, or returns NULL. */
static struct letter *remove_stale(struct mailbox *m, const struct letter_kind *kind)
{
    struct letter *before = NULL, *stale = NULL, *before_stale = NULL;
    for (struct letter *l = m->first; l; before = l, l = l->next) {
        if (l->kind->is_barrier) {
            stale = NULL;
        } else if (l->kind == kind) {
            stale = l;
            before_stale = before;
        }
    }
    if (!stale)
        return NULL;
    *(before_stale ? &before_stale->next : &m->first) = stale->next;
    if (m->last == stale)
        m->last = before_stale;
    stale->next = NULL;
    return stale;
}

static struct letter *append(struct mailbox *m, struct letter *letter)
{
    struct letter *stale = letter->kind->is_state ? remove_stale(m, letter->kind) : NULL;
    if (m->last)
        m->last->next = letter;
    else
        m->first = letter;
    m->last = letter;
    return stale;
}

void mailbox_send(struct mailbox *m, struct letter *letter)
{
    struct letter *refused = letter;
    letter->next = NULL;
    uv_mutex_lock(&m->lock);
    if (!m->is_closed) {
        refused = append(m, letter);
        uv_async_send(&m->async);
    }
    uv_mutex_unlock(&m->lock);
    free_letters(refused);
}

void mailbox_close(struct mailbox *m)
{
    uv_mutex_lock(&m->lock);
    m->is_closed = true;
    uv_mutex_unlock(&m->lock);
    free_letters(take_letters(m));
    uv_close((uv_handle_t *)&m->async, NULL);
}

void mailbox_fini(struct mailbox *m)
{
    INVARIANT(m->is_closed);
    uv_mutex_destroy(&m->lock);
}
