#include "daemon/http_server.h"

#include "daemon/address.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <time.h>

enum { BACKLOG = 128, HTTP_CLOSING_MAX = 64 /* those on their way out, besides the limit */ };

struct http_exchange {
    struct http_server *server;
    struct http_exchange *before, *next; /* in the server's list */
    uv_tcp_t tcp;
    uv_timer_t timer;
    uv_write_t write;

    char in[HTTP1_HEAD_MAX];
    size_t in_size;
    struct http1_request request;
    struct buf head, body;
    struct http_stream *stream; /* NULL: it answers with a body that ends */
    bool is_writing;            /* a piece of the stream */
    bool is_owed;               /* the handler has not responded yet */
    bool is_lingering;          /* all is said: what still comes is thrown away */
    bool is_closing;
    unsigned open_handles;
};

struct http_server {
    uv_loop_t *loop;
    uv_tcp_t tcp;
    struct http_handler *handler;
    metric_value *requests, *errors;
    struct http_exchange *first;
    size_t count;
    bool is_closing;
    bool has_waiting; /* a connection that is not accepted until some others are gone */
    unsigned open_handles;
};

static uv_handle_t *handle_of(void *handle)
{
    return handle;
}

/* ---- ends ---- */

static void free_server_when_done(struct http_server *s)
{
    if (s->is_closing && s->open_handles == 0 && !s->first)
        free(s);
}

static void accept_waiting(struct http_server *s);

static void free_when_done(struct http_exchange *x)
{
    struct http_server *s = x->server;
    if (x->open_handles > 0 || x->is_owed)
        return;
    *(x->before ? &x->before->next : &s->first) = x->next;
    if (x->next)
        x->next->before = x->before;
    s->count--;
    buf_fini(&x->head);
    buf_fini(&x->body);
    free(x);
    accept_waiting(s);
    free_server_when_done(s);
}

static void on_tcp_closed(uv_handle_t *handle)
{
    struct http_exchange *x = container_of((uv_tcp_t *)handle, struct http_exchange, tcp);
    x->open_handles--;
    free_when_done(x);
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct http_exchange *x = container_of((uv_timer_t *)handle, struct http_exchange, timer);
    x->open_handles--;
    free_when_done(x);
}

static void close_exchange(struct http_exchange *x)
{
    if (x->is_closing)
        return;
    x->is_closing = true;
    if (x->stream) {
        x->stream->exchange = NULL;
        x->stream->on_end(x->stream);
        x->stream = NULL;
    }
    uv_close(handle_of(&x->tcp), on_tcp_closed);
    uv_close(handle_of(&x->timer), on_timer_closed);
}

static void on_deadline(uv_timer_t *timer)
{
    close_exchange(container_of(timer, struct http_exchange, timer));
}

/* ---- responses ---- */

static void serve_next(struct http_exchange *x);
static void read_more(struct http_exchange *x);

static void linger(struct http_exchange *x)
{
    int fd;
    x->is_lingering = true;
    if (uv_fileno(handle_of(&x->tcp), &fd) == 0)
        shutdown(fd, SHUT_WR);
    uv_timer_start(&x->timer, on_deadline, HTTP_LINGER_MS, 0);
    read_more(x);
}

static void on_written(uv_write_t *write, int status)
{
    struct http_exchange *x = container_of(write, struct http_exchange, write);
    buf_fini(&x->head);
    buf_fini(&x->body);
    if (status != 0)
        close_exchange(x);
    else if (x->request.keeps_alive)
        serve_next(x);
    else
        linger(x);
}

enum { DATE_BYTES = 40 };

static const char *date_now(char date[DATE_BYTES])
{
    time_t now = time(NULL);
    struct tm utc;
    strftime(date, DATE_BYTES, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &utc));
    return date;
}

static void send_response(struct http_exchange *x, int status, const char *content_type)
{
    char date[DATE_BYTES];
    http1_response(
        &x->head, status, content_type, x->body.size, x->request.keeps_alive, date_now(date));
    uv_buf_t pieces[] = {
        { .base = x->head.data, .len = x->head.size },
        { .base = x->body.data, .len = x->body.size },
    };
    bool has_body = x->body.size > 0 && !x->request.is_head;
    metric_add(x->server->requests, 1);
    if (status != 200)
        metric_add(x->server->errors, 1);
    uv_timer_start(&x->timer, on_deadline, HTTP_WRITE_MS, 0);
    if (uv_write(&x->write, (uv_stream_t *)&x->tcp, pieces, has_body ? 2 : 1, on_written) != 0)
        close_exchange(x);
}

