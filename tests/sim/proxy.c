#include "hosts.h"

#include "proto/pb.h"

#include <string.h>

enum { RETRY_US = 100 * SIM_MS, PATIENCE_US = 5 * SIM_SECOND };

static const char *const paths[] = {
    [XDS_SOTW] = "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources",
    [XDS_DELTA] = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources",
};

static bool is_by_name(enum xds_type type)
{
    return type == XDS_ENDPOINT || type == XDS_ROUTE;
}

static void free_sent(void *sent)
{
    sent_free(sent);
}

/* ---- what it says of itself ---- */

static pb_Value *text_value(struct arena *a, const char *text)
{
    return pb_new_Value(
        a, .kind_case = GOOGLE__PROTOBUF__VALUE__KIND_STRING_VALUE, .string_value = pb_str(text));
}

static pb_Struct_FieldsEntry *field(struct arena *a, const char *key, pb_Value *value)
{
    return pb_new_Struct_FieldsEntry(a, .key = pb_str(key), .value = value);
}

static pb_Value *labels_value(struct arena *a, const struct proxy *p)
{
    pb_Struct *labels = pb_new_Struct(
        a, PB_ONE(a, fields, Struct_FieldsEntry, field(a, "version", text_value(a, p->version))));
    return pb_new_Value(
        a, .kind_case = GOOGLE__PROTOBUF__VALUE__KIND_STRUCT_VALUE, .struct_value = labels);
}

static pb_Node *node_of(struct proxy *p, struct arena *a)
{
    pb_Struct_FieldsEntry *fields[] = {
        field(a, "LABELS", labels_value(a, p)),
        field(a, "VHDS", text_value(a, p->splits ? "true" : "false")),
    };
    pb_Struct *metadata = pb_new_Struct(a, PB_LIST(fields, ARRAY_COUNT(fields), fields));
    struct pb_bytes bytes = pb_pack(a, &metadata->base);
    if (p->has_node_told)
        return NULL;
    p->has_node_told = true;
    return pb_new_Node(a,
        .id = pb_str(p->id),
        .metadata = { .data = (uint8_t *)(uintptr_t)bytes.data, .len = bytes.size });
}

/* ---- requests ---- */

typedef LIST(pb_DeltaDiscoveryRequest_InitialResourceVersionsEntry *) version_list;

struct gathering {
    struct arena *a;
    string_list names;
    version_list versions;
};

static void gather_name(const char *key, void *value, void *context)
{
    struct gathering *g = context;
    (void)value;
    list_push(g->a, &g->names, key);
}

static void gather_version(const char *key, void *value, void *context)
{
    struct gathering *g = context;
    const struct sent *sent = value;
    list_push(g->a,
        &g->versions,
        pb_new_DeltaDiscoveryRequest_InitialResourceVersionsEntry(
            g->a, .key = pb_str(key), .value = pb_str(sent->version)));
}

static void gather_told(const char *key, void *value, void *context)
{
    struct gathering *g = context;
    list_push(g->a,
        &g->versions,
        pb_new_DeltaDiscoveryRequest_InitialResourceVersionsEntry(
            g->a, .key = pb_str(key), .value = pb_str(value)));
}

static pb_Status *status_of(struct arena *a, bool is_refused)
{
    return is_refused ? pb_new_Status(a, .code = 13, .message = pb_str("no")) : NULL;
}

static void send_message(struct proxy *p, struct arena *a, const ProtobufCMessage *message)
{
    struct pb_bytes bytes = pb_pack(a, message);
    channel_send(p->channel, bytes.data, bytes.size);
}

static void ask_sotw(struct proxy *p, struct arena *a, enum xds_type type, bool is_refused)
{
    struct gathering g = { .a = a };
    map_each (&p->asked[type], gather_name, &g)
        ;
    sim_trace(p->sim,
        "%s asks for %zu of %s after %s",
        p->id,
        g.names.count,
        xds_type_short(type),
        p->nonce[type]);
    send_message(p,
        a,
        &pb_new_DiscoveryRequest(a,
            .node = node_of(p, a),
            .type_url = pb_str(xds_type_url(type)),
            .version_info = p->version_info[type],
            .response_nonce = p->nonce[type],
            .error_detail = status_of(a, is_refused),
            .n_resource_names = g.names.count,
            .resource_names = pb_strs(&g.names))
             ->base);
}

