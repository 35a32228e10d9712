/* replication: the etcd store, against real etcd members. */
#include "etcd_fixture.h"
#include "relay.h"
#include "store_recorder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* The member of all tests that do not kill it; it starts empty for each. */
static struct etcd_fixture shared;

/* One member, its relay, and a store that follows through the relay. */
struct world {
    struct etcd_fixture etcd;
    bool is_own;
    struct relay relay;
    struct recorder r;
    struct recorder direct; /* a one-shot store on the member itself: the other writers */
    char url[128], direct_url[128];
};

static const char *url_of(char *out, size_t size, unsigned port)
{
    snprintf(out, size, "etcd://127.0.0.1:%u/test", port);
    return out;
}

static void open_world(struct world *w)
{
    unsigned port = w->etcd.members[0].client_port;
    recorder_init(&w->r);
    relay_open(&w->relay, w->r.loop, port);
    recorder_init(&w->direct);
    url_of(w->direct_url, sizeof w->direct_url, port);
    url_of(w->url, sizeof w->url, w->relay.port);
    recorder_open_oneshot(&w->direct, w->direct_url, NULL);
}

static int start(void **state)
{
    struct world *w = xcalloc(1, sizeof *w);
    w->etcd = shared;
    etcdctl(&w->etcd, 0, "del / --prefix");
    open_world(w);
    *state = w;
    return 0;
}

static int start_own(void **state)
{
    struct world *w = xcalloc(1, sizeof *w);
    w->is_own = true;
    etcd_fixture_start(&w->etcd, 1);
    open_world(w);
    *state = w;
    return 0;
}

static int stop(void **state)
{
    struct world *w = *state;
    relay_close(&w->relay);
    recorder_close(&w->r);
    recorder_close(&w->direct);
    if (w->is_own)
        etcd_fixture_remove(&w->etcd);
    free(w);
    return 0;
}

static int start_shared(void **state)
{
    (void)state;
    etcd_fixture_start(&shared, 1);
    return 0;
}

static int stop_shared(void **state)
{
    (void)state;
    etcd_fixture_remove(&shared);
    return 0;
}

static void follow(struct world *w)
{
    recorder_open(&w->r, w->url, NULL);
    recorder_until_following(&w->r);
}

static int64_t put(struct world *w, const char *key, const char *value)
{
    return recorder_put(&w->direct, key, value);
}

static void put_many(struct world *w, size_t from, size_t to, size_t value_bytes)
{
    char *value = memset(xcalloc(1, value_bytes + 1), 'v', value_bytes);
    struct arena *a = arena_new();
    while (from < to) {
        struct store_write writes[STORE_TXN_WRITES_MAX];
        size_t count = 0;
        for (; count < ARRAY_COUNT(writes) && from < to; from++)
            writes[count++] = (struct store_write){ .key = arena_printf(a, "many/%06zu", from),
                .value = value,
                .size = value_bytes,
                .expected_mod_revision = STORE_ANY_REVISION };
        struct answer *answer = answer_new(&w->direct);
        store_txn(w->direct.store, writes, count, &answer->call);
        assert_true(answer_good(answer).succeeded);
    }
    arena_free(a);
    free(value);
}

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

    follow(w);

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
    put(w, "a", "1");
    put(w, "what/ever/it is", "2");

    follow(w);
    etcdctl(&w->etcd, 0, "put /test0 outside");
    put(w, "z", "");

    recorder_until(&w->r, recorder_value(&w->r, "z"));
    assert_log(&w->r, "+a=1 +what/ever/it is=2 +z= ");
}

static void test_a_large_keyspace_is_listed_in_pages_of_one_revision(void **state)
{
    struct world *w = *state;
    put_many(w, 0, 10500, 250);

    follow(w);

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
    int64_t created = put(w, "a", "1");
    follow(w);

    put(w, "b", "1");
    put(w, "a", "2");
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
    put_many(w, 0, 60, 100);
    follow(w);

    put_many(w, 60, 90, 100);

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
    put(w, "large", large);

    follow(w);

    assert_int_equal(recorder_find(&w->r, "large")->size, size);
    assert_int_equal(recorder_find(&w->r, "nul")->size, 3);
    assert_memory_equal(recorder_value(&w->r, "nul"), "a\0b", 4);
    free(large);
}

static void test_last_heard_moves_with_what_is_received(void **state)
{
    struct world *w = *state;
    follow(w);
    uint64_t before = store_status(w->r.store)->last_heard_ms;
    assert_true(before > 0);

    recorder_run_for(&w->r, 30);
    assert_int_equal(store_status(w->r.store)->last_heard_ms, before);
    put(w, "a", "1");
    recorder_until(&w->r, recorder_value(&w->r, "a"));

    assert_true(store_status(w->r.store)->last_heard_ms >= before + 30);
}

