/* The tables as JSON Schema: weaker than validation, which knows formats and rules across fields,
 * but enough for an editor to complete, and to underline what cannot be. */
#include "model/envelope.h"
#include "model/field_doc.h"

#include <math.h>
#include <string.h>

struct page {
    struct arena *a;
    cJSON *definitions;
};

static cJSON *typed(const char *type)
{
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "type", type);
    return json;
}

static cJSON *number(const struct field *f, const char *type)
{
    cJSON *json = typed(type);
    bool has_range = f->range.min != 0 || f->range.max != 0;
    bool is_absence = f->kind == FIELD_U32 && !(f->flags & FIELD_REQUIRED);
    if (has_range || strcmp(type, "integer") == 0)
        cJSON_AddNumberToObject(json, "minimum", is_absence ? 0 : f->range.min);
    if (has_range && f->range.max != INFINITY)
        cJSON_AddNumberToObject(json, "maximum", f->range.max);
    return json;
}

static cJSON *enumeration(const struct field *f)
{
    cJSON *json = typed("string");
    if (f->flags & FIELD_ANY_CASE)
        return json;
    cJSON *values = cJSON_AddArrayToObject(json, "enum");
    for (size_t i = 0; i < f->value_count; i++)
        if (!f->values[i].is_unsupported)
            cJSON_AddItemToArray(values, cJSON_CreateString(f->values[i].name));
    return json;
}

static cJSON *duration(void)
{
    cJSON *json = typed("string");
    cJSON_AddStringToObject(
        json, "pattern", "^([0-9]+(\\.[0-9]*)?|\\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)");
    return json;
}

static cJSON *reference(struct page *p, const struct schema *s);

static cJSON *value_schema(struct page *p, const struct field *f, enum field_kind kind)
{
    cJSON *json;
    switch (kind) {
    case FIELD_STRING:
        return typed("string");
    case FIELD_BOOL:
    case FIELD_OPT_BOOL:
        return typed("boolean");
    case FIELD_U32:
    case FIELD_OPT_U32:
        return number(f, "integer");
    case FIELD_DOUBLE:
    case FIELD_OPT_DOUBLE:
        return number(f, "number");
    case FIELD_DURATION:
        return duration();
    case FIELD_ENUM:
        return enumeration(f);
    case FIELD_OBJECT:
    case FIELD_INLINE:
        return reference(p, f->of);
    case FIELD_LIST:
        json = typed("array");
        cJSON_AddItemToObject(json, "items", value_schema(p, f, f->item_kind));
        return json;
    case FIELD_MAP:
        json = typed("object");
        cJSON_AddItemToObject(json, "additionalProperties", value_schema(p, f, f->item_kind));
        return json;
    default:
        return cJSON_CreateObject();
    }
}

static const char *description(struct page *p, const struct schema *s, const struct field *f)
{
    const struct field_doc *doc = field_doc_find(s, f);
    if (f->kind == FIELD_NO_EFFECT)
        return f->hint ? arena_printf(p->a, "Has no effect: %s.", f->hint) : "Has no effect.";
    if (!doc)
        return NULL;
    const char *text =
        arena_printf(p->a, "%s Must be: %s.", doc->meaning, field_value_text(p->a, s, f));
    if (*doc->fallback)
        text = arena_printf(p->a, "%s Without it: %s.", text, doc->fallback);
    return *doc->envoy ? arena_printf(p->a, "%s Envoy: %s.", text, doc->envoy) : text;
}

static cJSON *field_schema(struct page *p, const struct schema *s, const struct field *f)
{
    cJSON *json = value_schema(p, f, f->kind);
    const char *text = description(p, s, f);
    if (text)
        cJSON_AddStringToObject(json, "description", text);
    if (f->kind == FIELD_NO_EFFECT)
        cJSON_AddTrueToObject(json, "deprecated");
    if (f->flags & FIELD_REQUIRED && f->kind == FIELD_STRING)
        cJSON_AddNumberToObject(json, "minLength", 1);
    if (f->flags & FIELD_REQUIRED && f->kind == FIELD_LIST)
        cJSON_AddNumberToObject(json, "minItems", 1);
    return json;
}

