/*
 * snapshot: the whole keyspace at one revision, decoded and indexed. Immutable and counted.
 *
 * A pure function of the objects, the revision and the level: not of the order in which they came.
 * Objects of a kind are sorted by age (object_compare_age), services by host, then age.
 */
#ifndef MESH_SNAPSHOT_H
#define MESH_SNAPSHOT_H

#include "mesh/level.h"
#include "mesh/service.h"
#include "model/mesh_config.h"

struct snapshot_index; /* index.h, private to mesh/ */

struct object_list {
    struct object **items;
    size_t count;
};

struct service_change {
    const struct service *was, *is;
};

struct snapshot {
    struct refcount refs;
    int64_t revision;
    unsigned level;
    struct object_list objects[KIND_COUNT];
    const struct mesh_config *mesh;   /* with its defaults filled in; never NULL */
    const struct object *mesh_object; /* NULL: defaults alone */
    const char *domain;               /* "cluster.local" */
    LIST(const struct service *) services;
    LIST(struct finding) findings; /* what analysis across resources found, sorted by key, path */
    struct snapshot_index *index;
    struct hash_sum sum; /* of the objects' digests */
    struct arena *arena;
    /* of one that came by a patch (patch.c); else empty: */
    struct snapshot *root;               /* retained; built whole: what was not patched is its */
    const struct snapshot *former;       /* what was patched; not to be followed: it may be gone */
    LIST(struct service_change) changes; /* since that */
    LIST(struct service *) patched;      /* since the root; retained */
    LIST(struct object *) fresh;         /* that the root has not; retained */
};

/* One finding of the analysis: about the object with that key. */
struct finding {
    const char *key;
    struct diag diag;
};

/* `objects` in any order; retained. */
struct snapshot *snapshot_build(
    struct object *const *objects, size_t count, int64_t revision, unsigned level);

/*
 * What snapshot_build makes of the objects of `former` after the changes, of which no two have one
 * key. Where they change nothing but endpoints (instances that come, go or change, ServiceEntries
 * that differ in their endpoints alone), it costs what changed and a copy of lists of pointers: the
 * rest is shared, until too much is patched. Its findings are then those of the last one that was
 * built whole, which is its root.
 */
struct snapshot *snapshot_next(struct snapshot *former, const struct object_change *changes,
    size_t count, int64_t revision, unsigned level);
enum { PATCHED_SERVICES_MIN = 64, PATCHED_SERVICES_SHARE = 8 }; /* too much: one of so many */

struct snapshot *snapshot_retain(struct snapshot *s);
void snapshot_release(struct snapshot *s); /* NULL is fine */

/* All services with that host, by age; a slice of `services`. */
struct service_slice {
    const struct service *const *items;
    size_t count;
};
struct service_slice snapshot_services_of_host(const struct snapshot *s, const char *host);

/* The one a proxy in namespace `ns` sees under that host: its own namespace's, else the oldest
 * exported to it; NULL when none is visible. */
const struct service *snapshot_find_service(
    const struct snapshot *s, const char *host, const char *ns);

/* Is something of namespace `owner` with `export_to` (or, when that is empty, `fallback`) visible
 * in `ns`? "." own, "*" all, "~" none, else a namespace. */
bool export_is_visible(
    const string_list *export_to, const string_list *fallback, const char *owner, const char *ns);

/* Istio's rule: no dot → HOST.NS.svc.DOMAIN; anything with a dot (or "*") is itself. */
const char *host_resolve(struct arena *a, const char *host, const char *ns, const char *domain);
/* Does host pattern (exact, "*.suffix", "*-suffix" or "*") cover `host`? */
bool host_matches(const char *pattern, const char *host);

#endif
