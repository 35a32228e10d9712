/* yaml: documents into trees, with the place of every key; what is refused, and where. */
#include "base/map.h"
#include "base/path.h"
#include "base/yaml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

struct reading {
    struct arena *a;
    struct diags diags;
    struct yaml_file file;
};

static int setup(void **state)
{
    struct reading *r = xcalloc(1, sizeof *r);
    r->a = arena_new();
    diags_init(&r->diags, r->a);
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    struct reading *r = *state;
    yaml_file_fini(&r->file);
    arena_free(r->a);
    free(r);
    return 0;
}

static void read_bytes(struct reading *r, const char *text, size_t size)
{
    if (r->file.arena)
        yaml_file_fini(&r->file);
    diags_init(&r->diags, r->a);
    yaml_read(text, size, &r->file, &r->diags);
}

static void read_text(struct reading *r, const char *text)
{
    read_bytes(r, text, strlen(text));
}

static const char *print(struct reading *r, size_t index)
{
    assert_true(index < r->file.documents.count);
    char *text = cJSON_PrintUnformatted(r->file.documents.items[index].root);
    const char *copy = arena_strdup(r->a, text);
    free(text);
    return copy;
}

/* All faults, as "LINE:COLUMN: PATH: message", one a line. */
static const char *faults_of(struct reading *r)
{
    const char *all = "";
    for (list_each (const struct diag, diag, &r->diags.list))
        all = arena_printf(
            r->a, "%s%u:%u: %s\n", all, diag->line, diag->column, diag_text(r->a, diag));
    return all;
}

static void test_plain_scalars_have_the_types_of_yaml_1_2(void **state)
{
    struct reading *r = *state;

    read_text(
        r, "[1, -0.5, 1e3, true, FALSE, null, ~, {k: }, no, 012, 0x1f, .5, 1., +1, \"1\", '']");

    assert_string_equal(faults_of(r), "");
    assert_string_equal(print(r, 0),
        "[1,-0.5,1000,true,false,null,null,{\"k\":null},\"no\",\"012\",\"0x1f\",\".5\",\"1.\",\"+"
        "1\","
        "\"1\",\"\"]");
}

static void test_json_is_read_the_same(void **state)
{
    struct reading *r = *state;

    read_text(r, "{\"a\":\"\\ud83d\\ude00 \\/ \\\\ud83d\\u00e9\",\n\t\"b\":[1,{\"c\":null}]}");

    assert_string_equal(faults_of(r), "");
    assert_string_equal(print(r, 0), "{\"a\":\"😀 / \\\\ud83dé\",\"b\":[1,{\"c\":null}]}");
}

static void test_every_document_is_kept_with_its_line(void **state)
{
    struct reading *r = *state;

    read_text(r, "# first\na: 1\n---\n---\nb: 2\n...\n");

    assert_int_equal(r->file.documents.count, 3);
    assert_string_equal(print(r, 0), "{\"a\":1}");
    assert_null(r->file.documents.items[1].root);
    assert_string_equal(print(r, 2), "{\"b\":2}");
    assert_int_equal(r->file.documents.items[2].line, 4);
}

static void test_nothing_is_no_document(void **state)
{
    struct reading *r = *state;

    read_text(r, "");
    assert_int_equal(r->file.documents.count, 0);

    read_text(r, "# a comment\n");
    assert_int_equal(r->file.documents.count, 0);
    assert_string_equal(faults_of(r), "");
}

static void test_diags_are_placed_at_their_key_or_what_encloses_it(void **state)
{
    static const struct {
        const char *path;
        unsigned line, column;
    } places[] = {
        { "spec.hosts[1]", 2, 14 },
        { "spec.http[0].match", 4, 5 },
        { "spec.http[0].match[0].nothing", 5, 7 },
        { "spec.labels[\"a.b/c\"]", 6, 12 },
        { "spec.labels[\"a.b/d\"].x", 6, 3 },
        { "nowhere[3].at[\"a]\\\"l\"]", 1, 1 },
        { "", 1, 1 },
    };
    struct reading *r = *state;
    read_text(r,
        "spec:\n"
        "  hosts: [a, b]\n"
        "  http:\n"
        "  - match:\n"
        "    - uri: {}\n"
        "  labels: {a.b/c: x}\n");

    for (size_t i = 0; i < ARRAY_COUNT(places); i++)
        diag_add(&r->diags, DIAG_ERROR, DIAG_RULE, places[i].path, NULL, "x");
    yaml_locate(&r->file.documents.items[0], &r->diags);

    for (size_t i = 0; i < ARRAY_COUNT(places); i++) {
        assert_int_equal(r->diags.list.items[i].line, places[i].line);
        assert_int_equal(r->diags.list.items[i].column, places[i].column);
    }
}

static void test_a_diag_that_has_a_place_keeps_it(void **state)
{
    struct reading *r = *state;
    read_text(r, "a: 1\n");
    diag_add(&r->diags, DIAG_ERROR, DIAG_RULE, "a", NULL, "x");
    r->diags.list.items[0].line = 7;

    yaml_locate(&r->file.documents.items[0], &r->diags);

    assert_int_equal(r->diags.list.items[0].line, 7);
}

static void test_all_faults_of_a_document_are_told(void **state)
{
    struct reading *r = *state;

    read_text(r,
        "a: 1\n"
        "a: 2\n"
        "b: &x 3\n"
        "c: *x\n"
        "d: !!str 3\n"
        "? [e]\n"
        ": 3\n"
        "f: 9007199254740993\n"
        "g: \"x\\0y\"\n");

    assert_string_equal(faults_of(r),
        "2:1: a: is given twice [PIL0101]\n"
        "3:4: b: uses an anchor, alias or tag, which are not accepted [PIL0101]\n"
        "4:4: c: uses an anchor, alias or tag, which are not accepted [PIL0101]\n"
        "5:4: d: uses an anchor, alias or tag, which are not accepted [PIL0101]\n"
        "6:3: has a key that is not a plain string [PIL0101]\n"
        "8:4: f: is a number too large to be kept exactly; quote it if it is meant as text "
        "[PIL0101]\n"
        "9:4: g: contains a NUL character [PIL0101]\n");
    assert_int_equal(r->file.documents.count, 0);
}

