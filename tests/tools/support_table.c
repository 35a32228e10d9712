/*
 * Prints docs/SUPPORT.md: every field of every kind, from the tables that decode them. A field is
 * what its row says, so the page cannot promise what the code does not do.
 */
#include "base/arena.h"
#include "model/object.h"
#include "model/schema_fields.h"

#include <ctype.h>
#include <math.h>
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

static const char *camel_case(struct arena *a, const char *snake)
{
    char *name = arena_strdup(a, snake), *out = name;
    for (; *snake; snake++)
        *out++ = (char)(*snake == '_' ? toupper((unsigned char)*++snake) : *snake);
    *out = 0;
    return name;
}

/* ---- what a value may be ---- */

static const char *range_text(struct arena *a, const struct field *f, const char *unit)
{
    if (f->range.min == 0 && f->range.max == 0)
        return "";
    if (f->range.max >= (double)UINT32_MAX)
        return arena_printf(a, ", at least %.10g%s", f->range.min, unit);
    return arena_printf(a, ", %.10g to %.10g%s", f->range.min, f->range.max, unit);
}

static const char *duration_text(struct arena *a, const struct field *f)
{
    if (f->range.min != 0 || f->range.max != 0)
        return arena_printf(a, "duration%s", range_text(a, f, " ms"));
    return f->flags & FIELD_MAY_BE_ZERO ? "duration, may be 0s" : "duration, at least 1ms";
}

static const char *enum_text(struct arena *a, const struct field *f)
{
    const char *text = "", *separator = "";
    for (size_t i = 0; i < f->value_count; i++) {
        const struct enum_value *value = &f->values[i];
        if (!*value->name)
            continue;
        text = arena_printf(a,
            "%s%s`%s`%s",
            text,
            separator,
            value->name,
            value->is_unsupported ? " (refused)" : "");
        separator = ", ";
    }
    return f->flags & FIELD_ANY_CASE ? arena_printf(a, "%s, in any case", text) : text;
}

static const char *value_text(struct arena *a, const struct field *f, enum field_kind kind)
{
    switch (kind) {
    case FIELD_STRING:
        return f->format ? f->format->must_be : "text";
    case FIELD_BOOL:
    case FIELD_OPT_BOOL:
        return "true or false";
    case FIELD_U32:
    case FIELD_OPT_U32:
        return arena_printf(a, "whole number%s", range_text(a, f, ""));
    case FIELD_DOUBLE:
    case FIELD_OPT_DOUBLE:
        return arena_printf(a, "number%s", range_text(a, f, ""));
    case FIELD_DURATION:
        return duration_text(a, f);
    case FIELD_ENUM:
        return enum_text(a, f);
    case FIELD_OBJECT:
    case FIELD_INLINE:
        return "object";
    case FIELD_LIST:
        return arena_printf(a, "list: %s", value_text(a, f, f->item_kind));
    case FIELD_MAP:
        return arena_printf(a, "map: %s", value_text(a, f, f->item_kind));
    case FIELD_RAW:
        return "any value";
    default:
        return "";
    }
}

/* The others of a row's oneof: "not with a, b". */
static const char *rivals_text(struct arena *a, const struct schema *s, const struct field *f)
{
    const char *text = "", *separator = "; not together with ";
    for (size_t i = 0; i < s->field_count && f->oneof; i++)
        if (s->fields[i].oneof == f->oneof && &s->fields[i] != f) {
            const char *name = camel_case(a, s->fields[i].name);
            text = arena_printf(a, "%s%s%s", text, separator, name);
            separator = ", ";
        }
    return text;
}

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
    const char *value = value_text(p->a, f, f->kind);
    value = arena_printf(p->a, "%s%s", value, rivals_text(p->a, s, f));
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
        const char *name = camel_case(p->a, s->fields[i].name);
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
