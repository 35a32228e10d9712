#include "model/load.h"

#include "base/map.h"

#include <string.h>

void loader_init(struct loader *l, struct arena *a)
{
    *l = (struct loader){ .a = a };
}

void loader_fini(struct loader *l)
{
    for (list_each (struct load_item, item, &l->items))
        object_release(item->object);
    for (list_each (struct yaml_file, file, &l->files))
        yaml_file_fini(file);
    *l = (struct loader){ 0 };
}

static struct load_item *add_item(
    struct loader *l, const char *file, const struct yaml_document *document, const char *prefix)
{
    struct load_item item = { .file = file, .line = document ? document->line : 1 };
    struct load_place place = { document, prefix };
    diags_init(&item.diags, l->a);
    list_push(l->a, &l->items, item);
    list_push(l->a, &l->places, place);
    return &l->items.items[l->items.count - 1];
}

static void set_value(struct loader *l, struct load_item *item, const cJSON *json)
{
    char *printed = cJSON_PrintUnformatted(json);
    INVARIANT(printed);
    item->value = arena_strdup(l->a, printed);
    item->size = strlen(printed);
    free(printed);
}

static bool is_envelope_member(const char *name)
{
    return strcmp(name, "kind") == 0 || strcmp(name, "apiVersion") == 0 ||
           strcmp(name, "metadata") == 0;
}

/* Its value is the configuration alone: the spec, or what is beside kind and metadata. */
static void add_mesh_config(struct loader *l, struct load_item *item, const cJSON *json)
{
    struct load_place *place = &l->places.items[l->places.count - 1];
    const cJSON *spec = cJSON_GetObjectItemCaseSensitive(json, "spec"), *member;
    item->key = "mesh";
    if (spec) {
        place->prefix = arena_printf(l->a, "%sspec.", place->prefix);
        set_value(l, item, spec);
        return;
    }
    if (!cJSON_IsObject(json)) {
        set_value(l, item, json); /* which decoding refuses */
        return;
    }
    cJSON *bare = cJSON_CreateObject();
    cJSON_ArrayForEach (member, json)
        if (!is_envelope_member(member->string))
            cJSON_AddItemToObject(bare, member->string, cJSON_Duplicate(member, true));
    set_value(l, item, bare);
    cJSON_Delete(bare);
}

static void add_resource(struct loader *l, struct load_item *item, const cJSON *json)
{
    const cJSON *metadata = cJSON_GetObjectItemCaseSensitive(json, "metadata");
    const char *kind = json_text(json, "kind"), *ns = json_text(metadata, "namespace");
    const char *name = json_text(metadata, "name");
    if (!cJSON_IsObject(json) || !kind) {
        diag_add(&item->diags, DIAG_ERROR, DIAG_REQUIRED, "kind", NULL, "is required");
        return;
    }
    if (!name || !*name) {
        diag_add(&item->diags, DIAG_ERROR, DIAG_REQUIRED, "metadata.name", NULL, "is required");
        return;
    }
    const char *created = json_text(metadata, "creationTimestamp");
    item->created = arena_strdup(l->a, created);
    item->key = object_key_of_document(l->a, kind, ns ? ns : "default", name, &item->diags);
    set_value(l, item, json);
}

/* {key, value}: of what has no kind of its own. */
static void add_keyed(struct loader *l, struct load_item *item, const cJSON *json)
{
    struct load_place *place = &l->places.items[l->places.count - 1];
    const char *key = json_text(json, "key");
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(json, "value");
    struct object_key parts;
    bool is_key = object_key_parse(l->a, key, &parts, &item->diags);
    if (is_key && (parts.kind == KIND_NONE || kind_info(parts.kind)->plural))
        diag_add(&item->diags,
            DIAG_ERROR,
            DIAG_BAD_KEY,
            "key",
            NULL,
            "must be of services/, registry/ or mesh, not \"%s\"",
            key);
    else if (is_key && !value)
        diag_add(&item->diags, DIAG_ERROR, DIAG_REQUIRED, "value", NULL, "is required");
    if (item->diags.errors)
        return;
    place->prefix = arena_printf(l->a, "%svalue.", place->prefix);
    item->key = arena_strdup(l->a, key);
    set_value(l, item, value);
}

static void add_document(struct loader *l, const char *file, const struct yaml_document *document,
    const cJSON *json, const char *prefix)
{
    const char *kind = json_text(json, "kind");
    const cJSON *items = cJSON_GetObjectItemCaseSensitive(json, "items"), *child;
    if (kind && strcmp(kind, "List") == 0 && !*prefix) {
        size_t index = 0;
        cJSON_ArrayForEach (child, items) {
            const char *place = arena_printf(l->a, "items[%zu].", index++);
            add_document(l, file, document, child, place);
        }
        return;
    }
    struct load_item *item = add_item(l, file, document, prefix);
    if (kind && strcmp(kind, "MeshConfig") == 0)
        add_mesh_config(l, item, json);
    else if (!kind && json_text(json, "key"))
        add_keyed(l, item, json);
    else
        add_resource(l, item, json);
}

