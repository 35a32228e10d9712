#include "xds/socket_parts.h"

#include "xds/handshakes.h"

/* Plain text waits as it was written, shared with other connections. No more of it is sealed than
 * goes to the network at once: what is sealed is this connection's alone. */
enum { SEALED_BYTES = 2 * TLS_RECORD_BYTES };

struct socket_tls {
    struct xds_socket *socket;
    struct handshake handshake;
    struct tls_session *session;
    struct gathered *first, *last; /* plain text that waits to be sealed */
    size_t waiting;                /* bytes of it */
    size_t buf_at, byte_at;        /* where it goes on, in the first */
    bool has_heard, is_open, is_refused, is_writing;
};

/* What is sealed and on its way. */
struct sealed {
    uv_write_t write;
    struct socket_tls *tls;
    struct buf bytes;
};

static uv_stream_t *stream_of(struct socket_tls *t)
{
    return (uv_stream_t *)&t->socket->tcp;
}

/* ---- sealing ---- */

static void drop_first(struct socket_tls *t)
{
    struct gathered *g = t->first;
    t->first = g->next;
    if (!t->first)
        t->last = NULL;
    t->buf_at = t->byte_at = 0;
    gathered_free(g);
}

/* Small pieces are sealed together: each record costs some dozen bytes, and time. */
static size_t gather_record(struct socket_tls *t, uint8_t *record)
{
    size_t size = 0;
    while (t->first && size < TLS_RECORD_BYTES) {
        const uv_buf_t *buf = &t->first->bufs.items[t->buf_at];
        size_t left = buf->len - t->byte_at, room = TLS_RECORD_BYTES - size;
        size_t take = left < room ? left : room;
        memcpy(record + size, buf->base + t->byte_at, take);
        size += take;
        t->byte_at += take;
        if (t->byte_at < buf->len)
            break;
        t->byte_at = 0;
        if (++t->buf_at == t->first->bufs.count)
            drop_first(t);
    }
    t->waiting -= size;
    return size;
}

static bool seal(struct socket_tls *t)
{
    uint8_t record[TLS_RECORD_BYTES];
    const struct buf *out = tls_session_out(t->session);
    while (t->is_open && t->first && out->size < SEALED_BYTES) {
        size_t size = gather_record(t, record);
        if (size > 0 && !tls_session_seal(t->session, record, size))
            return false;
    }
    return true;
}

/* ---- writing ---- */

static void push(struct socket_tls *t);

static void on_shutdown(uv_shutdown_t *shutdown, int status)
{
    (void)status;
    free(shutdown);
}

/* Who is refused hears why, in an alert that closing at once could overtake; then it goes, or its
 * time runs out. */
static void say_goodbye(struct socket_tls *t)
{
    uv_shutdown_t *shutdown = xcalloc(1, sizeof *shutdown);
    if (uv_shutdown(shutdown, stream_of(t), on_shutdown) != 0)
        free(shutdown);
}

static void on_write(uv_write_t *write, int status)
{
    struct sealed *sealed = container_of(write, struct sealed, write);
    struct socket_tls *t = sealed->tls;
    struct xds_socket *s = t->socket;
    buf_fini(&sealed->bytes);
    free(sealed);
    t->is_writing = false;
    if (status < 0) {
        s->handlers->on_gone(s);
        return;
    }
    push(t);
    if (t->is_open && !s->is_closing)
        s->handlers->on_written(s);
}

static void write_out(struct socket_tls *t)
{
    struct sealed *sealed = xcalloc(1, sizeof *sealed);
    struct buf *out = tls_session_out(t->session);
    sealed->tls = t;
    sealed->bytes = *out;
    *out = (struct buf){ 0 };
    uv_buf_t buf = uv_buf_init(sealed->bytes.data, (unsigned)sealed->bytes.size);
    t->is_writing = true;
    if (uv_write(&sealed->write, stream_of(t), &buf, 1, on_write) == 0)
        return;
    t->is_writing = false;
    buf_fini(&sealed->bytes);
    free(sealed);
    t->socket->handlers->on_gone(t->socket);
}

