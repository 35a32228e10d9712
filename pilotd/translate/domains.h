/*
 * domains: under which Host headers a service is called, and who gets a name that two claim.
 */
#ifndef TRANSLATE_DOMAINS_H
#define TRANSLATE_DOMAINS_H

#include "mesh/scope.h"

/*
 * The host itself first; then, as seen by a proxy of the scope: the host with its dot at the end,
 * the short names of a host in the mesh's own domain (NAME alone only in its own namespace), and
 * the service's addresses. Ports are left out: tables match without them.
 */
string_list domains_of_service(
    struct arena *a, const struct service *service, const struct scope *scope);

/* What one virtual host of a table claims; domains.items[0] is its full name. */
struct domain_claims {
    string_list domains;
    size_t rank; /* lower is older */
};

/*
 * Leaves every name with one host of the table, for Envoy refuses a table that has one twice: a
 * full name goes before a short one or an address, then the older host before the younger.
 * Names are compared without case. A host may be left with nothing.
 */
void domains_settle(struct arena *a, struct domain_claims *hosts, size_t count);

#endif
