#include "daemon/keyspace.h"

#include <string.h>
#include <uv.h>

void keyspace_init(struct keyspace *k, struct keyspace_stats *stats, const struct log_scope *log)
{
    *k = (struct keyspace){ .stats = stats, .log = log };
}

static void free_object(void *object)
{
    object_release(object);
}

static void free_reject(void *reject)
{
    struct reject *r = reject;
    if (r)
        arena_free(r->arena);
}

void keyspace_fini(struct keyspace *k)
{
    map_fini(&k->by_key, free_object);
    map_fini(&k->rejects, free_reject);
}

static bool drop_object(struct keyspace *k, const char *key)
{
    struct object *former = map_remove(&k->by_key, key);
    object_release(former);
    return former;
}

static void drop_reject(struct keyspace *k, const char *key)
{
    free_reject(map_remove(&k->rejects, key));
}

/* ---- rejects ---- */

static void explain(struct reject *r, const struct diags *d)
{
    for (list_each (struct diag, diag, &d->list))
        if (diag->severity == DIAG_ERROR)
            list_push(r->arena, &r->reasons, diag_text(r->arena, diag));
    r->reasons_dropped = d->errors - r->reasons.count;
}

/* The same fault again, as of a value that is rewritten every second, is told once. */
static void log_reject(
    const struct keyspace *k, const struct reject *former, const struct reject *r)
{
    const char *reason = r->reasons.count ? r->reasons.items[0] : "";
    if (former && former->reasons.count && strcmp(former->reasons.items[0], reason) == 0)
        return;
    log_warn(k->log,
        "a value is rejected",
        LOG_STR("key", r->key),
        LOG_INT("revision", r->revision),
        LOG_STR("reason", reason),
        LOG_INT("reasons", (int64_t)(r->reasons.count + r->reasons_dropped)));
}

void keyspace_reject(struct keyspace *k, const struct store_entry *entry, const struct diags *d)
{
    struct reject *former = map_find(&k->rejects, entry->key);
    struct arena *a = arena_new();
    struct reject *r = ARENA_NEW(a, struct reject);
    *r = (struct reject){
        .arena = a,
        .key = arena_strdup(a, entry->key),
        .revision = entry->mod_revision,
        .reasons_dropped = d->errors,
    };
    if (former || k->rejects.count < (size_t)REJECTS_EXPLAINED_MAX) {
        explain(r, d);
        log_reject(k, former, r);
    }
    free_reject(map_put(&k->rejects, r->key, r));
    metric_add(&k->stats->rejected_total, 1);
    metric_set(&k->stats->rejected, (int64_t)k->rejects.count);
}

/* ---- decoding ---- */

static struct object *decode(struct keyspace *k, const struct store_entry *entry, struct diags *d)
{
    if (entry->size > STORE_VALUE_LIMIT_BYTES) {
        diag_add(d,
            DIAG_ERROR,
            DIAG_TOO_LARGE,
            "",
            NULL,
            "a value may have %d bytes, this one has %zu",
            STORE_VALUE_LIMIT_BYTES,
            entry->size);
        return NULL;
    }
    metric_add(&k->stats->decoded, 1);
    return object_decode(entry->key, entry->value, entry->size, entry->create_revision, d);
}

/* The same bytes again, as a registrar that renews its entry writes them, are no change. */
static bool is_same(const struct object *former, const struct object *object)
{
    return former && former->create_revision == object->create_revision &&
           hash128_equal(&former->digest, &object->digest);
}

static bool put_object(struct keyspace *k, struct object *object)
{
    if (is_same(map_find(&k->by_key, object->key), object)) {
        object_release(object);
        return false;
    }
    object_release(map_put(&k->by_key, object->key, object));
    return true;
}

/* pilotd's own keys and those outside the layout are told apart by an error. */
static bool is_configuration(struct arena *a, const char *key, struct diags *d)
{
    struct object_key parsed;
    return object_key_parse(a, key, &parsed, d) && parsed.kind != KIND_NONE;
}

static bool apply_value(struct keyspace *k, const struct store_entry *entry)
{
    struct arena *a = arena_new();
    struct diags d;
    diags_init(&d, a);
    d.limit = REJECT_REASONS_MAX;
    bool is_changed = false;
    struct object *object = is_configuration(a, entry->key, &d) ? decode(k, entry, &d) : NULL;
    if (d.errors > 0) {
        is_changed = drop_object(k, entry->key);
        keyspace_reject(k, entry, &d);
    } else {
        drop_reject(k, entry->key);
        is_changed = object && put_object(k, object);
    }
    arena_free(a);
    return is_changed;
}

bool keyspace_apply(struct keyspace *k, const struct store_change *change)
{
    uint64_t began_ns = uv_hrtime();
    bool is_changed;
    if (change->is_gone) {
        drop_reject(k, change->entry.key);
        is_changed = drop_object(k, change->entry.key);
    } else {
        is_changed = apply_value(k, &change->entry);
    }
    metric_set(&k->stats->objects, (int64_t)k->by_key.count);
    metric_set(&k->stats->rejected, (int64_t)k->rejects.count);
    metric_add(&k->stats->decode_us, (int64_t)((uv_hrtime() - began_ns) / 1000));
    return is_changed;
}

struct missing {
    const struct map *keys;
    struct arena *a;
    string_list list;
};

static void note_missing(const char *key, void *value, void *context)
{
    struct missing *m = context;
    (void)value;
    if (!map_find(m->keys, key))
        list_push(m->a, &m->list, arena_strdup(m->a, key));
}

bool keyspace_keep(struct keyspace *k, const struct map *keys)
{
    struct missing m = { .keys = keys, .a = arena_new() };
    map_each (&k->by_key, note_missing, &m)
        ;
    for (list_each (const char *const, key, &m.list))
        drop_object(k, *key);
    bool is_changed = m.list.count > 0;
    metric_set(&k->stats->objects, (int64_t)k->by_key.count);
    arena_free(m.a);
    return is_changed;
}

/* ---- handing out ---- */

struct gathering {
    struct object **items;
    size_t count;
};

static void gather(const char *key, void *value, void *context)
{
    struct gathering *g = context;
    (void)key;
    g->items[g->count++] = object_retain(value);
}

struct object **keyspace_objects(const struct keyspace *k, size_t *count)
{
    struct gathering g = { .items =
                               xcalloc(k->by_key.count ? k->by_key.count : 1, sizeof *g.items) };
    map_each (&k->by_key, gather, &g)
        ;
    *count = g.count;
    return g.items;
}
