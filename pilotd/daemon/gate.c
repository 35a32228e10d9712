#include "daemon/gate.h"

struct gate_loop {
    uint64_t asked, read, opened; /* the newest ticket that came; that the read covers; let in */
    uint64_t asked_ns;            /* when the oldest that waits came */
};

static uint64_t now_ms(const struct gate *g)
{
    return uv_now(g->timer.loop);
}

static bool has_waiting(const struct gate *g)
{
    for (size_t i = 0; i < g->count; i++)
        if (g->loops[i].asked > g->loops[i].opened)
            return true;
    return false;
}

static void decide(struct gate *g, enum gate_verdict verdict)
{
    g->phase = GATE_IDLE;
    uv_timer_stop(&g->timer);
    for (size_t i = 0; i < g->count; i++) {
        struct gate_loop *l = &g->loops[i];
        if (l->read == l->opened)
            continue;
        metric_add(&g->stats->asks, 1);
        metric_add(&g->stats->wait_us, (int64_t)((uv_hrtime() - l->asked_ns) / 1000));
        l->opened = l->read;
        g->owner->on_verdict(g->owner, i, l->opened, verdict);
    }
}

/* ---- one read ---- */

static void cover_all(struct gate *g)
{
    for (size_t i = 0; i < g->count; i++)
        g->loops[i].read = g->loops[i].asked;
}

static void review(struct gate *g);

static void on_timer(uv_timer_t *timer)
{
    struct gate *g = container_of(timer, struct gate, timer);
    if (g->phase == GATE_READING)
        store_cancel(g->store, &g->read);
    if (g->phase != GATE_PAUSING)
        decide(g, GATE_TURN_AWAY);
    g->phase = GATE_IDLE;
    review(g);
}

static void on_read(struct store_call *call, const struct store_reply *reply)
{
    struct gate *g = container_of(call, struct gate, read);
    if (reply->err) {
        decide(g, GATE_TURN_AWAY);
    } else if (reply->revision <= g->known) {
        decide(g, GATE_LET_IN);
    } else {
        g->phase = GATE_FOLLOWING;
        g->target = reply->revision;
        g->owner->on_behind(g->owner);
    }
    review(g);
}

/* A row ends when nobody has come for a while. */
static void count_in_row(struct gate *g)
{
    bool goes_on = now_ms(g) - g->began_ms <= 2 * (uint64_t)GATE_PAUSE_MAX_MS;
    g->row = goes_on && g->began_ms > 0 ? g->row + 1 : 1;
    g->pause_ms = g->row <= GATE_QUICK_READS ? GATE_PAUSE_MIN_MS : 2 * g->pause_ms;
    if (g->pause_ms > GATE_PAUSE_MAX_MS)
        g->pause_ms = GATE_PAUSE_MAX_MS;
}

static void begin(struct gate *g)
{
    g->phase = GATE_READING;
    count_in_row(g);
    g->began_ms = now_ms(g);
    cover_all(g);
    metric_add(&g->stats->reads, 1);
    uv_timer_start(&g->timer, on_timer, GATE_LIMIT_MS, 0);
    store_get(g->store, "cluster", &g->read);
}

static void review(struct gate *g)
{
    if (g->phase != GATE_IDLE || !has_waiting(g))
        return;
    uint64_t since_ms = now_ms(g) - g->began_ms;
    if (g->store && g->known == 0)
        return; /* there is nothing to let anybody in to */
    if (!g->store || g->is_cut_off) {
        cover_all(g);
        decide(g, g->store ? GATE_LET_IN_STALE : GATE_LET_IN);
    } else if (since_ms < g->pause_ms) {
        g->phase = GATE_PAUSING;
        uv_timer_start(&g->timer, on_timer, g->pause_ms - since_ms, 0);
    } else {
        begin(g);
    }
}

/* ---- from outside ---- */

void gate_open(struct gate *g, uv_loop_t *loop, struct store *store, size_t count,
    struct gate_owner *owner, struct gate_stats *stats)
{
    *g = (struct gate){ .store = store, .owner = owner, .stats = stats, .count = count };
    g->read.on_reply = on_read;
    g->loops = xcalloc(count, sizeof *g->loops);
    INVARIANT(uv_timer_init(loop, &g->timer) == 0);
}

void gate_ask(struct gate *g, size_t index, uint64_t ticket)
{
    struct gate_loop *l = &g->loops[index];
    if (l->asked == l->opened)
        l->asked_ns = uv_hrtime();
    l->asked = ticket;
    review(g);
}

void gate_published(struct gate *g, int64_t revision)
{
    g->known = revision;
    if (g->phase == GATE_FOLLOWING && g->known >= g->target)
        decide(g, GATE_LET_IN);
    review(g);
}

void gate_cut_off(struct gate *g, bool is_cut_off)
{
    bool is_news = is_cut_off && !g->is_cut_off;
    g->is_cut_off = is_cut_off;
    if (!is_news)
        return;
    if (g->phase == GATE_READING)
        store_cancel(g->store, &g->read);
    if (g->phase != GATE_IDLE) {
        cover_all(g);
        decide(g, GATE_TURN_AWAY);
    }
}

void gate_close(struct gate *g)
{
    if (g->phase == GATE_READING)
        store_cancel(g->store, &g->read);
    uv_close((uv_handle_t *)&g->timer, NULL);
}

void gate_fini(struct gate *g)
{
    free(g->loops);
}
