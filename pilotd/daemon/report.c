#include "daemon/report.h"

#include "base/version.h"
#include "daemon/control.h"
#include "daemon/json_out.h"

#include <string.h>

static void add_hash(cJSON *json, const struct hash128 *hash)
{
    char text[HASH128_TEXT_BYTES];
    hash128_text(hash, text);
    json_add_text(json, "hash", text);
}

static void add_served(const struct control *c, cJSON *json)
{
    if (!c->published) {
        cJSON_AddNullToObject(json, "revision");
        cJSON_AddNullToObject(json, "snapshotRevision");
        cJSON_AddNullToObject(json, "hash");
        return;
    }
    json_add_int(json, "revision", c->served_revision);
    json_add_int(json, "snapshotRevision", c->published->snapshot->revision);
    add_hash(json, &c->published->hash);
}

static cJSON *store_json(const struct control *c)
{
    static const char *const states[] = { [STORE_CONNECTING] = "connecting",
        [STORE_FOLLOWING] = "following",
        [STORE_BEHIND] = "behind" };
    const struct store_status *status = store_status(c->store);
    cJSON *json = cJSON_CreateObject();
    json_add_text(json, "url", c->store_url);
    json_add_text(json, "state", states[status->state]);
    json_add_int(json, "revision", status->revision);
    json_add_text(json, "member", status->member);
    json_add_text(json, "problem", status->problem);
    if (c->replica)
        json_add_int(json, "heartbeatAgeMs", (int64_t)replica_age_ms(c->replica));
    else
        cJSON_AddNullToObject(json, "heartbeatAgeMs");
    return json;
}

static void add_end(cJSON *json, const char *name, int64_t end)
{
    if (end)
        json_add_int(json, name, end);
    else
        cJSON_AddNullToObject(json, name);
}

static cJSON *tls_json(const struct control *c)
{
    if (!c->certificates.context)
        return cJSON_CreateNull();
    struct tls_ends ends = tls_context_ends(c->certificates.context);
    cJSON *json = cJSON_CreateObject();
    add_end(json, "certificateEnds", ends.certificate);
    add_end(json, "authoritiesEnd", ends.authorities);
    add_end(json, "revocationsEnd", ends.revocations);
    json_add_text(json, "problem", c->certificates.problem);
    return json;
}

/* ---- replicas ---- */

struct listing { /* of a map into an array, with a limit */
    const struct control *control;
    cJSON *array;
    int64_t count;
};

static cJSON *record_json(const struct replica_record *r, const char *agreement, uint64_t age_ms)
{
    cJSON *json = cJSON_CreateObject();
    json_add_text(json, "id", r->id);
    json_add_text(json, "state", r->state);
    json_add_text(json, "version", r->version);
    json_add_int(json, "level", r->level);
    if (r->has_snapshot) {
        json_add_int(json, "revision", r->revision);
        json_add_int(json, "snapshotRevision", r->snapshot_revision);
    }
    json_add_text(json, "hash", r->has_snapshot ? r->hash : NULL);
    json_add_int(json, "streams", r->streams);
    json_add_text(json, "xds", r->xds);
    json_add_text(json, "xdsTls", r->xds_tls);
    json_add_text(json, "admin", r->admin);
    json_add_int(json, "ageMs", (int64_t)age_ms);
    json_add_text(json, "agreement", agreement);
    return json;
}

static void add_peer(const char *id, void *value, void *context)
{
    const struct peer *peer = value;
    struct listing *list = context;
    uint64_t now = uv_now(&list->control->loop);
    (void)id;
    cJSON_AddItemToArray(list->array,
        record_json(&peer->record, agreement_name(peer->agreement), now - peer->heard_ms));
}

/* The own line comes first and needs no store. */
static cJSON *replicas_json(const struct control *c)
{
    struct listing list = { c, cJSON_CreateArray(), 0 };
    struct replica_record own = {
        .id = c->options->id,
        .state = replica_state_name(c->state),
        .version = PILOTD_VERSION,
        .level = control_level(c),
        .level_least = level_least,
        .level_newest = level_newest,
        .has_snapshot = c->published != NULL,
        .revision = c->served_revision,
        .streams = xds_stats_streams(&c->stats.xds),
        .xds = c->xds_address,
        .xds_tls = c->xds_tls_address,
        .admin = c->admin_address,
    };
    if (c->published) {
        own.snapshot_revision = c->published->snapshot->revision;
        hash128_text(&c->published->hash, own.hash);
    }
    cJSON_AddItemToArray(
        list.array, record_json(&own, "self", c->replica ? replica_age_ms(c->replica) : 0));
    map_each (&c->peers.by_id, add_peer, &list)
        ;
    return list.array;
}

/* ---- what is wrong ---- */

