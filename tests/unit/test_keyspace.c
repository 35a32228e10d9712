/* The daemon's keyspace: what comes in is an object or a reject, and neither touches another. */
#include "keyspace/keyspace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "change_log.h"

#define KEY     "config/serviceentries/default/a"
#define VALUE   ENTRY("a.example.com")
#define OTHER   ENTRY("b.example.com")
#define INVALID ENTRY("")
#define ENTRY(host)                                                                                \
    "{\"apiVersion\":\"networking.istio.io/v1\",\"kind\":\"ServiceEntry\",\"metadata\":{\"name\":" \
    "\"a\",\"namespace\":\"default\"},\"spec\":{\"hosts\":[\"" host                                \
    "\"],\"ports\":[{\"number\":80,\"name\":\"http\",\"protocol\":\"HTTP\"}],"                     \
    "\"resolution\":\"DNS\"}}"

#define HOLD(of, value)              "{\"of\":" #of ",\"since\":1,\"value\":" value "}"
#define HOLD_SINCE(of, since, value) "{\"of\":" #of ",\"since\":" #since ",\"value\":" value "}"

struct world {
    struct buf wanted;
    struct keyspace k;
    struct keyspace_stats stats;
    struct log_scope log;
    int64_t revision;
};

static const struct expiry_settings settings = { .share_percent = 50, .window_ms = 15000 };

static int setup(void **state)
{
    struct world *w = xcalloc(1, sizeof *w);
    w->log.level = LOG_LEVEL_ERROR;
    keyspace_init(&w->k, &settings, &w->stats, &w->log);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    keyspace_fini(&w->k);
    buf_fini(&w->wanted);
    free(w);
    return 0;
}

static bool put_bytes(
    struct world *w, const char *key, const char *value, size_t size, int64_t create_revision)
{
    struct store_change change = { .entry = { .key = key,
                                       .value = value,
                                       .size = size,
                                       .create_revision = create_revision,
                                       .mod_revision = ++w->revision } };
    return keyspace_apply(&w->k, &change);
}

static bool put(struct world *w, const char *key, const char *value)
{
    return put_bytes(w, key, value, strlen(value), 1);
}

static bool del(struct world *w, const char *key)
{
    struct store_change change = { .entry = { .key = key, .mod_revision = ++w->revision },
        .is_gone = true };
    return keyspace_apply(&w->k, &change);
}

static size_t count_objects(const struct world *w)
{
    size_t count;
    struct object **objects = keyspace_objects(&w->k, &count);
    for (size_t i = 0; i < count; i++)
        object_release(objects[i]);
    free(objects);
    return count;
}

static const struct reject *reject_of(const struct world *w, const char *key)
{
    return map_find(&w->k.rejects, key);
}

static void test_a_value_comes_changes_and_goes(void **state)
{
    struct world *w = *state;

    assert_true(put(w, KEY, VALUE));
    assert_int_equal(count_objects(w), 1);
    assert_true(put(w, KEY, OTHER));
    assert_int_equal(count_objects(w), 1);
    assert_true(del(w, KEY));
    assert_int_equal(count_objects(w), 0);
    assert_false(del(w, KEY));
}

static void test_the_same_bytes_again_are_no_change(void **state)
{
    struct world *w = *state;

    assert_true(put(w, KEY, VALUE));
    assert_false(put(w, KEY, VALUE));
    assert_true(put_bytes(w, KEY, VALUE, strlen(VALUE), 7)); /* made anew: another age */
}

static const struct object *in_force(const struct world *w)
{
    return map_find(&w->k.by_key, KEY);
}

/* What is to be written to the key's hold; "" for its deletion, NULL for nothing. */
static const char *wanted(struct world *w, int64_t *expected)
{
    struct hold_wanted hold = { .value = &w->wanted };
    buf_clear(&w->wanted);
    bool is_wanted = keyspace_hold_wanted(&w->k, KEY, &hold);
    *expected = hold.expected;
    assert_false(hold.is_leased);
    if (!is_wanted)
        return NULL;
    return w->wanted.size ? w->wanted.data : "";
}

static void test_a_value_that_was_never_good_is_absent(void **state)
{
    struct world *w = *state;
    int64_t expected;

    assert_false(put(w, KEY, INVALID));

    assert_null(in_force(w));
    assert_non_null(strstr(reject_of(w, KEY)->reasons.items[0], "spec.hosts[0]"));
    assert_int_equal(w->k.waiting, 0);
    assert_null(wanted(w, &expected));
    assert_int_equal(w->stats.rejected, 1);
    assert_true(put(w, KEY, VALUE));
    assert_null(reject_of(w, KEY));
    assert_int_equal(w->stats.rejected, 0);
}

