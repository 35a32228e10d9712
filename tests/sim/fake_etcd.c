#include "fake_etcd.h"

#include <string.h>

enum { EXPIRY_MS = 500, PUMP_US = 10 * SIM_MS, FIRST_TERM = 5, CLUSTER = 4711 };

static void on_expiry(struct sim_event *event);

void fake_etcd_init(struct fake_etcd *e, struct sim *sim)
{
    *e = (struct fake_etcd){
        .sim = sim, .a = arena_new(), .revision = 1, .term = FIRST_TERM, .cluster = CLUSTER
    };
    e->next_lease = 1000;
    e->expiry.run = on_expiry;
    sim_schedule(sim, &e->expiry, EXPIRY_MS * SIM_MS);
}

void fake_etcd_fini(struct fake_etcd *e)
{
    INVARIANT(!e->watches);
    sim_cancel(e->sim, &e->expiry);
    map_fini(&e->newest, NULL);
    free(e->log);
    free(e->leases);
    arena_free(e->a);
}

/* ---- the state ---- */

const struct etcd_version *etcd_at(const struct etcd_version *newest, int64_t revision)
{
    while (newest && newest->mod > revision)
        newest = newest->former;
    return newest && !newest->is_gone ? newest : NULL;
}

const struct etcd_version *etcd_get(const struct fake_etcd *e, const char *key)
{
    return etcd_at(map_find(&e->newest, key), e->revision);
}

struct etcd_commit etcd_begin(struct fake_etcd *e)
{
    return (struct etcd_commit){ .etcd = e, .revision = e->revision + 1 };
}

static void write_version(struct etcd_commit *c, const struct etcd_version *version)
{
    struct fake_etcd *e = c->etcd;
    struct etcd_version *v = ARENA_NEW(e->a, struct etcd_version);
    *v = *version;
    v->former = map_put(&e->newest, v->key, v);
    if (e->log_count == e->log_capacity) {
        e->log_capacity = e->log_capacity ? 2 * e->log_capacity : 256;
        e->log = xrealloc(e->log, e->log_capacity * sizeof(struct etcd_version *));
    }
    e->log[e->log_count++] = v;
    c->writes++;
}

void etcd_put(struct etcd_commit *c, const char *key, const void *value, size_t size, int64_t lease)
{
    const struct etcd_version *former = etcd_get(c->etcd, key);
    struct etcd_version v = {
        .key = former ? former->key : arena_strdup(c->etcd->a, key),
        .value = arena_strndup(c->etcd->a, value, size),
        .size = size,
        .create = former ? former->create : c->revision,
        .mod = c->revision,
        .lease = lease,
    };
    write_version(c, &v);
}

void etcd_delete(struct etcd_commit *c, const char *key)
{
    const struct etcd_version *former = etcd_get(c->etcd, key);
    if (former)
        write_version(c,
            &(struct etcd_version){
                .key = former->key, .value = "", .mod = c->revision, .is_gone = true });
}

static void wake_watches(struct fake_etcd *e)
{
    for (struct etcd_caller *w = e->watches; w; w = w->next)
        if (w->pump.place == 0)
            sim_schedule(e->sim, &w->pump, sim_delay(e->sim, PUMP_US));
}

void etcd_commit(struct etcd_commit *c)
{
    if (c->writes == 0)
        return;
    c->etcd->revision = c->revision;
    wake_watches(c->etcd);
    if (c->etcd->on_commit)
        c->etcd->on_commit(c->etcd, c->etcd->owner);
}

void etcd_put_text(struct fake_etcd *e, const char *key, const char *value, int64_t lease)
{
    struct etcd_commit c = etcd_begin(e);
    sim_trace(e->sim, "etcd: put %s at %lld: %.160s", key, (long long)c.revision, value);
    etcd_put(&c, key, value, strlen(value), lease);
    etcd_commit(&c);
}

void etcd_delete_key(struct fake_etcd *e, const char *key)
{
    struct etcd_commit c = etcd_begin(e);
    sim_trace(e->sim, "etcd: delete %s at %lld", key, (long long)c.revision);
    etcd_delete(&c, key);
    etcd_commit(&c);
}

/* ---- leases ---- */

static struct etcd_lease_of *lease_add(struct fake_etcd *e, int64_t id, int64_t ttl_ms)
{
    if (e->lease_count == e->lease_capacity) {
        e->lease_capacity = e->lease_capacity ? 2 * e->lease_capacity : 16;
        e->leases = xrealloc(e->leases, e->lease_capacity * sizeof *e->leases);
    }
    struct etcd_lease_of *lease = &e->leases[e->lease_count++];
    *lease = (struct etcd_lease_of){ .id = id, .ttl_ms = ttl_ms, .granted = e->revision };
    etcd_lease_keep(e, lease);
    return lease;
}

