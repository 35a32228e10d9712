#include "daemon/control.h"

#include "base/version.h"
#include "xds/room.h"
#include "xds/status_page.h"

#include <string.h>

enum {
    LOST_STORE_MS = 1000,
    BALANCERS_SEE_MS = 1500,              /* /ready is asked every 300 ms or so, twice */
    SHED_SPREAD_MS = REPLICA_BEAT_MS / 2, /* done before the next beat counts again */
    ALL_AFTER_MS = 5000,                  /* how long findings are those from before a patch */
    RECALL_MS = 2000, /* how long a start waits for the store before the copy is taken */
};

#define NO_ROOM "no descriptors are left for more proxies"

/* ---- state ---- */

/* The moment it takes to go to another member of the store is not told to everybody. */
static bool has_lost_store(const struct control *c)
{
    return c->lost_store_ms > 0 &&
           (!c->has_shared_store || uv_now(&c->loop) - c->lost_store_ms >= LOST_STORE_MS);
}

const char *control_staleness(const struct control *c)
{
    if (c->is_recalled)
        return "the store is away since the start: the copy in --data-dir is served";
    if (has_lost_store(c))
        return store_status(c->store)->problem;
    if (c->replica && replica_age_ms(c->replica) > REPLICA_STALE_MS)
        return *replica_problem(c->replica)
                   ? replica_problem(c->replica)
                   : "the replica's own record does not come back from the store";
    if (c->epoch.level > 0 && c->epoch.level != control_level(c))
        return "the others build a translation level that this pilotd cannot";
    return "";
}

unsigned control_level(const struct control *c)
{
    if (c->epoch.level > level_newest)
        return level_newest;
    return c->epoch.level < level_least ? level_least : (unsigned)c->epoch.level;
}

const char *control_problem(const struct control *c)
{
    const char *staleness = control_staleness(c);
    if (!*staleness && c->replica && replica_has_rival(c->replica))
        return "another process runs under this replica's id";
    if (!*staleness && room_is_full())
        return NO_ROOM ": the limit of open files is too low";
    return staleness;
}

const char *control_unfit(const struct control *c, const char **why)
{
    *why = control_staleness(c);
    if (**why)
        return "stale";
    *why = NO_ROOM;
    return room_is_full() ? "full" : NULL;
}

static enum replica_state work_out_state(const struct control *c)
{
    if (c->is_draining)
        return REPLICA_DRAINING;
    if (!c->published)
        return REPLICA_STARTING;
    return control_problem(c)[0] ? REPLICA_DEGRADED : REPLICA_SERVING;
}

/* Stale for so long that a balancer has seen it: who comes now finds no fresh replica. */
static bool is_cut_off(struct control *c)
{
    bool is_stale = *control_staleness(c);
    if (!is_stale || c->stale_since_ms == 0)
        c->stale_since_ms = is_stale ? uv_now(&c->loop) : 0;
    return c->is_recalled || (is_stale && uv_now(&c->loop) - c->stale_since_ms >= BALANCERS_SEE_MS);
}

void control_review(struct control *c)
{
    enum replica_state state = work_out_state(c);
    gate_cut_off(&c->gate, is_cut_off(c));
    if (state == c->state)
        return;
    log_info(&c->log,
        "the replica's state is another",
        LOG_STR("state", replica_state_name(state)),
        LOG_STR("former", replica_state_name(c->state)),
        LOG_STR("problem", state == REPLICA_DEGRADED ? control_problem(c) : ""));
    c->state = state;
    if (c->replica)
        replica_touch(c->replica);
}

void control_drain(struct control *c)
{
    c->is_draining = true;
    control_review(c);
}

/* What is in force is about to be held in the store, and not to be published before. */
static bool must_wait(const struct control *c)
{
    return c->has_shared_store && c->keyspace.waiting > 0;
}

/* Of a former history nothing can be said that means something in this one. */
static bool serves_this_history(const struct control *c)
{
    return c->published && c->served_history == c->history;
}

