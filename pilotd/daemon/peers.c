#include "daemon/peers.h"

#include <string.h>

const char *agreement_name(enum agreement agreement)
{
    static const char *const names[] = {
        [AGREEMENT_UNKNOWN] = "unknown",
        [AGREEMENT_AGREES] = "agrees",
        [AGREEMENT_DIFFERS] = "differs",
    };
    return names[agreement];
}

void peers_init(struct peers *p, const struct log_scope *log)
{
    *p = (struct peers){ .log = log };
}

static void free_peer(void *value)
{
    struct peer *peer = value;
    if (peer)
        arena_free(peer->arena);
}

void peers_fini(struct peers *p)
{
    map_fini(&p->by_id, free_peer);
}

/* ---- comparing ---- */

static bool meets(const struct served_span *span, const struct replica_record *r)
{
    return span->hash[0] && span->level == r->level && span->from <= r->revision &&
           r->snapshot_revision <= span->to;
}

static const struct served_span *find_meeting(
    const struct peers *p, const struct replica_record *r, bool must_be_equal)
{
    for (size_t i = 0; r->has_snapshot && i < PEERS_HISTORY; i++)
        if (meets(&p->spans[i], r) && (strcmp(p->spans[i].hash, r->hash) == 0) == must_be_equal)
            return &p->spans[i];
    return NULL;
}

static void log_difference(
    const struct peers *p, const struct replica_record *r, const struct served_span *own)
{
    log_error(p->log,
        "replicas differ: the same revision gave two hashes",
        LOG_STR("peer", r->id),
        LOG_STR("peer_version", r->version),
        LOG_INT("peer_from", r->snapshot_revision),
        LOG_INT("peer_to", r->revision),
        LOG_STR("peer_hash", r->hash),
        LOG_INT("own_from", own->from),
        LOG_INT("own_to", own->to),
        LOG_STR("own_hash", own->hash));
}

/* A record that meets nothing leaves what was found before. */
static void compare(struct peers *p, struct peer *peer)
{
    const struct served_span *other = find_meeting(p, &peer->record, false);
    if (other) {
        if (peer->agreement != AGREEMENT_DIFFERS)
            log_difference(p, &peer->record, other);
        peer->agreement = AGREEMENT_DIFFERS;
    } else if (find_meeting(p, &peer->record, true)) {
        peer->agreement = AGREEMENT_AGREES;
    }
}

static void count_differing(const char *id, void *value, void *context)
{
    const struct peer *peer = value;
    size_t *count = context;
    (void)id;
    *count += peer->agreement == AGREEMENT_DIFFERS;
}

static void compare_one(const char *id, void *value, void *context)
{
    (void)id;
    compare(context, value);
}

static void count_all(struct peers *p)
{
    p->differing = 0;
    map_each (&p->by_id, count_differing, &p->differing)
        ;
}

/* ---- what is told ---- */

void peers_serving(struct peers *p, const struct served_span *now)
{
    struct served_span *newest = &p->spans[p->newest];
    bool has_gone_back = now->to < newest->to;
    if (!has_gone_back && newest->from == now->from && strcmp(newest->hash, now->hash) == 0) {
        newest->to = now->to;
    } else {
        if (has_gone_back)
            memset(p->spans, 0, sizeof p->spans);
        p->newest = (p->newest + 1) % PEERS_HISTORY;
        p->spans[p->newest] = *now;
    }
    map_each (&p->by_id, compare_one, p)
        ;
    count_all(p);
}

static void copy_texts(struct arena *a, struct replica_record *r)
{
    const char **texts[] = { &r->id, &r->instance, &r->version, &r->xds, &r->admin, &r->state };
    for (size_t i = 0; i < ARRAY_COUNT(texts); i++)
        *texts[i] = arena_strdup(a, *texts[i]);
}

void peers_heard(struct peers *p, const struct replica_record *record, uint64_t now_ms)
{
    struct peer *former = map_find(&p->by_id, record->id);
    if (!former && p->by_id.count >= (size_t)PEERS_MAX)
        return;
    struct arena *a = arena_new();
    struct peer *peer = ARENA_NEW(a, struct peer);
    *peer = (struct peer){ .record = *record, .heard_ms = now_ms, .arena = a };
    copy_texts(a, &peer->record);
    if (former && strcmp(former->record.instance, record->instance) == 0)
        peer->agreement = former->agreement;
    compare(p, peer);
    free_peer(map_put(&p->by_id, peer->record.id, peer));
    count_all(p);
}

static void forget(const char *id, void *value, void *context)
{
    struct peer *peer = value;
    (void)id;
    (void)context;
    peer->record.has_snapshot = false;
    peer->agreement = AGREEMENT_UNKNOWN;
}

void peers_forget(struct peers *p)
{
    memset(p->spans, 0, sizeof p->spans);
    map_each (&p->by_id, forget, NULL)
        ;
    count_all(p);
}

void peers_gone(struct peers *p, const char *id)
{
    free_peer(map_remove(&p->by_id, id));
    count_all(p);
}
