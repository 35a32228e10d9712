/*
 * listings: long lists of a replica in parts (query.h), as JSON: for /debug/… and the status page.
 *
 * Each answer has "total", "matching", "from", "limit", "search", "sort", "order" and
 *   of proxies "proxies": as in /debug/proxies, each with its "state", the worst of its types';
 *   of services "services": [{"host", "namespace", "ports", "endpoints", "healthy", "draining",
 *     "unhealthy"}];
 *   of the graph "routes": [{"hosts", "key": of the VirtualService, "rules": [{"name", "match",
 *     "to": [{"host", "subset", "weight", "endpoints", "healthy"}]}]}]: what is declared, whichever
 *     proxy asks; at most GRAPH_RULES_MAX rules of one, "rulesNotShown" are left out.
 * Pure.
 */
#ifndef DAEMON_LISTINGS_H
#define DAEMON_LISTINGS_H

#include "base/buf.h"
#include "daemon/query.h"
#include "mesh/snapshot.h"

enum { GRAPH_RULES_MAX = 50, GRAPH_DESTINATIONS_MAX = 50 };

/* `reports` are "[…]" of serving loops. By id, or range.sort: "id", "address", "version", "state".
 * NULL when it is another. */
cJSON *listing_proxies(const struct buf *reports, size_t count, const struct range *range);

bool listing_can_sort(const char *sort); /* proxies */

/* By host. NULL: `s` is, or range.sort is not "". */
cJSON *listing_services(const struct snapshot *s, const struct range *range);
cJSON *listing_graph(const struct snapshot *s, const struct range *range);

#endif
