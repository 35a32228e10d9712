#include "model/virtual_service.h"

#include "model/shared.h"
#include "model/virtual_service_rules.h"

/* ---- where to ---- */

static const struct field destination_fields[] = {
    STRING(destination, host, .flags = FIELD_REQUIRED, .format = &format_partial_wildcard_host),
    STRING(destination, subset, .format = &format_dns_label),
    OBJECT(destination, port, port_selector),
};
static SCHEMA(destination);

static const struct field request_operations_fields[] = {
    LABELS(header_operations, set, .key_format = &format_request_header_name,
        .format = &format_header_value),
    LABELS(header_operations, add, .key_format = &format_request_header_name,
        .format = &format_header_value),
    STRINGS(header_operations, remove, .format = &format_header_name),
};
static SCHEMA_AS(request_operations, header_operations);

static const struct field response_operations_fields[] = {
    LABELS(
        header_operations, set, .key_format = &format_header_name, .format = &format_header_value),
    LABELS(
        header_operations, add, .key_format = &format_header_name, .format = &format_header_value),
    STRINGS(header_operations, remove, .format = &format_header_name),
};
static SCHEMA_AS(response_operations, header_operations);

static const struct field headers_fields[] = {
    OBJECT_AS(headers, request, header_operations, request_operations),
    OBJECT_AS(headers, response, header_operations, response_operations),
};
static SCHEMA(headers);

static const struct field http_route_destination_fields[] = {
    OBJECT(http_route_destination, destination, destination, .flags = FIELD_REQUIRED),
    U32(http_route_destination, weight, .range = { 0, INT32_LIMIT }),
    OBJECT(http_route_destination, headers, headers),
};
static SCHEMA(http_route_destination);

/* ---- which requests ---- */

static const struct field without_match_fields[] = {
    STRING(string_match, exact, .oneof = 1, .flags = FIELD_KEEP_EMPTY),
    STRING(
        string_match, prefix, .oneof = 1, .flags = FIELD_KEEP_EMPTY, .format = &format_not_empty),
    STRING(string_match, regex, .oneof = 1, .flags = FIELD_KEEP_EMPTY,
        .format = &format_regex_or_star),
};
static SCHEMA_AS(without_match, string_match, .check = check_without_match);

static const struct field http_match_fields[] = {
    STRING(http_match, name),
    OBJECT(http_match, uri, string_match),
    OBJECT(http_match, scheme, string_match),
    OBJECT(http_match, method, string_match),
    OBJECT(http_match, authority, string_match),
    OBJECT_MAP_AS(http_match, headers, named_match, string_match, string_match,
        .key_format = &format_header_match_name),
    OBJECT_MAP_AS(http_match, without_headers, named_match, string_match, without_match,
        .key_format = &format_header_match_name),
    OBJECT_MAP_AS(http_match, query_params, named_match, string_match, string_match,
        .key_format = &format_query_name),
    BOOL(http_match, ignore_uri_case),
    U32(http_match, port, PORT_RANGE),
    LABELS(
        http_match, source_labels, .key_format = &format_label_key, .format = &format_label_value),
    STRING(http_match, source_namespace, .format = &format_dns_label),
    STRINGS(http_match, gateways, .format = &format_gateway),
    STRING(http_match, stat_prefix, .format = &format_one_line),
};
static SCHEMA(http_match);

/* ---- what to do with them ---- */

static const struct enum_value derive_ports[] = {
    { "FROM_PROTOCOL_DEFAULT", FROM_PROTOCOL_DEFAULT },
    { "FROM_REQUEST_PORT", FROM_REQUEST_PORT },
};
static const struct field http_redirect_fields[] = {
    STRING(http_redirect, uri, .oneof = 2, .format = &format_one_line),
    STRING(http_redirect, authority, .format = &format_one_line),
    STRING(http_redirect, scheme, .format = &format_redirect_scheme),
    U32(http_redirect, port, .oneof = 1, PORT_RANGE),
    ENUM(http_redirect, derive_port, derive_port, derive_ports, .oneof = 1),
    U32(http_redirect, redirect_code),
    STRING(http_redirect, prefix_rewrite, .oneof = 2, .format = &format_one_line),
};
static SCHEMA(http_redirect, .check = check_http_redirect);