/* The first of a stream says what there is. */
static void ask_delta(struct proxy *p, struct arena *a, enum xds_type type, const char *nonce,
    bool is_refused, const string_list *subscribe, const string_list *unsubscribe)
{
    static const string_list none;
    struct gathering g = { .a = a };
    bool is_first = !p->has_asked[type];
    if (is_first)
        map_each (&p->asked[type], gather_name, &g)
            ;
    if (is_first && type != XDS_VIRTUAL_HOST)
        map_each (&p->held[type], gather_version, &g)
            ;
    if (is_first && type == XDS_VIRTUAL_HOST)
        map_each (&p->told_hosts, gather_told, &g)
            ;
    p->has_asked[type] = true;
    subscribe = is_first ? &g.names : subscribe ? subscribe : &none;
    unsubscribe = !is_first && unsubscribe ? unsubscribe : &none;
    sim_trace(p->sim,
        "%s asks for %zu more, %zu less of %s, and has %zu",
        p->id,
        subscribe->count,
        unsubscribe->count,
        xds_type_short(type),
        g.versions.count);
    send_message(p,
        a,
        &pb_new_DeltaDiscoveryRequest(a,
            .node = node_of(p, a),
            .type_url = pb_str(xds_type_url(type)),
            .response_nonce = pb_str(nonce),
            .error_detail = status_of(a, is_refused),
            .n_resource_names_subscribe = subscribe->count,
            .resource_names_subscribe = pb_strs(subscribe),
            .n_resource_names_unsubscribe = unsubscribe->count,
            .resource_names_unsubscribe = pb_strs(unsubscribe),
            PB_LIST(initial_resource_versions, g.versions.count, g.versions.items))
             ->base);
}

static void answer(struct proxy *p, enum xds_type type, const char *nonce, bool is_refused)
{
    struct arena *a = arena_new();
    sim_trace(p->sim,
        "%s %s %s %s",
        p->id,
        is_refused ? "refuses" : "takes",
        xds_type_short(type),
        nonce);
    if (p->variant == XDS_SOTW)
        ask_sotw(p, a, type, is_refused);
    else
        ask_delta(p, a, type, nonce, is_refused, NULL, NULL);
    p->has_refused |= is_refused;
    arena_free(a);
}

/* ---- what it needs besides ---- */

struct following {
    struct proxy *p;
    enum xds_type type; /* that is followed */
    struct map wanted;
    string_list more, less;
    struct arena *a;
};

static void want(const char *key, void *value, void *context)
{
    struct following *f = context;
    const struct sent *sent = value;
    (void)key;
    if (f->type == XDS_CLUSTER && sent->endpoints)
        map_put(&f->wanted, sent->endpoints, f->p);
    for (list_each (const char *const, table, &sent->tables))
        map_put(&f->wanted, *table, f->p);
}

static void note_more(const char *key, void *value, void *context)
{
    struct following *f = context;
    (void)value;
    if (!map_find(&f->p->asked[f->type + 1], key))
        list_push(f->a, &f->more, arena_strdup(f->a, key));
}

static void note_less(const char *key, void *value, void *context)
{
    struct following *f = context;
    (void)value;
    if (!map_find(&f->wanted, key))
        list_push(f->a, &f->less, arena_strdup(f->a, key));
}

/* Endpoints after clusters, route tables after listeners: the next of the enum. */
static void follow(struct proxy *p, enum xds_type type)
{
    struct following f = { .p = p, .type = type, .a = arena_new() };
    enum xds_type named = type + 1;
    map_each (&p->held[type], want, &f)
        ;
    map_each (&f.wanted, note_more, &f)
        ;
    map_each (&p->asked[named], note_less, &f)
        ;
    for (list_each (const char *const, name, &f.more))
        map_put(&p->asked[named], *name, p);
    for (list_each (const char *const, gone, &f.less)) {
        map_remove(&p->asked[named], *gone);
        sent_free(map_remove(&p->held[named], *gone));
        if (named == XDS_ROUTE)
            hosts_drop(p, *gone);
    }
    if (f.more.count + f.less.count > 0 && p->variant == XDS_SOTW)
        ask_sotw(p, f.a, named, false);
    else if (f.more.count + f.less.count > 0)
        ask_delta(p, f.a, named, "", false, &f.more, &f.less);
    map_fini(&f.wanted, NULL);
    arena_free(f.a);
}

