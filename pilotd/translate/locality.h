/*
 * locality: which endpoints a caller prefers, by where both are.
 *
 * Without locality load balancing, endpoints are only grouped by place. With `distribute`, the
 * groups get the weights written down for the caller's place, and places that are not listed get
 * nothing. With `failover` or `failoverPriority` (only under outlier detection: without it Envoy
 * would never leave the first priority) the groups get priorities, dense from 0.
 */
#ifndef TRANSLATE_LOCALITY_H
#define TRANSLATE_LOCALITY_H

#include "translate/select.h"

/* What locality load balancing depends on besides the endpoints: part of a renderer's arguments.
 * All zero when it would change nothing, so that callers everywhere share one resource. */
struct locality_args {
    struct arg_ref setting;               /* struct locality_lb_setting */
    const char *region, *zone, *sub_zone; /* the caller's, where it matters */
    string_list client_labels; /* failoverPriority: label, value wanted, … in order of importance */
};
#define LOCALITY_ARG_ROWS(T, member)                                                               \
    ARG(T, member.setting, ARG_REF), ARG(T, member.region, ARG_TEXT),                              \
        ARG(T, member.zone, ARG_TEXT), ARG(T, member.sub_zone, ARG_TEXT),                          \
        ARG(T, member.client_labels, ARG_TEXTS)

/* The setting of the DestinationRule, else of the mesh, else that it is on; NULL when it is off. */
const struct locality_lb_setting *locality_setting(
    const struct mesh_config *mesh, const struct load_balancer *lb);

struct locality_args locality_args_of(struct arena *a, const struct snapshot *s,
    const struct scope *scope, const struct effective_rule *rule, struct effective_policy policy);

/* Endpoints of one place and one priority. */
struct locality_group {
    struct locality place;
    LIST(const struct endpoint *) endpoints;
    uint32_t weight, priority;
};
struct locality_groups { /* sorted by place, then priority */
    struct locality_group *items;
    size_t count;
    uint64_t divisor; /* of weights: 1, or more where their sum would pass Envoy's 32 bits */
};
uint32_t locality_weight(const struct endpoint *e, uint64_t divisor);

/* Inside a group endpoints keep their order. */
struct locality_groups locality_groups_build(struct arena *a,
    const struct endpoint *const *endpoints, size_t count, const struct locality_args *args);

#endif
