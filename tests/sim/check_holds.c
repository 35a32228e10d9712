/* What must hold of values that are no good: the last good one stands in for them, as data. */
#include "world.h"

#include <string.h>

enum { KNOWN_US = SIM_SECOND, START_US = 4 * SIM_SECOND };

/* What was written last under a key, and the last that was good. */
struct writing {
    bool is_bad;
    const char *good; /* NULL: none since the key was made */
    uint64_t good_us, bad_us;
};

void check_holds_written(struct world *w, const char *key, const char *value, bool is_bad)
{
    struct writing *former = map_find(&w->writings, key), *writing;
    if (!value) {
        map_remove(&w->writings, key);
        return;
    }
    writing = ARENA_NEW(w->a, struct writing);
    if (former)
        *writing = *former;
    if (is_bad && !writing->is_bad)
        writing->bad_us = w->sim->now_us;
    writing->is_bad = is_bad;
    if (!is_bad) {
        writing->good = value;
        writing->good_us = w->sim->now_us;
    }
    map_put(&w->writings, key, writing);
}

void check_holds_forget(struct world *w)
{
    map_fini(&w->writings, NULL);
    w->writings = (struct map){ 0 };
}

/* Every replica was there all the time, and had seen it. */
static bool must_be_held(const struct world *w, const struct writing *writing)
{
    return w->moods == 0 && writing->is_bad && writing->good &&
           writing->good_us > w->began_us + START_US &&
           writing->bad_us - writing->good_us > KNOWN_US;
}

/* ---- what is committed ---- */

/* Its value at that revision, in this history. */
static bool has_stood(const struct world *w, const char *key, int64_t revision, const char *hold)
{
    const struct etcd_version *v = map_find(&w->etcd.newest, key);
    while (v && v->mod != revision)
        v = v->former;
    return v && !v->is_gone && strstr(hold, v->value);
}

/* It was on its way when a backup was restored, and is refused. */
static bool is_of_future(const struct etcd_version *hold)
{
    const char *since = strstr(hold->value, "\"since\":");
    long long of = 0, at = 0;
    sscanf(hold->value, "{\"of\":%lld", &of);
    sscanf(since ? since : "", "\"since\":%lld", &at);
    return of >= hold->mod || at >= hold->mod;
}

void check_holds_committed(struct world *w)
{
    static const char prefix[] = "/pilot/holds/";
    const struct fake_etcd *e = &w->etcd;
    for (size_t i = e->log_count; i > 0 && e->log[i - 1]->mod == e->revision; i--) {
        const struct etcd_version *v = e->log[i - 1];
        char key[256];
        long long of;
        if (v->is_gone || strncmp(v->key, prefix, strlen(prefix)) != 0 || is_of_future(v))
            continue;
        snprintf(key, sizeof key, "/pilot/%s", v->key + strlen(prefix));
        if (sscanf(v->value, "{\"of\":%lld", &of) != 1 || !has_stood(w, key, of, v->value))
            sim_fail(w->sim, "what is held stood under its key", "%s: %s", v->key, v->value);
    }
}

/* ---- at rest ---- */

static void check_key(const char *key, void *value, void *context)
{
    struct world *w = context;
    const struct writing *writing = value;
    char hold_key[256];
    snprintf(hold_key, sizeof hold_key, "/pilot/holds/%s", key + strlen("/pilot/"));
    const struct etcd_version *hold = etcd_get(&w->etcd, hold_key);
    if (hold && !writing->is_bad)
        sim_fail(w->sim, "a hold goes when the value is good again", "%s", key);
    if (must_be_held(w, writing) && (!hold || !strstr(hold->value, writing->good)))
        sim_fail(w->sim,
            "the last good value is held in place of a rejected one",
            "%s: %s",
            key,
            hold ? hold->value : "nothing is held");
}

void check_holds_rest(struct world *w)
{
    map_each (&w->writings, check_key, w)
        ;
}
