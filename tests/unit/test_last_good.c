/* The copy on disk: what is written is read again, and nothing else is believed. */
#include "daemon/keeper.h"
#include "daemon/last_good.h"

#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define MESH "{\"rootNamespace\":\"root\"}"
#define WEB  "{\"address\":\"10.0.0.1\",\"ports\":{\"http\":80}}"

struct world {
    struct arena *a;
    char dir[64], path[96];
    struct object *objects[2];
    struct last_good_copy copy;
    struct error err;
};

static struct object *decode(const char *key, const char *value, int64_t revision, struct arena *a)
{
    struct diags d;
    diags_init(&d, a);
    struct object *o = object_decode(key, value, strlen(value), revision, &d);
    assert_non_null(o);
    return o;
}

static int setup(void **state)
{
    struct world *w = xcalloc(1, sizeof *w);
    w->a = arena_new();
    snprintf(w->dir, sizeof w->dir, "/tmp/pilotd-test-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    snprintf(w->path, sizeof w->path, "%s/last-good", w->dir);
    w->objects[0] = decode("mesh", MESH, 3, w->a);
    w->objects[1] = decode("registry/default/web/i1", WEB, 17, w->a);
    w->objects[1]->mod_revision = 23;
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    unlink(w->path);
    assert_int_equal(rmdir(w->dir), 0); /* nothing else is left there */
    object_release(w->objects[0]);
    object_release(w->objects[1]);
    arena_free(w->a);
    free(w);
    return 0;
}

static bool write_copy(struct world *w, int64_t revision)
{
    const struct last_good_state state = { "e1", revision, 1, w->objects, 2 };
    size_t bytes;
    return last_good_write(w->dir, &state, &bytes, &w->err);
}

static bool read_copy(struct world *w)
{
    return last_good_read(w->a, w->dir, &w->copy, &w->err);
}

static struct buf content(const struct world *w)
{
    struct buf text = { 0 };
    char piece[4096];
    FILE *file = fopen(w->path, "r");
    assert_non_null(file);
    for (size_t count; (count = fread(piece, 1, sizeof piece, file)) > 0;)
        buf_append(&text, piece, count);
    fclose(file);
    return text;
}

static void put_content(const struct world *w, const char *text, size_t size)
{
    FILE *file = fopen(w->path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, size, file), size);
    fclose(file);
}

static void test_what_is_written_is_read(void **state)
{
    struct world *w = *state;

    assert_true(write_copy(w, 1234));
    assert_true(read_copy(w));

    assert_string_equal(w->copy.epoch, "e1");
    assert_int_equal(w->copy.revision, 1234);
    assert_int_equal(w->copy.level, 1);
    assert_int_equal(w->copy.entries.count, 2);
    const struct store_entry *web = &w->copy.entries.items[1];
    assert_string_equal(web->key, "registry/default/web/i1");
    assert_string_equal(web->value, WEB);
    assert_int_equal(web->size, strlen(WEB));
    assert_int_equal(web->create_revision, 17);
    assert_int_equal(web->mod_revision, 23);
    struct object *again = decode(web->key, web->value, web->create_revision, w->a);
    assert_true(hash128_equal(&again->digest, &w->objects[1]->digest));
    object_release(again);
}

static void test_the_next_takes_the_place_of_the_last(void **state)
{
    struct world *w = *state;

    assert_true(write_copy(w, 1));
    assert_true(write_copy(w, 2));

    assert_true(read_copy(w));
    assert_int_equal(w->copy.revision, 2);
}

static void test_there_may_be_none(void **state)
{
    struct world *w = *state;

    assert_false(read_copy(w));

    assert_int_equal(w->err.code, ERROR_NOT_FOUND);
}

static void test_what_is_cut_off_anywhere_is_refused(void **state)
{
    struct world *w = *state;
    assert_true(write_copy(w, 1));
    struct buf text = content(w);

    for (size_t size = 0; size < text.size; size++) {
        put_content(w, text.data, size);
        assert_false(read_copy(w));
        assert_int_equal(w->err.code, ERROR_GARBLED);
        assert_non_null(strstr(w->err.text, w->path));
    }
    buf_fini(&text);
}

