/*
 * listener_plan: which outbound listeners a scope has, and which services share each.
 *
 * With redirection, HTTP services of a port share 0.0.0.0_PORT, where the Host header tells them
 * apart; a TCP or TLS service has its own listener on each of its virtual addresses, and shares the
 * port's without one. Services on one listener go together when Envoy can tell them apart: HTTP by
 * looking at the first bytes, TLS by the server name asked for; of plain TCP there can be one, the
 * oldest, which takes what is neither.
 *
 * Without redirection (interception NONE) every listener is bound on the scope's bind_address, and
 * virtual addresses play no part.
 */
#ifndef TRANSLATE_LISTENER_PLAN_H
#define TRANSLATE_LISTENER_PLAN_H

#include "translate/select.h"

/* A way for connections that are not HTTP. */
struct planned_chain {
    const struct selected_service *to;
    const struct service_port *port;
    const char *server_name; /* of TLS; NULL: whatever comes */
};

struct planned_listener {
    const char *bind;
    uint32_t port;
    bool is_bound;          /* a socket of its own; else connections come by redirection */
    const char *route_name; /* NULL: no HTTP here */
    const struct selected_service *only; /* the table is this service's alone; NULL: the port's */
    bool has_grpc_web;
    LIST(struct planned_chain) chains; /* the oldest service first */
};
typedef LIST(struct planned_listener) listener_plan; /* sorted by bind, then port */

listener_plan listener_plan_build(struct selection *sel);

/* 0.0.0.0, or :: for a proxy with IPv6 addresses alone. */
const char *wildcard_address(const struct scope *scope);

#endif
