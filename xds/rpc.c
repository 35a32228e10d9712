#include "xds/rpc_parts.h"

#include "proto/pb.h"
#include "xds/reflection.h"

#include <string.h>
#include <time.h>

static const struct method_row {
    const char *path;
    enum method method;
    enum xds_type type; /* of a discovery stream; XDS_TYPE_COUNT: all of them */
} methods[] = {
    { "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources",
        DISCOVERY_SOTW,
        XDS_TYPE_COUNT },
    { "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources",
        DISCOVERY_DELTA,
        XDS_TYPE_COUNT },
    { "/envoy.service.cluster.v3.ClusterDiscoveryService/StreamClusters",
        DISCOVERY_SOTW,
        XDS_CLUSTER },
    { "/envoy.service.cluster.v3.ClusterDiscoveryService/DeltaClusters",
        DISCOVERY_DELTA,
        XDS_CLUSTER },
    { "/envoy.service.endpoint.v3.EndpointDiscoveryService/StreamEndpoints",
        DISCOVERY_SOTW,
        XDS_ENDPOINT },
    { "/envoy.service.endpoint.v3.EndpointDiscoveryService/DeltaEndpoints",
        DISCOVERY_DELTA,
        XDS_ENDPOINT },
    { "/envoy.service.listener.v3.ListenerDiscoveryService/StreamListeners",
        DISCOVERY_SOTW,
        XDS_LISTENER },
    { "/envoy.service.listener.v3.ListenerDiscoveryService/DeltaListeners",
        DISCOVERY_DELTA,
        XDS_LISTENER },
    { "/envoy.service.route.v3.RouteDiscoveryService/StreamRoutes", DISCOVERY_SOTW, XDS_ROUTE },
    { "/envoy.service.route.v3.RouteDiscoveryService/DeltaRoutes", DISCOVERY_DELTA, XDS_ROUTE },
    { "/envoy.service.status.v3.ClientStatusDiscoveryService/FetchClientStatus", STATUS_FETCH },
    { "/envoy.service.status.v3.ClientStatusDiscoveryService/StreamClientStatus", STATUS_STREAM },
    { "/grpc.health.v1.Health/Check", HEALTH_CHECK },
    { "/grpc.health.v1.Health/Watch", HEALTH_WATCH },
    { "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", REFLECTION_INFO },
    { "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", REFLECTION_INFO },
};

enum { HEALTH_REQUEST_LIMIT_BYTES = 4096, REFUSAL_LOG_BYTES = 300, LOG_FIELDS_MAX = 8 };

/* What a client did. */
static void tell(
    struct rpc *rpc, const char *event, const struct log_field *fields, size_t field_count)
{
    struct log_field all[LOG_FIELDS_MAX];
    unsigned left_out;
    size_t count = 0;
    if (!log_limit_allows(&rpc->shared->log_limit, uv_now(rpc->shared->loop), &left_out))
        return;
    for (; count < field_count; count++)
        all[count] = fields[count];
    if (left_out > 0)
        all[count++] = LOG_INT("left_out_before", left_out);
    log_write(rpc->shared->log, LOG_LEVEL_WARN, event, all, count);
}
#define TELL(rpc, event, ...)                                                                      \
    tell((rpc), (event), LOG_FIELDS(__VA_ARGS__) + 1, ARRAY_COUNT(LOG_FIELDS(__VA_ARGS__)) - 1)

static bool is_aggregated(const struct rpc *rpc)
{
    return rpc->type == XDS_TYPE_COUNT;
}

static enum xds_variant variant_of(const struct rpc *rpc)
{
    return rpc->method == DISCOVERY_SOTW ? XDS_SOTW : XDS_DELTA;
}

/* ---- what the stream says ---- */

static metric_value *streams_gauge(const struct rpc *rpc)
{
    if (rpc->method == DISCOVERY_SOTW)
        return &rpc->shared->stats->streams_sotw;
    return rpc->method == DISCOVERY_DELTA ? &rpc->shared->stats->streams_delta : NULL;
}

/* Later, and not from within whatever gave room: that may be another stream's last moment. */
static void pace(struct rpc_shared *shared);

