/* The heads of HTTP/1.1 requests: what is taken, and what hostile clients are told. */
#include "daemon/http1.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define HOST "Host: pilot\r\n"

static struct http1_result parse(const char *text, struct http1_request *request)
{
    return http1_parse(text, strlen(text), request);
}

static int status_of(const char *text)
{
    struct http1_request request;
    struct http1_result result = parse(text, &request);
    return result.outcome == HTTP1_REFUSED ? result.status : 0;
}

static void test_a_request_gives_path_query_and_its_size(void **state)
{
    static const char text[] = "GET /debug/status?a=b?c HTTP/1.1\r\n" HOST "\r\nGET /next";
    struct http1_request request;
    (void)state;

    struct http1_result result = parse(text, &request);

    assert_int_equal(result.outcome, HTTP1_REQUEST);
    assert_int_equal(result.used, strlen(text) - strlen("GET /next"));
    assert_string_equal(request.path, "/debug/status");
    assert_string_equal(request.query, "a=b?c");
    assert_false(request.is_head);
    assert_true(request.keeps_alive);
}

static void test_every_beginning_of_a_request_waits_for_more(void **state)
{
    static const char text[] = "HEAD /ready HTTP/1.1\r\n" HOST "User-Agent: x\r\n\r\n";
    struct http1_request request;
    (void)state;

    for (size_t size = 0; size < sizeof text - 1; size++)
        assert_int_equal(http1_parse(text, size, &request).outcome, HTTP1_MORE);

    assert_int_equal(http1_parse(text, sizeof text - 1, &request).outcome, HTTP1_REQUEST);
    assert_true(request.is_head);
    assert_string_equal(request.query, "");
}

static void test_a_connection_lives_as_long_as_both_sides_can(void **state)
{
    static const struct {
        const char *head;
        bool keeps_alive;
    } cases[] = {
        { "GET / HTTP/1.1\r\n" HOST "\r\n", true },
        { "GET / HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", false },
        { "GET / HTTP/1.1\r\n" HOST "connection: TE , CLOSE\r\n\r\n", false },
        { "GET / HTTP/1.0\r\n\r\n", false },
        { "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true },
        { "GET / HTTP/1.1\r\n" HOST "Connection: keep-alive,,\r\n\r\n", true },
    };
    struct http1_request request;
    (void)state;

    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        assert_int_equal(parse(cases[i].head, &request).outcome, HTTP1_REQUEST);
        assert_int_equal(request.keeps_alive, cases[i].keeps_alive);
    }
}

