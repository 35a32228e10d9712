/* Responses that go on: pieces of a stream, readers that are slow, and ends from either side. */
#include "daemon/http_server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

struct world {
    uv_loop_t loop;
    struct http_handler handler;
    struct http_server *server;
    struct http_stream stream;
    struct http_exchange *asked; /* by a client, and not answered */
    metric_value requests, errors;
    int ends, client;
    struct buf heard;
};

static void on_request(
    struct http_handler *h, const struct http1_request *request, struct http_exchange *x)
{
    (void)request;
    container_of(h, struct world, handler)->asked = x;
}

static void on_end(struct http_stream *s)
{
    struct world *w = container_of(s, struct world, stream);
    assert_null(s->exchange);
    w->ends++;
}

static void connect_client(struct world *w)
{
    static const char request[] = "GET /events HTTP/1.1\r\nHost: x\r\n\r\n";
    struct sockaddr_in where = { .sin_family = AF_INET,
        .sin_port = htons((uint16_t)http_server_port(w->server)),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    w->client = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(w->client, (const void *)&where, sizeof where), 0);
    assert_int_equal(fcntl(w->client, F_SETFL, O_NONBLOCK), 0);
    assert_int_equal(write(w->client, request, sizeof request - 1), sizeof request - 1);
    while (!w->asked)
        uv_run(&w->loop, UV_RUN_ONCE);
}

static int setup(void **state)
{
    struct world *w = xcalloc(1, sizeof *w);
    struct error err;
    w->handler.on_request = on_request;
    w->stream.on_end = on_end;
    assert_int_equal(uv_loop_init(&w->loop), 0);
    assert_true(http_server_open(
        &w->loop, "127.0.0.1:0", 0, &w->handler, &w->requests, &w->errors, &w->server, &err));
    connect_client(w);
    *state = w;
    return 0;
}

static void close_server(struct world *w)
{
    if (w->server)
        http_server_close(w->server);
    w->server = NULL;
    uv_run(&w->loop, UV_RUN_DEFAULT);
}

static int teardown(void **state)
{
    struct world *w = *state;
    close_server(w);
    assert_int_equal(uv_loop_close(&w->loop), 0);
    close(w->client);
    buf_fini(&w->heard);
    free(w);
    return 0;
}

/* What has come to the client by now. */
static void hear(struct world *w)
{
    char bytes[65536];
    ssize_t count;
    uv_run(&w->loop, UV_RUN_NOWAIT);
    while ((count = read(w->client, bytes, sizeof bytes)) > 0)
        buf_append(&w->heard, bytes, (size_t)count);
}

static void hear_until(struct world *w, const char *text)
{
    while (!w->heard.data || !strstr(w->heard.data, text))
        hear(w);
}

static bool send_text(struct world *w, const char *text)
{
    struct buf piece = { 0 };
    buf_text(&piece, text);
    return http_stream_send(&w->stream, &piece);
}

static void begin(struct world *w)
{
    assert_true(http_stream_begin(w->asked, "text/event-stream", &w->stream));
    hear_until(w, "\r\n\r\n");
}

static void test_pieces_come_as_they_are_sent(void **state)
{
    struct world *w = *state;

    begin(w);
    assert_true(send_text(w, "one\n"));
    hear_until(w, "one\n");
    assert_true(send_text(w, "two\n"));
    hear_until(w, "two\n");

    assert_int_equal(strncmp(w->heard.data, "HTTP/1.1 200 OK\r\n", 17), 0);
    assert_non_null(strstr(w->heard.data, "\r\nContent-Type: text/event-stream\r\n"));
    assert_null(strstr(w->heard.data, "Content-Length"));
    assert_int_equal(w->ends, 0);
    assert_int_equal(w->requests, 1);
}

static void test_who_does_not_read_is_owed_one_piece(void **state)
{
    enum { PIECE_BYTES = 1 << 20, PIECES_MAX = 100 };
    struct world *w = *state;
    int sent = 0;
    bool is_taken = true;

    begin(w);
    for (; is_taken && sent < PIECES_MAX; sent++) {
        struct buf piece = { 0 };
        buf_reserve(&piece, PIECE_BYTES);
        memset(piece.data, '.', PIECE_BYTES);
        piece.size = PIECE_BYTES;
        is_taken = http_stream_send(&w->stream, &piece);
        assert_null(piece.data);
        uv_run(&w->loop, UV_RUN_NOWAIT);
    }

    assert_false(is_taken);
    size_t whole = (size_t)(sent - 1) * PIECE_BYTES;
    while (w->heard.size < whole)
        hear(w); /* what was taken comes whole, and then it is free again */
    while (!send_text(w, "end\n"))
        hear(w);
    hear_until(w, "end\n");
}

static void test_the_client_ends_it(void **state)
{
    struct world *w = *state;

    begin(w);
    assert_int_equal(shutdown(w->client, SHUT_RDWR), 0);
    while (w->ends == 0)
        uv_run(&w->loop, UV_RUN_ONCE);

    assert_int_equal(w->ends, 1);
    assert_false(send_text(w, "nobody hears it\n"));
}

static void test_the_server_ends_it(void **state)
{
    struct world *w = *state;

    begin(w);
    close_server(w);

    assert_int_equal(w->ends, 1);
}

static void test_a_connection_that_has_gone_begins_no_stream(void **state)
{
    struct world *w = *state;

    http_server_close(w->server);
    w->server = NULL;

    assert_false(http_stream_begin(w->asked, "text/event-stream", &w->stream));
    assert_int_equal(w->ends, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_pieces_come_as_they_are_sent, setup, teardown),
        cmocka_unit_test_setup_teardown(test_who_does_not_read_is_owed_one_piece, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_client_ends_it, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_server_ends_it, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_a_connection_that_has_gone_begins_no_stream, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
