#include "model/registry.h"

#include "model/shared.h"

static const struct enum_value resolutions[] = {
    { "STATIC", RESOLUTION_STATIC },
    { "DNS", RESOLUTION_DNS },
    { "DNS_ROUND_ROBIN", RESOLUTION_DNS_ROUND_ROBIN },
    { "NONE", RESOLUTION_NONE },
};

static void check_registry_service(struct decoder *d, void *object)
{
    const struct registry_service *service = object;
    check_unique_ports(d, service->ports.items, service->ports.count);
    check_virtual_addresses(d, &service->addresses);
    check_export_to(d, "exportTo", &service->export_to, true);
}

static const struct field registry_service_fields[] = {
    OBJECTS(registry_service, ports, service_port),
    STRINGS(registry_service, hosts, .format = &format_fqdn),
    STRINGS(registry_service, addresses, .format = &format_ip),
    ENUM(registry_service, resolution, resolution, resolutions, .fallback = RESOLUTION_STATIC),
    STRINGS(registry_service, export_to, .format = &format_export_to),
    LABELS(
        registry_service, labels, .key_format = &format_label_key, .format = &format_label_value),
};
SCHEMA(registry_service, .check = check_registry_service);

static const struct enum_value healths[] = {
    { "healthy", HEALTH_HEALTHY },
    { "draining", HEALTH_DRAINING },
    { "unhealthy", HEALTH_UNHEALTHY },
};
static const struct field registry_instance_fields[] = {
    STRING(registry_instance, address, .flags = FIELD_REQUIRED, .format = &format_ip_or_fqdn),
    U32_MAP(registry_instance, ports, port_override, .flags = FIELD_REQUIRED, PORT_RANGE,
        .key_format = &format_dns_label),
    LABELS(
        registry_instance, labels, .key_format = &format_label_key, .format = &format_label_value),
    STRING(registry_instance, locality, .format = &format_locality),
    STRING(registry_instance, network, .format = &format_one_line),
    STRING(registry_instance, service_account, .format = &format_one_line),
    OPT_U32(registry_instance, weight, .range = { 1, UINT32_MAX }),
    ENUM(registry_instance, health, health, healths),
};
SCHEMA(registry_instance);
