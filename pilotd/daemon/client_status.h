/*
 * client_status: what a replica knows of the resources of one proxy, for its admin port: the same
 * as CSDS tells (xds/status_page.h), a serialised ClientStatusResponse. A proxy with many has
 * several configs, one for each page.
 *
 * Pages go from loop to loop, one after the other, and come back to the control loop, which all of
 * this runs on. An answer of more than CLIENT_STATUS_MAX_BYTES is refused.
 */
#ifndef DAEMON_CLIENT_STATUS_H
#define DAEMON_CLIENT_STATUS_H

#include "daemon/serving.h"

enum { CLIENT_STATUS_MAX_BYTES = 64 * 1024 * 1024 };

struct client_status_waiter {
    /* Once. `why` says why there is no answer, or is NULL. */
    void (*on_done)(struct client_status_waiter *w, const char *why);
    struct buf answer; /* the waiter's to free */
    struct client_status_waiter *next;
    uint64_t call;
};

struct client_status {
    struct serving **servings;
    size_t count;
    uint64_t calls;
    struct client_status_waiter *first;
};

/* `servings` must stay. */
void client_status_open(struct client_status *s, struct serving **servings, size_t count);
/* Whoever asks still is told so. */
void client_status_close(struct client_status *s);

/* on_done comes from the loop, later. */
void client_status_ask(
    struct client_status *s, const char *node_id, struct client_status_waiter *w);
/* A page that came back; takes it over. */
void client_status_take(struct client_status *s, struct status_page *page);

#endif
