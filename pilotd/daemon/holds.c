#include "daemon/holds.h"

#include <string.h>

/* ---- writing ---- */

static void write_hold(struct holds *h, const char *key, const struct buf *value, int64_t expected)
{
    struct arena *a = arena_new();
    struct store_write write = {
        .key = arena_printf(a, "holds/%s", key),
        .value = value->size ? value->data : NULL,
        .size = value->size,
        .expected_mod_revision = expected,
    };
    log_info(h->log,
        value->size ? "the last good value is held in place of a rejected one"
                    : "a held value is needed no longer",
        LOG_STR("key", key));
    store_txn(h->store, &write, 1, &h->call);
    arena_free(a);
}

static void write_next(struct holds *h)
{
    char *key;
    while (!h->writing && !h->is_failing && (key = keyspace_take_unsettled(h->keyspace))) {
        struct buf value = { 0 };
        int64_t expected;
        if (keyspace_hold_wanted(h->keyspace, key, &value, &expected)) {
            h->writing = key;
            write_hold(h, key, &value, expected);
        } else {
            free(key);
        }
        buf_fini(&value);
    }
}

static void on_retry(uv_timer_t *timer)
{
    struct holds *h = container_of(timer, struct holds, retry);
    h->is_failing = false;
    write_next(h);
}

/* Whose condition did not hold has been forestalled; the watch tells by what. */
static void on_written(struct store_call *call, const struct store_reply *reply)
{
    struct holds *h = container_of(call, struct holds, call);
    if (reply->err) {
        log_warn(h->log, "a hold cannot be written", LOG_STR("why", reply->err->text));
        keyspace_note_unsettled(h->keyspace, h->writing);
        h->is_failing = true;
        uv_timer_start(&h->retry, on_retry, HOLDS_RETRY_MS, 0);
    }
    free(h->writing);
    h->writing = NULL;
    write_next(h);
}

/* ---- waiting ---- */

static void on_grace_over(uv_timer_t *timer)
{
    struct holds *h = container_of(timer, struct holds, grace);
    h->owner->on_gave_up(h->owner, keyspace_stop_waiting(h->keyspace));
}

void holds_review(struct holds *h)
{
    if (!h->is_shared)
        return;
    write_next(h);
    if (h->keyspace->waiting == 0)
        uv_timer_stop(&h->grace);
    else if (!uv_is_active((uv_handle_t *)&h->grace))
        uv_timer_start(&h->grace, on_grace_over, HOLDS_GRACE_MS, 0);
}

void holds_open(struct holds *h, uv_loop_t *loop, struct store *store, bool is_shared,
    struct keyspace *keyspace, struct holds_owner *owner, const struct log_scope *log)
{
    *h = (struct holds){
        .store = store, .keyspace = keyspace, .owner = owner, .log = log, .is_shared = is_shared
    };
    h->call.on_reply = on_written;
    INVARIANT(uv_timer_init(loop, &h->grace) == 0);
    INVARIANT(uv_timer_init(loop, &h->retry) == 0);
}

void holds_close(struct holds *h)
{
    if (h->writing)
        store_cancel(h->store, &h->call);
    free(h->writing);
    uv_close((uv_handle_t *)&h->grace, NULL);
    uv_close((uv_handle_t *)&h->retry, NULL);
}
