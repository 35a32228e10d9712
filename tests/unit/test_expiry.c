/* Instances whose keys vanish: which of them are held, and that all replicas have the same. */
#include "keyspace/keyspace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "change_log.h"

#define WEB       "registry/default/web/"
#define I1        WEB "i1"
#define I2        WEB "i2"
#define I3        WEB "i3"
#define I4        WEB "i4"
#define VALUE(ip) "{\"address\":\"" ip "\",\"ports\":{\"http\":8080}}"
#define ILL(what) "{\"address\":\"10.0.0.9\",\"ports\":{\"http\":8080},\"health\":\"" what "\"}"
#define FIRST     VALUE("10.0.0.1")
#define LEASE     7
#define WINDOW_MS 15000

struct world {
    struct keyspace k;
    struct keyspace_stats stats;
    struct log_scope log;
    struct buf value;
    struct hold_wanted wanted;
    int64_t revision;
    uint64_t now_ms;
};

static struct world *new_world(int64_t share_percent)
{
    const struct expiry_settings settings = { share_percent, WINDOW_MS };
    struct world *w = xcalloc(1, sizeof *w);
    w->log.level = LOG_LEVEL_ERROR;
    w->now_ms = 100000;
    w->wanted.value = &w->value;
    keyspace_init(&w->k, &settings, &w->stats, &w->log);
    return w;
}

static void free_world(struct world *w)
{
    keyspace_fini(&w->k);
    buf_fini(&w->value);
    free(w);
}

static int setup(void **state)
{
    *state = new_world(50);
    return 0;
}

static int teardown(void **state)
{
    free_world(*state);
    return 0;
}

/* ---- what happens ---- */

static struct store_change written(struct world *w, const char *key, const char *value)
{
    int64_t revision = ++w->revision;
    return (struct store_change){
        .entry = { .key = key,
            .value = value,
            .size = value ? strlen(value) : 0,
            .create_revision = revision,
            .mod_revision = revision,
            .lease = LEASE },
        .is_gone = !value,
    };
}

static bool apply(struct world *w, bool is_live, const struct store_change *changes, size_t count)
{
    bool is_changed = false;
    keyspace_begin(&w->k, w->now_ms);
    keyspace_set_live(&w->k, is_live);
    for (size_t i = 0; i < count; i++)
        is_changed |= keyspace_apply(&w->k, &changes[i]);
    return keyspace_end(&w->k) || is_changed;
}

static void put(struct world *w, const char *key, const char *value)
{
    struct store_change change = written(w, key, value);
    apply(w, true, &change, 1);
}

static void put_unleased(struct world *w, const char *key, const char *value)
{
    struct store_change change = written(w, key, value);
    change.entry.lease = STORE_LEASE_NONE;
    apply(w, true, &change, 1);
}

static void vanish(struct world *w, const char *key)
{
    struct store_change change = written(w, key, NULL);
    apply(w, true, &change, 1);
}

static void vanish_at_once(struct world *w, bool is_live, size_t count)
{
    static const char *const keys[] = { I1, I2, I3, I4 };
    struct store_change changes[ARRAY_COUNT(keys)];
    for (size_t i = 0; i < count; i++)
        changes[i] = written(w, keys[i], NULL);
    apply(w, is_live, changes, count);
}

static void register_four(struct world *w)
{
    put(w, I1, FIRST);
    put(w, I2, VALUE("10.0.0.2"));
    put(w, I3, VALUE("10.0.0.3"));
    put(w, I4, VALUE("10.0.0.4"));
}

/* ---- what comes of it ---- */

static const struct object *in_force(const struct world *w, const char *key)
{
    return map_find(&w->k.by_key, key);
}

/* What is to be written to the key's hold; "" for its deletion, NULL for nothing. */
static const char *wanted(struct world *w, const char *key)
{
    buf_clear(&w->value);
    if (!keyspace_hold_wanted(&w->k, key, &w->wanted))
        return NULL;
    return w->value.size ? w->value.data : "";
}

