/* gRPC's framing on the server's side: however the bytes are cut, the same messages come out. */
#include "support/fuzzer.h"

#include "base/hash.h"
#include "xds/grpc.h"
#include "xds/gunzip.h"

enum { LIMIT_BYTES = 600 };

struct heard {
    struct hasher *hasher;
    size_t messages, stop_after;
};

static bool on_message(void *context, const uint8_t *bytes, size_t size_bytes)
{
    struct heard *heard = context;
    INVARIANT(size_bytes <= LIMIT_BYTES);
    hasher_add(heard->hasher, &size_bytes, sizeof size_bytes);
    hasher_add(heard->hasher, bytes, size_bytes);
    return ++heard->messages != heard->stop_after;
}

static enum grpc_status expect_inflated(struct heard *heard, struct chunk message)
{
    static const enum grpc_status statuses[] = { [GUNZIP_GOOD] = GRPC_OK,
        [GUNZIP_GARBLED] = GRPC_INTERNAL,
        [GUNZIP_TOO_LONG] = GRPC_RESOURCE_EXHAUSTED };
    struct buf text = { 0 };
    enum gunzip_result result = gunzip(message.bytes, message.size, LIMIT_BYTES, &text);
    if (result == GUNZIP_GOOD)
        on_message(heard, (const uint8_t *)text.data, text.size);
    buf_fini(&text);
    return statuses[result];
}

/* The same by the page of gRPC, of all bytes at once. */
static struct hash128 expect(struct input in, size_t stop_after, bool is_gzip)
{
    struct heard heard = { hasher_new(), 0, stop_after };
    enum grpc_status status = GRPC_OK;
    while (in.end - in.at >= GRPC_HEAD_BYTES && heard.messages != stop_after && status == GRPC_OK) {
        const uint8_t *head = in.at;
        size_t size =
            (size_t)head[1] << 24 | (size_t)head[2] << 16 | (size_t)head[3] << 8 | head[4];
        status = head[0] > 1          ? GRPC_INTERNAL
                 : size > LIMIT_BYTES ? GRPC_RESOURCE_EXHAUSTED
                                      : GRPC_OK;
        if (status != GRPC_OK || (size_t)(in.end - in.at) < GRPC_HEAD_BYTES + size)
            break;
        in.at += GRPC_HEAD_BYTES;
        struct chunk message = input_take(&in, size);
        if (head[0] == 0)
            on_message(&heard, message.bytes, message.size);
        else
            status = is_gzip ? expect_inflated(&heard, message) : GRPC_INTERNAL;
    }
    hasher_add(heard.hasher, &status, sizeof status);
    return hasher_finish(heard.hasher);
}

/* As its users do: after a status other than OK, or once it was told to stop, no more is fed. */
static struct hash128 hear(struct input in, unsigned step, size_t stop_after, bool is_gzip)
{
    struct grpc_reader reader = { .limit_bytes = LIMIT_BYTES, .is_gzip = is_gzip };
    struct heard heard = { hasher_new(), 0, stop_after };
    enum grpc_status status = GRPC_OK;
    unsigned piece = step;
    while (!input_is_over(&in) && status == GRPC_OK && heard.messages != stop_after) {
        struct chunk c = input_take(&in, step ? 1 + piece % 97 : SIZE_MAX);
        status = grpc_reader_feed(&reader, c.bytes, c.size, on_message, &heard);
        INVARIANT(reader.pending.size < GRPC_HEAD_BYTES + LIMIT_BYTES || status != GRPC_OK);
        piece = piece * 31 + 7;
    }
    hasher_add(heard.hasher, &status, sizeof status);
    grpc_reader_fini(&reader);
    return hasher_finish(heard.hasher);
}

/* What one side puts into a frame, the other takes out of it. */
static void check_frame(struct input in)
{
    struct chunk message = input_take(&in, LIMIT_BYTES);
    struct grpc_reader reader = { .limit_bytes = LIMIT_BYTES };
    struct heard heard = { hasher_new(), 0, SIZE_MAX };
    uint8_t head[GRPC_HEAD_BYTES];
    grpc_head(head, message.size);
    INVARIANT(grpc_reader_feed(&reader, head, sizeof head, on_message, &heard) == GRPC_OK);
    if (message.size > 0)
        grpc_reader_feed(&reader, message.bytes, message.size, on_message, &heard);
    INVARIANT(heard.messages == 1 && reader.pending.size == 0);
    hasher_finish(heard.hasher);
    grpc_reader_fini(&reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes)
{
    struct input in = input_of(bytes, size_bytes);
    unsigned step = 1 + input_byte(&in);
    bool is_gzip = step & 1;
    size_t stop_after = 1 + input_byte(&in);
    struct hash128 whole = hear(in, 0, stop_after, is_gzip),
                   cut = hear(in, step, stop_after, is_gzip);
    struct hash128 expected = expect(in, stop_after, is_gzip);
    INVARIANT(hash128_equal(&whole, &cut) && hash128_equal(&whole, &expected));
    check_frame(in);
    return 0;
}
