/* What clients may take: token buckets, connections of an address, a row for each limit. */
#include "xds/addresses.h"
#include "xds/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const struct token_bucket_rate rate = { .burst = 3, .per_s = 10 };

static unsigned take_all(struct token_bucket *b, uint64_t now_ms)
{
    unsigned taken = 0;
    while (token_bucket_take(b, rate, now_ms))
        taken++;
    return taken;
}

static void test_a_bucket_begins_full_and_fills_up_again_to_that(void **state)
{
    struct token_bucket b = { 0 };
    (void)state;
    assert_int_equal(take_all(&b, 50), 3);
    assert_int_equal(take_all(&b, 149), 0);
    assert_int_equal(take_all(&b, 150), 1);
    assert_int_equal(take_all(&b, 350), 2);
    assert_int_equal(take_all(&b, 1000 * 1000), 3);
}

/* However long: nothing overflows. */
static void test_a_bucket_that_was_left_for_years_is_full(void **state)
{
    struct token_bucket b = { 0 };
    (void)state;
    assert_int_equal(take_all(&b, 1), 3);
    assert_int_equal(take_all(&b, 1ull << 48), 3);
}

static void test_tokens_that_are_given_count_at_once_and_no_more_than_full(void **state)
{
    struct token_bucket b = { 0 };
    (void)state;
    assert_int_equal(take_all(&b, 1), 3);
    token_bucket_give(&b, 2);
    assert_int_equal(take_all(&b, 1), 2);
    token_bucket_give(&b, 100);
    assert_int_equal(take_all(&b, 1), 3);
}

static void test_an_address_has_so_many_connections_on_whatever_ports(void **state)
{
    struct addresses a;
    (void)state;
    addresses_init(&a, 2);
    assert_true(addresses_enter(&a, "10.0.0.1:1"));
    assert_true(addresses_enter(&a, "10.0.0.1:2"));
    assert_false(addresses_enter(&a, "10.0.0.1:3"));
    assert_true(addresses_enter(&a, "10.0.0.2:1"));
    assert_true(addresses_enter(&a, "[fd00::1]:1"));
    addresses_leave(&a, "10.0.0.1:2");
    assert_true(addresses_enter(&a, "10.0.0.1:4"));
    assert_int_equal(a.counts.count, 3);
    addresses_leave(&a, "10.0.0.2:1");
    assert_int_equal(a.counts.count, 2); /* nothing is kept of who is gone */
    addresses_fini(&a);
}

static void test_without_a_limit_nothing_is_counted(void **state)
{
    struct addresses a;
    (void)state;
    addresses_init(&a, 0);
    for (int i = 0; i < 1000; i++)
        assert_true(addresses_enter(&a, "10.0.0.1:1"));
    assert_int_equal(a.counts.count, 0);
    addresses_fini(&a);
}

static void test_whoever_crosses_a_limit_is_told_which(void **state)
{
    (void)state;
    for (int limit = XDS_LIMIT_NONE + 1; limit < XDS_LIMIT_COUNT; limit++)
        assert_true(strlen(xds_limit_text((enum xds_limit)limit)) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_bucket_begins_full_and_fills_up_again_to_that),
        cmocka_unit_test(test_a_bucket_that_was_left_for_years_is_full),
        cmocka_unit_test(test_tokens_that_are_given_count_at_once_and_no_more_than_full),
        cmocka_unit_test(test_an_address_has_so_many_connections_on_whatever_ports),
        cmocka_unit_test(test_without_a_limit_nothing_is_counted),
        cmocka_unit_test(test_whoever_crosses_a_limit_is_told_which),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
