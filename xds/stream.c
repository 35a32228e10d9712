#include "xds/stream_hosts.h"

#include "proto/pb.h"

#include <string.h>

/* What is referred to goes last. Virtual hosts go with what is added to their table. */
static const enum xds_type removal_order[] = { XDS_LISTENER, XDS_ROUTE, XDS_CLUSTER, XDS_ENDPOINT };

enum { MANY = 64 }; /* so many that a pass over all is less than to look each up */

/* ---- out ---- */

void xds_out_init(struct xds_out *out)
{
    *out = (struct xds_out){ .arena = arena_new() };
}

void xds_out_fini(struct xds_out *out)
{
    for (list_each (struct xds_response, response, &out->responses))
        for (size_t i = 0; i < response->resources.count; i++)
            xds_resource_release(response->resources.items[i]);
    arena_free(out->arena);
    *out = (struct xds_out){ 0 };
}

void xds_out_clear(struct xds_out *out)
{
    int64_t now_ms = out->now_ms;
    xds_out_fini(out);
    xds_out_init(out);
    out->now_ms = now_ms;
}

/* ---- life ---- */

struct xds_stream *xds_stream_new(enum xds_variant variant)
{
    struct xds_stream *s = xcalloc(1, sizeof *s);
    s->variant = variant;
    s->next_nonce = 1;
    return s;
}

void stream_flight_end(struct flight *f)
{
    for (size_t i = 0; i < f->count; i++)
        xds_resource_release(f->resources[i]);
    for (size_t i = 0; i < f->removed_count; i++)
        free(f->removed[i]);
    free(f->resources);
    free(f->removed);
    *f = (struct flight){ 0 };
}

void xds_stream_free(struct xds_stream *s)
{
    if (!s)
        return;
    for (enum xds_type t = 0; t < XDS_TYPE_COUNT; t++) {
        known_fini(&s->types[t].known);
        stream_flight_end(&s->types[t].flight);
        stream_refusals_free(&s->types[t]);
        free(s->types[t].resumed_version);
    }
    known_fini(&s->sent_early);
    xds_view_release(s->view);
    free(s);
}

/* ---- comparing: what a type should have against what the proxy has ---- */

static bool is_whole(const struct xds_stream *s, enum xds_type type)
{
    return s->variant == XDS_SOTW && (type == XDS_CLUSTER || type == XDS_LISTENER);
}

struct comparison {
    struct cluster_walk *clusters; /* of endpoints, where they are many; else NULL */
    bool has_additions, has_removals;
    struct hosts_turn turn; /* of virtual hosts */
};

/* The cluster that the proxy has, or is to have. */
static const struct hash128 *cluster_version(const struct xds_stream *s, const char *name)
{
    known_entry e = known_of(&s->types[XDS_CLUSTER].known, name);
    const struct hash128 *held = e ? known_held_version(e) : NULL;
    const struct xds_resource *wanted = held ? NULL : xds_view_find(s->view, XDS_CLUSTER, name);
    return wanted ? &wanted->version : held;
}

/* As a proxy of Delta is told it, and tells it when it comes back. */
struct hash128 stream_wire_version(const struct xds_stream *s, const struct xds_resource *r)
{
    const struct hash128 *cluster = NULL;
    if (s->variant == XDS_DELTA && r->type == XDS_ENDPOINT)
        cluster = cluster_version(s, r->name);
    return cluster ? xds_version_with(&r->version, cluster) : r->version;
}

bool stream_is_current(const struct xds_stream *s, known_entry e, const struct xds_resource *r)
{
    if (!e || (e & KNOWN_RESEND) || !known_is_held(e))
        return false;
    if (known_resource(e))
        return known_is_version(e, &r->version);
    struct hash128 version = stream_wire_version(s, r);
    return known_is_version(e, &version);
}

/* The clusters, for whoever goes through many endpoints by name. */
struct cluster_walk {
    struct known_walk walk;
    bool is_begun, is_at_end;
};

static struct cluster_walk walk_clusters(const struct xds_stream *s)
{
    return (struct cluster_walk){
        .walk = { .known = &s->types[XDS_CLUSTER].known, .view = s->view, .type = XDS_CLUSTER }
    };
}

/* The name that a walk is at, as strcmp: before, at or behind another; behind all at the end. */
static int walk_order(const struct cluster_walk *c, const char *name)
{
    const struct known_walk *w = &c->walk;
    return c->is_at_end ? 1 : strcmp(w->r ? w->r->name : known_name(w->e), name);
}

