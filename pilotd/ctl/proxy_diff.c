/* pilotctl proxy-diff: what a proxy should have, what it has acknowledged, what its Envoy says. */
#include "base/map.h"
#include "ctl/admin.h"
#include "ctl/one_proxy.h"
#include "ctl/report.h"

#include <string.h>

static const struct flag flag_all = {
    .name = "--all",
    .help = "shows what is equal, too",
};
const struct flag *const proxy_diff_flags[] = {
    &flag_server, &flag_envoy_admin, &flag_all, READ_FLAGS, NULL
};

static const struct column columns[] = {
    { "TYPE" },
    { "NAME" },
    { "WANTED" },
    { "ACKNOWLEDGED" },
    { "ENVOY" },
    { "VERDICT" },
};

/* A virtual host of its own is not told by Envoy as a resource. */
static const struct type {
    const char *word, *name;
    const char *lists[2];      /* in Envoy's dump, of what it uses or warms up */
    const char *member;        /* the resource's, in an item of these */
    const char *states[2];     /* where version and resource are, below the item; NULL: in it */
    bool is_told, has_version; /* by Envoy */
} types[] = {
    { "CDS",
        "name",
        { "dynamic_active_clusters", "dynamic_warming_clusters" },
        "cluster",
        { NULL },
        true,
        true },
    { "EDS", "cluster_name", { "dynamic_endpoint_configs" }, "endpoint_config", { NULL }, true },
    { "LDS",
        "name",
        { "dynamic_listeners" },
        "listener",
        { "active_state", "warming_state" },
        true,
        true },
    { "RDS", "name", { "dynamic_route_configs" }, "route_config", { NULL }, true, true },
    { "VHDS", "name", { NULL }, NULL, { NULL }, false },
};

/* One resource, by whoever knows of it; NULL: it does not. */
struct item {
    const char *wanted, *acked, *envoy;
    const char *state; /* of CSDS, "" */
    bool is_split;     /* a route table whose hosts come apart: Envoy tells their version as its */
    const char *places, *envoy_places; /* of endpoints: addresses, sorted; "" */
};
struct diff {
    struct ctl *ctl;
    struct answer *answer;
    const struct type *type;
    struct map items; /* name → struct item, in the arena */
    string_list names;
    bool is_delta;
    size_t compared, differ;
};

