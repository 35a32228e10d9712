/*
 * Services: each host of a ServiceEntry, and each service of the registry, declared under services/
 * or known by its instances alone. Declarations of one host and namespace make one service.
 */
#include "mesh/index.h"

#include "mesh/scope.h"
#include "model/format.h"
#include "model/registry.h"

#include <string.h>

/* One declaration of one host: a ServiceEntry, or a registry service with its instances. */
struct declaration {
    const char *host, *ns, *name;
    const struct object *object;     /* NULL: inferred */
    struct object *const *instances; /* of the registry; NULL for a ServiceEntry */
    size_t instance_count;
    int64_t create_revision;
};
typedef LIST(struct declaration) declaration_list;

static int compare_declarations(const void *left, const void *right)
{
    const struct declaration *a = left, *b = right;
    int order = strcmp(a->host, b->host);
    if (!order)
        order = strcmp(a->ns, b->ns);
    if (!order)
        order =
            (a->create_revision > b->create_revision) - (a->create_revision < b->create_revision);
    if (!order)
        order = strcmp(a->name, b->name);
    return order ? order : (a->instances != NULL) - (b->instances != NULL);
}

static void declare_entries(struct snapshot *s, declaration_list *out)
{
    const struct object_list *entries = &s->objects[KIND_SERVICE_ENTRY];
    for (size_t i = 0; i < entries->count; i++) {
        const struct object *object = entries->items[i];
        const struct service_entry *entry = object->spec;
        for (size_t j = 0; j < entry->hosts.count; j++) {
            struct declaration d = {
                .host = entry->hosts.items[j],
                .ns = object->ns,
                .name = object->name,
                .object = object,
                .create_revision = object->create_revision,
            };
            list_push(s->arena, out, d);
        }
    }
}

/* ---- the registry: services/ and registry/ walked side by side, sorted by namespace and name ----
 */

static const char *registry_name(const struct object *o)
{
    return o->kind == KIND_REGISTRY_INSTANCE ? o->service : o->name;
}

static int compare_registry(const struct object *a, const struct object *b)
{
    int order = strcmp(a->ns, b->ns);
    return order ? order : strcmp(registry_name(a), registry_name(b));
}

static int compare_registry_objects(const void *left, const void *right)
{
    const struct object *a = *(const struct object *const *)left;
    const struct object *b = *(const struct object *const *)right;
    int order = compare_registry(a, b);
    return order ? order : strcmp(a->key, b->key);
}

static struct object **sorted_registry(struct snapshot *s, enum kind kind)
{
    const struct object_list *list = &s->objects[kind];
    struct object **sorted =
        arena_dup(s->arena, list->items, list->count * sizeof *sorted, _Alignof(struct object *));
    qsort(sorted, list->count, sizeof *sorted, compare_registry_objects);
    return sorted;
}

static int64_t oldest(struct object *const *instances, size_t count)
{
    int64_t least = INT64_MAX;
    for (size_t i = 0; i < count; i++)
        if (instances[i]->create_revision < least)
            least = instances[i]->create_revision;
    return least;
}

static void declare_registry_service(struct snapshot *s, const struct object *declared,
    struct object *const *instances, size_t count, declaration_list *out)
{
    const struct object *first = declared ? declared : instances[0];
    const struct registry_service *spec = declared ? declared->spec : NULL;
    struct declaration d = {
        .ns = first->ns,
        .name = registry_name(first),
        .object = declared,
        .instances = instances,
        .instance_count = count,
        .create_revision = first->create_revision,
    };
    if (!declared)
        d.create_revision = oldest(instances, count);
    d.host = arena_printf(s->arena, "%s.%s.svc.%s", d.name, d.ns, s->domain);
    list_push(s->arena, out, d);
    for (size_t i = 0; spec && i < spec->hosts.count; i++) {
        d.host = spec->hosts.items[i];
        list_push(s->arena, out, d);
    }
}

