/*
 * ui: what the status page consists of, on the admin port: "/", /ui/…, and the JSON of its long
 * lists: /debug/services, /debug/routes, and /debug/proxies when it is asked for a part.
 *
 * What can be long is put together on a thread of the pool.
 */
#ifndef DAEMON_UI_H
#define DAEMON_UI_H

#include "daemon/control.h"
#include "daemon/http_server.h"

/* False when the path is none of these. */
bool ui_respond(struct control *c, const struct http1_request *request, struct http_exchange *x);

/* The pages, for the list of all; "path  what" lines. */
void ui_list(struct buf *out);

#endif
