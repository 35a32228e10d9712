/* xds_view: sorted, without repetitions, equal hashes for equal content whoever holds it;, what
 * differs between two; and known, the list of what a proxy has. */
#include "xds/known.h"
#include "xds_views.h"

#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* "a=1 b=1 " */
static struct buf walk(const struct xds_view *v, enum xds_type type)
{
    struct buf text = { 0 };
    struct xds_cursor cursor = { 0 };
    buf_text(&text, "");
    for (const struct xds_resource *r; (r = xds_view_next(v, type, &cursor));)
        buf_printf(&text, "%.*s ", (int)r->size_bytes, (const char *)r->bytes);
    return text;
}

static void assert_walk(const struct xds_view *v, enum xds_type type, const char *expected)
{
    struct buf text = walk(v, type);
    assert_string_equal(text.data, expected);
    buf_fini(&text);
}

static void test_a_view_is_sorted_and_without_repetitions(void **state)
{
    (void)state;
    struct xds_view *v = xds_view_of(7, NULL, "C:b=1 C:a=1 C:b=1 C:aa=1 E:z=1");

    assert_walk(v, XDS_CLUSTER, "a=1 aa=1 b=1 ");
    assert_walk(v, XDS_ENDPOINT, "z=1 ");
    assert_walk(v, XDS_ROUTE, "");
    assert_int_equal(xds_view_count(v, XDS_CLUSTER), 3);
    assert_int_equal(v->revision, 7);

    xds_view_release(v);
}

static void test_a_name_is_found_in_the_view_and_in_its_base(void **state)
{
    (void)state;
    struct xds_view *base = xds_view_of(1, NULL, "C:a=1 C:c=1 C:e=1");
    struct xds_view *v = xds_view_of(1, base, "C:b=1 C:f=1");
    xds_view_release(base);

    assert_walk(v, XDS_CLUSTER, "a=1 b=1 c=1 e=1 f=1 ");
    assert_int_equal(xds_view_count(v, XDS_CLUSTER), 5);
    for (const char *const *name = (const char *const[]){ "a", "b", "c", "e", "f", NULL }; *name;
         name++)
        assert_string_equal(xds_view_find(v, XDS_CLUSTER, *name)->name, *name);
    assert_null(xds_view_find(v, XDS_CLUSTER, "d"));
    assert_null(xds_view_find(v, XDS_CLUSTER, ""));
    assert_null(xds_view_find(v, XDS_ENDPOINT, "a"));

    xds_view_release(v);
}

static void test_equal_content_has_an_equal_hash(void **state)
{
    (void)state;
    struct xds_view *base = xds_view_of(2, NULL, "C:a=1 L:l=1");
    struct xds_view *one = xds_view_of(1, base, "C:c=1 C:b=1");
    struct xds_view *two = xds_view_of(2, base, "C:b=1 C:c=1");
    struct xds_view *other = xds_view_of(1, base, "C:b=2 C:c=1");

    for (enum xds_type type = 0; type < XDS_TYPE_COUNT; type++)
        assert_true(hash128_equal(&one->own[type].hash, &two->own[type].hash));
    assert_false(hash128_equal(&one->own[XDS_CLUSTER].hash, &other->own[XDS_CLUSTER].hash));
    assert_false(hash128_equal(&one->own[XDS_CLUSTER].hash, &base->own[XDS_CLUSTER].hash));
    assert_true(hash128_equal(&one->own[XDS_LISTENER].hash, &base->own[XDS_LISTENER].hash));

    xds_view_release(other);
    xds_view_release(two);
    xds_view_release(one);
    xds_view_release(base);
}