/* ---- responses ---- */

/* Envoy warms a cluster that is new or changed: until endpoints come, be they the same. */
static bool is_unchanged(const struct sent *former, const struct sent *sent)
{
    return former && !former->is_warming && hash128_equal(&former->hash, &sent->hash);
}

/* That there are none is an answer, too. */
static void end_warming_of(struct proxy *p, const char *name, bool has_endpoints)
{
    struct sent *cluster = map_find(&p->held[XDS_CLUSTER], name);
    if (!cluster)
        return;
    cluster->is_warming = false;
    cluster->has_endpoints |= has_endpoints;
}

static void take(struct proxy *p, enum xds_type type, struct sent *sent)
{
    const char *name = sent->name, *version = sent->version;
    const struct sent *former = map_find(&p->held[type], name);
    bool is_needless = is_by_name(type) && !map_find(&p->asked[type], name);
    if (is_needless || (type == XDS_VIRTUAL_HOST && !hosts_are_taken(p, sent))) {
        sent_free(sent); /* it was on its way when the proxy said that it needs it no longer */
        return;
    }
    sent->stream = p->streams;
    sent->is_warming = sent->endpoints && !is_unchanged(former, sent);
    sent->has_endpoints = former && former->has_endpoints;
    if (type == XDS_ENDPOINT)
        end_warming_of(p, name, true);
    sim_trace(p->sim, "    %s %s", xds_type_short(type), name);
    bool is_sure = former && *version && !p->has_refused; /* what of a refused one it took is not */
    if (is_sure && strcmp(former->version, version) == 0)
        p->owner->on_sent_twice(p->owner, p, type, name);
    sent_free(map_put(&p->held[type], name, sent));
}

static void check_warm(const char *key, void *value, void *context)
{
    struct proxy **p = context;
    const struct sent *sent = value;
    (void)key;
    if (sent->is_warming)
        *p = NULL;
}

static bool is_warm(struct proxy *p)
{
    map_each (&p->held[XDS_CLUSTER], check_warm, &p)
        ;
    return p;
}

static void answer_clusters(struct proxy *p)
{
    char nonce[sizeof p->warming_nonce];
    snprintf(nonce, sizeof nonce, "%s", p->warming_nonce);
    p->warming_nonce[0] = '\0';
    sim_cancel(p->sim, &p->patience);
    answer(p, XDS_CLUSTER, nonce, false);
}

/* Once, and for all that there will be. */
static void follow_tables(struct proxy *p)
{
    struct arena *a = arena_new();
    bool asks = p->splits && !p->has_asked[XDS_VIRTUAL_HOST] && p->held[XDS_ROUTE].count > 0;
    p->asks_hosts |= asks;
    if (asks)
        ask_delta(p, a, XDS_VIRTUAL_HOST, "", false, NULL, NULL);
    arena_free(a);
}

/* Endpoints and tables are asked for before what names them is acknowledged. */
static void have_applied(struct proxy *p, enum xds_type type, const char *nonce)
{
    snprintf(p->nonce[type], sizeof p->nonce[type], "%s", nonce);
    p->owner->on_applied(p->owner, p, type);
    if (type == XDS_CLUSTER || type == XDS_LISTENER)
        follow(p, type);
    if (type == XDS_ROUTE)
        follow_tables(p);
    if (type == XDS_CLUSTER && p->warms && !is_warm(p)) {
        snprintf(p->warming_nonce, sizeof p->warming_nonce, "%s", nonce);
        sim_schedule(p->sim, &p->patience, PATIENCE_US);
    } else {
        answer(p, type, nonce, false);
    }
    if (type == XDS_ENDPOINT && p->warming_nonce[0] && is_warm(p))
        answer_clusters(p);
}

