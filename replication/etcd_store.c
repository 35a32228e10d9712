/*
 * Following an etcd: list all at one revision, watch from the next, and whatever goes wrong, rest a
 * little and go on with the next member.
 *
 *     RESTING ──the timer──▶ LISTING ──the last page──▶ WATCHING
 *        ▲ └──(nothing to list again)──▶ VERIFYING ───────▲  │
 *        └──────────────────any failure──────────────────────┘
 *
 * Listed again is what cannot be watched on: at the start, after a compaction, and when the cluster
 * is not the one that was followed. A restored backup keeps its ids, but its revision or its term
 * goes back; and if both have grown again, what it has at the revision that was followed is not
 * what was told. So before a watch is resumed, the newest keys that were told are compared. A watch
 * that follows a listing directly needs no such question.
 */
#include "replication/etcd_access.h"
#include "replication/etcd_audit.h"
#include "replication/etcd_client.h"
#include "replication/etcd_codec.h"
#include "replication/etcd_history.h"
#include "replication/key_index.h"
#include "replication/store_impl.h"

#include <inttypes.h>
#include <string.h>

enum {
    WATCH_CREATED_MS = 3000, /* a stopped member accepts the connection and says nothing */
    PAGE_STALL_MS = 3000,
    STEADY_MS = 2000,      /* a watch that lived so long was no failure */
    AUDIT_EVERY_MS = 5000, /* a shard; 100,000 keys in eight minutes */
};

enum phase { RESTING, VERIFYING, LISTING, WATCHING };

struct etcd_store {
    struct store base;
    struct arena *arena; /* of the URL */
    struct etcd_url url;
    struct etcd_client *client;
    struct etcd_channel *channel;
    struct etcd_history *histories; /* that are being read */

    enum phase phase;
    size_t member;
    uv_timer_t timer;      /* RESTING: the next try. WATCHING: until the watch is created */
    struct etcd_call call; /* the page or the watch */
    struct buf body;       /* of the call */
    unsigned failures;     /* in a row */

    bool must_list, is_synced;
    struct etcd_header known; /* of the last listing or watch: which cluster this is */
    bool has_other_history;   /* found, and not listed since */
    struct key_index *index;
    struct etcd_audit audit; /* VERIFYING: of the newest key. WATCHING: of a shard now and then */
    size_t doubtful;         /* keys of the shard that differed, while the newest are compared */
    char doubt[256];         /* the first of them */
    uv_timer_t audit_timer;
    uint64_t audit_every_ms;

    struct etcd_range range;   /* LISTING: the next page */
    struct buf next_page;      /* what range.from points to */
    struct etcd_header listed; /* of the first page */

    /* What was received and cannot be told yet: the difference of a listing that is not whole, the
     * fragments of a revision. */
    struct arena *held_arena;
    store_change_list held;
};

static struct etcd_store *etcd_of(struct store *s)
{
    return container_of(s, struct etcd_store, base);
}

static const char *member_name(const struct etcd_store *e)
{
    return e->url.members.items[e->member];
}

static size_t next_member(const struct etcd_store *e)
{
    return (e->member + 1) % e->url.members.count;
}

static void drop_held(struct etcd_store *e)
{
    arena_free(e->held_arena);
    e->held_arena = arena_new();
    e->held = (store_change_list){ 0 };
}

static void hear(struct etcd_store *e)
{
    e->base.status.last_heard_ms = uv_now(e->base.loop);
}

static void log_skipped(const struct etcd_store *e, size_t skipped)
{
    if (skipped)
        log_warn(&e->base.log,
            "keys with a NUL byte are left out",
            LOG_STR("member", member_name(e)),
            LOG_INT("keys", (int64_t)skipped));
}

/* ---- resting ---- */

static void on_timer(uv_timer_t *timer);

/* A member that stays away is told once, not at each try. */
static void log_problem(const struct etcd_store *e, const char *problem)
{
    if (e->failures <= 1)
        log_warn(&e->base.log, "etcd is not followed", LOG_STR("problem", problem));
    else
        log_debug(&e->base.log, "etcd is still not followed", LOG_STR("problem", problem));
}

