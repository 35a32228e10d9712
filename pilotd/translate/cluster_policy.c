#include "translate/cluster_policy.h"

#include "translate/locality.h"

/* ---- connection pool ---- */

static const struct tcp_settings *tcp_of(const struct connection_pool *pool)
{
    static const struct tcp_settings none = { 0 };
    return pool && pool->tcp ? pool->tcp : &none;
}

static const struct http_settings *http_of(const struct connection_pool *pool)
{
    static const struct http_settings none = { 0 };
    return pool && pool->http ? pool->http : &none;
}

pb_Duration *cluster_connect_timeout(
    struct arena *a, const struct mesh_config *mesh, const struct connection_pool *pool)
{
    struct duration own = tcp_of(pool)->connect_timeout;
    return pb_millis(a, own.is_set ? own.ms : mesh->connect_timeout.ms);
}

static pb_UInt32Value *limit(struct arena *a, uint32_t value)
{
    return pb_u32(a, value ? value : UINT32_MAX);
}

enum { RETRY_BUDGET_PERCENT = 20, RETRY_BUDGET_LEAST = 3 };

static pb_CircuitBreakers_Thresholds_RetryBudget *retry_budget(
    struct arena *a, const struct retry_budget *budget)
{
    if (!budget)
        return NULL;
    double share = budget->percent.is_set ? budget->percent.value : RETRY_BUDGET_PERCENT;
    uint32_t least =
        budget->min_retry_concurrency ? budget->min_retry_concurrency : RETRY_BUDGET_LEAST;
    return pb_new_CircuitBreakers_Thresholds_RetryBudget(a,
        .budget_percent = pb_new_Percent(a, .value = share),
        .min_retry_concurrency = pb_u32(a, least));
}

pb_CircuitBreakers *cluster_limits(struct arena *a, const struct effective_policy *policy)
{
    const struct connection_pool *pool = policy->connection_pool;
    const struct http_settings *http = http_of(pool);
    return pb_new_CircuitBreakers(a,
        PB_ONE(a,
            thresholds,
            CircuitBreakers_Thresholds,
            pb_new_CircuitBreakers_Thresholds(a,
                .max_connections = limit(a, tcp_of(pool)->max_connections),
                .max_pending_requests = limit(a, http->http1_max_pending_requests),
                .max_requests = limit(a, http->http2_max_requests),
                .max_retries = limit(a, http->max_retries),
                .retry_budget = retry_budget(a, policy->retry_budget))));
}

static pb_UInt32Value *seconds(struct arena *a, struct duration d)
{
    return pb_u32(a, (uint32_t)(d.ms / 1000));
}

/* The rule's settings replace the mesh's one by one. */
pb_UpstreamConnectionOptions *cluster_keepalive(
    struct arena *a, const struct mesh_config *mesh, const struct connection_pool *pool)
{
    const struct tcp_keepalive *levels[] = { mesh->tcp_keepalive, tcp_of(pool)->tcp_keepalive };
    if (!levels[0] && !levels[1])
        return NULL;
    pb_TcpKeepalive *keepalive = pb_new_TcpKeepalive(a);
    for (size_t i = 0; i < ARRAY_COUNT(levels); i++) {
        const struct tcp_keepalive *level = levels[i];
        if (level && level->probes)
            keepalive->keepalive_probes = pb_u32(a, level->probes);
        if (level && level->time.is_set)
            keepalive->keepalive_time = seconds(a, level->time);
        if (level && level->interval.is_set)
            keepalive->keepalive_interval = seconds(a, level->interval);
    }
    return pb_new_UpstreamConnectionOptions(a, .tcp_keepalive = keepalive);
}

/* ---- HTTP ---- */

enum upstream_http upstream_http_of(enum protocol protocol, const struct connection_pool *pool)
{
    if (http_of(pool)->use_client_protocol || protocol == PROTOCOL_AUTO)
        return UPSTREAM_AS_DOWNSTREAM;
    return protocol_is_http2(protocol) ? UPSTREAM_HTTP2 : UPSTREAM_DEFAULT;
}

