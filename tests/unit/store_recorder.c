#include "store_recorder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { TURN_MS = 5 };

static const char *const state_names[] = { "connecting", "following", "behind" };

static void free_recorded(void *value)
{
    struct recorded *recorded = value;
    if (recorded)
        free(recorded->value);
    free(recorded);
}

static void close_within(struct recorder *r, const char *what)
{
    if (r->close_when && strcmp(r->close_when, what) == 0)
        recorder_close_store(r);
}

static void record_change(struct recorder *r, const struct store_change *change)
{
    const struct store_entry *e = &change->entry;
    assert_non_null(e->key);
    r->told++;
    if (change->is_gone) {
        buf_printf(&r->log, "-%s ", e->key);
        free_recorded(map_remove(&r->values, e->key));
        return;
    }
    assert_int_equal(e->value[e->size], '\0');
    buf_printf(&r->log, "+%s=%.40s ", e->key, e->value);
    struct recorded *recorded = xcalloc(1, sizeof *recorded);
    *recorded = (struct recorded){
        .value = memcpy(xcalloc(1, e->size + 1), e->value, e->size),
        .size = e->size,
        .create_revision = e->create_revision,
        .mod_revision = e->mod_revision,
        .lease = e->lease,
    };
    free_recorded(map_put(&r->values, e->key, recorded));
}

static void on_changes(
    struct store_listener *l, const struct store_change *changes, size_t count, int64_t revision)
{
    struct recorder *r = container_of(l, struct recorder, listener);
    assert_false(r->is_inside);
    assert_true(r->may_go_back || revision >= r->revision);
    /* After the first listing each revision comes once, whole. */
    for (size_t i = 0; i < count; i++) {
        assert_true(changes[i].entry.mod_revision <= revision);
        if (r->synced && !r->may_go_back && changes[i].entry.mod_revision <= r->revision)
            fail_msg("%s: a change of revision %lld after %lld was told",
                changes[i].entry.key,
                (long long)changes[i].entry.mod_revision,
                (long long)r->revision);
        record_change(r, &changes[i]);
    }
    r->revision = revision;
    assert_int_equal(store_status(r->store)->revision, revision);
    if (r->on_told)
        r->on_told(r);
    close_within(r, "changes");
}

static void on_synced(struct store_listener *l)
{
    struct recorder *r = container_of(l, struct recorder, listener);
    assert_false(r->is_inside);
    r->synced++;
    assert_int_equal(r->synced, 1);
    close_within(r, "synced");
}

static void on_state(struct store_listener *l, const struct store_status *status)
{
    struct recorder *r = container_of(l, struct recorder, listener);
    assert_false(r->is_inside);
    assert_int_equal(status->state == STORE_FOLLOWING, status->problem[0] == '\0');
    buf_printf(&r->states, "%s ", state_names[status->state]);
    close_within(r, "state");
}

static void on_fault(struct store_listener *l, const char *file, const char *text)
{
    struct recorder *r = container_of(l, struct recorder, listener);
    assert_false(r->is_inside);
    free(map_remove(&r->faults, file));
    if (text[0])
        map_put(&r->faults, file, xstrdup(text));
}

void recorder_init(struct recorder *r)
{
    *r = (struct recorder){ .listener = { on_changes, on_synced, on_state, on_fault } };
    r->loop = xcalloc(1, sizeof *r->loop);
    assert_int_equal(uv_loop_init(r->loop), 0);
}

static void open_store(
    struct recorder *r, const char *url, const struct store_layout *layout, bool is_oneshot)
{
    static const struct log_scope quiet = { .level = LOG_LEVEL_ERROR };
    struct error err = { 0 };
    struct store_options options = {
        .url = url,
        .layout = layout,
        .log = &quiet,
        .stats = &r->stats,
        .access = r->access,
        .audit_every_ms = r->audit_every_ms,
        .is_oneshot = is_oneshot,
    };
    r->is_inside = true;
    bool is_open = store_open(r->loop, &options, is_oneshot ? NULL : &r->listener, &r->store, &err);
    r->is_inside = false;
    if (!is_open)
        fail_msg("%s", err.text);
}

void recorder_open(struct recorder *r, const char *url, const struct store_layout *layout)
{
    open_store(r, url, layout, false);
}

void recorder_open_oneshot(struct recorder *r, const char *url, const struct store_layout *layout)
{
    open_store(r, url, layout, true);
}

