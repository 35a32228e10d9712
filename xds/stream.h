/*
 * xds_stream: one proxy's conversation about its resources.
 *
 * A pure state machine for both protocol variants, aggregated (ADS): feed it requests and views; it
 * says what to send. It does no I/O, reads no clock and keeps no reference to a connection, so
 * tests drive it directly. One response is in flight for each type; when it is acknowledged or
 * refused, the newest view is compared with what was sent, so a slow proxy costs one pending state,
 * never a queue.
 *
 * Rules, from Envoy's "xDS REST and gRPC protocol" page:
 * - what is added or changed goes in the order of enum xds_type, what is removed in the reverse
 *   order and only once everything before it was acknowledged (make before break); clusters and
 *   endpoints stay while a listener or a route is refused, since its former version may need them;
 * - Envoy acknowledges clusters only when they are warm, that is, when it has their endpoints:
 * these follow at once, and listeners and routes wait for the acknowledgement of both;
 * - the endpoints of a cluster that is new or changed are sent again, changed or not: Envoy warms
 *   it;
 * - so the version of endpoints (Delta) is made of theirs and of their cluster's: a proxy that was
 * cut off between the two is sent them when it comes back;
 * - where a cluster that was sent waits for endpoints that are gone since, it is told the former
 *   ones, or that there are none (SotW: by an empty assignment): until then Envoy says nothing more
 *   of clusters;
 * - a version that was refused (NACK) is not sent again; a later one is;
 * - Delta: versions the proxy has already (initial_resource_versions) are not sent; if nothing
 *   differs, one empty response is, since Envoy resets its reconnect backoff only then; a wildcard
 *   without any is always answered, since a starting Envoy waits for it;
 * - virtual hosts, of Delta alone (SotW: requests are passed over), are parts of route tables and
 *   follow them: stream_hosts.h;
 * - SotW: version_info is the hash of the set that answers the subscription, equal on all replicas.
 *   Wildcard CDS and LDS at an equal version_info is answered by nothing (but the first EDS and RDS
 *   request of a stream is always answered).
 */
#ifndef XDS_STREAM_H
#define XDS_STREAM_H

#include "base/arena.h"
#include "xds/view.h"

enum xds_variant { XDS_SOTW, XDS_DELTA };

/* A decoded DiscoveryRequest or DeltaDiscoveryRequest; borrowed. */
struct xds_versioned_name {
    const char *name, *version;
};
struct xds_request {
    enum xds_type type;
    const char *nonce;        /* "" in the first request for a type */
    const char *error_detail; /* NULL, or why the response with that nonce was refused */
    const char *version_info; /* SotW: the last version accepted, "" if none */
    string_list names;        /* SotW: the whole subscription; Delta: subscribe */
    string_list unsubscribe;  /* Delta */
    LIST(struct xds_versioned_name) initial; /* Delta: initial_resource_versions */
};

/* What to send: whole for SotW (all of the subscription of that type), a difference for Delta. */
struct xds_response {
    enum xds_type type;
    int64_t revision; /* of the view that it is of */
    char nonce[24];
    char version_info[HASH128_TEXT_BYTES]; /* also Delta's system_version_info */
    LIST(struct xds_resource *) resources; /* each retained until xds_out_clear */
    LIST(struct hash128) versions;         /* Delta: of each resource */
    string_list removed;                   /* Delta */
};
struct xds_out {
    struct arena *arena;
    int64_t now_ms; /* what time it is, for the record; whoever drives the stream says so */
    LIST(struct xds_response) responses;
};
void xds_out_init(struct xds_out *out);
void xds_out_clear(struct xds_out *out); /* releases the resources; ready for use again */
void xds_out_fini(struct xds_out *out);

struct xds_stream; /* opaque: only stream.c sees inside */

struct xds_stream *xds_stream_new(enum xds_variant variant);
void xds_stream_free(struct xds_stream *stream); /* NULL is fine */

/* Applies one request; whatever must now be sent is appended to `out`. Before the first view it
 * appends nothing and remembers. */
