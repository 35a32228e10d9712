/*
 * xds_source: where a server gets views from; the one thing xds/ asks of whoever uses it.
 *
 * A source belongs to one serving loop, and so do all calls in both directions.
 */
#ifndef XDS_SOURCE_H
#define XDS_SOURCE_H

#include "base/error.h"
#include "xds/view.h"

/* 1.36. What is sent is known to that Envoy and to later ones (tests/e2e/test_versions.py). */
enum { XDS_OLDEST_ENVOY = 36 };

/* What a proxy says of itself, borrowed from its first request. */
struct xds_node {
    const char *id, *cluster;             /* never NULL */
    const char *region, *zone, *sub_zone; /* never NULL */
    const char *user_agent;               /* "envoy 1.40.0", may be "" */
    const uint8_t *metadata;              /* google.protobuf.Struct, serialised, at most */
    size_t metadata_bytes;                /* XDS_MAX_METADATA_BYTES */
    bool is_old;                          /* an Envoy older than XDS_OLDEST_ENVOY */
    bool is_aggregated_delta; /* of how it asks: virtual hosts are served on such streams alone */
};

struct status_page; /* xds/status_page.h */

struct xds_subscriber {
    /* The newest view; borrowed, retain to keep. Comes at once or later, and at each change. */
    void (*on_view)(struct xds_subscriber *s, struct xds_view *view);
    /* What on_view would have said before it may say so. Nothing of it may be sent. */
    void (*on_preview)(struct xds_subscriber *s, struct xds_view *view);
    /* No view will come: the proxy should ask another replica. May unsubscribe. */
    void (*on_refused)(struct xds_subscriber *s);
    void *token; /* the source's own */
};

struct xds_source {
    /* False when the node is refused (err says why: the stream ends with INVALID_ARGUMENT), else
     * on_view follows until unsubscribe. May call on_view before it returns. */
    bool (*subscribe)(struct xds_source *source, const struct xds_node *node,
        struct xds_subscriber *s, struct error *err);
    void (*unsubscribe)(struct xds_source *source, struct xds_subscriber *s);
    /* Takes over a page of status: the server page->server fills it in (xds_server_fill_status),
     * and the one that asked gets it back (xds_server_take_status); or that with is_last, when
     * there are no more servers. NULL: there is one, which asks itself. */
    void (*carry)(struct xds_source *source, struct status_page *page);
};

#endif