/* What stream_wire_version says, in one pass over the clusters: names come in order. */
static struct hash128 next_wire_version(struct cluster_walk *c, const struct xds_resource *r)
{
    const struct known_walk *w = &c->walk;
    if (!c->is_begun)
        c->is_at_end = !known_walk_next(&c->walk);
    c->is_begun = true;
    while (walk_order(c, r->name) < 0)
        c->is_at_end = !known_walk_next(&c->walk);
    bool is_it = walk_order(c, r->name) == 0;
    const struct hash128 *cluster = is_it && w->e ? known_held_version(w->e) : NULL;
    if (is_it && !cluster && w->r)
        cluster = &w->r->version;
    return cluster ? xds_version_with(&r->version, cluster) : r->version;
}

known_entry stream_share(struct xds_resource *r, known_entry e)
{
    if (known_resource(e))
        return e;
    known_entry shared = known_sent(r, (unsigned)(e & KNOWN_ASKED));
    known_drop(e);
    return shared;
}

/* Endpoints that a cluster which was sent waits for; or that the proxy of Delta came back with, and
 * whose cluster may have warmed when its former stream broke. Envoy keeps the hosts of a warm one.
 */
static bool is_waited_for(const struct xds_stream *s, known_entry e)
{
    bool was_brought = s->variant == XDS_DELTA && known_is_held(e) && !known_resource(e);
    return (e & KNOWN_ASKED) && ((e & KNOWN_RESEND) || was_brought);
}

static bool is_current(const struct xds_stream *s, known_entry e, const struct xds_resource *r,
    const struct comparison *c)
{
    bool was_brought = e && known_is_held(e) && !known_resource(e);
    if (!c->clusters || !was_brought || (e & KNOWN_RESEND))
        return stream_is_current(s, e, r);
    struct hash128 version = next_wire_version(c->clusters, r);
    return known_is_version(e, &version);
}

/* One name: what the view has (or NULL) and what is known (or 0); what is known from then on. */
static known_entry compare_name(const struct xds_stream *s, const struct type_state *t,
    struct xds_resource *wanted, known_entry e, struct comparison *c)
{
    bool is_asked = t->is_wildcard || (e & KNOWN_ASKED);
    if (wanted && is_current(s, e, wanted, c))
        return stream_share(wanted, e);
    if (wanted) {
        c->has_additions |= is_asked;
        return e;
    }
    bool is_held = known_is_held(e),
         is_awaited = t == &s->types[XDS_ENDPOINT] && is_waited_for(s, e);
    bool owes_denial = (e & KNOWN_ASKED) && !known_is_told_absent(e);
    c->has_removals |= is_held;
    c->has_additions |= is_held ? is_awaited : owes_denial;
    return e;
}

/* All names that something may be to be done for. A proxy that goes by names, and has few of them,
 * need not be held against the whole view; nor one of which is known what it has otherwise. */
static struct known_walk walk(const struct xds_stream *s, enum xds_type type)
{
    const struct type_state *t = &s->types[type];
    bool has_few = t->known.count * 8 < xds_view_count(s->view, type);
    return (struct known_walk){ .known = &t->known,
        .view = s->view,
        .type = type,
        .only_entries = t->known.rest || (!t->is_wildcard && has_few) };
}

static struct comparison compare_hosts(struct xds_stream *s)
{
    struct comparison c = { .turn = stream_hosts_turn(s) };
    c.has_additions = c.turn.table != NULL;
    return c;
}

static struct comparison compare_type(struct xds_stream *s, enum xds_type type)
{
    if (type == XDS_VIRTUAL_HOST)
        return compare_hosts(s);
    struct type_state *t = &s->types[type];
    struct known_walk w = walk(s, type);
    struct cluster_walk clusters = walk_clusters(s);
    bool has_many = s->variant == XDS_DELTA && type == XDS_ENDPOINT && t->known.count > MANY;
    struct comparison c = { .clusters = has_many ? &clusters : NULL };
    while (known_walk_next(&w)) {
        known_entry e = compare_name(s, t, w.r, w.e, &c);
        if (w.is_entry)
            t->known.items[w.at - 1] = e;
    }
    c.clusters = NULL;
    return c;
}

/* ---- sending ---- */

