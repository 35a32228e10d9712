/*
 * xds_wire: what the raw clients of the tests read and write of protobuf and gRPC, by hand:
 * independent of the code they try.
 */
#ifndef XDS_WIRE_H
#define XDS_WIRE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CDS, EDS, LDS, RDS, VHDS, TYPES };

static const char *const type_urls[TYPES] = {
    "type.googleapis.com/envoy.config.cluster.v3.Cluster",
    "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
    "type.googleapis.com/envoy.config.listener.v3.Listener",
    "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
    "type.googleapis.com/envoy.config.route.v3.VirtualHost",
};

struct bytes {
    uint8_t *data;
    size_t size, capacity;
};

struct field {
    unsigned number;
    const uint8_t *data; /* of a length-delimited field; NULL of a number */
    size_t size;
    uint64_t value;
};

static inline void append(struct bytes *b, const void *data, size_t size)
{
    if (b->size + size > b->capacity) {
        b->capacity = (b->size + size) * 2;
        b->data = realloc(b->data, b->capacity);
        if (!b->data)
            abort();
    }
    if (size)
        memcpy(b->data + b->size, data, size);
    b->size += size;
}

/* Takes away the first `size` bytes. */
static inline void consume(struct bytes *b, size_t size)
{
    b->size -= size;
    if (b->size)
        memmove(b->data, b->data + size, b->size);
}

/* Moves up to `size` bytes from the front; how many. */
static inline size_t take_front(struct bytes *b, uint8_t *to, size_t size)
{
    size_t take = b->size < size ? b->size : size;
    memcpy(to, b->data, take);
    consume(b, take);
    return take;
}

static inline void append_varint(struct bytes *b, uint64_t value)
{
    do {
        uint8_t byte = (uint8_t)((value & 127) | (value > 127 ? 128 : 0));
        append(b, &byte, 1);
        value >>= 7;
    } while (value);
}

static inline void append_text(struct bytes *b, unsigned field, const void *text, size_t size)
{
    append_varint(b, field << 3 | 2);
    append_varint(b, size);
    append(b, text, size);
}

/* A gRPC frame with this message. */
static inline void append_frame(struct bytes *b, const struct bytes *message)
{
    uint8_t head[5] = { 0,
        (uint8_t)(message->size >> 24),
        (uint8_t)(message->size >> 16),
        (uint8_t)(message->size >> 8),
        (uint8_t)message->size };
    append(b, head, sizeof head);
    append(b, message->data, message->size);
}

/* The size of the frame's message, or -1 while there is less than the whole of it. */
static inline long frame_size(const uint8_t *data, size_t size)
{
    if (size < 5)
        return -1;
    size_t length = (size_t)data[1] << 24 | (size_t)data[2] << 16 | (size_t)data[3] << 8 | data[4];
    return size - 5 < length ? -1 : (long)length;
}

static inline bool read_varint(const uint8_t **at, const uint8_t *end, uint64_t *value)
{
    *value = 0;
    for (int shift = 0; *at < end && shift < 64; shift += 7) {
        uint8_t byte = *(*at)++;
        *value |= (uint64_t)(byte & 127) << shift;
        if (byte < 128)
            return true;
    }
    return false;
}

/* The next field that is a number or length-delimited; false at the end, and where it is no
 * protobuf. */
static inline bool next_field(const uint8_t **at, const uint8_t *end, struct field *out)
{
    uint64_t tag, number;
    while (read_varint(at, end, &tag)) {
        size_t skipped = (tag & 7) == 1 ? 8 : (tag & 7) == 5 ? 4 : 0;
        if (skipped) {
            if (skipped > (size_t)(end - *at))
                return false;
            *at += skipped;
            continue;
        }
        if (!read_varint(at, end, &number) || ((tag & 7) == 2 && number > (uint64_t)(end - *at)))
            return false;
        *out = (struct field){ .number = (unsigned)(tag >> 3), .value = number };
        if ((tag & 7) == 2) {
            out->data = *at;
            out->size = number;
            *at += number;
        }
        return true;
    }
    return false;
}

/* The type of a type URL, or -1. */
static inline int type_of_url(const struct field *url)
{
    for (int type = 0; type < TYPES; type++)
        if (strlen(type_urls[type]) == url->size &&
            memcmp(type_urls[type], url->data, url->size) == 0)
            return type;
    return -1;
}

#endif
