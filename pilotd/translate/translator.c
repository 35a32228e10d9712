#include "translate/translate.h"

#include "translate/fixed_clusters.h"
#include "translate/select.h"

#include "base/map.h"

#include <string.h>

struct translator {
    struct memo *memo;
    struct snapshot *snapshot; /* of the build under way */
    struct map bases;          /* base_key → struct xds_view *, of this build */
    struct map former;         /* likewise, of the build before */
    struct xds_view *reference;
};

struct translator *translator_new(struct translate_stats *stats)
{
    struct translator *t = xcalloc(1, sizeof *t);
    t->memo = memo_new(stats ? &stats->rendered : NULL, stats ? &stats->reused : NULL);
    return t;
}

static void release_view(void *view)
{
    xds_view_release(view);
}

void translator_free(struct translator *t)
{
    if (!t)
        return;
    map_fini(&t->bases, release_view);
    map_fini(&t->former, release_view);
    snapshot_release(t->snapshot);
    xds_view_release(t->reference);
    memo_free(t->memo);
    free(t);
}

void translator_begin(struct translator *t, struct snapshot *s)
{
    map_fini(&t->former, release_view);
    t->former = t->bases;
    t->bases = (struct map){ 0 };
    snapshot_retain(s);
    snapshot_release(t->snapshot);
    t->snapshot = s;
    memo_sweep(t->memo);
}

/* ---- selections ---- */

void selection_add(struct selection *sel, struct xds_resource *resource)
{
    list_push(sel->a, &sel->out[resource->type], resource);
}

struct arg_ref mesh_ref(const struct snapshot *s)
{
    struct arg_ref ref = { .value = s->mesh };
    if (s->mesh_object)
        ref.digest = s->mesh_object->digest;
    return ref;
}

static struct selection selection_of(
    const struct translator *t, struct arena *a, const struct scope *scope)
{
    return (struct selection){ .a = a, .snapshot = t->snapshot, .scope = scope, .memo = t->memo };
}

static void select_services(struct selection *sel)
{
    service_list visible = visible_services(sel->a, sel->snapshot, sel->scope);
    for (list_each (const struct service *, service, &visible)) {
        struct selected_service selected = { .service = *service,
            .rule = effective_rule_find(sel->a, sel->snapshot, sel->scope, *service) };
        list_push(sel->a, &sel->services, selected);
    }
}

static struct xds_view *view_of(const struct selection *sel, struct xds_view *base)
{
    struct xds_resource **lists[XDS_TYPE_COUNT];
    size_t counts[XDS_TYPE_COUNT];
    for (enum xds_type type = 0; type < XDS_TYPE_COUNT; type++) {
        lists[type] = sel->out[type].items;
        counts[type] = sel->out[type].count;
    }
    return xds_view_new(sel->snapshot->revision, base, lists, counts);
}

/* ---- views ---- */

/* A name is never in two views that stand on each other: `sel` gives up what `other` has. */
static void drop_names_of(struct selection *sel, const struct xds_view *other)
{
    for (enum xds_type type = 0; type < XDS_TYPE_COUNT; type++) {
        size_t kept = 0;
        for (size_t i = 0; i < sel->out[type].count; i++) {
            struct xds_resource *own = sel->out[type].items[i];
            if (xds_view_find(other, type, own->name))
                xds_resource_release(own);
            else
                sel->out[type].items[kept++] = own;
        }
        sel->out[type].count = kept;
    }
}

/* Without redirection, on a loopback address of its own, a proxy listens for its workload and for
 * the services it calls on one address. A port of both is the workload's: its callers would
 * otherwise be sent round in circles. */
static void yield_to_inbound(
    const struct translator *t, struct selection *sel, const struct scope *scope)
{
    if (scope->interception != INTERCEPTION_NONE ||
        strcmp(scope->bind_address, scope->addresses.items[0]) != 0)
        return;
    struct selection inbound = selection_of(t, sel->a, scope);
    select_inbound(&inbound);
    struct xds_view *view = view_of(&inbound, NULL);
    drop_names_of(sel, view);
    xds_view_release(view);
}

