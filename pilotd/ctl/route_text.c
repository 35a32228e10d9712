/* pilotctl route for people: the way from top to bottom, what was passed over in brackets. */
#include "ctl/route.h"

#include <string.h>

static void print_row(FILE *out, const char *name, const char *text)
{
    fprintf(out, "%-11s %s\n", name, text);
}

static const char *or_unnamed(const char *name)
{
    return *name ? name : "unnamed";
}

static const char *joined(struct arena *a, const string_list *texts)
{
    const char *text = texts->count ? texts->items[0] : "none";
    for (size_t i = 1; i < texts->count; i++)
        text = arena_printf(a, "%s, %s", text, texts->items[i]);
    return text;
}

/* ---- the call ---- */

static const char *target(struct arena *a, const struct call *call)
{
    if (!call->address)
        return arena_printf(a, "port %u of an address that --address would say", call->port);
    bool is_v6 = strchr(call->address, ':');
    return arena_printf(a, is_v6 ? "[%s]:%u" : "%s:%u", call->address, call->port);
}

static const char *wrapping(struct arena *a, const struct call *call)
{
    if (call->tls == CALL_PLAINTEXT)
        return "plaintext";
    return arena_printf(a,
        "%s for %s, ALPN %s",
        call->tls == CALL_MTLS ? "TLS of the mesh" : "TLS",
        call->server_name ? call->server_name : "no name",
        joined(a, &call->alpn));
}

static void print_call(struct arena *a, const struct call *call, FILE *out)
{
    static const char *const protocols[] = { "bytes", "HTTP/1.1", "HTTP/2" };
    const char *what = protocols[call->http];
    if (call->http != CALL_BYTES)
        what = arena_printf(a, "%s %s%s %s", call->method, call->authority, call->path, what);
    print_row(out,
        call->is_inbound ? "inbound" : "outbound",
        arena_printf(a, "%s → %s, %s", what, target(a, call), wrapping(a, call)));
    for (list_each (const struct label, header, &call->headers))
        print_row(out, "", arena_printf(a, "%s: %s", header->key, header->value));
}

/* ---- the way ---- */

static void print_passed(struct arena *a, const walk_try_list *tries, FILE *out)
{
    for (list_each (const struct walk_try, tried, tries))
        if (tried->reason)
            print_row(out, "", arena_printf(a, "(%s: %s)", or_unnamed(tried->name), tried->reason));
}

static void print_connection(struct arena *a, const struct walk *walk, FILE *out)
{
    print_row(out, "listener", walk->listener ? walk->listener : "none");
    print_passed(a, &walk->listeners, out);
    if (!walk->listener)
        return;
    const char *seen = arena_printf(a,
        "%s%s%s, protocols: %s",
        walk->transport,
        *walk->server_name ? " for " : "",
        walk->server_name,
        joined(a, &walk->applications));
    print_row(out, "inspected", seen);
    const char *chain = walk->chain ? or_unnamed(walk->chain) : "none";
    const char *is_default =
        walk->chain && walk->chain_index == SIZE_MAX ? ", which takes the rest" : "";
    const char *ends = walk->ends_tls ? ", where TLS ends" : "";
    print_row(out, "chain", arena_printf(a, "%s%s%s", chain, is_default, ends));
    print_passed(a, &walk->chains, out);
}

static void print_routes(
    struct arena *a, const struct walk *walk, const struct walk_origin *origin, FILE *out)
{
    if (walk->table)
        print_row(out, "table", walk->table);
    if (walk->host)
        print_row(out, "host", arena_printf(a, "%s, by its domain %s", walk->host, walk->domain));
    if (origin->host)
        print_row(out, "from", origin->host);
    for (size_t i = 0; i < walk->routes.count; i++) {
        const struct walk_try *tried = &walk->routes.items[i];
        const char *from = i < origin->routes.count ? origin->routes.items[i] : "";
        print_row(out,
            i == 0 ? "routes" : "",
            arena_printf(a,
                "%zu %s: %s%s%s%s",
                i + 1,
                or_unnamed(tried->name),
                tried->reason ? tried->reason : "taken",
                *from ? " [" : "",
                from,
                *from ? "]" : ""));
    }
}

