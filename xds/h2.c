#include "xds/h2_parts.h"

#include <string.h>

enum { READ_BYTES = 65536 };

/* One write: its small bytes in an arena, its large ones borrowed from retained resources. */
struct flush {
    uv_write_t write;
    struct h2_connection *connection;
    struct arena *a;
    LIST(uv_buf_t) bufs;
    LIST(struct xds_resource *) owners;
    size_t size;
};

/* ---- writing ---- */

static struct flush *flush_of(struct h2_connection *c)
{
    if (!c->flush) {
        c->flush = xcalloc(1, sizeof *c->flush);
        c->flush->a = arena_new();
        c->flush->connection = c;
        c->flush->write.data = c->flush;
    }
    return c->flush;
}

static void flush_free(struct flush *f)
{
    if (!f)
        return;
    for (size_t i = 0; i < f->owners.count; i++)
        xds_resource_release(f->owners.items[i]);
    arena_free(f->a);
    free(f);
}

void h2_write(struct h2_connection *c, const uint8_t *data, size_t size, struct xds_resource *owner)
{
    struct flush *f = flush_of(c);
    const uint8_t *kept = owner ? data : arena_dup(f->a, data, size, 1);
    uv_buf_t buf = uv_buf_init((char *)(uintptr_t)kept, (unsigned)size);
    list_push(f->a, &f->bufs, buf);
    if (owner)
        list_push(f->a, &f->owners, xds_resource_retain(owner));
    f->size += size;
}

bool h2_is_full(const struct h2_connection *c)
{
    size_t waiting = uv_stream_get_write_queue_size((const uv_stream_t *)&c->tcp);
    return waiting + (c->flush ? c->flush->size : 0) > H2_WRITE_LIMIT_BYTES;
}

static void on_written(uv_write_t *write, int status)
{
    struct flush *f = write->data;
    struct h2_connection *c = f->connection;
    flush_free(f);
    if (status < 0)
        h2_connection_close(c);
    else
        h2_send_pending(c);
}

static void write_out(struct h2_connection *c)
{
    struct flush *f = c->flush;
    if (!f || c->is_closing)
        return;
    c->flush = NULL;
    int problem = uv_write(
        &f->write, (uv_stream_t *)&c->tcp, f->bufs.items, (unsigned)f->bufs.count, on_written);
    if (problem) {
        flush_free(f);
        h2_connection_close(c);
    }
}

void h2_send_pending(struct h2_connection *c)
{
    if (c->is_closing || c->is_busy)
        return;
    c->is_busy = true;
    int problem = nghttp2_session_send(c->session);
    c->is_busy = false;
    write_out(c);
    bool is_over =
        !nghttp2_session_want_read(c->session) && !nghttp2_session_want_write(c->session);
    bool is_idle = c->is_idle_closing && !c->streams;
    bool is_written = uv_stream_get_write_queue_size((const uv_stream_t *)&c->tcp) == 0;
    if (problem || ((is_over || is_idle) && is_written && !c->flush))
        h2_connection_close(c);
}

static ssize_t on_send(
    nghttp2_session *session, const uint8_t *data, size_t size, int flags, void *user)
{
    struct h2_connection *c = user;
    (void)session, (void)flags;
    if (h2_is_full(c))
        return NGHTTP2_ERR_WOULDBLOCK;
    h2_write(c, data, size, NULL);
    return (ssize_t)size;
}

/* ---- nghttp2's callbacks ---- */

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct h2_connection *c = user;
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    struct h2_stream *s = xcalloc(1, sizeof *s);
    s->connection = c;
    s->id = frame->hd.stream_id;
    s->headers = arena_new();
    s->request = (struct h2_request){ "", "", "" };
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
    (void)flags, (void)user, (void)name_size;
    if (!s || !s->headers)
        return 0;
    const struct {
        const char *name;
        const char **into;
    } wanted[] = {
        { ":method", &s->request.method },
        { ":path", &s->request.path },
        { "content-type", &s->request.content_type },
    };
    for (size_t i = 0; i < ARRAY_COUNT(wanted); i++)
        if (strcmp((const char *)name, wanted[i].name) == 0)
            *wanted[i].into = arena_strndup(s->headers, (const char *)value, value_size);
    return arena_size_bytes(s->headers) > H2_HEADER_LIMIT_BYTES
               ? NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE
               : 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct h2_connection *c = user;
    struct h2_stream *s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (!s)
        return 0;
    if (frame->hd.type == NGHTTP2_HEADERS && s->headers) {
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

/* Once all is said, a client that still could speak is told that nobody listens. nghttp2 answers a
 * violation of the protocol by itself, with a GOAWAY that says so. */
static int on_frame_sent(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct h2_stream *s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    bool is_last = frame->hd.type == NGHTTP2_HEADERS && frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
    struct h2_connection *c = user;
    if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code != NGHTTP2_NO_ERROR)
        c->was_protocol_error = true;
    if (s && is_last && !s->is_half_closed)
        nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, s->id, NGHTTP2_NO_ERROR);
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
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_sent);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_chunk);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    INVARIANT(nghttp2_session_server_new(&session, callbacks, c) == 0);
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

