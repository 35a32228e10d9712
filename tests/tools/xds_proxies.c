/*
 * xds_proxies: many raw Delta xDS clients in one process, each through a balancer; tells all that
 * they are sent. What breaks, they open again as an Envoy does: after a random part of 50 ms, of
 * twice that, …
 *
 *     xds_proxies COUNT BALANCER:PORT[,BALANCER:PORT…]
 *
 * Writes one JSON line for each thing that happens ("t" is the monotonic clock in seconds):
 *     {"e": "open" | "close", "c": client, "t", "why"}
 *     {"e": "resource", "version": "TYPE NAME VERSION", "hex": …}   before a resource is first told
 * of
 *     {"e": "response", "c", "t", "replica", "type", "hash", "nonce", "first": of its stream,
 *      "set": [[name, version, bytes, "held" | "new"]], "removed": [name]}
 * Reads commands, one a line: reconnect; and with the number of a client: nack, accept (refuse all,
 * refuse no more), deafen (reads nothing), sip (reads a byte a second), listen (reads again).
 * Ends when its standard input closes.
 */
#include "xds_wire.h"

#include <nghttp2/nghttp2.h>
#include <signal.h>
#include <sys/socket.h>
#include <time.h>
#include <uthash.h>
#include <uv.h>

enum { BACKOFF_MS = 50, BACKOFF_MAX_MS = 5000, CONNECT_MS = 1000, PING_S = 10, PONG_S = 5 };
enum { WINDOW = 1 << 20, BALANCERS_MAX = 8, FLUSH_MS = 10, EDS_CLUSTER = 3 };
static const char *const short_names[TYPES] = { "CDS", "EDS", "LDS", "RDS", "VHDS" };
static const char route_table[] = "8080";

enum hearing { HEARS, IS_DEAF, SIPS };

struct held { /* a resource that a client has */
    UT_hash_handle hh;
    char version[64];
    char name[];
};

struct known { /* a version of a resource that was told of; and whether it is a cluster with EDS */
    UT_hash_handle hh;
    bool has_endpoints;
    char key[];
};

struct client {
    struct proxies *all;
    uv_tcp_t tcp;
    uv_timer_t retry; /* also the limit of a connect */
    uv_connect_t connect;
    nghttp2_session *session;
    int32_t stream;
    int number, balancer;
    unsigned answers; /* of this stream */
    uint64_t backoff_ms;
    struct bytes in, out;
    struct held *held[TYPES];
    enum hearing hearing;
    bool is_opening, is_up, is_closing, is_deferred, is_refusing;
    const char *fault; /* this connection is to be closed, and why */
    int ping_s;        /* since the last ping, or since one that is not answered */
    bool awaits_pong;
};

struct proxies {
    uv_loop_t loop;
    struct sockaddr_in balancers[BALANCERS_MAX];
    int balancer_count, count;
    struct client *clients;
    struct known *known;
    struct bytes commands;
    uv_pipe_t input, output;
    uv_timer_t second, flusher;
};

static void client_open(struct client *c);
static void client_close(struct client *c, const char *why);

static FILE *told; /* since the last flush */
static char *told_text;
static size_t told_size;

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- telling ---- */

static void tell_text(const void *data, size_t size)
{
    const char *text = data;
    putc('"', told);
    for (size_t i = 0; i < size; i++) {
        if ((unsigned char)text[i] < ' ' || text[i] == '"' || text[i] == '\\')
            fprintf(told, "\\u%04x", (unsigned char)text[i]);
        else
            putc(text[i], told);
    }
    putc('"', told);
}

static void tell_stream(struct client *c, const char *what, const char *why)
{
    fprintf(
        told, "{\"e\":\"%s\",\"c\":%d,\"t\":%.6f,\"why\":\"%s\"}\n", what, c->number, now_s(), why);
}

static bool is_eds_cluster(const struct field *body)
{
    const uint8_t *at = body->data, *end = at + body->size;
    for (struct field f; next_field(&at, end, &f);)
        if (f.number == 2 && !f.data)
            return f.value == EDS_CLUSTER;
    return false;
}

