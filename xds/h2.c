#include "xds/h2_parts.h"

#include "xds/h2_memory.h"

#include <string.h>

/* Of what we send: a stream's few headers are not worth a table for each of thousands of proxies.
 * What they send may use one: HAProxy does not know how to do without. */
enum { HEADER_TABLE_BYTES = 0 };

/* Of each header, as SETTINGS_MAX_HEADER_LIST_SIZE counts (RFC 9113, 6.5.2). */
enum { HEADER_OVERHEAD_BYTES = 32 };

/* ---- writing ---- */

void h2_send_pending(struct h2_connection *c)
{
    if (c->socket.is_closing || c->is_busy || c->is_refused || c->is_leaving)
        return;
    c->is_busy = true;
    int problem = nghttp2_session_send(c->session);
    c->is_busy = false;
    xds_socket_flush(&c->socket);
    bool is_over =
        !nghttp2_session_want_read(c->session) && !nghttp2_session_want_write(c->session);
    bool is_idle = c->is_idle_closing && !c->streams;
    if (problem || ((is_over || is_idle) && xds_socket_is_empty(&c->socket)))
        h2_connection_close(c);
}

static ssize_t on_send(
    nghttp2_session *session, const uint8_t *data, size_t size, int flags, void *user)
{
    struct h2_connection *c = user;
    (void)session, (void)flags;
    if (xds_socket_is_full(&c->socket))
        return NGHTTP2_ERR_WOULDBLOCK;
    xds_socket_write(&c->socket, data, size, NULL);
    return (ssize_t)size;
}

/* ---- nghttp2's callbacks ---- */

/* From within nghttp2, which stops: what it crossed is acted on once nghttp2 has returned. */
static int cross(struct h2_connection *c, enum xds_limit limit)
{
    c->limit = limit;
    return NGHTTP2_ERR_CALLBACK_FAILURE;
}

static int on_begin_frame(nghttp2_session *session, const nghttp2_frame_hd *head, void *user)
{
    struct h2_connection *c = user;
    uint64_t now_ms = uv_now(c->tick.loop);
    (void)session;
    if (!token_bucket_take(&c->frames, xds_frame_rate, now_ms))
        return cross(c, XDS_LIMIT_FRAMES);
    if (head->type == NGHTTP2_HEADERS &&
        !token_bucket_take(&c->stream_opens, xds_stream_rate, now_ms))
        return cross(c, XDS_LIMIT_STREAM_RATE);
    return 0;
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct h2_connection *c = user;
    c->header_bytes = 0;
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    struct h2_stream *s = xcalloc(1, sizeof *s);
    s->connection = c;
    s->id = frame->hd.stream_id;
    s->headers = arena_new();
    s->request = (struct h2_request){ "", "", "", "", "" };
    s->next = c->streams;
    s->link = &c->streams;
    if (c->streams)
        c->streams->link = &s->next;
    c->streams = s;
    nghttp2_session_set_stream_user_data(session, s->id, s);
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
    size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags, void *user)
{
    struct h2_stream *s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    struct h2_connection *c = user;
    (void)flags;
    c->header_bytes += (uint32_t)(name_size + value_size + HEADER_OVERHEAD_BYTES);
    if (c->header_bytes > H2_HEADER_LIMIT_BYTES)
        return cross(c, XDS_LIMIT_HEADERS);
    if (!s || !s->headers)
        return 0;
    const struct {
        const char *name;
        const char **into;
    } wanted[] = {
        { ":method", &s->request.method },
        { ":path", &s->request.path },
        { "content-type", &s->request.content_type },
        { "grpc-encoding", &s->request.encoding },
        { "grpc-timeout", &s->request.timeout },
    };
    for (size_t i = 0; i < ARRAY_COUNT(wanted); i++)
        if (strcmp((const char *)name, wanted[i].name) == 0)
            *wanted[i].into = arena_strndup(s->headers, (const char *)value, value_size);
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct h2_connection *c = user;
    struct h2_stream *s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (!s)
        return 0;
    if (frame->hd.type == NGHTTP2_HEADERS && s->headers) {
        c->has_asked = true;
        c->handlers->on_request(s, &s->request);
        arena_free(s->headers);
        s->headers = NULL;
    }
    bool is_last = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
    bool can_end = frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS;
    if (is_last && can_end) {
        s->is_half_closed = true;
        c->handlers->on_half_closed(s);
    }
    return 0;
}