static void test_a_name_and_its_version_do_not_run_into_each_other(void **state)
{
    (void)state;
    struct xds_resource *one[] = { xds_resource_new(XDS_CLUSTER, "a", (const uint8_t *)"x", 1) };
    struct xds_resource *two[] = { xds_resource_new(XDS_CLUSTER, "b", (const uint8_t *)"x", 1) };
    const size_t counts[XDS_TYPE_COUNT] = { 1 };
    struct xds_view *a =
        xds_view_new(1, NULL, (struct xds_resource * *const[XDS_TYPE_COUNT]){ one }, counts);
    struct xds_view *b =
        xds_view_new(1, NULL, (struct xds_resource * *const[XDS_TYPE_COUNT]){ two }, counts);

    assert_true(hash128_equal(&one[0]->version, &two[0]->version));
    assert_false(hash128_equal(&a->own[XDS_CLUSTER].hash, &b->own[XDS_CLUSTER].hash));

    xds_view_release(a);
    xds_view_release(b);
}

static void test_a_resource_outlives_its_view(void **state)
{
    (void)state;
    struct xds_view *v = xds_view_of(1, NULL, "R:r=1");
    struct xds_resource *r = xds_resource_retain(xds_view_find(v, XDS_ROUTE, "r"));

    xds_view_release(v);

    assert_string_equal(r->name, "r");
    assert_memory_equal(r->bytes, "r=1", r->size_bytes);
    xds_resource_release(r);
    xds_resource_release(NULL);
    xds_view_release(NULL);
}

static void test_type_urls_are_read_as_they_are_written(void **state)
{
    (void)state;
    enum xds_type found;
    for (enum xds_type type = 0; type < XDS_TYPE_COUNT; type++) {
        assert_true(xds_type_from_url(xds_type_url(type), &found));
        assert_int_equal(found, type);
    }
    assert_false(xds_type_from_url("", &found));
    assert_false(xds_type_from_url("type.googleapis.com/envoy.config.cluster.v3.Clusters", &found));
}

/* ---- from one view to another ---- */

static void assert_changes(
    const struct xds_view *from, const struct xds_view *to, const char *expected)
{
    struct arena *a = arena_new();
    struct buf text = { 0 };
    string_list names = { 0 };
    buf_text(&text, "");
    xds_view_changes(a, from, to, XDS_CLUSTER, &names);
    for (size_t i = 0; i < names.count; i++)
        buf_printf(&text, "%s ", names.items[i]);
    assert_string_equal(text.data, expected);
    buf_fini(&text);
    arena_free(a);
}

static void test_what_differs_between_views_is_found_with_and_without_steps(void **state)
{
    (void)state;
    struct xds_view *one = xds_view_of(1, NULL, "C:a=1 C:b=1 C:c=1");
    struct xds_view *two = xds_view_of(2, NULL, "C:a=1 C:b=2 C:d=1");
    struct xds_view *three = xds_view_of(3, NULL, "C:a=3 C:b=2 C:d=1");
    struct xds_view *on_one = xds_view_of(1, one, "C:x=1 C:y=1");
    struct xds_view *on_two = xds_view_of(2, two, "C:x=2 C:y=1");
    struct xds_view *on_three = xds_view_of(3, three, "C:y=1");

    assert_changes(on_one, on_one, "");
    assert_changes(on_one, on_two, "x b c d ");
    assert_changes(on_two, on_three, "x a ");
    assert_changes(one, two, "b c d ");

    xds_view_follow(two, one);
    xds_view_follow(three, two);
    assert_changes(on_one, on_two, "x b c d ");
    assert_changes(on_one, on_three, "x a b c d "); /* by both steps */
    assert_changes(on_three, on_one, "x a b c d "); /* there is no step back */

    xds_view_release(on_three);
    xds_view_release(on_two);
    xds_view_release(on_one);
    xds_view_release(three);
    xds_view_release(two);
    xds_view_release(one);
}

static void test_many_steps_are_looked_through_and_more_are_not_kept(void **state)
{
    (void)state;
    enum { VIEWS = 80 };
    struct arena *a = arena_new();
    struct xds_view *first = xds_view_of(0, NULL, "C:a=0 C:z=0"), *views[VIEWS];
    for (int i = 0; i < VIEWS; i++) {
        views[i] = xds_view_of(i, NULL, arena_printf(a, "C:a=%d C:z=0", i + 1));
        xds_view_follow(views[i], i ? views[i - 1] : first);
    }
    for (int i = 0; i < VIEWS; i++) {
        struct xds_view *from = xds_view_of(1, first, "");
        struct xds_view *to = xds_view_of(1, views[i], "");
        string_list names = { 0 };
        xds_view_changes(a, from, to, XDS_CLUSTER, &names);
        assert_true(names.count > 0);
        for (size_t n = 0; n < names.count; n++)
            assert_string_equal(names.items[n], "a");
        xds_view_release(to);
        xds_view_release(from);
    }
    for (int i = 0; i < VIEWS; i++)
        xds_view_release(views[i]);
    xds_view_release(first);
    arena_free(a);
}