/* Each version of each resource is told once, whoever gets it first. */
static const struct known *know(struct proxies *all, int type, const struct field *name,
    const struct field *version, const struct field *body)
{
    char key[512];
    struct known *k;
    int size = snprintf(key,
        sizeof key,
        "%s %.*s %.*s",
        short_names[type],
        (int)name->size,
        (const char *)name->data,
        (int)version->size,
        (const char *)version->data);
    HASH_FIND_STR(all->known, key, k);
    if (k || size >= (int)sizeof key)
        return k;
    k = calloc(1, sizeof *k + (size_t)size + 1);
    memcpy(k->key, key, (size_t)size);
    k->has_endpoints = type == CDS && is_eds_cluster(body);
    HASH_ADD_KEYPTR(hh, all->known, k->key, (size_t)size, k);
    fprintf(told, "{\"e\":\"resource\",\"version\":");
    tell_text(key, (size_t)size);
    fprintf(told, ",\"hex\":\"");
    for (size_t i = 0; i < body->size; i++)
        fprintf(told, "%02x", body->data[i]);
    fprintf(told, "\"}\n");
    return k;
}

/* ---- what a client has ---- */

static struct held *held_find(struct client *c, int type, const struct field *name)
{
    struct held *h;
    HASH_FIND(hh, c->held[type], name->data, name->size, h);
    return h;
}

static void held_set(
    struct client *c, int type, const struct field *name, const struct field *version)
{
    struct held *h = held_find(c, type, name);
    if (!h) {
        h = calloc(1, sizeof *h + name->size + 1);
        memcpy(h->name, name->data, name->size);
        HASH_ADD_KEYPTR(hh, c->held[type], h->name, name->size, h);
    }
    snprintf(
        h->version, sizeof h->version, "%.*s", (int)version->size, (const char *)version->data);
}

static void held_drop(struct client *c, int type, const struct field *name)
{
    struct held *h = held_find(c, type, name);
    if (h) {
        HASH_DELETE(hh, c->held[type], h);
        free(h);
    }
}

/* ---- requests: DeltaDiscoveryRequest ---- */

static void queue_message(struct client *c, struct bytes *message)
{
    append_frame(&c->out, message);
    free(message->data);
    if (c->is_deferred) {
        c->is_deferred = false;
        nghttp2_session_resume_data(c->session, c->stream);
    }
}

static void append_node(struct client *c, struct bytes *message)
{
    char id[128];
    struct bytes node = { 0 };
    int size = snprintf(id,
        sizeof id,
        "sidecar~10.77.%d.%d~raw-%d.default~default.svc.cluster.local",
        200 + c->number / 250,
        c->number % 250,
        c->number);
    append_text(&node, 1, id, (size_t)size);
    append_text(&node, 2, "raw", 3);
    append_text(message, 1, node.data, node.size);
    free(node.data);
}

/* With the versions that it has; with its endpoints' names, for that is how an Envoy asks for them.
 */
static void append_held(struct client *c, int type, struct bytes *message)
{
    for (struct held *h = c->held[type]; h; h = h->hh.next) {
        struct bytes entry = { 0 };
        append_text(&entry, 1, h->name, strlen(h->name));
        append_text(&entry, 2, h->version, strlen(h->version));
        append_text(message, 5, entry.data, entry.size);
        free(entry.data);
        if (type == EDS)
            append_text(message, 3, h->name, strlen(h->name));
    }
}

static void send_first(struct client *c, int type, bool with_node)
{
    struct bytes message = { 0 };
    if (with_node)
        append_node(c, &message);
    append_text(&message, 2, type_urls[type], strlen(type_urls[type]));
    if (type == RDS)
        append_text(&message, 3, route_table, strlen(route_table));
    append_held(c, type, &message);
    queue_message(c, &message);
}

static void send_answer(struct client *c, int type, const struct field *nonce)
{
    static const char refusal[] = "this proxy refuses everything";
    struct bytes message = { 0 }, status = { 0 };
    append_text(&message, 2, type_urls[type], strlen(type_urls[type]));
    append_text(&message, 6, nonce->data, nonce->size);
    if (c->is_refusing) {
        append_varint(&status, 1 << 3);
        append_varint(&status, 3);
        append_text(&status, 2, refusal, strlen(refusal));
        append_text(&message, 7, status.data, status.size);
    }
    queue_message(c, &message);
    free(status.data);
}

/* ---- responses: DeltaDiscoveryResponse ---- */

struct resource {
    struct field name, version, body;
    size_t size;
};