static void declare_registry(struct snapshot *s, declaration_list *out)
{
    struct object **services = sorted_registry(s, KIND_REGISTRY_SERVICE);
    struct object **instances = sorted_registry(s, KIND_REGISTRY_INSTANCE);
    size_t service_count = s->objects[KIND_REGISTRY_SERVICE].count;
    size_t instance_count = s->objects[KIND_REGISTRY_INSTANCE].count;
    for (size_t i = 0, j = 0; i < service_count || j < instance_count;) {
        int order = i == service_count    ? 1
                    : j == instance_count ? -1
                                          : compare_registry(services[i], instances[j]);
        const struct object *declared = order <= 0 ? services[i++] : NULL;
        size_t first = j;
        const struct object *probe = declared ? declared : instances[j];
        while (j < instance_count && compare_registry(instances[j], probe) == 0)
            j++;
        declare_registry_service(s, declared, instances + first, j - first, out);
    }
}

/* ---- ports ---- */

/* Istio's convention for port names: PROTOCOL or PROTOCOL-anything. */
static const struct {
    const char *prefix;
    enum protocol protocol;
} protocol_prefixes[] = {
    { "http", PROTOCOL_HTTP },
    { "http2", PROTOCOL_HTTP2 },
    { "grpc-web", PROTOCOL_GRPC_WEB },
    { "grpc", PROTOCOL_GRPC },
    { "https", PROTOCOL_HTTPS },
    { "tls", PROTOCOL_TLS },
    { "tcp", PROTOCOL_TCP },
    { "mongo", PROTOCOL_MONGO },
    { "mysql", PROTOCOL_MYSQL },
    { "redis", PROTOCOL_REDIS },
    { "udp", PROTOCOL_UDP },
};

static enum protocol protocol_of_name(const char *name)
{
    for (size_t i = 0; i < ARRAY_COUNT(protocol_prefixes); i++) {
        size_t size = strlen(protocol_prefixes[i].prefix);
        if (strncmp(name, protocol_prefixes[i].prefix, size) == 0 &&
            (!name[size] || name[size] == '-'))
            return protocol_prefixes[i].protocol;
    }
    return PROTOCOL_AUTO;
}

static struct service_port *find_port_named(struct service *service, const char *name)
{
    for (list_each (struct service_port, port, &service->ports))
        if (strcmp(port->name, name) == 0)
            return port;
    return NULL;
}

static int compare_ports(const void *left, const void *right)
{
    const struct service_port *a = left, *b = right;
    int order = (a->number > b->number) - (a->number < b->number);
    return order ? order : strcmp(a->name, b->name);
}

static void sort_ports(struct service *service)
{
    if (service->ports.count)
        qsort(service->ports.items,
            service->ports.count,
            sizeof *service->ports.items,
            compare_ports);
}

/* A port number that two declarations give: the older one's stays. */
static void add_port(struct snapshot *s, struct service *service, const struct service_port *port,
    const struct object *object, size_t index)
{
    if (service_port_find(service, port->number)) {
        finding_add(s,
            object->key,
            DIAG_PORT_CONFLICT,
            arena_printf(s->arena,
                object->kind == KIND_REGISTRY_SERVICE ? "ports[%zu]" : "spec.ports[%zu]",
                index),
            NULL,
            "port %u of %s is already declared by an older resource; that one is in force",
            port->number,
            service->host);
        return;
    }
    struct service_port copy = *port;
    if (copy.protocol == PROTOCOL_AUTO && service->is_registry)
        copy.protocol = protocol_of_name(copy.name);
    list_push(s->arena, &service->ports, copy);
}

/* Told once for a port, however many instances disagree. */
static void tell_disagreement(struct snapshot *s, const struct object *instance,
    const struct port_override *own, uint32_t other)
{
    finding_add(s,
        instance->key,
        DIAG_PORT_CONFLICT,
        arena_printf(s->arena, "ports.%s", own->key),
        "declare the service's own port under services/",
        "%u differs from the %u of another instance; the service gets the lowest",
        own->value,
        other);
}

