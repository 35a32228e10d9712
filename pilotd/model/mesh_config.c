#include "model/mesh_config.h"

#include "model/shared.h"

#include <math.h>
#include <string.h>

/* ---- what BoringSSL, and so Envoy, knows by name ---- */

static bool is_among(const char *text, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(text, names[i]) == 0)
            return true;
    return false;
}

static bool is_cipher(const char *text)
{
    static const char *const names[] = {
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "ECDHE-RSA-CHACHA20-POLY1305",
        "ECDHE-ECDSA-AES256-SHA",
        "ECDHE-RSA-AES256-SHA",
        "ECDHE-ECDSA-AES128-SHA",
        "ECDHE-RSA-AES128-SHA",
        "AES256-GCM-SHA384",
        "AES128-GCM-SHA256",
        "AES256-SHA",
        "AES128-SHA",
    };
    return is_among(text, names, ARRAY_COUNT(names));
}

static bool is_curve(const char *text)
{
    static const char *const names[] = { "P-256", "P-384", "P-521", "X25519", "X25519MLKEM768" };
    return is_among(text, names, ARRAY_COUNT(names));
}

static const struct format format_cipher = {
    "a cipher suite such as ECDHE-RSA-AES256-GCM-SHA384", is_cipher, NULL
};
static const struct format format_curve = {
    "a curve: P-256, P-384, P-521, X25519 or X25519MLKEM768", is_curve, NULL
};

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

static const struct enum_value inbound_modes[] = {
    { "PASSTHROUGH", INBOUND_PASSTHROUGH },
    { "LOCALHOST", INBOUND_LOCALHOST },
};
static const struct field inbound_traffic_policy_fields[] = {
    ENUM(inbound_traffic_policy, mode, inbound_mode, inbound_modes),
};
static SCHEMA(inbound_traffic_policy);

static const struct enum_value access_log_encodings[] = {
    { "TEXT", ACCESS_LOG_TEXT },
    { "JSON", ACCESS_LOG_JSON },
};

static const struct enum_value normalizations[] = {
    { "DEFAULT", NORMALIZE_DEFAULT },
    { "NONE", NORMALIZE_NONE },
    { "BASE", NORMALIZE_BASE },
    { "MERGE_SLASHES", NORMALIZE_MERGE_SLASHES },
    { "DECODE_AND_MERGE_SLASHES", NORMALIZE_DECODE_AND_MERGE_SLASHES },
};
static const struct field path_normalization_fields[] = {
    ENUM(path_normalization, normalization, normalization, normalizations),
};
static SCHEMA(path_normalization);

static const struct field default_traffic_policy_fields[] = {
    OBJECT(default_traffic_policy, connection_pool, connection_pool),
    OBJECT(default_traffic_policy, outlier_detection, outlier_detection),
};
static SCHEMA(default_traffic_policy);

static const struct enum_value tls_protocols[] = {
    { "TLS_AUTO", TLS_PROTOCOL_AUTO },
    { "TLSV1_2", TLS_PROTOCOL_1_2 },
    { "TLSV1_3", TLS_PROTOCOL_1_3 },
};
static const struct field mesh_tls_fields[] = {
    ENUM(tls_config, min_protocol_version, tls_protocol, tls_protocols),
    STRINGS(tls_config, cipher_suites, .format = &format_cipher),
    STRINGS(tls_config, ecdh_curves, .format = &format_curve),
};
static SCHEMA_AS(mesh_tls, tls_config);

static const struct field default_tls_fields[] = {
    NO_EFFECT("min_protocol_version", "TLSV1_2 is the least everywhere"),
    STRINGS(tls_config, cipher_suites, .format = &format_cipher),
    STRINGS(tls_config, ecdh_curves, .format = &format_curve),
};
static SCHEMA_AS(default_tls, tls_config);

enum { ACCESS_LOG_FORMAT_MAX_BYTES = 65536 };

/* Of lines in JSON the whole must be one object of texts. */
static void check_access_log(struct decoder *d, const struct mesh_config *mesh)
{
    const char *format = mesh->access_log_format;
    struct diags faults;
    if (mesh->access_log_encoding != ACCESS_LOG_JSON || !format || !*format)
        return;
    diags_init(&faults, schema_scratch(d));
    cJSON *json = json_parse(format, strlen(format), ACCESS_LOG_FORMAT_MAX_BYTES, &faults);
    if (!cJSON_IsObject(json))
        schema_fault(d,
            DIAG_BAD_FORMAT,
            "accessLogFormat",
            "or use accessLogEncoding TEXT",
            "must be a JSON object with accessLogEncoding JSON%s%s",
            faults.errors ? ": " : "",
            faults.errors ? faults.list.items[0].message : "");
    cJSON_Delete(json);
}

