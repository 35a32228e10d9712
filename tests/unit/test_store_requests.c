/* replication: requests and leases, with real etcd members. */
#include "etcd_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void test_conditions_of_a_transaction(void **state)
{
    struct world *w = *state;
    struct store_write create = { .key = "a", .value = "1", .size = 1, .expected_mod_revision = 0 };
    struct store_write stale = { .key = "a", .value = "2", .size = 1, .expected_mod_revision = 1 };
    recorder_open_oneshot(&w->r, w->url, NULL);

    struct answer created = recorder_write(&w->r, &create);
    assert_true(created.succeeded);
    assert_false(recorder_write(&w->r, &create).succeeded);
    assert_false(recorder_write(&w->r, &stale).succeeded);
    stale.expected_mod_revision = created.revision;
    assert_true(recorder_write(&w->r, &stale).succeeded);
    assert_int_equal(w->r.stats.writes, 2);

    /* all or nothing */
    struct store_write both[] = {
        { .key = "b", .value = "1", .size = 1, .expected_mod_revision = STORE_ANY_REVISION },
        { .key = "a", .expected_mod_revision = created.revision },
    };
    struct answer *answer = answer_new(&w->r);
    store_txn(w->r.store, both, 2, &answer->call);
    assert_false(answer_good(answer).succeeded);
    answer = answer_new(&w->r);
    store_get(w->r.store, "b", &answer->call);
    assert_int_equal(answer_good(answer).count, 0);
}

static void test_get_and_list(void **state)
{
    struct world *w = *state;
    world_put(w, "a/1", "x");
    world_put(w, "a/2", "y");
    world_put(w, "a", "z");
    world_put_many(w, 0, 10001, 1);
    recorder_open_oneshot(&w->r, w->url, NULL);

    struct answer *get = answer_new(&w->r), *list = answer_new(&w->r), *many = answer_new(&w->r);
    store_get(w->r.store, "a", &get->call);
    store_list(w->r.store, "a/", &list->call);
    store_list(w->r.store, "many/", &many->call);
    struct answer got = answer_good(get), listed = answer_good(list), all = answer_good(many);

    assert_string_equal(got.text.data, "a=z ");
    assert_string_equal(listed.text.data, "a/1=x a/2=y ");
    assert_int_equal(all.count, 10001);
    assert_true(all.revision >= got.revision);
    buf_fini(&got.text);
    buf_fini(&listed.text);
    buf_fini(&all.text);
}

static bool is_written(struct world *w, const char *key)
{
    struct answer *answer = answer_new(&w->direct);
    store_get(w->direct.store, key, &answer->call);
    struct answer got = answer_good(answer);
    buf_fini(&got.text);
    return got.count;
}

/* Unlike any other request: carried out again, it would say that it was not. */
static void test_a_conditional_write_whose_answer_is_lost_is_not_repeated(void **state)
{
    struct world *w = *state;
    struct answer *answer = answer_new(&w->r);
    w->relay.mode = RELAY_MUTE;
    recorder_open_oneshot(&w->r, w->url, NULL);

    store_txn(w->r.store,
        &(struct store_write){ .key = "a", .value = "1", .size = 1, .expected_mod_revision = 0 },
        1,
        &answer->call);
    recorder_until(&w->r, is_written(w, "a"));
    relay_cut(&w->relay);
    relay_mend(&w->relay);
    w->relay.mode = RELAY_PASS;
    struct error err = answer_error(answer);

    assert_int_equal(err.code, ERROR_UNREACHABLE);
    assert_int_equal(w->relay.accepted, 1);
}

