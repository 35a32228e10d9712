/* replication: following an etcd, with real members. */
#include "etcd_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void forget_log(struct recorder *r)
{
    buf_clear(&r->log);
    buf_clear(&r->states);
    r->told = 0;
}

static void assert_log(struct recorder *r, const char *expected)
{
    assert_string_equal(r->log.size ? r->log.data : "", expected);
}

/* ---- following ---- */

static void test_an_empty_keyspace_is_synced(void **state)
{
    struct world *w = *state;

    world_follow(w);

    assert_int_equal(w->r.told, 0);
    assert_int_equal(w->r.synced, 1);
    assert_true(w->r.revision > 0);
    assert_string_equal(w->r.states.data, "following ");
}

static void test_keys_of_the_prefix_alone_are_told(void **state)
{
    struct world *w = *state;
    etcdctl(&w->etcd, 0, "put /tes outside");
    etcdctl(&w->etcd, 0, "put /test outside");
    etcdctl(&w->etcd, 0, "put /test0 outside");
    world_put(w, "a", "1");
    world_put(w, "what/ever/it is", "2");

    world_follow(w);
    etcdctl(&w->etcd, 0, "put /test0 outside");
    world_put(w, "z", "");

    recorder_until(&w->r, recorder_value(&w->r, "z"));
    assert_log(&w->r, "+a=1 +what/ever/it is=2 +z= ");
}

static void test_a_large_keyspace_is_listed_in_pages_of_one_revision(void **state)
{
    struct world *w = *state;
    world_put_many(w, 0, 10500, 250);

    world_follow(w);

    assert_int_equal(w->r.values.count, 10500);
    assert_int_equal(w->r.told, 10500);
    assert_int_equal(w->r.stats.lists, 1);
    assert_int_equal(recorder_find(&w->r, "many/010499")->size, 250);
    assert_int_equal(recorder_find(&w->r, "many/010499")->mod_revision, w->r.revision);
    assert_int_equal(w->relay.accepted, 3); /* two pages and the watch */
}

static void test_changes_come_in_order_and_a_transaction_whole(void **state)
{
    struct world *w = *state;
    int64_t created = world_put(w, "a", "1");
    world_follow(w);

    world_put(w, "b", "1");
    world_put(w, "a", "2");
    struct store_write writes[] = {
        { .key = "c", .value = "3", .size = 1, .expected_mod_revision = STORE_ANY_REVISION },
        { .key = "b", .expected_mod_revision = STORE_ANY_REVISION },
        { .key = "d", .value = "4", .size = 1, .expected_mod_revision = STORE_ANY_REVISION },
    };
    struct answer *answer = answer_new(&w->direct);
    store_txn(w->direct.store, writes, ARRAY_COUNT(writes), &answer->call);
    int64_t revision = answer_good(answer).revision;

    recorder_until(&w->r, w->r.revision == revision);
    assert_log(&w->r, "+a=1 +b=1 +a=2 +c=3 -b +d=4 ");
    assert_int_equal(recorder_find(&w->r, "d")->mod_revision, revision);
    assert_int_equal(recorder_find(&w->r, "a")->create_revision, created);
}

static void test_answers_in_small_pieces_are_put_together(void **state)
{
    struct world *w = *state;
    w->relay.mode = RELAY_DRIBBLE;
    world_put_many(w, 0, 60, 100);
    world_follow(w);

    world_put_many(w, 60, 90, 100);

    recorder_until(&w->r, w->r.values.count == 90);
    assert_int_equal(w->r.stats.errors, 0);
}

static void test_values_with_nul_and_large_values_are_told_as_they_are(void **state)
{
    struct world *w = *state;
    size_t size = STORE_VALUE_LIMIT_BYTES + 100;
    char *large = memset(xcalloc(1, size + 1), 'x', size);
    recorder_write(&w->direct,
        &(struct store_write){ .key = "nul",
            .value = "a\0b",
            .size = 3,
            .expected_mod_revision = STORE_ANY_REVISION });
    world_put(w, "large", large);

    world_follow(w);

    assert_int_equal(recorder_find(&w->r, "large")->size, size);
    assert_int_equal(recorder_find(&w->r, "nul")->size, 3);
    assert_memory_equal(recorder_value(&w->r, "nul"), "a\0b", 4);
    free(large);
}

