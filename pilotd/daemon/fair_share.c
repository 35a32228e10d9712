#include "daemon/fair_share.h"

#include <string.h>

enum { TOLD_MAX = 1000 * 1000 * 1000 };

struct tally {
    uint64_t now_ms, since_ms; /* only records heard after this tell of room */
    int64_t streams, replicas;
    int64_t share; /* known in the second round */
    int64_t room;
};

static int64_t divide_up(int64_t n, int64_t by)
{
    return (n + by - 1) / by;
}

static bool is_counted(const struct peer *peer, uint64_t now_ms)
{
    return now_ms - peer->heard_ms <= FAIR_SHARE_FRESH_MS &&
           strcmp(peer->record.state, replica_state_name(REPLICA_SERVING)) == 0;
}

/* Anybody who may write there may have written it. */
static int64_t told_streams(const struct peer *peer)
{
    const int64_t streams = peer->record.streams;
    return streams < 0 ? 0 : streams > TOLD_MAX ? TOLD_MAX : streams;
}

static void count_streams(const char *id, void *value, void *context)
{
    const struct peer *peer = value;
    struct tally *t = context;
    (void)id;
    if (!is_counted(peer, t->now_ms))
        return;
    t->streams += told_streams(peer);
    t->replicas++;
}

static void count_room(const char *id, void *value, void *context)
{
    const struct peer *peer = value;
    struct tally *t = context;
    (void)id;
    if (is_counted(peer, t->now_ms) && peer->heard_ms > t->since_ms &&
        told_streams(peer) < t->share)
        t->room += t->share - told_streams(peer);
}

static bool is_patience_over(const struct fair_share *f, uint64_t now_ms)
{
    return f->is_crowded && now_ms - f->crowded_since_ms >= FAIR_SHARE_PATIENCE_MS;
}

/* Below the cap, only while it sheds. */
static void review_crowd(struct fair_share *f, bool is_at_cap, bool is_above_rest, uint64_t now_ms)
{
    bool was_crowded = f->is_crowded;
    f->is_crowded = is_at_cap || (is_above_rest && is_patience_over(f, now_ms));
    if (f->is_crowded && !was_crowded)
        f->crowded_since_ms = now_ms;
}

/* Not crowded for as long, or with other replicas, it would be another try. */
static bool has_tried_enough(struct fair_share *f, int64_t replicas, uint64_t now_ms)
{
    bool is_another = replicas != f->replicas || now_ms - f->tried_ms >= FAIR_SHARE_TRY_MS ||
                      now_ms - f->trying_since_ms >= FAIR_SHARE_AGAIN_MS;
    if (is_another)
        f->trying_since_ms = now_ms;
    f->replicas = replicas;
    f->tried_ms = now_ms;
    return now_ms - f->trying_since_ms >= FAIR_SHARE_TRY_MS;
}

static int64_t part_of(int64_t streams)
{
    return divide_up(streams * FAIR_SHARE_PART_PERCENT, 100);
}

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

struct fair_verdict fair_share_review(struct fair_share *f, const struct peers *peers,
    int64_t streams, bool is_serving, uint64_t now_ms)
{
    struct fair_verdict v = { 0 };
    struct tally t = { .now_ms = now_ms, .since_ms = f->reviewed_ms, .streams = streams };
    t.replicas = 1;
    bool is_falling = streams < f->streams;
    f->streams = streams;
    f->reviewed_ms = now_ms;
    map_each (&peers->by_id, count_streams, &t)
        ;
    if (f->margin_percent == 0 || !is_serving || t.replicas == 1) {
        f->is_crowded = false;
        return v;
    }
    t.share = divide_up(t.streams, t.replicas);
    v.cap = divide_up(t.streams * (100 + f->margin_percent), t.replicas * 100) + f->slack;
    int64_t rest = t.share + (v.cap - t.share) / 2;
    review_crowd(f, streams >= v.cap, streams > rest, now_ms);
    if (!is_patience_over(f, now_ms))
        return v;
    if (t.since_ms < f->crowded_since_ms)
        t.since_ms = f->crowded_since_ms;
    map_each (&peers->by_id, count_room, &t)
        ;
    if (t.room == 0)
        return v;
    bool had_resigned = f->has_resigned;
    f->has_resigned = has_tried_enough(f, t.replicas, now_ms);
    v.resigns = f->has_resigned && !had_resigned;
    if (f->has_resigned)
        return v;
    int64_t room = divide_up(t.room, t.replicas - 1); /* others may be crowded as well */
    v.room = streams >= v.cap && !is_falling ? part_of(room) : 0;
    v.shed = streams > rest ? smaller(part_of(streams - rest), room) : 0;
    return v;
}