static void test_a_request_ends_when_etcd_is_away(void **state)
{
    struct world *w = *state;
    struct answer *answer = answer_new(&w->r);
    relay_cut(&w->relay);
    recorder_open_oneshot(&w->r, w->url, NULL);
    uint64_t before = uv_hrtime();

    store_get(w->r.store, "a", &answer->call);
    struct error err = answer_error(answer);

    uint64_t took_ms = (uv_hrtime() - before) / 1000000;
    assert_int_equal(err.code, ERROR_UNREACHABLE);
    assert_in_range(took_ms, STORE_REQUEST_TIMEOUT_MS - 2500, STORE_REQUEST_TIMEOUT_MS + 1000);
    assert_true(w->relay.accepted > 1);
}

static void test_cancelled_calls_stay_silent(void **state)
{
    struct world *w = *state;
    struct answer *cancelled = answer_new(&w->r), *other = answer_new(&w->r);
    recorder_open_oneshot(&w->r, w->url, NULL);

    store_get(w->r.store, "a", &cancelled->call);
    store_get(w->r.store, "b", &other->call);
    store_cancel(w->r.store, &cancelled->call);

    answer_good(other);
    recorder_run_for(&w->r, 50);
    assert_false(cancelled->is_done);
    free(cancelled);
}

static void test_a_store_can_be_closed_from_any_callback(void **state)
{
    struct world *w = *state;
    static const char *const moments[] = { "changes", "synced", "state", "reply" };
    world_put(w, "a", "1");

    for (size_t i = 0; i < ARRAY_COUNT(moments); i++) {
        struct recorder r;
        struct answer *answer = answer_new(&r);
        recorder_init(&r);
        r.close_when = moments[i];
        recorder_open(&r, w->direct_url, NULL);
        store_get(r.store, "a", &answer->call);
        recorder_until(&r, !r.store);
        recorder_close(&r);
        buf_fini(&answer->text);
        free(answer);
    }
}

/* ---- leases ---- */

static int64_t grant(struct recorder *r, int64_t ttl_seconds)
{
    struct answer *answer = answer_new(r);
    store_lease_grant(r->store, ttl_seconds, &answer->call);
    struct answer granted = answer_good(answer);
    assert_true(granted.lease != STORE_LEASE_NONE);
    return granted.lease;
}

static int64_t keep_alive(struct recorder *r, int64_t lease)
{
    struct answer *answer = answer_new(r);
    store_lease_keepalive(r->store, lease, &answer->call);
    return answer_good(answer).lease;
}

static void test_a_lease_that_runs_out_takes_its_keys(void **state)
{
    struct world *w = *state;
    world_follow(w);
    int64_t lease = grant(&w->r, 2);
    recorder_write(&w->r,
        &(struct store_write){ .key = "a",
            .value = "1",
            .size = 1,
            .lease = lease,
            .expected_mod_revision = STORE_ANY_REVISION });
    recorder_until(&w->r, recorder_value(&w->r, "a"));
    assert_int_equal(recorder_find(&w->r, "a")->lease, lease);
    assert_int_equal(keep_alive(&w->r, lease), lease);

    recorder_until(&w->r, !recorder_value(&w->r, "a"));

    assert_string_equal(w->r.log.data, "+a=1 -a ");
    assert_int_equal(keep_alive(&w->r, lease), STORE_LEASE_NONE);
}

static void test_a_revoked_lease_is_dead(void **state)
{
    struct world *w = *state;
    recorder_open_oneshot(&w->r, w->url, NULL);
    int64_t lease = grant(&w->r, 60);
    struct store_write write = { .key = "a",
        .value = "1",
        .size = 1,
        .lease = lease,
        .expected_mod_revision = STORE_ANY_REVISION };

    for (int twice = 0; twice < 2; twice++) {
        struct answer *answer = answer_new(&w->r);
        store_lease_revoke(w->r.store, lease, &answer->call);
        answer_good(answer);
    }
    struct answer *answer = answer_new(&w->r);
    store_txn(w->r.store, &write, 1, &answer->call);

    assert_int_equal(answer_error(answer).code, ERROR_NOT_FOUND);
    assert_int_equal(keep_alive(&w->r, lease), STORE_LEASE_NONE);
}

/* ---- a full disk ---- */

