#include "xds/stream_hosts.h"

#include <string.h>

/* ---- what was refused ---- */

static void refusals_cut(struct refusal **from)
{
    for (struct refusal *r = *from, *next; r; r = next) {
        next = r->next;
        for (size_t i = 0; i < r->count; i++)
            xds_resource_release(r->resources[i]);
        free(r->resources);
        free(r);
    }
    *from = NULL;
}

void stream_refusals_free(struct type_state *t)
{
    refusals_cut(&t->refusals);
}

/* Not in the middle of a character. */
static size_t cut_off(const char *text)
{
    size_t size = strlen(text);
    if (size <= XDS_MAX_REFUSAL_BYTES)
        return size;
    for (size = XDS_MAX_REFUSAL_BYTES; size > 0 && ((unsigned char)text[size] & 0xc0) == 0x80;)
        size--;
    return size;
}

void stream_refusals_take(struct type_state *t, const char *text, int64_t now_ms)
{
    size_t size = cut_off(text);
    struct refusal *r = xcalloc(1, sizeof *r + size + 1), **last = &t->refusals;
    memcpy(r->text, text, size);
    r->refused_ms = now_ms;
    r->resources = t->flight.resources;
    r->count = t->flight.count;
    r->next = t->refusals;
    t->flight.resources = NULL;
    t->flight.count = 0;
    t->refusals = r;
    t->nacks++;
    for (size_t i = 0; *last && i < REFUSALS_KEPT; i++)
        last = &(*last)->next;
    refusals_cut(last);
}

static const struct refusal *refusal_of(const struct type_state *t, const char *name)
{
    for (const struct refusal *r = t->refusals; r; r = r->next)
        if (xds_resources_find(r->resources, r->count, name))
            return r;
    return NULL;
}

/* ---- one resource ---- */

static enum xds_sync sync_of(
    const struct xds_stream *s, const struct type_state *t, known_entry e, struct xds_resource *r)
{
    const struct xds_resource *sent = known_resource(e);
    if (!known_is_held(e))
        return XDS_NOT_SENT;
    if (e & KNOWN_REFUSED)
        return XDS_REFUSED;
    if (!r || (e & KNOWN_RESEND))
        return XDS_STALE;
    struct hash128 wanted = sent ? r->version : stream_wire_version(s, r);
    if (!known_is_version(e, &wanted))
        return XDS_STALE;
    return t->flight.is_open && xds_resources_find(t->flight.resources, t->flight.count, r->name)
               ? XDS_STALE
               : XDS_SYNCED;
}

static void tell(const struct xds_stream *s, const struct type_state *t, const struct known_walk *w,
    struct xds_resource_status *status)
{
    const struct xds_resource *sent = known_resource(w->e);
    const struct refusal *refusal = w->e & KNOWN_REFUSED ? refusal_of(t, known_name(w->e)) : NULL;
    status->name = known_name(w->e);
    status->sync = sync_of(s, t, w->e, w->r);
    status->has_version = known_is_held(w->e);
    if (status->has_version)
        status->version = sent ? stream_wire_version(s, sent) : *known_held_version(w->e);
    status->sent_ms = status->has_version ? known_sent_ms(&t->known, status->name) : 0;
    status->refusal = refusal ? refusal->text : NULL;
    status->refused_ms = refusal ? refusal->refused_ms : 0;
}

/* ---- all ---- */

static bool is_told_of(
    const struct xds_stream *s, enum xds_type type, const char *name, bool is_known)
{
    if (type == XDS_VIRTUAL_HOST)
        return stream_hosts_concern(s, name, is_known);
    return is_known || s->types[type].is_wildcard;
}

static bool next_of_type(
    const struct xds_stream *s, struct xds_status_cursor *c, struct xds_resource_status *status)
{
    const struct type_state *t = &s->types[c->type];
    struct known_walk w = {
        .known = &t->known, .view = s->view, .type = c->type, .at = c->at, .cursor = c->view
    };
    bool is_told = false;
    while (!is_told && known_walk_next(&w)) {
        const char *name = w.e ? known_name(w.e) : w.r->name;
        *status = (struct xds_resource_status){ .type = c->type, .name = name };
        is_told = is_told_of(s, c->type, name, !known_is_nothing(w.e));
        if (w.e)
            tell(s, t, &w, status);
    }
    c->at = w.at;
    c->view = w.cursor;
    return is_told;
}

bool xds_stream_next_status(
    const struct xds_stream *s, struct xds_status_cursor *c, struct xds_resource_status *status)
{
    for (; c->type < XDS_TYPE_COUNT; *c = (struct xds_status_cursor){ .type = c->type + 1 })
        if (next_of_type(s, c, status))
            return true;
    return false;
}

struct xds_status_cursor xds_stream_status_after(
    const struct xds_stream *s, enum xds_type type, const char *name)
{
    struct xds_status_cursor c = { .type = type };
    c.at = known_after(&s->types[type].known, name);
    if (s->view)
        c.view = xds_view_after(s->view, type, name);
    return c;
}

/* ---- status ---- */

/* Of the view, those that have no entry and of which the proxy has what there is. */
static size_t rest_count(const struct known *k)
{
    struct known_walk w = { .known = k, .view = k->rest, .type = k->type, .only_entries = true };
    size_t count = k->rest ? xds_view_count(k->rest, k->type) : 0;
    while (k->rest && known_walk_next(&w))
        count -= w.r != NULL;
    return count;
}

size_t xds_stream_name_count(const struct xds_stream *s)
{
    size_t count = 0;
    for (enum xds_type type = 0; type < XDS_TYPE_COUNT; type++)
        count += s->types[type].known.count + rest_count(&s->types[type].known);
    return count;
}

void xds_stream_status(
    const struct xds_stream *s, enum xds_type type, struct xds_type_status *status)
{
    const struct type_state *t = &s->types[type];
    *status = (struct xds_type_status){
        .is_subscribed = t->is_subscribed,
        .is_in_flight = t->flight.is_open,
        .is_settled = s->view && !t->flight.is_open && stream_is_settled(s, type),
        .sent_revision = t->sent_revision,
        .acked_revision = t->acked_revision,
        .acks = t->acks,
        .nacks = t->nacks,
        .sent_ms = t->sent_ms,
        .acked_ms = t->acked_ms,
        .refused_ms = t->refusals ? t->refusals->refused_ms : 0,
        .last_nack = t->refusals ? t->refusals->text : "",
    };
    status->subscribed = status->sent_resources = rest_count(&t->known);
    for (size_t i = 0; i < t->known.count; i++) {
        known_entry e = t->known.items[i];
        if (!is_told_of(s, type, known_name(e), true))
            continue;
        status->subscribed += t->is_wildcard || (e & KNOWN_ASKED);
        status->sent_resources += known_resource(e) != NULL;
        status->refused += (e & KNOWN_REFUSED) != 0;
    }
}

const struct xds_view *xds_stream_wanted(const struct xds_stream *stream)
{
    return stream->view;
}
