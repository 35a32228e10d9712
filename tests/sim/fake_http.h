/*
 * fake_http: replication/http.h over a sim: requests that are lost, late, cut off or refused, to
 * the members of a fake etcd. Linked in the place of replication/http.c.
 */
#ifndef SIM_FAKE_HTTP_H
#define SIM_FAKE_HTTP_H

#include "fake_etcd.h"

enum { SIM_PROCESSES = 8 }; /* at most */

/* The network between processes and members; all of it is the caller's to change. */
struct fake_net {
    struct sim *sim;
    struct fake_etcd *etcd;
    uint64_t cut_until_us[SIM_PROCESSES][ETCD_MEMBERS]; /* packets are dropped */
    bool is_refused[SIM_PROCESSES][ETCD_MEMBERS];       /* connections are refused, and reset */
    unsigned lost_of_1000; /* answers whose connection breaks before they arrive */
    unsigned torn_of_1000; /* answers that end in their middle */
    struct http_job *jobs;
};

void fake_http_begin(struct fake_net *net);
/* Breaks the connections of a process (NULL: of all) to a member (ETCD_MEMBERS: to all). */
void fake_http_reset(struct fake_net *net, const struct sim_process *process, size_t member);

#endif