/* Writes past the quota, until etcd says no. */
static struct error fill(struct world *w)
{
    static char value[1000 * 1000];
    memset(value, 'v', sizeof value);
    for (int i = 0; i < 100; i++) {
        char key[32];
        struct answer *answer = answer_new(&w->direct);
        snprintf(key, sizeof key, "fill/%d", i);
        store_txn(w->direct.store,
            &(struct store_write){ .key = key,
                .value = value,
                .size = sizeof value,
                .expected_mod_revision = STORE_ANY_REVISION },
            1,
            &answer->call);
        recorder_until(&w->direct, answer->is_done);
        if (answer->err.code != ERROR_NONE)
            return answer_error(answer);
        free(answer);
    }
    fail_msg("etcd does not become full");
    return (struct error){ 0 };
}

static void test_a_full_etcd_says_so_is_read_on_and_recovers(void **state)
{
    struct world *w = *state;
    world_put(w, "a", "1");
    w->r.audit_every_ms = 20;
    world_follow(w);

    struct error err = fill(w);
    assert_int_equal(err.code, ERROR_REFUSED);
    assert_non_null(strstr(err.text, "NOSPACE: its quota is used up"));
    struct answer *granted = answer_new(&w->r), *listed = answer_new(&w->r);
    store_lease_grant(w->r.store, 10, &granted->call);
    assert_non_null(strstr(answer_error(granted).text, "NOSPACE"));
    store_list(w->r.store, "a", &listed->call);
    struct answer list = answer_good(listed);
    assert_string_equal(list.text.data, "a=1 ");
    int64_t revision = world_put(w, "a", NULL); /* what is freed is told */
    recorder_until(&w->r, !recorder_value(&w->r, "a"));
    assert_int_equal(store_status(w->r.store)->state, STORE_FOLLOWING);

    etcdctl(&w->etcd, 0, "del /test/fill/ --prefix");
    etcdctl(&w->etcd, 0, "compaction %lld", (long long)revision + 1);
    etcdctl(&w->etcd, 0, "defrag");
    etcdctl(&w->etcd, 0, "alarm disarm");
    world_put(w, "b", "1");
    recorder_until(&w->r, recorder_value(&w->r, "b"));
    assert_int_equal(w->r.stats.divergences, 0);
    buf_fini(&list.text);
}

/* ---- what is remembered ---- */

static void assert_history(struct world *w, const char *key, int64_t last, const char *text)
{
    struct answer *answer = answer_new(&w->r);
    store_history(w->r.store, key, last, &answer->call);
    struct answer told = answer_good(answer);
    assert_string_equal(told.text.size ? told.text.data : "", text);
    buf_fini(&told.text);
}

static void assert_value_at(struct world *w, const char *key, int64_t revision, const char *text)
{
    struct answer *answer = answer_new(&w->r);
    store_get_at(w->r.store, key, revision, &answer->call);
    struct answer told = answer_good(answer);
    assert_string_equal(told.text.size ? told.text.data : "", text);
    buf_fini(&told.text);
}

static void remove_key(struct world *w, const char *key)
{
    etcdctl(&w->etcd, 0, "del /test/%s", key);
}

static void test_former_values_and_the_history_of_a_key(void **state)
{
    struct world *w = *state;
    int64_t first = world_put(w, "past", "1");
    int64_t second = world_put(w, "past", "2");
    world_put(w, "past/other", "x");
    recorder_open_oneshot(&w->r, w->url, NULL);

    assert_history(w, "past", second, "past=1 past=2 ");
    assert_value_at(w, "past", first, "past=1 ");
    assert_value_at(w, "past", first - 1, "");

    remove_key(w, "past");
    assert_history(w, "past", 0, "past=1 past=2 -past ");
    int64_t third = world_put(w, "past", "3");
    assert_history(w, "past", third, "past=1 past=2 -past past=3 ");
    assert_history(w, "nothing", 0, "");

    struct answer *answer = answer_new(&w->r);
    store_list_at(w->r.store, "past", second, &answer->call);
    struct answer listed = answer_good(answer);
    assert_string_equal(listed.text.data, "past=2 ");
    buf_fini(&listed.text);
    answer = answer_new(&w->r);
    store_get_at(w->r.store, "past", third + 1000, &answer->call);
    assert_int_equal(answer_error(answer).code, ERROR_COMPACTED);
}

