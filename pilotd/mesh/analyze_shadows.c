/*
 * Rules that are never reached, because an earlier one of the same VirtualService takes all that
 * they match.
 */
#include "mesh/analyze.h"

#include "mesh/covers.h"

#include <string.h>

enum { MATCHES_MAX = 1000 }; /* of one VirtualService: each is compared with those before it */

/* ---- rules: entries of `match`, one after the other ---- */

/* One entry; a rule without any has one that matches everything. */
struct entry {
    size_t rule, index;
    bool is_whole;    /* the rule has no `match` */
    bool is_last_say; /* false: what it takes may still go on (to a delegate's routes) */
    uint64_t asks;    /* a bit for each thing it asks for: nobody asks for less and takes less */
    const struct http_match *http;
    struct l4_match_ranges l4;
};

typedef bool covers_fn(
    const struct entry *wide, const struct entry *narrow, const string_list *gateways);

struct rules {
    struct analysis *an;
    const struct object *object;
    LIST(struct entry) entries;
    const char *kind; /* http, tls, tcp */
    covers_fn *covers;
};

static bool covers_http(
    const struct entry *wide, const struct entry *narrow, const string_list *gateways)
{
    return !(wide->asks & ~narrow->asks) && http_match_covers(wide->http, narrow->http, gateways);
}

/* Two matches of one rule lead to one place: nothing is lost there. */
static bool covers_tls(
    const struct entry *wide, const struct entry *narrow, const string_list *gateways)
{
    return wide->rule != narrow->rule && tls_match_covers(&wide->l4, &narrow->l4, gateways);
}

static bool covers_tcp(
    const struct entry *wide, const struct entry *narrow, const string_list *gateways)
{
    return wide->rule != narrow->rule && tcp_match_covers(&wide->l4, &narrow->l4, gateways);
}

static const struct entry *find_cover(const struct rules *r, size_t index)
{
    const struct virtual_service *vs = r->object->spec;
    const struct entry *narrow = &r->entries.items[index];
    for (const struct entry *wide = r->entries.items; wide < narrow; wide++)
        if (wide->is_last_say && r->covers(wide, narrow, &vs->gateways))
            return wide;
    return NULL;
}

/* "spec.http[0]", or with ".match[1]" where the rule has matches. */
static const char *place_of(struct arena *a, const struct rules *r, const struct entry *e)
{
    if (e->is_whole)
        return arena_printf(a, "spec.%s[%zu]", r->kind, e->rule);
    return arena_printf(a, "spec.%s[%zu].match[%zu]", r->kind, e->rule, e->index);
}

static void tell_rule(
    const struct rules *r, const struct entry *first, const struct entry *cover, bool is_by_one)
{
    struct arena *a = r->an->s->arena;
    bool is_http = strcmp(r->kind, "http") == 0;
    finding_add(r->an->s,
        r->object->key,
        DIAG_SHADOWED,
        arena_printf(a, "spec.%s[%zu]", r->kind, first->rule),
        "put the more specific rule first",
        is_by_one ? "is never reached: %s takes every %s that it matches"
                  : "is never reached: %s and others take every %s that it matches",
        place_of(r->an->scratch, r, cover),
        is_http ? "request" : "connection");
}

static void tell_match(const struct rules *r, const struct entry *e, const struct entry *cover)
{
    finding_add(r->an->s,
        r->object->key,
        DIAG_SHADOWED,
        place_of(r->an->s->arena, r, e),
        NULL,
        "has no effect: %s takes all that it matches",
        place_of(r->an->scratch, r, cover));
}

/* Entries [first, end) are one rule's. */
static void check_rule(const struct rules *r, size_t first, size_t end)
{
    const struct entry **covers = ARENA_ARRAY(r->an->scratch, const struct entry *, end - first);
    const struct entry *rule = &r->entries.items[first];
    bool is_unreached = true, is_by_one = true;
    for (size_t i = first; i < end; i++) {
        const struct entry *cover = covers[i - first] = find_cover(r, i);
        is_unreached = is_unreached && cover && cover->rule != rule->rule;
        is_by_one = is_by_one && cover == covers[0];
    }
    if (is_unreached) {
        tell_rule(r, rule, covers[0], is_by_one);
        return;
    }
    for (size_t i = first; i < end; i++)
        if (covers[i - first])
            tell_match(r, &r->entries.items[i], covers[i - first]);
}

static void check_rules(const struct rules *r)
{
    for (size_t i = 0, j; i < r->entries.count; i = j) {
        for (j = i + 1; j < r->entries.count; j++)
            if (r->entries.items[j].rule != r->entries.items[i].rule)
                break;
        check_rule(r, i, j);
    }
}

/* ---- the whole ---- */

static bool has_room(const struct rules *r, size_t matches)
{
    return r->entries.count + matches < MATCHES_MAX;
}

static void push_http(struct rules *r, const struct http_route *route, size_t rule)
{
    static const struct http_match everything;
    struct entry entry = { .rule = rule, .http = &everything, .is_whole = route->match.count == 0 };
    entry.is_last_say = !route->delegate;
    if (entry.is_whole)
        list_push(r->an->scratch, &r->entries, entry);
    for (; entry.index < route->match.count; entry.index++) {
        entry.http = &route->match.items[entry.index];
        entry.asks = http_match_asks(entry.http);
        list_push(r->an->scratch, &r->entries, entry);
    }
}

static void push_l4(struct rules *r, const struct l4_route *route, size_t rule)
{
    static const struct l4_match everything;
    struct entry entry = {
        .rule = rule,
        .is_whole = route->match.count == 0,
        .is_last_say = true,
        .l4.match = &everything,
    };
    if (entry.is_whole)
        list_push(r->an->scratch, &r->entries, entry);
    for (; entry.index < route->match.count; entry.index++) {
        entry.l4 = l4_match_read(r->an->scratch, &route->match.items[entry.index]);
        list_push(r->an->scratch, &r->entries, entry);
    }
}

static void check_http(struct analysis *an, const struct object *object)
{
    const struct virtual_service *vs = object->spec;
    struct rules r = { .an = an, .object = object, .kind = "http", .covers = covers_http };
    for (size_t i = 0; i < vs->http.count && has_room(&r, vs->http.items[i].match.count); i++)
        push_http(&r, &vs->http.items[i], i);
    check_rules(&r);
}

static void check_tls(struct analysis *an, const struct object *object)
{
    const struct virtual_service *vs = object->spec;
    struct rules r = { .an = an, .object = object, .kind = "tls", .covers = covers_tls };
    for (size_t i = 0; i < vs->tls.count && has_room(&r, vs->tls.items[i].match.count); i++)
        push_l4(&r, &vs->tls.items[i], i);
    check_rules(&r);
}

static void check_tcp(struct analysis *an, const struct object *object)
{
    const struct virtual_service *vs = object->spec;
    struct rules r = { .an = an, .object = object, .kind = "tcp", .covers = covers_tcp };
    for (size_t i = 0; i < vs->tcp.count && has_room(&r, vs->tcp.items[i].match.count); i++)
        push_l4(&r, &vs->tcp.items[i], i);
    check_rules(&r);
}

void analyze_shadows(struct analysis *an)
{
    const struct object_list *list = &an->s->objects[KIND_VIRTUAL_SERVICE];
    for (size_t i = 0; i < list->count; i++) {
        check_http(an, list->items[i]);
        check_tls(an, list->items[i]);
        check_tcp(an, list->items[i]);
    }
}
