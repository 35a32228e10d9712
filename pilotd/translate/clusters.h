/*
 * clusters: the list of outbound clusters, which clusters.c and endpoints.c both walk.
 */
#ifndef TRANSLATE_CLUSTERS_H
#define TRANSLATE_CLUSTERS_H

#include "translate/select.h"

enum discovery { DISCOVERY_EDS, DISCOVERY_DNS, DISCOVERY_ORIGINAL_DST, DISCOVERY_DYNAMIC_DNS };

/* One for each port of a service (UDP and repeated numbers left out), and for each port one for
 * each subset. */
struct outbound_cluster {
    const struct selected_service *selected;
    const struct service_port *port;
    const struct subset *subset; /* NULL: the whole service */
    struct effective_policy policy;
    enum discovery discovery;
};
typedef LIST(struct outbound_cluster) outbound_cluster_list;
outbound_cluster_list outbound_clusters_of(const struct selection *sel);

#endif
