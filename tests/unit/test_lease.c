/* replication: the lease keeper, over a file store (leases that die at a word, without an etcd). */
#include "replication/lease.h"
#include "store_recorder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

struct world {
    struct recorder r;
    struct lease_owner owner;
    struct lease_keeper *keeper;
    struct store_call put;
    size_t held, lost, closed;
    int64_t lease;
    char dir[64], url[96];
};

static const char *key_of(
    struct arena *a, const char *kind, const char *ns, const char *name, struct diags *d)
{
    (void)a;
    (void)kind;
    (void)ns;
    (void)name;
    (void)d;
    return NULL;
}
static const struct store_layout layout = { key_of };

static void on_put(struct store_call *call, const struct store_reply *reply)
{
    (void)call;
    assert_null(reply->err);
}

static void on_held(struct lease_owner *owner, int64_t lease)
{
    struct world *w = container_of(owner, struct world, owner);
    assert_false(w->r.is_inside);
    w->held++;
    w->lease = lease;
    assert_int_equal(lease_keeper_lease(w->keeper), lease);
    store_txn(w->r.store,
        &(struct store_write){ .key = "replicas/r1",
            .value = "{}",
            .size = 2,
            .lease = lease,
            .expected_mod_revision = STORE_ANY_REVISION },
        1,
        &w->put);
}

static void on_lost(struct lease_owner *owner)
{
    struct world *w = container_of(owner, struct world, owner);
    w->lost++;
    assert_int_equal(lease_keeper_lease(w->keeper), STORE_LEASE_NONE);
}

static void on_closed(struct lease_owner *owner)
{
    struct world *w = container_of(owner, struct world, owner);
    assert_false(w->r.is_inside);
    w->closed++;
}

static int start(void **state)
{
    struct world *w = xcalloc(1, sizeof *w);
    snprintf(w->dir, sizeof w->dir, "/tmp/test-lease-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    snprintf(w->url, sizeof w->url, "file:%s", w->dir);
    w->owner = (struct lease_owner){ on_held, on_lost, on_closed };
    w->put.on_reply = on_put;
    recorder_init(&w->r);
    recorder_open(&w->r, w->url, &layout);
    w->r.is_inside = true;
    w->keeper = lease_keeper_open(w->r.store, 1, &w->owner);
    w->r.is_inside = false;
    *state = w;
    return 0;
}

static int stop(void **state)
{
    struct world *w = *state;
    char command[128];
    recorder_close(&w->r);
    snprintf(command, sizeof command, "rm -rf %s", w->dir);
    assert_int_equal(system(command), 0);
    free(w);
    return 0;
}

static void close_keeper(struct world *w)
{
    w->r.is_inside = true;
    lease_keeper_close(w->keeper);
    w->r.is_inside = false;
}

static void test_keys_stay_while_the_lease_is_kept_and_go_with_it(void **state)
{
    struct world *w = *state;

    recorder_until(&w->r, recorder_value(&w->r, "replicas/r1"));
    assert_int_equal(recorder_find(&w->r, "replicas/r1")->lease, w->lease);
    close_keeper(w);
    recorder_until(&w->r, w->closed);

    assert_null(recorder_value(&w->r, "replicas/r1"));
    assert_int_equal(w->held, 1);
    assert_int_equal(w->lost, 0);
    assert_int_equal(w->closed, 1);
}

static void test_a_lost_lease_is_replaced_and_the_keys_come_back(void **state)
{
    struct world *w = *state;
    recorder_until(&w->r, recorder_value(&w->r, "replicas/r1"));
    int64_t former = w->lease;

    struct answer *answer = answer_new(&w->r);
    store_lease_revoke(w->r.store, former, &answer->call);
    answer_good(answer);
    recorder_until(&w->r, w->held == 2);
    recorder_until(&w->r, recorder_value(&w->r, "replicas/r1"));

    assert_int_equal(w->lost, 1);
    assert_true(w->lease != former);
    assert_string_equal(w->r.log.data, "+replicas/r1={} -replicas/r1 +replicas/r1={} ");
    close_keeper(w);
    recorder_until(&w->r, w->closed);
}

static void test_closed_before_it_has_a_lease_it_ends_all_the_same(void **state)
{
    struct world *w = *state;

    close_keeper(w);
    recorder_until(&w->r, w->closed);

    assert_int_equal(w->held, 0);
}

static void test_an_abandoned_keeper_is_silent(void **state)
{
    struct world *w = *state;
    recorder_until(&w->r, w->held);

    close_keeper(w);
    lease_keeper_abandon(w->keeper);
    recorder_run_for(&w->r, 50);

    assert_int_equal(w->closed, 0);
    lease_keeper_close(NULL);
    lease_keeper_abandon(NULL);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_keys_stay_while_the_lease_is_kept_and_go_with_it),
        TEST(test_a_lost_lease_is_replaced_and_the_keys_come_back),
        TEST(test_closed_before_it_has_a_lease_it_ends_all_the_same),
        TEST(test_an_abandoned_keeper_is_silent),
    };
    return cmocka_run_group_tests_name("lease", tests, NULL, NULL);
}