/* Resource: version 1, resource 2 (an Any, whose value is 2), name 3. */
static struct resource read_resource(const struct field *sent)
{
    struct resource r = { .size = sent->size };
    struct field any = { 0 };
    const uint8_t *at = sent->data, *end = at + sent->size;
    for (struct field f; next_field(&at, end, &f);) {
        if (f.number == 1)
            r.version = f;
        else if (f.number == 2)
            any = f;
        else if (f.number == 3)
            r.name = f;
    }
    at = any.data;
    for (struct field f; any.data && next_field(&at, any.data + any.size, &f);)
        if (f.number == 2)
            r.body = f;
    return r;
}

/* What it is sent, it has; and what it wants to know of that. */
static void take_resource(
    struct client *c, int type, const struct resource *r, struct bytes *wanted)
{
    const struct known *k = know(c->all, type, &r->name, &r->version, &r->body);
    const struct held *had = held_find(c, type, &r->name);
    bool is_same = had && strlen(had->version) == r->version.size &&
                   memcmp(had->version, r->version.data, r->version.size) == 0;
    putc('[', told);
    tell_text(r->name.data, r->name.size);
    putc(',', told);
    tell_text(r->version.data, r->version.size);
    fprintf(told, ",%zu,\"%s\"]", r->size, is_same ? "held" : "new");
    if (!c->is_refusing)
        held_set(c, type, &r->name, &r->version);
    if (k && k->has_endpoints && !held_find(c, EDS, &r->name))
        append_text(wanted, 3, r->name.data, r->name.size);
}

/* An Envoy does not ask for the endpoints of a cluster that has gone any more. */
static void take_removal(struct client *c, int type, const struct field *name, struct bytes *wanted)
{
    tell_text(name->data, name->size);
    if (c->is_refusing)
        return;
    held_drop(c, type, name);
    if (type == CDS && held_find(c, EDS, name)) {
        held_drop(c, EDS, name);
        append_text(wanted, 4, name->data, name->size);
    }
}

struct head { /* of a response; what it does not say has no size */
    struct field hash, url, nonce, replica;
};

/* REPLICA@REVISION */
static struct field replica_of(struct field identifier)
{
    const uint8_t *at = memchr(identifier.data, '@', identifier.size);
    identifier.size = at ? (size_t)(at - identifier.data) : identifier.size;
    return identifier;
}

/* system_version_info 1, type_url 4, nonce 5, control_plane 7 (its identifier is 1). */
static struct head read_head(const uint8_t *data, size_t size)
{
    struct head h = { 0 };
    struct field plane = { 0 };
    const uint8_t *at = data;
    for (struct field f; next_field(&at, data + size, &f);) {
        if (f.number == 1)
            h.hash = f;
        else if (f.number == 4)
            h.url = f;
        else if (f.number == 5)
            h.nonce = f;
        else if (f.number == 7)
            plane = f;
    }
    at = plane.data;
    for (struct field f; plane.data && next_field(&at, plane.data + plane.size, &f);)
        if (f.number == 1)
            h.replica = replica_of(f);
    return h;
}

static void tell_head(struct client *c, int type, const struct head *h)
{
    fprintf(told,
        "{\"e\":\"response\",\"c\":%d,\"t\":%.6f,\"type\":\"%s\",\"first\":%s,\"replica\":",
        c->number,
        now_s(),
        short_names[type],
        c->answers ? "false" : "true");
    tell_text(h->replica.data, h->replica.size);
    fprintf(told, ",\"hash\":");
    tell_text(h->hash.data, h->hash.size);
    fprintf(told, ",\"nonce\":");
    tell_text(h->nonce.data, h->nonce.size);
}

/* resources 2, removed_resources 6. */
static void take_fields(struct client *c, int type, const uint8_t *data, size_t size,
    unsigned number, struct bytes *wanted)
{
    const uint8_t *at = data;
    int count = 0;
    for (struct field f; next_field(&at, data + size, &f);) {
        if (f.number != number)
            continue;
        if (count++)
            putc(',', told);
        if (number == 2) {
            struct resource r = read_resource(&f);
            take_resource(c, type, &r, wanted);
        } else {
            take_removal(c, type, &f, wanted);
        }
    }
}

static void tell_unknown(struct client *c, int type, const uint8_t *data, size_t size)
{
    const uint8_t *at = data;
    for (struct field f; next_field(&at, data + size, &f);) {
        if (f.number != 2)
            continue;
        struct resource r = read_resource(&f);
        know(c->all, type, &r.name, &r.version, &r.body);
    }
}

