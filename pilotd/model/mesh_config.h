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

struct mesh_config {
    uint32_t proxy_listen_port, proxy_inbound_listen_port; /* 0: 15001, 15006 */
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
    struct duration dns_refresh_rate; /* not set: 60 s */
    struct opt_bool enable_auto_mtls; /* not set: true */
    const char *trust_domain;         /* NULL: "cluster.local" */
    string_list trust_domain_aliases;
};

#endif