static void test_the_last_good_value_waits_to_be_held(void **state)
{
    struct world *w = *state;
    int64_t expected;
    assert_true(put(w, KEY, VALUE));

    assert_false(put(w, KEY, INVALID));
    assert_non_null(in_force(w));
    assert_int_equal(w->k.waiting, 1);
    assert_string_equal(wanted(w, &expected), HOLD_SINCE(1, 2, VALUE));
    assert_int_equal(expected, 0);

    assert_false(put(w, "holds/" KEY, HOLD_SINCE(1, 2, VALUE)));
    assert_int_equal(w->k.waiting, 0);
    assert_null(wanted(w, &expected));
    assert_int_equal(in_force(w)->create_revision, 1);
    assert_int_equal(w->stats.held, 1);
}

static void test_what_cannot_be_held_is_absent(void **state)
{
    struct world *w = *state;
    put(w, KEY, VALUE);
    put(w, KEY, INVALID);

    assert_true(keyspace_stop_waiting(&w->k));
    assert_null(in_force(w));
    assert_int_equal(w->k.waiting, 0);
    assert_false(put(w, KEY, INVALID));
    assert_null(in_force(w));

    assert_true(put(w, "holds/" KEY, HOLD(1, VALUE))); /* late, and welcome */
    assert_non_null(in_force(w));
}

static void test_who_comes_later_finds_the_hold(void **state)
{
    struct world *w = *state;
    int64_t expected;
    assert_false(put_bytes(w, KEY, INVALID, strlen(INVALID), 1));
    assert_null(in_force(w));

    assert_true(put(w, "holds/" KEY, HOLD(1, VALUE)));

    assert_non_null(in_force(w));
    assert_int_equal(w->k.waiting, 0);
    assert_null(wanted(w, &expected));
}

static void test_a_good_value_or_a_deletion_ends_a_hold(void **state)
{
    struct world *w = *state;
    int64_t expected;
    put(w, KEY, INVALID);
    put(w, "holds/" KEY, HOLD(1, VALUE)); /* at revision 2 */

    assert_true(put(w, KEY, OTHER));
    assert_string_equal(wanted(w, &expected), "");
    assert_int_equal(expected, 2);
    put(w, KEY, INVALID);
    assert_true(del(w, KEY));
    assert_null(in_force(w));
    assert_string_equal(wanted(w, &expected), "");
    assert_false(del(w, "holds/" KEY));
    assert_null(wanted(w, &expected));
}

static void test_a_hold_of_an_older_value_is_replaced(void **state)
{
    struct world *w = *state;
    int64_t expected;
    put(w, KEY, INVALID);
    put(w, "holds/" KEY, HOLD(1, VALUE));
    put(w, KEY, OTHER); /* revision 3 */

    assert_false(put(w, KEY, INVALID));

    assert_int_equal(w->k.waiting, 1);
    assert_string_equal(wanted(w, &expected), HOLD_SINCE(3, 4, OTHER));
    assert_int_equal(expected, 2);
    assert_false(put(w, "holds/" KEY, HOLD(3, OTHER)));
    assert_int_equal(w->k.waiting, 0);
}

static void test_a_hold_that_is_none_is_told(void **state)
{
    static const char *const values[] = { "",
        "{}",
        "[]",
        "{\"of\":1,\"since\":2}",
        "{\"of\":1,\"value\":{}} ",
        "{\"of\":0,\"value\":{}}" };
    struct world *w = *state;
    put(w, KEY, INVALID);
    for (size_t i = 0; i < ARRAY_COUNT(values); i++) {
        assert_false(put(w, "holds/" KEY, values[i]));
        assert_non_null(reject_of(w, "holds/" KEY));
        assert_null(in_force(w));
    }
    assert_false(
        put(w, "holds/" KEY, HOLD(1, INVALID))); /* well-formed, but what it has is no good */
    assert_null(reject_of(w, "holds/" KEY));
    assert_null(in_force(w));
}

static void test_a_malformed_hold_is_replaced_or_removed(void **state)
{
    struct world *w = *state;
    int64_t expected;
    put(w, "holds/" KEY, "{}");
    assert_string_equal(wanted(w, &expected), "");
    assert_int_equal(expected, 1);

    put(w, KEY, VALUE);
    put(w, KEY, INVALID);

    assert_string_equal(wanted(w, &expected), HOLD_SINCE(2, 3, VALUE));
    assert_int_equal(expected, 1);
}

