#include "daemon/events.h"

#include "base/hash.h"

#include <inttypes.h>
#include <string.h>

struct listener {
    struct http_stream stream;
    struct events *events;
    struct listener *next;
    struct hash128 told; /* of the last event it got */
};

struct events {
    struct control *control;
    uv_timer_t timer; /* runs while somebody listens */
    struct listener *first;
    uint64_t said_ms; /* when anything was sent to all */
};

static const char event_type[] = "text/event-stream";

/* ---- what is told ---- */

static void hash_peer(const char *id, void *value, void *context)
{
    const struct peer *peer = value;
    hasher_add_text(context, id);
    hasher_add_text(context, peer->record.state);
    hasher_add_text(context, peer->record.has_snapshot ? peer->record.hash : NULL);
    hasher_add_text(context, agreement_name(peer->agreement));
    hasher_add_u32(context, (uint32_t)peer->record.streams);
}

static struct hash128 hash_of_peers(const struct control *c)
{
    struct hasher *h = hasher_new();
    map_each (&c->peers.by_id, hash_peer, h)
        ;
    return hasher_finish(h);
}

/* All of it is made of numbers and words of our own. */
static void write_state(const struct control *c, struct buf *out)
{
    char hash[HASH128_TEXT_BYTES] = "", peers[HASH128_TEXT_BYTES];
    const struct snapshot *s = c->published ? c->published->snapshot : NULL;
    struct hash128 of_peers = hash_of_peers(c);
    if (c->published)
        hash128_text(&c->published->hash, hash);
    hash128_text(&of_peers, peers);
    buf_printf(out,
        "{\"state\":\"%s\",\"snapshotRevision\":%" PRId64 ",\"hash\":\"%s\",\"agreement\":\"%s\",",
        replica_state_name(c->state),
        s ? s->revision : 0,
        hash,
        c->peers.differing ? "diverged" : "agreed");
    buf_printf(out,
        "\"replicas\":%zu,\"peers\":\"%s\",\"proxies\":%" PRId64 ",\"acks\":%" PRId64
        ",\"nacks\":%" PRId64 ",\"rejected\":%zu,\"held\":%" PRId64 ",\"findings\":%zu}",
        c->peers.by_id.count + 1,
        peers,
        (int64_t)xds_stats_streams(&c->stats.xds),
        (int64_t)c->stats.xds.acks,
        (int64_t)c->stats.xds.nacks,
        c->keyspace.rejects.count,
        (int64_t)c->stats.keyspace.held,
        s ? s->findings.count : 0);
}

/* ---- listeners ---- */

static void on_listener_gone(struct http_stream *stream)
{
    struct listener *gone = container_of(stream, struct listener, stream);
    struct events *e = gone->events;
    struct listener **at = &e->first;
    while (*at != gone)
        at = &(*at)->next;
    *at = gone->next;
    metric_add(&e->control->stats.event_listeners, -1);
    free(gone);
    if (!e->first)
        uv_timer_stop(&e->timer);
}

/* What it has been told is not told again, unless it is only to be seen that we live. */
static void tell(struct listener *l, const struct buf *state, const struct hash128 *hash)
{
    struct buf piece = { 0 };
    if (hash && hash128_equal(hash, &l->told))
        return;
    if (hash)
        buf_printf(&piece, "event: change\ndata: %s\n\n", state->data);
    else
        buf_text(&piece, ": alive\n\n");
    if (hash && l->stream.exchange)
        l->told = *hash;
    if (!http_stream_send(&l->stream, &piece) && hash)
        l->told = (struct hash128){ 0 }; /* it is still at the one before */
}

static void tell_all(struct events *e)
{
    struct buf state = { 0 };
    write_state(e->control, &state);
    struct hash128 hash = hash128_of(state.data, state.size);
    uint64_t now = uv_now(&e->control->loop);
    bool is_quiet = now - e->said_ms >= EVENTS_ALIVE_MS;
    for (struct listener *l = e->first, *next; l; l = next) {
        next = l->next; /* telling may end it */
        tell(l, &state, is_quiet && hash128_equal(&hash, &l->told) ? NULL : &hash);
    }
    if (is_quiet)
        e->said_ms = now;
    buf_fini(&state);
}

static void on_period(uv_timer_t *timer)
{
    tell_all(container_of(timer, struct events, timer));
}

static void refuse(struct http_exchange *x, int status, const char *type, const char *why)
{
    struct buf body = { 0 };
    buf_text(&body, why);
    http_respond(x, status, type, &body);
}

void events_listen(struct events *e, const struct http1_request *request, struct http_exchange *x)
{
    struct stats *stats = &e->control->stats;
    if (request->is_head) {
        refuse(x, 200, event_type, "");
        return;
    }
    if (stats->event_listeners >= EVENTS_LISTENERS_MAX) {
        metric_add(&stats->event_listeners_refused, 1);
        refuse(x, 503, "text/plain; charset=utf-8", "too many listen already\n");
        return;
    }
    struct listener *l = xcalloc(1, sizeof *l);
    l->stream.on_end = on_listener_gone;
    l->events = e;
    l->next = e->first;
    e->first = l;
    metric_add(&stats->event_listeners, 1);
    if (!http_stream_begin(x, event_type, &l->stream))
        on_listener_gone(&l->stream);
    if (e->first && !uv_is_active((uv_handle_t *)(void *)&e->timer))
        uv_timer_start(&e->timer, on_period, 0, EVENTS_PERIOD_MS);
}

struct events *events_open(struct control *c)
{
    struct events *e = xcalloc(1, sizeof *e);
    e->control = c;
    INVARIANT(uv_timer_init(&c->loop, &e->timer) == 0);
    return e;
}

static void on_timer_closed(uv_handle_t *handle)
{
    free(container_of((uv_timer_t *)(void *)handle, struct events, timer));
}

void events_close(struct events *e)
{
    uv_close((uv_handle_t *)(void *)&e->timer, on_timer_closed);
}
