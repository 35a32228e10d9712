#include "daemon/level_vote.h"

static void lower(const char *id, void *value, void *context)
{
    const struct peer *peer = value;
    int64_t *newest = context;
    (void)id;
    if (peer->record.level_newest < *newest)
        *newest = peer->record.level_newest;
}

int64_t level_vote_review(struct level_vote *v, const struct peers *peers, int64_t own_newest,
    int64_t agreed, uint64_t now_ms)
{
    int64_t possible = own_newest;
    map_each (&peers->by_id, lower, &possible)
        ;
    if (possible != v->rising) {
        v->rising = possible;
        v->since_ms = now_ms;
    }
    bool is_due = possible < agreed || now_ms - v->since_ms >= LEVEL_RISE_MS;
    return is_due ? possible : agreed;
}
