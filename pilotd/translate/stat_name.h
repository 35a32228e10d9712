/*
 * stat_name: the names of clusters in statistics, as MeshConfig's outboundClusterStatName and
 * inboundClusterStatName ask: text with %SERVICE%, %SERVICE_NAME%, %SERVICE_FQDN%, %SERVICE_PORT%,
 * %SERVICE_PORT_NAME%, %TARGET_PORT% and %SUBSET_NAME% in it (Istio's "Global Mesh Options" page).
 */
#ifndef TRANSLATE_STAT_NAME_H
#define TRANSLATE_STAT_NAME_H

#include "mesh/service.h"

struct stat_subject {
    const struct service *service;
    const struct service_port *port;
    const char *subset; /* NULL: none */
    uint32_t target_port;
};

/* NULL without a pattern. It ends in ';', as all of Istio's do, which tells where it ends. */
const char *stat_name_build(
    struct arena *a, const char *pattern, const struct stat_subject *subject);

#endif
