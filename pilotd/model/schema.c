#include "model/schema.h"

#include "base/path.h"
#include "model/duration.h"
#include "model/schema_fields.h"
#include "model/text.h"

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>
#include <strings.h>

enum { FIELDS_MAX = 64, NAME_MAX_BYTES = 64, LISTED_NAMES_MAX = 6 };

/* The path is a chain of stack frames; it becomes text only when something is at fault. */
struct step {
    const struct step *up;
    const char *name; /* NULL: an index */
    size_t index;
};

struct decoder {
    struct arena *arena;
    struct diags *diags;
    const char *ns;
    const struct step *at;
    size_t items; /* of all lists and maps so far */
};

/* ---- faults ---- */

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
    struct buf path = { 0 }, message = { 0 };
    struct arena *scratch = arena_new();
    add_steps(&path, d->at);
    if (*at)
        buf_printf(&path, "%s%s", path.size && *at != '[' ? "." : "", at);
    buf_text(&path, "");
    buf_text(&message, arena_vprintf(scratch, fmt, args));
    diag_add(d->diags, severity, code, path.data, hint, "%s", message.data);
    buf_fini(&path);
    buf_fini(&message);
    arena_free(scratch);
}

/* Beyond the limit faults are only counted: their texts would cost the time of an attack. */
static bool is_full(const struct decoder *d)
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
    const char *text = arena_vprintf(d->arena, fmt, args);
    va_end(args);
    return text;
}

const char *schema_key(struct decoder *d, const char *at, const char *key)
{
    struct buf path = { 0 };
    buf_text(&path, at);
    path_add_key(&path, key);
    const char *text = arena_strndup(d->arena, path.data, path.size);
    buf_fini(&path);
    return text;
}

struct arena *schema_arena(const struct decoder *d)
{
    return d->arena;
}

const char *schema_namespace(const struct decoder *d)
{
    return d->ns;
}

