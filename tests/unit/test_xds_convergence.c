/*
 * xds_stream on random histories, against a model of a proxy: whatever changes, is refused, comes
 * late or is cut, the proxy ends with the newest view; it never routes to a cluster it does not
 * have; nothing is sent twice without cause; and no cluster warms for ever.
 *
 * Clusters c0… have endpoints of the same name. Table t0… is a listener and a route table of one
 * name, each with a cluster as its target: "t0=17@c2" is version 17, to c2.
 */
#include "xds/stream.h"
#include "xds_views.h"

#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { CLUSTERS = 5, TABLES = 3, MAX_NAMES = 5, STEPS = 250, SEEDS = 400 };

struct habits { /* of one kind of run */
    enum xds_variant variant;
    bool refuses;    /* listeners and routes now and then */
    bool reconnects; /* in the middle of anything, with the versions it has */
};

struct mesh { /* versions; 0: absent */
    unsigned clusters[CLUSTERS], endpoints[CLUSTERS];
    unsigned listeners[TABLES], routes[TABLES];
    unsigned listener_target[TABLES], route_target[TABLES];
};

struct sent { /* by this stream */
    const char *text;
    bool may_repeat;
};

struct run {
    const struct habits *habits;
    unsigned seed, random, next_version;
    struct mesh mesh;
    struct xds_view *view;
    struct arena *a;
    struct xds_stream *stream;
    struct xds_out out;
    size_t received, delivered; /* of out.responses, of requests */
    LIST(struct xds_request) requests;
    struct sent sent[XDS_TYPE_COUNT][MAX_NAMES];
    /* the proxy */
    const char *held[XDS_TYPE_COUNT][MAX_NAMES];
    const char *held_version[XDS_TYPE_COUNT][MAX_NAMES]; /* Delta: what it was told */
    bool asked[XDS_TYPE_COUNT][MAX_NAMES];
    bool warming[CLUSTERS];
    const char *nonce[XDS_TYPE_COUNT], *version[XDS_TYPE_COUNT];
    const char *kept_nonce; /* of clusters that warm: acknowledged when they have their endpoints */
    bool is_calm;           /* refuses nothing more */
};

static unsigned pick(struct run *r, unsigned below)
{
    return (unsigned)rand_r(&r->random) % below;
}

static void broken(const struct run *r, const char *what, const char *about)
{
    print_error("%s, seed %u: %s: %s\n",
        r->habits->variant == XDS_DELTA ? "Delta" : "SotW",
        r->seed,
        what,
        about);
    fail();
}

static size_t count_of(enum xds_type type)
{
    return type == XDS_CLUSTER || type == XDS_ENDPOINT ? CLUSTERS : TABLES;
}

static const char *name_at(struct run *r, enum xds_type type, size_t at)
{
    return arena_printf(r->a, "%c%zu", count_of(type) == CLUSTERS ? 'c' : 't', at);
}

static size_t place_of(const char *name)
{
    return (size_t)(name[1] - '0');
}

/* ---- the mesh ---- */

static void retarget(struct run *r, unsigned *target)
{
    *target = pick(r, CLUSTERS);
    if (r->mesh.clusters[*target])
        return;
    r->mesh.clusters[*target] = ++r->next_version;
    r->mesh.endpoints[*target] = ++r->next_version;
}

static void change_table(struct run *r, unsigned at)
{
    struct mesh *m = &r->mesh;
    if (pick(r, 4) == 0) {
        bool is_there = m->listeners[at];
        m->listeners[at] = m->routes[at] = is_there ? 0 : ++r->next_version;
    } else if (m->listeners[at]) {
        *(pick(r, 2) ? &m->listeners[at] : &m->routes[at]) = ++r->next_version;
    }
    if (!m->listeners[at])
        return;
    retarget(r, &m->listener_target[at]);
    retarget(r, &m->route_target[at]);
    m->listeners[at] = ++r->next_version;
    m->routes[at] = ++r->next_version;
}

