#include "fake_h2.h"

#include "fake_uv.h"
#include "wire.h"
#include "xds/h2.h"

#include <string.h>

enum tag { OPEN, DATA, CLOSE };

struct h2_stream {
    struct h2_connection *connection;
    void *data;
    bool is_open; /* on_request was called, and on_stream_closed was not */
    bool is_ended;
};

/* The server's end. */
struct h2_connection {
    const struct h2_handlers *handlers;
    void *owner, *data;
    struct channel *client; /* NULL: it has gone */
    struct sim_event closing;
    struct h2_stream stream;
    uv_loop_t *loop;
    bool is_idle_closing, is_closing;
};

struct channel {
    struct sim *sim;
    struct sim_process *process;
    const struct channel_handlers *handlers;
    void *owner;
    const char *path;
    uint64_t cut_until_us;
    struct h2_connection *server; /* NULL: not accepted yet, or gone */
    char why[120];                /* the server ended the stream, or "" */
    struct wire up, down;
    bool is_abandoned; /* by the client; what it sent may still arrive */
};

static void free_channel(struct channel *c)
{
    wire_close(&c->up);
    wire_close(&c->down);
    free(c);
}

/* ---- the server's end ---- */

static void on_closing(struct sim_event *event)
{
    struct h2_connection *c = container_of(event, struct h2_connection, closing);
    fake_uv_wake(c->loop);
    if (c->stream.is_open) {
        c->stream.is_open = false;
        c->handlers->on_stream_closed(&c->stream);
    }
    if (c->client) {
        c->client->server = NULL;
        c->client->up.event.loop = NULL;
        wire_send(&c->client->down, CLOSE, NULL, 0);
    }
    c->handlers->on_closed(c, false, XDS_LIMIT_NONE);
    free(c);
}

void h2_connection_close(struct h2_connection *c)
{
    if (c->is_closing)
        return;
    c->is_closing = true;
    sim_schedule(fake_uv_sim(), &c->closing, 0);
}

struct h2_connection *h2_accept(uv_stream_t *listener, const struct h2_options *options)
{
    struct channel *client = fake_uv_take_offer(listener);
    struct h2_connection *c = xcalloc(1, sizeof *c);
    c->handlers = options->handlers;
    c->owner = options->owner;
    c->client = client;
    c->loop = listener->loop;
    c->stream.connection = c;
    c->closing = (struct sim_event){
        .run = on_closing, .process = fake_uv_process(c->loop), .loop = c->loop
    };
    client->server = c;
    return c;
}

void h2_connection_read(struct h2_connection *c)
{
    (void)c;
}

void h2_connection_wait(struct h2_connection *c)
{
    (void)c;
}

void *h2_connection_owner(const struct h2_connection *c)
{
    return c->owner;
}

void h2_connection_set_data(struct h2_connection *c, void *data)
{
    c->data = data;
}

void *h2_connection_data(const struct h2_connection *c)
{
    return c->data;
}

const char *h2_connection_peer(const struct h2_connection *c)
{
    (void)c;
    return "10.0.0.1:1";
}

void h2_connection_identity(const struct h2_connection *c, struct buf *out)
{
    (void)c, (void)out; /* these clients have no certificates */
}

void h2_connection_goaway(struct h2_connection *c)
{
    (void)c; /* these clients open one stream and no other */
}

