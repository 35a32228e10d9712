/* schema: a table of every kind of field, and what the walk says when a field is not as it says. */
#include "base/buf.h"
#include "model/duration.h"
#include "model/schema_fields.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* ---- a message with every kind of field ---- */

enum colour { RED, GREEN, BLUE };
struct part {
    const char *name;
    uint32_t size;
};
struct named_part {
    const char *key;
    struct part value;
};
struct count {
    const char *key;
    uint32_t value;
};
struct thing {
    const char *text, *kept, *host;
    bool flag;
    struct opt_bool opt_flag;
    uint32_t count, needed_count;
    struct opt_u32 opt_count;
    double ratio;
    struct opt_double opt_ratio;
    struct duration per_try_timeout, zero_timeout;
    enum colour colour;
    const struct part *part;
    LIST(struct part) parts;
    string_list names;
    label_list labels;
    LIST(struct count) counts;
    LIST(struct named_part) named_parts;
    const char *either, *other;
};

static void check_part(struct decoder *d, void *object)
{
    const struct part *part = object;
    if (part->size == 13)
        schema_fault(d, DIAG_RULE, "size", "say 12", "must not be %u", part->size);
}

static const struct field part_fields[] = {
    STRING(part, name, .flags = FIELD_REQUIRED, .format = &format_dns_label),
    U32(part, size, .range = { 1, 100 }),
};
static SCHEMA(part, .check = check_part);

static const struct enum_value colours[] = {
    { "RED", RED },
    { "GREEN", GREEN },
    { "BLUE", BLUE, .is_unsupported = true },
};
static const struct field thing_fields[] = {
    STRING(thing, text),
    STRING(thing, kept, .flags = FIELD_KEEP_EMPTY),
    STRING(thing, host, .format = &format_fqdn),
    BOOL(thing, flag),
    OPT_BOOL(thing, opt_flag),
    U32(thing, count, .range = { 10, 20 }),
    U32(thing, needed_count, .flags = FIELD_REQUIRED, .range = { 10, 20 }),
    OPT_U32(thing, opt_count),
    DOUBLE(thing, ratio, .range = { 0, 1 }),
    OPT_DOUBLE(thing, opt_ratio),
    DURATION(thing, per_try_timeout),
    DURATION(thing, zero_timeout, .flags = FIELD_MAY_BE_ZERO, .range = { 0, 5000 }),
    ENUM(thing, colour, colour, colours, .fallback = GREEN),
    OBJECT(thing, part, part),
    OBJECTS(thing, parts, part),
    STRINGS(thing, names, .format = &format_dns_label),
    LABELS(thing, labels, .key_format = &format_label_key),
    U32_MAP(thing, counts, count, .range = { 1, 9 }),
    OBJECT_MAP_AS(thing, named_parts, named_part, part, part),
    STRING(thing, either, .oneof = 1),
    STRING(thing, other, .oneof = 1),
    UNSUPPORTED("future_field", "use text"),
    UNSUPPORTED_UNLESS("mode_of_work", "PLAIN"),
    NO_EFFECT("old_field", "it is gone"),
    TOLERATED("others_field"),
};
static SCHEMA(thing);

/* ---- the fixture ---- */

struct fixture {
    struct arena *a;
    struct diags diags;
};

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    f->a = arena_new();
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    arena_free(f->a);
    free(f);
    return 0;
}

static const struct thing *decode_text(struct fixture *f, const char *text)
{
    diags_init(&f->diags, f->a);
    cJSON *json = json_parse(text, strlen(text), SIZE_MAX, &f->diags);
    assert_non_null(json);
    const struct thing *thing = schema_decode(&thing_schema, "spec", json, f->a, &f->diags);
    cJSON_Delete(json);
    return thing;
}

/* `members` beside what is required. */
static const struct thing *decode(struct fixture *f, const char *members)
{
    return decode_text(
        f, arena_printf(f->a, "{\"neededCount\":10%s%s}", *members ? "," : "", members));
}

static const char *texts(struct fixture *f)
{
    const char *all = "";
    for (list_each (const struct diag, diag, &f->diags.list))
        all = arena_printf(f->a,
            "%s%s%s%s",
            all,
            *all ? "\n" : "",
            diag->severity == DIAG_WARNING ? "warning: " : "",
            diag_text(f->a, diag));
    return all;
}