static void check_listen_ports(struct decoder *d, const struct mesh_config *mesh)
{
    uint32_t outbound = mesh->proxy_listen_port, inbound = mesh->proxy_inbound_listen_port;
    if ((outbound ? outbound : PROXY_LISTEN_PORT) !=
        (inbound ? inbound : PROXY_INBOUND_LISTEN_PORT))
        return;
    schema_fault(d,
        DIAG_CONFLICT,
        outbound ? "proxyListenPort" : "proxyInboundListenPort",
        NULL,
        "%s listens at that port (%u by default)",
        outbound ? "proxyInboundListenPort" : "proxyListenPort",
        outbound ? PROXY_INBOUND_LISTEN_PORT : PROXY_LISTEN_PORT);
}

static void check_mesh_config(struct decoder *d, void *object)
{
    const struct mesh_config *mesh = object;
    check_listen_ports(d, mesh);
    check_access_log(d, mesh);
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

static const struct enum_value mesh_h2_upgrade_policies[] = {
    { "DO_NOT_UPGRADE", H2_DO_NOT_UPGRADE },
    { "UPGRADE", H2_UPGRADE },
};

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
    STRING(mesh_config, access_log_file, .format = &format_file_path),
    STRING(mesh_config, access_log_format, .format = &format_log_line),
    DURATION(mesh_config, dns_refresh_rate, .range = { 2, INFINITY }), /* Envoy: above 1 ms */
    OPT_BOOL(mesh_config, enable_auto_mtls),
    ENUM(mesh_config, access_log_encoding, access_log_encoding, access_log_encodings),
    BOOL(mesh_config, disable_envoy_listener_log),
    OBJECT(mesh_config, path_normalization, path_normalization),
    OBJECT(mesh_config, inbound_traffic_policy, inbound_traffic_policy),
    OBJECT(mesh_config, default_traffic_policy, default_traffic_policy),
    OBJECT_NAMED("mesh_mTLS", mesh_config, mesh_mtls, tls_config, mesh_tls),
    OBJECT_AS(mesh_config, tls_defaults, tls_config, default_tls),
    ENUM(mesh_config, h2_upgrade_policy, h2_upgrade_policy, mesh_h2_upgrade_policies),
    STRING(mesh_config, inbound_cluster_stat_name, .format = &format_one_line),
    STRING(mesh_config, outbound_cluster_stat_name, .format = &format_one_line),
    OPT_BOOL(mesh_config, verify_certificate_at_client),
    STRING(mesh_config, trust_domain, .format = &format_trust_domain),
    STRINGS(mesh_config, trust_domain_aliases, .format = &format_trust_domain),

    UNSUPPORTED("proxy_http_port", NULL),

    NO_EFFECT("default_config", agents),
    NO_EFFECT("default_providers", "access logs go to accessLogFile"),
    NO_EFFECT("discovery_selectors", "every namespace of the keyspace counts"),
    NO_EFFECT("service_settings", "there is one cluster, so every service is its own"),
    NO_EFFECT("enable_envoy_access_log_service", "access logs go to accessLogFile"),
    NO_EFFECT("config_sources", "configuration is what is in the store"),
    NO_EFFECT("zone_aware_lb_setting", "use localityLbSetting"),
    NO_EFFECT("service_entry_visibility", "use exportTo"),
    NO_EFFECT("extension_providers", "only kinds that are not supported yet refer to them"),
    NO_EFFECT("enable_tracing", no_tracing),
    NO_EFFECT("enable_prometheus_merge", agents),
    NO_EFFECT("hbone_idle_timeout", "there is no ambient mode"),
    NO_EFFECT("ingress_class", no_kubernetes),
    NO_EFFECT("ingress_service", no_kubernetes),
    NO_EFFECT("ingress_controller_mode", no_kubernetes),
    NO_EFFECT("ingress_selector", no_kubernetes),
    NO_EFFECT("certificates", no_certificates),
    NO_EFFECT("ca", no_certificates),
    NO_EFFECT("ca_certificates", no_certificates),

    /* Of a document that is enveloped but has its fields beside the envelope. */
    TOLERATED("api_version"),
    TOLERATED("kind"),
    TOLERATED("metadata"),
};
SCHEMA(mesh_config, .check = check_mesh_config);
