/* The gate: who waits for which read, and who is let in without one. A store that answers when the
 * test says. */
#include "daemon/gate.h"
#include "replication/store_impl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

struct world {
    struct store store;
    struct store_call *read; /* under way */
    struct gate gate;
    struct gate_owner owner;
    struct gate_stats stats;
    uv_loop_t loop;
    uint64_t let_in[2]; /* or turned away */
    enum gate_verdict verdict[2];
    int behind, cancelled;
};

static void on_get(struct store *s, const char *key, struct store_call *call)
{
    struct world *w = container_of(s, struct world, store);
    assert_string_equal(key, "cluster");
    assert_null(w->read);
    w->read = call;
}

static void on_cancel(struct store *s, struct store_call *call)
{
    struct world *w = container_of(s, struct world, store);
    assert_ptr_equal(call, w->read);
    w->read = NULL;
    w->cancelled++;
}

static const struct store_ops ops = { .get = on_get, .cancel = on_cancel };

static void on_verdict(
    struct gate_owner *owner, size_t index, uint64_t ticket, enum gate_verdict verdict)
{
    struct world *w = container_of(owner, struct world, owner);
    assert_true(ticket > w->let_in[index]);
    w->let_in[index] = ticket;
    w->verdict[index] = verdict;
}

static void on_behind(struct gate_owner *owner)
{
    container_of(owner, struct world, owner)->behind++;
}

static struct world *open_world(void **state, bool has_store)
{
    struct world *w = xcalloc(1, sizeof *w);
    *state = w;
    w->store.ops = &ops;
    w->owner = (struct gate_owner){ on_verdict, on_behind };
    assert_int_equal(uv_loop_init(&w->loop), 0);
    gate_open(&w->gate, &w->loop, has_store ? &w->store : NULL, 2, &w->owner, &w->stats);
    return w;
}

static int setup(void **state)
{
    gate_published(&open_world(state, true)->gate, 10);
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    gate_close(&w->gate);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_null(w->read);
    gate_fini(&w->gate);
    assert_int_equal(uv_loop_close(&w->loop), 0);
    free(w);
    return 0;
}

static void answer(struct world *w, int64_t revision, const struct error *err)
{
    struct store_call *call = w->read;
    assert_non_null(call);
    w->read = NULL;
    call->on_reply(call, &(struct store_reply){ .revision = revision, .err = err });
}

/* Until the timer that runs has run out. */
static void let_time_pass(struct world *w)
{
    uv_run(&w->loop, UV_RUN_ONCE);
}

static void test_who_asks_is_let_in_by_a_read_that_brings_no_news(void **state)
{
    struct world *w = *state;

    gate_ask(&w->gate, 0, 1);
    assert_int_equal(w->let_in[0], 0);
    answer(w, 10, NULL);

    assert_int_equal(w->let_in[0], 1);
    assert_int_equal(w->verdict[0], GATE_LET_IN);
    assert_int_equal(w->let_in[1], 0);
    assert_int_equal(w->stats.reads, 1);
    assert_int_equal(w->stats.asks, 1);
}

static void test_who_asks_waits_until_the_news_is_published(void **state)
{
    struct world *w = *state;
    gate_ask(&w->gate, 1, 7);
    answer(w, 12, NULL);
    assert_int_equal(w->behind, 1);

    gate_published(&w->gate, 11);
    assert_int_equal(w->let_in[1], 0);
    gate_published(&w->gate, 12);

    assert_int_equal(w->let_in[1], 7);
    assert_int_equal(w->verdict[1], GATE_LET_IN);
}

static void test_who_comes_while_a_read_is_under_way_waits_for_the_next_one(void **state)
{
    struct world *w = *state;
    gate_ask(&w->gate, 0, 1);
    gate_ask(&w->gate, 1, 1);
    answer(w, 10, NULL);
    assert_int_equal(w->let_in[0], 1);
    assert_int_equal(w->let_in[1], 0);
    gate_ask(&w->gate, 0, 2);
    assert_null(w->read); /* not at once after the last one */

    let_time_pass(w);
    answer(w, 10, NULL);

    assert_int_equal(w->let_in[0], 2);
    assert_int_equal(w->let_in[1], 1);
    assert_int_equal(w->stats.reads, 2);
}

