#include "mesh/snapshot.h"

#include "mesh/index.h"

#include <string.h>

static const struct outbound_traffic_policy default_policy = { ALLOW_ANY };

static void fill_duration(struct duration *d, int64_t ms)
{
    if (!d->is_set)
        *d = (struct duration){ ms, true };
}

static void fill_exports(struct arena *a, string_list *exports)
{
    if (!exports->count)
        list_push(a, exports, "*");
}

/* The MeshConfig with Istio's defaults where it is silent. */
static const struct mesh_config *mesh_with_defaults(struct arena *a, const struct object *object)
{
    struct mesh_config *mesh = ARENA_NEW(a, struct mesh_config);
    if (object)
        *mesh = *(const struct mesh_config *)object->spec;
    if (!mesh->proxy_listen_port)
        mesh->proxy_listen_port = PROXY_LISTEN_PORT;
    if (!mesh->proxy_inbound_listen_port)
        mesh->proxy_inbound_listen_port = PROXY_INBOUND_LISTEN_PORT;
    fill_duration(&mesh->connect_timeout, 10000);
    fill_duration(&mesh->protocol_detection_timeout, 0);
    fill_duration(&mesh->dns_refresh_rate, 60000);
    if (!mesh->outbound_traffic_policy)
        mesh->outbound_traffic_policy = &default_policy;
    if (!mesh->enable_auto_mtls.is_set)
        mesh->enable_auto_mtls = (struct opt_bool){ .value = true, .is_set = true };
    if (!mesh->trust_domain)
        mesh->trust_domain = "cluster.local";
    if (!mesh->root_namespace)
        mesh->root_namespace = "istio-system";
    fill_exports(a, &mesh->default_service_export_to);
    fill_exports(a, &mesh->default_virtual_service_export_to);
    fill_exports(a, &mesh->default_destination_rule_export_to);
    return mesh;
}

int snapshot_object_order(const struct object *a, const struct object *b)
{
    int order = object_compare_age(a, b);
    return order ? order : strcmp(a->key, b->key);
}

static int compare_objects(const void *left, const void *right)
{
    return snapshot_object_order(
        *(const struct object *const *)left, *(const struct object *const *)right);
}

static void sort_objects(struct snapshot *s, struct object *const *objects, size_t count)
{
    size_t counts[KIND_COUNT] = { 0 };
    for (size_t i = 0; i < count; i++)
        counts[objects[i]->kind]++;
    for (enum kind kind = 0; kind < KIND_COUNT; kind++)
        s->objects[kind].items = ARENA_ARRAY(s->arena, struct object *, counts[kind] + 1);
    for (size_t i = 0; i < count; i++) {
        struct object_list *list = &s->objects[objects[i]->kind];
        list->items[list->count++] = object_retain(objects[i]);
        hash_sum_add(&s->sum, &objects[i]->digest);
    }
    for (enum kind kind = 0; kind < KIND_COUNT; kind++)
        qsort(s->objects[kind].items,
            s->objects[kind].count,
            sizeof(struct object *),
            compare_objects);
}

struct snapshot *snapshot_build(
    struct object *const *objects, size_t count, int64_t revision, unsigned level)
{
    struct arena *a = arena_new();
    struct snapshot *s = ARENA_NEW(a, struct snapshot);
    refcount_init(&s->refs);
    s->arena = a;
    s->revision = revision;
    s->level = level;
    s->domain = "cluster.local";
    s->index = ARENA_NEW(a, struct snapshot_index);
    sort_objects(s, objects, count);
    if (s->objects[KIND_MESH_CONFIG].count)
        s->mesh_object = s->objects[KIND_MESH_CONFIG].items[0];
    s->mesh = mesh_with_defaults(a, s->mesh_object);
    index_workloads(s);
    services_build(s);
    index_rules(s);
    index_routes(s);
    index_delegations(s);
    index_addresses(s);
    analyze(s);
    return s;
}

struct snapshot *snapshot_retain(struct snapshot *s)
{
    refcount_retain(&s->refs);
    return s;
}

void snapshot_release(struct snapshot *s)
{
    if (!s || !refcount_release(&s->refs))
        return;
    for (enum kind kind = 0; !s->root && kind < KIND_COUNT; kind++)
        for (size_t i = 0; i < s->objects[kind].count; i++)
            object_release(s->objects[kind].items[i]);
    for (size_t i = 0; i < s->fresh.count; i++)
        object_release(s->fresh.items[i]);
    for (size_t i = 0; i < s->patched.count; i++)
        service_release(s->patched.items[i]);
    snapshot_release(s->root);
    arena_free(s->arena);
}

/* The first service whose host is not before `host`. */
static size_t lower_bound(const struct snapshot *s, const char *host)
{
    size_t low = 0, high = s->services.count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(s->services.items[middle]->host, host) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct service_slice snapshot_services_of_host(const struct snapshot *s, const char *host)
{
    size_t first = lower_bound(s, host), last = first;
    while (last < s->services.count && strcmp(s->services.items[last]->host, host) == 0)
        last++;
    return (struct service_slice){ s->services.items + first, last - first };
}

const struct service *snapshot_find_service(
    const struct snapshot *s, const char *host, const char *ns)
{
    struct service_slice same = snapshot_services_of_host(s, host);
    const struct service *oldest = NULL;
    for (size_t i = 0; i < same.count; i++) {
        const struct service *service = same.items[i];
        if (!export_is_visible(
                &service->export_to, &s->mesh->default_service_export_to, service->ns, ns))
            continue;
        if (strcmp(service->ns, ns) == 0)
            return service;
        if (!oldest)
            oldest = service;
    }
    return oldest;
}

struct host_slice host_entries_find(const host_entry_list *list, const struct host_entry *probe,
    int (*compare)(const struct host_entry *, const struct host_entry *))
{
    size_t low = 0, high = list->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare(&list->items[middle], probe) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    size_t end = low;
    while (end < list->count && compare(&list->items[end], probe) == 0)
        end++;
    return (struct host_slice){ list->items + low, end - low };
}
