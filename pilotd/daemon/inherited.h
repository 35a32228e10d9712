/*
 * inherited: listening sockets that the service manager hands over: sd_listen_fds(3)'s protocol.
 *
 * They outlive this process, so who connects while it is restarted waits instead of being refused.
 * A socket's name (LISTEN_FDNAMES, FileDescriptorName= of a socket unit) says what it is for.
 */
#ifndef DAEMON_INHERITED_H
#define DAEMON_INHERITED_H

#include "base/error.h"

struct inherited {
    int xds, xds_tls, admin; /* descriptors that stay open; 0: not handed over */
};

/* From the environment, whose variables are then gone. What is meant for another process is left
 * alone. */
bool inherited_open(struct inherited *i, struct error *err);

#endif
