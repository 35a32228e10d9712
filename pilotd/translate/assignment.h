/*
 * assignment: the endpoints of one cluster as a ClusterLoadAssignment, sent by EDS or, for names
 * that Envoy resolves itself, inside the cluster.
 */
#ifndef TRANSLATE_ASSIGNMENT_H
#define TRANSLATE_ASSIGNMENT_H

#include "translate/clusters.h"
#include "translate/locality.h"

struct endpoint_slice {
    const struct endpoint *items;
    size_t count;
};

/* Part of a renderer's arguments. */
struct assignment_args {
    const char *host, *subset; /* subset NULL: none */
    uint64_t port;
    const char *port_name;
    uint64_t target_port;
    uint64_t takes_names;       /* endpoints are names that Envoy resolves */
    struct arg_ref declaration; /* no value, only what it depends on: who serves which ports */
    struct arg_ref endpoints;   /* struct endpoint_slice: of the service, whatever the subset */
    string_list subset_labels;  /* label, value, … */
    struct locality_args locality;
};
#define ASSIGNMENT_ARG_ROWS(T, member)                                                             \
    ARG(T, member.host, ARG_TEXT), ARG(T, member.subset, ARG_TEXT), ARG(T, member.port, ARG_U64),  \
        ARG(T, member.port_name, ARG_TEXT), ARG(T, member.target_port, ARG_U64),                   \
        ARG(T, member.takes_names, ARG_U64), ARG(T, member.declaration, ARG_REF),                  \
        ARG(T, member.endpoints, ARG_REF), ARG(T, member.subset_labels, ARG_TEXTS),                \
        LOCALITY_ARG_ROWS(T, member.locality)

struct assignment_args assignment_args_of(
    const struct selection *sel, const struct outbound_cluster *cluster);

/* The cluster's name (outbound|9080|v1|reviews…). */
const char *assignment_cluster_name(struct arena *a, const struct assignment_args *args);

/* Without an endpoint it is empty. Endpoints that Envoy would refuse (a name where an address must
 * be, no port) are left out. */
pb_ClusterLoadAssignment *assignment_build(struct arena *a, const struct assignment_args *args);

/* An IP address with a port, or unix:///path. */
pb_Address *assignment_address(struct arena *a, const char *address, uint32_t port);

/* A listener that is bound at one more address, too; NULL: at none. */
void listener_set_extra_address(
    struct arena *a, pb_Listener *listener, const char *extra_bind, uint32_t port);

#endif
