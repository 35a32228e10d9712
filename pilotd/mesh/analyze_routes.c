/*
 * Where VirtualServices lead: hosts, ports and subsets that are not there, shares of the traffic
 * that nobody takes.
 */
#include "mesh/analyze.h"

#include "model/destination_rule.h"
#include "model/virtual_service.h"

#include <string.h>

/* Where it is written: spec.KIND[RULE].FIELD[ITEM].destination; without ITEM,
 * spec.http[RULE].mirror. */
struct place {
    const char *kind, *field;
    size_t rule, item;
    bool has_item;
};

/* A destination under examination, as the callers of one namespace have it. */
struct lead {
    struct analysis *an;
    const struct object *owner; /* the VirtualService */
    const struct destination *to;
    struct place place;
    const char *failure;           /* what becomes of what goes there in vain: "requests get 503" */
    uint64_t weight, total;        /* of the traffic; equal: all of it */
    bool is_of_some_ports;         /* the rule is for named ports of the listener alone */
    const char *host;              /* resolved */
    const char *caller;            /* a namespace */
    const struct service *service; /* as the caller sees it; NULL: not */
};

static const char *path_of(const struct lead *l, const char *field)
{
    const struct place *p = &l->place;
    struct arena *a = l->an->s->arena;
    if (!p->has_item)
        return arena_printf(a, "spec.%s[%zu].%s%s", p->kind, p->rule, p->field, field);
    return arena_printf(
        a, "spec.%s[%zu].%s[%zu].destination%s", p->kind, p->rule, p->field, p->item, field);
}

static void tell(const struct lead *l, enum diag_code code, const char *field, const char *hint,
    const char *what)
{
    bool is_own = strcmp(l->caller, l->owner->ns) == 0;
    finding_add(l->an->s,
        l->owner->key,
        code,
        path_of(l, field),
        hint,
        "%s; %s%s%s",
        what,
        l->failure,
        is_own ? "" : " from namespace ",
        is_own ? "" : l->caller);
}

static void tell_unknown_host(const struct lead *l)
{
    struct service_slice hidden = snapshot_services_of_host(l->an->s, l->host);
    if (hidden.count > 0)
        tell(l,
            DIAG_UNKNOWN_HOST,
            ".host",
            NULL,
            arena_printf(l->an->scratch,
                "%s of namespace %s is not exported to %s",
                l->host,
                hidden.items[0]->ns,
                l->caller));
    else
        tell(l,
            DIAG_UNKNOWN_HOST,
            ".host",
            suggest_host(l->an, l->host),
            arena_printf(l->an->scratch, "no service is known as %s", l->host));
}

/* ---- ports ---- */

static void tell_unknown_port(const struct lead *l, const struct service *service)
{
    struct arena *a = l->an->s->arena;
    const char *ports = "";
    for (list_each (const struct service_port, port, &service->ports))
        ports = arena_printf(l->an->scratch, "%s%s%u", ports, *ports ? ", " : "", port->number);
    tell(l,
        DIAG_UNKNOWN_PORT,
        ".port.number",
        *ports ? arena_printf(a, "it has %s", ports) : NULL,
        arena_printf(l->an->scratch, "%s has no port %u", l->host, l->to->port->number));
}

/* A destination that names no port is called at the listener's, which is a port of the host that
 * the VirtualService is for: where the destination has several, it may not have that one. */
static void check_unnamed_port(
    const struct lead *l, const struct service *service, const char *source)
{
    const struct service *from = snapshot_find_service(l->an->s, source, l->caller);
    bool is_http = strcmp(l->place.kind, "http") == 0;
    for (size_t i = 0; from && from != service && i < from->ports.count; i++) {
        const struct service_port *port = &from->ports.items[i];
        bool is_meant =
            port->protocol == PROTOCOL_AUTO ||
            (port->protocol != PROTOCOL_UDP && protocol_is_http(port->protocol) == is_http);
        if (!is_meant || service_port_find(service, port->number))
            continue;
        tell(l,
            DIAG_UNKNOWN_PORT,
            "",
            "name one of its ports",
            arena_printf(l->an->scratch,
                "names none of the ports of %s, which has no port %u as %s has",
                l->host,
                port->number,
                source));
        return;
    }
}

/* The first host that gives rise to doubt is enough. */
static void check_unnamed_ports(const struct lead *l, const struct service *service)
{
    const struct virtual_service *vs = l->owner->spec;
    size_t before = l->an->s->findings.count;
    for (size_t i = 0; i < vs->hosts.count && l->an->s->findings.count == before; i++)
        if (vs->hosts.items[i][0] != '*')
            check_unnamed_port(l,
                service,
                host_resolve(l->an->scratch, vs->hosts.items[i], l->owner->ns, l->an->s->domain));
}