int64_t etcd_lease_grant(struct fake_etcd *e, int64_t ttl_ms)
{
    return lease_add(e, e->next_lease++, ttl_ms)->id;
}

struct etcd_lease_of *etcd_lease_find(struct fake_etcd *e, int64_t id)
{
    for (size_t i = 0; i < e->lease_count; i++)
        if (e->leases[i].id == id)
            return &e->leases[i];
    return NULL;
}

void etcd_lease_keep(struct fake_etcd *e, struct etcd_lease_of *lease)
{
    lease->until_us = e->sim->now_us + (uint64_t)lease->ttl_ms * SIM_MS;
}

struct attached {
    struct etcd_commit *commit;
    int64_t lease;
    string_list keys;
    struct arena *a;
};

static void note_attached(const char *key, void *value, void *context)
{
    struct attached *at = context;
    const struct etcd_version *v = value;
    if (!v->is_gone && v->lease == at->lease)
        list_push(at->a, &at->keys, key);
}

/* Its keys go at one revision. */
void etcd_lease_revoke(struct fake_etcd *e, int64_t id)
{
    struct etcd_lease_of *lease = etcd_lease_find(e, id);
    struct etcd_commit c = etcd_begin(e);
    struct attached at = { .commit = &c, .lease = id, .a = e->a };
    if (!lease)
        return;
    *lease = e->leases[--e->lease_count];
    map_each (&e->newest, note_attached, &at)
        ;
    for (list_each (const char *const, key, &at.keys)) {
        sim_trace(e->sim, "etcd: %s goes with its lease at %lld", *key, (long long)c.revision);
        etcd_delete(&c, *key);
    }
    etcd_commit(&c);
}

static void on_expiry(struct sim_event *event)
{
    struct fake_etcd *e = container_of(event, struct fake_etcd, expiry);
    for (size_t i = 0; i < e->lease_count;) {
        if (e->leases[i].until_us > e->sim->now_us)
            i++;
        else
            etcd_lease_revoke(e, e->leases[i].id);
    }
    sim_schedule(e->sim, event, EXPIRY_MS * SIM_MS);
}

/* ---- what befalls it ---- */

void etcd_compact(struct fake_etcd *e, int64_t revision)
{
    if (revision > e->compacted && revision <= e->revision)
        e->compacted = revision;
    sim_trace(e->sim, "etcd: compacted at %lld", (long long)e->compacted);
}

void etcd_backup(struct fake_etcd *e)
{
    e->backup = e->revision;
    e->backup_compacted = e->compacted;
    sim_trace(e->sim, "etcd: a backup at %lld", (long long)e->backup);
}

static void note_key(const char *key, void *value, void *context)
{
    struct attached *all = context;
    (void)value;
    list_push(all->a, &all->keys, key);
}

/* A lease that a key of the backup hangs on was in it. */
static void restore_leases(struct fake_etcd *e)
{
    for (size_t i = 0; i < e->lease_count;)
        if (e->leases[i].granted > e->revision)
            e->leases[i] = e->leases[--e->lease_count];
        else
            etcd_lease_keep(e, &e->leases[i++]);
    for (size_t i = 0; i < e->log_count; i++) {
        const struct etcd_version *v = etcd_get(e, e->log[i]->key);
        if (v && v->lease && !etcd_lease_find(e, v->lease))
            lease_add(e, v->lease, 10 * 1000);
    }
}

void etcd_restore(struct fake_etcd *e)
{
    struct attached all = { .a = e->a };
    e->revision = e->backup;
    e->compacted = e->backup_compacted;
    e->term = 2; /* that of a new cluster */
    e->generation++;
    while (e->log_count > 0 && e->log[e->log_count - 1]->mod > e->revision)
        e->log_count--;
    map_each (&e->newest, note_key, &all)
        ;
    for (list_each (const char *const, key, &all.keys)) {
        struct etcd_version *v = map_find(&e->newest, *key);
        while (v && v->mod > e->revision)
            v = v->former;
        if (v)
            map_put(&e->newest, v->key, v);
        else
            map_remove(&e->newest, arena_strdup(e->a, *key));
    }
    restore_leases(e);
    sim_trace(e->sim, "etcd: restored from the backup at %lld", (long long)e->revision);
    if (e->on_commit)
        e->on_commit(e, e->owner);
}

/* ---- watches ---- */

void fake_etcd_hang_up(struct etcd_caller *caller)
{
    struct etcd_caller **at;
    if (!caller->is_watching)
        return;
    caller->is_watching = false;
    sim_cancel(caller->etcd->sim, &caller->pump);
    for (at = &caller->etcd->watches; *at != caller; at = &(*at)->next)
        ;
    *at = caller->next;
}
