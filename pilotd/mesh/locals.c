/* Which services run on a proxy: found by its addresses. */
#include "mesh/index.h"
#include "mesh/policy.h"

#include <string.h>

/* FNV-1a; never leaves the process, so any good spread will do. */
static size_t hash_address(const char *address)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (; *address; address++)
        hash = (hash ^ (uint8_t)*address) * 0x100000001b3u;
    return (size_t)(hash ^ hash >> 32);
}

static size_t count_endpoints(const struct snapshot *s)
{
    size_t count = 0;
    for (size_t i = 0; i < s->services.count; i++)
        count += s->services.items[i]->endpoints.count;
    return count;
}

void index_addresses(struct snapshot *s)
{
    struct snapshot_index *index = s->index;
    size_t count = count_endpoints(s), buckets = 1;
    while (buckets < count * 2)
        buckets *= 2;
    index->buckets = ARENA_ARRAY(s->arena, uint32_t, buckets);
    index->bucket_mask = buckets - 1;
    index->addresses.items = ARENA_ARRAY(s->arena, struct address_entry, count + 1);
    for (size_t i = 0; i < s->services.count; i++) {
        const struct service *service = s->services.items[i];
        for (list_each (const struct endpoint, e, &service->endpoints)) {
            uint32_t *bucket = &index->buckets[hash_address(e->address) & index->bucket_mask];
            index->addresses.items[index->addresses.count++] =
                (struct address_entry){ service, e, *bucket };
            *bucket = (uint32_t)index->addresses.count;
        }
    }
}

static void add_ports(struct arena *a, local_port_list *list, const struct service *service,
    const struct endpoint *endpoint, const char *address)
{
    if (strcmp(endpoint->address, address) != 0 || service->resolution != RESOLUTION_STATIC)
        return;
    for (list_each (const struct service_port, port, &service->ports)) {
        struct local_port local = { service, port, endpoint, endpoint_port(endpoint, port) };
        if (local.number && port->protocol != PROTOCOL_UDP)
            list_push(a, list, local);
    }
}

static int compare_local_ports(const void *left, const void *right)
{
    const struct local_port *a = left, *b = right;
    int order = (a->number > b->number) - (a->number < b->number);
    if (!order)
        order = strcmp(a->service->host, b->service->host);
    if (!order)
        order = strcmp(a->service->ns, b->service->ns);
    if (!order)
        order = (a->port->number > b->port->number) - (a->port->number < b->port->number);
    if (!order)
        order = strcmp(a->endpoint->object->key, b->endpoint->object->key);
    return order ? order
                 : (a->endpoint->index > b->endpoint->index) -
                       (a->endpoint->index < b->endpoint->index);
}

/* Another has come in its place since the addresses were indexed. */
static bool is_replaced(const struct snapshot *s, const struct service *service)
{
    for (size_t i = 0; i < s->patched.count; i++) {
        const struct service *patched = s->patched.items[i];
        if (strcmp(patched->host, service->host) == 0 && strcmp(patched->ns, service->ns) == 0)
            return true;
    }
    return false;
}

static void add_patched(
    struct arena *a, local_port_list *list, const struct snapshot *s, const char *address)
{
    for (size_t i = 0; i < s->patched.count; i++)
        for (list_each (const struct endpoint, e, &s->patched.items[i]->endpoints))
            add_ports(a, list, s->patched.items[i], e, address);
}

local_port_list local_ports(struct arena *a, const struct snapshot *s, const struct scope *scope)
{
    const struct snapshot_index *index = s->index;
    local_port_list list = { 0 };
    for (size_t i = 0; i < scope->addresses.count; i++) {
        const char *address = scope->addresses.items[i];
        uint32_t at = index->buckets[hash_address(address) & index->bucket_mask];
        for (; at; at = index->addresses.items[at - 1].next) {
            const struct address_entry *entry = &index->addresses.items[at - 1];
            if (!is_replaced(s, entry->service))
                add_ports(a, &list, entry->service, entry->endpoint, address);
        }
        add_patched(a, &list, s, address);
    }
    if (list.count)
        qsort(list.items, list.count, sizeof *list.items, compare_local_ports);
    return list;
}
