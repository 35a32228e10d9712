#include "xds/stream_hosts.h"

#include <string.h>

static struct type_state *hosts_of(struct xds_stream *s)
{
    return &s->types[XDS_VIRTUAL_HOST];
}

/* ---- names ---- */

static size_t table_size(const char *name)
{
    const char *slash = strrchr(name, '/');
    return slash ? (size_t)(slash - name) : 0;
}

bool stream_hosts_is_turn(const struct hosts_turn *turn, const char *name)
{
    return turn->table && table_size(name) == turn->size &&
           memcmp(name, turn->table, turn->size) == 0;
}

static const char nobody[] = "/none";

/* The host of a table that is never there. */
static const char *nobody_of(struct arena *a, const char *table)
{
    return arena_printf(a, "%s%s", table, nobody);
}

static bool is_nobody(const char *name)
{
    return strcmp(name + table_size(name), nobody) == 0;
}

/* ---- what is known of one table's hosts: neighbours, but for tables whose names have slashes ----
 */

struct walk {
    struct known *known;
    struct hosts_turn of;
    size_t at;
};

static struct walk walk_of(struct xds_stream *s, const char *table)
{
    struct walk w = { .known = &hosts_of(s)->known, .of = { .table = table } };
    w.of.size = strlen(table);
    w.at = known_place(w.known, table);
    return w;
}

static known_entry *next_host(struct walk *w)
{
    while (w->at < w->known->count) {
        known_entry *e = &w->known->items[w->at++];
        if (strncmp(known_name(*e), w->of.table, w->of.size) != 0)
            return NULL;
        if (stream_hosts_is_turn(&w->of, known_name(*e)))
            return e;
    }
    return NULL;
}

static bool has_hosts(struct xds_stream *s, const char *table)
{
    struct walk w = walk_of(s, table);
    for (const known_entry *e; (e = next_host(&w));)
        if (known_is_held(*e))
            return true;
    return false;
}

static void forget_hosts(struct xds_stream *s, const char *table)
{
    struct walk w = walk_of(s, table);
    for (known_entry *e; (e = next_host(&w));)
        *e |= KNOWN_RESEND;
}

/* ---- tables begin and end ---- */

void stream_hosts_begin(struct xds_stream *s, const string_list *tables)
{
    bool is_split = hosts_of(s)->is_subscribed || xds_view_count(s->view, XDS_VIRTUAL_HOST) > 0;
    if (!is_split || !tables->count)
        return;
    struct arena *a = arena_new();
    string_list names = { 0 };
    hosts_of(s)->is_dirty = true;
    for (size_t i = 0; i < tables->count; i++)
        list_push(a, &names, nobody_of(a, tables->items[i]));
    known_spread(&hosts_of(s)->known);
    known_add(&hosts_of(s)->known, &names, 0);
    for (size_t i = 0; i < names.count; i++) {
        *known_find(&hosts_of(s)->known, names.items[i]) |= KNOWN_ASKED;
        forget_hosts(s, tables->items[i]);
    }
    arena_free(a);
}

void stream_hosts_give_up(struct xds_stream *s, const string_list *tables)
{
    struct arena *a = arena_new();
    if (tables->count)
        known_spread(&hosts_of(s)->known);
    for (size_t i = 0; i < tables->count; i++) {
        known_entry *e = known_find(&hosts_of(s)->known, nobody_of(a, tables->items[i]));
        if (e)
            *e &= ~(known_entry)KNOWN_ASKED;
    }
    arena_free(a);
}

/* A table that was sent on this stream has begun, and what the proxy says of its hosts is of an
 * earlier life; one that it brought along is in force if it has a host, and maybe if not. */
void stream_hosts_open(struct xds_stream *s)
{
    struct arena *a = arena_new();
    const struct known *tables = &s->types[XDS_ROUTE].known;
    struct known_walk w = { .known = tables, .view = tables->rest, .type = XDS_ROUTE };
    string_list brought = { 0 };
    while (known_walk_next(&w)) {
        if (!w.e || !known_is_held(w.e))
            continue;
        const char *table = known_name(w.e);
        if (known_find(&hosts_of(s)->known, nobody_of(a, table)))
            forget_hosts(s, table);
        else if (!has_hosts(s, table))
            list_push(a, &brought, table);
    }
    stream_hosts_begin(s, &brought);
    arena_free(a);
}

