/*
 * virtual_hosts: a route table and the virtual hosts it is put together from.
 *
 * A virtual host is rendered alone (a fragment: a resource that no view lists), and a table is the
 * concatenation of the serialised virtual hosts, so a changed VirtualService costs one virtual host
 * and the copying of the others' bytes. A split table (VHDS) has none in it: its virtual hosts are
 * resources of the view, each with a name of its own, TABLE/HOST.
 */
#ifndef TRANSLATE_VIRTUAL_HOSTS_H
#define TRANSLATE_VIRTUAL_HOSTS_H

#include "translate/memo.h"

/* ---- arguments ---- */

struct virtual_host_args {
    const char *name; /* HOST:PORT; of a split table TABLE/HOST:PORT */
    string_list domains;
    struct arg_ref plan;          /* struct route_plan */
    struct arg_ref default_retry; /* struct http_retry; value NULL: the built-in one */
    uint64_t port;                /* of the listener */
};

struct catch_all_args {
    const char *table;   /* the split one that it is of; NULL: any other */
    uint64_t allows_any; /* what no virtual host takes goes where it was going, or else gets 502 */
    uint64_t level;      /* of translation */
};

struct route_table_args {
    const char *name;
    arg_ref_list hosts; /* struct xds_resource: virtual hosts, in the table's order */
};

struct split_table_args {
    const char *name;
};

/* ---- renderers ---- */

extern const struct renderer virtual_host_renderer, catch_all_renderer, route_table_renderer,
    split_table_renderer;

#endif
