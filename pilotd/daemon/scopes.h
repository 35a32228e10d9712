/*
 * scopes: which kinds of proxies are connected, and the newest view of each.
 *
 * A scope is wanted by the serving loops that have a stream of it, and forgotten when the last of
 * them has none. The control loop's own.
 */
#ifndef DAEMON_SCOPES_H
#define DAEMON_SCOPES_H

#include "base/map.h"
#include "daemon/publication.h"

struct scopes {
    struct map by_key; /* → struct wanted_scope */
    size_t waiting;    /* those without a view */
};

struct wanted_scope {
    struct shared_scope *scope;
    struct xds_view *view; /* NULL: not built yet */
    size_t loops;          /* that want it */
};

void scopes_fini(struct scopes *s);

/* One more loop wants it. The view it has already, borrowed, or NULL: one must be built. */
struct xds_view *scopes_want(struct scopes *s, struct shared_scope *scope);
void scopes_drop(struct scopes *s, const char *key); /* one loop less */

/* The views of a publication are the newest now. */
void scopes_take(struct scopes *s, const struct publication *p);

/* All scopes, or those that wait; each retained, in an array on the heap; the caller's. */
struct shared_scope **scopes_list(const struct scopes *s, bool only_waiting, size_t *count);

#endif