static bool refuses(struct proxy *p, enum xds_type type, bool has_resources)
{
    bool may_be = type == XDS_LISTENER || type == XDS_ROUTE || type == XDS_VIRTUAL_HOST;
    return may_be && has_resources && sim_chance(p->sim, p->refused_of_1000);
}

/* A table that comes by virtual host goes with the last listener that names it. */
static void remove_resource(struct proxy *p, enum xds_type type, const char *name)
{
    if (type == XDS_VIRTUAL_HOST)
        hosts_removed(p, name);
    else if (type != XDS_ROUTE || !p->splits)
        sent_free(map_remove(&p->held[type], name));
    if (type == XDS_ENDPOINT)
        end_warming_of(p, name, false);
}

static void apply_delta(struct proxy *p, enum xds_type type, const pb_DeltaDiscoveryResponse *r)
{
    sim_trace(p->sim,
        "%s is sent %s %s: %zu, less %zu",
        p->id,
        xds_type_short(type),
        r->nonce,
        r->n_resources,
        r->n_removed_resources);
    if (refuses(p, type, r->n_resources > 0)) {
        snprintf(p->nonce[type], sizeof p->nonce[type], "%s", r->nonce);
        answer(p, type, r->nonce, true);
        return;
    }
    for (size_t i = 0; i < r->n_resources; i++) {
        const ProtobufCBinaryData *value = &r->resources[i]->resource->value;
        struct sent *sent = sent_new(type, r->resources[i]->version, value->data, value->len);
        INVARIANT(strcmp(sent->name, r->resources[i]->name) == 0);
        take(p, type, sent);
    }
    for (size_t i = 0; i < r->n_removed_resources; i++)
        remove_resource(p, type, r->removed_resources[i]);
    have_applied(p, type, r->nonce);
}

/* Clusters and listeners that are not in it are gone. */
static void apply_sotw(
    struct proxy *p, struct arena *a, enum xds_type type, const pb_DiscoveryResponse *r)
{
    struct following f = { .p = p, .type = type, .a = a };
    sim_trace(p->sim,
        "%s is sent %s %s: %zu at %s",
        p->id,
        xds_type_short(type),
        r->nonce,
        r->n_resources,
        r->version_info);
    snprintf(p->nonce[type], sizeof p->nonce[type], "%s", r->nonce);
    if (refuses(p, type, r->n_resources > 0)) {
        answer(p, type, r->nonce, true);
        return;
    }
    for (size_t i = 0; i < r->n_resources; i++) {
        const ProtobufCBinaryData *value = &r->resources[i]->value;
        struct sent *sent = sent_new(type, "", value->data, value->len);
        map_put(&f.wanted, sent->name, p);
        take(p, type, sent);
    }
    if (!is_by_name(type))
        map_each (&p->held[type], note_less, &f)
            ;
    for (list_each (const char *const, gone, &f.less))
        sent_free(map_remove(&p->held[type], *gone));
    map_fini(&f.wanted, NULL);
    snprintf(p->version_info[type], sizeof p->version_info[type], "%s", r->version_info);
    have_applied(p, type, r->nonce);
}

static void on_message(struct channel *c, const uint8_t *bytes, size_t size_bytes)
{
    struct proxy *p = channel_owner(c);
    struct arena *a = arena_new();
    enum xds_type type;
    if (p->variant == XDS_SOTW) {
        const pb_DiscoveryResponse *r = pb_unpack(a, &pb_DiscoveryResponse_desc, bytes, size_bytes);
        INVARIANT(r && xds_type_from_url(r->type_url, &type));
        apply_sotw(p, a, type, r);
    } else {
        const pb_DeltaDiscoveryResponse *r =
            pb_unpack(a, &pb_DeltaDiscoveryResponse_desc, bytes, size_bytes);
        INVARIANT(r && xds_type_from_url(r->type_url, &type));
        apply_delta(p, type, r);
    }
    arena_free(a);
}

/* ---- coming and going ---- */

static void forget_stream(struct proxy *p)
{
    p->channel = NULL;
    p->has_node_told = p->has_refused = false;
    p->warming_nonce[0] = '\0';
    sim_cancel(p->sim, &p->patience);
    memset(p->nonce, 0, sizeof p->nonce);
    memset(p->has_asked, 0, sizeof p->has_asked);
}

