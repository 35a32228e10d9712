#include "daemon/inspect.h"

#include "daemon/json_out.h"
#include "daemon/listings.h"
#include "daemon/query.h"
#include "daemon/targets.h"
#include "proto/pb.h"
#include "proto/pb_json.h"
#include "translate/render.h"

#include <string.h>

static const char json_type[] = "application/json";

/* ---- /debug/endpoints ---- */

static const char *locality_text(struct arena *a, const struct locality *l)
{
    const char *text = l->region;
    if (*l->zone)
        text = arena_printf(a, "%s/%s", text, l->zone);
    return *l->sub_zone ? arena_printf(a, "%s/%s", text, l->sub_zone) : text;
}

static cJSON *endpoint_json(
    struct arena *a, const struct service *service, const struct endpoint *e)
{
    static const char *const healths[] = { [HEALTH_HEALTHY] = "healthy",
        [HEALTH_DRAINING] = "draining",
        [HEALTH_UNHEALTHY] = "unhealthy" };
    cJSON *json = cJSON_CreateObject();
    json_add_text(json, "host", service->host);
    json_add_text(json, "namespace", service->ns);
    json_add_text(json, "address", e->address);
    cJSON *ports = cJSON_AddObjectToObject(json, "ports");
    for (list_each (const struct service_port, port, &service->ports))
        if (endpoint_port(e, port))
            json_add_int(ports, port->name ? port->name : "", endpoint_port(e, port));
    cJSON *labels = cJSON_AddObjectToObject(json, "labels");
    for (list_each (const struct label, label, &e->labels))
        json_add_text(labels, label->key, label->value);
    json_add_text(json, "locality", locality_text(a, &e->locality));
    json_add_text(json, "network", e->network);
    json_add_text(json, "serviceAccount", e->service_account);
    json_add_int(json, "weight", e->weight);
    json_add_text(json, "health", healths[e->health]);
    json_add_text(json, "key", e->object->key);
    return json;
}

static void page_endpoints(struct control *c, const char *query, struct http_exchange *x)
{
    struct arena *a = arena_new();
    struct buf body = { 0 };
    const char *host = query_parameter(a, query, "host");
    const struct snapshot *s = c->published ? c->published->snapshot : NULL;
    cJSON *list = cJSON_CreateArray();
    for (size_t i = 0; s && i < s->services.count; i++) {
        const struct service *service = s->services.items[i];
        if (host && strcmp(host, service->host) != 0)
            continue;
        for (list_each (const struct endpoint, e, &service->endpoints))
            cJSON_AddItemToArray(list, endpoint_json(a, service, e));
    }
    json_out(&body, list);
    arena_free(a);
    http_respond(x, 200, json_type, &body);
}

/* ---- /debug/config ---- */

struct config_question {
    struct roll_call_waiter waiter;
    uv_work_t work;
    struct control *control;
    struct http_exchange *exchange;
    struct arena *arena;
    const char *id, *type; /* type NULL: all */
    cJSON *answer;         /* what the census says of the proxy, and then its resources */
    struct xds_view *view;
};

static void end_config(struct config_question *q, int status, const char *why)
{
    struct buf body = { 0 };
    if (why)
        buf_printf(&body, "%s: %s\n", q->id, why);
    else
        json_out(&body, q->answer);
    if (why)
        cJSON_Delete(q->answer);
    http_respond(q->exchange, status, why ? "text/plain; charset=utf-8" : json_type, &body);
    xds_view_release(q->view);
    arena_free(q->arena);
    free(q);
}

static cJSON *versions_json(const struct xds_view *view, enum xds_type type)
{
    cJSON *versions = cJSON_CreateObject();
    struct xds_cursor cursor = { 0 };
    const struct xds_resource *r;
    while ((r = xds_view_next(view, type, &cursor))) {
        char text[HASH128_TEXT_BYTES];
        hash128_text(&r->version, text);
        json_add_text(versions, r->name, text);
    }
    return versions;
}

/* On a thread of the pool: it can be megabytes. */
static void render_config(uv_work_t *work)
{
    struct config_question *q = container_of(work, struct config_question, work);
    cJSON *resources = cJSON_AddObjectToObject(q->answer, "resources");
    cJSON *versions = cJSON_AddObjectToObject(q->answer, "versions");
    for (enum xds_type type = 0; type < XDS_TYPE_COUNT; type++) {
        const char *word = xds_type_short(type);
        if (q->type && strcmp(q->type, word) != 0)
            continue;
        cJSON_AddItemToObject(resources, word, render_json(q->view, type));
        cJSON_AddItemToObject(versions, word, versions_json(q->view, type));
    }
}

static void on_rendered(uv_work_t *work, int status)
{
    (void)status; /* nobody cancels it */
    end_config(container_of(work, struct config_question, work), 200, NULL);
}

static cJSON *find_proxy(const struct roll_call_result *result, const char *id)
{
    for (size_t i = 0; i < result->count; i++) {
        const struct buf *report = &result->reports[i];
        cJSON *list = report->size && strstr(report->data, id) ? cJSON_Parse(report->data) : NULL;
        cJSON *proxy;
        cJSON_ArrayForEach (proxy, list)
            if (strcmp(json_text(proxy, "id"), id) == 0)
                break;
        if (proxy)
            cJSON_DetachItemViaPointer(list, proxy);
        cJSON_Delete(list);
        if (proxy)
            return proxy;
    }
    return NULL;
}

struct view_search {
    const char *hash;
    struct xds_view *found; /* retained */
};

