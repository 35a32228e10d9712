/*
 * xds_load: many proxies in one process, for measuring. Each is one HTTP/2 connection with one
 * Delta ADS stream that behaves like Envoy: clusters and listeners by wildcard, then the endpoints
 * of every cluster it got and the route tables named on the command line; every response is
 * acknowledged. Where the first of these is a split one (vhds|80), it has virtual hosts apart.
 *
 *     xds_load [--tls CA,CERT,KEY] HOST PORT CLIENTS ROUTE[,ROUTE…] [NAMESPACE]
 *
 * With TLS all show the one certificate.
 *
 * Prints one JSON object a line, with CLOCK_MONOTONIC times in nanoseconds, and the bytes that all
 * have got since the start:
 *     {"event":"ready","clients":500,"half_ns":…,"ns":…,"bytes":…}   half of them, then every
 *                                                            client has all types
 *     {"event":"change","name":…,"version":…,"first_ns":…,"last_ns":…,"bytes":…}
 *                                                            the last client has it
 * A line on its standard input closes all connections and opens them anew, each with the versions
 * that it has, as Envoys do. When all have got an answer:
 *     {"event":"back","began_ns":…,"ns":…,"bytes":…,"resources":…,"same":…}
 *                                  how many resources came, and how many were held already
 * Ends when its standard input closes. Reads the wire by hand: independent of the code it measures.
 */
#include "xds_held.h"
#include "xds_tls.h"

#include <nghttp2/nghttp2.h>
#include <time.h>
#include <uv.h>

/* Of what a client has received and not yet read; what was needed for a large response goes back.
 */
enum { KEPT_BUFFER_BYTES = 16384 };

struct client {
    struct load *load;
    uv_tcp_t tcp;
    uv_connect_t connect;
    SSL *ssl; /* NULL: in plain text */
    nghttp2_session *session;
    int32_t stream;
    int index;
    struct bytes in;  /* gRPC bytes not yet taken apart */
    struct bytes out; /* gRPC bytes not yet handed to HTTP/2 */
    struct held held;
    bool is_deferred, has[TYPES], is_ready, is_back;
};

struct load {
    uv_loop_t loop;
    struct sockaddr_storage address;
    SSL_CTX *tls;
    const char *ns;
    char *routes;
    int types; /* that a client asks for */
    struct client *clients;
    struct names names;
    int count, ready;
    uint64_t half_ns; /* when half of them were ready */
    uint64_t bytes;
    bool is_returning; /* all have been ready, and came anew */
    int closed, back;
    uint64_t began_ns, resources, same; /* since then */
    uv_pipe_t input;
};

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void die(const char *what)
{
    fprintf(stderr, "xds_load: %s\n", what);
    exit(1);
}

/* ---- requests ---- */

static void queue_message(struct client *c, const struct bytes *message)
{
    append_frame(&c->out, message);
    if (c->is_deferred) {
        c->is_deferred = false;
        nghttp2_session_resume_data(c->session, c->stream);
    }
}

/* google.protobuf.Struct: {"VHDS": true} */
static const uint8_t split_metadata[] = { 10, 10, 10, 4, 'V', 'H', 'D', 'S', 18, 2, 32, 1 };

static void append_node(struct client *c, struct bytes *message)
{
    char id[160];
    struct bytes node = { 0 };
    int size = snprintf(id,
        sizeof id,
        "sidecar~10.%d.%d.%d~bench-%d.%s~%s.svc.cluster.local",
        100 + c->index / 62500,
        c->index / 250 % 250,
        1 + c->index % 250,
        c->index,
        c->load->ns,
        c->load->ns);
    append_text(&node, 1, id, (size_t)size);
    append_text(&node, 2, "bench", 5);
    if (c->load->types > VHDS)
        append_text(&node, 3, split_metadata, sizeof split_metadata);
    append_text(message, 1, (char *)node.data, node.size);
    free(node.data);
}

/* DeltaDiscoveryRequest: node 1, type_url 2, resource_names_subscribe 3, response_nonce 6. */
static void subscribe_routes(struct client *c, struct bytes *message)
{
    char *copy = strdup(c->load->routes), *rest = NULL;
    for (char *name = strtok_r(copy, ",", &rest); name; name = strtok_r(NULL, ",", &rest))
        append_text(message, 3, name, strlen(name));
    free(copy);
}