static int64_t unix_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* What is served stays right while nothing but records changes. */
static void review_served(struct control *c)
{
    struct served_span span = { 0 };
    if (!serves_this_history(c))
        return;
    span.level = c->published->snapshot->level;
    if (!c->is_dirty && !c->is_building_whole && !must_wait(c))
        c->served_revision = c->revision;
    span.from = c->published->snapshot->revision;
    span.to = c->served_revision;
    hash128_text(&c->published->hash, span.hash);
    peers_serving(&c->peers, &span);
    gate_published(&c->gate, c->served_revision);
    applied_served(&c->applied, c->served_revision, unix_ms());
}

/* ---- building ---- */

/* All of them where that must be, and else what has changed. */
static void list_objects(struct control *c, struct build_order *order)
{
    bool is_same = c->published && c->served_history == c->history &&
                   c->published->snapshot->level == order->level;
    c->is_audit = c->wants_all && is_same && c->keyspace.changed.count == 0;
    order->changes = keyspace_changes(&c->keyspace);
    if (c->wants_all)
        order->objects = keyspace_objects(&c->keyspace, &order->object_count);
    c->wants_all = false;
}

static void build_next(struct control *c)
{
    struct build_order order = {
        .is_whole = c->is_dirty, .revision = c->revision, .level = control_level(c)
    };
    bool has_work = c->is_dirty || (c->published && c->scopes.waiting > 0);
    bool is_known = c->is_synced || (c->is_recalled && c->listed.count == 0);
    if (!is_known || !has_work || must_wait(c) || builder_is_busy(c->builder))
        return;
    if (order.is_whole)
        list_objects(c, &order);
    order.scopes = scopes_list(&c->scopes, !order.is_whole, &order.scope_count);
    c->is_building_whole = order.is_whole;
    if (order.is_whole)
        order.changed_ns = triggers_take(&c->triggers);
    if (order.is_whole)
        c->built_history = c->history;
    c->is_dirty = false;
    builder_order(c->builder, &order);
}

/* Services that are reached by their instances, and have none. */
static int64_t count_empty(const struct snapshot *s)
{
    int64_t empty = 0;
    for (size_t i = 0; i < s->services.count; i++)
        empty += s->services.items[i]->resolution == RESOLUTION_STATIC &&
                 s->services.items[i]->endpoints.count == 0;
    return empty;
}

static void count_build(struct control *c, const struct build_result *result)
{
    const struct snapshot *s = result->publication->snapshot;
    metric_add(&c->stats.build_us, (int64_t)result->took_us);
    if (!result->publication->is_whole) {
        metric_add(&c->stats.scope_builds, 1);
        return;
    }
    metric_add(&c->stats.builds, 1);
    metric_add(&c->stats.patches, s->root != NULL);
    metric_set(&c->stats.build_last_us, (int64_t)result->took_us);
    metric_observe(&c->stats.build_time, &metric_seconds, (int64_t)result->took_us, 1);
    metric_set(&c->stats.services, (int64_t)s->services.count);
    metric_set(&c->stats.empty_services, count_empty(s));
    metric_set(&c->stats.virtual_services, (int64_t)s->objects[KIND_VIRTUAL_SERVICE].count);
    metric_set(&c->stats.findings, (int64_t)s->findings.count);
}

static void log_published(const struct control *c, const struct build_result *result)
{
    char hash[HASH128_TEXT_BYTES];
    hash128_text(&result->publication->hash, hash);
    log_debug(&c->log,
        "a snapshot is published",
        LOG_INT("revision", result->publication->snapshot->revision),
        LOG_STR("hash", hash),
        LOG_INT("scopes", (int64_t)result->publication->count),
        LOG_INT("build_us", (int64_t)result->took_us));
}

static void on_all(uv_timer_t *timer)
{
    struct control *c = container_of(timer, struct control, all_timer);
    c->wants_all = c->is_dirty = true;
    build_next(c);
}

/* What was patched is built of all objects a while later: for what is found across them, and to see
 * that it is the same. */
