/* What must hold, looked at after each event and at the end. */
#include "world.h"

#include <string.h>

static const char *text_of(const struct hash128 *hash, char text[HASH128_TEXT_BYTES])
{
    hash128_text(hash, text);
    text[8] = '\0';
    return text;
}

/* ---- what is served at a revision is what etcd's history says ---- */

/* At each revision from that of its snapshot to the last for which it says so. */
static bool is_right(
    const struct world *w, size_t generation, const struct publication *p, int64_t served)
{
    const struct truth_moment *from = truth_at(&w->truth, generation, p->snapshot->revision);
    const struct truth_moment *to = truth_at(&w->truth, generation, served);
    for (const struct truth_moment *m = from; m <= to; m++)
        if (!hash128_equal(&m->hash, &p->hash))
            return false;
    return true;
}

/* A replica that has not heard of a restored backup serves what the former history says. */
static void check_served(struct world *w, size_t i)
{
    const struct control *c = &w->replicas[i].control;
    const struct publication *p = c->published;
    char ours[HASH128_TEXT_BYTES], theirs[HASH128_TEXT_BYTES];
    for (size_t g = w->truth.generations; g > 0; g--)
        if (is_right(w, g - 1, p, c->served_revision)) {
            w->witnesses[i].generation = g - 1;
            return;
        }
    sim_fail(w->sim,
        "what is served at a revision is what etcd's history says",
        "%s serves %s from %lld to %lld; it should be %s at the first and %s at the last",
        w->replicas[i].id,
        text_of(&p->hash, ours),
        (long long)p->snapshot->revision,
        (long long)c->served_revision,
        text_of(
            &truth_at(&w->truth, w->truth.generations - 1, p->snapshot->revision)->hash, theirs),
        text_of(&truth_at(&w->truth, w->truth.generations - 1, c->served_revision)->hash,
            (char[HASH128_TEXT_BYTES]){ 0 }));
}

static void check_replica(struct world *w, size_t i)
{
    const struct control *c = &w->replicas[i].control;
    struct witness *seen = &w->witnesses[i];
    if (w->replicas[i].is_up && c->gate.is_cut_off)
        seen->stale_us = w->sim->now_us;
    if (!w->replicas[i].is_up || !c->published)
        *seen = (struct witness){ .stale_us = seen->stale_us };
    else if (seen->published != c->published || seen->served != c->served_revision) {
        char text[HASH128_TEXT_BYTES];
        if (seen->published != c->published)
            sim_trace(w->sim,
                "%s publishes %s of %lld",
                w->replicas[i].id,
                text_of(&c->published->hash, text),
                (long long)c->published->snapshot->revision);
        seen->published = c->published;
        seen->served = c->served_revision;
        check_served(w, i);
    }
}

void check_step(struct world *w)
{
    for (size_t i = 0; i < w->replica_count && !w->sim->has_failed; i++)
        check_replica(w, i);
}

/* What a watch has not brought yet, it may still bring. */
void check_given_up(struct world *w, const struct store_status *status)
{
    uint64_t ms = w->sim->now_us / SIM_MS - status->following_since_ms;
    if (status->state == STORE_FOLLOWING && ms + 1 < REPLICA_UNSEEN_MS)
        sim_fail(w->sim,
            "no watch is given up that has just begun",
            "%s is followed for %llu ms",
            status->member,
            (unsigned long long)ms);
}

/* ---- at the end ---- */

static const char *why_not_at_rest(const struct world *w, size_t i)
{
    const struct replica_process *r = &w->replicas[i];
    const struct truth_moment *now = truth_now(&w->truth);
    if (!replica_is_ready(r))
        return r->is_up ? control_problem(&r->control) : "it is down";
    if (!hash128_equal(&r->control.published->hash, &now->hash))
        return "it serves something else";
    if (r->control.served_revision < now->revision)
        return "it does not know that what it serves is the newest";
    return r->control.peers.differing ? "it believes that another replica differs" : NULL;
}

bool world_is_at_rest(const struct world *w)
{
    for (size_t i = 0; i < w->replica_count; i++)
        if (why_not_at_rest(w, i))
            return false;
    return true;
}

void check_rest(struct world *w)
{
    for (size_t i = 0; i < w->replica_count; i++) {
        const char *why = why_not_at_rest(w, i);
        if (why)
            sim_fail(w->sim,
                "all replicas come to serve the newest revision",
                "%s: %s",
                w->replicas[i].id,
                *why ? why : "it is not ready");
        if (w->replicas[i].control.stats.store.divergences > 0)
            sim_fail(w->sim,
                "what a replica holds is what etcd has",
                "%s found %lld differences",
                w->replicas[i].id,
                (long long)w->replicas[i].control.stats.store.divergences);
    }
}