/* What becomes of one name when a response is built; appends what is known from then on. */
struct building {
    struct xds_stream *s;
    enum xds_type type;
    bool removes; /* the removals' turn */
    bool is_whole;
    struct known *next;
    struct xds_out *out;
    struct xds_response *response;
    string_list warming; /* clusters that are new to the proxy, or changed */
    string_list tables;  /* that begin (stream_hosts.h) */
    struct hosts_turn turn;
};

static void add_resource(struct building *b, struct xds_resource *r)
{
    list_push(b->out->arena, &b->response->resources, xds_resource_retain(r));
}

/* A cluster warms until it has an answer, and nothing more is said of clusters meanwhile: so where
 * its endpoints have gone since it was sent, it is told those that it had before, or that there are
 * none. State-of-the-world has no word for that but an empty assignment. */
static void add_no_endpoints(struct building *b, const char *name)
{
    known_entry cluster = known_of(&b->s->types[XDS_CLUSTER].known, name);
    struct buf bytes = { 0 };
    if (!cluster || !known_is_held(cluster))
        return;
    pb_append_field(&bytes, 1, name, strlen(name)); /* cluster_name */
    struct xds_resource *none =
        xds_resource_new(XDS_ENDPOINT, name, (const uint8_t *)bytes.data, bytes.size);
    add_resource(b, none);
    xds_resource_release(none);
    buf_fini(&bytes);
}

static bool answer_awaited(struct building *b, known_entry e)
{
    struct xds_resource *kept = known_resource(e);
    if (b->removes || !kept)
        return false;
    add_resource(b, kept);
    known_append(b->next, e & ~(known_entry)KNOWN_RESEND);
    return true;
}

/* Says that there is none. */
static void deny(struct building *b, known_entry e)
{
    if (b->s->variant == XDS_DELTA) {
        const char *name = arena_strdup(b->out->arena, known_name(e));
        list_push(b->out->arena, &b->response->removed, name);
    } else if (b->type == XDS_ENDPOINT) {
        add_no_endpoints(b, known_name(e));
    }
}

static void keep(struct building *b, known_entry e)
{
    struct xds_resource *kept = known_resource(e);
    if (b->is_whole && kept)
        add_resource(b, kept);
    known_append(b->next, e);
}

static void build_absent(struct building *b, known_entry e)
{
    bool is_asked = e & KNOWN_ASKED, is_held = known_is_held(e);
    bool is_awaited = b->type == XDS_ENDPOINT && is_waited_for(b->s, e);
    if (is_awaited && answer_awaited(b, e))
        return;
    if (is_held && !b->removes && !is_awaited) {
        keep(b, e);
        return;
    }
    if (is_held || (is_asked && !known_is_told_absent(e)))
        deny(b, e);
    if (is_asked)
        known_append(b->next, known_nothing(known_name(e), KNOWN_ASKED, true));
    known_drop(e);
}

/* Has the proxy nothing under this name, or nothing that counts any more? */
static bool is_beginning(known_entry e)
{
    return !e || !known_is_held(e) || (e & (KNOWN_RESEND | KNOWN_REFUSED));
}

/* It is there and asked for: sent unless the proxy has it. */
static void build_wanted(struct building *b, struct xds_resource *r, known_entry e)
{
    bool has_it = stream_is_current(b->s, e, r);
    if (!has_it || b->is_whole)
        add_resource(b, r);
    if (!has_it && b->type == XDS_CLUSTER)
        list_push(b->out->arena, &b->warming, r->name);
    if (!has_it && b->type == XDS_ROUTE && is_beginning(e))
        list_push(b->out->arena, &b->tables, r->name);
    if (has_it) {
        known_append(b->next, stream_share(r, e));
        return;
    }
    known_append(b->next, known_sent(r, (unsigned)(e & KNOWN_ASKED)));
    if (e)
        known_drop(e);
}

/* Of the table whose turn it is, what was refused goes again. */
static void build_host(struct building *b, const struct known_walk *w)
{
    if (w->r && b->turn.state == HOSTS_GO)
        build_wanted(b, w->r, w->e & KNOWN_REFUSED ? w->e | KNOWN_RESEND : w->e);
    else if (w->e)
        build_absent(b, w->e);
}

static void keep_host(struct building *b, const struct known_walk *w)
{
    bool says_something = !known_is_nothing(w->e) || (w->r && w->known->rest);
    if (w->is_entry && says_something)
        known_append(b->next, w->e);
    else if (w->is_entry)
        known_drop(w->e);
}

