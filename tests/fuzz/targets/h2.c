/*
 * One HTTP/2 connection or two to the real server (xds/server.c, h2.c with nghttp2, rpc.c, …): an
 * input is a list of steps: bytes as they are, frames with heads that fit, requests of the methods
 * that there are, messages in gRPC's frames, and what happens around them: time, views, a client
 * that reads slowly, a drain.
 *
 * What the server writes is whole frames; what waits for a slow client is bounded; and when all is
 * closed, nobody is subscribed, every gauge is 0 and (LeakSanitizer) nothing is left.
 */
#include "support/proxies.h"
#include "support/sockets.h"

#include "base/json.h"
#include "proto/pb.h"
#include "xds/grpc.h"
#include "xds/h2.h"
#include "xds/server.h"
#include "xds/socket.h"
#include "xds/status_page.h"

#include <string.h>

enum {
    CLIENTS = 2,
    STEPS_MAX = 200,
    ROOM_BYTES = 1 << 20,
    FRAME_HEAD = 9,
    FRAME_MAX_BYTES = 16384,
    /* Besides what socket.h promises: the frame that went over, and answers of nghttp2's own. */
    QUEUE_MAX_BYTES = XDS_SOCKET_LIMIT_BYTES + 2 * FRAME_MAX_BYTES,
    SUBSCRIBERS = 256,
    PAGES = STEPS_MAX, /* those of calls that are gone are on their way, too */
};

enum frame_type { DATA = 0, HEADERS = 1, SETTINGS = 4, WINDOW_UPDATE = 8 };

struct world {
    uv_loop_t loop;
    struct xds_server *server;
    struct xds_stats stats;
    struct xds_source source;
    struct xds_subscriber *subscribers[SUBSCRIBERS];
    struct xds_view *view;            /* NULL: none yet */
    struct status_page *pages[PAGES]; /* on their way */
    bool is_drained, is_late;         /* it shows a view before it lets it be sent */
    struct socket *clients[CLIENTS];
    bool is_one_way[CLIENTS]; /* said nothing that makes it a client: the answer is no frames */
};

/* ---- the source of views ---- */

static bool on_subscribe(struct xds_source *source, const struct xds_node *node,
    struct xds_subscriber *subscriber, struct error *err)
{
    struct world *w = container_of(source, struct world, source);
    struct arena *a = arena_new();
    struct scope scope;
    bool is_good = read_node(a, node, &scope, err);
    arena_free(a);
    for (size_t i = 0; is_good && i < SUBSCRIBERS; i++)
        if (!w->subscribers[i]) {
            w->subscribers[i] = subscriber;
            if (w->view && w->is_late)
                subscriber->on_preview(subscriber, w->view);
            else if (w->view)
                subscriber->on_view(subscriber, w->view);
            return true;
        }
    return is_good ? error_set(err, ERROR_REFUSED, "too many") : false;
}

static void on_unsubscribe(struct xds_source *source, struct xds_subscriber *subscriber)
{
    struct world *w = container_of(source, struct world, source);
    for (size_t i = 0; i < SUBSCRIBERS; i++)
        if (w->subscribers[i] == subscriber) {
            w->subscribers[i] = NULL;
            return;
        }
    INVARIANT(!"who unsubscribes is subscribed");
}

static void show_view(struct world *w, unsigned index)
{
    w->view = made_view(index);
    for (size_t i = 0; i < SUBSCRIBERS; i++)
        if (w->subscribers[i])
            w->subscribers[i]->on_view(w->subscribers[i], w->view);
}

static void refuse_one(struct world *w, unsigned index)
{
    struct xds_subscriber *s = w->subscribers[index % SUBSCRIBERS];
    if (s)
        s->on_refused(s);
}

/* ---- pages of status, which go about as between serving loops ---- */

static void on_carry(struct xds_source *source, struct status_page *page)
{
    struct world *w = container_of(source, struct world, source);
    for (size_t i = 0; i < PAGES; i++)
        if (!w->pages[i]) {
            w->pages[i] = page;
            return;
        }
    INVARIANT(!"each step sends one");
}

