/*
 * dynamic_dns: services of resolution DYNAMIC_DNS, whose hosts are whatever is asked for under a
 * wildcard: Envoy resolves the Host header, or the server name of TLS, itself.
 *
 * One cache of names serves them all: its settings are the same wherever it is mentioned, as Envoy
 * demands.
 */
#ifndef TRANSLATE_DYNAMIC_DNS_H
#define TRANSLATE_DYNAMIC_DNS_H

#include "mesh/scope.h"
#include "model/destination_rule.h"
#include "proto/pb.h"

/* PB_Cluster_DnsLookupFamily_*, by the proxy's own addresses. */
unsigned dynamic_dns_family(const struct scope *scope);

/* Before the router. */
pb_HttpFilter *dynamic_dns_http_filter(struct arena *a, unsigned dns_family);
/* Before the tcp_proxy. */
pb_Filter *dynamic_dns_server_name_filter(struct arena *a, unsigned dns_family, uint32_t port);

/* Makes the cluster one whose endpoints are found by name. `tls` may be NULL. */
void dynamic_dns_discover(
    struct arena *a, pb_Cluster *cluster, unsigned dns_family, const struct client_tls *tls);

#endif