static void test_documents_around_a_faulty_one_are_kept(void **state)
{
    struct reading *r = *state;

    read_text(r, "a: 1\n---\nb: *x\n---\nc: 3\n---\nd: [\n");

    assert_int_equal(r->file.documents.count, 2);
    assert_string_equal(print(r, 0), "{\"a\":1}");
    assert_string_equal(print(r, 1), "{\"c\":3}");
    assert_int_equal(r->diags.errors, 2);
    assert_int_equal(r->diags.list.items[1].line, 8);
}

static void test_bytes_that_are_not_utf8_are_placed(void **state)
{
    struct reading *r = *state;

    read_text(r, "a: b\nc: \xff\xfe\n");

    assert_string_equal(faults_of(r), "2:4: is not YAML: invalid leading UTF-8 octet [PIL0101]\n");
}

static const char *repeat(struct arena *a, const char *piece, size_t count)
{
    size_t size = strlen(piece);
    char *text = arena_alloc(a, size * count + 1, 1);
    for (size_t i = 0; i < count; i++)
        memcpy(text + i * size, piece, size);
    return text;
}

static void test_nesting_is_limited(void **state)
{
    struct reading *r = *state;

    read_text(r,
        arena_printf(
            r->a, "%s%s", repeat(r->a, "[", JSON_MAX_DEPTH), repeat(r->a, "]", JSON_MAX_DEPTH)));
    assert_int_equal(r->diags.errors, 0);

    read_text(r,
        arena_printf(r->a,
            "%s%s\n---\na: 1\n",
            repeat(r->a, "[", JSON_MAX_DEPTH + 1),
            repeat(r->a, "]", JSON_MAX_DEPTH + 1)));
    assert_int_equal(r->diags.errors, 1);
    assert_int_equal(r->diags.list.items[0].column, JSON_MAX_DEPTH + 1);
    assert_string_equal(r->diags.list.items[0].message, "nested deeper than 64 levels");
    assert_int_equal(r->file.documents.count, 1);

    read_text(r, repeat(r->a, "[", 10000));
    assert_true(r->diags.errors > 0);
    read_text(r, repeat(r->a, "- ", 10000));
    assert_true(r->diags.errors > 0);
}

static void test_paths_quote_keys_that_are_no_identifiers(void **state)
{
    struct reading *r = *state;
    struct buf path = { 0 };

    path_add_key(&path, "spec");
    path_add_index(&path, 2);
    path_add_key(&path, "a_1");
    path_add_key(&path, "x.\"y\"\n");
    assert_string_equal(path.data, "spec[2].a_1[\"x.\\\"y\\\"\\u000a\"]");

    size_t size = path_parent_size(path.data, path.size);
    assert_int_equal(size, strlen("spec[2].a_1"));
    size = path_parent_size(path.data, size);
    assert_int_equal(size, strlen("spec[2]"));
    size = path_parent_size(path.data, size);
    assert_int_equal(size, strlen("spec"));
    assert_int_equal(path_parent_size(path.data, size), 0);

    buf_clear(&path);
    path_add_key(&path, repeat(r->a, "é", 100000));
    assert_true(path.size < 2 * PATH_KEY_MAX);
    assert_int_equal(path_parent_size(path.data, path.size), 0);
    buf_fini(&path);
}

/* What is written is read as the same tree: texts that look like something else, too. */
static void test_what_is_written_reads_the_same(void **state)
{
    static const char json[] = "{\"a\":[1,-2.5,true,null,[],{},\"\"],\"texts\":[\"true\",\"no\","
                               "\"null\",\"017\",\"1e3\",\".5\","
                               "\"~\",\"a: b\",\"# c\",\"- d\",\"two\\nlines\\n\",\" blank "
                               "\",\"*\",\"&x\",\"é\",\"\\u0007\"],"
                               "\"on\":{\"a b\":[[1],{\"x\":{\"y\":[]}}]}}";
    struct reading *r = *state;
    struct buf out = { 0 };
    struct yaml_file file = { 0 };
    struct diags d;
    cJSON *tree = cJSON_Parse(json);
    assert_non_null(tree);

    yaml_write(tree, &out);

    diags_init(&d, r->a);
    yaml_read(out.data, out.size, &file, &d);
    assert_int_equal(d.errors, 0);
    assert_int_equal(file.documents.count, 1);
    assert_true(cJSON_Compare(tree, file.documents.items[0].root, true));
    yaml_file_fini(&file);
    cJSON_Delete(tree);
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            test_plain_scalars_have_the_types_of_yaml_1_2, setup, teardown),
        cmocka_unit_test_setup_teardown(test_json_is_read_the_same, setup, teardown),
        cmocka_unit_test_setup_teardown(test_every_document_is_kept_with_its_line, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nothing_is_no_document, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_diags_are_placed_at_their_key_or_what_encloses_it, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_diag_that_has_a_place_keeps_it, setup, teardown),
        cmocka_unit_test_setup_teardown(test_all_faults_of_a_document_are_told, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_documents_around_a_faulty_one_are_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bytes_that_are_not_utf8_are_placed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nesting_is_limited, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_paths_quote_keys_that_are_no_identifiers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_written_reads_the_same, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