/* What is held of a type: initial_resource_versions 5 (a map), and subscriptions of endpoints. */
static void append_held(struct client *c, int type, struct bytes *message)
{
    const struct name *name = c->load->names.of_type[type];
    for (; name; name = name->hh.next) {
        if (name->index >= c->held.capacity || !c->held.items[name->index])
            continue;
        const struct version *version = c->held.items[name->index];
        struct bytes entry = { 0 };
        append_text(&entry, 1, name->text, name->hh.keylen);
        append_text(&entry, 2, version->text, version->size);
        append_text(message, 5, entry.data, entry.size);
        if (type == EDS)
            append_text(message, 3, name->text, name->hh.keylen);
        free(entry.data);
    }
}

static void send_first(struct client *c, int type, bool with_node)
{
    struct bytes message = { 0 };
    if (with_node)
        append_node(c, &message);
    append_text(&message, 2, type_urls[type], strlen(type_urls[type]));
    if (type == RDS)
        subscribe_routes(c, &message);
    if (c->load->is_returning)
        append_held(c, type, &message);
    queue_message(c, &message);
    free(message.data);
}

static void send_ack(struct client *c, int type, const struct field *nonce)
{
    struct bytes message = { 0 };
    append_text(&message, 2, type_urls[type], strlen(type_urls[type]));
    append_text(&message, 6, (const char *)nonce->data, nonce->size);
    queue_message(c, &message);
    free(message.data);
}

/* ---- responses ---- */

/* One more client has this version. */
static void track(struct load *load, const struct name *name, struct version *version)
{
    if (!version->count)
        version->first_ns = now_ns();
    if (++version->count != load->count || load->is_returning)
        return;
    printf("{\"event\":\"change\",\"name\":\"%s\",\"version\":\"%s\",\"first_ns\":%llu,"
           "\"last_ns\":%llu,\"bytes\":%llu}\n",
        name->text,
        version->text,
        (unsigned long long)version->first_ns,
        (unsigned long long)now_ns(),
        (unsigned long long)load->bytes);
    fflush(stdout);
}

/* Resource: version 1, name 3. The endpoints of every new cluster with EDS are asked for. */
static void take_resource(
    struct client *c, int type, const struct field *resource, struct bytes *subscribe)
{
    struct load *load = c->load;
    const uint8_t *at = resource->data, *end = at + resource->size;
    struct field f, name = { 0 }, version = { 0 };
    while (next_field(&at, end, &f)) {
        if (f.number == 3)
            name = f;
        else if (f.number == 1)
            version = f;
    }
    if (type == CDS && !load->is_returning && name.size > 9 &&
        memcmp(name.data, "outbound|", 9) == 0)
        append_text(subscribe, 3, (const char *)name.data, name.size);
    struct name *known = name_of(&load->names, type, &name);
    struct version *held = version_of(known, &version);
    load->same += held_take(&c->held, known, held);
    load->resources++;
    if (load->ready == load->count)
        track(load, known, held);
}

static bool has_all(const struct client *c)
{
    for (int type = CDS; type < c->load->types; type++)
        if (!c->has[type])
            return false;
    return true;
}

static void mark(struct client *c, int type)
{
    struct load *load = c->load;
    c->has[type] = true;
    if (c->is_ready || !has_all(c))
        return;
    c->is_ready = true;
    if (++load->ready == (load->count + 1) / 2)
        load->half_ns = now_ns();
    if (load->ready == load->count) {
        printf("{\"event\":\"ready\",\"clients\":%d,\"half_ns\":%llu,\"ns\":%llu,"
               "\"bytes\":%llu}\n",
            load->count,
            (unsigned long long)load->half_ns,
            (unsigned long long)now_ns(),
            (unsigned long long)load->bytes);
        fflush(stdout);
    }
}

static void mark_back(struct client *c)
{
    struct load *load = c->load;
    if (!load->is_returning || c->is_back)
        return;
    c->is_back = true;
    if (++load->back < load->count)
        return;
    printf("{\"event\":\"back\",\"began_ns\":%llu,\"ns\":%llu,\"bytes\":%llu,"
           "\"resources\":%llu,\"same\":%llu}\n",
        (unsigned long long)load->began_ns,
        (unsigned long long)now_ns(),
        (unsigned long long)load->bytes,
        (unsigned long long)load->resources,
        (unsigned long long)load->same);
    fflush(stdout);
}

/* DeltaDiscoveryResponse: resources 2, type_url 4, nonce 5. Resources come before their type, so
 * the message is walked twice. */
