#include "xds/handshakes.h"

/* ---- failures ---- */

const char *tls_failure_name(enum tls_failure failure)
{
    static const char *const names[] = {
#define TLS_FAILURE(id, name) [TLS_##id] = name,
#include "xds/tls_failures.def"
#undef TLS_FAILURE
    };
    return names[failure];
}

void handshakes_tell(
    struct handshakes *hs, const char *peer, enum tls_failure failure, const char *text)
{
    unsigned left_out;
    metric_add(&hs->stats->failures[failure], 1);
    if (log_limit_allows(&hs->log_limit, uv_now(hs->timer.loop), &left_out))
        log_warn(hs->log,
            "a TLS handshake failed",
            LOG_STR("peer", peer),
            LOG_STR("reason", tls_failure_name(failure)),
            LOG_STR("detail", text),
            LOG_INT("left_out", left_out));
}

/* ---- how long they may take ---- */

static void on_timer(uv_timer_t *timer);

static uint64_t limit_ms(const struct handshakes *hs)
{
    return hs->is_waited_for ? TLS_HANDSHAKE_PRESSED_MS : TLS_HANDSHAKE_MS;
}

static void set_timer(struct handshakes *hs)
{
    uint64_t now = uv_now(hs->timer.loop);
    uint64_t end = hs->first ? hs->first->began_ms + limit_ms(hs) : 0;
    if (hs->first)
        uv_timer_start(&hs->timer, on_timer, end > now ? end - now : 1, 0);
    else
        uv_timer_stop(&hs->timer);
}

/* A loop that was busy may have been late itself: who is late is looked at again once the loop has
 * read what came meanwhile. */
static void on_timer(uv_timer_t *timer)
{
    struct handshakes *hs = container_of(timer, struct handshakes, timer);
    uint64_t now = uv_now(timer->loop);
    for (struct handshake *h = hs->first, *next; h && h->began_ms + limit_ms(hs) <= now; h = next) {
        next = h->next;
        if (h->is_late)
            h->on_late(h);
        else
            h->is_late = true;
    }
    set_timer(hs);
}

/* ---- coming and going ---- */

bool handshakes_have_room(struct handshakes *hs)
{
    bool is_full = hs->count >= TLS_MAX_HANDSHAKES;
    if (is_full != hs->is_waited_for) {
        hs->is_waited_for = is_full;
        set_timer(hs);
    }
    return !is_full;
}

void handshakes_begin(struct handshakes *hs, struct handshake *h)
{
    h->of = hs;
    h->began_ms = uv_now(hs->timer.loop);
    h->prev = hs->last;
    h->next = NULL;
    if (hs->last)
        hs->last->next = h;
    else
        hs->first = h;
    hs->last = h;
    hs->count++;
    metric_add(&hs->stats->handshakes, 1);
    if (hs->first == h)
        set_timer(hs);
}

void handshake_end(struct handshake *h)
{
    struct handshakes *hs = h->of;
    if (!hs)
        return;
    h->of = NULL;
    if (h->prev)
        h->prev->next = h->next;
    else
        hs->first = h->next;
    if (h->next)
        h->next->prev = h->prev;
    else
        hs->last = h->prev;
    hs->count--;
    metric_add(&hs->stats->handshakes, -1);
    if (hs->is_waited_for)
        hs->on_room(hs);
}

/* ---- life ---- */

void handshakes_open(struct handshakes *hs, uv_loop_t *loop, struct tls_context *context,
    void (*on_room)(struct handshakes *hs))
{
    uv_timer_init(loop, &hs->timer);
    hs->context = tls_context_retain(context);
    hs->on_room = on_room;
}

void handshakes_set_context(struct handshakes *hs, struct tls_context *context)
{
    tls_context_release(hs->context);
    hs->context = tls_context_retain(context);
}

void handshakes_close(struct handshakes *hs, uv_close_cb on_closed)
{
    tls_context_release(hs->context);
    hs->context = NULL;
    uv_close((uv_handle_t *)&hs->timer, on_closed);
}
