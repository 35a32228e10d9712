/* Replicas' records: there and back, and whether replicas agree. */
#include "daemon/peers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define HASH_A "0000000000000000000000000000000a"
#define HASH_B "0000000000000000000000000000000b"

struct world {
    struct peers p;
    struct log_scope log;
    struct arena *a;
};

static int setup(void **state)
{
    struct world *w = xcalloc(1, sizeof *w);
    w->log.level = (enum log_level)(LOG_LEVEL_ERROR + 1); /* differences are what is tested */
    w->a = arena_new();
    peers_init(&w->p, &w->log);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    peers_fini(&w->p);
    arena_free(w->a);
    free(w);
    return 0;
}

static void serve(struct world *w, int64_t from, int64_t to, const char *hash)
{
    struct served_span span = { .from = from, .to = to, .level = 1 };
    snprintf(span.hash, sizeof span.hash, "%s", hash);
    peers_serving(&w->p, &span);
}

static struct replica_record record(const char *id, int64_t from, int64_t to, const char *hash)
{
    struct replica_record r = {
        .id = id,
        .instance = "i",
        .version = "1",
        .xds = "",
        .admin = "",
        .state = "serving",
        .level = 1,
        .has_snapshot = true,
        .snapshot_revision = from,
        .revision = to,
    };
    snprintf(r.hash, sizeof r.hash, "%s", hash);
    return r;
}

static void hear(struct world *w, const char *id, int64_t from, int64_t to, const char *hash)
{
    struct replica_record r = record(id, from, to, hash);
    peers_heard(&w->p, &r, 1000);
}

static enum agreement agreement_with(const struct world *w, const char *id)
{
    const struct peer *peer = map_find(&w->p.by_id, id);
    assert_non_null(peer);
    return peer->agreement;
}

static void test_a_record_is_read_as_it_was_written(void **state)
{
    struct world *w = *state;
    struct replica_record r = record("pilotd-1", 41, 9007199254740992, HASH_A), read;
    struct buf json = { 0 };
    struct diags d;
    diags_init(&d, w->a);
    r.level_least = 3;
    r.level_newest = 5;
    r.streams = 7;
    r.beat = 123456789012345;

    record_encode(&r, &json);
    assert_true(record_decode(w->a, json.data, json.size, &read, &d));

    assert_string_equal(read.id, "pilotd-1");
    assert_string_equal(read.state, "serving");
    assert_string_equal(read.hash, HASH_A);
    assert_int_equal(read.snapshot_revision, 41);
    assert_int_equal(read.revision, 9007199254740992);
    assert_int_equal(read.level_least, 3);
    assert_int_equal(read.level_newest, 5);
    assert_int_equal(read.streams, 7);
    assert_int_equal(read.beat, 123456789012345);
    buf_fini(&json);
}

static void test_another_history_is_not_compared_with(void **state)
{
    struct world *w = *state;
    const struct served_span before = { 10, 20, 1, HASH_A }, after = { 12, 15, 1, HASH_B };
    peers_serving(&w->p, &before);
    hear(w, "pilotd-2", 10, 20, HASH_A);
    assert_int_equal(agreement_with(w, "pilotd-2"), AGREEMENT_AGREES);

    peers_forget(&w->p);
    peers_serving(&w->p, &after);
    assert_int_equal(agreement_with(w, "pilotd-2"), AGREEMENT_UNKNOWN);
    assert_int_equal(w->p.differing, 0);
    hear(w, "pilotd-2", 12, 15, HASH_B);
    assert_int_equal(agreement_with(w, "pilotd-2"), AGREEMENT_AGREES);
}

static void test_what_is_no_record_is_told_with_its_place(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *json, *path;
    } cases[] = {
        { "[]", "id" },
        { "{\"id\":1}", "id" },
        { "{\"id\":\"a\",\"instance\":\"\",\"version\":\"\",\"xds\":\"\",\"admin\":\"\",\"state\":"
          "\"\",\"level\":\"1\"}",
            "level" },
        { "{\"id\":\"a\",\"instance\":\"\",\"version\":\"\",\"xds\":\"\",\"admin\":\"\",\"state\":"
          "\"\",\"level\":0,\"streams\":1,\"beat\":1}",
            "level" }, /* all would change over to it */
        { "{\"id\":\"a\",\"instance\":\"\",\"version\":\"\",\"xds\":\"\",\"admin\":\"\",\"state\":"
          "\"\",\"level\":1,\"streams\":-1}",
            "streams" },
        { "{\"id\":\"a\",\"instance\":\"\",\"version\":\"\",\"xds\":\"\",\"admin\":\"\",\"state\":"
          "\"\",\"level\":1,\"streams\":1,\"beat\":1,\"hash\":\"short\"}",
            "hash" },
        { "{\"id\":\"a\",\"instance\":\"\",\"version\":\"\",\"xds\":\"\",\"admin\":\"\",\"state\":"
          "\"\",\"level\":1,\"streams\":1,\"beat\":1,\"hash\":\"" HASH_A "\",\"revision\":1e300}",
            "revision" },
    };

    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct replica_record read;
        struct diags d;
        diags_init(&d, w->a);
        assert_false(record_decode(w->a, cases[i].json, strlen(cases[i].json), &read, &d));
        assert_int_equal(d.errors, 1);
        assert_string_equal(d.list.items[0].path, cases[i].path);
    }
}