void xds_stream_request(
    struct xds_stream *stream, const struct xds_request *request, struct xds_out *out);

/* The newest view (retained here). */
void xds_stream_view(struct xds_stream *stream, struct xds_view *view, struct xds_out *out);

/* A view that is not to be sent, before the first that is: what the proxy says it has need not be
 * kept where it is the same. */
void xds_stream_preview(struct xds_stream *stream, struct xds_view *view);

/* The newest view: what the proxy should have. Borrowed; NULL before the first. */
const struct xds_view *xds_stream_wanted(const struct xds_stream *stream);

/* New clusters were taken, and the listeners and routes that use them wait until the proxy has
 * asked for their endpoints. A proxy that never asks would wait for ever: who drives the stream
 * gives it XDS_AWAIT_NAMES_MS and then stops the waiting. */
enum { XDS_AWAIT_NAMES_MS = 1000 };
bool xds_stream_awaits_names(const struct xds_stream *stream);
void xds_stream_stop_awaiting(struct xds_stream *stream, struct xds_out *out);

/* It has its first configuration: it has asked for the `last` type (listeners, which proxies do
 * once they have their clusters; or the one that the stream serves), and nothing is on its way. */
bool xds_stream_has_joined(const struct xds_stream *stream, enum xds_type last);

/* Not more than XDS_RESUMED_LACKS of what it should have (but for endpoints) are others than those
 * that the proxy came with (Delta): it has been here, or at another replica. */
enum { XDS_RESUMED_LACKS = 64 };
bool xds_stream_is_resumed(const struct xds_stream *stream, const struct xds_view *view);

/* Names it keeps, of all types: what a client may make grow, for whoever limits it. */
size_t xds_stream_name_count(const struct xds_stream *stream);

/* For status: what one type is at. */
struct xds_type_status {
    bool is_subscribed, is_in_flight;
    bool is_settled; /* the newest view was compared: nothing is left to send or to be answered */
    size_t subscribed, sent_resources;     /* wildcard counts as all */
    size_t refused;                        /* resources whose last version was refused */
    int64_t sent_revision, acked_revision; /* of the views; 0: none yet */
    int64_t sent_ms, acked_ms, refused_ms; /* when the last such response was; 0: never */
    uint64_t acks, nacks;
    const char *last_nack; /* text of the last refusal, "" if none */
};
void xds_stream_status(
    const struct xds_stream *stream, enum xds_type type, struct xds_type_status *status);

/*
 * For status: what each resource is at that the proxy has, or has asked for and is to have.
 *
 * Nothing is kept for it but the times (xds/known.h) and the last refusals of each type, their
 * texts cut off at XDS_MAX_REFUSAL_BYTES.
 */
enum { XDS_MAX_REFUSAL_BYTES = 4096 };

enum xds_sync {
    XDS_NOT_SENT, /* it has none, for there is none, or it has its turn later */
    XDS_SYNCED,   /* it took what it should have */
    XDS_STALE,    /* what it should have is on its way or has its turn later */
    XDS_REFUSED,
};
struct xds_resource_status { /* all borrowed from the stream */
    enum xds_type type;
    const char *name;
    bool has_version;
    struct hash128 version; /* sent last, or brought along; Delta: as it was told */
    enum xds_sync sync;
    int64_t sent_ms;     /* 0: never, or before this stream */
    const char *refusal; /* of a refused one: why, if that is still known; else NULL */
    int64_t refused_ms;
};
/* Walks from the first type to the last, by name. Start from {0}; valid until the next request or
 * view. False at the end. */
struct xds_status_cursor {
    enum xds_type type;
    size_t at;
    struct xds_cursor view;
};
bool xds_stream_next_status(const struct xds_stream *stream, struct xds_status_cursor *cursor,
    struct xds_resource_status *status);
/* To go on later: behind this name. */
struct xds_status_cursor xds_stream_status_after(
    const struct xds_stream *stream, enum xds_type type, const char *name);

#endif
