#include "xds/server.h"

#include "xds/room.h"
#include "xds/rpc.h"

#include <string.h>

/* ---- connections ---- */

/* What the server keeps of a connection. */
struct peer {
    struct peer *next, *prev;
    struct xds_server *server;
    struct h2_connection *connection;
    uv_timer_t leave; /* when it is old, or shed, or its turn in a drain */
    bool is_shed;
};

struct xds_server {
    uv_tcp_t listener;
    uv_timer_t deadline; /* of a drain */
    char *identity;
    struct rpc_shared shared;
    struct peer *peers;
    struct rpc_list rpcs;
    void (*on_drained)(struct xds_source *source);
    uint64_t max_age_ms; /* of a connection; 0: any */
    unsigned handles, peer_count;
    bool is_draining, is_closing, is_listener_closed, is_pace_closed;
};

int64_t xds_stats_streams(const struct xds_stats *stats)
{
    return stats->streams_sotw + stats->streams_delta;
}

static void server_free(struct xds_server *s)
{
    free(s->identity);
    free(s);
}

static void drained_if_empty(struct xds_server *s)
{
    if (!s->is_draining || s->peers || !s->on_drained)
        return;
    void (*on_drained)(struct xds_source *) = s->on_drained;
    s->on_drained = NULL;
    uv_timer_stop(&s->deadline);
    on_drained(s->shared.source);
}

static void on_handle_closed(uv_handle_t *handle);

/* The last streams of a peer still set the pace. */
static void free_if_gone(struct xds_server *s)
{
    if (!s->is_closing || s->peers)
        return;
    if (!s->is_pace_closed)
        uv_close((uv_handle_t *)&s->shared.pace, on_handle_closed);
    s->is_pace_closed = true;
    if (!s->handles)
        server_free(s);
}

static void on_timer_closed(uv_handle_t *handle)
{
    free(container_of((uv_timer_t *)handle, struct peer, leave));
}

static void peer_free(struct peer *p)
{
    struct xds_server *s = p->server;
    if (p->prev)
        p->prev->next = p->next;
    else
        s->peers = p->next;
    if (p->next)
        p->next->prev = p->prev;
    s->peer_count--;
    metric_add(&s->shared.stats->connections, -1);
    uv_close((uv_handle_t *)&p->leave, on_timer_closed);
    drained_if_empty(s);
    free_if_gone(s);
}

static void on_connection_closed(struct h2_connection *c, bool was_protocol_error)
{
    struct xds_server *s = h2_connection_owner(c);
    struct peer *p = h2_connection_data(c);
    if (was_protocol_error)
        metric_add(&s->shared.stats->protocol_errors, 1);
    if (p)
        peer_free(p);
}

/* ---- streams: rpc.c has what they say ---- */

static void on_request(struct h2_stream *stream, const struct h2_request *request)
{
    struct xds_server *s = h2_connection_owner(h2_stream_connection(stream));
    rpc_open(&s->shared, &s->rpcs, stream, request);
}

static void on_bytes(struct h2_stream *stream, const uint8_t *bytes, size_t size_bytes)
{
    rpc_take_bytes(h2_stream_data(stream), bytes, size_bytes);
}

static void on_half_closed(struct h2_stream *stream)
{
    if (h2_stream_data(stream))
        rpc_half_closed(h2_stream_data(stream));
}

static void on_emptied(struct h2_stream *stream)
{
    if (h2_stream_data(stream))
        rpc_emptied(h2_stream_data(stream));
}

static void on_stream_closed(struct h2_stream *stream)
{
    if (h2_stream_data(stream))
        rpc_closed(h2_stream_data(stream));
}

static const struct h2_handlers handlers = {
    on_request, on_bytes, on_half_closed, on_emptied, on_stream_closed, on_connection_closed
};

/* ---- asking to leave ---- */

/* Its client is to open another connection, which a balancer may lead elsewhere. */
static void on_leave(uv_timer_t *timer)
{
    struct peer *p = container_of(timer, struct peer, leave);
    struct xds_server *s = p->server;
    metric_add(&s->shared.stats->aged, !s->is_draining && !p->is_shed);
    metric_add(&s->shared.stats->quota.shed, !s->is_draining && p->is_shed);
    h2_connection_goaway(p->connection);
    rpc_list_end(&s->rpcs,
        p->connection,
        s->is_draining ? "the replica is leaving; reconnect"
        : p->is_shed   ? "others have fewer streams than this replica; reconnect"
                       : "the connection is old; reconnect");
    h2_connection_close_when_idle(p->connection);
}

