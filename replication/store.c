#include "replication/store.h"

#include "replication/store_impl.h"

#include <string.h>

static const struct {
    const char *scheme;
    struct store *(*make)(const char *rest, const struct store_options *options, struct error *err);
} kinds[] = {
    { "etcd:", etcd_store_new },
    { "etcds:", etcd_store_new },
    { "file:", file_store_new },
};

static struct store *make_store(const struct store_options *options, struct error *err)
{
    const char *url = options->url;
    for (size_t i = 0; i < ARRAY_COUNT(kinds); i++) {
        size_t size = strlen(kinds[i].scheme);
        if (strncmp(url, kinds[i].scheme, size) == 0)
            return kinds[i].make(url + size, options, err);
    }
    error_set(err, ERROR_USAGE, "is neither etcd://HOST:PORT,…/PREFIX, etcds:// nor file:DIR");
    return NULL;
}

/* ---- jobs: what calls back, from the loop ---- */

struct store_job *store_job_new(
    size_t size, struct store_call *call, void (*run)(struct store *s, struct store_job *job))
{
    struct arena *arena = arena_new();
    struct store_job *job = arena_alloc(arena, size, _Alignof(max_align_t));
    *job = (struct store_job){ .arena = arena, .call = call, .run = run };
    return job;
}

/* One a turn: a job may close the store, cancel others or ask for more. */
static void on_job_signal(uv_async_t *signal)
{
    struct store *s = container_of(signal, struct store, job_signal);
    struct store_job *job = s->jobs;
    if (!job)
        return;
    s->jobs = job->next;
    if (s->jobs)
        uv_async_send(signal);
    s->running_job = job;
    job->run(s, job);
    s->running_job = NULL;
    arena_free(job->arena);
}

void store_later(struct store *s, struct store_job *job)
{
    struct store_job **at = &s->jobs;
    while (*at)
        at = &(*at)->next;
    *at = job;
    uv_async_send(&s->job_signal);
}

struct refusal {
    struct store_job job;
    struct error err;
};

static void run_refusal(struct store *s, struct store_job *job)
{
    struct refusal *refusal = container_of(job, struct refusal, job);
    struct store_reply reply = { .err = &refusal->err, .revision = s->status.revision };
    job->call->on_reply(job->call, &reply);
}

void store_refuse_later(struct store *s, struct store_call *call, const struct error *err)
{
    struct refusal *refusal = STORE_JOB(struct refusal, call, run_refusal);
    refusal->err = *err;
    store_later(s, &refusal->job);
}

/* With call NULL all are dropped. */
static void drop_jobs(struct store *s, const struct store_call *call)
{
    if (s->running_job && (!call || s->running_job->call == call))
        s->running_job->call = NULL;
    for (struct store_job **at = &s->jobs, *job; (job = *at);) {
        if (call && job->call != call) {
            at = &job->next;
            continue;
        }
        *at = job->next;
        arena_free(job->arena);
    }
}

/* ---- opening and closing ---- */

bool store_open(uv_loop_t *loop, const struct store_options *options,
    struct store_listener *listener, struct store **out, struct error *err)
{
    INVARIANT(listener || options->is_oneshot);
    struct store *s = make_store(options, err);
    if (!s)
        return error_context(err, "store %s", options->url);
    s->loop = loop;
    s->listener = options->is_oneshot ? NULL : listener;
    s->stats = options->stats ? options->stats : &s->own_stats;
    s->is_readonly = options->is_readonly;
    s->is_oneshot = options->is_oneshot;
    if (options->log)
        s->log = *options->log;
    else
        s->log.level = LOG_LEVEL_INFO;
    s->status.member = s->member;
    s->status.problem = s->problem;
    INVARIANT(uv_async_init(loop, &s->job_signal, on_job_signal) == 0);
    store_handle_opened(s);
    s->ops->start(s);
    *out = s;
    return true;
}

static void on_job_signal_closed(uv_handle_t *handle)
{
    store_handle_closed(container_of((uv_async_t *)handle, struct store, job_signal));
}

void store_close(struct store *s)
{
    INVARIANT(!s->is_closed);
    s->is_closed = true;
    drop_jobs(s, NULL);
    s->ops->close(s);
    uv_close((uv_handle_t *)&s->job_signal, on_job_signal_closed);
}

void store_handle_opened(struct store *s)
{
    s->open_handles++;
}

void store_handle_closed(struct store *s)
{
    INVARIANT(s->is_closed && s->open_handles > 0);
    if (--s->open_handles == 0)
        s->ops->free(s);
}

/* ---- telling ---- */