static void build_name(struct building *b, const struct known_walk *w)
{
    bool is_asked = b->s->types[b->type].is_wildcard || (w->e & KNOWN_ASKED);
    if (w->e && !w->is_entry)
        add_resource(b, w->r); /* of the rest, which only a whole set repeats */
    else if (!w->r)
        build_absent(b, w->e);
    else if (is_asked)
        build_wanted(b, w->r, w->e);
    else if (w->known->rest)
        known_append(b->next, known_nothing(w->r->name, 0, false));
    if (w->r && !is_asked && w->is_entry)
        known_drop(w->e);
}

static void build(struct building *b, const struct known_walk *w)
{
    if (b->type != XDS_VIRTUAL_HOST)
        build_name(b, w);
    else if (stream_hosts_is_turn(&b->turn, w->r ? w->r->name : known_name(w->e)))
        build_host(b, w);
    else
        keep_host(b, w);
}

/* Envoy warms a cluster that it is sent: it waits for its endpoints, which go again after it. */
static void warm(struct xds_stream *s, const string_list *clusters)
{
    struct type_state *endpoints = &s->types[XDS_ENDPOINT];
    if (s->has_brought_clusters && !endpoints->is_subscribed)
        known_add(&s->sent_early, clusters, 0);
    if (endpoints->known.rest)
        known_add(&endpoints->known, clusters, 0);
    for (size_t i = 0; i < clusters->count; i++) {
        known_entry *e = known_find(&endpoints->known, clusters->items[i]);
        bool is_asked = endpoints->is_wildcard || (e && (*e & KNOWN_ASKED));
        if (e && !known_is_nothing(*e)) {
            *e |= KNOWN_RESEND;
            endpoints->is_dirty = true;
        }
        if (s->has_named_endpoints && !is_asked &&
            xds_view_find(s->view, XDS_ENDPOINT, clusters->items[i]))
            s->awaits_names = true;
    }
}

static void response_open(struct xds_stream *s, enum xds_type type, struct xds_response *response)
{
    *response = (struct xds_response){ .type = type, .revision = s->view->revision };
    snprintf(response->nonce, sizeof response->nonce, "%llu", (unsigned long long)s->next_nonce++);
    hash128_text(&s->view->own[type].hash, response->version_info);
}

/* A whole set that still holds what will be removed next is none that a view has: its version is of
 * its own, so that a proxy that reconnects with it is not taken to be up to date. */
static void version_of_transition(struct xds_response *response)
{
    struct hasher *h = hasher_new();
    hasher_add_text(h, "transition");
    for (size_t i = 0; i < response->resources.count; i++) {
        hasher_add_text(h, response->resources.items[i]->name);
        hasher_add(h, &response->resources.items[i]->version, sizeof(struct hash128));
    }
    struct hash128 version = hasher_finish(h);
    hash128_text(&version, response->version_info);
}

static void push_versions(
    const struct xds_stream *s, struct arena *a, struct xds_response *response)
{
    if (s->variant != XDS_DELTA)
        return;
    struct cluster_walk clusters = walk_clusters(s);
    bool has_many = response->type == XDS_ENDPOINT && response->resources.count > MANY;
    for (list_each (struct xds_resource *const, r, &response->resources))
        list_push(a,
            &response->versions,
            has_many ? next_wire_version(&clusters, *r) : stream_wire_version(s, *r));
}

static void flight_begin(struct type_state *t, const struct xds_response *response)
{
    struct flight *f = &t->flight;
    size_t count = response->resources.count;
    memcpy(f->nonce, response->nonce, sizeof f->nonce);
    f->resources = count ? xcalloc(count, sizeof *f->resources) : NULL;
    for (f->count = 0; f->count < count; f->count++)
        f->resources[f->count] = xds_resource_retain(response->resources.items[f->count]);
    f->is_open = true;
    if (response->type != XDS_VIRTUAL_HOST)
        return;
    f->removed_count = response->removed.count;
    f->removed = f->removed_count ? xcalloc(f->removed_count, sizeof *f->removed) : NULL;
    for (size_t i = 0; i < f->removed_count; i++)
        f->removed[i] = xstrdup(response->removed.items[i]);
}

/* The names may belong to what will be dropped. */
static struct hosts_turn turn_copy(struct arena *a, const struct hosts_turn *turn)
{
    struct hosts_turn copy = *turn;
    copy.table = turn->table ? arena_strndup(a, turn->table, turn->size) : NULL;
    return copy;
}

