/*
 * xds_fixture [MAX_JOINING [named|all|off [CERTIFICATE KEY AUTHORITIES]]]: an xds_server on a free
 * port of 127.0.0.1, in plain text or with TLS, whose one view is told by standard input.
 *
 *   set TYPE NAME TEXT      a small valid resource (CDS, EDS, LDS, RDS, VHDS) that carries TEXT
 *   raw TYPE NAME BASE64    a resource of these bytes
 *   bulk TYPE COUNT TEXT    set n0 … of them
 *   del TYPE NAME
 *   publish                 what was set and deleted so far becomes the view
 *   serving yes|no          what the health service answers
 *   report                  one line of JSON
 *   stats                   the counters, as key=value
 *   drain SPREAD_MS GRACE_MS
 *
 * Says "port N" first, then one line for each command ("done" if it has nothing to tell), and
 * "drained" when a drain is over, which ends the program; so does the end of the input. A node of
 * the id "refused" is refused.
 */
#include "proto/pb.h"
#include "xds/server.h"

#include <openssl/evp.h>
#include <signal.h>
#include <string.h>

struct fixture {
    uv_loop_t loop;
    uv_pipe_t input;
    struct buf line;
    struct xds_source source;
    struct xds_stats stats;
    struct xds_server *server;
    struct arena *a; /* lives as long as the program */
    LIST(struct xds_resource *) set;
    LIST(struct xds_subscriber *) subscribers; /* NULL: gone */
    struct xds_view *view;
    int64_t revision;
};

/* ---- resources ---- */

static bool type_of(const char *name, enum xds_type *type)
{
    for (enum xds_type t = 0; t < XDS_TYPE_COUNT; t++)
        if (strcmp(name, xds_type_short(t)) == 0) {
            *type = t;
            return true;
        }
    return false;
}

static const char *any[] = { "*" };
static const string_list any_domain = { any, 1 };

/* Its domain is the text. */
static pb_VirtualHost *host_of(struct arena *a, const char *name, const char *text)
{
    string_list domains = { 0 };
    list_push(a, &domains, text);
    return pb_new_VirtualHost(
        a, .name = pb_str(name), .n_domains = 1, .domains = pb_strs(&domains));
}

static const ProtobufCMessage *message_of(
    struct arena *a, enum xds_type type, const char *name, const char *text)
{
    switch (type) {
    case XDS_CLUSTER:
        return &pb_new_Cluster(a,
            .name = pb_str(name),
            .alt_stat_name = pb_str(text),
            .connect_timeout = pb_millis(a, 1000))
                    ->base;
    case XDS_ENDPOINT:
        return &pb_new_ClusterLoadAssignment(a,
            .cluster_name = pb_str(name),
            PB_ONE(a,
                endpoints,
                LocalityLbEndpoints,
                pb_new_LocalityLbEndpoints(
                    a, .locality = pb_new_Locality(a, .region = pb_str(text)))))
                    ->base;
    case XDS_LISTENER:
        return &pb_new_Listener(a,
            .name = pb_str(name),
            PB_ONE(a, filter_chains, FilterChain, pb_new_FilterChain(a, .name = pb_str(text))))
                    ->base;
    case XDS_VIRTUAL_HOST:
        return &host_of(a, name, text)->base;
    default:
        return &pb_new_RouteConfiguration(a,
            .name = pb_str(name),
            PB_ONE(a,
                virtual_hosts,
                VirtualHost,
                pb_new_VirtualHost(
                    a, .name = pb_str(text), .n_domains = 1, .domains = pb_strs(&any_domain))))
                    ->base;
    }
}

static void drop(struct fixture *f, enum xds_type type, const char *name)
{
    for (size_t i = 0; i < f->set.count; i++) {
        struct xds_resource *r = f->set.items[i];
        if (!r || r->type != type || strcmp(r->name, name) != 0)
            continue;
        xds_resource_release(r);
        f->set.items[i] = NULL;
    }
}

static void set_text(struct fixture *f, enum xds_type type, const char *name, const char *text)
{
    struct arena *a = arena_new();
    struct pb_bytes bytes = pb_pack(a, message_of(a, type, name, text));
    list_push(f->a, &f->set, xds_resource_new(type, name, bytes.data, bytes.size));
    arena_free(a);
}

static bool set_raw(struct fixture *f, enum xds_type type, const char *name, const char *base64)
{
    struct arena *a = arena_new();
    size_t size = strlen(base64), padding = size - strcspn(base64, "=");
    uint8_t *bytes = arena_alloc(a, size + 1, 1);
    int decoded = EVP_DecodeBlock(bytes, (const uint8_t *)base64, (int)size);
    bool is_good = decoded >= (int)padding;
    if (is_good)
        list_push(f->a, &f->set, xds_resource_new(type, name, bytes, (size_t)decoded - padding));
    arena_free(a);
    return is_good;
}

