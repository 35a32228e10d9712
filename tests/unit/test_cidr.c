/* cidr: which texts are ranges, and when two of them are one. */
#include "model/cidr.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct cidr parsed(const char *text)
{
    struct cidr range;
    if (!cidr_parse(text, &range))
        fail_msg("%s must be taken", text);
    return range;
}

static int compared(const char *left, const char *right)
{
    struct cidr a = parsed(left), b = parsed(right);
    return cidr_compare(&a, &b);
}

static void test_an_address_is_the_range_of_itself_alone(void **state)
{
    (void)state;

    assert_int_equal(parsed("10.0.0.1").family, AF_INET);
    assert_int_equal(parsed("10.0.0.1").bits, 32);
    assert_int_equal(parsed("2001:db8::1").family, AF_INET6);
    assert_int_equal(parsed("2001:db8::1").bits, 128);
    assert_int_equal(compared("10.0.0.1", "10.0.0.1/32"), 0);
    assert_int_equal(compared("::1", "::1/128"), 0);
}

static void test_a_prefix_has_as_many_bits_as_its_family_allows(void **state)
{
    static const struct {
        const char *text;
        unsigned bits;
    } cases[] = { { "0.0.0.0/0", 0 },
        { "10.0.0.0/8", 8 },
        { "10.1.2.3/31", 31 },
        { "10.1.2.3/32", 32 },
        { "::/0", 0 },
        { "2001:db8::/33", 33 },
        { "::ffff:10.0.0.1/128", 128 } };
    (void)state;

    for (size_t i = 0; i < ARRAY_COUNT(cases); i++)
        assert_int_equal(parsed(cases[i].text).bits, cases[i].bits);
}

static void test_what_is_neither_an_address_nor_a_range_is_refused(void **state)
{
    static const char *const cases[] = { "",
        "/",
        "/8",
        "10.0.0.1/",
        "10.0.0.1/33",
        "10.0.0.1/256",
        "10.0.0.1/4294967304",
        "10.0.0.1/-1",
        "10.0.0.1/+8",
        "10.0.0.1/08",
        "10.0.0.1/00",
        "10.0.0.1/8 ",
        "10.0.0.1/8/8",
        "10.0.0/8",
        "10.0.0.256",
        " 10.0.0.1",
        "010.0.0.1",
        "a.test",
        "::1/129",
        ":::1",
        "1::2::3",
        "fe80::1%eth0",
        "[::1]",
        "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc:dddd:eeee:ffff" };
    (void)state;

    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct cidr range;
        if (cidr_parse(cases[i], &range))
            fail_msg("\"%s\" must be refused", cases[i]);
    }
}

static void test_the_address_is_as_written_in_its_usual_spelling(void **state)
{
    struct arena *a = arena_new();
    struct cidr v4 = parsed("10.1.2.3/8"), v6 = parsed("2001:0DB8:0::00ff/64");
    (void)state;

    assert_string_equal(cidr_address(a, &v4), "10.1.2.3");
    assert_string_equal(cidr_address(a, &v6), "2001:db8::ff");
    arena_free(a);
}

static void test_only_a_prefix_of_0_bits_is_everything(void **state)
{
    struct cidr all = parsed("10.1.2.3/0"), all_v6 = parsed("::/0"), half = parsed("0.0.0.0/1");
    (void)state;

    assert_true(cidr_is_everything(&all));
    assert_true(cidr_is_everything(&all_v6));
    assert_false(cidr_is_everything(&half));
}

static void test_what_is_behind_the_prefix_tells_no_ranges_apart(void **state)
{
    (void)state;

    assert_int_equal(compared("10.1.2.3/8", "10.0.0.0/8"), 0);
    assert_int_equal(compared("10.1.2.127/25", "10.1.2.0/25"), 0);
    assert_int_equal(compared("1.2.3.4/0", "0.0.0.0/0"), 0);
    assert_int_equal(compared("2001:db8::ff/64", "2001:DB8:0:0::/64"), 0);
    assert_int_not_equal(compared("10.1.2.128/25", "10.1.2.0/25"), 0);
    assert_int_not_equal(compared("10.1.0.0/15", "10.2.0.0/15"), 0);
}

static void test_ranges_of_one_beginning_differ_by_their_length(void **state)
{
    (void)state;

    assert_true(compared("10.0.0.0/8", "10.0.0.0/9") < 0);
    assert_true(compared("10.0.0.0/32", "10.0.0.0/8") > 0);
    assert_int_not_equal(compared("0.0.0.0/0", "0.0.0.0/1"), 0);
}

static void test_the_order_is_total_whichever_comes_first(void **state)
{
    static const char *const ordered[] = { "0.0.0.0/0",
        "0.0.0.0/8",
        "9.255.255.255",
        "10.0.0.0/8",
        "10.0.0.0",
        "10.128.0.0/9",
        "255.255.255.255",
        "::/0",
        "::",
        "2001:db8::/32",
        "ffff::" };
    (void)state;

    for (size_t i = 0; i < ARRAY_COUNT(ordered); i++)
        for (size_t j = 0; j < ARRAY_COUNT(ordered); j++) {
            int order = compared(ordered[i], ordered[j]);
            if ((order > 0) != (i > j) || (order < 0) != (i < j))
                fail_msg("%s and %s compare as %d", ordered[i], ordered[j], order);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_address_is_the_range_of_itself_alone),
        cmocka_unit_test(test_a_prefix_has_as_many_bits_as_its_family_allows),
        cmocka_unit_test(test_what_is_neither_an_address_nor_a_range_is_refused),
        cmocka_unit_test(test_the_address_is_as_written_in_its_usual_spelling),
        cmocka_unit_test(test_only_a_prefix_of_0_bits_is_everything),
        cmocka_unit_test(test_what_is_behind_the_prefix_tells_no_ranges_apart),
        cmocka_unit_test(test_ranges_of_one_beginning_differ_by_their_length),
        cmocka_unit_test(test_the_order_is_total_whichever_comes_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