/* The mesh's wish is for ports that are known to speak HTTP; a rule's is its own business. */
enum upstream_http upstream_http_upgraded(enum upstream_http http, enum protocol protocol,
    const struct connection_pool *pool, const struct mesh_config *mesh)
{
    enum h2_upgrade_policy own = http_of(pool)->h2_upgrade_policy;
    bool is_wished =
        own == H2_UPGRADE || (own == H2_UPGRADE_DEFAULT && mesh->h2_upgrade_policy == H2_UPGRADE &&
                                 protocol_is_http(protocol));
    if (http_of(pool)->use_client_protocol)
        return http;
    return is_wished ? UPSTREAM_HTTP2 : http;
}

void effective_policy_fill(struct effective_policy *policy, const struct mesh_config *mesh)
{
    const struct default_traffic_policy *usual = mesh->default_traffic_policy;
    if (usual && !policy->connection_pool)
        policy->connection_pool = usual->connection_pool;
    if (usual && !policy->outlier_detection)
        policy->outlier_detection = usual->outlier_detection;
}

/* NULL when there is nothing to say. */
static pb_HttpProtocolOptions *common_options(struct arena *a, const struct http_options *o)
{
    const struct tcp_settings *tcp = tcp_of(o->pool);
    const struct http_settings *http = http_of(o->pool);
    struct duration idle = http->idle_timeout.is_set ? http->idle_timeout : tcp->idle_timeout;
    if (!idle.is_set && o->idle_timeout_ms)
        idle = (struct duration){ .ms = o->idle_timeout_ms, .is_set = true };
    struct duration longest = tcp->max_connection_duration;
    uint32_t requests = http->max_requests_per_connection;
    if (!idle.is_set && !longest.is_set && !requests)
        return NULL;
    return pb_new_HttpProtocolOptions(a,
        .idle_timeout = idle.is_set ? pb_millis(a, idle.ms) : NULL,
        .max_connection_duration = longest.is_set ? pb_millis(a, longest.ms) : NULL,
        .max_requests_per_connection = requests ? pb_u32(a, requests) : NULL);
}

/* A server is asked for by the host of each request, and must prove that name, unless the rule
 * gives names itself. */
static pb_UpstreamHttpProtocolOptions *server_name_options(
    struct arena *a, const struct client_tls *tls)
{
    bool is_own = tls && (tls->mode == TLS_SIMPLE || tls->mode == TLS_MUTUAL);
    if (!is_own || (tls->sni && *tls->sni))
        return NULL;
    return pb_new_UpstreamHttpProtocolOptions(a,
        .auto_sni = true,
        .auto_san_validation = !tls->subject_alt_names.count && !tls->insecure_skip_verify.value);
}

static pb_Http2ProtocolOptions *http2_options(struct arena *a, const struct http_options *o)
{
    uint32_t streams = http_of(o->pool)->max_concurrent_streams;
    const struct http2_keep_alive *pings = http_of(o->pool)->http2_keep_alive;
    return pb_new_Http2ProtocolOptions(a,
        .max_concurrent_streams = streams ? pb_u32(a, streams) : NULL,
        .connection_keepalive = pings ? pb_new_KeepaliveSettings(a,
                                            .interval = pb_millis(a, pings->interval.ms),
                                            .timeout = pb_millis(a, pings->timeout.ms))
                                      : NULL);
}

static pb_HttpProtocolOptions_ExplicitHttpConfig *explicit_http(
    struct arena *a, const struct http_options *o)
{
    if (o->http == UPSTREAM_HTTP2)
        return pb_new_HttpProtocolOptions_ExplicitHttpConfig(a,
            pb_HttpProtocolOptions_ExplicitHttpConfig_http2_protocol_options(http2_options(a, o)));
    return pb_new_HttpProtocolOptions_ExplicitHttpConfig(a,
        pb_HttpProtocolOptions_ExplicitHttpConfig_http_protocol_options(
            pb_new_Http1ProtocolOptions(a)));
}

