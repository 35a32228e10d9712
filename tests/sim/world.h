/*
 * world: one run: an etcd, some replicas, those who write, what goes wrong, and when it is over.
 *
 *     trouble: random writes and faults         calm: no more of either; all must come to rest
 */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include "balancer.h"
#include "fake_http.h"
#include "replica.h"
#include "spy.h"
#include "truth.h"
#include "vocabulary.h"

#define CLUSTER_KEY "/pilot/cluster"

enum { REPLICAS_MAX = 4 };

struct registrar { /* one instance of a service, and its lease */
    int64_t lease;
    bool is_alive; /* renews it */
};

/* What the checks remember of a replica. */
struct witness {
    const struct publication *published;
    int64_t served;
    size_t generation; /* of etcd's history that it follows */
    uint64_t stale_us; /* when it last let in who came, knowing nothing of news; 0: never */
};

struct world {
    struct sim *sim;
    struct fake_etcd etcd;
    struct fake_net net;
    struct truth truth;
    struct replica_process replicas[REPLICAS_MAX];
    struct witness witnesses[REPLICAS_MAX];
    size_t replica_count;
    struct proxy proxies[PROXIES_MAX];
    size_t proxy_count;
    struct proxy_owner proxy_owner;
    struct spy_owner spy_owner;
    struct balancer balancer;
    struct registrar registrars[SERVICES][INSTANCES];
    struct sim_event write, fault, renewal;
    unsigned moods;             /* which kinds of faults this history has: a bit each */
    struct map writings;        /* of configuration: key → check_holds.c's own */
    const char *epoch;          /* in force; NULL: none yet */
    struct vanishing *vanished; /* check_expiry.c's own; the newest first */
    unsigned recovery_ms;       /* from the last fault's end until all were at rest for good */
    uint64_t began_us, restored_us, burst_until_us; /* of writes */
    struct arena *a;
};

void world_run(struct world *w, struct sim *sim);

/* ---- history.c: what happens to it ---- */

enum { /* `moods` of a history with no other faults */
    HISTORY_OF_REGISTRARS = 1 << 10,
    HISTORY_OF_LOST_QUORUM = 1 << 7,
};

void history_begin(struct world *w);
void history_end(struct world *w); /* every fault is mended, every replica is up */

/* ---- checker.c ---- */

void check_step(struct world *w); /* after each event */
void check_given_up(struct world *w, const struct store_status *status);
bool world_is_at_rest(const struct world *w);
void check_rest(struct world *w); /* at the end */

/* ---- check_holds.c ---- */

/* Somebody wrote that; NULL: deleted it. */
void check_holds_written(struct world *w, const char *key, const char *value, bool is_bad);
void check_holds_forget(struct world *w);    /* a backup was restored */
void check_holds_committed(struct world *w); /* after each revision */
void check_holds_rest(struct world *w);

/* ---- check_epoch.c ---- */

void check_epoch_committed(struct world *w); /* after each revision */
bool epoch_is_at_rest(struct world *w, bool is_told);

/* ---- check_expiry.c ---- */

void check_expiry_committed(struct world *w); /* after each revision */
void check_expiry_rest(struct world *w);

/* ---- check_share.c ---- */

void check_share_closed(struct world *w, struct proxy *p, const char *why);
void check_share_served(struct proxy *p);
bool share_is_at_rest(struct world *w, bool is_told);

/* ---- check_proxies.c ---- */

void check_proxies_begin(struct world *w);
bool proxies_are_at_rest(struct world *w, bool is_told);

#endif