static void test_spans_that_meet_with_one_hash_agree(void **state)
{
    struct world *w = *state;
    serve(w, 10, 20, HASH_A);

    hear(w, "same", 10, 20, HASH_A);
    hear(w, "started-later", 20, 25, HASH_A);
    hear(w, "behind", 5, 10, HASH_A);

    assert_int_equal(agreement_with(w, "same"), AGREEMENT_AGREES);
    assert_int_equal(agreement_with(w, "started-later"), AGREEMENT_AGREES);
    assert_int_equal(agreement_with(w, "behind"), AGREEMENT_AGREES);
    assert_int_equal(w->p.differing, 0);
}

static void test_spans_that_meet_with_two_hashes_differ(void **state)
{
    struct world *w = *state;
    serve(w, 10, 20, HASH_A);

    hear(w, "other", 20, 30, HASH_B);

    assert_int_equal(agreement_with(w, "other"), AGREEMENT_DIFFERS);
    assert_int_equal(w->p.differing, 1);
    hear(w, "other", 31, 40, HASH_B); /* meets nothing: what was found stays */
    assert_int_equal(agreement_with(w, "other"), AGREEMENT_DIFFERS);
    serve(w, 31, 35, HASH_B);
    assert_int_equal(agreement_with(w, "other"), AGREEMENT_AGREES);
    assert_int_equal(w->p.differing, 0);
}

static void test_a_difference_goes_with_its_record(void **state)
{
    struct world *w = *state;
    serve(w, 10, 20, HASH_A);
    hear(w, "other", 10, 20, HASH_B);

    peers_gone(&w->p, "other");

    assert_int_equal(w->p.differing, 0);
    assert_null(map_find(&w->p.by_id, "other"));
    peers_gone(&w->p, "other");
}

static void test_what_does_not_meet_is_not_known(void **state)
{
    struct world *w = *state;
    struct replica_record starting = record("starting", 0, 0, ""), newer;
    starting.has_snapshot = false;
    serve(w, 10, 20, HASH_A);
    newer = record("another-level", 10, 20, HASH_B);
    newer.level = 2;

    hear(w, "ahead", 21, 30, HASH_B);
    peers_heard(&w->p, &starting, 1);
    peers_heard(&w->p, &newer, 1);

    assert_int_equal(agreement_with(w, "ahead"), AGREEMENT_UNKNOWN);
    assert_int_equal(agreement_with(w, "starting"), AGREEMENT_UNKNOWN);
    assert_int_equal(agreement_with(w, "another-level"), AGREEMENT_UNKNOWN);
}

static void test_a_replica_that_lags_is_compared_with_what_was_served_then(void **state)
{
    struct world *w = *state;
    serve(w, 10, 20, HASH_A);
    serve(w, 21, 30, HASH_B);

    hear(w, "lags", 10, 15, HASH_A);
    hear(w, "lags-and-differs", 10, 15, HASH_B);

    assert_int_equal(agreement_with(w, "lags"), AGREEMENT_AGREES);
    assert_int_equal(agreement_with(w, "lags-and-differs"), AGREEMENT_DIFFERS);
}

static void test_a_restored_backup_begins_the_history_anew(void **state)
{
    struct world *w = *state;
    serve(w, 10, 20, HASH_A);

    serve(w, 5, 9, HASH_B);
    hear(w, "after-the-backup", 9, 12, HASH_B);

    assert_int_equal(agreement_with(w, "after-the-backup"), AGREEMENT_AGREES);
}

static void test_a_restarted_replica_is_judged_anew(void **state)
{
    struct world *w = *state;
    struct replica_record restarted = record("other", 50, 60, HASH_B);
    restarted.instance = "another";
    serve(w, 10, 20, HASH_A);
    hear(w, "other", 10, 20, HASH_B);

    peers_heard(&w->p, &restarted, 2000);

    assert_int_equal(agreement_with(w, "other"), AGREEMENT_UNKNOWN);
    assert_int_equal(w->p.differing, 0);
}

static void test_the_number_of_peers_is_bounded(void **state)
{
    struct world *w = *state;
    char id[32];

    for (int i = 0; i < PEERS_MAX + 10; i++) {
        snprintf(id, sizeof id, "p%d", i);
        hear(w, id, 1, 1, HASH_A);
    }

    assert_int_equal(w->p.by_id.count, PEERS_MAX);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_record_is_read_as_it_was_written),
        TEST(test_another_history_is_not_compared_with),
        TEST(test_what_is_no_record_is_told_with_its_place),
        TEST(test_spans_that_meet_with_one_hash_agree),
        TEST(test_spans_that_meet_with_two_hashes_differ),
        TEST(test_a_difference_goes_with_its_record),
        TEST(test_what_does_not_meet_is_not_known),
        TEST(test_a_replica_that_lags_is_compared_with_what_was_served_then),
        TEST(test_a_restored_backup_begins_the_history_anew),
        TEST(test_a_restarted_replica_is_judged_anew),
        TEST(test_the_number_of_peers_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