/* More than ETCD_ANSWER_BYTES_MAX in the first ETCD_PAGE_KEYS keys. */
static void test_pages_that_are_too_large_are_asked_for_smaller(void **state)
{
    struct world *w = *state;
    put_many(w, 0, 9500, 7500);

    follow(w);
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
    put(w, "a", "1");
    put(w, "b", "1");
    follow(w);
    forget_log(&w->r);

    relay_cut(&w->relay);
    recorder_until(&w->r, store_status(w->r.store)->state == STORE_BEHIND);
    put(w, "b", "2");
    put(w, "a", NULL);
    put(w, "c", "1");
    relay_mend(&w->relay);
    recorder_until(&w->r, recorder_value(&w->r, "c"));

    assert_log(&w->r, "+b=2 -a +c=1 ");
    assert_int_equal(w->r.stats.lists, 1);
    assert_int_equal(store_status(w->r.store)->state, STORE_FOLLOWING);
}

static void test_after_a_compaction_the_difference_is_told(void **state)
{
    struct world *w = *state;
    put(w, "changed", "1");
    put(w, "gone", "1");
    put(w, "same", "1");
    put(w, "there-and-back", "1");
    follow(w);
    forget_log(&w->r);

    relay_cut(&w->relay);
    put(w, "changed", "2");
    put(w, "gone", NULL);
    put(w, "new", "1");
    put(w, "short", "1");
    put(w, "short", NULL);
    put(w, "there-and-back", NULL);
    int64_t revision = put(w, "there-and-back", "1");
    etcdctl(&w->etcd, 0, "compact %lld", (long long)revision);
    relay_mend(&w->relay);
    recorder_until(&w->r, w->r.revision == revision);
    recorder_until_following(&w->r);

    assert_log(&w->r, "+changed=2 +new=1 +there-and-back=1 -gone ");
    assert_int_equal(w->r.stats.compactions, 1);
    assert_int_equal(w->r.stats.lists, 2);
    put(w, "after", "1");
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
    put_many(w, 0, 10100, 10);
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

/* etcd cuts what a watch missed into messages of 2 MB, within revisions too. */
static void test_fragments_of_a_revision_are_told_together(void **state)
{
    struct world *w = *state;
    follow(w);
    relay_cut(&w->relay);
    for (size_t i = 0; i < 5; i++)
        put_many(w, i * 100, i * 100 + 100, 12000);
    relay_mend(&w->relay);

    recorder_until(&w->r, w->r.values.count == 500);

    assert_int_equal(w->r.told, 500);
    assert_int_equal(w->r.stats.lists, 1);
}

static void test_a_killed_etcd_that_comes_back_is_followed_on(void **state)
{
    struct world *w = *state;
    put(w, "a", "1");
    follow(w);
    forget_log(&w->r);

    etcd_member_kill(&w->etcd, 0);
    recorder_until(&w->r, store_status(w->r.store)->state == STORE_BEHIND);
    etcd_member_restart(&w->etcd, 0);
    put(w, "b", "1");

    recorder_until(&w->r, recorder_value(&w->r, "b"));
    assert_log(&w->r, "+b=1 ");
    assert_int_equal(w->r.stats.lists, 1);
}

static void test_etcd_away_at_the_start_is_waited_for(void **state)
{
    struct world *w = *state;
    put(w, "a", "1");
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
    put(w, "back", "old");
    put(w, "again", "1");
    put(w, "same", "1");
    save(w, snapshot, sizeof snapshot);
    put(w, "back", "new");
    put(w, "again", NULL);
    int64_t revision = put(w, "never-was", "1");
    follow(w);
    forget_log(&w->r);

    w->r.may_go_back = true;
    restore(w, snapshot);
    recorder_until(&w->r, w->r.revision < revision);
    recorder_until_following(&w->r);

    assert_log(&w->r, "+again=1 +back=old -never-was ");
    put(w, "after", "1");
    recorder_until(&w->r, recorder_value(&w->r, "after"));
}

/* The revision has grown past what was followed before the store is back: only the term tells. And
 * the new value has the revisions of the old one: only its bytes tell. */
static void test_a_restored_backup_that_grew_since_is_noticed(void **state)
{
    struct world *w = *state;
    char snapshot[128];
    put(w, "a", "1");
    save(w, snapshot, sizeof snapshot);
    etcd_member_kill(&w->etcd, 0); /* another term, as any cluster of some age has */
    etcd_member_restart(&w->etcd, 0);
    int64_t revision = put(w, "b", "before");
    follow(w);
    forget_log(&w->r);

    w->r.may_go_back = true;
    relay_cut(&w->relay);
    restore(w, snapshot);
    assert_int_equal(put(w, "b", "after"), revision);
    for (int i = 0; i < 20; i++)
        put(w, "c", "1");
    relay_mend(&w->relay);
    recorder_until(&w->r, recorder_value(&w->r, "c"));

    assert_log(&w->r, "+b=after +c=1 ");
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
    put(w, "a", "1");

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
    put(w, "a", "1");
    recorder_open(&w->r, url, NULL);
    recorder_until_following(&w->r);
    w->relay.mode = RELAY_SILENT; /* the watch is open, and dead */
    put(w, "b", "1");
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
    (void)state;
    struct etcd_fixture etcd;
    struct recorder r;
    char url[160];
    etcd_fixture_start(&etcd, 3);
    snprintf(url,
        sizeof url,
        "etcd://127.0.0.1:%u,127.0.0.1:%u,127.0.0.1:%u/test",
        etcd.members[0].client_port,
        etcd.members[1].client_port,
        etcd.members[2].client_port);
    recorder_init(&r);
    recorder_open(&r, url, NULL);
    recorder_until_following(&r);
    put_patiently(&r, "a");

    etcd_member_kill(&etcd, 0);
    put_patiently(&r, "b");
    etcd_member_restart(&etcd, 0);
    etcd_member_pause(&etcd, 1); /* maybe the leader */
    put_patiently(&r, "c");
    store_reconnect(r.store); /* maybe the one that is followed */
    recorder_until(&r, recorder_value(&r, "c"));
    etcd_member_resume(&etcd, 1);

    assert_int_equal(r.values.count, 3);
    assert_int_equal(r.stats.lists, 1);
    recorder_close(&r);
    etcd_fixture_remove(&etcd);
}

/* ---- requests ---- */

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
    put(w, "a/1", "x");
    put(w, "a/2", "y");
    put(w, "a", "z");
    put_many(w, 0, 10001, 1);
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
    put(w, "a", "1");

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
    follow(w);
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

    assert_log(&w->r, "+a=1 -a ");
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

#define TEST(f)     cmocka_unit_test_setup_teardown(f, start, stop)
#define TEST_OWN(f) cmocka_unit_test_setup_teardown(f, start_own, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_an_empty_keyspace_is_synced),
        TEST(test_keys_of_the_prefix_alone_are_told),
        TEST(test_a_large_keyspace_is_listed_in_pages_of_one_revision),
        TEST(test_changes_come_in_order_and_a_transaction_whole),
        TEST(test_answers_in_small_pieces_are_put_together),
        TEST(test_values_with_nul_and_large_values_are_told_as_they_are),
        TEST(test_last_heard_moves_with_what_is_received),
        TEST(test_pages_that_are_too_large_are_asked_for_smaller),
        TEST(test_after_a_broken_connection_only_what_was_missed_is_told),
        TEST(test_after_a_compaction_the_difference_is_told),
        TEST(test_a_listing_that_breaks_is_begun_again_and_told_once),
        TEST(test_fragments_of_a_revision_are_told_together),
        TEST_OWN(test_a_killed_etcd_that_comes_back_is_followed_on),
        TEST_OWN(test_etcd_away_at_the_start_is_waited_for),
        TEST_OWN(test_a_restored_backup_is_told_as_a_difference),
        TEST_OWN(test_a_restored_backup_that_grew_since_is_noticed),
        TEST(test_a_dead_first_member_is_passed_over),
        TEST(test_a_silent_member_is_given_up),
        TEST(test_reconnect_goes_on_with_the_next_member),
        cmocka_unit_test(test_the_loss_of_a_member_of_three_is_survived),
        TEST(test_conditions_of_a_transaction),
        TEST(test_get_and_list),
        TEST(test_a_conditional_write_whose_answer_is_lost_is_not_repeated),
        TEST(test_a_request_ends_when_etcd_is_away),
        TEST(test_cancelled_calls_stay_silent),
        TEST(test_a_store_can_be_closed_from_any_callback),
        TEST(test_a_lease_that_runs_out_takes_its_keys),
        TEST(test_a_revoked_lease_is_dead),
    };
    return cmocka_run_group_tests_name("store_etcd", tests, start_shared, stop_shared);
}
