/*
 * lifecycle: a replica from its first moment to its last: listens, serves, drains, leaves.
 */
#ifndef DAEMON_LIFECYCLE_H
#define DAEMON_LIFECYCLE_H

#include "daemon/options.h"

struct dev;

/* Runs until a signal ends it. `argv` is read again at SIGHUP. `dev` may be NULL; it is stopped
 * last. The process's exit status. */
int lifecycle_run(struct options *options, int argc, char *const *argv, struct dev *dev);

#endif
