/*
 * replica: one pilotd in a sim: all of it from the control loop down, as lifecycle.c puts it
 * together, but for the admin port and signals.
 */
#ifndef SIM_REPLICA_H
#define SIM_REPLICA_H

#include "daemon/control.h"
#include "sim.h"

/* Without a slack: there are few proxies. */
enum { REPLICA_STREAM_MARGIN = 20 };

struct replica_process {
    struct sim_process process;
    struct sim *sim;
    struct options options;
    char id[16], data_dir[64];
    bool is_up, is_leaving;
    size_t drained;
    uv_timer_t leaving;
    struct sim_event gone; /* it has left: to be taken down */
    struct arena *arena;   /* while it is up */
    struct control control;
};

void replica_init(struct replica_process *r, struct sim *sim, size_t index);
void replica_start(struct replica_process *r);
void replica_kill(struct replica_process *r);                  /* as kill -9 */
void replica_leave(struct replica_process *r);                 /* as SIGTERM */
void replica_stop_for(struct replica_process *r, uint64_t us); /* as SIGSTOP, SIGCONT */

/* Its disk is a new one; only while it is down. */
void replica_wipe(struct replica_process *r);

/* What /ready says: fit for new streams. */
bool replica_is_ready(const struct replica_process *r);

#endif
