#include "daemon/roll_call.h"

struct call_state {
    bool owes_answer; /* of this round or an earlier one */
    bool has_answered, has_views;
};

void roll_call_open(struct roll_call *r, uv_loop_t *loop, enum serving_question question,
    struct serving **servings, size_t count)
{
    *r = (struct roll_call){ .question = question, .servings = servings, .count = count };
    r->states = xcalloc(count, sizeof *r->states);
    r->reports = xcalloc(count, sizeof *r->reports);
    INVARIANT(uv_timer_init(loop, &r->deadline) == 0);
}

static struct roll_call_result result_of(const struct roll_call *r)
{
    struct roll_call_result result = {
        .is_complete = true,
        .all_have_views = true,
        .is_last = r->is_closing,
        .reports = r->reports,
        .count = r->count,
    };
    for (size_t i = 0; i < r->count; i++) {
        result.is_complete &= r->states[i].has_answered;
        result.all_have_views &= r->states[i].has_answered && r->states[i].has_views;
    }
    return result;
}

static void on_deadline(uv_timer_t *timer);

static void begin(struct roll_call *r)
{
    for (size_t i = 0; i < r->count; i++) {
        r->states[i].has_answered = false;
        if (!r->states[i].owes_answer)
            serving_ask(r->servings[i], r->question);
        r->states[i].owes_answer = true;
    }
    uv_timer_start(&r->deadline, on_deadline, ROLL_CALL_MS, 0);
}

/* Who asks again from on_done waits for the next round. */
static void finish(struct roll_call *r)
{
    struct roll_call_result result = result_of(r);
    struct roll_call_waiter *waiter = r->waiters;
    r->waiters = NULL;
    r->is_finishing = true;
    while (waiter) {
        struct roll_call_waiter *next = waiter->next;
        waiter->on_done(waiter, &result);
        waiter = next;
    }
    r->is_finishing = false;
    for (size_t i = 0; i < r->count; i++)
        buf_fini(&r->reports[i]);
    uv_timer_stop(&r->deadline);
    if (r->waiters)
        begin(r);
}

static void on_deadline(uv_timer_t *timer)
{
    finish(container_of(timer, struct roll_call, deadline));
}

void roll_call_ask(struct roll_call *r, struct roll_call_waiter *w)
{
    bool is_first = !r->waiters && !r->is_finishing;
    w->next = r->waiters;
    r->waiters = w;
    if (is_first)
        begin(r);
}

void roll_call_answered(struct roll_call *r, size_t index, const struct serving_answer *answer)
{
    struct call_state *state = &r->states[index];
    *state = (struct call_state){ .has_answered = true, .has_views = answer->has_views };
    buf_clear(&r->reports[index]);
    if (r->waiters)
        buf_append(&r->reports[index], answer->report.data, answer->report.size);
    if (r->waiters && result_of(r).is_complete)
        finish(r);
}

void roll_call_close(struct roll_call *r)
{
    r->is_closing = true;
    finish(r);
    uv_close((uv_handle_t *)&r->deadline, NULL);
}

void roll_call_fini(struct roll_call *r)
{
    for (size_t i = 0; i < r->count; i++)
        buf_fini(&r->reports[i]);
    free(r->reports);
    free(r->states);
}
