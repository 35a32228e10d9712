#include "model/destination_rule.h"

#include "model/destination_rule_rules.h"
#include "model/shared.h"

enum { RING_SIZE_MAX = 8388608, MAGLEV_TABLE_MAX = 5000011 }; /* Envoy's */

/* ---- load balancing ---- */

static const struct field cookie_attribute_fields[] = {
    STRING(cookie_attribute, name, .flags = FIELD_REQUIRED, .format = &format_header_match_name),
    STRING(cookie_attribute, value, .format = &format_one_line),
};
static SCHEMA(cookie_attribute);

static const struct field http_cookie_fields[] = {
    STRING(http_cookie, name, .flags = FIELD_REQUIRED, .format = &format_header_match_name),
    STRING(http_cookie, path, .format = &format_one_line),
    DURATION(http_cookie, ttl, .flags = FIELD_MAY_BE_ZERO),
    OBJECTS(http_cookie, attributes, cookie_attribute),
};
static SCHEMA(http_cookie, .check = check_http_cookie);

static const struct field ring_hash_fields[] = {
    U32(ring_hash, minimum_ring_size, .range = { 0, RING_SIZE_MAX }),
};
static SCHEMA(ring_hash);

static const struct field maglev_fields[] = {
    U32(maglev, table_size, .range = { 0, MAGLEV_TABLE_MAX }),
};
static SCHEMA(maglev, .check = check_maglev);

static const struct field consistent_hash_fields[] = {
    STRING(consistent_hash, http_header_name, .oneof = 1, .format = &format_header_match_name),
    STRING(consistent_hash, http_query_parameter_name, .oneof = 1),
    OBJECT(consistent_hash, http_cookie, http_cookie, .oneof = 1),
    BOOL(consistent_hash, use_source_ip, .oneof = 1),
    OBJECT(consistent_hash, ring_hash, ring_hash, .oneof = 2),
    OBJECT(consistent_hash, maglev, maglev, .oneof = 2),
    U32(consistent_hash, minimum_ring_size, .range = { 0, RING_SIZE_MAX }),
};
static SCHEMA(consistent_hash);

static const struct field locality_distribute_fields[] = {
    STRING(locality_distribute, from, .flags = FIELD_REQUIRED),
    U32_MAP(locality_distribute, to, locality_weight, .flags = FIELD_REQUIRED, .range = { 1, 100 }),
};
static SCHEMA(locality_distribute);

static const struct field locality_failover_fields[] = {
    STRING(locality_failover, from, .flags = FIELD_REQUIRED),
    STRING(locality_failover, to, .flags = FIELD_REQUIRED),
};
static SCHEMA(locality_failover);

static const struct field locality_lb_setting_fields[] = {
    OBJECTS(locality_lb_setting, distribute, locality_distribute),
    OBJECTS(locality_lb_setting, failover, locality_failover),
    STRINGS(locality_lb_setting, failover_priority, .format = &format_not_empty),
    OPT_BOOL(locality_lb_setting, enabled),
};
SCHEMA(locality_lb_setting, .check = check_locality_lb_setting);

static const struct field warmup_fields[] = {
    DURATION(warmup, duration, .flags = FIELD_REQUIRED),
    OPT_DOUBLE(warmup, minimum_percent, .range = { 0, 100 }),
    OPT_DOUBLE(warmup, aggression),
};
static SCHEMA(warmup, .check = check_warmup);

static const struct field zone_aware_failover_fields[] = {
    STRING(zone_aware_failover, from, .format = &format_region),
    STRING(zone_aware_failover, to, .format = &format_region),
};
static SCHEMA(zone_aware_failover);

static const struct field zone_aware_fields[] = {
    OBJECTS(zone_aware, failover, zone_aware_failover),
    TOLERATED("enabled"),
    TOLERATED("failover_priority"),
    TOLERATED("min_cluster_size"),
};
static SCHEMA(zone_aware);

