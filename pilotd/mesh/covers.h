/*
 * covers: is all that one match takes taken by another, too?
 *
 * Says only what is certain: of regular expressions, that equal ones are equal. Callers count as
 * well: by gateways, labels, namespace and port. `gateways` are those of the VirtualService, for
 * matches that name none.
 */
#ifndef MESH_COVERS_H
#define MESH_COVERS_H

#include "model/cidr.h"
#include "model/virtual_service.h"

bool http_match_covers(
    const struct http_match *wide, const struct http_match *narrow, const string_list *gateways);

/* A bit for each thing that a match asks for; one that asks for something else covers nothing of
 * it. A quick look before the long one. */
uint64_t http_match_asks(const struct http_match *m);

/* A match of connections with its ranges read. */
struct l4_match_ranges {
    const struct l4_match *match;
    struct cidr *ranges; /* none: every address */
    size_t count;
};
struct l4_match_ranges l4_match_read(struct arena *a, const struct l4_match *match);

/*
 * Envoy takes the most specific range and server name, whatever the order; only of equal ones the
 * first counts. A TCP rule without ranges is the service's last.
 */
bool tls_match_covers(const struct l4_match_ranges *wide, const struct l4_match_ranges *narrow,
    const string_list *gateways);
bool tcp_match_covers(const struct l4_match_ranges *wide, const struct l4_match_ranges *narrow,
    const string_list *gateways);

#endif
