#include "xds/server.h"

#include "xds/listener.h"
#include "xds/room.h"
#include "xds/rpc.h"

#include <string.h>

/* ---- connections ---- */

/* What the server keeps of a connection. */
struct peer {
    struct peer *next, *prev;
    struct xds_server *server;
    struct h2_connection *connection;
    struct admission_place arrival;
    uv_timer_t leave; /* when it is old, or shed, or its turn in a drain */
    bool is_shed;
};

struct xds_server {
    struct xds_listener plain, tls;
    struct handshakes handshakes; /* behind the latter */
    uv_timer_t deadline;          /* of a drain */
    struct admission arrivals;    /* in plain text: behind handshakes, few come at once */
    uv_timer_t arrival_pace;
    char *identity;
    struct rpc_shared shared;
    struct peer *peers;
    struct rpc_list rpcs;
    void (*on_drained)(struct xds_source *source);
    uint64_t max_age_ms; /* of a connection; 0: any */
    struct xds_limits limits;
    struct addresses *addresses;
    unsigned handles, peer_count;
    bool is_draining, is_closing, is_pace_closed, has_tls;
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

static void handle_closed(struct xds_server *s);
static void on_handle_closed(uv_handle_t *handle);

/* The last streams of a peer still set the pace. */
static void free_if_gone(struct xds_server *s)
{
    if (!s->is_closing || s->peers)
        return;
    if (!s->is_pace_closed) {
        uv_close((uv_handle_t *)&s->shared.pace, on_handle_closed);
        uv_close((uv_handle_t *)&s->arrival_pace, on_handle_closed);
        if (s->has_tls)
            handshakes_close(&s->handshakes, on_handle_closed);
    }
    s->is_pace_closed = true;
    if (!s->handles)
        server_free(s);
}

/* ---- arriving ---- */

static void pace_arrivals(struct xds_server *s);

static void on_arrival_pace(uv_timer_t *timer)
{
    struct xds_server *s = container_of(timer, struct xds_server, arrival_pace);
    struct admission_place *place;
    admission_expire(&s->arrivals, uv_now(s->shared.loop));
    while ((place = admission_next(&s->arrivals, uv_now(s->shared.loop))))
        h2_connection_read(container_of(place, struct peer, arrival)->connection);
    pace_arrivals(s);
}

static void pace_arrivals(struct xds_server *s)
{
    int64_t due_ms = admission_due_ms(&s->arrivals, uv_now(s->shared.loop));
    if (due_ms >= 0)
        uv_timer_start(&s->arrival_pace, on_arrival_pace, (uint64_t)due_ms, 0);
    else
        uv_timer_stop(&s->arrival_pace);
}

static void leave_arrivals(struct peer *p)
{
    if (p->arrival.state == ADMISSION_OUTSIDE)
        return;
    admission_leave(&p->server->arrivals, &p->arrival);
    pace_arrivals(p->server);
}

static void on_arrived(struct h2_connection *c)
{
    if (h2_connection_data(c))
        leave_arrivals(h2_connection_data(c));
}

/* Who says nothing takes no place. */
static void on_waiting(struct h2_connection *c)
{
    struct peer *p = h2_connection_data(c);
    struct xds_server *s = p->server;
    if (admission_enter(&s->arrivals, &p->arrival, uv_now(s->shared.loop)))
        h2_connection_read(c);
    pace_arrivals(s);
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
    leave_arrivals(p);
    if (s->addresses)
        addresses_leave(s->addresses, h2_connection_peer(p->connection));
    metric_add(&s->shared.stats->connections, -1);
    uv_close((uv_handle_t *)&p->leave, on_timer_closed);
    drained_if_empty(s);
    free_if_gone(s);
}

static void tell_limit(struct xds_server *s, const char *peer, enum xds_limit limit)
{
    unsigned left_out;
    metric_add(&s->shared.stats->limits[limit], 1);
    if (!log_limit_allows(&s->shared.log_limit, uv_now(s->shared.loop), &left_out))
        return;
    log_warn(s->shared.log,
        "a client crossed a limit",
        LOG_STR("peer", peer),
        LOG_STR("why", xds_limit_text(limit)),
        LOG_INT("left_out_before", left_out));
}

static void on_limit(struct h2_connection *c, enum xds_limit limit)
{
    tell_limit(h2_connection_owner(c), h2_connection_peer(c), limit);
}

static void on_connection_closed(
    struct h2_connection *c, bool was_protocol_error, enum xds_limit limit)
{
    struct xds_server *s = h2_connection_owner(c);
    struct peer *p = h2_connection_data(c);
    metric_add(&s->shared.stats->protocol_errors, was_protocol_error);
    if (limit)
        on_limit(c, limit);
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

static void on_tick(struct h2_stream *stream)
{
    if (h2_stream_data(stream))
        rpc_tick(h2_stream_data(stream));
}

static void on_stream_closed(struct h2_stream *stream)
{
    if (h2_stream_data(stream))
        rpc_closed(h2_stream_data(stream));
}

static const struct h2_handlers handlers = {
    .on_waiting = on_waiting,
    .on_request = on_request,
    .on_bytes = on_bytes,
    .on_half_closed = on_half_closed,
    .on_emptied = on_emptied,
    .on_tick = on_tick,
    .on_stream_closed = on_stream_closed,
    .on_closed = on_connection_closed,
    .on_limit = on_limit,
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

static void peer_new(struct xds_server *s, struct h2_connection *c)
{
    struct peer *p = xcalloc(1, sizeof *p);
    p->server = s;
    p->connection = c;
    uv_timer_init(s->shared.loop, &p->leave);
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

static void take_in(struct xds_server *s, struct xds_listener *l, struct handshakes *handshakes)
{
    const struct h2_options options = {
        .handlers = &handlers,
        .owner = s,
        .handshakes = handshakes,
        .max_streams = XDS_MAX_STREAMS,
        .limits = &s->limits,
    };
    if (s->peer_count >= XDS_MAX_CONNECTIONS || room_is_full()) {
        xds_listener_refuse(l);
        metric_add(&s->shared.stats->refused_connections, 1);
        return;
    }
    struct h2_connection *c = h2_accept((uv_stream_t *)&l->tcp, &options);
    if (c && s->addresses && !addresses_enter(s->addresses, h2_connection_peer(c))) {
        on_limit(c, XDS_LIMIT_ADDRESS);
        h2_connection_close(c);
    } else if (c) {
        peer_new(s, c);
        handshakes ? h2_connection_read(c) : h2_connection_wait(c);
    }
}

static void on_plain_connection(struct xds_listener *l)
{
    take_in(container_of(l, struct xds_server, plain), l, NULL);
}

static void on_tls_connection(struct xds_listener *l)
{
    struct xds_server *s = container_of(l, struct xds_server, tls);
    if (handshakes_have_room(&s->handshakes))
        take_in(s, l, &s->handshakes);
}

static void on_room(struct handshakes *handshakes)
{
    struct xds_server *s = container_of(handshakes, struct xds_server, handshakes);
    if (!s->tls.is_closing)
        on_tls_connection(&s->tls);
}

static void on_plain_closed(struct xds_listener *l)
{
    handle_closed(container_of(l, struct xds_server, plain));
}

static void on_tls_closed(struct xds_listener *l)
{
    handle_closed(container_of(l, struct xds_server, tls));
}

static bool open_plain(struct xds_server *s, const struct xds_server_options *o, struct error *err)
{
    s->plain.on_connection = on_plain_connection;
    s->plain.on_closed = on_plain_closed;
    s->handles++;
    return xds_listener_open(&s->plain, s->shared.loop, o->address, o->socket, err);
}

static bool open_tls(struct xds_server *s, const struct xds_server_options *o, struct error *err)
{
    if (!o->tls_address)
        return true;
    s->has_tls = true;
    s->tls.on_connection = on_tls_connection;
    s->tls.on_closed = on_tls_closed;
    s->handles += 2; /* its own, and that of the handshakes */
    handshakes_open(&s->handshakes, s->shared.loop, o->tls_context, on_room);
    return xds_listener_open(&s->tls, s->shared.loop, o->tls_address, o->tls_socket, err);
}

bool xds_server_open(uv_loop_t *loop, const struct xds_server_options *options,
    struct xds_server **out, struct error *err)
{
    struct xds_server *s = xcalloc(1, sizeof *s);
    s->identity = xstrdup(options->identity);
    s->max_age_ms = options->max_age_ms;
    s->limits = options->limits;
    s->addresses = options->addresses;
    s->shared = (struct rpc_shared){
        .loop = loop,
        .identity = s->identity,
        .source = options->source,
        .stats = options->stats,
        .limits = &s->limits,
        .log = options->log,
        .status_access = options->status_access,
        .admission = { .limit = options->max_joining,
            .hold_ms = XDS_JOINING_MS,
            .stats = &options->stats->admission },
        .on_arrived = on_arrived,
    };
    s->handshakes.stats = &options->stats->tls;
    s->handshakes.log = options->log;
    s->arrivals = (struct admission){
        .limit = XDS_MAX_ARRIVALS, .hold_ms = XDS_ARRIVAL_MS, .stats = &options->stats->arrivals
    };
    s->handles = 3;
    uv_timer_init(loop, &s->arrival_pace);
    uv_timer_init(loop, &s->deadline);
    uv_timer_init(loop, &s->shared.pace);
    if (open_plain(s, options, err) && open_tls(s, options, err)) {
        *out = s;
        return true;
    }
    xds_server_close(s);
    return false;
}

int xds_server_port(const struct xds_server *s)
{
    return xds_listener_port(&s->plain);
}

int xds_server_tls_port(const struct xds_server *s)
{
    return s->has_tls ? xds_listener_port(&s->tls) : 0;
}

void xds_server_set_tls(struct xds_server *s, struct tls_context *context)
{
    if (s->has_tls && !s->is_closing)
        handshakes_set_context(&s->handshakes, context);
}

void xds_server_set_serving(struct xds_server *s, bool is_serving)
{
    s->shared.is_serving = is_serving;
    rpc_list_tell_health(&s->rpcs);
}

/* ---- leaving ---- */

static void handle_closed(struct xds_server *s)
{
    s->handles--;
    free_if_gone(s);
}

static void on_handle_closed(uv_handle_t *handle)
{
    handle_closed(handle->data);
}

static void close_listeners(struct xds_server *s)
{
    xds_listener_close(&s->plain);
    if (s->has_tls)
        xds_listener_close(&s->tls);
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
    close_listeners(s);
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
    close_listeners(s);
    s->deadline.data = s->shared.pace.data = s->arrival_pace.data = s->handshakes.timer.data = s;
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
