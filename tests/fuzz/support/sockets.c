#include "sockets.h"

#include "tests/sim/fake_uv.h"

#include <arpa/inet.h>
#include <string.h>

enum { READ_SUGGESTED_BYTES = 65536, BUFS_MAX = 4096 };

/* As libuv does, the list of pieces is kept, and what they point to is the writer's. */
struct socket_write {
    struct socket_write *next;
    uv_write_t *request;
    uv_write_cb on_written;
    uv_buf_t *bufs;
    size_t count, at; /* those before `at` are gone, the one there is cut */
};

static struct {
    struct sim sim;
    struct sim_process process;
    struct socket *sockets, *coming; /* coming: whom the server is about to accept */
} world;

/* ---- what the server calls ---- */

static struct socket *socket_of(const uv_handle_t *handle)
{
    return handle->u.reserved[1];
}

int uv_read_start(uv_stream_t *stream, uv_alloc_cb on_alloc, uv_read_cb on_read)
{
    struct socket *s = socket_of((uv_handle_t *)stream);
    if (!s && world.coming) {
        s = world.coming;
        world.coming = NULL;
        s->stream = stream;
        stream->u.reserved[1] = s;
    }
    if (!s || uv_is_closing((uv_handle_t *)stream))
        return UV_ENOTCONN;
    s->on_alloc = on_alloc;
    s->on_read = on_read;
    s->is_reading = true;
    return 0;
}

int uv_read_stop(uv_stream_t *stream)
{
    struct socket *s = socket_of((uv_handle_t *)stream);
    if (s)
        s->is_reading = false;
    return 0;
}

size_t uv_stream_get_write_queue_size(const uv_stream_t *stream)
{
    const struct socket *s = socket_of((const uv_handle_t *)stream);
    return s ? s->queued_bytes : 0;
}

/* The kernel takes what it has room for. */
static void send_queued(struct socket *s)
{
    for (struct socket_write *w = s->first_write; w && s->room; w = w->next)
        while (w->at < w->count && s->room) {
            uv_buf_t *buf = &w->bufs[w->at];
            size_t size = buf->len < s->room ? buf->len : s->room;
            buf_append(&s->heard, buf->base, size);
            buf->base += size;
            buf->len -= size;
            s->room -= size;
            s->queued_bytes -= size;
            w->at += buf->len == 0;
        }
}

int uv_write(uv_write_t *request, uv_stream_t *stream, const uv_buf_t bufs[], unsigned count,
    uv_write_cb on_written)
{
    struct socket *s = socket_of((uv_handle_t *)stream);
    if (!s || uv_is_closing((uv_handle_t *)stream))
        return UV_EBADF;
    struct socket_write *w = xcalloc(1, sizeof *w);
    w->request = request;
    w->on_written = on_written;
    w->count = count;
    w->bufs = xcalloc(count, sizeof *w->bufs);
    request->handle = stream;
    for (unsigned i = 0; i < count; i++) {
        w->bufs[i] = bufs[i];
        s->queued_bytes += bufs[i].len;
    }
    *s->last_write = w;
    s->last_write = &w->next;
    send_queued(s);
    return 0;
}

int uv_tcp_nodelay(uv_tcp_t *tcp, int is_on)
{
    (void)tcp, (void)is_on;
    return 0;
}

int uv_tcp_getpeername(const uv_tcp_t *tcp, struct sockaddr *address, int *size)
{
    (void)tcp, (void)size;
    return uv_ip4_addr("10.0.0.7", 4711, (struct sockaddr_in *)(void *)address);
}

/* ---- the end of a socket ---- */

static void end_write(struct socket *s, int status)
{
    struct socket_write *w = s->first_write;
    s->first_write = w->next;
    if (!s->first_write)
        s->last_write = &s->first_write;
    for (size_t i = w->at; i < w->count; i++)
        s->queued_bytes -= w->bufs[i].len;
    uv_write_t *request = w->request;
    uv_write_cb on_written = w->on_written;
    free(w->bufs);
    free(w);
    if (on_written)
        on_written(request, status);
}