static void take_response(struct client *c, const uint8_t *data, size_t size)
{
    const uint8_t *at = data;
    struct field f, nonce = { 0 };
    struct bytes subscribe = { 0 };
    int type = -1;
    while (next_field(&at, data + size, &f)) {
        if (f.number == 4)
            type = type_of_url(&f);
        else if (f.number == 5)
            nonce = f;
    }
    if (type < 0)
        die("a response without a known type");
    at = data;
    while (next_field(&at, data + size, &f))
        if (f.number == 2)
            take_resource(c, type, &f, &subscribe);
    send_ack(c, type, &nonce);
    if (subscribe.size) {
        struct bytes message = { 0 };
        append_text(&message, 2, type_urls[EDS], strlen(type_urls[EDS]));
        append(&message, subscribe.data, subscribe.size);
        queue_message(c, &message);
        free(message.data);
    }
    if (type == CDS && !c->has[LDS])
        send_first(c, LDS, false);
    if (type == LDS && !c->has[RDS])
        send_first(c, RDS, false);
    if (type == RDS && !c->has[VHDS] && c->load->types > VHDS)
        send_first(c, VHDS, false);
    free(subscribe.data);
    mark(c, type);
    mark_back(c);
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *data,
    size_t size, void *user)
{
    struct client *c = user;
    size_t at = 0;
    (void)session, (void)flags, (void)stream;
    append(&c->in, data, size);
    c->load->bytes += size;
    for (long length; (length = frame_size(c->in.data + at, c->in.size - at)) >= 0;
         at += 5 + (size_t)length)
        take_response(c, c->in.data + at + 5, (size_t)length);
    consume(&c->in, at);
    if (!c->in.size && c->in.capacity > KEPT_BUFFER_BYTES) {
        free(c->in.data);
        c->in = (struct bytes){ 0 };
    }
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t stream, uint32_t code, void *user)
{
    const struct client *c = user;
    (void)session, (void)stream, (void)code;
    if (!uv_is_closing((const uv_handle_t *)&c->tcp))
        die("a stream was closed");
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

/* ---- sockets ---- */

static void on_written(uv_write_t *write, int status)
{
    (void)status;
    free(write);
}

static void write_out(struct client *c, const void *data, size_t size)
{
    uv_write_t *write = malloc(sizeof *write + size);
    uv_buf_t buf = uv_buf_init((char *)(write + 1), (unsigned)size);
    memcpy(buf.base, data, size);
    uv_write(write, (uv_stream_t *)&c->tcp, &buf, 1, on_written);
}

static void write_sealed(struct client *c)
{
    char *data;
    long size = BIO_get_mem_data(SSL_get_wbio(c->ssl), &data);
    if (size > 0)
        write_out(c, data, (size_t)size);
    (void)BIO_reset(SSL_get_wbio(c->ssl));
}

static void flush(struct client *c)
{
    const uint8_t *data;
    ssize_t size;
    bool is_open = !c->ssl || tls_client_is_open(c->ssl);
    while (is_open && (size = nghttp2_session_mem_send(c->session, &data)) > 0)
        if (!c->ssl)
            write_out(c, data, (size_t)size);
        else if (SSL_write(c->ssl, data, (int)size) != size)
            die("TLS went wrong");
    if (c->ssl)
        write_sealed(c);
}

static void take_plain(struct client *c, const void *data, size_t size)
{
    if (nghttp2_session_mem_recv(c->session, data, size) < 0)
        die("HTTP/2 went wrong");
}

static void take_sealed(struct client *c, const void *data, size_t size)
{
    static char plain[65536];
    int taken;
    BIO_write(SSL_get_rbio(c->ssl), data, (int)size);
    while ((taken = SSL_read(c->ssl, plain, sizeof plain)) > 0)
        take_plain(c, plain, (size_t)taken);
    if (SSL_get_error(c->ssl, taken) != SSL_ERROR_WANT_READ)
        die("TLS went wrong");
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    static char shared[65536]; /* one loop, one read at a time */
    (void)handle, (void)suggested;
    *buf = uv_buf_init(shared, sizeof shared);
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buf)
{
    struct client *c = stream->data;
    if (size < 0)
        die("a connection was closed");
    if (c->ssl)
        take_sealed(c, buf->base, (size_t)size);
    else
        take_plain(c, buf->base, (size_t)size);
    flush(c);
}

#define HEADER(n, v)                                                                               \
    {                                                                                              \
        (uint8_t *)(uintptr_t)(n), (uint8_t *)(uintptr_t)(v), strlen(n), strlen(v), 0              \
    }

static void on_connect(uv_connect_t *connect, int status)
{
    struct client *c = connect->data;
    const nghttp2_nv headers[] = {
        HEADER(":method", "POST"),
        HEADER(":scheme", c->ssl ? "https" : "http"),
        HEADER(":path",
            "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources"),
        HEADER(":authority", "pilotd"),
        HEADER("content-type", "application/grpc"),
        HEADER("te", "trailers"),
    };
    nghttp2_settings_entry settings = { NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 16 << 20 };
    nghttp2_data_provider body = { .read_callback = on_read_out };
    if (status < 0)
        die(uv_strerror(status));
    for (int type = CDS; type < (c->load->is_returning ? c->load->types : EDS); type++)
        send_first(c, type, type == CDS);
    nghttp2_submit_settings(c->session, 0, &settings, 1);
    nghttp2_session_set_local_window_size(c->session, 0, 0, 16 << 20);
    c->stream = nghttp2_submit_request(
        c->session, NULL, headers, sizeof headers / sizeof *headers, &body, c);
    uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read);
    flush(c);
}

