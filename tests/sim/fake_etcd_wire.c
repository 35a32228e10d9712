/* etcd's messages: the other side of replication/etcd_codec.c. */
#include "fake_etcd.h"
#include "proto/pb.h"

#include <string.h>

enum { UNAVAILABLE = 14, NOT_FOUND = 5, OUT_OF_RANGE = 11, RESOURCE_EXHAUSTED = 8 };
enum { PUMP_US = 10 * SIM_MS, EVENTS_MAX = 8 /* of one message, to have several */ };

static const void *unpack(
    struct arena *a, const ProtobufCMessageDescriptor *type, const void *bytes, size_t size_bytes)
{
    const void *message = pb_unpack(a, type, bytes, size_bytes);
    INVARIANT(message);
    return message;
}

static void say(struct etcd_caller *caller, struct arena *a, const ProtobufCMessage *message)
{
    struct pb_bytes bytes = pb_pack(a, message);
    caller->on_message(caller, bytes.data, bytes.size);
}

static pb_ResponseHeader *header(struct arena *a, const struct fake_etcd *e)
{
    return pb_new_ResponseHeader(
        a, .cluster_id = e->cluster, .revision = e->revision, .raft_term = e->term);
}

static ProtobufCBinaryData bytes_of(const void *data, size_t size)
{
    return (ProtobufCBinaryData){ .data = (uint8_t *)(uintptr_t)data, .len = size };
}

static pb_KeyValue *key_value(struct arena *a, const struct etcd_version *v)
{
    return pb_new_KeyValue(a,
        .key = bytes_of(v->key, strlen(v->key)),
        .value = bytes_of(v->value, v->size),
        .create_revision = v->create,
        .mod_revision = v->mod,
        .lease = v->lease);
}

/* ---- range ---- */

typedef LIST(pb_KeyValue *) key_value_list;
typedef LIST(pb_Event *) event_list;

struct ranging {
    const char *from, *end;
    int64_t revision, limit, count;
    struct arena *a;
    key_value_list found;
};

static void look_at(const char *key, void *value, void *context)
{
    struct ranging *r = context;
    bool is_in =
        r->end ? strcmp(key, r->from) >= 0 && strcmp(key, r->end) < 0 : strcmp(key, r->from) == 0;
    const struct etcd_version *v = is_in ? etcd_at(value, r->revision) : NULL;
    if (!v)
        return;
    r->count++;
    if (r->limit == 0 || (int64_t)r->found.count < r->limit)
        list_push(r->a, &r->found, key_value(r->a, v));
}

static void answer_range(
    struct fake_etcd *e, struct etcd_caller *c, struct arena *a, const pb_RangeRequest *q)
{
    struct ranging r = {
        .from = (const char *)q->key.data,
        .end = q->range_end.len ? (const char *)q->range_end.data : NULL,
        .revision = q->revision ? q->revision : e->revision,
        .limit = q->limit,
        .a = a,
    };
    if (q->revision > e->revision) {
        c->on_end(c, OUT_OF_RANGE, "etcdserver: mvcc: required revision is a future revision");
        return;
    }
    if (q->revision > 0 && q->revision < e->compacted) {
        c->on_end(c, OUT_OF_RANGE, "etcdserver: mvcc: required revision has been compacted");
        return;
    }
    map_each (&e->newest, look_at, &r)
        ;
    pb_ResponseHeader *head = header(a, e);
    if (e->reads_old && !r.end && head->revision > 40)
        head->revision -= 40;
    say(c,
        a,
        &pb_new_RangeResponse(a,
            .header = head,
            PB_LIST(kvs, r.found.count, r.found.items),
            .more = r.count > (int64_t)r.found.count,
            .count = r.count)
             ->base);
    c->on_end(c, 0, "");
}

/* ---- transactions ---- */

static bool compare_holds(const struct fake_etcd *e, const pb_Compare *compare)
{
    const struct etcd_version *v = etcd_get(e, (const char *)compare->key.data);
    INVARIANT(compare->target == PB_Compare_CompareTarget_MOD &&
              compare->result == PB_Compare_CompareResult_EQUAL);
    return (v ? v->mod : 0) == compare->mod_revision;
}

static const pb_PutRequest *put_of(const pb_RequestOp *op)
{
    return op->request_case == ETCDSERVERPB__REQUEST_OP__REQUEST_REQUEST_PUT ? op->request_put
                                                                             : NULL;
}

