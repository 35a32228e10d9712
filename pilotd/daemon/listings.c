#include "daemon/listings.h"

#include "daemon/json_out.h"
#include "mesh/policy.h"
#include "model/destination_rule.h"
#include "model/virtual_service.h"

#include <string.h>

static const cJSON *member(const cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

static const char *text_or_empty(const cJSON *object, const char *name)
{
    const char *text = json_text(object, name);
    return text ? text : "";
}

/* ---- proxies ---- */

struct row {
    cJSON *proxy;
    const char *id, *order; /* what it is sorted by, then by id */
};

/* The worst first: a proxy is as well as the worst of its types. */
static const char *state_of(const cJSON *proxy)
{
    static const char *const worst_first[] = { "nacked", "stale", "synced" };
    const cJSON *type;
    for (size_t i = 0; i < ARRAY_COUNT(worst_first); i++)
        cJSON_ArrayForEach (type, member(proxy, "types"))
            if (strcmp(text_or_empty(type, "state"), worst_first[i]) == 0)
                return worst_first[i];
    return "not sent";
}

/* The member that a list of proxies is sorted by; NULL: it cannot be. */
static const char *order_member(const char *sort)
{
    static const struct {
        const char *sort, *member;
    } orders[] = {
        { "", "id" },
        { "id", "id" },
        { "address", "address" },
        { "version", "userAgent" },
        { "state", "state" },
    };
    for (size_t i = 0; i < ARRAY_COUNT(orders); i++)
        if (strcmp(sort, orders[i].sort) == 0)
            return orders[i].member;
    return NULL;
}

static int by_order(const void *left, const void *right)
{
    const struct row *a = left, *b = right;
    int order = strcmp(a->order, b->order);
    return order ? order : strcmp(a->id, b->id);
}

static bool proxy_matches(const struct range *range, const cJSON *proxy)
{
    const char *const texts[] = { json_text(proxy, "id"),
        json_text(proxy, "address"),
        json_text(proxy, "identity"),
        json_text(proxy, "userAgent"),
        json_text(proxy, "state") };
    return range_matches(range, texts, ARRAY_COUNT(texts));
}

/* All proxies in one array; each gets its state. */
static cJSON *all_proxies(const struct buf *reports, size_t count)
{
    cJSON *all = cJSON_CreateArray();
    for (size_t i = 0; i < count; i++) {
        cJSON *list = reports[i].size ? cJSON_Parse(reports[i].data) : NULL;
        for (cJSON *proxy; list && (proxy = list->child);) {
            cJSON_DetachItemViaPointer(list, proxy);
            json_add_text(proxy, "state", state_of(proxy));
            cJSON_AddItemToArray(all, proxy);
        }
        cJSON_Delete(list);
    }
    return all;
}

/* Takes out of `all` those that are asked for. */
static cJSON *proxies_in_range(cJSON *all, const struct range *range, const char *order)
{
    size_t total = (size_t)cJSON_GetArraySize(all), matching = 0;
    struct row *rows = xcalloc(total + 1, sizeof *rows);
    cJSON *json = cJSON_CreateObject(), *proxy;
    cJSON_ArrayForEach (proxy, all)
        if (proxy_matches(range, proxy))
            rows[matching++] =
                (struct row){ proxy, text_or_empty(proxy, "id"), text_or_empty(proxy, order) };
    qsort(rows, matching, sizeof *rows, by_order);
    range_tell(range, json, total, matching);
    cJSON *shown = cJSON_AddArrayToObject(json, "proxies");
    for (size_t i = range->from; i < matching && i - range->from < range->limit; i++) {
        size_t at = range->is_descending ? matching - 1 - i : i;
        cJSON_AddItemToArray(shown, cJSON_DetachItemViaPointer(all, rows[at].proxy));
    }
    free(rows);
    return json;
}

cJSON *listing_proxies(const struct buf *reports, size_t count, const struct range *range)
{
    const char *order = order_member(range->sort);
    if (!order)
        return NULL;
    cJSON *all = all_proxies(reports, count);
    cJSON *json = proxies_in_range(all, range, order);
    cJSON_Delete(all);
    return json;
}

bool listing_can_sort(const char *sort)
{
    return order_member(sort) != NULL;
}

/* ---- services ---- */

static void add_healths(cJSON *json, const struct service *service, const label_list *labels)
{
    static const char *const names[] = { [HEALTH_HEALTHY] = "healthy",
        [HEALTH_DRAINING] = "draining",
        [HEALTH_UNHEALTHY] = "unhealthy" };
    int64_t total = 0, counts[ARRAY_COUNT(names)] = { 0 };
    for (list_each (const struct endpoint, e, &service->endpoints))
        if (labels_match(&e->labels, labels)) {
            counts[e->health]++;
            total++;
        }
    json_add_int(json, "endpoints", total);
    for (size_t i = 0; i < ARRAY_COUNT(names); i++)
        json_add_int(json, names[i], counts[i]);
}

static cJSON *service_json(const struct service *service)
{
    static const label_list any = { 0 };
    cJSON *json = cJSON_CreateObject();
    json_add_text(json, "host", service->host);
    json_add_text(json, "namespace", service->ns);
    cJSON *ports = cJSON_AddArrayToObject(json, "ports");
    for (list_each (const struct service_port, port, &service->ports))
        cJSON_AddItemToArray(ports, cJSON_CreateNumber(port->number));
    add_healths(json, service, &any);
    return json;
}

/* The item that is number `count` of those that match is in the range. */
static bool is_in_range(const struct range *range, size_t number, bool is_shown)
{
    return is_shown && number >= range->from && number - range->from < range->limit;
}

cJSON *listing_services(const struct snapshot *s, const struct range *range)
{
    size_t matching = 0, total = s ? s->services.count : 0;
    if (*range->sort)
        return NULL;
    cJSON *json = cJSON_CreateObject(), *shown = cJSON_CreateArray();
    for (size_t i = 0; i < total; i++) {
        const struct service *service = s->services.items[i];
        const char *const texts[] = { service->host, service->ns };
        bool is_match = range_matches(range, texts, ARRAY_COUNT(texts));
        if (is_in_range(range, matching, is_match))
            cJSON_AddItemToArray(shown, service_json(service));
        matching += is_match;
    }
    range_tell(range, json, total, matching);
    cJSON_AddItemToObject(json, "services", shown);
    return json;
}

/* ---- the graph ---- */

struct graph { /* of one VirtualService */
    struct arena *a;
    const struct snapshot *snapshot;
    cJSON *rules;
    int64_t count;
};

static void add_condition(struct buf *out, const char *what, const struct string_match *match)
{
    if (!match)
        return;
    const char *how = match->exact ? "" : match->prefix ? "prefix " : "regex ";
    const char *value = match->exact ? match->exact : match->prefix ? match->prefix : match->regex;
    buf_printf(out, "%s%s %s%s", out->size ? ", " : "", what, how, value ? value : "(any)");
}

static void add_named(struct buf *out, const char *what, const named_match_list *list)
{
    for (list_each (const struct named_match, m, list)) {
        struct buf name = { 0 };
        buf_printf(&name, "%s %s", what, m->key);
        add_condition(out, name.data, &m->value);
        buf_fini(&name);
    }
}

/* One match in words; those that only say whose call it is are left to the resource itself. */
static void add_match(cJSON *list, const struct http_match *m)
{
    struct buf text = { 0 };
    add_condition(&text, "path", m->uri);
    add_condition(&text, "scheme", m->scheme);
    add_condition(&text, "method", m->method);
    add_condition(&text, "authority", m->authority);
    add_named(&text, "header", &m->headers);
    add_named(&text, "without header", &m->without_headers);
    add_named(&text, "query", &m->query_params);
    if (m->port)
        buf_printf(&text, "%sport %u", text.size ? ", " : "", m->port);
    for (list_each (const struct label, label, &m->source_labels))
        buf_printf(&text, "%sfrom %s=%s", text.size ? ", " : "", label->key, label->value);
    if (m->source_namespace)
        buf_printf(&text, "%sfrom namespace %s", text.size ? ", " : "", m->source_namespace);
    cJSON_AddItemToArray(list, cJSON_CreateString(text.size ? text.data : "everything"));
    buf_fini(&text);
}

static void add_destination(
    struct graph *g, cJSON *to, const char *ns, const struct destination *d, uint32_t weight)
{
    if (!d || cJSON_GetArraySize(to) >= GRAPH_DESTINATIONS_MAX)
        return;
    const struct snapshot *s = g->snapshot;
    const char *host = host_resolve(g->a, d->host, ns, s->domain);
    const struct service *service = snapshot_find_service(s, host, ns);
    struct scope scope = { .ns = ns, .domain = s->domain };
    cJSON *json = cJSON_CreateObject();
    json_add_text(json, "host", host);
    json_add_text(json, "subset", d->subset);
    json_add_int(json, "weight", weight);
    const struct subset *subset =
        service && d->subset
            ? effective_rule_subset(effective_rule_find(g->a, s, &scope, service), d->subset)
            : NULL;
    static const label_list any = { 0 };
    if (service && (subset || !d->subset))
        add_healths(json, service, subset ? &subset->labels : &any);
    json_add_text(json,
        "problem",
        !service               ? "no such host"
        : d->subset && !subset ? "no such subset"
                               : NULL);
    cJSON_AddItemToArray(to, json);
}

/* Where there is one destination alone it gets all, whatever its weight. */
static uint32_t share(uint32_t weight, size_t count)
{
    return count == 1 ? 100 : weight;
}

static cJSON *add_rule(struct graph *g, const char *name)
{
    if (g->count++ >= GRAPH_RULES_MAX)
        return NULL;
    cJSON *json = cJSON_CreateObject();
    json_add_text(json, "name", name ? name : "");
    cJSON_AddItemToArray(g->rules, json);
    return json;
}

static void add_http_rule(struct graph *g, const struct effective_route *effective)
{
    const struct http_route *route = effective->route;
    cJSON *json = add_rule(g, route->name);
    if (!json)
        return;
    cJSON *match = cJSON_AddArrayToObject(json, "match");
    for (list_each (const struct http_match, m, &route->match))
        add_match(match, m);
    json_add_text(json,
        "action",
        route->redirect          ? "redirect"
        : route->direct_response ? "direct response"
                                 : "route");
    cJSON *to = cJSON_AddArrayToObject(json, "to");
    for (list_each (const struct http_route_destination, d, &route->route))
        add_destination(
            g, to, effective->owner->ns, d->destination, share(d->weight, route->route.count));
}

static void add_l4_rule(
    struct graph *g, const char *name, const char *ns, const struct l4_route *route)
{
    cJSON *json = add_rule(g, name);
    if (!json)
        return;
    cJSON *match = cJSON_AddArrayToObject(json, "match");
    for (list_each (const struct l4_match, m, &route->match)) {
        for (list_each (const char *, sni, &m->sni_hosts))
            cJSON_AddItemToArray(match, cJSON_CreateString(arena_printf(g->a, "SNI %s", *sni)));
        if (m->port)
            cJSON_AddItemToArray(match, cJSON_CreateString(arena_printf(g->a, "port %u", m->port)));
    }
    json_add_text(json, "action", "route");
    cJSON *to = cJSON_AddArrayToObject(json, "to");
    for (list_each (const struct route_destination, d, &route->route))
        add_destination(g, to, ns, d->destination, share(d->weight, route->route.count));
}

static cJSON *graph_json(const struct snapshot *s, const struct object *object)
{
    const struct virtual_service *vs = object->spec;
    cJSON *json = cJSON_CreateObject(), *hosts = cJSON_AddArrayToObject(json, "hosts");
    struct graph g = { arena_new(), s, NULL, 0 };
    for (list_each (const char *, host, &vs->hosts))
        cJSON_AddItemToArray(
            hosts, cJSON_CreateString(host_resolve(g.a, *host, object->ns, s->domain)));
    json_add_text(json, "key", object->key);
    g.rules = cJSON_AddArrayToObject(json, "rules");
    const struct http_routes *routes = virtual_service_routes(g.a, s, object);
    for (list_each (const struct effective_route, r, &routes->items))
        add_http_rule(&g, r);
    for (list_each (const struct l4_route, r, &vs->tls))
        add_l4_rule(&g, "tls", object->ns, r);
    for (list_each (const struct l4_route, r, &vs->tcp))
        add_l4_rule(&g, "tcp", object->ns, r);
    json_add_int(json, "rulesNotShown", g.count > GRAPH_RULES_MAX ? g.count - GRAPH_RULES_MAX : 0);
    arena_free(g.a);
    return json;
}

static bool route_matches(const struct range *range, const struct object *object)
{
    const struct virtual_service *vs = object->spec;
    return range_matches(range, &object->key, 1) ||
           range_matches(range, vs->hosts.items, vs->hosts.count);
}

/* A VirtualService without hosts is a part of others, and shown there. */
cJSON *listing_graph(const struct snapshot *s, const struct range *range)
{
    size_t matching = 0, total = 0, count = s ? s->objects[KIND_VIRTUAL_SERVICE].count : 0;
    if (*range->sort)
        return NULL;
    cJSON *json = cJSON_CreateObject(), *shown = cJSON_CreateArray();
    for (size_t i = 0; i < count; i++) {
        const struct object *object = s->objects[KIND_VIRTUAL_SERVICE].items[i];
        if (((const struct virtual_service *)object->spec)->hosts.count == 0)
            continue;
        bool is_match = route_matches(range, object);
        if (is_in_range(range, matching, is_match))
            cJSON_AddItemToArray(shown, graph_json(s, object));
        matching += is_match;
        total++;
    }
    range_tell(range, json, total, matching);
    cJSON_AddItemToObject(json, "routes", shown);
    return json;
}