static struct item *item_of(struct diff *d, const char *name)
{
    struct item *found = map_find(&d->items, name);
    if (found)
        return found;
    found = ARENA_NEW(d->ctl->a, struct item);
    found->is_split = begins_with(name, "vhds|");
    found->state = found->places = found->envoy_places = "";
    map_put(&d->items, name, found);
    list_push(d->ctl->a, &d->names, arena_strdup(d->ctl->a, name));
    return found;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* ---- what each says ---- */

/* Of proto JSON by our names, or by Envoy's. */
struct words {
    const char *endpoints, *socket, *port;
};
static const struct words our_words = { "lbEndpoints", "socketAddress", "portValue" };
static const struct words envoy_words = { "lb_endpoints", "socket_address", "port_value" };

static const char *places_of(struct arena *a, const cJSON *assignment, const struct words *w)
{
    string_list all = { 0 };
    const char *text = "";
    const cJSON *locality, *one;
    cJSON_ArrayForEach (locality, report_member(assignment, "endpoints"))
        cJSON_ArrayForEach (one, report_member(locality, w->endpoints)) {
            const cJSON *address = report_member(report_member(one, "endpoint"), "address");
            const cJSON *socket = report_member(address, w->socket);
            const char *place = arena_printf(
                a, "%s:%lld ", report_text(socket, "address"), report_number(socket, w->port));
            list_push(a, &all, place);
        }
    if (all.count)
        qsort(all.items, all.count, sizeof *all.items, by_name);
    for (list_each (const char *const, place, &all))
        text = arena_printf(a, "%s%s", text, *place);
    return text;
}

static bool is_endpoints(const struct diff *d)
{
    return strcmp(d->type->word, "EDS") == 0;
}

static void take_wanted(struct diff *d, const cJSON *config)
{
    const cJSON *version;
    cJSON_ArrayForEach (version, report_member(report_member(config, "versions"), d->type->word))
        item_of(d, version->string)->wanted = arena_strdup(d->ctl->a, version->valuestring);
    const cJSON *assignment;
    if (is_endpoints(d))
        cJSON_ArrayForEach (assignment, report_member(report_member(config, "resources"), "EDS"))
            item_of(d, report_text(assignment, "clusterName"))->places =
                places_of(d->ctl->a, assignment, &our_words);
}

static void take_acked(struct diff *d, const cJSON *status, const char *type_url)
{
    const cJSON *client, *one;
    cJSON_ArrayForEach (client, report_member(status, "config"))
        cJSON_ArrayForEach (one, report_member(client, "genericXdsConfigs")) {
            if (strcmp(report_text(one, "typeUrl"), type_url) != 0)
                continue;
            struct item *item = item_of(d, report_text(one, "name"));
            item->state = report_cell(d->ctl->a, one, "configStatus");
            if (*report_text(one, "versionInfo"))
                item->acked = report_cell(d->ctl->a, one, "versionInfo");
        }
}

static void take_item(struct diff *d, const cJSON *holder)
{
    const cJSON *resource = report_member(holder, d->type->member);
    const char *version = report_text(holder, "version_info");
    const char *name = report_text(resource, d->type->name);
    if (!*name)
        return;
    struct item *item = item_of(d, name);
    item->envoy = d->type->has_version && *version ? arena_strdup(d->ctl->a, version) : "has it";
    if (is_endpoints(d))
        item->envoy_places = places_of(d->ctl->a, resource, &envoy_words);
}

/* Clusters, endpoints and route tables stand in their items, listeners in a state of theirs. */
static void take_envoy(struct diff *d, const cJSON *dump)
{
    const cJSON *part, *item;
    cJSON_ArrayForEach (part, report_member(dump, "configs"))
        for (size_t i = 0; i < ARRAY_COUNT(d->type->lists) && d->type->lists[i]; i++)
            cJSON_ArrayForEach (item, report_member(part, d->type->lists[i])) {
                const cJSON *holder = item;
                for (size_t s = ARRAY_COUNT(d->type->states); s-- > 0;)
                    if (d->type->states[s] && report_member(item, d->type->states[s]))
                        holder = report_member(item, d->type->states[s]);
                take_item(d, holder);
            }
}

/* ---- the verdict ---- */

/* NULL: all say the same. Versions of endpoints go by their cluster's, too, on the wire, and Envoy
 * tells none: their addresses are compared. By state of the world a version is a response's. */
static const char *envoy_verdict(const struct diff *d, const struct item *item)
{
    bool by_version = d->is_delta && d->type->has_version && !item->is_split;
    if (!d->type->is_told)
        return NULL;
    if (!item->envoy)
        return "not in Envoy";
    if (by_version && strcmp(item->wanted, item->envoy) != 0)
        return "another version in Envoy";
    return strcmp(item->places, item->envoy_places) ? "other endpoints in Envoy" : NULL;
}

static const char *verdict(const struct diff *d, const struct item *item)
{
    if (strcmp(item->state, "ERROR") == 0)
        return "refused";
    if (!item->wanted)
        return item->acked || item->envoy ? "not wanted" : NULL;
    if (!item->acked)
        return "not sent";
    if (strcmp(item->state, "SYNCED") != 0)
        return "not acknowledged";
    return envoy_verdict(d, item);
}

/* Only clusters and listeners come unasked: what the proxy has not asked for is not its business.
 * Envoy shows endpoints of clusters, too, that have none by EDS. */
static bool concerns(const struct diff *d, const struct item *item)
{
    bool is_wildcard = strcmp(d->type->word, "CDS") == 0 || strcmp(d->type->word, "LDS") == 0;
    return is_wildcard || *item->state || (item->envoy && !is_endpoints(d));
}

static void add_row(struct diff *d, const char *name, const struct item *item)
{
    static const char none[] = "-";
    const char *what = verdict(d, item);
    d->compared++;
    d->differ += what != NULL;
    if (!what && !ctl_is_set(d->ctl, &flag_all))
        return;
    struct row row = {
        .name = arena_printf(d->ctl->a, "%s/%s", d->type->word, name),
        .tone = what ? TONE_BAD : TONE_PLAIN,
        .cells = CELLS(d->ctl->a,
            d->type->word,
            name,
            item->wanted ? item->wanted : none,
            item->acked ? arena_printf(d->ctl->a, "%s %s", item->acked, item->state) : none,
            item->envoy        ? item->envoy
            : d->type->is_told ? none
                               : "not told",
            what ? what : "same"),
    };
    list_push(d->ctl->a, &d->answer->rows, row);
}

static void diff_type(struct diff *d, const cJSON *config, const cJSON *status, const cJSON *dump)
{
    static const char *const urls[] = {
        "type.googleapis.com/envoy.config.cluster.v3.Cluster",
        "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
        "type.googleapis.com/envoy.config.listener.v3.Listener",
        "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
        "type.googleapis.com/envoy.config.route.v3.VirtualHost",
    };
    d->items = (struct map){ 0 };
    d->names.count = 0;
    take_wanted(d, config);
    take_acked(d, status, urls[d->type - types]);
    take_envoy(d, dump);
    if (d->names.count)
        qsort(d->names.items, d->names.count, sizeof *d->names.items, by_name);
    for (list_each (const char *const, name, &d->names)) {
        const struct item *item = map_find(&d->items, *name);
        if (concerns(d, item))
            add_row(d, *name, item);
    }
    map_fini(&d->items, NULL);
}

/* ---- asking ---- */

struct sources {
    cJSON *config, *status, *dump;
};

static bool fetch(
    struct ctl *ctl, const struct proxy_place *place, struct sources *s, struct error *err)
{
    const char *id = proxy_id_escaped(ctl->a, place->id);
    const char *config = arena_printf(ctl->a, "/debug/config?proxy=%s", id);
    const char *status = arena_printf(ctl->a, "/debug/client-status?proxy=%s", id);
    return (s->config = admin_get(place->server, config, err)) &&
           (s->status = admin_get(place->server, status, err)) &&
           ((s->dump = admin_get(proxy_envoy_admin(ctl, place), "/config_dump?include_eds", err)) ||
               error_context(err, "Envoy's admin (--envoy-admin)"));
}

static void compare(struct ctl *ctl, const struct sources *s, struct answer *answer)
{
    struct diff d = { .ctl = ctl, .answer = answer };
    d.is_delta = strcmp(report_text(s->config, "variant"), "delta") == 0;
    for (d.type = types; d.type < types + ARRAY_COUNT(types); d.type++)
        diff_type(&d, s->config, s->status, s->dump);
    report_note(ctl->a, answer, "%zu resources, %zu differ", d.compared, d.differ);
    if (!d.is_delta)
        report_note(ctl->a, answer, "by state of the world: Envoy's are compared by name alone");
    answer->status = d.differ ? EXIT_FINDINGS : EXIT_GOOD;
}

static int ask(struct ctl *ctl, struct answer *answer)
{
    struct proxy_place place;
    struct sources sources = { 0 };
    struct error err;
    if (ctl->args.count != 1)
        return ctl_fail(EXIT_USAGE, "proxy-diff: exactly one PROXY is needed");
    int status = proxy_find(ctl, ctl->args.items[0], &place);
    if (status != EXIT_GOOD)
        return status;
    answer->columns = columns;
    answer->column_count = ARRAY_COUNT(columns);
    if (fetch(ctl, &place, &sources, &err))
        compare(ctl, &sources, answer);
    else
        status = ctl_fail_error(&err);
    cJSON_Delete(sources.config);
    cJSON_Delete(sources.status);
    cJSON_Delete(sources.dump);
    return status;
}

int verb_proxy_diff(struct ctl *ctl)
{
    return output_run(ctl, ask);
}
