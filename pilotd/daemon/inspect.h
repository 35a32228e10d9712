/*
 * inspect: pages of the admin port that take a question. JSON.
 *
 * /debug/endpoints?host=HOST: [{"host", "namespace", "address", "ports": {"http": 8080}, "labels",
 *   "locality", "network", "serviceAccount", "weight", "health", "key": where it is registered}],
 *   of one host or of all.
 * /debug/config?proxy=NODE-ID&type=CDS: what a connected proxy should have: {"id", "view": its
 * hash, "types": how much of it the proxy has taken, as in /debug/proxies, "resources": {"CDS":
 *   [messages as proto JSON], …}, "versions": {"CDS": {NAME: its version}, …}}, of one type or of
 * all. 404 when it is not connected here. /debug/client-status?proxy=NODE-ID: what CSDS tells of it
 * (xds/status_page.h), as proto JSON: each resource with the version that was sent last, and
 * whether the proxy has taken it.
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
