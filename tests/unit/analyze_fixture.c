#include "analyze_fixture.h"

#include "base/buf.h"
#include "model/load.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

struct snapshot *analyzed(const char *yaml)
{
    struct arena *a = arena_new();
    struct loader l;
    loader_init(&l, a);
    loader_add(&l, "test.yaml", yaml, strlen(yaml));
    loader_finish(&l);
    struct object **objects = ARENA_ARRAY(a, struct object *, l.items.count + 1);
    size_t count = 0;
    for (list_each (const struct load_item, item, &l.items)) {
        for (size_t i = 0; !item->object && i < item->diags.list.count; i++)
            print_error("%s\n", load_diag_text(a, item, &item->diags.list.items[i]));
        assert_non_null(item->object);
        objects[count++] = item->object;
    }
    struct snapshot *s = snapshot_build(objects, count, 1, level_newest);
    loader_fini(&l);
    arena_free(a);
    return s;
}

static void print_finding(struct buf *out, const struct finding *f)
{
    struct arena *a = arena_new();
    struct object_key key = { .kind = KIND_NONE };
    struct diags ignored;
    diags_init(&ignored, a);
    assert_true(object_key_parse(a, f->key, &key, &ignored));
    assert_int_not_equal(key.kind, KIND_NONE);
    assert_int_equal(f->diag.severity, DIAG_WARNING);
    buf_printf(out,
        "%s/%s/%s %s PIL%04d\n",
        kind_info(key.kind)->name,
        key.ns,
        key.name,
        f->diag.path,
        (int)f->diag.code);
    arena_free(a);
}

void check_cases(const struct analyze_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct snapshot *s = analyzed(cases[i].yaml);
        struct buf found = { 0 };
        for (list_each (const struct finding, f, &s->findings))
            print_finding(&found, f);
        const char *text = found.size > 0 ? found.data : "";
        if (strlen(cases[i].findings) != found.size ||
            strncmp(text, cases[i].findings, found.size) != 0)
            fail_msg("%s: found\n%.*s, not\n%s",
                cases[i].what,
                (int)found.size,
                text,
                cases[i].findings);
        buf_fini(&found);
        snapshot_release(s);
    }
}

void check_text(const char *yaml, const char *wanted)
{
    struct arena *a = arena_new();
    struct snapshot *s = analyzed(yaml);
    assert_int_equal(s->findings.count, 1);
    const struct diag *diag = &s->findings.items[0].diag;
    assert_string_equal(
        arena_printf(
            a, "%s%s%s", diag->message, diag->hint ? "; " : "", diag->hint ? diag->hint : ""),
        wanted);
    snapshot_release(s);
    arena_free(a);
}
