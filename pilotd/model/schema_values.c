#include "model/decoder.h"
#include "model/duration.h"
#include "model/text.h"

#include <math.h>
#include <string.h>
#include <strings.h>

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

static void has_format(struct decoder *d, const struct format *format, const char *text)
{
    if (!format)
        return;
    if (format->accepts(text)) {
        const char *doubt = format->doubt ? format->doubt(d->scratch, text) : NULL;
        if (doubt)
            schema_warn(d, DIAG_RULE, "", NULL, "%s", doubt);
        return;
    }
    const char *quoted = text_quote(d->scratch, text);
    if (format->explain)
        schema_fault(d,
            DIAG_BAD_FORMAT,
            "",
            NULL,
            "must be %s; %s is not: %s",
            format->must_be,
            quoted,
            format->explain(d->scratch, text));
    else
        schema_fault(d, DIAG_BAD_FORMAT, "", NULL, "must be %s, not %s", format->must_be, quoted);
}

static void decode_string(struct decoder *d, const struct field *f, const cJSON *json, void *slot)
{
    if (!decoder_expect(d, json, cJSON_String, "a string"))
        return;
    if (!*json->valuestring && !(f->flags & FIELD_KEEP_EMPTY))
        return;
    has_format(d, f->format, json->valuestring);
    *(const char **)slot = arena_strdup(d->arena, json->valuestring);
}

static void decode_bool(struct decoder *d, const struct field *f, const cJSON *json, void *slot)
{
    (void)f;
    if (decoder_expect(d, json, cJSON_True | cJSON_False, "true or false"))
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
    if (!decoder_expect(d, json, cJSON_Number, "a whole number"))
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
    if (decoder_expect(d, json, cJSON_Number, "a number") &&
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
    if (!decoder_expect(d, json, cJSON_String, "a duration such as \"1.5s\""))
        return;
    switch (duration_parse(json->valuestring, &value)) {
    case DURATION_BAD:
        schema_fault(d,
            DIAG_BAD_FORMAT,
            "",
            NULL,
            "must be a duration such as \"1.5s\" or \"100ms\", not %s",
            text_quote(d->scratch, json->valuestring));
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
    size_t count = 0;
    INVARIANT(f->value_count <= FIELDS_MAX);
    for (size_t i = 0; i < f->value_count; i++)
        if (*f->values[i].name)
            names[count++] = f->values[i].name;
    schema_fault(d,
        DIAG_UNKNOWN_VALUE,
        "",
        decoder_did_you_mean(d, text, names, count),
        "unknown value %s",
        text_quote(d->scratch, text));
}

static void decode_enum(struct decoder *d, const struct field *f, const cJSON *json, void *slot)
{
    if (!decoder_expect(d, json, cJSON_String, "a string"))
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

static void decode_inline(struct decoder *d, const struct field *f, const cJSON *json, void *slot)
{
    if (decoder_expect(d, json, cJSON_Object, "an object"))
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
    if (!decoder_expect(d, json, cJSON_Array, "a list"))
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
    if (!decoder_expect(d, json, cJSON_Object, "an object"))
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
    const void *ignored;
    size_t errors = d->diags->errors;
    (void)slot;
    if (f->of)
        decode_object(d, f, json, &ignored);
    if (d->diags->errors == errors && !is_default(json) && !(cJSON_IsObject(json) && !json->child))
        schema_warn(d, DIAG_NO_EFFECT, "", f->hint, "has no effect");
}

static void decode_tolerated(
    struct decoder *d, const struct field *f, const cJSON *json, void *slot)
{
    (void)d, (void)f, (void)json, (void)slot;
}

void decode_value(struct decoder *d, const struct field *f, const cJSON *json, void *slot)
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
