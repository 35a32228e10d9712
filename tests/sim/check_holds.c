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