/* Once all is said, a client that still could speak has a moment to end its side. nghttp2 answers a
 * violation of the protocol by itself, with a GOAWAY that says so. */
static int on_frame_sent(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct h2_stream *s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    bool is_last = frame->hd.type == NGHTTP2_HEADERS && frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
    struct h2_connection *c = user;
    if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code != NGHTTP2_NO_ERROR)
        c->was_protocol_error = !c->limit;
    if (frame->hd.type == NGHTTP2_RST_STREAM &&
        frame->rst_stream.error_code == NGHTTP2_REFUSED_STREAM)
        c->handlers->on_limit(c, XDS_LIMIT_STREAMS);
    if (frame->hd.type == NGHTTP2_DATA)
        token_bucket_give(&c->frames, XDS_FRAMES_PER_DATA);
    if (s && is_last && !s->is_half_closed)
        h2_patience_told(s);
    return 0;
}

static int on_chunk(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
    size_t size, void *user)
{
    struct h2_connection *c = user;
    struct h2_stream *s = nghttp2_session_get_stream_user_data(session, id);
    (void)flags;
    if (s && s->is_accepted && !s->is_ending)
        c->handlers->on_bytes(s, data, size);
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t code, void *user)
{
    struct h2_stream *s = nghttp2_session_get_stream_user_data(session, id);
    (void)code, (void)user;
    if (s)
        h2_stream_free(s);
    return 0;
}

static nghttp2_session *session_new(struct h2_connection *c, uint32_t max_streams)
{
    nghttp2_session_callbacks *callbacks;
    nghttp2_session *session;
    INVARIANT(nghttp2_session_callbacks_new(&callbacks) == 0);
    nghttp2_session_callbacks_set_send_callback(callbacks, on_send);
    nghttp2_session_callbacks_set_send_data_callback(callbacks, h2_stream_on_send_data);
    nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, on_begin_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_sent);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_chunk);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_option *option;
    INVARIANT(nghttp2_option_new(&option) == 0);
    nghttp2_option_set_max_deflate_dynamic_table_size(option, HEADER_TABLE_BYTES);
    INVARIANT(nghttp2_session_server_new3(&session, callbacks, c, option, h2_memory()) == 0);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    const nghttp2_settings_entry settings[] = {
        { NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, max_streams },
        { NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, H2_WINDOW_BYTES },
        { NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, H2_HEADER_LIMIT_BYTES },
    };
    nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, settings, ARRAY_COUNT(settings));
    nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0, H2_WINDOW_BYTES);
    return session;
}

/* ---- the connection ---- */

static struct h2_connection *connection_of(struct xds_socket *socket)
{
    return container_of(socket, struct h2_connection, socket);
}

static void handle_closed(struct h2_connection *c)
{
    if (--c->handles)
        return;
    for (struct h2_stream *s = c->streams, *next; s; s = next) {
        next = s->next;
        h2_stream_free(s);
    }
    c->handlers->on_closed(c, c->was_protocol_error, c->limit);
    nghttp2_session_del(c->session);
    free(c);
}

static void on_timer_closed(uv_handle_t *handle)
{
    handle_closed(container_of((uv_timer_t *)handle, struct h2_connection, tick));
}

void h2_connection_close(struct h2_connection *c)
{
    if (c->socket.is_closing)
        return;
    xds_socket_close(&c->socket);
    uv_close((uv_handle_t *)&c->tick, on_timer_closed);
}

/* A browser, or curl without --http2-prior-knowledge: told so in its own words. */
static void refuse_http1(struct h2_connection *c)
{
    static const char answer[] =
        "HTTP/1.1 505 HTTP Version Not Supported\r\ncontent-type: text/plain\r\n"
        "connection: close\r\n\r\nThis port speaks gRPC over HTTP/2 (xDS).\n";
    c->is_refused = true;
    xds_socket_ignore(&c->socket);
    xds_socket_write(&c->socket, (const uint8_t *)answer, sizeof answer - 1, NULL);
    xds_socket_flush(&c->socket);
}

