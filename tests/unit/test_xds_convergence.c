/*
 * xds_stream on random histories, against a model of a proxy: whatever changes, is refused, comes
 * late or is cut, the proxy ends with the newest view; it never routes to a cluster it does not
 * have; nothing is sent twice without cause; and no cluster warms for ever.
 *
 * Clusters c0… have endpoints of the same name. Table t0… is a listener and a route table of one
 * name, each with a cluster as its target: "t0=17@c2" is version 17, to c2. Where tables are split,
 * they have hosts "t0/0"…, each with a target, too.
 */
#include "xds/stream.h"
#include "xds_views.h"

#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { CLUSTERS = 5, TABLES = 3, HOSTS = 3, STEPS = 250, SEEDS = 400 };
enum { MAX_NAMES = TABLES * HOSTS };

struct habits { /* of one kind of run */
    enum xds_variant variant;
    bool refuses;    /* listeners and routes now and then */
    bool reconnects; /* in the middle of anything, with the versions it has */
    bool splits;     /* tables have virtual hosts */
};

struct mesh { /* versions; 0: absent */
    unsigned clusters[CLUSTERS], endpoints[CLUSTERS];
    unsigned listeners[TABLES], routes[TABLES];
    unsigned listener_target[TABLES], route_target[TABLES];
    unsigned hosts[TABLES][HOSTS], host_target[TABLES][HOSTS];
};

struct sent { /* by this stream */
    const char *text;
    bool may_repeat;
};

struct run {
    const struct habits *habits;
    unsigned seed, random, next_version;
    struct mesh mesh;
    struct xds_view *view, *shown; /* the newest; the newest that the stream has */
    struct arena *a;
    struct xds_stream *stream;
    struct xds_out out;
    size_t received, delivered; /* of out.responses, of requests */
    LIST(size_t) hosts_wanted;  /* of out.responses: hosts of its table, when it was sent */
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
    bool asks_hosts;        /* since its first table */
    bool in_force[TABLES];  /* something was said of its hosts */
    const char *told[MAX_NAMES]; /* versions of hosts that it was sent, and may have thrown away */
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
    if (type == XDS_VIRTUAL_HOST)
        return TABLES * HOSTS;
    return type == XDS_CLUSTER || type == XDS_ENDPOINT ? CLUSTERS : TABLES;
}

static const char *name_at(struct run *r, enum xds_type type, size_t at)
{
    if (type == XDS_VIRTUAL_HOST)
        return arena_printf(r->a, "t%zu/%zu", at / HOSTS, at % HOSTS);
    return arena_printf(r->a, "%c%zu", count_of(type) == CLUSTERS ? 'c' : 't', at);
}

static size_t table_of(const char *name)
{
    return (size_t)(name[1] - '0');
}

static size_t place_of(const char *name)
{
    return name[2] == '/' ? table_of(name) * HOSTS + (size_t)(name[3] - '0') : table_of(name);
}

static bool is_nobody(const char *name)
{
    return strcmp(name + 2, "/none") == 0;
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
        memset(m->hosts[at], 0, sizeof m->hosts[at]);
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

static void change_host(struct run *r, unsigned at)
{
    unsigned host = pick(r, HOSTS);
    if (!r->habits->splits)
        return;
    r->mesh.hosts[at][host] = pick(r, 3) ? ++r->next_version : 0;
    if (r->mesh.listeners[at] && r->mesh.hosts[at][host])
        retarget(r, &r->mesh.host_target[at][host]);
    else
        r->mesh.hosts[at][host] = 0;
}

static bool is_used(const struct mesh *m, unsigned c)
{
    bool is_used = false;
    for (unsigned t = 0; t < TABLES; t++) {
        is_used |= m->listeners[t] && (m->listener_target[t] == c || m->route_target[t] == c);
        for (unsigned h = 0; h < HOSTS; h++)
            is_used |= m->listeners[t] && m->hosts[t][h] && m->host_target[t][h] == c;
    }
    return is_used;
}

/* Those without a table may go. */
static void drop_clusters(struct run *r)
{
    struct mesh *m = &r->mesh;
    for (unsigned c = 0; c < CLUSTERS; c++)
        if (!is_used(m, c) && pick(r, 2))
            m->clusters[c] = m->endpoints[c] = 0;
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
    case 2:
        if (r->habits->splits) {
            change_host(r, pick(r, TABLES));
            break;
        }
        /* fall through */
    default:
        change_table(r, pick(r, TABLES));
    }
    drop_clusters(r);
}

