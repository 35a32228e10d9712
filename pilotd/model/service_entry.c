#include "model/service_entry.h"

#include "model/service_entry_rules.h"
#include "model/shared.h"

static const struct enum_value protocols[] = {
    { "", PROTOCOL_AUTO },
    { "HTTP", PROTOCOL_HTTP },
    { "HTTP2", PROTOCOL_HTTP2 },
    { "GRPC", PROTOCOL_GRPC },
    { "GRPC-WEB", PROTOCOL_GRPC_WEB },
    { "HTTPS", PROTOCOL_HTTPS },
    { "TLS", PROTOCOL_TLS },
    { "TCP", PROTOCOL_TCP },
    { "MONGO", PROTOCOL_MONGO },
    { "MYSQL", PROTOCOL_MYSQL },
    { "REDIS", PROTOCOL_REDIS },
    { "UDP", PROTOCOL_UDP },
    { "HTTP_PROXY", PROTOCOL_AUTO, .is_unsupported = true },
    { "HBONE", PROTOCOL_AUTO, .is_unsupported = true },
};
static const struct field service_port_fields[] = {
    U32(service_port, number, .flags = FIELD_REQUIRED, PORT_RANGE),
    STRING(service_port, name, .flags = FIELD_REQUIRED, .format = &format_dns_label),
    ENUM(service_port, protocol, protocol, protocols, .flags = FIELD_ANY_CASE),
    U32(service_port, target_port, PORT_RANGE),
};
SCHEMA(service_port);

static const struct field workload_entry_fields[] = {
    STRING(workload_entry, address, .format = &format_endpoint_address),
    U32_MAP(workload_entry, ports, port_override, PORT_RANGE, .key_format = &format_dns_label),
    LABELS(workload_entry, labels, .key_format = &format_label_key, .format = &format_label_value),
    STRING(workload_entry, network, .format = &format_one_line),
    STRING(workload_entry, locality, .format = &format_locality),
    STRING(workload_entry, service_account, .format = &format_one_line),
    OPT_U32(workload_entry, weight),
};
SCHEMA(workload_entry, .check = check_workload_entry);

static const struct field entry_selector_fields[] = {
    LABELS(
        workload_selector, labels, .key_format = &format_label_key, .format = &format_label_value),
};
static SCHEMA_AS(entry_selector, workload_selector);

static const struct enum_value locations[] = {
    { "MESH_EXTERNAL", MESH_EXTERNAL },
    { "MESH_INTERNAL", MESH_INTERNAL },
};
static const struct enum_value resolutions[] = {
    { "NONE", RESOLUTION_NONE },
    { "STATIC", RESOLUTION_STATIC },
    { "DNS", RESOLUTION_DNS },
    { "DNS_ROUND_ROBIN", RESOLUTION_DNS_ROUND_ROBIN },
    { "DYNAMIC_DNS", RESOLUTION_DYNAMIC_DNS },
};
static const struct field service_entry_fields[] = {
    STRINGS(service_entry, hosts, .flags = FIELD_REQUIRED, .format = &format_partial_wildcard_host),
    STRINGS(service_entry, addresses, .format = &format_ip_or_cidr),
    STRINGS(service_entry, export_to, .format = &format_export_to),
    STRINGS(service_entry, subject_alt_names, .format = &format_not_empty),
    OBJECTS(service_entry, ports, service_port),
    ENUM(service_entry, location, service_location, locations),
    ENUM(service_entry, resolution, resolution, resolutions),
    OBJECTS(service_entry, endpoints, workload_entry),
    OBJECT_AS(service_entry, workload_selector, workload_selector, entry_selector),
};
SCHEMA(service_entry, .check = check_service_entry);

static const struct field service_entry_address_fields[] = {
    STRING(service_entry_address, value, .flags = FIELD_REQUIRED, .format = &format_ip),
    STRING(service_entry_address, host),
};
static SCHEMA(service_entry_address);

static const struct field service_entry_status_fields[] = {
    OBJECTS(service_entry_status, addresses, service_entry_address),
    TOLERATED("conditions"),
    TOLERATED("validation_messages"),
    TOLERATED("observed_generation"),
};
SCHEMA(service_entry_status);
