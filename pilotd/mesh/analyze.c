/*
 * Analysis across resources: what each resource alone is too small to see. Findings are warnings:
 * the configuration is in force as Istio would have it, and somebody should look.
 */
#include "mesh/index.h"
#include "mesh/policy.h"

#include "model/destination_rule.h"
#include "model/virtual_service.h"

#include <string.h>

void finding_add(struct snapshot *s, const char *key, enum diag_code code, const char *path,
    const char *hint, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    struct finding finding = {
        .key = key,
        .diag = { .severity = DIAG_WARNING,
            .code = code,
            .path = path,
            .hint = hint,
            .message = arena_vprintf(s->arena, fmt, args) },
    };
    va_end(args);
    list_push(s->arena, &s->findings, finding);
}

/* ---- destinations ---- */

/* Looking for the nearest of many hosts is slow: only the first findings are worth it. */
enum { SUGGESTIONS_MAX = 20 };

static const char *nearest_host(const struct snapshot *s, const char *host)
{
    if (s->findings.count >= SUGGESTIONS_MAX)
        return NULL;
    const char **hosts = ARENA_ARRAY(s->arena, const char *, s->services.count + 1);
    for (size_t i = 0; i < s->services.count; i++)
        hosts[i] = s->services.items[i]->host;
    return diag_nearest(host, hosts, s->services.count);
}

static const char *nearest_subset(
    struct arena *a, const struct effective_rule *rule, const char *name)
{
    const char **names = ARENA_ARRAY(a, const char *, rule->subsets.count + 1);
    for (size_t i = 0; i < rule->subsets.count; i++)
        names[i] = rule->subsets.items[i]->name;
    return diag_nearest(name, names, rule->subsets.count);
}

static const char *did_you_mean(struct arena *a, const char *near)
{
    return near ? arena_printf(a, "did you mean \"%s\"?", near) : NULL;
}

static void check_destination(struct snapshot *s, const struct object *object,
    const struct destination *destination, const char *path)
{
    if (!destination || !destination->host)
        return;
    struct arena *a = s->arena;
    const char *host = host_resolve(a, destination->host, object->ns, s->domain);
    const struct service *service = snapshot_find_service(s, host, object->ns);
    if (!service) {
        finding_add(s,
            object->key,
            DIAG_UNKNOWN_HOST,
            arena_printf(a, "%s.host", path),
            did_you_mean(a, nearest_host(s, host)),
            "no service is known as %s; requests get 503",
            host);
        return;
    }
    if (!destination->subset)
        return;
    const struct scope scope = { .ns = object->ns };
    const struct effective_rule *rule = effective_rule_find(a, s, &scope, service);
    if (!effective_rule_subset(rule, destination->subset))
        finding_add(s,
            object->key,
            DIAG_UNKNOWN_SUBSET,
            arena_printf(a, "%s.subset", path),
            did_you_mean(a, nearest_subset(a, rule, destination->subset)),
            "no DestinationRule for %s defines subset \"%s\"; requests get 503",
            host,
            destination->subset);
}

/* Does it let everything through, whoever asks and however? */
static bool is_open_match(const struct http_match *m)
{
    const void *const matchers[] = { m->scheme, m->method, m->authority, m->source_namespace };
    const size_t counts[] = { m->headers.count,
        m->without_headers.count,
        m->query_params.count,
        m->source_labels.count,
        m->gateways.count,
        m->port };
    for (size_t i = 0; i < ARRAY_COUNT(matchers); i++)
        if (matchers[i])
            return false;
    for (size_t i = 0; i < ARRAY_COUNT(counts); i++)
        if (counts[i])
            return false;
    const struct string_match *uri = m->uri;
    if (!uri || (!uri->exact && !uri->prefix && !uri->regex))
        return true;
    return (uri->prefix && strcmp(uri->prefix, "/") == 0) ||
           (uri->regex && strcmp(uri->regex, ".*") == 0);
}

static bool is_catch_all(const struct http_route *route)
{
    for (list_each (const struct http_match, match, &route->match))
        if (is_open_match(match))
            return true;
    return !route->match.count;
}

static void check_shadowed(
    struct snapshot *s, const struct object *object, const struct virtual_service *vs)
{
    for (size_t i = 0; i + 1 < vs->http.count; i++)
        if (is_catch_all(&vs->http.items[i])) {
            finding_add(s,
                object->key,
                DIAG_SHADOWED,
                arena_printf(s->arena, "spec.http[%zu]", i + 1),
                NULL,
                "is never reached: spec.http[%zu] takes every request",
                i);
            return;
        }
}

static void check_virtual_service(struct snapshot *s, const struct object *object)
{
    const struct virtual_service *vs = object->spec;
    struct arena *a = s->arena;
    for (size_t i = 0; i < vs->http.count; i++) {
        const struct http_route *route = &vs->http.items[i];
        for (size_t j = 0; j < route->route.count; j++)
            check_destination(s,
                object,
                route->route.items[j].destination,
                arena_printf(a, "spec.http[%zu].route[%zu].destination", i, j));
        check_destination(s, object, route->mirror, arena_printf(a, "spec.http[%zu].mirror", i));
        for (size_t j = 0; j < route->mirrors.count; j++)
            check_destination(s,
                object,
                route->mirrors.items[j].destination,
                arena_printf(a, "spec.http[%zu].mirrors[%zu].destination", i, j));
    }
    check_shadowed(s, object, vs);
}