void http_respond(struct http_exchange *x, int status, const char *content_type, struct buf *body)
{
    INVARIANT(x->is_owed);
    x->is_owed = false;
    x->body = *body;
    *body = (struct buf){ 0 };
    if (x->is_closing)
        free_when_done(x);
    else
        send_response(x, status, content_type);
}

/* ---- streams ---- */

static void on_piece_written(uv_write_t *write, int status)
{
    struct http_exchange *x = container_of(write, struct http_exchange, write);
    buf_fini(&x->body);
    x->is_writing = false;
    if (status != 0)
        close_exchange(x);
    else if (!x->is_closing) /* else the timer may be gone */
        uv_timer_stop(&x->timer);
}

/* Who does not take a piece in time is a reader too slow, and is closed. */
static void write_piece(struct http_exchange *x)
{
    uv_buf_t piece = { .base = x->body.data, .len = x->body.size };
    x->is_writing = true;
    uv_timer_start(&x->timer, on_deadline, HTTP_WRITE_MS, 0);
    if (uv_write(&x->write, (uv_stream_t *)&x->tcp, &piece, 1, on_piece_written) != 0)
        close_exchange(x);
}

bool http_stream_begin(
    struct http_exchange *x, const char *content_type, struct http_stream *stream)
{
    char date[DATE_BYTES];
    INVARIANT(x->is_owed && !x->request.is_head);
    x->is_owed = false;
    if (x->is_closing) {
        free_when_done(x);
        return false;
    }
    stream->exchange = x;
    x->stream = stream;
    x->is_lingering = true; /* what a client still says is thrown away */
    metric_add(x->server->requests, 1);
    http1_stream_response(&x->body, content_type, date_now(date));
    write_piece(x);
    if (!x->is_closing)
        read_more(x);
    return true;
}

bool http_stream_send(struct http_stream *s, struct buf *piece)
{
    struct http_exchange *x = s->exchange;
    bool is_free = x && !x->is_writing;
    if (is_free) {
        x->body = *piece;
        write_piece(x);
    } else {
        buf_fini(piece);
    }
    *piece = (struct buf){ 0 };
    return is_free;
}

static void refuse(struct http_exchange *x, int status)
{
    x->request = (struct http1_request){ .query = "" };
    buf_printf(&x->body, "%d %s\n", status, http1_reason(status));
    send_response(x, status, "text/plain; charset=utf-8");
}

/* ---- requests ---- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
    struct http_exchange *x = container_of((uv_tcp_t *)handle, struct http_exchange, tcp);
    (void)suggested;
    out->base = x->in + x->in_size;
    out->len = sizeof x->in - x->in_size;
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *ignored)
{
    struct http_exchange *x = container_of((uv_tcp_t *)stream, struct http_exchange, tcp);
    (void)ignored;
    if (count < 0) {
        close_exchange(x);
    } else if (!x->is_lingering) {
        x->in_size += (size_t)count;
        uv_read_stop(stream);
        serve_next(x);
    }
}

static void read_more(struct http_exchange *x)
{
    if (x->is_lingering)
        x->in_size = 0;
    if (uv_read_start((uv_stream_t *)&x->tcp, on_alloc, on_read) != 0)
        close_exchange(x);
}

static void take_request(struct http_exchange *x, size_t used)
{
    x->in_size -= used;
    memmove(x->in, x->in + used, x->in_size);
    x->is_owed = true;
    uv_timer_stop(&x->timer);
    x->server->handler->on_request(x->server->handler, &x->request, x);
}

/* One deadline for idling and for a request to come whole, however slowly it drips in. */
static void serve_next(struct http_exchange *x)
{
    struct http1_result result = http1_parse(x->in, x->in_size, &x->request);
    if (result.outcome == HTTP1_REQUEST) {
        take_request(x, result.used);
    } else if (result.outcome == HTTP1_REFUSED) {
        refuse(x, result.status);
    } else {
        if (!uv_is_active(handle_of(&x->timer)) || x->in_size == 0)
            uv_timer_start(&x->timer, on_deadline, HTTP_IDLE_MS, 0);
        read_more(x);
    }
}

