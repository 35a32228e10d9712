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

/* The blocks in force for a port and a subset (NULL: none), after Istio's rules of override: port
 * level replaces the first four whole, a subset overrides block by block; a tunnel is the subset's
 * own. Any may be NULL: default. */
struct effective_policy {
    const struct load_balancer *load_balancer;
    const struct connection_pool *connection_pool;
    const struct outlier_detection *outlier_detection;
    const struct client_tls *tls;
    const struct tunnel *tunnel;
    const struct proxy_protocol *proxy_protocol;
    const struct retry_budget *retry_budget;
};
struct effective_policy effective_policy_of(
    const struct effective_rule *rule, uint32_t service_port, const char *subset);

/* The one VirtualService (object of that kind) whose routes a sidecar uses for `host`: visible,
 * bound to "mesh"; exact host beats wildcard, longer wildcard shorter, then the oldest. NULL: none.
 */
const struct object *virtual_service_find(
    const struct snapshot *s, const struct scope *scope, const char *host);

/*
 * The HTTP routes of a VirtualService, in order, with its delegates' in place of the routes that
 * name them. A delegate that is not there, or not exported to the root's namespace, leaves its
 * route out; so do matches that exclude each other.
 */
struct http_route;
struct effective_route {
    const struct http_route *route;
    const struct object *owner; /* the VirtualService that says where to: short names are its own */
};
struct http_routes {
    const struct object *root;
    LIST(struct effective_route) items;
    struct hash128 digest; /* of the root and its delegates */
};
const struct http_routes *virtual_service_routes(
    struct arena *a, const struct snapshot *s, const struct object *virtual_service);

/* The delegate that a route of `root` names; NULL: there is none that it may use. */
struct delegate;
const struct object *delegate_find(
    const struct snapshot *s, const struct object *root, const struct delegate *name);

/* All VirtualServices for a host that may say where its connections go (tls and tcp): visible,
 * bound to "mesh", with the host or a wildcard over it; the oldest first. */
typedef LIST(const struct object *) object_ptr_list;
object_ptr_list virtual_services_of_connections(
    struct arena *a, const struct snapshot *s, const struct scope *scope, const char *host);

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
