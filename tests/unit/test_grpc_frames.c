/* grpc: messages come out whole, however HTTP/2 cut them, and limits hold. */
#include "xds/grpc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <zlib.h>

#include <cmocka.h>

/* Every message that came, each followed by a '|'. */
struct sink {
    struct buf text;
    size_t count, stop_after; /* 0: never */
};

static bool on_message(void *context, const uint8_t *bytes, size_t size_bytes)
{
    struct sink *sink = context;
    buf_append(&sink->text, bytes, size_bytes);
    buf_text(&sink->text, "|");
    return ++sink->count != sink->stop_after;
}

static void add_message(struct buf *wire, const char *text)
{
    uint8_t head[GRPC_HEAD_BYTES];
    grpc_head(head, strlen(text));
    buf_append(wire, head, sizeof head);
    buf_text(wire, text);
}

static enum grpc_status feed(
    struct grpc_reader *r, const struct buf *wire, size_t piece, struct sink *sink)
{
    for (size_t at = 0; at < wire->size; at += piece) {
        size_t size = wire->size - at < piece ? wire->size - at : piece;
        enum grpc_status status =
            grpc_reader_feed(r, (const uint8_t *)wire->data + at, size, on_message, sink);
        if (status != GRPC_OK)
            return status;
    }
    return GRPC_OK;
}

static void test_a_head_is_a_flag_and_a_big_endian_length(void **state)
{
    (void)state;
    uint8_t head[GRPC_HEAD_BYTES];

    grpc_head(head, 0x01020304);

    assert_memory_equal(head, ((const uint8_t[]){ 0, 1, 2, 3, 4 }), sizeof head);
}

static void test_messages_come_whole_however_they_are_cut(void **state)
{
    (void)state;
    struct buf wire = { 0 };
    add_message(&wire, "one");
    add_message(&wire, "");
    add_message(&wire, "a longer third message");
    for (size_t piece = 1; piece <= wire.size; piece++) {
        struct grpc_reader r = { .limit_bytes = 100 };
        struct sink sink = { 0 };

        assert_int_equal(feed(&r, &wire, piece, &sink), GRPC_OK);

        assert_string_equal(sink.text.data, "one||a longer third message|");
        assert_null(r.pending.data); /* an idle stream keeps no buffer */
        grpc_reader_fini(&r);
        buf_fini(&sink.text);
    }
    buf_fini(&wire);
}

static void test_a_part_of_a_message_is_kept_until_the_rest_comes(void **state)
{
    (void)state;
    struct buf wire = { 0 };
    struct grpc_reader r = { .limit_bytes = 100 };
    struct sink sink = { 0 };
    add_message(&wire, "one");
    add_message(&wire, "two");
    wire.size -= 1;

    assert_int_equal(feed(&r, &wire, wire.size, &sink), GRPC_OK);
    assert_string_equal(sink.text.data, "one|");
    assert_int_equal(r.pending.size, GRPC_HEAD_BYTES + 2);
    assert_int_equal(grpc_reader_feed(&r, (const uint8_t *)"o", 1, on_message, &sink), GRPC_OK);

    assert_string_equal(sink.text.data, "one|two|");
    grpc_reader_fini(&r);
    buf_fini(&sink.text);
    buf_fini(&wire);
}

static void test_a_message_over_the_limit_is_refused_by_its_head_alone(void **state)
{
    (void)state;
    struct buf wire = { 0 };
    struct grpc_reader r = { .limit_bytes = 3 };
    struct sink sink = { 0 };
    add_message(&wire, "fit");
    add_message(&wire, "over");
    wire.size -= strlen("over");

    assert_int_equal(feed(&r, &wire, 1, &sink), GRPC_RESOURCE_EXHAUSTED);

    assert_string_equal(sink.text.data, "fit|");
    grpc_reader_fini(&r);
    buf_fini(&sink.text);
    buf_fini(&wire);
}

/* ---- compression ---- */

enum { GZIP_FORMAT = 16 + MAX_WBITS, FLAG_COMPRESSED = 1 };

