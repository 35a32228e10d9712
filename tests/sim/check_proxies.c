/* What must hold of every proxy: of what it is shown, and of what it has. */
#include "hosts.h"
#include "world.h"

#include <string.h>

enum { PATIENT_US = 4 * SIM_SECOND };
enum { STALE_US = 3 * SIM_SECOND }; /* how long after it a stale stream may still be let in */

static struct world *world_of(struct proxy_owner *o)
{
    return container_of(o, struct world, proxy_owner);
}

/* ---- what it is shown ---- */

static struct sim_process *on_connect(struct proxy_owner *o, struct proxy *p)
{
    struct world *w = world_of(o);
    p->seen.stream = NULL;
    p->seen.has_view = false;
    p->seen.opened = w->etcd.revision;
    p->seen.opened_generation = w->etcd.generation;
    return balancer_choose(&w->balancer);
}

static void on_stream(struct spy_owner *o, void *client, const struct xds_stream *stream)
{
    struct world *w = container_of(o, struct world, spy_owner);
    for (size_t i = 0; i < w->proxy_count; i++)
        if (w->proxies[i].seen.stream == stream)
            w->proxies[i].seen.stream = NULL; /* one that has ended, at the same address */
    ((struct proxy *)client)->seen.stream = stream;
}

/* Fail static: where no replica can know what is new, old state is better than none. */
static bool may_be_stale(const struct world *w, const struct proxy *p)
{
    const struct witness *r = &w->witnesses[p->process->index];
    return r->stale_us > 0 && w->sim->now_us - r->stale_us < STALE_US;
}

static void check_view(struct world *w, struct proxy *p, int64_t revision)
{
    size_t g = w->witnesses[p->process->index].generation;
    int64_t shown = truth_at(&w->truth, g, revision)->effective;
    bool is_same = p->seen.generation == g;
    if (is_same && shown < p->seen.effective && !may_be_stale(w, p))
        sim_fail(w->sim,
            "no proxy goes back",
            "%s was at %lld and is shown %lld by %s",
            p->id,
            (long long)p->seen.effective,
            (long long)shown,
            p->process->name);
    if (!p->seen.has_view && p->seen.opened_generation == g && !may_be_stale(w, p) &&
        shown < truth_at(&w->truth, g, p->seen.opened)->effective)
        sim_fail(w->sim,
            "a new stream is shown nothing older than what was committed when it was opened",
            "%s: %lld by %s, when %lld was committed",
            p->id,
            (long long)shown,
            p->process->name,
            (long long)p->seen.opened);
    p->seen.generation = g;
    p->seen.effective = shown;
    p->seen.has_view = true;
}

/* Of a replica that is about to hear of a restored backup, it is not known which history its
 * revisions are of. */
static void on_view(struct spy_owner *o, const struct xds_stream *stream, struct xds_view *view)
{
    struct world *w = container_of(o, struct world, spy_owner);
    for (size_t i = 0; i < w->proxy_count; i++) {
        struct proxy *p = &w->proxies[i];
        if (p->seen.stream != stream)
            continue;
        struct xds_view **at = &p->seen.views[p->seen.view_count++ % VIEWS_SEEN];
        xds_view_release(*at);
        *at = xds_view_retain(view);
        bool is_known = w->witnesses[p->process->index].generation == w->etcd.generation;
        sim_trace(w->sim, "%s is shown %lld", p->id, (long long)view->revision);
        if (is_known)
            check_view(w, p, view->revision);
        p->seen.has_view = true;
    }
}

/* ---- what it has ---- */

struct referring {
    struct world *w;
    struct proxy *p;
    enum xds_type type;
    bool must_be_warm; /* listeners or routes came: all that they need was there before */
};

/* Rules may name what is nowhere: with this very resource, that cluster was not in a view. */
static bool is_nowhere(
    const struct referring *r, const char *name, const struct sent *sent, const char *cluster)
{
    for (size_t i = 0; i < VIEWS_SEEN && r->p->seen.views[i]; i++) {
        const struct xds_view *view = r->p->seen.views[i];
        const struct xds_resource *in = xds_view_find(view, r->type, name);
        if (in && hash128_equal(&in->version, &sent->hash) &&
            !xds_view_find(view, XDS_CLUSTER, cluster))
            return true;
    }
    return false;
}

/* A new stream of state-of-the-world does not say what the proxy has: clusters that are gone are
 * missing at once, though what it took of a former stream may refer to them. */
static void check_references(const char *name, void *value, void *context)
{
    struct referring *r = context;
    const struct sent *sent = value;
    if (r->p->variant == XDS_SOTW && sent->stream != r->p->streams)
        return;
    for (list_each (const char *const, cluster, &sent->clusters)) {
        const struct sent *to = map_find(&r->p->held[XDS_CLUSTER], *cluster);
        bool is_cold = to && to->endpoints && !to->has_endpoints;
        if ((!to || (is_cold && r->must_be_warm)) && !is_nowhere(r, name, sent, *cluster))
            sim_fail(r->w->sim,
                "nothing refers to a cluster that is not there",
                "%s: %s refers to %s, which %s",
                r->p->id,
                name,
                *cluster,
                to ? "has no endpoints yet" : "it does not have");
    }
}

