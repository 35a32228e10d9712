/*
 * tidy: gives memory back to the system once a burst is over.
 *
 * When many proxies connect at once, what is being written to them is many times what is kept of
 * them. The C library holds on to it; after TIDY_MS without anything sent, it is asked to let go.
 */
#ifndef DAEMON_TIDY_H
#define DAEMON_TIDY_H

#include "base/metrics.h"

#include <uv.h>

enum { TIDY_MS = 2000 };

struct tidy {
    uv_timer_t timer;
    const metric_value *bytes_sent;
    int64_t last_seen;
    bool is_owed;
};

void tidy_open(struct tidy *t, uv_loop_t *loop, const metric_value *bytes_sent);
void tidy_close(struct tidy *t);

#endif
