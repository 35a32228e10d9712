/* Letters between threads: all arrive, in order, and none is lost or freed twice. */
#include "daemon/mailbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>

#include <cmocka.h>

enum { SENDERS = 4, LETTERS = 5000 };

struct note {
    struct letter letter;
    struct world *world;
    int sender, number;
};

struct world {
    uv_loop_t loop;
    struct mailbox mailbox;
    int next[SENDERS]; /* the number that must come from each */
    int arrived, last; /* arrivals; the newest number */
    int last_before_barrier;
    int close_at; /* close the mailbox on that arrival; 0: never */
    atomic_int freed;
    uv_thread_t threads[SENDERS];
    const struct letter_kind *kind;
    atomic_int senders;
};

static void on_arrival(struct mailbox *at, struct letter *letter)
{
    struct world *w = container_of(at, struct world, mailbox);
    struct note *note = container_of(letter, struct note, letter);
    assert_int_equal(note->number, w->next[note->sender]++);
    if (letter->kind->is_barrier)
        w->last_before_barrier = w->last;
    w->last = note->number;
    if (++w->arrived == w->close_at)
        mailbox_close(at);
}

static void free_note(struct letter *letter)
{
    struct note *note = container_of(letter, struct note, letter);
    note->world->freed++;
    free(note);
}

static void on_newest(struct mailbox *at, struct letter *letter)
{
    struct world *w = container_of(at, struct world, mailbox);
    w->arrived++;
    w->last = container_of(letter, struct note, letter)->number;
}

static const struct letter_kind barrier = { on_arrival, free_note, .is_barrier = true };
static const struct letter_kind plain = { on_arrival, free_note };
static const struct letter_kind newest = { on_newest, free_note, .is_state = true };

static void send_note(struct world *w, const struct letter_kind *kind, int sender, int number)
{
    struct note *note = xcalloc(1, sizeof *note);
    *note = (struct note){ .letter.kind = kind, .world = w, .sender = sender, .number = number };
    mailbox_send(&w->mailbox, &note->letter);
}

static void run_sender(void *context)
{
    struct world *w = context;
    int sender = w->senders++;
    for (int i = 0; i < LETTERS; i++)
        send_note(w, w->kind, sender, i);
}

static int setup(void **state)
{
    struct world *w = xcalloc(1, sizeof *w);
    assert_int_equal(uv_loop_init(&w->loop), 0);
    mailbox_open(&w->loop, &w->mailbox);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    mailbox_fini(&w->mailbox);
    assert_int_equal(uv_loop_close(&w->loop), 0);
    free(w);
    return 0;
}

static void start_senders(struct world *w, const struct letter_kind *kind)
{
    w->kind = kind;
    for (int i = 0; i < SENDERS; i++)
        assert_int_equal(uv_thread_create(&w->threads[i], run_sender, w), 0);
}

static void join_senders(struct world *w)
{
    for (int i = 0; i < SENDERS; i++)
        assert_int_equal(uv_thread_join(&w->threads[i]), 0);
}

static void test_all_letters_of_all_threads_arrive_in_the_order_of_each(void **state)
{
    struct world *w = *state;
    w->close_at = SENDERS * LETTERS;
    start_senders(w, &plain);

    uv_run(&w->loop, UV_RUN_DEFAULT); /* until the last arrival closes the mailbox */

    join_senders(w);
    assert_int_equal(w->arrived, SENDERS * LETTERS);
    assert_int_equal(w->freed, SENDERS * LETTERS);
}

static void test_letters_to_a_closed_mailbox_are_freed_unread(void **state)
{
    struct world *w = *state;
    w->close_at = 100;
    start_senders(w, &plain);

    uv_run(&w->loop, UV_RUN_DEFAULT);

    join_senders(w);
    assert_int_equal(w->arrived, 100);
    assert_int_equal(w->freed, SENDERS * LETTERS);
}

static void test_of_a_state_only_the_newest_is_delivered(void **state)
{
    struct world *w = *state;

    for (int i = 0; i < 1000; i++)
        send_note(w, &newest, 0, i);
    uv_run(&w->loop, UV_RUN_NOWAIT);

    assert_int_equal(w->arrived, 1);
    assert_int_equal(w->last, 999);
    assert_int_equal(w->freed, 1000);
    mailbox_close(&w->mailbox);
    uv_run(&w->loop, UV_RUN_DEFAULT);
}

/* Wherever the stale letter stands in the queue, the others keep their order. */
static void test_a_newer_state_leaves_other_letters_as_they_are(void **state)
{
    struct world *w = *state;

    send_note(w, &newest, 0, 1); /* first, then alone in the middle, then last */
    send_note(w, &plain, 0, 0);
    send_note(w, &newest, 0, 2);
    send_note(w, &newest, 0, 3);
    send_note(w, &plain, 0, 1);
    send_note(w, &newest, 0, 4);
    send_note(w, &plain, 0, 2);
    uv_run(&w->loop, UV_RUN_NOWAIT);

    assert_int_equal(w->next[0], 3);
    assert_int_equal(w->arrived, 4);
    assert_int_equal(w->freed, 7);
    mailbox_close(&w->mailbox);
    uv_run(&w->loop, UV_RUN_DEFAULT);
}

static void test_a_state_before_a_barrier_is_delivered_before_it(void **state)
{
    struct world *w = *state;

    send_note(w, &newest, 0, 10); /* replaced */
    send_note(w, &newest, 0, 11); /* kept for the barrier */
    send_note(w, &barrier, 0, 0);
    send_note(w, &newest, 0, 12); /* replaced */
    send_note(w, &newest, 0, 13);
    uv_run(&w->loop, UV_RUN_NOWAIT);

    assert_int_equal(w->last, 13);
    assert_int_equal(w->arrived, 3);
    assert_int_equal(w->last_before_barrier, 11);
    mailbox_close(&w->mailbox);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_int_equal(w->freed, 5);
}

static void test_closing_frees_what_waits(void **state)
{
    struct world *w = *state;
    send_note(w, &plain, 0, 0);
    send_note(w, &newest, 0, 0);

    mailbox_close(&w->mailbox);
    uv_run(&w->loop, UV_RUN_DEFAULT);

    assert_int_equal(w->arrived, 0);
    assert_int_equal(w->freed, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_all_letters_of_all_threads_arrive_in_the_order_of_each),
        TEST(test_letters_to_a_closed_mailbox_are_freed_unread),
        TEST(test_of_a_state_only_the_newest_is_delivered),
        TEST(test_a_newer_state_leaves_other_letters_as_they_are),
        TEST(test_a_state_before_a_barrier_is_delivered_before_it),
        TEST(test_closing_frees_what_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
