#include "xds/rpc_parts.h"
#include "xds/status_page.h"

/*
 * One page is made at a time, when the one before has gone to the socket: who reads slowly holds
 * one page, and everybody else's turn on the loop comes between two.
 */
struct status_call {
    struct status_page *page; /* that begins where the answer goes on; NULL: none, or it is away */
    bool is_asking, is_sending; /* the page is away; the one before is not on its way yet */
    bool is_half_closed, has_asked;
    size_t told;      /* proxies, of this answer */
    struct buf whole; /* FetchClientStatus: the answer so far */
    struct status_query *waiting[XDS_MAX_STATUS_WAITING];
    size_t waiting_count;
};

/* With the next turn of the loop, whatever there is to do. */
static void go_on(struct rpc *rpc);

void rpc_status_open(struct rpc *rpc)
{
    struct rpc_shared *shared = rpc->shared;
    rpc->status = xcalloc(1, sizeof *rpc->status);
    metric_add(&shared->stats->status_calls, 1);
    if (++shared->status_calls > XDS_MAX_STATUS_CALLS)
        rpc_end(rpc, GRPC_RESOURCE_EXHAUSTED, "others ask for the status of proxies; try again");
    else if (shared->status_access == XDS_STATUS_OFF)
        rpc_end(rpc, GRPC_PERMISSION_DENIED, "the status of proxies is not told (--client-status)");
}

void rpc_status_closed(struct rpc *rpc)
{
    struct status_call *call = rpc->status;
    if (!call)
        return;
    rpc->shared->status_calls--;
    metric_add(&rpc->shared->stats->status_calls, -1);
    for (size_t i = 0; i < call->waiting_count; i++)
        status_query_free(call->waiting[i]);
    status_page_free(call->page);
    buf_fini(&call->whole);
    free(call);
    rpc->status = NULL;
}

/* ---- requests ---- */

static bool is_allowed(const struct rpc *rpc, const struct status_query *query)
{
    return rpc->shared->status_access == XDS_STATUS_ALL || status_query_is_exact(query);
}

static void take_query(struct rpc *rpc, struct status_query *query)
{
    struct status_call *call = rpc->status;
    bool is_too_many = rpc->method == STATUS_FETCH ? call->has_asked
                                                   : call->waiting_count == XDS_MAX_STATUS_WAITING;
    call->has_asked = true;
    if (is_allowed(rpc, query) && !is_too_many) {
        call->waiting[call->waiting_count++] = query;
        go_on(rpc);
        return;
    }
    status_query_free(query);
    if (is_too_many)
        rpc_end(rpc, GRPC_RESOURCE_EXHAUSTED, "too many requests wait for their answers");
    else
        rpc_end(rpc,
            GRPC_PERMISSION_DENIED,
            "only the status of proxies that node_matchers name by node_id.exact is told "
            "(--client-status)");
}

bool rpc_status_on_message(void *context, const uint8_t *bytes, size_t size_bytes)
{
    struct rpc *rpc = context;
    struct status_query *query;
    struct error err;
    if (status_query_new(bytes, size_bytes, &query, &err))
        take_query(rpc, query);
    else
        rpc_end(rpc, GRPC_INVALID_ARGUMENT, err.text);
    return !rpc->is_ended;
}

void rpc_status_half_closed(struct rpc *rpc)
{
    rpc->status->is_half_closed = true;
    go_on(rpc);
}

/* ---- answers ---- */

static void send_bytes(struct rpc *rpc, const void *bytes, size_t size)
{
    struct slice slice = { bytes, size, NULL };
    slice_list slices = { &slice, 1 };
    rpc->status->is_sending = true;
    h2_stream_send(rpc->stream, &slices);
}

static void send_message(struct rpc *rpc, const struct buf *message)
{
    uint8_t head[GRPC_HEAD_BYTES];
    grpc_head(head, message->size);
    send_bytes(rpc, head, sizeof head);
    if (message->size)
        send_bytes(rpc, message->data, message->size);
}

