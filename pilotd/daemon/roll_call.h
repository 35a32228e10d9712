/*
 * roll_call: one question to all serving loops; the answers to everybody who asks meanwhile.
 *
 * A round ends when the last loop has answered, or ROLL_CALL_MS after it began. A loop that owes an
 * answer is not asked again, so one that hangs costs nothing. On the control loop.
 */
#ifndef DAEMON_ROLL_CALL_H
#define DAEMON_ROLL_CALL_H

#include "daemon/serving.h"

enum { ROLL_CALL_MS = 500 };

struct roll_call_result {
    bool is_complete;          /* all loops have answered */
    bool all_have_views;       /* and each has views to serve */
    bool is_last;              /* no other round comes: it is being closed */
    const struct buf *reports; /* of each loop; empty where none came */
    size_t count;
};

struct roll_call_waiter {
    void (*on_done)(struct roll_call_waiter *w, const struct roll_call_result *r); /* once */
    struct roll_call_waiter *next;
};

struct roll_call {
    enum serving_question question;
    struct serving **servings;
    size_t count;
    uv_timer_t deadline;
    struct roll_call_waiter *waiters; /* not empty: a round is under way */
    bool is_finishing, is_closing;
    struct call_state *states; /* of each loop */
    struct buf *reports;
};

/* `servings` must stay. */
void roll_call_open(struct roll_call *r, uv_loop_t *loop, enum serving_question question,
    struct serving **servings, size_t count);

/* on_done comes from the loop, later. */
void roll_call_ask(struct roll_call *r, struct roll_call_waiter *w);
void roll_call_answered(struct roll_call *r, size_t index, const struct serving_answer *answer);

/* Ends the round with what there is. */
void roll_call_close(struct roll_call *r);

/* Once the loop has ended. */
void roll_call_fini(struct roll_call *r);

#endif
