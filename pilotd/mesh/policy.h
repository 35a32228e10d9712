/*
 * policy: which DestinationRule and which VirtualService a proxy's call is under.
 *
 * The rules of precedence are Istio's (its "Destination Rule" and "Virtual Service" pages and the
 * behaviour of istiod). Pure; results live in `a` and point into the snapshot.
 */
#ifndef MESH_POLICY_H
#define MESH_POLICY_H

#include "mesh/scope.h"
#include "mesh/snapshot.h"

/*
 * What the DestinationRules for one service come to, for proxies of one scope. Client namespace,
 * then the service's, then the root namespace; the first level with a match wins entirely; inside
 * it the most specific host; rules of one host and namespace are merged (subsets add up, first name
 * wins; the first traffic policy wins whole). A rule whose selector matches the client replaces
 * those without.
 */
struct effective_rule {
    const struct traffic_policy *policy; /* may be NULL */
    LIST(const struct subset *) subsets;
    LIST(const struct object *) objects; /* the rules that were merged, oldest first */
    struct hash128 digest;               /* of all of the above */
};
/* Never NULL: without a rule its lists are empty and the digest is that of nothing. */
const struct effective_rule *effective_rule_find(struct arena *a, const struct snapshot *s,
    const struct scope *scope, const struct service *service);
const struct subset *effective_rule_subset(const struct effective_rule *r, const char *name);

/* The four blocks in force for a port and a subset (NULL: none), after Istio's rules of override:
 * port level replaces whole, a subset overrides block by block. Any may be NULL: default. */
struct effective_policy {
    const struct load_balancer *load_balancer;
    const struct connection_pool *connection_pool;
    const struct outlier_detection *outlier_detection;
    const struct client_tls *tls;
};
struct effective_policy effective_policy_of(
    const struct effective_rule *rule, uint32_t service_port, const char *subset);

/* The one VirtualService (object of that kind) whose routes a sidecar uses for `host`: visible,
 * bound to "mesh"; exact host beats wildcard, longer wildcard shorter, then the oldest. NULL: none.
 */
const struct object *virtual_service_find(
    const struct snapshot *s, const struct scope *scope, const char *host);

/* Hosts of visible, mesh-bound VirtualServices that no visible service has (resolved, sorted,
 * wildcards left out), each with its VirtualService. */
struct unserved_host {
    const char *host;
    const struct object *virtual_service;
};
typedef LIST(struct unserved_host) unserved_host_list;
unserved_host_list virtual_service_unserved_hosts(
    struct arena *a, const struct snapshot *s, const struct scope *scope);

/* The services a scope sees: one for each host, sorted by host. */
typedef LIST(const struct service *) service_list;
service_list visible_services(struct arena *a, const struct snapshot *s, const struct scope *scope);

/* The services and ports that run on the proxy itself: those with an endpoint whose address is one
 * of the scope's. Sorted by port, then host. */
struct local_port {
    const struct service *service;
    const struct service_port *port;
    const struct endpoint *endpoint;
    uint32_t number; /* the endpoint's port */
};
typedef LIST(struct local_port) local_port_list;
local_port_list local_ports(struct arena *a, const struct snapshot *s, const struct scope *scope);

#endif
