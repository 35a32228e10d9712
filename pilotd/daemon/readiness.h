/*
 * readiness: what /ready answers, for whoever asks: a balancer, or the service manager.
 */
#ifndef DAEMON_READINESS_H
#define DAEMON_READINESS_H

#include "daemon/control.h"

/* Whether it serves, stale or not: 200 or 503. The text, a line without its end, is appended. */
int readiness_serving(
    const struct control *c, const struct roll_call_result *result, struct buf *text);

/* Whether it is fit for new streams, too. By HAProxy's convention 404 is for a server that keeps
 * its connections and gets no new ones. */
int readiness_ready(
    const struct control *c, const struct roll_call_result *result, struct buf *text);

#endif