static pb_upstreams_HttpProtocolOptions *protocol_options(
    struct arena *a, const struct http_options *o)
{
    pb_HttpProtocolOptions *common = common_options(a, o);
    pb_UpstreamHttpProtocolOptions *names = server_name_options(a, o->tls);
    if (o->http == UPSTREAM_AS_DOWNSTREAM)
        return pb_new_upstreams_HttpProtocolOptions(a,
            .common_http_protocol_options = common,
            .upstream_http_protocol_options = names,
            pb_upstreams_HttpProtocolOptions_use_downstream_protocol_config(
                pb_new_HttpProtocolOptions_UseDownstreamHttpConfig(a,
                    .http_protocol_options = pb_new_Http1ProtocolOptions(a),
                    .http2_protocol_options = pb_new_Http2ProtocolOptions(a))));
    if (!common && !names && o->http == UPSTREAM_DEFAULT)
        return NULL;
    return pb_new_upstreams_HttpProtocolOptions(a,
        .common_http_protocol_options = common,
        .upstream_http_protocol_options = names,
        pb_upstreams_HttpProtocolOptions_explicit_http_config(explicit_http(a, o)));
}

http_options_list http_options_build(struct arena *a, const struct http_options *o)
{
    http_options_list list = { 0 };
    pb_upstreams_HttpProtocolOptions *options = protocol_options(a, o);
    if (options)
        list_push(a,
            &list,
            pb_new_Cluster_TypedExtensionProtocolOptionsEntry(a,
                .key = pb_str("envoy.extensions.upstreams.http.v3.HttpProtocolOptions"),
                .value = pb_any(a, &options->base)));
    return list;
}

/* ---- outlier detection ---- */

static pb_UInt32Value *given(struct arena *a, struct opt_u32 value)
{
    return value.is_set ? pb_u32(a, value.value) : NULL;
}

/* A count of 0 switches the rule off. */
static pb_UInt32Value *enforced(struct arena *a, struct opt_u32 count)
{
    return count.is_set ? pb_u32(a, count.value ? 100 : 0) : NULL;
}

static pb_Duration *given_duration(struct arena *a, struct duration d)
{
    return d.is_set ? pb_millis(a, d.ms) : NULL;
}

pb_OutlierDetection *cluster_outlier_detection(
    struct arena *a, const struct outlier_detection *outlier)
{
    if (!outlier)
        return NULL;
    struct opt_u32 local = outlier->consecutive_local_origin_failures;
    bool splits = outlier->split_external_local_origin_errors;
    bool counts_local = splits && local.value;
    return pb_new_OutlierDetection(a,
        .consecutive_5xx = given(a, outlier->consecutive_5xx_errors),
        .enforcing_consecutive_5xx = enforced(a, outlier->consecutive_5xx_errors),
        .consecutive_gateway_failure = given(a, outlier->consecutive_gateway_errors),
        .enforcing_consecutive_gateway_failure = enforced(a, outlier->consecutive_gateway_errors),
        .interval = given_duration(a, outlier->interval),
        .base_ejection_time = given_duration(a, outlier->base_ejection_time),
        .max_ejection_percent =
            outlier->max_ejection_percent ? pb_u32(a, outlier->max_ejection_percent) : NULL,
        .enforcing_success_rate = pb_u32(a, 0),
        .split_external_local_origin_errors = splits,
        .consecutive_local_origin_failure = counts_local ? given(a, local) : NULL,
        .enforcing_consecutive_local_origin_failure = counts_local ? pb_u32(a, 100) : NULL,
        .enforcing_local_origin_success_rate = splits ? pb_u32(a, 0) : NULL);
}

/* ---- load balancing ---- */

static pb_Percent *percent(struct arena *a, double value)
{
    return pb_new_Percent(a, .value = value);
}

/* Weights of places count only where somebody set them: otherwise they would change what least
 * request does. */
static bool is_locality_weighted(
    const struct mesh_config *mesh, const struct effective_policy *policy)
{
    const struct locality_lb_setting *setting = locality_setting(mesh, policy->load_balancer);
    if (!setting)
        return false;
    bool fails_over = setting->failover.count || setting->failover_priority.count;
    return setting->distribute.count || (policy->outlier_detection && fails_over);
}

pb_Cluster_CommonLbConfig *cluster_common_balance(
    struct arena *a, const struct mesh_config *mesh, const struct effective_policy *policy)
{
    const struct outlier_detection *outlier = policy->outlier_detection;
    pb_Percent *panic = percent(a, outlier ? outlier->min_health_percent : 0);
    if (!is_locality_weighted(mesh, policy))
        return pb_new_Cluster_CommonLbConfig(a, .healthy_panic_threshold = panic);
    return pb_new_Cluster_CommonLbConfig(a,
        .healthy_panic_threshold = panic,
        pb_Cluster_CommonLbConfig_locality_weighted_lb_config(
            pb_new_Cluster_CommonLbConfig_LocalityWeightedLbConfig(a)));
}