static bool looks_like_http1(const uint8_t *bytes, size_t size)
{
    static const char *const methods[] = { "GET ", "POST ", "HEAD ", "PUT ", "OPTIONS " };
    for (size_t i = 0; i < ARRAY_COUNT(methods); i++)
        if (size >= strlen(methods[i]) && memcmp(bytes, methods[i], strlen(methods[i])) == 0)
            return true;
    return false;
}

static void on_socket_bytes(struct xds_socket *socket, const uint8_t *bytes, size_t size)
{
    struct h2_connection *c = connection_of(socket);
    bool is_first = c->is_first_read;
    if (c->is_leaving)
        return;
    c->is_first_read = false;
    c->heard_ms = uv_now(c->tick.loop);
    c->pinged_ms = 0;
    c->is_busy = true;
    ssize_t taken = nghttp2_session_mem_recv(c->session, bytes, size);
    c->is_busy = false;
    if (taken >= 0 && (size_t)taken == size) {
        h2_send_pending(c);
        return;
    }
    if (taken == NGHTTP2_ERR_FLOODED || taken == NGHTTP2_ERR_TOO_MANY_CONTINUATIONS)
        c->limit = XDS_LIMIT_FRAMES;
    if (c->limit) {
        h2_dismiss(c, c->limit);
        return;
    }
    c->was_protocol_error = true;
    if (is_first && taken == NGHTTP2_ERR_BAD_CLIENT_MAGIC && looks_like_http1(bytes, size)) {
        refuse_http1(c);
        return;
    }
    h2_send_pending(c);
    h2_connection_close(c);
}

static void on_socket_written(struct xds_socket *socket)
{
    struct h2_connection *c = connection_of(socket);
    if (c->is_refused)
        h2_connection_close(c);
    else
        h2_send_pending(c);
}

static void on_socket_gone(struct xds_socket *socket)
{
    h2_connection_close(connection_of(socket));
}

static void on_socket_closed(struct xds_socket *socket)
{
    handle_closed(connection_of(socket));
}

static void on_socket_waiting(struct xds_socket *socket)
{
    struct h2_connection *c = connection_of(socket);
    c->handlers->on_waiting(c);
}

static const struct xds_socket_handlers socket_handlers = {
    on_socket_waiting, on_socket_bytes, on_socket_written, on_socket_gone, on_socket_closed
};

struct h2_connection *h2_accept(uv_stream_t *listener, const struct h2_options *options)
{
    struct h2_connection *c = xcalloc(1, sizeof *c);
    c->handlers = options->handlers;
    c->owner = options->owner;
    c->is_first_read = true;
    c->handles = 2;
    c->limits = options->limits;
    uv_timer_init(listener->loop, &c->tick);
    c->session = session_new(c, options->max_streams);
    if (!xds_socket_accept(&c->socket, listener, options->handshakes, &socket_handlers)) {
        h2_connection_close(c);
        return NULL;
    }
    return c; /* our settings go out once the client has shown that it speaks HTTP/2 */
}

void h2_connection_wait(struct h2_connection *c)
{
    h2_patience_begin(c);
    xds_socket_wait(&c->socket);
}

/* How long it waited is not the client's fault. */
void h2_connection_read(struct h2_connection *c)
{
    if (c->socket.is_closing)
        return;
    h2_patience_begin(c);
    xds_socket_read(&c->socket);
}

void h2_connection_goaway(struct h2_connection *c)
{
    if (c->socket.is_closing)
        return;
    nghttp2_submit_goaway(c->session,
        NGHTTP2_FLAG_NONE,
        nghttp2_session_get_last_proc_stream_id(c->session),
        NGHTTP2_NO_ERROR,
        NULL,
        0);
    h2_send_pending(c);
}

void h2_connection_close_when_idle(struct h2_connection *c)
{
    c->is_idle_closing = true;
    h2_send_pending(c);
}

void *h2_connection_owner(const struct h2_connection *c)
{
    return c->owner;
}

void h2_connection_set_data(struct h2_connection *c, void *data)
{
    c->data = data;
}

void *h2_connection_data(const struct h2_connection *c)
{
    return c->data;
}

const char *h2_connection_peer(const struct h2_connection *c)
{
    return c->socket.peer;
}

void h2_connection_identity(const struct h2_connection *c, struct buf *out)
{
    xds_socket_identity(&c->socket, out);
}