static void bring_page(struct world *w, unsigned index)
{
    struct status_page *page = w->pages[index % PAGES];
    if (!page)
        return;
    w->pages[index % PAGES] = NULL;
    page->is_last = page->server > 0;
    if (!page->is_last)
        xds_server_fill_status(w->server, page);
    xds_server_take_status(w->server, page);
}

static void on_drained(struct xds_source *source)
{
    struct world *w = container_of(source, struct world, source);
    INVARIANT(!w->is_drained && w->stats.connections == 0);
    w->is_drained = true;
}

static void report(const struct world *w)
{
    struct arena *a = arena_new();
    struct diags d;
    struct buf text = { 0 };
    diags_init(&d, a);
    xds_server_report(w->server, &text);
    cJSON *json = json_parse(text.data, text.size, SIZE_MAX, &d);
    INVARIANT(json);
    cJSON_Delete(json);
    buf_fini(&text);
    arena_free(a);
}

/* ---- frames ---- */

static void say_frame(struct socket *s, unsigned type, unsigned flags, uint32_t stream,
    const void *payload, size_t size)
{
    const uint8_t head[FRAME_HEAD] = { (uint8_t)(size >> 16),
        (uint8_t)(size >> 8),
        (uint8_t)size,
        (uint8_t)type,
        (uint8_t)flags,
        (uint8_t)(stream >> 24),
        (uint8_t)(stream >> 16),
        (uint8_t)(stream >> 8),
        (uint8_t)stream };
    socket_say(s, head, sizeof head);
    socket_say(s, payload, size);
}

/* HPACK: a literal that is not put into the table, with a name of its own. */
static void append_text(struct buf *out, const char *text)
{
    size_t size = strlen(text);
    uint8_t head = (uint8_t)(size < 0x7f ? size : 0x7f), more = (uint8_t)(size - 0x7f);
    buf_append(out, &head, 1);
    if (size >= 0x7f)
        buf_append(out, &more, 1); /* texts here are shorter than 255 bytes */
    buf_append(out, text, size);
}

static void append_header(struct buf *out, const char *name, const char *value)
{
    const uint8_t literal = 0;
    buf_append(out, &literal, 1);
    append_text(out, name);
    append_text(out, value);
}

static void say_request(struct socket *s, struct input *in)
{
    static const char *const paths[] = {
        "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources",
        "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources",
        "/envoy.service.cluster.v3.ClusterDiscoveryService/StreamClusters",
        "/envoy.service.endpoint.v3.EndpointDiscoveryService/DeltaEndpoints",
        "/envoy.service.listener.v3.ListenerDiscoveryService/StreamListeners",
        "/envoy.service.route.v3.RouteDiscoveryService/DeltaRoutes",
        "/envoy.service.status.v3.ClientStatusDiscoveryService/FetchClientStatus",
        "/envoy.service.status.v3.ClientStatusDiscoveryService/StreamClientStatus",
        "/grpc.health.v1.Health/Check",
        "/grpc.health.v1.Health/Watch",
        "/nobody/Knows",
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    };
    unsigned what = input_byte(in), stream = input_byte(in);
    struct buf block = { 0 };
    append_header(&block, ":method", what & 0x10 ? "GET" : "POST");
    append_header(&block, ":scheme", "http");
    append_header(&block, ":path", paths[(what & 0xf) % ARRAY_COUNT(paths)]);
    append_header(&block, ":authority", "x");
    append_header(&block, "content-type", what & 0x20 ? "text/html" : "application/grpc");
    say_frame(s, HEADERS, what & 0x40 ? 0x5 : 0x4, 2 * stream + 1, block.data, block.size);
    buf_fini(&block);
}