static void take_response(struct client *c, const uint8_t *data, size_t size)
{
    struct bytes wanted = { 0 };
    struct head h = read_head(data, size);
    int type = type_of_url(&h.url);
    if (type < 0) {
        c->fault = "a response of no known type";
        return;
    }
    tell_unknown(c, type, data, size);
    tell_head(c, type, &h);
    fprintf(told, ",\"set\":[");
    take_fields(c, type, data, size, 2, &wanted);
    fprintf(told, "],\"removed\":[");
    take_fields(c, type, data, size, 6, &wanted);
    fprintf(told, "]}\n");
    c->answers++;
    c->backoff_ms = BACKOFF_MS;
    send_answer(c, type, &h.nonce);
    if (wanted.size && !c->is_refusing) {
        struct bytes message = { 0 };
        append_text(&message, 2, type_urls[EDS], strlen(type_urls[EDS]));
        append(&message, wanted.data, wanted.size);
        queue_message(c, &message);
    }
    free(wanted.data);
}

/* ---- HTTP/2 ---- */

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *data,
    size_t size, void *user)
{
    struct client *c = user;
    size_t at = 0;
    (void)session, (void)flags, (void)stream;
    append(&c->in, data, size);
    for (long length; (length = frame_size(c->in.data + at, c->in.size - at)) >= 0;
         at += 5 + (size_t)length)
        take_response(c, c->in.data + at + 5, (size_t)length);
    consume(&c->in, at);
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t stream, uint32_t code, void *user)
{
    struct client *c = user;
    (void)session, (void)stream;
    c->fault = code ? "the stream was reset" : "the stream was ended";
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct client *c = user;
    (void)session;
    if (frame->hd.type == NGHTTP2_PING && frame->hd.flags & NGHTTP2_FLAG_ACK) {
        c->awaits_pong = false;
        c->ping_s = 0;
    }
    return 0;
}

static ssize_t on_read_out(nghttp2_session *session, int32_t stream, uint8_t *buffer, size_t size,
    uint32_t *flags, nghttp2_data_source *source, void *user)
{
    struct client *c = user;
    (void)session, (void)stream, (void)source, (void)flags;
    if (!c->out.size) {
        c->is_deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    return (ssize_t)take_front(&c->out, buffer, size);
}

static void begin_session(struct client *c)
{
    nghttp2_session_callbacks *callbacks;
    nghttp2_settings_entry settings = { NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WINDOW };
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_client_new(&c->session, callbacks, c);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_submit_settings(c->session, 0, &settings, 1);
    nghttp2_session_set_local_window_size(c->session, 0, 0, WINDOW);
}

static nghttp2_nv header(const char *name, const char *value)
{
    return (nghttp2_nv){
        (uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name), strlen(value), 0
    };
}

static void begin_stream(struct client *c)
{
    const nghttp2_nv headers[] = {
        header(":method", "POST"),
        header(":scheme", "http"),
        header(":path",
            "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources"),
        header(":authority", "pilotd"),
        header("content-type", "application/grpc"),
        header("te", "trailers"),
    };
    nghttp2_data_provider body = { .read_callback = on_read_out };
    send_first(c, CDS, true);
    if (c->held[EDS])
        send_first(c, EDS, false);
    send_first(c, LDS, false);
    send_first(c, RDS, false);
    c->stream = nghttp2_submit_request(
        c->session, NULL, headers, sizeof headers / sizeof *headers, &body, c);
}

/* ---- sockets ---- */

static void on_written(uv_write_t *write, int status)
{
    (void)status;
    free(write);
}

static void flush(struct client *c)
{
    const uint8_t *data;
    for (ssize_t size; (size = nghttp2_session_mem_send(c->session, &data)) > 0;) {
        uv_write_t *write = malloc(sizeof *write + (size_t)size);
        uv_buf_t buf = uv_buf_init((char *)(write + 1), (unsigned)size);
        memcpy(buf.base, data, (size_t)size);
        uv_write(write, (uv_stream_t *)&c->tcp, &buf, 1, on_written);
    }
    if (c->fault)
        client_close(c, c->fault);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    static char shared[65536]; /* one loop, one read at a time */
    struct client *c = handle->data;
    (void)suggested;
    *buf = uv_buf_init(shared, c && c->hearing == SIPS ? 1 : sizeof shared);
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buf)
{
    struct client *c = stream->data;
    if (size < 0) {
        client_close(c, size == UV_EOF ? "the connection was ended" : uv_err_name((int)size));
        return;
    }
    if (c->hearing != HEARS)
        uv_read_stop(stream);
    if (nghttp2_session_mem_recv(c->session, (const uint8_t *)buf->base, (size_t)size) < 0)
        c->fault = "HTTP/2 went wrong";
    flush(c);
}

static void on_connect(uv_connect_t *connect, int status)
{
    struct client *c = connect->data;
    if (status < 0) {
        if (status != UV_ECANCELED)
            client_close(c, uv_err_name(status));
        return;
    }
    uv_timer_stop(&c->retry);
    c->is_opening = false;
    c->is_up = true;
    c->ping_s = 0;
    c->awaits_pong = false;
    tell_stream(c, "open", "");
    begin_session(c);
    begin_stream(c);
    uv_tcp_nodelay(&c->tcp, 1);
    if (c->hearing != IS_DEAF)
        uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read);
    flush(c);
}

