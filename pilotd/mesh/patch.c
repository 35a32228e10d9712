/*
 * The next snapshot, where nothing but endpoints has changed. What every rule, route and listener
 * goes by (which services there are, their names, ports and ages) is as it was; if it turns out
 * that it is not, there is no patch.
 */
#include "mesh/index.h"
#include "model/registry.h"

#include <string.h>

void service_release(struct service *service)
{
    if (service && refcount_release(&service->refs))
        arena_free(service->arena);
}

/* ---- what is patched ---- */

struct patch {
    struct snapshot *s; /* under construction */
    struct snapshot *former;
    const struct object_change *changes;
    size_t count;
};

/* A key is changed once, at most; NULL: it is not. */
static const struct object_change *change_of(const struct patch *p, const char *key)
{
    for (size_t i = 0; i < p->count; i++)
        if (strcmp(p->changes[i].key, key) == 0)
            return &p->changes[i];
    return NULL;
}

static const struct service *find_service(
    const struct snapshot *s, const char *host, const char *ns)
{
    struct service_slice same = snapshot_services_of_host(s, host);
    for (size_t i = 0; i < same.count; i++)
        if (strcmp(same.items[i]->ns, ns) == 0)
            return same.items[i];
    return NULL;
}

static bool is_done(const struct patch *p, const struct service *was)
{
    for (list_each (const struct service_change, change, &p->s->changes))
        if (change->was == was)
            return true;
    return false;
}

/* Is it, to callers, what it was, but for its endpoints? */
static bool is_alike(const struct service *was, const struct service *is)
{
    return is->create_revision == was->create_revision &&
           service_may_be_allocated(is) == service_may_be_allocated(was) &&
           hash128_equal(&is->digest, &was->digest);
}

/* In memory of its own, since it will outlive this snapshot. */
static bool rebuild(struct patch *p, const struct service *was, const struct object *object,
    struct object *const *instances, size_t count)
{
    struct arena *a = arena_new();
    struct snapshot builder = *p->former;
    builder.arena = a;
    builder.findings.items = NULL;
    builder.findings.count = 0;
    struct service names = *was;
    names.host = arena_strdup(a, was->host);
    names.ns = arena_strdup(a, was->ns);
    names.name = arena_strdup(a, was->name);
    struct service *is = service_rebuild(&builder, &names, object, instances, count);
    is->auto_address = arena_strdup(a, was->auto_address);
    is->arena = a;
    refcount_init(&is->refs);
    list_push(p->s->arena, &p->s->patched, is); /* released with the snapshot, come what may */
    list_push(p->s->arena, &p->s->changes, ((struct service_change){ was, is }));
    return is_alike(was, is);
}

/* ---- a ServiceEntry ---- */

static bool patch_entry(struct patch *p, const struct object_change *change)
{
    const struct object *is = change->object;
    if (!is)
        return false;
    const struct service_entry *entry = is->spec;
    for (size_t i = 0; i < entry->hosts.count; i++) {
        const struct service *was = find_service(p->former, entry->hosts.items[i], is->ns);
        if (!was || !was->is_sole || !was->object || strcmp(was->object->key, is->key) != 0 ||
            was->object->create_revision != is->create_revision || !rebuild(p, was, is, NULL, 0))
            return false;
    }
    return entry->hosts.count > 0;
}

/* ---- an instance of the registry ---- */

/* By host: services/ may name more of them, and those have the instances too. */
static const struct service *service_of_instance(const struct patch *p, const char *key)
{
    struct arena *a = arena_new();
    struct object_key parts = { .kind = KIND_NONE };
    struct diags ignored;
    diags_init(&ignored, a);
    bool is_key = object_key_parse(a, key, &parts, &ignored);
    INVARIANT(is_key && parts.kind == KIND_REGISTRY_INSTANCE);
    const char *host = arena_printf(a, "%s.%s.svc.%s", parts.service, parts.ns, p->former->domain);
    const struct service *was = find_service(p->former, host, parts.ns);
    arena_free(a);
    const struct registry_service *spec = was && was->object ? was->object->spec : NULL;
    bool is_plain = was && was->is_sole && was->is_registry && !(spec && spec->hosts.count);
    return is_plain ? was : NULL;
}