static void test_when_the_store_takes_too_long_others_are_to_be_asked(void **state)
{
    struct world *w = *state;
    gate_ask(&w->gate, 0, 1);

    let_time_pass(w);

    assert_int_equal(w->cancelled, 1);
    assert_int_equal(w->let_in[0], 1);
    assert_int_equal(w->verdict[0], GATE_TURN_AWAY);
}

static void test_when_news_do_not_come_others_are_to_be_asked(void **state)
{
    struct world *w = *state;
    gate_ask(&w->gate, 0, 1);
    answer(w, 12, NULL);

    let_time_pass(w);

    assert_int_equal(w->let_in[0], 1);
    assert_int_equal(w->verdict[0], GATE_TURN_AWAY);
    gate_published(&w->gate, 12); /* nobody waits for it any more */
}

static void test_when_the_store_fails_others_are_to_be_asked(void **state)
{
    static const struct error err = { .code = ERROR_UNREACHABLE };
    struct world *w = *state;
    gate_ask(&w->gate, 0, 1);

    answer(w, 0, &err);

    assert_int_equal(w->verdict[0], GATE_TURN_AWAY);
    assert_int_equal(w->let_in[0], 1);
}

static void test_a_store_that_is_cut_off_is_not_asked(void **state)
{
    struct world *w = *state;
    gate_ask(&w->gate, 0, 1);
    gate_ask(&w->gate, 1, 1);

    gate_cut_off(&w->gate, true);
    assert_int_equal(w->cancelled, 1);
    assert_int_equal(w->verdict[0], GATE_TURN_AWAY);
    assert_int_equal(w->verdict[1], GATE_TURN_AWAY);
    gate_ask(&w->gate, 0, 2);
    assert_int_equal(w->let_in[0], 2);
    assert_int_equal(w->verdict[0], GATE_LET_IN_STALE);

    gate_cut_off(&w->gate, false);
    gate_ask(&w->gate, 0, 3);
    assert_int_equal(w->let_in[0], 2);
    let_time_pass(w);
    answer(w, 10, NULL);
    assert_int_equal(w->let_in[0], 3);
    assert_int_equal(w->verdict[0], GATE_LET_IN);
}

static void test_before_anything_is_published_nobody_can_be_served(void **state)
{
    struct world *w = open_world(state, true);
    gate_ask(&w->gate, 0, 1);
    gate_cut_off(&w->gate, true);
    gate_cut_off(&w->gate, false);
    assert_null(w->read);

    gate_published(&w->gate, 3);
    answer(w, 3, NULL);

    assert_int_equal(w->let_in[0], 1);
    assert_int_equal(w->verdict[0], GATE_LET_IN);
}

static void test_without_a_shared_store_nobody_is_ahead(void **state)
{
    struct world *w = open_world(state, false);

    gate_ask(&w->gate, 1, 1);

    assert_int_equal(w->let_in[1], 1);
    assert_int_equal(w->verdict[1], GATE_LET_IN);
}

int main(void)
{
#define TEST(name)  cmocka_unit_test_setup_teardown(name, setup, teardown)
#define ALONE(name) cmocka_unit_test_setup_teardown(name, NULL, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_who_asks_is_let_in_by_a_read_that_brings_no_news),
        TEST(test_who_asks_waits_until_the_news_is_published),
        TEST(test_who_comes_while_a_read_is_under_way_waits_for_the_next_one),
        TEST(test_when_the_store_takes_too_long_others_are_to_be_asked),
        TEST(test_when_news_do_not_come_others_are_to_be_asked),
        TEST(test_when_the_store_fails_others_are_to_be_asked),
        TEST(test_a_store_that_is_cut_off_is_not_asked),
        ALONE(test_before_anything_is_published_nobody_can_be_served),
        ALONE(test_without_a_shared_store_nobody_is_ahead),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