/* Those without a table may go. */
static void drop_clusters(struct run *r)
{
    struct mesh *m = &r->mesh;
    for (unsigned c = 0; c < CLUSTERS; c++) {
        bool is_used = false;
        for (unsigned t = 0; t < TABLES; t++)
            is_used |= m->listeners[t] && (m->listener_target[t] == c || m->route_target[t] == c);
        if (!is_used && pick(r, 2))
            m->clusters[c] = m->endpoints[c] = 0;
    }
}

static void change_mesh(struct run *r)
{
    unsigned c = pick(r, CLUSTERS);
    switch (pick(r, 4)) {
    case 0:
        r->mesh.clusters[c] = ++r->next_version;
        r->mesh.endpoints[c] = r->mesh.endpoints[c] ? r->mesh.endpoints[c] : ++r->next_version;
        break;
    case 1:
        r->mesh.endpoints[c] = r->mesh.clusters[c] ? ++r->next_version : 0;
        break;
    default:
        change_table(r, pick(r, TABLES));
    }
    drop_clusters(r);
}

/* Clusters are the base's, but for some now and then. A base knows the one before it, mostly. */
static struct xds_view *make_view(struct run *r, const char *shared, const char *own)
{
    int64_t revision = (int64_t)++r->next_version;
    struct xds_view *base = xds_view_of(revision, NULL, shared);
    struct xds_view *view = xds_view_of(revision, base, own);
    if (r->view && pick(r, 4))
        xds_view_follow(base, r->view->base);
    xds_view_release(base);
    return view;
}

static void publish(struct run *r)
{
    struct buf shared = { 0 }, own = { 0 };
    const struct mesh *m = &r->mesh;
    buf_text(&shared, "");
    buf_text(&own, "");
    for (unsigned c = 0; c < CLUSTERS; c++)
        if (m->clusters[c])
            buf_printf(pick(r, 8) ? &shared : &own,
                "C:c%u=%u E:c%u=%u ",
                c,
                m->clusters[c],
                c,
                m->endpoints[c]);
    for (unsigned t = 0; t < TABLES; t++)
        if (m->listeners[t])
            buf_printf(&own,
                "L:t%u=%u@c%u R:t%u=%u@c%u ",
                t,
                m->listeners[t],
                m->listener_target[t],
                t,
                m->routes[t],
                m->route_target[t]);
    struct xds_view *view = make_view(r, shared.data, own.data);
    xds_view_release(r->view);
    r->view = view;
    buf_fini(&shared);
    buf_fini(&own);
}

static void show(struct run *r)
{
    xds_stream_view(r->stream, r->view, &r->out);
}

/* ---- what the proxy asks ---- */

static struct xds_request request_of(struct run *r, enum xds_type type)
{
    struct xds_request request = { .type = type, .nonce = "", .version_info = "" };
    bool is_named = type == XDS_ENDPOINT || type == XDS_ROUTE;
    if (r->nonce[type])
        request.nonce = r->nonce[type];
    if (r->habits->variant == XDS_DELTA)
        return request;
    request.version_info = r->version[type] ? r->version[type] : "";
    for (size_t at = 0; is_named && at < count_of(type); at++)
        if (r->asked[type][at])
            list_push(r->a, &request.names, name_at(r, type, at));
    return request;
}

static void ask(struct run *r, struct xds_request request)
{
    list_push(r->a, &r->requests, request);
}

/* Endpoints of the clusters, routes of the listeners it has. */
static void follow(struct run *r, enum xds_type from, enum xds_type type)
{
    struct xds_request delta = { .type = type, .nonce = "", .version_info = "" };
    bool has_changed = false;
    for (size_t at = 0; at < count_of(type); at++) {
        bool is_wanted = r->held[from][at] != NULL;
        if (is_wanted == r->asked[type][at])
            continue;
        has_changed = true;
        r->asked[type][at] = is_wanted;
        list_push(r->a, is_wanted ? &delta.names : &delta.unsubscribe, name_at(r, type, at));
        if (!is_wanted)
            r->held[type][at] = NULL;
    }
    if (has_changed)
        ask(r, r->habits->variant == XDS_DELTA ? delta : request_of(r, type));
}

