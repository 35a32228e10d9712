/* What must hold of how many streams each replica has, and of the proxies that are sent elsewhere.
 */
#include "world.h"

#include <string.h>

enum { IN_A_ROW = 6 }; /* by chance: the balancer leads to any replica that is ready */

/* ---- who is refused is taken in elsewhere ---- */

void check_share_closed(struct world *w, struct proxy *p, const char *why)
{
    if (!strstr(why, "ask another") || !strstr(why, "fewer streams"))
        return;
    if (++p->seen.refused_in_a_row > IN_A_ROW)
        sim_fail(w->sim,
            "nobody is refused over and over",
            "%s, for the %u. time by %s",
            p->id,
            p->seen.refused_in_a_row,
            p->process->name);
}

void check_share_served(struct proxy *p)
{
    p->seen.refused_in_a_row = 0;
}

/* ---- at rest ---- */

static size_t streams_of(const struct world *w, size_t replica)
{
    size_t count = 0;
    for (size_t i = 0; i < w->proxy_count; i++)
        count += proxy_is_connected(&w->proxies[i]) && w->proxies[i].process->index == replica;
    return count;
}

/* The smallest number that is not below all streams' share and its margin. */
static size_t expected_cap(const struct world *w)
{
    size_t cap = 0;
    while (cap * 100 * w->replica_count < w->proxy_count * (100 + REPLICA_STREAM_MARGIN))
        cap++;
    return cap;
}

bool share_is_at_rest(struct world *w, bool is_told)
{
    size_t cap = expected_cap(w);
    for (size_t i = 0; i < w->replica_count; i++) {
        size_t streams = streams_of(w, i),
               told = (size_t)w->replicas[i].control.stats.xds.quota.cap;
        bool is_good = told == cap && streams <= cap;
        if (!is_good && is_told)
            sim_fail(w->sim,
                "all replicas come to have no more streams than their cap",
                "%s has %zu, and a cap of %zu; it should be %zu",
                w->replicas[i].id,
                streams,
                told,
                cap);
        if (!is_good)
            return false;
    }
    return true;
}
