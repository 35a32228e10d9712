/* /metrics: what Prometheus reads. */
#include "base/metrics.h"
#include "daemon/triggers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

struct values {
    metric_value good, bad;
    struct metric_histogram times;
};

static const struct metric_buckets buckets = { { 1000, 500000 }, 2, 1000000 };

static const struct metric_desc rows[] = {
    { "calls_total", "counter", "Calls.", "{state=\"good\"}", offsetof(struct values, good) },
    { "calls_total", "counter", "Calls.", "{state=\"bad\"}", offsetof(struct values, bad) },
    { "time", "histogram", "Seconds.", "{type=\"a\"}", offsetof(struct values, times), &buckets },
    { "bare", "histogram", "Seconds.", NULL, offsetof(struct values, times), &buckets },
};

static void test_rows_of_one_name_are_one_family(void **state)
{
    struct values v = { .good = 3, .bad = 1 };
    struct buf text = { 0 };
    (void)state;

    metrics_render(&text, rows, 2, &v);

    assert_string_equal(text.data,
        "# HELP calls_total Calls.\n# TYPE calls_total counter\n"
        "calls_total{state=\"good\"} 3\ncalls_total{state=\"bad\"} 1\n");
    buf_fini(&text);
}

/* A bound belongs to its bucket, and each bucket has those below in it. */
static void test_a_histogram_counts_up_to_its_bounds(void **state)
{
    struct values v = { 0 };
    struct buf text = { 0 };
    (void)state;
    metric_observe(&v.times, &buckets, 1000, 1);
    metric_observe(&v.times, &buckets, 1001, 2);
    metric_observe(&v.times, &buckets, 2000000, 1);
    metric_observe(&v.times, &buckets, 5, 0);

    metrics_render(&text, rows + 2, 2, &v);

    assert_string_equal(text.data,
        "# HELP time Seconds.\n# TYPE time histogram\n"
        "time_bucket{type=\"a\",le=\"0.001\"} 1\ntime_bucket{type=\"a\",le=\"0.5\"} 3\n"
        "time_bucket{type=\"a\",le=\"+Inf\"} 4\ntime_sum{type=\"a\"} 2.003002\n"
        "time_count{type=\"a\"} 4\n"
        "# HELP bare Seconds.\n# TYPE bare histogram\n"
        "bare_bucket{le=\"0.001\"} 1\nbare_bucket{le=\"0.5\"} 3\nbare_bucket{le=\"+Inf\"} 4\n"
        "bare_sum 2.003002\nbare_count 4\n");
    buf_fini(&text);
}

static void test_the_bounds_in_use_rise(void **state)
{
    const struct metric_buckets *const all[] = { &metric_seconds, &metric_bytes };
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(all); i++)
        for (size_t at = 1; at < all[i]->count; at++)
            assert_true(all[i]->bounds[at - 1] < all[i]->bounds[at]);
}

/* ---- what makes a push ---- */

static void test_what_is_heard_is_counted_and_what_is_in_force_makes_the_next_push(void **state)
{
    struct trigger_stats stats = { 0 };
    struct triggers t = { .stats = &stats };
    (void)state;
    assert_int_equal(triggers_take(&t), 0);

    triggers_heard(&t, "registry/default/web/1", true);
    triggers_heard(&t, "config/workloadentries/default/w", true);
    triggers_heard(&t, "config/virtualservices/default/v", false); /* as a rejected one */
    triggers_heard(&t, "replicas/r1", true);
    triggers_heard(&t, "mesh", true);

    assert_true(triggers_take(&t) > 0);
    assert_int_equal(triggers_take(&t), 0);
    assert_int_equal(stats.inbound[TRIGGER_ENDPOINT], 2);
    assert_int_equal(stats.inbound[TRIGGER_CONFIG], 1);
    assert_int_equal(stats.pushes[TRIGGER_ENDPOINT], 1);
    assert_int_equal(stats.pushes[TRIGGER_CONFIG], 0);
    assert_int_equal(stats.pushes[TRIGGER_GLOBAL], 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_of_one_name_are_one_family),
        cmocka_unit_test(test_a_histogram_counts_up_to_its_bounds),
        cmocka_unit_test(test_the_bounds_in_use_rise),
        cmocka_unit_test(test_what_is_heard_is_counted_and_what_is_in_force_makes_the_next_push),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
