/*
 * dev: `pilotd --dev`: one laptop, no set-up. Starts an etcd from PATH on free loopback ports with
 * its data in a folder of its own, and puts the resources of ./pilot.d there. Both go when pilotd
 * goes.
 *
 * Refused under a service manager: what is stored would be lost with the process.
 */
#ifndef DAEMON_DEV_H
#define DAEMON_DEV_H

#include "base/arena.h"
#include "base/error.h"

enum { DEV_ETCD_READY_MS = 15000 };

struct dev;

/* Blocks until etcd answers and ./pilot.d is loaded. Faults of resources are printed, and the good
 * ones are loaded. */
bool dev_start(struct dev **out, struct error *err);
const char *dev_store_url(const struct dev *d);

/* What to try, on standard output. */
void dev_print_hints(const struct dev *d, const char *xds, const char *admin);

/* Ends etcd and removes its data. NULL is fine. */
void dev_stop(struct dev *d);

#endif