/* From here on nothing may be told. */
void recorder_close_store(struct recorder *r)
{
    store_close(r->store);
    r->store = NULL;
    r->is_inside = true;
}

void recorder_close(struct recorder *r)
{
    if (r->store)
        recorder_close_store(r);
    uv_run(r->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(r->loop), 0);
    free(r->loop);
    map_fini(&r->values, free_recorded);
    map_fini(&r->faults, free);
    buf_fini(&r->log);
    buf_fini(&r->states);
}

const struct recorded *recorder_find(const struct recorder *r, const char *key)
{
    return map_find(&r->values, key);
}

const char *recorder_value(const struct recorder *r, const char *key)
{
    const struct recorded *recorded = recorder_find(r, key);
    return recorded ? recorded->value : NULL;
}

static void on_turn_limit(uv_timer_t *timer)
{
    (void)timer;
}

/* One turn of the loop, a short one: what is waited for may have come true in a timer. */
void recorder_turn(struct recorder *r, uint64_t deadline_ns, const char *what)
{
    if (uv_hrtime() >= deadline_ns)
        fail_msg("not in time: %s\nstates: %s\nlog: %.2000s",
            what,
            r->states.size ? r->states.data : "",
            r->log.size ? r->log.data : "");
    uv_timer_t timer;
    uv_update_time(r->loop);
    uv_timer_init(r->loop, &timer);
    uv_timer_start(&timer, on_turn_limit, TURN_MS, 0);
    uv_run(r->loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&timer, NULL);
    uv_run(r->loop, UV_RUN_NOWAIT);
}

void recorder_run_for(struct recorder *r, unsigned ms)
{
    uint64_t deadline = uv_hrtime() + ms * 1000000ull;
    while (uv_hrtime() < deadline)
        recorder_turn(r, deadline + 1000000000ull, "a while");
}

void recorder_until_following(struct recorder *r)
{
    recorder_until(r, r->synced && store_status(r->store)->state == STORE_FOLLOWING);
}

/* ---- requests ---- */

static void on_reply(struct store_call *call, const struct store_reply *reply)
{
    struct answer *a = container_of(call, struct answer, call);
    assert_false(a->recorder->is_inside);
    assert_false(a->is_done);
    a->is_done = true;
    a->succeeded = reply->succeeded;
    a->revision = reply->revision;
    a->lease = reply->lease;
    a->compacted = reply->compacted;
    a->count = reply->count;
    if (reply->err)
        a->err = *reply->err;
    if (reply->count)
        a->first_mod_revision = reply->entries[0].mod_revision;
    for (size_t i = 0; i < reply->count && i < 100; i++)
        if (reply->entries[i].value)
            buf_printf(&a->text, "%s=%s ", reply->entries[i].key, reply->entries[i].value);
        else
            buf_printf(&a->text, "-%s ", reply->entries[i].key);
    close_within(a->recorder, "reply");
}

struct answer *answer_new(struct recorder *r)
{
    struct answer *a = xcalloc(1, sizeof *a);
    a->call.on_reply = on_reply;
    a->recorder = r;
    return a;
}

static struct answer answer_take(struct answer *pending)
{
    recorder_until(pending->recorder, pending->is_done);
    struct answer a = *pending;
    free(pending);
    return a;
}

struct answer answer_good(struct answer *pending)
{
    struct answer a = answer_take(pending);
    if (a.err.code != ERROR_NONE)
        fail_msg("%s", a.err.text);
    return a;
}

struct error answer_error(struct answer *pending)
{
    struct answer a = answer_take(pending);
    assert_int_not_equal(a.err.code, ERROR_NONE);
    buf_fini(&a.text);
    return a.err;
}

struct answer recorder_write(struct recorder *r, const struct store_write *write)
{
    struct answer *a = answer_new(r);
    r->is_inside = true;
    store_txn(r->store, write, 1, &a->call);
    r->is_inside = false;
    return answer_good(a);
}

int64_t recorder_put(struct recorder *r, const char *key, const char *value)
{
    struct answer a = recorder_write(r,
        &(struct store_write){ .key = key,
            .value = value,
            .size = value ? strlen(value) : 0,
            .expected_mod_revision = STORE_ANY_REVISION });
    assert_true(a.succeeded);
    return a.revision;
}
