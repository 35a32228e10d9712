/*
 * tcp_proxy: the filter that carries a connection to a cluster, byte for byte.
 */
#ifndef TRANSLATE_TCP_PROXY_H
#define TRANSLATE_TCP_PROXY_H

#include "model/types.h"
#include "translate/access_log.h"

struct tcp_share {
    const char *cluster;
    uint32_t weight;
};

struct tcp_proxy {
    const char *cluster;           /* also the statistics' prefix; or else */
    LIST(struct tcp_share) shares; /* several, by weight */
    const char *stat_prefix;       /* of several */
    const char *tunnel_to;         /* HOST:PORT that is asked for by CONNECT or POST; NULL: none */
    bool tunnels_by_post;
    struct access_log access_log;        /* {0}: none */
    struct duration idle_timeout;        /* not set: Envoy's default; 0: none */
    uint64_t max_connection_duration_ms; /* 0: no limit */
    bool hashes_source_ip;               /* consistent hashing by the caller's address */
};

pb_Filter *tcp_proxy_build(struct arena *a, const struct tcp_proxy *t);

#endif