static void on_closed(uv_handle_t *handle)
{
    struct socket *s = socket_of(handle);
    while (s->first_write)
        end_write(s, UV_ECANCELED);
    s->stream = NULL;
    if (s->on_closed)
        s->on_closed(handle);
}

void __real_uv_close(uv_handle_t *handle, uv_close_cb on_closed_cb);
void __wrap_uv_close(uv_handle_t *handle, uv_close_cb on_closed_cb);
void __wrap_uv_close(uv_handle_t *handle, uv_close_cb on_closed_cb)
{
    struct socket *s = socket_of(handle);
    if (s) {
        s->is_reading = false;
        s->on_closed = on_closed_cb;
    }
    __real_uv_close(handle, s ? on_closed : on_closed_cb);
}

/* ---- what happens ---- */

static bool is_open(const struct socket *s)
{
    return s->stream && !uv_is_closing((const uv_handle_t *)s->stream);
}

static bool deliver(struct socket *s)
{
    uv_buf_t buf = { 0 };
    bool has_bytes = s->unread.size > 0;
    if (!is_open(s) || !s->is_reading || (!has_bytes && (!s->ending || s->is_told_ending)))
        return false;
    fake_uv_wake(s->stream->loop);
    s->on_alloc((uv_handle_t *)s->stream, READ_SUGGESTED_BYTES, &buf);
    if (!buf.len) {
        s->on_read(s->stream, UV_ENOBUFS, &buf);
    } else if (has_bytes) {
        size_t size = s->unread.size < buf.len ? s->unread.size : buf.len;
        memcpy(buf.base, s->unread.data, size);
        buf_consume(&s->unread, size);
        s->on_read(s->stream, (ssize_t)size, &buf);
    } else {
        s->is_told_ending = true;
        s->on_read(s->stream, s->ending, &buf);
    }
    return true;
}

static bool confirm(struct socket *s)
{
    if (!is_open(s))
        return false;
    send_queued(s);
    if (!s->first_write || s->first_write->at < s->first_write->count)
        return false;
    fake_uv_wake(s->stream->loop);
    end_write(s, 0);
    return true;
}

static bool work(void)
{
    bool is_any = false;
    for (struct socket *s = world.sockets; s; s = s->next) {
        is_any |= deliver(s);
        is_any |= confirm(s);
    }
    return is_any;
}

void sockets_run(uint64_t ms)
{
    uint64_t until_us = world.sim.now_us + ms * SIM_MS + 1;
    while (work() || sim_step(&world.sim, until_us))
        ;
}

struct socket *socket_connect(size_t room)
{
    uv_stream_t *listener = fake_uv_listener(&world.process);
    struct socket *s = xcalloc(1, sizeof *s);
    s->room = room;
    s->last_write = &s->first_write;
    s->next = world.sockets;
    world.sockets = s;
    if (listener) {
        world.coming = s;
        fake_uv_wake(listener->loop);
        fake_uv_offer(listener, s);
        world.coming = NULL;
    }
    return s;
}

void socket_say(struct socket *s, const void *bytes, size_t size_bytes)
{
    buf_append(&s->unread, bytes, size_bytes);
}

/* ---- the world ---- */

void sockets_begin(uv_loop_t *loop)
{
    sim_init(&world.sim, 1, false);
    fake_uv_begin(&world.sim);
    fake_uv_enter(&world.process);
    INVARIANT(uv_loop_init(loop) == 0);
}

void sockets_end(uv_loop_t *loop)
{
    fake_uv_drain(loop);
    INVARIANT(uv_loop_close(loop) == 0);
    for (struct socket *s = world.sockets, *next; s; s = next) {
        next = s->next;
        INVARIANT(!s->stream && !s->first_write);
        buf_fini(&s->unread);
        buf_fini(&s->heard);
        free(s);
    }
    world.sockets = NULL;
    sim_fini(&world.sim);
}
