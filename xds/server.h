/*
 * xds_server: the sockets of one serving loop: HTTP/2 (nghttp2), gRPC, and the services
 * envoy.service.discovery.v3.AggregatedDiscoveryService (StreamAggregatedResources,
 * DeltaAggregatedResources); those of one type (cluster.v3, endpoint.v3, listener.v3, route.v3:
 * StreamClusters, DeltaClusters, …), among which nothing is kept in order, since each is a stream
 * of its own; envoy.service.status.v3.ClientStatusDiscoveryService (FetchClientStatus,
 * StreamClientStatus); grpc.health.v1.Health (Check, Watch); and grpc.reflection.v1, v1alpha
 * (ServerReflectionInfo), which tells clients such as grpcurl what all these are.
 *
 * One server for each loop; several listen on one address through SO_REUSEPORT. Everything is
 * called, and calls back, on that loop.
 */
#ifndef XDS_SERVER_H
#define XDS_SERVER_H

#include "base/log.h"
#include "xds/addresses.h"
#include "xds/admission.h"
#include "xds/handshakes.h"
#include "xds/limits.h"
#include "xds/quota.h"
#include "xds/source.h"

#include <uv.h>

struct xds_server;

struct xds_type_stats {
    metric_value responses, nacks;
    struct metric_histogram push_us; /* until a response was written, or queued behind others */
    struct metric_histogram size_bytes;
};

struct xds_stats { /* shared by all loops; read by /metrics */
    struct xds_type_stats types[XDS_TYPE_COUNT];
    metric_value connections, streams_sotw, streams_delta; /* gauges */
    metric_value status_calls, reflection_calls;           /* gauges */
    metric_value accepted, refused_connections, aged;
    metric_value old_proxies; /* streams of Envoys older than XDS_OLDEST_ENVOY */
    metric_value requests, unserved, responses, resources_sent, bytes_sent, acks, nacks;
    struct admission_stats admission, arrivals;
    struct tls_stats tls;
    struct quota quota;           /* its owner sets it */
    metric_value protocol_errors; /* not HTTP/2, not gRPC, undecodable, over a stream's limit */
    metric_value limits[XDS_LIMIT_COUNT]; /* how often each was crossed */
};

/* ADS streams that are open, of all loops together. */
int64_t xds_stats_streams(const struct xds_stats *stats);

/* Those that are not in xds/limits.h. Each has a metric. */
enum {
    XDS_MAX_REQUEST_BYTES = 4 * 1024 * 1024, /* one DiscoveryRequest: SotW names thousands */
    XDS_MAX_METADATA_BYTES = 256 * 1024,     /* node.metadata */
    XDS_MAX_NAMES = 200000,                  /* a stream: asked for by name, or said to be held */
    XDS_MAX_CONNECTIONS = 20000,             /* a loop */
    XDS_MAX_STREAMS = 100,                   /* a connection */
    XDS_MAX_ARRIVALS = 128,                  /* a loop: connections whose first request is read */
    XDS_ARRIVAL_MS = 500,                    /* or who were given so long to send it */
    XDS_JOINING_MS = 5000,                   /* to take the first configuration */
    XDS_MAX_STATUS_CALLS = 4,                /* a loop; each holds a page at most */
    XDS_MAX_STATUS_WAITING = 8,              /* requests of one call that wait for their turn */
    XDS_MAX_STATUS_REQUEST_BYTES = 128 * 1024,
    XDS_MAX_STATUS_BYTES = 4 * 1024 * 1024 - 1024, /* FetchClientStatus's answer */
    XDS_MAX_REFLECTION_CALLS = 16,                 /* a loop */
    XDS_MAX_REFLECTION_WAITING = 16,               /* requests of one call, for their turn */
    XDS_MAX_REFLECTION_REQUEST_BYTES = 1024,
};

/*
 * Who may read what of the proxies (ClientStatusDiscoveryService). Every workload can reach this
 * port, and who knows a node id can have all that this proxy is sent by saying that it is this one:
 * so the status of proxies that are asked for by their exact ids tells nobody anything much that is
 * new. Who else is there, at which address, and what each refused, is another matter: it is told
 * only where the operator says so, as the admin port's own report is.
 *
 * A request is answered by one response for each proxy that its matchers take (several where it has
 * more resources than STATUS_PAGE_BYTES hold: they have the same node), or by one without any.
 * FetchClientStatus joins them, and is refused when they are longer than XDS_MAX_STATUS_BYTES.
 */
enum xds_status_access {
    XDS_STATUS_NAMED, /* of proxies named by node_id.exact */
    XDS_STATUS_ALL,
    XDS_STATUS_OFF,
};

struct xds_server_options {
    const char *address;             /* "127.0.0.1:15010", "[::1]:15010" */
    const char *tls_address;         /* another, for TLS; NULL: none */
    int socket, tls_socket;          /* that listen there already and stay the caller's; 0: none */
    struct tls_context *tls_context; /* of that; retained */
    const char *identity;            /* the replica's id, for control_plane.identifier */
    struct xds_source *source;
    const struct log_scope *log;
    struct xds_stats *stats;
    struct xds_limits limits;
    struct addresses
        *addresses;      /* shared by all loops; NULL: any number of connections from each */
    uint64_t max_age_ms; /* of a connection, 20 % more or less; 0: any */
    size_t max_joining;  /* streams that are sent their first configuration at once; 0: any */
    enum xds_status_access status_access;
};

bool xds_server_open(uv_loop_t *loop, const struct xds_server_options *options,
    struct xds_server **out, struct error *err);
int xds_server_port(const struct xds_server *server); /* the bound one, when port 0 was asked */
int xds_server_tls_port(const struct xds_server *server);
/* For whoever comes from now on; where there is no TLS, nothing. */
void xds_server_set_tls(struct xds_server *server, struct tls_context *context);

/* What grpc.health answers: SERVING or NOT_SERVING. */
void xds_server_set_serving(struct xds_server *server, bool is_serving);

/*
 * Drain: no new connection is accepted, each connection is sent GOAWAY at a moment spread over
 * spread_ms and its streams are then ended with UNAVAILABLE once what is in flight was written.
 * on_done, with the source of the options, when the last connection is gone, or spread_ms +
 * grace_ms have passed and the rest were cut.
 */
void xds_server_drain(struct xds_server *server, uint64_t spread_ms, uint64_t grace_ms,
    void (*on_done)(struct xds_source *source));

/* The connections of the `count` oldest streams leave as in a drain, at moments spread over
 * spread_ms; the server goes on. */
void xds_server_shed(struct xds_server *server, size_t count, uint64_t spread_ms);

/* Closes all at once; frees later, from the loop. */
void xds_server_close(struct xds_server *server);

/* For whoever carries pages of status between servers (xds/source.h): to the one that fills it in;
 * and back to the one that asked, which takes it over. */
void xds_server_fill_status(const struct xds_server *server, struct status_page *page);
void xds_server_take_status(struct xds_server *server, struct status_page *page);

/* A JSON array of the connected proxies: node id, address, identity, variant, since, view (the hash
 * of what it should have), and for each type what xds_stream_status says ("synced", "stale",
 * "nacked", "not sent"; settled: nothing is left to send or to be answered, refused or not).
 * Appended to `out`. */
struct buf;
void xds_server_report(const struct xds_server *server, struct buf *out);

#endif