/* As daemon/holds does. */
static void hold(struct world *w, const char *key)
{
    char hold_key[64];
    const char *value = wanted(w, key);
    assert_non_null(value);
    assert_true(w->wanted.is_leased);
    snprintf(hold_key, sizeof hold_key, "holds/%s", key);
    char *text = xstrdup(value);
    put(w, hold_key, text);
    free(text);
}

static void test_a_single_death_is_one(void **state)
{
    struct world *w = *state;
    register_four(w);

    vanish(w, I1);

    assert_null(in_force(w, I1));
    assert_int_equal(w->k.waiting, 0);
    assert_null(wanted(w, I1));
}

static void test_many_at_once_wait_to_be_held_and_then_are(void **state)
{
    struct world *w = *state;
    register_four(w);
    const struct object *former = in_force(w, I1);
    struct store_change changes[] = {
        written(w, I1, NULL), written(w, I2, NULL), written(w, I3, NULL)
    };

    apply(w, true, changes, ARRAY_COUNT(changes));

    assert_ptr_equal(in_force(w, I1), former);
    assert_int_equal(w->k.waiting, 3);
    assert_string_equal(wanted(w, I1),
        "{\"of\":1,\"created\":1,\"since\":5,\"why\":\"expired\",\"value\":" FIRST "}");
    assert_int_equal(w->wanted.expected, 0);
    assert_int_equal(w->stats.mass_expired, 3);

    hold(w, I1);
    hold(w, I2);
    hold(w, I3);

    assert_int_equal(w->k.waiting, 0);
    assert_int_equal(in_force(w, I1)->create_revision, 1);
    assert_null(wanted(w, I1));
    assert_int_equal(w->stats.held_instances, 3);
}

static void test_half_of_them_is_not_too_many(void **state)
{
    struct world *w = *state;
    register_four(w);

    vanish_at_once(w, true, 2);

    assert_null(in_force(w, I1));
    assert_int_equal(w->k.waiting, 0);
}

static void test_they_need_not_vanish_in_one_moment(void **state)
{
    struct world *w = *state;
    register_four(w);
    vanish(w, I1);
    w->now_ms += WINDOW_MS / 2;
    vanish(w, I2);
    assert_null(in_force(w, I1));
    w->now_ms += WINDOW_MS / 2;

    vanish(w, I3);

    assert_non_null(in_force(w, I1));
    assert_non_null(in_force(w, I2));
    assert_int_equal(w->k.waiting, 3);
}

static void test_what_vanished_long_ago_does_not_count(void **state)
{
    struct world *w = *state;
    register_four(w);
    vanish(w, I1);
    w->now_ms += WINDOW_MS + 1;

    vanish(w, I2); /* 1 of 3 */

    assert_null(in_force(w, I1));
    assert_null(in_force(w, I2));
    assert_int_equal(w->k.waiting, 0);
}

static void test_what_vanished_long_ago_is_forgotten(void **state)
{
    struct world *w = *state;
    put(w, I1, FIRST);
    vanish(w, I1);
    assert_int_equal(w->k.expiry.services.count, 1);
    w->now_ms += WINDOW_MS + 1;

    apply(w, true, NULL, 0);

    assert_int_equal(w->k.expiry.services.count, 0);
}

static void test_who_says_farewell_is_gone_before_or_after(void **state)
{
    struct world *w = *state;
    register_four(w);
    struct store_change changes[] = {
        written(w, I1, NULL),
        written(w, "tombstones/" I1, "{}"),
        written(w, "tombstones/" I2, "{}"),
        written(w, I2, NULL),
        written(w, I3, NULL),
    };

    apply(w, true, changes, ARRAY_COUNT(changes));

    assert_null(in_force(w, I1));
    assert_null(in_force(w, I2));
    assert_null(in_force(w, I3)); /* 1 of 2 */
    assert_int_equal(w->k.waiting, 0);
}