static void review_patches(struct control *c, const struct publication *next)
{
    if (c->is_audit && !hash128_equal(&c->published->hash, &next->hash)) {
        metric_add(&c->stats.patch_divergences, 1);
        log_error(&c->log,
            "what was patched is not what is built of all objects; that is served now",
            LOG_INT("revision", next->snapshot->revision));
    }
    c->is_audit = false;
    if (!next->snapshot->root)
        uv_timer_stop(&c->all_timer);
    else if (!uv_is_active((uv_handle_t *)&c->all_timer))
        uv_timer_start(&c->all_timer, on_all, ALL_AFTER_MS, 0);
}

static void publish_whole(struct control *c, const struct build_result *result)
{
    bool is_first = !c->published;
    review_patches(c, result->publication);
    publication_release(c->published);
    c->published = publication_retain(result->publication);
    c->served_revision = c->published->snapshot->revision;
    c->served_history = c->built_history;
    c->is_building_whole = false;
    log_published(c, result);
    review_served(c);
    for (size_t i = 0; is_first && i < c->serving_count; i++)
        serving_set_serving(c->servings[i], !c->is_draining);
}

static void on_views(struct builder_owner *owner, struct publication *publication)
{
    struct control *c = container_of(owner, struct control, builder_owner);
    scopes_take(&c->scopes, publication);
    for (size_t i = 0; i < c->serving_count; i++)
        serving_publish(c->servings[i], publication);
}

static void on_built(struct builder_owner *owner, const struct build_result *result)
{
    struct control *c = container_of(owner, struct control, builder_owner);
    count_build(c, result);
    if (result->publication->is_whole)
        publish_whole(c, result);
    control_review(c);
    build_next(c);
}

/* ---- what the store tells ---- */

static void hear_peer(struct control *c, const struct replica_record *record)
{
    c->others_beats++;
    peers_heard(&c->peers, record, uv_now(&c->loop));
}

static void hear_self(struct control *c, const struct replica_record *record)
{
    c->others_beats = 0;
    replica_seen(c->replica, record);
}

static void hear_record(struct control *c, const struct store_entry *entry, struct diags *d)
{
    struct replica_record record;
    const char *id = entry->key + strlen("replicas/");
    if (!record_decode(d->arena, entry->value, entry->size, &record, d))
        return;
    if (record.revision > entry->mod_revision)
        record.has_snapshot = false; /* of a history that this store has no more */
    if (strcmp(record.id, id) != 0)
        diag_add(d, DIAG_ERROR, DIAG_KEY_MISMATCH, "id", NULL, "must be \"%s\", as the key", id);
    else if (strcmp(id, c->options->id) != 0)
        hear_peer(c, &record);
    else if (c->replica)
        hear_self(c, &record);
}

static void miss_record(struct control *c, const char *id)
{
    peers_gone(&c->peers, id);
    if (c->replica && strcmp(id, c->options->id) == 0)
        replica_missed(c->replica);
}

/* Keys of pilotd's own; their faults are told like those of any other value. */
static void hear_own_key(struct control *c, const struct store_change *change)
{
    const struct store_entry *entry = &change->entry;
    bool is_record = begins_with(entry->key, "replicas/");
    if (!is_record && strcmp(entry->key, "cluster") != 0)
        return;
    struct arena *a = arena_new();
    struct diags d;
    diags_init(&d, a);
    if (!is_record) {
        unsigned former = control_level(c);
        epoch_told(&c->epoch, change, &d);
        c->is_dirty |= control_level(c) != former;
    } else if (change->is_gone) {
        miss_record(c, entry->key + strlen("replicas/"));
    } else {
        hear_record(c, entry, &d);
    }
    if (d.errors > 0)
        keyspace_reject(&c->keyspace, entry, &d);
    arena_free(a);
}

/* A restored backup: the revision counts anew, and so must what is built from it. Until that is
 * published, what is served proves nothing to peers or to the gate. */
static void hear_revision(struct control *c, int64_t revision)
{
    unsigned histories = store_status(c->store)->histories;
    if (revision < c->revision || histories != c->told_histories) {
        log_warn(&c->log,
            "the store's history is another one",
            LOG_INT("revision", revision),
            LOG_INT("former", c->revision));
        peers_forget(&c->peers);
        applied_forget(&c->applied);
        keyspace_forget_past(&c->keyspace);
        c->epoch.has_other_past = true;
        gate_published(&c->gate, 0);
        c->history++;
        c->is_dirty = c->wants_all = true;
    }
    c->told_histories = histories;
    c->revision = revision;
}

