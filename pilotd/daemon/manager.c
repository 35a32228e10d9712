#include "daemon/manager.h"

#include "daemon/readiness.h"

#include <inttypes.h>
#include <string.h>

static void tell_text(struct manager *m, const struct buf *text)
{
    notify_send(&m->notify, text->data);
}

static void tell(struct manager *m, const char *text)
{
    notify_send(&m->notify, text);
}

static void tell_status(struct manager *m, struct buf *status)
{
    if (m->told.data && strcmp(status->data, m->told.data) == 0)
        return;
    buf_clear(&m->told);
    buf_append(&m->told, status->data, status->size);
    tell_text(m, status);
}

static void on_pulse(struct roll_call_waiter *waiter, const struct roll_call_result *result)
{
    struct manager *m = container_of(waiter, struct manager, waiter);
    const struct control *c = m->control;
    struct buf status = { 0 };
    m->is_asking = false;
    buf_text(&status, "STATUS=");
    if (readiness_ready(c, result, &status) == 200 && !m->is_ready) {
        m->is_ready = true;
        tell(m, "READY=1");
    }
    buf_printf(&status,
        "; %" PRId64 " streams, revision %" PRId64,
        xds_stats_streams(&c->stats.xds),
        c->published ? c->served_revision : 0);
    tell_status(m, &status);
    buf_fini(&status);
}

static void on_beat(uv_timer_t *timer)
{
    struct manager *m = container_of(timer, struct manager, beat);
    if (m->notify.watchdog_ms)
        tell(m, "WATCHDOG=1");
    if (m->is_asking)
        return;
    m->is_asking = true;
    roll_call_ask(&m->control->pulse, &m->waiter);
}

bool manager_open(struct manager *m, struct control *c, struct error *err)
{
    *m = (struct manager){ .control = c, .waiter.on_done = on_pulse };
    uv_timer_init(&c->loop, &m->beat);
    return notify_open(&m->notify, err);
}

void manager_begin(struct manager *m)
{
    uint64_t third = m->notify.watchdog_ms / 3;
    uint64_t beat_ms = third && third < MANAGER_BEAT_MS ? third : MANAGER_BEAT_MS;
    if (m->notify.fd >= 0)
        uv_timer_start(&m->beat, on_beat, 0, beat_ms);
}

/* The READY=1 that ends a reload would be a lie of who is not ready yet, or leaves. */
static bool tells_reloads(const struct manager *m)
{
    return m->is_ready && !m->control->is_draining;
}

void manager_reloading(struct manager *m)
{
    struct buf text = { 0 };
    if (!tells_reloads(m))
        return;
    buf_printf(&text, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, uv_hrtime() / 1000);
    tell_text(m, &text);
    buf_fini(&text);
}

void manager_reloaded(struct manager *m)
{
    if (tells_reloads(m))
        tell(m, "READY=1");
}

void manager_stopping(struct manager *m, int64_t within_ms)
{
    struct buf text = { 0 };
    buf_printf(&text, "STOPPING=1\nEXTEND_TIMEOUT_USEC=%" PRId64, within_ms * 1000);
    tell_text(m, &text);
    buf_fini(&text);
}

void manager_close(struct manager *m)
{
    uv_close((uv_handle_t *)&m->beat, NULL);
}

void manager_fini(struct manager *m)
{
    notify_close(&m->notify);
    buf_fini(&m->told);
}
