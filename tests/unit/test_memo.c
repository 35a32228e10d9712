/* memo: the key is the whole argument list, and equal lists are rendered once. */
#include "translate/memo.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct sample_args {
    const char *region;
    uint64_t priority;
    struct arg_ref rule;
    arg_ref_list parts;
    string_list labels;
};
static const struct arg rows[] = {
    ARG(struct sample_args, region, ARG_TEXT),
    ARG(struct sample_args, priority, ARG_U64),
    ARG(struct sample_args, rule, ARG_REF),
    ARG(struct sample_args, parts, ARG_REFS),
    ARG(struct sample_args, labels, ARG_TEXTS),
};

static const char *name_of(struct arena *a, const void *opaque)
{
    const struct sample_args *args = opaque;
    return arena_printf(a, "name of %s", args->region ? args->region : "nothing");
}

static ProtobufCMessage *render(struct arena *a, const void *opaque)
{
    const struct sample_args *args = opaque;
    return &pb_new_Locality(a, .region = pb_str(args->region))->base;
}

static const struct renderer renderer = {
    .name = "locality",
    .type = XDS_CLUSTER,
    .args_bytes = sizeof(struct sample_args),
    .args = rows,
    .arg_count = ARRAY_COUNT(rows),
    .name_of = name_of,
    .render = render,
};

struct fixture {
    metric_value rendered, reused;
    struct memo *memo;
};

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    f->memo = memo_new(&f->rendered, &f->reused);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    memo_free(f->memo);
    free(f);
    return 0;
}

static void use(struct fixture *f, const struct renderer *r, const struct sample_args *args)
{
    xds_resource_release(memo_render(f->memo, r, args));
}

static struct hash128 digest_of(const char *text)
{
    return hash128_of(text, strlen(text));
}

static void test_the_resource_is_the_rendered_message_under_its_name(void **state)
{
    struct fixture *f = *state;
    struct sample_args args = { .region = "north" };

    struct xds_resource *r = memo_render(f->memo, &renderer, &args);

    struct hash128 version = hash128_of("\n\5north", 7);
    assert_string_equal(r->name, "name of north");
    assert_int_equal(r->type, XDS_CLUSTER);
    assert_int_equal(r->size_bytes, 7);
    assert_memory_equal(r->bytes, "\n\5north", 7);
    assert_true(hash128_equal(&r->version, &version));
    xds_resource_release(r);
}

static void test_equal_arguments_are_rendered_once(void **state)
{
    struct fixture *f = *state;
    char region[] = "north", copy[] = "north";
    struct sample_args one = { .region = region }, two = { .region = copy };

    struct xds_resource *first = memo_render(f->memo, &renderer, &one);
    struct xds_resource *second = memo_render(f->memo, &renderer, &two);

    assert_ptr_equal(first, second);
    assert_int_equal(f->rendered, 1);
    assert_int_equal(f->reused, 1);
    xds_resource_release(first);
    xds_resource_release(second);
}

static void test_every_argument_is_part_of_the_key(void **state)
{
    struct fixture *f = *state;
    const char *one[] = { "a" }, *two[] = { "a", "b" }, *joined[] = { "ab" };
    struct arg_ref refs[] = { { .digest = digest_of("x") }, { .digest = digest_of("y") } };
    struct sample_args variants[] = {
        { .region = NULL },
        { .region = "" },
        { .region = "a" },
        { .priority = 1 },
        { .rule = { .digest = digest_of("x") } },
        { .rule = { .digest = digest_of("y") } },
        { .parts = { refs, 1 } },
        { .parts = { refs + 1, 1 } },
        { .parts = { refs, 2 } },
        { .labels = { one, 1 } },
        { .labels = { two, 2 } },
        { .labels = { joined, 1 } },
    };

    for (size_t i = 0; i < ARRAY_COUNT(variants); i++)
        use(f, &renderer, &variants[i]);

    assert_int_equal(f->rendered, ARRAY_COUNT(variants));
    assert_int_equal(f->reused, 0);
}

static void test_a_reference_counts_by_its_digest_not_by_its_address(void **state)
{
    struct fixture *f = *state;
    int here = 0, there = 0;
    struct sample_args one = { .rule = { .value = &here, .digest = digest_of("x") } };
    struct sample_args two = { .rule = { .value = &there, .digest = digest_of("x") } };

    use(f, &renderer, &one);
    use(f, &renderer, &two);

    assert_int_equal(f->rendered, 1);
}