static void test_a_tombstone_ends_a_hold(void **state)
{
    struct world *w = *state;
    register_four(w);
    vanish_at_once(w, true, 4);
    hold(w, I1);

    put(w, "tombstones/" I1, "{}");
    put(w, "tombstones/" I2, "{}"); /* this one still waited */

    assert_null(in_force(w, I1));
    assert_null(in_force(w, I2));
    assert_string_equal(wanted(w, I1), "");
    assert_null(wanted(w, I2));
    assert_int_equal(w->k.waiting, 2);
    assert_int_equal(w->stats.held_instances, 0);
}

static void test_the_end_of_a_hold_is_the_instances_end(void **state)
{
    struct world *w = *state;
    register_four(w);
    vanish_at_once(w, true, 4);
    hold(w, I1);

    vanish(w, "holds/" I1);

    assert_null(in_force(w, I1));
    assert_null(wanted(w, I1));
}

static void test_who_comes_back_needs_no_hold(void **state)
{
    struct world *w = *state;
    register_four(w);
    vanish_at_once(w, true, 4);
    hold(w, I1);

    put(w, I1, VALUE("10.0.0.11"));
    put(w, I2, VALUE("10.0.0.12")); /* this one still waited */

    assert_string_equal(in_force(w, I1)->value, VALUE("10.0.0.11"));
    assert_string_equal(wanted(w, I1), "");
    assert_null(wanted(w, I2));
    assert_int_equal(w->k.waiting, 2);
    assert_int_equal(w->stats.held_instances, 0);
    vanish(w, I1); /* 3 of 4 again, and older ones with it */
    assert_int_equal(w->k.waiting, 3);
}

/* Who comes now finds the key absent and the hold there. */
static void test_a_former_hold_is_in_force_until_it_is_removed(void **state)
{
    struct world *w = *state;
    register_four(w);
    vanish_at_once(w, true, 2);
    vanish_at_once(w, true, 3);
    hold(w, I1);
    put(w, I2, VALUE("10.0.0.2"));
    put(w, I3, VALUE("10.0.0.3"));
    put(w, I1, VALUE("10.0.0.11"));
    w->now_ms += WINDOW_MS + 1;

    vanish(w, I1);
    assert_string_equal(in_force(w, I1)->value, FIRST);
    assert_string_equal(wanted(w, I1), "");

    vanish(w, "holds/" I1);
    assert_null(in_force(w, I1));
    assert_int_equal(w->stats.held_instances, 0);
}

static void test_a_bad_value_of_who_comes_back_is_not_held(void **state)
{
    struct world *w = *state;
    register_four(w);
    vanish_at_once(w, true, 4);
    hold(w, I1);

    put(w, I1, "{}");

    assert_null(in_force(w, I1));
    assert_string_equal(wanted(w, I1), "");
}

static void test_what_cannot_be_held_is_gone(void **state)
{
    struct world *w = *state;
    register_four(w);
    vanish_at_once(w, true, 4);

    assert_true(keyspace_stop_waiting(&w->k));

    assert_null(in_force(w, I1));
    assert_int_equal(w->k.waiting, 0);
    hold(w, I1); /* late, and welcome */
    assert_non_null(in_force(w, I1));
    w->now_ms += WINDOW_MS + 1001;
    apply(w, true, NULL, 0);
    assert_null(wanted(w, I2)); /* too late */
    assert_non_null(in_force(w, I1));
}

static void test_who_was_not_fresh_holds_nothing_and_takes_what_is_held(void **state)
{
    struct world *w = *state;
    register_four(w);

    vanish_at_once(w, false, 4);

    assert_null(in_force(w, I1));
    assert_int_equal(w->k.waiting, 0);
    assert_null(wanted(w, I1));
    put(w,
        "holds/" I1,
        "{\"of\":1,\"created\":1,\"since\":5,\"why\":\"expired\",\"value\":" FIRST "}");
    assert_non_null(in_force(w, I1));
}

