#include "ctl/analysis.h"

#include "base/map.h"

#include <string.h>

const char *key_title(struct arena *a, const char *key)
{
    struct object_key parts;
    struct diags ignored;
    diags_init(&ignored, a);
    if (!object_key_parse(a, key, &parts, &ignored) || parts.kind == KIND_NONE || !parts.ns ||
        !*parts.ns)
        return key;
    return arena_printf(a, "%s/%s/%s", kind_info(parts.kind)->name, parts.ns, parts.name);
}

static void print_finding(
    struct arena *a, const struct loader *loader, const struct finding *finding, FILE *out)
{
    struct diag diag = finding->diag;
    const struct load_item *item = loader ? loader_locate(loader, finding->key, &diag) : NULL;
    if (item)
        fprintf(out, "%s\n", load_diag_text(a, item, &diag));
    else
        fprintf(out, "%s: warning: %s\n", key_title(a, finding->key), diag_text(a, &diag));
}

/* ---- of files ---- */

size_t analysis_of_files(struct ctl *ctl, const struct loader *loader, FILE *out)
{
    struct object **objects = ARENA_ARRAY(ctl->a, struct object *, loader->items.count + 1);
    size_t count = 0;
    for (list_each (const struct load_item, item, &loader->items))
        if (item->object)
            objects[count++] = item->object;
    struct snapshot *snapshot = snapshot_build(objects, count, 1, TRANSLATION_LEVEL);
    for (list_each (const struct finding, finding, &snapshot->findings))
        print_finding(ctl->a, loader, finding, out);
    size_t found = snapshot->findings.count;
    snapshot_release(snapshot);
    return found;
}

/* ---- of a change ---- */

/* The objects of a keyspace, by key. What does not decode is not in force, and not here. */
struct world {
    struct arena *a;
    struct map objects;
    int64_t revision; /* the highest of a creation */
};

static void release_object(void *object)
{
    object_release(object);
}

static void world_put(
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

static bool world_list(struct world *w, struct session *s, const char *prefix, struct error *err)
{
    struct session_answer answer;
    if (!session_list(s, prefix, &answer)) {
        *err = answer.err;
        return false;
    }
    for (list_each (const struct store_entry, entry, &answer.entries))
        world_put(w, entry->key, entry->value, entry->size, entry->create_revision);
    return true;
}

/* What exists keeps its age. */
static void world_change(struct world *w, const struct change *change)
{
    for (size_t i = 0; i < change->count; i++) {
        const struct store_write *write = &change->writes[i];
        const struct object *former = map_find(&w->objects, write->key);
        int64_t created = former ? former->create_revision : w->revision + 1;
        if (write->value)
            world_put(w, write->key, write->value, write->size, created);
        else
            object_release(map_remove(&w->objects, write->key));
    }
}

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

static struct snapshot *world_snapshot(const struct world *w)
{
    struct gathering g = { ARENA_ARRAY(w->a, struct object *, w->objects.count + 1), 0 };
    map_each (&w->objects, gather, &g)
        ;
    return snapshot_build(g.objects, g.count, w->revision, TRANSLATION_LEVEL);
}

/* What makes it the same finding; a hint may have become another one. */
static const char *finding_text(struct arena *a, const struct finding *f)
{
    return arena_printf(a, "%s %d %s %s", f->key, (int)f->diag.code, f->diag.path, f->diag.message);
}

static size_t print_new(struct arena *a, const struct snapshot *before,
    const struct snapshot *after, const struct loader *loader, FILE *out)
{
    static char known;
    struct map old = { 0 };
    size_t found = 0;
    for (list_each (const struct finding, finding, &before->findings))
        map_put(&old, finding_text(a, finding), &known);
    for (list_each (const struct finding, finding, &after->findings)) {
        if (map_find(&old, finding_text(a, finding)))
            continue;
        print_finding(a, loader, finding, out);
        found++;
    }
    map_fini(&old, NULL);
    return found;
}

bool analysis_of_change(
    struct session *s, const struct change *change, FILE *out, size_t *found, struct error *err)
{
    static const char *const prefixes[] = { "config/", "mesh", "services/", "registry/" };
    struct world w = { .a = s->a };
    bool is_known = true;
    for (size_t i = 0; i < ARRAY_COUNT(prefixes) && is_known; i++)
        is_known = world_list(&w, s, prefixes[i], err);
    if (is_known) {
        struct snapshot *before = world_snapshot(&w);
        world_change(&w, change);
        struct snapshot *after = world_snapshot(&w);
        *found = print_new(s->a, before, after, change->loader, out);
        snapshot_release(before);
        snapshot_release(after);
    }
    map_fini(&w.objects, release_object);
    return is_known;
}
