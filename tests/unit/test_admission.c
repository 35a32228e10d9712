/* Admission: who joins at once, who waits, in which order, and for how long at most. */
#include "xds/admission.h"

#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { PLACES = 6, HOLD_MS = 5000 };

struct world {
    struct admission admission;
    struct admission_stats stats;
    struct admission_place places[PLACES];
};

static int setup(void **state)
{
    struct world *w = xcalloc(1, sizeof *w);
    w->admission = (struct admission){ .limit = 2, .hold_ms = HOLD_MS, .stats = &w->stats };
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    free(*state);
    return 0;
}

static void enter_all(struct world *w)
{
    for (size_t i = 0; i < PLACES; i++)
        admission_enter(&w->admission, &w->places[i], 0);
}

static void assert_counts(const struct world *w, int64_t joining, int64_t waiting)
{
    assert_int_equal(w->admission.count, joining);
    assert_int_equal(w->stats.joining, joining);
    assert_int_equal(w->stats.waiting, waiting);
}

static void test_no_more_join_at_once_than_the_limit(void **state)
{
    struct world *w = *state;

    assert_true(admission_enter(&w->admission, &w->places[0], 0));
    assert_true(admission_enter(&w->admission, &w->places[1], 0));
    assert_false(admission_enter(&w->admission, &w->places[2], 0));

    assert_counts(w, 2, 1);
    assert_int_equal(w->stats.waited, 1);
    assert_null(admission_next(&w->admission, 0));
}

static void test_those_who_wait_join_in_the_order_in_which_they_came(void **state)
{
    struct world *w = *state;
    enter_all(w);

    for (size_t i = 2; i < PLACES; i++) {
        admission_leave(&w->admission, &w->places[i - 2]);
        assert_ptr_equal(admission_next(&w->admission, 0), &w->places[i]);
        assert_null(admission_next(&w->admission, 0));
    }
    assert_counts(w, 2, 0);
}

static void test_who_comes_does_not_overtake_who_waits(void **state)
{
    struct world *w = *state;
    for (size_t i = 0; i < 3; i++)
        admission_enter(&w->admission, &w->places[i], 0);
    admission_leave(&w->admission, &w->places[0]);

    assert_false(admission_enter(&w->admission, &w->places[3], 0));
    assert_int_equal(admission_due_ms(&w->admission, 0), 0);
    assert_ptr_equal(admission_next(&w->admission, 0), &w->places[2]);
}

static void test_who_gives_up_waiting_is_passed_over(void **state)
{
    struct world *w = *state;
    enter_all(w);

    admission_leave(&w->admission, &w->places[2]);
    admission_leave(&w->admission, &w->places[5]);
    admission_leave(&w->admission, &w->places[0]);
    admission_leave(&w->admission, &w->places[1]);

    assert_counts(w, 0, 2);
    assert_ptr_equal(admission_next(&w->admission, 0), &w->places[3]);
    assert_ptr_equal(admission_next(&w->admission, 0), &w->places[4]);
    assert_null(admission_next(&w->admission, 0));
}

static void test_leaving_twice_counts_once(void **state)
{
    struct world *w = *state;
    enter_all(w);

    admission_leave(&w->admission, &w->places[0]);
    admission_leave(&w->admission, &w->places[0]);

    assert_counts(w, 1, 4);
}

static void test_who_joins_for_too_long_keeps_nobody_waiting(void **state)
{
    struct world *w = *state;
    admission_enter(&w->admission, &w->places[0], 1000);
    admission_enter(&w->admission, &w->places[1], 1500);
    admission_enter(&w->admission, &w->places[2], 1500);
    uint64_t end = 1000 + HOLD_MS;

    assert_int_equal(admission_due_ms(&w->admission, 1500), HOLD_MS - 500);
    admission_expire(&w->admission, end - 1);
    assert_counts(w, 2, 1);
    admission_expire(&w->admission, end);

    assert_counts(w, 1, 1);
    assert_int_equal(w->stats.overdue, 1);
    assert_int_equal(w->places[0].state, ADMISSION_OUTSIDE);
    assert_ptr_equal(admission_next(&w->admission, end), &w->places[2]);
    assert_int_equal(admission_due_ms(&w->admission, end), 500);
}

static void test_without_a_limit_nobody_waits(void **state)
{
    struct world *w = *state;
    w->admission.limit = 0;
    enter_all(w);

    assert_counts(w, PLACES, 0);
    for (size_t i = 0; i < PLACES; i++)
        admission_leave(&w->admission, &w->places[i]);
    assert_int_equal(admission_due_ms(&w->admission, 0), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_no_more_join_at_once_than_the_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_those_who_wait_join_in_the_order_in_which_they_came, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_who_comes_does_not_overtake_who_waits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_who_gives_up_waiting_is_passed_over, setup, teardown),
        cmocka_unit_test_setup_teardown(test_leaving_twice_counts_once, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_who_joins_for_too_long_keeps_nobody_waiting, setup, teardown),
        cmocka_unit_test_setup_teardown(test_without_a_limit_nobody_waits, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