/* Whether what is heard next happened just now, in the store's own time: peers write once a second.
 * Who was away missed their beats, and others have decided meanwhile; where nobody could write, as
 * without a quorum, nobody has. */
static bool hears_live(const struct control *c)
{
    size_t seconds = REPLICA_STALE_MS / REPLICA_BEAT_MS;
    return c->is_synced && c->has_shared_store &&
           store_status(c->store)->state == STORE_FOLLOWING &&
           c->others_beats <= seconds * (c->peers.by_id.count + 1);
}

/* Somebody deletes all there is, the key `cluster` with it: nothing expires at such a revision. 0:
 * none. */
static int64_t emptied_at(const struct store_change *changes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (changes[i].is_gone && strcmp(changes[i].entry.key, "cluster") == 0)
            return changes[i].entry.mod_revision;
    return 0;
}

static void on_changes(struct store_listener *listener, const struct store_change *changes,
    size_t count, int64_t revision)
{
    struct control *c = container_of(listener, struct control, listener);
    int64_t emptied = emptied_at(changes, count), epoch_revision = c->epoch.mod_revision;
    bool is_changed = false, had_to_wait = must_wait(c);
    keyspace_begin(&c->keyspace, uv_now(&c->loop));
    hear_revision(c, revision);
    for (size_t i = 0; i < count; i++) {
        keyspace_set_live(&c->keyspace, hears_live(c) && changes[i].entry.mod_revision != emptied);
        bool is_in_force = keyspace_apply(&c->keyspace, &changes[i]);
        is_changed |= is_in_force;
        triggers_heard(&c->triggers, changes[i].entry.key, is_in_force);
        had_to_wait |= must_wait(c);
        hear_own_key(c, &changes[i]);
        if (!begins_with(changes[i].entry.key, "replicas/"))
            applied_heard(&c->applied, changes[i].entry.mod_revision, unix_ms());
        if (c->is_recalled)
            map_put(&c->listed, changes[i].entry.key, c);
    }
    is_changed |= keyspace_end(&c->keyspace);
    if (c->is_synced)
        c->epoch.has_other_past = false;
    /* What was held in between was not in force at those revisions: a new span begins. */
    c->is_dirty |= is_changed || (had_to_wait && !must_wait(c));
    if (!c->is_synced)
        return;
    holds_review(&c->holds, c->revision);
    if (is_changed || had_to_wait || c->epoch.mod_revision != epoch_revision)
        keeper_touch(&c->keeper);
    build_next(c);
    review_served(c);
}

/* What the copy had and the store has not is gone. */
static void forget_copy(struct control *c)
{
    if (c->is_recalled)
        keyspace_keep(&c->keyspace, &c->listed);
    map_fini(&c->listed, NULL);
    c->listed = (struct map){ 0 };
    c->is_recalled = false;
    metric_set(&c->stats.recalled, 0);
    uv_timer_stop(&c->recall_timer);
}

static void on_synced(struct store_listener *listener)
{
    struct control *c = container_of(listener, struct control, listener);
    log_info(&c->log,
        "the keyspace is known",
        LOG_INT("revision", c->revision),
        LOG_INT("objects", (int64_t)c->keyspace.by_key.count),
        LOG_INT("rejected", (int64_t)c->keyspace.rejects.count));
    forget_copy(c);
    c->is_synced = true;
    c->epoch.has_other_past = false;
    c->is_dirty = c->wants_all = true;
    holds_review(&c->holds, c->revision);
    keeper_touch(&c->keeper);
    if (c->has_shared_store && !c->is_draining) {
        epoch_review(&c->epoch, c->peers.by_id.count > 0);
        c->replica = replica_open(&c->loop,
            c->store,
            c->options->id,
            (c->options->replica_ttl_ms + 999) / 1000,
            &c->replica_owner,
            &c->log);
    }
    build_next(c);
}