static void infer_port(struct snapshot *s, struct service *service, const struct object *instance,
    const struct port_override *own, string_list *told)
{
    struct service_port *port = find_port_named(service, own->key);
    struct service_port fresh = { own->value, own->key, protocol_of_name(own->key), 0 };
    if (!port) {
        list_push(s->arena, &service->ports, fresh);
        list_push(s->arena, told, NULL);
        return;
    }
    INVARIANT(told->items && told->count == service->ports.count);
    const char **is_told = &told->items[port - service->ports.items];
    if (port->number != own->value && !*is_told) {
        tell_disagreement(s, instance, own, port->number);
        *is_told = instance->key;
    }
    if (own->value < port->number)
        port->number = own->value;
}

/* Clusters are told apart by port number, so that of two names for one number the first has it. */
static void drop_repeated_numbers(
    struct snapshot *s, struct service *service, const struct object *instance)
{
    size_t kept = 0;
    for (size_t i = 0; i < service->ports.count; i++) {
        const struct service_port *port = &service->ports.items[i];
        const struct service_port *last = kept ? &service->ports.items[kept - 1] : NULL;
        if (!last || last->number != port->number) {
            service->ports.items[kept++] = *port;
            continue;
        }
        finding_add(s,
            instance->key,
            DIAG_PORT_CONFLICT,
            arena_printf(s->arena, "ports.%s", port->name),
            "declare the service's ports under services/",
            "%u is also port %s of the service, which is in force; %s is left out",
            port->number,
            last->name,
            port->name);
    }
    service->ports.count = kept;
}

/* Without a declaration, the instances' own ports are the service's: the lowest number where they
 * do not agree. */
static void infer_ports(struct snapshot *s, struct service *service, const struct declaration *d)
{
    string_list told = { 0 };
    for (size_t i = 0; i < d->instance_count; i++) {
        const struct registry_instance *instance = d->instances[i]->spec;
        for (list_each (const struct port_override, own, &instance->ports))
            infer_port(s, service, d->instances[i], own, &told);
    }
    sort_ports(service);
    if (d->instance_count)
        drop_repeated_numbers(s, service, d->instances[0]);
}

const struct service_port *service_port_find(const struct service *s, uint32_t number)
{
    for (list_each (const struct service_port, port, &s->ports))
        if (port->number == number)
            return port;
    return NULL;
}

/* ---- services ---- */

/* A virtual address stands for one service, whose connections Envoy sends on by itself. */
static bool may_be_allocated(const struct service *service, const struct object *object)
{
    const char *wish =
        object ? labels_find(&object->labels, "networking.istio.io/enable-autoallocate-ip") : NULL;
    bool is_dynamic = service->resolution == RESOLUTION_DYNAMIC_DNS;
    return (!wish || strcmp(wish, "false") != 0) && service->resolution != RESOLUTION_NONE &&
           (*service->host != '*' || is_dynamic);
}

bool service_may_be_allocated(const struct service *service)
{
    return may_be_allocated(service, service->object);
}

/* As an allocator wrote them into the resource. */
static string_list allocated_addresses(
    struct arena *a, const struct service *service, const struct object *object)
{
    const struct service_entry_status *status = object->status;
    string_list found = { 0 };
    bool is_wanted = may_be_allocated(service, object);
    for (size_t i = 0; status && is_wanted && i < status->addresses.count; i++) {
        const struct service_entry_address *address = &status->addresses.items[i];
        if (!address->host || strcmp(address->host, service->host) == 0)
            list_push(a, &found, address->value);
    }
    return found;
}

/* "Any address" is none of its own. */
static string_list own_addresses(struct arena *a, const string_list *given)
{
    string_list own = { 0 };
    for (list_each (const char *const, address, given))
        if (!format_is_any_ip(*address))
            list_push(a, &own, *address);
    return own;
}