static void on_retry(uv_timer_t *timer)
{
    struct client *c = timer->data;
    if (c->is_opening)
        client_close(c, "no connection in time");
    else
        client_open(c);
}

/* One that sips is to have little on its way, or its buffers would read for it. */
static void set_small_buffer(struct client *c)
{
    int size = 2048;
    uv_os_fd_t fd;
    if (uv_fileno((uv_handle_t *)&c->tcp, &fd) == 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
}

static void client_open(struct client *c)
{
    c->answers = 0;
    c->fault = NULL;
    c->is_opening = true;
    uv_tcp_init_ex(&c->all->loop, &c->tcp, AF_INET);
    c->tcp.data = c;
    c->connect.data = c;
    if (c->hearing == SIPS)
        set_small_buffer(c);
    const struct sockaddr *address =
        (const struct sockaddr *)&c->all->balancers[c->balancer % c->all->balancer_count];
    uv_timer_start(&c->retry, on_retry, CONNECT_MS, 0);
    int failed = uv_tcp_connect(&c->connect, &c->tcp, address, on_connect);
    if (failed)
        client_close(c, uv_err_name(failed));
}

static void on_closed(uv_handle_t *handle)
{
    struct client *c = handle->data;
    uint64_t backoff_ms = (uint64_t)random() % c->backoff_ms;
    c->is_closing = false;
    c->backoff_ms = c->backoff_ms * 2 > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : c->backoff_ms * 2;
    uv_timer_start(&c->retry, on_retry, backoff_ms, 0);
}

static void client_close(struct client *c, const char *why)
{
    if (c->is_closing)
        return;
    c->is_closing = true;
    c->is_opening = c->is_up = c->is_deferred = false;
    tell_stream(c, "close", why);
    nghttp2_session_del(c->session);
    c->session = NULL;
    c->in.size = c->out.size = 0;
    c->balancer += c->answers ? 0 : 1;
    uv_timer_stop(&c->retry);
    uv_close((uv_handle_t *)&c->tcp, on_closed);
}

/* ---- all of them ---- */

static void set_hearing(struct client *c, enum hearing hearing)
{
    enum hearing before = c->hearing;
    c->hearing = hearing;
    if (!c->is_up)
        return;
    if (hearing == SIPS || before == SIPS)
        client_close(c, "other buffers");
    else if (hearing == IS_DEAF)
        uv_read_stop((uv_stream_t *)&c->tcp);
    else
        uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read);
}

static void obey(struct proxies *all, const char *command)
{
    static const char *const hearing[] = { "listen", "deafen", "sip" };
    char word[16] = "";
    int number = -1;
    sscanf(command, "%15s %d", word, &number);
    if (strcmp(word, "reconnect") == 0) {
        for (int i = 0; i < all->count; i++)
            if (all->clients[i].is_up)
                client_close(&all->clients[i], "told to");
        return;
    }
    if (number < 0 || number >= all->count)
        return;
    if (strcmp(word, "nack") == 0 || strcmp(word, "accept") == 0)
        all->clients[number].is_refusing = word[0] == 'n';
    for (int i = 0; i < 3; i++)
        if (strcmp(word, hearing[i]) == 0)
            set_hearing(&all->clients[number], (enum hearing)i);
}