/* ---- known ---- */

/* "a b* -c ": entries; an asterisk where the name is asked for, a minus where nothing is held. */
static void assert_entries(const struct known *k, const char *expected)
{
    struct buf text = { 0 };
    buf_text(&text, "");
    for (size_t i = 0; i < k->count; i++)
        buf_printf(&text,
            "%s%s%s ",
            known_is_held(k->items[i]) ? "" : "-",
            known_name(k->items[i]),
            k->items[i] & KNOWN_ASKED ? "*" : "");
    assert_string_equal(text.data, expected);
    buf_fini(&text);
}

static void test_of_what_most_have_only_the_exceptions_are_kept(void **state)
{
    (void)state;
    struct xds_view *one = xds_view_of(1, NULL, "C:a=1 C:b=1 C:c=1 C:d=1");
    struct xds_view *two = xds_view_of(2, NULL, "C:a=1 C:b=2 C:d=1 C:e=1");
    static const char *changed[] = { "b", "c", "e" };
    const string_list names = { changed, ARRAY_COUNT(changed) };
    struct known k = { 0 };
    for (size_t i = 0; i < one->own[XDS_CLUSTER].count; i++)
        known_append(&k, known_sent(one->own[XDS_CLUSTER].items[i], KNOWN_ASKED));
    known_keep_rest(&k, one, XDS_CLUSTER, 0);
    assert_entries(&k, "a* b* c* d* "); /* they are otherwise than without a flag */

    known_keep_rest(&k, one, XDS_CLUSTER, KNOWN_ASKED);
    assert_entries(&k, "");
    assert_true(known_resource(known_of(&k, "c")) == one->own[XDS_CLUSTER].items[2]);
    assert_true(known_is_nothing(known_of(&k, "e")));

    known_move(&k, two, &names);
    assert_entries(&k, "b* c* -e "); /* the former b and c, no e */
    *known_own(&k, "d") |= KNOWN_REFUSED;
    known_tidy(&k);
    assert_entries(&k, "b* c* d* -e ");
    *known_own(&k, "d") &= ~(known_entry)KNOWN_REFUSED;
    known_tidy(&k);
    assert_entries(&k, "b* c* -e ");

    known_spread(&k);
    assert_entries(&k, "a* b* c* d* -e ");
    known_keep_rest(&k, two, XDS_CLUSTER, KNOWN_ASKED); /* three others of five are too many */
    assert_entries(&k, "a* b* c* d* -e ");
    known_fini(&k);
    xds_view_release(two);
    xds_view_release(one);
}

static void test_only_the_last_are_known_to_the_moment(void **state)
{
    (void)state;
    struct arena *a = arena_new();
    struct known k = { 0 };
    struct xds_resource *all[KNOWN_TIMES + 2];
    for (size_t i = 0; i < ARRAY_COUNT(all); i++)
        all[i] = xds_resource_of(XDS_CLUSTER, arena_printf(a, "c%02zu=1", i));

    assert_int_equal(known_sent_ms(&k, "c00"), 0);
    known_note_sent(&k, all, ARRAY_COUNT(all), 100);
    assert_int_equal(known_sent_ms(&k, "c00"), 100);
    for (size_t i = 0; i <= KNOWN_TIMES; i++)
        known_note_sent(&k, all + i, 1, 200 + (int64_t)i);
    known_note_sent(&k, all + 5, 1, 300);
    assert_int_equal(known_sent_ms(&k, "c00"), 100); /* at the earliest */
    assert_int_equal(known_sent_ms(&k, "c01"), 201);
    assert_int_equal(known_sent_ms(&k, "c05"), 300);
    assert_int_equal(known_sent_ms(&k, "c16"), 216);
    known_note_sent(&k, all, ARRAY_COUNT(all), 400);
    assert_int_equal(known_sent_ms(&k, "c05"), 400);

    known_fini(&k);
    for (size_t i = 0; i < ARRAY_COUNT(all); i++)
        xds_resource_release(all[i]);
    arena_free(a);
}

