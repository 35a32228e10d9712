/* proto: what a client may send as a google.protobuf.Struct, good and hostile. */
#include "proto/pb.h"
#include "proto/pb_json.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct arena *a;

static int new_arena(void **state)
{
    (void)state;
    a = arena_new();
    return 0;
}

static int free_arena(void **state)
{
    (void)state;
    arena_free(a);
    return 0;
}

/* ---- structs, as protobuf-c packs them ---- */

static pb_Struct_FieldsEntry *member(const char *key, pb_Value *value)
{
    return pb_new_Struct_FieldsEntry(a, .key = pb_str(key), .value = value);
}

static pb_Struct *one_member(const char *key, pb_Value *value)
{
    return pb_new_Struct(a, PB_ONE(a, fields, Struct_FieldsEntry, member(key, value)));
}

static pb_Value *text_value(const char *text)
{
    return pb_new_Value(a, pb_Value_string_value(pb_str(text)));
}

/* From an exact allocation, so that a sanitizer sees a read past the end. */
static cJSON *read_exact(const uint8_t *bytes, size_t size, struct error *err)
{
    uint8_t *exact = malloc(size ? size : 1);
    if (size)
        memcpy(exact, bytes, size);
    cJSON *json = pb_struct_json(exact, size, err);
    free(exact);
    return json;
}

static void assert_read(struct pb_bytes bytes, const char *expected)
{
    struct error err;
    cJSON *json = read_exact(bytes.data, bytes.size, &err);
    assert_non_null(json);
    char *text = cJSON_PrintUnformatted(json);
    assert_string_equal(text, expected);
    cJSON_free(text);
    cJSON_Delete(json);
}

static void assert_refused(struct pb_bytes bytes, const char *why)
{
    struct error err;
    assert_null(read_exact(bytes.data, bytes.size, &err));
    assert_int_equal(err.code, ERROR_GARBLED);
    assert_non_null(strstr(err.text, why));
}

static pb_Struct *every_kind(void)
{
    pb_Value *items[] = { text_value("é\xf0\x9f\x98\x80"),
        pb_new_Value(a),
        pb_new_Value(a, pb_Value_list_value(pb_new_ListValue(a))) };
    pb_ListValue *list = pb_new_ListValue(
        a, PB_LIST(values, ARRAY_COUNT(items), arena_dup(a, items, sizeof items, sizeof *items)));
    pb_Struct *labels = one_member("app", text_value("reviews"));
    pb_Struct_FieldsEntry *fields[] = {
        member("text", text_value("v1")),
        member("number", pb_new_Value(a, pb_Value_number_value(-1.5))),
        member("false", pb_new_Value(a, pb_Value_bool_value(false))),
        member("true", pb_new_Value(a, pb_Value_bool_value(true))),
        member("null", pb_new_Value(a, pb_Value_null_value(0))),
        member("list", pb_new_Value(a, pb_Value_list_value(list))),
        member("labels", pb_new_Value(a, pb_Value_struct_value(labels))),
        member("empty", pb_new_Value(a, pb_Value_struct_value(pb_new_Struct(a)))),
    };
    return pb_new_Struct(a,
        PB_LIST(fields, ARRAY_COUNT(fields), arena_dup(a, fields, sizeof fields, sizeof *fields)));
}

static void test_every_kind_of_value_is_read_and_members_are_sorted(void **state)
{
    (void)state;

    assert_read(pb_pack(a, &every_kind()->base),
        "{\"empty\":{},\"false\":false,\"labels\":{\"app\":\"reviews\"},"
        "\"list\":[\"é\xf0\x9f\x98\x80\",null,[]],"
        "\"null\":null,\"number\":-1.5,\"text\":\"v1\",\"true\":true}");
}

static void test_no_bytes_are_an_empty_struct(void **state)
{
    (void)state;
    struct error err;

    assert_read((struct pb_bytes){ (const uint8_t *)"", 0 }, "{}");
    cJSON *json = pb_struct_json(NULL, 0, &err);
    assert_true(cJSON_IsObject(json));
    cJSON_Delete(json);
}

static void test_of_a_key_that_comes_twice_the_last_counts(void **state)
{
    (void)state;
    struct buf bytes = { 0 };
    pb_pack_append(&bytes, &one_member("a", text_value("first"))->base);
    pb_pack_append(&bytes, &one_member("a", text_value("last"))->base);

    assert_read((struct pb_bytes){ (const uint8_t *)bytes.data, bytes.size }, "{\"a\":\"last\"}");
    buf_fini(&bytes);
}