/* Of FetchClientStatus; of the other, an answer that has no proxies. */
static void finish(struct rpc *rpc)
{
    struct status_call *call = rpc->status;
    status_page_free(call->page);
    call->page = NULL;
    if (rpc->method == STATUS_FETCH || !call->told)
        send_message(rpc, &call->whole);
    if (rpc->method == STATUS_FETCH)
        rpc_end(rpc, GRPC_OK, NULL);
}

static void take_page(struct rpc *rpc)
{
    struct status_call *call = rpc->status;
    struct status_page *page = call->page;
    call->told += page->count;
    page->count = 0;
    if (rpc->method == STATUS_FETCH && page->configs.size)
        buf_append(&call->whole, page->configs.data, page->configs.size);
    else if (page->configs.size)
        send_bytes(rpc, page->configs.data, page->configs.size);
    buf_fini(&page->configs);
    if (call->whole.size > XDS_MAX_STATUS_BYTES)
        rpc_end(rpc,
            GRPC_RESOURCE_EXHAUSTED,
            "the answer is too long for one message: ask for fewer proxies, or StreamClientStatus");
    else if (page->is_last)
        finish(rpc);
    go_on(rpc);
}

static void begin_answer(struct rpc *rpc)
{
    struct status_call *call = rpc->status;
    call->page = status_page_new(call->waiting[0], rpc->serial, rpc->method == STATUS_STREAM);
    call->told = 0;
    call->waiting_count--;
    for (size_t i = 0; i < call->waiting_count; i++)
        call->waiting[i] = call->waiting[i + 1];
}

/* Has the next page filled in: at once, or by another loop, and then it comes back. */
static void ask(struct rpc *rpc)
{
    struct status_call *call = rpc->status;
    struct status_page *page = call->page;
    struct xds_source *source = rpc->shared->source;
    if (source->carry) {
        call->is_asking = true;
        call->page = NULL;
        source->carry(source, page);
        return;
    }
    rpc_list_fill_status(rpc->list, page);
    page->is_last = page->server > 0;
    take_page(rpc);
}

static void on_turn(uv_timer_t *timer)
{
    struct rpc *rpc = container_of(timer, struct rpc, patience);
    struct status_call *call = rpc->status;
    if (rpc->is_ended || call->is_asking || call->is_sending)
        return;
    if (!call->page && call->waiting_count)
        begin_answer(rpc);
    if (call->page)
        ask(rpc);
    else if (call->is_half_closed)
        rpc_end(rpc,
            call->has_asked ? GRPC_OK : GRPC_INVALID_ARGUMENT,
            call->has_asked ? NULL : "no ClientStatusRequest came");
}

static void go_on(struct rpc *rpc)
{
    if (!rpc->is_ended)
        uv_timer_start(&rpc->patience, on_turn, 0, 0);
}

void rpc_status_emptied(struct rpc *rpc)
{
    rpc->status->is_sending = false;
    go_on(rpc);
}

/* ---- the pages of a server ---- */

void rpc_list_fill_status(const struct rpc_list *list, struct status_page *page)
{
    size_t visits = 0;
    for (const struct rpc *rpc = list->first; rpc; rpc = rpc->next) {
        if (rpc->serial > page->serial || !rpc->is_subscribed)
            continue;
        if (visits++ == STATUS_PAGE_VISITS || status_page_is_full(page)) {
            status_page_stop_before(page, rpc->serial);
            return;
        }
        if (status_query_takes(page->query, rpc->node->id) &&
            !status_page_add(page, rpc->node, rpc->xds, rpc->serial))
            return;
    }
    status_page_leave_server(page);
}

void rpc_list_take_status(struct rpc_list *list, struct status_page *page)
{
    struct rpc *rpc = list->first;
    while (rpc && !(rpc->status && rpc->serial == page->call))
        rpc = rpc->next;
    if (!rpc || rpc->is_ended) {
        status_page_free(page);
        return;
    }
    rpc->status->is_asking = false;
    rpc->status->page = page;
    take_page(rpc);
}
