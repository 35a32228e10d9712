#include "daemon/keyspace.h"

#include "base/json.h"

#include <inttypes.h>
#include <string.h>
#include <uv.h>

#define HOLDS_PREFIX "holds/"

enum { HOLD_LIMIT_BYTES = STORE_VALUE_LIMIT_BYTES + 128 }; /* a value, and what is around it */

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
    if (!r)
        return;
    object_release(r->former);
    arena_free(r->arena);
}

static void free_held(void *held)
{
    struct held *h = held;
    if (h)
        arena_free(h->arena);
}

void keyspace_fini(struct keyspace *k)
{
    map_fini(&k->by_key, free_object);
    map_fini(&k->rejects, free_reject);
    map_fini(&k->holds, free_held);
    for (char *key; (key = keyspace_take_unsettled(k));)
        free(key);
    free(k->unsettled.items);
}

static bool drop_object(struct keyspace *k, const char *key)
{
    struct object *former = map_remove(&k->by_key, key);
    object_release(former);
    return former;
}

static void set_waiting(struct keyspace *k, struct reject *r, bool is_waiting)
{
    k->waiting += (size_t)is_waiting - (size_t)r->is_waiting;
    r->is_waiting = is_waiting;
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

static void drop_reject(struct keyspace *k, const char *key)
{
    struct reject *r = map_remove(&k->rejects, key);
    if (r)
        set_waiting(k, r, false);
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
        set_waiting(k, former, false);
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
    if (object)
        object->mod_revision = entry->mod_revision;
    return object;
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

/* ---- what is in force for a rejected value ---- */

static struct object *decode_held(const struct held *h, const struct reject *r)
{
    struct arena *a = arena_new();
    struct diags ignored;
    diags_init(&ignored, a);
    struct object *object = object_decode(r->key, h->value, h->size, r->create_revision, &ignored);
    if (object)
        object->mod_revision = h->of;
    arena_free(a);
    return object;
}

/* A hold of a value from before the key was deleted and made anew counts no more than a malformed
 * one. */
static const struct held *find_hold(const struct keyspace *k, const struct reject *r)
{
    const struct held *h = map_find(&k->holds, r->key);
    bool is_former = h && !k->is_of_files && h->of < r->create_revision;
    return h && h->value && !is_former ? h : NULL;
}

static bool is_good_enough(const struct held *h, const struct reject *r)
{
    return h && (!r->former || h->of >= r->former->mod_revision);
}

/* After the grace an older hold is in force too, as for those that know no newer value. */
static bool settle(struct keyspace *k, struct reject *r)
{
    const struct held *h = find_hold(k, r);
    struct object *object = NULL;
    set_waiting(k, r, false);
    if (is_good_enough(h, r) || (h && r->has_waited)) {
        object = decode_held(h, r);
    } else if (r->former && !r->has_waited) {
        set_waiting(k, r, true);
        object = object_retain(r->former);
    }
    if (r->former)
        keyspace_note_unsettled(k, r->key);
    return object ? put_object(k, object) : drop_object(k, r->key);
}

static bool refuse(struct keyspace *k, const struct store_entry *entry, const struct diags *d)
{
    struct object *in_force = map_find(&k->by_key, entry->key);
    bool is_new = !map_find(&k->rejects, entry->key);
    keyspace_reject(k, entry, d);
    struct reject *r = map_find(&k->rejects, entry->key);
    bool is_former =
        in_force && !k->is_of_files && in_force->create_revision != entry->create_revision;
    if (is_new && in_force && !is_former)
        r->former = object_retain(in_force);
    return settle(k, r);
}

struct giving_up {
    struct keyspace *k;
    bool is_changed;
};

static void give_up(const char *key, void *value, void *context)
{
    struct giving_up *g = context;
    struct reject *r = value;
    if (!r->is_waiting)
        return;
    log_warn(g->k->log,
        "the last good value could not be held in the store: nothing is in force for the key",
        LOG_STR("key", key));
    r->has_waited = true;
    g->is_changed |= settle(g->k, r);
}

bool keyspace_stop_waiting(struct keyspace *k)
{
    struct giving_up g = { .k = k };
    if (k->waiting > 0)
        map_each (&k->rejects, give_up, &g)
            ;
    return g.is_changed;
}

/* ---- holds ---- */

#define HOLD_VALUE "\"value\":"

static bool read_revision(const cJSON *json, const char *name, int64_t *out)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, name);
    *out = cJSON_IsNumber(item) ? (int64_t)item->valuedouble : 0;
    return *out > 0;
}

