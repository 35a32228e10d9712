/* VirtualServices: the one that supplies a host's routes to a sidecar. */
#include "mesh/index.h"
#include "mesh/policy.h"

#include "model/virtual_service.h"

#include <string.h>

static int compare_host(const struct host_entry *a, const struct host_entry *b)
{
    return strcmp(a->host, b->host);
}

static int compare_exact_items(const void *left, const void *right)
{
    const struct host_entry *a = left, *b = right;
    int order = compare_host(a, b);
    return order ? order : object_compare_age(a->object, b->object);
}

static int compare_wildcard_items(const void *left, const void *right)
{
    const struct host_entry *a = left, *b = right;
    size_t a_size = strlen(a->host), b_size = strlen(b->host);
    int order = (a_size < b_size) - (a_size > b_size);
    if (!order)
        order = object_compare_age(a->object, b->object);
    return order ? order : strcmp(a->host, b->host);
}

static bool is_bound_to_mesh(const struct virtual_service *vs)
{
    for (size_t i = 0; i < vs->gateways.count; i++)
        if (strcmp(vs->gateways.items[i], "mesh") == 0)
            return true;
    return !vs->gateways.count;
}

void index_routes(struct snapshot *s)
{
    const struct object_list *all = &s->objects[KIND_VIRTUAL_SERVICE];
    struct snapshot_index *index = s->index;
    for (size_t i = 0; i < all->count; i++) {
        const struct object *object = all->items[i];
        const struct virtual_service *vs = object->spec;
        for (size_t j = 0; is_bound_to_mesh(vs) && j < vs->hosts.count; j++) {
            struct host_entry entry = {
                host_resolve(s->arena, vs->hosts.items[j], object->ns, s->domain), object
            };
            if (*entry.host == '*')
                list_push(s->arena, &index->wildcard_routes, entry);
            else
                list_push(s->arena, &index->exact_routes, entry);
        }
    }
    if (index->exact_routes.count)
        qsort(index->exact_routes.items,
            index->exact_routes.count,
            sizeof *index->exact_routes.items,
            compare_exact_items);
    if (index->wildcard_routes.count)
        qsort(index->wildcard_routes.items,
            index->wildcard_routes.count,
            sizeof *index->wildcard_routes.items,
            compare_wildcard_items);
}

static bool is_visible(
    const struct snapshot *s, const struct scope *scope, const struct object *object)
{
    const struct virtual_service *vs = object->spec;
    return export_is_visible(
        &vs->export_to, &s->mesh->default_virtual_service_export_to, object->ns, scope->ns);
}

const struct object *virtual_service_find(
    const struct snapshot *s, const struct scope *scope, const char *host)
{
    const struct host_entry probe = { host, NULL };
    struct host_slice slice = host_entries_find(&s->index->exact_routes, &probe, compare_host);
    for (size_t i = 0; i < slice.count; i++)
        if (is_visible(s, scope, slice.items[i].object))
            return slice.items[i].object;
    for (list_each (const struct host_entry, entry, &s->index->wildcard_routes))
        if (host_matches(entry->host, host) && is_visible(s, scope, entry->object))
            return entry->object;
    return NULL;
}

static bool has_connections(const struct object *object)
{
    const struct virtual_service *vs = object->spec;
    return vs->tls.count > 0 || vs->tcp.count > 0;
}

static void push_once(struct arena *a, object_ptr_list *list, const struct object *object)
{
    for (list_each (const struct object *const, item, list))
        if (*item == object)
            return;
    list_push(a, list, object);
}

static int compare_ages(const void *left, const void *right)
{
    const struct object *const *a = left, *const *b = right;
    return object_compare_age(*a, *b);
}

object_ptr_list virtual_services_of_connections(
    struct arena *a, const struct snapshot *s, const struct scope *scope, const char *host)
{
    const struct host_entry probe = { host, NULL };
    struct host_slice slice = host_entries_find(&s->index->exact_routes, &probe, compare_host);
    object_ptr_list found = { 0 };
    for (size_t i = 0; i < slice.count; i++)
        if (has_connections(slice.items[i].object) && is_visible(s, scope, slice.items[i].object))
            push_once(a, &found, slice.items[i].object);
    for (list_each (const struct host_entry, entry, &s->index->wildcard_routes))
        if (has_connections(entry->object) && host_matches(entry->host, host) &&
            is_visible(s, scope, entry->object))
            push_once(a, &found, entry->object);
    if (found.count > 1)
        qsort(found.items, found.count, sizeof *found.items, compare_ages);
    return found;
}

unserved_host_list virtual_service_unserved_hosts(
    struct arena *a, const struct snapshot *s, const struct scope *scope)
{
    unserved_host_list found = { 0 };
    for (list_each (const struct host_entry, entry, &s->index->exact_routes)) {
        bool is_repeated =
            found.count && strcmp(found.items[found.count - 1].host, entry->host) == 0;
        if (is_repeated || !is_visible(s, scope, entry->object) ||
            snapshot_find_service(s, entry->host, scope->ns))
            continue;
        struct unserved_host host = { entry->host, entry->object };
        list_push(a, &found, host);
    }
    return found;
}

service_list visible_services(struct arena *a, const struct snapshot *s, const struct scope *scope)
{
    service_list visible = { 0 };
    for (size_t i = 0; i < s->services.count;) {
        const char *host = s->services.items[i]->host;
        const struct service *service = snapshot_find_service(s, host, scope->ns);
        if (service)
            list_push(a, &visible, service);
        while (i < s->services.count && strcmp(s->services.items[i]->host, host) == 0)
            i++;
    }
    return visible;
}
