/* The key `cluster`: who makes it, and what becomes of it when somebody else touches it. A store
 * that keeps what is written for the test to look at. */
#include "daemon/epoch.h"
#include "mesh/level.h"
#include "replication/store_impl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define STOOD "{\"epoch\":\"e1\",\"level\":3,\"later\":true}"

struct world {
    struct store store;
    struct epoch epoch;
    struct log_scope log;
    metric_value faults;
    struct arena *a;
    struct store_call *call; /* the write under way */
    const char *written;
    int64_t expected;
};

static void on_txn(
    struct store *s, const struct store_write *writes, size_t count, struct store_call *call)
{
    struct world *w = container_of(s, struct world, store);
    assert_null(w->call);
    assert_int_equal(count, 1);
    assert_string_equal(writes->key, "cluster");
    assert_int_equal(writes->lease, STORE_LEASE_NONE);
    w->call = call;
    w->written = arena_strndup(w->a, writes->value, writes->size);
    w->expected = writes->expected_mod_revision;
}

static void on_cancel(struct store *s, struct store_call *call)
{
    (void)s, (void)call;
}

static const struct store_ops ops = { .txn = on_txn, .cancel = on_cancel };

static int setup(void **state)
{
    struct world *w = xcalloc(1, sizeof *w);
    *state = w;
    w->a = arena_new();
    w->log.level = LOG_LEVEL_ERROR + 1;
    w->store.ops = &ops;
    w->store.stats = &w->store.own_stats;
    w->store.status.state = STORE_FOLLOWING;
    w->epoch = (struct epoch){ .store = &w->store, .log = &w->log, .faults = &w->faults };
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    epoch_close(&w->epoch);
    arena_free(w->a);
    free(w);
    return 0;
}

/* NULL: it is deleted. */
static bool told(struct world *w, const char *value, int64_t revision)
{
    struct store_change change = {
        .entry = { .key = "cluster",
            .value = value,
            .size = value ? strlen(value) : 0,
            .mod_revision = revision },
        .is_gone = !value,
    };
    struct diags d;
    diags_init(&d, w->a);
    epoch_told(&w->epoch, &change, &d);
    return d.errors == 0;
}

static void answer(struct world *w)
{
    struct store_call *call = w->call;
    const struct store_reply reply = { .succeeded = true };
    assert_non_null(call);
    w->call = NULL;
    call->on_reply(call, &reply);
}

static void test_a_keyspace_without_one_gets_one_at_once(void **state)
{
    struct world *w = *state;
    epoch_review(&w->epoch, false);

    assert_int_equal(w->expected, 0);
    assert_non_null(strstr(w->written, "{\"epoch\":\""));
    answer(w);
    assert_true(told(w, w->written, 5));
    epoch_review(&w->epoch, false);
    assert_null(w->call);
    assert_int_equal(strlen(w->epoch.text), 32);
    assert_int_equal(w->epoch.level, level_newest);
    assert_int_equal(w->faults, 0);
}

static void test_one_that_is_deleted_is_written_again_as_it_stood(void **state)
{
    struct world *w = *state;
    told(w, STOOD, 5);
    told(w, NULL, 7);

    assert_string_equal(w->epoch.text, "e1");
    assert_int_equal(w->epoch.level, 3);
    assert_string_equal(w->epoch.problem, "the key cluster was deleted");
    assert_int_equal(w->faults, 1);
    epoch_review(&w->epoch, true);
    assert_string_equal(w->written, STOOD);
    assert_int_equal(w->expected, 0);
    told(w, STOOD, 8);
    assert_string_equal(w->epoch.problem, "");
}

static void test_one_that_is_garbled_is_written_over_unless_it_is_another_again(void **state)
{
    struct world *w = *state;
    told(w, STOOD, 5);
    assert_false(told(w, "{\"epoch\":\"e1\",\"level\":0}", 9));

    assert_int_equal(w->epoch.level, 3);
    assert_string_equal(w->epoch.problem, "the key cluster is no good");
    assert_int_equal(w->faults, 1);
    epoch_review(&w->epoch, false);
    assert_string_equal(w->written, STOOD);
    assert_int_equal(w->expected, 9);
}

static void test_another_epoch_is_told_and_heeded(void **state)
{
    struct world *w = *state;
    told(w, STOOD, 5);
    told(w, "{\"epoch\":\"e2\"}", 6);

    assert_string_equal(w->epoch.text, "e2");
    assert_int_equal(w->epoch.level, 1);
    assert_int_equal(w->faults, 1);
    assert_true(*w->epoch.problem);
    epoch_review(&w->epoch, false);
    assert_null(w->call);
}

static void test_another_history_without_one_gets_a_new_one(void **state)
{
    struct world *w = *state;
    told(w, STOOD, 5);
    w->epoch.has_other_past = true;
    told(w, NULL, 3);
    w->epoch.has_other_past = false;

    assert_string_equal(w->epoch.text, "");
    assert_int_equal(w->epoch.level, 0);
    assert_int_equal(w->faults, 0);
    epoch_review(&w->epoch, false);
    assert_null(strstr(w->written, "e1\""));
}

static void test_another_history_with_another_one_is_no_fault(void **state)
{
    struct world *w = *state;
    told(w, STOOD, 5);
    w->epoch.has_other_past = true;
    told(w, "{\"epoch\":\"e2\"}", 3);

    assert_string_equal(w->epoch.text, "e2");
    assert_int_equal(w->faults, 0);
}

/* It came between the deletion and the mending. */
static void test_a_newcomer_leaves_it_to_those_who_may_know_it(void **state)
{
    struct world *w = *state;
    for (size_t i = 0; i < EPOCH_PATIENCE; i++)
        epoch_review(&w->epoch, true);
    assert_null(w->call);

    epoch_review(&w->epoch, true);
    assert_non_null(w->call);
}

static void test_nobody_who_knows_it_writes_to_a_store_that_is_not_followed(void **state)
{
    struct world *w = *state;
    told(w, STOOD, 5);
    told(w, NULL, 7);
    w->store.status.state = STORE_BEHIND;
    epoch_review(&w->epoch, false);
    assert_null(w->call);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            test_a_keyspace_without_one_gets_one_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_one_that_is_deleted_is_written_again_as_it_stood, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_one_that_is_garbled_is_written_over_unless_it_is_another_again, setup, teardown),
        cmocka_unit_test_setup_teardown(test_another_epoch_is_told_and_heeded, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_another_history_without_one_gets_a_new_one, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_another_history_with_another_one_is_no_fault, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_a_newcomer_leaves_it_to_those_who_may_know_it, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_nobody_who_knows_it_writes_to_a_store_that_is_not_followed, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