static void on_handle_closed(uv_handle_t *handle)
{
    struct h2_connection *c = handle->data;
    if (--c->handles)
        return;
    for (struct h2_stream *s = c->streams, *next; s; s = next) {
        next = s->next;
        h2_stream_free(s);
    }
    c->handlers->on_closed(c, c->was_protocol_error);
    nghttp2_session_del(c->session);
    flush_free(c->flush);
    free(c);
}

void h2_connection_close(struct h2_connection *c)
{
    if (c->is_closing)
        return;
    c->is_closing = true;
    uv_close((uv_handle_t *)&c->tcp, on_handle_closed);
    uv_close((uv_handle_t *)&c->keepalive, on_handle_closed);
}

static void on_refusal_written(uv_write_t *write, int status)
{
    struct h2_connection *c = write->data;
    (void)status;
    free(write);
    h2_connection_close(c);
}

/* A browser, or curl without --http2-prior-knowledge: told so in its own words. */
static void refuse_http1(struct h2_connection *c)
{
    static char answer[] = "HTTP/1.1 505 HTTP Version Not Supported\r\ncontent-type: text/plain\r\n"
                           "connection: close\r\n\r\nThis port speaks gRPC over HTTP/2 (xDS).\n";
    uv_write_t *write = xcalloc(1, sizeof *write);
    uv_buf_t buf = uv_buf_init(answer, sizeof answer - 1);
    write->data = c;
    uv_read_stop((uv_stream_t *)&c->tcp);
    if (uv_write(write, (uv_stream_t *)&c->tcp, &buf, 1, on_refusal_written) != 0) {
        free(write);
        h2_connection_close(c);
    }
}

static bool looks_like_http1(const char *bytes, size_t size)
{
    static const char *const methods[] = { "GET ", "POST ", "HEAD ", "PUT ", "OPTIONS " };
    for (size_t i = 0; i < ARRAY_COUNT(methods); i++)
        if (size >= strlen(methods[i]) && memcmp(bytes, methods[i], strlen(methods[i])) == 0)
            return true;
    return false;
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    (void)handle, (void)suggested;
    *buf = uv_buf_init(xrealloc(NULL, READ_BYTES), READ_BYTES);
}

static void take_bytes(struct h2_connection *c, const char *bytes, size_t size)
{
    bool is_first = c->is_first_read;
    c->is_first_read = false;
    c->has_heard = true;
    c->is_busy = true;
    ssize_t taken = nghttp2_session_mem_recv(c->session, (const uint8_t *)bytes, size);
    c->is_busy = false;
    if (taken >= 0 && (size_t)taken == size) {
        h2_send_pending(c);
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

static void on_socket_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buf)
{
    struct h2_connection *c = stream->data;
    if (size < 0)
        h2_connection_close(c);
    else if (size > 0 && !c->is_closing)
        take_bytes(c, buf->base, (size_t)size);
    free(buf->base);
}

/* Nothing heard in one interval: a PING. Nothing in the next either: the other side is gone. */
static void on_keepalive(uv_timer_t *timer)
{
    struct h2_connection *c = timer->data;
    if (!c->has_heard && c->was_pinged) {
        h2_connection_close(c);
        return;
    }
    c->was_pinged = !c->has_heard;
    c->has_heard = false;
    if (c->was_pinged) {
        nghttp2_submit_ping(c->session, NGHTTP2_FLAG_NONE, NULL);
        h2_send_pending(c);
    }
}

static void name_peer(struct h2_connection *c)
{
    struct sockaddr_storage address;
    int size = sizeof address;
    char ip[INET6_ADDRSTRLEN] = "";
    if (uv_tcp_getpeername(&c->tcp, (struct sockaddr *)&address, &size) != 0)
        return;
    bool is_v6 = address.ss_family == AF_INET6;
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)&address;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&address;
    if (is_v6)
        uv_ip6_name(v6, ip, sizeof ip);
    else
        uv_ip4_name(v4, ip, sizeof ip);
    snprintf(c->peer,
        sizeof c->peer,
        is_v6 ? "[%s]:%u" : "%s:%u",
        ip,
        ntohs(is_v6 ? v6->sin6_port : v4->sin_port));
}

struct h2_connection *h2_accept(uv_stream_t *listener, const struct h2_options *options)
{
    struct h2_connection *c = xcalloc(1, sizeof *c);
    c->handlers = options->handlers;
    c->owner = options->owner;
    c->is_first_read = c->has_heard = true;
    c->handles = 2;
    uv_tcp_init(listener->loop, &c->tcp);
    uv_timer_init(listener->loop, &c->keepalive);
    c->tcp.data = c->keepalive.data = c;
    c->session = session_new(c, options->max_streams);
    if (uv_accept(listener, (uv_stream_t *)&c->tcp) != 0) {
        h2_connection_close(c);
        return NULL;
    }
    name_peer(c);
    uv_tcp_nodelay(&c->tcp, 1);
    uv_timer_start(&c->keepalive, on_keepalive, options->keepalive_ms, options->keepalive_ms);
    uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_socket_read);
    return c; /* our settings go out once the client has shown that it speaks HTTP/2 */
}

void h2_connection_goaway(struct h2_connection *c)
{
    if (c->is_closing)
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
    return c->peer;
}