static const struct enum_value lb_simples[] = {
    { "UNSPECIFIED", LB_UNSPECIFIED },
    { "LEAST_CONN", LB_LEAST_CONN },
    { "RANDOM", LB_RANDOM },
    { "PASSTHROUGH", LB_PASSTHROUGH },
    { "ROUND_ROBIN", LB_ROUND_ROBIN },
    { "LEAST_REQUEST", LB_LEAST_REQUEST },
};
static const struct field load_balancer_fields[] = {
    ENUM(load_balancer, simple, lb_simple, lb_simples, .oneof = 1),
    OBJECT(load_balancer, consistent_hash, consistent_hash, .oneof = 1),
    OBJECT(load_balancer, locality_lb_setting, locality_lb_setting),
    OBJECT(load_balancer, warmup, warmup, .oneof = 2),
    DURATION(load_balancer, warmup_duration_secs, .oneof = 2),
    NO_EFFECT_CHECKED("zone_aware_lb_setting", zone_aware, "use localityLbSetting"),
};
static SCHEMA(load_balancer, .check = check_load_balancer);

/* ---- connections ---- */

static const struct field tcp_keepalive_fields[] = {
    U32(tcp_keepalive, probes),
    DURATION(tcp_keepalive, time),
    DURATION(tcp_keepalive, interval),
};
SCHEMA(tcp_keepalive);

static const struct field tcp_settings_fields[] = {
    U32(tcp_settings, max_connections, .range = { 0, INT32_LIMIT }),
    DURATION(tcp_settings, connect_timeout),
    DURATION(tcp_settings, max_connection_duration),
    DURATION(tcp_settings, idle_timeout, .flags = FIELD_MAY_BE_ZERO),
    OBJECT(tcp_settings, tcp_keepalive, tcp_keepalive),
};
static SCHEMA(tcp_settings);

static const struct enum_value h2_upgrade_policies[] = {
    { "DEFAULT", H2_UPGRADE_DEFAULT },
    { "DO_NOT_UPGRADE", H2_DO_NOT_UPGRADE },
    { "UPGRADE", H2_UPGRADE },
};
static const struct field http2_keep_alive_fields[] = {
    DURATION(http2_keep_alive, interval, .flags = FIELD_REQUIRED),
    DURATION(http2_keep_alive, timeout, .flags = FIELD_REQUIRED),
};
static SCHEMA(http2_keep_alive);

static const struct field http_settings_fields[] = {
    U32(http_settings, http1_max_pending_requests, .range = { 0, INT32_LIMIT }),
    U32(http_settings, http2_max_requests, .range = { 0, INT32_LIMIT }),
    U32(http_settings, max_requests_per_connection, .range = { 0, INT32_LIMIT }),
    U32(http_settings, max_retries, .range = { 0, INT32_LIMIT }),
    U32(http_settings, max_concurrent_streams, .range = { 0, INT32_LIMIT }),
    DURATION(http_settings, idle_timeout),
    ENUM(http_settings, h2_upgrade_policy, h2_upgrade_policy, h2_upgrade_policies),
    BOOL(http_settings, use_client_protocol),
    OBJECT(http_settings, http2_keep_alive, http2_keep_alive),
};
static SCHEMA(http_settings, .check = check_http_settings);

static const struct field connection_pool_fields[] = {
    OBJECT(connection_pool, tcp, tcp_settings),
    OBJECT(connection_pool, http, http_settings),
};
SCHEMA(connection_pool, .check = check_connection_pool);

static const struct field outlier_detection_fields[] = {
    BOOL(outlier_detection, split_external_local_origin_errors),
    OPT_U32(outlier_detection, consecutive_local_origin_failures),
    OPT_U32(outlier_detection, consecutive_gateway_errors),
    OPT_U32(outlier_detection, consecutive_5xx_errors),
    DURATION(outlier_detection, interval),
    DURATION(outlier_detection, base_ejection_time),
    U32(outlier_detection, max_ejection_percent, .range = { 0, 100 }),
    U32(outlier_detection, min_health_percent, .range = { 0, 100 }),
    NO_EFFECT("consecutive_errors", "use consecutive5xxErrors"),
    NO_EFFECT("outlier_detection_http_error_codes", "5xx count, and gateway errors"),
};
SCHEMA(outlier_detection, .check = check_outlier_detection);

