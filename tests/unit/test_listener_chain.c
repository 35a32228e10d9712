/* listener_chain: whatever tells chains apart is in the digest by which they are remembered. */
#include "translate/outbound_listener.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct sample {
    const char *names[2];
    struct cidr ranges[2];
    struct tcp_share shares[2];
    struct listener_chain chain;
};

static void sample_init(struct sample *s)
{
    *s = (struct sample){
        .names = { "a.test", "b.test" },
        .ranges = { { AF_INET, { 10 }, 8 }, { AF_INET, { 11 }, 8 } },
        .shares = { { "one", 1 }, { "two", 2 } },
    };
    s->chain = (struct listener_chain){
        .server_names = { s->names, 2 },
        .ranges = { s->ranges, 2 },
        .proxy = { .shares = { s->shares, 2 }, .stat_prefix = "v" },
        .dynamic_port = 443,
        .dns_family = 1,
    };
}

static void expect_another_digest(const struct sample *changed, const char *change)
{
    struct sample usual;
    sample_init(&usual);
    struct arg_ref left = listener_chain_ref(&usual.chain);
    struct arg_ref right = listener_chain_ref(&changed->chain);
    if (hash128_equal(&left.digest, &right.digest))
        fail_msg("%s leaves the digest as it is", change);
}

#define EXPECT_ANOTHER_DIGEST_AFTER(change)                                                        \
    do {                                                                                           \
        sample_init(&s);                                                                           \
        change;                                                                                    \
        expect_another_digest(&s, #change);                                                        \
    } while (0)

static void test_equal_chains_have_one_digest_wherever_they_are(void **state)
{
    struct sample first, second;
    (void)state;

    sample_init(&first);
    sample_init(&second);
    struct arg_ref left = listener_chain_ref(&first.chain);
    struct arg_ref right = listener_chain_ref(&second.chain);

    assert_true(hash128_equal(&left.digest, &right.digest));
    assert_ptr_equal(left.value, &first.chain);
}

static void test_which_connections_a_chain_takes_is_in_its_digest(void **state)
{
    struct sample s;
    (void)state;

    EXPECT_ANOTHER_DIGEST_AFTER(s.names[1] = "c.test");
    EXPECT_ANOTHER_DIGEST_AFTER(s.chain.server_names.count = 1);
    EXPECT_ANOTHER_DIGEST_AFTER(s.ranges[1].bytes[0] = 12);
    EXPECT_ANOTHER_DIGEST_AFTER(s.ranges[1].bits = 9);
    EXPECT_ANOTHER_DIGEST_AFTER(s.ranges[1].family = AF_INET6);
    EXPECT_ANOTHER_DIGEST_AFTER(s.chain.ranges.count = 1);
    EXPECT_ANOTHER_DIGEST_AFTER(s.chain.ranges.count = 0);
}

static void test_what_a_chain_does_with_them_is_in_its_digest(void **state)
{
    struct sample s;
    struct tcp_proxy *proxy = &s.chain.proxy;
    (void)state;

    EXPECT_ANOTHER_DIGEST_AFTER(proxy->cluster = "three");
    EXPECT_ANOTHER_DIGEST_AFTER(s.shares[1].cluster = "three");
    EXPECT_ANOTHER_DIGEST_AFTER(s.shares[1].weight = 3);
    EXPECT_ANOTHER_DIGEST_AFTER(proxy->shares.count = 1);
    EXPECT_ANOTHER_DIGEST_AFTER(proxy->stat_prefix = "w");
    EXPECT_ANOTHER_DIGEST_AFTER(proxy->tunnel_to = "a.test:1");
    EXPECT_ANOTHER_DIGEST_AFTER(proxy->tunnels_by_post = true);
    EXPECT_ANOTHER_DIGEST_AFTER(proxy->idle_timeout.is_set = true);
    EXPECT_ANOTHER_DIGEST_AFTER(proxy->idle_timeout.ms = 1);
    EXPECT_ANOTHER_DIGEST_AFTER(proxy->max_connection_duration_ms = 1);
    EXPECT_ANOTHER_DIGEST_AFTER(proxy->hashes_source_ip = true);
    EXPECT_ANOTHER_DIGEST_AFTER(s.chain.is_mongo = true);
    EXPECT_ANOTHER_DIGEST_AFTER(s.chain.dynamic_port = 444);
    EXPECT_ANOTHER_DIGEST_AFTER(s.chain.dns_family = 2);
}

static void test_a_chain_is_the_default_without_names_and_ranges(void **state)
{
    struct sample s;
    (void)state;

    sample_init(&s);
    assert_false(listener_chain_is_default(&s.chain));
    s.chain.server_names.count = 0;
    assert_false(listener_chain_is_default(&s.chain));
    s.chain.ranges.count = 0;
    assert_true(listener_chain_is_default(&s.chain));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal_chains_have_one_digest_wherever_they_are),
        cmocka_unit_test(test_which_connections_a_chain_takes_is_in_its_digest),
        cmocka_unit_test(test_what_a_chain_does_with_them_is_in_its_digest),
        cmocka_unit_test(test_a_chain_is_the_default_without_names_and_ranges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