static void test_last_heard_moves_with_what_is_received(void **state)
{
    struct world *w = *state;
    world_follow(w);
    uint64_t before = store_status(w->r.store)->last_heard_ms;
    assert_true(before > 0);

    recorder_run_for(&w->r, 30);
    assert_int_equal(store_status(w->r.store)->last_heard_ms, before);
    world_put(w, "a", "1");
    recorder_until(&w->r, recorder_value(&w->r, "a"));

    assert_true(store_status(w->r.store)->last_heard_ms >= before + 30);
}

/* More than ETCD_ANSWER_BYTES_MAX in the first ETCD_PAGE_KEYS keys. */
static void test_pages_that_are_too_large_are_asked_for_smaller(void **state)
{
    struct world *w = *state;
    world_put_many(w, 0, 9500, 7500);

    world_follow(w);
    struct answer *answer = answer_new(&w->r);
    store_list(w->r.store, "many/", &answer->call);
    struct answer listed = answer_good(answer);

    assert_int_equal(listed.count, 9500);
    assert_int_equal(w->r.told, 9500);
    assert_int_equal(w->r.stats.errors, 0);
    buf_fini(&listed.text);
}

/* ---- losing the connection ---- */

static void test_after_a_broken_connection_only_what_was_missed_is_told(void **state)
{
    struct world *w = *state;
    world_put(w, "a", "1");
    world_put(w, "b", "1");
    world_follow(w);
    forget_log(&w->r);

    relay_cut(&w->relay);
    recorder_until(&w->r, store_status(w->r.store)->state == STORE_BEHIND);
    world_put(w, "b", "2");
    world_put(w, "a", NULL);
    world_put(w, "c", "1");
    relay_mend(&w->relay);
    recorder_until(&w->r, recorder_value(&w->r, "c"));

    assert_log(&w->r, "+b=2 -a +c=1 ");
    assert_int_equal(w->r.stats.lists, 1);
    assert_int_equal(store_status(w->r.store)->state, STORE_FOLLOWING);
}

static void test_after_a_compaction_the_difference_is_told(void **state)
{
    struct world *w = *state;
    world_put(w, "changed", "1");
    world_put(w, "gone", "1");
    world_put(w, "same", "1");
    world_put(w, "there-and-back", "1");
    world_follow(w);
    forget_log(&w->r);

    relay_cut(&w->relay);
    world_put(w, "changed", "2");
    world_put(w, "gone", NULL);
    world_put(w, "new", "1");
    world_put(w, "short", "1");
    world_put(w, "short", NULL);
    world_put(w, "there-and-back", NULL);
    int64_t revision = world_put(w, "there-and-back", "1");
    etcdctl(&w->etcd, 0, "compact %lld", (long long)revision);
    relay_mend(&w->relay);
    recorder_until(&w->r, w->r.revision == revision);
    recorder_until_following(&w->r);

    assert_log(&w->r, "+changed=2 +new=1 +there-and-back=1 -gone ");
    assert_int_equal(w->r.stats.compactions, 1);
    assert_int_equal(w->r.stats.lists, 2);
    world_put(w, "after", "1");
    recorder_until(&w->r, recorder_value(&w->r, "after"));
}

static void cut_once(struct recorder *r)
{
    r->on_told = NULL;
    relay_cut(&container_of(r, struct world, r)->relay);
}

static void test_a_listing_that_breaks_is_begun_again_and_told_once(void **state)
{
    struct world *w = *state;
    world_put_many(w, 0, 10100, 10);
    w->r.on_told = cut_once; /* after the first page */
    recorder_open(&w->r, w->url, NULL);
    recorder_until(&w->r, w->relay.is_cut);
    assert_int_equal(w->r.told, 10000);
    etcdctl(&w->etcd, 0, "del /test/many/000007");
    relay_mend(&w->relay);

    recorder_until_following(&w->r);

    assert_int_equal(w->r.values.count, 10099);
    assert_int_equal(w->r.told, 10101); /* each key once, and one that went */
    assert_null(recorder_value(&w->r, "many/000007"));
}

