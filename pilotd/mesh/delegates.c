/* Delegation: the routes of a VirtualService with those of the delegates that it names put in their
 * place. Both sides must match: what one leaves open the other says. */
#include "mesh/index.h"
#include "mesh/policy.h"

#include "model/virtual_service.h"

#include <string.h>

typedef LIST(struct http_match) match_list;

/* ---- do two matches exclude each other? Asked of exact and prefix texts alone (validated) ---- */

static bool text_is_inside(const struct string_match *root, const struct string_match *leaf)
{
    if (!root || !leaf)
        return true;
    if (root->regex || leaf->regex)
        return false;
    if (root->exact)
        return leaf->exact && strcmp(leaf->exact, root->exact) == 0;
    const char *inner = leaf->prefix ? leaf->prefix : leaf->exact;
    return root->prefix && inner && begins_with(inner, root->prefix);
}

static const struct string_match *find_match(const named_match_list *list, const char *key)
{
    for (list_each (const struct named_match, item, list))
        if (strcmp(item->key, key) == 0)
            return &item->value;
    return NULL;
}

static bool texts_are_inside(const named_match_list *root, const named_match_list *leaf)
{
    for (list_each (const struct named_match, item, leaf))
        if (!text_is_inside(find_match(root, item->key), &item->value))
            return false;
    return true;
}

static bool labels_agree(const label_list *root, const label_list *leaf)
{
    for (list_each (const struct label, label, leaf)) {
        const char *value = labels_find(root, label->key);
        if (value && strcmp(value, label->value) != 0)
            return false;
    }
    return true;
}

static bool names(const string_list *list, const char *text)
{
    for (list_each (const char *const, item, list))
        if (strcmp(*item, text) == 0)
            return true;
    return false;
}

static bool gateways_are_inside(const string_list *root, const string_list *leaf)
{
    if (root->count == 0)
        return true;
    for (list_each (const char *const, gateway, leaf))
        if (!names(root, *gateway))
            return false;
    return true;
}

static bool callers_are_inside(const struct http_match *root, const struct http_match *leaf)
{
    return (!root->port || !leaf->port || root->port == leaf->port) &&
           (!root->source_namespace ||
               (leaf->source_namespace &&
                   strcmp(root->source_namespace, leaf->source_namespace) == 0)) &&
           labels_agree(&root->source_labels, &leaf->source_labels) &&
           gateways_are_inside(&root->gateways, &leaf->gateways);
}

static bool is_inside(const struct http_match *root, const struct http_match *leaf)
{
    return text_is_inside(root->uri, leaf->uri) && text_is_inside(root->scheme, leaf->scheme) &&
           text_is_inside(root->method, leaf->method) &&
           text_is_inside(root->authority, leaf->authority) &&
           texts_are_inside(&root->headers, &leaf->headers) &&
           texts_are_inside(&root->without_headers, &leaf->without_headers) &&
           texts_are_inside(&root->query_params, &leaf->query_params) &&
           root->ignore_uri_case == leaf->ignore_uri_case && callers_are_inside(root, leaf);
}

/* ---- both together ---- */

/* ROOT-LEAF, or the one that there is. */
static const char *join_names(struct arena *a, const char *root, const char *leaf)
{
    return root && leaf ? arena_printf(a, "%s-%s", root, leaf) : leaf ? leaf : root;
}

/* Sorted by key; of one key the leaf's value counts. */
static named_match_list join_matches(
    struct arena *a, const named_match_list *root, const named_match_list *leaf)
{
    named_match_list out = { 0 };
    size_t i = 0, j = 0;
    while (i < root->count || j < leaf->count) {
        int order = i == root->count   ? 1
                    : j == leaf->count ? -1
                                       : strcmp(root->items[i].key, leaf->items[j].key);
        list_push(a, &out, order < 0 ? root->items[i] : leaf->items[j]);
        i += order <= 0;
        j += order >= 0;
    }
    return out;
}

static label_list join_labels(struct arena *a, const label_list *root, const label_list *leaf)
{
    label_list out = { 0 };
    size_t i = 0, j = 0;
    while (i < root->count || j < leaf->count) {
        int order = i == root->count   ? 1
                    : j == leaf->count ? -1
                                       : strcmp(root->items[i].key, leaf->items[j].key);
        list_push(a, &out, order < 0 ? root->items[i] : leaf->items[j]);
        i += order <= 0;
        j += order >= 0;
    }
    return out;
}

#define FILL(out, root, member) ((out)->member = (out)->member ? (out)->member : (root)->member)

static struct http_match join(
    struct arena *a, const struct http_match *root, const struct http_match *leaf)
{
    struct http_match out = *leaf;
    out.name = join_names(a, root->name, leaf->name);
    FILL(&out, root, uri);
    FILL(&out, root, scheme);
    FILL(&out, root, method);
    FILL(&out, root, authority);
    FILL(&out, root, port);
    FILL(&out, root, source_namespace);
    FILL(&out, root, stat_prefix);
    out.headers = join_matches(a, &root->headers, &leaf->headers);
    out.without_headers = join_matches(a, &root->without_headers, &leaf->without_headers);
    out.query_params = join_matches(a, &root->query_params, &leaf->query_params);
    out.source_labels = join_labels(a, &root->source_labels, &leaf->source_labels);
    if (out.gateways.count == 0)
        out.gateways = root->gateways;
    return out;
}

