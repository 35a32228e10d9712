/*
 * The admin port: bytes of HTTP clients, several at a time, to the real server and pages, of a
 * replica whose keyspace holds odd things. Every answer is HTTP, and every page that should be JSON
 * is.
 */
#include "support/fuzzer.h"
#include "support/http.h"
#include "support/proxies.h"
#include "support/sockets.h"

#include "base/json.h"
#include "daemon/admin.h"
#include "daemon/report.h"
#include "mesh/level.h"

#include <string.h>

enum { CLIENTS = 3, STEPS_MAX = 100, ROOM_BYTES = 1 << 20 };

struct world {
    struct control control;
    struct socket *clients[CLIENTS];
};

static const char *const paths[] = { "/",
    "/ready",
    "/serving",
    "/healthz",
    "/metrics",
    "/debug/status",
    "/debug/versions",
    "/debug/proxies",
    "/debug/snapshot",
    "/debug/status?x=1&y",
    "/ui/proxies?search=a&sort=state",
    "/ui/routes",
    "/debug/services?limit=1",
    "/debug/routes?from=1",
    "/ui/page.js",
    "/debug/events" };

/* ---- a replica ---- */

static void apply(struct control *c, const char *key, struct chunk value)
{
    struct arena *a = arena_new();
    struct store_change change = { .entry = { .key = key, .size = value.size } };
    change.entry.value = arena_strndup(a, (const char *)value.bytes, value.size);
    change.entry.create_revision = change.entry.mod_revision = ++c->revision;
    keyspace_apply(&c->keyspace, &change);
    arena_free(a);
}

static void apply_text(struct control *c, const char *key, const char *value)
{
    apply(c, key, (struct chunk){ (const uint8_t *)value, strlen(value) });
}

#define ENTRY(name)                                                                                \
    "{\"apiVersion\":\"networking.istio.io/v1\",\"kind\":\"ServiceEntry\",\"metadata\":{"          \
    "\"name\":\"" name                                                                             \
    "\"},\"spec\":{\"hosts\":[\"a.x\"],\"ports\":[{\"number\":80,\"name\":\"h\"}]}}"

/* Two owners of a host, which is a finding; an instance that is held; and a value of the input's
 * own. */
static void fill(struct control *c, struct input *in, struct arena *a)
{
    static const char hold[] = "{\"of\":1,\"created\":1,\"since\":2,\"why\":\"expired\","
                               "\"value\":{\"address\":\"10.0.0.7\",\"ports\":{\"h\":80}}}";
    const struct expiry_settings expiry = { 50, 1000 };
    const char *key = input_text(in, a);
    keyspace_init(&c->keyspace, &expiry, &c->stats.keyspace, &c->log);
    keyspace_begin(&c->keyspace, 0);
    apply_text(c, "config/serviceentries/default/a", ENTRY("a"));
    apply_text(c, "config/serviceentries/default/b", ENTRY("b"));
    apply_text(c, "holds/registry/default/web/1", hold);
    apply(c, key, input_chunk(in));
    keyspace_end(&c->keyspace);
}

static void hear_peer(struct control *c, struct input *in, struct arena *a)
{
    struct replica_record record = {
        .id = input_text(in, a),
        .instance = "i",
        .version = input_text(in, a),
        .xds = "",
        .admin = "",
        .state = "serving",
        .level = 1,
    };
    static char fault[] = "a.yaml:1:1: is wrong";
    peers_init(&c->peers, &c->log);
    map_put(&c->faults, record.id, fault);
    snprintf(c->epoch.text, sizeof c->epoch.text, "%.*s", EPOCH_TEXT_MAX, record.version);
    peers_heard(&c->peers, &record, 0);
}

static void publish(struct control *c)
{
    size_t count;
    struct object **objects = keyspace_objects(&c->keyspace, &count);
    struct snapshot *snapshot = snapshot_build(objects, count, c->revision, level_newest);
    c->published = publication_new(snapshot, (struct hash128){ 0 }, 0);
    c->published->reference = xds_view_retain(made_view(1));
    snapshot_release(snapshot);
    for (size_t i = 0; i < count; i++)
        object_release(objects[i]);
    free(objects);
}