static void test_what_was_missed_comes_by_the_watch(void **state)
{
    struct world *w = *state;
    world_follow(w);
    relay_cut(&w->relay);
    for (size_t i = 0; i < 5; i++)
        world_put_many(w, i * 100, i * 100 + 100, 12000);
    relay_mend(&w->relay);

    recorder_until(&w->r, w->r.values.count == 500);

    assert_int_equal(w->r.told, 500);
    assert_int_equal(w->r.stats.lists, 1);
}

/* A watch brings what was missed in one message: 72 MB here. */
static void test_what_a_message_cannot_bring_is_listed(void **state)
{
    struct world *w = *state;
    world_follow(w);
    relay_cut(&w->relay);
    for (size_t i = 0; i < 60; i++)
        world_put_many(w, i * 100, i * 100 + 100, 12000);
    relay_mend(&w->relay);

    recorder_until(&w->r, w->r.values.count == 6000);

    assert_int_equal(w->r.told, 6000);
    assert_int_equal(w->r.stats.lists, 2);
}

static void test_a_killed_etcd_that_comes_back_is_followed_on(void **state)
{
    struct world *w = *state;
    world_put(w, "a", "1");
    world_follow(w);
    forget_log(&w->r);

    etcd_member_kill(&w->etcd, 0);
    recorder_until(&w->r, store_status(w->r.store)->state == STORE_BEHIND);
    etcd_member_restart(&w->etcd, 0);
    world_put(w, "b", "1");

    recorder_until(&w->r, recorder_value(&w->r, "b"));
    assert_log(&w->r, "+b=1 ");
    assert_int_equal(w->r.stats.lists, 1);
}

static void test_etcd_away_at_the_start_is_waited_for(void **state)
{
    struct world *w = *state;
    world_put(w, "a", "1");
    etcd_member_kill(&w->etcd, 0);

    recorder_open(&w->r, w->direct_url, NULL);
    recorder_until(&w->r, w->r.states.size > 0);
    assert_int_equal(store_status(w->r.store)->state, STORE_CONNECTING);
    assert_non_null(strstr(store_status(w->r.store)->problem, "refused"));
    etcd_member_restart(&w->etcd, 0);

    recorder_until_following(&w->r);
    assert_log(&w->r, "+a=1 ");
}

/* ---- a restored backup ---- */

static void restore(struct world *w, const char *snapshot)
{
    etcd_member_kill(&w->etcd, 0);
    etcd_fixture_restore(&w->etcd, snapshot);
    etcd_member_restart(&w->etcd, 0);
}

static const char *save(struct world *w, char *out, size_t size)
{
    snprintf(out, size, "%s/snapshot", w->etcd.dir);
    etcdctl(&w->etcd, 0, "snapshot save %s 2>/dev/null", out);
    return out;
}

static void test_a_restored_backup_is_told_as_a_difference(void **state)
{
    struct world *w = *state;
    char snapshot[128];
    world_put(w, "back", "old");
    world_put(w, "again", "1");
    world_put(w, "same", "1");
    save(w, snapshot, sizeof snapshot);
    world_put(w, "back", "new");
    world_put(w, "again", NULL);
    int64_t revision = world_put(w, "never-was", "1");
    world_follow(w);
    forget_log(&w->r);

    w->r.may_go_back = true;
    restore(w, snapshot);
    recorder_until(&w->r, w->r.revision < revision);
    recorder_until_following(&w->r);

    assert_log(&w->r, "+again=1 +back=old -never-was ");
    assert_int_equal(w->r.stats.histories, 1);
    assert_int_equal(store_status(w->r.store)->histories, 1);
    world_put(w, "after", "1");
    recorder_until(&w->r, recorder_value(&w->r, "after"));
}

/* The revision has grown past what was followed before the store is back: only the term tells. And
 * the new value has the revisions of the old one: only its bytes tell. */
