#include "daemon/holds.h"

#include <string.h>

/* ---- writing ---- */

static void write_next(struct holds *h);

static void end_batch(struct holds *h)
{
    arena_free(h->batch);
    h->batch = NULL;
    h->writes.count = h->keys.count = 0;
    h->writes.items = NULL;
    h->keys = (string_list){ 0 };
}

static void look_again(struct holds *h)
{
    for (list_each (const char *const, key, &h->keys))
        keyspace_note_unsettled(h->keyspace, *key);
}

static void on_retry(uv_timer_t *timer)
{
    struct holds *h = container_of(timer, struct holds, retry);
    h->is_failing = false;
    write_next(h);
}

static void fail(struct holds *h, const struct error *err)
{
    log_warn(h->log, "holds cannot be written", LOG_STR("why", err->text));
    look_again(h);
    end_batch(h);
    h->lease = STORE_LEASE_NONE;
    h->is_failing = true;
    uv_timer_start(&h->retry, on_retry, HOLDS_RETRY_MS, 0);
}

/* Who was forestalled looks again once the watch has told by what. */
static void on_written(struct store_call *call, const struct store_reply *reply)
{
    struct holds *h = container_of(call, struct holds, call);
    if (reply->err) {
        fail(h, reply->err);
        return;
    }
    if (!reply->succeeded) {
        look_again(h);
        h->must_know_revision = reply->revision;
    }
    end_batch(h);
    write_next(h);
}

static void write_batch(struct holds *h)
{
    for (size_t i = 0; i < h->writes.count; i++)
        if (h->writes.items[i].lease)
            h->writes.items[i].lease = h->lease;
    h->call.on_reply = on_written;
    store_txn(h->store, h->writes.items, h->writes.count, &h->call);
}

static void on_granted(struct store_call *call, const struct store_reply *reply)
{
    struct holds *h = container_of(call, struct holds, call);
    if (reply->err) {
        fail(h, reply->err);
        return;
    }
    h->lease = reply->lease;
    h->leased_ms = uv_now(h->grace.loop);
    write_batch(h);
}

static bool has_fresh_lease(const struct holds *h)
{
    return h->lease != STORE_LEASE_NONE &&
           uv_now(h->grace.loop) - h->leased_ms <= (uint64_t)HOLDS_LEASE_FRESH_MS;
}

/* ---- what is to be written ---- */

/* A registrar's outage may be of thousands, and was told as a whole. */
static void tell(const struct holds *h, const char *key, const struct hold_wanted *wanted)
{
    if (wanted->is_leased)
        log_debug(h->log, "an instance that vanished with others is held", LOG_STR("key", key));
    else if (wanted->value->size)
        log_info(
            h->log, "the last good value is held in place of a rejected one", LOG_STR("key", key));
    else
        log_debug(h->log, "a held value is needed no longer", LOG_STR("key", key));
}

static size_t add_write(struct holds *h, const char *key, const struct hold_wanted *wanted)
{
    const struct buf *value = wanted->value;
    struct store_write write = {
        .key = arena_printf(h->batch, "holds/%s", key),
        .value = value->size ? arena_strndup(h->batch, value->data, value->size) : NULL,
        .size = value->size,
        .lease = wanted->is_leased, /* which one is known when it is granted */
        .expected_mod_revision = wanted->expected,
    };
    tell(h, key, wanted);
    list_push(h->batch, &h->writes, write);
    list_push(h->batch, &h->keys, arena_strdup(h->batch, key));
    return value->size;
}

static bool has_key(const struct holds *h, const char *key)
{
    for (list_each (const char *const, there, &h->keys))
        if (strcmp(*there, key) == 0)
            return true;
    return false;
}

/* True when one of them needs a lease. */
static bool gather_batch(struct holds *h)
{
    size_t bytes = 0;
    bool is_leased = false;
    h->batch = arena_new();
    while (h->writes.count < STORE_TXN_WRITES_MAX && bytes < HOLDS_BATCH_BYTES) {
        char *key = keyspace_take_unsettled(h->keyspace);
        struct buf value = { 0 };
        struct hold_wanted wanted = { .value = &value };
        if (!key)
            break;
        if (!has_key(h, key) && keyspace_hold_wanted(h->keyspace, key, &wanted)) {
            bytes += add_write(h, key, &wanted);
            is_leased |= wanted.is_leased;
        }
        buf_fini(&value);
        free(key);
    }
    return is_leased;
}

/* Who does not follow the store might write to another history than it knows. */
static bool can_write(const struct holds *h)
{
    return !h->batch && !h->is_failing && h->told_revision >= h->must_know_revision &&
           store_status(h->store)->state == STORE_FOLLOWING;
}

static void write_next(struct holds *h)
{
    if (!can_write(h))
        return;
    bool is_leased = gather_batch(h);
    if (h->writes.count == 0) {
        end_batch(h);
    } else if (is_leased && !has_fresh_lease(h)) {
        h->call.on_reply = on_granted;
        store_lease_grant(h->store, (h->hold_time_ms + 999) / 1000, &h->call);
    } else {
        write_batch(h);
    }
}

/* ---- waiting ---- */

static void on_grace_over(uv_timer_t *timer)
{
    struct holds *h = container_of(timer, struct holds, grace);
    h->owner->on_gave_up(h->owner, keyspace_stop_waiting(h->keyspace));
}

static void review_grace(struct holds *h)
{
    size_t waiting = h->keyspace->waiting;
    uint64_t now_ms = uv_now(h->grace.loop);
    bool is_running = uv_is_active((uv_handle_t *)&h->grace);
    if (!is_running)
        h->waits_since_ms = now_ms;
    bool has_time = now_ms - h->waits_since_ms < (uint64_t)(HOLDS_WAIT_MAX_MS - HOLDS_GRACE_MS);
    if (waiting == 0)
        uv_timer_stop(&h->grace);
    else if (!is_running || (waiting < h->waited_for && has_time))
        uv_timer_start(&h->grace, on_grace_over, HOLDS_GRACE_MS, 0);
    h->waited_for = waiting;
}

void holds_review(struct holds *h, int64_t revision)
{
    if (!h->is_shared)
        return;
    if (revision < h->told_revision) /* of another history */
        h->must_know_revision = 0;
    h->told_revision = revision;
    write_next(h);
    review_grace(h);
}

void holds_open(struct holds *h, uv_loop_t *loop, const struct holds_options *options)
{
    *h = (struct holds){
        .store = options->store,
        .keyspace = options->keyspace,
        .owner = options->owner,
        .log = options->log,
        .hold_time_ms = options->hold_time_ms,
        .is_shared = options->is_shared,
    };
    INVARIANT(uv_timer_init(loop, &h->grace) == 0);
    INVARIANT(uv_timer_init(loop, &h->retry) == 0);
}

void holds_close(struct holds *h)
{
    if (h->batch)
        store_cancel(h->store, &h->call);
    end_batch(h);
    uv_close((uv_handle_t *)&h->grace, NULL);
    uv_close((uv_handle_t *)&h->retry, NULL);
}