static void add_gzipped(struct buf *wire, const char *bytes, size_t size)
{
    uint8_t head[GRPC_HEAD_BYTES], packed[4096];
    z_stream z = { .next_in = (Bytef *)(uintptr_t)bytes,
        .avail_in = (uInt)size,
        .next_out = packed,
        .avail_out = sizeof packed };
    assert_int_equal(
        deflateInit2(&z, 9, Z_DEFLATED, GZIP_FORMAT, MAX_MEM_LEVEL, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    grpc_head(head, z.total_out);
    head[0] = FLAG_COMPRESSED;
    buf_append(wire, head, sizeof head);
    buf_append(wire, packed, z.total_out);
}

static void test_compressed_messages_are_inflated_and_plain_ones_taken_between_them(void **state)
{
    (void)state;
    struct buf wire = { 0 };
    add_gzipped(&wire, "one", 3);
    add_message(&wire, "two");
    add_gzipped(&wire, "", 0);
    for (size_t piece = 1; piece <= wire.size; piece++) {
        struct grpc_reader r = { .limit_bytes = 100, .is_gzip = true };
        struct sink sink = { 0 };

        assert_int_equal(feed(&r, &wire, piece, &sink), GRPC_OK);

        assert_string_equal(sink.text.data, "one|two||");
        grpc_reader_fini(&r);
        buf_fini(&sink.text);
    }
    buf_fini(&wire);
}

/* A thousand times as long as it came. */
static void test_a_bomb_is_no_longer_than_the_limit(void **state)
{
    (void)state;
    enum { BOMB_BYTES = 1000 * 1000, LIMIT_BYTES = 50 * 1000 };
    char *zeros = xcalloc(BOMB_BYTES, 1);
    struct buf wire = { 0 };
    struct grpc_reader r = { .limit_bytes = LIMIT_BYTES, .is_gzip = true };
    struct sink sink = { 0 };
    add_gzipped(&wire, zeros, BOMB_BYTES);

    assert_int_equal(feed(&r, &wire, wire.size, &sink), GRPC_RESOURCE_EXHAUSTED);

    assert_int_equal(sink.count, 0);
    grpc_reader_fini(&r);
    buf_fini(&wire);
    free(zeros);
}

static void expect_status_of(const struct buf *wire, bool is_gzip, enum grpc_status status)
{
    struct grpc_reader r = { .limit_bytes = 100, .is_gzip = is_gzip };
    struct sink sink = { 0 };
    assert_int_equal(feed(&r, wire, wire->size, &sink), status);
    assert_int_equal(sink.count, 0);
    grpc_reader_fini(&r);
}

static void test_what_is_not_compressed_as_it_says_is_internal(void **state)
{
    (void)state;
    struct buf wire = { 0 };
    add_gzipped(&wire, "one", 3);
    expect_status_of(&wire, false, GRPC_INTERNAL); /* grpc-encoding does not say so */
    wire.data[GRPC_HEAD_BYTES] ^= 1;
    expect_status_of(&wire, true, GRPC_INTERNAL);
    wire.data[GRPC_HEAD_BYTES] ^= 1;
    wire.data[0] = 2;
    expect_status_of(&wire, true, GRPC_INTERNAL);
    buf_fini(&wire);
}

/* ---- deadlines ---- */

static void test_a_timeout_has_up_to_eight_digits_and_a_unit(void **state)
{
    static const struct {
        const char *text;
        uint64_t ms;
    } rows[] = { { "1H", 3600 * 1000 + 1 },
        { "2M", 120 * 1000 + 1 },
        { "10S", 10001 },
        { "500m", 501 },
        { "1500u", 2 },
        { "99999999n", 100 },
        { "0S", 1 },
        { "", 0 },
        { "10", 0 },
        { "S", 0 },
        { "10s", 0 },
        { "10SS", 0 },
        { "-1S", 0 },
        { "123456789S", 0 } };
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++)
        assert_int_equal(grpc_timeout_ms(rows[i].text), rows[i].ms);
}

static void test_what_follows_the_message_that_stops_is_dropped(void **state)
{
    (void)state;
    struct buf wire = { 0 };
    struct grpc_reader r = { .limit_bytes = 100 };
    struct sink sink = { .stop_after = 1 };
    add_message(&wire, "one");
    add_message(&wire, "two");

    assert_int_equal(feed(&r, &wire, wire.size, &sink), GRPC_OK);

    assert_string_equal(sink.text.data, "one|");
    assert_int_equal(r.pending.size, 0);
    grpc_reader_fini(&r);
    buf_fini(&sink.text);
    buf_fini(&wire);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_head_is_a_flag_and_a_big_endian_length),
        cmocka_unit_test(test_messages_come_whole_however_they_are_cut),
        cmocka_unit_test(test_a_part_of_a_message_is_kept_until_the_rest_comes),
        cmocka_unit_test(test_a_message_over_the_limit_is_refused_by_its_head_alone),
        cmocka_unit_test(test_compressed_messages_are_inflated_and_plain_ones_taken_between_them),
        cmocka_unit_test(test_a_bomb_is_no_longer_than_the_limit),
        cmocka_unit_test(test_what_is_not_compressed_as_it_says_is_internal),
        cmocka_unit_test(test_a_timeout_has_up_to_eight_digits_and_a_unit),
        cmocka_unit_test(test_what_follows_the_message_that_stops_is_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
