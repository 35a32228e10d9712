#include "keyspace/expiry.h"

#include "model/registry.h"

#include <string.h>

#define REGISTRY_PREFIX "registry/"

enum { PURGE_EVERY_MS = 1000 };

void expiry_init(struct expiry *e, const struct expiry_settings *settings)
{
    *e = (struct expiry){ .settings = *settings };
}

static void free_lost(void *value)
{
    struct lost *lost = value;
    if (lost)
        object_release(lost->former);
    free(lost);
}

static void free_instances(void *value)
{
    struct instances *instances = value;
    if (instances)
        map_fini(&instances->lost, free_lost);
    free(instances);
}

void expiry_fini(struct expiry *e)
{
    map_fini(&e->services, free_instances);
    map_fini(&e->touched, NULL);
}

bool expiry_is_instance(const char *key)
{
    return begins_with(key, REGISTRY_PREFIX);
}

/* ---- services ---- */

/* What stands before an instance's key's last slash. */
static char *service_of(const char *key)
{
    char *service = xstrdup(key);
    char *end = strrchr(service, '/');
    if (end)
        *end = '\0';
    return service;
}

static struct instances *find_service(const struct expiry *e, const char *key)
{
    char *service = service_of(key);
    struct instances *instances = map_find(&e->services, service);
    free(service);
    return instances;
}

static struct instances *get_service(struct expiry *e, const char *key)
{
    struct instances *instances = find_service(e, key);
    if (instances)
        return instances;
    char *service = service_of(key);
    instances = xcalloc(1, sizeof *instances);
    map_put(&e->services, service, instances);
    free(service);
    return instances;
}

static void drop_if_empty(struct expiry *e, const char *key, const struct instances *instances)
{
    if (instances->in_force > 0 || instances->lost.count > 0)
        return;
    char *service = service_of(key);
    map_remove(&e->touched, service);
    free_instances(map_remove(&e->services, service));
    free(service);
}

static bool is_healthy_instance(const struct object *object)
{
    return object->kind == KIND_REGISTRY_INSTANCE &&
           ((const struct registry_instance *)object->spec)->health == HEALTH_HEALTHY;
}

void expiry_count(struct expiry *e, const struct object *object, int by)
{
    if (!is_healthy_instance(object))
        return;
    struct instances *instances = get_service(e, object->key);
    INVARIANT(by > 0 || instances->in_force > 0);
    instances->in_force += (size_t)by;
    e->in_force += (size_t)by;
    drop_if_empty(e, object->key, instances);
}

/* ---- those that are lost ---- */

struct lost *expiry_find(const struct expiry *e, const char *key)
{
    const struct instances *instances = expiry_is_instance(key) ? find_service(e, key) : NULL;
    return instances ? map_find(&instances->lost, key) : NULL;
}

struct lost *expiry_get(struct expiry *e, const char *key)
{
    struct instances *instances = get_service(e, key);
    struct lost *lost = map_find(&instances->lost, key);
    if (!lost) {
        lost = xcalloc(1, sizeof *lost);
        map_put(&instances->lost, key, lost);
        e->lost++;
    }
    return lost;
}

void expiry_forget(struct expiry *e, const char *key)
{
    struct instances *instances = expiry_is_instance(key) ? find_service(e, key) : NULL;
    struct lost *lost = instances ? map_remove(&instances->lost, key) : NULL;
    if (!lost)
        return;
    e->lost--;
    free_lost(lost);
    drop_if_empty(e, key, instances);
}

void expiry_vanished(struct expiry *e, struct object *former, int64_t revision, uint64_t now_ms)
{
    if (!is_healthy_instance(former))
        return;
    struct lost *lost = expiry_get(e, former->key);
    object_release(lost->former);
    *lost = (struct lost){ object_retain(former), revision, now_ms };
    char *service = service_of(former->key);
    map_put(&e->touched, service, find_service(e, former->key));
    free(service);
}

/* ---- judging ---- */