const struct store_status *store_status(const struct store *s)
{
    return &s->status;
}

bool store_tell_changes(
    struct store *s, const struct store_change *changes, size_t count, int64_t revision)
{
    s->status.revision = revision;
    s->listener->on_changes(s->listener, changes, count, revision);
    return !s->is_closed;
}

bool store_tell_synced(struct store *s)
{
    s->listener->on_synced(s->listener);
    return !s->is_closed;
}

bool store_tell_state(
    struct store *s, enum store_state state, const char *member, const char *problem)
{
    bool is_news = state != s->status.state || strcmp(member, s->member) != 0 ||
                   strcmp(problem, s->problem) != 0;
    if (state == STORE_FOLLOWING && s->status.state != STORE_FOLLOWING)
        s->status.following_since_ms = uv_now(s->loop);
    s->status.state = state;
    snprintf(s->member, sizeof s->member, "%s", member);
    snprintf(s->problem, sizeof s->problem, "%s", problem);
    if (is_news)
        s->listener->on_state(s->listener, &s->status);
    return !s->is_closed;
}

bool store_tell_fault(struct store *s, const char *file, const char *text)
{
    if (s->listener && s->listener->on_fault)
        s->listener->on_fault(s->listener, file, text);
    return !s->is_closed;
}

/* ---- requests ---- */

void store_reconnect(struct store *s)
{
    if (!s->is_oneshot)
        s->ops->reconnect(s);
}

void store_reload(struct store *s)
{
    if (!s->is_oneshot && s->ops->reload)
        s->ops->reload(s);
}

void store_get(struct store *s, const char *key, struct store_call *call)
{
    s->ops->get(s, key, call);
}

void store_list(struct store *s, const char *key_prefix, struct store_call *call)
{
    s->ops->list(s, key_prefix, call);
}

static bool check_remembers(struct store *s, struct store_call *call)
{
    struct error err;
    if (s->ops->history)
        return true;
    error_set(&err, ERROR_REFUSED, "a folder of files remembers no former revisions");
    store_refuse_later(s, call, &err);
    return false;
}

void store_get_at(struct store *s, const char *key, int64_t revision, struct store_call *call)
{
    if (check_remembers(s, call))
        s->ops->get_at(s, key, revision, call);
}

void store_list_at(
    struct store *s, const char *key_prefix, int64_t revision, struct store_call *call)
{
    if (check_remembers(s, call))
        s->ops->list_at(s, key_prefix, revision, call);
}

void store_history(struct store *s, const char *key, int64_t last, struct store_call *call)
{
    if (check_remembers(s, call))
        s->ops->history(s, key, last, call);
}

void store_cancel(struct store *s, struct store_call *call)
{
    INVARIANT(call);
    drop_jobs(s, call);
    s->ops->cancel(s, call);
}

static bool check_writable(const struct store *s, struct error *err)
{
    return !s->is_readonly ||
           error_set(err, ERROR_REFUSED, "the store was opened for reading only");
}

static bool check_writes(
    const struct store *s, const struct store_write *writes, size_t count, struct error *err)
{
    if (!check_writable(s, err))
        return false;
    if (count > STORE_TXN_WRITES_MAX)
        return error_set(err,
            ERROR_REFUSED,
            "%zu writes are too many for one transaction: at most %d",
            count,
            STORE_TXN_WRITES_MAX);
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < i; k++)
            if (strcmp(writes[i].key, writes[k].key) == 0)
                return error_set(
                    err, ERROR_REFUSED, "%s is written twice in one transaction", writes[i].key);
    return true;
}

void store_txn(
    struct store *s, const struct store_write *writes, size_t count, struct store_call *call)
{
    struct error err = { 0 };
    if (check_writes(s, writes, count, &err))
        s->ops->txn(s, writes, count, call);
    else
        store_refuse_later(s, call, &err);
}

void store_lease_grant(struct store *s, int64_t ttl_seconds, struct store_call *call)
{
    struct error err = { 0 };
    if (check_writable(s, &err))
        s->ops->lease_grant(s, ttl_seconds, call);
    else
        store_refuse_later(s, call, &err);
}

void store_lease_keepalive(struct store *s, int64_t lease, struct store_call *call)
{
    struct error err = { 0 };
    if (check_writable(s, &err))
        s->ops->lease_keepalive(s, lease, call);
    else
        store_refuse_later(s, call, &err);
}

void store_lease_revoke(struct store *s, int64_t lease, struct store_call *call)
{
    struct error err = { 0 };
    if (check_writable(s, &err))
        s->ops->lease_revoke(s, lease, call);
    else
        store_refuse_later(s, call, &err);
}
