/*
 * fixed_clusters: the clusters that are there whatever the mesh has in it.
 */
#ifndef TRANSLATE_FIXED_CLUSTERS_H
#define TRANSLATE_FIXED_CLUSTERS_H

#include "translate/select.h"

/* The families of the proxy's own addresses; v4 when it has none. */
struct ip_families {
    bool v4, v6;
};
struct ip_families ip_families_of(const struct scope *scope);

/* The source addresses to connect from; NULL: the system chooses. */
pb_BindConfig *bind_config_build(struct arena *a, struct ip_families binds);

/* Adds BlackHoleCluster, which has no endpoint. */
void select_blackhole(struct selection *sel);

/* Adds a cluster that goes where the connection was going; `binds` as above. */
void select_passthrough(struct selection *sel, const char *name, struct ip_families binds);

#endif