/* ---- connections ---- */

/* The connection that has been there longest and waits for nothing of ours. */
static struct http_exchange *find_oldest_idle(struct http_server *s)
{
    struct http_exchange *oldest = NULL;
    for (struct http_exchange *x = s->first; x; x = x->next)
        if (!x->is_owed && !x->is_closing)
            oldest = x;
    return oldest;
}

static struct http_exchange *add_exchange(struct http_server *s)
{
    struct http_exchange *x = xcalloc(1, sizeof *x);
    x->server = s;
    x->open_handles = 2;
    x->next = s->first;
    if (s->first)
        s->first->before = x;
    s->first = x;
    s->count++;
    INVARIANT(uv_tcp_init(s->loop, &x->tcp) == 0 && uv_timer_init(s->loop, &x->timer) == 0);
    return x;
}

/* Room is made for a newcomer, so that who only holds connections cannot shut out the balancer that
 * asks for /ready. */
static void on_connection(uv_stream_t *listener, int status)
{
    struct http_server *s = container_of((uv_tcp_t *)listener, struct http_server, tcp);
    if (status != 0)
        return;
    if (s->count >= HTTP_CONNECTIONS_MAX) {
        struct http_exchange *oldest = find_oldest_idle(s);
        metric_add(s->errors, 1);
        if (oldest)
            close_exchange(oldest);
    }
    /* libuv asks for no more until this one is accepted. */
    s->has_waiting = s->count >= HTTP_CONNECTIONS_MAX + HTTP_CLOSING_MAX;
    if (s->has_waiting)
        return;
    struct http_exchange *x = add_exchange(s);
    if (uv_accept(listener, (uv_stream_t *)&x->tcp) != 0) {
        close_exchange(x);
        return;
    }
    uv_tcp_nodelay(&x->tcp, 1);
    serve_next(x);
}

static void accept_waiting(struct http_server *s)
{
    if (s->has_waiting && !s->is_closing)
        on_connection((uv_stream_t *)&s->tcp, 0);
}

static void on_listener_closed(uv_handle_t *handle)
{
    struct http_server *s = container_of((uv_tcp_t *)handle, struct http_server, tcp);
    s->open_handles--;
    free_server_when_done(s);
}

void http_server_close(struct http_server *s)
{
    s->is_closing = true;
    uv_close(handle_of(&s->tcp), on_listener_closed);
    for (struct http_exchange *x = s->first; x; x = x->next)
        close_exchange(x);
}

static int take_over(struct http_server *s, int socket)
{
    int fd = fcntl(socket, F_DUPFD_CLOEXEC, 0);
    return fd < 0 ? uv_translate_sys_error(errno) : uv_tcp_open(&s->tcp, fd);
}

static int listen_at(struct http_server *s, const struct sockaddr_storage *where, int socket)
{
    int status = socket ? take_over(s, socket)
                        : uv_tcp_bind(&s->tcp, (const struct sockaddr *)(const void *)where, 0);
    return status ? status : uv_listen((uv_stream_t *)&s->tcp, BACKLOG, on_connection);
}

bool http_server_open(uv_loop_t *loop, const char *address, int socket,
    struct http_handler *handler, metric_value *requests, metric_value *errors,
    struct http_server **out, struct error *err)
{
    struct sockaddr_storage where;
    if (!address_parse(address, &where, err))
        return false;
    struct http_server *s = xcalloc(1, sizeof *s);
    *s = (struct http_server){
        .loop = loop, .handler = handler, .requests = requests, .errors = errors, .open_handles = 1
    };
    INVARIANT(uv_tcp_init(loop, &s->tcp) == 0);
    int status = listen_at(s, &where, socket);
    if (status != 0) {
        http_server_close(s);
        return error_set(err, ERROR_IO, "listening on %s: %s", address, uv_strerror(status));
    }
    *out = s;
    return true;
}

int http_server_port(const struct http_server *s)
{
    struct sockaddr_storage name;
    int size = sizeof name;
    INVARIANT(uv_tcp_getsockname(&s->tcp, (struct sockaddr *)&name, &size) == 0);
    /* The port lies at the same place for both families. */
    return ntohs(((const struct sockaddr_in *)(const void *)&name)->sin_port);
}
