/*
 * xds_view: everything one kind of proxy should have, at one revision.
 *
 * Immutable and counted. For each type a list sorted by name (strcmp), names unique. A view may
 * stand on a base that many views share: what it has itself is then few, and a lookup tries its
 * own list, then the base's. A name is never in both.
 */
#ifndef XDS_VIEW_H
#define XDS_VIEW_H

#include "base/arena.h"
#include "xds/resource.h"

struct xds_step;

struct xds_set {
    struct xds_resource **items;
    size_t count;
    struct hash_sum sum; /* of the marks of its items */
    struct hash128 hash; /* of that and the base's hash */
};

struct xds_view {
    struct refcount refs;
    int64_t revision;
    struct hash128 hash;   /* over those of all types */
    struct xds_step *step; /* what is other than in those before it; NULL: none are known */
    struct xds_view *base; /* retained, or NULL; a base has no base */
    struct xds_set own[XDS_TYPE_COUNT];
};

/* Takes over one reference of each resource; copies and sorts the lists, drops exact duplicates
 * (same name, same version), computes the hashes; retains base. `lists[t]` has counts[t] items. */
struct xds_view *xds_view_new(int64_t revision, struct xds_view *base,
    struct xds_resource **const lists[XDS_TYPE_COUNT], const size_t counts[XDS_TYPE_COUNT]);
struct xds_view *xds_view_retain(struct xds_view *v);
void xds_view_release(struct xds_view *v); /* NULL is fine */

/* One without a base as `former`, but with the resources of the lists (of which it takes over one
 * reference each) in the place of those of their names. NULL, and nothing is taken, if it has not
 * all the names. */
struct xds_view *xds_view_replace(struct xds_view *former, int64_t revision,
    struct xds_resource **const lists[XDS_TYPE_COUNT], const size_t counts[XDS_TYPE_COUNT]);
/* What `former` has itself, on another base. */
struct xds_view *xds_view_rebase(
    const struct xds_view *former, int64_t revision, struct xds_view *base);

/* Says which view, of the same proxies, came before this one (without a base), so that
 * xds_view_changes need not look for what is other. Before other threads see `v`. */
void xds_view_follow(struct xds_view *v, const struct xds_view *former);
/* The names of which the two have not the same, appended; some, perhaps, in which they do not
 * differ, or twice. The names belong to the views. */
void xds_view_changes(struct arena *a, const struct xds_view *from, const struct xds_view *to,
    enum xds_type type, string_list *names);

/* The one of that name, or NULL. They are sorted by name, as a view's and a response's are. */
struct xds_resource *xds_resources_find(
    struct xds_resource *const *sorted, size_t count, const char *name);
struct xds_resource *xds_view_find(const struct xds_view *v, enum xds_type type, const char *name);
size_t xds_view_count(const struct xds_view *v, enum xds_type type);

/* Walks own and base merged in name order. Start from {0}; NULL at the end. */
struct xds_cursor {
    size_t own, base;
};
struct xds_resource *xds_view_next(
    const struct xds_view *v, enum xds_type type, struct xds_cursor *cursor);
/* Where the walk is when it has just left this name, whether there is one or not. */
struct xds_cursor xds_view_after(const struct xds_view *v, enum xds_type type, const char *name);

#endif
