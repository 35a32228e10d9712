/*
 * Following a folder: looked at when something in it moves, and every other second all the same,
 * since not every file system tells.
 *
 * Requests look first and then answer from what there is, so a request sees what was written before
 * it, by whomever.
 */
#include "replication/folder.h"
#include "replication/folder_write.h"
#include "replication/store_impl.h"

#include <string.h>

enum {
    DEBOUNCE_MS = 20, /* one save of an editor is several events */
    RESCAN_MS = 2000,
};

struct file_store {
    struct store base;
    struct folder *folder;
    uv_timer_t debounce, rescan;
    struct map watches; /* directory → struct watch */
    struct map leases;  /* key → its lease's id, on the heap */
    int64_t last_lease; /* leases are numbered from 1 */
    struct map granted; /* lease's id as text → itself: those that live */
    bool is_synced;
};

struct watch {
    uv_fs_event_t event;
    struct file_store *store;
    dev_t device;
    ino_t inode;
    bool is_seen;
};

static struct file_store *file_of(struct store *s)
{
    return container_of(s, struct file_store, base);
}

/* ---- watching directories ---- */

static void on_debounce(uv_timer_t *timer);

static void on_event(uv_fs_event_t *event, const char *name, int events, int status)
{
    struct file_store *fs = container_of(event, struct watch, event)->store;
    (void)name;
    (void)events;
    (void)status;
    uv_timer_start(&fs->debounce, on_debounce, DEBOUNCE_MS, 0);
}

static void on_watch_closed(uv_handle_t *handle)
{
    free(container_of((uv_fs_event_t *)handle, struct watch, event));
}

static void close_watch(void *context)
{
    struct watch *watch = context;
    if (watch)
        uv_close((uv_handle_t *)&watch->event, on_watch_closed);
}

/* One that cannot be watched (there is a limit for each user) is left to the rescan. */
static struct watch *open_watch(struct file_store *fs, const struct folder_directory *directory)
{
    struct watch *watch = xcalloc(1, sizeof *watch);
    watch->store = fs;
    watch->device = directory->device;
    watch->inode = directory->inode;
    INVARIANT(uv_fs_event_init(fs->base.loop, &watch->event) == 0);
    int status = uv_fs_event_start(&watch->event, on_event, directory->path, 0);
    if (status != 0)
        log_warn(&fs->base.log,
            "a directory cannot be watched, only looked at every other second",
            LOG_STR("directory", directory->path),
            LOG_STR("problem", uv_strerror(status)));
    return watch;
}

struct unseen_watches {
    struct arena *a;
    string_list paths;
};

static void find_unseen(const char *path, void *value, void *context)
{
    struct watch *watch = value;
    struct unseen_watches *unseen = context;
    if (!watch->is_seen)
        list_push(unseen->a, &unseen->paths, path);
    watch->is_seen = false;
}

/* A directory of the same name may be another one. */
static void update_watches(struct file_store *fs, const struct folder_news *news)
{
    struct unseen_watches unseen = { .a = arena_new() };
    for (list_each (const struct folder_directory, directory, &news->directories)) {
        struct watch *watch = map_find(&fs->watches, directory->path);
        if (!watch || watch->device != directory->device || watch->inode != directory->inode) {
            close_watch(watch);
            watch = open_watch(fs, directory);
            map_put(&fs->watches, directory->path, watch);
        }
        watch->is_seen = true;
    }
    map_each (&fs->watches, find_unseen, &unseen)
        ;
    for (list_each (const char *, path, &unseen.paths))
        close_watch(map_remove(&fs->watches, *path));
    arena_free(unseen.a);
}

/* ---- looking and telling ---- */

static bool tell_faults(struct file_store *fs, const struct folder_news *news)
{
    for (list_each (const struct folder_fault, fault, &news->faults)) {
        if (*fault->text)
            log_warn(&fs->base.log, "a file has a fault", LOG_STR("faults", fault->text));
        else
            log_info(&fs->base.log, "a file is mended", LOG_STR("file", fault->file));
        if (!store_tell_fault(&fs->base, fault->file, fault->text))
            return false;
    }
    return true;
}