static const char *did_you_mean(
    struct decoder *d, const char *word, const char *const *names, size_t count)
{
    if (is_full(d))
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

/* ---- types ---- */

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

static bool expect(struct decoder *d, const cJSON *json, int types, const char *what)
{
    if (json->type & types)
        return true;
    schema_fault(d, DIAG_WRONG_TYPE, "", NULL, "must be %s, not %s", what, type_of(json));
    return false;
}

static bool is_in_range(struct decoder *d, const struct field *f, double value, double least,
    double most, const char *unit)
{
    bool has_range = f->range.min != 0 || f->range.max != 0;
    double min = has_range ? f->range.min : least, max = has_range ? f->range.max : most;
    if (value >= min && value <= max)
        return true;
    if (max == INFINITY)
        schema_fault(d, DIAG_OUT_OF_RANGE, "", NULL, "must be at least %.10g%s", min, unit);
    else
        schema_fault(
            d, DIAG_OUT_OF_RANGE, "", NULL, "must be from %.10g to %.10g%s", min, max, unit);
    return false;
}

/* ---- one function a kind of field: JSON into the member ---- */

static void has_format(struct decoder *d, const struct format *format, const char *text)
{
    if (!format || format->accepts(text))
        return;
    const char *quoted = text_quote(d->arena, text);
    if (format->explain)
        schema_fault(d,
            DIAG_BAD_FORMAT,
            "",
            NULL,
            "must be %s; %s is not: %s",
            format->must_be,
            quoted,
            format->explain(d->arena, text));
    else
        schema_fault(d, DIAG_BAD_FORMAT, "", NULL, "must be %s, not %s", format->must_be, quoted);
}

static void decode_string(struct decoder *d, const struct field *f, const cJSON *json, void *slot)
{
    if (!expect(d, json, cJSON_String, "a string"))
        return;
    if (!*json->valuestring && !(f->flags & FIELD_KEEP_EMPTY))
        return;
    has_format(d, f->format, json->valuestring);
    *(const char **)slot = arena_strdup(d->arena, json->valuestring);
}

static void decode_bool(struct decoder *d, const struct field *f, const cJSON *json, void *slot)
{
    (void)f;
    if (expect(d, json, cJSON_True | cJSON_False, "true or false"))
        *(bool *)slot = cJSON_IsTrue(json);
}

static void decode_opt_bool(struct decoder *d, const struct field *f, const cJSON *json, void *slot)
{
    struct opt_bool *out = slot;
    decode_bool(d, f, json, &out->value);
    out->is_set = true;
}

static void decode_u32(struct decoder *d, const struct field *f, const cJSON *json, void *slot)
{
    if (!expect(d, json, cJSON_Number, "a whole number"))
        return;
    double value = json->valuedouble;
    bool is_absence = value == 0 && f->kind == FIELD_U32 && !(f->flags & FIELD_REQUIRED);
    if (floor(value) != value)
        schema_fault(d, DIAG_WRONG_TYPE, "", NULL, "must be a whole number, not %.10g", value);
    else if (is_absence || is_in_range(d, f, value, 0, UINT32_MAX, ""))
        *(uint32_t *)slot = (uint32_t)value;
}

static void decode_opt_u32(struct decoder *d, const struct field *f, const cJSON *json, void *slot)
{
    struct opt_u32 *out = slot;
    decode_u32(d, f, json, &out->value);
    out->is_set = true;
}

static void decode_double(struct decoder *d, const struct field *f, const cJSON *json, void *slot)
{
    if (expect(d, json, cJSON_Number, "a number") &&
        is_in_range(d, f, json->valuedouble, -HUGE_VAL, HUGE_VAL, ""))
        *(double *)slot = json->valuedouble;
}

static void decode_opt_double(
    struct decoder *d, const struct field *f, const cJSON *json, void *slot)
{
    struct opt_double *out = slot;
    decode_double(d, f, json, &out->value);
    out->is_set = true;
}

static void decode_duration(struct decoder *d, const struct field *f, const cJSON *json, void *slot)
{
    struct duration value = { 0 };
    if (!expect(d, json, cJSON_String, "a duration such as \"1.5s\""))
        return;
    switch (duration_parse(json->valuestring, &value)) {
    case DURATION_BAD:
        schema_fault(d,
            DIAG_BAD_FORMAT,
            "",
            NULL,
            "must be a duration such as \"1.5s\" or \"100ms\", not %s",
            text_quote(d->arena, json->valuestring));
        return;
    case DURATION_TOO_FINE:
        schema_fault(d, DIAG_OUT_OF_RANGE, "", NULL, "must be whole milliseconds");
        return;
    case DURATION_GOOD:
        break;
    }
    double least = f->flags & FIELD_MAY_BE_ZERO ? 0 : 1;
    if (is_in_range(d, f, (double)value.ms, least, INFINITY, " ms"))
        *(struct duration *)slot = value;
}

static void unknown_value(struct decoder *d, const struct field *f, const char *text)
{
    const char *names[FIELDS_MAX];
    INVARIANT(f->value_count <= FIELDS_MAX);
    for (size_t i = 0; i < f->value_count; i++)
        names[i] = f->values[i].name;
    schema_fault(d,
        DIAG_UNKNOWN_VALUE,
        "",
        did_you_mean(d, text, names, f->value_count),
        "unknown value %s",
        text_quote(d->arena, text));
}

static void decode_enum(struct decoder *d, const struct field *f, const cJSON *json, void *slot)
{
    if (!expect(d, json, cJSON_String, "a string"))
        return;
    int (*compare)(const char *, const char *) = f->flags & FIELD_ANY_CASE ? strcasecmp : strcmp;
    for (size_t i = 0; i < f->value_count; i++) {
        const struct enum_value *v = &f->values[i];
        if (compare(v->name, json->valuestring) != 0)
            continue;
        if (v->is_unsupported)
            schema_fault(d, DIAG_UNSUPPORTED, "", f->hint, "%s is not supported yet", v->name);
        *(int *)slot = v->value;
        return;
    }
    unknown_value(d, f, json->valuestring);
}

static void decode_members(
    struct decoder *d, const struct schema *s, const cJSON *json, void *object);

static void decode_inline(struct decoder *d, const struct field *f, const cJSON *json, void *slot)
{
    if (expect(d, json, cJSON_Object, "an object"))
        decode_members(d, f->of, json, slot);
}

static void decode_object(struct decoder *d, const struct field *f, const cJSON *json, void *slot)
{
    void *object = arena_alloc(d->arena, f->of->size, _Alignof(max_align_t));
    decode_inline(d, f, json, object);
    *(const void **)slot = object;
}

static void decode_raw(struct decoder *d, const struct field *f, const cJSON *json, void *slot)
{
    (void)d, (void)f;
    *(const cJSON **)slot = json;
}

static void decode_value(struct decoder *d, const struct field *f, const cJSON *json, void *slot);

/* The layout that every LIST(T) has. */
typedef LIST(void) any_list;

/* Room for the children of `json`, or NULL after a fault. */
static char *alloc_items(struct decoder *d, const struct field *f, const cJSON *json, size_t *count)
{
    *count = (size_t)cJSON_GetArraySize(json);
    d->items += *count;
    if (d->items <= SCHEMA_ITEMS_MAX)
        return arena_alloc(d->arena, *count * f->item_size, _Alignof(max_align_t));
    schema_fault(d,
        DIAG_TOO_LARGE,
        "",
        NULL,
        "has too many items: at most %d in one resource",
        SCHEMA_ITEMS_MAX);
    return NULL;
}

/* How one item of a list or map is decoded: as a field of the item's kind. */
static struct field field_of_items(const struct field *f)
{
    struct field item = *f;
    item.kind = f->item_kind;
    item.flags = (f->flags & ~(unsigned)FIELD_REQUIRED) | FIELD_KEEP_EMPTY;
    return item;
}

static void decode_list(struct decoder *d, const struct field *f, const cJSON *json, void *slot)
{
    size_t count;
    if (!expect(d, json, cJSON_Array, "a list"))
        return;
    char *items = alloc_items(d, f, json, &count);
    if (!items)
        return;
    struct field item_field = field_of_items(f);
    struct step step = { .up = d->at };
    const cJSON *child;
    d->at = &step;
    cJSON_ArrayForEach (child, json) {
        decode_value(d, &item_field, child, items + step.index * f->item_size);
        step.index++;
    }
    d->at = step.up;
    memcpy(slot, &(any_list){ items, count }, sizeof(any_list));
}

/* Items of a map begin with their key. */
static int compare_items(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

static void decode_map(struct decoder *d, const struct field *f, const cJSON *json, void *slot)
{
    size_t count, filled = 0;
    if (!expect(d, json, cJSON_Object, "an object"))
        return;
    char *items = alloc_items(d, f, json, &count);
    if (!items)
        return;
    struct field item_field = field_of_items(f);
    item_field.flags |= FIELD_REQUIRED; /* so that a number's range holds for 0 */
    struct step step = { .up = d->at };
    const cJSON *child;
    d->at = &step;
    cJSON_ArrayForEach (child, json) {
        char *item = items + filled++ * f->item_size;
        step.name = child->string;
        has_format(d, f->key_format, child->string);
        *(const char **)(void *)item = arena_strdup(d->arena, child->string);
        decode_value(d, &item_field, child, item + f->value_offset);
    }
    d->at = step.up;
    if (count > 1)
        qsort(items, count, f->item_size, compare_items);
    memcpy(slot, &(any_list){ items, count }, sizeof(any_list));
}

static bool is_default(const cJSON *json)
{
    return cJSON_IsFalse(json) || (cJSON_IsNumber(json) && json->valuedouble == 0) ||
           (cJSON_IsString(json) && !*json->valuestring) || (cJSON_IsArray(json) && !json->child);
}

static void decode_unsupported(
    struct decoder *d, const struct field *f, const cJSON *json, void *slot)
{
    (void)slot;
    const char *text = cJSON_GetStringValue(json);
    bool is_neutral = text && f->neutral && strcmp(text, f->neutral) == 0;
    if (!is_default(json) && !is_neutral)
        schema_fault(d, DIAG_UNSUPPORTED, "", f->hint, "is not supported yet");
}

static void decode_no_effect(
    struct decoder *d, const struct field *f, const cJSON *json, void *slot)
{
    (void)slot;
    if (!is_default(json) && !(cJSON_IsObject(json) && !json->child))
        schema_warn(d, DIAG_NO_EFFECT, "", f->hint, "has no effect");
}

static void decode_tolerated(
    struct decoder *d, const struct field *f, const cJSON *json, void *slot)
{
    (void)d, (void)f, (void)json, (void)slot;
}

static void decode_value(struct decoder *d, const struct field *f, const cJSON *json, void *slot)
{
    static void (*const decoders[])(
        struct decoder *, const struct field *, const cJSON *, void *) = {
        [FIELD_STRING] = decode_string,
        [FIELD_BOOL] = decode_bool,
        [FIELD_OPT_BOOL] = decode_opt_bool,
        [FIELD_U32] = decode_u32,
        [FIELD_OPT_U32] = decode_opt_u32,
        [FIELD_DOUBLE] = decode_double,
        [FIELD_OPT_DOUBLE] = decode_opt_double,
        [FIELD_DURATION] = decode_duration,
        [FIELD_ENUM] = decode_enum,
        [FIELD_OBJECT] = decode_object,
        [FIELD_INLINE] = decode_inline,
        [FIELD_LIST] = decode_list,
        [FIELD_MAP] = decode_map,
        [FIELD_RAW] = decode_raw,
        [FIELD_UNSUPPORTED] = decode_unsupported,
        [FIELD_NO_EFFECT] = decode_no_effect,
        [FIELD_TOLERATED] = decode_tolerated,
    };
    decoders[f->kind](d, f, json, slot);
}

/* ---- objects ---- */

/* "per_try_timeout" and "perTryTimeout" name the same field. */
static bool is_name_of(const char *snake, const char *key)
{
    if (strcmp(snake, key) == 0)
        return true;
    for (; *snake; snake++, key++) {
        int c = *snake == '_' ? toupper((unsigned char)*++snake) : *snake;
        if (c != *key)
            return false;
    }
    return !*key;
}

static const char *camel_case(struct arena *a, const char *snake)
{
    char name[NAME_MAX_BYTES];
    size_t size = 0;
    for (; *snake; snake++) {
        INVARIANT(size + 1 < sizeof name);
        name[size++] = (char)(*snake == '_' ? toupper((unsigned char)*++snake) : *snake);
    }
    return arena_strndup(a, name, size);
}

static const struct field *find_field(const struct schema *s, const char *key)
{
    for (size_t i = 0; i < s->field_count; i++)
        if (is_name_of(s->fields[i].name, key))
            return &s->fields[i];
    return NULL;
}

static void unknown_field(struct decoder *d, const struct schema *s, const char *key)
{
    const char *names[FIELDS_MAX];
    if (is_full(d)) {
        schema_fault(d, DIAG_UNKNOWN_FIELD, "", NULL, "unknown field");
        return;
    }
    for (size_t i = 0; i < s->field_count; i++)
        names[i] = camel_case(d->arena, s->fields[i].name);
    schema_fault(
        d, DIAG_UNKNOWN_FIELD, "", did_you_mean(d, key, names, s->field_count), "unknown field");
}

/* Fields of one oneof exclude each other; `seen` has a bit for each row that was given. */
static void check_oneofs(struct decoder *d, const struct schema *s, uint64_t seen)
{
    for (size_t i = 0; i < s->field_count; i++)
        for (size_t j = 0; j < i && s->fields[i].oneof && seen >> i & 1; j++)
            if (s->fields[j].oneof == s->fields[i].oneof && seen >> j & 1)
                schema_fault(d,
                    DIAG_CONFLICT,
                    camel_case(d->arena, s->fields[i].name),
                    NULL,
                    "cannot be given together with %s",
                    camel_case(d->arena, s->fields[j].name));
}

static bool is_empty(const struct field *f, const cJSON *json)
{
    bool is_string = cJSON_IsString(json) && !(f->flags & FIELD_KEEP_EMPTY);
    bool is_many = f->kind == FIELD_LIST || f->kind == FIELD_MAP;
    return (is_string && !*json->valuestring) || (is_many && !json->child);
}

static void decode_member(
    struct decoder *d, const struct schema *s, const cJSON *json, void *object, uint64_t *seen)
{
    const struct field *f = find_field(s, json->string);
    if (!f) {
        unknown_field(d, s, json->string);
        return;
    }
    if (cJSON_IsNull(json))
        return;
    uint64_t bit = UINT64_C(1) << (f - s->fields);
    if (*seen & bit)
        schema_fault(d, DIAG_NOT_JSON, "", NULL, "is given twice, in two spellings");
    *seen |= bit;
    if ((f->flags & FIELD_REQUIRED) && is_empty(f, json))
        schema_fault(d, DIAG_REQUIRED, "", NULL, "must not be empty");
    else
        decode_value(d, f, json, (char *)object + f->offset);
}

static void apply_absences(struct decoder *d, const struct schema *s, uint64_t seen, void *object)
{
    for (size_t i = 0; i < s->field_count; i++) {
        const struct field *f = &s->fields[i];
        if (seen >> i & 1)
            continue;
        if (f->flags & FIELD_REQUIRED)
            schema_fault(d, DIAG_REQUIRED, camel_case(d->arena, f->name), NULL, "is required");
        else if (f->kind == FIELD_ENUM)
            *(int *)(void *)((char *)object + f->offset) = f->fallback;
    }
}

static void decode_members(
    struct decoder *d, const struct schema *s, const cJSON *json, void *object)
{
    size_t errors = d->diags->errors;
    uint64_t seen = 0;
    INVARIANT(s->field_count <= FIELDS_MAX);
    struct step step = { .up = d->at };
    const cJSON *member;
    d->at = &step;
    cJSON_ArrayForEach (member, json) {
        step.name = member->string;
        decode_member(d, s, member, object, &seen);
    }
    d->at = step.up;
    check_oneofs(d, s, seen);
    apply_absences(d, s, seen, object);
    if (s->check && d->diags->errors == errors)
        s->check(d, object);
}

const void *schema_decode_in(const struct schema *s, const char *root, const char *ns,
    const cJSON *json, struct arena *a, struct diags *d)
{
    struct step step = { .name = root };
    struct decoder decoder = { .arena = a, .diags = d, .ns = ns, .at = &step };
    size_t errors = d->errors;
    void *object = arena_alloc(a, s->size, _Alignof(max_align_t));
    if (expect(&decoder, json, cJSON_Object, "an object"))
        decode_members(&decoder, s, json, object);
    return d->errors == errors ? object : NULL;
}

const void *schema_decode(
    const struct schema *s, const char *root, const cJSON *json, struct arena *a, struct diags *d)
{
    return schema_decode_in(s, root, "", json, a, d);
}
