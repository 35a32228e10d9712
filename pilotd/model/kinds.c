#include "model/object.h"
#include "model/shared.h"

#include <string.h>
#include <strings.h>

static const char networking[] = "networking.istio.io";

static const struct kind_info kinds[KIND_COUNT] = {
    [KIND_VIRTUAL_SERVICE] = { "VirtualService",
        "virtualservices",
        networking,
        &virtual_service_schema },
    [KIND_DESTINATION_RULE] = { "DestinationRule",
        "destinationrules",
        networking,
        &destination_rule_schema },
    [KIND_SERVICE_ENTRY] = { "ServiceEntry",
        "serviceentries",
        networking,
        &service_entry_schema,
        &service_entry_status_schema },
    [KIND_WORKLOAD_ENTRY] = { "WorkloadEntry",
        "workloadentries",
        networking,
        &workload_entry_schema },
    [KIND_WORKLOAD_GROUP] = { "WorkloadGroup",
        "workloadgroups",
        networking,
        &workload_group_schema },
    [KIND_MESH_CONFIG] = { "MeshConfig", NULL, NULL, &mesh_config_schema },
    [KIND_REGISTRY_SERVICE] = { "service", NULL, NULL, &registry_service_schema },
    [KIND_REGISTRY_INSTANCE] = { "instance", NULL, NULL, &registry_instance_schema },
};

static const struct {
    const char *name;
    enum kind kind;
} short_names[] = {
    { "vs", KIND_VIRTUAL_SERVICE },
    { "dr", KIND_DESTINATION_RULE },
    { "se", KIND_SERVICE_ENTRY },
    { "we", KIND_WORKLOAD_ENTRY },
    { "wg", KIND_WORKLOAD_GROUP },
};

const struct kind_info *kind_info(enum kind kind)
{
    INVARIANT(kind < KIND_COUNT);
    return &kinds[kind];
}

enum kind kind_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_COUNT(short_names); i++)
        if (strcasecmp(short_names[i].name, name) == 0)
            return short_names[i].kind;
    for (size_t i = 0; i < KIND_COUNT; i++)
        if (strcasecmp(kinds[i].name, name) == 0 ||
            (kinds[i].plural && strcasecmp(kinds[i].plural, name) == 0))
            return (enum kind)i;
    return KIND_NONE;
}