static void print_facts(struct arena *a, const char *title, const walk_fact_list *facts, FILE *out)
{
    for (list_each (const struct walk_fact, fact, facts))
        print_row(out,
            fact == facts->items ? title : "",
            arena_printf(a, "%s: %s", fact->name, fact->text));
}

/* ---- destinations ---- */

static void print_endpoints(struct arena *a, const struct walk_cluster *cluster,
    const struct cluster_origin *origin, FILE *out)
{
    for (size_t i = 0; i < cluster->endpoints.count; i++) {
        const struct walk_endpoint *e = &cluster->endpoints.items[i];
        const char *from = origin->endpoints.items[i];
        const char *text = arena_printf(a, "  %s", e->address);
        if (*e->health)
            text = arena_printf(
                a, "%s %s, weight %u, priority %u", text, e->health, e->weight, e->priority);
        if (*e->locality)
            text = arena_printf(a, "%s, in %s", text, e->locality);
        if (e->transport)
            text = arena_printf(a, "%s, %s", text, e->transport);
        print_row(out, "", *from ? arena_printf(a, "%s [%s]", text, from) : text);
    }
}

/* What no rule says is not worth a line. */
static void print_policy(struct arena *a, const struct cluster_origin *origin, FILE *out)
{
    for (list_each (const struct policy_origin, block, &origin->policy))
        if (strcmp(block->from, "default") != 0)
            print_row(out, "", arena_printf(a, "  %s: [%s]", block->block, block->from));
}

static void print_cluster(struct arena *a, const struct walk_cluster *cluster,
    const struct cluster_origin *origin, FILE *out)
{
    if (origin->missing)
        print_row(out, "", arena_printf(a, "  %s", origin->missing));
    for (list_each (const struct walk_fact, fact, &cluster->facts))
        print_row(out, "", arena_printf(a, "  %s: %s", fact->name, fact->text));
    print_policy(a, origin, out);
    print_endpoints(a, cluster, origin, out);
}

static bool is_shown(const struct walk *walk, size_t i)
{
    const char *name = walk->destinations.items[i].cluster.name;
    while (i-- > 0)
        if (strcmp(walk->destinations.items[i].cluster.name, name) == 0)
            return true;
    return false;
}

static void print_destination(struct arena *a, const struct route_result *r, size_t i, FILE *out)
{
    const struct walk_destination *d = &r->walk->destinations.items[i];
    const struct cluster_origin *origin = &r->origin->clusters.items[i];
    const char *text = arena_printf(a, "%.4g %% %s", d->percent, d->cluster.name);
    if (origin->service)
        text = arena_printf(a, "%s [%s]", text, origin->service);
    if (!d->cluster.is_known)
        text = arena_printf(a, "%s, which was not sent", text);
    print_row(out, d->is_mirror ? "copy" : "to", text);
    for (list_each (const struct walk_fact, fact, &d->facts))
        print_row(out, "", arena_printf(a, "  %s: %s", fact->name, fact->text));
    if (is_shown(r->walk, i))
        print_row(out, "", "  as above");
    else
        print_cluster(a, &d->cluster, origin, out);
}

static void print_end(struct arena *a, const struct walk *walk, FILE *out)
{
    const char *text = walk_end_text(walk->end);
    if (walk->why)
        text = arena_printf(a, "%s: %s", text, walk->why);
    if (walk->status)
        text = arena_printf(a, "%s, status %u", text, walk->status);
    print_row(out, "end", text);
}

void route_print(struct arena *a, const struct route_result *r, FILE *out)
{
    const struct walk *walk = r->walk;
    print_call(a, r->call, out);
    print_connection(a, walk, out);
    print_routes(a, walk, r->origin, out);
    print_facts(a, "action", &walk->action, out);
    for (size_t i = 0; i < walk->destinations.count; i++)
        print_destination(a, r, i, out);
    print_end(a, walk, out);
}
