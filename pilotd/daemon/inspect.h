/*
 * inspect: pages of the admin port that take a question. JSON.
 *
 * /debug/endpoints?host=HOST: [{"host", "namespace", "address", "ports": {"http": 8080}, "labels",
 *   "locality", "network", "serviceAccount", "weight", "health", "key": where it is registered}],
 *   of one host or of all.
 */
#ifndef DAEMON_INSPECT_H
#define DAEMON_INSPECT_H

#include "daemon/control.h"
#include "daemon/http_server.h"

/* The pages, for the list of all. */
struct inspect_page {
    const char *path, *what;
};
extern const struct inspect_page inspect_pages[];
extern const size_t inspect_page_count;

/* False when the path is none of these. */
bool inspect_respond(
    struct control *c, const struct http1_request *request, struct http_exchange *x);

#endif
