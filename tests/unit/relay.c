#include "relay.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { DRIBBLE_BYTES = 7 };

struct relay_pair {
    struct relay *relay;
    struct relay_pair *next, *prev;
    uv_tcp_t client, server;
    uv_connect_t connect;
    unsigned open;
    size_t answered; /* bytes */
    bool is_ending;
};

struct piece {
    uv_write_t write;
    char bytes[];
};

static struct sockaddr_in loopback(unsigned port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
}

static void on_closed(uv_handle_t *handle)
{
    struct relay_pair *pair = handle->data;
    if (--pair->open == 0)
        free(pair);
}

static void end_pair(struct relay_pair *pair)
{
    if (pair->is_ending)
        return;
    pair->is_ending = true;
    if (pair->prev)
        pair->prev->next = pair->next;
    else
        pair->relay->pairs = pair->next;
    if (pair->next)
        pair->next->prev = pair->prev;
    uv_close((uv_handle_t *)&pair->client, on_closed);
    uv_close((uv_handle_t *)&pair->server, on_closed);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    (void)handle;
    *buf = uv_buf_init(xcalloc(1, suggested), (unsigned)suggested);
}

static void on_written(uv_write_t *write, int status)
{
    (void)status;
    free(container_of(write, struct piece, write));
}

static void send_piece(uv_tcp_t *to, const char *bytes, size_t size)
{
    struct piece *piece = xcalloc(1, sizeof *piece + size);
    memcpy(piece->bytes, bytes, size);
    uv_buf_t buf = uv_buf_init(piece->bytes, (unsigned)size);
    if (uv_write(&piece->write, (uv_stream_t *)to, &buf, 1, on_written) != 0)
        free(piece);
}

static void pass(struct relay_pair *pair, bool is_answer, const char *bytes, size_t size)
{
    enum relay_mode mode = pair->relay->mode;
    uv_tcp_t *to = is_answer ? &pair->client : &pair->server;
    if (mode == RELAY_SILENT || (mode == RELAY_MUTE && is_answer))
        return;
    size_t step = mode == RELAY_DRIBBLE && is_answer ? DRIBBLE_BYTES : size;
    for (size_t at = 0; at < size; at += step)
        send_piece(to, bytes + at, size - at < step ? size - at : step);
}

/* A part of the answer, and then the end, as of a member that dies. */
static bool cut_answer(struct relay_pair *pair, const char *bytes, size_t size)
{
    struct relay *r = pair->relay;
    size_t left = r->cut_after - pair->answered;
    if (r->cut_after == 0 || size <= left) {
        pair->answered += size;
        return false;
    }
    char *part = memcpy(xcalloc(1, left + 1), bytes, left);
    uv_buf_t buf = uv_buf_init(part, (unsigned)left);
    uv_try_write((uv_stream_t *)&pair->client, &buf, 1);
    free(part);
    r->cut_after += r->cut_step;
    end_pair(pair);
    return true;
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buf)
{
    struct relay_pair *pair = stream->data;
    bool is_answer = stream == (uv_stream_t *)&pair->server;
    if (size > 0 && !pair->is_ending && !(is_answer && cut_answer(pair, buf->base, (size_t)size)))
        pass(pair, is_answer, buf->base, (size_t)size);
    free(buf->base);
    if (size < 0)
        end_pair(pair);
}

static void on_connected(uv_connect_t *connect, int status)
{
    struct relay_pair *pair = container_of(connect, struct relay_pair, connect);
    if (status != 0) {
        end_pair(pair);
        return;
    }
    uv_read_start((uv_stream_t *)&pair->client, on_alloc, on_read);
    uv_read_start((uv_stream_t *)&pair->server, on_alloc, on_read);
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct relay *r = container_of((uv_tcp_t *)listener, struct relay, listener);
    struct sockaddr_in address = loopback(r->target_port);
    struct relay_pair *pair = xcalloc(1, sizeof *pair);
    assert_int_equal(status, 0);
    r->accepted++;
    pair->relay = r;
    pair->open = 2;
    pair->next = r->pairs;
    if (pair->next)
        pair->next->prev = pair;
    r->pairs = pair;
    uv_tcp_init(listener->loop, &pair->client);
    uv_tcp_init(listener->loop, &pair->server);
    pair->client.data = pair->server.data = pair;
    assert_int_equal(uv_accept(listener, (uv_stream_t *)&pair->client), 0);
    uv_tcp_nodelay(&pair->client, 1);
    uv_tcp_nodelay(&pair->server, 1);
    if (r->is_cut ||
        uv_tcp_connect(
            &pair->connect, &pair->server, (const struct sockaddr *)&address, on_connected))
        end_pair(pair);
}

void relay_open(struct relay *r, uv_loop_t *loop, unsigned target_port)
{
    struct sockaddr_in address = loopback(0);
    int size = sizeof address;
    *r = (struct relay){ .target_port = target_port };
    signal(SIGPIPE, SIG_IGN); /* libuv writes to connections that the other side has closed */
    uv_tcp_init(loop, &r->listener);
    assert_int_equal(uv_tcp_bind(&r->listener, (const struct sockaddr *)&address, 0), 0);
    assert_int_equal(uv_listen((uv_stream_t *)&r->listener, 16, on_connection), 0);
    uv_tcp_getsockname(&r->listener, (struct sockaddr *)&address, &size);
    r->port = ntohs(address.sin_port);
}

void relay_cut(struct relay *r)
{
    r->is_cut = true;
    while (r->pairs)
        end_pair(r->pairs);
}

void relay_mend(struct relay *r)
{
    r->is_cut = false;
}

void relay_close(struct relay *r)
{
    relay_cut(r);
    uv_close((uv_handle_t *)&r->listener, NULL);
}
