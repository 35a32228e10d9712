#include "model/field_doc.h"

#include "model/envelope.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

const struct field_doc field_docs[] = {
#define FIELD_DOC(schema, field, meaning, fallback, envoy)                                         \
    { #schema, #field, meaning, fallback, envoy },
#include "model/field_docs.def"
#undef FIELD_DOC
};
const size_t field_doc_count = ARRAY_COUNT(field_docs);

const struct field_doc *field_doc_find(const struct schema *s, const struct field *f)
{
    for (size_t i = 0; i < field_doc_count; i++)
        if (strcmp(field_docs[i].schema, s->name) == 0 && strcmp(field_docs[i].field, f->name) == 0)
            return &field_docs[i];
    return NULL;
}

const char *field_json_name(struct arena *a, const struct field *f)
{
    const char *snake = f->name;
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

const char *field_value_text(struct arena *a, const struct schema *s, const struct field *f)
{
    const char *text = value_text(a, f, f->kind), *separator = "; not together with ";
    for (size_t i = 0; i < s->field_count && f->oneof; i++)
        if (s->fields[i].oneof == f->oneof && &s->fields[i] != f) {
            text = arena_printf(a, "%s%s%s", text, separator, field_json_name(a, &s->fields[i]));
            separator = ", ";
        }
    return text;
}

/* ---- a place ---- */

static const struct field *find(struct arena *a, const struct schema *s, const char *name)
{
    for (size_t i = 0; i < s->field_count; i++)
        if (strcasecmp(field_json_name(a, &s->fields[i]), name) == 0 ||
            strcmp(s->fields[i].name, name) == 0)
            return &s->fields[i];
    return NULL;
}

static void unknown_field(struct diags *d, const struct schema *s, const char *name)
{
    string_list names = { 0 };
    for (size_t i = 0; s && i < s->field_count; i++)
        list_push(d->arena, &names, field_json_name(d->arena, &s->fields[i]));
    const char *near = diag_nearest(name, names.items, names.count);
    const char *hint = near ? arena_printf(d->arena, "did you mean \"%s\"?", near) : NULL;
    diag_add(d, DIAG_ERROR, DIAG_UNKNOWN_FIELD, name, hint, "unknown field");
}

/* Where the first step of a document leads. */
static const struct schema *root_of(enum kind kind, const char **path)
{
    const struct kind_info *info = kind_info(kind);
    if (info->status && begins_with(*path, "status"))
        return *path += strlen("status"), info->status;
    if (begins_with(*path, "metadata"))
        for (size_t i = 0; i < envelope_schema.field_count; i++)
            if (strcmp(envelope_schema.fields[i].name, "metadata") == 0)
                return *path += strlen("metadata"), envelope_schema.fields[i].of;
    if (begins_with(*path, "spec"))
        *path += strlen("spec");
    return info->schema;
}

const struct field *field_at(
    enum kind kind, const char *path, const struct schema **at, struct diags *d)
{
    const struct schema *next = root_of(kind, &path);
    const struct field *f = NULL;
    char *rest = arena_strdup(d->arena, path);
    *at = next;
    for (char *step; (step = strsep(&rest, "."));) {
        bool is_key = f && f->kind == FIELD_MAP;
        step[strcspn(step, "[")] = 0;
        if (!*step)
            continue;
        const struct field *found = next ? find(d->arena, next, step) : NULL;
        if (!found && is_key)
            continue;
        if (!found) {
            unknown_field(d, next, step);
            return NULL;
        }
        f = found;
        *at = next;
        next = f->of;
    }
    return f;
}