void h2_connection_close_when_idle(struct h2_connection *c)
{
    c->is_idle_closing = true;
    if (!c->stream.is_open || c->stream.is_ended)
        h2_connection_close(c);
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

void h2_stream_accept(struct h2_stream *s)
{
    (void)s;
}

void h2_stream_refuse(struct h2_stream *s, unsigned status)
{
    (void)status;
    h2_connection_close(s->connection);
}

void h2_stream_send(struct h2_stream *s, const slice_list *slices)
{
    struct channel *client = s->connection->client;
    struct buf message = { 0 };
    if (!client || s->is_ended)
        return;
    for (list_each (struct slice, slice, slices))
        buf_append(&message, slice->data, slice->size);
    wire_send(&client->down, DATA, message.data, message.size);
    buf_fini(&message);
}

/* A stream of these clients is their connection. */
void h2_stream_end(struct h2_stream *s, enum grpc_status status, const char *message)
{
    struct channel *client = s->connection->client;
    (void)status;
    if (client && !s->is_ended)
        snprintf(client->why, sizeof client->why, "%s", message ? message : "");
    s->is_ended = true;
    h2_connection_close(s->connection);
}

/* ---- between ---- */

static bool accept_channel(struct channel *c)
{
    uv_stream_t *listener = c->process->is_dead ? NULL : fake_uv_listener(c->process);
    if (!listener)
        return false;
    fake_uv_offer(listener, c);
    if (!c->server)
        return false;
    c->up.event.loop = listener->loop;
    return true;
}

static struct channel *opening;

void *channel_opening(void)
{
    return opening && !opening->is_abandoned ? opening->owner : NULL;
}

static void open_stream(struct channel *c)
{
    const struct h2_request request = { .method = "POST",
        .path = c->path,
        .content_type = "application/grpc",
        .encoding = "",
        .timeout = "" };
    if (!accept_channel(c)) {
        wire_send(&c->down, CLOSE, NULL, 0);
        return;
    }
    c->server->stream.is_open = true;
    opening = c;
    c->server->handlers->on_request(&c->server->stream, &request);
    opening = NULL;
}

static void on_up(struct wire *w, struct parcel *p)
{
    struct channel *c = container_of(w, struct channel, up);
    if (p->tag == OPEN) {
        open_stream(c);
    } else if (p->tag == CLOSE) {
        if (c->server) {
            fake_uv_wake(c->server->loop);
            c->server->client = NULL;
            h2_connection_close(c->server);
        }
        free_channel(c);
    } else if (c->server && !c->server->is_closing) {
        fake_uv_wake(c->server->loop);
        c->server->handlers->on_bytes(
            &c->server->stream, (const uint8_t *)p->bytes.data, p->bytes.size);
    }
}

static void on_down(struct wire *w, struct parcel *p)
{
    struct channel *c = container_of(w, struct channel, down);
    if (c->is_abandoned)
        return;
    if (p->tag == DATA) {
        c->handlers->on_message(
            c, (const uint8_t *)p->bytes.data + GRPC_HEAD_BYTES, p->bytes.size - GRPC_HEAD_BYTES);
        return;
    }
    const struct channel_handlers *handlers = c->handlers;
    handlers->on_closed(c, *c->why ? c->why : "the other side closed it");
    free_channel(c);
}

static uint64_t up_blocked(struct wire *w)
{
    return container_of(w, struct channel, up)->cut_until_us;
}

static uint64_t down_blocked(struct wire *w)
{
    return container_of(w, struct channel, down)->cut_until_us;
}

/* ---- the client's end ---- */

struct channel *channel_open(struct sim *sim, struct sim_process *process, const char *path,
    const struct channel_handlers *handlers, void *owner)
{
    static const struct wire_handlers up = { on_up, up_blocked }, down = { on_down, down_blocked };
    struct channel *c = xcalloc(1, sizeof *c);
    c->sim = sim;
    c->process = process;
    c->path = path;
    c->handlers = handlers;
    c->owner = owner;
    wire_open(&c->up, sim, &up, process, NULL);
    wire_open(&c->down, sim, &down, NULL, NULL);
    wire_send(&c->up, OPEN, NULL, 0);
    return c;
}

void *channel_owner(const struct channel *c)
{
    return c->owner;
}

void channel_send(struct channel *c, const void *message, size_t size_bytes)
{
    struct buf bytes = { 0 };
    uint8_t head[GRPC_HEAD_BYTES];
    grpc_head(head, size_bytes);
    buf_append(&bytes, head, sizeof head);
    buf_append(&bytes, message, size_bytes);
    wire_send(&c->up, DATA, bytes.data, bytes.size);
    buf_fini(&bytes);
}

void channel_close(struct channel *c)
{
    c->is_abandoned = true;
    wire_send(&c->up, CLOSE, NULL, 0);
}

void channel_cut(struct channel *c, uint64_t until_us)
{
    c->cut_until_us = until_us;
}
