/* What must hold of instances that vanish: many at once are held, one is not, farewells count. */
#include "world.h"

#include <string.h>

enum { START_US = 4 * SIM_SECOND, KNOWN_US = 3 * SIM_SECOND, RECENT_US = 25 * SIM_SECOND };
enum { ON_ITS_WAY_US = 3 * SIM_SECOND }; /* what was decided before a backup was restored */

/* Those of a service that went at one revision, without a word. */
struct vanishing {
    size_t service, count;
    bool are_gone[INSTANCES];
    int64_t revision;
    uint64_t at_us;
    bool must_be_held;
    struct vanishing *former;
};

static const struct etcd_version *version_of(
    const struct world *w, const char *prefix, size_t service, size_t instance)
{
    char key[96];
    snprintf(key, sizeof key, "/pilot/%sregistry/default/s%zu/i%zu", prefix, service, instance);
    return map_find(&w->etcd.newest, key);
}

static bool is_there(const struct etcd_version *v)
{
    return v && !v->is_gone;
}

static bool was_there_after(const struct etcd_version *v, int64_t revision)
{
    for (; v && v->mod > revision; v = v->former)
        if (!v->is_gone)
            return true;
    return false;
}

/* ---- what is committed ---- */

/* No fault but that of registrars, and of etcd as a whole: every replica was there all the time. */
static bool are_all_there(const struct world *w)
{
    unsigned others = ~(unsigned)(HISTORY_OF_REGISTRARS | HISTORY_OF_LOST_QUORUM);
    return w->moods && !(w->moods & others) && w->sim->now_us > w->began_us + START_US;
}

static void look_at_service(struct world *w, size_t service)
{
    struct vanishing v = {
        .service = service, .revision = w->etcd.revision, .at_us = w->sim->now_us
    };
    size_t left = 0;
    for (size_t i = 0; i < INSTANCES; i++) {
        const struct etcd_version *instance = version_of(w, "", service, i);
        bool is_gone_now = instance && instance->is_gone && instance->mod == w->etcd.revision;
        v.are_gone[i] = is_gone_now && !is_there(version_of(w, "tombstones/", service, i));
        v.count += v.are_gone[i];
        left += is_there(instance);
    }
    if (v.count == 0)
        return;
    v.must_be_held = are_all_there(w) && v.count >= 2 && v.count > left;
    v.former = w->vanished;
    w->vanished = ARENA_NEW(w->a, struct vanishing);
    *w->vanished = v;
}

static size_t count_recent(const struct world *w)
{
    size_t count = 0;
    for (const struct vanishing *v = w->vanished; v; v = v->former)
        if (w->sim->now_us - v->at_us < RECENT_US)
            count += v->count;
    return count;
}

static void look_at_hold(struct world *w, const struct etcd_version *v)
{
    static const char prefix[] = "/pilot/holds/registry/";
    if (strncmp(v->key, prefix, strlen(prefix)) == 0 && count_recent(w) < 2 &&
        w->sim->now_us - w->restored_us > ON_ITS_WAY_US)
        sim_fail(w->sim, "a single death is held up by nobody", "%s", v->key);
}

void check_expiry_committed(struct world *w)
{
    const struct fake_etcd *e = &w->etcd;
    for (size_t service = 0; service < SERVICES; service++)
        look_at_service(w, service);
    for (size_t i = e->log_count; i > 0 && e->log[i - 1]->mod == e->revision; i--)
        if (!e->log[i - 1]->is_gone)
            look_at_hold(w, e->log[i - 1]);
}

/* ---- at rest ---- */

static void check_vanishing(struct world *w, const struct vanishing *v)
{
    for (size_t i = 0; i < INSTANCES; i++)
        if (v->are_gone[i] && !was_there_after(version_of(w, "", v->service, i), v->revision) &&
            !was_there_after(version_of(w, "holds/", v->service, i), v->revision))
            sim_fail(w->sim,
                "instances that vanish at once are held",
                "i%zu of s%zu, at %lld",
                i,
                v->service,
                (long long)v->revision);
}

static void check_instance(struct world *w, size_t service, size_t instance)
{
    bool is_present = is_there(version_of(w, "", service, instance));
    bool has_tombstone = is_there(version_of(w, "tombstones/", service, instance));
    bool is_held = is_there(version_of(w, "holds/", service, instance));
    const char *key = vocabulary_instance_key(w->a, service, instance) + strlen("/pilot/");
    if (is_held && (is_present || has_tombstone))
        sim_fail(w->sim, "a hold goes when its instance is back, or has said farewell", "%s", key);
    for (size_t i = 0; i < w->replica_count; i++) {
        bool is_in_force = map_find(&w->replicas[i].control.keyspace.by_key, key);
        if (is_in_force != (is_present || (is_held && !has_tombstone)))
            sim_fail(w->sim,
                "an instance is in force while it is registered or held",
                "%s at %s: %d",
                key,
                w->replicas[i].id,
                is_in_force);
    }
}

void check_expiry_rest(struct world *w)
{
    for (const struct vanishing *v = w->vanished; v; v = v->former)
        if (v->must_be_held && w->sim->now_us - v->at_us > KNOWN_US)
            check_vanishing(w, v);
    for (size_t service = 0; service < SERVICES; service++)
        for (size_t i = 0; i < INSTANCES; i++)
            check_instance(w, service, i);
}