static bool tell_news(struct file_store *fs, const struct folder_news *news)
{
    struct store *s = &fs->base;
    bool is_first = !fs->is_synced;
    fs->is_synced = true;
    if (!tell_faults(fs, news))
        return false;
    metric_add(&s->stats->watch_events, (int64_t)news->changes.count);
    if (is_first || news->changes.count) {
        metric_add(&s->stats->lists, 1);
        if (!store_tell_changes(
                s, news->changes.items, news->changes.count, folder_revision(fs->folder)))
            return false;
    }
    if (is_first && !store_tell_synced(s))
        return false;
    return store_tell_state(s, STORE_FOLLOWING, "", "");
}

/* False when the folder cannot be read (`err` says why) or the store was closed by who was told. */
static bool look(struct file_store *fs, struct error *err)
{
    struct store *s = &fs->base;
    struct folder_news news;
    bool was_bad = s->problem[0];
    if (!folder_look(fs->folder, &fs->leases, &news, err)) {
        metric_add(&s->stats->errors, 1);
        if (!was_bad)
            log_warn(&s->log, "the folder cannot be read", LOG_STR("problem", err->text));
        if (!s->is_oneshot)
            store_tell_state(s, fs->is_synced ? STORE_BEHIND : STORE_CONNECTING, "", err->text);
        return false;
    }
    s->status.last_heard_ms = uv_now(s->loop);
    s->status.revision = folder_revision(fs->folder);
    if (s->is_oneshot)
        return true;
    update_watches(fs, &news);
    return tell_news(fs, &news);
}

static void on_debounce(uv_timer_t *timer)
{
    struct error err = { 0 };
    look(container_of(timer, struct file_store, debounce), &err);
}

static void on_rescan(uv_timer_t *timer)
{
    struct error err = { 0 };
    look(container_of(timer, struct file_store, rescan), &err);
}

static void file_reconnect(struct store *s)
{
    uv_timer_start(&file_of(s)->debounce, on_debounce, 0, 0);
}

/* ---- reading requests ---- */

struct request {
    struct store_job job;
    const char *key; /* or the beginning of keys */
    bool is_single;
    int64_t lease;
    struct store_write *writes;
    size_t count;
};

/* A look tells the listener, who may have cancelled the call. */
static void reply(struct file_store *fs, struct store_job *job, struct store_reply *reply)
{
    if (!job->call)
        return;
    if (reply->err)
        metric_add(&fs->base.stats->errors, 1);
    reply->revision = folder_revision(fs->folder);
    job->call->on_reply(job->call, reply);
}

static void reply_error(struct file_store *fs, struct store_job *job, const struct error *err)
{
    reply(fs, job, &(struct store_reply){ .err = err });
}

static void run_read(struct store *s, struct store_job *job)
{
    struct file_store *fs = file_of(s);
    struct request *r = container_of(job, struct request, job);
    LIST(struct store_entry) found = { 0 };
    struct error err = { 0 };
    size_t count = 0, key_size = strlen(r->key);
    if (!look(fs, &err)) {
        reply_error(fs, job, &err);
        return;
    }
    const struct folder_entry *entries = folder_entries(fs->folder, &count);
    for (size_t i = 0; i < count; i++)
        if (strncmp(entries[i].entry.key, r->key, key_size) == 0 &&
            (!r->is_single || !entries[i].entry.key[key_size]))
            list_push(job->arena, &found, entries[i].entry);
    reply(fs, job, &(struct store_reply){ .entries = found.items, .count = found.count });
}

static void read_later(struct store *s, const char *key, bool is_single, struct store_call *call)
{
    struct request *r = STORE_JOB(struct request, call, run_read);
    r->key = arena_strdup(r->job.arena, key);
    r->is_single = is_single;
    store_later(s, &r->job);
}

static void file_get(struct store *s, const char *key, struct store_call *call)
{
    read_later(s, key, true, call);
}

static void file_list(struct store *s, const char *key_prefix, struct store_call *call)
{
    read_later(s, key_prefix, false, call);
}

/* ---- leases: keys that are removed when the store closes ---- */

