#include "xds/reflection.h"
#include "xds/rpc_parts.h"

/*
 * An answer can be a hundred times as long as its request: so one is made at a time, when the one
 * before has gone to the socket, and the requests wait as they came.
 */
struct reflection_call {
    bool is_sending, is_half_closed;
    struct buf waiting[XDS_MAX_REFLECTION_WAITING];
    size_t waiting_count;
};

void rpc_reflection_open(struct rpc *rpc)
{
    struct rpc_shared *shared = rpc->shared;
    rpc->reflection = xcalloc(1, sizeof *rpc->reflection);
    metric_add(&shared->stats->reflection_calls, 1);
    if (++shared->reflection_calls > XDS_MAX_REFLECTION_CALLS)
        rpc_end(rpc, GRPC_RESOURCE_EXHAUSTED, "others ask what is served here; try again");
}

void rpc_reflection_closed(struct rpc *rpc)
{
    struct reflection_call *call = rpc->reflection;
    if (!call)
        return;
    rpc->shared->reflection_calls--;
    metric_add(&rpc->shared->stats->reflection_calls, -1);
    for (size_t i = 0; i < call->waiting_count; i++)
        buf_fini(&call->waiting[i]);
    free(call);
    rpc->reflection = NULL;
}

static void send_answer(struct rpc *rpc, struct arena *a, struct pb_bytes answer)
{
    uint8_t head[GRPC_HEAD_BYTES];
    slice_list slices = { 0 };
    grpc_head(head, answer.size);
    list_push(a, &slices, ((struct slice){ head, sizeof head, NULL }));
    list_push(a, &slices, ((struct slice){ answer.data, answer.size, NULL }));
    rpc->reflection->is_sending = true;
    h2_stream_send(rpc->stream, &slices);
}

static void answer_next(struct rpc *rpc)
{
    struct reflection_call *call = rpc->reflection;
    struct buf request = call->waiting[0];
    struct arena *a = arena_new();
    struct pb_bytes answer;
    call->waiting_count--;
    memmove(call->waiting, call->waiting + 1, call->waiting_count * sizeof *call->waiting);
    call->waiting[call->waiting_count] = (struct buf){ 0 };
    if (reflection_answer(a, (const uint8_t *)request.data, request.size, &answer))
        send_answer(rpc, a, answer);
    else
        rpc_end(rpc, GRPC_INVALID_ARGUMENT, "not a ServerReflectionRequest");
    buf_fini(&request);
    arena_free(a);
}

static void on_turn(uv_timer_t *timer)
{
    struct rpc *rpc = container_of(timer, struct rpc, patience);
    struct reflection_call *call = rpc->reflection;
    if (rpc->is_ended || call->is_sending)
        return;
    if (call->waiting_count)
        answer_next(rpc);
    else if (call->is_half_closed)
        rpc_end(rpc, GRPC_OK, NULL);
}

/* With the next turn of the loop: never from within what was called by the connection. */
static void go_on(struct rpc *rpc)
{
    if (!rpc->is_ended)
        uv_timer_start(&rpc->patience, on_turn, 0, 0);
}

bool rpc_reflection_on_message(void *context, const uint8_t *bytes, size_t size_bytes)
{
    struct rpc *rpc = context;
    struct reflection_call *call = rpc->reflection;
    if (call->waiting_count == XDS_MAX_REFLECTION_WAITING) {
        rpc_end(rpc, GRPC_RESOURCE_EXHAUSTED, "too many requests wait for their answers");
        return false;
    }
    buf_append(&call->waiting[call->waiting_count++], bytes, size_bytes);
    go_on(rpc);
    return true;
}

void rpc_reflection_half_closed(struct rpc *rpc)
{
    rpc->reflection->is_half_closed = true;
    go_on(rpc);
}

void rpc_reflection_emptied(struct rpc *rpc)
{
    rpc->reflection->is_sending = false;
    go_on(rpc);
}
