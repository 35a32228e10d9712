/* pilotctl route -o json. */
#include "ctl/route.h"

#include <string.h>

static void add_text(cJSON *object, const char *name, const char *text)
{
    if (text)
        cJSON_AddStringToObject(object, name, text);
}

static cJSON *list_of(const string_list *texts)
{
    cJSON *list = cJSON_CreateArray();
    for (list_each (const char *const, text, texts))
        cJSON_AddItemToArray(list, cJSON_CreateString(*text));
    return list;
}

/* ---- the call ---- */

static cJSON *headers_of(const label_list *headers)
{
    cJSON *list = cJSON_CreateArray();
    for (list_each (const struct label, header, headers)) {
        cJSON *item = cJSON_CreateObject();
        add_text(item, "name", header->key);
        add_text(item, "value", header->value);
        cJSON_AddItemToArray(list, item);
    }
    return list;
}

static cJSON *call_of(const struct call *call)
{
    static const char *const tls[] = { "plaintext", "tls", "mtls" };
    static const char *const protocols[] = { "tcp", "http/1.1", "http/2" };
    cJSON *json = cJSON_CreateObject();
    add_text(json, "direction", call->is_inbound ? "inbound" : "outbound");
    add_text(json, "address", call->address);
    cJSON_AddNumberToObject(json, "port", call->port);
    add_text(json, "tls", tls[call->tls]);
    add_text(json, "serverName", call->server_name);
    if (call->alpn.count > 0)
        cJSON_AddItemToObject(json, "alpn", list_of(&call->alpn));
    add_text(json, "protocol", protocols[call->http]);
    if (call->http == CALL_BYTES)
        return json;
    add_text(json, "method", call->method);
    add_text(json, "authority", call->authority);
    add_text(json, "path", call->path);
    cJSON_AddItemToObject(json, "headers", headers_of(&call->headers));
    return json;
}

/* ---- the way ---- */

/* `from`, when given, has an item for each. */
static cJSON *tries_of(const walk_try_list *tries, const string_list *from)
{
    cJSON *list = cJSON_CreateArray();
    for (size_t i = 0; i < tries->count; i++) {
        cJSON *item = cJSON_CreateObject();
        add_text(item, "name", tries->items[i].name);
        cJSON_AddBoolToObject(item, "taken", !tries->items[i].reason);
        add_text(item, "reason", tries->items[i].reason);
        add_text(item, "from", from && i < from->count ? from->items[i] : NULL);
        cJSON_AddItemToArray(list, item);
    }
    return list;
}

static cJSON *facts_of(const walk_fact_list *facts)
{
    cJSON *list = cJSON_CreateArray();
    for (list_each (const struct walk_fact, fact, facts)) {
        cJSON *item = cJSON_CreateObject();
        add_text(item, "name", fact->name);
        add_text(item, "value", fact->text);
        cJSON_AddItemToArray(list, item);
    }
    return list;
}

static void add_listener(cJSON *json, const struct walk *walk)
{
    cJSON_AddItemToObject(json, "listeners", tries_of(&walk->listeners, NULL));
    add_text(json, "listener", walk->listener);
    if (!walk->listener)
        return;
    cJSON_AddBoolToObject(json, "redirected", walk->is_redirected);
    cJSON *seen = cJSON_AddObjectToObject(json, "inspected");
    add_text(seen, "transport", walk->transport);
    add_text(seen, "serverName", walk->server_name);
    cJSON_AddItemToObject(seen, "applications", list_of(&walk->applications));
    cJSON_AddItemToObject(json, "filterChains", tries_of(&walk->chains, NULL));
    add_text(json, "filterChain", walk->chain);
    if (!walk->chain)
        return;
    cJSON_AddBoolToObject(json, "endsTls", walk->ends_tls);
    cJSON_AddItemToObject(json, "filters", list_of(&walk->filters));
}

static void add_route(cJSON *json, const struct walk *walk, const struct walk_origin *origin)
{
    add_text(json, "from", origin->host);
    if (walk->table) {
        add_text(json, "routeConfig", walk->table);
        add_text(json, "virtualHost", walk->host);
        add_text(json, "domain", walk->domain);
        add_text(json, "path", walk->path);
        cJSON_AddItemToObject(json, "routes", tries_of(&walk->routes, &origin->routes));
        add_text(json, "route", walk->route);
    }
    cJSON_AddItemToObject(json, "action", facts_of(&walk->action));
}

/* ---- destinations ---- */

static cJSON *endpoints_of(const struct walk_cluster *cluster, const struct cluster_origin *origin)
{
    cJSON *list = cJSON_CreateArray();
    for (size_t i = 0; i < cluster->endpoints.count; i++) {
        const struct walk_endpoint *e = &cluster->endpoints.items[i];
        cJSON *item = cJSON_CreateObject();
        add_text(item, "address", e->address);
        add_text(item, "health", e->health);
        add_text(item, "locality", e->locality);
        cJSON_AddNumberToObject(item, "weight", e->weight);
        cJSON_AddNumberToObject(item, "priority", e->priority);
        add_text(item, "transport", e->transport);
        add_text(item, "from", origin->endpoints.items[i]);
        cJSON_AddItemToArray(list, item);
    }
    return list;
}

static cJSON *destination_of(const struct walk_destination *d, const struct cluster_origin *origin)
{
    cJSON *json = cJSON_CreateObject(), *policy = cJSON_CreateObject();
    add_text(json, "cluster", d->cluster.name);
    cJSON_AddBoolToObject(json, "sent", d->cluster.is_known);
    cJSON_AddNumberToObject(json, "percent", d->percent);
    cJSON_AddBoolToObject(json, "mirror", d->is_mirror);
    cJSON_AddItemToObject(json, "action", facts_of(&d->facts));
    cJSON_AddItemToObject(json, "settings", facts_of(&d->cluster.facts));
    add_text(json, "service", origin->service);
    add_text(json, "missing", origin->missing);
    for (list_each (const struct policy_origin, block, &origin->policy))
        add_text(policy, block->block, block->from);
    cJSON_AddItemToObject(json, "policy", policy);
    cJSON_AddItemToObject(json, "endpoints", endpoints_of(&d->cluster, origin));
    return json;
}

cJSON *route_json(const struct route_result *r)
{
    const struct walk *walk = r->walk;
    cJSON *json = cJSON_CreateObject();
    cJSON_AddItemToObject(json, "call", call_of(r->call));
    add_listener(json, walk);
    add_route(json, walk, r->origin);
    cJSON *destinations = cJSON_AddArrayToObject(json, "destinations");
    for (size_t i = 0; i < walk->destinations.count; i++)
        cJSON_AddItemToArray(destinations,
            destination_of(&walk->destinations.items[i], &r->origin->clusters.items[i]));
    add_text(json, "end", walk_end_text(walk->end));
    add_text(json, "why", walk->why);
    if (walk->status)
        cJSON_AddNumberToObject(json, "status", walk->status);
    return json;
}
