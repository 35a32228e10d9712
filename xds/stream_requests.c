/* What a proxy asks for, and what it answers, as it becomes known. */
#include "xds/stream_hosts.h"

#include <string.h>

enum { ENTRIES_AT_ONCE = 64 }; /* so many are not put among the others one by one */

/* ---- answers ---- */

static void mark_flight(struct type_state *t, bool is_refused)
{
    if (!is_refused && !known_has_refused(&t->known))
        return;
    if (is_refused && t->flight.count > ENTRIES_AT_ONCE)
        known_spread(&t->known);
    for (size_t i = 0; i < t->flight.count; i++) {
        known_entry *e = is_refused ? known_own(&t->known, t->flight.resources[i]->name)
                                    : known_find(&t->known, t->flight.resources[i]->name);
        if (!e || !known_is_version(*e, &t->flight.resources[i]->version))
            continue;
        *e = is_refused ? *e | KNOWN_REFUSED : *e & ~(known_entry)KNOWN_REFUSED;
    }
}

/* Is it the answer to what is in flight? */
static void take_answer(struct xds_stream *s, const struct xds_request *request, int64_t now_ms)
{
    struct type_state *t = &s->types[request->type];
    if (!t->flight.is_open || strcmp(request->nonce, t->flight.nonce) != 0)
        return;
    mark_flight(t, request->error_detail != NULL);
    if (request->error_detail) {
        if (request->type == XDS_VIRTUAL_HOST)
            stream_hosts_refuse(s);
        stream_refusals_take(t, request->error_detail, now_ms);
    } else {
        t->acks++;
        t->acked_ms = now_ms;
    }
    stream_flight_end(&t->flight);
    t->is_dirty = true;
}

/* ---- names ---- */

static bool has_wildcard_name(const string_list *names)
{
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->items[i], "*") == 0)
            return true;
    return false;
}

/* What the rest says of a name hangs on it. */
static void set_wildcard(struct type_state *t, bool is_wildcard)
{
    if (is_wildcard != t->is_wildcard)
        known_spread(&t->known);
    t->is_wildcard = is_wildcard;
}

static void open_type(struct xds_stream *s, const struct xds_request *request)
{
    struct type_state *t = &s->types[request->type];
    bool may_be_wildcard = request->type == XDS_CLUSTER || request->type == XDS_LISTENER;
    t->is_subscribed = true;
    if (request->type == XDS_ENDPOINT) /* clusters need not stay apart any more */
        s->types[XDS_CLUSTER].is_dirty = true;
    t->is_wildcard =
        request->type == XDS_VIRTUAL_HOST || (!request->names.count && may_be_wildcard);
}

/* Entries for all names. The wildcard is no name of a resource. */
static void add_names(
    struct type_state *t, const string_list *names, unsigned flags, struct arena *a)
{
    string_list plain = { 0 };
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->items[i], "*") != 0)
            list_push(a, &plain, names->items[i]);
    known_add(&t->known, &plain, flags);
}

/* By name; those of one name as they were told. */
static int compare_versions(const void *left, const void *right)
{
    const struct xds_versioned_name *const *l = left, *const *r = right;
    int order = strcmp((*l)->name, (*r)->name);
    return order ? order : (*l > *r) - (*l < *r);
}

static bool are_in_order(const struct xds_versioned_name **held, size_t count)
{
    for (size_t i = 1; i < count; i++)
        if (strcmp(held[i - 1]->name, held[i]->name) > 0)
            return false;
    return true;
}