static void assert_fault(struct fixture *f, const char *members, const char *expected)
{
    const struct thing *thing = decode(f, members);
    if (strcmp(texts(f), expected) != 0)
        fail_msg("%s\nmust have the faults:\n%s\nbut has:\n%s", members, expected, texts(f));
    assert_int_equal(thing == NULL, f->diags.errors > 0);
}

/* ---- tests ---- */

static void test_every_kind_of_field_reaches_its_member(void **state)
{
    struct fixture *f = *state;

    const struct thing *t = decode(f,
        "\"text\":\"a\",\"kept\":\"\",\"host\":\"a.b\",\"flag\":true,\"optFlag\":false,"
        "\"count\":20,\"optCount\":0,\"ratio\":0.5,\"optRatio\":-1e3,"
        "\"perTryTimeout\":\"1.5s\",\"zeroTimeout\":\"0s\",\"colour\":\"RED\","
        "\"part\":{\"name\":\"p\"},\"parts\":[{\"name\":\"x\",\"size\":1},{\"name\":\"y\"}],"
        "\"names\":[\"n\",\"m\"],\"labels\":{\"b\":\"2\",\"a/a\":\"\"},\"counts\":{\"k\":9},"
        "\"namedParts\":{\"q\":{\"name\":\"qq\"}},\"either\":\"e\"");

    assert_string_equal(texts(f), "");
    assert_string_equal(t->text, "a");
    assert_string_equal(t->kept, "");
    assert_string_equal(t->host, "a.b");
    assert_true(t->flag && t->opt_flag.is_set && !t->opt_flag.value);
    assert_int_equal(t->count, 20);
    assert_int_equal(t->needed_count, 10);
    assert_true(t->opt_count.is_set && t->opt_count.value == 0);
    assert_true(t->ratio == 0.5 && t->opt_ratio.is_set && t->opt_ratio.value == -1000);
    assert_true(t->per_try_timeout.is_set && t->per_try_timeout.ms == 1500);
    assert_true(t->zero_timeout.is_set && t->zero_timeout.ms == 0);
    assert_int_equal(t->colour, RED);
    assert_string_equal(t->part->name, "p");
    assert_int_equal(t->parts.count, 2);
    assert_int_equal(t->parts.items[0].size, 1);
    assert_string_equal(t->parts.items[1].name, "y");
    assert_string_equal(t->names.items[1], "m");
    assert_int_equal(t->counts.items[0].value, 9);
    assert_string_equal(t->named_parts.items[0].key, "q");
    assert_string_equal(t->named_parts.items[0].value.name, "qq");
}

static void test_absent_null_and_empty_are_absence(void **state)
{
    struct fixture *f = *state;

    const struct thing *t = decode(f,
        "\"text\":\"\",\"kept\":null,\"optFlag\":null,\"count\":0,\"parts\":null,\"names\":[],"
        "\"part\":null,\"labels\":{},\"futureField\":null,\"oldField\":null,\"either\":null,"
        "\"other\":\"x\"");

    assert_string_equal(texts(f), "");
    assert_null(t->text);
    assert_null(t->kept);
    assert_null(t->part);
    assert_false(t->opt_flag.is_set || t->opt_count.is_set || t->per_try_timeout.is_set);
    assert_int_equal(t->count + t->parts.count + t->names.count + t->labels.count, 0);
    assert_int_equal(t->colour, GREEN);
}

static void test_maps_are_sorted_by_key(void **state)
{
    struct fixture *f = *state;

    const struct thing *t =
        decode(f, "\"labels\":{\"b\":\"2\",\"B\":\"3\",\"a.b/c\":\"4\",\"a\":\"1\"}");

    assert_non_null(t);
    const char *keys = "";
    for (list_each (const struct label, label, &t->labels))
        keys = arena_printf(f->a, "%s%s=%s ", keys, label->key, label->value);
    assert_string_equal(keys, "B=3 a=1 a.b/c=4 b=2 ");
    assert_string_equal(labels_find(&t->labels, "a.b/c"), "4");
    assert_null(labels_find(&t->labels, "c"));
}

static void test_both_spellings_name_a_field_but_not_at_once(void **state)
{
    struct fixture *f = *state;

    const struct thing *t = decode(f, "\"per_try_timeout\":\"7ms\"");
    assert_int_equal(t->per_try_timeout.ms, 7);

    assert_fault(f,
        "\"per_try_timeout\":\"7ms\",\"perTryTimeout\":\"8ms\"",
        "spec.perTryTimeout: is given twice, in two spellings [PIL0101]");
    assert_fault(f,
        "\"perTry_timeout\":\"7ms\"",
        "spec.perTry_timeout: unknown field; did you mean \"perTryTimeout\"? [PIL0102]");
}

