/*
 * Hosts that two resources are for: VirtualServices of which one is in force, services of which
 * callers see one. And workloads that no service selects.
 */
#include "mesh/analyze.h"

#include "model/registry.h"
#include "model/virtual_service.h"

#include <string.h>

/* "spec.hosts[1]": where the resource says it. */
static const char *host_path(struct snapshot *s, const struct object *object,
    const string_list *hosts, const char *prefix, const char *host)
{
    for (size_t i = 0; i < hosts->count; i++)
        if (strcmp(host_resolve(s->arena, hosts->items[i], object->ns, s->domain), host) == 0)
            return arena_printf(s->arena, "%shosts[%zu]", prefix, i);
    return "";
}

/* ---- VirtualServices ---- */

static int compare_routes(const void *left, const void *right)
{
    const struct host_entry *a = left, *b = right;
    int order = strcmp(a->host, b->host);
    return order ? order : object_compare_age(a->object, b->object);
}

static const char *why_older(
    struct arena *a, const struct object *winner, const struct object *object)
{
    if (winner->create_revision == object->create_revision)
        return "equally old and comes first by its name";
    return arena_printf(a,
        "older (created at revision %lld, this one at %lld)",
        (long long)winner->create_revision,
        (long long)object->create_revision);
}

static void tell_duplicate(
    struct analysis *an, const struct host_entry *loser, const struct host_entry *winner)
{
    const struct virtual_service *vs = loser->object->spec;
    finding_add(an->s,
        loser->object->key,
        DIAG_DUPLICATE_HOST,
        host_path(an->s, loser->object, &vs->hosts, "spec.", loser->host),
        NULL,
        "%s is also a host of VirtualService %s/%s, which is %s: its http routes are in force "
        "where "
        "both are visible, and none of these",
        loser->host,
        winner->object->ns,
        winner->object->name,
        why_older(an->scratch, winner->object, loser->object));
}

static bool has_http(const struct object *object)
{
    return ((const struct virtual_service *)object->spec)->http.count > 0;
}

/* Of one host. Rules for connections of several VirtualServices go together; HTTP routes do not. */
static void check_same_host(struct analysis *an, const struct host_entry *entries, size_t count)
{
    struct crowd crowd = { 0 };
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && entries[i].object == entries[i - 1].object)
            continue;
        struct audience audience = route_audience(an->s, entries[i].object);
        long winner = has_http(entries[i].object) ? crowd_find(&crowd, &audience) : CROWD_NONE;
        if (winner != CROWD_NONE)
            tell_duplicate(an, &entries[i], &entries[winner]);
        crowd_join(&crowd, &audience, i);
    }
    crowd_fini(&crowd);
}

static void check_routes(struct analysis *an, const host_entry_list *routes)
{
    if (routes->count == 0)
        return;
    size_t size_bytes = routes->count * sizeof *routes->items;
    struct host_entry *sorted =
        arena_dup(an->scratch, routes->items, size_bytes, _Alignof(struct host_entry));
    qsort(sorted, routes->count, sizeof *sorted, compare_routes);
    for (size_t i = 0, j; i < routes->count; i = j) {
        for (j = i + 1; j < routes->count; j++)
            if (strcmp(sorted[j].host, sorted[i].host) != 0)
                break;
        if (j - i > 1)
            check_same_host(an, sorted + i, j - i);
    }
}

/* ---- services ---- */

static const char *declaration_path(struct snapshot *s, const struct service *service)
{
    const struct object *object = service->object;
    if (!object)
        return "";
    if (object->kind == KIND_SERVICE_ENTRY)
        return host_path(s,
            object,
            &((const struct service_entry *)object->spec)->hosts,
            "spec.",
            service->host);
    return host_path(
        s, object, &((const struct registry_service *)object->spec)->hosts, "", service->host);
}

static void tell_dropped(
    struct analysis *an, const struct service *loser, const struct service *winner)
{
    finding_add(an->s,
        service_key(loser),
        DIAG_DUPLICATE_SERVICE,
        declaration_path(an->s, loser),
        NULL,
        "%s is also declared in namespace %s, and that is older: callers outside of %s use that "
        "one "
        "where both are visible; endpoints are not put together",
        loser->host,
        winner->ns,
        loser->ns);
}

/* Of one host, the oldest first. Callers of its own namespace have each for themselves. */
static void check_same_service(struct analysis *an, const struct service *const *all, size_t count)
{
    struct crowd crowd = { 0 };
    for (size_t i = 0; i < count; i++) {
        struct audience audience = service_audience(an->s, all[i]), other = { 0 };
        long winner = crowd_find(&crowd, &audience);
        if (winner != CROWD_NONE)
            other = service_audience(an->s, all[winner]);
        if (winner != CROWD_NONE && audiences_meet(&audience, &other, all[i]->ns))
            tell_dropped(an, all[i], all[winner]);
        crowd_join(&crowd, &audience, i);
    }
    crowd_fini(&crowd);
}

static void check_services(struct analysis *an)
{
    const struct service *const *all = an->s->services.items;
    size_t count = an->s->services.count;
    for (size_t i = 0, j; i < count; i = j) {
        for (j = i + 1; j < count; j++)
            if (strcmp(all[j]->host, all[i]->host) != 0)
                break;
        if (j - i > 1)
            check_same_service(an, all + i, j - i);
    }
}

void analyze_hosts(struct analysis *an)
{
    check_routes(an, &an->s->index->exact_routes);
    check_routes(an, &an->s->index->wildcard_routes);
    check_services(an);
}

/* ---- workloads ---- */

/* A ServiceEntry that selects nobody. */
static void check_selection(struct analysis *an, const struct service *service)
{
    const struct object *object = service->object;
    if (service->endpoints.count > 0 || !object || object->kind != KIND_SERVICE_ENTRY)
        return;
    if (((const struct service_entry *)object->spec)->workload_selector)
        finding_add(an->s,
            object->key,
            DIAG_NO_ENDPOINTS,
            "spec.workloadSelector",
            NULL,
            "selects no WorkloadEntry of namespace %s: requests to %s get 503",
            object->ns,
            service->host);
}

static void mark_selected(struct map *selected, const struct service *service)
{
    static char is_there;
    for (list_each (const struct endpoint, e, &service->endpoints))
        if (e->object->kind == KIND_WORKLOAD_ENTRY)
            map_put(selected, e->object->key, &is_there);
}

void analyze_workloads(struct analysis *an)
{
    const struct object_list *entries = &an->s->objects[KIND_WORKLOAD_ENTRY];
    struct map selected = { 0 };
    for (size_t i = 0; i < an->s->services.count; i++) {
        check_selection(an, an->s->services.items[i]);
        if (entries->count > 0)
            mark_selected(&selected, an->s->services.items[i]);
    }
    for (size_t i = 0; i < entries->count; i++)
        if (!map_find(&selected, entries->items[i]->key))
            finding_add(an->s,
                entries->items[i]->key,
                DIAG_UNUSED,
                "spec.labels",
                NULL,
                "no ServiceEntry of namespace %s selects this workload by its labels",
                entries->items[i]->ns);
    map_fini(&selected, NULL);
}
