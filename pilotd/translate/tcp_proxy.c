#include "translate/tcp_proxy.h"

static pb_Duration *optional_millis(struct arena *a, uint64_t ms)
{
    return ms ? pb_millis(a, (int64_t)ms) : NULL;
}

static pb_TcpProxy_WeightedCluster *weighted(struct arena *a, const struct tcp_proxy *t)
{
    LIST(pb_TcpProxy_WeightedCluster_ClusterWeight *) clusters = { 0 };
    for (list_each (const struct tcp_share, share, &t->shares))
        list_push(a,
            &clusters,
            pb_new_TcpProxy_WeightedCluster_ClusterWeight(
                a, .name = pb_str(share->cluster), .weight = share->weight));
    return pb_new_TcpProxy_WeightedCluster(a, PB_LIST(clusters, clusters.count, clusters.items));
}

static pb_TcpProxy_TunnelingConfig *tunnel(struct arena *a, const struct tcp_proxy *t)
{
    return pb_new_TcpProxy_TunnelingConfig(
        a, .hostname = pb_str(t->tunnel_to), .use_post = t->tunnels_by_post);
}

static pb_TcpProxy *destined(struct arena *a, const struct tcp_proxy *t)
{
    if (t->cluster)
        return pb_new_TcpProxy(
            a, .stat_prefix = pb_str(t->cluster), pb_TcpProxy_cluster(pb_str(t->cluster)));
    return pb_new_TcpProxy(
        a, .stat_prefix = pb_str(t->stat_prefix), pb_TcpProxy_weighted_clusters(weighted(a, t)));
}

static pb_TcpProxy *settings(struct arena *a, const struct tcp_proxy *t)
{
    access_log_list logs = access_log_build(a, &t->access_log);
    pb_TcpProxy *proxy = destined(a, t);
    proxy->n_access_log = logs.count;
    proxy->access_log = logs.items;
    proxy->idle_timeout = t->idle_timeout.is_set ? pb_millis(a, t->idle_timeout.ms) : NULL;
    proxy->max_downstream_connection_duration = optional_millis(a, t->max_connection_duration_ms);
    proxy->tunneling_config = t->tunnel_to ? tunnel(a, t) : NULL;
    if (t->hashes_source_ip) {
        LIST(pb_tcp_HashPolicy *) hashes = { 0 };
        list_push(a,
            &hashes,
            pb_new_tcp_HashPolicy(a, pb_tcp_HashPolicy_source_ip(pb_new_HashPolicy_SourceIp(a))));
        proxy->n_hash_policy = hashes.count;
        proxy->hash_policy = hashes.items;
    }
    return proxy;
}

pb_Filter *tcp_proxy_build(struct arena *a, const struct tcp_proxy *t)
{
    return pb_new_Filter(a,
        .name = pb_str("envoy.filters.network.tcp_proxy"),
        pb_Filter_typed_config(pb_any(a, &settings(a, t)->base)));
}