static const char *lease_name(char name[24], int64_t lease)
{
    snprintf(name, 24, "%lld", (long long)lease);
    return name;
}

static bool is_granted(const struct file_store *fs, int64_t lease)
{
    char name[24];
    return map_find(&fs->granted, lease_name(name, lease));
}

static void note_lease(struct file_store *fs, const struct store_write *write)
{
    if (!write->value || write->lease == STORE_LEASE_NONE) {
        free(map_remove(&fs->leases, write->key));
        return;
    }
    int64_t *lease = xcalloc(1, sizeof *lease);
    *lease = write->lease;
    free(map_put(&fs->leases, write->key, lease));
}

struct leased_keys {
    struct arena *a;
    int64_t lease; /* STORE_LEASE_NONE: of any */
    string_list keys;
};

static void add_leased_key(const char *key, void *value, void *context)
{
    struct leased_keys *leased = context;
    if (leased->lease == STORE_LEASE_NONE || leased->lease == *(int64_t *)value)
        list_push(leased->a, &leased->keys, arena_strdup(leased->a, key));
}

/* One by one: what cannot be removed does not keep the others. */
static bool remove_leased(struct file_store *fs, int64_t lease, struct error *err)
{
    struct leased_keys leased = { .a = arena_new(), .lease = lease };
    bool is_good = true;
    map_each (&fs->leases, add_leased_key, &leased)
        ;
    for (list_each (const char *, key, &leased.keys)) {
        struct store_write removal = { .key = *key };
        is_good = folder_write(fs->folder, &removal, 1, err) && is_good;
        note_lease(fs, &removal);
    }
    arena_free(leased.a);
    return is_good;
}

static void run_grant(struct store *s, struct store_job *job)
{
    struct file_store *fs = file_of(s);
    char name[24];
    fs->last_lease++;
    map_put(&fs->granted, lease_name(name, fs->last_lease), fs);
    reply(fs, job, &(struct store_reply){ .lease = fs->last_lease });
}

static void run_keepalive(struct store *s, struct store_job *job)
{
    struct file_store *fs = file_of(s);
    int64_t lease = container_of(job, struct request, job)->lease;
    reply(fs,
        job,
        &(struct store_reply){ .lease = is_granted(fs, lease) ? lease : STORE_LEASE_NONE });
}

static void run_revoke(struct store *s, struct store_job *job)
{
    struct file_store *fs = file_of(s);
    int64_t lease = container_of(job, struct request, job)->lease;
    struct error err = { 0 };
    char name[24];
    map_remove(&fs->granted, lease_name(name, lease));
    if ((lease == STORE_LEASE_NONE || remove_leased(fs, lease, &err)) && look(fs, &err))
        reply(fs, job, &(struct store_reply){ 0 });
    else
        reply_error(fs, job, &err);
}

static void lease_later(struct store *s, int64_t lease, struct store_call *call,
    void (*run)(struct store *s, struct store_job *job))
{
    struct request *r = STORE_JOB(struct request, call, run);
    r->lease = lease;
    store_later(s, &r->job);
}

/* Nobody counts its time: the process that holds it is the one that would keep it alive. */
static void file_lease_grant(struct store *s, int64_t ttl_seconds, struct store_call *call)
{
    (void)ttl_seconds;
    lease_later(s, STORE_LEASE_NONE, call, run_grant);
}

static void file_lease_keepalive(struct store *s, int64_t lease, struct store_call *call)
{
    lease_later(s, lease, call, run_keepalive);
}

static void file_lease_revoke(struct store *s, int64_t lease, struct store_call *call)
{
    lease_later(s, lease, call, run_revoke);
}

/* ---- writing requests ---- */

static bool check_leases(const struct file_store *fs, const struct request *r, struct error *err)
{
    for (size_t i = 0; i < r->count; i++)
        if (r->writes[i].lease != STORE_LEASE_NONE && !is_granted(fs, r->writes[i].lease))
            return error_set(err, ERROR_NOT_FOUND, "%s: there is no such lease", r->writes[i].key);
    return true;
}

