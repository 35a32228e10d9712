/*
 * listener_plan: which outbound listeners a scope has, and which services share each.
 *
 * With redirection, HTTP services of a port share 0.0.0.0_PORT, where the Host header tells them
 * apart; a TCP or TLS service has its own listener on each of its virtual addresses, and shares the
 * port's without one. Services on one listener go together when Envoy can tell them apart: HTTP by
 * looking at the first bytes, TLS by the server name asked for, ranges of addresses by where the
 * connection was going; of plain TCP there can be one, the oldest, which takes what is none of
 * these. Chains that Envoy could not tell apart are left to the oldest service.
 *
 * Without redirection (interception NONE) every listener is bound on the scope's bind_address, and
 * virtual addresses play no part.
 */
#ifndef TRANSLATE_LISTENER_PLAN_H
#define TRANSLATE_LISTENER_PLAN_H

#include "model/cidr.h"
#include "translate/route_plan.h"

typedef LIST(struct cidr) cidr_list;

/* A share of a chain's connections. */
struct planned_share {
    struct planned_destination to;
    const char *subset; /* NULL: none */
    uint32_t weight;
};

/* A way for connections that are not HTTP: as a VirtualService says, else to the service. */
struct planned_chain {
    const struct service_port *port;
    string_list server_names; /* of TLS, sorted; empty: whatever comes */
    cidr_list ranges;         /* where it was going, sorted; empty: wherever */
    LIST(struct planned_share) shares;
    const struct object *rule;    /* the VirtualService; NULL: none */
    const struct l4_route *route; /* of the rule; NULL likewise */
    bool is_dynamic;              /* the server name is resolved when it is asked for */
};

struct planned_listener {
    const char *bind;
    uint32_t port;
    bool is_bound;          /* a socket of its own; else connections come by redirection */
    const char *route_name; /* NULL: no HTTP here */
    const struct selected_service *only; /* the table is this service's alone; NULL: the port's */
    bool has_grpc_web, has_dynamic_dns;
    LIST(struct planned_chain) chains; /* the oldest service first */
};
typedef LIST(struct planned_listener) listener_plan; /* sorted by bind, then port */

listener_plan listener_plan_build(struct selection *sel);

/* 0.0.0.0, or :: for a proxy with IPv6 addresses alone. */
const char *wildcard_address(const struct scope *scope);
/* "::" beside it, for a proxy that has addresses of both families; else NULL. And where redirected
 * connections arrive: there as well if the proxy says that IPv6 is redirected. */
const char *extra_wildcard_address(const struct scope *scope);
const char *extra_virtual_address(const struct scope *scope);

#endif
