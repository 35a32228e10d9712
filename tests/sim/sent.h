/*
 * sent: a resource as a proxy has it: which bytes, and what they refer to.
 */
#ifndef SIM_SENT_H
#define SIM_SENT_H

#include "base/arena.h"
#include "xds/resource.h"

struct sent {
    const char *name;      /* as the resource itself says */
    struct hash128 hash;   /* of the bytes */
    const char *version;   /* as it was told (Delta), or "" */
    unsigned stream;       /* on which it came: the proxy's first, second, … */
    const char *endpoints; /* a cluster's: of which name; NULL: it needs none */
    bool is_warming;       /* a cluster: none came after it */
    bool has_endpoints;    /* it, or the one before it: Envoy keeps them though they are removed */
    string_list tables;    /* a listener's: route tables */
    string_list clusters;  /* a listener's, a route table's or a virtual host's */
    struct arena *arena;
};

struct sent *sent_new(
    enum xds_type type, const char *version, const uint8_t *bytes, size_t size_bytes);
void sent_free(struct sent *s); /* NULL is fine */

#endif