static void test_what_was_before_a_deletion_is_not_brought_back(void **state)
{
    struct world *w = *state;
    int64_t expected;
    put_bytes(w, KEY, VALUE, strlen(VALUE), 1);
    put_bytes(w, KEY, INVALID, strlen(INVALID), 1);
    put(w, "holds/" KEY, HOLD(1, VALUE));
    assert_non_null(in_force(w));
    assert_null(wanted(w, &expected));

    del(w, KEY);
    put_bytes(w, KEY, INVALID, strlen(INVALID), 5); /* the hold is still there */

    assert_null(in_force(w));
    assert_int_equal(w->k.waiting, 0);
    assert_string_equal(wanted(w, &expected), "");
    assert_int_equal(expected, 3);
}

/* Who has missed the deletion has a value that the others have not. */
static void test_a_hold_of_a_revision_to_come_is_refused(void **state)
{
    struct world *w = *state;
    int64_t expected;
    put(w, KEY, INVALID);
    put(w, "holds/" KEY, HOLD_SINCE(2, 1, VALUE)); /* at revision 2 */
    assert_null(in_force(w));
    assert_non_null(strstr(reject_of(w, "holds/" KEY)->reasons.items[0], "of: must be"));
    assert_string_equal(wanted(w, &expected), "");
    put(w, "holds/" KEY, HOLD_SINCE(1, 3, VALUE)); /* at revision 3 */
    assert_non_null(strstr(reject_of(w, "holds/" KEY)->reasons.items[0], "since: must be"));
    put(w, "holds/" KEY, HOLD_SINCE(1, 3, VALUE));
    assert_non_null(in_force(w));
}

static void test_nothing_is_brought_back_from_a_former_history(void **state)
{
    struct world *w = *state;
    int64_t expected;
    put(w, KEY, VALUE);
    put(w, KEY, OTHER);
    keyspace_begin(&w->k, 0);
    keyspace_forget_past(&w->k);
    put(w, "holds/" KEY, HOLD(1, VALUE));

    assert_true(put(w, KEY, INVALID));

    assert_false(keyspace_end(&w->k));
    assert_string_equal(in_force(w)->value, VALUE);
    assert_int_equal(w->k.waiting, 0);
    assert_null(wanted(w, &expected));
    put(w, KEY, OTHER);
    keyspace_begin(&w->k, 0);
    put(w, KEY, INVALID);
    assert_int_equal(w->k.waiting, 1); /* what was good since is held again */
}

static void test_a_value_from_before_a_missed_deletion_is_not_held(void **state)
{
    struct world *w = *state;
    int64_t expected;
    put_bytes(w, KEY, VALUE, strlen(VALUE), 1);

    put_bytes(w, KEY, INVALID, strlen(INVALID), 5);

    assert_null(in_force(w));
    assert_null(wanted(w, &expected));
}

/* Another file before it in the folder is no other life. */
static void test_of_files_the_last_good_value_stays_wherever_it_stands(void **state)
{
    struct world *w = *state;
    w->k.is_of_files = true;
    put_bytes(w, KEY, VALUE, strlen(VALUE), 1);

    put_bytes(w, KEY, INVALID, strlen(INVALID), 5);

    assert_non_null(in_force(w));
}

/* A store, and replicas that take its changes in order, each at its own pace; some begin late. */
enum { REPLICAS = 3, STEPS = 60, HISTORIES = 300 };

static void try_to_hold(struct world *w, struct change_log *log)
{
    int64_t expected;
    const char *value = wanted(w, &expected);
    if (value && expected == change_log_revision(log, "holds/" KEY))
        change_log_write(log, "holds/" KEY, *value ? value : NULL, STORE_LEASE_NONE);
}

/* In the order of keys, as a listing gives them. */
static void list_all(struct world *w, const struct change_log *log)
{
    static const char *const keys[] = { KEY, "holds/" KEY };
    for (size_t i = 0; i < ARRAY_COUNT(keys); i++) {
        const struct store_change *change = change_log_latest(log, keys[i]);
        if (change && !change->is_gone)
            keyspace_apply(&w->k, change);
    }
}

static void assert_same(const struct world *x, const struct world *y)
{
    const struct object *a = in_force(x), *b = in_force(y);
    assert_int_equal(a != NULL, b != NULL);
    assert_true(
        !a || (hash128_equal(&a->digest, &b->digest) && a->create_revision == b->create_revision));
}