static void open_world(struct world *w, struct input *in, struct arena *a, bool is_published)
{
    static struct store_listener listener;
    static const struct options options = { .id = "r", .admin = "127.0.0.1:15014" };
    struct control *c = &w->control;
    struct error err;
    c->options = &options;
    c->log.level = LOG_LEVEL_ERROR + 1;
    c->store_url = "etcd://m0";
    c->xds_address = c->admin_address = "127.0.0.1:1";
    sockets_begin(&c->loop);
    made_http_begin();
    const struct store_options store = { .url = c->store_url, .log = &c->log, .is_oneshot = true };
    INVARIANT(store_open(&c->loop, &store, &listener, &c->store, &err));
    fill(c, in, a);
    hear_peer(c, in, a);
    if (is_published)
        publish(c);
    roll_call_open(&c->pulse, &c->loop, SERVING_PULSE, NULL, 0);
    roll_call_open(&c->census, &c->loop, SERVING_REPORT, NULL, 0);
    INVARIANT(admin_open(c, &c->admin, &err));
    for (size_t i = 0; i < CLIENTS; i++)
        w->clients[i] = socket_connect(ROOM_BYTES);
}

static void close_world(struct control *c)
{
    roll_call_close(&c->pulse);
    roll_call_close(&c->census);
    admin_close(c->admin);
    store_close(c->store);
    sockets_end(&c->loop);
    roll_call_fini(&c->pulse);
    roll_call_fini(&c->census);
    publication_release(c->published);
    keyspace_fini(&c->keyspace);
    peers_fini(&c->peers);
    map_fini(&c->faults, NULL);
}

/* ---- clients ---- */

static void say_request(struct socket *s, struct input *in)
{
    unsigned what = input_byte(in);
    struct buf text = { 0 };
    buf_printf(&text,
        "%s %s HTTP/1.%u\r\nHost: x\r\n%s\r\n",
        what & 0x10 ? "HEAD" : "GET",
        paths[(what & 0xf) % ARRAY_COUNT(paths)],
        what & 0x20 ? 0u : 1u,
        what & 0x40 ? "Connection: close\r\n" : "");
    socket_say(s, text.data, text.size);
    buf_fini(&text);
}

static void step(struct world *w, struct input *in)
{
    unsigned what = input_byte(in);
    struct socket *s = w->clients[(what >> 4) % CLIENTS];
    struct chunk bytes;
    switch (what & 7) {
    case 0:
    case 1:
        bytes = input_chunk(in);
        socket_say(s, bytes.bytes, bytes.size);
        break;
    case 2:
        say_request(s, in);
        break;
    case 3:
        s->ending = what & 8 ? UV_EOF : UV_ECONNRESET;
        break;
    case 4:
        s->room = what & 8 ? ROOM_BYTES : input_byte(in);
        break;
    case 5:
        w->control.is_draining = what & 8;
        w->control.is_recalled = what & 0x10;
        break;
    default:
        sockets_run(input_byte(in) * 200);
        break;
    }
}

static void check_heard(const struct socket *s)
{
    static const char begin[] = "HTTP/1.1 ";
    size_t size = s->heard.size < sizeof begin - 1 ? s->heard.size : sizeof begin - 1;
    INVARIANT(size == 0 || memcmp(s->heard.data, begin, size) == 0);
}

static void check_json(struct control *c, void (*report)(const struct control *, struct buf *))
{
    struct arena *a = arena_new();
    struct diags d;
    struct buf text = { 0 };
    diags_init(&d, a);
    report(c, &text);
    cJSON *json = json_parse(text.data, text.size, SIZE_MAX, &d);
    INVARIANT(json);
    cJSON_Delete(json);
    buf_fini(&text);
    arena_free(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes)
{
    struct input in = input_of(bytes, size_bytes);
    struct arena *a = arena_new();
    struct world *w = xcalloc(1, sizeof *w);
    open_world(w, &in, a, input_byte(&in) & 1);
    for (unsigned i = 0; i < STEPS_MAX && !input_is_over(&in); i++) {
        step(w, &in);
        sockets_run(1);
        for (size_t client = 0; client < CLIENTS; client++)
            check_heard(w->clients[client]);
    }
    check_json(&w->control, report_status);
    check_json(&w->control, report_versions);
    check_json(&w->control, report_snapshot);
    close_world(&w->control);
    free(w);
    arena_free(a);
    return 0;
}
