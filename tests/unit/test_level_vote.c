/* Which translation level is proposed, by what the replicas' records say they can build. */
#include "daemon/level_vote.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { NOW = 100000 };

struct world {
    struct peers peers;
    struct log_scope log;
    struct level_vote vote;
};

static int setup(void **state)
{
    struct world *w = xcalloc(1, sizeof *w);
    peers_init(&w->peers, &w->log);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    peers_fini(&w->peers);
    free(w);
    return 0;
}

static void hear(struct world *w, const char *id, int64_t least, int64_t newest)
{
    const struct replica_record record = {
        .id = id,
        .instance = "i",
        .version = "1",
        .xds = "a:1",
        .admin = "a:2",
        .state = "serving",
        .level = least,
        .level_least = least,
        .level_newest = newest,
    };
    peers_heard(&w->peers, &record, NOW);
}

static int64_t review(struct world *w, int64_t own, int64_t agreed, uint64_t now_ms)
{
    return level_vote_review(&w->vote, &w->peers, own, agreed, now_ms);
}

static void test_it_stays_while_one_cannot_build_more(void **state)
{
    struct world *w = *state;
    hear(w, "r2", 2, 3);
    hear(w, "r3", 1, 2);

    assert_int_equal(review(w, 3, 2, NOW), 2);
    assert_int_equal(review(w, 3, 2, NOW + 1000 * 1000), 2);
}

static void test_it_rises_once_all_have_been_able_to_for_a_while(void **state)
{
    struct world *w = *state;
    hear(w, "r2", 2, 3);

    assert_int_equal(review(w, 3, 2, NOW), 2);
    assert_int_equal(review(w, 3, 2, NOW + LEVEL_RISE_MS - 1), 2);
    assert_int_equal(review(w, 3, 2, NOW + LEVEL_RISE_MS), 3);
}

static void test_one_that_comes_back_meanwhile_begins_the_wait_anew(void **state)
{
    struct world *w = *state;
    hear(w, "r2", 2, 3);
    assert_int_equal(review(w, 3, 2, NOW), 2);
    hear(w, "old", 1, 2);
    assert_int_equal(review(w, 3, 2, NOW + LEVEL_RISE_MS), 2);
    peers_gone(&w->peers, "old");

    assert_int_equal(review(w, 3, 2, NOW + LEVEL_RISE_MS + 1), 2);
    assert_int_equal(review(w, 3, 2, NOW + 2 * LEVEL_RISE_MS + 1), 3);
}

static void test_it_falls_at_once_for_one_that_cannot_follow(void **state)
{
    struct world *w = *state;
    hear(w, "old", 1, 2);

    assert_int_equal(review(w, 3, 3, NOW), 2);
    assert_int_equal(review(w, 2, 3, NOW), 2); /* and so says the one itself */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_it_stays_while_one_cannot_build_more),
        TEST(test_it_rises_once_all_have_been_able_to_for_a_while),
        TEST(test_one_that_comes_back_meanwhile_begins_the_wait_anew),
        TEST(test_it_falls_at_once_for_one_that_cannot_follow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