static const char *refusal(struct fake_etcd *e, const pb_TxnRequest *q, int *status)
{
    for (size_t i = 0; i < q->n_success; i++) {
        const pb_PutRequest *put = put_of(q->success[i]);
        *status = put && e->is_full ? RESOURCE_EXHAUSTED : NOT_FOUND;
        if (put && e->is_full)
            return "etcdserver: mvcc: database space exceeded";
        if (put && put->lease && !etcd_lease_find(e, put->lease))
            return "etcdserver: requested lease not found";
    }
    return NULL;
}

static void answer_txn(
    struct fake_etcd *e, struct etcd_caller *c, struct arena *a, const pb_TxnRequest *q)
{
    struct etcd_commit commit = etcd_begin(e);
    bool holds = true;
    int status;
    for (size_t i = 0; i < q->n_compare; i++)
        holds = holds && compare_holds(e, q->compare[i]);
    const char *no = holds ? refusal(e, q, &status) : NULL;
    if (no) {
        c->on_end(c, status, no);
        return;
    }
    for (size_t i = 0; holds && i < q->n_success; i++) {
        const pb_PutRequest *put = put_of(q->success[i]);
        const char *key = put ? (const char *)put->key.data
                              : (const char *)q->success[i]->request_delete_range->key.data;
        sim_trace(e->sim,
            "etcd: %s %s at %lld by a replica: %.120s",
            put ? "put" : "delete",
            key,
            (long long)commit.revision,
            put && !strstr(key, "replicas/") ? (const char *)put->value.data : "");
        if (put)
            etcd_put(&commit, key, put->value.data, put->value.len, put->lease);
        else
            etcd_delete(&commit, key);
    }
    etcd_commit(&commit);
    say(c, a, &pb_new_TxnResponse(a, .header = header(a, e), .succeeded = holds)->base);
    c->on_end(c, 0, "");
}

/* ---- leases ---- */

static void answer_grant(
    struct fake_etcd *e, struct etcd_caller *c, struct arena *a, const pb_LeaseGrantRequest *q)
{
    int64_t id = etcd_lease_grant(e, q->ttl * 1000);
    say(c, a, &pb_new_LeaseGrantResponse(a, .header = header(a, e), .id = id, .ttl = q->ttl)->base);
    c->on_end(c, 0, "");
}

static void answer_keepalive(
    struct fake_etcd *e, struct etcd_caller *c, struct arena *a, const pb_LeaseKeepAliveRequest *q)
{
    struct etcd_lease_of *lease = etcd_lease_find(e, q->id);
    if (lease)
        etcd_lease_keep(e, lease);
    say(c,
        a,
        &pb_new_LeaseKeepAliveResponse(
            a, .header = header(a, e), .id = q->id, .ttl = lease ? lease->ttl_ms / 1000 : 0)
             ->base);
    c->on_end(c, 0, "");
}

static void answer_revoke(
    struct fake_etcd *e, struct etcd_caller *c, struct arena *a, const pb_LeaseRevokeRequest *q)
{
    if (!etcd_lease_find(e, q->id)) {
        c->on_end(c, NOT_FOUND, "etcdserver: requested lease not found");
        return;
    }
    etcd_lease_revoke(e, q->id);
    say(c, a, &pb_new_LeaseRevokeResponse(a, .header = header(a, e))->base);
    c->on_end(c, 0, "");
}

/* ---- watches ---- */

static pb_Event *event_of(struct arena *a, const struct etcd_version *v)
{
    return pb_new_Event(a,
        .type = v->is_gone ? PB_Event_EventType_DELETE : PB_Event_EventType_PUT,
        .kv = key_value(a, v));
}

/* Some revisions, none of them cut in two. */
static event_list gather_events(struct fake_etcd *e, struct etcd_caller *c, struct arena *a)
{
    event_list events = { 0 };
    int64_t last = 0;
    for (size_t i = 0; i < e->log_count; i++) {
        const struct etcd_version *v = e->log[i];
        if (v->mod < c->next_revision || strncmp(v->key, c->prefix, strlen(c->prefix)) != 0)
            continue;
        if (v->mod != last && events.count >= EVENTS_MAX)
            break;
        last = v->mod;
        if (!e->forgets_events || !sim_chance(e->sim, 20))
            list_push(a, &events, event_of(a, v));
    }
    c->next_revision = last ? last + 1 : e->revision + 1;
    return events;
}