static void on_state(struct store_listener *listener, const struct store_status *status)
{
    struct control *c = container_of(listener, struct control, listener);
    bool is_following = status->state == STORE_FOLLOWING;
    if (!is_following && !c->is_synced && !c->has_told_waiting) {
        c->has_told_waiting = true;
        log_warn(&c->log,
            "waiting for the store; not ready before it answers",
            LOG_STR("store", c->store_url),
            LOG_STR("problem", status->problem));
    }
    if (is_following || c->lost_store_ms == 0)
        c->lost_store_ms = is_following ? 0 : uv_now(&c->loop);
    control_review(c);
}

static void on_fault(struct store_listener *listener, const char *file, const char *text)
{
    struct control *c = container_of(listener, struct control, listener);
    if (!*text) {
        free(map_remove(&c->faults, file));
        return;
    }
    log_warn(&c->log, "a file is faulty", LOG_STR("file", file), LOG_STR("fault", text));
    free(map_put(&c->faults, file, xstrdup(text)));
}

static void on_gave_up(struct holds_owner *owner, bool is_changed)
{
    struct control *c = container_of(owner, struct control, holds_owner);
    c->is_dirty |= is_changed;
    keeper_touch(&c->keeper);
    build_next(c);
    review_served(c);
}

/* ---- the copy on disk ---- */

static void take_copy(struct control *c, const struct last_good_copy *copy)
{
    for (list_each (const struct store_entry, entry, &copy->entries))
        keyspace_apply(&c->keyspace, &(struct store_change){ .entry = *entry });
    snprintf(c->epoch.text, sizeof c->epoch.text, "%s", copy->epoch);
    c->epoch.level = copy->level;
    c->revision = copy->revision;
    c->is_recalled = true;
    c->is_dirty = true;
    metric_set(&c->stats.recalled, 1);
    log_warn(&c->log,
        "the store is away: the copy on disk is served until it comes back",
        LOG_STR("dir", c->options->data_dir),
        LOG_INT("revision", copy->revision),
        LOG_INT("objects", (int64_t)copy->entries.count));
    build_next(c);
    control_review(c);
}

/* Nothing of the store is known yet: is there a copy? */
static void on_recall(uv_timer_t *timer)
{
    struct control *c = container_of(timer, struct control, recall_timer);
    struct last_good_copy copy;
    struct error err;
    if (c->is_synced || c->keyspace.by_key.count > 0)
        return;
    struct arena *a = arena_new();
    if (last_good_read(a, c->options->data_dir, &copy, &err))
        take_copy(c, &copy);
    else if (err.code == ERROR_NOT_FOUND)
        log_warn(
            &c->log, "there is no copy on disk that could be served", LOG_STR("why", err.text));
    else
        log_error(&c->log, "the copy on disk is not served", LOG_STR("why", err.text));
    arena_free(a);
}

/* Objects alone: what is rejected would be again, and replicas' records are of the moment. What is
 * not published while it waits for a hold is not kept either. */
static bool on_gather(struct keeper_owner *owner, struct keeper_state *state)
{
    struct control *c = container_of(owner, struct control, keeper_owner);
    if (!c->is_synced || !c->epoch.text[0] || must_wait(c))
        return false;
    snprintf(state->epoch, sizeof state->epoch, "%s", c->epoch.text);
    state->revision = c->revision;
    state->level = c->epoch.level;
    state->objects = keyspace_objects(&c->keyspace, &state->count);
    return true;
}

/* ---- the own record ---- */

static void on_compose(struct replica_owner *owner, struct replica_record *record)
{
    struct control *c = container_of(owner, struct control, replica_owner);
    *record = (struct replica_record){
        .id = c->options->id,
        .version = PILOTD_VERSION,
        .xds = c->xds_address,
        .xds_tls = c->xds_tls_address,
        .admin = c->admin_address,
        .state = replica_state_name(c->state),
        .level = c->published ? c->published->snapshot->level : control_level(c),
        .level_least = level_least,
        .level_newest = level_newest,
        .streams = xds_stats_streams(&c->stats.xds),
    };
    if (!serves_this_history(c))
        return;
    record->has_snapshot = true;
    record->snapshot_revision = c->published->snapshot->revision;
    record->revision = c->served_revision;
    hash128_text(&c->published->hash, record->hash);
}