static void send(struct xds_stream *s, enum xds_type type, bool removes,
    const struct comparison *found, struct xds_out *out)
{
    struct type_state *t = &s->types[type];
    struct known next = { 0 };
    struct xds_response response;
    struct known_walk w = walk(s, type);
    response_open(s, type, &response);
    struct building b = { .s = s,
        .type = type,
        .removes = removes || type == XDS_VIRTUAL_HOST,
        .turn = turn_copy(out->arena, &found->turn),
        .is_whole = is_whole(s, type),
        .next = &next,
        .out = out,
        .response = &response };
    w.only_entries &= !b.is_whole;
    while (known_walk_next(&w))
        build(&b, &w);
    known_take(&t->known, &next);
    known_tidy(&t->known);
    known_note_sent(&t->known, response.resources.items, response.resources.count, out->now_ms);
    if (b.is_whole && !removes && found->has_removals)
        version_of_transition(&response);
    push_versions(s, out->arena, &response);
    warm(s, &b.warming);
    stream_hosts_begin(s, &b.tables);
    flight_begin(t, &response);
    t->must_answer = false;
    t->sent_revision = s->view->revision;
    t->sent_ms = out->now_ms;
    s->has_answered = true;
    list_push(out->arena, &out->responses, response);
}

/* ---- the order of things ---- */

static void settle(struct xds_stream *s, enum xds_type type)
{
    struct type_state *t = &s->types[type];
    t->is_dirty = false;
    t->settled = s->view->own[type].hash;
    known_tidy(&t->known);
    known_keep_rest(&t->known, s->view, type, t->is_wildcard ? 0 : KNOWN_ASKED);
    t->sent_revision = t->acked_revision = s->view->revision;
}

/* Must something be sent, even if it says nothing? Delta owes the stream one response at least. */
static bool owes_answer(const struct xds_stream *s, enum xds_type type)
{
    return s->types[type].must_answer || (s->variant == XDS_DELTA && !s->has_answered);
}

bool stream_is_settled(const struct xds_stream *s, enum xds_type type)
{
    const struct type_state *t = &s->types[type];
    return !t->is_dirty && !owes_answer(s, type) &&
           hash128_equal(&t->settled, &s->view->own[type].hash);
}

/* SotW has no words for the removal of an endpoint or a route table: the proxy stops asking. */
static bool can_remove(const struct xds_stream *s, enum xds_type type)
{
    return s->variant == XDS_DELTA || is_whole(s, type);
}

/* Is something on its way that must be taken before `type`? A cluster that Envoy warms keeps its
 * response unacknowledged until the endpoints are there, so endpoints never wait for it; listeners
 * and routes wait for both, and the acknowledgement tells them that the clusters can be used. */
static bool must_wait(const struct xds_stream *s, enum xds_type type)
{
    bool is_early = type == XDS_CLUSTER || type == XDS_ENDPOINT;
    if (!is_early && s->awaits_names)
        return true;
    for (enum xds_type other = 0; !is_early && other < type; other++)
        if (s->types[other].flight.is_open)
            return true;
    return false;
}

/* Adds and changes, in order; false when something is on its way or must wait. */
static bool pump_additions(
    struct xds_stream *s, struct comparison found[XDS_TYPE_COUNT], struct xds_out *out)
{
    bool is_quiet = true;
    for (enum xds_type type = 0; type < XDS_TYPE_COUNT; type++) {
        struct type_state *t = &s->types[type];
        if (!t->is_subscribed)
            continue;
        if (must_wait(s, type))
            return false;
        if (!t->flight.is_open && stream_is_settled(s, type)) {
            settle(s, type);
        } else if (!t->flight.is_open) {
            found[type] = compare_type(s, type);
            if (found[type].has_additions || owes_answer(s, type))
                send(s, type, false, &found[type], out);
            else if (!found[type].has_removals || !can_remove(s, type))
                settle(s, type);
        }
        is_quiet = is_quiet && !t->flight.is_open;
    }
    return is_quiet;
}

/* A proxy that refused a listener or a route goes on with its former one, and that one's clusters.
 */
static bool may_still_use(const struct xds_stream *s, enum xds_type type)
{
    return (type == XDS_CLUSTER || type == XDS_ENDPOINT) &&
           (known_has_refused(&s->types[XDS_LISTENER].known) ||
               known_has_refused(&s->types[XDS_ROUTE].known) ||
               known_has_refused(&s->types[XDS_VIRTUAL_HOST].known));
}