static void on_applied(struct proxy_owner *o, struct proxy *p, enum xds_type type)
{
    struct referring r = { world_of(o), p, XDS_LISTENER, type > XDS_ENDPOINT };
    check_share_served(p);
    map_each (&p->held[XDS_LISTENER], check_references, &r)
        ;
    r.type = XDS_ROUTE;
    map_each (&p->held[XDS_ROUTE], check_references, &r)
        ;
    r.type = XDS_VIRTUAL_HOST;
    map_each (&p->held[XDS_VIRTUAL_HOST], check_references, &r)
        ;
}

static void on_closed(struct proxy_owner *o, struct proxy *p, const char *why)
{
    check_share_closed(world_of(o), p, why);
}

/* Envoy says nothing more of clusters while one of them warms, so the stream would stand still. */
static void on_cold(struct proxy_owner *o, struct proxy *p)
{
    struct world *w = world_of(o);
    bool is_heard = p->cut_until_us + PATIENT_US < w->sim->now_us &&
                    p->process->stopped_until_us + PATIENT_US < w->sim->now_us;
    if (is_heard)
        sim_fail(
            w->sim, "no cluster warms for ever", "%s, connected to %s", p->id, p->process->name);
}

static void on_sent_twice(
    struct proxy_owner *o, struct proxy *p, enum xds_type type, const char *name)
{
    sim_fail(world_of(o)->sim,
        "nothing is sent twice",
        "%s has this version of %s %s",
        p->id,
        xds_type_short(type),
        name);
}

static void on_given_up(struct spy_owner *o, const struct store_status *status)
{
    check_given_up(container_of(o, struct world, spy_owner), status);
}

void check_proxies_begin(struct world *w)
{
    w->proxy_owner =
        (struct proxy_owner){ on_connect, on_applied, on_closed, on_cold, on_sent_twice };
    w->spy_owner = (struct spy_owner){ on_stream, on_view, on_given_up };
    spy_begin(&w->spy_owner);
}

/* ---- at rest: it has what a build from nothing gives it ---- */

struct comparing {
    const struct proxy *p;
    const struct xds_view *view;
    enum xds_type type;
    const char *differs;
};

static void compare(const char *name, void *value, void *context)
{
    struct comparing *c = context;
    const struct sent *sent = value;
    const struct xds_resource *r = xds_view_find(c->view, c->type, name);
    if (!r || !hash128_equal(&r->version, &sent->hash))
        c->differs = name;
    if (sent->is_warming && xds_view_find(c->view, XDS_ENDPOINT, sent->endpoints))
        c->differs = arena_printf(sent->arena, "%s, which waits for endpoints: it", name);
}

static void compare_asked(const char *name, void *value, void *context)
{
    struct comparing *c = context;
    (void)value;
    if (xds_view_find(c->view, c->type, name) && !map_find(&c->p->held[c->type], name))
        c->differs = name;
}

/* All virtual hosts of the tables that it asked for. */
static void compare_hosts(struct comparing *c)
{
    struct arena *a = arena_new();
    struct xds_cursor cursor = { 0 };
    const struct xds_resource *r;
    while ((r = xds_view_next(c->view, XDS_VIRTUAL_HOST, &cursor)))
        if (map_find(&c->p->asked[XDS_ROUTE], hosts_table(a, r->name)) &&
            !map_find(&c->p->held[XDS_VIRTUAL_HOST], r->name))
            c->differs = arena_strdup(c->p->arena, r->name);
    arena_free(a);
}

static bool has_all(const struct proxy *p, const struct xds_view *view, struct comparing *c)
{
    for (enum xds_type type = 0; type < XDS_TYPE_COUNT; type++) {
        bool is_wildcard = type == XDS_CLUSTER || type == XDS_LISTENER;
        *c = (struct comparing){ .p = p, .view = view, .type = type };
        map_each (&p->held[type], compare, c)
            ;
        map_each (&p->asked[type], compare_asked, c)
            ;
        if (type == XDS_VIRTUAL_HOST)
            compare_hosts(c);
        if (!c->differs && is_wildcard && p->held[type].count != xds_view_count(view, type))
            c->differs = "(how many there are)";
        if (c->differs)
            return false;
    }
    return true;
}

bool proxies_are_at_rest(struct world *w, bool is_told)
{
    for (size_t i = 0; i < w->proxy_count; i++) {
        const struct proxy *p = &w->proxies[i];
        struct comparing c = { .differs = "(it is not connected)" };
        struct xds_view *view = truth_view(&w->truth, &p->scope);
        bool is_good = proxy_is_connected(p) && has_all(p, view, &c);
        xds_view_release(view);
        if (!is_good && is_told)
            sim_fail(w->sim,
                "every proxy has what a build from nothing gives it",
                "%s: %s %s differs",
                p->id,
                xds_type_short(c.type),
                c.differs);
        if (!is_good)
            return false;
    }
    return true;
}