static void test_unknown_fields_are_faults_with_the_nearest_known(void **state)
{
    struct fixture *f = *state;

    assert_fault(f, "\"colur\":1", "spec.colur: unknown field; did you mean \"colour\"? [PIL0102]");
    assert_fault(f,
        "\"futureFeld\":1",
        "spec.futureFeld: unknown field; did you mean \"futureField\"? [PIL0102]");
    assert_fault(f, "\"zzzzzzzzz\":1", "spec.zzzzzzzzz: unknown field [PIL0102]");
    assert_fault(f,
        "\"part\":{\"name\":\"a\",\"weight.x\":1}",
        "spec.part[\"weight.x\"]: unknown field; known here: name, size [PIL0102]");
}

static void test_wrong_types_say_what_is_there(void **state)
{
    struct fixture *f = *state;

    assert_fault(f, "\"text\":1", "spec.text: must be a string, not a number [PIL0103]");
    assert_fault(
        f, "\"flag\":\"true\"", "spec.flag: must be true or false, not a string [PIL0103]");
    assert_fault(
        f, "\"count\":\"12\"", "spec.count: must be a whole number, not a string [PIL0103]");
    assert_fault(f, "\"count\":12.5", "spec.count: must be a whole number, not 12.5 [PIL0103]");
    assert_fault(f, "\"ratio\":true", "spec.ratio: must be a number, not true [PIL0103]");
    assert_fault(f, "\"part\":[]", "spec.part: must be an object, not a list [PIL0103]");
    assert_fault(f, "\"parts\":{}", "spec.parts: must be a list, not an object [PIL0103]");
    assert_fault(f, "\"labels\":[]", "spec.labels: must be an object, not a list [PIL0103]");
    assert_fault(f,
        "\"perTryTimeout\":5",
        "spec.perTryTimeout: must be a duration such as \"1.5s\", not a number [PIL0103]");
    assert_fault(f, "\"colour\":1", "spec.colour: must be a string, not a number [PIL0103]");
    assert_fault(
        f, "\"names\":[\"a\",null]", "spec.names[1]: must be a string, not null [PIL0103]");
}

static void test_paths_go_through_lists_and_maps(void **state)
{
    struct fixture *f = *state;

    assert_fault(f,
        "\"parts\":[{\"name\":\"a\"},{\"name\":\"b\",\"size\":101}]",
        "spec.parts[1].size: must be from 1 to 100 [PIL0201]");
    assert_fault(f,
        "\"labels\":{\"a.b/c\":1}",
        "spec.labels[\"a.b/c\"]: must be a string, not a number [PIL0103]");
    assert_fault(f,
        "\"namedParts\":{\"x y\":{\"name\":\"n\",\"size\":13}}",
        "spec.namedParts[\"x y\"].size: must not be 13; say 12 [PIL0302]");
    assert_fault(f, "\"counts\":{\"a\":0}", "spec.counts.a: must be from 1 to 9 [PIL0201]");
    assert_fault(f,
        "\"labels\":{\"\":\"x\"}",
        "spec.labels[\"\"]: must be a label's key: [PREFIX/]NAME of letters, digits, '-', '_' and "
        "'.', at most 63, not \"\" [PIL0203]");
}

static void test_ranges_hold(void **state)
{
    struct fixture *f = *state;

    assert_fault(f, "\"count\":9", "spec.count: must be from 10 to 20 [PIL0201]");
    assert_fault(f, "\"count\":21", "spec.count: must be from 10 to 20 [PIL0201]");
    assert_fault(f, "\"count\":-1", "spec.count: must be from 10 to 20 [PIL0201]");
    assert_fault(
        f, "\"optCount\":4294967296", "spec.optCount: must be from 0 to 4294967295 [PIL0201]");
    assert_fault(f, "\"ratio\":1.01", "spec.ratio: must be from 0 to 1 [PIL0201]");
    assert_fault(
        f, "\"perTryTimeout\":\"0s\"", "spec.perTryTimeout: must be at least 1 ms [PIL0201]");
    assert_fault(
        f, "\"perTryTimeout\":\"-5s\"", "spec.perTryTimeout: must be at least 1 ms [PIL0201]");
    assert_fault(
        f, "\"zeroTimeout\":\"6s\"", "spec.zeroTimeout: must be from 0 to 5000 ms [PIL0201]");
    assert_fault(f,
        "\"perTryTimeout\":\"1.0005s\"",
        "spec.perTryTimeout: must be whole milliseconds [PIL0201]");
}

