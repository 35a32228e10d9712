/*
 * route_headers: the headers a route, or one of its destinations, sets, adds and removes.
 */
#ifndef TRANSLATE_ROUTE_HEADERS_H
#define TRANSLATE_ROUTE_HEADERS_H

#include "model/virtual_service.h"
#include "proto/pb.h"

typedef LIST(pb_HeaderValueOption *) header_option_list;

struct route_headers {
    header_option_list request_add, response_add;
    string_list request_remove, response_remove;
    const char *authority; /* Host is rewritten, not set: what it becomes, or NULL */
};

/* Appends what `headers` (may be NULL) says: `set` before `add`, each sorted by name. An authority
 * that is already there stays. */
void route_headers_add(struct arena *a, struct route_headers *out, const struct headers *headers);

/* The four lists into a message that has them (Route, ClusterWeight). */
#define ROUTE_HEADERS(h)                                                                           \
    PB_LIST(request_headers_to_add, (h)->request_add.count, (h)->request_add.items),               \
        PB_LIST(response_headers_to_add, (h)->response_add.count, (h)->response_add.items),        \
        PB_LIST(                                                                                   \
            request_headers_to_remove, (h)->request_remove.count, pb_strs(&(h)->request_remove)),  \
        PB_LIST(response_headers_to_remove,                                                        \
            (h)->response_remove.count,                                                            \
            pb_strs(&(h)->response_remove))

#endif
