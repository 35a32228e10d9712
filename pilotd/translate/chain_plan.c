#include "translate/chain_plan.h"

#include "translate/names.h"

#include <ctype.h>
#include <string.h>

/* ---- is a match this caller's? ---- */

static bool names_mesh(const string_list *gateways)
{
    for (list_each (const char *const, gateway, gateways))
        if (strcmp(*gateway, "mesh") == 0)
            return true;
    return gateways->count == 0;
}

static bool match_applies(const struct l4_match *match, const struct scope *scope, uint32_t port)
{
    return names_mesh(&match->gateways) && labels_match(&scope->labels, &match->source_labels) &&
           (match->port == 0 || match->port == port) &&
           (!match->source_namespace || strcmp(match->source_namespace, scope->ns) == 0);
}

/* ---- what tells a chain from others: sorted, each once, so that equal ones are seen to be ---- */

static int compare_texts(const void *left, const void *right)
{
    const char *const *a = left, *const *b = right;
    return strcmp(*a, *b);
}

/* Envoy knows wildcards of whole labels alone, and refuses a listener with others. */
static bool is_matchable(const char *name)
{
    return *name != '*' || name[1] == '.';
}

/* Envoy compares them without case. "*" is any name, and none. False: there is none that Envoy
 * could match. */
static bool server_names_of(struct arena *a, const string_list *written, string_list *out)
{
    string_list sorted = { 0 };
    *out = (string_list){ 0 };
    for (list_each (const char *const, name, written)) {
        char *lower = arena_strdup(a, *name);
        for (char *c = lower; *c; c++)
            *c = (char)tolower((unsigned char)*c);
        if (strcmp(lower, "*") == 0)
            return true;
        if (is_matchable(lower))
            list_push(a, &sorted, lower);
    }
    if (sorted.count > 1)
        qsort(sorted.items, sorted.count, sizeof *sorted.items, compare_texts);
    for (size_t i = 0; i < sorted.count; i++)
        if (i == 0 || strcmp(sorted.items[i - 1], sorted.items[i]) != 0)
            list_push(a, out, sorted.items[i]);
    return out->count > 0;
}

static int compare_ranges(const void *left, const void *right)
{
    return cidr_compare(left, right);
}

/* A range of everything leaves nothing to tell apart. */
static cidr_list sort_ranges(struct arena *a, cidr_list ranges)
{
    cidr_list out = { 0 };
    if (ranges.count > 1)
        qsort(ranges.items, ranges.count, sizeof *ranges.items, compare_ranges);
    for (size_t i = 0; i < ranges.count; i++) {
        if (cidr_is_everything(&ranges.items[i]))
            return (cidr_list){ 0 };
        if (i == 0 || cidr_compare(&ranges.items[i - 1], &ranges.items[i]) != 0)
            list_push(a, &out, ranges.items[i]);
    }
    return out;
}

static void push_ranges(struct arena *a, cidr_list *out, const string_list *written)
{
    struct cidr range;
    for (list_each (const char *const, text, written))
        if (cidr_parse(*text, &range))
            list_push(a, out, range);
}

/* ---- plans ---- */

struct planning {
    struct selection *sel;
    const struct chain_wish *wish;
    planned_chain_list out;
    bool has_rules; /* of tls, for this caller */
};

static cidr_list own_ranges(struct planning *p)
{
    cidr_list ranges = { 0 };
    if (p->wish->range)
        list_push(p->sel->a, &ranges, *p->wish->range);
    return sort_ranges(p->sel->a, ranges);
}

/* Of several destinations those of weight 0 get nothing; a single one gets all. */
static void push_chain(struct planning *p, const struct object *rule, const struct l4_route *route,
    string_list server_names, cidr_list ranges)
{
    struct planned_chain chain = {
        .port = p->wish->port,
        .server_names = server_names,
        .ranges = ranges,
        .rule = rule,
        .route = route,
    };
    for (list_each (const struct route_destination, d, &route->route)) {
        struct planned_share share = {
            .to = destination_resolve(p->sel, rule, d->destination, p->wish->port->number),
            .subset = d->destination->subset,
            .weight = d->weight,
        };
        if (route->route.count == 1 || d->weight > 0)
            list_push(p->sel->a, &chain.shares, share);
    }
    list_push(p->sel->a, &p->out, chain);
}

