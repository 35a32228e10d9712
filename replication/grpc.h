/*
 * grpc: calls with one fixed body of framed messages, over http.
 *
 * Unary calls and server streams are the same thing here; they differ in what is accepted. A reply
 * to a unary call counts only if exactly one whole message came and the status is 0.
 */
#ifndef REPLICATION_GRPC_H
#define REPLICATION_GRPC_H

#include "replication/http.h"

/* The statuses that somebody asks for. */
enum {
    GRPC_OK = 0,
    GRPC_UNKNOWN = 2,
    GRPC_DEADLINE_EXCEEDED = 4,
    GRPC_NOT_FOUND = 5,
    GRPC_FAILED_PRECONDITION = 9,
    GRPC_OUT_OF_RANGE = 11,
    GRPC_INTERNAL = 13,
    GRPC_UNAVAILABLE = 14,
    GRPC_UNAUTHENTICATED = 16,
};

struct grpc_message {
    const uint8_t *bytes;
    size_t size;
};

struct grpc_result {
    const struct error *err;      /* NULL when it worked */
    int status;                   /* the grpc-status, or -1 when none came */
    bool is_unsent, is_too_large; /* as in http_result */
    struct grpc_message reply;    /* of a unary call that worked; borrowed until return */
};

struct grpc_call;
struct grpc_handlers {
    /* A message of a stream; NULL for a unary call. May cancel the call. */
    void (*on_message)(struct grpc_call *call, struct grpc_message message);
    /* The last call. The grpc_call may be started again. */
    void (*on_end)(struct grpc_call *call, const struct grpc_result *result);
};

/* Lives in the caller's struct, zeroed before its first use. */
struct grpc_call {
    const struct grpc_handlers *handlers;
    struct http_limits limits;
    const char *token_header; /* one more header; borrowed until grpc_start returns; may be NULL */
    /* The rest is grpc.c's. */
    struct http_request http;
    char url[320];
    int status;
    char status_text[256];
};

/* Appends to `out` the frame's head for a message of `size` bytes that follows. */
void grpc_append_frame_head(struct buf *out, size_t size);

/* The first whole frame of `bytes`, and how much it takes; false when there is none yet. */
bool grpc_next_frame(const struct buf *bytes, struct grpc_message *message, size_t *frame_size);

/* `method` is "package.Service/Method"; `frames` is borrowed until the end. */
void grpc_start(struct http *http, struct grpc_call *call, const char *member, const char *method,
    const struct buf *frames);

/* No callback comes any more. Fine for a call that does not run. */
void grpc_cancel(struct grpc_call *call);

static inline bool grpc_is_running(const struct grpc_call *call)
{
    return call->http.job;
}

/* The error code for a grpc-status; ERROR_UNREACHABLE for those that another member, or a later
 * try, may not give. */
enum error_code grpc_error_code(int status);

#endif