static void run_txn(struct store *s, struct store_job *job)
{
    struct file_store *fs = file_of(s);
    struct request *r = container_of(job, struct request, job);
    struct error err = { 0 };
    bool holds = false;
    if (!look(fs, &err) || !check_leases(fs, r, &err) ||
        !folder_check_writes(fs->folder, r->writes, r->count, &holds, &err)) {
        reply_error(fs, job, &err);
        return;
    }
    if (!holds) {
        reply(fs, job, &(struct store_reply){ .succeeded = false });
        return;
    }
    if (!folder_write(fs->folder, r->writes, r->count, &err)) {
        reply_error(fs, job, &err);
        return;
    }
    for (size_t i = 0; i < r->count; i++)
        note_lease(fs, &r->writes[i]);
    metric_add(&s->stats->writes, 1);
    if (look(fs, &err))
        reply(fs, job, &(struct store_reply){ .succeeded = true });
    else
        reply_error(fs, job, &err);
}

static void file_txn(
    struct store *s, const struct store_write *writes, size_t count, struct store_call *call)
{
    struct request *r = STORE_JOB(struct request, call, run_txn);
    struct arena *a = r->job.arena;
    r->writes = ARENA_ARRAY(a, struct store_write, count);
    r->count = count;
    for (size_t i = 0; i < count; i++) {
        r->writes[i] = writes[i];
        r->writes[i].key = arena_strdup(a, writes[i].key);
        if (writes[i].value)
            r->writes[i].value = arena_strndup(a, writes[i].value, writes[i].size);
    }
    store_later(s, &r->job);
}

/* ---- opening and closing ---- */

static void file_start(struct store *s)
{
    struct file_store *fs = file_of(s);
    INVARIANT(uv_timer_init(s->loop, &fs->debounce) == 0);
    INVARIANT(uv_timer_init(s->loop, &fs->rescan) == 0);
    store_handle_opened(s);
    store_handle_opened(s);
    if (!s->is_oneshot)
        uv_timer_start(&fs->rescan, on_rescan, 0, RESCAN_MS);
}

/* Its requests are jobs, which are dropped already. */
static void file_cancel(struct store *s, struct store_call *call)
{
    (void)s;
    (void)call;
}

static void on_debounce_closed(uv_handle_t *handle)
{
    store_handle_closed(&container_of((uv_timer_t *)handle, struct file_store, debounce)->base);
}

static void on_rescan_closed(uv_handle_t *handle)
{
    store_handle_closed(&container_of((uv_timer_t *)handle, struct file_store, rescan)->base);
}

static void file_close(struct store *s)
{
    struct file_store *fs = file_of(s);
    struct error err = { 0 };
    if (!remove_leased(fs, STORE_LEASE_NONE, &err))
        log_warn(&s->log, "a leased key cannot be removed", LOG_STR("problem", err.text));
    map_fini(&fs->watches, close_watch);
    uv_close((uv_handle_t *)&fs->debounce, on_debounce_closed);
    uv_close((uv_handle_t *)&fs->rescan, on_rescan_closed);
}

static void file_free(struct store *s)
{
    struct file_store *fs = file_of(s);
    map_fini(&fs->leases, free);
    map_fini(&fs->granted, NULL);
    folder_free(fs->folder);
    free(fs);
}

static const struct store_ops file_ops = {
    .start = file_start,
    .reconnect = file_reconnect,
    .get = file_get,
    .list = file_list,
    .txn = file_txn,
    .lease_grant = file_lease_grant,
    .lease_keepalive = file_lease_keepalive,
    .lease_revoke = file_lease_revoke,
    .cancel = file_cancel,
    .close = file_close,
    .free = file_free,
};

struct store *file_store_new(
    const char *rest, const struct store_options *options, struct error *err)
{
    if (!*rest) {
        error_set(err, ERROR_USAGE, "must name a folder: file:DIR");
        return NULL;
    }
    INVARIANT(options->layout);
    struct file_store *fs = xcalloc(1, sizeof *fs);
    fs->base.ops = &file_ops;
    fs->folder = folder_new(rest, options->layout);
    return &fs->base;
}