static void push_default(struct planning *p)
{
    const struct chain_wish *wish = p->wish;
    const char *host = wish->service->service->host;
    uint32_t port = wish->port->number;
    struct planned_chain chain = { .port = wish->port, .ranges = own_ranges(p) };
    struct planned_share share = {
        .to = { .cluster = name_outbound(p->sel->a, port, NULL, host),
            .to = wish->service,
            .port = port },
    };
    list_push(p->sel->a, &chain.shares, share);
    /* A listener on a service's own address has one service: TLS needs no name to tell it by. */
    bool is_dynamic = wish->service->service->resolution == RESOLUTION_DYNAMIC_DNS;
    chain.is_dynamic = is_dynamic;
    if (protocol_is_tls(wish->port->protocol) && (wish->is_shared || wish->range || is_dynamic)) {
        string_list names = { 0 };
        list_push(p->sel->a, &names, host);
        if (!server_names_of(p->sel->a, &names, &chain.server_names))
            return;
    }
    list_push(p->sel->a, &p->out, chain);
}

static void push_tls_route(
    struct planning *p, const struct object *rule, const struct l4_route *route)
{
    struct arena *a = p->sel->a;
    for (list_each (const struct l4_match, match, &route->match)) {
        if (!match_applies(match, p->sel->scope, p->wish->port->number))
            continue;
        cidr_list ranges = { 0 };
        string_list names;
        p->has_rules = true;
        if (!server_names_of(a, &match->sni_hosts, &names))
            continue;
        push_ranges(a, &ranges, &match->destination_subnets);
        push_chain(
            p, rule, route, names, ranges.count > 0 ? sort_ranges(a, ranges) : own_ranges(p));
    }
}

static void plan_tls(struct planning *p, const object_ptr_list *rules)
{
    for (list_each (const struct object *const, rule, rules)) {
        const struct virtual_service *vs = (*rule)->spec;
        for (list_each (const struct l4_route, route, &vs->tls))
            push_tls_route(p, *rule, route);
    }
    if (!p->has_rules)
        push_default(p);
}

/* True when it takes every connection to the service: no later rule can be reached. */
static bool push_tcp_route(
    struct planning *p, const struct object *rule, const struct l4_route *route)
{
    struct arena *a = p->sel->a;
    cidr_list ranges = { 0 };
    bool takes_all = route->match.count == 0;
    for (list_each (const struct l4_match, match, &route->match)) {
        if (!match_applies(match, p->sel->scope, p->wish->port->number))
            continue;
        takes_all |= match->destination_subnets.count == 0;
        push_ranges(a, &ranges, &match->destination_subnets);
    }
    if (takes_all)
        push_chain(p, rule, route, (string_list){ 0 }, own_ranges(p));
    else if (ranges.count > 0)
        push_chain(p, rule, route, (string_list){ 0 }, sort_ranges(a, ranges));
    return takes_all;
}

static void plan_tcp(struct planning *p, const object_ptr_list *rules)
{
    for (list_each (const struct object *const, rule, rules)) {
        const struct virtual_service *vs = (*rule)->spec;
        for (list_each (const struct l4_route, route, &vs->tcp))
            if (push_tcp_route(p, *rule, route))
                return;
    }
    push_default(p);
}

planned_chain_list chain_plan_build(struct selection *sel, const struct chain_wish *wish)
{
    struct planning p = { .sel = sel, .wish = wish };
    object_ptr_list rules = virtual_services_of_connections(
        sel->a, sel->snapshot, sel->scope, wish->service->service->host);
    if (protocol_is_tls(wish->port->protocol))
        plan_tls(&p, &rules);
    else
        plan_tcp(&p, &rules);
    return p.out;
}
