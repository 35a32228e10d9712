#include "replication/grpc.h"

#include <ctype.h>
#include <string.h>

enum { FRAME_HEAD_BYTES = 5 };

void grpc_append_frame_head(struct buf *out, size_t size)
{
    INVARIANT(size <= UINT32_MAX);
    const uint8_t head[FRAME_HEAD_BYTES] = { 0, /* not compressed */
        (uint8_t)(size >> 24),
        (uint8_t)(size >> 16),
        (uint8_t)(size >> 8),
        (uint8_t)size };
    buf_append(out, head, sizeof head);
}

static size_t message_size(const uint8_t *head)
{
    return (size_t)head[1] << 24 | (size_t)head[2] << 16 | (size_t)head[3] << 8 | head[4];
}

bool grpc_next_frame(const struct buf *bytes, struct grpc_message *message, size_t *frame_size)
{
    const uint8_t *data = (const uint8_t *)bytes->data;
    if (bytes->size < FRAME_HEAD_BYTES)
        return false;
    size_t size = message_size(data);
    if (bytes->size - FRAME_HEAD_BYTES < size)
        return false;
    *message = (struct grpc_message){ data + FRAME_HEAD_BYTES, size };
    *frame_size = FRAME_HEAD_BYTES + size;
    return true;
}

enum error_code grpc_error_code(int status)
{
    switch (status) {
    case GRPC_OK:
        return ERROR_NONE;
    case GRPC_NOT_FOUND:
        return ERROR_NOT_FOUND;
    case GRPC_OUT_OF_RANGE:
        return ERROR_COMPACTED;
    case -1:
    case GRPC_UNKNOWN:
    case GRPC_DEADLINE_EXCEEDED:
    case GRPC_INTERNAL:
    case GRPC_UNAVAILABLE:
        return ERROR_UNREACHABLE;
    default:
        return ERROR_REFUSED;
    }
}

/* ---- the answer ---- */

static int hex_digit(char c)
{
    if (!isxdigit((unsigned char)c))
        return -1;
    return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

/* grpc-message is percent-encoded. */
static void decode_text(char *out, size_t size, const char *text)
{
    size_t length = 0;
    while (*text && length + 1 < size) {
        int high = text[0] == '%' ? hex_digit(text[1]) : -1;
        int low = high >= 0 ? hex_digit(text[2]) : -1;
        int byte = low >= 0 ? high * 16 + low : *text;
        out[length++] = (char)byte;
        text += low >= 0 ? 3 : 1;
    }
    out[length] = '\0';
}

static void on_http_header(struct http_request *http, const char *name, const char *value)
{
    struct grpc_call *call = container_of(http, struct grpc_call, http);
    if (strcmp(name, "grpc-status") == 0)
        call->status = *value >= '0' && *value <= '9' ? (int)strtol(value, NULL, 10) : GRPC_UNKNOWN;
    else if (strcmp(name, "grpc-message") == 0)
        decode_text(call->status_text, sizeof call->status_text, value);
}

static void on_http_data(struct http_request *http)
{
    struct grpc_call *call = container_of(http, struct grpc_call, http);
    struct grpc_message message;
    struct buf rest = http->received;
    size_t frame_size, taken = 0;
    if (!call->handlers->on_message)
        return;
    while (grpc_is_running(call) && grpc_next_frame(&rest, &message, &frame_size)) {
        call->handlers->on_message(call, message);
        rest.data += frame_size;
        rest.size -= frame_size;
        taken += frame_size;
    }
    if (grpc_is_running(call))
        buf_consume(&http->received, taken);
}

static bool check_end(const struct grpc_call *call, const struct http_result *http,
    struct grpc_message *reply, struct error *err)
{
    const struct buf *received = &call->http.received;
    size_t frame_size = 0;
    if (http->err) {
        *err = *http->err;
        return false;
    }
    if (call->status < 0)
        return error_set(err, ERROR_UNREACHABLE, "the answer was cut off");
    if (call->status != GRPC_OK)
        return error_set(err, grpc_error_code(call->status), "%s", call->status_text);
    if (call->handlers->on_message)
        return received->size == 0 ||
               error_set(err, ERROR_GARBLED, "the stream ended within a message");
    if (!grpc_next_frame(received, reply, &frame_size) || frame_size != received->size ||
        received->data[0] != 0)
        return error_set(err, ERROR_UNREACHABLE, "the answer is not one whole message");
    return true;
}

static void on_http_end(struct http_request *http, const struct http_result *http_result)
{
    struct grpc_call *call = container_of(http, struct grpc_call, http);
    struct error err = { 0 };
    struct grpc_result result = {
        .status = call->status,
        .is_unsent = http_result->is_unsent,
        .is_too_large = http_result->is_too_large,
    };
    if (!check_end(call, http_result, &result.reply, &err))
        result.err = &err;
    /* The reply's bytes are kept apart from the call, which on_end may start again. */
    struct buf received = http->received;
    http->received = (struct buf){ 0 };
    call->handlers->on_end(call, &result);
    buf_fini(&received);
}

void grpc_start(struct http *http, struct grpc_call *call, const char *member, const char *method,
    const struct buf *frames)
{
    static const struct http_handlers handlers = { on_http_header, on_http_data, on_http_end };
    /* etcd: `hasleader` ends a stream of a member that lost the quorum, instead of silence. */
    const char *const headers[] = { "content-type: application/grpc",
        "te: trailers",
        "hasleader: true",
        "Accept:",
        call->token_header,
        NULL };
    snprintf(call->url, sizeof call->url, "%s://%s/%s", http_scheme(http), member, method);
    call->status = -1;
    call->status_text[0] = '\0';
    call->http.handlers = &handlers;
    call->http.url = call->url;
    call->http.headers = headers;
    call->http.body = frames->data;
    call->http.body_size = frames->size;
    call->http.limits = call->limits;
    http_start(http, &call->http);
    call->http.headers = NULL;
}

void grpc_cancel(struct grpc_call *call)
{
    http_cancel(&call->http);
}