static void acknowledge(struct run *r, enum xds_type type, const char *nonce, bool is_refused)
{
    struct xds_request request = request_of(r, type);
    request.nonce = nonce;
    request.error_detail = is_refused ? "no" : NULL;
    ask(r, request);
}

static void connect(struct run *r)
{
    xds_stream_free(r->stream);
    xds_out_clear(&r->out);
    r->stream = xds_stream_new(r->habits->variant);
    r->received = 0;
    r->delivered = r->requests.count;
    r->kept_nonce = NULL;
    memset(r->nonce, 0, sizeof r->nonce);
    memset(r->sent, 0, sizeof r->sent);
    if (r->view)
        show(r);
    for (enum xds_type type = 0; type < XDS_TYPE_COUNT; type++) {
        struct xds_request request = request_of(r, type);
        bool is_named = type == XDS_ENDPOINT || type == XDS_ROUTE;
        bool is_delta = r->habits->variant == XDS_DELTA, has_names = false;
        for (size_t at = 0; at < count_of(type); at++) {
            has_names |= r->asked[type][at];
            if (is_delta && r->asked[type][at])
                list_push(r->a, &request.names, name_at(r, type, at));
            if (is_delta && r->held[type][at])
                list_push(r->a,
                    &request.initial,
                    ((struct xds_versioned_name){
                        name_at(r, type, at), r->held_version[type][at] }));
        }
        if (!is_named || has_names)
            ask(r, request);
    }
}

/* ---- what the proxy receives ---- */

static void check_no_hole(const struct run *r)
{
    for (size_t at = 0; at < TABLES; at++)
        for (enum xds_type type = XDS_LISTENER; type <= XDS_ROUTE; type++) {
            const char *text = r->held[type][at];
            if (text && !r->held[XDS_CLUSTER][place_of(strchr(text, '@') + 1)])
                broken(r, "no cluster for", text);
        }
}

/* A cluster that is sent, a repeated subscription and a removal are causes to send again. */
static void check_no_repetition(struct run *r, const struct xds_response *response)
{
    bool is_delta = r->habits->variant == XDS_DELTA;
    bool is_whole = response->type == XDS_CLUSTER || response->type == XDS_LISTENER;
    for (size_t i = 0; i < response->resources.count; i++) {
        const struct xds_resource *x = response->resources.items[i];
        const char *text = arena_strndup(r->a, (const char *)x->bytes, x->size_bytes);
        struct sent *s = &r->sent[response->type][place_of(x->name)];
        bool is_same = s->text && strcmp(s->text, text) == 0;
        if (is_same && !s->may_repeat && (is_delta || !is_whole))
            broken(r, "sent again", text);
        *s = (struct sent){ .text = text };
        if (response->type == XDS_CLUSTER && !is_same)
            r->sent[XDS_ENDPOINT][place_of(x->name)].may_repeat = true;
    }
    for (size_t i = 0; i < response->removed.count; i++)
        r->sent[response->type][place_of(response->removed.items[i])] = (struct sent){ 0 };
}

static const char *version_text(struct arena *a, const struct hash128 *version)
{
    char *text = arena_alloc(a, HASH128_TEXT_BYTES, 1);
    hash128_text(version, text);
    return text;
}

/* One resource that the proxy wants; `former` is what it had under that name. */
static void take(struct run *r, const struct xds_response *response, size_t i, const char *former)
{
    enum xds_type type = response->type;
    const struct xds_resource *x = response->resources.items[i];
    size_t at = place_of(x->name);
    const char *text = arena_strndup(r->a, (const char *)x->bytes, x->size_bytes);
    r->held[type][at] = text;
    if (r->habits->variant == XDS_DELTA)
        r->held_version[type][at] = version_text(r->a, &response->versions.items[i]);
    if (type == XDS_CLUSTER && (!former || strcmp(former, text) != 0))
        r->warming[at] = true;
    if (type == XDS_ENDPOINT)
        r->warming[at] = false;
}