static void test_what_hangs_on_no_lease_was_taken_away(void **state)
{
    struct world *w = *state;
    put_unleased(w, I1, FIRST);
    put_unleased(w, I2, FIRST);

    vanish_at_once(w, true, 2);

    assert_null(in_force(w, I1));
    put(w, I3, FIRST);
    put(w, I4, FIRST);
    put_unleased(w, I3, FIRST); /* the same bytes, and yet */
    put_unleased(w, I4, FIRST);
    vanish(w, I3);
    vanish(w, I4);
    assert_null(in_force(w, I3));
    assert_int_equal(w->k.waiting, 0);
}

static void test_only_healthy_ones_are_missed(void **state)
{
    struct world *w = *state;
    put(w, I1, ILL("draining"));
    put(w, I2, ILL("unhealthy"));
    put(w, I3, FIRST);
    put(w, I4, FIRST);

    vanish_at_once(w, true, 3);

    assert_null(in_force(w, I1));
    assert_null(in_force(w, I3)); /* 1 of 2 */
    assert_int_equal(w->k.waiting, 0);
}

static void test_services_are_judged_by_themselves(void **state)
{
    struct world *w = *state;
    register_four(w);
    put(w, "registry/default/web2/i1", FIRST);
    put(w, "registry/default/web2/i2", FIRST);
    put(w, "registry/other/web/i1", FIRST);
    struct store_change changes[] = {
        written(w, "registry/default/web2/i1", NULL),
        written(w, "registry/other/web/i1", NULL),
        written(w, I1, NULL),
    };

    apply(w, true, changes, ARRAY_COUNT(changes));

    assert_int_equal(w->k.waiting, 0);
}

static void test_the_only_ones_of_many_services_are_held_too(void **state)
{
    struct world *w = *state;
    register_four(w);
    put(w, "registry/default/a/i", FIRST);
    put(w, "registry/default/b/i", FIRST);
    put(w, "registry/default/c/i", FIRST);
    put(w, "registry/default/d/i", FIRST);
    vanish(w, "registry/default/a/i");
    vanish(w, "registry/default/b/i");
    vanish(w, I1);
    vanish(w, "registry/default/c/i");
    assert_int_equal(w->k.waiting, 0); /* 4 of 8 */

    vanish(w, "registry/default/d/i");

    assert_int_equal(w->k.waiting, 5);
    assert_non_null(in_force(w, "registry/default/a/i"));
    assert_non_null(in_force(w, I1));
}

static void test_a_share_of_100_holds_nothing(void **state)
{
    struct world *w = new_world(EXPIRY_SHARE_NEVER);
    (void)state;
    register_four(w);
    vanish_at_once(w, true, 4);
    assert_int_equal(w->k.waiting, 0);
    free_world(w);
}

static void test_a_hold_of_a_key_that_is_no_instance_is_removed(void **state)
{
    struct world *w = *state;
    const char *value = "{\"of\":1,\"created\":1,\"since\":5,\"why\":\"expired\",\"value\":{}}";
    put(w, "holds/config/serviceentries/default/a", value);
    put(w, "holds/" I1, value); /* no instance's value either */
    put(w, "holds/" I2, "{\"of\":1,\"since\":5,\"value\":" FIRST "}");

    assert_int_equal(w->k.by_key.count, 0);
    assert_string_equal(wanted(w, "config/serviceentries/default/a"), "");
    assert_string_equal(wanted(w, I1), "");
    assert_string_equal(wanted(w, I2), "");
}

static void test_holds_of_unknown_kind_are_told(void **state)
{
    static const char *const values[] = {
        "{\"of\":1,\"since\":5,\"why\":\"expired\",\"value\":" FIRST "}",
        "{\"of\":1,\"created\":0,\"since\":5,\"why\":\"expired\",\"value\":" FIRST "}",
        "{\"of\":1,\"created\":1,\"since\":5,\"why\":\"else\",\"value\":" FIRST "}",
        "{\"of\":1,\"created\":1,\"since\":5,\"why\":1,\"value\":" FIRST "}",
    };
    struct world *w = *state;
    for (size_t i = 0; i < ARRAY_COUNT(values); i++) {
        put(w, "holds/" I1, values[i]);
        assert_non_null(map_find(&w->k.rejects, "holds/" I1));
        assert_null(in_force(w, I1));
    }
}

