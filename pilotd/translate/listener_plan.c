#include "translate/listener_plan.h"

#include "translate/chain_plan.h"
#include "translate/fixed_clusters.h"
#include "translate/names.h"

#include <arpa/inet.h>
#include <string.h>

const char *wildcard_address(const struct scope *scope)
{
    return ip_families_of(scope).v4 ? "0.0.0.0" : "::";
}

const char *extra_wildcard_address(const struct scope *scope)
{
    struct ip_families families = ip_families_of(scope);
    return families.v4 && families.v6 ? "::" : NULL;
}

/* Istio's proxies of both families take redirected connections by IPv4 alone: hence not without
 * being asked. */
const char *extra_virtual_address(const struct scope *scope)
{
    return scope->redirects_ipv6 ? extra_wildcard_address(scope) : NULL;
}

/* ---- wishes: one for each address and port a service would be reached at ---- */

struct wish {
    const char *bind;
    const struct cidr *range; /* NULL: one address, or any */
    const struct selected_service *service;
    const struct service_port *port;
};
typedef LIST(struct wish) wish_list;

/* By address and port; of those, the oldest service first. */
static int compare_wishes(const void *left, const void *right)
{
    const struct wish *a = left, *b = right;
    const struct service *x = a->service->service, *y = b->service->service;
    int order = strcmp(a->bind, b->bind);
    if (order == 0)
        order = (a->port->number > b->port->number) - (a->port->number < b->port->number);
    if (order == 0)
        order =
            (x->create_revision > y->create_revision) - (x->create_revision < y->create_revision);
    if (order == 0)
        order = strcmp(x->ns, y->ns);
    if (order == 0)
        order = strcmp(x->host, y->host);
    return order || !a->range || !b->range ? order : cidr_compare(a->range, b->range);
}

static bool speaks_http(enum protocol protocol)
{
    return protocol_is_http(protocol) || protocol == PROTOCOL_AUTO;
}

/* Two spellings of one IPv6 address would be two listeners on one socket. */
static const char *one_spelling(struct arena *a, const char *address)
{
    struct in6_addr bytes;
    char text[INET6_ADDRSTRLEN];
    if (inet_pton(AF_INET6, address, &bytes) != 1)
        return address;
    return arena_strdup(a, inet_ntop(AF_INET6, &bytes, text, sizeof text));
}

/* A range has no address to listen at: what goes there is told by where it was going. */
static void push_address(
    struct selection *sel, wish_list *wishes, struct wish wish, const char *address)
{
    struct cidr *range = ARENA_NEW(sel->a, struct cidr);
    if (strchr(address, '/') && cidr_parse(address, range)) {
        wish.bind = wildcard_address(sel->scope);
        wish.range = range;
    } else {
        wish.bind = one_spelling(sel->a, address);
    }
    list_push(sel->a, wishes, wish);
}

/* Where a port is listened for: HTTP on all addresses, for it is told apart by name. */
static void push_wishes(struct selection *sel, wish_list *wishes,
    const struct selected_service *service, const struct service_port *port)
{
    const string_list addresses = service_addresses(sel->a, service->service, sel->scope);
    struct wish wish = { .service = service, .port = port };
    bool is_bound = sel->scope->interception == INTERCEPTION_NONE;
    if (is_bound || protocol_is_http(port->protocol) || addresses.count == 0) {
        wish.bind = is_bound ? sel->scope->bind_address : wildcard_address(sel->scope);
        list_push(sel->a, wishes, wish);
        return;
    }
    for (list_each (const char *const, address, &addresses))
        push_address(sel, wishes, wish, *address);
}

/* A listener on all addresses at a port where redirected connections arrive, or one where the
 * workload's own is bound, could not be opened. */
static bool is_taken(struct selection *sel, const local_port_list *locals, const struct wish *w)
{
    const struct mesh_config *mesh = sel->snapshot->mesh;
    uint32_t number = w->port->number;
    if (sel->scope->interception != INTERCEPTION_NONE)
        return strcmp(w->bind, wildcard_address(sel->scope)) == 0 &&
               (number == mesh->proxy_listen_port || number == mesh->proxy_inbound_listen_port);
    for (list_each (const struct local_port, local, locals))
        if (local->number == number && strcmp(local->endpoint->address, w->bind) == 0)
            return true;
    return false;
}

static wish_list wishes_of(struct selection *sel)
{
    wish_list all = { 0 }, possible = { 0 };
    local_port_list locals = { 0 };
    if (sel->scope->interception == INTERCEPTION_NONE)
        locals = local_ports(sel->a, sel->snapshot, sel->scope);
    for (list_each (const struct selected_service, service, &sel->services))
        for (list_each (const struct service_port, port, &service->service->ports))
            if (port->protocol != PROTOCOL_UDP)
                push_wishes(sel, &all, service, port);
    for (list_each (const struct wish, wish, &all))
        if (!is_taken(sel, &locals, wish))
            list_push(sel->a, &possible, *wish);
    if (possible.count > 0)
        qsort(possible.items, possible.count, sizeof *possible.items, compare_wishes);
    return possible;
}

/* ---- listeners: wishes for one address and port, granted as far as they go together ---- */

/* Servers of these speak first: a listener that waits for the client's first bytes would break
 * them, so they share a port with their like alone. */
static bool speaks_first(enum protocol protocol)
{
    return protocol == PROTOCOL_MONGO || protocol == PROTOCOL_MYSQL;
}

