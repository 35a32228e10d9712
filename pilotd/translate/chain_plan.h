/*
 * chain_plan: the ways that a service's connections take on one of its ports, when they are not
 * HTTP.
 *
 * VirtualServices for the host say it: `tls` by server names where the port speaks TLS, `tcp`
 * elsewhere; all of them together, the oldest first. Which of their matches are this caller's (by
 * port, gateways, source labels and namespace) is decided here and never reaches Envoy. What no
 * rule takes goes to the service.
 */
#ifndef TRANSLATE_CHAIN_PLAN_H
#define TRANSLATE_CHAIN_PLAN_H

#include "translate/listener_plan.h"

struct chain_wish {
    const struct selected_service *service;
    const struct service_port *port;
    const struct cidr *range; /* the service's address is a range; NULL: it is not */
    bool is_shared;           /* other services may be on the listener */
};
typedef LIST(struct planned_chain) planned_chain_list;

planned_chain_list chain_plan_build(struct selection *sel, const struct chain_wish *wish);

#endif