static void test_what_the_store_does_not_have_is_not_missed(void **state)
{
    struct world *w = *state;
    struct map listed = { 0 };
    register_four(w);
    put(w,
        "holds/" I1,
        "{\"of\":1,\"created\":1,\"since\":4,\"why\":\"expired\",\"value\":" FIRST "}");
    keyspace_begin(&w->k, w->now_ms);

    assert_true(keyspace_keep(&w->k, &listed));

    assert_false(keyspace_end(&w->k));
    assert_non_null(in_force(w, I1));
    assert_null(in_force(w, I2));
    assert_null(wanted(w, I1));
    assert_int_equal(w->k.waiting, 0);
}

static void test_in_a_restored_backup_the_same_may_stand_there_since_earlier(void **state)
{
    struct world *w = *state;
    struct store_change renewed = written(w, I1, FIRST), before = renewed;
    renewed.entry.mod_revision += 7;
    apply(w, true, &renewed, 1);

    assert_false(apply(w, false, &before, 1));

    assert_int_equal(in_force(w, I1)->mod_revision, before.entry.mod_revision);
}

static void test_what_vanished_from_a_former_history_is_no_candidate(void **state)
{
    struct world *w = *state;
    register_four(w);
    vanish_at_once(w, true, 3);
    hold(w, I1);

    keyspace_forget_past(&w->k);

    assert_non_null(in_force(w, I1));
    assert_null(in_force(w, I2));
    assert_int_equal(w->k.waiting, 0);
    assert_null(wanted(w, I2));
}

/* ---- a store, and replicas that take its changes in order, each at its own pace ---- */

enum { REPLICAS = 3, STEPS = 120, HISTORIES = 400, KEYS = 4 };
static const char *const keys[KEYS] = { I1, I2, I3, I4 };

static void try_to_hold(struct world *w, struct change_log *log)
{
    for (size_t i = 0; i < KEYS; i++) {
        const char *value = wanted(w, keys[i]);
        const char *hold_key = arena_printf(log->a, "holds/%s", keys[i]);
        if (value && w->wanted.expected == change_log_revision(log, hold_key))
            change_log_write(log, hold_key, *value ? value : NULL, LEASE);
    }
}

static void change_something(struct change_log *log)
{
    static const char *const values[] = { FIRST, VALUE("10.0.0.2"), ILL("draining"), "{}" };
    const char *key = keys[(size_t)rand() % KEYS];
    switch (rand() % 8) {
    case 0:
        for (size_t i = 0; i < KEYS; i++)
            change_log_write(log, keys[i], NULL, LEASE);
        break;
    case 1:
        change_log_write(
            log, arena_printf(log->a, "holds/%s", key), NULL, LEASE); /* its time is over */
        break;
    case 2:
        change_log_write(
            log, arena_printf(log->a, "tombstones/%s", key), rand() % 2 ? "{}" : NULL, LEASE);
        break;
    case 3:
        change_log_write(log, key, NULL, LEASE);
        break;
    default:
        change_log_write(log, key, values[(size_t)rand() % ARRAY_COUNT(values)], LEASE);
    }
}

/* Takes up to `most` changes that it has not seen. */
static void follow(struct world *w, const struct change_log *log, size_t *known, size_t most)
{
    size_t count = log->count - *known < most ? log->count - *known : most;
    bool is_live = rand() % 4 > 0;
    apply(w, is_live, &log->changes[*known], count);
    *known += count;
}

static void live_through(struct world *const *w, struct change_log *log)
{
    size_t known[REPLICAS] = { 0 };
    for (int step = 0; step < STEPS; step++) {
        size_t i = (size_t)rand() % REPLICAS;
        if (rand() % 3 == 0)
            change_something(log);
        w[i]->now_ms += (uint64_t)rand() % 5000;
        follow(w[i], log, &known[i], (size_t)rand() % 6);
        if (rand() % 2)
            try_to_hold(w[i], log);
        if (rand() % 16 == 0)
            keyspace_stop_waiting(&w[i]->k);
    }
    for (int i = 0; i < 4 * REPLICAS; i++) { /* all catch up, and settle */
        follow(w[i % REPLICAS], log, &known[i % REPLICAS], SIZE_MAX);
        try_to_hold(w[i % REPLICAS], log);
    }
}

