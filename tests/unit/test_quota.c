/* Streams are refused at the cap, and only as many as others have room for. */
#include "xds/quota.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_below_the_cap_nothing_is_refused(void **state)
{
    struct quota q = { .cap = 10, .room = 5 };
    (void)state;
    assert_false(quota_refuses(&q, 9, "a"));
    assert_int_equal(q.room, 5);
    assert_int_equal(q.refused, 0);
}

static void test_at_the_cap_so_many_as_others_have_room_for(void **state)
{
    struct quota q = { .cap = 10, .room = 2 };
    (void)state;
    assert_true(quota_refuses(&q, 10, "a"));
    assert_true(quota_refuses(&q, 11, "b"));
    assert_false(quota_refuses(&q, 10, "c"));
    assert_int_equal(q.refused, 2);
}

static void test_without_a_cap_nothing_is_refused(void **state)
{
    struct quota q = { .room = 5 };
    (void)state;
    assert_false(quota_refuses(&q, 1000, "a"));
    assert_int_equal(q.refused, 0);
}

static void test_who_comes_back_is_taken(void **state)
{
    struct quota q = { .cap = 10, .room = 5 };
    (void)state;
    assert_true(quota_refuses(&q, 10, "a"));
    assert_false(quota_refuses(&q, 10, "a"));
    assert_int_equal(q.room, 4);
    assert_true(quota_refuses(&q, 10, "a")); /* another time */
    assert_int_equal(q.refused, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_below_the_cap_nothing_is_refused),
        cmocka_unit_test(test_at_the_cap_so_many_as_others_have_room_for),
        cmocka_unit_test(test_without_a_cap_nothing_is_refused),
        cmocka_unit_test(test_who_comes_back_is_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