static void test_a_restored_backup_that_grew_since_is_noticed(void **state)
{
    struct world *w = *state;
    char snapshot[128];
    world_put(w, "a", "1");
    save(w, snapshot, sizeof snapshot);
    etcd_member_kill(&w->etcd, 0); /* another term, as any cluster of some age has */
    etcd_member_restart(&w->etcd, 0);
    int64_t revision = world_put(w, "b", "before");
    world_follow(w);
    forget_log(&w->r);

    w->r.may_go_back = true;
    relay_cut(&w->relay);
    restore(w, snapshot);
    assert_int_equal(world_put(w, "b", "after"), revision);
    for (int i = 0; i < 20; i++)
        world_put(w, "c", "1");
    relay_mend(&w->relay);
    recorder_until(&w->r, recorder_value(&w->r, "c"));

    assert_log(&w->r, "+b=after +c=1 ");
    assert_int_equal(w->r.stats.histories, 1);
    assert_int_equal(store_status(w->r.store)->histories, 1);
}

/* Neither the revision nor the term tells: only what stands at the revision that was followed. */
static void test_a_restored_backup_of_the_same_term_is_noticed(void **state)
{
    struct world *w = *state;
    char snapshot[128];
    world_put(w, "a", "1");
    save(w, snapshot, sizeof snapshot);
    int64_t revision = world_put(w, "b", "before");
    world_follow(w);
    forget_log(&w->r);

    w->r.may_go_back = true;
    relay_cut(&w->relay);
    restore(w, snapshot);
    assert_int_equal(world_put(w, "b", "after"), revision);
    for (int i = 0; i < 20; i++)
        world_put(w, "c", "1");
    relay_mend(&w->relay);
    recorder_until(&w->r, recorder_value(&w->r, "c"));

    assert_log(&w->r, "+b=after +c=1 ");
    assert_int_equal(w->r.stats.histories, 1);
    assert_int_equal(store_status(w->r.store)->histories, 1);
}

static void test_a_backup_restored_under_a_listing_is_not_mixed_with_it(void **state)
{
    struct world *w = *state;
    char snapshot[128];
    world_put(w, "old", "1");
    save(w, snapshot, sizeof snapshot);
    world_put_many(w, 0, 10100, 10);
    w->r.on_told = cut_once; /* after the first page */
    w->r.may_go_back = true;
    recorder_open(&w->r, w->url, NULL);
    recorder_until(&w->r, w->relay.is_cut);

    restore(w, snapshot);
    relay_mend(&w->relay);
    recorder_until_following(&w->r);

    assert_int_equal(w->r.values.count, 1);
    assert_string_equal(recorder_value(&w->r, "old"), "1");
    assert_int_equal(w->r.stats.histories, 1);
    assert_int_equal(store_status(w->r.store)->histories, 1);
}

/* Wherever it is cut, what came is not taken for all there is. */
static void test_answers_that_are_cut_off_are_asked_for_again(void **state)
{
    struct world *w = *state;
    struct answer *list = answer_new(&w->r);
    world_put_many(w, 0, 100, 10);
    world_follow(w);
    forget_log(&w->r);
    relay_cut(&w->relay);
    world_put(w, "many/000005", NULL);
    etcdctl(&w->etcd, 0, "compaction %lld", (long long)world_put(w, "news", "1"));
    w->relay.cut_after = 1;
    w->relay.cut_step = 700;
    relay_mend(&w->relay);

    store_list(w->r.store, "many/", &list->call);
    struct answer listed = answer_good(list);
    recorder_until_following(&w->r);
    recorder_until(&w->r, recorder_value(&w->r, "news"));

    assert_int_equal(listed.count, 99);
    assert_int_equal(w->r.values.count, 100);
    assert_log(&w->r, "+news=1 -many/000005 ");
    assert_int_equal(w->r.stats.histories, 0);
    assert_int_equal(store_status(w->r.store)->histories, 0);
    assert_true(w->relay.accepted > 5);
    buf_fini(&listed.text);
}

/* ---- the background check ---- */

