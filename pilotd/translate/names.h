/*
 * names: Istio's names of resources. Tools, dashboards and fingers know them.
 */
#ifndef TRANSLATE_NAMES_H
#define TRANSLATE_NAMES_H

#include "base/arena.h"

#define NAME_BLACKHOLE           "BlackHoleCluster"
#define NAME_PASSTHROUGH         "PassthroughCluster"
#define NAME_INBOUND_PASSTHROUGH "InboundPassthroughCluster"
#define NAME_VIRTUAL_OUTBOUND    "virtualOutbound"
#define NAME_VIRTUAL_INBOUND     "virtualInbound"

/* outbound|9080|v1|reviews.default.svc.cluster.local ; subset may be NULL */
const char *name_outbound(struct arena *a, uint32_t port, const char *subset, const char *host);
/* outbound_.9080_.v1_.reviews… : the same as a server name */
const char *name_sni(struct arena *a, uint32_t port, const char *subset, const char *host);
const char *name_inbound(struct arena *a, uint32_t port);                  /* inbound|9080|| */
const char *name_listener(struct arena *a, const char *ip, uint32_t port); /* 0.0.0.0_9080 */
const char *name_route_config(struct arena *a, uint32_t port);             /* 9080 */
/* vhds|9080: a table that is sent by virtual host. A live listener must not see one that was whole
 * become one, so they have other names. */
const char *name_split_table(struct arena *a, const char *table);
/* vhds|9080/host:9080 */
const char *name_part(struct arena *a, const char *table, const char *virtual_host);
const char *name_virtual_host(struct arena *a, const char *host, uint32_t port); /* host:9080 */

#endif
