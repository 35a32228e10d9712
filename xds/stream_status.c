#include "xds/stream_parts.h"

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

static void tell(const struct xds_stream *s, const struct type_state *t, size_t at,
    struct xds_resource *r, struct xds_resource_status *status)
{
    known_entry e = t->known.items[at];
    const struct xds_resource *sent = known_resource(e);
    const struct refusal *refusal =
        e & KNOWN_REFUSED ? refusal_of(t, known_name(e)) : (const struct refusal *)NULL;
    status->name = known_name(e);
    status->sync = sync_of(s, t, e, r);
    status->has_version = known_is_held(e);
    if (status->has_version)
        status->version = sent ? stream_wire_version(s, sent) : *known_held_version(e);
    status->sent_ms = status->has_version ? known_sent_ms(&t->known, at) : 0;
    status->refusal = refusal ? refusal->text : NULL;
    status->refused_ms = refusal ? refusal->refused_ms : 0;
}

/* ---- all ---- */

static bool next_of_type(
    const struct xds_stream *s, struct xds_status_cursor *c, struct xds_resource_status *status)
{
    const struct type_state *t = &s->types[c->type];
    for (;;) {
        struct xds_cursor ahead = c->view;
        struct xds_resource *r = s->view ? xds_view_next(s->view, c->type, &ahead) : NULL;
        if (!r && c->at == t->known.count)
            return false;
        int order = stream_name_order(r, &t->known, c->at);
        *status = (struct xds_resource_status){ .type = c->type };
        if (order <= 0)
            c->view = ahead;
        if (!r || order >= 0) {
            tell(s, t, c->at++, order == 0 ? r : NULL, status);
            return true;
        }
        status->name = r->name;
        if (t->is_wildcard)
            return true;
    }
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

size_t xds_stream_name_count(const struct xds_stream *s)
{
    size_t count = 0;
    for (enum xds_type type = 0; type < XDS_TYPE_COUNT; type++)
        count += s->types[type].known.count;
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
    for (size_t i = 0; i < t->known.count; i++) {
        known_entry e = t->known.items[i];
        status->subscribed += t->is_wildcard || (e & KNOWN_ASKED);
        status->sent_resources += known_resource(e) != NULL;
        status->refused += (e & KNOWN_REFUSED) != 0;
    }
}