static void check_port(const struct lead *l, const struct service *service)
{
    bool is_named = l->to->port && l->to->port->number > 0;
    if (is_named && !service_port_find(service, l->to->port->number))
        tell_unknown_port(l, service);
    else if (!is_named && service->ports.count > 1 && !l->is_of_some_ports)
        check_unnamed_ports(l, service);
}

/* ---- subsets ---- */

struct found_subset {
    const struct subset *subset; /* NULL: nobody defines it */
    bool is_passed;              /* on to where it was going */
    string_list names;           /* of the others */
};

/* Of rules for some of the caller's workloads alone. */
static void find_selected(const struct lead *l, struct found_subset *found)
{
    host_entry_list rules = rules_covering(l->an, l->caller, l->host);
    for (list_each (const struct host_entry, entry, &rules)) {
        const struct destination_rule *rule = entry->object->spec;
        for (size_t i = 0; rule->workload_selector && i < rule->subsets.count; i++) {
            const struct subset *subset = &rule->subsets.items[i];
            list_push(l->an->scratch, &found->names, subset->name);
            if (strcmp(subset->name, l->to->subset) != 0)
                continue;
            found->subset = subset;
            found->is_passed = passes_through(rule, subset);
            return;
        }
    }
}

/* What one asks for, others near it will ask for again. */
static const struct effective_rule *rule_of(
    struct analysis *an, const char *caller, const struct service *service)
{
    struct known_rule *known = &an->known[((uintptr_t)service >> 5) % ARRAY_COUNT(an->known)];
    const struct scope scope = { .ns = caller };
    if (known->service != service || strcmp(known->caller, caller) != 0)
        *known = (struct known_rule){
            service, caller, effective_rule_find(an->scratch, an->s, &scope, service)
        };
    return known->rule;
}

static struct found_subset find_subset(const struct lead *l, const struct service *service)
{
    const struct effective_rule *rule = rule_of(l->an, l->caller, service);
    struct found_subset found = { effective_rule_subset(rule, l->to->subset), false, { 0 } };
    if (found.subset) {
        const struct load_balancer *lb = effective_policy_of(rule, 0, l->to->subset).load_balancer;
        found.is_passed = lb && lb->simple == LB_PASSTHROUGH;
        return found;
    }
    for (list_each (const struct subset *const, subset, &rule->subsets))
        list_push(l->an->scratch, &found.names, (*subset)->name);
    find_selected(l, &found);
    return found;
}

/* ---- endpoints ---- */

static const char *share_of(const struct lead *l)
{
    if (l->weight == l->total)
        return "";
    return arena_printf(
        l->an->scratch, " (%.3g %% of this route)", 100.0 * (double)l->weight / (double)l->total);
}

static void check_service_endpoints(const struct lead *l, const struct service *service)
{
    const label_list none = { 0 };
    if (l->weight > 0 && !has_endpoint(service, &none))
        tell(l,
            DIAG_NO_ENDPOINTS,
            ".host",
            NULL,
            arena_printf(l->an->scratch, "%s has no endpoint at all%s", l->host, share_of(l)));
}

static void check_subset_endpoints(
    const struct lead *l, const struct service *service, const struct subset *subset)
{
    const label_list none = { 0 };
    if (l->weight > 0 && has_endpoint(service, &none) && !has_endpoint(service, &subset->labels))
        tell(l,
            DIAG_NO_ENDPOINTS,
            ".subset",
            NULL,
            arena_printf(l->an->scratch,
                "no endpoint of %s has the labels of subset \"%s\"%s",
                l->host,
                subset->name,
                share_of(l)));
}

static void check_subset(const struct lead *l, const struct service *service)
{
    struct found_subset found = find_subset(l, service);
    if (!found.subset)
        tell(l,
            DIAG_UNKNOWN_SUBSET,
            ".subset",
            suggest(l->an, l->to->subset, &found.names),
            arena_printf(l->an->scratch,
                "no DestinationRule for %s defines subset \"%s\"",
                l->host,
                l->to->subset));
    else if (!found.is_passed)
        check_subset_endpoints(l, service, found.subset);
}

/* True when something was found: once is enough for a destination. */
static bool check_lead(const struct lead *l)
{
    const struct service *service = l->service;
    size_t before = l->an->s->findings.count;
    if (!service) {
        tell_unknown_host(l);
        return true;
    }
    check_port(l, service);
    if (l->to->subset)
        check_subset(l, service);
    check_service_endpoints(l, service);
    return l->an->s->findings.count > before;
}

/* The namespaces that callers are known to be in: the own one, and those exported to by name. */
static string_list callers_of(const struct analysis *an, const struct object *object)
{
    struct audience audience = route_audience(an->s, object);
    string_list callers = { 0 };
    if (audience_has(&audience, object->ns))
        list_push(an->scratch, &callers, object->ns);
    for (list_each (const char *const, name, audience.names))
        if (!strpbrk(*name, "*.~") && strcmp(*name, object->ns) != 0)
            list_push(an->scratch, &callers, *name);
    return callers;
}

