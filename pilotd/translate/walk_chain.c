/*
 * Which filter chain of a listener takes a connection.
 *
 * Envoy asks one question after the other and never goes back: the chains with the most exact
 * answer to one are the only ones that are asked the next.
 */
#include "translate/walk_parts.h"

#include "model/cidr.h"

#include <limits.h>
#include <string.h>

enum { MISMATCH = -1, WHATEVER = 0 };

/* ---- the questions: how exactly does a chain want what came? ---- */

static int rank_port(const struct walking *w, const pb_FilterChainMatch *m)
{
    if (!m->destination_port)
        return WHATEVER;
    return m->destination_port->value == w->call->port ? 1 : MISMATCH;
}

static const char *want_port(struct arena *a, const pb_FilterChainMatch *m)
{
    return arena_printf(a, "%u", m->destination_port->value);
}

static unsigned bits_of(const pb_CidrRange *range)
{
    return range->prefix_len ? range->prefix_len->value : 0;
}

static const char *range_text(struct arena *a, const pb_CidrRange *range)
{
    return arena_printf(a, "%s/%u", range->address_prefix, bits_of(range));
}

/* No range is the range of everything. */
static int rank_range(const struct walking *w, const pb_FilterChainMatch *m)
{
    int best = m->n_prefix_ranges ? MISMATCH : WHATEVER;
    struct cidr address, range;
    if (!w->call->address || !cidr_parse(w->call->address, &address))
        return best;
    for (size_t i = 0; i < m->n_prefix_ranges; i++) {
        unsigned bits = bits_of(m->prefix_ranges[i]);
        struct cidr around = address;
        around.bits = bits;
        if (cidr_parse(range_text(w->a, m->prefix_ranges[i]), &range) &&
            range.family == around.family && cidr_compare(&range, &around) == 0 && (int)bits > best)
            best = (int)bits;
    }
    return best;
}

static const char *want_range(struct arena *a, const pb_FilterChainMatch *m)
{
    const char *joined = range_text(a, m->prefix_ranges[0]);
    for (size_t i = 1; i < m->n_prefix_ranges; i++)
        joined = arena_printf(a, "%s, %s", joined, range_text(a, m->prefix_ranges[i]));
    return joined;
}

static int rank_name(const char *wanted, const char *name)
{
    if (strcmp(wanted, name) == 0)
        return INT_MAX;
    if (!begins_with(wanted, "*."))
        return MISMATCH;
    size_t suffix = strlen(wanted + 1), size = strlen(name);
    bool is_under = size > suffix && strcmp(name + size - suffix, wanted + 1) == 0;
    return is_under ? (int)suffix : MISMATCH;
}

static int rank_server_name(const struct walking *w, const pb_FilterChainMatch *m)
{
    int best = m->n_server_names ? MISMATCH : WHATEVER;
    for (size_t i = 0; i < m->n_server_names; i++) {
        int rank = rank_name(m->server_names[i], w->walk->server_name);
        best = rank > best ? rank : best;
    }
    return best;
}

static const char *want_server_name(struct arena *a, const pb_FilterChainMatch *m)
{
    return text_join(a, m->server_names, m->n_server_names);
}

static int rank_transport(const struct walking *w, const pb_FilterChainMatch *m)
{
    if (!*m->transport_protocol)
        return WHATEVER;
    return strcmp(m->transport_protocol, w->walk->transport) == 0 ? 1 : MISMATCH;
}

static const char *want_transport(struct arena *a, const pb_FilterChainMatch *m)
{
    (void)a;
    return m->transport_protocol;
}

/* What the caller names first counts most. */
static int rank_application(const struct walking *w, const pb_FilterChainMatch *m)
{
    const string_list *offered = &w->walk->applications;
    for (size_t i = 0; i < offered->count; i++)
        for (size_t j = 0; j < m->n_application_protocols; j++)
            if (strcmp(offered->items[i], m->application_protocols[j]) == 0)
                return (int)(offered->count - i);
    return m->n_application_protocols ? MISMATCH : WHATEVER;
}

static const char *want_application(struct arena *a, const pb_FilterChainMatch *m)
{
    return text_join(a, m->application_protocols, m->n_application_protocols);
}

/* In the order in which Envoy asks. */
static const struct question {
    const char *what;
    int (*rank)(const struct walking *w, const pb_FilterChainMatch *m);
    const char *(*want)(struct arena *a, const pb_FilterChainMatch *m); /* of a mismatch */
} questions[] = {
    { "destination port", rank_port, want_port },
    { "address", rank_range, want_range },
    { "server name", rank_server_name, want_server_name },
    { "transport", rank_transport, want_transport },
    { "application protocol", rank_application, want_application },
};

/* ---- asking ---- */

static const pb_FilterChainMatch *match_of(const pb_FilterChain *chain)
{
    static const pb_FilterChainMatch everything =
        ENVOY__CONFIG__LISTENER__V3__FILTER_CHAIN_MATCH__INIT;
    return chain->filter_chain_match ? chain->filter_chain_match : &everything;
}

static void ask(struct walking *w, const pb_Listener *listener, const struct question *q)
{
    struct walk_try *tried = w->walk->chains.items;
    int best = MISMATCH;
    for (size_t i = 0; i < listener->n_filter_chains; i++) {
        int rank = q->rank(w, match_of(listener->filter_chains[i]));
        best = !tried[i].reason && rank > best ? rank : best;
    }
    for (size_t i = 0; i < listener->n_filter_chains; i++) {
        const pb_FilterChainMatch *match = match_of(listener->filter_chains[i]);
        int rank = q->rank(w, match);
        if (tried[i].reason || (rank == best && rank != MISMATCH))
            continue;
        tried[i].reason = rank == MISMATCH
                              ? arena_printf(w->a, "wants %s %s", q->what, q->want(w->a, match))
                              : arena_printf(w->a, "another wants this %s", q->what);
    }
}

static const pb_FilterChain *take(struct walking *w, const pb_FilterChain *chain, size_t index)
{
    w->walk->chain = chain->name;
    w->walk->chain_index = index;
    return chain;
}

const pb_FilterChain *walk_find_chain(struct walking *w, const pb_Listener *listener)
{
    for (size_t i = 0; i < listener->n_filter_chains; i++) {
        struct walk_try tried = { listener->filter_chains[i]->name, NULL };
        list_push(w->a, &w->walk->chains, tried);
    }
    for (size_t i = 0; i < ARRAY_COUNT(questions); i++)
        ask(w, listener, &questions[i]);
    for (size_t i = 0; i < listener->n_filter_chains; i++)
        if (!w->walk->chains.items[i].reason)
            return take(w, listener->filter_chains[i], i);
    if (!listener->default_filter_chain) {
        walk_stop(w, WALK_NO_CHAIN, NULL);
        return NULL;
    }
    struct walk_try rest = { listener->default_filter_chain->name, NULL };
    list_push(w->a, &w->walk->chains, rest);
    return take(w, listener->default_filter_chain, SIZE_MAX);
}
