/*
 * scope_table: the scopes that the streams of one serving loop are of, each with its newest view
 * and its subscribers. A loop's own; knows nothing of threads.
 */
#ifndef DAEMON_SCOPE_TABLE_H
#define DAEMON_SCOPE_TABLE_H

#include "base/map.h"
#include "daemon/publication.h"
#include "xds/source.h"

struct scope_table {
    struct map by_key;                                 /* → struct table_scope */
    struct subscription *first_waiting, *last_waiting; /* for their ticket, as they came */
    /* The first subscriber of a scope came, or the last one went. */
    void (*on_want)(struct scope_table *t, struct shared_scope *scope);
    void (*on_drop)(struct scope_table *t, struct shared_scope *scope);
};

void scope_table_fini(struct scope_table *t); /* nobody may be subscribed any more */

/* The subscriber is told views once it was let in with its ticket. Tickets never
 * fall. */
void scope_table_add(struct scope_table *t, const struct scope *scope,
    struct xds_subscriber *subscriber, uint64_t ticket);
bool scope_table_has(const struct scope_table *t, const char *key);
void scope_table_remove(struct scope_table *t, struct xds_subscriber *subscriber);

/* On those with this ticket or a lower one: let in (on_view at once if there is a view), or refused
 * (on_refused, in which they may unsubscribe). How many. */
size_t scope_table_decide(struct scope_table *t, uint64_t ticket, bool is_let_in);
bool scope_table_has_waiting(const struct scope_table *t);

/* A newer view for a scope; told to its subscribers, who may come and go meanwhile: on_view to
 * those who were let in, on_preview to the others. How many of the first. */
size_t scope_table_view(struct scope_table *t, const char *key, struct xds_view *view);

#endif
