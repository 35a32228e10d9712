#include "xds/grpc.h"

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

enum grpc_status grpc_reader_feed(struct grpc_reader *r, const uint8_t *bytes, size_t size_bytes,
    bool (*on_message)(void *context, const uint8_t *bytes, size_t size_bytes), void *context)
{
    size_t at = 0;
    buf_append(&r->pending, bytes, size_bytes);
    const uint8_t *data = (const uint8_t *)r->pending.data;
    while (r->pending.size - at >= GRPC_HEAD_BYTES) {
        size_t length = length_of(data + at);
        if (data[at] != 0)
            return GRPC_UNIMPLEMENTED;
        if (length > r->limit_bytes)
            return GRPC_RESOURCE_EXHAUSTED;
        if (r->pending.size - at - GRPC_HEAD_BYTES < length)
            break;
        if (!on_message(context, data + at + GRPC_HEAD_BYTES, length)) {
            at = r->pending.size;
            break;
        }
        at += GRPC_HEAD_BYTES + length;
    }
    buf_consume(&r->pending, at);
    if (!r->pending.size)
        buf_fini(&r->pending); /* thousands of idle streams keep no buffer */
    return GRPC_OK;
}