static void review_level(struct control *c)
{
    int64_t agreed = c->epoch.level;
    int64_t level =
        level_vote_review(&c->level_vote, &c->peers, level_newest, agreed, uv_now(&c->loop));
    if (agreed > 0 && level != agreed && !c->is_draining)
        epoch_propose_level(&c->epoch, level);
}

/* Shared out among the loops; each is the first in turn, to which the odd one falls. */
static void shed(struct control *c, size_t count)
{
    size_t loops = c->serving_count;
    for (size_t i = 0; count > 0 && i < loops; i++) {
        size_t part = (count + loops - 1 - i) / loops;
        if (part > 0)
            serving_shed(c->servings[(c->shed_turn + i) % loops], part, SHED_SPREAD_MS);
    }
    c->shed_turn += count > 0;
}

static void review_share(struct control *c)
{
    struct fair_verdict v = fair_share_review(&c->fair_share,
        &c->peers,
        xds_stats_streams(&c->stats.xds),
        c->state == REPLICA_SERVING,
        uv_now(&c->loop));
    metric_set(&c->stats.xds.quota.cap, v.cap);
    metric_set(&c->stats.xds.quota.room, v.room);
    shed(c, (size_t)v.shed);
    if (v.resigns)
        log_warn(&c->log,
            "proxies that were sent to other replicas come back: all are taken in for a while",
            LOG_INT("cap", v.cap));
}

static void on_beat(struct replica_owner *owner)
{
    struct control *c = container_of(owner, struct control, replica_owner);
    epoch_review(&c->epoch, c->peers.by_id.count > 0);
    review_level(c);
    control_review(c);
    review_share(c);
}

/* ---- what serving loops ask for ---- */

static void on_want(
    struct serving_owner *owner, struct serving *serving, struct shared_scope *scope)
{
    struct control *c = container_of(owner, struct control, serving_owner);
    struct xds_view *view = scopes_want(&c->scopes, scope);
    if (view)
        serving_hand_over(serving, scope, view);
    else
        build_next(c);
}

static void on_drop(struct serving_owner *owner, struct serving *serving, const char *scope_key)
{
    struct control *c = container_of(owner, struct control, serving_owner);
    (void)serving;
    scopes_drop(&c->scopes, scope_key);
}

static void on_ask(struct serving_owner *owner, struct serving *serving, uint64_t ticket)
{
    struct control *c = container_of(owner, struct control, serving_owner);
    gate_ask(&c->gate, serving_index(serving), ticket);
}

static void on_verdict(
    struct gate_owner *owner, size_t index, uint64_t ticket, enum gate_verdict verdict)
{
    struct control *c = container_of(owner, struct control, gate_owner);
    serving_decide(c->servings[index], ticket, verdict);
}

static void on_behind(struct gate_owner *owner)
{
    struct control *c = container_of(owner, struct control, gate_owner);
    if (c->replica)
        replica_touch(c->replica);
}

static void on_answer(
    struct serving_owner *owner, struct serving *serving, const struct serving_answer *answer)
{
    struct control *c = container_of(owner, struct control, serving_owner);
    struct roll_call *call = answer->question == SERVING_PULSE ? &c->pulse : &c->census;
    roll_call_answered(call, serving_index(serving), answer);
}

static void on_status(
    struct serving_owner *owner, struct serving *serving, struct status_page *page)
{
    struct control *c = container_of(owner, struct control, serving_owner);
    page->is_last = page->server == c->serving_count;
    if (!serving)
        client_status_take(&c->client_status, page);
    else if (page->is_last)
        serving_return_status(serving, page);
    else
        serving_fill_status(c->servings[page->server], serving, page);
}

/* ---- beginning and end ---- */

