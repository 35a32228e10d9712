/*
 * grpc: messages out of a byte stream. gRPC's "PROTOCOL-HTTP2" page: a flag byte, a length of four
 * bytes, the message; frames of HTTP/2 cut it anywhere.
 */
#ifndef XDS_GRPC_H
#define XDS_GRPC_H

#include "base/buf.h"

/* grpc-status values in use. */
enum grpc_status {
    GRPC_OK = 0,
    GRPC_INVALID_ARGUMENT = 3,
    GRPC_DEADLINE_EXCEEDED = 4,
    GRPC_NOT_FOUND = 5,
    GRPC_PERMISSION_DENIED = 7,
    GRPC_RESOURCE_EXHAUSTED = 8,
    GRPC_UNIMPLEMENTED = 12,
    GRPC_INTERNAL = 13,
    GRPC_UNAVAILABLE = 14,
};

enum { GRPC_HEAD_BYTES = 5 };

struct grpc_reader {
    struct buf pending; /* of a message that has not come whole */
    size_t limit_bytes; /* a longer message, inflated or not, is GRPC_RESOURCE_EXHAUSTED */
    bool is_gzip;       /* messages may be compressed: "grpc-encoding: gzip" */
};
void grpc_reader_fini(struct grpc_reader *r);

/*
 * Takes bytes as they come. For each whole message on_message is called, with bytes that are
 * borrowed until it returns; it returns false to stop (the rest is dropped). GRPC_OK, or the status
 * the stream should end with: RESOURCE_EXHAUSTED, or INTERNAL for a message that says to be
 * compressed and is not (gRPC's "compression" page).
 */
enum grpc_status grpc_reader_feed(struct grpc_reader *r, const uint8_t *bytes, size_t size_bytes,
    bool (*on_message)(void *context, const uint8_t *bytes, size_t size_bytes), void *context);

/* grpc-timeout's "10S" in milliseconds, and one more: no earlier than the client gives up; 0 when
 * it is not of that form. */
uint64_t grpc_timeout_ms(const char *text);

/* The five bytes before a message. */
void grpc_head(uint8_t head[GRPC_HEAD_BYTES], size_t message_bytes);

#endif