static void apply(struct run *r, const struct xds_response *response)
{
    enum xds_type type = response->type;
    bool is_wildcard = type == XDS_CLUSTER || type == XDS_LISTENER;
    const char *former[MAX_NAMES];
    memcpy(former, r->held[type], sizeof former);
    if (r->habits->variant == XDS_SOTW && is_wildcard)
        memset(r->held[type], 0, sizeof r->held[type]);
    for (size_t i = 0; i < response->resources.count; i++) {
        size_t at = place_of(response->resources.items[i]->name);
        if (is_wildcard || r->asked[type][at])
            take(r, response, i, former[at]);
    }
    for (size_t i = 0; i < response->removed.count; i++) {
        size_t at = place_of(response->removed.items[i]);
        r->held[type][at] = NULL;
        r->warming[at] &= type != XDS_ENDPOINT;
    }
    for (size_t at = 0; type == XDS_CLUSTER && at < CLUSTERS; at++)
        r->warming[at] &= r->held[type][at] != NULL;
}

static bool is_warming(const struct run *r)
{
    for (size_t at = 0; at < CLUSTERS; at++)
        if (r->warming[at])
            return true;
    return false;
}

static void end_warming(struct run *r)
{
    if (!r->kept_nonce || is_warming(r))
        return;
    acknowledge(r, XDS_CLUSTER, r->kept_nonce, false);
    r->kept_nonce = NULL;
}

/* Envoy keeps the acknowledgement of clusters back while one of them warms. */
static void answer(struct run *r, enum xds_type type, bool is_refused)
{
    if (type == XDS_CLUSTER && is_warming(r))
        r->kept_nonce = r->nonce[type];
    else
        acknowledge(r, type, r->nonce[type], is_refused);
    if (type == XDS_CLUSTER)
        follow(r, XDS_CLUSTER, XDS_ENDPOINT);
    if (type == XDS_LISTENER)
        follow(r, XDS_LISTENER, XDS_ROUTE);
    end_warming(r);
}

static void receive(struct run *r)
{
    if (r->received == r->out.responses.count)
        return;
    const struct xds_response *response = &r->out.responses.items[r->received++];
    enum xds_type type = response->type;
    bool may_refuse = r->habits->refuses && !r->is_calm && type >= XDS_LISTENER;
    bool is_refused = may_refuse && response->resources.count && pick(r, 6) == 0;
    r->nonce[type] = arena_strdup(r->a, response->nonce);
    if (!is_refused) {
        apply(r, response);
        r->version[type] = arena_strdup(r->a, response->version_info);
    }
    answer(r, type, is_refused);
    if (r->habits->variant == XDS_DELTA || !r->habits->reconnects)
        check_no_hole(r);
}

/* ---- a run ---- */

static void deliver(struct run *r)
{
    if (r->delivered == r->requests.count)
        return;
    const struct xds_request *request = &r->requests.items[r->delivered++];
    size_t before = r->out.responses.count;
    for (size_t i = 0; i < request->names.count; i++)
        r->sent[request->type][place_of(request->names.items[i])].may_repeat |=
            r->habits->variant == XDS_DELTA;
    for (size_t at = 0; r->habits->variant == XDS_SOTW && at < MAX_NAMES; at++) {
        bool is_asked = false;
        for (size_t i = 0; i < request->names.count; i++)
            is_asked |= place_of(request->names.items[i]) == at;
        r->sent[request->type][at].may_repeat |= !is_asked;
    }
    xds_stream_request(r->stream, request, &r->out);
    for (size_t i = before; i < r->out.responses.count; i++)
        check_no_repetition(r, &r->out.responses.items[i]);
}

