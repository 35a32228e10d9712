#include "xds/socket_parts.h"

enum { READ_BYTES = 65536 };

/* ---- writing ---- */

static struct gathered *gathered_of(struct xds_socket *s)
{
    if (!s->gathered) {
        s->gathered = xcalloc(1, sizeof *s->gathered);
        s->gathered->a = arena_new();
        s->gathered->socket = s;
    }
    return s->gathered;
}

void gathered_free(struct gathered *g)
{
    if (!g)
        return;
    for (size_t i = 0; i < g->owners.count; i++)
        xds_resource_release(g->owners.items[i]);
    arena_free(g->a);
    free(g);
}

void xds_socket_write(
    struct xds_socket *s, const uint8_t *data, size_t size, struct xds_resource *owner)
{
    struct gathered *g = gathered_of(s);
    const uint8_t *kept = owner ? data : arena_dup(g->a, data, size, 1);
    uv_buf_t buf = uv_buf_init((char *)(uintptr_t)kept, (unsigned)size);
    list_push(g->a, &g->bufs, buf);
    if (owner)
        list_push(g->a, &g->owners, xds_resource_retain(owner));
    g->size += size;
}

static size_t waiting(const struct xds_socket *s)
{
    size_t queued = uv_stream_get_write_queue_size((const uv_stream_t *)&s->tcp);
    return queued + (s->tls ? socket_tls_waiting(s->tls) : 0);
}

bool xds_socket_is_full(const struct xds_socket *s)
{
    return waiting(s) + (s->gathered ? s->gathered->size : 0) > XDS_SOCKET_LIMIT_BYTES;
}

bool xds_socket_is_empty(const struct xds_socket *s)
{
    return waiting(s) == 0 && !s->gathered;
}

static void on_write(uv_write_t *write, int status)
{
    struct gathered *g = container_of(write, struct gathered, write);
    struct xds_socket *s = g->socket;
    gathered_free(g);
    if (status < 0)
        s->handlers->on_gone(s);
    else
        s->handlers->on_written(s);
}

void xds_socket_flush(struct xds_socket *s)
{
    struct gathered *g = s->gathered;
    if (!g || s->is_closing)
        return;
    s->gathered = NULL;
    if (s->tls) {
        socket_tls_flush(s->tls, g);
        return;
    }
    int problem = uv_write(
        &g->write, (uv_stream_t *)&s->tcp, g->bufs.items, (unsigned)g->bufs.count, on_write);
    if (problem) {
        gathered_free(g);
        s->handlers->on_gone(s);
    }
}

/* ---- reading ---- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    const struct xds_socket *s = container_of((uv_tcp_t *)handle, struct xds_socket, tcp);
    (void)suggested;
    *buf = s->is_held ? uv_buf_init(NULL, 0) : uv_buf_init(xrealloc(NULL, READ_BYTES), READ_BYTES);
}

static void take(struct xds_socket *s, const uint8_t *bytes, size_t size)
{
    if (s->tls)
        socket_tls_take(s->tls, bytes, size);
    else
        s->handlers->on_bytes(s, bytes, size);
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buf)
{
    struct xds_socket *s = container_of((uv_tcp_t *)stream, struct xds_socket, tcp);
    if (size == UV_ENOBUFS && s->is_held) { /* we gave none: what came stays with the kernel */
        uv_read_stop(stream);
        s->handlers->on_waiting(s);
        return;
    }
    if (size < 0 && s->tls)
        socket_tls_gone(s->tls);
    if (size < 0)
        s->handlers->on_gone(s);
    else if (size > 0 && !s->is_closing)
        take(s, (const uint8_t *)buf->base, (size_t)size);
    free(buf->base);
}

void xds_socket_ignore(struct xds_socket *s)
{
    uv_read_stop((uv_stream_t *)&s->tcp);
}

/* ---- life ---- */

void xds_socket_identity(const struct xds_socket *s, struct buf *out)
{
    if (s->tls)
        socket_tls_identity(s->tls, out);
}

static void name_peer(struct xds_socket *s)
{
    struct sockaddr_storage address;
    int size = sizeof address;
    char ip[INET6_ADDRSTRLEN] = "";
    if (uv_tcp_getpeername(&s->tcp, (struct sockaddr *)&address, &size) != 0)
        return;
    bool is_v6 = address.ss_family == AF_INET6;
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)&address;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&address;
    if (is_v6)
        uv_ip6_name(v6, ip, sizeof ip);
    else
        uv_ip4_name(v4, ip, sizeof ip);
    snprintf(s->peer,
        sizeof s->peer,
        is_v6 ? "[%s]:%u" : "%s:%u",
        ip,
        ntohs(is_v6 ? v6->sin6_port : v4->sin_port));
}

bool xds_socket_accept(struct xds_socket *s, uv_stream_t *listener, struct handshakes *handshakes,
    const struct xds_socket_handlers *handlers)
{
    *s = (struct xds_socket){ .handlers = handlers };
    uv_tcp_init(listener->loop, &s->tcp);
    if (uv_accept(listener, (uv_stream_t *)&s->tcp) != 0)
        return false;
    name_peer(s);
    s->tls = handshakes ? socket_tls_new(s, handshakes) : NULL;
    uv_tcp_nodelay(&s->tcp, 1);
    return true;
}

void xds_socket_wait(struct xds_socket *s)
{
    s->is_held = true;
    uv_read_start((uv_stream_t *)&s->tcp, on_alloc, on_read);
}

void xds_socket_read(struct xds_socket *s)
{
    s->is_held = false;
    if (!s->is_closing)
        uv_read_start((uv_stream_t *)&s->tcp, on_alloc, on_read);
}

static void on_close(uv_handle_t *handle)
{
    struct xds_socket *s = container_of((uv_tcp_t *)handle, struct xds_socket, tcp);
    gathered_free(s->gathered);
    socket_tls_free(s->tls);
    s->handlers->on_closed(s);
}

void xds_socket_close(struct xds_socket *s)
{
    if (s->is_closing)
        return;
    if (s->tls)
        socket_tls_end(s->tls);
    s->is_closing = true;
    uv_close((uv_handle_t *)&s->tcp, on_close);
}