/* Envoy demands the name of a runtime key; nobody can set this one, which is Istio's. */
#define NO_RUNTIME_KEY "("

static pb_Cluster_SlowStartConfig *slow_start(struct arena *a, const struct warmup *warmup)
{
    const struct opt_double *least = &warmup->minimum_percent, *curve = &warmup->aggression;
    return pb_new_Cluster_SlowStartConfig(a,
        .slow_start_window = pb_millis(a, warmup->duration.ms),
        .min_weight_percent = least->is_set ? percent(a, least->value) : NULL,
        .aggression = curve->is_set ? pb_new_RuntimeDouble(a,
                                          .default_value = curve->value,
                                          .runtime_key = pb_str(NO_RUNTIME_KEY))
                                    : NULL);
}

static void balance_least_request(
    struct arena *a, pb_Cluster *cluster, const struct load_balancer *lb)
{
    cluster->lb_policy = PB_Cluster_LbPolicy_LEAST_REQUEST;
    if (!lb || !lb->warmup)
        return;
    cluster->lb_config_case =
        ENVOY__CONFIG__CLUSTER__V3__CLUSTER__LB_CONFIG_LEAST_REQUEST_LB_CONFIG;
    cluster->least_request_lb_config =
        pb_new_Cluster_LeastRequestLbConfig(a, .slow_start_config = slow_start(a, lb->warmup));
}

static void balance_round_robin(
    struct arena *a, pb_Cluster *cluster, const struct load_balancer *lb)
{
    cluster->lb_policy = PB_Cluster_LbPolicy_ROUND_ROBIN;
    if (!lb->warmup)
        return;
    cluster->lb_config_case = ENVOY__CONFIG__CLUSTER__V3__CLUSTER__LB_CONFIG_ROUND_ROBIN_LB_CONFIG;
    cluster->round_robin_lb_config =
        pb_new_Cluster_RoundRobinLbConfig(a, .slow_start_config = slow_start(a, lb->warmup));
}

enum { DEFAULT_RING_SIZE = 1024 };

static void balance_ring_hash(
    struct arena *a, pb_Cluster *cluster, const struct consistent_hash *hash)
{
    uint32_t size = hash->minimum_ring_size ? hash->minimum_ring_size : DEFAULT_RING_SIZE;
    if (hash->ring_hash)
        size = hash->ring_hash->minimum_ring_size;
    cluster->lb_policy = PB_Cluster_LbPolicy_RING_HASH;
    if (!size)
        return;
    cluster->lb_config_case = ENVOY__CONFIG__CLUSTER__V3__CLUSTER__LB_CONFIG_RING_HASH_LB_CONFIG;
    cluster->ring_hash_lb_config = pb_new_Cluster_RingHashLbConfig(
        a, .minimum_ring_size = pb_new_UInt64Value(a, .value = size));
}

static void balance_maglev(struct arena *a, pb_Cluster *cluster, const struct maglev *maglev)
{
    cluster->lb_policy = PB_Cluster_LbPolicy_MAGLEV;
    if (!maglev->table_size)
        return;
    cluster->lb_config_case = ENVOY__CONFIG__CLUSTER__V3__CLUSTER__LB_CONFIG_MAGLEV_LB_CONFIG;
    cluster->maglev_lb_config = pb_new_Cluster_MaglevLbConfig(
        a, .table_size = pb_new_UInt64Value(a, .value = maglev->table_size));
}

void cluster_balance(struct arena *a, pb_Cluster *cluster, const struct load_balancer *lb)
{
    if (lb && lb->consistent_hash && lb->consistent_hash->maglev)
        balance_maglev(a, cluster, lb->consistent_hash->maglev);
    else if (lb && lb->consistent_hash)
        balance_ring_hash(a, cluster, lb->consistent_hash);
    else if (lb && lb->simple == LB_RANDOM)
        cluster->lb_policy = PB_Cluster_LbPolicy_RANDOM;
    else if (lb && lb->simple == LB_ROUND_ROBIN)
        balance_round_robin(a, cluster, lb);
    else
        balance_least_request(a, cluster, lb);
}
