#include "xds/h2_parts.h"

#include <string.h>

enum { FRAME_HEAD_BYTES = 9 };

/* ---- a stream's queue ---- */

static void queued_drop(struct queued *q)
{
    xds_resource_release(q->owner);
    free(q->own);
}

static void queue_push(struct h2_stream *s, struct queued q)
{
    if (s->count == s->capacity) {
        s->capacity = s->capacity ? s->capacity * 2 : 8;
        s->queue = xrealloc(s->queue, s->capacity * sizeof *s->queue);
    }
    s->queue[s->count++] = q;
}

/* Slices without an owner are copied into one block, which goes with the last of them: the queue is
 * sent in order. */
static void queue_slices(struct h2_stream *s, const slice_list *slices)
{
    size_t copied = 0, last = 0;
    for (size_t i = 0; i < slices->count; i++)
        if (!slices->items[i].owner) {
            copied += slices->items[i].size;
            last = i;
        }
    uint8_t *block = xcalloc(copied, 1), *at = block;
    for (size_t i = 0; i < slices->count; i++) {
        const struct slice *slice = &slices->items[i];
        struct queued q = { .data = slice->data, .size = slice->size };
        if (slice->owner) {
            q.owner = xds_resource_retain(slice->owner);
        } else {
            q.data = memcpy(at, slice->data, slice->size);
            q.own = i == last ? block : NULL;
            at += slice->size;
        }
        queue_push(s, q);
    }
    if (!copied)
        free(block);
}

/* An idle stream keeps no queue: there are thousands of them. */
static void queue_trim(struct h2_stream *s)
{
    if (s->head < s->count)
        return;
    free(s->queue);
    s->queue = NULL;
    s->head = s->count = s->capacity = 0;
    s->waits_since_ms = 0;
}

static void submit_trailers(struct h2_stream *s);

/* How much may go in the next DATA frame; the bytes themselves follow in h2_stream_on_send_data. */
static ssize_t on_read(nghttp2_session *session, int32_t id, uint8_t *buffer, size_t limit,
    uint32_t *flags, nghttp2_data_source *source, void *user)
{
    struct h2_stream *s = source->ptr;
    size_t waiting = 0;
    (void)session, (void)id, (void)buffer, (void)user;
    for (size_t i = s->head; i < s->count && waiting < limit; i++)
        waiting += s->queue[i].size;
    if (!waiting && !s->is_ending) {
        s->is_deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (s->is_ending && waiting <= limit) {
        *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
        submit_trailers(s);
    }
    return (ssize_t)(waiting < limit ? waiting : limit);
}

int h2_stream_on_send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head,
    size_t size, nghttp2_data_source *source, void *user)
{
    struct h2_connection *c = user;
    struct h2_stream *s = source->ptr;
    (void)session, (void)frame;
    if (xds_socket_is_full(&c->socket))
        return NGHTTP2_ERR_WOULDBLOCK;
    xds_socket_write(&c->socket, head, FRAME_HEAD_BYTES, NULL);
    s->moved_bytes += (uint32_t)size;
    while (size) {
        struct queued *q = &s->queue[s->head];
        size_t take = q->size < size ? q->size : size;
        xds_socket_write(&c->socket, q->data, take, q->owner);
        q->data += take;
        q->size -= take;
        size -= take;
        if (!q->size) {
            queued_drop(q);
            s->head++;
        }
    }
    queue_trim(s);
    if (!s->count && !s->is_ending)
        c->handlers->on_emptied(s);
    return 0;
}

void h2_stream_send(struct h2_stream *s, const slice_list *slices)
{
    if (s->is_ending)
        return;
    queue_slices(s, slices);
    if (s->is_deferred) {
        s->is_deferred = false;
        nghttp2_session_resume_data(s->connection->session, s->id);
    }
    h2_send_pending(s->connection);
}

/* ---- headers and trailers ---- */

static nghttp2_nv header(const char *name, const char *value)
{
    return (nghttp2_nv){
        .name = (uint8_t *)(uintptr_t)name,
        .value = (uint8_t *)(uintptr_t)value,
        .namelen = strlen(name),
        .valuelen = strlen(value),
    };
}

/* gRPC: bytes outside of printable ASCII, and %, are percent-encoded. */
static void encode_message(const char *message, char *out, size_t size)
{
    size_t used = 0;
    for (; *message && used + 4 < size; message++) {
        unsigned char c = (unsigned char)*message;
        if (c >= ' ' && c <= '~' && c != '%')
            out[used++] = (char)c;
        else
            used += (size_t)snprintf(out + used, size - used, "%%%02X", c);
    }
    out[used] = '\0';
}

static void submit_trailers(struct h2_stream *s)
{
    char status[16], message[1024];
    if (s->is_ended)
        return;
    s->is_ended = true;
    snprintf(status, sizeof status, "%d", (int)s->status);
    encode_message(s->message ? s->message : "", message, sizeof message);
    const nghttp2_nv trailers[] = { header("grpc-status", status),
        header("grpc-message", message) };
    nghttp2_submit_trailer(
        s->connection->session, s->id, trailers, *message ? ARRAY_COUNT(trailers) : 1);
}

void h2_stream_accept(struct h2_stream *s)
{
    const nghttp2_nv headers[] = { header(":status", "200"),
        header("content-type", "application/grpc"),
        header("grpc-accept-encoding", "identity,gzip") };
    nghttp2_data_provider body = { .source.ptr = s, .read_callback = on_read };
    s->is_accepted = true;
    nghttp2_submit_response(s->connection->session, s->id, headers, ARRAY_COUNT(headers), &body);
    h2_send_pending(s->connection);
}

void h2_stream_refuse(struct h2_stream *s, unsigned status)
{
    char text[16];
    snprintf(text, sizeof text, "%u", status);
    const nghttp2_nv headers[] = { header(":status", text) };
    s->is_ending = s->is_ended = true;
    nghttp2_submit_response(s->connection->session, s->id, headers, ARRAY_COUNT(headers), NULL);
    h2_send_pending(s->connection);
}

void h2_stream_end(struct h2_stream *s, enum grpc_status status, const char *message)
{
    if (s->is_ending)
        return;
    s->is_ending = true;
    s->status = status;
    s->message = message ? xstrdup(message) : NULL;
    if (s->is_deferred) {
        s->is_deferred = false;
        nghttp2_session_resume_data(s->connection->session, s->id);
    }
    h2_send_pending(s->connection);
}

/* ---- life ---- */

void h2_stream_free(struct h2_stream *s)
{
    struct h2_connection *c = s->connection;
    c->handlers->on_stream_closed(s);
    *s->link = s->next;
    if (s->next)
        s->next->link = s->link;
    c->quiet_since_ms = uv_now(c->tick.loop);
    for (size_t i = s->head; i < s->count; i++)
        queued_drop(&s->queue[i]);
    free(s->queue);
    free(s->message);
    arena_free(s->headers);
    free(s);
}

struct h2_connection *h2_stream_connection(const struct h2_stream *s)
{
    return s->connection;
}

void h2_stream_set_data(struct h2_stream *s, void *data)
{
    s->data = data;
}

void *h2_stream_data(const struct h2_stream *s)
{
    return s->data;
}