static void add_entry(struct snapshot *s, struct service *service, const struct declaration *d)
{
    const struct service_entry *entry = d->object->spec;
    for (size_t i = 0; i < entry->ports.count; i++)
        add_port(s, service, &entry->ports.items[i], d->object, i);
    if (!service->addresses.count)
        service->addresses = own_addresses(s->arena, &entry->addresses);
    if (!service->addresses.count)
        service->addresses = allocated_addresses(s->arena, service, d->object);
    endpoints_of_entry(s, service, d->object);
}

static void add_registry(struct snapshot *s, struct service *service, const struct declaration *d)
{
    const struct registry_service *spec = d->object ? d->object->spec : NULL;
    service->is_registry = true;
    for (size_t i = 0; spec && i < spec->ports.count; i++)
        add_port(s, service, &spec->ports.items[i], d->object, i);
    if (!service->ports.count)
        infer_ports(s, service, d);
    if (spec && !service->addresses.count)
        service->addresses = own_addresses(s->arena, &spec->addresses);
    for (size_t i = 0; i < d->instance_count; i++)
        endpoint_of_instance(s, service, d->instances[i]);
}

/* What the oldest declaration says alone. */
static void start_service(struct service *service, const struct declaration *d)
{
    const struct service_entry *entry = d->object && !d->instances ? d->object->spec : NULL;
    const struct registry_service *spec = d->object && d->instances ? d->object->spec : NULL;
    *service = (struct service){
        .host = d->host,
        .ns = d->ns,
        .name = d->name,
        .object = d->object,
        .create_revision = d->create_revision,
        .resolution = entry  ? entry->resolution
                      : spec ? spec->resolution
                             : RESOLUTION_STATIC,
        .location = entry ? entry->location : MESH_INTERNAL,
    };
    if (entry)
        service->export_to = entry->export_to;
    else if (spec)
        service->export_to = spec->export_to;
}

static void hash_list(struct hasher *h, const string_list *list)
{
    hasher_add_u32(h, (uint32_t)list->count);
    for (size_t i = 0; i < list->count; i++)
        hasher_add_text(h, list->items[i]);
}

static struct hash128 declaration_digest(const struct service *service)
{
    struct hasher *h = hasher_new();
    hasher_add_text(h, service->host);
    hasher_add_text(h, service->ns);
    hasher_add_u32(h, service->resolution);
    hasher_add_u32(h, service->location);
    hash_list(h, &service->addresses);
    hash_list(h, &service->export_to);
    for (list_each (const struct service_port, port, &service->ports)) {
        hasher_add_text(h, port->name);
        hasher_add_u32(h, port->number);
        hasher_add_u32(h, port->protocol);
        hasher_add_u32(h, port->target_port);
    }
    if (service->object && service->object->kind == KIND_SERVICE_ENTRY)
        hash_list(h, &((const struct service_entry *)service->object->spec)->subject_alt_names);
    return hasher_finish(h);
}

/* One resource that names a host twice, or a registry service that names its own. */
static bool is_repeated(const struct declaration *before, const struct declaration *d)
{
    return d->object && d->object == before->object;
}

static struct service *build_service(
    struct snapshot *s, const struct declaration *declarations, size_t count)
{
    struct service *service = ARENA_NEW(s->arena, struct service);
    start_service(service, &declarations[0]);
    for (size_t i = 0; i < count; i++)
        if (i && is_repeated(&declarations[i - 1], &declarations[i]))
            continue;
        else if (declarations[i].instances)
            add_registry(s, service, &declarations[i]);
        else
            add_entry(s, service, &declarations[i]);
    sort_ports(service);
    endpoints_finish(service);
    service->digest = declaration_digest(service);
    service->is_sole = count == 1;
    return service;
}

struct service *service_rebuild(struct snapshot *s, const struct service *former,
    const struct object *object, struct object *const *instances, size_t count)
{
    struct declaration d = {
        .host = former->host,
        .ns = former->ns,
        .name = former->name,
        .object = object,
        .instances = instances,
        .instance_count = count,
        .create_revision = object ? object->create_revision : oldest(instances, count),
    };
    return build_service(s, &d, 1);
}