static void say_events(struct fake_etcd *e, struct etcd_caller *c, struct arena *a,
    event_list events, bool is_fragment)
{
    say(c,
        a,
        &pb_new_WatchResponse(a,
            .header = header(a, e),
            .fragment = is_fragment,
            PB_LIST(events, events.count, events.items))
             ->base);
}

/* At times in fragments, as etcd sends large ones. */
static void tell_watch(struct fake_etcd *e, struct etcd_caller *c)
{
    struct arena *a = arena_new();
    event_list events = gather_events(e, c, a);
    size_t half = sim_chance(e->sim, 300) ? events.count / 2 : 0;
    if (half > 0 &&
        events.items[half - 1]->kv->mod_revision == events.items[half]->kv->mod_revision) {
        say_events(e, c, a, (event_list){ events.items, half }, true);
        events = (event_list){ events.items + half, events.count - half };
    }
    if (events.count > 0)
        say_events(e, c, a, events, false);
    arena_free(a);
}

static void on_pump(struct sim_event *event)
{
    struct etcd_caller *c = container_of(event, struct etcd_caller, pump);
    struct fake_etcd *e = c->etcd;
    uint64_t isolated_until_us = e->members[c->member].isolated_until_us;
    if (isolated_until_us <= e->sim->now_us) {
        tell_watch(e, c);
        if (c->next_revision <= e->revision)
            sim_schedule(e->sim, event, sim_delay(e->sim, PUMP_US));
    } else if (sim_chance(e->sim, 300)) { /* "hasleader": it ends without a leader */
        fake_etcd_hang_up(c);
        c->on_end(c, UNAVAILABLE, "etcdserver: no leader");
    } else {
        uint64_t left_us = isolated_until_us - e->sim->now_us;
        sim_schedule(e->sim, event, (left_us < SIM_SECOND ? left_us : SIM_SECOND) + 1);
    }
}

static void answer_watch(
    struct fake_etcd *e, struct etcd_caller *c, struct arena *a, const pb_WatchRequest *q)
{
    const pb_WatchCreateRequest *create = q->create_request;
    say(c, a, &pb_new_WatchResponse(a, .header = header(a, e), .created = true)->base);
    if (create->start_revision <= e->compacted) {
        pb_ResponseHeader *head =
            pb_new_ResponseHeader(a, .cluster_id = e->cluster, .raft_term = e->term);
        say(c,
            a,
            &pb_new_WatchResponse(
                a, .header = head, .canceled = true, .compact_revision = e->compacted)
                 ->base);
        return;
    }
    c->is_watching = true;
    c->next_revision = create->start_revision;
    snprintf(c->prefix, sizeof c->prefix, "%s", (const char *)create->key.data);
    c->pump = (struct sim_event){ .run = on_pump };
    c->next = e->watches;
    e->watches = c;
    sim_schedule(e->sim, &c->pump, sim_delay(e->sim, PUMP_US));
}

/* ---- any request ---- */

void fake_etcd_ask(struct fake_etcd *e, struct etcd_caller *c, size_t member, const char *method,
    const void *bytes, size_t size_bytes)
{
    struct arena *a = arena_new();
    const char *name = strchr(method, '/') + 1;
    c->etcd = e;
    c->member = member;
    if (e->members[member].isolated_until_us > e->sim->now_us) {
        if (sim_chance(e->sim, 500)) /* else it hangs */
            c->on_end(c, UNAVAILABLE, "etcdserver: request timed out");
    } else if (strcmp(name, "Range") == 0) {
        answer_range(e, c, a, unpack(a, &pb_RangeRequest_desc, bytes, size_bytes));
    } else if (strcmp(name, "Txn") == 0) {
        answer_txn(e, c, a, unpack(a, &pb_TxnRequest_desc, bytes, size_bytes));
    } else if (strcmp(name, "Watch") == 0) {
        answer_watch(e, c, a, unpack(a, &pb_WatchRequest_desc, bytes, size_bytes));
    } else if (strcmp(name, "LeaseGrant") == 0) {
        answer_grant(e, c, a, unpack(a, &pb_LeaseGrantRequest_desc, bytes, size_bytes));
    } else if (strcmp(name, "LeaseKeepAlive") == 0) {
        answer_keepalive(e, c, a, unpack(a, &pb_LeaseKeepAliveRequest_desc, bytes, size_bytes));
    } else {
        INVARIANT(strcmp(name, "LeaseRevoke") == 0);
        answer_revoke(e, c, a, unpack(a, &pb_LeaseRevokeRequest_desc, bytes, size_bytes));
    }
    arena_free(a);
}
