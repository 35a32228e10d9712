/*
 * Prints docs/SUPPORT.md: every field of every kind, from the tables that decode them. A field is
 * what its row says, so the page cannot promise what the code does not do.
 */
#include "base/arena.h"
#include "model/field_doc.h"

#include <stdio.h>
#include <string.h>

enum { DEPTH_MAX = 16 };

/* A table that was printed already, and where: it is not printed twice for one kind. */
struct printed {
    const struct schema *schema;
    const char *path;
};
struct page {
    struct arena *a;
    LIST(struct printed) printed;
    size_t depth;
    bool is_inert; /* inside a field that has no effect */
};

/* ---- rows ---- */

static void print_cell(const char *text)
{
    for (; *text; text++)
        printf(*text == '|' ? "\\|" : "%c", *text);
}

static void print_row(const char *path, const char *state, const char *value)
{
    printf("| `%s` | ", path);
    print_cell(state);
    printf(" | ");
    print_cell(value);
    printf(" |\n");
}

static const char *state_text(struct page *p, const struct field *f)
{
    const char *hint = f->hint ? arena_printf(p->a, ": %s", f->hint) : "";
    switch (f->kind) {
    case FIELD_UNSUPPORTED:
        if (f->neutral)
            return arena_printf(p->a, "**refused** unless `%s`%s", f->neutral, hint);
        return arena_printf(p->a, "**refused**%s", hint);
    case FIELD_NO_EFFECT:
        return arena_printf(p->a, "*no effect*, warned of%s", hint);
    case FIELD_TOLERATED:
        return "passed over";
    default:
        return p->is_inert                 ? "*no effect*, checked"
               : f->flags & FIELD_REQUIRED ? "supported, required"
                                           : "supported";
    }
}

static const char *where_printed(const struct page *p, const struct schema *s)
{
    for (list_each (const struct printed, printed, &p->printed))
        if (printed->schema == s)
            return printed->path;
    return NULL;
}

static void print_table(struct page *p, const struct schema *s, const char *path);

static void print_field(
    struct page *p, const struct schema *s, const struct field *f, const char *path)
{
    const char *before = f->of ? where_printed(p, f->of) : NULL;
    const char *value = field_value_text(p->a, s, f);
    if (before)
        value = arena_printf(p->a, "%s; as `%s`", value, before);
    print_row(path, state_text(p, f), value);
    if (!f->of || before)
        return;
    const char *item = f->kind == FIELD_LIST ? "[]" : f->kind == FIELD_MAP ? ".*" : "";
    bool was_inert = p->is_inert;
    p->is_inert = was_inert || f->kind == FIELD_NO_EFFECT;
    print_table(p, f->of, arena_printf(p->a, "%s%s", path, item));
    p->is_inert = was_inert;
}

static void print_table(struct page *p, const struct schema *s, const char *path)
{
    struct printed printed = { s, path };
    INVARIANT(++p->depth < DEPTH_MAX);
    list_push(p->a, &p->printed, printed);
    for (size_t i = 0; i < s->field_count; i++) {
        const char *name = field_json_name(p->a, &s->fields[i]);
        const char *at = *path ? arena_printf(p->a, "%s.%s", path, name) : name;
        print_field(p, s, &s->fields[i], at);
    }
    p->depth--;
}

/* ---- the page ---- */

static const char introduction[] =
    "# What is supported\n"
    "\n"
    "Written by `make docs` from the tables that decode each kind; `make test` fails when it is\n"
    "stale. Rules across fields are told by `pilotctl validate`; how pilotd differs from Istio on\n"
    "purpose is in `CONFORMANCE.md`.\n"
    "\n"
    "- **supported**: decoded, checked, and in force.\n"
    "- *no effect*: accepted with a warning that names it (PIL0108).\n"
    "- **refused**: an error that names it (PIL0106), so that nobody counts on it in vain.\n"
    "- Every other field is unknown, and an error (PIL0102).\n"
    "\n"
    "`[]` stands for the items of a list, `.*` for the values of a map. Names may be written in\n"
    "snake_case as well. A table that several fields share is shown once in each kind.\n";

static void print_kind(struct arena *a, enum kind kind)
{
    const struct kind_info *info = kind_info(kind);
    struct page page = { .a = a };
    const char *where = info->plural                    ? arena_printf(a, "`%s`", info->group)
                        : kind == KIND_MESH_CONFIG      ? "key `mesh`"
                        : kind == KIND_REGISTRY_SERVICE ? "key `services/<namespace>/<service>`"
                                                        : "key `registry/<namespace>/<service>/"
                                                          "<instance>`";
    printf("\n## %s\n\n%s\n\n| field | state | value |\n|---|---|---|\n", info->name, where);
    print_table(&page, info->schema, info->plural ? "spec" : "");
    if (info->status)
        print_table(&page, info->status, "status");
}

int main(void)
{
    struct arena *a = arena_new();
    fputs(introduction, stdout);
    for (enum kind kind = 0; kind < KIND_COUNT; kind++)
        print_kind(a, kind);
    arena_free(a);
    return ferror(stdout) || fflush(stdout) != 0;
}
