/*
 * proxy: a client of xDS that behaves like Envoy: clusters and listeners by wildcard, the endpoints
 * and route tables that these name, and the virtual hosts of tables where it takes these apart
 * (hosts.h); acknowledges or refuses; reconnects with what it has.
 */
#ifndef SIM_PROXY_H
#define SIM_PROXY_H

#include "base/map.h"
#include "fake_h2.h"
#include "mesh/scope.h"
#include "sent.h"
#include "xds/stream.h"
#include "xds/view.h"

enum { PROXIES_MAX = 5, VIEWS_SEEN = 256 };

struct proxy;
struct proxy_owner {
    /* To which replica it is to connect now; NULL: none can be reached. */
    struct sim_process *(*on_connect)(struct proxy_owner *o, struct proxy *p);
    /* A response was applied. */
    void (*on_applied)(struct proxy_owner *o, struct proxy *p, enum xds_type type);
    /* The other side closed its stream. */
    void (*on_closed)(struct proxy_owner *o, struct proxy *p, const char *why);
    /* A cluster that it was sent has waited for its endpoints for too long. */
    void (*on_cold)(struct proxy_owner *o, struct proxy *p);
    /* It has that very version already. */
    void (*on_sent_twice)(
        struct proxy_owner *o, struct proxy *p, enum xds_type type, const char *name);
};

struct proxy {
    struct sim *sim;
    struct proxy_owner *owner;
    char id[80];
    const char *version; /* the label */
    struct arena *arena;
    struct scope scope;
    enum xds_variant variant;
    unsigned refused_of_1000; /* responses with listeners or routes */
    bool warms;               /* acknowledges clusters when it has their endpoints */
    bool splits;              /* its tables come by virtual host (VHDS) */

    struct channel *channel;     /* NULL: not connected */
    struct sim_process *process; /* the replica it is, or was, connected to */
    struct sim_event reconnect, patience;
    struct map held[XDS_TYPE_COUNT];  /* name → struct sent */
    struct map asked[XDS_TYPE_COUNT]; /* by name; → the proxy */
    bool has_asked[XDS_TYPE_COUNT];   /* on this stream */
    bool asks_hosts;                  /* since it had its first table */
    struct map told_hosts; /* name → version, as text: also of those it threw away with a table */
    unsigned streams;      /* until now */
    char nonce[XDS_TYPE_COUNT][40], version_info[XDS_TYPE_COUNT][64];
    char warming_nonce[40]; /* of clusters that are not acknowledged yet */
    bool has_node_told, has_refused;
    uint64_t cut_until_us; /* nothing of its stream gets through */

    /* What the checks remember of it. */
    struct {
        size_t generation; /* of etcd's history */
        int64_t effective; /* what it was shown last */
        size_t opened_generation;
        int64_t opened;     /* what was committed when its stream was opened */
        const void *stream; /* the server's end */
        bool has_view;
        unsigned refused_in_a_row;
        struct xds_view *views[VIEWS_SEEN]; /* the last ones, retained; a ring */
        size_t view_count;
    } seen;
};

void proxy_init(struct proxy *p, struct sim *sim, size_t index, struct proxy_owner *owner);
void proxy_fini(struct proxy *p);
void proxy_connect_in(struct proxy *p, uint64_t us);
void proxy_hang_up(struct proxy *p); /* and comes again */
bool proxy_is_connected(const struct proxy *p);

#endif
