#include "ctl/world.h"

static void release_object(void *object)
{
    object_release(object);
}

static void put(
    struct world *w, const char *key, const char *value, size_t size, int64_t create_revision)
{
    struct diags ignored;
    diags_init(&ignored, w->a);
    struct object *object = object_decode(key, value, size, create_revision, &ignored);
    if (object)
        object_release(map_put(&w->objects, key, object));
    if (create_revision > w->revision)
        w->revision = create_revision;
}

static bool list(struct world *w, struct session *s, const char *prefix, struct error *err)
{
    struct session_answer answer;
    if (!session_list(s, prefix, &answer)) {
        *err = answer.err;
        return false;
    }
    for (list_each (const struct store_entry, entry, &answer.entries))
        put(w, entry->key, entry->value, entry->size, entry->create_revision);
    return true;
}

bool world_read(struct world *w, struct session *s, struct error *err)
{
    static const char *const prefixes[] = { "config/", "mesh", "services/", "registry/" };
    *w = (struct world){ .a = s->a };
    for (size_t i = 0; i < ARRAY_COUNT(prefixes); i++)
        if (!list(w, s, prefixes[i], err))
            return false;
    return true;
}

void world_fini(struct world *w)
{
    map_fini(&w->objects, release_object);
}

void world_write(struct world *w, const struct store_write *writes, size_t count)
{
    int64_t next = w->revision + 1;
    for (size_t i = 0; i < count; i++) {
        const struct object *former = map_find(&w->objects, writes[i].key);
        if (writes[i].value)
            put(w,
                writes[i].key,
                writes[i].value,
                writes[i].size,
                former ? former->create_revision : next);
        else
            object_release(map_remove(&w->objects, writes[i].key));
    }
}

struct store_write *writes_of_files(struct arena *a, const struct loader *loader, size_t *count)
{
    struct store_write *writes = ARENA_ARRAY(a, struct store_write, loader->items.count + 1);
    *count = 0;
    for (list_each (const struct load_item, item, &loader->items))
        if (item->object)
            writes[(*count)++] =
                (struct store_write){ .key = item->key, .value = item->value, .size = item->size };
    return writes;
}

/* ---- as snapshots ---- */

struct gathering {
    struct object **objects;
    size_t count;
};

static void gather(const char *key, void *value, void *context)
{
    struct gathering *g = context;
    (void)key;
    g->objects[g->count++] = value;
}

struct snapshot *world_snapshot(const struct world *w)
{
    struct gathering g = { ARENA_ARRAY(w->a, struct object *, w->objects.count + 1), 0 };
    map_each (&w->objects, gather, &g)
        ;
    return snapshot_build(g.objects, g.count, w->revision, level_newest);
}

struct snapshot *snapshot_of_files(struct arena *a, const struct loader *loader)
{
    struct object **objects = ARENA_ARRAY(a, struct object *, loader->items.count + 1);
    size_t count = 0;
    for (list_each (const struct load_item, item, &loader->items))
        if (item->object)
            objects[count++] = item->object;
    return snapshot_build(objects, count, 1, level_newest);
}