static void start_client(struct load *load, int index)
{
    struct client *c = &load->clients[index];
    nghttp2_session_callbacks *callbacks;
    c->load = load;
    c->index = index;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_session_client_new(&c->session, callbacks, c);
    nghttp2_session_callbacks_del(callbacks);
    c->ssl = load->tls ? tls_client_new(load->tls) : NULL;
    uv_tcp_init(&load->loop, &c->tcp);
    c->tcp.data = c;
    c->connect.data = c;
    uv_tcp_connect(&c->connect, &c->tcp, (struct sockaddr *)&load->address, on_connect);
}

static void on_closed(uv_handle_t *handle)
{
    struct client *c = handle->data;
    struct load *load = c->load;
    nghttp2_session_del(c->session);
    SSL_free(c->ssl);
    free(c->in.data);
    free(c->out.data);
    c->in = c->out = (struct bytes){ 0 };
    c->is_deferred = c->is_back = false;
    if (++load->closed < load->count)
        return;
    load->began_ns = now_ns();
    for (int i = 0; i < load->count; i++)
        start_client(load, i);
}

static void come_anew(struct load *load)
{
    load->is_returning = true;
    load->closed = load->back = 0;
    load->resources = load->same = 0;
    for (int i = 0; i < load->count; i++)
        uv_close((uv_handle_t *)&load->clients[i].tcp, on_closed);
}

static void on_input(uv_stream_t *stream, ssize_t size, const uv_buf_t *buf)
{
    struct load *load = stream->data;
    (void)buf;
    if (size < 0)
        exit(0);
    if (size > 0 && load->ready == load->count)
        come_anew(load);
}

int main(int argc, char **argv)
{
    struct load *load = calloc(1, sizeof *load);
    bool has_tls = argc > 2 && strcmp(argv[1], "--tls") == 0;
    char **words = has_tls ? argv + 2 : argv;
    argc -= has_tls ? 2 : 0;
    if (argc < 5 || !load)
        die("usage: xds_load [--tls CA,CERT,KEY] HOST PORT CLIENTS ROUTE[,ROUTE…] [NAMESPACE]");
    if (has_tls && !(load->tls = tls_client_context(argv[2])))
        die("--tls: these are no files that go together");
    load->count = atoi(words[3]);
    load->routes = words[4];
    load->types = strncmp(load->routes, "vhds|", 5) == 0 ? TYPES : VHDS;
    load->ns = argc > 5 ? words[5] : "default";
    load->clients = calloc((size_t)load->count, sizeof *load->clients);
    if (load->count < 1 || !load->clients ||
        uv_ip4_addr(words[1], atoi(words[2]), (struct sockaddr_in *)&load->address) != 0)
        die("HOST must be an IPv4 address, CLIENTS at least 1");
    uv_loop_init(&load->loop);
    for (int i = 0; i < load->count; i++)
        start_client(load, i);
    uv_pipe_init(&load->loop, &load->input, 0);
    uv_pipe_open(&load->input, 0);
    load->input.data = load;
    uv_read_start((uv_stream_t *)&load->input, on_alloc, on_input);
    return uv_run(&load->loop, UV_RUN_DEFAULT);
}
