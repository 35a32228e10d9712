/*
 * balancer: leads proxies to replicas as deploy/haproxy/haproxy.cfg does: new streams to those that
 * were ready when they were last asked, or, if none was, to any that answers; and cuts the streams
 * of one that does not answer twice.
 */
#ifndef SIM_BALANCER_H
#define SIM_BALANCER_H

#include "proxy.h"
#include "replica.h"

struct balancer {
    struct sim *sim;
    struct replica_process *replicas;
    struct proxy *proxies;
    size_t replica_count, proxy_count;
    struct sim_event check;
    struct {
        bool is_ready;
        unsigned silent; /* times it did not answer, in a row */
    } seen[8];
};

void balancer_begin(struct balancer *b);
void balancer_end(struct balancer *b);
/* NULL: none answers. */
struct sim_process *balancer_choose(struct balancer *b);

#endif
