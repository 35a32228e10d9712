#include "replication/etcd_history.h"

#include "replication/etcd_codec.h"

#include <string.h>

enum {
    WATCH_BATCH = 1000, /* revisions that etcd gathers before it sends them */
};

struct etcd_history {
    struct etcd_history **list, *next;
    struct etcd_past past;
    struct store_call *call;
    struct etcd_call rpc;
    struct buf body;
    struct arena *arena;
    uv_timer_t timer;
    const char *key;
    etcd_entry_list entries;
    int64_t last, start, compacted, revision;
    size_t member;
    bool is_created;
};

static void on_quiet(uv_timer_t *timer);
static void on_again(uv_timer_t *timer);

static void on_closed(uv_handle_t *handle)
{
    struct etcd_history *h = container_of((uv_timer_t *)handle, struct etcd_history, timer);
    buf_fini(&h->body);
    arena_free(h->arena);
    free(h);
}

static void drop(struct etcd_history *h)
{
    struct etcd_history **at = h->list;
    while (*at != h)
        at = &(*at)->next;
    *at = h->next;
    etcd_call_cancel(&h->rpc);
    uv_close((uv_handle_t *)&h->timer, on_closed);
}

/* Its memory stays until the loop's next turn, for the reply that is being given. */
static void finish(struct etcd_history *h, const struct error *err)
{
    struct store_call *call = h->call;
    struct store_reply reply = {
        .err = err,
        .revision = h->revision,
        .compacted = h->compacted,
        .entries = h->entries.items,
        .count = h->entries.count,
    };
    drop(h);
    call->on_reply(call, &reply);
}

/* ---- what the watch says ---- */

static void take_changes(struct etcd_history *h, const struct etcd_watch *watch)
{
    for (list_each (const struct store_change, change, &watch->changes)) {
        struct store_entry entry = change->entry;
        if (change->is_gone)
            entry.value = NULL;
        list_push(h->arena, &h->entries, entry);
    }
}

/* Has it come to what is there now? A key that is gone ends with that; but not in the middle of
 * what etcd sends in several messages. */
static bool is_whole(const struct etcd_history *h, size_t batch)
{
    const struct store_entry *newest = &h->entries.items[h->entries.count - 1];
    if (h->last > 0)
        return newest->mod_revision >= h->last;
    return !newest->value && batch < WATCH_BATCH;
}

static void on_canceled(struct etcd_history *h, const struct etcd_watch *watch)
{
    struct error err;
    if (watch->compact_revision <= h->start) {
        error_set(&err, ERROR_REFUSED, "the watch was cancelled: %s", watch->cancel_reason);
        finish(h, &err);
        return;
    }
    h->start = h->compacted = watch->compact_revision;
    etcd_call_cancel(&h->rpc);
    uv_timer_start(&h->timer, on_again, 0, 0); /* not from within the call's own callback */
}

static void on_message(struct etcd_call *call, struct grpc_message message)
{
    struct etcd_history *h = container_of(call, struct etcd_history, rpc);
    struct etcd_watch watch;
    struct error err;
    if (!etcd_decode_watch(h->arena, h->past.url->prefix, message, &watch)) {
        error_set(&err, ERROR_GARBLED, "a message of the watch cannot be read");
        finish(h, &err);
        return;
    }
    h->revision = watch.header.revision;
    if (watch.is_canceled) {
        on_canceled(h, &watch);
        return;
    }
    h->is_created = true;
    uv_timer_start(&h->timer, on_quiet, HISTORY_QUIET_MS, 0);
    take_changes(h, &watch);
    if (h->entries.count && is_whole(h, watch.changes.count))
        finish(h, NULL);
}

/* A member that cannot be reached: the next one, once each. */
static void on_end(struct etcd_call *call, const struct grpc_result *result)
{
    struct etcd_history *h = container_of(call, struct etcd_history, rpc);
    struct error err = { ERROR_UNREACHABLE, "the watch ended" };
    if (result->err)
        err = *result->err;
    bool has_other = ++h->member < h->past.url->members.count;
    if (err.code == ERROR_UNREACHABLE && !h->is_created && has_other) {
        uv_timer_start(&h->timer, on_again, 0, 0);
        return;
    }
    error_context(&err, "the history of %s", h->key);
    finish(h, &err);
}

static void on_quiet(uv_timer_t *timer)
{
    struct etcd_history *h = container_of(timer, struct etcd_history, timer);
    struct error err;
    if (h->is_created) {
        finish(h, NULL);
        return;
    }
    error_set(&err, ERROR_UNREACHABLE, "the history of %s: etcd does not answer", h->key);
    finish(h, &err);
}

/* ---- asking ---- */

static void start(struct etcd_history *h)
{
    buf_clear(&h->body);
    etcd_encode_watch_key(&h->body, h->past.url->prefix, h->key, h->start);
    uv_timer_start(&h->timer, on_quiet, STORE_REQUEST_TIMEOUT_MS, 0);
    h->rpc.limits = (struct http_limits){
        .connect_timeout_ms = ETCD_CONNECT_TIMEOUT_MS,
        .body_bytes = ETCD_ANSWER_BYTES_MAX,
    };
    etcd_call_start(h->past.channel,
        &h->rpc,
        h->past.url->members.items[h->member],
        etcd_method_watch,
        &h->body);
}

static void on_again(uv_timer_t *timer)
{
    start(container_of(timer, struct etcd_history, timer));
}

void etcd_history_open(struct etcd_history **list, const struct etcd_past *past, const char *key,
    int64_t last, struct store_call *call)
{
    static const struct etcd_handlers handlers = { on_message, on_end };
    struct etcd_history *h = xcalloc(1, sizeof *h);
    h->arena = arena_new();
    h->past = *past;
    h->call = call;
    h->key = arena_strdup(h->arena, key);
    h->last = last;
    h->start = 1;
    h->rpc.handlers = &handlers;
    h->list = list;
    h->next = *list;
    *list = h;
    INVARIANT(uv_timer_init(past->loop, &h->timer) == 0);
    start(h);
}

void etcd_history_cancel(struct etcd_history **list, const struct store_call *call)
{
    for (struct etcd_history *h = *list, *next; h; h = next) {
        next = h->next;
        if (!call || h->call == call)
            drop(h);
    }
}
