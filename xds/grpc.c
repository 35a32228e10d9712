#include "xds/grpc.h"

#include "xds/gunzip.h"

#include <ctype.h>
#include <string.h>

void grpc_reader_fini(struct grpc_reader *r)
{
    buf_fini(&r->pending);
}

void grpc_head(uint8_t head[GRPC_HEAD_BYTES], size_t message_bytes)
{
    INVARIANT(message_bytes <= UINT32_MAX);
    head[0] = 0;
    for (int i = 1; i < GRPC_HEAD_BYTES; i++)
        head[i] = (uint8_t)(message_bytes >> (8 * (GRPC_HEAD_BYTES - 1 - i)));
}

static size_t length_of(const uint8_t *head)
{
    return (size_t)head[1] << 24 | (size_t)head[2] << 16 | (size_t)head[3] << 8 | head[4];
}

/* ---- messages ---- */

enum { FLAG_PLAIN = 0, FLAG_COMPRESSED = 1 };

typedef bool (*message_handler)(void *context, const uint8_t *bytes, size_t size_bytes);

static enum grpc_status inflate_message(
    const struct grpc_reader *r, const uint8_t *bytes, size_t size_bytes, struct buf *out)
{
    if (!r->is_gzip)
        return GRPC_INTERNAL;
    switch (gunzip(bytes, size_bytes, r->limit_bytes, out)) {
    case GUNZIP_TOO_LONG:
        return GRPC_RESOURCE_EXHAUSTED;
    case GUNZIP_GARBLED:
        return GRPC_INTERNAL;
    default:
        return GRPC_OK;
    }
}

static enum grpc_status take_compressed(const struct grpc_reader *r, const uint8_t *bytes,
    size_t size_bytes, message_handler on_message, void *context, bool *goes_on)
{
    struct buf inflated = { 0 };
    enum grpc_status status = inflate_message(r, bytes, size_bytes, &inflated);
    if (status == GRPC_OK)
        *goes_on = on_message(context, (const uint8_t *)inflated.data, inflated.size);
    buf_fini(&inflated);
    return status;
}

enum grpc_status grpc_reader_feed(struct grpc_reader *r, const uint8_t *bytes, size_t size_bytes,
    message_handler on_message, void *context)
{
    size_t at = 0;
    bool goes_on = true;
    enum grpc_status status = GRPC_OK;
    buf_append(&r->pending, bytes, size_bytes);
    const uint8_t *data = (const uint8_t *)r->pending.data;
    while (goes_on && status == GRPC_OK && r->pending.size - at >= GRPC_HEAD_BYTES) {
        const uint8_t *message = data + at + GRPC_HEAD_BYTES;
        size_t length = length_of(data + at);
        if (data[at] > FLAG_COMPRESSED)
            return GRPC_INTERNAL;
        if (length > r->limit_bytes)
            return GRPC_RESOURCE_EXHAUSTED;
        if (r->pending.size - at - GRPC_HEAD_BYTES < length)
            break;
        if (data[at] == FLAG_PLAIN)
            goes_on = on_message(context, message, length);
        else
            status = take_compressed(r, message, length, on_message, context, &goes_on);
        at += GRPC_HEAD_BYTES + length;
    }
    buf_consume(&r->pending, goes_on ? at : r->pending.size);
    if (!r->pending.size)
        buf_fini(&r->pending); /* thousands of idle streams keep no buffer */
    return status;
}

/* ---- deadlines ---- */

uint64_t grpc_timeout_ms(const char *text)
{
    static const struct {
        char name;
        uint64_t times, by; /* in milliseconds, or a part of one */
    } units[] = { { 'H', 3600 * 1000, 1 },
        { 'M', 60 * 1000, 1 },
        { 'S', 1000, 1 },
        { 'm', 1, 1 },
        { 'u', 1, 1000 },
        { 'n', 1, 1000 * 1000 } };
    enum { DIGITS_MAX = 8 };
    size_t digits = 0;
    uint64_t number = 0;
    for (; isdigit((unsigned char)text[digits]) && digits < DIGITS_MAX; digits++)
        number = number * 10 + (uint64_t)(text[digits] - '0');
    for (size_t i = 0; i < ARRAY_COUNT(units); i++)
        if (digits > 0 && text[digits] == units[i].name && !text[digits + 1])
            return number * units[i].times / units[i].by + 1;
    return 0;
}