/* Clusters and hosts are the base's, but for some now and then. A base knows the one before it,
 * mostly. */
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
    for (unsigned t = 0; t < TABLES; t++) {
        if (m->listeners[t])
            buf_printf(&own,
                "L:t%u=%u@c%u R:t%u=%u@c%u ",
                t,
                m->listeners[t],
                m->listener_target[t],
                t,
                m->routes[t],
                m->route_target[t]);
        for (unsigned h = 0; h < HOSTS; h++)
            if (m->listeners[t] && m->hosts[t][h])
                buf_printf(pick(r, 8) ? &shared : &own,
                    "V:t%u/%u=%u@c%u ",
                    t,
                    h,
                    m->hosts[t][h],
                    m->host_target[t][h]);
    }
    struct xds_view *view = make_view(r, shared.data, own.data);
    xds_view_release(r->view);
    r->view = view;
    buf_fini(&shared);
    buf_fini(&own);
}

static void show(struct run *r)
{
    xds_view_release(r->shown);
    r->shown = xds_view_retain(r->view);
    xds_stream_view(r->stream, r->view, &r->out);
}

/* The one before it, perhaps, comes first, and is not to be sent. */
static void show_or_preview(struct run *r)
{
    if (pick(r, 2) == 0) {
        show(r);
        return;
    }
    if (!r->shown)
        r->shown = xds_view_retain(r->view);
    xds_stream_preview(r->stream, r->shown);
    if (pick(r, 3) == 0) {
        xds_view_release(r->shown);
        r->shown = xds_view_retain(r->view);
        xds_stream_preview(r->stream, r->shown);
    }
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

/* With a table, its hosts go; that they were told is remembered. */
static void drop_table(struct run *r, size_t at)
{
    r->in_force[at] = false;
    memset(&r->held[XDS_VIRTUAL_HOST][at * HOSTS], 0, HOSTS * sizeof(const char *));
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
        if (!is_wanted && type == XDS_ROUTE)
            drop_table(r, at);
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

/* The version that it tells, or NULL. */
static const char *version_at(const struct run *r, enum xds_type type, size_t at)
{
    if (type == XDS_VIRTUAL_HOST)
        return r->told[at];
    return r->held[type][at] ? r->held_version[type][at] : NULL;
}

/* On a new stream: for what it asked for before, with the versions it has. */
static void ask_again(struct run *r, enum xds_type type)
{
    struct xds_request request = request_of(r, type);
    bool is_named = type == XDS_ENDPOINT || type == XDS_ROUTE;
    bool is_delta = r->habits->variant == XDS_DELTA, has_names = false;
    for (size_t at = 0; at < count_of(type); at++) {
        const char *name = name_at(r, type, at), *version = version_at(r, type, at);
        has_names |= r->asked[type][at];
        if (is_delta && r->asked[type][at])
            list_push(r->a, &request.names, name);
        if (is_delta && version)
            list_push(r->a, &request.initial, ((struct xds_versioned_name){ name, version }));
    }
    if (type == XDS_VIRTUAL_HOST ? r->asks_hosts : !is_named || has_names)
        ask(r, request);
}

static void connect(struct run *r)
{
    xds_stream_free(r->stream);
    xds_out_clear(&r->out);
    r->stream = xds_stream_new(r->habits->variant);
    r->received = r->hosts_wanted.count = 0;
    r->delivered = r->requests.count;
    r->kept_nonce = NULL;
    memset(r->nonce, 0, sizeof r->nonce);
    memset(r->sent, 0, sizeof r->sent);
    if (r->view)
        show_or_preview(r);
    for (enum xds_type type = 0; type < XDS_TYPE_COUNT; type++)
        ask_again(r, type);
}

/* ---- what the proxy receives ---- */

static void check_no_hole(const struct run *r)
{
    for (enum xds_type type = XDS_LISTENER; type <= XDS_VIRTUAL_HOST; type++)
        for (size_t at = 0; at < count_of(type); at++) {
            const char *text = r->held[type][at];
            if (text && !r->held[XDS_CLUSTER][place_of(strchr(text, '@') + 1)])
                broken(r, "no cluster for", text);
        }
}

/* Endpoints of a cluster, and hosts of a table, go again after it. */
static void allow_dependents(struct run *r, enum xds_type type, size_t at)
{
    if (type == XDS_CLUSTER)
        r->sent[XDS_ENDPOINT][at].may_repeat = true;
    for (size_t h = 0; type == XDS_ROUTE && h < HOSTS; h++)
        r->sent[XDS_VIRTUAL_HOST][at * HOSTS + h].may_repeat = true;
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
        if (!is_same)
            allow_dependents(r, response->type, place_of(x->name));
    }
    for (size_t i = 0; i < response->removed.count; i++)
        if (!is_nobody(response->removed.items[i]))
            r->sent[response->type][place_of(response->removed.items[i])] = (struct sent){ 0 };
}

/* Each response of hosts is about one table; how many that has is kept, for who takes it. */
static void check_table(struct run *r, const struct xds_response *response)
{
    const char *table = NULL;
    size_t wanted = 0;
    struct xds_cursor cursor = { 0 };
    for (size_t i = 0; i < response->resources.count + response->removed.count; i++) {
        const char *name = i < response->resources.count
                               ? response->resources.items[i]->name
                               : response->removed.items[i - response->resources.count];
        if (response->type == XDS_VIRTUAL_HOST && table && memcmp(table, name, 2) != 0)
            broken(r, "hosts of two tables", name);
        table = name;
    }
    for (struct xds_resource *x; (x = xds_view_next(r->shown, XDS_VIRTUAL_HOST, &cursor));)
        wanted += table && memcmp(table, x->name, 2) == 0;
    list_push(r->a, &r->hosts_wanted, wanted);
}

static void check_sent(struct run *r)
{
    while (r->hosts_wanted.count < r->out.responses.count) {
        const struct xds_response *response = &r->out.responses.items[r->hosts_wanted.count];
        check_no_repetition(r, response);
        check_table(r, response);
    }
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

/* Hosts of tables that it does not have it acknowledges, and throws away. The first response about
 * a table puts that into force. */
static void apply_hosts(struct run *r, const struct xds_response *response)
{
    size_t wanted = r->hosts_wanted.items[r->received - 1];
    for (size_t i = 0; i < response->resources.count; i++) {
        const struct xds_resource *x = response->resources.items[i];
        size_t at = place_of(x->name), table = at / HOSTS;
        r->told[at] = version_text(r->a, &response->versions.items[i]);
        if (!r->held[XDS_ROUTE][table])
            continue;
        if (!r->in_force[table] && response->resources.count < wanted)
            broken(r, "begins without all of its hosts", x->name);
        r->held[XDS_VIRTUAL_HOST][at] = arena_strndup(r->a, (const char *)x->bytes, x->size_bytes);
    }
    for (size_t i = 0; i < response->resources.count; i++) {
        size_t table = table_of(response->resources.items[i]->name);
        r->in_force[table] |= r->held[XDS_ROUTE][table] != NULL;
    }
    for (size_t i = 0; i < response->removed.count; i++) {
        const char *name = response->removed.items[i];
        r->in_force[table_of(name)] |= r->held[XDS_ROUTE][table_of(name)] != NULL;
        if (is_nobody(name))
            continue;
        r->told[place_of(name)] = r->held[XDS_VIRTUAL_HOST][place_of(name)] = NULL;
    }
}

/* That puts a table into force, too. All of it comes again. */
static void refuse_hosts(struct run *r, const struct xds_response *response)
{
    for (size_t i = 0; i < response->resources.count; i++) {
        size_t at = place_of(response->resources.items[i]->name);
        r->in_force[at / HOSTS] |= r->held[XDS_ROUTE][at / HOSTS] != NULL;
        r->sent[XDS_VIRTUAL_HOST][at].may_repeat = true;
    }
}

/* A table goes with the last listener that asks for it, not by a removal. */
static void apply_removals(struct run *r, const struct xds_response *response)
{
    enum xds_type type = response->type;
    if (type == XDS_ROUTE && r->habits->splits)
        return;
    for (size_t i = 0; i < response->removed.count; i++) {
        size_t at = place_of(response->removed.items[i]);
        r->held[type][at] = NULL;
        r->warming[at] &= type != XDS_ENDPOINT;
    }
}

static void apply(struct run *r, const struct xds_response *response)
{
    enum xds_type type = response->type;
    bool is_wildcard = type == XDS_CLUSTER || type == XDS_LISTENER;
    const char *former[MAX_NAMES];
    if (type == XDS_VIRTUAL_HOST) {
        apply_hosts(r, response);
        return;
    }
    memcpy(former, r->held[type], sizeof former);
    if (r->habits->variant == XDS_SOTW && is_wildcard)
        memset(r->held[type], 0, sizeof r->held[type]);
    for (size_t i = 0; i < response->resources.count; i++) {
        size_t at = place_of(response->resources.items[i]->name);
        if (is_wildcard || r->asked[type][at])
            take(r, response, i, former[at]);
    }
    apply_removals(r, response);
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
    if (type == XDS_ROUTE && r->habits->splits && !is_refused && !r->asks_hosts) {
        r->asks_hosts = true;
        ask(r, request_of(r, XDS_VIRTUAL_HOST));
    }
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
    if (is_refused && type == XDS_VIRTUAL_HOST) {
        refuse_hosts(r, response);
    } else if (!is_refused) {
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
    check_sent(r);
}

static void step(struct run *r)
{
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
    check_sent(r);
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
        check_sent(r);
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

/* What was refused gets a new version. */
static void renew(struct run *r)
{
    for (unsigned t = 0; t < TABLES; t++) {
        change_table(r, t);
        for (unsigned h = 0; h < HOSTS; h++)
            if (r->mesh.hosts[t][h])
                r->mesh.hosts[t][h] = ++r->next_version;
    }
    publish(r);
    show(r);
    run_dry(r);
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
    if (habits->refuses)
        renew(&r);
    show(&r);
    run_dry(&r);

    check_converged(&r);
    xds_stream_free(r.stream);
    xds_out_fini(&r.out);
    xds_view_release(r.shown);
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
                         wild_delta = { .variant = XDS_DELTA, .refuses = true, .reconnects = true },
                         split = { .variant = XDS_DELTA, .splits = true },
                         stubborn_split = { .variant = XDS_DELTA, .splits = true, .refuses = true },
                         restless_split = { .variant = XDS_DELTA,
                             .splits = true,
                             .reconnects = true },
                         wild_split = { .variant = XDS_DELTA,
                             .splits = true,
                             .refuses = true,
                             .reconnects = true };
    const struct CMUnitTest tests[] = {
        { "test_delta_converges_without_holes", run_all, NULL, NULL, &delta },
        { "test_sotw_converges_without_holes", run_all, NULL, NULL, &sotw },
        { "test_delta_converges_in_spite_of_refusals", run_all, NULL, NULL, &stubborn_delta },
        { "test_sotw_converges_in_spite_of_refusals", run_all, NULL, NULL, &stubborn_sotw },
        { "test_delta_converges_over_reconnects", run_all, NULL, NULL, &restless_delta },
        { "test_sotw_converges_over_reconnects", run_all, NULL, NULL, &restless_sotw },
        { "test_delta_converges_over_reconnects_and_refusals", run_all, NULL, NULL, &wild_delta },
        { "test_split_tables_converge_without_holes", run_all, NULL, NULL, &split },
        { "test_split_tables_converge_in_spite_of_refusals", run_all, NULL, NULL, &stubborn_split },
        { "test_split_tables_converge_over_reconnects", run_all, NULL, NULL, &restless_split },
        { "test_split_tables_converge_over_reconnects_and_refusals",
            run_all,
            NULL,
            NULL,
            &wild_split },
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
