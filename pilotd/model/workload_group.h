/*
 * WorkloadGroup: Istio's page of that name: what the instances of one workload have in common.
 *
 * Nothing registers by itself here: `pilotctl register --group NAME` fills what its command line
 * leaves out with the group's template.
 */
#ifndef MODEL_WORKLOAD_GROUP_H
#define MODEL_WORKLOAD_GROUP_H

#include "model/service_entry.h"

struct group_metadata {
    label_list labels; /* win over the template's */
};

struct workload_group {
    const struct group_metadata *metadata; /* may be NULL */
    const struct workload_entry *template; /* without an address */
};

#endif