static void test_unknown_fields_are_passed_over(void **state)
{
    (void)state;
    struct buf bytes = { 0 };
    pb_append_field(&bytes, 9, "unknown", 7);
    buf_append(&bytes, "\x50\x96\x01\x5d....\x61........", 17); /* a varint, 32 and 64 bits */
    pb_pack_append(&bytes, &one_member("a", text_value("b"))->base);

    assert_read((struct pb_bytes){ (const uint8_t *)bytes.data, bytes.size }, "{\"a\":\"b\"}");
    buf_fini(&bytes);
}

/* ---- hostile ---- */

/* Structs in structs, written from the inside out, so that it costs no more than its size. */
enum { DEEP_BYTES = 1 << 20 };

static void prepend(uint8_t **at, const void *bytes, size_t size)
{
    *at -= size;
    memcpy(*at, bytes, size);
}

static void prepend_head(uint8_t **at, unsigned field_number, const uint8_t *end)
{
    struct buf head = { 0 };
    pb_append_field(&head, field_number, *at, (size_t)(end - *at));
    prepend(at, head.data, head.size - (size_t)(end - *at));
    buf_fini(&head);
}

/* A Struct whose JSON has `levels` objects one in another. */
static struct pb_bytes nested_struct(unsigned levels)
{
    uint8_t *bytes = arena_alloc(a, DEEP_BYTES, 1), *end = bytes + DEEP_BYTES, *at = end;
    for (unsigned i = 1; i < levels; i++) {
        prepend_head(&at, 5, end); /* Value.struct_value */
        prepend_head(&at, 2, end); /* the entry's value */
        prepend(&at, "\x0a\x01k", 3);
        prepend_head(&at, 1, end); /* Struct.fields */
    }
    return (struct pb_bytes){ at, (size_t)(end - at) };
}

static struct pb_bytes nested_list(unsigned levels)
{
    uint8_t *bytes = arena_alloc(a, DEEP_BYTES, 1), *end = bytes + DEEP_BYTES, *at = end;
    for (unsigned i = 1; i < levels; i++) {
        prepend_head(&at, 6, end); /* Value.list_value */
        if (i + 1 < levels)
            prepend_head(&at, 1, end); /* ListValue.values */
    }
    prepend_head(&at, 2, end);
    prepend_head(&at, 1, end);
    return (struct pb_bytes){ at, (size_t)(end - at) };
}

static void test_structs_nest_to_the_limit_and_no_deeper(void **state)
{
    (void)state;
    struct error err;

    cJSON *json = pb_struct_json(
        nested_struct(JSON_MAX_DEPTH).data, nested_struct(JSON_MAX_DEPTH).size, &err);
    assert_non_null(json);
    cJSON_Delete(json);
    assert_refused(nested_struct(JSON_MAX_DEPTH + 1), "nested too deeply");
    assert_refused(nested_list(JSON_MAX_DEPTH + 1), "nested too deeply");
}

static void test_metadata_20000_deep_is_refused(void **state)
{
    (void)state;
    struct pb_bytes deep = nested_struct(20000);

    assert_true(deep.size > 150000);
    assert_refused(deep, "nested too deeply");
}

/* The request itself is unpacked by protobuf-c, which must not see what is inside. */
static void test_a_request_with_metadata_20000_deep_is_unpacked(void **state)
{
    (void)state;
    struct pb_bytes deep = nested_struct(20000);
    ProtobufCBinaryData metadata = { deep.size, (uint8_t *)(uintptr_t)deep.data };
    struct pb_bytes bytes = pb_pack(a,
        &pb_new_DiscoveryRequest(a, .node = pb_new_Node(a, .id = pb_str("n"), .metadata = metadata))
             ->base);
    struct error err;

    cJSON *json = pb_json_bytes(&pb_DiscoveryRequest_desc, bytes.data, bytes.size, &err);

    cJSON *node = cJSON_GetObjectItemCaseSensitive(json, "node");
    assert_true(cJSON_IsString(cJSON_GetObjectItemCaseSensitive(node, "metadata")));
    cJSON_Delete(json);
}

