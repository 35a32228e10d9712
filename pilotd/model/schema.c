#include "model/schema.h"

#include "model/decoder.h"

#include <ctype.h>
#include <string.h>

enum { NAME_MAX_BYTES = 64 };

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
    if (decoder_is_full(d)) {
        schema_fault(d, DIAG_UNKNOWN_FIELD, "", NULL, "unknown field");
        return;
    }
    for (size_t i = 0; i < s->field_count; i++)
        names[i] = camel_case(d->scratch, s->fields[i].name);
    schema_fault(d,
        DIAG_UNKNOWN_FIELD,
        "",
        decoder_did_you_mean(d, key, names, s->field_count),
        "unknown field");
}

/* Fields of one oneof exclude each other; `seen` has a bit for each row that was given. */
static void check_oneofs(struct decoder *d, const struct schema *s, uint64_t seen)
{
    for (size_t i = 0; i < s->field_count; i++)
        for (size_t j = 0; j < i && s->fields[i].oneof && seen >> i & 1; j++)
            if (s->fields[j].oneof == s->fields[i].oneof && seen >> j & 1)
                schema_fault(d,
                    DIAG_CONFLICT,
                    camel_case(d->scratch, s->fields[i].name),
                    NULL,
                    "cannot be given together with %s",
                    camel_case(d->scratch, s->fields[j].name));
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
            schema_fault(d, DIAG_REQUIRED, camel_case(d->scratch, f->name), NULL, "is required");
        else if (f->kind == FIELD_ENUM)
            *(int *)(void *)((char *)object + f->offset) = f->fallback;
    }
}

void decode_members(struct decoder *d, const struct schema *s, const cJSON *json, void *object)
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
    struct arena *scratch = arena_new();
    struct decoder decoder = { a, scratch, d, .ns = ns, .at = &step };
    size_t errors = d->errors;
    void *object = arena_alloc(a, s->size, _Alignof(max_align_t));
    if (decoder_expect(&decoder, json, cJSON_Object, "an object"))
        decode_members(&decoder, s, json, object);
    arena_free(scratch);
    return d->errors == errors ? object : NULL;
}

const void *schema_decode(
    const struct schema *s, const char *root, const cJSON *json, struct arena *a, struct diags *d)
{
    return schema_decode_in(s, root, "", json, a, d);
}
