#include "translate/translate.h"

#include "translate/fixed_clusters.h"
#include "translate/select.h"

#include "base/map.h"

#include <string.h>

struct translator {
    struct memo *memo;
    struct snapshot *snapshot; /* of the build under way */
    struct map bases, views;   /* base key, scope key → struct xds_view *, of this build */
    struct map former_bases, former_views; /* of the build before */
    bool is_patch;      /* of that one's snapshot: what is not touched stays as it is */
    struct map touched; /* addresses of endpoints that came, went or changed → not NULL */
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
    map_fini(&t->views, release_view);
    map_fini(&t->former_bases, release_view);
    map_fini(&t->former_views, release_view);
    map_fini(&t->touched, NULL);
    snapshot_release(t->snapshot);
    xds_view_release(t->reference);
    memo_free(t->memo);
    free(t);
}

static void shift(struct map *from, struct map *to)
{
    map_fini(to, release_view);
    *to = *from;
    *from = (struct map){ 0 };
}

static void touch_all(struct map *touched, const struct service *service)
{
    static char is_touched;
    for (list_each (const struct endpoint, e, &service->endpoints))
        map_put(touched, e->address, &is_touched);
}

static void note_touched(struct translator *t)
{
    map_fini(&t->touched, NULL);
    t->touched = (struct map){ 0 };
    for (list_each (const struct service_change, change, &t->snapshot->changes)) {
        touch_all(&t->touched, change->was);
        touch_all(&t->touched, change->is);
    }
}

void translator_begin(struct translator *t, struct snapshot *s)
{
    shift(&t->bases, &t->former_bases);
    shift(&t->views, &t->former_views);
    t->is_patch = t->snapshot && s->former == t->snapshot;
    struct snapshot *former = t->snapshot;
    t->snapshot = snapshot_retain(s);
    if (t->is_patch)
        note_touched(t);
    else
        memo_sweep(t->memo); /* a patch does not ask for what it leaves as it is */
    snapshot_release(former);
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

static void select_service(struct selection *sel, const struct service *service)
{
    struct selected_service selected = { .service = service,
        .rule = effective_rule_find(sel->a, sel->snapshot, sel->scope, service) };
    list_push(sel->a, &sel->services, selected);
}

static void select_services(struct selection *sel)
{
    service_list visible = visible_services(sel->a, sel->snapshot, sel->scope);
    for (list_each (const struct service *, service, &visible))
        select_service(sel, *service);
}

/* What is selected, as the functions of views take it. */
struct lists {
    struct xds_resource **items[XDS_TYPE_COUNT];
    size_t counts[XDS_TYPE_COUNT];
};

static struct lists lists_of(const struct selection *sel)
{
    struct lists lists;
    for (enum xds_type type = 0; type < XDS_TYPE_COUNT; type++) {
        lists.items[type] = sel->out[type].items;
        lists.counts[type] = sel->out[type].count;
    }
    return lists;
}

static struct xds_view *view_of(const struct selection *sel, struct xds_view *base)
{
    struct lists lists = lists_of(sel);
    return xds_view_new(sel->snapshot->revision, base, lists.items, lists.counts);
}

/* NULL: a name is not there. */
static struct xds_view *view_replacing(const struct selection *sel, struct xds_view *former)
{
    struct lists lists = lists_of(sel);
    struct xds_view *view =
        xds_view_replace(former, sel->snapshot->revision, lists.items, lists.counts);
    for (enum xds_type type = 0; !view && type < XDS_TYPE_COUNT; type++)
        for (size_t i = 0; i < sel->out[type].count; i++)
            xds_resource_release(sel->out[type].items[i]);
    return view;
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

/* A port of the proxy's own takes a listener from its base, which then depends on where it lives.
 */
static bool has_listeners_of_its_own(const struct scope *scope)
{
    return scope->interception == INTERCEPTION_NONE;
}

/* Endpoints are seen by clusters and their endpoints alone. NULL: there is no former base that the
 * services' resources would fit into. */
static struct xds_view *base_patch(
    const struct translator *t, const struct scope *scope, struct xds_view *former)
{
    struct arena *a = arena_new();
    struct selection sel = selection_of(t, a, scope);
    for (list_each (const struct service_change, change, &t->snapshot->changes))
        if (snapshot_find_service(t->snapshot, change->is->host, scope->ns) == change->is)
            select_service(&sel, change->is);
    select_service_clusters(&sel);
    select_endpoints(&sel);
    struct xds_view *base = view_replacing(&sel, former);
    arena_free(a);
    return base;
}

/* The families of a proxy's addresses decide how outbound names are resolved. */
static const char *base_key_of(struct arena *a, const struct scope *scope)
{
    struct ip_families families = ip_families_of(scope);
    return arena_printf(a, "%d%d%s", families.v4, families.v6, scope->outbound_key);
}

static struct xds_view *base_make(
    const struct translator *t, const struct scope *scope, struct xds_view *former)
{
    bool may_patch = t->is_patch && former && !has_listeners_of_its_own(scope);
    struct xds_view *base = may_patch ? base_patch(t, scope, former) : NULL;
    if (!base)
        base = base_build(t, scope);
    if (former)
        xds_view_follow(base, former);
    return base;
}

/* Belongs to the translator. */
static struct xds_view *base_get(struct translator *t, struct arena *a, const struct scope *scope)
{
    const char *key = base_key_of(a, scope);
    struct xds_view *base = map_find(&t->bases, key);
    if (!base) {
        base = base_make(t, scope, map_find(&t->former_bases, key));
        map_put(&t->bases, key, base);
    }
    return base;
}

static bool is_touched(const struct translator *t, const struct scope *scope)
{
    for (size_t i = 0; i < scope->addresses.count; i++)
        if (map_find(&t->touched, scope->addresses.items[i]))
            return true;
    return false;
}

static struct xds_view *view_build(
    struct translator *t, struct arena *a, const struct scope *scope, struct xds_view *base)
{
    struct selection sel = selection_of(t, a, scope);
    if (scope->type == PROXY_SIDECAR && !scope->is_grpc)
        select_inbound(&sel);
    drop_names_of(&sel, base);
    return view_of(&sel, base);
}

struct xds_view *translator_view(struct translator *t, const struct scope *scope)
{
    struct arena *a = arena_new();
    struct xds_view *base = base_get(t, a, scope);
    const struct xds_view *former = t->is_patch ? map_find(&t->former_views, scope->key) : NULL;
    struct xds_view *view = former && !is_touched(t, scope)
                                ? xds_view_rebase(former, t->snapshot->revision, base)
                                : view_build(t, a, scope, base);
    xds_view_release(map_put(&t->views, scope->key, xds_view_retain(view)));
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

struct hash128 translator_hash(struct translator *t)
{
    struct arena *a = arena_new();
    struct hasher *h = hasher_new();
    hasher_add_text(h, arena_printf(a, "%u", t->snapshot->level));
    hasher_add_sum(h, &t->snapshot->sum); /* an object's digest covers its key */

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