static void test_what_was_changed_anywhere_is_refused(void **state)
{
    struct world *w = *state;
    assert_true(write_copy(w, 1));
    struct buf text = content(w);

    for (size_t i = 0; i < text.size; i++) {
        text.data[i] ^= 1;
        put_content(w, text.data, text.size);
        assert_false(read_copy(w));
        text.data[i] ^= 1;
    }
    put_content(w, text.data, text.size);
    assert_true(read_copy(w));
    buf_fini(&text);
}

static void test_the_reason_is_told(void **state)
{
    static const struct {
        const char *text, *why;
    } cases[] = {
        { "hello, this is somebody's diary\n", "it is no copy that pilotd has written" },
        { "pilotd last-good 1\n", "it is of a version that this pilotd does not know" },
        { "pilotd last-good 2\nepoch", "it is cut off" },
    };
    struct world *w = *state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        put_content(w, cases[i].text, strlen(cases[i].text));
        assert_false(read_copy(w));
        assert_non_null(strstr(w->err.text, cases[i].why));
    }
}

/* Well hashed, and nonsense all the same. */
static void test_lines_that_say_something_else_are_refused(void **state)
{
    static const char *const bodies[] = {
        "pilotd last-good 2\n",
        "pilotd last-good 2\nepoch e\nrevision x\nobjects 0\n",
        "pilotd last-good 2\nepoch e\nrevision 1\nlevel 1\nobjects 1\n",
        "pilotd last-good 2\nepoch e\nrevision 1\nlevel 1\nobjects 0\n0 0 1 1\nab\n",
        "pilotd last-good 2\nepoch e\nrevision 1\nlevel 1\nobjects 1\n0 0 999999999999999999 "
        "1\nab\n",
        "pilotd last-good 2\nepoch e\nrevision 1\nlevel 1\nobjects 1\n0 0 -1 1\nab\n",
    };
    struct world *w = *state;
    for (size_t i = 0; i < ARRAY_COUNT(bodies); i++) {
        char hash_text[HASH128_TEXT_BYTES];
        struct hash128 hash = hash128_of(bodies[i], strlen(bodies[i]));
        hash128_text(&hash, hash_text);
        char *text = arena_printf(w->a, "%shash %s\n", bodies[i], hash_text);
        put_content(w, text, strlen(text));
        assert_false(read_copy(w));
        assert_non_null(strstr(w->err.text, "its lines are not what they must be"));
    }
}

static void test_a_write_that_fails_leaves_the_former(void **state)
{
    struct world *w = *state;
    const struct last_good_state other = { "e1", 2, 1, w->objects, 2 };
    size_t bytes;
    assert_true(write_copy(w, 1));

    assert_false(last_good_write("/nowhere/at/all", &other, &bytes, &w->err));
    assert_non_null(strstr(w->err.text, "/nowhere/at/all/last-good: No such file"));

    assert_true(read_copy(w));
    assert_int_equal(w->copy.revision, 1);
}

static void test_a_copy_that_takes_long_is_written_less_often(void **state)
{
    (void)state;
    assert_int_equal(keeper_rest_ms(0), 1000);
    assert_int_equal(keeper_rest_ms(50), 1000);
    assert_int_equal(keeper_rest_ms(200), 4000);
    assert_int_equal(keeper_rest_ms(3000), 5000);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_what_is_written_is_read),
        TEST(test_the_next_takes_the_place_of_the_last),
        TEST(test_there_may_be_none),
        cmocka_unit_test(test_a_copy_that_takes_long_is_written_less_often),
        TEST(test_what_is_cut_off_anywhere_is_refused),
        TEST(test_what_was_changed_anywhere_is_refused),
        TEST(test_the_reason_is_told),
        TEST(test_lines_that_say_something_else_are_refused),
        TEST(test_a_write_that_fails_leaves_the_former),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
