/* base: arena, lists, buf, map, hash, error, diag, json. */
#include "base/buf.h"
#include "base/diag.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/log.h"
#include "base/map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void test_arena_memory_is_zeroed_and_aligned(void **state)
{
    (void)state;
    struct arena *a = arena_new();

    for (size_t size = 1; size < 200000; size = size * 3 + 1) {
        unsigned char *bytes = arena_alloc(a, size, 16);
        assert_int_equal((uintptr_t)bytes % 16, 0);
        for (size_t i = 0; i < size; i += 97)
            assert_int_equal(bytes[i], 0);
        memset(bytes, 0xff, size);
    }

    arena_free(a);
}

static void test_list_push_keeps_every_item(void **state)
{
    (void)state;
    struct arena *a = arena_new();
    LIST(int) list = { 0 };

    for (int i = 0; i < 1000; i++)
        list_push(a, &list, i);

    int next = 0;
    for (list_each (int, item, &list))
        assert_int_equal(*item, next++);
    assert_int_equal(next, 1000);
    arena_free(a);
}

static void test_buf_grows_consumes_and_stays_a_string(void **state)
{
    (void)state;
    struct buf b = { 0 };

    for (int i = 0; i < 1000; i++)
        buf_printf(&b, "%d,", i);
    assert_int_equal(strlen(b.data), b.size);
    buf_consume(&b, 4);

    assert_memory_equal(b.data, "2,3,", 4);
    assert_int_equal(b.data[b.size], 0);
    buf_fini(&b);
}

static void collect(const char *key, void *value, void *context)
{
    buf_printf(context, "%s=%s ", key, (const char *)value);
}

static void test_map_iterates_in_key_order(void **state)
{
    (void)state;
    struct map m = { 0 };
    struct buf seen = { 0 };
    char values[] = "v";

    assert_null(map_put(&m, "b", values));
    assert_null(map_put(&m, "a/b", values));
    assert_null(map_put(&m, "c", values));
    assert_ptr_equal(map_put(&m, "c", values), values);
    assert_ptr_equal(map_remove(&m, "b"), values);
    assert_null(map_remove(&m, "b"));
    map_each (&m, collect, &seen)
        ;

    assert_string_equal(seen.data, "a/b=v c=v ");
    assert_int_equal(m.count, 2);
    assert_null(map_find(&m, "b"));
    map_fini(&m, NULL);
    buf_fini(&seen);
}

static void test_hash_is_sha256_cut_to_128_bits(void **state)
{
    (void)state;
    char text[HASH128_TEXT_BYTES];

    struct hash128 whole = hash128_of("abc", 3);
    struct hasher *h = hasher_new();
    hasher_add(h, "a", 1);
    hasher_add(h, "bc", 2);
    struct hash128 parts = hasher_finish(h);

    hash128_text(&whole, text);
    assert_string_equal(text, "ba7816bf8f01cfea414140de5dae2223");
    assert_true(hash128_equal(&whole, &parts));
}

static void test_error_context_is_put_in_front_and_cut_safely(void **state)
{
    (void)state;
    struct error err;
    char wide[2000];
    memset(wide, 'x', sizeof wide - 1);
    wide[sizeof wide - 1] = '\0';

    assert_false(error_set(&err, ERROR_IO, "no such file"));
    error_context(&err, "reading %s", "a.yaml");
    assert_string_equal(err.text, "reading a.yaml: no such file");
    assert_int_equal(err.code, ERROR_IO);

    error_context(&err, "%s", wide);
    assert_int_equal(strlen(err.text) < sizeof err.text, 1);
}

static void test_nearest_finds_typos_and_refuses_strangers(void **state)
{
    (void)state;
    const char *const names[] = { "prefix", "exact", "regex" };

    assert_string_equal(diag_nearest("prefx", names, 3), "prefix");
    assert_string_equal(diag_nearest("regexx", names, 3), "regex");
    assert_null(diag_nearest("host", names, 3));
    assert_null(diag_nearest("", names, 3));
}

static void test_diags_keep_a_limit_and_count_the_rest(void **state)
{
    (void)state;
    struct arena *a = arena_new();
    struct diags d;
    diags_init(&d, a);

    for (int i = 0; i < DIAGS_LIMIT + 7; i++)
        diag_add(&d, DIAG_ERROR, DIAG_REQUIRED, "spec.hosts", "name one", "is required");

    assert_int_equal(d.list.count, DIAGS_LIMIT);
    assert_int_equal(d.dropped, 7);
    assert_int_equal(d.errors, DIAGS_LIMIT + 7);
    assert_string_equal(
        diag_text(a, &d.list.items[0]), "spec.hosts: is required; name one [PIL0104]");
    arena_free(a);
}

/* What json_parse refuses, and a piece of what it must say. */
static const struct {
    const char *text, *says;
} refused[] = {
    { "", "not JSON" },
    { "{", "not JSON" },
    { "{\"a\":1} x", "stopped at byte 8" },
    { "{\"a\":1,\"b\":{\"c\":1,\"c\":2}}", "\"c\" is given twice" },
};

static void test_json_refuses_what_is_not_strict(void **state)
{
    (void)state;
    struct arena *a = arena_new();

    for (size_t i = 0; i < ARRAY_COUNT(refused); i++) {
        struct diags d;
        diags_init(&d, a);
        assert_null(json_parse(refused[i].text, strlen(refused[i].text), 1000, &d));
        assert_int_equal(d.errors, 1);
        assert_non_null(strstr(d.list.items[0].message, refused[i].says));
    }
    arena_free(a);
}