/* Gives up what is under way, and goes on with a member after a while. */
static void rest(struct etcd_store *e, size_t member, const char *problem)
{
    const char *former = member_name(e);
    bool was_steady =
        e->base.status.state == STORE_FOLLOWING &&
        uv_now(e->base.loop) - e->base.status.following_since_ms >= (uint64_t)STEADY_MS;
    char text[sizeof e->base.problem];
    snprintf(text, sizeof text, "%s: %s", former, problem);
    etcd_call_cancel(&e->call);
    etcd_audit_cancel(&e->audit);
    e->doubtful = 0;
    drop_held(e);
    e->failures = was_steady ? 1 : e->failures + 1;
    e->phase = RESTING;
    e->member = member;
    log_problem(e, text);
    metric_add(&e->base.stats->reconnects, 1);
    uv_timer_start(&e->timer, on_timer, etcd_backoff_ms(e->failures), 0);
    store_tell_state(&e->base, e->is_synced ? STORE_BEHIND : STORE_CONNECTING, former, text);
}

static void fail(struct etcd_store *e, const char *problem)
{
    metric_add(&e->base.stats->errors, 1);
    rest(e, next_member(e), problem);
}

/* Nothing is wrong with the member; but what was not heard cannot be had by watching. */
static void list_again(struct etcd_store *e, const char *problem)
{
    e->must_list = true;
    rest(e, e->member, problem);
}

/* Told once for each such event, however many answers show it. */
static void log_other_history(struct etcd_store *e, const struct etcd_header *seen, const char *why)
{
    if (e->has_other_history)
        return;
    e->has_other_history = true;
    e->base.status.histories++;
    metric_add(&e->base.stats->histories, 1);
    log_error(&e->base.log,
        "etcd has another history than was followed, as after a restored backup: all is read again",
        LOG_STR("member", member_name(e)),
        LOG_STR("why", why),
        LOG_INT("followed_revision", e->base.status.revision),
        LOG_INT("followed_term", (int64_t)e->known.term),
        LOG_INT("revision", seen ? seen->revision : 0),
        LOG_INT("term", seen ? (int64_t)seen->term : 0));
}

static void other_history(struct etcd_store *e, const struct etcd_header *seen, const char *why)
{
    log_other_history(e, seen, why);
    list_again(e, "its history is another one, as after a restored backup: listing again");
}

/* ---- watching ---- */

static void hold_events(struct etcd_store *e, const struct etcd_watch *watch)
{
    for (list_each (struct store_change, change, &watch->changes)) {
        if (change->entry.mod_revision <= e->base.status.revision)
            continue; /* known from the listing */
        list_push(e->held_arena, &e->held, *change);
        metric_add(&e->base.stats->watch_events, 1);
    }
}

/* The index says what was told, so it is written only now. */
static void apply_held(struct etcd_store *e)
{
    for (list_each (struct store_change, change, &e->held))
        key_index_apply(e->index, change);
}

static void tell_events(struct etcd_store *e)
{
    if (e->held.count > 0) {
        int64_t revision = e->held.items[e->held.count - 1].entry.mod_revision;
        apply_held(e);
        if (!store_tell_changes(&e->base, e->held.items, e->held.count, revision))
            return;
    }
    drop_held(e);
}

static void on_created(struct etcd_store *e, const struct etcd_header *header)
{
    e->known = *header;
    uv_timer_stop(&e->timer);
    log_info(&e->base.log,
        "following etcd",
        LOG_STR("member", member_name(e)),
        LOG_INT("revision", e->base.status.revision));
    store_tell_state(&e->base, STORE_FOLLOWING, member_name(e), "");
}

/* The term of a message that brings changes is not compared: it was when the watch began. */
static bool has_gone_back(const struct etcd_store *e, const struct etcd_watch *watch)
{
    if (watch->is_created)
        return etcd_is_other_history(&watch->header, &e->known, e->base.status.revision);
    return watch->header.revision < e->base.status.revision;
}

static void on_canceled(struct etcd_store *e, const struct etcd_watch *watch)
{
    char text[128];
    if (watch->compact_revision == 0) {
        etcd_channel_forget(e->channel); /* etcd says "denied" to a token that ran out, too */
        fail(e, watch->cancel_reason[0] ? watch->cancel_reason : "the watch was cancelled");
        return;
    }
    metric_add(&e->base.stats->compactions, 1);
    snprintf(text,
        sizeof text,
        "compacted at revision %" PRId64 ", heard up to %" PRId64 ": listing again",
        watch->compact_revision,
        e->base.status.revision);
    list_again(e, text);
}

