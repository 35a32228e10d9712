/*
 * topology: where a workload is, as labels. Whatever selects by labels (subsets, failoverPriority,
 * selectors of proxies) may name a region, zone, subzone or network as well. The labels are those
 * that Istio's "Locality Load Balancing" task uses.
 */
#ifndef MESH_TOPOLOGY_H
#define MESH_TOPOLOGY_H

#include "mesh/service.h"

/* `labels` and those of the place: by the locality even if a label says otherwise, by the network
 * only if none does. Sorted by key. Without a place: the very same list. */
label_list labels_with_topology(
    struct arena *a, const label_list *labels, const struct locality *where, const char *network);

#endif