/* False when a match of the delegate is inside none of the root's: the route is left out. */
static bool join_all(struct arena *a, const struct http_route *root, struct http_route *out)
{
    match_list joined = { 0 };
    for (list_each (const struct http_match, leaf, &out->match)) {
        size_t before = joined.count;
        for (list_each (const struct http_match, match, &root->match))
            if (is_inside(match, leaf))
                list_push(a, &joined, join(a, match, leaf));
        if (root->match.count > 0 && joined.count == before)
            return false;
    }
    if (out->match.count == 0) {
        out->match.items = root->match.items;
        out->match.count = root->match.count;
    } else if (root->match.count > 0) {
        out->match.items = joined.items;
        out->match.count = joined.count;
    }
    return true;
}

/* The root's mirrors name hosts as its own namespace does. */
static const struct destination *in_namespace(
    const struct snapshot *s, const struct destination *d, const char *ns)
{
    if (!d)
        return NULL;
    struct destination *copy = ARENA_NEW(s->arena, struct destination);
    *copy = *d;
    copy->host = host_resolve(s->arena, d->host, ns, s->domain);
    return copy;
}

static void fill_mirrors(const struct snapshot *s, const struct object *owner,
    const struct http_route *root, struct http_route *out)
{
    if (!out->mirror)
        out->mirror = in_namespace(s, root->mirror, owner->ns);
    FILL(out, root, mirror_percentage);
    if (!out->mirror_percent.is_set)
        out->mirror_percent = root->mirror_percent;
    for (size_t i = 0; i < root->mirrors.count && out->mirrors.count <= i; i++) {
        struct http_mirror mirror = root->mirrors.items[i];
        mirror.destination = in_namespace(s, mirror.destination, owner->ns);
        list_push(s->arena, &out->mirrors, mirror);
    }
}

/* What the delegate's route does not say, the root's does. */
static void fill_gaps(const struct http_route *root, struct http_route *out)
{
    FILL(out, root, rewrite);
    FILL(out, root, retries);
    FILL(out, root, fault);
    FILL(out, root, cors_policy);
    FILL(out, root, headers);
    if (!out->timeout.is_set)
        out->timeout = root->timeout;
}

static void delegate(const struct snapshot *s, struct http_routes *routes,
    const struct object *owner, const struct http_route *root, const struct object *to)
{
    const struct virtual_service *vs = to->spec;
    for (list_each (const struct http_route, leaf, &vs->http)) {
        struct http_route *out = ARENA_NEW(s->arena, struct http_route);
        *out = *leaf;
        if (!join_all(s->arena, root, out))
            continue;
        out->name = join_names(s->arena, root->name, leaf->name);
        fill_mirrors(s, owner, root, out);
        fill_gaps(root, out);
        list_push(s->arena, &routes->items, ((struct effective_route){ out, to }));
    }
}

/* ---- roots ---- */

const struct object *delegate_find(
    const struct snapshot *s, const struct object *root, const struct delegate *name)
{
    const struct object_list *all = &s->objects[KIND_VIRTUAL_SERVICE];
    const char *ns = name->namespace ? name->namespace : root->ns;
    for (size_t i = 0; i < all->count; i++) {
        const struct object *object = all->items[i];
        const struct virtual_service *vs = object->spec;
        if (vs->hosts.count == 0 && strcmp(object->name, name->name) == 0 &&
            strcmp(object->ns, ns) == 0 &&
            export_is_visible(
                &vs->export_to, &s->mesh->default_virtual_service_export_to, object->ns, root->ns))
            return object;
    }
    return NULL;
}

static bool delegates(const struct virtual_service *vs)
{
    for (list_each (const struct http_route, route, &vs->http))
        if (route->delegate)
            return true;
    return false;
}

static struct http_routes routes_of_root(const struct snapshot *s, const struct object *root)
{
    const struct virtual_service *vs = root->spec;
    struct http_routes routes = { .root = root };
    struct hasher *h = hasher_new();
    hasher_add(h, root->digest.bytes, HASH128_BYTES);
    for (list_each (const struct http_route, route, &vs->http)) {
        const struct object *to = route->delegate ? delegate_find(s, root, route->delegate) : NULL;
        hasher_add_u32(h, to != NULL);
        if (to)
            hasher_add(h, to->digest.bytes, HASH128_BYTES);
        if (to)
            delegate(s, &routes, root, route, to);
        else if (!route->delegate)
            list_push(s->arena, &routes.items, ((struct effective_route){ route, root }));
    }
    routes.digest = hasher_finish(h);
    return routes;
}

static int compare_roots(const void *left, const void *right)
{
    const struct http_routes *a = left, *b = right;
    return strcmp(a->root->key, b->root->key);
}

void index_delegations(struct snapshot *s)
{
    const struct object_list *all = &s->objects[KIND_VIRTUAL_SERVICE];
    for (size_t i = 0; i < all->count; i++)
        if (delegates(all->items[i]->spec))
            list_push(s->arena, &s->index->delegations, routes_of_root(s, all->items[i]));
    if (s->index->delegations.count > 0)
        qsort(s->index->delegations.items,
            s->index->delegations.count,
            sizeof *s->index->delegations.items,
            compare_roots);
}

const struct http_routes *virtual_service_routes(
    struct arena *a, const struct snapshot *s, const struct object *object)
{
    const struct virtual_service *vs = object->spec;
    struct http_routes probe = { .root = object };
    const struct http_routes *found = s->index->delegations.count == 0
                                          ? NULL
                                          : bsearch(&probe,
                                                s->index->delegations.items,
                                                s->index->delegations.count,
                                                sizeof probe,
                                                compare_roots);
    if (found)
        return found;
    struct http_routes *own = ARENA_NEW(a, struct http_routes);
    *own = (struct http_routes){ .root = object, .digest = object->digest };
    for (list_each (const struct http_route, route, &vs->http))
        list_push(a, &own->items, ((struct effective_route){ route, object }));
    return own;
}