static void hear_all(struct control *c)
{
    c->listener = (struct store_listener){ on_changes, on_synced, on_state, on_fault };
    c->replica_owner.on_compose = on_compose;
    c->replica_owner.on_beat = on_beat;
    c->builder_owner.on_views = on_views;
    c->builder_owner.on_built = on_built;
    c->serving_owner.on_want = on_want;
    c->serving_owner.on_drop = on_drop;
    c->serving_owner.on_ask = on_ask;
    c->serving_owner.on_answer = on_answer;
    c->serving_owner.on_status = on_status;
    c->gate_owner = (struct gate_owner){ on_verdict, on_behind };
}

bool control_start(struct control *c, struct error *err)
{
    static const struct store_layout layout = { .key_of = object_key_of_document };
    struct store_options options = {
        .url = c->store_url,
        .access = { .ca_file = c->options->etcd_ca,
            .cert_file = c->options->etcd_cert,
            .key_file = c->options->etcd_key,
            .user = c->options->etcd_user,
            .password_file = c->options->etcd_password_file },
        .layout = &layout,
        .log = &c->log,
        .stats = &c->stats.store,
    };
    hear_all(c);
    c->has_shared_store = !begins_with(c->store_url, "file:");
    mailbox_open(&c->loop, &c->serving_owner.mailbox);
    const struct expiry_settings expiry = {
        .share_percent = c->options->hold_share,
        .window_ms = (uint64_t)c->options->hold_window_ms,
    };
    keyspace_init(&c->keyspace, &expiry, &c->stats.keyspace, &c->log);
    c->keyspace.is_of_files = !c->has_shared_store;
    peers_init(&c->peers, &c->log);
    if (!store_open(&c->loop, &options, &c->listener, &c->store, err))
        return false;
    gate_open(&c->gate,
        &c->loop,
        c->has_shared_store ? c->store : NULL,
        (size_t)c->options->threads,
        &c->gate_owner,
        &c->stats.gate);
    c->holds_owner.on_gave_up = on_gave_up;
    const struct holds_options holds = {
        .store = c->store,
        .is_shared = c->has_shared_store,
        .hold_time_ms = c->options->hold_time_ms,
        .keyspace = &c->keyspace,
        .owner = &c->holds_owner,
        .log = &c->log,
    };
    holds_open(&c->holds, &c->loop, &holds);
    c->keeper_owner.on_gather = on_gather;
    keeper_open(
        &c->keeper, &c->loop, c->options->data_dir, &c->keeper_owner, &c->stats.keeper, &c->log);
    c->wants_all = true;
    INVARIANT(uv_timer_init(&c->loop, &c->all_timer) == 0);
    INVARIANT(uv_timer_init(&c->loop, &c->recall_timer) == 0);
    if (c->options->data_dir)
        uv_timer_start(&c->recall_timer, on_recall, RECALL_MS, 0);
    c->epoch =
        (struct epoch){ .store = c->store, .faults = &c->stats.cluster_faults, .log = &c->log };
    c->triggers.stats = &c->stats.triggers;
    addresses_init(&c->addresses, (size_t)c->options->max_address_connections);
    c->builder = builder_open(&c->loop, &c->builder_owner, &c->stats.translate);
    return true;
}

void control_stop(struct control *c)
{
    gate_close(&c->gate);
    keeper_close(&c->keeper);
    holds_close(&c->holds);
    uv_close((uv_handle_t *)&c->all_timer, NULL);
    uv_close((uv_handle_t *)&c->recall_timer, NULL);
    epoch_close(&c->epoch);
    builder_close(c->builder);
    store_close(c->store);
    mailbox_close(&c->serving_owner.mailbox);
}

void control_fini(struct control *c)
{
    for (size_t i = 0; i < c->serving_count; i++)
        serving_free(c->servings[i]);
    addresses_fini(&c->addresses);
    mailbox_fini(&c->serving_owner.mailbox);
    roll_call_fini(&c->pulse);
    roll_call_fini(&c->census);
    publication_release(c->published);
    scopes_fini(&c->scopes);
    peers_fini(&c->peers);
    keyspace_fini(&c->keyspace);
    map_fini(&c->listed, NULL);
    gate_fini(&c->gate);
    map_fini(&c->faults, free);
}
