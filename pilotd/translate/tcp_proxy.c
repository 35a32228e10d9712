#include "translate/tcp_proxy.h"

static pb_Duration *optional_millis(struct arena *a, uint64_t ms)
{
    return ms ? pb_millis(a, (int64_t)ms) : NULL;
}

static pb_TcpProxy *settings(struct arena *a, const struct tcp_proxy *t)
{
    access_log_list logs = access_log_build(a, &t->access_log);
    pb_TcpProxy *proxy = pb_new_TcpProxy(a,
        .stat_prefix = pb_str(t->cluster),
        pb_TcpProxy_cluster(pb_str(t->cluster)),
        PB_LIST(access_log, logs.count, logs.items),
        .idle_timeout = optional_millis(a, t->idle_timeout_ms),
        .max_downstream_connection_duration = optional_millis(a, t->max_connection_duration_ms));
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
