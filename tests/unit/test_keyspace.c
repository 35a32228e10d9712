/* The daemon's keyspace: what comes in is an object or a reject, and neither touches another. */
#include "daemon/keyspace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define KEY     "config/serviceentries/default/a"
#define VALUE   ENTRY("a.example.com")
#define OTHER   ENTRY("b.example.com")
#define INVALID ENTRY("")
#define ENTRY(host)                                                                                \
    "{\"apiVersion\":\"networking.istio.io/v1\",\"kind\":\"ServiceEntry\",\"metadata\":{\"name\":" \
    "\"a\",\"namespace\":\"default\"},\"spec\":{\"hosts\":[\"" host                                \
    "\"],\"ports\":[{\"number\":80,\"name\":\"http\",\"protocol\":\"HTTP\"}],"                     \
    "\"resolution\":\"DNS\"}}"

struct world {
    struct keyspace k;
    struct keyspace_stats stats;
    struct log_scope log;
    int64_t revision;
};

static int setup(void **state)
{
    struct world *w = xcalloc(1, sizeof *w);
    w->log.level = LOG_LEVEL_ERROR;
    keyspace_init(&w->k, &w->stats, &w->log);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    keyspace_fini(&w->k);
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

static void test_a_rejected_value_is_absent_until_a_good_one_comes(void **state)
{
    struct world *w = *state;
    assert_true(put(w, KEY, VALUE));

    assert_true(put(w, KEY, INVALID));

    assert_int_equal(count_objects(w), 0);
    assert_non_null(reject_of(w, KEY));
    assert_int_equal(reject_of(w, KEY)->revision, 2);
    assert_non_null(strstr(reject_of(w, KEY)->reasons.items[0], "spec.hosts[0]"));
    assert_int_equal(w->stats.rejected, 1);
    assert_false(put(w, KEY, INVALID));
    assert_true(put(w, KEY, VALUE));
    assert_null(reject_of(w, KEY));
    assert_int_equal(w->stats.rejected, 0);
    assert_int_equal(w->stats.rejected_total, 2);
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
    assert_false(put(w, "holds/mesh", "{}"));

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
        TEST(test_a_rejected_value_is_absent_until_a_good_one_comes),
        TEST(test_a_rejected_value_touches_no_other),
        TEST(test_a_value_over_the_limit_is_told_and_not_decoded),
        TEST(test_pilotds_own_keys_are_no_configuration),
        TEST(test_the_reasons_of_one_value_are_bounded_and_the_rest_counted),
        TEST(test_of_very_many_rejects_only_the_first_are_explained),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
