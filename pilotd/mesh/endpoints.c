/* Endpoints: of a ServiceEntry (inline, or WorkloadEntries by selector), of registry instances. */
#include "mesh/index.h"

#include "mesh/topology.h"
#include "model/registry.h"

#include <string.h>

static const struct port_override *find_override(const struct endpoint *e, const char *name)
{
    for (list_each (const struct port_override, override, &e->ports))
        if (name && strcmp(override->key, name) == 0)
            return override;
    return NULL;
}

static const struct service_port *entry_port(const struct service_entry *entry, uint32_t number)
{
    for (list_each (const struct service_port, port, &entry->ports))
        if (port->number == number)
            return port;
    return NULL;
}

uint32_t endpoint_port(const struct endpoint *e, const struct service_port *port)
{
    const struct service_port *own = e->entry ? entry_port(e->entry, port->number) : port;
    const struct port_override *override = own ? find_override(e, own->name) : NULL;
    if (override)
        return override->value;
    if (!e->entry || !own)
        return 0;
    return own->target_port ? own->target_port : own->number;
}

/* Labels cannot have slashes: dots stand for them. */
static char *labelled_locality(struct arena *a, const label_list *labels)
{
    const char *label = labels_find(labels, "topology.istio.io/locality");
    if (!label)
        label = labels_find(labels, "istio-locality");
    char *text = arena_strdup(a, label ? label : "");
    for (char *c = text; *c; c++)
        if (*c == '.')
            *c = '/';
    return text;
}

/* "region/zone/subzone", each part optional from the right. If it is not given, a label may. */
static struct locality parse_locality(struct arena *a, const char *text, const label_list *labels)
{
    const char *parts[3] = { "", "", "" };
    char *rest = text && *text ? arena_strdup(a, text) : labelled_locality(a, labels);
    for (size_t i = 0; i < ARRAY_COUNT(parts) && rest; i++)
        parts[i] = strsep(&rest, "/");
    return (struct locality){ parts[0], parts[1], parts[2] };
}

static uint32_t weight_of(struct opt_u32 weight)
{
    return weight.is_set && weight.value ? weight.value : 1;
}

static struct endpoint endpoint_of_workload(struct arena *a, const struct workload_entry *w,
    const label_list *labels, const struct object *object, size_t index)
{
    struct endpoint e = {
        .address = w->address ? w->address : "",
        .locality = parse_locality(a, w->locality, labels),
        .network = w->network ? w->network : "",
        .service_account = w->service_account ? w->service_account : "",
        .weight = weight_of(w->weight),
        .object = object,
        .index = index,
    };
    e.labels = labels_with_topology(a, labels, &e.locality, e.network);
    e.ports.items = w->ports.items;
    e.ports.count = w->ports.count;
    return e;
}

static void select_workloads(
    struct snapshot *s, struct service *service, const struct object *object)
{
    const struct service_entry *entry = object->spec;
    struct workload_slice candidates =
        workloads_find(s, object->ns, &entry->workload_selector->labels);
    for (size_t i = 0; i < candidates.count; i++) {
        const struct workload *w = candidates.items[i].workload;
        if (!labels_match(&w->labels, &entry->workload_selector->labels))
            continue;
        struct endpoint e =
            endpoint_of_workload(s->arena, w->object->spec, &w->labels, w->object, 0);
        e.entry = entry;
        e.entry_object = object;
        list_push(s->arena, &service->endpoints, e);
    }
}

void endpoints_of_entry(struct snapshot *s, struct service *service, const struct object *object)
{
    const struct service_entry *entry = object->spec;
    for (size_t i = 0; i < entry->endpoints.count; i++) {
        const struct workload_entry *w = &entry->endpoints.items[i];
        struct endpoint e = endpoint_of_workload(s->arena, w, &w->labels, object, i);
        e.entry = entry;
        e.entry_object = object;
        list_push(s->arena, &service->endpoints, e);
    }
    if (entry->workload_selector)
        select_workloads(s, service, object);
}

void endpoint_of_instance(struct snapshot *s, struct service *service, const struct object *object)
{
    const struct registry_instance *instance = object->spec;
    struct endpoint e = {
        .address = instance->address,
        .locality = parse_locality(s->arena, instance->locality, &instance->labels),
        .network = instance->network ? instance->network : "",
        .service_account = instance->service_account ? instance->service_account : "",
        .weight = weight_of(instance->weight),
        .health = instance->health,
        .object = object,
    };
    e.labels = labels_with_topology(s->arena, &instance->labels, &e.locality, e.network);
    e.ports.items = instance->ports.items;
    e.ports.count = instance->ports.count;
    list_push(s->arena, &service->endpoints, e);
}

static int compare_endpoints(const void *left, const void *right)
{
    const struct endpoint *a = left, *b = right;
    int order = strcmp(a->object->key, b->object->key);
    if (!order)
        order = (a->index > b->index) - (a->index < b->index);
    if (order || a->entry_object == b->entry_object)
        return order;
    return strcmp(a->entry_object->key, b->entry_object->key);
}

void endpoints_finish(struct service *service)
{
    struct hasher *h = hasher_new();
    if (service->endpoints.count)
        qsort(service->endpoints.items,
            service->endpoints.count,
            sizeof *service->endpoints.items,
            compare_endpoints);
    for (list_each (const struct endpoint, e, &service->endpoints)) {
        hasher_add(h, &e->object->digest, sizeof e->object->digest);
        hasher_add_u32(h, (uint32_t)e->index);
        if (e->entry_object && e->entry_object != e->object)
            hasher_add(h, &e->entry_object->digest, sizeof e->entry_object->digest);
    }
    service->endpoints_digest = hasher_finish(h);
}

bool endpoint_takes_mtls(const struct endpoint *e)
{
    const char *mode = labels_find(&e->labels, "security.istio.io/tlsMode");
    return mode ? strcmp(mode, "istio") == 0 : *e->service_account != '\0';
}