static void add_reject(const char *key, void *value, void *context)
{
    const struct reject *reject = value;
    struct listing *list = context;
    if (list->count++ >= REPORT_ITEMS_MAX)
        return;
    cJSON *json = cJSON_CreateObject();
    cJSON *reasons = cJSON_AddArrayToObject(json, "reasons");
    json_add_text(json, "key", key);
    json_add_int(json, "revision", reject->revision);
    for (size_t i = 0; i < reject->reasons.count; i++)
        cJSON_AddItemToArray(reasons, cJSON_CreateString(reject->reasons.items[i]));
    cJSON_AddBoolToObject(
        json, "held", map_find(&list->control->keyspace.by_key, reject->key) != NULL);
    json_add_int(json, "reasonsNotShown", (int64_t)reject->reasons_dropped);
    cJSON_AddItemToArray(list->array, json);
}

static void count_held(const char *key, void *value, void *context)
{
    const struct lost *lost = value;
    (void)key;
    *(int64_t *)context += lost->is_held;
}

static void add_held(const char *service, void *value, void *context)
{
    const struct instances *instances = value;
    struct listing *list = context;
    int64_t count = 0;
    map_each (&instances->lost, count_held, &count)
        ;
    if (count == 0 || list->count++ >= REPORT_ITEMS_MAX)
        return;
    cJSON *json = cJSON_CreateObject();
    json_add_text(json, "service", service);
    json_add_int(json, "instances", count);
    cJSON_AddItemToArray(list->array, json);
}

static void add_fault(const char *file, void *value, void *context)
{
    struct listing *list = context;
    if (list->count++ >= REPORT_ITEMS_MAX)
        return;
    cJSON *json = cJSON_CreateObject();
    json_add_text(json, "file", file);
    json_add_text(json, "text", value);
    cJSON_AddItemToArray(list->array, json);
}

static void add_finding(struct listing *list, const char *key, const struct diag *diag)
{
    if (list->count++ >= REPORT_ITEMS_MAX)
        return;
    struct arena *a = arena_new();
    cJSON *json = cJSON_CreateObject();
    json_add_text(json, "key", key);
    json_add_text(json, "severity", diag->severity == DIAG_ERROR ? "error" : "warning");
    json_add_text(json, "code", arena_printf(a, "PIL%04d", (int)diag->code));
    json_add_text(json, "path", diag->path);
    json_add_text(json, "text", diag_text(a, diag));
    cJSON_AddItemToArray(list->array, json);
    arena_free(a);
}

/* What resources warn of themselves, and what the analysis across them found. */
static cJSON *findings_json(const struct control *c, int64_t *count)
{
    struct listing list = { c, cJSON_CreateArray(), 0 };
    const struct snapshot *s = c->published ? c->published->snapshot : NULL;
    for (enum kind kind = 0; s && kind < KIND_COUNT; kind++)
        for (size_t i = 0; i < s->objects[kind].count; i++) {
            const struct object *object = s->objects[kind].items[i];
            for (list_each (const struct diag, warning, &object->warnings))
                add_finding(&list, object->key, warning);
        }
    if (s)
        for (list_each (const struct finding, finding, &s->findings))
            add_finding(&list, finding->key, &finding->diag);
    *count = list.count;
    return list.array;
}

static void add_wrong(const struct control *c, cJSON *json)
{
    struct listing rejects = { c, cJSON_CreateArray(), 0 };
    struct listing held = { c, cJSON_CreateArray(), 0 };
    struct listing faults = { c, cJSON_CreateArray(), 0 };
    int64_t finding_count;
    map_each (&c->keyspace.rejects, add_reject, &rejects)
        ;
    map_each (&c->faults, add_fault, &faults)
        ;
    map_each (&c->keyspace.expiry.services, add_held, &held)
        ;
    json_add_int(json, "heldCount", held.count);
    cJSON_AddItemToObject(json, "held", held.array);
    json_add_int(json, "rejectedCount", rejects.count);
    cJSON_AddItemToObject(json, "rejected", rejects.array);
    cJSON *findings = findings_json(c, &finding_count);
    json_add_int(json, "findingCount", finding_count);
    cJSON_AddItemToObject(json, "findings", findings);
    cJSON_AddItemToObject(json, "faults", faults.array);
}