static void test_json_refuses_deep_nesting_and_large_documents(void **state)
{
    (void)state;
    enum { DEEP = 10000 };
    struct arena *a = arena_new();
    struct diags d;
    diags_init(&d, a);
    char *deep = arena_alloc(a, 2 * DEEP, 1);
    memset(deep, '[', DEEP);
    memset(deep + DEEP, ']', DEEP);

    assert_null(json_parse(deep, 2 * DEEP, 3 * DEEP, &d));
    assert_null(json_parse(deep, 2 * DEEP, 10, &d));

    assert_int_equal(d.list.items[0].code, DIAG_NOT_JSON);
    assert_int_equal(d.list.items[1].code, DIAG_TOO_LARGE);
    arena_free(a);
}

static void test_lines_of_others_are_limited(void **state)
{
    struct log_limit limit = { 0 };
    unsigned left_out, allowed = 0;
    (void)state;

    for (unsigned i = 0; i < 100; i++)
        allowed += log_limit_allows(&limit, 5, &left_out);
    assert_int_equal(allowed, LOG_LIMIT_LINES);
    assert_false(log_limit_allows(&limit, 4 + LOG_LIMIT_MS, &left_out));

    assert_true(log_limit_allows(&limit, 5 + LOG_LIMIT_MS, &left_out));
    assert_int_equal(left_out, 101 - LOG_LIMIT_LINES);
    assert_true(log_limit_allows(&limit, 5 + LOG_LIMIT_MS, &left_out));
    assert_int_equal(left_out, 0);
}

/* What log_write writes to standard error for one value. */
static void log_line_of(const char *value, char *line, size_t size)
{
    int ends[2], stderr_was = dup(STDERR_FILENO);
    assert_int_equal(pipe(ends), 0);
    dup2(ends[1], STDERR_FILENO);
    log_info(NULL, "hello", LOG_STR("value", value));
    dup2(stderr_was, STDERR_FILENO);
    close(stderr_was);
    close(ends[1]);
    ssize_t got = read(ends[0], line, size - 1);
    close(ends[0]);
    assert_true(got > 0);
    line[got] = '\0';
}

static void test_a_value_cannot_forge_a_line_of_the_log(void **state)
{
    (void)state;
    static const struct {
        const char *value, *end;
    } cases[] = {
        { "plain", " msg=hello value=plain\n" },
        { "", " msg=hello value=\"\"\n" },
        { "a b", " msg=hello value=\"a b\"\n" },
        { "x\nlevel=error", " msg=hello value=\"x\\x0alevel=error\"\n" },
        { "\r\t\x1b[2J\x7f", " msg=hello value=\"\\x0d\\x09\\x1b[2J\\x7f\"\n" },
        { "\" rev=\\", " msg=hello value=\"\\\" rev=\\\\\"\n" },
        { "caf\xc3\xa9", " msg=hello value=\"caf\xc3\xa9\"\n" },
        { "\xc2\x9b"
          "2J",
            " msg=hello value=\"\\xc2\\x9b2J\"\n" }, /* a terminal's CSI */
        { "\xff\xe9", " msg=hello value=\"\\xff\\xe9\"\n" },
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        char line[256];
        log_line_of(cases[i].value, line, sizeof line);
        const char *end = strstr(line, " msg=");
        assert_non_null(end);
        assert_string_equal(end, cases[i].end);
    }
}

/* What is no text is told byte by byte, so that the line is JSON whatever the value. */
static void test_a_line_may_be_json(void **state)
{
    static const char *const values[] = {
        "plain", "", "a \"b\" \\", "x\n\x1b", "caf\xc3\xa9", "\xff", "\xe0\x80\x80", "\xed\xa0\x80"
    };
    (void)state;
    log_set_format(LOG_FORMAT_JSON);
    for (size_t i = 0; i < ARRAY_COUNT(values); i++) {
        char line[256];
        struct diags d;
        struct arena *a = arena_new();
        log_line_of(values[i], line, sizeof line);
        diags_init(&d, a);
        cJSON *json = json_parse(line, strlen(line), sizeof line, &d);
        assert_non_null(json);
        assert_string_equal(json_text(json, "msg"), "hello");
        assert_string_equal(json_text(json, "level"), "info");
        if (i < 5)
            assert_string_equal(json_text(json, "value"), values[i]);
        cJSON_Delete(json);
        arena_free(a);
    }
    log_set_format(LOG_FORMAT_LOGFMT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arena_memory_is_zeroed_and_aligned),
        cmocka_unit_test(test_list_push_keeps_every_item),
        cmocka_unit_test(test_buf_grows_consumes_and_stays_a_string),
        cmocka_unit_test(test_map_iterates_in_key_order),
        cmocka_unit_test(test_hash_is_sha256_cut_to_128_bits),
        cmocka_unit_test(test_error_context_is_put_in_front_and_cut_safely),
        cmocka_unit_test(test_nearest_finds_typos_and_refuses_strangers),
        cmocka_unit_test(test_diags_keep_a_limit_and_count_the_rest),
        cmocka_unit_test(test_json_refuses_what_is_not_strict),
        cmocka_unit_test(test_json_refuses_deep_nesting_and_large_documents),
        cmocka_unit_test(test_lines_of_others_are_limited),
        cmocka_unit_test(test_a_value_cannot_forge_a_line_of_the_log),
        cmocka_unit_test(test_a_line_may_be_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