static void say_message(struct socket *s, unsigned stream, bool is_last, struct chunk message)
{
    struct buf data = { 0 };
    uint8_t head[GRPC_HEAD_BYTES];
    grpc_head(head, message.size);
    buf_append(&data, head, sizeof head);
    buf_append(&data, message.bytes, message.size);
    while (data.size > FRAME_MAX_BYTES) {
        say_frame(s, DATA, 0, stream, data.data, FRAME_MAX_BYTES);
        buf_consume(&data, FRAME_MAX_BYTES);
    }
    say_frame(s, DATA, is_last, stream, data.data, data.size);
    buf_fini(&data);
}

/* What a proxy says that goes on well, whichever way it was asked. */
static void say_discovery(struct socket *s, struct input *in)
{
    static const char *const names[] = { "a", "b", "c", "web", "*" };
    unsigned what = input_byte(in), stream = 2 * input_byte(in) + 1, nonce = input_byte(in);
    enum xds_type type = (enum xds_type)input_below(in, XDS_TYPE_COUNT);
    struct arena *a = arena_new();
    string_list wanted = { 0 };
    for (size_t i = 0; i < ARRAY_COUNT(names); i++)
        if (what >> i & 1)
            list_push(a, &wanted, names[i]);
    char *said = pb_str(nonce ? arena_printf(a, "%u", nonce) : "");
    char *url = pb_str(xds_type_url(type));
    pb_Node *node = pb_new_Node(a, .id = pb_str("sidecar~10.0.0.1~web.default~default.svc.x"));
    pb_Status *refusal = what & 0x80 ? pb_new_Status(a, .code = 3, .message = pb_str("no")) : NULL;
    struct pb_bytes bytes;
    if (what & 0x40)
        bytes = pb_pack(a,
            &pb_new_DeltaDiscoveryRequest(a,
                .node = node,
                .type_url = url,
                PB_LIST(resource_names_subscribe, wanted.count, pb_strs(&wanted)),
                .response_nonce = said,
                .error_detail = refusal)
                 ->base);
    else
        bytes = pb_pack(a,
            &pb_new_DiscoveryRequest(a,
                .node = node,
                .type_url = url,
                PB_LIST(resource_names, wanted.count, pb_strs(&wanted)),
                .response_nonce = said,
                .error_detail = refusal)
                 ->base);
    say_message(s, stream, false, (struct chunk){ bytes.data, bytes.size });
    arena_free(a);
}

static void say_raw_frame(struct socket *s, struct input *in)
{
    unsigned type = input_byte(in), flags = input_byte(in), stream = input_byte(in);
    struct chunk payload = input_take(in, input_byte(in));
    say_frame(s, type, flags, stream, payload.bytes, payload.size);
}

static void open_window(struct socket *s, struct input *in)
{
    unsigned stream = input_byte(in), size = input_byte(in) << 8 | 1;
    const uint8_t more[] = { 0, (uint8_t)(size >> 16), (uint8_t)(size >> 8), (uint8_t)size };
    say_frame(s, WINDOW_UPDATE, 0, stream, more, sizeof more);
}

static void greet(struct socket *s)
{
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    socket_say(s, preface, sizeof preface - 1);
    say_frame(s, SETTINGS, 0, 0, NULL, 0);
}

/* ---- steps ---- */

static void act(struct world *w, struct socket *s, struct input *in)
{
    switch (input_below(in, 11)) {
    case 0:
        show_view(w, input_byte(in));
        break;
    case 1:
        refuse_one(w, input_byte(in));
        break;
    case 2:
        xds_server_set_serving(w->server, input_byte(in) & 1);
        break;
    case 3:
        xds_server_shed(w->server, input_byte(in), input_byte(in));
        break;
    case 4:
        xds_server_drain(w->server, input_byte(in), input_byte(in), on_drained);
        break;
    case 5:
        w->stats.quota.cap = w->stats.quota.room = input_byte(in);
        break;
    case 6:
        s->ending = input_byte(in) & 1 ? UV_EOF : UV_ECONNRESET;
        break;
    case 8:
        bring_page(w, input_byte(in));
        break;
    case 9:
        report(w);
        break;
    default:
        sockets_run(input_byte(in) * 250);
        break;
    }
}