cJSON *report_status_json(const struct control *c)
{
    cJSON *json = cJSON_CreateObject();
    json_add_text(json, "id", c->options->id);
    json_add_text(json, "version", PILOTD_VERSION);
    json_add_text(json, "state", replica_state_name(c->state));
    json_add_text(json, "problem", c->published ? control_problem(c) : "");
    json_add_text(json, "epoch", *c->epoch.text ? c->epoch.text : NULL);
    json_add_text(json, "epochProblem", c->epoch.problem);
    add_served(c, json);
    json_add_int(json, "level", control_level(c));
    json_add_int(json, "levelInForce", c->epoch.level);
    json_add_text(json, "agreement", c->peers.differing ? "diverged" : "agreed");
    json_add_int(json, "proxies", xds_stats_streams(&c->stats.xds));
    json_add_int(json, "streamCap", c->stats.xds.quota.cap);
    json_add_int(json, "scopes", (int64_t)c->scopes.by_key.count);
    cJSON_AddItemToObject(json, "store", store_json(c));
    cJSON_AddItemToObject(json, "tls", tls_json(c));
    cJSON_AddItemToObject(json, "replicas", replicas_json(c));
    add_wrong(c, json);
    cJSON *build = cJSON_AddObjectToObject(json, "build");
    cJSON_AddNumberToObject(build, "lastMs", (double)c->stats.build_last_us / 1000);
    json_add_int(build, "count", c->stats.builds);
    return json;
}

void report_status(const struct control *c, struct buf *out)
{
    json_out(out, report_status_json(c));
}

/* ---- snapshot ---- */

static cJSON *service_json(const struct service *service)
{
    cJSON *json = cJSON_CreateObject();
    json_add_text(json, "host", service->host);
    json_add_text(json, "namespace", service->ns);
    cJSON *ports = cJSON_AddArrayToObject(json, "ports");
    for (list_each (const struct service_port, port, &service->ports))
        cJSON_AddItemToArray(ports, cJSON_CreateNumber(port->number));
    json_add_int(json, "endpoints", (int64_t)service->endpoints.count);
    return json;
}

void report_snapshot(const struct control *c, struct buf *out)
{
    cJSON *json = cJSON_CreateObject();
    if (c->published) {
        const struct snapshot *s = c->published->snapshot;
        json_add_int(json, "revision", s->revision);
        add_hash(json, &c->published->hash);
        json_add_int(json, "level", s->level);
        cJSON *objects = cJSON_AddObjectToObject(json, "objects");
        for (enum kind kind = 0; kind < KIND_COUNT; kind++)
            json_add_int(objects, kind_info(kind)->name, (int64_t)s->objects[kind].count);
        cJSON *services = cJSON_AddArrayToObject(json, "services");
        for (size_t i = 0; i < s->services.count; i++)
            cJSON_AddItemToArray(services, service_json(s->services.items[i]));
    }
    json_out(out, json);
}

/* ---- what the hash covers ---- */

static void add_version(cJSON *json, const char *name, const struct hash128 *version)
{
    char text[HASH128_TEXT_BYTES];
    hash128_text(version, text);
    json_add_text(json, name, text);
}

static cJSON *object_versions(const struct snapshot *s)
{
    cJSON *json = cJSON_CreateObject();
    for (enum kind kind = 0; kind < KIND_COUNT; kind++)
        for (size_t i = 0; i < s->objects[kind].count; i++)
            add_version(json, s->objects[kind].items[i]->key, &s->objects[kind].items[i]->digest);
    return json;
}

static cJSON *resource_versions(const struct xds_view *view)
{
    cJSON *json = cJSON_CreateObject();
    for (enum xds_type type = 0; type < XDS_TYPE_COUNT; type++) {
        cJSON *names = cJSON_AddObjectToObject(json, xds_type_short(type));
        struct xds_cursor cursor = { 0 };
        const struct xds_resource *r;
        while ((r = xds_view_next(view, type, &cursor)))
            add_version(names, r->name, &r->version);
    }
    return json;
}

void report_versions(const struct control *c, struct buf *out)
{
    cJSON *json = cJSON_CreateObject();
    if (c->published) {
        json_add_int(json, "revision", c->published->snapshot->revision);
        add_hash(json, &c->published->hash);
        cJSON_AddItemToObject(json, "objects", object_versions(c->published->snapshot));
        cJSON_AddItemToObject(json, "resources", resource_versions(c->published->reference));
    }
    json_out(out, json);
}

/* ---- gauges ---- */

void report_gauges(struct control *c)
{
    const struct store_status *status = store_status(c->store);
    struct stats *stats = &c->stats;
    const char *why;
    bool is_ready = c->published && !c->is_draining && !control_unfit(c, &why);
    metric_set(&stats->is_ready, is_ready);
    metric_set(&stats->store_state, status->state);
    metric_set(&stats->store_revision, status->revision);
    metric_set(&stats->served_revision, c->published ? c->served_revision : 0);
    metric_set(&stats->heartbeat_age_ms, c->replica ? (int64_t)replica_age_ms(c->replica) : 0);
    metric_set(&stats->replicas, (int64_t)c->peers.by_id.count + 1);
    metric_set(&stats->differing_replicas, (int64_t)c->peers.differing);
    certificates_gauges(&c->certificates);
    if (c->published)
        hash128_text(&c->published->hash, stats->snapshot_hash);
    process_gauges(&stats->process);
}