static int compare_services(const void *left, const void *right)
{
    const struct service *a = *(const struct service *const *)left;
    const struct service *b = *(const struct service *const *)right;
    int order = strcmp(a->host, b->host);
    if (!order)
        order =
            (a->create_revision > b->create_revision) - (a->create_revision < b->create_revision);
    return order ? order : strcmp(a->ns, b->ns);
}

static bool is_same_service(const struct declaration *a, const struct declaration *b)
{
    return strcmp(a->host, b->host) == 0 && strcmp(a->ns, b->ns) == 0;
}

/* ---- virtual addresses: by the hash of the service's name, which no other service moves unless
 * it is older and wants the same ---- */

enum { AUTO_ADDRESSES = 65024, AUTO_PER_BLOCK = 254 }; /* 240.240.0.1 … 240.240.255.254 */

static const char *auto_address_text(struct arena *a, uint32_t slot)
{
    return arena_printf(a, "240.240.%u.%u", slot / AUTO_PER_BLOCK, 1 + slot % AUTO_PER_BLOCK);
}

static uint32_t auto_slot(const struct service *service)
{
    struct hasher *h = hasher_new();
    hasher_add_text(h, service->ns);
    hasher_add_text(h, service->host);
    struct hash128 hash = hasher_finish(h);
    uint32_t value = 0;
    for (size_t i = 0; i < sizeof value; i++)
        value = value << 8 | hash.bytes[i];
    return value % AUTO_ADDRESSES;
}

static int compare_ages(const void *left, const void *right)
{
    const struct service *a = *(struct service *const *)left, *b = *(struct service *const *)right;
    if (a->create_revision != b->create_revision)
        return a->create_revision < b->create_revision ? -1 : 1;
    int order = strcmp(a->ns, b->ns);
    return order ? order : strcmp(a->host, b->host);
}

static void allocate_addresses(struct snapshot *s)
{
    LIST(struct service *) wanting = { 0 };
    for (size_t i = 0; i < s->services.count; i++) {
        struct service *service = (struct service *)(uintptr_t)s->services.items[i];
        if (!service->addresses.count && service_may_be_allocated(service))
            list_push(s->arena, &wanting, service);
    }
    if (wanting.count == 0)
        return;
    qsort(wanting.items, wanting.count, sizeof *wanting.items, compare_ages);
    bool *is_taken = ARENA_ARRAY(s->arena, bool, AUTO_ADDRESSES);
    for (size_t i = 0; i < wanting.count && i < AUTO_ADDRESSES; i++) {
        uint32_t slot = auto_slot(wanting.items[i]);
        while (is_taken[slot])
            slot = (slot + 1) % AUTO_ADDRESSES;
        is_taken[slot] = true;
        wanting.items[i]->auto_address = auto_address_text(s->arena, slot);
    }
}

string_list service_addresses(
    struct arena *a, const struct service *service, const struct scope *scope)
{
    string_list own = { 0 };
    if (service->addresses.count > 0 || !scope->takes_auto_addresses || !service->auto_address)
        return service->addresses;
    list_push(a, &own, service->auto_address);
    return own;
}

void services_build(struct snapshot *s)
{
    declaration_list declarations = { 0 };
    declare_entries(s, &declarations);
    declare_registry(s, &declarations);
    if (!declarations.count)
        return;
    qsort(declarations.items, declarations.count, sizeof *declarations.items, compare_declarations);
    for (size_t i = 0, j; i < declarations.count; i = j) {
        for (j = i + 1; j < declarations.count; j++)
            if (!is_same_service(&declarations.items[i], &declarations.items[j]))
                break;
        list_push(s->arena, &s->services, build_service(s, &declarations.items[i], j - i));
    }
    qsort(s->services.items, s->services.count, sizeof *s->services.items, compare_services);
    allocate_addresses(s);
}
