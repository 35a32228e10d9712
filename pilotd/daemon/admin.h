/*
 * admin: the admin port: /ready, /healthz, /metrics, and /debug/… in JSON; at "/" the status
 * page (ui.h), and at /debug the list of all.
 *
 * /ready is answered by the loops that serve xDS: 200 only when each has said within ROLL_CALL_MS
 * that it has views to serve, and the replica does not drain.
 */
#ifndef DAEMON_ADMIN_H
#define DAEMON_ADMIN_H

#include "daemon/control.h"

/* Listens on the options' admin address. */
bool admin_open(struct control *c, struct admin **out, struct error *err);
int admin_port(const struct admin *a);
void admin_close(struct admin *a); /* frees later, from the loop */

#endif