static void on_watch_message(struct etcd_call *call, struct grpc_message message)
{
    struct etcd_store *e = container_of(call, struct etcd_store, call);
    struct etcd_watch watch;
    hear(e);
    if (!etcd_decode_watch(e->held_arena, e->url.prefix, message, &watch)) {
        fail(e, "a message of the watch cannot be read");
        return;
    }
    log_skipped(e, watch.skipped);
    if (watch.is_canceled) {
        on_canceled(e, &watch);
        return;
    }
    if (has_gone_back(e, &watch)) {
        other_history(e, &watch.header, "its revision, term or cluster went back");
        return;
    }
    if (watch.is_created) {
        on_created(e, &watch.header);
        return;
    }
    hold_events(e, &watch);
    if (!watch.is_fragment)
        tell_events(e);
}

static void on_watch_end(struct etcd_call *call, const struct grpc_result *result)
{
    struct etcd_store *e = container_of(call, struct etcd_store, call);
    if (result->is_too_large) /* the next member would send as much */
        list_again(e, "what was missed is more than one message may be: listing again");
    else
        fail(e, result->err ? result->err->text : "the watch ended");
}

static void start_watch(struct etcd_store *e)
{
    static const struct etcd_handlers handlers = { on_watch_message, on_watch_end };
    e->phase = WATCHING;
    buf_clear(&e->body);
    etcd_encode_watch(&e->body, e->url.prefix, e->base.status.revision + 1);
    uv_timer_start(&e->timer, on_timer, WATCH_CREATED_MS, 0);
    e->call.handlers = &handlers;
    e->call.limits = (struct http_limits){
        .connect_timeout_ms = ETCD_CONNECT_TIMEOUT_MS,
        .body_bytes = ETCD_ANSWER_BYTES_MAX,
    };
    etcd_call_start(e->channel, &e->call, member_name(e), etcd_method_watch, &e->body);
}

/* ---- listing ---- */

static struct store_change copy_change(struct arena *a, const struct store_entry *entry)
{
    struct store_change change = { .entry = *entry };
    change.entry.key = arena_strdup(a, entry->key);
    change.entry.value = arena_strndup(a, entry->value, entry->size);
    return change;
}

/* Before all was told once, the pages are told as they come. Later a listener has a whole picture,
 * and gets the next whole one: the difference is held until the last page is there. */
static bool take_page(struct etcd_store *e, struct arena *a, const struct etcd_page *page)
{
    store_change_list news = { 0 };
    for (list_each (struct store_entry, entry, &page->entries)) {
        if (!key_index_compare(e->index, entry))
            continue;
        if (e->is_synced)
            list_push(e->held_arena, &e->held, copy_change(e->held_arena, entry));
        else
            list_push(a, &news, (struct store_change){ .entry = *entry });
    }
    for (list_each (struct store_change, change, &news))
        key_index_apply(e->index, change);
    if (news.count > 0)
        e->has_other_history = false; /* what is told now is of the new one */
    return news.count == 0 ||
           store_tell_changes(&e->base, news.items, news.count, e->listed.revision);
}

static bool tell_difference(struct etcd_store *e)
{
    key_index_gone(e->index, e->held_arena, e->listed.revision, &e->held);
    apply_held(e);
    if (e->held.count == 0 && e->base.status.revision == e->listed.revision)
        return true;
    return store_tell_changes(&e->base, e->held.items, e->held.count, e->listed.revision);
}

static void finish_listing(struct etcd_store *e)
{
    bool is_first = !e->is_synced;
    log_info(&e->base.log,
        "etcd was listed",
        LOG_STR("member", member_name(e)),
        LOG_INT("revision", e->listed.revision),
        LOG_INT("keys", (int64_t)key_index_count(e->index)));
    metric_add(&e->base.stats->lists, 1);
    e->must_list = e->has_other_history = false;
    e->known = e->listed;
    if (!tell_difference(e))
        return;
    e->is_synced = true;
    drop_held(e);
    if (is_first && !store_tell_synced(&e->base))
        return;
    start_watch(e);
}

static void request_page(struct etcd_store *e);