static int compare_keys(const void *left, const void *right)
{
    const struct object *a = *(const struct object *const *)left;
    const struct object *b = *(const struct object *const *)right;
    return strcmp(a->key, b->key);
}

/* "registry/<namespace>/<service>/": what all its instances' keys begin with. */
static size_t prefix_bytes(const char *key)
{
    return (size_t)(strrchr(key, '/') - key) + 1;
}

static bool patch_instances(struct patch *p, const struct object_change *change)
{
    const struct service *was = service_of_instance(p, change->key);
    LIST(struct object *) instances = { 0 };
    if (!was)
        return false;
    if (is_done(p, was))
        return true;
    for (list_each (const struct endpoint, e, &was->endpoints))
        if (!change_of(p, e->object->key))
            list_push(p->s->arena, &instances, (struct object *)(uintptr_t)e->object);
    for (size_t i = 0; i < p->count; i++)
        if (p->changes[i].object &&
            strncmp(p->changes[i].key, change->key, prefix_bytes(change->key)) == 0)
            list_push(p->s->arena, &instances, p->changes[i].object);
    if (!instances.count)
        return false;
    qsort(instances.items, instances.count, sizeof *instances.items, compare_keys);
    return rebuild(p, was, was->object, instances.items, instances.count);
}

static bool patch_services(struct patch *p)
{
    for (size_t i = 0; i < p->count; i++) {
        bool is_instance = strncmp(p->changes[i].key, "registry/", 9) == 0;
        bool is_entry = strncmp(p->changes[i].key, "config/serviceentries/", 22) == 0;
        bool is_patched = is_instance ? patch_instances(p, &p->changes[i])
                          : is_entry  ? patch_entry(p, &p->changes[i])
                                      : false;
        if (!is_patched)
            return false;
    }
    return true;
}

/* ---- lists ---- */

