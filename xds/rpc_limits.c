#include "xds/rpc_parts.h"

/* A client's own time limit: few set one. */
struct rpc_deadline {
    uv_timer_t timer;
    struct rpc *rpc;
};

void rpc_cross(struct rpc *rpc, enum xds_limit limit, const char *text)
{
    static const enum grpc_status statuses[XDS_LIMIT_COUNT] = {
        [XDS_LIMIT_NONE] = GRPC_OK,
#define LIMIT(name, label, status, text) [XDS_LIMIT_##name] = GRPC_##status,
#include "xds/limits.def"
#undef LIMIT
    };
    if (rpc->is_ended)
        return;
    metric_add(&rpc->shared->stats->limits[limit], 1);
    rpc_end(rpc, statuses[limit], text ? text : xds_limit_text(limit));
}

/* ---- requests ---- */

bool rpc_may_ask(struct rpc *rpc)
{
    rpc->awaited_since_ms = 0;
    if (token_bucket_take(&rpc->requests, xds_request_rate, uv_now(rpc->shared->loop)))
        return true;
    rpc_cross(rpc, XDS_LIMIT_REQUEST_RATE, NULL);
    return false;
}

void rpc_has_fed(struct rpc *rpc)
{
    if (rpc->reader.pending.size && !rpc->awaited_since_ms)
        rpc->awaited_since_ms = uv_now(rpc->shared->loop);
}

void rpc_tick(struct rpc *rpc)
{
    uint64_t limit_ms = rpc->shared->limits->request_ms;
    if (!rpc->is_ended && limit_ms > 0 && rpc->awaited_since_ms &&
        uv_now(rpc->shared->loop) - rpc->awaited_since_ms >= limit_ms)
        rpc_cross(rpc, XDS_LIMIT_SLOW_REQUEST, NULL);
}

/* ---- deadlines ---- */

static void on_deadline(uv_timer_t *timer)
{
    struct rpc_deadline *deadline = container_of(timer, struct rpc_deadline, timer);
    rpc_end(deadline->rpc, GRPC_DEADLINE_EXCEEDED, "the time that the client gave is over");
}

void rpc_set_deadline(struct rpc *rpc, uint64_t timeout_ms)
{
    struct rpc_deadline *deadline = xcalloc(1, sizeof *deadline);
    deadline->rpc = rpc;
    uv_timer_init(rpc->shared->loop, &deadline->timer);
    uv_timer_start(&deadline->timer, on_deadline, timeout_ms, 0);
    rpc->deadline = deadline;
}

static void on_deadline_closed(uv_handle_t *handle)
{
    free(container_of((uv_timer_t *)handle, struct rpc_deadline, timer));
}

void rpc_drop_deadline(struct rpc *rpc)
{
    if (rpc->deadline)
        uv_close((uv_handle_t *)&rpc->deadline->timer, on_deadline_closed);
    rpc->deadline = NULL;
}