/* The first page: the others are read at its revision. */
static void begin_listing(struct etcd_store *e, const struct etcd_header *header)
{
    if (etcd_is_other_history(header, &e->known, e->base.status.revision))
        log_other_history(e, header, "its revision, term or cluster went back");
    e->listed = *header;
    e->range.revision = header->revision;
}

static void on_page(struct etcd_store *e, struct arena *a, struct grpc_message message)
{
    struct etcd_page page;
    hear(e);
    if (!etcd_decode_range(a, e->url.prefix, message, &page)) {
        fail(e, "the listing cannot be read");
        return;
    }
    log_skipped(e, page.skipped);
    if (e->range.revision == 0) {
        begin_listing(e, &page.header);
    } else if (etcd_is_other_history(&page.header, &e->listed, e->listed.revision)) {
        other_history(e, &page.header, "a page of the listing is of another history");
        return;
    }
    if (!take_page(e, a, &page))
        return;
    if (page.next.size == 0) {
        finish_listing(e);
        return;
    }
    buf_clear(&e->next_page);
    buf_append(&e->next_page, page.next.data, page.next.size);
    e->range.from = (struct etcd_bytes){ e->next_page.data, e->next_page.size };
    request_page(e);
}

static void on_page_end(struct etcd_call *call, const struct grpc_result *result)
{
    struct etcd_store *e = container_of(call, struct etcd_store, call);
    if (!result->err) {
        struct arena *a = arena_new();
        on_page(e, a, result->reply);
        arena_free(a);
    } else if (result->is_too_large && e->range.limit > ETCD_PAGE_KEYS_MIN) {
        e->range.limit /= 10;
        request_page(e);
    } else if (etcd_is_future_revision(result->err)) {
        other_history(e, NULL, result->err->text);
    } else if (result->err->code == ERROR_COMPACTED) {
        metric_add(&e->base.stats->compactions, 1);
        list_again(e, "compacted while it was listed: listing again");
    } else {
        fail(e, result->err->text);
    }
}

static void request_page(struct etcd_store *e)
{
    static const struct etcd_handlers handlers = { NULL, on_page_end };
    buf_clear(&e->body);
    etcd_encode_range(&e->body, &e->range);
    e->call.handlers = &handlers;
    e->call.limits = (struct http_limits){
        .connect_timeout_ms = ETCD_CONNECT_TIMEOUT_MS,
        .stall_ms = PAGE_STALL_MS,
        .body_bytes = ETCD_ANSWER_BYTES_MAX,
    };
    etcd_call_start(e->channel, &e->call, member_name(e), etcd_method_range, &e->body);
}

static void start_listing(struct etcd_store *e)
{
    e->phase = LISTING;
    e->range = (struct etcd_range){ .prefix = e->url.prefix, .key = "", .limit = ETCD_PAGE_KEYS };
    key_index_begin(e->index);
    request_page(e);
}

/* ---- verifying ---- */

static struct etcd_question question(const struct etcd_store *e)
{
    return (struct etcd_question){
        .channel = e->channel,
        .member = member_name(e),
        .prefix = e->url.prefix,
        .index = e->index,
        .known = e->known,
        .revision = e->base.status.revision,
    };
}

static void other_than_told(struct etcd_store *e, const struct etcd_finding *finding)
{
    char text[sizeof finding->text + 64];
    snprintf(text, sizeof text, "not what was told at its revision: %s", finding->text);
    other_history(e, finding->header, text);
}

/* A revision that is compacted cannot be compared; and watching from it will not work either. */
static void on_verified(struct etcd_store *e, const struct etcd_finding *finding)
{
    if (finding->verdict == ETCD_SAME || finding->is_compacted)
        start_watch(e);
    else if (finding->verdict == ETCD_NOT_KNOWN)
        fail(e, finding->text);
    else
        other_than_told(e, finding);
}

/* What is lost or invented here comes from a fault of etcd's or ours: it must never happen, and if
 * it does, all is read again, and the difference told. */
static void on_divergence(struct etcd_store *e)
{
    metric_add(&e->base.stats->divergences, (int64_t)e->doubtful);
    log_error(&e->base.log,
        "what is held is not what etcd has: all is read again",
        LOG_STR("member", member_name(e)),
        LOG_INT("revision", e->audit.asked.revision),
        LOG_INT("keys", (int64_t)e->doubtful),
        LOG_STR("first", e->doubt));
    list_again(e, "what is held is not what etcd has: listing again");
}

