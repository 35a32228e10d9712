/* What is in force in place of a rejected value, and of an instance whose key is absent. */
#include "keyspace/keyspace_parts.h"

#include <inttypes.h>
#include <string.h>

/* ---- what is in force for a rejected value ---- */

static struct object *decode_held(const char *key, const struct held *h, int64_t create_revision)
{
    struct arena *a = arena_new();
    struct diags ignored;
    diags_init(&ignored, a);
    struct object *object = object_decode(key, h->value, h->size, create_revision, &ignored);
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

static bool is_good_enough(const struct held *h, const struct object *former)
{
    return h &&
           (!former || h->of >= former->mod_revision ||
               (h->size == former->value_bytes && memcmp(h->value, former->value, h->size) == 0));
}

/* After the grace an older hold is in force too, as for those that know no newer value. */
static bool settle(struct keyspace *k, struct reject *r)
{
    const struct held *h = find_hold(k, r);
    struct object *object = NULL;
    keyspace_set_waiting(k, &r->is_waiting, false);
    if (is_good_enough(h, r->former) || (h && r->has_waited)) {
        object = decode_held(r->key, h, r->create_revision);
        if (object)
            object->is_leased = r->is_leased;
    } else if (r->former && !r->has_waited) {
        keyspace_set_waiting(k, &r->is_waiting, true);
        object = object_retain(r->former);
    }
    if (r->former)
        keyspace_note_unsettled(k, r->key);
    return object ? keyspace_put(k, object) : keyspace_drop(k, r->key);
}

bool keyspace_refuse(struct keyspace *k, const struct store_entry *entry, const struct diags *d)
{
    struct object *in_force = map_find(&k->by_key, entry->key);
    bool is_new = !map_find(&k->rejects, entry->key);
    keyspace_reject(k, entry, d);
    struct reject *r = map_find(&k->rejects, entry->key);
    bool is_former =
        in_force && !k->is_of_files && in_force->create_revision != entry->create_revision;
    if (k->has_other_past) {
        object_release(r->former);
        r->former = NULL;
        r->has_waited = false;
    } else if (is_new && in_force && !is_former) {
        r->former = object_retain(in_force);
    }
    return settle(k, r);
}

/* ---- what is in force for an instance whose key is absent ---- */

static const struct held *find_hold_of_lost(const struct keyspace *k, const char *key)
{
    const struct held *h = map_find(&k->holds, key);
    return h && h->value && h->created && !map_find(&k->tombstones, key) ? h : NULL;
}

static void set_held(struct keyspace *k, struct lost *lost, bool is_held)
{
    metric_add(&k->stats->held_instances, (int64_t)is_held - (int64_t)lost->is_held);
    lost->is_held = is_held;
}

/* What is held is known from its hold from now on. */
static void take_hold(struct keyspace *k, struct lost *lost)
{
    object_release(lost->former);
    lost->former = NULL;
    lost->is_wanted = false;
    set_held(k, lost, true);
}

static bool is_to_wait(const struct keyspace *k, const char *key, const struct lost *lost)
{
    return lost && lost->is_wanted && !lost->has_waited && !map_find(&k->tombstones, key);
}

/* A word that was left makes an end of it, in whichever order the two come. */
static bool is_over(const struct keyspace *k, const char *key, const struct lost *lost)
{
    return !lost->is_held && (!lost->former || map_find(&k->tombstones, key));
}

/* Neither waits nor is held any more; NULL: there is none. */
static struct lost *find_idle(struct keyspace *k, const char *key)
{
    struct lost *lost = expiry_find(&k->expiry, key);
    if (!lost)
        return NULL;
    keyspace_set_waiting(k, &lost->is_waiting, false);
    set_held(k, lost, false);
    return lost;
}

/* Retained; NULL: nothing. A hold from before the instance came back, and went again, is in force
 * until it is removed: all that comes now knows no better. */
static struct object *object_of_lost(struct keyspace *k, const char *key, struct lost *lost)
{
    const struct held *h = find_hold_of_lost(k, key);
    bool is_enough = h && (!lost || lost->has_waited || is_good_enough(h, lost->former));
    if (!is_enough && is_to_wait(k, key, lost)) {
        keyspace_set_waiting(k, &lost->is_waiting, true);
        return object_retain(lost->former);
    }
    struct object *object = h ? decode_held(key, h, h->created) : NULL;
    if (object && is_enough)
        take_hold(k, lost ? lost : expiry_get(&k->expiry, key));
    return object;
}

static bool settle_lost(struct keyspace *k, const char *key)
{
    struct object *object = object_of_lost(k, key, find_idle(k, key));
    const struct lost *lost = expiry_find(&k->expiry, key);
    if (map_find(&k->holds, key) || (lost && lost->is_wanted))
        keyspace_note_unsettled(k, key);
    bool is_changed = object ? keyspace_put(k, object) : keyspace_drop(k, key);
    if (lost && is_over(k, key, lost))
        expiry_forget(&k->expiry, key);
    return is_changed;
}

/* An instance's key that stands in the store, be its value good or not. */
static bool is_present(const struct keyspace *k, const char *key)
{
    return map_find(&k->rejects, key) ||
           (map_find(&k->by_key, key) && !expiry_find(&k->expiry, key));
}

bool keyspace_lose(struct keyspace *k, const char *key, int64_t revision)
{
    struct object *object = map_find(&k->by_key, key);
    keyspace_drop_reject(k, key);
    if (!expiry_is_instance(key))
        return keyspace_drop(k, key);
    if (k->is_live && object && object->is_leased && !map_find(&k->tombstones, key))
        expiry_vanished(&k->expiry, object, revision, k->now_ms);
    return settle_lost(k, key);
}

void keyspace_find_again(struct keyspace *k, const char *key)
{
    if (find_idle(k, key))
        expiry_forget(&k->expiry, key);
}

void keyspace_set_live(struct keyspace *k, bool is_live)
{
    k->is_live = is_live;
}

void keyspace_begin(struct keyspace *k, uint64_t now_ms)
{
    k->is_live = false;
    k->has_other_past = false;
    k->now_ms = now_ms;
}

/* Leases that run out one after another are told once. */
static void tell_wanted(struct keyspace *k, const string_list *wanted)
{
    if (k->told_expiry_ms > 0 && k->now_ms - k->told_expiry_ms < k->expiry.settings.window_ms)
        return;
    k->told_expiry_ms = k->now_ms;
    log_warn(k->log,
        "many instances of a service vanish at once: they are held for a while",
        LOG_STR("first", wanted->items[0]),
        LOG_INT("instances", (int64_t)wanted->count));
}

bool keyspace_end(struct keyspace *k)
{
    struct arena *a = arena_new();
    bool is_changed = false;
    string_list wanted = expiry_judge(&k->expiry, a, k->now_ms);
    for (list_each (const char *const, key, &wanted))
        is_changed |= settle_lost(k, *key);
    if (wanted.count > 0)
        tell_wanted(k, &wanted);
    metric_add(&k->stats->mass_expired, (int64_t)wanted.count);
    expiry_purge(&k->expiry, k->now_ms);
    arena_free(a);
    return is_changed;
}

void keyspace_forget_past(struct keyspace *k)
{
    struct arena *a = arena_new();
    k->has_other_past = true;
    string_list keys = expiry_keys(&k->expiry, a);
    for (list_each (const char *const, key, &keys)) {
        struct lost *lost = expiry_find(&k->expiry, *key);
        object_release(lost->former);
        lost->former = NULL;
        lost->is_wanted = false;
        settle_lost(k, *key);
    }
    arena_free(a);
}

/* ---- giving up ---- */

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

static bool give_up_lost(struct keyspace *k)
{
    struct arena *a = arena_new();
    bool is_changed = false;
    int64_t count = 0;
    string_list keys = expiry_keys(&k->expiry, a);
    for (list_each (const char *const, key, &keys)) {
        struct lost *lost = expiry_find(&k->expiry, *key);
        if (!lost->is_waiting)
            continue;
        lost->has_waited = true;
        count++;
        is_changed |= settle_lost(k, *key);
    }
    if (count > 0)
        log_warn(k->log,
            "instances that vanished at once could not be held in the store: they are gone",
            LOG_INT("instances", count));
    arena_free(a);
    return is_changed;
}

bool keyspace_stop_waiting(struct keyspace *k)
{
    struct giving_up g = { .k = k };
    if (k->waiting > 0) {
        map_each (&k->rejects, give_up, &g)
            ;
        g.is_changed |= give_up_lost(k);
    }
    return g.is_changed;
}

/* ---- holds and tombstones ---- */

/* One that was on its way when a backup was restored. */
static void refuse_of_future(const struct keyspace *k, struct held *h, struct diags *d)
{
    bool is_of_past = h->of < h->mod_revision && h->since < h->mod_revision;
    if (!h->value || k->is_of_files || is_of_past)
        return;
    h->value = NULL;
    diag_add(d,
        DIAG_ERROR,
        DIAG_OUT_OF_RANGE,
        h->of < h->mod_revision ? "since" : "of",
        NULL,
        "must be a revision before the hold's own, %" PRId64 ": it is of another history",
        h->mod_revision);
}

bool keyspace_hear_hold(struct keyspace *k, const struct store_change *change)
{
    const char *key = change->entry.key + strlen(HOLDS_PREFIX);
    struct held *h = NULL;
    struct arena *a = arena_new();
    struct diags d;
    diags_init(&d, a);
    keyspace_drop_reject(k, change->entry.key);
    if (!change->is_gone) {
        h = held_read(&change->entry, &d);
        refuse_of_future(k, h, &d);
    }
    if (d.errors > 0)
        keyspace_reject(k, &change->entry, &d);
    arena_free(a);
    held_free(h ? map_put(&k->holds, key, h) : map_remove(&k->holds, key));
    keyspace_note_unsettled(k, key);
    struct reject *r = map_find(&k->rejects, key);
    if (r)
        return settle(k, r);
    return expiry_is_instance(key) && !is_present(k, key) && settle_lost(k, key);
}

static void hear_stray_tombstone(struct keyspace *k, const struct store_change *change)
{
    struct arena *a = arena_new();
    struct diags d;
    diags_init(&d, a);
    keyspace_drop_reject(k, change->entry.key);
    diag_add(&d,
        DIAG_ERROR,
        DIAG_BAD_KEY,
        "",
        NULL,
        "only instances have tombstones: tombstones/registry/NAMESPACE/SERVICE/INSTANCE");
    if (!change->is_gone)
        keyspace_reject(k, &change->entry, &d);
    arena_free(a);
}

bool keyspace_hear_tombstone(struct keyspace *k, const struct store_change *change)
{
    const char *key = change->entry.key + strlen(TOMBSTONES_PREFIX);
    if (!expiry_is_instance(key)) {
        hear_stray_tombstone(k, change);
        return false;
    }
    if (change->is_gone)
        map_remove(&k->tombstones, key);
    else
        map_put(&k->tombstones, key, k);
    return !is_present(k, key) && settle_lost(k, key);
}

static bool hold_of_lost_wanted(
    const struct keyspace *k, const char *key, struct hold_wanted *wanted)
{
    const struct lost *lost = expiry_find(&k->expiry, key);
    bool is_there = map_find(&k->holds, key);
    if (!lost || !lost->is_wanted)
        return is_there && (!lost || !lost->is_held);
    held_print(wanted->value,
        &(struct held){ .of = lost->former->mod_revision,
            .created = lost->former->create_revision,
            .since = lost->revision,
            .value = lost->former->value,
            .size = lost->former->value_bytes });
    wanted->is_leased = true;
    return true;
}

bool keyspace_hold_wanted(const struct keyspace *k, const char *key, struct hold_wanted *wanted)
{
    const struct reject *r = map_find(&k->rejects, key);
    const struct held *there = map_find(&k->holds, key);
    const struct held *h = r ? find_hold(k, r) : NULL;
    wanted->expected = there ? there->mod_revision : 0;
    wanted->is_leased = false;
    if (!r)
        return hold_of_lost_wanted(k, key, wanted);
    if (!r->former)
        return there && !h;
    if (is_good_enough(h, r->former))
        return false;
    held_print(wanted->value,
        &(struct held){ .of = r->former->mod_revision,
            .since = r->revision,
            .value = r->former->value,
            .size = r->former->value_bytes });
    return true;
}