static void leave_place(struct rpc *rpc)
{
    if (rpc->place.state == ADMISSION_OUTSIDE)
        return;
    admission_leave(&rpc->shared->admission, &rpc->place);
    xds_view_release(rpc->awaited);
    rpc->awaited = NULL;
    pace(rpc->shared);
}

/* It holds no message in part, and no versions that no view was there to compare with. */
static void arrive(struct rpc *rpc)
{
    bool is_compared = rpc->has_asked && (rpc->has_entered || rpc->has_preview);
    if (rpc->is_ended || !rpc->xds || (is_compared && !rpc->reader.pending.size))
        rpc->shared->on_arrived(h2_stream_connection(rpc->stream));
}

void rpc_end(struct rpc *rpc, enum grpc_status status, const char *message)
{
    if (rpc->is_ended)
        return;
    rpc->is_ended = true;
    leave_place(rpc);
    arrive(rpc);
    if (status == GRPC_INVALID_ARGUMENT || status == GRPC_RESOURCE_EXHAUSTED ||
        status == GRPC_UNIMPLEMENTED) {
        metric_add(&rpc->shared->stats->protocol_errors, 1);
        TELL(rpc,
            "stream ended",
            LOG_STR("peer", h2_connection_peer(h2_stream_connection(rpc->stream))),
            LOG_STR("why", message));
    }
    h2_stream_end(rpc->stream, status, message);
}

static void on_patience(uv_timer_t *timer);

/* Proxies ask for listeners last. */
static bool has_joined(const struct rpc *rpc)
{
    return xds_stream_has_joined(rpc->xds, is_aggregated(rpc) ? XDS_LISTENER : rpc->type);
}

static void write_out(struct rpc *rpc, struct xds_out *out)
{
    struct xds_stats *stats = rpc->shared->stats;
    for (list_each (const struct xds_response, response, &out->responses)) {
        if (rpc->is_ended)
            return;
        struct xds_type_stats *of_type = &stats->types[response->type];
        uint64_t began_ns = uv_hrtime();
        slice_list slices =
            discovery_encode(out->arena, variant_of(rpc), response, rpc->shared->identity);
        int64_t bytes = 0;
        for (size_t i = 0; i < slices.count; i++)
            bytes += (int64_t)slices.items[i].size;
        metric_add(&stats->responses, 1);
        metric_add(&stats->resources_sent, (int64_t)response->resources.count);
        metric_add(&stats->bytes_sent, bytes);
        h2_stream_send(rpc->stream, &slices);
        metric_add(&of_type->responses, 1);
        metric_observe(&of_type->size_bytes, &metric_bytes, bytes, 1);
        metric_observe(
            &of_type->push_us, &metric_seconds, (int64_t)(uv_hrtime() - began_ns) / 1000, 1);
    }
    if (rpc->is_ended)
        return;
    if (!xds_stream_awaits_names(rpc->xds))
        uv_timer_stop(&rpc->patience);
    else if (!uv_is_active((uv_handle_t *)&rpc->patience))
        uv_timer_start(&rpc->patience, on_patience, XDS_AWAIT_NAMES_MS, 0);
    if (rpc->place.state == ADMISSION_JOINING && has_joined(rpc))
        leave_place(rpc);
}

