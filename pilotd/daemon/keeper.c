#include "daemon/keeper.h"

enum { NS_PER_MS = 1000 * 1000 };

static void release_state(struct keeper_state *state)
{
    for (size_t i = 0; i < state->count; i++)
        object_release(state->objects[i]);
    free(state->objects);
    *state = (struct keeper_state){ 0 };
}

/* ---- one write ---- */

static void write_copy(struct keeper *k)
{
    const struct last_good_state state = {
        k->state.epoch, k->state.revision, k->state.level, k->state.objects, k->state.count
    };
    uint64_t began_ns = uv_hrtime();
    k->was_good = last_good_write(k->dir, &state, &k->bytes, &k->err);
    k->took_ms = (uv_hrtime() - began_ns) / NS_PER_MS;
}

static void count_write(struct keeper *k)
{
    if (k->was_good) {
        metric_add(&k->stats->writes, 1);
        metric_set(&k->stats->bytes, (int64_t)k->bytes);
        metric_set(&k->stats->revision, k->state.revision);
        if (k->is_failing)
            log_info(k->log, "the copy of the configuration is written again");
    } else {
        metric_add(&k->stats->failures, 1);
        k->is_dirty = true;
        if (!k->is_failing)
            log_warn(k->log,
                "the copy of the configuration cannot be written",
                LOG_STR("why", k->err.text));
    }
    k->is_failing = !k->was_good;
    release_state(&k->state);
}

static void review(struct keeper *k);

static void on_work(uv_work_t *work)
{
    write_copy(container_of(work, struct keeper, work));
}

static void on_worked(uv_work_t *work, int status)
{
    struct keeper *k = container_of(work, struct keeper, work);
    (void)status;
    k->is_working = false;
    count_write(k);
    review(k);
}

/* ---- when ---- */

static void on_timer(uv_timer_t *timer)
{
    review(container_of(timer, struct keeper, timer));
}

uint64_t keeper_rest_ms(uint64_t took_ms)
{
    uint64_t ms = took_ms * KEEPER_REST_TIMES;
    if (ms > KEEPER_REST_MAX_MS)
        return KEEPER_REST_MAX_MS;
    return ms < KEEPER_REST_MIN_MS ? KEEPER_REST_MIN_MS : ms;
}

static void review(struct keeper *k)
{
    uint64_t rested_ms = uv_now(k->timer.loop) - k->began_ms, rest_ms = keeper_rest_ms(k->took_ms);
    if (!k->dir || !k->is_dirty || k->is_working || k->is_closing)
        return;
    if (k->began_ms > 0 && rested_ms < rest_ms) {
        uv_timer_start(&k->timer, on_timer, rest_ms - rested_ms, 0);
        return;
    }
    if (!k->owner->on_gather(k->owner, &k->state))
        return;
    k->is_dirty = false;
    k->is_working = true;
    k->began_ms = uv_now(k->timer.loop);
    INVARIANT(uv_queue_work(k->timer.loop, &k->work, on_work, on_worked) == 0);
}

void keeper_touch(struct keeper *k)
{
    k->is_dirty = true;
    review(k);
}

void keeper_open(struct keeper *k, uv_loop_t *loop, const char *dir, struct keeper_owner *owner,
    struct keeper_stats *stats, const struct log_scope *log)
{
    *k = (struct keeper){ .dir = dir, .owner = owner, .stats = stats, .log = log };
    INVARIANT(uv_timer_init(loop, &k->timer) == 0);
}

void keeper_close(struct keeper *k)
{
    uv_close((uv_handle_t *)&k->timer, NULL);
    k->is_closing = true;
    if (!k->dir || !k->is_dirty || k->is_working || !k->owner->on_gather(k->owner, &k->state))
        return;
    write_copy(k);
    count_write(k);
}