/* Two of one oneof are not given together. */
static void add_rivals(struct page *p, const struct schema *s, cJSON *json)
{
    cJSON *all = cJSON_CreateArray();
    for (size_t i = 0; i < s->field_count; i++)
        for (size_t k = 0; k < i && s->fields[i].oneof; k++) {
            if (s->fields[k].oneof != s->fields[i].oneof)
                continue;
            cJSON *rule = cJSON_CreateObject();
            cJSON *both = cJSON_AddArrayToObject(cJSON_AddObjectToObject(rule, "not"), "required");
            const char *first = field_json_name(p->a, &s->fields[k]);
            const char *second = field_json_name(p->a, &s->fields[i]);
            cJSON_AddItemToArray(both, cJSON_CreateString(first));
            cJSON_AddItemToArray(both, cJSON_CreateString(second));
            cJSON_AddItemToArray(all, rule);
        }
    if (all->child)
        cJSON_AddItemToObject(json, "allOf", all);
    else
        cJSON_Delete(all);
}

static void fill(struct page *p, const struct schema *s, cJSON *json)
{
    cJSON *properties = cJSON_AddObjectToObject(json, "properties");
    cJSON *required = cJSON_CreateArray();
    for (size_t i = 0; i < s->field_count; i++) {
        const struct field *f = &s->fields[i];
        const char *name = field_json_name(p->a, f);
        if (f->kind == FIELD_UNSUPPORTED)
            continue;
        cJSON_AddItemToObject(properties, name, field_schema(p, s, f));
        if (f->flags & FIELD_REQUIRED)
            cJSON_AddItemToArray(required, cJSON_CreateString(name));
    }
    if (required->child)
        cJSON_AddItemToObject(json, "required", required);
    else
        cJSON_Delete(required);
    cJSON_AddFalseToObject(json, "additionalProperties");
    add_rivals(p, s, json);
}

/* Each table is defined once. */
static cJSON *reference(struct page *p, const struct schema *s)
{
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "$ref", arena_printf(p->a, "#/$defs/%s", s->name));
    if (!cJSON_GetObjectItemCaseSensitive(p->definitions, s->name)) {
        cJSON *definition = typed("object");
        cJSON_AddItemToObject(p->definitions, s->name, definition);
        fill(p, s, definition);
    }
    return json;
}

static void only(cJSON *properties, const char *name, const char *value)
{
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "const", value);
    cJSON_ReplaceItemInObjectCaseSensitive(properties, name, json);
}

/* A resource: the envelope around what its tables say. */
static void fill_document(struct page *p, const struct kind_info *info, cJSON *json)
{
    fill(p, &envelope_schema, json);
    cJSON *properties = cJSON_GetObjectItemCaseSensitive(json, "properties");
    only(properties, "kind", info->name);
    cJSON_ReplaceItemInObjectCaseSensitive(properties, "spec", reference(p, info->schema));
    if (info->status)
        cJSON_ReplaceItemInObjectCaseSensitive(properties, "status", reference(p, info->status));
    if (info->group)
        cJSON_AddItemToArray(
            cJSON_GetObjectItemCaseSensitive(json, "required"), cJSON_CreateString("apiVersion"));
}

/* A MeshConfig may have its fields in a spec, or beside its kind. */
static void fill_mesh_config(struct page *p, const struct kind_info *info, cJSON *json)
{
    cJSON *test = cJSON_AddObjectToObject(json, "if");
    cJSON_AddItemToArray(cJSON_AddArrayToObject(test, "required"), cJSON_CreateString("spec"));
    fill_document(p, info, cJSON_AddObjectToObject(json, "then"));
    cJSON_AddItemToObject(json, "else", reference(p, info->schema));
}

cJSON *field_json_schema(enum kind kind)
{
    const struct kind_info *info = kind_info(kind);
    struct page page = { arena_new(), cJSON_CreateObject() };
    cJSON *json = typed("object");
    cJSON_AddStringToObject(json, "$schema", "https://json-schema.org/draft/2020-12/schema");
    cJSON_AddStringToObject(json, "title", info->name);
    if (kind == KIND_MESH_CONFIG)
        fill_mesh_config(&page, info, json);
    else if (info->group)
        fill_document(&page, info, json);
    else
        fill(&page, info->schema, json);
    cJSON_AddItemToObject(json, "$defs", page.definitions);
    arena_free(page.a);
    return json;
}