static void test_keys_are_compared_in_shards_and_found_the_same(void **state)
{
    struct world *w = *state;
    world_put_many(w, 0, 2500, 10);
    w->r.audit_every_ms = 20;
    world_follow(w);

    for (int i = 0; w->r.stats.audited < 6000; i++) { /* more than two rounds, under changes */
        world_put(w, i % 2 ? "a" : "z", i % 3 ? "1" : NULL);
        recorder_run_for(&w->r, 5);
    }

    assert_int_equal(w->r.stats.divergences, 0);
    assert_int_equal(w->r.stats.lists, 1);
}

static void test_a_shard_of_large_values_is_asked_for_in_parts(void **state)
{
    struct world *w = *state;
    for (size_t i = 0; i < 90; i++)
        world_put_many(w, i, i + 1, 1000 * 1000);
    w->r.audit_every_ms = 20;
    world_follow(w);

    recorder_until(&w->r, w->r.stats.audited >= 90);

    assert_int_equal(w->r.stats.divergences, 0);
}

/* An etcd with the same revisions, term and newest key, where another key differs. */
static void test_what_differs_from_etcd_is_counted_and_mended(void **state)
{
    struct world *w = *state;
    world_put(w, "a", "1");
    world_put(w, "b", "1");
    world_put(w, "newest", "1");
    w->r.audit_every_ms = 20;
    world_follow(w);
    recorder_until(&w->r, w->r.stats.audited >= 3);
    assert_int_equal(w->r.stats.divergences, 0);
    forget_log(&w->r);

    w->r.may_go_back = true;
    relay_cut(&w->relay);
    etcd_member_kill(&w->etcd, 0);
    etcd_fixture_wipe(&w->etcd);
    etcd_member_restart(&w->etcd, 0);
    world_put(w, "a", "2");
    world_put(w, "c", "1");
    world_put(w, "newest", "1");
    relay_mend(&w->relay);
    recorder_until(&w->r, w->r.stats.lists == 2);
    recorder_until_following(&w->r);

    assert_log(&w->r, "+a=2 +c=1 -b ");
    assert_int_equal(w->r.stats.divergences, 3);
    assert_int_equal(w->r.stats.histories, 0);
    assert_int_equal(store_status(w->r.store)->histories, 0);
}

/* ---- members ---- */

static void test_a_dead_first_member_is_passed_over(void **state)
{
    struct world *w = *state;
    char url[160];
    snprintf(url,
        sizeof url,
        "etcd://127.0.0.1:%u,127.0.0.1:%u/test",
        free_port(),
        w->etcd.members[0].client_port);
    world_put(w, "a", "1");

    recorder_open(&w->r, url, NULL);
    recorder_until_following(&w->r);
    recorder_put(&w->r, "b", "1");

    assert_string_equal(w->r.states.data, "connecting following ");
    assert_non_null(strstr(url, store_status(w->r.store)->member));
    recorder_until(&w->r, recorder_value(&w->r, "b"));
}

static void test_a_silent_member_is_given_up(void **state)
{
    struct world *w = *state;
    char url[160];
    snprintf(url,
        sizeof url,
        "etcd://127.0.0.1:%u,127.0.0.1:%u/test",
        w->relay.port,
        w->etcd.members[0].client_port);
    w->relay.mode = RELAY_SILENT;

    recorder_open(&w->r, url, NULL);
    recorder_put(&w->r, "a", "1"); /* the request goes on to the second member, too */
    recorder_until_following(&w->r);

    assert_string_equal(recorder_value(&w->r, "a"), "1");
}

static void test_reconnect_goes_on_with_the_next_member(void **state)
{
    struct world *w = *state;
    char url[160];
    snprintf(url,
        sizeof url,
        "etcd://127.0.0.1:%u,127.0.0.1:%u/test",
        w->relay.port,
        w->etcd.members[0].client_port);
    world_put(w, "a", "1");
    recorder_open(&w->r, url, NULL);
    recorder_until_following(&w->r);
    w->relay.mode = RELAY_SILENT; /* the watch is open, and dead */
    world_put(w, "b", "1");
    recorder_run_for(&w->r, 100);
    assert_null(recorder_value(&w->r, "b"));

    w->r.is_inside = true;
    store_reconnect(w->r.store);
    store_reconnect(w->r.store);
    w->r.is_inside = false;

    recorder_until(&w->r, recorder_value(&w->r, "b"));
    assert_log(&w->r, "+a=1 +b=1 ");
    assert_int_equal(w->r.stats.reconnects, 1);
}

