#include "daemon/replica.h"

#include "base/hash.h"

#include <string.h>

enum { INSTANCE_BYTES = 16, BEATS_REMEMBERED = 16 };

struct replica {
    struct store *store;
    struct replica_owner *owner;
    const struct log_scope *log;
    char *key;
    char instance[2 * INSTANCE_BYTES + 1];

    struct lease_owner lease_owner;
    struct lease_keeper *lease;
    uv_timer_t tick;
    uv_loop_t *loop;

    struct store_call put;
    bool is_putting, must_put_again, is_failing, is_closing;
    struct error failure;              /* of the last write; ERROR_NONE: it worked */
    int64_t beat;                      /* the last one written */
    int64_t acknowledged;              /* the last one that the store confirmed */
    int64_t seen;                      /* the last one that came back */
    uint64_t put_ms[BEATS_REMEMBERED]; /* by beat, the last ones */
    uint64_t fresh_ms;        /* when the last one that came back was put; or the opening */
    uint64_t unseen_since_ms; /* since when a confirmed one is not seen; 0: it was */
    uint64_t rival_ms;        /* when a record of another instance came; 0: never */
};

static void draw_instance(struct replica *r)
{
    uint8_t bytes[INSTANCE_BYTES];
    INVARIANT(uv_random(NULL, NULL, bytes, sizeof bytes, 0, NULL) == 0);
    for (size_t i = 0; i < sizeof bytes; i++)
        snprintf(&r->instance[2 * i], 3, "%02x", bytes[i]);
}

/* ---- writing ---- */

static void put(struct replica *r)
{
    struct buf value = { 0 };
    struct replica_record record = { 0 };
    r->must_put_again = r->is_putting;
    if (r->is_putting || r->is_closing || lease_keeper_lease(r->lease) == STORE_LEASE_NONE)
        return;
    r->owner->on_compose(r->owner, &record);
    record.instance = r->instance;
    record.beat = ++r->beat;
    r->put_ms[r->beat % BEATS_REMEMBERED] = uv_now(r->loop);
    record_encode(&record, &value);
    struct store_write write = {
        .key = r->key,
        .value = value.data,
        .size = value.size,
        .lease = lease_keeper_lease(r->lease),
        .expected_mod_revision = STORE_ANY_REVISION,
    };
    r->is_putting = true;
    store_txn(r->store, &write, 1, &r->put);
    buf_fini(&value);
}

static void on_acknowledged(struct replica *r)
{
    if (r->is_failing)
        log_info(r->log, "the replica's record is written again");
    r->is_failing = false;
    r->failure = (struct error){ 0 };
    r->acknowledged = r->beat;
    if (r->acknowledged > r->seen && r->unseen_since_ms == 0)
        r->unseen_since_ms = uv_now(r->loop);
}

static void on_refused(struct replica *r, const struct error *err)
{
    if (!r->is_failing)
        log_warn(r->log, "the replica's record cannot be written", LOG_STR("why", err->text));
    r->is_failing = true;
    r->failure = *err;
}

/* With NOT_FOUND the lease has died meanwhile; the keeper brings another one. */
static void on_put(struct store_call *call, const struct store_reply *reply)
{
    struct replica *r = container_of(call, struct replica, put);
    r->is_putting = false;
    if (!reply->err) {
        on_acknowledged(r);
    } else if (reply->err->code != ERROR_NOT_FOUND) {
        on_refused(r, reply->err);
    }
    if (r->must_put_again)
        put(r);
}

void replica_touch(struct replica *r)
{
    put(r);
}

static void on_held(struct lease_owner *owner, int64_t lease)
{
    (void)lease;
    put(container_of(owner, struct replica, lease_owner));
}

/* ---- seeing it again ---- */

/* What was put long ago and came only now (it waited for a quorum, or this process was stopped)
 * proves little: the next one is not waited for. */
static void prove_fresh(struct replica *r, int64_t beat)
{
    if (beat > 0 && beat <= r->beat && beat > r->beat - BEATS_REMEMBERED)
        r->fresh_ms = r->put_ms[beat % BEATS_REMEMBERED];
    if (replica_age_ms(r) > REPLICA_STALE_MS)
        put(r);
}

void replica_seen(struct replica *r, const struct replica_record *record)
{
    if (strcmp(record->instance, r->instance) != 0) {
        /* The record of the process before this one is seen until ours is written. */
        if (r->seen > 0 && !replica_has_rival(r))
            log_error(r->log,
                "another process runs under this replica's id",
                LOG_STR("its_xds", record->xds),
                LOG_STR("its_admin", record->admin));
        if (r->seen > 0)
            r->rival_ms = uv_now(r->loop);
        return;
    }
    r->seen = record->beat;
    r->unseen_since_ms = 0;
    prove_fresh(r, record->beat);
}

