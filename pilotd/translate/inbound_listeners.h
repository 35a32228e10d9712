/*
 * inbound_listeners: how connections that come to the proxy's own workload are taken apart.
 *
 * With redirection one listener, virtualInbound, has a chain for each port; without (interception
 * NONE) each port has a listener of its own, bound on the proxy's address. A proxy with an identity
 * takes TLS of the mesh and plain connections (Istio's PERMISSIVE); one without takes plain ones.
 */
#ifndef TRANSLATE_INBOUND_LISTENERS_H
#define TRANSLATE_INBOUND_LISTENERS_H

#include "translate/select.h"

enum mutual_tls { MUTUAL_TLS_DISABLE, MUTUAL_TLS_PERMISSIVE, MUTUAL_TLS_STRICT };

struct inbound_port {
    uint32_t number, service_port; /* the instance's own; the service's */
    uint32_t protocol;             /* enum protocol */
};
typedef LIST(struct inbound_port) inbound_port_list; /* sorted by number, each once */

void select_virtual_inbound(struct selection *sel, const inbound_port_list *ports);

/* Listener <address>_<number>. */
void select_bound_inbound(
    struct selection *sel, const char *address, const struct inbound_port *port);

#endif
