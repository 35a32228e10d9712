/*
 * xds_resource: one serialised Envoy resource, shared by every stream that sends it.
 *
 * Immutable and counted. The version is the first 128 bits of SHA-256 over the bytes, so equal
 * content has an equal version on every replica. Any thread may hold it.
 */
#ifndef XDS_RESOURCE_H
#define XDS_RESOURCE_H

#include "base/hash.h"
#include "base/refcount.h"

/* In make-before-break order: what is referred to comes first. */
enum xds_type {
    XDS_CLUSTER,
    XDS_ENDPOINT,
    XDS_LISTENER,
    XDS_ROUTE,
    XDS_VIRTUAL_HOST, /* of a route table that is sent in parts; Delta (stream_hosts.h) */
    XDS_TYPE_COUNT
};

/* "type.googleapis.com/envoy.config.cluster.v3.Cluster", … */
const char *xds_type_url(enum xds_type type);
bool xds_type_from_url(const char *url, enum xds_type *type);
const char *xds_type_short(enum xds_type type); /* "CDS", "EDS", "LDS", "RDS", "VHDS" */

struct xds_resource {
    struct refcount refs;
    enum xds_type type;
    struct hash128 version;
    struct hash128 mark; /* of name and version: what a set's hash is made of */
    const char *name;
    const uint8_t *bytes; /* the message (Cluster, …), not wrapped in an Any */
    size_t size_bytes;
};

/* A version made of two: of a resource and of what it is sent for. Each is a hash, so that to add
 * them up is as good as to hash them. */
struct hash128 xds_version_with(const struct hash128 *own, const struct hash128 *other);

/* Copies name and bytes into one allocation. */
struct xds_resource *xds_resource_new(
    enum xds_type type, const char *name, const uint8_t *bytes, size_t size_bytes);
struct xds_resource *xds_resource_retain(struct xds_resource *r);
void xds_resource_release(struct xds_resource *r); /* NULL is fine */

#endif
