/*
 * DestinationRule: Istio's page of that name. Field names are Istio's in snake case.
 */
#ifndef MODEL_DESTINATION_RULE_H
#define MODEL_DESTINATION_RULE_H

#include "model/types.h"

enum lb_simple {
    LB_UNSPECIFIED,
    LB_LEAST_CONN, /* old name of LEAST_REQUEST */
    LB_RANDOM,
    LB_PASSTHROUGH,
    LB_ROUND_ROBIN,
    LB_LEAST_REQUEST,
};

struct cookie_attribute {
    const char *name, *value;
};
struct http_cookie {
    LIST(struct cookie_attribute) attributes;
    const char *name, *path;
    struct duration ttl;
};
struct ring_hash {
    uint32_t minimum_ring_size;
};
struct maglev {
    uint32_t table_size;
};
struct consistent_hash {
    const char *http_header_name, *http_query_parameter_name;
    const struct http_cookie *http_cookie;
    bool use_source_ip;
    const struct ring_hash *ring_hash;
    const struct maglev *maglev;
    uint32_t minimum_ring_size; /* deprecated */
};

struct locality_weight { /* of a map, sorted by key */
    const char *key;
    uint32_t value;
};
struct locality_distribute {
    const char *from;
    LIST(struct locality_weight) to;
};
struct locality_failover {
    const char *from, *to;
};
struct locality_lb_setting {
    LIST(struct locality_distribute) distribute;
    LIST(struct locality_failover) failover;
    string_list failover_priority;
    struct opt_bool enabled;
};

struct warmup {
    struct duration duration;
    struct opt_double minimum_percent, aggression;
};

/* Of its own no effect: checked as Istio does. */
struct zone_aware_failover {
    const char *from, *to; /* regions */
};
struct zone_aware {
    LIST(struct zone_aware_failover) failover;
};

struct load_balancer {
    enum lb_simple simple;
    const struct consistent_hash *consistent_hash;
    const struct locality_lb_setting *locality_lb_setting;
    const struct warmup *warmup;
    struct duration warmup_duration_secs; /* deprecated: becomes a warmup */
};

struct tcp_keepalive {
    uint32_t probes; /* 0: the system's */
    struct duration time, interval;
};
struct tcp_settings {
    uint32_t max_connections; /* 0: not given, no limit */
    struct duration connect_timeout, max_connection_duration, idle_timeout;
    const struct tcp_keepalive *tcp_keepalive;
};
struct http2_keep_alive {
    struct duration interval, timeout;
};
enum h2_upgrade_policy { H2_UPGRADE_DEFAULT, H2_DO_NOT_UPGRADE, H2_UPGRADE };
struct http_settings {
    uint32_t http1_max_pending_requests, http2_max_requests, max_requests_per_connection;
    uint32_t max_retries, max_concurrent_streams;
    struct duration idle_timeout;
    const struct http2_keep_alive *http2_keep_alive;
    enum h2_upgrade_policy h2_upgrade_policy;
    bool use_client_protocol;
};
struct connection_pool {
    const struct tcp_settings *tcp;
    const struct http_settings *http;
};

struct outlier_detection {
    bool split_external_local_origin_errors;
    struct opt_u32 consecutive_local_origin_failures;
    struct opt_u32 consecutive_gateway_errors, consecutive_5xx_errors;
    struct duration interval, base_ejection_time;
    uint32_t max_ejection_percent, min_health_percent;
};

/* The connection asks a proxy for HOST:PORT; the bytes follow. */
enum tunnel_protocol { TUNNEL_CONNECT, TUNNEL_POST };
struct tunnel {
    enum tunnel_protocol protocol;
    const char *target_host;
    uint32_t target_port;
};

enum proxy_protocol_version { PROXY_PROTOCOL_V1, PROXY_PROTOCOL_V2 };
struct proxy_protocol {
    enum proxy_protocol_version version;
};

struct retry_budget {
    struct opt_double percent;      /* not set: 20 */
    uint32_t min_retry_concurrency; /* 0: 3 */
};

enum tls_mode { TLS_DISABLE, TLS_SIMPLE, TLS_MUTUAL, TLS_ISTIO_MUTUAL };
struct client_tls {
    enum tls_mode mode;
    const char *client_certificate, *private_key, *ca_certificates, *ca_crl; /* files */
    const char *credential_name; /* of a secret, in their place */
    const char *sni;
    string_list subject_alt_names;
    struct opt_bool insecure_skip_verify;
};

struct port_traffic_policy {
    const struct port_selector *port;
    const struct load_balancer *load_balancer;
    const struct connection_pool *connection_pool;
    const struct outlier_detection *outlier_detection;
    const struct client_tls *tls;
};
struct traffic_policy {
    const struct load_balancer *load_balancer;
    const struct connection_pool *connection_pool;
    const struct outlier_detection *outlier_detection;
    const struct client_tls *tls;
    const struct tunnel *tunnel;
    const struct proxy_protocol *proxy_protocol;
    const struct retry_budget *retry_budget;
    LIST(struct port_traffic_policy) port_level_settings;
};

struct subset {
    const char *name;
    label_list labels;
    const struct traffic_policy *traffic_policy;
};

struct destination_rule {
    const char *host;
    const struct traffic_policy *traffic_policy;
    LIST(struct subset) subsets;
    string_list export_to;
    const struct workload_selector *workload_selector;
};

#endif
