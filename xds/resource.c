#include "xds/resource.h"

#include <string.h>

static const struct {
    const char *url, *short_name;
} types[XDS_TYPE_COUNT] = {
    [XDS_CLUSTER] = { "type.googleapis.com/envoy.config.cluster.v3.Cluster", "CDS" },
    [XDS_ENDPOINT] = { "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
        "EDS" },
    [XDS_LISTENER] = { "type.googleapis.com/envoy.config.listener.v3.Listener", "LDS" },
    [XDS_ROUTE] = { "type.googleapis.com/envoy.config.route.v3.RouteConfiguration", "RDS" },
    [XDS_VIRTUAL_HOST] = { "type.googleapis.com/envoy.config.route.v3.VirtualHost", "VHDS" },
};

const char *xds_type_url(enum xds_type type)
{
    return types[type].url;
}

const char *xds_type_short(enum xds_type type)
{
    return types[type].short_name;
}

bool xds_type_from_url(const char *url, enum xds_type *type)
{
    for (enum xds_type t = 0; t < XDS_TYPE_COUNT; t++)
        if (strcmp(url, types[t].url) == 0) {
            *type = t;
            return true;
        }
    return false;
}

struct hash128 xds_version_with(const struct hash128 *own, const struct hash128 *other)
{
    struct hash128 sum;
    for (size_t i = 0; i < HASH128_BYTES; i++)
        sum.bytes[i] = (uint8_t)(own->bytes[i] + other->bytes[(i + 1) % HASH128_BYTES]);
    return sum;
}

static struct hash128 mark_of(const struct xds_resource *r)
{
    struct hasher *h = hasher_new();
    hasher_add_text(h, r->name);
    hasher_add(h, r->version.bytes, HASH128_BYTES);
    return hasher_finish(h);
}

/* One allocation: the struct, the bytes, the name. */
struct xds_resource *xds_resource_new(
    enum xds_type type, const char *name, const uint8_t *bytes, size_t size_bytes)
{
    size_t name_bytes = strlen(name) + 1;
    struct xds_resource *r = xcalloc(1, sizeof *r + size_bytes + name_bytes);
    uint8_t *data = (uint8_t *)(r + 1);
    refcount_init(&r->refs);
    if (size_bytes)
        memcpy(data, bytes, size_bytes);
    memcpy(data + size_bytes, name, name_bytes);
    r->type = type;
    r->version = hash128_of(data, size_bytes);
    r->name = (const char *)data + size_bytes;
    r->bytes = data;
    r->size_bytes = size_bytes;
    r->mark = mark_of(r);
    return r;
}

struct xds_resource *xds_resource_retain(struct xds_resource *r)
{
    refcount_retain(&r->refs);
    return r;
}

void xds_resource_release(struct xds_resource *r)
{
    if (r && refcount_release(&r->refs))
        free(r);
}