static const struct enum_value tls_modes[] = {
    { "DISABLE", TLS_DISABLE },
    { "SIMPLE", TLS_SIMPLE },
    { "MUTUAL", TLS_MUTUAL },
    { "ISTIO_MUTUAL", TLS_ISTIO_MUTUAL },
};
static const struct field client_tls_fields[] = {
    ENUM(client_tls, mode, tls_mode, tls_modes),
    STRING(client_tls, client_certificate, .format = &format_one_line),
    STRING(client_tls, private_key, .format = &format_one_line),
    STRING(client_tls, ca_certificates, .format = &format_one_line),
    STRING(client_tls, ca_crl, .format = &format_one_line),
    STRING(client_tls, credential_name, .format = &format_one_line),
    STRING(client_tls, sni, .format = &format_one_line),
    STRINGS(client_tls, subject_alt_names, .format = &format_not_empty),
    OPT_BOOL(client_tls, insecure_skip_verify),
};
static SCHEMA(client_tls, .check = check_client_tls);

/* ---- ways through proxies, and retries ---- */

static const struct enum_value tunnel_protocols[] = {
    { "CONNECT", TUNNEL_CONNECT },
    { "POST", TUNNEL_POST },
};
static const struct field tunnel_fields[] = {
    ENUM(tunnel, protocol, tunnel_protocol, tunnel_protocols),
    STRING(tunnel, target_host, .flags = FIELD_REQUIRED, .format = &format_ip_or_fqdn),
    U32(tunnel, target_port, .flags = FIELD_REQUIRED, PORT_RANGE),
};
static SCHEMA(tunnel);

static const struct enum_value proxy_protocol_versions[] = {
    { "V1", PROXY_PROTOCOL_V1 },
    { "V2", PROXY_PROTOCOL_V2 },
};
static const struct field proxy_protocol_fields[] = {
    ENUM(proxy_protocol, version, proxy_protocol_version, proxy_protocol_versions),
};
static SCHEMA(proxy_protocol);

static const struct field retry_budget_fields[] = {
    OPT_DOUBLE(retry_budget, percent, .range = { 0, 100 }),
    U32(retry_budget, min_retry_concurrency),
    NO_EFFECT("budget_interval", "Envoy counts what is in flight"),
};
static SCHEMA(retry_budget);

/* ---- the whole ---- */

static const struct field port_traffic_policy_fields[] = {
    OBJECT(port_traffic_policy, port, port_selector, .flags = FIELD_REQUIRED),
    OBJECT(port_traffic_policy, load_balancer, load_balancer),
    OBJECT(port_traffic_policy, connection_pool, connection_pool),
    OBJECT(port_traffic_policy, outlier_detection, outlier_detection),
    OBJECT(port_traffic_policy, tls, client_tls),
};
static SCHEMA(port_traffic_policy);

static const struct field traffic_policy_fields[] = {
    OBJECT(traffic_policy, load_balancer, load_balancer),
    OBJECT(traffic_policy, connection_pool, connection_pool),
    OBJECT(traffic_policy, outlier_detection, outlier_detection),
    OBJECT(traffic_policy, tls, client_tls),
    OBJECTS(traffic_policy, port_level_settings, port_traffic_policy),
    OBJECT(traffic_policy, tunnel, tunnel),
    OBJECT(traffic_policy, proxy_protocol, proxy_protocol),
    OBJECT(traffic_policy, retry_budget, retry_budget),
};
static SCHEMA(traffic_policy, .check = check_traffic_policy);

static const struct field subset_fields[] = {
    STRING(subset, name, .flags = FIELD_REQUIRED, .format = &format_dns_label),
    LABELS(subset, labels, .key_format = &format_label_key, .format = &format_label_value),
    OBJECT(subset, traffic_policy, traffic_policy),
};
static SCHEMA(subset);

static const struct field client_selector_fields[] = {
    LABELS_AS("match_labels", workload_selector, labels, .key_format = &format_label_key,
        .format = &format_label_value),
};
static SCHEMA_AS(client_selector, workload_selector);

static const struct field destination_rule_fields[] = {
    STRING(destination_rule, host, .flags = FIELD_REQUIRED, .format = &format_wildcard_host),
    OBJECT(destination_rule, traffic_policy, traffic_policy),
    OBJECTS(destination_rule, subsets, subset),
    STRINGS(destination_rule, export_to, .format = &format_export_to),
    OBJECT_AS(destination_rule, workload_selector, workload_selector, client_selector),
};
SCHEMA(destination_rule, .check = check_destination_rule);
