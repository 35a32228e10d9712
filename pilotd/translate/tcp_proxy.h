/*
 * tcp_proxy: the filter that carries a connection to one cluster, byte for byte.
 */
#ifndef TRANSLATE_TCP_PROXY_H
#define TRANSLATE_TCP_PROXY_H

#include "translate/access_log.h"

struct tcp_proxy {
    const char *cluster;                 /* also the statistics' prefix */
    struct access_log access_log;        /* {0}: none */
    uint64_t idle_timeout_ms;            /* 0: Envoy's default */
    uint64_t max_connection_duration_ms; /* 0: no limit */
    bool hashes_source_ip;               /* consistent hashing by the caller's address */
};

pb_Filter *tcp_proxy_build(struct arena *a, const struct tcp_proxy *t);

#endif