static void list_key(struct world *w, const struct change_log *log, const char *key)
{
    const struct store_change *change = change_log_latest(log, key);
    if (change && !change->is_gone)
        apply(w, false, change, 1);
}

/* In the order of keys, as a listing gives them. */
static void list_all(struct world *w, const struct change_log *log)
{
    for (size_t i = 0; i < KEYS; i++)
        list_key(w, log, arena_printf(log->a, "holds/%s", keys[i]));
    for (size_t i = 0; i < KEYS; i++)
        list_key(w, log, keys[i]);
    for (size_t i = 0; i < KEYS; i++)
        list_key(w, log, arena_printf(log->a, "tombstones/%s", keys[i]));
}

static void assert_same(const struct world *x, const struct world *y)
{
    for (size_t i = 0; i < KEYS; i++) {
        const struct object *a = in_force(x, keys[i]), *b = in_force(y, keys[i]);
        assert_int_equal(a != NULL, b != NULL);
        assert_true(!a || (hash128_equal(&a->digest, &b->digest) &&
                              a->create_revision == b->create_revision));
    }
    assert_int_equal(x->stats.held_instances, y->stats.held_instances);
}

static void test_replicas_have_the_same_in_force_when_none_waits(void **state)
{
    size_t held = 0;
    (void)state;
    for (unsigned seed = 1; seed <= HISTORIES; seed++) {
        struct world *w[REPLICAS + 1];
        struct change_log log = { .a = arena_new() };
        srand(seed);
        for (size_t i = 0; i <= REPLICAS; i++)
            w[i] = new_world(50);
        live_through(w, &log);
        list_all(w[REPLICAS], &log);
        for (size_t i = 0; i < REPLICAS; i++) {
            assert_int_equal(w[i]->k.waiting, 0);
            assert_same(w[i], w[REPLICAS]);
            held += (size_t)w[i]->stats.mass_expired;
        }
        for (size_t i = 0; i <= REPLICAS; i++)
            free_world(w[i]);
        arena_free(log.a);
    }
    assert_true(held > HISTORIES); /* else it proves little */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_a_single_death_is_one),
        TEST(test_many_at_once_wait_to_be_held_and_then_are),
        TEST(test_half_of_them_is_not_too_many),
        TEST(test_they_need_not_vanish_in_one_moment),
        TEST(test_what_vanished_long_ago_does_not_count),
        TEST(test_what_vanished_long_ago_is_forgotten),
        TEST(test_who_says_farewell_is_gone_before_or_after),
        TEST(test_a_tombstone_ends_a_hold),
        TEST(test_the_end_of_a_hold_is_the_instances_end),
        TEST(test_who_comes_back_needs_no_hold),
        TEST(test_a_former_hold_is_in_force_until_it_is_removed),
        TEST(test_a_bad_value_of_who_comes_back_is_not_held),
        TEST(test_what_cannot_be_held_is_gone),
        TEST(test_who_was_not_fresh_holds_nothing_and_takes_what_is_held),
        TEST(test_what_hangs_on_no_lease_was_taken_away),
        TEST(test_only_healthy_ones_are_missed),
        TEST(test_services_are_judged_by_themselves),
        TEST(test_the_only_ones_of_many_services_are_held_too),
        TEST(test_a_share_of_100_holds_nothing),
        TEST(test_a_hold_of_a_key_that_is_no_instance_is_removed),
        TEST(test_holds_of_unknown_kind_are_told),
        TEST(test_what_the_store_does_not_have_is_not_missed),
        TEST(test_in_a_restored_backup_the_same_may_stand_there_since_earlier),
        TEST(test_what_vanished_from_a_former_history_is_no_candidate),
        cmocka_unit_test(test_replicas_have_the_same_in_force_when_none_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