/* ---- the source ---- */

static bool on_subscribe(struct xds_source *source, const struct xds_node *node,
    struct xds_subscriber *s, struct error *err)
{
    struct fixture *f = container_of(source, struct fixture, source);
    if (strcmp(node->id, "refused") == 0)
        return error_set(err, ERROR_USAGE, "node \"%s\" is not welcome", node->id);
    list_push(f->a, &f->subscribers, s);
    if (f->view)
        s->on_view(s, f->view);
    return true;
}

static void on_unsubscribe(struct xds_source *source, struct xds_subscriber *s)
{
    struct fixture *f = container_of(source, struct fixture, source);
    for (size_t i = 0; i < f->subscribers.count; i++)
        if (f->subscribers.items[i] == s)
            f->subscribers.items[i] = NULL;
}

static void publish(struct fixture *f)
{
    struct arena *a = arena_new();
    LIST(struct xds_resource *) found[XDS_TYPE_COUNT] = { 0 };
    struct xds_resource **lists[XDS_TYPE_COUNT];
    size_t counts[XDS_TYPE_COUNT];
    for (size_t i = 0; i < f->set.count; i++)
        if (f->set.items[i])
            list_push(a, &found[f->set.items[i]->type], xds_resource_retain(f->set.items[i]));
    for (enum xds_type type = 0; type < XDS_TYPE_COUNT; type++) {
        lists[type] = found[type].items;
        counts[type] = found[type].count;
    }
    xds_view_release(f->view);
    f->view = xds_view_new(++f->revision, NULL, lists, counts);
    arena_free(a);
    for (size_t i = 0; i < f->subscribers.count; i++)
        if (f->subscribers.items[i])
            f->subscribers.items[i]->on_view(f->subscribers.items[i], f->view);
}

/* ---- commands ---- */

static bool run_set(struct fixture *f, char *const *words)
{
    enum xds_type type;
    if (!type_of(words[1], &type))
        return false;
    drop(f, type, words[2]);
    if (strcmp(words[0], "raw") == 0)
        return set_raw(f, type, words[2], words[3]);
    if (strcmp(words[0], "set") == 0)
        set_text(f, type, words[2], words[3]);
    return true;
}

static bool run_bulk(struct fixture *f, char *const *words)
{
    enum xds_type type;
    long count = strtol(words[2], NULL, 10);
    if (!type_of(words[1], &type))
        return false;
    for (long i = 0; i < count; i++) {
        char name[96];
        snprintf(name, sizeof name, "outbound|80|v1|service-%06ld.default.svc.cluster.local", i);
        set_text(f, type, name, words[3]);
    }
    return true;
}

static bool run_publish(struct fixture *f, char *const *words)
{
    (void)words;
    publish(f);
    return true;
}

static bool run_serving(struct fixture *f, char *const *words)
{
    xds_server_set_serving(f->server, strcmp(words[1], "yes") == 0);
    return true;
}

static void on_drained(struct xds_source *source)
{
    struct fixture *f = container_of(source, struct fixture, source);
    puts("drained");
    xds_server_close(f->server);
    f->server = NULL;
    if (!uv_is_closing((uv_handle_t *)&f->input))
        uv_close((uv_handle_t *)&f->input, NULL);
}

static bool run_drain(struct fixture *f, char *const *words)
{
    xds_server_drain(
        f->server, strtoul(words[1], NULL, 10), strtoul(words[2], NULL, 10), on_drained);
    return true;
}

static bool run_report(struct fixture *f, char *const *words)
{
    struct buf text = { 0 };
    (void)words;
    xds_server_report(f->server, &text);
    puts(text.data);
    buf_fini(&text);
    return true;
}

static bool run_stats(struct fixture *f, char *const *words)
{
    const struct xds_stats *s = &f->stats;
    (void)words;
    printf(
        "connections=%ld streams=%ld requests=%ld responses=%ld resources=%ld acks=%ld nacks=%ld "
        "protocol_errors=%ld joining=%ld waiting=%ld overdue=%ld old_proxies=%ld\n",
        (long)s->connections,
        (long)(s->streams_sotw + s->streams_delta),
        (long)s->requests,
        (long)s->responses,
        (long)s->resources_sent,
        (long)s->acks,
        (long)s->nacks,
        (long)s->protocol_errors,
        (long)s->admission.joining,
        (long)s->admission.waiting,
        (long)s->admission.overdue,
        (long)s->old_proxies);
    return true;
}

enum { MAX_WORDS = 4 };
static const struct {
    const char *name;
    size_t words;
    bool has_answer; /* of its own */
    bool (*run)(struct fixture *f, char *const *words);
} commands[] = {
    { "set", 4, false, run_set },
    { "raw", 4, false, run_set },
    { "del", 3, false, run_set },
    { "bulk", 4, false, run_bulk },
    { "publish", 1, false, run_publish },
    { "serving", 2, false, run_serving },
    { "report", 1, true, run_report },
    { "stats", 1, true, run_stats },
    { "drain", 3, false, run_drain },
};

