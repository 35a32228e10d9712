#include "keyspace/keyspace_parts.h"

#include <string.h>
#include <uv.h>

void keyspace_init(struct keyspace *k, const struct expiry_settings *settings,
    struct keyspace_stats *stats, const struct log_scope *log)
{
    *k = (struct keyspace){ .stats = stats, .log = log };
    expiry_init(&k->expiry, settings);
}

static void free_object(void *object)
{
    object_release(object);
}

static void free_reject(void *reject)
{
    struct reject *r = reject;
    if (!r)
        return;
    object_release(r->former);
    arena_free(r->arena);
}

static void free_held(void *held)
{
    held_free(held);
}

void keyspace_fini(struct keyspace *k)
{
    map_fini(&k->by_key, free_object);
    map_fini(&k->rejects, free_reject);
    map_fini(&k->holds, free_held);
    map_fini(&k->tombstones, NULL);
    map_fini(&k->changed, NULL);
    expiry_fini(&k->expiry);
    for (char *key; (key = keyspace_take_unsettled(k));)
        free(key);
    free(k->unsettled.items);
}

static void note_changed(struct keyspace *k, const char *key)
{
    map_put(&k->changed, key, k);
}

bool keyspace_drop(struct keyspace *k, const char *key)
{
    struct object *former = map_remove(&k->by_key, key);
    if (!former)
        return false;
    note_changed(k, key);
    expiry_count(&k->expiry, former, -1);
    object_release(former);
    return true;
}

void keyspace_set_waiting(struct keyspace *k, bool *waiting, bool is_waiting)
{
    k->waiting += (size_t)is_waiting - (size_t)*waiting;
    *waiting = is_waiting;
}

void keyspace_note_unsettled(struct keyspace *k, const char *key)
{
    struct key_queue *q = &k->unsettled;
    if (q->first == q->count)
        q->first = q->count = 0;
    if (q->count == q->capacity) {
        q->capacity = q->capacity ? 2 * q->capacity : 16;
        q->items = xrealloc(q->items, q->capacity * sizeof *q->items);
    }
    q->items[q->count++] = xstrdup(key);
}

char *keyspace_take_unsettled(struct keyspace *k)
{
    struct key_queue *q = &k->unsettled;
    return q->first < q->count ? q->items[q->first++] : NULL;
}

void keyspace_drop_reject(struct keyspace *k, const char *key)
{
    struct reject *r = map_remove(&k->rejects, key);
    if (r)
        keyspace_set_waiting(k, &r->is_waiting, false);
    free_reject(r);
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
        .create_revision = entry->create_revision,
        .is_leased = entry->lease != STORE_LEASE_NONE,
        .reasons_dropped = d->errors,
    };
    if (former || k->rejects.count < (size_t)REJECTS_EXPLAINED_MAX) {
        explain(r, d);
        log_reject(k, former, r);
    }
    if (former) {
        r->former = former->former;
        r->has_waited = former->has_waited;
        former->former = NULL;
        keyspace_set_waiting(k, &former->is_waiting, false);
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
    struct object *object =
        object_decode(entry->key, entry->value, entry->size, entry->create_revision, d);
    if (!object)
        return NULL;
    object->mod_revision = entry->mod_revision;
    object->is_leased = entry->lease != STORE_LEASE_NONE;
    return object;
}

/* The same bytes again, as a registrar that renews its entry writes them, are no change. */
static bool is_same(const struct object *former, const struct object *object)
{
    return former && former->create_revision == object->create_revision &&
           hash128_equal(&former->digest, &object->digest);
}

/* In a restored backup the same may have stood there for longer than in the history before it. */
static bool is_known(const struct object *former, const struct object *object)
{
    return former->is_leased == object->is_leased && former->mod_revision <= object->mod_revision;
}

bool keyspace_put(struct keyspace *k, struct object *object)
{
    struct object *former = map_find(&k->by_key, object->key);
    bool is_no_change = is_same(former, object);
    if (is_no_change && is_known(former, object)) {
        object_release(object);
        return false;
    }
    expiry_count(&k->expiry, object, 1);
    if (former)
        expiry_count(&k->expiry, former, -1);
    if (!is_no_change)
        note_changed(k, object->key);
    object_release(map_put(&k->by_key, object->key, object));
    return !is_no_change;
}

/* pilotd's own keys and those outside the layout are told apart by an error. */
static bool is_configuration(struct arena *a, const char *key, struct diags *d)
{
    struct object_key parsed;
    return object_key_parse(a, key, &parsed, d) && parsed.kind != KIND_NONE;
}

/* ---- what comes in ---- */

static bool apply_value(struct keyspace *k, const struct store_entry *entry)
{
    struct arena *a = arena_new();
    struct diags d;
    diags_init(&d, a);
    d.limit = REJECT_REASONS_MAX;
    bool is_changed = false;
    struct object *object = is_configuration(a, entry->key, &d) ? decode(k, entry, &d) : NULL;
    if (d.errors > 0) {
        is_changed = keyspace_refuse(k, entry, &d);
    } else {
        keyspace_drop_reject(k, entry->key);
        is_changed = object && keyspace_put(k, object);
    }
    arena_free(a);
    return is_changed;
}

static bool apply(struct keyspace *k, const struct store_change *change)
{
    const char *key = change->entry.key;
    if (begins_with(key, HOLDS_PREFIX))
        return keyspace_hear_hold(k, change);
    if (begins_with(key, TOMBSTONES_PREFIX))
        return keyspace_hear_tombstone(k, change);
    if (map_find(&k->holds, key))
        keyspace_note_unsettled(k, key);
    if (change->is_gone)
        return keyspace_lose(k, key, change->entry.mod_revision);
    keyspace_find_again(k, key);
    return apply_value(k, &change->entry);
}

bool keyspace_apply(struct keyspace *k, const struct store_change *change)
{
    uint64_t began_ns = uv_hrtime();
    bool is_changed = apply(k, change);
    metric_set(&k->stats->objects, (int64_t)k->by_key.count);
    metric_set(&k->stats->rejected, (int64_t)k->rejects.count);
    metric_set(&k->stats->held, (int64_t)k->holds.count);
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
    bool is_changed = false;
    map_each (&k->by_key, note_missing, &m)
        ;
    map_each (&k->rejects, note_missing, &m)
        ;
    for (list_each (const char *const, key, &m.list))
        is_changed |= keyspace_lose(k, *key, 0);
    metric_set(&k->stats->objects, (int64_t)k->by_key.count);
    metric_set(&k->stats->rejected, (int64_t)k->rejects.count);
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

struct telling {
    const struct keyspace *k;
    struct keyspace_changes changes;
};

static void tell_change(const char *key, void *value, void *context)
{
    struct telling *t = context;
    struct object *object = map_find(&t->k->by_key, key);
    (void)value;
    t->changes.items[t->changes.count++] = (struct object_change){
        .key = arena_strdup(t->changes.arena, key),
        .object = object ? object_retain(object) : NULL,
    };
}

struct keyspace_changes keyspace_changes(struct keyspace *k)
{
    struct telling t = { .k = k, .changes.arena = arena_new() };
    t.changes.items = ARENA_ARRAY(t.changes.arena, struct object_change, k->changed.count + 1);
    map_each (&k->changed, tell_change, &t)
        ;
    map_fini(&k->changed, NULL);
    k->changed = (struct map){ 0 };
    return t.changes;
}

void keyspace_changes_fini(struct keyspace_changes *changes)
{
    for (size_t i = 0; i < changes->count; i++)
        object_release(changes->items[i].object);
    arena_free(changes->arena);
    *changes = (struct keyspace_changes){ 0 };
}
