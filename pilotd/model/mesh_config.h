/*
 * MeshConfig (key "mesh"): Istio's "Global Mesh Options" page. Field names are Istio's in snake
 * case.
 */
#ifndef MODEL_MESH_CONFIG_H
#define MODEL_MESH_CONFIG_H

#include "model/destination_rule.h"
#include "model/virtual_service.h"

enum outbound_mode { REGISTRY_ONLY, ALLOW_ANY };
struct outbound_traffic_policy {
    enum outbound_mode mode;
};

enum inbound_mode { INBOUND_PASSTHROUGH, INBOUND_LOCALHOST };
struct inbound_traffic_policy {
    enum inbound_mode mode;
};

enum access_log_encoding { ACCESS_LOG_TEXT, ACCESS_LOG_JSON };
enum normalization {
    NORMALIZE_DEFAULT, /* BASE */
    NORMALIZE_NONE,
    NORMALIZE_BASE,
    NORMALIZE_MERGE_SLASHES,
    NORMALIZE_DECODE_AND_MERGE_SLASHES,
};
struct path_normalization {
    enum normalization normalization;
};

/* What a rule leaves out. */
struct default_traffic_policy {
    const struct connection_pool *connection_pool;
    const struct outlier_detection *outlier_detection;
};

enum tls_protocol { TLS_PROTOCOL_AUTO, TLS_PROTOCOL_1_2, TLS_PROTOCOL_1_3 };
struct tls_config {
    enum tls_protocol min_protocol_version;
    string_list cipher_suites, ecdh_curves; /* empty: the usual ones */
};

/* Where redirection leads connections out of and into a workload, unless the mesh says. */
enum { PROXY_LISTEN_PORT = 15001, PROXY_INBOUND_LISTEN_PORT = 15006 };

struct mesh_config {
    uint32_t proxy_listen_port, proxy_inbound_listen_port; /* 0: the defaults */
    struct duration connect_timeout;                       /* not set: 10 s */
    struct duration protocol_detection_timeout;            /* not set: 0 s */
    const struct tcp_keepalive *tcp_keepalive;
    const struct outbound_traffic_policy *outbound_traffic_policy; /* NULL: ALLOW_ANY */
    const struct http_retry *default_http_retry_policy;
    const struct locality_lb_setting *locality_lb_setting;
    string_list default_service_export_to, default_virtual_service_export_to,
        default_destination_rule_export_to;
    const char *root_namespace; /* NULL: "istio-system" */
    const char *access_log_file, *access_log_format;
    enum access_log_encoding access_log_encoding;
    bool disable_envoy_listener_log;
    const struct path_normalization *path_normalization;
    const struct inbound_traffic_policy *inbound_traffic_policy; /* NULL: PASSTHROUGH */
    const struct default_traffic_policy *default_traffic_policy;
    const struct tls_config *mesh_mtls, *tls_defaults; /* of the mesh; towards others */
    enum h2_upgrade_policy h2_upgrade_policy;
    const char *inbound_cluster_stat_name, *outbound_cluster_stat_name;
    struct opt_bool verify_certificate_at_client; /* not set: true */
    struct duration dns_refresh_rate;             /* not set: 60 s */
    struct opt_bool enable_auto_mtls;             /* not set: true */
    const char *trust_domain;                     /* NULL: "cluster.local" */
    string_list trust_domain_aliases;
};

#endif
