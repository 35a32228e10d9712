#include "xds/h2_parts.h"

#include <string.h>

/* How long a dismissed client has to read why: closing with bytes unread resets the connection, and
 * takes what is under way with it. */
enum { LINGER_MS = 1000, TOLD_MS = 250, TICK_MAX_MS = 5000, TICK_MIN_MS = 10, TICKS_A_LIMIT = 4 };

static bool is_past(uint64_t since_ms, uint64_t limit_ms, uint64_t now_ms)
{
    return limit_ms > 0 && now_ms - since_ms >= limit_ms;
}

/* ---- leaving ---- */

static void on_lingered(uv_timer_t *timer)
{
    h2_connection_close(container_of(timer, struct h2_connection, tick));
}

void h2_dismiss(struct h2_connection *c, enum xds_limit limit)
{
    const char *why = xds_limit_text(limit);
    if (c->is_leaving || c->socket.is_closing)
        return;
    c->limit = limit;
    nghttp2_submit_goaway(c->session,
        NGHTTP2_FLAG_NONE,
        nghttp2_session_get_last_proc_stream_id(c->session),
        limit == XDS_LIMIT_IDLE ? NGHTTP2_NO_ERROR : NGHTTP2_ENHANCE_YOUR_CALM,
        (const uint8_t *)why,
        strlen(why));
    h2_send_pending(c);
    c->is_leaving = true;
    if (!c->socket.is_closing)
        uv_timer_start(&c->tick, on_lingered, LINGER_MS, 0);
}

/* ---- what is waited for ---- */

/* Where the connection still takes bytes, its other streams go on. */
static bool review_stall(struct h2_stream *s, uint64_t now_ms)
{
    struct h2_connection *c = s->connection;
    if (s->head == s->count) {
        s->waits_since_ms = 0;
        return true;
    }
    if (!s->waits_since_ms || s->moved_bytes >= XDS_STALL_BYTES) {
        s->waits_since_ms = now_ms;
        s->moved_bytes = 0;
    }
    if (!is_past(s->waits_since_ms, c->limits->stall_ms, now_ms))
        return true;
    if (xds_socket_is_full(&c->socket))
        return false;
    s->waits_since_ms = 0;
    c->handlers->on_limit(c, XDS_LIMIT_STALL);
    nghttp2_submit_rst_stream(c->session, NGHTTP2_FLAG_NONE, s->id, NGHTTP2_ENHANCE_YOUR_CALM);
    return true;
}

/* That nobody listens any more. Not at once: HAProxy, in between, would pass on the reset, and not
 * the status before it. */
static void review_told(struct h2_stream *s, uint64_t now_ms)
{
    if (s->told_ms && !s->is_half_closed && now_ms - s->told_ms >= TOLD_MS)
        nghttp2_submit_rst_stream(
            s->connection->session, NGHTTP2_FLAG_NONE, s->id, NGHTTP2_NO_ERROR);
}

static bool review_streams(struct h2_connection *c, uint64_t now_ms)
{
    bool is_good = true;
    c->is_busy = true; /* nothing is sent, and so no stream closes, while they are walked */
    for (struct h2_stream *s = c->streams; s && is_good; s = s->next) {
        review_told(s, now_ms);
        is_good = review_stall(s, now_ms);
        if (is_good)
            c->handlers->on_tick(s);
    }
    c->is_busy = false;
    h2_send_pending(c);
    return is_good;
}

/* A client that says nothing is asked whether it is still there. */
static bool review_keepalive(struct h2_connection *c, uint64_t now_ms)
{
    if (!c->has_asked || !is_past(c->heard_ms, c->limits->keepalive_ms, now_ms))
        return true;
    if (c->pinged_ms)
        return !is_past(c->pinged_ms, c->limits->keepalive_ms, now_ms);
    c->pinged_ms = now_ms;
    nghttp2_submit_ping(c->session, NGHTTP2_FLAG_NONE, NULL);
    return true;
}

static void on_tick(uv_timer_t *timer)
{
    struct h2_connection *c = container_of(timer, struct h2_connection, tick);
    uint64_t now_ms = uv_now(timer->loop);
    if (!c->streams && !c->has_asked && is_past(c->quiet_since_ms, c->limits->request_ms, now_ms))
        h2_dismiss(c, XDS_LIMIT_SILENCE);
    else if (!c->streams && c->has_asked && is_past(c->quiet_since_ms, c->limits->idle_ms, now_ms))
        h2_dismiss(c, XDS_LIMIT_IDLE);
    else if (!review_keepalive(c, now_ms)) {
        c->limit = XDS_LIMIT_KEEPALIVE;
        h2_connection_close(c);
    } else if (!review_streams(c, now_ms))
        h2_dismiss(c, XDS_LIMIT_STALL);
}

/* Often enough that a limit is kept to a quarter of its time. */
static uint64_t tick_ms(const struct xds_limits *l)
{
    const uint64_t times[] = { l->keepalive_ms, l->request_ms, l->stall_ms, l->idle_ms };
    uint64_t least = TICK_MAX_MS;
    for (size_t i = 0; i < ARRAY_COUNT(times); i++)
        if (times[i] > 0 && times[i] / TICKS_A_LIMIT < least)
            least = times[i] / TICKS_A_LIMIT;
    return least > TICK_MIN_MS ? least : TICK_MIN_MS;
}

void h2_patience_begin(struct h2_connection *c)
{
    uint64_t period_ms = tick_ms(c->limits);
    c->heard_ms = c->quiet_since_ms = uv_now(c->tick.loop);
    uv_timer_start(&c->tick, on_tick, period_ms, period_ms);
}

void h2_patience_told(struct h2_stream *s)
{
    struct h2_connection *c = s->connection;
    s->told_ms = uv_now(c->tick.loop);
    if (!c->is_leaving && !c->socket.is_closing)
        uv_timer_start(&c->tick, on_tick, TOLD_MS, uv_timer_get_repeat(&c->tick));
}
