#include "model/object.h"

#include "model/envelope.h"
#include "model/schema.h"
#include "model/text.h"

#include <string.h>

/* One value on its way to become an object. */
struct decoding {
    struct arena *arena; /* the object's */
    struct diags diags;  /* of this value alone, in the arena */
    struct object_key key;
    label_list labels, annotations;
    const void *spec, *status;
};

static bool fault(struct decoding *x, enum diag_code code, const char *path, const char *text)
{
    diag_add(&x->diags, DIAG_ERROR, code, path, NULL, "%s", text);
    return false;
}

static bool check_bytes(struct decoding *x, const char *value, size_t size)
{
    size_t at = 0;
    if (size > OBJECT_VALUE_MAX_BYTES)
        return true; /* json_parse says so */
    if (!text_is_utf8(value, size, &at))
        return fault(x,
            DIAG_NOT_JSON,
            "",
            arena_printf(x->arena, "is not UTF-8 text: stopped at byte %zu", at));
    if (text_has_escaped_nul(value, size, &at))
        return fault(x,
            DIAG_NOT_JSON,
            "",
            arena_printf(x->arena, "contains a NUL character at byte %zu", at));
    return true;
}

static void check_version(struct decoding *x, const char *version, const char *group)
{
    static const char *const versions[] = { "v1", "v1beta1", "v1alpha3" };
    size_t size = strlen(group);
    bool is_known = false;
    for (size_t i = 0; i < ARRAY_COUNT(versions); i++)
        is_known |= strncmp(version, group, size) == 0 && version[size] == '/' &&
                    strcmp(version + size + 1, versions[i]) == 0;
    if (!is_known)
        fault(x,
            DIAG_UNKNOWN_VALUE,
            "apiVersion",
            arena_printf(x->arena,
                "must be %s/v1 (or v1beta1, v1alpha3), not %s",
                group,
                text_quote(x->arena, version)));
}

static bool check_same(
    struct decoding *x, const char *path, const char *in_value, const char *in_key)
{
    if (!in_value || strcmp(in_value, in_key) == 0)
        return true;
    return fault(x,
        DIAG_KEY_MISMATCH,
        path,
        arena_printf(x->arena,
            "must be %s as in the key, not %s",
            text_quote(x->arena, in_key),
            text_quote(x->arena, in_value)));
}

static void check_identity(struct decoding *x, const struct envelope *e, const char *group)
{
    if (!e->api_version)
        fault(x, DIAG_REQUIRED, "apiVersion", "is required");
    else
        check_version(x, e->api_version, group);
    if (e->metadata) {
        check_same(x, "metadata.name", e->metadata->name, x->key.name);
        check_same(x, "metadata.namespace", e->metadata->ns, x->key.ns);
    }
}

static void decode_spec(struct decoding *x, const char *root, const cJSON *json)
{
    x->spec = schema_decode_in(
        kind_info(x->key.kind)->schema, root, x->key.ns, json, x->arena, &x->diags);
}

static void decode_status(struct decoding *x, const cJSON *json)
{
    const struct schema *schema = kind_info(x->key.kind)->status;
    if (!json || cJSON_IsNull(json) || !json->child)
        return;
    if (schema)
        x->status = schema_decode_in(schema, "status", x->key.ns, json, x->arena, &x->diags);
    else
        diag_add(&x->diags, DIAG_WARNING, DIAG_NO_EFFECT, "status", NULL, "%s", "has no effect");
}

static void decode_enveloped(struct decoding *x, const cJSON *json)
{
    const struct kind_info *info = kind_info(x->key.kind);
    const struct envelope *e = schema_decode(&envelope_schema, "", json, x->arena, &x->diags);
    if (!e) { /* go on with the spec: all faults at once */
        const cJSON *spec = cJSON_GetObjectItemCaseSensitive(json, "spec");
        if (cJSON_IsObject(spec))
            decode_spec(x, "spec", spec);
        return;
    }
    if (!check_same(x, "kind", e->kind, info->name))
        return;
    if (info->group)
        check_identity(x, e, info->group);
    if (e->metadata) {
        x->labels = e->metadata->labels;
        x->annotations = e->metadata->annotations;
    }
    decode_spec(x, "spec", e->spec);
    decode_status(x, e->status);
}

/* MeshConfig is stored bare or, from a folder of files, as a document of that kind. */
static bool is_enveloped(const struct decoding *x, const cJSON *json)
{
    return kind_info(x->key.kind)->group ||
           (x->key.kind == KIND_MESH_CONFIG && cJSON_GetObjectItemCaseSensitive(json, "kind") &&
               cJSON_GetObjectItemCaseSensitive(json, "spec"));
}

static void decode_value(struct decoding *x, const char *value, size_t size)
{
    if (!check_bytes(x, value, size))
        return;
    cJSON *json = json_parse(value, size, OBJECT_VALUE_MAX_BYTES, &x->diags);
    if (!json)
        return;
    if (!cJSON_IsObject(json))
        fault(x, DIAG_WRONG_TYPE, "", "must be an object");
    else if (is_enveloped(x, json))
        decode_enveloped(x, json);
    else
        decode_spec(x, "", json);
    cJSON_Delete(json);
}

static struct hash128 digest_of(const char *key, const char *value, size_t size)
{
    struct hasher *h = hasher_new();
    hasher_add_text(h, key);
    hasher_add(h, value, size);
    return hasher_finish(h);
}

static void hand_over(const struct diags *from, struct diags *to)
{
    for (list_each (const struct diag, diag, &from->list))
        diag_add(to, diag->severity, diag->code, diag->path, diag->hint, "%s", diag->message);
    to->dropped += from->dropped;
}

struct object *object_decode(
    const char *key, const char *value, size_t size_bytes, int64_t create_revision, struct diags *d)
{
    struct decoding x = { .arena = arena_new() };
    diags_init(&x.diags, x.arena);
    if (!object_key_parse(x.arena, key, &x.key, &x.diags))
        x.key.kind = KIND_NONE;
    else if (x.key.kind == KIND_NONE)
        fault(&x, DIAG_BAD_KEY, "", "the key is not one of configuration");
    else
        decode_value(&x, value, size_bytes);
    hand_over(&x.diags, d);
    if (x.diags.errors > 0) {
        arena_free(x.arena);
        return NULL;
    }
    struct object *o = ARENA_NEW(x.arena, struct object);
    *o = (struct object){
        .kind = x.key.kind,
        .key = arena_strdup(x.arena, key),
        .ns = x.key.ns,
        .name = x.key.name,
        .service = x.key.service,
        .labels = x.labels,
        .annotations = x.annotations,
        .create_revision = create_revision,
        .digest = digest_of(key, value, size_bytes),
        .value = arena_strndup(x.arena, value, size_bytes),
        .value_bytes = size_bytes,
        .spec = x.spec,
        .status = x.status,
        .warnings = { x.diags.list.items, x.diags.list.count },
        .arena = x.arena,
    };
    refcount_init(&o->refs);
    return o;
}

struct object *object_retain(struct object *o)
{
    refcount_retain(&o->refs);
    return o;
}

void object_release(struct object *o)
{
    if (o && refcount_release(&o->refs))
        arena_free(o->arena);
}

int object_compare_age(const struct object *a, const struct object *b)
{
    if (a->create_revision != b->create_revision)
        return a->create_revision < b->create_revision ? -1 : 1;
    int order = strcmp(a->ns, b->ns);
    if (order == 0)
        order = strcmp(a->name, b->name);
    return order ? order : strcmp(a->key, b->key);
}