static void match_view(const char *key, void *value, void *context)
{
    const struct wanted_scope *wanted = value;
    struct view_search *search = context;
    char text[HASH128_TEXT_BYTES];
    (void)key;
    if (!wanted->view || search->found)
        return;
    hash128_text(&wanted->view->hash, text);
    if (strcmp(text, search->hash) == 0)
        search->found = xds_view_retain(wanted->view);
}

/* Views are found by their hash: equal ones are one to us. */
static void on_census(struct roll_call_waiter *waiter, const struct roll_call_result *result)
{
    struct config_question *q = container_of(waiter, struct config_question, waiter);
    q->answer = find_proxy(result, q->id);
    const char *hash = q->answer ? json_text(q->answer, "view") : NULL;
    struct view_search search = { .hash = hash ? hash : "" };
    map_each (&q->control->scopes.by_key, match_view, &search)
        ;
    q->view = search.found;
    if (!q->answer)
        end_config(q, 404, "is not connected here");
    else if (!q->view)
        end_config(q, 503, "it is being sent another configuration; ask again");
    else
        INVARIANT(uv_queue_work(&q->control->loop, &q->work, render_config, on_rendered) == 0);
}

static void page_config(struct control *c, const char *query, struct http_exchange *x)
{
    struct config_question *q = xcalloc(1, sizeof *q);
    q->arena = arena_new();
    q->control = c;
    q->exchange = x;
    q->id = query_parameter(q->arena, query, "proxy");
    q->type = query_parameter(q->arena, query, "type");
    q->waiter.on_done = on_census;
    if (q->id && *q->id) {
        roll_call_ask(&c->census, &q->waiter);
        return;
    }
    q->id = "/debug/config";
    end_config(q, 400, "?proxy=NODE-ID is needed");
}

/* ---- /debug/client-status ---- */

struct client_question {
    struct client_status_waiter waiter;
    uv_work_t work;
    struct control *control;
    struct http_exchange *exchange;
    cJSON *answer;
};

static void end_client_status(struct client_question *q, int status, const char *why)
{
    struct buf body = { 0 };
    if (why)
        buf_printf(&body, "/debug/client-status: %s\n", why);
    else
        json_out(&body, q->answer);
    http_respond(q->exchange, status, why ? "text/plain; charset=utf-8" : json_type, &body);
    buf_fini(&q->waiter.answer);
    free(q);
}

/* On a thread of the pool: it can be megabytes. */
static void decode_status(uv_work_t *work)
{
    struct client_question *q = container_of(work, struct client_question, work);
    const struct buf *bytes = &q->waiter.answer;
    struct error err;
    q->answer = pb_json_bytes(
        &pb_ClientStatusResponse_desc, (const uint8_t *)bytes->data, bytes->size, &err);
    INVARIANT(q->answer);
}

static void on_status_decoded(uv_work_t *work, int status)
{
    (void)status; /* nobody cancels it */
    end_client_status(container_of(work, struct client_question, work), 200, NULL);
}

static void on_client_status(struct client_status_waiter *waiter, const char *why)
{
    struct client_question *q = container_of(waiter, struct client_question, waiter);
    if (why)
        end_client_status(q, 503, why);
    else
        INVARIANT(
            uv_queue_work(&q->control->loop, &q->work, decode_status, on_status_decoded) == 0);
}

static void page_client_status(struct control *c, const char *query, struct http_exchange *x)
{
    struct arena *a = arena_new();
    const char *id = query_parameter(a, query, "proxy");
    struct client_question *q = xcalloc(1, sizeof *q);
    q->waiter.on_done = on_client_status;
    q->control = c;
    q->exchange = x;
    if (id && *id)
        client_status_ask(&c->client_status, id, &q->waiter);
    else
        end_client_status(q, 400, "?proxy=NODE-ID is needed");
    arena_free(a);
}

/* ---- /v1/prometheus/sd ---- */

static void page_targets(struct control *c, const char *query, struct http_exchange *x)
{
    struct arena *a = arena_new();
    struct buf body = { 0 };
    const char *given = query_parameter(a, query, "port");
    char *end = NULL;
    unsigned long port = given ? strtoul(given, &end, 10) : TARGETS_PORT;
    bool is_good = port > 0 && port <= UINT16_MAX && (!end || !*end);
    if (is_good)
        targets_list(&c->scopes, (unsigned)port, &body);
    else
        buf_text(&body, "/v1/prometheus/sd: port must be a number from 1 to 65535\n");
    http_respond(x, is_good ? 200 : 400, is_good ? json_type : "text/plain; charset=utf-8", &body);
    arena_free(a);
}

/* ---- the pages ---- */

const struct inspect_page inspect_pages[] = {
    { "/debug/endpoints", "?host=HOST: the instances of a service, or of all" },
    { "/debug/config", "?proxy=NODE-ID&type=CDS: what a connected proxy should have" },
    { "/debug/client-status", "?proxy=NODE-ID: what it has taken, each with its version" },
    { "/v1/prometheus/sd", "?port=15090: where Prometheus finds the Envoys (http_sd)" },
};
const size_t inspect_page_count = ARRAY_COUNT(inspect_pages);

bool inspect_respond(
    struct control *c, const struct http1_request *request, struct http_exchange *x)
{
    static void (*const pages[])(struct control *, const char *, struct http_exchange *) = {
        page_endpoints, page_config, page_client_status, page_targets
    };
    for (size_t i = 0; i < inspect_page_count; i++)
        if (strcmp(request->path, inspect_pages[i].path) == 0) {
            pages[i](c, request->query, x);
            return true;
        }
    return false;
}
