/*
 * stream_parts: what a stream is made of; for stream.c, which says what is sent and when,
 * stream_requests.c, which hears the proxy, stream_hosts.c, which knows virtual hosts, and
 * stream_status.c, which tells of it.
 */
#ifndef XDS_STREAM_PARTS_H
#define XDS_STREAM_PARTS_H

#include "xds/known.h"
#include "xds/stream.h"

struct flight { /* the response that is not answered yet */
    char nonce[24];
    struct xds_resource **resources; /* retained: what a refusal is about */
    size_t count;
    char **removed; /* of virtual hosts: removals can be refused, too */
    size_t removed_count;
    bool is_open;
};

struct hosts_turn {    /* a table, whose virtual hosts are to be sent (stream_hosts.h) */
    const char *table; /* not ended by a zero; NULL: none */
    size_t size;
    enum { HOSTS_WAIT, HOSTS_GO, HOSTS_GIVEN_UP } state;
};

struct refusal { /* one response that was refused */
    struct refusal *next;
    int64_t refused_ms;
    struct xds_resource **resources; /* retained; sorted by name */
    size_t count;
    char text[];
};

enum { REFUSALS_KEPT = 4 }; /* of one type: the newest */

struct type_state {
    bool is_subscribed, is_wildcard;
    bool must_answer; /* the next pump sends a response, even an empty one */
    bool is_dirty;    /* what is asked or known changed since the last look */
    struct known known;
    struct flight flight;
    struct hash128 settled; /* of the set that was found to be all sent */
    int64_t sent_revision, acked_revision;
    int64_t sent_ms, acked_ms;
    uint64_t acks, nacks;
    struct refusal *refusals; /* from the newest on */
    uint64_t asked_sum;       /* SotW: of the names that were asked for last; 0: none */
    char *resumed_version; /* SotW: what a wildcard said it has, until there is a view to compare */
};

struct xds_stream {
    enum xds_variant variant;
    struct xds_view *view;
    bool is_preview; /* it is only to be compared with */
    uint64_t next_nonce;
    bool has_answered; /* some response went out on this stream */
    bool awaits_names; /* clusters were taken whose endpoints were not asked for yet */
    bool has_named_endpoints;
    /* The proxy came with clusters: which of them were sent before it asked for endpoints. */
    bool has_brought_clusters;
    struct known sent_early;
    struct type_state types[XDS_TYPE_COUNT];
};
/* As a proxy of Delta is told it, and tells it when it comes back. */
struct hash128 stream_wire_version(const struct xds_stream *s, const struct xds_resource *r);
/* Does the proxy have it (or did it refuse it), and is it not to be sent again? */
bool stream_is_current(const struct xds_stream *s, known_entry e, const struct xds_resource *r);
/* The entry of what the proxy has: the resource all share, in place of a stub of its own. */
known_entry stream_share(struct xds_resource *r, known_entry e);
/* stream_requests.c: what is known after a request, and what is asked for; nothing is sent. */
void stream_take_request(
    struct xds_stream *s, const struct xds_request *request, const struct xds_out *out);
/* SotW: a wildcard that named the version it has, and it is the view's: the proxy has all of it. */
void stream_resume(struct xds_stream *s, enum xds_type type);
void stream_flight_end(struct flight *f);
/* Takes over what is in flight. */
void stream_refusals_take(struct type_state *t, const char *text, int64_t now_ms);
void stream_refusals_free(struct type_state *t);
bool stream_is_settled(const struct xds_stream *s, enum xds_type type);

#endif