static void step(struct run *r)
{
    size_t before = r->out.responses.count;
    switch (pick(r, 12)) {
    case 0:
    case 1:
        change_mesh(r);
        publish(r);
        if (pick(r, 8)) /* else it is passed over for the next one, as where a loop is late */
            show(r);
        break;
    case 2:
        if (r->habits->reconnects && pick(r, 8) == 0) {
            connect(r);
            return;
        }
        break;
    case 3:
        if (xds_stream_awaits_names(r->stream) && pick(r, 8) == 0)
            xds_stream_stop_awaiting(r->stream, &r->out);
        break;
    case 4:
    case 5:
    case 6:
    case 7:
        deliver(r);
        return;
    default:
        receive(r);
        return;
    }
    for (size_t i = before; i < r->out.responses.count; i++)
        check_no_repetition(r, &r->out.responses.items[i]);
}

static bool is_quiet(const struct run *r)
{
    return r->delivered == r->requests.count && r->received == r->out.responses.count;
}

/* Until nobody has anything to say, even when the patience of who drives the stream ends. */
static void run_dry(struct run *r)
{
    bool has_waited = false;
    while (!is_quiet(r) || !has_waited) {
        has_waited = is_quiet(r);
        deliver(r);
        receive(r);
        end_warming(r);
        if (has_waited && xds_stream_awaits_names(r->stream))
            xds_stream_stop_awaiting(r->stream, &r->out);
    }
}

static void check_converged(struct run *r)
{
    for (enum xds_type type = 0; type < XDS_TYPE_COUNT; type++) {
        struct xds_type_status status;
        xds_stream_status(r->stream, type, &status);
        if (status.is_subscribed && !status.is_settled)
            broken(r, "is not settled", xds_type_short(type));
        for (size_t at = 0; at < count_of(type); at++) {
            const char *name = name_at(r, type, at), *held = r->held[type][at];
            const struct xds_resource *x = xds_view_find(r->view, type, name);
            if (!held != !x)
                broken(r, x ? "is missing" : "was left", name);
            if (x && (strlen(held) != x->size_bytes || memcmp(held, x->bytes, x->size_bytes) != 0))
                broken(r, "is old", held);
        }
    }
    if (is_warming(r))
        broken(r, "still warms", "a cluster");
}

static void run_seed(const struct habits *habits, unsigned seed)
{
    struct run r = { .habits = habits, .seed = seed, .random = seed, .a = arena_new() };
    xds_out_init(&r.out);
    connect(&r);
    for (int i = 0; i < STEPS; i++)
        step(&r);

    r.is_calm = true;
    run_dry(&r);
    for (unsigned t = 0; t < TABLES; t++)
        change_table(&r, t); /* what was refused gets a new version */
    publish(&r);
    show(&r);
    run_dry(&r);

    check_converged(&r);
    xds_stream_free(r.stream);
    xds_out_fini(&r.out);
    xds_view_release(r.view);
    arena_free(r.a);
}

static void run_all(void **state)
{
    for (unsigned seed = 1; seed <= SEEDS; seed++)
        run_seed(*state, seed);
}

int main(void)
{
    static struct habits delta = { .variant = XDS_DELTA }, sotw = { .variant = XDS_SOTW },
                         stubborn_delta = { .variant = XDS_DELTA, .refuses = true },
                         stubborn_sotw = { .variant = XDS_SOTW, .refuses = true },
                         restless_delta = { .variant = XDS_DELTA, .reconnects = true },
                         restless_sotw = { .variant = XDS_SOTW, .reconnects = true },
                         wild_delta = { .variant = XDS_DELTA, .refuses = true, .reconnects = true };
    const struct CMUnitTest tests[] = {
        { "test_delta_converges_without_holes", run_all, NULL, NULL, &delta },
        { "test_sotw_converges_without_holes", run_all, NULL, NULL, &sotw },
        { "test_delta_converges_in_spite_of_refusals", run_all, NULL, NULL, &stubborn_delta },
        { "test_sotw_converges_in_spite_of_refusals", run_all, NULL, NULL, &stubborn_sotw },
        { "test_delta_converges_over_reconnects", run_all, NULL, NULL, &restless_delta },
        { "test_sotw_converges_over_reconnects", run_all, NULL, NULL, &restless_sotw },
        { "test_delta_converges_over_reconnects_and_refusals", run_all, NULL, NULL, &wild_delta },
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