static void out_open(struct xds_out *out)
{
    struct timespec now;
    xds_out_init(out);
    clock_gettime(CLOCK_REALTIME, &now);
    out->now_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void on_patience(uv_timer_t *timer)
{
    struct rpc *rpc = container_of(timer, struct rpc, patience);
    struct xds_out out;
    if (rpc->is_ended)
        return;
    out_open(&out);
    xds_stream_stop_awaiting(rpc->xds, &out);
    write_out(rpc, &out);
    xds_out_fini(&out);
}

static void show_view(struct rpc *rpc, struct xds_view *view)
{
    struct xds_out out;
    out_open(&out);
    xds_stream_view(rpc->xds, view, &out);
    write_out(rpc, &out);
    xds_out_fini(&out);
}

static void on_pace(uv_timer_t *timer)
{
    struct rpc_shared *shared = container_of(timer, struct rpc_shared, pace);
    struct admission_place *place;
    admission_expire(&shared->admission, uv_now(shared->loop));
    while ((place = admission_next(&shared->admission, uv_now(shared->loop)))) {
        struct rpc *rpc = container_of(place, struct rpc, place);
        struct xds_view *view = rpc->awaited;
        rpc->awaited = NULL;
        show_view(rpc, view);
        xds_view_release(view);
    }
    pace(shared);
}

static void pace(struct rpc_shared *shared)
{
    int64_t due_ms = admission_due_ms(&shared->admission, uv_now(shared->loop));
    if (due_ms >= 0)
        uv_timer_start(&shared->pace, on_pace, (uint64_t)due_ms, 0);
    else
        uv_timer_stop(&shared->pace);
}

/* Who has all of it already takes no place. */
static void enter(struct rpc *rpc, const struct xds_view *view)
{
    rpc->has_entered = true;
    if (xds_stream_is_resumed(rpc->xds, view))
        return;
    admission_enter(&rpc->shared->admission, &rpc->place, uv_now(rpc->shared->loop));
    pace(rpc->shared);
}

static void on_view(struct xds_subscriber *subscriber, struct xds_view *view)
{
    struct rpc *rpc = container_of(subscriber, struct rpc, subscriber);
    if (rpc->is_ended)
        return;
    if (!rpc->has_entered && rpc->has_asked)
        enter(rpc, view);
    arrive(rpc);
    if (rpc->has_entered && rpc->place.state != ADMISSION_WAITING) {
        show_view(rpc, view);
        return;
    }
    xds_view_retain(view);
    xds_view_release(rpc->awaited);
    rpc->awaited = view;
}

static void on_preview(struct xds_subscriber *subscriber, struct xds_view *view)
{
    struct rpc *rpc = container_of(subscriber, struct rpc, subscriber);
    if (rpc->is_ended || rpc->has_entered)
        return;
    rpc->has_preview = true;
    xds_stream_preview(rpc->xds, view);
    arrive(rpc);
}

/* What it came with is known now; the view may have come before. */
static void has_asked(struct rpc *rpc)
{
    struct xds_view *view = rpc->awaited;
    if (rpc->has_asked)
        return;
    rpc->has_asked = true;
    rpc->awaited = NULL;
    if (view)
        on_view(&rpc->subscriber, view);
    xds_view_release(view);
}

/* The connection with it: on that, the proxy would come here again. */
static void send_elsewhere(struct rpc *rpc, const char *message)
{
    struct h2_connection *c = h2_stream_connection(rpc->stream);
    if (rpc->is_ended)
        return;
    h2_connection_goaway(c);
    rpc_end(rpc, GRPC_UNAVAILABLE, message);
    h2_connection_close_when_idle(c);
}

static void on_refused(struct xds_subscriber *subscriber)
{
    send_elsewhere(container_of(subscriber, struct rpc, subscriber),
        "whether there is news is not known here; ask another replica");
}

static bool is_one_too_many(const struct rpc *rpc, const char *node_id)
{
    struct xds_stats *stats = rpc->shared->stats;
    return quota_refuses(&stats->quota, xds_stats_streams(stats) - 1, node_id);
}

/* ---- ADS requests ---- */

static const char *append_text(char **at, const char *text)
{
    size_t size = strlen(text) + 1;
    char *start = memcpy(*at, text, size);
    *at += size;
    return start;
}

/* In one block, and without what only the source needs. */
static struct xds_node *node_copy(const struct xds_node *node)
{
    size_t size = strlen(node->id) + strlen(node->cluster) + strlen(node->region) +
                  strlen(node->zone) + strlen(node->sub_zone) + strlen(node->user_agent) + 6;
    struct xds_node *copy = xcalloc(1, sizeof *copy + size);
    char *at = (char *)(copy + 1);
    *copy = (struct xds_node){
        .id = append_text(&at, node->id),
        .cluster = append_text(&at, node->cluster),
        .region = append_text(&at, node->region),
        .zone = append_text(&at, node->zone),
        .sub_zone = append_text(&at, node->sub_zone),
        .user_agent = append_text(&at, node->user_agent),
    };
    return copy;
}

/* What it does not know it leaves out without a word, or refuses. */
static void tell_old(struct rpc *rpc)
{
    char oldest[16];
    snprintf(oldest, sizeof oldest, "1.%d", XDS_OLDEST_ENVOY);
    metric_add(&rpc->shared->stats->old_proxies, 1);
    TELL(rpc,
        "the proxy is older than is supported",
        LOG_STR("node", rpc->node->id),
        LOG_STR("user_agent", rpc->node->user_agent),
        LOG_STR("oldest", oldest));
}

static bool subscribe(struct rpc *rpc, struct discovery_request *request)
{
    struct error err;
    if (rpc->is_subscribed)
        return true;
    if (!request->has_node) {
        rpc_end(rpc, GRPC_INVALID_ARGUMENT, "the first request of a stream must have a node");
        return false;
    }
    if (is_one_too_many(rpc, request->node.id)) {
        send_elsewhere(rpc, "others have fewer streams than this replica; ask another");
        return false;
    }
    request->node.is_aggregated_delta = is_aggregated(rpc) && variant_of(rpc) == XDS_DELTA;
    rpc->node = node_copy(&request->node);
    rpc->subscriber.on_view = on_view;
    rpc->subscriber.on_preview = on_preview;
    rpc->subscriber.on_refused = on_refused;
    if (!rpc->shared->source->subscribe(
            rpc->shared->source, &request->node, &rpc->subscriber, &err)) {
        rpc_end(rpc,
            err.code == ERROR_USAGE ? GRPC_INVALID_ARGUMENT : GRPC_RESOURCE_EXHAUSTED,
            err.text);
        return false;
    }
    rpc->is_subscribed = true;
    if (request->node.is_old)
        tell_old(rpc);
    return true;
}

static void count_answer(struct rpc *rpc, const struct xds_request *request)
{
    struct xds_stats *stats = rpc->shared->stats;
    metric_add(&stats->requests, 1);
    if (!*request->nonce)
        return;
    metric_add(request->error_detail ? &stats->nacks : &stats->acks, 1);
    if (!request->error_detail)
        return;
    metric_add(&stats->types[request->type].nacks, 1);
    char detail[REFUSAL_LOG_BYTES];
    snprintf(detail, sizeof detail, "%s", request->error_detail);
    TELL(rpc,
        "resources rejected",
        LOG_STR("node", rpc->node->id),
        LOG_STR("type", xds_type_short(request->type)),
        LOG_STR("detail", detail));
}

/* A type that an Envoy, or an agent of Istio's, may ask for. */
static bool is_of_proxies(const char *type_url)
{
    static const char *const prefixes[] = { "type.googleapis.com/envoy.",
        "type.googleapis.com/istio." };
    for (size_t i = 0; i < ARRAY_COUNT(prefixes); i++)
        if (begins_with(type_url, prefixes[i]))
            return true;
    return false;
}

/* Proxies ask for what their own bootstrap, or a secret that a cluster needs, makes them ask for.
 * That must not cost them the rest. */
static void leave_unanswered(struct rpc *rpc, const char *type_url)
{
    metric_add(&rpc->shared->stats->unserved, 1);
    if (!rpc->has_asked_in_vain)
        TELL(rpc,
            "asked for a type that is not served",
            LOG_STR("node", rpc->node->id),
            LOG_STR("type_url", type_url));
    rpc->has_asked_in_vain = true;
}

/* On a stream of one type, requests need not name it. State-of-the-world has no virtual hosts. */
static bool read_type(const struct rpc *rpc, struct discovery_request *request)
{
    request->request.type = rpc->type;
    if (!is_aggregated(rpc) && !*request->type_url)
        return true;
    return xds_type_from_url(request->type_url, &request->request.type) &&
           (request->request.type != XDS_VIRTUAL_HOST ||
               (is_aggregated(rpc) && variant_of(rpc) == XDS_DELTA));
}

static void on_discovery_request(struct rpc *rpc, struct discovery_request *request)
{
    struct xds_out out;
    bool is_served = read_type(rpc, request);
    if (!is_aggregated(rpc) && (!is_served || request->request.type != rpc->type)) {
        char why[256];
        snprintf(why,
            sizeof why,
            "this stream serves %s alone, not type_url \"%.100s\"",
            xds_type_url(rpc->type),
            request->type_url);
        rpc_end(rpc, GRPC_INVALID_ARGUMENT, why);
        return;
    }
    if (!is_served && !is_of_proxies(request->type_url)) {
        char why[256];
        snprintf(why, sizeof why, "unknown type_url \"%.200s\"", request->type_url);
        rpc_end(rpc, GRPC_INVALID_ARGUMENT, why);
        return;
    }
    if (!subscribe(rpc, request))
        return;
    if (!is_served) {
        leave_unanswered(rpc, request->type_url);
        return;
    }
    out_open(&out);
    count_answer(rpc, &request->request);
    xds_stream_request(rpc->xds, &request->request, &out);
    if (xds_stream_name_count(rpc->xds) > XDS_MAX_NAMES)
        rpc_cross(rpc, XDS_LIMIT_NAMES, NULL);
    write_out(rpc, &out);
    xds_out_fini(&out);
    has_asked(rpc);
}

static bool on_discovery_message(void *context, const uint8_t *bytes, size_t size_bytes)
{
    struct rpc *rpc = context;
    struct arena *a = arena_new();
    struct discovery_request request;
    struct error err;
    if (discovery_decode(a, variant_of(rpc), bytes, size_bytes, &request, &err))
        on_discovery_request(rpc, &request);
    else if (err.code == ERROR_REFUSED)
        rpc_cross(rpc, XDS_LIMIT_METADATA, err.text);
    else
        rpc_end(rpc, GRPC_INVALID_ARGUMENT, err.text);
    arena_free(a);
    return !rpc->is_ended;
}

/* ---- health ---- */

static void send_health(struct rpc *rpc, int status)
{
    struct arena *a = arena_new();
    struct pb_bytes body = pb_pack(a, &pb_new_HealthCheckResponse(a, .status = status)->base);
    uint8_t head[GRPC_HEAD_BYTES];
    slice_list slices = { 0 };
    grpc_head(head, body.size);
    list_push(a, &slices, ((struct slice){ head, sizeof head, NULL }));
    list_push(a, &slices, ((struct slice){ body.data, body.size, NULL }));
    h2_stream_send(rpc->stream, &slices);
    arena_free(a);
}

static int serving_status(const struct rpc *rpc)
{
    return rpc->shared->is_serving ? PB_HealthCheckResponse_ServingStatus_SERVING
                                   : PB_HealthCheckResponse_ServingStatus_NOT_SERVING;
}

/* "" is the server as a whole. */
static bool is_known_service(const char *name)
{
    return !*name || reflection_has_service(name);
}

/* Of an unknown service, Check fails, where Watch says so and stays open: as the .proto asks. */
static void answer_health(struct rpc *rpc, const char *service)
{
    bool is_known = is_known_service(service), is_watch = rpc->method == HEALTH_WATCH;
    if (is_known)
        send_health(rpc, serving_status(rpc));
    else if (is_watch)
        send_health(rpc, PB_HealthCheckResponse_ServingStatus_SERVICE_UNKNOWN);
    else
        rpc_end(rpc, GRPC_NOT_FOUND, "unknown service");
    rpc->is_watched = is_known && is_watch;
    if (!is_watch)
        rpc_end(rpc, GRPC_OK, NULL);
}

static bool on_health_message(void *context, const uint8_t *bytes, size_t size_bytes)
{
    struct rpc *rpc = context;
    pb_HealthCheckRequest *request = (pb_HealthCheckRequest *)(void *)protobuf_c_message_unpack(
        &pb_HealthCheckRequest_desc, NULL, size_bytes, bytes);
    if (!request || rpc->is_asked)
        rpc_end(rpc, GRPC_INVALID_ARGUMENT, "not one HealthCheckRequest");
    else
        answer_health(rpc, request->service);
    rpc->is_asked = true;
    if (request)
        protobuf_c_message_free_unpacked(&request->base, NULL);
    return !rpc->is_ended;
}

void rpc_list_tell_health(struct rpc_list *list)
{
    for (struct rpc *rpc = list->first; rpc; rpc = rpc->next)
        if (rpc->is_watched && !rpc->is_ended)
            send_health(rpc, serving_status(rpc));
}

/* ---- life ---- */

static bool is_grpc(const char *content_type)
{
    size_t size = strlen("application/grpc");
    return strncmp(content_type, "application/grpc", size) == 0 &&
           (!content_type[size] || content_type[size] == '+' || content_type[size] == ';');
}

static const struct call_kind {
    size_t limit_bytes; /* of one message */
    bool (*on_message)(void *rpc, const uint8_t *bytes, size_t size_bytes);
} ads_kind = { XDS_MAX_REQUEST_BYTES, on_discovery_message },
  health_kind = { HEALTH_REQUEST_LIMIT_BYTES, on_health_message },
  status_kind = { XDS_MAX_STATUS_REQUEST_BYTES, rpc_status_on_message },
  reflection_kind = { XDS_MAX_REFLECTION_REQUEST_BYTES, rpc_reflection_on_message };

static const struct call_kind *kind_of(const struct rpc *rpc)
{
    switch (rpc->method) {
    case DISCOVERY_SOTW:
    case DISCOVERY_DELTA:
        return &ads_kind;
    case HEALTH_CHECK:
    case HEALTH_WATCH:
        return &health_kind;
    case REFLECTION_INFO:
        return &reflection_kind;
    default:
        return &status_kind;
    }
}

static void rpc_new(struct rpc_shared *shared, struct rpc_list *list, struct h2_stream *stream,
    const struct method_row *row, const struct h2_request *request)
{
    const enum method method = row->method;
    struct rpc *rpc = xcalloc(1, sizeof *rpc);
    rpc->list = list;
    rpc->shared = shared;
    rpc->stream = stream;
    rpc->method = method;
    rpc->type = row->type;
    rpc->opened_ms = uv_now(shared->loop);
    rpc->serial = ++shared->next_serial;
    rpc->awaited_since_ms = rpc->opened_ms;
    rpc->reader.limit_bytes = kind_of(rpc)->limit_bytes;
    rpc->reader.is_gzip = strcmp(request->encoding, "gzip") == 0;
    rpc->next = list->first;
    if (list->first)
        list->first->prev = rpc;
    list->first = rpc;
    uv_timer_init(shared->loop, &rpc->patience);
    if (method == DISCOVERY_SOTW || method == DISCOVERY_DELTA)
        rpc->xds = xds_stream_new(variant_of(rpc));
    if (streams_gauge(rpc))
        metric_add(streams_gauge(rpc), 1);
    h2_stream_set_data(stream, rpc);
    if (*request->timeout)
        rpc_set_deadline(rpc, grpc_timeout_ms(request->timeout));
    if (method == STATUS_FETCH || method == STATUS_STREAM)
        rpc_status_open(rpc);
    if (method == REFLECTION_INFO)
        rpc_reflection_open(rpc);
}

static const struct method_row *find_method(const char *path)
{
    for (size_t i = 0; i < ARRAY_COUNT(methods); i++)
        if (strcmp(path, methods[i].path) == 0)
            return &methods[i];
    return NULL;
}

static bool is_good_timeout(const char *timeout)
{
    return !*timeout || grpc_timeout_ms(timeout) > 0;
}

static bool is_known_encoding(const char *encoding)
{
    static const char *const known[] = { "", "identity", "gzip" };
    for (size_t i = 0; i < ARRAY_COUNT(known); i++)
        if (strcmp(encoding, known[i]) == 0)
            return true;
    return false;
}

void rpc_open(struct rpc_shared *shared, struct rpc_list *list, struct h2_stream *stream,
    const struct h2_request *request)
{
    if (strcmp(request->method, "POST") != 0 || !is_grpc(request->content_type)) {
        metric_add(&shared->stats->protocol_errors, 1);
        h2_stream_refuse(stream, strcmp(request->method, "POST") != 0 ? 405 : 415);
        return;
    }
    const struct method_row *method = find_method(request->path);
    h2_stream_accept(stream);
    if (method && is_known_encoding(request->encoding) && is_good_timeout(request->timeout)) {
        rpc_new(shared, list, stream, method, request);
        return;
    }
    shared->on_arrived(h2_stream_connection(stream));
    metric_add(&shared->stats->protocol_errors, 1);
    if (!method)
        h2_stream_end(stream, GRPC_UNIMPLEMENTED, "unknown method");
    else if (!is_known_encoding(request->encoding))
        h2_stream_end(stream, GRPC_UNIMPLEMENTED, "grpc-encoding must be gzip or identity");
    else
        h2_stream_end(stream, GRPC_INVALID_ARGUMENT, "grpc-timeout must be as 10S or 500m");
}

static bool on_message(void *context, const uint8_t *bytes, size_t size_bytes)
{
    struct rpc *rpc = context;
    return rpc_may_ask(rpc) && kind_of(rpc)->on_message(rpc, bytes, size_bytes);
}

void rpc_take_bytes(struct rpc *rpc, const uint8_t *bytes, size_t size_bytes)
{
    if (!rpc || rpc->is_ended)
        return;
    enum grpc_status status = grpc_reader_feed(&rpc->reader, bytes, size_bytes, on_message, rpc);
    rpc_has_fed(rpc);
    arrive(rpc);
    if (status == GRPC_RESOURCE_EXHAUSTED)
        rpc_cross(rpc, XDS_LIMIT_MESSAGE, NULL);
    else if (status != GRPC_OK)
        rpc_end(rpc, status, "the message is not compressed as grpc-encoding says");
}

void rpc_half_closed(struct rpc *rpc)
{
    if (rpc->status)
        rpc_status_half_closed(rpc);
    else if (rpc->reflection)
        rpc_reflection_half_closed(rpc);
    else if (rpc->method != HEALTH_WATCH)
        rpc_end(rpc, GRPC_OK, NULL);
}

void rpc_emptied(struct rpc *rpc)
{
    if (rpc->status)
        rpc_status_emptied(rpc);
    else if (rpc->reflection)
        rpc_reflection_emptied(rpc);
}

static void on_patience_closed(uv_handle_t *handle)
{
    free(container_of(handle, struct rpc, patience));
}

void rpc_closed(struct rpc *rpc)
{
    leave_place(rpc);
    xds_view_release(rpc->awaited);
    rpc->awaited = NULL;
    rpc_drop_deadline(rpc);
    if (rpc->is_subscribed)
        rpc->shared->source->unsubscribe(rpc->shared->source, &rpc->subscriber);
    if (streams_gauge(rpc))
        metric_add(streams_gauge(rpc), -1);
    if (rpc->prev)
        rpc->prev->next = rpc->next;
    else
        rpc->list->first = rpc->next;
    if (rpc->next)
        rpc->next->prev = rpc->prev;
    xds_stream_free(rpc->xds);
    rpc->xds = NULL;
    rpc->stream = NULL;
    grpc_reader_fini(&rpc->reader);
    free(rpc->node);
    rpc_status_closed(rpc);
    rpc_reflection_closed(rpc);
    rpc->is_ended = true;
    uv_close((uv_handle_t *)&rpc->patience, on_patience_closed);
}

void rpc_list_end(struct rpc_list *list, const struct h2_connection *c, const char *message)
{
    for (struct rpc *rpc = list->first, *next; rpc; rpc = next) {
        next = rpc->next;
        if (!rpc->is_ended && h2_stream_connection(rpc->stream) == c)
            rpc_end(rpc, GRPC_UNAVAILABLE, message);
    }
}

/* ---- by age: the list begins with the youngest ---- */

static const struct rpc *this_or_younger(const struct rpc *rpc)
{
    while (rpc && (!rpc->is_subscribed || rpc->is_ended))
        rpc = rpc->prev;
    return rpc;
}

const struct rpc *rpc_list_oldest(const struct rpc_list *list)
{
    const struct rpc *rpc = list->first;
    while (rpc && rpc->next)
        rpc = rpc->next;
    return this_or_younger(rpc);
}

const struct rpc *rpc_younger(const struct rpc *rpc)
{
    return this_or_younger(rpc->prev);
}

struct h2_connection *rpc_connection(const struct rpc *rpc)
{
    return h2_stream_connection(rpc->stream);
}