/* The value stands last, and is taken byte for byte: it must give the same digest. A malformed hold
 * has none, but can be replaced. */
static struct held *read_held(const struct store_entry *entry, struct diags *d)
{
    struct arena *a = arena_new();
    struct held *h = ARENA_NEW(a, struct held);
    cJSON *json = json_parse(entry->value, entry->size, HOLD_LIMIT_BYTES, d);
    const char *text = arena_strndup(a, entry->value, entry->size);
    const char *value = strstr(text, HOLD_VALUE);
    *h = (struct held){ .mod_revision = entry->mod_revision, .arena = a };
    bool is_good =
        json && read_revision(json, "of", &h->of) && value && text[entry->size - 1] == '}';
    cJSON_Delete(json);
    if (is_good) {
        h->value = value + strlen(HOLD_VALUE);
        h->size = entry->size - 1 - (size_t)(h->value - text);
        return h;
    }
    if (d->errors == 0)
        diag_add(d,
            DIAG_ERROR,
            DIAG_BAD_FORMAT,
            "",
            NULL,
            "must be {\"of\": REVISION, \"since\": REVISION, \"value\": VALUE}");
    return h;
}

static bool hear_hold(struct keyspace *k, const struct store_change *change)
{
    const char *key = change->entry.key + strlen(HOLDS_PREFIX);
    struct held *h = NULL;
    struct arena *a = arena_new();
    struct diags d;
    diags_init(&d, a);
    drop_reject(k, change->entry.key);
    if (!change->is_gone)
        h = read_held(&change->entry, &d);
    if (d.errors > 0)
        keyspace_reject(k, &change->entry, &d);
    arena_free(a);
    free_held(h ? map_put(&k->holds, key, h) : map_remove(&k->holds, key));
    keyspace_note_unsettled(k, key);
    struct reject *r = map_find(&k->rejects, key);
    return r && settle(k, r);
}

bool keyspace_hold_wanted(
    const struct keyspace *k, const char *key, struct buf *value, int64_t *expected)
{
    const struct reject *r = map_find(&k->rejects, key);
    const struct held *there = map_find(&k->holds, key);
    const struct held *h = r ? find_hold(k, r) : NULL;
    *expected = there ? there->mod_revision : 0;
    if (!r || !r->former)
        return there && !h;
    if (is_good_enough(h, r))
        return false;
    buf_printf(value,
        "{\"of\":%" PRId64 ",\"since\":%" PRId64 "," HOLD_VALUE,
        r->former->mod_revision,
        r->revision);
    buf_append(value, r->former->value, r->former->value_bytes);
    buf_text(value, "}");
    return true;
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
        is_changed = refuse(k, entry, &d);
    } else {
        drop_reject(k, entry->key);
        is_changed = object && put_object(k, object);
    }
    arena_free(a);
    return is_changed;
}

static bool apply(struct keyspace *k, const struct store_change *change)
{
    const char *key = change->entry.key;
    if (strncmp(key, HOLDS_PREFIX, strlen(HOLDS_PREFIX)) == 0)
        return hear_hold(k, change);
    if (map_find(&k->holds, key))
        keyspace_note_unsettled(k, key);
    if (!change->is_gone)
        return apply_value(k, &change->entry);
    drop_reject(k, key);
    return drop_object(k, key);
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
    for (list_each (const char *const, key, &m.list)) {
        drop_reject(k, *key);
        is_changed |= drop_object(k, *key);
    }
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
