#include "daemon/inspect.h"

#include "daemon/json_out.h"
#include "translate/render.h"

#include <ctype.h>
#include <string.h>

static const char json_type[] = "application/json";

/* ---- the question ---- */

static int hex_value(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = c ? strchr(digits, tolower((unsigned char)c)) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* In place; what is no escape stays as it is. */
static char *unescape(char *text)
{
    char *out = text;
    for (const char *in = text; *in; in++) {
        int high = *in == '%' ? hex_value(in[1]) : -1;
        int low = high >= 0 ? hex_value(in[2]) : -1;
        *out++ = (char)(low >= 0 ? high << 4 | low : *in);
        in += low >= 0 ? 2 : 0;
    }
    *out = 0;
    return text;
}

/* The parameter's value in `a`, or NULL. */
static const char *parameter(struct arena *a, const char *query, const char *name)
{
    char *rest = arena_strdup(a, query);
    for (char *pair; (pair = strsep(&rest, "&"));) {
        char *value = strchr(pair, '=');
        if (!value)
            continue;
        *value = 0;
        if (strcmp(pair, name) == 0)
            return unescape(value + 1);
    }
    return NULL;
}

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
    const char *host = parameter(a, query, "host");
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

/* ---- the pages ---- */

const struct inspect_page inspect_pages[] = {
    { "/debug/endpoints", "?host=HOST: the instances of a service, or of all" },
};
const size_t inspect_page_count = ARRAY_COUNT(inspect_pages);

bool inspect_respond(
    struct control *c, const struct http1_request *request, struct http_exchange *x)
{
    static void (*const pages[])(
        struct control *, const char *, struct http_exchange *) = { page_endpoints };
    for (size_t i = 0; i < inspect_page_count; i++)
        if (strcmp(request->path, inspect_pages[i].path) == 0) {
            pages[i](c, request->query, x);
            return true;
        }
    return false;
}
