/*
 * manager: how pilotd tells systemd, its service manager, about itself: ready when /ready says so,
 * how it goes, and a sign of life of the control loop, which is what its watchdog watches.
 *
 * All of it is told on the control loop, at its beats; a loop that does not turn tells nothing.
 */
#ifndef DAEMON_MANAGER_H
#define DAEMON_MANAGER_H

#include "daemon/control.h"
#include "daemon/notify.h"

enum { MANAGER_BEAT_MS = 500 };

struct manager {
    struct control *control;
    struct notify notify;
    uv_timer_t beat;
    struct roll_call_waiter waiter;
    struct buf told; /* the last status */
    bool is_asking, is_ready;
};

/* Before the control has its loops. */
bool manager_open(struct manager *m, struct control *c, struct error *err);
void manager_begin(struct manager *m); /* once the loops are there */

void manager_reloading(struct manager *m);
void manager_reloaded(struct manager *m);

/* It ends, at most so long from now. */
void manager_stopping(struct manager *m, int64_t within_ms);

void manager_close(struct manager *m);
void manager_fini(struct manager *m); /* once the loop has ended */

#endif