static void on_closed(struct channel *c, const char *why)
{
    struct proxy *p = channel_owner(c);
    sim_trace(p->sim, "%s: %s", p->id, why);
    p->owner->on_closed(p->owner, p, why);
    forget_stream(p);
    proxy_connect_in(p, sim_below(p->sim, RETRY_US));
}

static void ask_first(struct proxy *p, enum xds_type type)
{
    struct arena *a = arena_new();
    if (p->variant == XDS_SOTW)
        ask_sotw(p, a, type, false);
    else
        ask_delta(p, a, type, "", false, NULL, NULL);
    arena_free(a);
}

static void on_reconnect(struct sim_event *event)
{
    static const struct channel_handlers handlers = { on_message, on_closed };
    struct proxy *p = container_of(event, struct proxy, reconnect);
    p->process = p->owner->on_connect(p->owner, p);
    if (!p->process) {
        proxy_connect_in(p, sim_below(p->sim, RETRY_US));
        return;
    }
    sim_trace(p->sim, "%s connects to %s", p->id, p->process->name);
    p->streams++;
    p->channel = channel_open(p->sim, p->process, paths[p->variant], &handlers, p);
    for (enum xds_type type = 0; type < XDS_TYPE_COUNT; type++)
        if (type == XDS_VIRTUAL_HOST ? p->asks_hosts
                                     : !is_by_name(type) || p->asked[type].count > 0)
            ask_first(p, type);
}

void proxy_connect_in(struct proxy *p, uint64_t us)
{
    sim_schedule(p->sim, &p->reconnect, us);
}

void proxy_hang_up(struct proxy *p)
{
    if (!p->channel)
        return;
    sim_trace(p->sim, "%s hangs up", p->id);
    channel_close(p->channel);
    forget_stream(p);
    proxy_connect_in(p, sim_below(p->sim, RETRY_US));
}

bool proxy_is_connected(const struct proxy *p)
{
    return p->channel;
}

static void on_patience(struct sim_event *event)
{
    struct proxy *p = container_of(event, struct proxy, patience);
    p->owner->on_cold(p->owner, p);
    answer_clusters(p);
}

void proxy_init(struct proxy *p, struct sim *sim, size_t index, struct proxy_owner *owner)
{
    struct error err;
    size_t address = sim_below(sim, index + 1); /* some are of one scope */
    *p = (struct proxy){ .sim = sim, .owner = owner, .arena = arena_new() };
    p->version = address % 2 ? "v1" : "v2";
    p->variant = sim_chance(sim, 700) ? XDS_DELTA : XDS_SOTW;
    p->warms = sim_chance(sim, 500);
    p->splits = p->variant == XDS_DELTA && sim_chance(sim, 400);
    p->refused_of_1000 = sim_chance(sim, 200) ? 100 : 0;
    p->reconnect.run = on_reconnect;
    p->patience.run = on_patience;
    snprintf(p->id,
        sizeof p->id,
        "sidecar~10.0.0.%zu~p%zu.default~default.svc.cluster.local",
        address + 1,
        index);
    struct scope_input input = {
        .node_id = p->id,
        .metadata_json = arena_printf(p->arena,
            "{\"LABELS\":{\"version\":\"%s\"},\"VHDS\":%s}",
            p->version,
            p->splits ? "true" : "false"),
        .region = "",
        .zone = "",
        .sub_zone = "",
        .is_aggregated_delta = p->variant == XDS_DELTA,
    };
    INVARIANT(scope_parse(p->arena, &input, &p->scope, &err));
    proxy_connect_in(p, sim_below(sim, SIM_SECOND));
}

void proxy_fini(struct proxy *p)
{
    if (p->channel)
        channel_close(p->channel);
    forget_stream(p);
    sim_cancel(p->sim, &p->reconnect);
    for (size_t i = 0; i < VIEWS_SEEN; i++)
        xds_view_release(p->seen.views[i]);
    for (enum xds_type type = 0; type < XDS_TYPE_COUNT; type++) {
        map_fini(&p->held[type], free_sent);
        map_fini(&p->asked[type], NULL);
    }
    hosts_fini(p);
    arena_free(p->arena);
}
