/* When a replica came to serve what was written: which revisions go together, and how many are
 * kept. */
#include "daemon/applied.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct applied *fresh(void)
{
    return xcalloc(1, sizeof(struct applied));
}

static const struct applied_entry *last_of(const struct applied *a)
{
    return &a->ring[(a->count - 1) % APPLIED_KEPT];
}

static void test_what_is_built_together_is_one_change(void **state)
{
    struct applied *a = fresh();
    (void)state;

    applied_heard(a, 6, 1000);
    applied_heard(a, 7, 1003);
    applied_heard(a, 5, 1003);
    applied_served(a, 4, 1004);
    assert_int_equal(a->count, 0);
    applied_served(a, 9, 1010);
    applied_served(a, 10, 2000); /* nothing was written since */

    assert_int_equal(a->count, 1);
    assert_int_equal(last_of(a)->from, 5);
    assert_int_equal(last_of(a)->to, 7);
    assert_int_equal(last_of(a)->heard_ms, 1000);
    assert_int_equal(last_of(a)->applied_ms, 1010);
    free(a);
}

static void test_what_comes_during_a_build_is_of_the_next(void **state)
{
    struct applied *a = fresh();
    (void)state;

    applied_heard(a, 5, 1000);
    applied_heard(a, 8, 1001); /* the build is of revision 5 */
    applied_served(a, 5, 1010);
    assert_int_equal(last_of(a)->to, 5);
    applied_served(a, 8, 1020);

    assert_int_equal(a->count, 2);
    assert_int_equal(last_of(a)->from, 6);
    assert_int_equal(last_of(a)->to, 8);
    assert_int_equal(last_of(a)->applied_ms, 1020);
    free(a);
}

static void test_no_more_than_the_newest_are_kept_and_told(void **state)
{
    struct applied *a = fresh();
    struct buf out = { 0 };
    (void)state;
    for (int i = 1; i <= APPLIED_KEPT + 10; i++) {
        applied_heard(a, i, i);
        applied_served(a, i, i);
    }

    applied_report(a, &out);

    assert_non_null(strstr(out.data, "{\"kept\":1024,\"changes\":[{\"from\":11,\"to\":11,"));
    assert_non_null(strstr(out.data, "{\"from\":1034,\"to\":1034,"));
    buf_clear(&out);
    applied_forget(a);
    applied_report(a, &out);
    assert_non_null(strstr(out.data, "\"changes\":[]"));
    buf_fini(&out);
    free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_built_together_is_one_change),
        cmocka_unit_test(test_what_comes_during_a_build_is_of_the_next),
        cmocka_unit_test(test_no_more_than_the_newest_are_kept_and_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
