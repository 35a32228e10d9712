/*
 * ServiceEntry and WorkloadEntry: Istio's pages of those names. Field names are Istio's in snake
 * case.
 */
#ifndef MODEL_SERVICE_ENTRY_H
#define MODEL_SERVICE_ENTRY_H

#include "model/types.h"

struct service_port {
    uint32_t number;
    const char *name;
    enum protocol protocol;
    uint32_t target_port; /* 0: number */
};

struct port_override { /* of a map from port names, sorted by name */
    const char *key;
    uint32_t value;
};

enum health { HEALTH_HEALTHY, HEALTH_DRAINING, HEALTH_UNHEALTHY };

struct workload_entry {
    const char *address; /* IP, or a name with resolution DNS; NULL: it cannot be reached */
    LIST(struct port_override) ports;
    label_list labels;
    const char *network, *locality,
        *service_account; /* may be NULL; locality "region/zone/subzone" */
    struct opt_u32 weight;
};

enum service_location { MESH_EXTERNAL, MESH_INTERNAL };
enum resolution {
    RESOLUTION_NONE,
    RESOLUTION_STATIC,
    RESOLUTION_DNS,
    RESOLUTION_DNS_ROUND_ROBIN,
    RESOLUTION_DYNAMIC_DNS, /* of whatever name under a wildcard is asked for */
};

struct service_entry {
    string_list hosts, addresses, export_to, subject_alt_names;
    LIST(struct service_port) ports;
    enum service_location location;
    enum resolution resolution;
    LIST(struct workload_entry) endpoints;
    const struct workload_selector *workload_selector;
};

/* What others wrote into `status`: virtual addresses that were allocated. */
struct service_entry_address {
    const char *value, *host; /* host NULL: of any of the hosts */
};
struct service_entry_status {
    LIST(struct service_entry_address) addresses;
};

#endif