/* A VirtualService while its routes are looked at. What the former destination came to is kept: the
 * next one is often for the same host. */
struct visit {
    struct analysis *an;
    const struct object *object;
    string_list callers;
    const char *written, *host;    /* as it was written, and resolved */
    const char *caller;            /* who asked last for that host; NULL: nobody */
    const struct service *service; /* and what was found */
};

static const char *resolve(struct visit *v, const char *written)
{
    if (!v->written || strcmp(v->written, written) != 0) {
        v->written = written;
        v->host = host_resolve(v->an->scratch, written, v->object->ns, v->an->s->domain);
        v->caller = NULL;
    }
    return v->host;
}

static const struct service *find_service(struct visit *v, const char *caller)
{
    if (v->caller != caller)
        v->service = snapshot_find_service(v->an->s, v->host, caller);
    v->caller = caller;
    return v->service;
}

/* What is wrong for the callers of one namespace is told, and not again for the next. */
static void check_destination(struct visit *v, struct lead lead)
{
    bool is_told = !lead.to || !lead.to->host;
    lead.an = v->an;
    lead.owner = v->object;
    if (!is_told)
        lead.host = resolve(v, lead.to->host);
    for (size_t i = 0; i < v->callers.count && !is_told; i++) {
        lead.caller = v->callers.items[i];
        lead.service = find_service(v, lead.caller);
        is_told = check_lead(&lead);
    }
}

/* ---- http ---- */

static bool http_names_port(const struct http_route *route)
{
    for (list_each (const struct http_match, match, &route->match))
        if (match->port != 0)
            return true;
    return false;
}

static void check_mirror(struct visit *v, const struct http_route *route,
    const struct destination *to, struct place place)
{
    struct lead lead = {
        .to = to,
        .place = place,
        .failure = "mirrored requests are lost",
        .weight = 1,
        .total = 1,
        .is_of_some_ports = http_names_port(route),
    };
    check_destination(v, lead);
}

static void check_http_route(struct visit *v, const struct http_route *route, size_t rule)
{
    struct lead lead = { .failure = "requests get 503",
        .is_of_some_ports = http_names_port(route) };
    bool is_one = route->route.count == 1; /* then the weight does not count */
    for (list_each (const struct http_route_destination, d, &route->route))
        lead.total += is_one ? 1 : d->weight;
    for (size_t i = 0; i < route->route.count; i++) {
        lead.to = route->route.items[i].destination;
        lead.place = (struct place){ "http", "route", rule, i, true };
        lead.weight = is_one ? 1 : route->route.items[i].weight;
        check_destination(v, lead);
    }
    check_mirror(v, route, route->mirror, (struct place){ "http", "mirror", rule, 0, false });
    for (size_t i = 0; i < route->mirrors.count; i++)
        check_mirror(v,
            route,
            route->mirrors.items[i].destination,
            (struct place){ "http", "mirrors", rule, i, true });
}

/* ---- tls and tcp ---- */

static bool l4_names_port(const struct l4_route *route)
{
    for (list_each (const struct l4_match, match, &route->match))
        if (match->port != 0)
            return true;
    return false;
}

static void check_l4_route(
    struct visit *v, const struct l4_route *route, const char *kind, size_t rule)
{
    struct lead lead = { .failure = "connections are closed",
        .is_of_some_ports = l4_names_port(route) };
    bool is_one = route->route.count == 1;
    for (list_each (const struct route_destination, d, &route->route))
        lead.total += is_one ? 1 : d->weight;
    for (size_t i = 0; i < route->route.count; i++) {
        lead.to = route->route.items[i].destination;
        lead.place = (struct place){ kind, "route", rule, i, true };
        lead.weight = is_one ? 1 : route->route.items[i].weight;
        check_destination(v, lead);
    }
}

/* ---- the whole ---- */

static void check_virtual_service(struct analysis *an, const struct object *object)
{
    const struct virtual_service *vs = object->spec;
    struct visit v = { .an = an, .object = object, .callers = callers_of(an, object) };
    for (size_t i = 0; i < vs->http.count; i++)
        check_http_route(&v, &vs->http.items[i], i);
    for (size_t i = 0; i < vs->tls.count; i++)
        check_l4_route(&v, &vs->tls.items[i], "tls", i);
    for (size_t i = 0; i < vs->tcp.count; i++)
        check_l4_route(&v, &vs->tcp.items[i], "tcp", i);
}

void analyze_routes(struct analysis *an)
{
    const struct object_list *list = &an->s->objects[KIND_VIRTUAL_SERVICE];
    for (size_t i = 0; i < list->count; i++)
        check_virtual_service(an, list->items[i]);
}