/* By name, each once: of a name that is told twice, the last counts. */
static size_t sort_versions(
    struct arena *a, const struct xds_request *request, const struct xds_versioned_name ***out)
{
    size_t count = request->initial.count, kept = 0;
    const struct xds_versioned_name **sorted =
        ARENA_ARRAY(a, const struct xds_versioned_name *, count);
    for (size_t i = 0; i < count; i++)
        if (strcmp(request->initial.items[i].name, "*") != 0)
            sorted[kept++] = &request->initial.items[i];
    if (!are_in_order(sorted, kept))
        qsort(sorted, kept, sizeof *sorted, compare_versions);
    count = kept;
    kept = 0;
    for (size_t i = 0; i < count; i++)
        if (i + 1 == count || strcmp(sorted[i]->name, sorted[i + 1]->name) != 0)
            sorted[kept++] = sorted[i];
    *out = sorted;
    return kept;
}

/* In the place of what is known of these names, in one pass. */
static void add_versions(struct known *k, const struct xds_request *request, struct arena *a)
{
    const struct xds_versioned_name **held;
    size_t count = sort_versions(a, request, &held), old = 0;
    struct known merged = { 0 };
    for (size_t i = 0; i < count; i++) {
        while (old < k->count && strcmp(known_name(k->items[old]), held[i]->name) < 0)
            known_append(&merged, k->items[old++]);
        if (old < k->count && strcmp(known_name(k->items[old]), held[i]->name) == 0)
            known_drop(k->items[old++]);
        known_append(&merged, known_version(held[i]->name, held[i]->version));
    }
    while (old < k->count)
        known_append(&merged, k->items[old++]);
    known_take(k, &merged);
}

/* By this stream, before the proxy asked for endpoints. */
static bool was_cluster_sent(const struct xds_stream *s, const char *name)
{
    if (s->has_brought_clusters)
        return known_find(&s->sent_early, name) != NULL;
    known_entry cluster = known_of(&s->types[XDS_CLUSTER].known, name);
    return cluster && known_resource(cluster);
}

/* The versions a proxy comes with. A cluster that this stream has
 * sent waits for its endpoints, even if they are these. */
static void take_initial(struct xds_stream *s, const struct xds_request *request, struct arena *a)
{
    struct type_state *t = &s->types[request->type];
    if (request->initial.count)
        add_versions(&t->known, request, a);
    if (request->type == XDS_CLUSTER)
        s->has_brought_clusters = request->initial.count > 0;
    for (size_t i = 0; request->type == XDS_ENDPOINT && i < t->known.count; i++)
        if (was_cluster_sent(s, known_name(t->known.items[i])))
            t->known.items[i] |= KNOWN_RESEND;
    if (request->type == XDS_ENDPOINT)
        known_fini(&s->sent_early);
    if (request->type == XDS_VIRTUAL_HOST)
        stream_hosts_open(s);
}

/* Asks for a name, and says if it was not asked for before; `again` (Delta) sends what the proxy
 * was told of it already. */
static bool subscribe(struct type_state *t, const char *name, bool again)
{
    known_entry *e = known_find(&t->known, name);
    if (!e)
        return false;
    bool is_news = !(*e & KNOWN_ASKED);
    *e |= KNOWN_ASKED;
    if (again)
        *e |= KNOWN_RESEND;
    return is_news;
}

/* What the wildcard still covers is sent again, as the protocol asks. */
static void unsubscribe(struct type_state *t, const char *name)
{
    known_entry *e = known_find(&t->known, name);
    if (!e)
        return;
    *e &= ~(known_entry)KNOWN_ASKED;
    if (t->is_wildcard && known_is_held(*e))
        *e |= KNOWN_RESEND;
}

/* A starting proxy waits for the answer to a wildcard; an empty one about virtual hosts would tell
 * it nothing. */
static bool must_be_answered(const struct type_state *t, const struct xds_request *request)
{
    return t->is_wildcard && !request->initial.count && request->type != XDS_VIRTUAL_HOST;
}

/* True if a name was not asked for before. Most often, none is known. */
static bool ask(struct type_state *t, const string_list *names, bool is_first, struct arena *a)
{
    bool knows_none = !t->known.count && !t->known.rest, has_news = false;
    add_names(t, names, knows_none ? KNOWN_ASKED : 0, a);
    if (knows_none)
        return t->known.count > 0;
    for (size_t i = 0; i < names->count; i++)
        has_news |= subscribe(t, names->items[i], !is_first);
    return has_news;
}

