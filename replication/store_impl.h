/*
 * store_impl: what a kind of store is made of. For etcd_store.c and file_store.c alone.
 */
#ifndef REPLICATION_STORE_IMPL_H
#define REPLICATION_STORE_IMPL_H

#include "base/arena.h"
#include "replication/store.h"

/* A kind of store. `writes` and keys are borrowed until the functions return; what is asked for has
 * been checked (STORE_TXN_WRITES_MAX, no key twice, is_readonly). */
struct store_ops {
    void (*start)(struct store *s); /* what all kinds share is filled in: begin */
    void (*reconnect)(struct store *s);
    void (*reload)(struct store *s); /* NULL: nothing to read again */
    void (*get)(struct store *s, const char *key, struct store_call *call);
    void (*list)(struct store *s, const char *key_prefix, struct store_call *call);
    /* NULL, all three: former revisions are not remembered */
    void (*get_at)(struct store *s, const char *key, int64_t revision, struct store_call *call);
    void (*list_at)(
        struct store *s, const char *key_prefix, int64_t revision, struct store_call *call);
    void (*history)(struct store *s, const char *key, int64_t last, struct store_call *call);
    void (*txn)(
        struct store *s, const struct store_write *writes, size_t count, struct store_call *call);
    void (*lease_grant)(struct store *s, int64_t ttl_seconds, struct store_call *call);
    void (*lease_keepalive)(struct store *s, int64_t lease, struct store_call *call);
    void (*lease_revoke)(struct store *s, int64_t lease, struct store_call *call);
    void (*cancel)(struct store *s, struct store_call *call);
    /* Ends all that is under way, and closes the handles with store_close_handle. */
    void (*close)(struct store *s);
    /* The handles are closed: frees it. */
    void (*free)(struct store *s);
};

/* Something to do from the loop, because it calls back. Lives in `arena`, which goes with it. */
struct store_job {
    struct store_job *next;
    struct arena *arena;
    struct store_call *call; /* NULL when it was cancelled while the job runs */
    void (*run)(struct store *s, struct store_job *job);
};

/* What every kind begins with. */
struct store {
    const struct store_ops *ops;
    uv_loop_t *loop;
    struct store_listener *listener; /* NULL with is_oneshot */
    struct log_scope log;
    struct store_stats *stats; /* never NULL */
    bool is_readonly, is_oneshot;
    bool is_closed; /* the listener and the calls hear nothing any more */

    struct store_status status; /* its texts are the buffers below */
    char member[256], problem[512];

    struct store_job *jobs, *running_job;
    uv_async_t job_signal; /* a timer of 0 would let uv_run(UV_RUN_ONCE) sleep after the job */
    unsigned open_handles;
    struct store_stats own_stats;
};

/* What is to be said next to the listener, by the kinds of store. False when the store was closed
 * meanwhile: return at once. With is_oneshot nothing is said. */
bool store_tell_changes(
    struct store *s, const struct store_change *changes, size_t count, int64_t revision);
bool store_tell_synced(struct store *s);
bool store_tell_state(
    struct store *s, enum store_state state, const char *member, const char *problem);
bool store_tell_fault(struct store *s, const char *file, const char *text);

/* ARENA_NEW for a job's struct, whose first member is the store_job. */
#define STORE_JOB(T, job_call, job_run)                                                            \
    ((T *)(void *)store_job_new(sizeof(T), (job_call), (job_run)))
struct store_job *store_job_new(
    size_t size, struct store_call *call, void (*run)(struct store *s, struct store_job *job));
void store_later(struct store *s, struct store_job *job);
void store_refuse_later(struct store *s, struct store_call *call, const struct error *err);

/* Counts a handle that was initialised, so that the store lives until it is closed. */
void store_handle_opened(struct store *s);
/* uv_close callbacks of the kinds end here. */
void store_handle_closed(struct store *s);

/* The two kinds. `rest` is the URL after its scheme and colon. NULL after filling `err`. */
struct store *etcd_store_new(
    const char *rest, const struct store_options *options, struct error *err);
struct store *file_store_new(
    const char *rest, const struct store_options *options, struct error *err);

#endif