/* One write is on its way at a time. */
static void push(struct socket_tls *t)
{
    if (t->is_writing || t->socket->is_closing)
        return;
    if (!seal(t))
        t->socket->handlers->on_gone(t->socket);
    else if (tls_session_out(t->session)->size > 0)
        write_out(t);
    else if (t->is_refused)
        say_goodbye(t);
}

void socket_tls_flush(struct socket_tls *t, struct gathered *g)
{
    if (t->last)
        t->last->next = g;
    else
        t->first = g;
    t->last = g;
    t->waiting += g->size;
    push(t);
}

size_t socket_tls_waiting(const struct socket_tls *t)
{
    return t->waiting + tls_session_out(t->session)->size;
}

void socket_tls_identity(const struct socket_tls *t, struct buf *out)
{
    if (t->is_open)
        tls_session_identity(t->session, out);
}

/* ---- reading ---- */

static void tell(struct socket_tls *t, enum tls_failure failure, const char *text)
{
    handshakes_tell(t->handshake.of, t->socket->peer, failure, text);
}

static void fail(struct socket_tls *t)
{
    if (t->is_open) {
        t->socket->handlers->on_gone(t->socket);
        return;
    }
    tell(t, tls_session_failure(t->session), tls_session_failure_text(t->session));
    t->is_refused = true;
    push(t);
}

static void open_up(struct socket_tls *t)
{
    metric_add(&t->handshake.of->stats->opened, 1);
    t->is_open = true;
    handshake_end(&t->handshake);
}

/* The other side asks for new keys and reads no answer. */
static bool is_flooded(const struct socket_tls *t)
{
    return tls_session_out(t->session)->size > XDS_SOCKET_LIMIT_BYTES;
}

void socket_tls_take(struct socket_tls *t, const uint8_t *bytes, size_t size)
{
    struct xds_socket *s = t->socket;
    struct buf plain = { 0 };
    t->has_heard = true;
    if (t->is_refused)
        return;
    enum tls_state state = tls_session_take(t->session, bytes, size, &plain);
    if (state == TLS_OPEN && !t->is_open)
        open_up(t);
    push(t);
    if (plain.size > 0 && !s->is_closing)
        s->handlers->on_bytes(s, (const uint8_t *)plain.data, plain.size);
    buf_fini(&plain);
    if (s->is_closing)
        return;
    if (state == TLS_FAILED)
        fail(t);
    else if (state == TLS_ENDED || is_flooded(t))
        s->handlers->on_gone(s);
}

/* Who never said anything was a balancer that looks whether the port is open. */
void socket_tls_gone(struct socket_tls *t)
{
    if (!t->is_open && !t->is_refused && t->has_heard)
        tell(t, TLS_GONE, "the client closed the connection");
}

/* ---- life ---- */

static void on_late(struct handshake *handshake)
{
    struct socket_tls *t = container_of(handshake, struct socket_tls, handshake);
    if (!t->is_refused)
        tell(t, TLS_TIMEOUT, "it took too long");
    t->socket->handlers->on_gone(t->socket);
}

struct socket_tls *socket_tls_new(struct xds_socket *s, struct handshakes *handshakes)
{
    struct socket_tls *t = xcalloc(1, sizeof *t);
    t->socket = s;
    t->session = tls_session_new(handshakes->context);
    t->handshake.on_late = on_late;
    handshakes_begin(handshakes, &t->handshake);
    return t;
}

void socket_tls_end(struct socket_tls *t)
{
    struct buf *out = tls_session_out(t->session);
    handshake_end(&t->handshake);
    if (!t->is_open)
        return;
    tls_session_end(t->session);
    uv_buf_t buf = uv_buf_init(out->data, (unsigned)out->size);
    if (out->size > 0)
        uv_try_write(stream_of(t), &buf, 1); /* nothing, when there is more before it */
}

void socket_tls_free(struct socket_tls *t)
{
    if (!t)
        return;
    while (t->first)
        drop_first(t);
    tls_session_free(t->session);
    free(t);
}