/* ---- whose turn it is ---- */

static bool is_asked(const struct type_state *t, known_entry e)
{
    return t->is_wildcard || (e & KNOWN_ASKED);
}

/* Nothing is said of the hosts of a table that the proxy is to have first, or refused, or that is
 * gone. */
static void look_at_table(const struct xds_stream *s, struct hosts_turn *turn)
{
    const struct type_state *tables = &s->types[XDS_ROUTE];
    struct arena *a = arena_new();
    const char *table = arena_strndup(a, turn->table, turn->size);
    known_entry e = known_of(&tables->known, table);
    bool is_taken = e && known_is_held(e) && !(e & (KNOWN_RESEND | KNOWN_REFUSED));
    if (tables->is_subscribed && !is_asked(tables, e))
        turn->state = HOSTS_GIVEN_UP;
    else if (is_taken && xds_view_find(s->view, XDS_ROUTE, table))
        turn->state = HOSTS_GO;
    else
        turn->state = HOSTS_WAIT;
    arena_free(a);
}

static bool owes_denial(known_entry e)
{
    return (e & KNOWN_ASKED) && !known_is_told_absent(e);
}

/* A removal that was refused is a version without a resource: see stream_hosts_refuse. */
static bool is_refused_removal(known_entry e)
{
    return (e & KNOWN_REFUSED) && !known_resource(e);
}

/* What was refused is no cause by itself. */
static bool is_cause(const struct xds_stream *s, const struct hosts_turn *turn,
    struct xds_resource *r, known_entry *e)
{
    if (turn->state == HOSTS_WAIT)
        return false;
    if (!r || turn->state == HOSTS_GIVEN_UP)
        return e && (known_is_held(*e) ? !is_refused_removal(*e) : owes_denial(*e));
    if (!e || !stream_is_current(s, *e, r))
        return true;
    *e = stream_share(r, *e);
    return false;
}

/* Where there is a rest, all that is not as the view has it has an entry; and of tables that begin
 * or are given up, each host has. */
struct hosts_turn stream_hosts_turn(struct xds_stream *s)
{
    struct known *known = &hosts_of(s)->known;
    struct hosts_turn turn = { 0 };
    struct known_walk w = {
        .known = known, .view = s->view, .type = XDS_VIRTUAL_HOST, .only_entries = known->rest
    };
    while (known_walk_next(&w)) {
        const char *name = w.r ? w.r->name : known_name(w.e);
        if (!stream_hosts_is_turn(&turn, name)) {
            turn = (struct hosts_turn){ .table = name, .size = table_size(name) };
            look_at_table(s, &turn);
        }
        if (is_cause(s, &turn, w.r, w.is_entry ? &known->items[w.at - 1] : NULL))
            return turn;
    }
    return (struct hosts_turn){ 0 };
}

/* ---- what was refused ---- */

/* The proxy still has what it would not remove; which version, does not matter. */
void stream_hosts_refuse(struct xds_stream *s)
{
    struct type_state *t = hosts_of(s);
    struct arena *a = arena_new();
    string_list names = { 0 };
    for (size_t i = 0; i < t->flight.removed_count; i++)
        if (known_is_nothing(known_of(&t->known, t->flight.removed[i])))
            list_push(a, &names, t->flight.removed[i]);
    known_add(&t->known, &names, 0);
    for (list_each (const char *const, name, &names)) {
        known_entry *e = known_find(&t->known, *name);
        known_drop(*e);
        *e = known_version(*name, "") | KNOWN_REFUSED;
    }
    arena_free(a);
}

/* ---- status ---- */

bool stream_hosts_concern(const struct xds_stream *s, const char *name, bool is_known)
{
    struct hosts_turn turn = { .table = name, .size = table_size(name) };
    if (is_known || is_nobody(name))
        return is_known && !is_nobody(name);
    look_at_table(s, &turn);
    return s->types[XDS_VIRTUAL_HOST].is_subscribed && turn.state != HOSTS_GIVEN_UP;
}
