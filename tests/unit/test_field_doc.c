/* What is said of fields fits the tables, row by row. */
#include "model/field_doc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

struct walk {
    struct arena *a;
    LIST(const struct schema *) seen;
    bool is_said[1024]; /* of each doc: a row has it */
};

static bool has_seen(const struct walk *w, const struct schema *s)
{
    for (size_t i = 0; i < w->seen.count; i++)
        if (w->seen.items[i] == s)
            return true;
    return false;
}

static bool needs_doc(const struct field *f)
{
    return f->kind != FIELD_UNSUPPORTED && f->kind != FIELD_NO_EFFECT && f->kind != FIELD_TOLERATED;
}

static void walk_table(struct walk *w, const struct schema *s)
{
    if (has_seen(w, s))
        return;
    list_push(w->a, &w->seen, s);
    for (size_t i = 0; i < s->field_count; i++) {
        const struct field *f = &s->fields[i];
        const struct field_doc *doc = field_doc_find(s, f);
        if (!needs_doc(f))
            continue;
        if (!doc)
            fail_msg("%s.%s is not explained in field_docs.def", s->name, f->name);
        w->is_said[doc - field_docs] = true;
        if (f->of)
            walk_table(w, f->of);
    }
}

static void test_each_row_is_explained_and_nothing_else(void **state)
{
    struct walk w = { .a = arena_new() };
    (void)state;
    assert_true(field_doc_count < ARRAY_COUNT(w.is_said));
    for (enum kind kind = 0; kind < KIND_COUNT; kind++) {
        walk_table(&w, kind_info(kind)->schema);
        if (kind_info(kind)->status)
            walk_table(&w, kind_info(kind)->status);
    }
    for (size_t i = 0; i < field_doc_count; i++)
        if (!w.is_said[i])
            fail_msg(
                "field_docs.def: no table has %s.%s", field_docs[i].schema, field_docs[i].field);
    arena_free(w.a);
}

static const struct field *at(struct arena *a, enum kind kind, const char *path, const char **fault)
{
    const struct schema *s;
    struct diags d;
    diags_init(&d, a);
    const struct field *f = field_at(kind, path, &s, &d);
    *fault = d.errors ? diag_text(a, &d.list.items[0]) : NULL;
    return f;
}

static void test_a_place_is_found_by_its_path(void **state)
{
    struct arena *a = arena_new();
    const char *fault;
    (void)state;
    assert_string_equal(
        at(a, KIND_VIRTUAL_SERVICE, "spec.http[0].match.headers.x-y.exact", &fault)->name, "exact");
    assert_string_equal(at(a, KIND_VIRTUAL_SERVICE, "metadata.labels", &fault)->name, "labels");
    assert_string_equal(at(a, KIND_SERVICE_ENTRY, "status.addresses.value", &fault)->name, "value");
    assert_string_equal(
        at(a, KIND_MESH_CONFIG, "outboundTrafficPolicy.mode", &fault)->name, "mode");
    assert_string_equal(at(a, KIND_REGISTRY_INSTANCE, "ports", &fault)->name, "ports");
    assert_null(at(a, KIND_VIRTUAL_SERVICE, "spec", &fault));
    assert_null(fault);
    assert_null(at(a, KIND_VIRTUAL_SERVICE, "spec.http.tiemout", &fault));
    assert_string_equal(fault, "tiemout: unknown field; did you mean \"timeout\"? [PIL0102]");
    assert_null(at(a, KIND_VIRTUAL_SERVICE, "spec.hosts.x", &fault));
    assert_non_null(fault);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_row_is_explained_and_nothing_else),
        cmocka_unit_test(test_a_place_is_found_by_its_path),
    };
    return cmocka_run_group_tests_name("field_doc", tests, NULL, NULL);
}