static void on_input(uv_stream_t *stream, ssize_t size, const uv_buf_t *buf)
{
    struct proxies *all = stream->loop->data;
    if (size < 0)
        exit(0);
    append(&all->commands, buf->base, (size_t)size);
    for (uint8_t *end;
         all->commands.size && (end = memchr(all->commands.data, '\n', all->commands.size));) {
        *end = '\0';
        obey(all, (const char *)all->commands.data);
        consume(&all->commands, (size_t)(end + 1 - all->commands.data));
    }
}

/* Pings as pilotctl's bootstrap has Envoys send them; a client that sips takes its byte. */
static void on_second(uv_timer_t *timer)
{
    struct proxies *all = timer->data;
    for (int i = 0; i < all->count; i++) {
        struct client *c = &all->clients[i];
        if (!c->is_up || c->hearing == IS_DEAF)
            continue;
        if (c->hearing == SIPS) {
            uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read);
            continue;
        }
        c->ping_s++;
        if (c->awaits_pong && c->ping_s > PONG_S) {
            client_close(c, "no answer to a ping");
        } else if (!c->awaits_pong && c->ping_s >= PING_S) {
            c->awaits_pong = true;
            c->ping_s = 0;
            nghttp2_submit_ping(c->session, 0, NULL);
            flush(c);
        }
    }
}

static void on_told(uv_write_t *write, int status)
{
    free(write->data);
    free(write);
    if (status < 0)
        exit(0);
}

/* Whoever reads may be slow: what is told waits for that, and no client does. */
static void on_flush(uv_timer_t *timer)
{
    struct proxies *all = timer->data;
    fclose(told);
    if (!told_size) {
        free(told_text);
    } else {
        uv_write_t *write = malloc(sizeof *write);
        uv_buf_t buf = uv_buf_init(told_text, (unsigned)told_size);
        write->data = told_text;
        uv_write(write, (uv_stream_t *)&all->output, &buf, 1, on_told);
    }
    told = open_memstream(&told_text, &told_size);
}

static void read_balancers(struct proxies *all, char *list)
{
    char *rest = NULL;
    for (char *at = strtok_r(list, ",", &rest); at; at = strtok_r(NULL, ",", &rest)) {
        char *port = strchr(at, ':');
        if (port)
            *port = '\0';
        if (!port || all->balancer_count == BALANCERS_MAX ||
            uv_ip4_addr(at, atoi(port + 1), &all->balancers[all->balancer_count++]) != 0) {
            fprintf(stderr, "xds_proxies: balancers are IPv4 addresses with ports\n");
            exit(2);
        }
    }
}

static void start_client(struct proxies *all, int number)
{
    struct client *c = &all->clients[number];
    *c = (struct client){
        .all = all, .number = number, .balancer = number, .backoff_ms = BACKOFF_MS
    };
    uv_timer_init(&all->loop, &c->retry);
    c->retry.data = c;
    client_open(c);
}

int main(int argc, char **argv)
{
    struct proxies *all = calloc(1, sizeof *all);
    if (argc != 3 || atoi(argv[1]) < 1) {
        fprintf(stderr, "usage: xds_proxies COUNT BALANCER:PORT[,BALANCER:PORT…]\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    told = open_memstream(&told_text, &told_size);
    read_balancers(all, argv[2]);
    all->count = atoi(argv[1]);
    all->clients = calloc((size_t)all->count, sizeof *all->clients);
    uv_loop_init(&all->loop);
    all->loop.data = all;
    for (int i = 0; i < all->count; i++)
        start_client(all, i);
    uv_pipe_init(&all->loop, &all->input, 0);
    uv_pipe_open(&all->input, 0);
    uv_read_start((uv_stream_t *)&all->input, on_alloc, on_input);
    uv_timer_init(&all->loop, &all->second);
    all->second.data = all;
    uv_timer_start(&all->second, on_second, 1000, 1000);
    uv_pipe_init(&all->loop, &all->output, 0);
    uv_pipe_open(&all->output, 1);
    uv_timer_init(&all->loop, &all->flusher);
    all->flusher.data = all;
    uv_timer_start(&all->flusher, on_flush, FLUSH_MS, FLUSH_MS);
    return uv_run(&all->loop, UV_RUN_DEFAULT);
}