/* True if a name was asked for that was not before. */
static bool request_delta(struct xds_stream *s, const struct xds_request *request, struct arena *a)
{
    struct type_state *t = &s->types[request->type];
    bool is_first = !t->is_subscribed;
    if (is_first) {
        open_type(s, request);
        take_initial(s, request, a);
    }
    set_wildcard(t, t->is_wildcard || has_wildcard_name(&request->names));
    t->must_answer |= is_first && must_be_answered(t, request);
    bool has_news = ask(t, &request->names, is_first, a);
    set_wildcard(t, t->is_wildcard && !has_wildcard_name(&request->unsubscribe));
    if (t->known.rest)
        add_names(t, &request->unsubscribe, 0, a);
    for (size_t i = 0; i < request->unsubscribe.count; i++)
        unsubscribe(t, request->unsubscribe.items[i]);
    if (request->type == XDS_ROUTE)
        stream_hosts_give_up(s, &request->unsubscribe);
    if (request->unsubscribe.count && !t->is_wildcard)
        known_drop_unasked(&t->known);
    return has_news;
}

static bool has_unasked(const struct type_state *t, const string_list *names)
{
    for (size_t i = 0; i < names->count; i++) {
        const known_entry *e = known_find(&t->known, names->items[i]);
        if (e && !(*e & KNOWN_ASKED))
            return true;
    }
    return false;
}

/* Of a set of names, in whatever order. */
static uint64_t sum_of(const string_list *names)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < names->count; i++)
        sum += hash64_of(names->items[i], strlen(names->items[i]));
    return sum;
}

/* The names of a request are the whole subscription: those that are missing now are dropped. Most
 * requests are acknowledgements, which repeat it. */
static bool request_sotw(struct xds_stream *s, const struct xds_request *request, struct arena *a)
{
    struct type_state *t = &s->types[request->type];
    uint64_t sum = sum_of(&request->names);
    if (t->is_subscribed && sum == t->asked_sum)
        return false;
    t->asked_sum = sum;
    if (!t->is_subscribed) {
        open_type(s, request);
        t->must_answer = true;
        t->resumed_version = *request->version_info ? xstrdup(request->version_info) : NULL;
    }
    if (request->names.count)
        set_wildcard(t, has_wildcard_name(&request->names));
    stream_resume(s, request->type);
    if (request->names.count)
        known_spread(&t->known);
    add_names(t, &request->names, 0, a);
    bool has_news = has_unasked(t, &request->names);
    for (size_t i = 0; i < t->known.count; i++)
        t->known.items[i] &= ~(known_entry)KNOWN_ASKED;
    for (size_t i = 0; i < request->names.count; i++)
        subscribe(t, request->names.items[i], false);
    if (!t->is_wildcard)
        known_drop_unasked(&t->known);
    return has_news;
}

void stream_take_request(
    struct xds_stream *s, const struct xds_request *request, const struct xds_out *out)
{
    struct type_state *t = &s->types[request->type];
    if (s->variant == XDS_SOTW && request->type == XDS_VIRTUAL_HOST)
        return;
    bool is_stale = *request->nonce && strcmp(request->nonce, t->flight.nonce) != 0;
    bool was_open = t->flight.is_open;
    bool has_news = false;
    take_answer(s, request, out->now_ms);
    if (s->variant == XDS_DELTA)
        has_news = request_delta(s, request, out->arena);
    else if (!(is_stale && was_open))
        has_news = request_sotw(s, request, out->arena);
    t->is_dirty = true;
    s->types[XDS_VIRTUAL_HOST].is_dirty |= request->type == XDS_ROUTE;
    if (request->type == XDS_ENDPOINT && has_news) {
        s->has_named_endpoints = true;
        s->awaits_names = false;
    }
}