static void pump(struct xds_stream *s, struct xds_out *out)
{
    struct comparison found[XDS_TYPE_COUNT] = { 0 };
    if (!s->view || s->is_preview || !pump_additions(s, found, out))
        return;
    for (size_t i = 0; i < ARRAY_COUNT(removal_order); i++) {
        enum xds_type type = removal_order[i];
        if (!found[type].has_removals || !can_remove(s, type) || may_still_use(s, type))
            continue;
        send(s, type, true, &found[type], out);
        return;
    }
}

void stream_resume(struct xds_stream *s, enum xds_type type)
{
    struct type_state *t = &s->types[type];
    char current[HASH128_TEXT_BYTES];
    if (!s->view || !t->resumed_version)
        return;
    bool may_skip = t->is_wildcard && !t->known.count;
    hash128_text(&s->view->own[type].hash, current);
    if (may_skip && strcmp(current, t->resumed_version) == 0) {
        t->known.rest = s->view;
        t->known.type = type;
        t->known.rest_flags = 0;
        t->must_answer = false;
    }
    free(t->resumed_version);
    t->resumed_version = NULL;
}

static void change_view(struct xds_stream *s, struct xds_view *view, struct arena *a)
{
    struct xds_view *former = s->view;
    s->view = xds_view_retain(view);
    for (enum xds_type type = 0; type < XDS_TYPE_COUNT; type++) {
        struct known *known = &s->types[type].known;
        string_list names = { 0 };
        if (known->rest)
            xds_view_changes(a, former, view, type, &names);
        known_move(known, view, &names);
        stream_resume(s, type);
    }
    xds_view_release(former);
}

void xds_stream_view(struct xds_stream *s, struct xds_view *view, struct xds_out *out)
{
    change_view(s, view, out->arena);
    s->is_preview = false;
    pump(s, out);
}

/* ---- before the first view ---- */

static void share_type(struct xds_stream *s, enum xds_type type)
{
    struct type_state *t = &s->types[type];
    if (type == XDS_VIRTUAL_HOST || !t->is_subscribed)
        return;
    compare_type(s, type);
    known_keep_rest(&t->known, s->view, type, t->is_wildcard ? 0 : KNOWN_ASKED);
}

void xds_stream_preview(struct xds_stream *s, struct xds_view *view)
{
    struct arena *a = arena_new();
    INVARIANT(!s->view || s->is_preview);
    change_view(s, view, a);
    s->is_preview = true;
    for (enum xds_type type = 0; type < XDS_TYPE_COUNT; type++)
        share_type(s, type);
    arena_free(a);
}

bool xds_stream_awaits_names(const struct xds_stream *s)
{
    return s->awaits_names;
}

void xds_stream_stop_awaiting(struct xds_stream *s, struct xds_out *out)
{
    s->awaits_names = false;
    pump(s, out);
}

bool xds_stream_is_resumed(const struct xds_stream *s, const struct xds_view *view)
{
    static const enum xds_type types[] = { XDS_CLUSTER, XDS_LISTENER, XDS_ROUTE };
    size_t held = 0, lacking = 0;
    for (size_t i = 0; i < ARRAY_COUNT(types) && s->variant == XDS_DELTA; i++) {
        const struct type_state *t = &s->types[types[i]];
        struct known_walk w = { .known = &t->known, .view = view, .type = types[i] };
        while (t->is_subscribed && known_walk_next(&w)) {
            bool is_wanted = w.r && (t->is_wildcard || (w.e & KNOWN_ASKED));
            bool has_it = is_wanted && w.e && known_is_version(w.e, &w.r->version);
            held += has_it;
            lacking += is_wanted && !has_it;
        }
    }
    return held > 0 && lacking <= XDS_RESUMED_LACKS;
}

bool xds_stream_has_joined(const struct xds_stream *s, enum xds_type last)
{
    bool is_quiet = s->view && !s->awaits_names && s->types[last].is_subscribed;
    for (enum xds_type type = 0; type < XDS_TYPE_COUNT; type++)
        is_quiet = is_quiet && !s->types[type].flight.is_open;
    return is_quiet;
}

void xds_stream_request(
    struct xds_stream *s, const struct xds_request *request, struct xds_out *out)
{
    stream_take_request(s, request, out);
    if (s->is_preview)
        share_type(s, request->type);
    pump(s, out);
}
