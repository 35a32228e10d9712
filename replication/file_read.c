#include "replication/file_read.h"

#include "base/yaml.h"

#include <math.h>
#include <string.h>
#include <time.h>

/* ---- keys that are paths ---- */

static const struct key_shape {
    const char *first; /* part of the key */
    size_t min_parts, max_parts;
    bool has_order;
    bool is_json_only; /* pilotd's own are never YAML */
} key_shapes[] = {
    { "mesh", 1, 1, .has_order = true },
    { "config", 4, 4, .has_order = true },
    { "services", 3, 3, .has_order = true },
    { "registry", 4, 4 },
    { "cluster", 1, 1, .has_order = true, .is_json_only = true },
    { "replicas", 2, 2, .is_json_only = true },
    { "holds", 2, SIZE_MAX, .is_json_only = true },
    { "tombstones", 5, 5, .is_json_only = true },
};

/* 0 for what is no path of visible names. */
static size_t count_parts(const char *key)
{
    size_t parts = 0;
    for (;;) {
        size_t size = strcspn(key, "/");
        if (size == 0 || *key == '.')
            return 0;
        parts++;
        if (!key[size])
            return parts;
        key += size + 1;
    }
}

static const struct key_shape *shape_of(const char *key)
{
    size_t parts = count_parts(key), first_size = strcspn(key, "/");
    for (size_t i = 0; i < ARRAY_COUNT(key_shapes); i++) {
        const struct key_shape *shape = &key_shapes[i];
        if (parts >= shape->min_parts && parts <= shape->max_parts &&
            strlen(shape->first) == first_size && memcmp(shape->first, key, first_size) == 0)
            return shape;
    }
    return NULL;
}

bool file_can_hold_key(const char *key)
{
    return shape_of(key);
}

static const char *extension_of(const char *name)
{
    static const char *const known[] = { ".json", ".yaml", ".yml" };
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < ARRAY_COUNT(known); i++)
        if (strcmp(dot, known[i]) == 0)
            return dot;
    return NULL;
}

bool file_has_known_extension(const char *name)
{
    return extension_of(name);
}

/* ---- values ---- */

/* cJSON prints 1230000000000000 as 1.23e+15. Integers that a double holds exactly are put in as
 * text. The depth is bounded by JSON_MAX_DEPTH. */
static void fix_integers(cJSON *json)
{
    const double exact_max = 9007199254740992.0; /* 2^53 */
    cJSON *child;
    cJSON_ArrayForEach (child, json)
        fix_integers(child);
    if (!cJSON_IsNumber(json) || fabs(json->valuedouble) > exact_max ||
        trunc(json->valuedouble) != json->valuedouble)
        return;
    char text[24];
    snprintf(text, sizeof text, "%.0f", json->valuedouble);
    json->valuestring = xstrdup(text);
    json->type = cJSON_Raw;
}

static void print_value(struct arena *a, cJSON *root, struct file_value *value)
{
    fix_integers(root);
    char *text = cJSON_PrintUnformatted(root);
    INVARIANT(text);
    value->size = strlen(text);
    value->value = arena_strndup(a, text, value->size);
    cJSON_free(text);
}

/* Minutes east of UTC: "Z", "+02:00". */
static bool parse_zone(const char *text, int *minutes)
{
    int hours = 0, rest = 0, size = 0;
    *minutes = 0;
    if (strcmp(text, "Z") == 0)
        return true;
    if ((*text != '+' && *text != '-') ||
        sscanf(text + 1, "%2d:%2d%n", &hours, &rest, &size) != 2 || size != 5 || text[6] ||
        hours > 23 || rest > 59)
        return false;
    *minutes = (*text == '-' ? -1 : 1) * (hours * 60 + rest);
    return true;
}

/* RFC 3339: 2024-05-01T12:00:00[.123]Z */
static bool parse_time(const char *text, int64_t *ns)
{
    struct tm tm = { 0 };
    int64_t fraction = 0;
    int minutes;
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    if (!rest)
        return false;
    if (*rest == '.') {
        size_t digits = strspn(++rest, "0123456789");
        for (size_t i = 0; i < 9; i++)
            fraction = fraction * 10 + (i < digits ? rest[i] - '0' : 0);
        rest += digits;
    }
    if (!parse_zone(rest, &minutes))
        return false;
    int64_t seconds = (int64_t)timegm(&tm) - minutes * 60;
    if (__builtin_mul_overflow(seconds, 1000000000, ns) ||
        __builtin_add_overflow(*ns, fraction, ns))
        *ns = seconds < 0 ? INT64_MIN : INT64_MAX; /* before 1678, after 2261: as far as it goes */
    return true;
}

