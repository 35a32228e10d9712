/*
 * Delegates, VirtualServices without hosts: those that are not there, those that nobody names, and
 * routes that get lost on the way.
 */
#include "mesh/analyze.h"

#include "model/virtual_service.h"

/* A delegate, and what the VirtualService that is looked at has of it. */
struct leaf {
    const struct object *object, *root;
    size_t first,
        wanted; /* the first route that names it; how many of its routes should be there */
    bool is_used;
};

struct delegations {
    struct analysis *an;
    struct map leaves; /* NAMESPACE/NAME → struct leaf */
    string_list names; /* of all, for suggestions */
};

static const char *full_name(struct arena *a, const char *ns, const char *name)
{
    return arena_printf(a, "%s/%s", ns, name);
}

static void collect_leaves(struct delegations *d)
{
    const struct object_list *list = &d->an->s->objects[KIND_VIRTUAL_SERVICE];
    struct arena *a = d->an->scratch;
    for (size_t i = 0; i < list->count; i++) {
        const struct virtual_service *vs = list->items[i]->spec;
        if (vs->hosts.count > 0)
            continue;
        struct leaf *leaf = ARENA_NEW(a, struct leaf);
        leaf->object = list->items[i];
        list_push(a, &d->names, full_name(a, leaf->object->ns, leaf->object->name));
        map_put(&d->leaves, d->names.items[d->names.count - 1], leaf);
    }
}

static void tell_unknown(
    struct delegations *d, const struct object *root, size_t index, const char *name, bool is_there)
{
    finding_add(d->an->s,
        root->key,
        DIAG_UNKNOWN_DELEGATE,
        arena_printf(d->an->s->arena, "spec.http[%zu].delegate", index),
        is_there ? NULL : suggest(d->an, name, &d->names),
        is_there ? "delegate %s is not exported to %s; this route is left out"
                 : "no VirtualService without hosts is named %s; this route of %s is left out",
        name,
        root->ns);
}

/* The delegate that a route names, if it may. */
static struct leaf *find_leaf(struct delegations *d, const struct object *root, size_t index)
{
    const struct virtual_service *vs = root->spec;
    const struct delegate *named = vs->http.items[index].delegate;
    const char *name =
        full_name(d->an->scratch, named->namespace ? named->namespace : root->ns, named->name);
    struct leaf *leaf = map_find(&d->leaves, name);
    struct audience audience = { 0 };
    if (leaf)
        audience = route_audience(d->an->s, leaf->object);
    if (leaf && audience_has(&audience, root->ns))
        return leaf;
    tell_unknown(d, root, index, name, leaf != NULL);
    return NULL;
}

static void check_lost(struct delegations *d, const struct leaf *leaf)
{
    const struct http_routes *routes = virtual_service_routes(d->an->scratch, d->an->s, leaf->root);
    size_t there = 0;
    for (list_each (const struct effective_route, route, &routes->items))
        there += route->owner == leaf->object;
    if (there < leaf->wanted)
        finding_add(d->an->s,
            leaf->root->key,
            DIAG_UNUSED,
            arena_printf(d->an->s->arena, "spec.http[%zu].delegate", leaf->first),
            NULL,
            "leaves out %zu of %zu routes of %s/%s, because they match nothing that is matched "
            "here",
            leaf->wanted - there,
            leaf->wanted,
            leaf->object->ns,
            leaf->object->name);
}

static void check_root(struct delegations *d, const struct object *root)
{
    const struct virtual_service *vs = root->spec;
    LIST(struct leaf *) named = { 0 };
    for (size_t i = 0; i < vs->http.count; i++) {
        struct leaf *leaf = vs->http.items[i].delegate ? find_leaf(d, root, i) : NULL;
        if (!leaf)
            continue;
        if (leaf->root != root) {
            *leaf = (struct leaf){ .object = leaf->object, .root = root, .first = i };
            list_push(d->an->scratch, &named, leaf);
        }
        leaf->is_used = true;
        leaf->wanted += ((const struct virtual_service *)leaf->object->spec)->http.count;
    }
    for (list_each (struct leaf *const, leaf, &named))
        check_lost(d, *leaf);
}

static void tell_unused(const char *name, void *value, void *context)
{
    struct delegations *d = context;
    const struct leaf *leaf = value;
    (void)name;
    if (!leaf->is_used)
        finding_add(d->an->s,
            leaf->object->key,
            DIAG_UNUSED,
            "spec",
            "give it hosts, or name it in a delegate",
            "it has no hosts, and no VirtualService delegates to it");
}

void analyze_delegates(struct analysis *an)
{
    const struct object_list *list = &an->s->objects[KIND_VIRTUAL_SERVICE];
    struct delegations d = { .an = an };
    collect_leaves(&d);
    for (size_t i = 0; i < list->count; i++)
        check_root(&d, list->items[i]);
    map_each (&d.leaves, tell_unused, &d)
        ;
    map_fini(&d.leaves, NULL);
}