/* The place of an object, or where it would be. */
static size_t place_of(const struct object_list *list, const struct object *object)
{
    size_t low = 0, high = list->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (snapshot_object_order(list->items[middle], object) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void take_out(struct snapshot *s, const struct object *object)
{
    struct object_list *list = &s->objects[object->kind];
    size_t at = place_of(list, object);
    INVARIANT(at < list->count && list->items[at] == object);
    memmove(list->items + at, list->items + at + 1, (--list->count - at) * sizeof *list->items);
    hash_sum_remove(&s->sum, &object->digest);
}

static void put_in(struct snapshot *s, struct object *object)
{
    struct object_list *list = &s->objects[object->kind];
    size_t at = place_of(list, object);
    memmove(list->items + at + 1, list->items + at, (list->count++ - at) * sizeof *list->items);
    list->items[at] = object;
    hash_sum_add(&s->sum, &object->digest);
    list_push(s->arena, &s->fresh, object_retain(object));
}

/* Lists of kinds that change get room for more; the others are the former's. */
static void copy_lists(struct patch *p)
{
    static const enum kind kinds[] = { KIND_SERVICE_ENTRY, KIND_REGISTRY_INSTANCE };
    for (size_t i = 0; i < ARRAY_COUNT(kinds); i++) {
        const struct object_list *from = &p->former->objects[kinds[i]];
        struct object **items = ARENA_ARRAY(p->s->arena, struct object *, from->count + p->count);
        if (from->count)
            memcpy(items, from->items, from->count * sizeof *items);
        p->s->objects[kinds[i]].items = items;
    }
}

/* The object that a change is of, as the former has it; NULL: it has none. */
static const struct object *former_object(const struct patch *p, const char *key)
{
    for (list_each (const struct service_change, change, &p->s->changes)) {
        if (change->was->object && strcmp(change->was->object->key, key) == 0)
            return change->was->object;
        for (list_each (const struct endpoint, e, &change->was->endpoints))
            if (strcmp(e->object->key, key) == 0)
                return e->object;
    }
    return NULL;
}

static void patch_objects(struct patch *p)
{
    copy_lists(p);
    for (size_t i = 0; i < p->former->fresh.count; i++) {
        struct object *object = p->former->fresh.items[i];
        if (!change_of(p, object->key))
            list_push(p->s->arena, &p->s->fresh, object_retain(object));
    }
    for (size_t i = 0; i < p->count; i++) {
        const struct object *was = former_object(p, p->changes[i].key);
        if (was)
            take_out(p->s, was);
        if (p->changes[i].object)
            put_in(p->s, p->changes[i].object);
    }
}

static size_t place_of_service(const struct snapshot *s, const struct service *service)
{
    struct service_slice same = snapshot_services_of_host(s, service->host);
    size_t at = 0;
    while (same.items[at] != service)
        at++;
    return (size_t)(same.items + at - s->services.items);
}

static void list_services(struct patch *p)
{
    size_t count = p->former->services.count;
    const struct service **items = ARENA_ARRAY(p->s->arena, const struct service *, count);
    if (count)
        memcpy(items, p->former->services.items, count * sizeof *items);
    for (list_each (const struct service_change, change, &p->s->changes))
        items[place_of_service(p->former, change->was)] = change->is;
    p->s->services.items = items;
    for (size_t i = 0; i < p->former->patched.count; i++) {
        struct service *service = p->former->patched.items[i];
        if (is_done(p, service))
            continue;
        refcount_retain(&service->refs);
        list_push(p->s->arena, &p->s->patched, service);
    }
}

/* ---- the whole ---- */

static bool is_too_much(const struct snapshot *former, size_t count)
{
    size_t part = former->services.count / PATCHED_SERVICES_SHARE;
    size_t limit = part > PATCHED_SERVICES_MIN ? part : PATCHED_SERVICES_MIN;
    return former->patched.count + count > limit;
}

static struct snapshot *start(struct snapshot *former, int64_t revision)
{
    struct arena *a = arena_new();
    struct snapshot *s = ARENA_NEW(a, struct snapshot);
    *s = *former;
    refcount_init(&s->refs);
    s->arena = a;
    s->revision = revision;
    s->root = snapshot_retain(former->root ? former->root : former);
    s->former = former;
    memset(&s->changes, 0, sizeof s->changes);
    memset(&s->patched, 0, sizeof s->patched);
    memset(&s->fresh, 0, sizeof s->fresh);
    return s;
}

/* NULL: there is more to it. */
static struct snapshot *patch(
    struct snapshot *former, const struct object_change *changes, size_t count, int64_t revision)
{
    if (is_too_much(former, count))
        return NULL;
    struct patch p = {
        .s = start(former, revision), .former = former, .changes = changes, .count = count
    };
    if (patch_services(&p)) {
        patch_objects(&p);
        list_services(&p);
        return p.s;
    }
    snapshot_release(p.s);
    return NULL;
}

static int compare_changes(const void *left, const void *right)
{
    const struct object_change *a = left, *b = right;
    return strcmp(a->key, b->key);
}

/* From nothing, of all objects. */
static struct snapshot *build(const struct snapshot *former, const struct object_change *changes,
    size_t count, int64_t revision, unsigned level)
{
    struct arena *a = arena_new();
    struct object_change *sorted = ARENA_ARRAY(a, struct object_change, count + 1);
    LIST(struct object *) objects = { 0 };
    if (count) {
        memcpy(sorted, changes, count * sizeof *sorted);
        qsort(sorted, count, sizeof *sorted, compare_changes);
    }
    for (enum kind kind = 0; kind < KIND_COUNT; kind++)
        for (size_t i = 0; i < former->objects[kind].count; i++) {
            struct object *object = former->objects[kind].items[i];
            struct object_change probe = { .key = object->key };
            if (!bsearch(&probe, sorted, count, sizeof probe, compare_changes))
                list_push(a, &objects, object);
        }
    for (size_t i = 0; i < count; i++)
        if (changes[i].object)
            list_push(a, &objects, changes[i].object);
    struct snapshot *s = snapshot_build(objects.items, objects.count, revision, level);
    arena_free(a);
    return s;
}

struct snapshot *snapshot_next(struct snapshot *former, const struct object_change *changes,
    size_t count, int64_t revision, unsigned level)
{
    struct snapshot *patched =
        level == former->level ? patch(former, changes, count, revision) : NULL;
    return patched ? patched : build(former, changes, count, revision, level);
}