/* Takes up to `most` changes that it has not seen. */
static void follow(struct world *w, const struct change_log *log, size_t *known, size_t most)
{
    for (; most > 0 && *known < log->count; most--)
        keyspace_apply(&w->k, &log->changes[(*known)++]);
}

static void live_through(struct world *const *w, struct change_log *log)
{
    static const char *const values[] = { VALUE, OTHER, INVALID, INVALID, NULL };
    size_t known[REPLICAS] = { 0 };
    for (int step = 0; step < STEPS; step++) {
        size_t i = (size_t)rand() % REPLICAS;
        if (rand() % 3 == 0)
            change_log_write(
                log, KEY, values[(size_t)rand() % ARRAY_COUNT(values)], STORE_LEASE_NONE);
        follow(w[i], log, &known[i], (size_t)rand() % 3);
        if (rand() % 2)
            try_to_hold(w[i], log);
    }
    for (int i = 0; i < 4 * REPLICAS; i++) { /* all catch up, and settle */
        follow(w[i % REPLICAS], log, &known[i % REPLICAS], SIZE_MAX);
        try_to_hold(w[i % REPLICAS], log);
    }
}

static void test_replicas_have_the_same_in_force_when_none_waits(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= HISTORIES; seed++) {
        struct world *w[REPLICAS + 1] = { 0 }, *late;
        struct change_log log = { .a = arena_new() };
        srand(seed);
        for (size_t i = 0; i <= REPLICAS; i++)
            setup((void **)&w[i]);
        live_through(w, &log);
        late = w[REPLICAS];
        list_all(late, &log);
        for (size_t i = 0; i < REPLICAS; i++) {
            assert_int_equal(w[i]->k.waiting, 0);
            assert_same(w[i], late);
        }
        for (size_t i = 0; i <= REPLICAS; i++)
            teardown((void **)&w[i]);
        arena_free(log.a);
    }
}

/* Its hold cannot be replaced; whoever begins now knows nothing newer. */
static void test_after_the_grace_an_older_hold_is_in_force_for_all(void **state)
{
    struct world *w = *state, *late;
    setup((void **)&late);
    put(w, KEY, VALUE);
    put(w, KEY, INVALID);
    put(w, "holds/" KEY, HOLD(1, VALUE));
    put(w, KEY, OTHER);
    put(w, KEY, INVALID);
    put(late, KEY, INVALID);
    put(late, "holds/" KEY, HOLD(1, VALUE));

    assert_true(keyspace_stop_waiting(&w->k));

    assert_non_null(in_force(w));
    assert_true(hash128_equal(&in_force(w)->digest, &in_force(late)->digest));
    int64_t expected;
    assert_string_equal(wanted(w, &expected), HOLD_SINCE(4, 5, OTHER)); /* still */
    teardown((void **)&late);
}

static void test_what_is_not_kept_is_forgotten_rejected_or_not(void **state)
{
    struct world *w = *state;
    struct map none = { 0 };
    put(w, KEY, INVALID);
    assert_false(keyspace_keep(&w->k, &none));
    assert_null(reject_of(w, KEY));
    assert_int_equal(w->stats.rejected, 0);

    put(w, KEY, VALUE);
    put(w, KEY, INVALID);
    assert_true(keyspace_keep(&w->k, &none));
    assert_null(in_force(w));
    assert_int_equal(w->k.waiting, 0);
}

/* A value of the greatest size that counts can be held. */
static void test_the_largest_value_can_be_held(void **state)
{
    struct world *w = *state;
    struct buf value = { 0 }, hold = { 0 };
    struct hold_wanted wanted_hold = { .value = &hold };
    buf_append(&value, VALUE, strlen(VALUE) - 1);
    while (value.size < STORE_VALUE_LIMIT_BYTES - 1)
        buf_text(&value, " ");
    buf_text(&value, "}");
    assert_true(put_bytes(w, KEY, value.data, value.size, 1));
    put(w, KEY, INVALID);
    assert_true(keyspace_hold_wanted(&w->k, KEY, &wanted_hold));

    put_bytes(w, "holds/" KEY, hold.data, hold.size, 1);

    assert_null(reject_of(w, "holds/" KEY));
    assert_int_equal(w->k.waiting, 0);
    assert_non_null(in_force(w));
    buf_fini(&value);
    buf_fini(&hold);
}

