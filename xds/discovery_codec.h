/*
 * discovery_codec: discovery messages between bytes and the stream's own words.
 *
 * A response is a small head and, for each resource, a prefix and the resource's own shared bytes:
 * nothing large is copied.
 */
#ifndef XDS_DISCOVERY_CODEC_H
#define XDS_DISCOVERY_CODEC_H

#include "base/error.h"
#include "xds/source.h"
#include "xds/stream.h"

struct discovery_request {
    const char *type_url;
    bool has_node;
    struct xds_node node;
    struct xds_request request; /* its type is not filled in */
};

/* Everything points into `a`. False: not such a message, or its node is over a limit. */
bool discovery_decode(struct arena *a, enum xds_variant variant, const uint8_t *bytes,
    size_t size_bytes, struct discovery_request *out, struct error *err);

struct slice {
    const uint8_t *data;
    size_t size;
    struct xds_resource *owner; /* borrowed; NULL: data is in the arena */
};
typedef LIST(struct slice) slice_list;

/* The gRPC message, its five-byte head included. Its control_plane.identifier is REPLICA@REVISION:
 * who says so, and the store's revision that the view is of. */
slice_list discovery_encode(struct arena *a, enum xds_variant variant,
    const struct xds_response *response, const char *replica);

#endif