static void step(struct world *w, struct input *in)
{
    unsigned what = input_byte(in);
    struct socket *s = w->clients[what >> 7];
    struct chunk bytes;
    switch (what & 7) {
    case 0:
        bytes = input_chunk(in);
        socket_say(s, bytes.bytes, bytes.size);
        break;
    case 1:
        say_raw_frame(s, in);
        break;
    case 2:
        say_request(s, in);
        break;
    case 3:
        say_discovery(s, in);
        break;
    case 4:
        bytes = input_chunk(in);
        say_message(s, 2 * (what >> 4 & 3) + 1, what & 8, bytes);
        break;
    case 5:
        s->room = what & 8 ? ROOM_BYTES : input_byte(in) * 16;
        break;
    case 6:
        open_window(s, in);
        break;
    default:
        act(w, s, in);
        break;
    }
}

/* ---- what must hold ---- */

static void check_heard(struct world *w, size_t client)
{
    struct socket *s = w->clients[client];
    INVARIANT(s->queued_bytes <= QUEUE_MAX_BYTES);
    while (!w->is_one_way[client] && s->heard.size >= FRAME_HEAD) {
        const uint8_t *head = (const uint8_t *)s->heard.data;
        size_t size = (size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2];
        if (memcmp(head, "HTTP/1.1 ", FRAME_HEAD) == 0) {
            w->is_one_way[client] = true;
            break;
        }
        INVARIANT(size <= FRAME_MAX_BYTES && head[3] <= 9);
        if (s->heard.size < FRAME_HEAD + size)
            break;
        buf_consume(&s->heard, FRAME_HEAD + size);
    }
}

static void check_gone(struct world *w)
{
    for (size_t i = 0; i < SUBSCRIBERS; i++)
        INVARIANT(!w->subscribers[i]);
    INVARIANT(w->stats.connections == 0 && xds_stats_streams(&w->stats) == 0);
    INVARIANT(w->stats.status_calls == 0 && w->stats.reflection_calls == 0);
    for (unsigned i = 0; i < MADE_VIEWS; i++)
        INVARIANT(made_view(i)->refs.count == 1);
}

static void open_world(struct world *w, unsigned how)
{
    static const struct log_scope silent = { .level = LOG_LEVEL_ERROR + 1 };
    struct error err;
    *w = (struct world){ .source = { .subscribe = on_subscribe, .unsubscribe = on_unsubscribe } };
    w->source.carry = how & 32 ? on_carry : NULL;
    w->is_late = how & 128;
    sockets_begin(&w->loop);
    const struct xds_server_options options = {
        .address = "127.0.0.1:15010",
        .identity = "fuzz",
        .source = &w->source,
        .log = &silent,
        .stats = &w->stats,
        .limits = XDS_LIMITS_DEFAULT,
        .max_age_ms = how & 2 ? 60000 : 0,
        .max_joining = how & 4 ? 1 : 100,
        .status_access = how & 8    ? XDS_STATUS_ALL
                         : how & 64 ? XDS_STATUS_OFF
                                    : XDS_STATUS_NAMED,
    };
    INVARIANT(xds_server_open(&w->loop, &options, &w->server, &err));
    if (how & 16)
        w->view = made_view(1);
    for (size_t i = 0; i < CLIENTS; i++)
        w->clients[i] = socket_connect(ROOM_BYTES);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes)
{
    struct input in = input_of(bytes, size_bytes);
    struct world w;
    unsigned how = input_byte(&in);
    open_world(&w, how);
    for (size_t i = 0; i < CLIENTS && !(how & 1); i++)
        greet(w.clients[i]);
    for (unsigned i = 0; i < STEPS_MAX && !input_is_over(&in); i++) {
        step(&w, &in);
        sockets_run(1);
        for (size_t client = 0; client < CLIENTS; client++)
            check_heard(&w, client);
    }
    xds_server_close(w.server);
    for (size_t i = 0; i < PAGES; i++)
        status_page_free(w.pages[i]);
    sockets_end(&w.loop);
    check_gone(&w);
    return 0;
}