struct judging {
    struct expiry *e;
    struct arena *a;
    uint64_t now_ms;
    size_t gone, out_of_force; /* those out of force are gone, too */
    string_list keys;
};

static bool is_recent(const struct judging *j, const struct lost *lost)
{
    return lost->former && j->now_ms - lost->at_ms <= j->e->settings.window_ms;
}

static void count_lost(const char *key, void *value, void *context)
{
    struct judging *j = context;
    const struct lost *lost = value;
    bool is_in_force = lost->is_held || lost->is_waiting;
    (void)key;
    j->gone += is_in_force || is_recent(j, lost);
    j->out_of_force += !is_in_force && is_recent(j, lost);
}

static void want(const char *key, void *value, void *context)
{
    struct judging *j = context;
    struct lost *lost = value;
    if (lost->is_held || lost->is_wanted || !is_recent(j, lost))
        return;
    lost->is_wanted = true;
    list_push(j->a, &j->keys, arena_strdup(j->a, key));
}

static bool are_too_many(const struct judging *j, size_t gone, size_t all)
{
    return gone >= EXPIRY_LEAST && gone * 100 > all * (size_t)j->e->settings.share_percent;
}

static void count_service(const char *service, void *value, void *context)
{
    const struct instances *instances = value;
    (void)service;
    map_each (&instances->lost, count_lost, context)
        ;
}

static void want_service(const char *service, void *value, void *context)
{
    const struct instances *instances = value;
    (void)service;
    map_each (&instances->lost, want, context)
        ;
}

static void judge(const char *service, void *value, void *context)
{
    struct judging *j = context;
    const struct instances *instances = value;
    j->gone = j->out_of_force = 0;
    count_service(service, value, j);
    if (are_too_many(j, j->gone, instances->in_force + j->out_of_force))
        want_service(service, value, j);
}

/* Counted only when it may come to something: more are lost than vanished of late. */
static void judge_all(struct judging *j)
{
    const struct expiry *e = j->e;
    if (!are_too_many(j, e->lost, e->in_force))
        return;
    j->gone = j->out_of_force = 0;
    map_each (&e->services, count_service, j)
        ;
    if (are_too_many(j, j->gone, e->in_force + j->out_of_force))
        map_each (&e->services, want_service, j)
            ;
}

string_list expiry_judge(struct expiry *e, struct arena *a, uint64_t now_ms)
{
    struct judging j = { .e = e, .a = a, .now_ms = now_ms };
    map_each (&e->touched, judge, &j)
        ;
    if (e->touched.count > 0)
        judge_all(&j);
    map_fini(&e->touched, NULL);
    e->touched = (struct map){ 0 };
    return j.keys;
}

/* ---- all of them ---- */

struct gathering {
    const struct expiry *e;
    struct arena *a;
    uint64_t old_before_ms; /* 0: all are wanted */
    string_list keys;
};

static void gather_lost(const char *key, void *value, void *context)
{
    struct gathering *g = context;
    const struct lost *lost = value;
    bool is_old = !lost->is_held && !lost->is_waiting && lost->at_ms < g->old_before_ms;
    if (g->old_before_ms == 0 || is_old)
        list_push(g->a, &g->keys, arena_strdup(g->a, key));
}

static void gather(const char *service, void *value, void *context)
{
    struct instances *instances = value;
    (void)service;
    map_each (&instances->lost, gather_lost, context)
        ;
}

string_list expiry_keys(const struct expiry *e, struct arena *a)
{
    struct gathering g = { .e = e, .a = a };
    map_each (&e->services, gather, &g)
        ;
    return g.keys;
}

void expiry_purge(struct expiry *e, uint64_t now_ms)
{
    if (now_ms - e->purged_ms < PURGE_EVERY_MS || now_ms <= e->settings.window_ms)
        return;
    e->purged_ms = now_ms;
    struct gathering g = { e, arena_new(), now_ms - e->settings.window_ms, { 0 } };
    map_each (&e->services, gather, &g)
        ;
    for (list_each (const char *const, key, &g.keys))
        expiry_forget(e, *key);
    arena_free(g.a);
}