static void test_what_was_compacted_is_said(void **state)
{
    struct world *w = *state;
    int64_t first = world_put(w, "past", "1");
    int64_t second = world_put(w, "past", "2");
    int64_t third = world_put(w, "past", "3");
    recorder_open_oneshot(&w->r, w->url, NULL);

    etcdctl(&w->etcd, 0, "compaction %lld", (long long)third);

    struct answer *answer = answer_new(&w->r);
    store_history(w->r.store, "past", third, &answer->call);
    struct answer told = answer_good(answer);
    assert_string_equal(told.text.data, "past=3 ");
    assert_int_equal(told.compacted, third);
    buf_fini(&told.text);
    answer = answer_new(&w->r);
    store_get_at(w->r.store, "past", first, &answer->call);
    assert_int_equal(answer_error(answer).code, ERROR_COMPACTED);
    answer = answer_new(&w->r);
    store_list_at(w->r.store, "past", second, &answer->call);
    assert_int_equal(answer_error(answer).code, ERROR_COMPACTED);
}

/* More revisions than etcd sends in one message, and each message ends with a deletion. */
static void test_a_long_history_is_whole(void **state)
{
    enum { VALUES = 1250 };
    const struct store_write gone = { .key = "long", .expected_mod_revision = STORE_ANY_REVISION };
    struct world *w = *state;
    recorder_open_oneshot(&w->r, w->url, NULL);
    for (size_t i = 0; i < VALUES; i++) {
        world_put(w, "long", "x");
        recorder_write(&w->r, &gone);
    }

    struct answer *answer = answer_new(&w->r);
    store_history(w->r.store, "long", 0, &answer->call);
    struct answer told = answer_good(answer);

    assert_int_equal(told.count, 2 * VALUES);
    buf_fini(&told.text);
}

static void test_a_history_under_way_can_be_cancelled(void **state)
{
    struct world *w = *state;
    recorder_open_oneshot(&w->r, w->url, NULL);
    struct answer *cancelled = answer_new(&w->r), *left = answer_new(&w->r);

    store_history(w->r.store, "nothing", 0, &cancelled->call);
    store_history(w->r.store, "nothing", 0, &left->call);
    store_cancel(w->r.store, &cancelled->call);
    assert_int_equal(answer_good(left).count, 0);

    assert_false(cancelled->is_done);
    free(cancelled);
}

#define TEST(f, start) cmocka_unit_test_setup_teardown(f, start, world_stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_conditions_of_a_transaction, world_start),
        TEST(test_get_and_list, world_start),
        TEST(test_a_conditional_write_whose_answer_is_lost_is_not_repeated, world_start),
        TEST(test_a_request_ends_when_etcd_is_away, world_start),
        TEST(test_cancelled_calls_stay_silent, world_start),
        TEST(test_a_store_can_be_closed_from_any_callback, world_start),
        TEST(test_a_lease_that_runs_out_takes_its_keys, world_start),
        TEST(test_a_revoked_lease_is_dead, world_start),
        TEST(test_former_values_and_the_history_of_a_key, world_start_own),
        TEST(test_what_was_compacted_is_said, world_start_own),
        TEST(test_a_long_history_is_whole, world_start_own),
        TEST(test_a_history_under_way_can_be_cancelled, world_start),
        TEST(test_a_full_etcd_says_so_is_read_on_and_recovers, world_start_small),
    };
    return cmocka_run_group_tests_name(
        "store_requests", tests, world_start_shared, world_stop_shared);
}
