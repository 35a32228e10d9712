/*
 * control: the control loop: what the store tells becomes objects, objects a snapshot, and that is
 * published to the serving loops.
 *
 * State, not events: what is wanted (objects, scopes) and what is there (the publication, the view
 * of each scope) are kept, and whenever the builder is idle and the two differ, the next build
 * begins. So a change on an idle replica is built at once, and those that come while a build runs
 * are built together.
 *
 * The struct is open to the daemon's own files, which read it for reports; only control.c and
 * lifecycle.c change it.
 */
#ifndef DAEMON_CONTROL_H
#define DAEMON_CONTROL_H

#include "daemon/applied.h"
#include "daemon/builder.h"
#include "daemon/certificates.h"
#include "daemon/client_status.h"
#include "daemon/epoch.h"
#include "daemon/fair_share.h"
#include "daemon/gate.h"
#include "daemon/holds.h"
#include "daemon/inherited.h"
#include "daemon/keeper.h"
#include "daemon/level_vote.h"
#include "daemon/options.h"
#include "daemon/peers.h"
#include "daemon/replica.h"
#include "daemon/roll_call.h"
#include "daemon/scopes.h"
#include "daemon/stats.h"
#include "daemon/triggers.h"
#include "keyspace/keyspace.h"

struct admin;

struct control {
    uv_loop_t loop;
    const struct options *options;
    const char *store_url;
    struct log_scope log;
    struct stats stats;
    struct triggers triggers;
    struct addresses addresses; /* that proxies connect from */

    /* What the store tells. */
    struct store *store;
    struct store_listener listener;
    struct keyspace keyspace;
    struct holds holds;
    struct holds_owner holds_owner;
    struct map faults;       /* of a store of files: file → text */
    int64_t revision;        /* all up to here is known */
    unsigned history;        /* counts those that revisions are of: one more after a restore */
    unsigned told_histories; /* as the store counted when it last told something */
    size_t others_beats;     /* of peers, heard since the own one was */
    uint64_t lost_store_ms;  /* since when it is not followed; 0: it is */
    uint64_t stale_since_ms; /* 0: it is fresh */
    bool has_told_waiting;
    bool is_synced; /* the first listing is known whole */
    /* A store that is away at the start: the copy on disk stands in until it is listed. */
    struct keeper keeper;
    struct keeper_owner keeper_owner;
    uv_timer_t recall_timer;
    bool is_recalled;
    struct map listed;     /* keys, while the store is listed behind a copy's back */
    bool has_shared_store; /* etcd: other replicas may be there */
    struct epoch epoch;
    struct level_vote level_vote;
    struct peers peers;
    struct replica *replica; /* NULL before the first sync, and always without a shared store */
    struct replica_owner replica_owner;

    /* What is built of it. */
    struct builder *builder;
    struct builder_owner builder_owner;
    bool is_dirty; /* the objects are others than those in the last order */
    bool is_building_whole;
    bool wants_all;       /* the next order is of all objects */
    bool is_audit;        /* the order under way is, and nothing has changed since the last */
    uv_timer_t all_timer; /* when it wants all, after changes were patched in */
    struct publication *published; /* the last whole one; NULL before the first */
    int64_t served_revision;       /* it is right up to here */
    unsigned built_history;        /* of the last order, and of what is published */
    unsigned served_history;
    struct applied applied; /* when it came to be so */
    struct scopes scopes;

    /* Who serves it. */
    struct inherited sockets;
    struct serving **servings;
    size_t serving_count;
    struct serving_owner serving_owner;
    struct gate gate;
    struct gate_owner gate_owner;
    struct fair_share fair_share;
    size_t shed_turn;                   /* the loop that is asked first next time */
    struct roll_call pulse, census;     /* SERVING_PULSE, SERVING_REPORT */
    struct client_status client_status; /* what the admin port was asked of single proxies */
    struct certificates certificates;
    const char *xds_address, *admin_address; /* with the ports they got */
    const char *xds_tls_address;             /* NULL: none */
    struct admin *admin;

    enum replica_state state;
    bool is_draining;
};

/* After everything in the struct is set up: opens the store and begins. */
bool control_start(struct control *c, struct error *err);

/* After control_start: listens as the options say. The first loop may get any free port; the others
 * share it. `a` outlives the control. A failure is the process's end. */
bool control_open_servings(struct control *c, struct arena *a, struct error *err);
void control_close_servings(struct control *c);

/* Works out the state anew; a change is logged and told in the record. */
void control_review(struct control *c);

/* Why the state is degraded, or "". */
const char *control_problem(const struct control *c);

/* Why what is served may be old, or "": then this replica is fit for new streams. */
const char *control_staleness(const struct control *c);
/* "stale" or "full", and why: it serves, and new streams should go elsewhere. NULL: it takes them.
 */
const char *control_unfit(const struct control *c, const char **why);

/* The level that is built: the one in force, or the nearest that this build can. */
unsigned control_level(const struct control *c);

/* "draining" from now on. */
void control_drain(struct control *c);

/* Ends builder and store, after the servings; once the loop has ended, what they made is freed. */
void control_stop(struct control *c);
void control_fini(struct control *c);

#endif
