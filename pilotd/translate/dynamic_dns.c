#include "translate/dynamic_dns.h"

#include "translate/fixed_clusters.h"

#define CACHE_NAME "dynamic_dns_cache"

unsigned dynamic_dns_family(const struct scope *scope)
{
    return ip_families_of(scope).v4 ? PB_Cluster_DnsLookupFamily_V4_ONLY
                                    : PB_Cluster_DnsLookupFamily_V6_ONLY;
}

static pb_DnsCacheConfig *cache(struct arena *a, unsigned dns_family)
{
    return pb_new_DnsCacheConfig(a, .name = pb_str(CACHE_NAME), .dns_lookup_family = dns_family);
}

pb_HttpFilter *dynamic_dns_http_filter(struct arena *a, unsigned dns_family)
{
    pb_http_dynamic_forward_proxy_FilterConfig *settings =
        pb_new_http_dynamic_forward_proxy_FilterConfig(
            a, pb_http_dynamic_forward_proxy_FilterConfig_dns_cache_config(cache(a, dns_family)));
    return pb_new_HttpFilter(a,
        .name = pb_str("envoy.filters.http.dynamic_forward_proxy"),
        pb_HttpFilter_typed_config(pb_any(a, &settings->base)));
}

pb_Filter *dynamic_dns_server_name_filter(struct arena *a, unsigned dns_family, uint32_t port)
{
    pb_sni_dynamic_forward_proxy_FilterConfig *settings =
        pb_new_sni_dynamic_forward_proxy_FilterConfig(a,
            .dns_cache_config = cache(a, dns_family),
            pb_sni_dynamic_forward_proxy_FilterConfig_port_value(port));
    return pb_new_Filter(a,
        .name = pb_str("envoy.extensions.filters.network.sni_dynamic_forward_proxy"),
        pb_Filter_typed_config(pb_any(a, &settings->base)));
}

/* Envoy takes such a cluster with TLS, or with options of HTTP, only if names are asked for and
 * verified, or if it is told that this is not wanted. */
static bool is_insecure(const struct client_tls *tls, bool has_http_options)
{
    if (!tls || tls->mode == TLS_DISABLE)
        return has_http_options;
    bool is_own = tls->mode == TLS_SIMPLE || tls->mode == TLS_MUTUAL;
    bool names_server = is_own && tls->sni && *tls->sni;
    return (is_own && (names_server || tls->insecure_skip_verify.value ||
                          tls->subject_alt_names.count > 0)) ||
           tls->mode == TLS_ISTIO_MUTUAL;
}

void dynamic_dns_discover(
    struct arena *a, pb_Cluster *cluster, unsigned dns_family, const struct client_tls *tls)
{
    bool has_http_options = cluster->n_typed_extension_protocol_options > 0;
    pb_dynamic_forward_proxy_ClusterConfig *settings = pb_new_dynamic_forward_proxy_ClusterConfig(a,
        pb_dynamic_forward_proxy_ClusterConfig_dns_cache_config(cache(a, dns_family)),
        .allow_insecure_cluster_options = is_insecure(tls, has_http_options));
    pb_Cluster with = { pb_Cluster_cluster_type(pb_new_Cluster_CustomClusterType(a,
        .name = pb_str("envoy.clusters.dynamic_forward_proxy"),
        .typed_config = pb_any(a, &settings->base))) };
    cluster->cluster_discovery_type_case = with.cluster_discovery_type_case;
    cluster->cluster_type = with.cluster_type;
    cluster->lb_policy = PB_Cluster_LbPolicy_CLUSTER_PROVIDED;
    cluster->common_lb_config = NULL;
}
