#include "config_gen.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

enum { DEPTH_MAX = 10, NAME_BYTES = 64, ATTEMPTS = 3, REPAIRS = 8 };

static cJSON *gen_object(struct config_gen *g, const struct schema *s, unsigned depth);
static cJSON *gen_value(
    struct config_gen *g, const struct field *f, enum field_kind kind, unsigned depth);

static const char *camel_case(const char *snake, char name[NAME_BYTES])
{
    size_t size = 0;
    for (; *snake && size < NAME_BYTES - 1; snake++)
        name[size++] = *snake == '_' ? (char)toupper((unsigned char)*++snake) : *snake;
    name[size] = '\0';
    return name;
}

/* ---- values by kind ---- */

static cJSON *gen_text(struct config_gen *g, const struct field *f)
{
    if ((f->flags & FIELD_KEEP_EMPTY) && !f->format && dice_chance(&g->dice, 5))
        return cJSON_CreateString("");
    const char *text = vocabulary_text(g->a, &g->dice, g->seed, f->name, f->format);
    return text ? cJSON_CreateString(text) : NULL;
}

static cJSON *gen_number(struct config_gen *g, const struct field *f, bool is_whole)
{
    bool has_range = f->range.min != 0 || f->range.max != 0;
    double least = has_range ? f->range.min : 0;
    double most = has_range ? f->range.max : is_whole ? UINT32_MAX : HUGE_VAL;
    return cJSON_CreateNumber(vocabulary_number(&g->dice, least, most, is_whole));
}

static cJSON *gen_enum(struct config_gen *g, const struct field *f)
{
    char name[NAME_BYTES];
    const struct enum_value *v = &f->values[dice_below(&g->dice, f->value_count)];
    if (v->is_unsupported)
        return NULL;
    snprintf(name, sizeof name, "%s", v->name);
    if ((f->flags & FIELD_ANY_CASE) && dice_chance(&g->dice, 20))
        for (char *c = name; *c; c++)
            *c = (char)tolower((unsigned char)*c);
    return cJSON_CreateString(name);
}

static unsigned item_count(struct config_gen *g, const struct field *f)
{
    if (dice_chance(&g->dice, 2))
        return 12;
    return (f->flags & FIELD_REQUIRED ? 1 : 0) + dice_below(&g->dice, 4);
}

static cJSON *gen_list(struct config_gen *g, const struct field *f, unsigned depth)
{
    cJSON *list = cJSON_CreateArray();
    for (unsigned i = item_count(g, f); i > 0; i--) {
        cJSON *item = gen_value(g, f, f->item_kind, depth);
        if (item)
            cJSON_AddItemToArray(list, item);
    }
    return list;
}

static cJSON *gen_map(struct config_gen *g, const struct field *f, unsigned depth)
{
    cJSON *map = cJSON_CreateObject();
    for (unsigned i = item_count(g, f); i > 0; i--) {
        const char *key = vocabulary_text(g->a, &g->dice, g->seed, f->name, f->key_format);
        cJSON *item = key ? gen_value(g, f, f->item_kind, depth) : NULL;
        if (item && !cJSON_GetObjectItemCaseSensitive(map, key))
            cJSON_AddItemToObject(map, key, item);
        else
            cJSON_Delete(item);
    }
    return map;
}

/* Fields that are known but do nothing: seldom there, and of no type in particular. */
static cJSON *gen_idle(struct config_gen *g, const struct field *f)
{
    if (f->kind == FIELD_NO_EFFECT && dice_chance(&g->dice, 5))
        return cJSON_CreateString("anything");
    return f->neutral ? cJSON_CreateString(f->neutral) : NULL;
}

/* NULL: this field is better left out. */
static cJSON *gen_value(
    struct config_gen *g, const struct field *f, enum field_kind kind, unsigned depth)
{
    switch (kind) {
    case FIELD_STRING:
        return gen_text(g, f);
    case FIELD_BOOL:
    case FIELD_OPT_BOOL:
        return cJSON_CreateBool(dice_chance(&g->dice, 50));
    case FIELD_U32:
    case FIELD_OPT_U32:
        return gen_number(g, f, true);
    case FIELD_DOUBLE:
    case FIELD_OPT_DOUBLE:
        return gen_number(g, f, false);
    case FIELD_DURATION:
        return cJSON_CreateString(vocabulary_duration(&g->dice));
    case FIELD_ENUM:
        return gen_enum(g, f);
    case FIELD_OBJECT:
    case FIELD_INLINE:
        return gen_object(g, f->of, depth + 1);
    case FIELD_LIST:
        return gen_list(g, f, depth);
    case FIELD_MAP:
        return gen_map(g, f, depth);
    case FIELD_RAW:
        return cJSON_CreateObject();
    default:
        return gen_idle(g, f);
    }
}

/* ---- objects ---- */