/* Or a backup was restored, and its watch has not been heard of yet: the newest keys tell. */
static void doubt(struct etcd_store *e, const struct etcd_finding *finding)
{
    struct etcd_question newest = question(e);
    e->doubtful = finding->differing;
    memcpy(e->doubt, finding->text, sizeof e->doubt);
    etcd_audit_newest(&e->audit, &newest);
    if (!etcd_audit_is_running(&e->audit))
        on_divergence(e);
}

static void on_audited(struct etcd_store *e, const struct etcd_finding *finding)
{
    bool had_doubt = e->doubtful > 0;
    metric_add(&e->base.stats->audited, (int64_t)finding->compared);
    if (finding->verdict == ETCD_OTHER_HISTORY)
        other_history(e, finding->header, finding->text);
    else if (finding->verdict == ETCD_DIFFERENT && had_doubt)
        other_than_told(e, finding);
    else if (finding->verdict == ETCD_DIFFERENT)
        doubt(e, finding);
    else if (finding->is_refused)
        fail(e, finding->text); /* a watch goes on although its user may not read any more */
    else if (had_doubt && finding->verdict == ETCD_SAME)
        on_divergence(e);
    else if (had_doubt)
        list_again(e, "what is held may not be what etcd has: listing again");
    else if (finding->verdict == ETCD_NOT_KNOWN)
        log_debug(&e->base.log, "keys could not be compared", LOG_STR("why", finding->text));
    if (had_doubt)
        e->doubtful = 0;
}

static void on_finding(struct etcd_audit *audit, const struct etcd_finding *finding)
{
    struct etcd_store *e = container_of(audit, struct etcd_store, audit);
    if (e->phase == WATCHING) {
        on_audited(e, finding);
        return;
    }
    if (finding->header)
        hear(e);
    on_verified(e, finding);
}

static void on_audit_timer(uv_timer_t *timer)
{
    struct etcd_store *e = container_of(timer, struct etcd_store, audit_timer);
    struct etcd_question shard = question(e);
    if (e->base.status.state == STORE_FOLLOWING && !etcd_audit_is_running(&e->audit))
        etcd_audit_shard(&e->audit, &shard);
}

static void start_verifying(struct etcd_store *e)
{
    struct etcd_question newest = question(e);
    e->phase = VERIFYING;
    etcd_audit_newest(&e->audit, &newest);
    if (!etcd_audit_is_running(&e->audit)) /* nothing was told */
        start_watch(e);
}

static void on_timer(uv_timer_t *timer)
{
    struct etcd_store *e = container_of(timer, struct etcd_store, timer);
    if (e->phase == WATCHING)
        fail(e, "the watch is not answered");
    else if (e->must_list)
        start_listing(e);
    else
        start_verifying(e);
}

/* ---- the store's operations ---- */

static void run_reconnect(struct store *s, struct store_job *job)
{
    struct etcd_store *e = etcd_of(s);
    (void)job;
    if (e->phase != RESTING)
        rest(e, next_member(e), "given up for another member");
}

static void etcd_reconnect(struct store *s)
{
    store_later(s, store_job_new(sizeof(struct store_job), NULL, run_reconnect));
}

static void run_reload(struct store *s, struct store_job *job)
{
    struct etcd_store *e = etcd_of(s);
    (void)job;
    etcd_channel_forget(e->channel);
    if (e->phase != RESTING)
        rest(e, e->member, "begun anew with certificates and password as they are now");
}

static void etcd_reload(struct store *s)
{
    store_later(s, store_job_new(sizeof(struct store_job), NULL, run_reload));
}

static void etcd_get(struct store *s, const char *key, struct store_call *call)
{
    etcd_client_get(etcd_of(s)->client, key, call);
}

static void etcd_list(struct store *s, const char *key_prefix, struct store_call *call)
{
    etcd_client_list(etcd_of(s)->client, key_prefix, call);
}

static void etcd_get_at(struct store *s, const char *key, int64_t revision, struct store_call *call)
{
    etcd_client_get_at(etcd_of(s)->client, key, revision, call);
}

static void etcd_list_at(
    struct store *s, const char *key_prefix, int64_t revision, struct store_call *call)
{
    etcd_client_list_at(etcd_of(s)->client, key_prefix, revision, call);
}