/* While a leader is elected, a write may take longer than a request is tried. */
static void put_patiently(struct recorder *r, const char *key)
{
    struct store_write write = {
        .key = key, .value = "1", .size = 1, .expected_mod_revision = STORE_ANY_REVISION
    };
    for (bool is_written = false; !is_written;) {
        struct answer *answer = answer_new(r);
        store_txn(r->store, &write, 1, &answer->call);
        recorder_until(r, answer->is_done);
        is_written = answer->err.code == ERROR_NONE;
        free(answer);
    }
}

static void test_the_loss_of_a_member_of_three_is_survived(void **state)
{
    struct world *w = *state;
    struct recorder *r = &w->r;
    char url[160];
    snprintf(url,
        sizeof url,
        "etcd://127.0.0.1:%u,127.0.0.1:%u,127.0.0.1:%u/test",
        w->etcd.members[0].client_port,
        w->etcd.members[1].client_port,
        w->etcd.members[2].client_port);
    recorder_open(r, url, NULL);
    recorder_until_following(r);
    put_patiently(r, "a");

    etcd_member_kill(&w->etcd, 0);
    put_patiently(r, "b");
    etcd_member_restart(&w->etcd, 0);
    etcd_member_pause(&w->etcd, 1); /* maybe the leader */
    put_patiently(r, "c");
    store_reconnect(r->store); /* maybe the one that is followed */
    recorder_until(r, recorder_value(r, "c"));
    etcd_member_resume(&w->etcd, 1);

    assert_int_equal(r->values.count, 3);
    assert_int_equal(r->stats.lists, 1);
}

#define TEST(f, start) cmocka_unit_test_setup_teardown(f, start, world_stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_an_empty_keyspace_is_synced, world_start),
        TEST(test_keys_of_the_prefix_alone_are_told, world_start),
        TEST(test_a_large_keyspace_is_listed_in_pages_of_one_revision, world_start),
        TEST(test_changes_come_in_order_and_a_transaction_whole, world_start),
        TEST(test_answers_in_small_pieces_are_put_together, world_start),
        TEST(test_values_with_nul_and_large_values_are_told_as_they_are, world_start),
        TEST(test_last_heard_moves_with_what_is_received, world_start),
        TEST(test_pages_that_are_too_large_are_asked_for_smaller, world_start),
        TEST(test_after_a_broken_connection_only_what_was_missed_is_told, world_start),
        TEST(test_after_a_compaction_the_difference_is_told, world_start),
        TEST(test_a_listing_that_breaks_is_begun_again_and_told_once, world_start),
        TEST(test_what_was_missed_comes_by_the_watch, world_start),
        TEST(test_what_a_message_cannot_bring_is_listed, world_start),
        TEST(test_a_killed_etcd_that_comes_back_is_followed_on, world_start_own),
        TEST(test_etcd_away_at_the_start_is_waited_for, world_start_own),
        TEST(test_a_restored_backup_is_told_as_a_difference, world_start_own),
        TEST(test_a_restored_backup_that_grew_since_is_noticed, world_start_own),
        TEST(test_a_restored_backup_of_the_same_term_is_noticed, world_start_own),
        TEST(test_a_backup_restored_under_a_listing_is_not_mixed_with_it, world_start_own),
        TEST(test_answers_that_are_cut_off_are_asked_for_again, world_start),
        TEST(test_keys_are_compared_in_shards_and_found_the_same, world_start),
        TEST(test_a_shard_of_large_values_is_asked_for_in_parts, world_start),
        TEST(test_what_differs_from_etcd_is_counted_and_mended, world_start_own),
        TEST(test_a_dead_first_member_is_passed_over, world_start),
        TEST(test_a_silent_member_is_given_up, world_start),
        TEST(test_reconnect_goes_on_with_the_next_member, world_start),
        TEST(test_the_loss_of_a_member_of_three_is_survived, world_start_three),
    };
    return cmocka_run_group_tests_name("store_etcd", tests, world_start_shared, world_stop_shared);
}