static int compare_routes(const void *left, const void *right)
{
    const struct host_entry *a = left, *b = right;
    int order = strcmp(a->host, b->host);
    return order ? order : object_compare_age(a->object, b->object);
}

static void check_duplicate_hosts(struct snapshot *s, const host_entry_list *routes)
{
    if (!routes->count)
        return;
    size_t size_bytes = routes->count * sizeof *routes->items;
    struct host_entry *sorted =
        arena_dup(s->arena, routes->items, size_bytes, _Alignof(struct host_entry));
    qsort(sorted, routes->count, sizeof *sorted, compare_routes);
    for (size_t i = 1, oldest = 0; i < routes->count; i++) {
        if (strcmp(sorted[i].host, sorted[oldest].host) != 0)
            oldest = i;
        else if (sorted[i].object != sorted[i - 1].object)
            finding_add(s,
                sorted[i].object->key,
                DIAG_DUPLICATE_HOST,
                "spec.hosts",
                NULL,
                "%s is also a host of the older VirtualService %s/%s, which is in force where "
                "both are visible",
                sorted[i].host,
                sorted[oldest].object->ns,
                sorted[oldest].object->name);
    }
}

/* ---- rules and ports ---- */

static bool serves_any(const struct snapshot *s, const char *pattern)
{
    if (*pattern != '*')
        return snapshot_services_of_host(s, pattern).count > 0;
    for (size_t i = 0; i < s->services.count; i++)
        if (host_matches(pattern, s->services.items[i]->host))
            return true;
    return false;
}

static void check_destination_rule(struct snapshot *s, const struct object *object)
{
    const struct destination_rule *rule = object->spec;
    const char *host = host_resolve(s->arena, rule->host, object->ns, s->domain);
    if (!serves_any(s, host))
        finding_add(s,
            object->key,
            DIAG_UNKNOWN_HOST,
            "spec.host",
            did_you_mean(s->arena, nearest_host(s, host)),
            "no service is known as %s; the rule is not used",
            host);
}

struct tcp_port {
    const struct service *service;
    uint32_t number;
};

static bool needs_whole_port(const struct service *service, const struct service_port *port)
{
    enum protocol p = port->protocol;
    return !service->addresses.count && p != PROTOCOL_AUTO && p != PROTOCOL_UDP &&
           !protocol_is_http(p) && !protocol_is_tls(p);
}

static int compare_tcp_ports(const void *left, const void *right)
{
    const struct tcp_port *a = left, *b = right;
    int order = (a->number > b->number) - (a->number < b->number);
    if (!order)
        order = (a->service->create_revision > b->service->create_revision) -
                (a->service->create_revision < b->service->create_revision);
    if (!order)
        order = strcmp(a->service->ns, b->service->ns);
    return order ? order : strcmp(a->service->host, b->service->host);
}

static const char *service_key(const struct service *service)
{
    return service->object            ? service->object->key
           : service->endpoints.count ? service->endpoints.items[0].object->key
                                      : service->host;
}

/* TCP without a virtual IP can be told apart by nothing but the port: the oldest service has it. */
static void check_port_conflicts(struct snapshot *s)
{
    LIST(struct tcp_port) ports = { 0 };
    for (size_t i = 0; i < s->services.count; i++)
        for (list_each (const struct service_port, port, &s->services.items[i]->ports))
            if (needs_whole_port(s->services.items[i], port))
                list_push(
                    s->arena, &ports, ((struct tcp_port){ s->services.items[i], port->number }));
    if (ports.count)
        qsort(ports.items, ports.count, sizeof *ports.items, compare_tcp_ports);
    for (size_t i = 1, owner = 0; i < ports.count; i++) {
        if (ports.items[i].number != ports.items[owner].number)
            owner = i;
        else if (strcmp(ports.items[i].service->host, ports.items[owner].service->host) != 0)
            finding_add(s,
                service_key(ports.items[i].service),
                DIAG_PORT_CONFLICT,
                ports.items[i].service->is_registry ? "ports" : "spec.ports",
                "give the services virtual addresses, or different ports",
                "TCP port %u belongs to the older service %s where both are visible; %s is out of "
                "reach there",
                ports.items[i].number,
                ports.items[owner].service->host,
                ports.items[i].service->host);
    }
}

static int compare_findings(const void *left, const void *right)
{
    const struct finding *a = left, *b = right;
    int order = strcmp(a->key, b->key);
    if (!order)
        order = strcmp(a->diag.path, b->diag.path);
    return order ? order : strcmp(a->diag.message, b->diag.message);
}

void analyze(struct snapshot *s)
{
    for (size_t i = 0; i < s->objects[KIND_VIRTUAL_SERVICE].count; i++)
        check_virtual_service(s, s->objects[KIND_VIRTUAL_SERVICE].items[i]);
    for (size_t i = 0; i < s->objects[KIND_DESTINATION_RULE].count; i++)
        check_destination_rule(s, s->objects[KIND_DESTINATION_RULE].items[i]);
    check_duplicate_hosts(s, &s->index->exact_routes);
    check_duplicate_hosts(s, &s->index->wildcard_routes);
    check_port_conflicts(s);
    if (s->findings.count)
        qsort(s->findings.items, s->findings.count, sizeof *s->findings.items, compare_findings);
}
