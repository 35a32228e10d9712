#include "model/decoder.h"

#include "base/path.h"

#include <stdarg.h>

enum { LISTED_NAMES_MAX = 6 };

static void add_steps(struct buf *path, const struct step *step)
{
    if (!step)
        return;
    add_steps(path, step->up);
    if (!step->name)
        path_add_index(path, step->index);
    else if (*step->name || step->up) /* the root may have no name */
        path_add_key(path, step->name);
}

static void add_fault(struct decoder *d, enum diag_severity severity, enum diag_code code,
    const char *at, const char *hint, const char *fmt, va_list args)
{
    struct buf path = { 0 };
    add_steps(&path, d->at);
    if (*at)
        buf_printf(&path, "%s%s", path.size && *at != '[' ? "." : "", at);
    buf_text(&path, "");
    const char *message = arena_vprintf(d->scratch, fmt, args);
    diag_add(d->diags, severity, code, path.data, hint, "%s", message);
    buf_fini(&path);
}

bool decoder_is_full(const struct decoder *d)
{
    return d->diags->list.count >= d->diags->limit;
}

void schema_fault(
    struct decoder *d, enum diag_code code, const char *at, const char *hint, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    add_fault(d, DIAG_ERROR, code, at, hint, fmt, args);
    va_end(args);
}

void schema_warn(
    struct decoder *d, enum diag_code code, const char *at, const char *hint, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    add_fault(d, DIAG_WARNING, code, at, hint, fmt, args);
    va_end(args);
}

const char *schema_text(struct decoder *d, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    const char *text = arena_vprintf(d->scratch, fmt, args);
    va_end(args);
    return text;
}

const char *schema_key(struct decoder *d, const char *at, const char *key)
{
    struct buf path = { 0 };
    buf_text(&path, at);
    path_add_key(&path, key);
    const char *text = arena_strndup(d->scratch, path.data, path.size);
    buf_fini(&path);
    return text;
}

struct arena *schema_arena(const struct decoder *d)
{
    return d->arena;
}

struct arena *schema_scratch(const struct decoder *d)
{
    return d->scratch;
}

const char *schema_namespace(const struct decoder *d)
{
    return d->ns;
}

const char *decoder_did_you_mean(
    struct decoder *d, const char *word, const char *const *names, size_t count)
{
    if (decoder_is_full(d))
        return NULL;
    const char *nearest = diag_nearest(word, names, count);
    if (nearest)
        return schema_text(d, "did you mean \"%s\"?", nearest);
    if (count > LISTED_NAMES_MAX)
        return NULL;
    const char *list = "known here:";
    for (size_t i = 0; i < count; i++)
        list = schema_text(d, "%s%s %s", list, i ? "," : "", names[i]);
    return list;
}

static const char *type_of(const cJSON *json)
{
    switch (json->type & 0xff) {
    case cJSON_NULL:
        return "null";
    case cJSON_Number:
        return "a number";
    case cJSON_String:
        return "a string";
    case cJSON_Array:
        return "a list";
    case cJSON_Object:
        return "an object";
    default:
        return cJSON_IsTrue(json) ? "true" : "false";
    }
}

bool decoder_expect(struct decoder *d, const cJSON *json, int types, const char *what)
{
    if (json->type & types)
        return true;
    schema_fault(d, DIAG_WRONG_TYPE, "", NULL, "must be %s, not %s", what, type_of(json));
    return false;
}
