/*
 * hosts: what a proxy does with virtual hosts (VHDS), as Envoy does.
 *
 * It takes those of the tables that it has, and throws others away; but it remembers all that it
 * was sent, and says so when it comes back.
 */
#ifndef SIM_HOSTS_H
#define SIM_HOSTS_H

#include "proxy.h"

/* Of the virtual host's name. */
const char *hosts_table(struct arena *a, const char *name);

/* It was sent. True: it is of a table that the proxy has. */
bool hosts_are_taken(struct proxy *p, const struct sent *sent);
void hosts_removed(struct proxy *p, const char *name);
/* The proxy needs the table no longer. */
void hosts_drop(struct proxy *p, const char *table);
void hosts_fini(struct proxy *p);

#endif