static void on_line(struct fixture *f, char *line)
{
    char *words[MAX_WORDS] = { 0 }, *rest = NULL;
    size_t count = 0;
    for (char *word = strtok_r(line, " ", &rest); word && count < MAX_WORDS;
         word = strtok_r(NULL, " ", &rest))
        words[count++] = word;
    for (size_t i = 0; i < ARRAY_COUNT(commands); i++) {
        if (!count || strcmp(words[0], commands[i].name) != 0 || count != commands[i].words)
            continue;
        if (!commands[i].run(f, words))
            puts("error");
        else if (!commands[i].has_answer)
            puts("done");
        return;
    }
    puts("error: no such command");
}

/* ---- input ---- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    (void)handle;
    *buf = uv_buf_init(xcalloc(1, suggested), (unsigned)suggested);
}

static void on_input(uv_stream_t *stream, ssize_t size, const uv_buf_t *buf)
{
    struct fixture *f = container_of(stream, struct fixture, input);
    if (size > 0)
        buf_append(&f->line, buf->base, (size_t)size);
    free(buf->base);
    for (char *end;
         f->server && f->line.size && (end = memchr(f->line.data, '\n', f->line.size));) {
        *end = '\0';
        on_line(f, f->line.data);
        buf_consume(&f->line, (size_t)(end + 1 - f->line.data));
    }
    if (size >= 0 || uv_is_closing((uv_handle_t *)stream))
        return;
    uv_close((uv_handle_t *)stream, NULL);
    if (f->server)
        xds_server_close(f->server);
    f->server = NULL;
}

static void close_all(struct fixture *f)
{
    for (size_t i = 0; i < f->set.count; i++)
        xds_resource_release(f->set.items[i]);
    xds_view_release(f->view);
    buf_fini(&f->line);
    arena_free(f->a);
    INVARIANT(uv_loop_close(&f->loop) == 0);
}

/* ---- the server ---- */

static struct tls_file read_file(const char *path)
{
    struct buf text = { 0 };
    char piece[4096];
    size_t size;
    FILE *file = fopen(path, "re");
    INVARIANT(file);
    while ((size = fread(piece, 1, sizeof piece, file)) > 0)
        buf_append(&text, piece, size);
    fclose(file);
    return (struct tls_file){ path, text.data, text.size };
}

static struct tls_context *read_context(char **paths)
{
    struct error err;
    struct tls_context *context;
    const struct tls_files files = {
        .certificate = read_file(paths[0]),
        .key = read_file(paths[1]),
        .authorities = read_file(paths[2]),
    };
    if (!tls_context_new(&files, &context, &err))
        fprintf(stderr, "xds_fixture: %s\n", err.text), exit(1);
    free((void *)(uintptr_t)files.certificate.text);
    free((void *)(uintptr_t)files.key.text);
    free((void *)(uintptr_t)files.authorities.text);
    return context;
}

static enum xds_status_access read_access(const char *word)
{
    return strcmp(word, "all") == 0     ? XDS_STATUS_ALL
           : strcmp(word, "named") == 0 ? XDS_STATUS_NAMED
                                        : XDS_STATUS_OFF;
}

int main(int argc, char **argv)
{
    struct tls_context *context = argc > 5 ? read_context(argv + 3) : NULL;
    struct fixture f = { .source = { on_subscribe, on_unsubscribe }, .a = arena_new() };
    struct log_scope log = { .level = LOG_LEVEL_INFO };
    const struct xds_server_options options = {
        .address = "127.0.0.1:0",
        .tls_address = context ? "127.0.0.1:0" : NULL,
        .tls_context = context,
        .identity = "fixture",
        .source = &f.source,
        .log = &log,
        .stats = &f.stats,
        .limits = XDS_LIMITS_DEFAULT,
        .max_joining = argc > 1 ? strtoul(argv[1], NULL, 10) : 0,
        .status_access = read_access(argc > 2 ? argv[2] : "named"),
    };
    struct error err;
    signal(SIGPIPE, SIG_IGN);
    setvbuf(stdout, NULL, _IOLBF, 0);
    uv_loop_init(&f.loop);
    uv_pipe_init(&f.loop, &f.input, 0);
    if (uv_pipe_open(&f.input, 0) != 0 || !xds_server_open(&f.loop, &options, &f.server, &err)) {
        fputs("xds_fixture: needs a pipe as its input and a free port\n", stderr);
        return 1;
    }
    printf("port %d\n", context ? xds_server_tls_port(f.server) : xds_server_port(f.server));
    uv_read_start((uv_stream_t *)&f.input, on_alloc, on_input);
    uv_run(&f.loop, UV_RUN_DEFAULT);
    close_all(&f);
    tls_context_release(context);
    return 0;
}