static void etcd_history(struct store *s, const char *key, int64_t last, struct store_call *call)
{
    struct etcd_store *e = etcd_of(s);
    const struct etcd_past past = { &e->url, e->channel, s->loop };
    etcd_history_open(&e->histories, &past, key, last, call);
}

static void etcd_txn(
    struct store *s, const struct store_write *writes, size_t count, struct store_call *call)
{
    etcd_client_txn(etcd_of(s)->client, writes, count, call);
}

static void etcd_lease_grant(struct store *s, int64_t ttl_seconds, struct store_call *call)
{
    etcd_client_lease_grant(etcd_of(s)->client, ttl_seconds, call);
}

static void etcd_lease_keepalive(struct store *s, int64_t lease, struct store_call *call)
{
    etcd_client_lease_keepalive(etcd_of(s)->client, lease, call);
}

static void etcd_lease_revoke(struct store *s, int64_t lease, struct store_call *call)
{
    etcd_client_lease_revoke(etcd_of(s)->client, lease, call);
}

static void etcd_cancel(struct store *s, struct store_call *call)
{
    etcd_client_cancel(etcd_of(s)->client, call);
    etcd_history_cancel(&etcd_of(s)->histories, call);
}

static void etcd_start(struct store *s)
{
    struct etcd_store *e = etcd_of(s);
    e->channel = etcd_channel_open(s->loop, &e->url);
    e->client = etcd_client_open(&e->url, e->channel, s->loop, s->stats);
    INVARIANT(uv_timer_init(s->loop, &e->timer) == 0);
    store_handle_opened(s);
    INVARIANT(uv_timer_init(s->loop, &e->audit_timer) == 0);
    store_handle_opened(s);
    if (s->is_oneshot)
        return;
    uv_timer_start(&e->timer, on_timer, 0, 0);
    uv_timer_start(&e->audit_timer, on_audit_timer, e->audit_every_ms, e->audit_every_ms);
}

static void on_timer_closed(uv_handle_t *handle)
{
    store_handle_closed(&container_of((uv_timer_t *)handle, struct etcd_store, timer)->base);
}

static void on_audit_timer_closed(uv_handle_t *handle)
{
    store_handle_closed(&container_of((uv_timer_t *)handle, struct etcd_store, audit_timer)->base);
}

static void etcd_close(struct store *s)
{
    struct etcd_store *e = etcd_of(s);
    etcd_call_cancel(&e->call);
    etcd_audit_cancel(&e->audit);
    etcd_client_close(e->client);
    etcd_history_cancel(&e->histories, NULL);
    etcd_channel_close(e->channel);
    uv_close((uv_handle_t *)&e->timer, on_timer_closed);
    uv_close((uv_handle_t *)&e->audit_timer, on_audit_timer_closed);
}

static void etcd_free(struct store *s)
{
    struct etcd_store *e = etcd_of(s);
    key_index_free(e->index);
    etcd_audit_fini(&e->audit);
    buf_fini(&e->body);
    buf_fini(&e->next_page);
    arena_free(e->held_arena);
    arena_free(e->arena);
    free(e);
}

static const struct store_ops etcd_ops = {
    .start = etcd_start,
    .reconnect = etcd_reconnect,
    .reload = etcd_reload,
    .get = etcd_get,
    .list = etcd_list,
    .get_at = etcd_get_at,
    .list_at = etcd_list_at,
    .history = etcd_history,
    .txn = etcd_txn,
    .lease_grant = etcd_lease_grant,
    .lease_keepalive = etcd_lease_keepalive,
    .lease_revoke = etcd_lease_revoke,
    .cancel = etcd_cancel,
    .close = etcd_close,
    .free = etcd_free,
};

struct store *etcd_store_new(
    const char *rest, const struct store_options *options, struct error *err)
{
    struct etcd_store *e = xcalloc(1, sizeof *e);
    e->audit_every_ms = options->audit_every_ms ? options->audit_every_ms : AUDIT_EVERY_MS;
    e->base.ops = &etcd_ops;
    e->arena = arena_new();
    e->held_arena = arena_new();
    e->index = key_index_new();
    e->audit.on_finding = on_finding;
    e->must_list = true;
    if (etcd_url_parse(e->arena, rest, &e->url, err) &&
        etcd_access_take(e->arena, options, &e->url, err))
        return &e->base;
    etcd_free(&e->base);
    return NULL;
}