static void test_required_fields_must_be_there_and_not_empty(void **state)
{
    struct fixture *f = *state;

    assert_null(decode_text(f, "{\"part\":{\"name\":\"\"},\"parts\":[{}]}"));

    assert_string_equal(texts(f),
        "spec.part.name: must not be empty [PIL0104]\n"
        "spec.parts[0].name: is required [PIL0104]\n"
        "spec.neededCount: is required [PIL0104]");
    assert_null(decode_text(f, "{\"neededCount\":0}"));
    assert_string_equal(texts(f), "spec.neededCount: must be from 10 to 20 [PIL0201]");
}

static void test_enums_know_their_values(void **state)
{
    struct fixture *f = *state;

    assert_fault(f,
        "\"colour\":\"GREN\"",
        "spec.colour: unknown value \"GREN\"; did you mean \"GREEN\"? [PIL0202]");
    assert_fault(f,
        "\"colour\":\"red\"",
        "spec.colour: unknown value \"red\"; known here: RED, GREEN, BLUE [PIL0202]");
    assert_fault(f, "\"colour\":\"BLUE\"", "spec.colour: BLUE is not supported yet [PIL0106]");
}

static void test_formats_quote_what_they_refuse(void **state)
{
    struct fixture *f = *state;

    assert_fault(
        f, "\"host\":\"a b\\n\"", "spec.host: must be a host name, not \"a b\\u000a\" [PIL0203]");
    assert_fault(f,
        "\"names\":[\"ok\",\"a_b\"]",
        "spec.names[1]: must be a DNS label (letters, digits and '-', at most 63), not \"a_b\" "
        "[PIL0203]");
}

static void test_fields_of_a_oneof_exclude_each_other(void **state)
{
    struct fixture *f = *state;

    assert_fault(f,
        "\"other\":\"o\",\"either\":\"e\"",
        "spec.other: cannot be given together with either [PIL0301]");
}

static void test_known_fields_without_support_are_refused_by_name(void **state)
{
    struct fixture *f = *state;

    assert_fault(
        f, "\"futureField\":{}", "spec.futureField: is not supported yet; use text [PIL0106]");
    assert_fault(
        f, "\"future_field\":true", "spec.future_field: is not supported yet; use text [PIL0106]");
    assert_fault(f, "\"futureField\":false", "");
    assert_fault(f, "\"modeOfWork\":\"PLAIN\"", "");
    assert_fault(f, "\"modeOfWork\":\"FANCY\"", "spec.modeOfWork: is not supported yet [PIL0106]");
    assert_fault(
        f, "\"oldField\":3", "warning: spec.oldField: has no effect; it is gone [PIL0108]");
    assert_fault(f, "\"oldField\":{}", "");
    assert_fault(f, "\"othersField\":[{\"anything\":1}]", "");
}

static void test_all_faults_are_told_at_once(void **state)
{
    struct fixture *f = *state;

    assert_fault(f,
        "\"text\":1,\"wrong\":2,\"colour\":\"X\",\"parts\":[{\"name\":\"a\",\"size\":13},{}]",
        "spec.text: must be a string, not a number [PIL0103]\n"
        "spec.wrong: unknown field [PIL0102]\n"
        "spec.colour: unknown value \"X\"; known here: RED, GREEN, BLUE [PIL0202]\n"
        "spec.parts[0].size: must not be 13; say 12 [PIL0302]\n"
        "spec.parts[1].name: is required [PIL0104]");
}

static void test_faults_beyond_the_limit_are_counted_cheaply(void **state)
{
    enum { COUNT = 60000 };
    struct fixture *f = *state;
    struct buf text = { 0 };

    buf_text(&text, "\"a0\":1");
    for (int i = 1; i < COUNT; i++)
        buf_printf(&text, ",\"perTryTimeou%d\":1", i);
    assert_null(decode(f, text.data));

    assert_int_equal(f->diags.errors, COUNT);
    assert_int_equal(f->diags.list.count, DIAGS_LIMIT);
    assert_int_equal(f->diags.dropped, COUNT - DIAGS_LIMIT);
    buf_fini(&text);
}

