#include "model/workload_group.h"

#include "model/shared.h"

#include <ctype.h>

/* ---- the probe: checked as Istio does, so that a group is good there when it is good here ---- */

struct probe_header {
    const char *name, *value;
};
typedef LIST(struct probe_header) probe_header_list;
enum scheme { SCHEME_HTTP, SCHEME_HTTPS };
struct health_target {
    uint32_t port;
    const char *host, *path, *service;
    enum scheme scheme;
    probe_header_list http_headers;
};
struct health_command {
    string_list command;
};
struct readiness_probe {
    uint32_t initial_delay_seconds, timeout_seconds, period_seconds, success_threshold,
        failure_threshold;
    const struct health_target *http_get, *tcp_socket, *grpc;
    const struct health_command *exec;
};

static bool is_probe_header(const char *name)
{
    const char *c = name;
    while (isalnum((unsigned char)*c) || *c == '-')
        c++;
    return *name && !*c;
}
static const struct format format_probe_header = {
    .must_be = "a header name (letters, digits and '-')", .accepts = is_probe_header
};

static const struct field probe_header_fields[] = {
    STRING(probe_header, name, .flags = FIELD_REQUIRED, .format = &format_probe_header),
    STRING(probe_header, value, .format = &format_one_line),
};
static SCHEMA(probe_header);

static const struct enum_value schemes[] = {
    { "", SCHEME_HTTP },
    { "HTTP", SCHEME_HTTP },
    { "HTTPS", SCHEME_HTTPS },
};
static const struct field http_target_fields[] = {
    U32(health_target, port, .flags = FIELD_REQUIRED, PORT_RANGE),
    STRING(health_target, host, .format = &format_one_line),
    STRING(health_target, path, .format = &format_one_line),
    ENUM(health_target, scheme, scheme, schemes),
    OBJECTS(health_target, http_headers, probe_header),
};
static SCHEMA_AS(http_target, health_target);

static const struct field tcp_target_fields[] = {
    U32(health_target, port, .flags = FIELD_REQUIRED, PORT_RANGE),
    STRING(health_target, host, .format = &format_one_line),
};
static SCHEMA_AS(tcp_target, health_target);

static const struct field grpc_target_fields[] = {
    U32(health_target, port, .flags = FIELD_REQUIRED, PORT_RANGE),
    STRING(health_target, service, .format = &format_one_line),
};
static SCHEMA_AS(grpc_target, health_target);

static const struct field health_command_fields[] = {
    STRINGS(health_command, command, .flags = FIELD_REQUIRED),
};
static SCHEMA(health_command);

static void check_probe(struct decoder *d, void *object)
{
    const struct readiness_probe *probe = object;
    if (!probe->http_get && !probe->tcp_socket && !probe->exec && !probe->grpc)
        schema_fault(d, DIAG_REQUIRED, "", NULL, "must have httpGet, tcpSocket, exec or grpc");
}

enum { ONEOF_METHOD = 1 };
#define INT32_RANGE .range = { 0, INT32_LIMIT }
static const struct field readiness_probe_fields[] = {
    U32(readiness_probe, initial_delay_seconds, INT32_RANGE),
    U32(readiness_probe, timeout_seconds, INT32_RANGE),
    U32(readiness_probe, period_seconds, INT32_RANGE),
    U32(readiness_probe, success_threshold, INT32_RANGE),
    U32(readiness_probe, failure_threshold, INT32_RANGE),
    OBJECT_AS(readiness_probe, http_get, health_target, http_target, .oneof = ONEOF_METHOD),
    OBJECT_AS(readiness_probe, tcp_socket, health_target, tcp_target, .oneof = ONEOF_METHOD),
    OBJECT_AS(readiness_probe, grpc, health_target, grpc_target, .oneof = ONEOF_METHOD),
    OBJECT(readiness_probe, exec, health_command, .oneof = ONEOF_METHOD),
};
static SCHEMA(readiness_probe, .check = check_probe);

/* ---- the group ---- */

static const struct field template_fields[] = {
    NO_EFFECT("address", "each instance gives its own"),
    U32_MAP(workload_entry, ports, port_override, PORT_RANGE, .key_format = &format_dns_label),
    LABELS(workload_entry, labels, .key_format = &format_label_key, .format = &format_label_value),
    STRING(workload_entry, network, .format = &format_one_line),
    STRING(workload_entry, locality, .format = &format_locality),
    STRING(workload_entry, service_account, .format = &format_one_line),
    OPT_U32(workload_entry, weight),
};
static SCHEMA_AS(template, workload_entry);

static const struct field group_metadata_fields[] = {
    LABELS(group_metadata, labels, .key_format = &format_label_key, .format = &format_label_value),
    NO_EFFECT("annotations", "instances have none"),
};
static SCHEMA(group_metadata);

static const struct field workload_group_fields[] = {
    OBJECT(workload_group, metadata, group_metadata),
    OBJECT_AS(workload_group, template, workload_entry, template, .flags = FIELD_REQUIRED),
    NO_EFFECT_CHECKED("probe", readiness_probe,
        "pilotctl register waits for the port of the command it runs; registrars say how an "
        "instance is with health"),
};
SCHEMA(workload_group);
