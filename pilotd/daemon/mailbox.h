/*
 * mailbox: how threads talk: letters to the loop of another thread, delivered there in order.
 *
 * The only mutex of the process is in mailbox.c. A letter carries its kind, which knows what to do
 * on arrival; it owns what it points to (a reference of something immutable, or a value nobody else
 * has).
 */
#ifndef DAEMON_MAILBOX_H
#define DAEMON_MAILBOX_H

#include "base/base.h"

#include <uv.h>

struct mailbox;
struct letter;

struct letter_kind {
    void (*on_arrival)(struct mailbox *at, struct letter *letter); /* on the mailbox's loop */
    /* Afterwards; or without an arrival, on any thread, when the mailbox was closed before or a
     * newer letter took its place. */
    void (*free)(struct letter *letter);
    /* Only the newest counts: one that has not been delivered is dropped for the next of its kind,
     * so that a loop that hangs is owed one letter and not a queue of them. */
    bool is_state;
    /* Means something only after all that was sent before it: a state letter before it stays,
     * although a newer one follows. Whoever sends these has no more of them on the way than it can
     * count. */
    bool is_barrier;
};

struct letter { /* first in the struct of each kind */
    const struct letter_kind *kind;
    struct letter *next;
};

struct mailbox {
    uv_async_t async;
    uv_mutex_t lock; /* over all that follows */
    struct letter *first, *last;
    bool is_closed;
};

void mailbox_open(uv_loop_t *loop, struct mailbox *m);

/* From any thread; takes the letter over. */
void mailbox_send(struct mailbox *m, struct letter *letter);

/* On its own loop: nothing is delivered any more. The struct must stay, for who still sends, until
 * the loop has ended and mailbox_fini was called with all senders gone. */
void mailbox_close(struct mailbox *m);
void mailbox_fini(struct mailbox *m);

#endif