static void test_a_nodes_metadata_is_shown_as_the_struct_it_is(void **state)
{
    (void)state;
    struct pb_bytes inside = pb_pack(a, &one_member("NAMESPACE", text_value("default"))->base);
    ProtobufCBinaryData metadata = { inside.size, (uint8_t *)(uintptr_t)inside.data };

    cJSON *json = pb_json(&pb_new_Node(a, .id = pb_str("n"), .metadata = metadata)->base);

    char *text = cJSON_PrintUnformatted(json);
    assert_string_equal(text, "{\"id\":\"n\",\"metadata\":{\"NAMESPACE\":\"default\"}}");
    cJSON_free(text);
    cJSON_Delete(json);
}

static void test_strings_that_are_not_utf8_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = { "\x80",
        "\xc0\xaf",
        "\xc3",
        "\xe0\x80\x80",
        "\xed\xa0\x80",
        "\xf0\x80\x80\x80",
        "\xf4\x90\x80\x80",
        "\xf8\x88\x80\x80\x80",
        "a\xe2\x82" };
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        assert_refused(pb_pack(a, &one_member("k", text_value(bad[i]))->base), "UTF-8");
        assert_refused(pb_pack(a, &one_member(bad[i], text_value("v"))->base), "UTF-8");
    }
}

static void test_a_nul_inside_a_string_is_refused(void **state)
{
    (void)state;
    static const uint8_t bytes[] = "\x0a\x0a\x0a\x01k\x12\x05\x1a\x03x\0y";

    assert_refused((struct pb_bytes){ bytes, sizeof bytes - 1 }, "UTF-8");
}

static void test_numbers_that_json_does_not_have_are_refused(void **state)
{
    (void)state;
    const double bad[] = { (double)NAN, (double)INFINITY, (double)-INFINITY };
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++)
        assert_refused(
            pb_pack(a, &one_member("k", pb_new_Value(a, pb_Value_number_value(bad[i])))->base),
            "finite");
}

/* Cut anywhere: what is left is the members that came whole, or is refused. */
static void test_truncated_structs_are_never_read_past_their_end(void **state)
{
    (void)state;
    struct pb_bytes whole = pb_pack(a, &every_kind()->base);
    size_t refused = 0;
    struct error err;

    for (size_t size = 0; size < whole.size; size++) {
        cJSON *json = read_exact(whole.data, size, &err);
        refused += json == NULL;
        cJSON_Delete(json);
    }

    /* Eight members: eight places at which a cut leaves a struct. */
    assert_int_equal(refused, whole.size - 8);
}

static void test_garbled_structs_are_never_read_past_their_end(void **state)
{
    (void)state;
    struct pb_bytes whole = pb_pack(a, &every_kind()->base);
    uint8_t *bytes = arena_dup(a, whole.data, whole.size, 1);
    uint64_t random = 1;
    struct error err;

    for (int i = 0; i < 20000; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        size_t at = (size_t)(random >> 33) % whole.size;
        bytes[at] = (uint8_t)(random >> 24);
        cJSON_Delete(read_exact(bytes, whole.size, &err));
        if (i % 4 == 0)
            memcpy(bytes, whole.data, whole.size);
    }
}

static void test_lengths_and_varints_that_overflow_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",         /* a length of 2^64 - 1 */
        "\x0a\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", /* eleven bytes */
        "\x0b",                                                 /* a group */
        "\x02",                                                 /* field number 0 */
    };
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++)
        assert_refused((struct pb_bytes){ (const uint8_t *)bad[i], strlen(bad[i]) }, "garbled");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_kind_of_value_is_read_and_members_are_sorted),
        cmocka_unit_test(test_no_bytes_are_an_empty_struct),
        cmocka_unit_test(test_of_a_key_that_comes_twice_the_last_counts),
        cmocka_unit_test(test_unknown_fields_are_passed_over),
        cmocka_unit_test(test_structs_nest_to_the_limit_and_no_deeper),
        cmocka_unit_test(test_metadata_20000_deep_is_refused),
        cmocka_unit_test(test_a_request_with_metadata_20000_deep_is_unpacked),
        cmocka_unit_test(test_a_nodes_metadata_is_shown_as_the_struct_it_is),
        cmocka_unit_test(test_strings_that_are_not_utf8_are_refused),
        cmocka_unit_test(test_a_nul_inside_a_string_is_refused),
        cmocka_unit_test(test_numbers_that_json_does_not_have_are_refused),
        cmocka_unit_test(test_truncated_structs_are_never_read_past_their_end),
        cmocka_unit_test(test_garbled_structs_are_never_read_past_their_end),
        cmocka_unit_test(test_lengths_and_varints_that_overflow_are_refused),
    };
    return cmocka_run_group_tests(tests, new_arena, free_arena);
}