void xds_server_shed(struct xds_server *s, size_t count, uint64_t spread_ms)
{
    size_t place = 0;
    if (s->is_draining || s->is_closing)
        return;
    for (const struct rpc *rpc = rpc_list_oldest(&s->rpcs); rpc && place < count;
         rpc = rpc_younger(rpc)) {
        struct peer *p = h2_connection_data(rpc_connection(rpc));
        if (p->is_shed)
            continue;
        p->is_shed = true;
        uv_timer_start(&p->leave, on_leave, spread_ms * place++ / count, 0);
    }
}

/* From 80 to 120 of 100, so that those who came together do not go together. */
static uint64_t with_jitter(uint64_t age_ms)
{
    uint32_t random = 0;
    INVARIANT(uv_random(NULL, NULL, &random, sizeof random, 0, NULL) == 0);
    return age_ms / 5 * 4 + age_ms / 5 * 2 * (random % 1024) / 1024;
}

/* ---- accepting ---- */

static void refuse(uv_stream_t *listener, struct xds_server *s)
{
    uv_tcp_t *tcp = xcalloc(1, sizeof *tcp);
    uv_tcp_init(listener->loop, tcp);
    uv_accept(listener, (uv_stream_t *)tcp);
    uv_close((uv_handle_t *)tcp, (uv_close_cb)(void (*)(void))free);
    metric_add(&s->shared.stats->refused_connections, 1);
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct xds_server *s = container_of(listener, struct xds_server, listener);
    const struct h2_options options = {
        .handlers = &handlers,
        .owner = s,
        .max_streams = XDS_MAX_STREAMS,
        .keepalive_ms = XDS_KEEPALIVE_MS,
    };
    if (status < 0)
        return;
    if (s->peer_count >= XDS_MAX_CONNECTIONS || room_is_full()) {
        refuse(listener, s);
        return;
    }
    struct h2_connection *c = h2_accept(listener, &options);
    if (!c)
        return;
    struct peer *p = xcalloc(1, sizeof *p);
    p->server = s;
    p->connection = c;
    uv_timer_init(listener->loop, &p->leave);
    if (s->max_age_ms > 0)
        uv_timer_start(&p->leave, on_leave, with_jitter(s->max_age_ms), 0);
    h2_connection_set_data(c, p);
    p->next = s->peers;
    if (s->peers)
        s->peers->prev = p;
    s->peers = p;
    s->peer_count++;
    metric_add(&s->shared.stats->accepted, 1);
    metric_add(&s->shared.stats->connections, 1);
}

/* "10.0.0.1" or "[::1]" */
static bool parse_ip(char *host, int port, struct sockaddr_storage *address)
{
    size_t size = strlen(host);
    bool is_v6 = size > 2 && host[0] == '[' && host[size - 1] == ']';
    if (!is_v6)
        return uv_ip4_addr(host, port, (struct sockaddr_in *)address) == 0;
    host[size - 1] = '\0';
    return uv_ip6_addr(host + 1, port, (struct sockaddr_in6 *)address) == 0;
}

static bool parse_address(const char *text, struct sockaddr_storage *address, struct error *err)
{
    char host[INET6_ADDRSTRLEN + 2] = "";
    const char *colon = strrchr(text, ':');
    char *end = NULL;
    long port = colon && colon[1] ? strtol(colon + 1, &end, 10) : -1;
    size_t size = colon ? (size_t)(colon - text) : 0;
    if (port < 0 || port > 65535 || *end || size >= sizeof host)
        return error_set(err, ERROR_USAGE, "\"%s\" is no ADDRESS:PORT", text);
    memcpy(host, text, size);
    return parse_ip(host, (int)port, address) ||
           error_set(err, ERROR_USAGE, "\"%s\": the address must be an IP", text);
}

/* libuv 1.44 has no flag for it: several loops listen on one address, and the kernel shares out. */
static int reuse_port(uv_tcp_t *tcp)
{
    int fd, on = 1;
    if (uv_fileno((uv_handle_t *)tcp, &fd) != 0)
        return UV_EBADF;
    return setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0 ? 0 : UV_EINVAL;
}