static bool read_timestamp(const cJSON *root, struct file_value *value, struct diags *d)
{
    const cJSON *metadata = cJSON_GetObjectItemCaseSensitive(root, "metadata");
    const cJSON *time = cJSON_GetObjectItemCaseSensitive(metadata, "creationTimestamp");
    if (!time || cJSON_IsNull(time))
        return true;
    value->has_timestamp = true;
    if (cJSON_IsString(time) && parse_time(time->valuestring, &value->created_ns))
        return true;
    diag_add(d,
        DIAG_ERROR,
        DIAG_BAD_FORMAT,
        "metadata.creationTimestamp",
        "as in 2024-05-01T12:00:00Z",
        "is no time");
    return false;
}

/* ---- the two kinds of file ---- */

struct reading {
    struct arena *a;
    const char *path, *text;
    size_t size;
    const struct store_layout *layout;
    struct diags *diags;
    struct file_values values;
};

static const char *required_text(
    const cJSON *object, const char *name, const char *path, struct diags *d)
{
    const char *text = json_text(object, name);
    if (!text || !*text)
        diag_add(d, DIAG_ERROR, DIAG_REQUIRED, path, NULL, "is required");
    return text && *text ? text : NULL;
}

static const char *resource_key(struct reading *r, const cJSON *root)
{
    const cJSON *metadata = cJSON_GetObjectItemCaseSensitive(root, "metadata");
    const char *kind = required_text(root, "kind", "kind", r->diags);
    const char *name = required_text(metadata, "name", "metadata.name", r->diags);
    const char *ns = json_text(metadata, "namespace");
    return kind && name ? r->layout->key_of(r->a, kind, ns && *ns ? ns : "default", name, r->diags)
                        : NULL;
}

static void read_resource(struct reading *r, const struct yaml_document *document)
{
    struct file_value value = { .line = document->line, .has_order = true };
    if (!document->root)
        return;
    if (!cJSON_IsObject(document->root)) {
        diag_add(r->diags, DIAG_ERROR, DIAG_WRONG_TYPE, "", NULL, "must be a resource, an object");
        return;
    }
    value.key = resource_key(r, document->root);
    if (!value.key || !read_timestamp(document->root, &value, r->diags))
        return;
    print_value(r->a, document->root, &value);
    list_push(r->a, &r->values.list, value);
}

static void read_resources(struct reading *r, const struct yaml_file *file)
{
    for (list_each (struct yaml_document, document, &file->documents)) {
        read_resource(r, document);
        yaml_locate(document, r->diags);
    }
}

/* What is valid JSON is passed on byte for byte. */
static bool take_json(struct reading *r, struct file_value *value)
{
    cJSON *json = json_parse(r->text, r->size, SIZE_MAX, r->diags);
    value->value = arena_strndup(r->a, r->text, r->size);
    value->size = r->size;
    cJSON_Delete(json);
    return json;
}

static bool read_single(
    struct reading *r, const struct yaml_file *file, const char *key, const struct key_shape *shape)
{
    const struct yaml_document *document = file->documents.items;
    struct file_value value = { .key = key, .has_order = shape->has_order };
    if (file->documents.count != 1 || !document->root) {
        diag_add(r->diags, DIAG_ERROR, DIAG_RULE, "", NULL, "must hold exactly one value");
        return false;
    }
    value.line = document->line;
    if (!read_timestamp(document->root, &value, r->diags)) {
        yaml_locate(document, r->diags);
        return false;
    }
    if (strcmp(extension_of(r->path), ".json") != 0)
        print_value(r->a, document->root, &value);
    else if (!take_json(r, &value))
        return false;
    list_push(r->a, &r->values.list, value);
    return true;
}

struct file_values file_read(struct arena *a, const char *path, const char *text, size_t size,
    const struct store_layout *layout, struct diags *d)
{
    struct reading r = {
        .a = a, .path = path, .text = text, .size = size, .layout = layout, .diags = d
    };
    const char *extension = extension_of(path);
    const char *key = arena_strndup(a, path, (size_t)(extension - path));
    const struct key_shape *shape = shape_of(key);
    struct yaml_file file;
    if (shape && shape->is_json_only && strcmp(extension, ".json") != 0)
        shape = NULL;
    yaml_read(text, size, &file, d);
    r.values.is_whole = d->errors == 0;
    if (r.values.is_whole && shape)
        r.values.is_whole = read_single(&r, &file, key, shape);
    else if (r.values.is_whole)
        read_resources(&r, &file);
    yaml_file_fini(&file);
    return r.values;
}