static void test_two_renderers_do_not_share_a_resource(void **state)
{
    struct fixture *f = *state;
    struct renderer other = renderer;
    other.name = "another";
    struct sample_args args = { .region = "north" };

    use(f, &renderer, &args);
    use(f, &other, &args);

    assert_int_equal(f->rendered, 2);
}

static void finish(struct arena *a, const void *args, struct buf *bytes)
{
    (void)a, (void)args;
    buf_text(bytes, "by hand");
}

static void test_finish_appends_the_bytes_itself(void **state)
{
    struct fixture *f = *state;
    struct renderer by_hand = renderer;
    by_hand.render = NULL;
    by_hand.finish = finish;
    struct sample_args args = { .region = "north" };

    struct xds_resource *r = memo_render(f->memo, &by_hand, &args);

    assert_int_equal(r->size_bytes, strlen("by hand"));
    assert_memory_equal(r->bytes, "by hand", r->size_bytes);
    xds_resource_release(r);
}

static void test_what_two_generations_did_not_use_is_forgotten(void **state)
{
    struct fixture *f = *state;
    struct sample_args kept = { .region = "kept" }, dropped = { .region = "dropped" };
    use(f, &renderer, &kept);
    use(f, &renderer, &dropped);

    memo_sweep(f->memo);
    use(f, &renderer, &kept);
    memo_sweep(f->memo);
    use(f, &renderer, &kept);
    memo_sweep(f->memo);

    use(f, &renderer, &kept);
    assert_int_equal(f->rendered, 2);
    use(f, &renderer, &dropped);
    assert_int_equal(f->rendered, 3);
}

static void test_what_the_last_generations_used_is_kept(void **state)
{
    struct fixture *f = *state;
    struct sample_args args = { .region = "north" };
    use(f, &renderer, &args);

    memo_sweep(f->memo);
    memo_sweep(f->memo);
    use(f, &renderer, &args);

    assert_int_equal(f->rendered, 1);
}

static void test_a_resource_outlives_the_memo(void **state)
{
    struct fixture *f = *state;
    struct sample_args args = { .region = "north" };
    struct xds_resource *r = memo_render(f->memo, &renderer, &args);

    memo_free(f->memo);
    f->memo = NULL;

    assert_string_equal(r->name, "name of north");
    xds_resource_release(r);
}

/* Does memo_render abort? Tried in a child, whose message goes nowhere. */
static bool is_refused(const struct renderer *r)
{
    pid_t child = fork();
    if (child == 0) {
        struct sample_args args = { .region = "north" };
        assert_non_null(freopen("/dev/null", "w", stderr));
        signal(SIGABRT, SIG_DFL);
        struct memo *m = memo_new(NULL, NULL);
        xds_resource_release(memo_render(m, r, &args));
        memo_free(m);
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void test_a_whole_table_is_not_refused(void **state)
{
    (void)state;
    assert_false(is_refused(&renderer));
}

static void test_a_table_that_misses_a_field_aborts(void **state)
{
    (void)state;
    struct renderer short_of_last = renderer, short_of_first = renderer;
    short_of_last.arg_count--;
    short_of_first.args++;
    short_of_first.arg_count--;

    assert_true(is_refused(&short_of_last));
    assert_true(is_refused(&short_of_first));
}

static void test_a_table_that_names_a_field_twice_aborts(void **state)
{
    (void)state;
    struct arg twice[ARRAY_COUNT(rows)];
    memcpy(twice, rows, sizeof rows);
    twice[0] = rows[1];
    struct renderer r = renderer;
    r.args = twice;

    assert_true(is_refused(&r));
}

static void test_a_table_with_the_wrong_kind_aborts(void **state)
{
    (void)state;
    struct arg wrong[ARRAY_COUNT(rows)];
    memcpy(wrong, rows, sizeof rows);
    wrong[2].kind = ARG_REFS;
    struct renderer r = renderer;
    r.args = wrong;

    assert_true(is_refused(&r));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_the_resource_is_the_rendered_message_under_its_name),
        TEST(test_equal_arguments_are_rendered_once),
        TEST(test_every_argument_is_part_of_the_key),
        TEST(test_a_reference_counts_by_its_digest_not_by_its_address),
        TEST(test_two_renderers_do_not_share_a_resource),
        TEST(test_finish_appends_the_bytes_itself),
        TEST(test_what_two_generations_did_not_use_is_forgotten),
        TEST(test_what_the_last_generations_used_is_kept),
        TEST(test_a_resource_outlives_the_memo),
        TEST(test_a_whole_table_is_not_refused),
        TEST(test_a_table_that_misses_a_field_aborts),
        TEST(test_a_table_that_names_a_field_twice_aborts),
        TEST(test_a_table_with_the_wrong_kind_aborts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
