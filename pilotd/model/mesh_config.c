#include "model/mesh_config.h"

#include "model/shared.h"

static const struct enum_value outbound_modes[] = {
    { "REGISTRY_ONLY", REGISTRY_ONLY },
    { "ALLOW_ANY", ALLOW_ANY },
    { "ALLOW_ANY_DYNAMIC_DNS", ALLOW_ANY, .is_unsupported = true },
};
static const struct field outbound_traffic_policy_fields[] = {
    ENUM(outbound_traffic_policy, mode, outbound_mode, outbound_modes),
    UNSUPPORTED("tls", NULL),
};
static SCHEMA(outbound_traffic_policy);

static void check_mesh_config(struct decoder *d, void *object)
{
    const struct mesh_config *mesh = object;
    check_export_to(d, "defaultServiceExportTo", &mesh->default_service_export_to, true);
    check_export_to(
        d, "defaultVirtualServiceExportTo", &mesh->default_virtual_service_export_to, false);
    check_export_to(
        d, "defaultDestinationRuleExportTo", &mesh->default_destination_rule_export_to, false);
}

static const char no_certificates[] = "no certificates are served yet";
static const char no_kubernetes[] = "there is no Kubernetes here";
static const char no_tracing[] = "tracing is not supported yet";
static const char agents[] = "it is for the proxies' agents";

static const struct field mesh_config_fields[] = {
    U32(mesh_config, proxy_listen_port, PORT_RANGE),
    U32(mesh_config, proxy_inbound_listen_port, PORT_RANGE),
    DURATION(mesh_config, connect_timeout, .range = { 1, 30000 }),
    DURATION(mesh_config, protocol_detection_timeout, .flags = FIELD_MAY_BE_ZERO),
    OBJECT(mesh_config, tcp_keepalive, tcp_keepalive),
    OBJECT(mesh_config, outbound_traffic_policy, outbound_traffic_policy),
    OBJECT(mesh_config, default_http_retry_policy, http_retry),
    OBJECT(mesh_config, locality_lb_setting, locality_lb_setting),
    STRINGS(mesh_config, default_service_export_to, .format = &format_export_to),
    STRINGS(mesh_config, default_virtual_service_export_to, .format = &format_export_to),
    STRINGS(mesh_config, default_destination_rule_export_to, .format = &format_export_to),
    STRING(mesh_config, root_namespace, .format = &format_namespace),
    STRING(mesh_config, access_log_file),
    STRING(mesh_config, access_log_format, .format = &format_log_line),
    DURATION(mesh_config, dns_refresh_rate),
    OPT_BOOL(mesh_config, enable_auto_mtls),
    STRING(mesh_config, trust_domain, .format = &format_trust_domain),
    STRINGS(mesh_config, trust_domain_aliases, .format = &format_trust_domain),

    UNSUPPORTED("proxy_http_port", NULL),
    UNSUPPORTED_UNLESS("access_log_encoding", "TEXT"),
    UNSUPPORTED("enable_envoy_access_log_service", NULL),
    UNSUPPORTED("disable_envoy_listener_log", NULL),
    UNSUPPORTED("inbound_traffic_policy", NULL),
    UNSUPPORTED("config_sources", NULL),
    UNSUPPORTED_UNLESS("h2_upgrade_policy", "DO_NOT_UPGRADE"),
    UNSUPPORTED("inbound_cluster_stat_name", NULL),
    UNSUPPORTED("outbound_cluster_stat_name", NULL),
    UNSUPPORTED("service_settings", NULL),
    UNSUPPORTED("verify_certificate_at_client", NULL),
    UNSUPPORTED("default_providers", NULL),
    UNSUPPORTED("discovery_selectors", NULL),
    UNSUPPORTED("path_normalization", NULL),
    UNSUPPORTED("tls_defaults", NULL),
    UNSUPPORTED("default_traffic_policy", NULL),
    UNSUPPORTED("zone_aware_lb_setting", NULL),
    UNSUPPORTED("service_entry_visibility", NULL),

    NO_EFFECT("default_config", agents),
    NO_EFFECT("extension_providers", "only kinds that are not supported yet refer to them"),
    NO_EFFECT("enable_tracing", no_tracing),
    NO_EFFECT("enable_prometheus_merge", agents),
    NO_EFFECT("hbone_idle_timeout", "there is no ambient mode"),
    NO_EFFECT("ingress_class", no_kubernetes),
    NO_EFFECT("ingress_service", no_kubernetes),
    NO_EFFECT("ingress_controller_mode", no_kubernetes),
    NO_EFFECT("ingress_selector", no_kubernetes),
    NO_EFFECT("mesh_mTLS", no_certificates),
    NO_EFFECT("certificates", no_certificates),
    NO_EFFECT("ca", no_certificates),
    NO_EFFECT("ca_certificates", no_certificates),

    /* Of a document that is enveloped but has its fields beside the envelope. */
    TOLERATED("api_version"),
    TOLERATED("kind"),
    TOLERATED("metadata"),
};
SCHEMA(mesh_config, .check = check_mesh_config);