static void test_the_items_of_a_value_are_limited(void **state)
{
    struct fixture *f = *state;
    struct buf text = { 0 };

    buf_text(&text, "\"names\":[\"a\"");
    for (int i = 1; i < SCHEMA_ITEMS_MAX; i++)
        buf_text(&text, ",\"a\"");
    assert_non_null(decode(f, arena_printf(f->a, "%s]", text.data)));

    assert_null(decode(f, arena_printf(f->a, "%s],\"counts\":{\"a\":1}", text.data)));
    assert_string_equal(
        texts(f), "spec.counts: has too many items: at most 100000 in one resource [PIL0107]");
    buf_fini(&text);
}

static void test_only_objects_are_messages(void **state)
{
    struct fixture *f = *state;

    assert_null(decode_text(f, "[]"));

    assert_string_equal(texts(f), "spec: must be an object, not a list [PIL0103]");
}

static void test_durations_have_the_grammar_of_protobuf_and_go(void **state)
{
    static const struct {
        const char *text;
        enum duration_verdict verdict;
        int64_t ms;
    } cases[] = {
        { "1.5s", DURATION_GOOD, 1500 },
        { "100ms", DURATION_GOOD, 100 },
        { "1h10m", DURATION_GOOD, 4200000 },
        { "1m30.5s", DURATION_GOOD, 90500 },
        { "0", DURATION_GOOD, 0 },
        { "+2s", DURATION_GOOD, 2000 },
        { "-1s", DURATION_GOOD, -1000 },
        { ".5s", DURATION_GOOD, 500 },
        { "5.s", DURATION_GOOD, 5000 },
        { "3000us", DURATION_GOOD, 3 },
        { "3000µs", DURATION_GOOD, 3 },
        { "2000000ns", DURATION_GOOD, 2 },
        { "0.001s", DURATION_GOOD, 1 },
        { "0.1h", DURATION_GOOD, 360000 },
        { "2562047h", DURATION_GOOD, INT64_C(9223369200000) },
        { "0.0005s", DURATION_TOO_FINE, 0 },
        { "0.000000999s", DURATION_TOO_FINE, 0 },
        { "30.000000005s", DURATION_TOO_FINE, 0 },
        { "2562048h", DURATION_BAD, 0 },
        { "99999999999999999999s", DURATION_BAD, 0 },
        { "", DURATION_BAD, 0 },
        { "-", DURATION_BAD, 0 },
        { "5", DURATION_BAD, 0 },
        { "s", DURATION_BAD, 0 },
        { ".s", DURATION_BAD, 0 },
        { "1d", DURATION_BAD, 0 },
        { "1 s", DURATION_BAD, 0 },
        { "1s ", DURATION_BAD, 0 },
        { "1s-1s", DURATION_BAD, 0 },
        { "1e3s", DURATION_BAD, 0 },
        { "1.2.3s", DURATION_BAD, 0 },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct duration got = { 0 };
        enum duration_verdict verdict = duration_parse(cases[i].text, &got);
        if (verdict != cases[i].verdict || got.ms != cases[i].ms)
            fail_msg("\"%s\": %d, %lld ms", cases[i].text, (int)verdict, (long long)got.ms);
        assert_int_equal(got.is_set, verdict == DURATION_GOOD);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_every_kind_of_field_reaches_its_member),
        TEST(test_absent_null_and_empty_are_absence),
        TEST(test_maps_are_sorted_by_key),
        TEST(test_both_spellings_name_a_field_but_not_at_once),
        TEST(test_unknown_fields_are_faults_with_the_nearest_known),
        TEST(test_wrong_types_say_what_is_there),
        TEST(test_paths_go_through_lists_and_maps),
        TEST(test_ranges_hold),
        TEST(test_required_fields_must_be_there_and_not_empty),
        TEST(test_enums_know_their_values),
        TEST(test_formats_quote_what_they_refuse),
        TEST(test_fields_of_a_oneof_exclude_each_other),
        TEST(test_known_fields_without_support_are_refused_by_name),
        TEST(test_all_faults_are_told_at_once),
        TEST(test_faults_beyond_the_limit_are_counted_cheaply),
        TEST(test_the_items_of_a_value_are_limited),
        TEST(test_only_objects_are_messages),
        TEST(test_durations_have_the_grammar_of_protobuf_and_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