static bool listen_on(struct xds_server *s, const char *text, struct error *err)
{
    struct sockaddr_storage address = { 0 };
    if (!parse_address(text, &address, err))
        return false;
    int problem = reuse_port(&s->listener);
    if (!problem)
        problem = uv_tcp_bind(&s->listener, (struct sockaddr *)&address, 0);
    if (!problem)
        problem = uv_listen((uv_stream_t *)&s->listener, SOMAXCONN, on_connection);
    return !problem || error_set(err, ERROR_IO, "listening on %s: %s", text, uv_strerror(problem));
}

bool xds_server_open(uv_loop_t *loop, const struct xds_server_options *options,
    struct xds_server **out, struct error *err)
{
    struct xds_server *s = xcalloc(1, sizeof *s);
    s->identity = xstrdup(options->identity);
    s->max_age_ms = options->max_age_ms;
    s->shared = (struct rpc_shared){
        .loop = loop,
        .identity = s->identity,
        .source = options->source,
        .stats = options->stats,
        .log = options->log,
        .status_access = options->status_access,
        .admission = { .limit = options->max_joining, .stats = &options->stats->admission },
    };
    s->handles = 3;
    bool is_v6 = options->address[0] == '[';
    uv_tcp_init_ex(loop, &s->listener, is_v6 ? AF_INET6 : AF_INET);
    uv_timer_init(loop, &s->deadline);
    uv_timer_init(loop, &s->shared.pace);
    if (listen_on(s, options->address, err)) {
        *out = s;
        return true;
    }
    xds_server_close(s);
    return false;
}

int xds_server_port(const struct xds_server *s)
{
    struct sockaddr_storage address;
    int size = sizeof address;
    if (uv_tcp_getsockname(&s->listener, (struct sockaddr *)&address, &size) != 0)
        return 0;
    return ntohs(address.ss_family == AF_INET6 ? ((const struct sockaddr_in6 *)&address)->sin6_port
                                               : ((const struct sockaddr_in *)&address)->sin_port);
}

void xds_server_set_serving(struct xds_server *s, bool is_serving)
{
    s->shared.is_serving = is_serving;
    rpc_list_tell_health(&s->rpcs);
}

/* ---- leaving ---- */

static void on_handle_closed(uv_handle_t *handle)
{
    struct xds_server *s = handle->data;
    s->handles--;
    free_if_gone(s);
}

static void close_listener(struct xds_server *s)
{
    if (s->is_listener_closed)
        return;
    s->is_listener_closed = true;
    s->listener.data = s;
    uv_close((uv_handle_t *)&s->listener, on_handle_closed);
}

static void on_deadline(uv_timer_t *timer)
{
    struct xds_server *s = container_of(timer, struct xds_server, deadline);
    for (struct peer *p = s->peers, *next; p; p = next) {
        next = p->next;
        h2_connection_close(p->connection);
    }
}

void xds_server_drain(struct xds_server *s, uint64_t spread_ms, uint64_t grace_ms,
    void (*on_done)(struct xds_source *source))
{
    unsigned place = 0;
    if (s->is_draining || s->is_closing)
        return;
    s->is_draining = true;
    s->on_drained = on_done;
    close_listener(s);
    uv_timer_start(&s->deadline, on_deadline, spread_ms + grace_ms, 0);
    for (struct peer *p = s->peers, *next; p; p = next) {
        next = p->next;
        uint64_t delay_ms = s->peer_count ? spread_ms * place++ / s->peer_count : 0;
        uv_timer_start(&p->leave, on_leave, delay_ms, 0);
    }
    drained_if_empty(s);
}

void xds_server_close(struct xds_server *s)
{
    if (s->is_closing)
        return;
    s->is_closing = true;
    s->on_drained = NULL;
    close_listener(s);
    s->deadline.data = s->shared.pace.data = s;
    uv_close((uv_handle_t *)&s->deadline, on_handle_closed);
    on_deadline(&s->deadline);
}

void xds_server_fill_status(const struct xds_server *s, struct status_page *page)
{
    rpc_list_fill_status(&s->rpcs, page);
}

void xds_server_take_status(struct xds_server *s, struct status_page *page)
{
    rpc_list_take_status(&s->rpcs, page);
}

void xds_server_report(const struct xds_server *s, struct buf *out)
{
    rpc_list_report(&s->rpcs, out);
}
