/*
 * events: tells listeners that something has changed: server-sent events at /debug/events.
 *
 *   event: change
 *   data: {"state", "snapshotRevision", "hash", "agreement", "replicas": how many, "peers": a hash
 *          of what they tell, "proxies", "acks", "nacks", "rejected", "held", "findings"}
 *
 * One comes at once, and then whenever these are others than before, one in EVENTS_PERIOD_MS at
 * most: listeners ask for the rest. Nothing is kept for a listener that reads slowly: it gets what
 * is so when it has read (http_server.h says when it is dropped).
 */
#ifndef DAEMON_EVENTS_H
#define DAEMON_EVENTS_H

#include "daemon/control.h"
#include "daemon/http_server.h"

enum {
    EVENTS_LISTENERS_MAX = 32, /* one more is answered with 503 */
    EVENTS_PERIOD_MS = 1000,
    EVENTS_ALIVE_MS = 15000, /* a comment, so that balancers keep a quiet connection */
};

struct events;

struct events *events_open(struct control *c);
/* After the http_server is closed. Frees later, from the loop. */
void events_close(struct events *e);

/* A request for them. */
void events_listen(struct events *e, const struct http1_request *request, struct http_exchange *x);

#endif