static bool may_join(enum protocol first, enum protocol next)
{
    return first == next || (!speaks_first(first) && !speaks_first(next));
}

static bool names_equal(const string_list *a, const string_list *b)
{
    bool are = a->count == b->count;
    for (size_t i = 0; are && i < a->count; i++)
        are = strcmp(a->items[i], b->items[i]) == 0;
    return are;
}

/* ---- chains: Envoy takes each pair of a range and a server name on its own, and refuses a
 * listener in which two chains have one. The first has it; others keep what is left to them ---- */

/* NULL: whatever comes. */
static bool has_name(const string_list *names, const char *name)
{
    for (list_each (const char *const, other, names))
        if (name && strcmp(*other, name) == 0)
            return true;
    return !name && names->count == 0;
}

/* NULL: wherever. */
static bool has_range(const cidr_list *ranges, const struct cidr *range)
{
    for (list_each (const struct cidr, other, ranges))
        if (range && cidr_compare(other, range) == 0)
            return true;
    return !range && ranges->count == 0;
}

static bool is_claimed(
    const struct planned_listener *listener, const struct cidr *range, const char *name)
{
    for (list_each (const struct planned_chain, chain, &listener->chains))
        if (has_range(&chain->ranges, range) && has_name(&chain->server_names, name))
            return true;
    return false;
}

/* False: nothing is left in that range. */
static bool names_left(struct selection *sel, const struct planned_listener *listener,
    const struct planned_chain *chain, const struct cidr *range, string_list *left)
{
    if (chain->server_names.count == 0)
        return !is_claimed(listener, range, NULL);
    for (list_each (const char *const, name, &chain->server_names))
        if (!is_claimed(listener, range, *name))
            list_push(sel->a, left, *name);
    return left->count > 0;
}

/* Ranges in which the same names are left stay together. */
static void add_part(struct selection *sel, planned_chain_list *parts,
    const struct planned_chain *chain, const struct cidr *range, string_list names)
{
    struct planned_chain part = *chain;
    for (list_each (struct planned_chain, other, parts))
        if (range && names_equal(&other->server_names, &names)) {
            list_push(sel->a, &other->ranges, *range);
            return;
        }
    part.server_names = names;
    part.ranges = (cidr_list){ 0 };
    if (range)
        list_push(sel->a, &part.ranges, *range);
    list_push(sel->a, parts, part);
}

static void add_chain(
    struct selection *sel, struct planned_listener *listener, const struct planned_chain *chain)
{
    planned_chain_list parts = { 0 };
    const struct cidr *range = chain->ranges.count > 0 ? chain->ranges.items : NULL;
    for (size_t i = 0; i == 0 || i < chain->ranges.count; i++) {
        string_list left = { 0 };
        if (names_left(sel, listener, chain, range ? range + i : NULL, &left))
            add_part(sel, &parts, chain, range ? range + i : NULL, left);
    }
    for (list_each (const struct planned_chain, part, &parts))
        list_push(sel->a, &listener->chains, *part);
}

static void add_chains(
    struct selection *sel, struct planned_listener *listener, const struct wish *wish)
{
    bool is_shared = listener->is_bound || strcmp(wish->bind, wildcard_address(sel->scope)) == 0;
    const struct chain_wish chain = { wish->service, wish->port, wish->range, is_shared };
    planned_chain_list chains = chain_plan_build(sel, &chain);
    for (list_each (const struct planned_chain, planned, &chains))
        add_chain(sel, listener, planned);
}

/* The port's table, but on its own address a service needs no other's routes. */
static void add_http(
    struct selection *sel, struct planned_listener *listener, const struct wish *wish)
{
    listener->has_grpc_web |= wish->port->protocol == PROTOCOL_GRPC_WEB;
    listener->has_dynamic_dns |= wish->service->service->resolution == RESOLUTION_DYNAMIC_DNS;
    if (listener->route_name)
        return;
    bool is_own = !listener->is_bound && strcmp(wish->bind, wildcard_address(sel->scope)) != 0;
    listener->only = is_own ? wish->service : NULL;
    listener->route_name =
        is_own ? name_virtual_host(sel->a, wish->service->service->host, listener->port)
               : name_route_config(sel->a, listener->port);
    if (sel->scope->splits_tables)
        listener->route_name = name_split_table(sel->a, listener->route_name);
}

static void grant(struct selection *sel, struct planned_listener *listener, const struct wish *wish)
{
    if (speaks_http(wish->port->protocol))
        add_http(sel, listener, wish);
    if (!protocol_is_http(wish->port->protocol))
        add_chains(sel, listener, wish);
}

static bool is_for(const struct wish *wish, const struct wish *first)
{
    return wish->port->number == first->port->number && strcmp(wish->bind, first->bind) == 0;
}

listener_plan listener_plan_build(struct selection *sel)
{
    wish_list wishes = wishes_of(sel);
    listener_plan plan = { 0 };
    for (size_t i = 0; i < wishes.count;) {
        const struct wish *first = &wishes.items[i];
        struct planned_listener listener = {
            .bind = first->bind,
            .port = first->port->number,
            .is_bound = sel->scope->interception == INTERCEPTION_NONE,
        };
        for (; i < wishes.count && is_for(&wishes.items[i], first); i++)
            if (may_join(first->port->protocol, wishes.items[i].port->protocol))
                grant(sel, &listener, &wishes.items[i]);
        if (listener.route_name || listener.chains.count > 0)
            list_push(sel->a, &plan, listener);
    }
    return plan;
}