static void test_a_rejected_value_touches_no_other(void **state)
{
    struct world *w = *state;
    assert_true(put(w, KEY, VALUE));

    assert_false(put(w, "config/serviceentries/default/b", "not JSON"));
    assert_false(put(w, "config/nothing/default/a", VALUE));
    assert_false(put(w, "elsewhere", "{}"));

    assert_int_equal(count_objects(w), 1);
    assert_int_equal(w->stats.rejected, 3);
    assert_false(del(w, "elsewhere"));
    assert_int_equal(w->stats.rejected, 2);
}

static void test_a_value_over_the_limit_is_told_and_not_decoded(void **state)
{
    struct world *w = *state;
    size_t size = STORE_VALUE_LIMIT_BYTES + 1;
    char *large = xcalloc(1, size + 1);
    memset(large, ' ', size);

    assert_false(put_bytes(w, KEY, large, size, 1));

    assert_int_equal(w->stats.decoded, 0);
    assert_non_null(strstr(reject_of(w, KEY)->reasons.items[0], "1048577"));
    free(large);
}

static void test_pilotds_own_keys_are_no_configuration(void **state)
{
    struct world *w = *state;

    assert_false(put(w, "replicas/pilotd-1", "{}"));
    assert_false(put(w, "cluster", "{}"));
    assert_false(put(w, "holds/mesh", HOLD(1, "{}")));

    assert_int_equal(count_objects(w), 0);
    assert_int_equal(w->stats.rejected, 0);
}

static void test_the_reasons_of_one_value_are_bounded_and_the_rest_counted(void **state)
{
    struct world *w = *state;
    struct buf value = { 0 };
    buf_text(&value, "{");
    for (int i = 0; i < REJECT_REASONS_MAX + 30; i++)
        buf_printf(&value, "%s\"unknown%d\":1", i ? "," : "", i);
    buf_text(&value, "}");

    put_bytes(w, KEY, value.data, value.size, 1);

    const struct reject *r = reject_of(w, KEY);
    assert_int_equal(r->reasons.count, REJECT_REASONS_MAX);
    assert_true(r->reasons_dropped >= 30);
    buf_fini(&value);
}

static void test_of_very_many_rejects_only_the_first_are_explained(void **state)
{
    struct world *w = *state;
    char key[64];

    for (int i = 0; i <= REJECTS_EXPLAINED_MAX; i++) {
        snprintf(key, sizeof key, "config/serviceentries/default/s%d", i);
        put(w, key, "?");
    }

    assert_int_equal(w->stats.rejected, REJECTS_EXPLAINED_MAX + 1);
    assert_int_equal(reject_of(w, "config/serviceentries/default/s0")->reasons.count, 1);
    assert_int_equal(reject_of(w, key)->reasons.count, 0);
    assert_int_equal(reject_of(w, key)->reasons_dropped, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_value_comes_changes_and_goes),
        TEST(test_the_same_bytes_again_are_no_change),
        TEST(test_a_value_that_was_never_good_is_absent),
        TEST(test_the_last_good_value_waits_to_be_held),
        TEST(test_what_cannot_be_held_is_absent),
        TEST(test_who_comes_later_finds_the_hold),
        TEST(test_after_the_grace_an_older_hold_is_in_force_for_all),
        TEST(test_what_is_not_kept_is_forgotten_rejected_or_not),
        TEST(test_the_largest_value_can_be_held),
        TEST(test_a_good_value_or_a_deletion_ends_a_hold),
        TEST(test_a_hold_of_an_older_value_is_replaced),
        TEST(test_a_hold_that_is_none_is_told),
        TEST(test_a_malformed_hold_is_replaced_or_removed),
        TEST(test_what_was_before_a_deletion_is_not_brought_back),
        TEST(test_a_hold_of_a_revision_to_come_is_refused),
        TEST(test_nothing_is_brought_back_from_a_former_history),
        TEST(test_a_value_from_before_a_missed_deletion_is_not_held),
        TEST(test_of_files_the_last_good_value_stays_wherever_it_stands),
        TEST(test_replicas_have_the_same_in_force_when_none_waits),
        TEST(test_a_rejected_value_touches_no_other),
        TEST(test_a_value_over_the_limit_is_told_and_not_decoded),
        TEST(test_pilotds_own_keys_are_no_configuration),
        TEST(test_the_reasons_of_one_value_are_bounded_and_the_rest_counted),
        TEST(test_of_very_many_rejects_only_the_first_are_explained),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