void replica_missed(struct replica *r)
{
    put(r);
}

bool replica_has_rival(const struct replica *r)
{
    return r->rival_ms > 0 && uv_now(r->loop) - r->rival_ms < REPLICA_STALE_MS;
}

static const struct error *last_error(const struct replica *r)
{
    static const struct error none;
    if (r->is_closing)
        return &none;
    return r->failure.code != ERROR_NONE ? &r->failure : lease_keeper_error(r->lease);
}

const char *replica_problem(const struct replica *r)
{
    return last_error(r)->text;
}

const char *replica_instance(const struct replica *r)
{
    return r->instance;
}

uint64_t replica_age_ms(const struct replica *r)
{
    return uv_now(r->loop) - r->fresh_ms;
}

static void follow_another(struct replica *r, const char *why)
{
    log_warn(r->log, why, LOG_STR("member", store_status(r->store)->member));
    store_reconnect(r->store);
}

/* What was missed before this watch began is no fault of the member's: it has as long to bring it.
 */
static bool has_followed_for(const struct replica *r, uint64_t ms)
{
    const struct store_status *status = store_status(r->store);
    return status->state == STORE_FOLLOWING && uv_now(r->loop) - status->following_since_ms >= ms;
}

static bool is_unseen(const struct replica *r)
{
    return r->unseen_since_ms > 0 && uv_now(r->loop) - r->unseen_since_ms >= REPLICA_UNSEEN_MS;
}

static void check_unseen(struct replica *r)
{
    if (is_unseen(r) && has_followed_for(r, REPLICA_UNSEEN_MS))
        follow_another(
            r, "the store confirms writes that its watch does not bring: following another member");
    else if (last_error(r)->code == ERROR_REFUSED)
        return;
    else if (replica_age_ms(r) >= REPLICA_LOST_MS && has_followed_for(r, REPLICA_LOST_MS))
        follow_another(r, "the replica's own record does not come back: following another member");
}

static void on_tick(uv_timer_t *timer)
{
    struct replica *r = container_of(timer, struct replica, tick);
    check_unseen(r);
    r->owner->on_beat(r->owner);
    if (!r->is_putting)
        put(r);
}

/* ---- opening and closing ---- */

static void on_tick_closed(uv_handle_t *handle)
{
    struct replica *r = container_of((uv_timer_t *)handle, struct replica, tick);
    struct replica_owner *owner = r->owner;
    free(r->key);
    free(r);
    owner->on_closed(owner);
}

static void end(struct replica *r)
{
    if (uv_is_closing((uv_handle_t *)&r->tick))
        return;
    if (r->is_putting)
        store_cancel(r->store, &r->put);
    uv_close((uv_handle_t *)&r->tick, on_tick_closed);
}

static void on_lease_closed(struct lease_owner *owner)
{
    struct replica *r = container_of(owner, struct replica, lease_owner);
    r->lease = NULL;
    end(r);
}

struct replica *replica_open(uv_loop_t *loop, struct store *store, const char *id,
    int64_t ttl_seconds, struct replica_owner *owner, const struct log_scope *log)
{
    struct replica *r = xcalloc(1, sizeof *r);
    size_t key_bytes = sizeof "replicas/" + strlen(id);
    r->loop = loop;
    r->store = store;
    r->owner = owner;
    r->log = log;
    r->key = xcalloc(1, key_bytes);
    snprintf(r->key, key_bytes, "replicas/%s", id);
    r->put.on_reply = on_put;
    r->fresh_ms = uv_now(loop);
    draw_instance(r);
    r->lease_owner = (struct lease_owner){ .on_held = on_held, .on_closed = on_lease_closed };
    r->lease = lease_keeper_open(store, ttl_seconds, &r->lease_owner);
    INVARIANT(uv_timer_init(loop, &r->tick) == 0);
    uv_timer_start(&r->tick, on_tick, REPLICA_BEAT_MS, REPLICA_BEAT_MS);
    return r;
}

void replica_close(struct replica *r, bool at_once)
{
    r->is_closing = true;
    uv_timer_stop(&r->tick);
    if (at_once) {
        lease_keeper_abandon(r->lease);
        end(r);
    } else {
        lease_keeper_close(r->lease);
    }
}
