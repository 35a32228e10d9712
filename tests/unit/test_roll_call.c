/* One question to all serving loops: who waits, who hangs, who answers late. The loops are this
 * program's own: serving_ask is not serving.c's. */
#include "daemon/roll_call.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { LOOPS = 3 };

struct serving {
    int asked;
};

struct world {
    uv_loop_t loop;
    struct roll_call r;
    struct serving loops[LOOPS];
    struct serving *servings[LOOPS];
};

struct waiter {
    struct roll_call_waiter waiter;
    struct world *world;
    int calls;
    bool is_complete, all_have_views, is_last;
    char reports[64];
    struct waiter *asks; /* from its on_done */
};

void serving_ask(struct serving *s, enum serving_question question)
{
    assert_int_equal(question, SERVING_REPORT);
    s->asked++;
}

static void on_done(struct roll_call_waiter *waiter, const struct roll_call_result *result)
{
    struct waiter *w = container_of(waiter, struct waiter, waiter);
    w->calls++;
    w->is_complete = result->is_complete;
    w->is_last = result->is_last;
    w->all_have_views = result->all_have_views;
    w->reports[0] = '\0';
    for (size_t i = 0; i < result->count; i++)
        strcat(w->reports, result->reports[i].size ? result->reports[i].data : "-");
    if (w->asks)
        roll_call_ask(&w->world->r, &w->asks->waiter);
    w->asks = NULL;
}

static int setup(void **state)
{
    struct world *w = xcalloc(1, sizeof *w);
    for (size_t i = 0; i < LOOPS; i++)
        w->servings[i] = &w->loops[i];
    assert_int_equal(uv_loop_init(&w->loop), 0);
    roll_call_open(&w->r, &w->loop, SERVING_REPORT, w->servings, LOOPS);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    roll_call_close(&w->r);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    roll_call_fini(&w->r);
    assert_int_equal(uv_loop_close(&w->loop), 0);
    free(w);
    return 0;
}

static struct waiter waiter_of(struct world *w)
{
    return (struct waiter){ .waiter.on_done = on_done, .world = w };
}

static void answer(struct world *w, size_t index, bool has_views, const char *report)
{
    struct serving_answer a = { SERVING_REPORT, has_views, { 0 } };
    buf_text(&a.report, report);
    roll_call_answered(&w->r, index, &a);
    buf_fini(&a.report);
}

static void test_a_round_ends_with_the_last_answer(void **state)
{
    struct world *w = *state;
    struct waiter one = waiter_of(w), two = waiter_of(w);

    roll_call_ask(&w->r, &one.waiter);
    roll_call_ask(&w->r, &two.waiter);
    answer(w, 2, true, "c");
    answer(w, 0, true, "a");
    assert_int_equal(one.calls, 0);
    answer(w, 1, true, "b");

    assert_int_equal(one.calls, 1);
    assert_int_equal(two.calls, 1);
    assert_true(one.is_complete && one.all_have_views);
    assert_string_equal(one.reports, "abc");
    assert_int_equal(w->loops[0].asked, 1);
}

static void test_one_loop_without_views_is_told(void **state)
{
    struct world *w = *state;
    struct waiter one = waiter_of(w);

    roll_call_ask(&w->r, &one.waiter);
    answer(w, 0, true, "");
    answer(w, 1, false, "");
    answer(w, 2, true, "");

    assert_true(one.is_complete);
    assert_false(one.all_have_views);
}

static void test_a_loop_that_hangs_ends_the_round_late_and_is_asked_once(void **state)
{
    struct world *w = *state;
    struct waiter first = waiter_of(w), second = waiter_of(w);

    roll_call_ask(&w->r, &first.waiter);
    answer(w, 0, true, "a");
    answer(w, 1, true, "b");
    uv_run(&w->loop, UV_RUN_DEFAULT); /* until the deadline */

    assert_int_equal(first.calls, 1);
    assert_false(first.is_complete);
    assert_string_equal(first.reports, "ab-");

    roll_call_ask(&w->r, &second.waiter);
    answer(w, 0, true, "a");
    answer(w, 1, true, "b");
    assert_int_equal(w->loops[2].asked, 1);
    answer(w, 2, true, "late"); /* of the first question; it lives again */

    assert_int_equal(second.calls, 1);
    assert_true(second.is_complete);
}

static void test_an_answer_that_nobody_waits_for_is_forgotten(void **state)
{
    struct world *w = *state;
    struct waiter one = waiter_of(w), two = waiter_of(w);
    roll_call_ask(&w->r, &one.waiter);
    uv_run(&w->loop, UV_RUN_DEFAULT);

    answer(w, 0, true, "old");
    roll_call_ask(&w->r, &two.waiter);
    answer(w, 1, true, "b");
    answer(w, 2, true, "c");

    assert_int_equal(two.calls, 0);
    assert_int_equal(w->loops[0].asked, 2);
    answer(w, 0, true, "new");
    assert_string_equal(two.reports, "newbc");
}

static void test_who_asks_from_its_answer_begins_the_next_round(void **state)
{
    struct world *w = *state;
    struct waiter one = waiter_of(w), two = waiter_of(w), next = waiter_of(w);
    two.asks = &next; /* told first: it asked last */

    roll_call_ask(&w->r, &one.waiter);
    roll_call_ask(&w->r, &two.waiter);
    for (size_t i = 0; i < LOOPS; i++)
        answer(w, i, true, "x");

    assert_string_equal(one.reports, "xxx");
    assert_false(one.is_last);
    assert_int_equal(next.calls, 0);
    for (size_t i = 0; i < LOOPS; i++)
        answer(w, i, true, "y");
    assert_string_equal(next.reports, "yyy");
}

static void test_closing_answers_who_waits(void **state)
{
    struct world *w = *state;
    struct waiter one = waiter_of(w);

    roll_call_ask(&w->r, &one.waiter);
    roll_call_close(&w->r);

    assert_int_equal(one.calls, 1);
    assert_false(one.is_complete);
    assert_true(one.is_last); /* to ask again would be in vain */
    uv_run(&w->loop, UV_RUN_DEFAULT);
    roll_call_fini(&w->r);
    roll_call_open(&w->r, &w->loop, SERVING_REPORT, w->servings, LOOPS); /* for teardown */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_round_ends_with_the_last_answer),
        TEST(test_one_loop_without_views_is_told),
        TEST(test_a_loop_that_hangs_ends_the_round_late_and_is_asked_once),
        TEST(test_an_answer_that_nobody_waits_for_is_forgotten),
        TEST(test_who_asks_from_its_answer_begins_the_next_round),
        TEST(test_closing_answers_who_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