static const struct field http_body_fields[] = {
    STRING(http_body, string, .oneof = 1, .flags = FIELD_KEEP_EMPTY),
    STRING(http_body, bytes, .oneof = 1, .flags = FIELD_KEEP_EMPTY, .format = &format_base64),
};
static SCHEMA(http_body);

static const struct field http_direct_response_fields[] = {
    U32(http_direct_response, status, .flags = FIELD_REQUIRED, .range = { 200, 599 }),
    OBJECT(http_direct_response, body, http_body),
};
static SCHEMA(http_direct_response);

static const struct field regex_rewrite_fields[] = {
    STRING(regex_rewrite, match, .flags = FIELD_REQUIRED, .format = &format_regex),
    STRING(regex_rewrite, rewrite, .flags = FIELD_REQUIRED, .format = &format_one_line),
};
static SCHEMA(regex_rewrite);

static const struct field http_rewrite_fields[] = {
    STRING(http_rewrite, uri, .format = &format_one_line),
    STRING(http_rewrite, authority, .format = &format_one_line),
    OBJECT(http_rewrite, uri_regex_rewrite, regex_rewrite),
};
static SCHEMA(http_rewrite, .check = check_http_rewrite);

static const struct field http_retry_fields[] = {
    U32(http_retry, attempts, .range = { 0, INT32_LIMIT }),
    DURATION(http_retry, per_try_timeout),
    DURATION(http_retry, backoff),
    STRING(http_retry, retry_on, .format = &format_retry_on),
    OPT_BOOL(http_retry, retry_remote_localities),
    OPT_BOOL(http_retry, retry_ignore_previous_hosts),
};
SCHEMA(http_retry, .check = check_http_retry);

static const struct field fault_delay_fields[] = {
    DURATION(fault_delay, fixed_delay, .flags = FIELD_REQUIRED),
    OBJECT(fault_delay, percentage, percent),
    U32(fault_delay, percent, .range = { 0, 100 }),
    NO_EFFECT("exponential_delay", "use fixedDelay"),
};
static SCHEMA(fault_delay);

static const struct field fault_abort_fields[] = {
    U32(fault_abort, http_status, .oneof = 1, .range = { 200, 599 }),
    STRING(fault_abort, grpc_status, .oneof = 1, .format = &format_grpc_status),
    OBJECT(fault_abort, percentage, percent),
    UNSUPPORTED("http2_error", "use httpStatus or grpcStatus"),
};
static SCHEMA(fault_abort, .check = check_fault_abort);

static const struct field http_fault_fields[] = {
    OBJECT(http_fault, delay, fault_delay),
    OBJECT(http_fault, abort, fault_abort),
};
static SCHEMA(http_fault, .check = check_http_fault);

static const struct field http_mirror_fields[] = {
    OBJECT(http_mirror, destination, destination, .flags = FIELD_REQUIRED),
    OBJECT(http_mirror, percentage, percent),
};
static SCHEMA(http_mirror);

static const struct enum_value unmatched_preflight_values[] = {
    { "UNSPECIFIED", PREFLIGHTS_UNSPECIFIED },
    { "FORWARD", PREFLIGHTS_FORWARD },
    { "IGNORE", PREFLIGHTS_IGNORE },
};
static const struct field cors_policy_fields[] = {
    STRINGS(cors_policy, allow_origin),
    OBJECTS(cors_policy, allow_origins, string_match),
    STRINGS(cors_policy, allow_methods, .format = &format_cors_method),
    STRINGS(cors_policy, allow_headers, .format = &format_header_match_name),
    STRINGS(cors_policy, expose_headers, .format = &format_header_match_name),
    DURATION(cors_policy, max_age),
    OPT_BOOL(cors_policy, allow_credentials),
    ENUM(cors_policy, unmatched_preflights, unmatched_preflights, unmatched_preflight_values),
};
static SCHEMA(cors_policy, .check = check_cors_policy);

