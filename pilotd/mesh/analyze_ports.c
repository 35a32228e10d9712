/*
 * Ports that services without addresses want together. Connections to such a port can be told apart
 * by what they carry (HTTP by its Host, TLS by its server name); of plain TCP there can be one
 * service for a caller, the oldest, which takes what is neither.
 */
#include "mesh/analyze.h"

#include <string.h>

enum { PORTS = 65536 };

/* A service at a port of all addresses. */
struct claim {
    const struct service *service;
    const struct service_port *port;
};
typedef LIST(struct claim) claim_list;

/* Nothing but its port tells it apart. */
static bool is_plain(enum protocol p)
{
    return p != PROTOCOL_AUTO && p != PROTOCOL_UDP && !protocol_is_http(p) && !protocol_is_tls(p);
}

/* Servers of these speak first: they share a port with their like alone. */
static bool speaks_first(enum protocol p)
{
    return p == PROTOCOL_MONGO || p == PROTOCOL_MYSQL;
}

static bool may_join(enum protocol first, enum protocol next)
{
    return first == next || (!speaks_first(first) && !speaks_first(next));
}

static int compare_claims(const void *left, const void *right)
{
    const struct claim *a = left, *b = right;
    const struct service *x = a->service, *y = b->service;
    int order = (a->port->number > b->port->number) - (a->port->number < b->port->number);
    if (order == 0)
        order =
            (x->create_revision > y->create_revision) - (x->create_revision < y->create_revision);
    if (order == 0)
        order = strcmp(x->ns, y->ns);
    return order ? order : strcmp(x->host, y->host);
}

/* HTTP is told apart by name at whatever address. */
static bool is_at_all_addresses(const struct service *service, const struct service_port *port)
{
    return protocol_is_http(port->protocol) ||
           (port->protocol != PROTOCOL_UDP && service->addresses.count == 0);
}

/* Of ports where some service is plain: elsewhere nothing can go wrong. */
static claim_list claims_of(struct analysis *an)
{
    bool *is_asked = ARENA_ARRAY(an->scratch, bool, PORTS);
    claim_list claims = { 0 };
    for (size_t i = 0; i < an->s->services.count; i++) {
        const struct service *service = an->s->services.items[i];
        for (list_each (const struct service_port, port, &service->ports))
            if (is_plain(port->protocol) && service->addresses.count == 0)
                is_asked[port->number % PORTS] = true;
    }
    for (size_t i = 0; i < an->s->services.count; i++) {
        const struct service *service = an->s->services.items[i];
        for (list_each (const struct service_port, port, &service->ports))
            if (is_asked[port->number % PORTS] && is_at_all_addresses(service, port))
                list_push(an->scratch, &claims, ((struct claim){ service, port }));
    }
    if (claims.count > 0)
        qsort(claims.items, claims.count, sizeof *claims.items, compare_claims);
    return claims;
}

/* ---- findings ---- */

static const char *port_path(struct snapshot *s, const struct claim *c)
{
    const struct service *service = c->service;
    if (!service->object)
        return arena_printf(s->arena, "ports.%s", c->port->name);
    if (service->object->kind != KIND_SERVICE_ENTRY)
        return "ports";
    const struct service_entry *entry = service->object->spec;
    for (size_t i = 0; i < entry->ports.count; i++)
        if (entry->ports.items[i].number == c->port->number)
            return arena_printf(s->arena, "spec.ports[%zu]", i);
    return "spec.ports";
}

static const char *const give_addresses = "give the services addresses, or different ports";

static void tell_taken(struct analysis *an, const struct claim *loser, const struct claim *owner)
{
    finding_add(an->s,
        service_key(loser->service),
        DIAG_PORT_CONFLICT,
        port_path(an->s, loser),
        give_addresses,
        "%s port %u belongs to the older service %s where both are visible; %s is out of reach "
        "there",
        protocol_name(owner->port->protocol),
        owner->port->number,
        owner->service->host,
        loser->service->host);
}

static void tell_mixed(struct analysis *an, const struct claim *plain, const struct claim *http)
{
    finding_add(an->s,
        service_key(plain->service),
        DIAG_PORT_CONFLICT,
        port_path(an->s, plain),
        give_addresses,
        "port %u is also the HTTP service %s: connections that carry HTTP go where their Host "
        "says, "
        "all others come to %s",
        plain->port->number,
        http->service->host,
        plain->service->host);
}

static void tell_no_address(struct analysis *an, const struct claim *c)
{
    finding_add(an->s,
        service_key(c->service),
        DIAG_NO_ADDRESS,
        "spec.addresses",
        "give it addresses",
        "without addresses %s takes every connection to port %u, wherever that was going",
        c->service->host,
        c->port->number);
}

/* ---- one port ---- */

struct port_crowds {
    struct crowd all, plain, http;
};

/* The first is the one that decides what its listener can tell apart. True when it is a loser. */
static bool check_taken(struct analysis *an, const struct port_crowds *crowds,
    const struct claim *claims, size_t index, const struct audience *audience)
{
    const struct claim *c = &claims[index];
    long first = crowd_find(&crowds->all, audience);
    if (first != CROWD_NONE && !may_join(claims[first].port->protocol, c->port->protocol)) {
        tell_taken(an, c, &claims[first]);
        return true;
    }
    long owner = is_plain(c->port->protocol) ? crowd_find(&crowds->plain, audience) : CROWD_NONE;
    if (owner == CROWD_NONE || strcmp(claims[owner].service->host, c->service->host) == 0)
        return false;
    tell_taken(an, c, &claims[owner]);
    return true;
}

/* What the owner of a port's other connections should know. */
static void check_owner(
    struct analysis *an, const struct port_crowds *crowds, const struct claim *claims, size_t index)
{
    const struct claim *c = &claims[index];
    struct audience audience = service_audience(an->s, c->service);
    long http = crowd_find(&crowds->http, &audience);
    if (http != CROWD_NONE)
        tell_mixed(an, c, &claims[http]);
    else if (c->service->object && c->service->object->kind == KIND_SERVICE_ENTRY)
        tell_no_address(an, c);
}

static void check_port(struct analysis *an, const struct claim *claims, size_t count)
{
    struct port_crowds crowds = { 0 };
    bool *is_owner = ARENA_ARRAY(an->scratch, bool, count);
    for (size_t i = 0; i < count; i++) {
        enum protocol protocol = claims[i].port->protocol;
        struct audience audience = service_audience(an->s, claims[i].service);
        bool is_taken = check_taken(an, &crowds, claims, i, &audience);
        crowd_join(&crowds.all, &audience, i);
        if (is_taken)
            continue;
        is_owner[i] = is_plain(protocol);
        if (is_plain(protocol) || protocol == PROTOCOL_AUTO)
            crowd_join(&crowds.plain, &audience, i);
        if (protocol_is_http(protocol))
            crowd_join(&crowds.http, &audience, i);
    }
    for (size_t i = 0; i < count; i++)
        if (is_owner[i])
            check_owner(an, &crowds, claims, i);
    crowd_fini(&crowds.all);
    crowd_fini(&crowds.plain);
    crowd_fini(&crowds.http);
}

void analyze_ports(struct analysis *an)
{
    claim_list claims = claims_of(an);
    for (size_t i = 0, j; i < claims.count; i = j) {
        for (j = i + 1; j < claims.count; j++)
            if (claims.items[j].port->number != claims.items[i].port->number)
                break;
        check_port(an, claims.items + i, j - i);
    }
}