static struct xds_view *base_build(const struct translator *t, const struct scope *scope)
{
    struct arena *a = arena_new();
    struct selection sel = selection_of(t, a, scope);
    select_services(&sel);
    select_clusters(&sel);
    select_endpoints(&sel);
    if (scope->is_grpc) {
        select_grpc(&sel);
    } else if (scope->type == PROXY_SIDECAR) {
        select_outbound_listeners(&sel);
        select_routes(&sel);
        yield_to_inbound(t, &sel, scope);
    }
    struct xds_view *base = view_of(&sel, NULL);
    arena_free(a);
    return base;
}

/* The families of a proxy's addresses decide how outbound names are resolved. */
static const char *base_key_of(struct arena *a, const struct scope *scope)
{
    struct ip_families families = ip_families_of(scope);
    return arena_printf(a, "%d%d%s", families.v4, families.v6, scope->outbound_key);
}

/* Belongs to the translator. */
static struct xds_view *base_get(struct translator *t, struct arena *a, const struct scope *scope)
{
    const char *key = base_key_of(a, scope);
    struct xds_view *base = map_find(&t->bases, key);
    if (!base) {
        base = base_build(t, scope);
        const struct xds_view *former = map_find(&t->former, key);
        if (former)
            xds_view_follow(base, former);
        map_put(&t->bases, key, base);
    }
    return base;
}

struct xds_view *translator_view(struct translator *t, const struct scope *scope)
{
    struct arena *a = arena_new();
    struct xds_view *base = base_get(t, a, scope);
    struct selection sel = selection_of(t, a, scope);
    if (scope->type == PROXY_SIDECAR && !scope->is_grpc)
        select_inbound(&sel);
    drop_names_of(&sel, base);
    struct xds_view *view = view_of(&sel, base);
    arena_free(a);
    return view;
}

/* ---- the snapshot's hash ---- */

/* A sidecar in the root namespace, without labels, at an address that nobody has. */
static struct scope reference_scope(struct arena *a, const struct snapshot *s)
{
    const char *root = s->mesh->root_namespace;
    struct scope_input input = {
        .node_id =
            arena_printf(a, "sidecar~192.0.2.1~reference.%s~%s.svc.%s", root, root, s->domain),
        .metadata_json = "{}",
        .region = "",
        .zone = "",
        .sub_zone = "",
    };
    struct scope scope;
    struct error err;
    INVARIANT(scope_parse(a, &input, &scope, &err));
    return scope;
}

/* An object's digest covers its key. */
static void hash_objects(struct hasher *h, const struct snapshot *s)
{
    struct hash_sum sum = { 0 };
    for (enum kind kind = 0; kind < KIND_COUNT; kind++)
        for (size_t i = 0; i < s->objects[kind].count; i++)
            hash_sum_add(&sum, &s->objects[kind].items[i]->digest);
    hasher_add_sum(h, &sum);
}

struct hash128 translator_hash(struct translator *t)
{
    struct arena *a = arena_new();
    struct hasher *h = hasher_new();
    hasher_add_text(h, arena_printf(a, "%u", t->snapshot->level));
    hash_objects(h, t->snapshot);

    struct scope scope = reference_scope(a, t->snapshot);
    struct xds_view *view = translator_view(t, &scope);
    /* Its tables are whole, so there are no virtual hosts. */
    for (enum xds_type type = 0; type < XDS_VIRTUAL_HOST; type++) {
        hasher_add_text(h, xds_type_url(type));
        hasher_add(h, view->own[type].hash.bytes, HASH128_BYTES);
    }
    xds_view_release(t->reference);
    t->reference = view;
    arena_free(a);
    return hasher_finish(h);
}

struct xds_view *translator_reference(const struct translator *t)
{
    return t->reference;
}