static const char *const some_names[] = { "m", "c", "x", "m", "a" };
static const char *const more_names[] = { "b", "m", "z", "", "b" };

static void assert_names(const struct known *k, const char *expected)
{
    struct buf text = { 0 };
    for (size_t i = 0; i < k->count; i++)
        buf_printf(&text, "%s ", known_name(k->items[i]));
    assert_string_equal(text.data, expected);
    buf_fini(&text);
}

static string_list list_of(const char *const *names, size_t count)
{
    return (string_list){ (const char **)(uintptr_t)names, count };
}

static void test_names_are_added_once_and_in_order(void **state)
{
    (void)state;
    struct known k = { 0 };
    const string_list some = list_of(some_names, ARRAY_COUNT(some_names));
    const string_list more = list_of(more_names, ARRAY_COUNT(more_names));

    assert_true(known_add(&k, &some, 0));
    assert_names(&k, "a c m x ");
    assert_false(known_add(&k, &some, 0));
    assert_true(known_add(&k, &more, 0));
    assert_names(&k, " a b c m x z ");

    assert_string_equal(known_name(*known_find(&k, "m")), "m");
    assert_null(known_find(&k, "n"));
    *known_find(&k, "b") |= KNOWN_ASKED;
    known_drop_unasked(&k);
    assert_names(&k, "b ");
    known_fini(&k);
}

static void test_what_a_proxy_says_it_has_is_compared_by_version(void **state)
{
    (void)state;
    struct arena *a = arena_new();
    struct xds_resource *r = xds_resource_of(XDS_CLUSTER, "a=1");
    struct xds_resource *nulls = xds_resource_of(XDS_CLUSTER, "a=2");
    memset(&nulls->version, 0, sizeof nulls->version);
    const struct {
        const char *text;
        bool is_equal;
    } rows[] = { { xds_version_of(a, "a=1"), true },
        { xds_version_of(a, "a=2"), false },
        { "", false },
        { "1", false },
        { "zz345678901234567890123456789012", false } };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        known_entry e = known_version("a", rows[i].text);
        assert_int_equal(known_is_version(e, &r->version), rows[i].is_equal);
        assert_true(known_is_held(e));
        assert_null(known_resource(e));
        known_drop(e);
    }
    known_entry sent = known_sent(r, KNOWN_ASKED | KNOWN_REFUSED);
    assert_true(known_is_version(sent, &r->version) && known_resource(sent) == r);
    known_entry nothing = known_nothing("a", KNOWN_ASKED, true);
    assert_true(known_is_told_absent(nothing) && !known_is_held(nothing));
    assert_false(known_is_version(nothing, &nulls->version));

    known_drop(nothing);
    known_drop(sent);
    xds_resource_release(nulls);
    xds_resource_release(r);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_view_is_sorted_and_without_repetitions),
        cmocka_unit_test(test_a_name_is_found_in_the_view_and_in_its_base),
        cmocka_unit_test(test_equal_content_has_an_equal_hash),
        cmocka_unit_test(test_a_name_and_its_version_do_not_run_into_each_other),
        cmocka_unit_test(test_a_resource_outlives_its_view),
        cmocka_unit_test(test_type_urls_are_read_as_they_are_written),
        cmocka_unit_test(test_what_differs_between_views_is_found_with_and_without_steps),
        cmocka_unit_test(test_many_steps_are_looked_through_and_more_are_not_kept),
        cmocka_unit_test(test_of_what_most_have_only_the_exceptions_are_kept),
        cmocka_unit_test(test_only_the_last_are_known_to_the_moment),
        cmocka_unit_test(test_names_are_added_once_and_in_order),
        cmocka_unit_test(test_what_a_proxy_says_it_has_is_compared_by_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
