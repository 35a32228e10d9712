#include "ctl/world.h"

#include <inttypes.h>

enum { LINES_MAX = 20 }; /* of each kind; the others are counted */

/* ---- reading and writing ---- */

static void apply(struct world *w, const struct store_change *change)
{
    keyspace_apply(&w->keyspace, change);
    if (change->entry.create_revision > w->revision)
        w->revision = change->entry.create_revision;
}

static void begin(struct world *w, struct session *s)
{
    static const struct expiry_settings never = { .share_percent = EXPIRY_SHARE_NEVER };
    *w = (struct world){ .a = s->a, .log.level = LOG_LEVEL_ERROR };
    keyspace_init(&w->keyspace, &never, &w->stats, &w->log);
    w->keyspace.is_of_files = s->is_of_files;
}

bool world_read(struct world *w, struct session *s, struct error *err)
{
    struct session_answer answer;
    begin(w, s);
    if (!session_list(s, "", &answer)) {
        *err = answer.err;
        return false;
    }
    for (list_each (const struct store_entry, entry, &answer.entries))
        apply(w, &(struct store_change){ .entry = *entry });
    if (answer.revision > w->revision)
        w->revision = answer.revision;
    return true;
}

void world_fini(struct world *w)
{
    keyspace_fini(&w->keyspace);
}

/* Of a key that is there, be its value good or not; 0: it is not. */
static int64_t made_at(const struct world *w, const char *key)
{
    const struct reject *reject = map_find(&w->keyspace.rejects, key);
    const struct object *object = map_find(&w->keyspace.by_key, key);
    if (reject)
        return reject->create_revision;
    return object && !expiry_find(&w->keyspace.expiry, key) ? object->create_revision : 0;
}

void world_write(struct world *w, const struct store_write *writes, size_t count)
{
    int64_t next = w->revision + 1;
    for (size_t i = 0; i < count; i++) {
        int64_t made = made_at(w, writes[i].key);
        struct store_change change = {
            .entry = { .key = writes[i].key, .mod_revision = next, .lease = writes[i].lease },
            .is_gone = !writes[i].value,
        };
        if (writes[i].value) {
            change.entry.value = writes[i].value;
            change.entry.size = writes[i].size;
            change.entry.create_revision = made ? made : next;
        }
        apply(w, &change);
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

/* ---- what is not as it stands there ---- */

struct telling {
    const struct world *w;
    FILE *out;
    size_t count;
};

static void tell_reject(const char *key, void *value, void *context)
{
    struct telling *t = context;
    const struct reject *r = value;
    const struct object *held = map_find(&t->w->keyspace.by_key, key);
    if (t->count++ >= LINES_MAX)
        return;
    fprintf(t->out,
        "%-9s %s@%" PRId64 ": %s",
        held ? "held" : "rejected",
        key,
        r->revision,
        r->reasons.count ? r->reasons.items[0] : "is no good");
    if (held)
        fprintf(
            t->out, " (its value of revision %" PRId64 " stays in force)\n", held->mod_revision);
    else
        fprintf(t->out, " (nothing is in force for it)\n");
}

static void count_held(const char *key, void *value, void *context)
{
    const struct lost *lost = value;
    (void)key;
    *(size_t *)context += lost->is_held;
}

static void tell_service(const char *service, void *value, void *context)
{
    struct telling *t = context;
    const struct instances *instances = value;
    size_t held = 0;
    map_each (&instances->lost, count_held, &held)
        ;
    if (held == 0 || t->count++ >= LINES_MAX)
        return;
    fprintf(t->out,
        "%-9s %s: %zu instances expired at once and stay in force for a while\n",
        "held",
        service,
        held);
}

static void tell_hidden(const struct telling *t, const char *what)
{
    if (t->count > LINES_MAX)
        fprintf(t->out, "and %zu more %s\n", t->count - LINES_MAX, what);
}

void world_tell(const struct world *w, FILE *out)
{
    struct telling rejects = { w, out, 0 }, services = { w, out, 0 };
    map_each (&w->keyspace.rejects, tell_reject, &rejects)
        ;
    tell_hidden(&rejects, "rejected values");
    map_each (&w->keyspace.expiry.services, tell_service, &services)
        ;
    tell_hidden(&services, "services with held instances");
}

/* ---- as snapshots ---- */

static void release(struct object **objects, size_t count)
{
    for (size_t i = 0; i < count; i++)
        object_release(objects[i]);
    free(objects);
}

struct snapshot *world_snapshot(const struct world *w)
{
    size_t count;
    struct object **objects = keyspace_objects(&w->keyspace, &count);
    struct snapshot *snapshot = snapshot_build(objects, count, w->revision, level_newest);
    release(objects, count);
    return snapshot;
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