/* ---- an HTTP route ---- */

static const struct field delegate_fields[] = {
    STRING(delegate, name, .flags = FIELD_REQUIRED, .format = &format_resource_name),
    STRING(delegate, namespace, .format = &format_namespace),
};
static SCHEMA(delegate);

static const struct field http_route_fields[] = {
    STRING(http_route, name),
    OBJECTS(http_route, match, http_match),
    OBJECTS(http_route, route, http_route_destination),
    OBJECT(http_route, redirect, http_redirect),
    OBJECT(http_route, direct_response, http_direct_response),
    OBJECT(http_route, rewrite, http_rewrite),
    DURATION(http_route, timeout),
    OBJECT(http_route, retries, http_retry),
    OBJECT(http_route, fault, http_fault),
    OBJECT(http_route, mirror, destination),
    OBJECT(http_route, mirror_percentage, percent),
    OPT_U32(http_route, mirror_percent, .range = { 0, 100 }),
    OBJECTS(http_route, mirrors, http_mirror),
    OBJECT(http_route, cors_policy, cors_policy),
    OBJECT(http_route, headers, headers),
    OBJECT(http_route, delegate, delegate),
};
static SCHEMA(http_route, .check = check_http_route);

/* ---- connections ---- */

#define CALLER_ROWS                                                                                \
    STRINGS(l4_match, destination_subnets, .format = &format_ip_or_cidr),                          \
        U32(l4_match, port, PORT_RANGE),                                                           \
        LABELS(l4_match,                                                                           \
            source_labels,                                                                         \
            .key_format = &format_label_key,                                                       \
            .format = &format_label_value),                                                        \
        STRING(l4_match, source_namespace, .format = &format_dns_label),                           \
        STRINGS(l4_match, gateways, .format = &format_gateway)

static const struct field tls_match_fields[] = {
    STRINGS(l4_match, sni_hosts, .flags = FIELD_REQUIRED, .format = &format_wildcard_host_or_ip),
    CALLER_ROWS,
};
static SCHEMA_AS(tls_match, l4_match);

static const struct field tcp_match_fields[] = {
    CALLER_ROWS,
    NO_EFFECT("source_subnet", "Istio does not look at it either; use sourceLabels"),
};
static SCHEMA_AS(tcp_match, l4_match);

static const struct field route_destination_fields[] = {
    OBJECT(route_destination, destination, destination, .flags = FIELD_REQUIRED),
    U32(route_destination, weight, .range = { 0, INT32_LIMIT }),
};
static SCHEMA(route_destination);

static const struct field tls_route_fields[] = {
    OBJECTS_AS(l4_route, match, l4_match, tls_match, .flags = FIELD_REQUIRED),
    OBJECTS(l4_route, route, route_destination, .flags = FIELD_REQUIRED),
};
static SCHEMA_AS(tls_route, l4_route, .check = check_l4_route);

static const struct field tcp_route_fields[] = {
    OBJECTS_AS(l4_route, match, l4_match, tcp_match),
    OBJECTS(l4_route, route, route_destination, .flags = FIELD_REQUIRED),
};
static SCHEMA_AS(tcp_route, l4_route, .check = check_l4_route);

/* ---- the whole ---- */

static const struct field virtual_service_fields[] = {
    STRINGS(virtual_service, hosts, .format = &format_wildcard_host_or_ip),
    STRINGS(virtual_service, gateways, .format = &format_gateway),
    STRINGS(virtual_service, export_to, .format = &format_export_to),
    OBJECTS(virtual_service, http, http_route),
    OBJECTS_AS(virtual_service, tls, l4_route, tls_route),
    OBJECTS_AS(virtual_service, tcp, l4_route, tcp_route),
};
SCHEMA(virtual_service, .check = check_virtual_service);
