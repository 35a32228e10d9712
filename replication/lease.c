#include "replication/lease.h"

#include "replication/store_impl.h"

enum { RETRY_MS = 1000 };

struct lease_keeper {
    struct store *store;
    struct lease_owner *owner;
    struct store_call call; /* what was asked last */
    uv_timer_t timer;       /* until the next question */
    int64_t lease, ttl_seconds;
    bool is_abandoned;
    struct error err; /* of the last answer */
};

static struct lease_keeper *keeper_of(uv_handle_t *timer)
{
    return container_of((uv_timer_t *)timer, struct lease_keeper, timer);
}

static void on_timer(uv_timer_t *timer);

static void ask_in(struct lease_keeper *k, uint64_t ms)
{
    uv_timer_start(&k->timer, on_timer, ms, 0);
}

static uint64_t third_of_life_ms(const struct lease_keeper *k)
{
    return (uint64_t)k->ttl_seconds * 1000 / 3;
}

static uint64_t retry_ms(const struct lease_keeper *k)
{
    uint64_t third_ms = third_of_life_ms(k);
    return third_ms < RETRY_MS ? third_ms : RETRY_MS;
}

/* The next question is arranged for before the owner is called, who may close the keeper. */
static void on_granted(struct store_call *call, const struct store_reply *reply)
{
    struct lease_keeper *k = container_of(call, struct lease_keeper, call);
    k->err = reply->err ? *reply->err : (struct error){ 0 };
    if (reply->err) {
        ask_in(k, retry_ms(k));
        return;
    }
    k->lease = reply->lease;
    ask_in(k, third_of_life_ms(k));
    k->owner->on_held(k->owner, k->lease);
}

static void on_kept(struct store_call *call, const struct store_reply *reply)
{
    struct lease_keeper *k = container_of(call, struct lease_keeper, call);
    k->err = reply->err ? *reply->err : (struct error){ 0 };
    if (reply->err || reply->lease != STORE_LEASE_NONE) {
        ask_in(k, reply->err ? retry_ms(k) : third_of_life_ms(k));
        return;
    }
    k->lease = STORE_LEASE_NONE;
    ask_in(k, 0);
    if (k->owner->on_lost)
        k->owner->on_lost(k->owner);
}

static void on_timer(uv_timer_t *timer)
{
    struct lease_keeper *k = container_of(timer, struct lease_keeper, timer);
    if (k->lease == STORE_LEASE_NONE) {
        k->call.on_reply = on_granted;
        store_lease_grant(k->store, k->ttl_seconds, &k->call);
    } else {
        k->call.on_reply = on_kept;
        store_lease_keepalive(k->store, k->lease, &k->call);
    }
}

struct lease_keeper *lease_keeper_open(
    struct store *s, int64_t ttl_seconds, struct lease_owner *owner)
{
    struct lease_keeper *k = xcalloc(1, sizeof *k);
    INVARIANT(ttl_seconds > 0 && owner->on_held);
    k->store = s;
    k->owner = owner;
    k->ttl_seconds = ttl_seconds;
    INVARIANT(uv_timer_init(s->loop, &k->timer) == 0);
    ask_in(k, 0);
    return k;
}

const struct error *lease_keeper_error(const struct lease_keeper *k)
{
    return &k->err;
}

int64_t lease_keeper_lease(const struct lease_keeper *k)
{
    return k->lease;
}

/* ---- closing ---- */

static void on_timer_closed(uv_handle_t *timer)
{
    struct lease_keeper *k = keeper_of(timer);
    struct lease_owner *owner = k->is_abandoned ? NULL : k->owner;
    free(k);
    if (owner && owner->on_closed)
        owner->on_closed(owner);
}

/* Once: who closes may find that there is no time for it, and abandon. */
static void close_timer(struct lease_keeper *k)
{
    if (!uv_is_closing((uv_handle_t *)&k->timer))
        uv_close((uv_handle_t *)&k->timer, on_timer_closed);
}

static void on_revoked(struct store_call *call, const struct store_reply *reply)
{
    struct lease_keeper *k = container_of(call, struct lease_keeper, call);
    (void)reply; /* if that failed, the lease runs out */
    close_timer(k);
}

void lease_keeper_close(struct lease_keeper *k)
{
    if (!k)
        return;
    store_cancel(k->store, &k->call);
    uv_timer_stop(&k->timer);
    if (k->lease == STORE_LEASE_NONE) {
        close_timer(k);
        return;
    }
    k->call.on_reply = on_revoked;
    store_lease_revoke(k->store, k->lease, &k->call);
}

void lease_keeper_abandon(struct lease_keeper *k)
{
    if (!k)
        return;
    store_cancel(k->store, &k->call);
    k->is_abandoned = true;
    close_timer(k);
}