/* Without these, most resources would say nothing. */
static bool is_essential(const char *name)
{
    static const char *const names[] = { "hosts",
        "http",
        "route",
        "destination",
        "host",
        "ports",
        "endpoints",
        "subsets",
        "traffic_policy",
        "match",
        "resolution",
        "protocol",
        "address" };
    for (size_t i = 0; i < ARRAY_COUNT(names); i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

static bool is_wanted(
    struct config_gen *g, const struct field *f, unsigned richness, unsigned depth)
{
    if (f->flags & FIELD_REQUIRED)
        return true;
    if (depth > DEPTH_MAX)
        return false;
    return dice_chance(&g->dice, is_essential(f->name) ? 85 : richness);
}

static cJSON *fill(struct config_gen *g, const struct schema *s, unsigned depth)
{
    static const unsigned richnesses[] = { 5, 15, 30, 60 };
    unsigned richness = richnesses[dice_below(&g->dice, ARRAY_COUNT(richnesses))];
    unsigned first = dice_below(&g->dice, s->field_count); /* a fair chance in each oneof */
    uint64_t taken = 0;
    char name[NAME_BYTES];
    cJSON *object = cJSON_CreateObject();
    for (size_t i = 0; i < s->field_count; i++) {
        const struct field *f = &s->fields[(first + i) % s->field_count];
        if ((f->oneof && taken >> f->oneof & 1) || !is_wanted(g, f, richness, depth))
            continue;
        cJSON *value = gen_value(g, f, f->kind, depth);
        if (!value)
            continue;
        cJSON_AddItemToObject(object, camel_case(f->name, name), value);
        taken |= f->oneof ? UINT64_C(1) << f->oneof : 0;
    }
    return object;
}

static void remove_at_random(struct config_gen *g, cJSON *object)
{
    int count = cJSON_GetArraySize(object);
    if (count > 0)
        cJSON_DeleteItemFromArray(object, (int)dice_below(&g->dice, (size_t)count));
}

/* Takes out the member that a fault's path begins with, or the item of it when that is a list. */
static void remove_at_path(struct config_gen *g, cJSON *object, const char *path)
{
    char name[NAME_BYTES];
    size_t size = strcspn(path, ".[");
    snprintf(name, sizeof name, "%.*s", (int)size, path);
    cJSON *member = cJSON_GetObjectItemCaseSensitive(object, name);
    if (!member && size == 0)
        remove_at_random(g, object);
    else if (cJSON_IsArray(member) && path[size] == '[' && cJSON_GetArraySize(member) > 1)
        cJSON_DeleteItemFromArray(member, atoi(path + size + 1));
    else
        cJSON_DeleteItemFromObjectCaseSensitive(object, name);
}

/* Is it valid? If not, the first fault's cause is taken out. */
static bool is_valid_or_repair(struct config_gen *g, const struct schema *s, cJSON *object)
{
    struct arena *a = arena_new();
    struct diags d;
    diags_init(&d, a);
    bool is_valid = schema_decode_in(s, "", g->ns, object, a, &d);
    for (size_t i = 0; !is_valid && i < d.list.count; i++)
        if (d.list.items[i].severity == DIAG_ERROR) {
            remove_at_path(g, object, d.list.items[i].path);
            break;
        }
    arena_free(a);
    return is_valid;
}

static cJSON *gen_object(struct config_gen *g, const struct schema *s, unsigned depth)
{
    for (unsigned attempt = 0; attempt < ATTEMPTS; attempt++) {
        cJSON *object = fill(g, s, depth);
        for (unsigned i = 0; i < REPAIRS; i++)
            if (is_valid_or_repair(g, s, object))
                return object;
        cJSON_Delete(object);
    }
    return NULL;
}

cJSON *config_gen_object(struct config_gen *g, const struct schema *s)
{
    return gen_object(g, s, 0);
}

/* ---- breaking ---- */

static cJSON *nonsense(struct config_gen *g)
{
    switch (dice_below(&g->dice, 8)) {
    case 0:
        return cJSON_CreateNull();
    case 1:
        return cJSON_CreateNumber(-1.5);
    case 2:
        return cJSON_CreateNumber(1e308);
    case 3:
        return cJSON_CreateArray();
    case 4:
        return cJSON_CreateObject();
    case 5:
        return cJSON_CreateTrue();
    default:
        return cJSON_CreateString(vocabulary_text(g->a, &g->dice, g->seed, "", NULL));
    }
}

void config_gen_break(struct config_gen *g, cJSON *json)
{
    int count = cJSON_GetArraySize(json);
    if (count == 0)
        return;
    int index = (int)dice_below(&g->dice, (size_t)count);
    cJSON *child = cJSON_GetArrayItem(json, index);
    bool is_deeper = child->child && dice_chance(&g->dice, 80);
    if (is_deeper)
        config_gen_break(g, child);
    else if (cJSON_IsArray(json))
        cJSON_ReplaceItemInArray(json, index, nonsense(g));
    else
        cJSON_ReplaceItemInObjectCaseSensitive(json, child->string, nonsense(g));
}