/* Reads a file; what does not even parse becomes one item that has only faults. */
static const struct yaml_file *read_file(
    struct loader *l, const char *file, const char *text, size_t size_bytes)
{
    struct yaml_file yaml = { 0 };
    struct diags syntax;
    diags_init(&syntax, l->a);
    yaml_read(text, size_bytes, &yaml, &syntax);
    list_push(l->a, &l->files, yaml);
    if (syntax.errors) {
        struct load_item *item = add_item(l, file, NULL, "");
        item->diags = syntax;
    }
    return &l->files.items[l->files.count - 1];
}

void loader_add(struct loader *l, const char *file, const char *text, size_t size_bytes)
{
    const struct yaml_file *yaml = read_file(l, file, text, size_bytes);
    for (list_each (struct yaml_document, document, &yaml->documents))
        if (document->root && !cJSON_IsNull(document->root))
            add_document(l, file, document, document->root, "");
}

void loader_add_mesh(struct loader *l, const char *file, const char *text, size_t size_bytes)
{
    const struct yaml_file *yaml = read_file(l, file, text, size_bytes);
    for (list_each (struct yaml_document, document, &yaml->documents))
        if (document->root && !cJSON_IsNull(document->root))
            add_mesh_config(l, add_item(l, file, document, ""), document->root);
}

/* Timestamps of one form (RFC 3339, UTC) sort as text. */
static int compare_created(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

struct ages {
    const char **created; /* sorted */
    size_t count;
    int64_t next; /* for the next document without a timestamp */
};

static int64_t age_of(struct ages *ages, const struct load_item *item)
{
    if (!item->created)
        return ages->next++;
    size_t low = 0, high = ages->count;
    while (low < high) { /* the first of those that are equally old */
        size_t middle = low + (high - low) / 2;
        bool is_older = strcmp(ages->created[middle], item->created) < 0;
        *(is_older ? &low : &high) = is_older ? middle + 1 : middle;
    }
    return (int64_t)low + 1;
}

static struct ages settle_ages(struct loader *l)
{
    struct ages ages = { .created = ARENA_ARRAY(l->a, const char *, l->items.count + 1) };
    for (list_each (struct load_item, item, &l->items))
        if (item->created)
            ages.created[ages.count++] = item->created;
    qsort(ages.created, ages.count, sizeof *ages.created, compare_created);
    ages.next = (int64_t)ages.count + 1;
    return ages;
}

/* Lines are found by the path in the document; people are told the path in the resource. */
static void locate(const struct loader *l, const struct load_place *place, struct diags *d)
{
    if (!place->document)
        return;
    for (list_each (struct diag, diag, &d->list))
        diag->path = arena_printf(l->a, "%s%s", place->prefix, diag->path);
    yaml_locate(place->document, d);
    for (list_each (struct diag, diag, &d->list))
        diag->path += strlen(place->prefix);
}

const struct load_item *loader_locate(const struct loader *l, const char *key, struct diag *diag)
{
    for (size_t i = 0; i < l->items.count; i++) {
        const struct load_item *item = &l->items.items[i];
        if (!item->object || strcmp(item->key, key) != 0)
            continue;
        struct diags one;
        diags_init(&one, l->a);
        list_push(l->a, &one.list, *diag);
        locate(l, &l->places.items[i], &one);
        diag->line = one.list.items[0].line;
        diag->column = one.list.items[0].column;
        return item;
    }
    return NULL;
}

/* As with files that are applied one after the other: the later document stands. */
static void check_twice(struct map *seen, struct load_item *item)
{
    struct load_item *former = map_put(seen, item->key, item);
    if (!former)
        return;
    object_release(former->object);
    former->object = NULL;
    diag_add(&item->diags,
        DIAG_WARNING,
        DIAG_CONFLICT,
        "metadata.name",
        NULL,
        "%s is given twice: this one stands, the one at %s:%u is left out",
        item->key,
        former->file,
        former->line);
}

void loader_finish(struct loader *l)
{
    struct ages ages = settle_ages(l);
    struct map seen = { 0 };
    for (size_t i = 0; i < l->items.count; i++) {
        struct load_item *item = &l->items.items[i];
        int64_t age = age_of(&ages, item);
        if (item->key) {
            item->object = object_decode(item->key, item->value, item->size, age, &item->diags);
            check_twice(&seen, item);
        }
        locate(l, &l->places.items[i], &item->diags);
        l->errors += item->diags.errors;
        l->warnings += item->diags.warnings;
    }
    map_fini(&seen, NULL);
}

const char *load_diag_text(struct arena *a, const struct load_item *item, const struct diag *diag)
{
    return arena_printf(a,
        "%s:%u:%u: %s%s",
        item->file,
        diag->line ? diag->line : item->line,
        diag->column ? diag->column : 1,
        diag->severity == DIAG_WARNING ? "warning: " : "",
        diag_text(a, diag));
}