static void test_what_is_no_request_is_refused(void **state)
{
    static const struct {
        const char *head;
        int status;
    } cases[] = {
        { "\r\n", 400 },
        { "GET\r\n", 400 },
        { "GET /\r\n", 400 },
        { "GET  / HTTP/1.1\r\n", 400 },
        { "GET / HTTP/1.1 \r\n", 400 },
        { "G\tT / HTTP/1.1\r\n", 400 },
        { " GET / HTTP/1.1\r\n", 400 },
        { "GET / HTTP/1.1\n", 400 },
        { "GET ready HTTP/1.1\r\n", 400 },
        { "GET http://pilot/ready HTTP/1.1\r\n", 400 },
        { "GET /\x7f HTTP/1.1\r\n", 400 },
        { "GET /\xc3\xa4 HTTP/1.1\r\n", 400 },
        { "GET / HTTP/2.0\r\n", 505 },
        { "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505 },
        { "GET / http/1.1\r\n", 400 },
        { "\x16\x03\x01\x02\x01\n", 400 },
        { "POST / HTTP/1.1\r\n", 405 },
        { "get / HTTP/1.1\r\n", 405 },
        { "GET / HTTP/1.1\r\n\r\n", 400 },
        { "GET / HTTP/1.1\r\n" HOST HOST "\r\n", 400 },
        { "GET / HTTP/1.1\r\n" HOST " folded\r\n\r\n", 400 },
        { "GET / HTTP/1.1\r\n" HOST "X : y\r\n\r\n", 400 },
        { "GET / HTTP/1.1\r\n" HOST ": y\r\n\r\n", 400 },
        { "GET / HTTP/1.1\r\n" HOST "X y\r\n\r\n", 400 },
        { "GET / HTTP/1.1\r\n" HOST "X: a\rb\r\n\r\n", 400 },
        { "GET / HTTP/1.1\r\n" HOST "X: a\n\r\n", 400 },
        { "GET / HTTP/1.1\r\n" HOST "X: a\x01\r\n\r\n", 400 },
        { "GET / HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\nx", 413 },
        { "GET / HTTP/1.1\r\n" HOST "Content-Length: 0, 5\r\n\r\n", 413 },
        { "GET / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n", 413 },
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_COUNT(cases); i++)
        if (status_of(cases[i].head) != cases[i].status)
            fail_msg("%s: %d", cases[i].head, status_of(cases[i].head));
}

static void test_an_empty_body_is_no_body(void **state)
{
    struct http1_request request;
    (void)state;

    assert_int_equal(parse("GET / HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", &request).outcome,
        HTTP1_REQUEST);
}

static void test_a_nul_byte_is_refused_wherever_it_stands(void **state)
{
    static const char line[] = "GET /\0 HTTP/1.1\r\n" HOST "\r\n";
    static const char name[] = "GET / HTTP/1.1\r\n" HOST "X\0: y\r\n\r\n";
    static const char value[] = "GET / HTTP/1.1\r\n" HOST "X: \0\r\n\r\n";
    static const char alone[] = "\0";
    struct http1_request request;
    (void)state;

    assert_int_equal(http1_parse(line, sizeof line - 1, &request).status, 400);
    assert_int_equal(http1_parse(name, sizeof name - 1, &request).status, 400);
    assert_int_equal(http1_parse(value, sizeof value - 1, &request).status, 400);
    assert_int_equal(http1_parse(alone, sizeof alone - 1, &request).status, 400);
}

/* `count` times `piece` between the two. */
static struct http1_result parse_long(
    const char *before, const char *piece, size_t count, const char *after)
{
    struct buf b = { 0 };
    struct http1_request request;
    buf_text(&b, before);
    for (size_t i = 0; i < count; i++)
        buf_text(&b, piece);
    buf_text(&b, after);
    struct http1_result result = http1_parse(b.data, b.size, &request);
    buf_fini(&b);
    return result;
}

static void test_each_limit_has_its_status(void **state)
{
    static const char rest[] = " HTTP/1.1\r\n" HOST "\r\n", head[] = "GET / HTTP/1.1\r\n" HOST;
    (void)state;

    assert_int_equal(parse_long("GET /", "a", HTTP1_TARGET_MAX - 1, rest).outcome, HTTP1_REQUEST);
    assert_int_equal(parse_long("GET /", "a", HTTP1_TARGET_MAX, rest).status, 414);
    assert_int_equal(parse_long("GET /", "a", HTTP1_HEAD_MAX, "").status, 414);
    assert_int_equal(
        parse_long(head, "a: b\r\n", HTTP1_FIELDS_MAX - 1, "\r\n").outcome, HTTP1_REQUEST);
    assert_int_equal(parse_long(head, "a: b\r\n", HTTP1_FIELDS_MAX, "\r\n").status, 431);
    assert_int_equal(parse_long(head, "a", HTTP1_HEAD_MAX, "").status, 431);
}

static void test_no_bytes_break_the_parser(void **state)
{
    static const char seed[] =
        "GET /debug?x HTTP/1.1\r\n" HOST "Connection: close, x\r\nContent-Length: 0\r\n\r\n";
    char bytes[sizeof seed];
    struct http1_request request;
    unsigned random = 1;
    (void)state;

    for (int round = 0; round < 100000; round++) {
        memcpy(bytes, seed, sizeof seed);
        for (int i = 0; i < 3; i++) {
            random = random * 1664525U + 1013904223U;
            bytes[(random >> 16) % sizeof seed] = (char)(random >> 8);
        }
        struct http1_result result = http1_parse(bytes, sizeof bytes, &request);
        assert_true(result.used <= sizeof bytes);
        assert_true((result.outcome == HTTP1_REFUSED) == (result.status >= 400));
        assert_true(strlen(request.path) <= HTTP1_TARGET_MAX);
    }
}

static void test_a_response_says_its_size_and_what_becomes_of_the_connection(void **state)
{
    struct buf out = { 0 };
    (void)state;

    http1_response(&out, 405, "text/plain", 7, false, "Mon, 01 Jan 2024 00:00:00 GMT");

    assert_int_equal(strncmp(out.data, "HTTP/1.1 405 Method Not Allowed\r\n", 33), 0);
    assert_non_null(strstr(out.data, "\r\nContent-Length: 7\r\n"));
    assert_non_null(strstr(out.data, "\r\nAllow: GET, HEAD\r\n"));
    assert_non_null(strstr(out.data, "\r\nConnection: close\r\n\r\n"));
    assert_non_null(strstr(out.data, "\r\nCache-Control: no-store\r\n"));
    assert_non_null(strstr(out.data, "\r\nX-Content-Type-Options: nosniff\r\n"));
    assert_non_null(strstr(out.data, "\r\nContent-Security-Policy: default-src 'none'; "));
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_request_gives_path_query_and_its_size),
        cmocka_unit_test(test_every_beginning_of_a_request_waits_for_more),
        cmocka_unit_test(test_a_connection_lives_as_long_as_both_sides_can),
        cmocka_unit_test(test_what_is_no_request_is_refused),
        cmocka_unit_test(test_an_empty_body_is_no_body),
        cmocka_unit_test(test_a_nul_byte_is_refused_wherever_it_stands),
        cmocka_unit_test(test_each_limit_has_its_status),
        cmocka_unit_test(test_no_bytes_break_the_parser),
        cmocka_unit_test(test_a_response_says_its_size_and_what_becomes_of_the_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
