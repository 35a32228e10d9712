/*
 * handshakes: those TLS handshakes of one loop that are under way, the oldest first; and what they
 * are made with.
 *
 * They are bounded, and each has a time limit. Who comes when there are as many waits outside,
 * unaccepted, so that a crowd of honest clients gets in one after the other; and those inside get
 * less time then, so that clients who say nothing keep nobody out for long.
 */
#ifndef XDS_HANDSHAKES_H
#define XDS_HANDSHAKES_H

#include "base/log.h"
#include "base/metrics.h"
#include "xds/tls.h"

#include <uv.h>

enum {
    TLS_MAX_HANDSHAKES = 512, /* a loop */
    TLS_HANDSHAKE_MS = 10000,
    TLS_HANDSHAKE_PRESSED_MS = 4000, /* while others wait outside */
};

struct tls_stats {                               /* shared by all loops */
    metric_value handshakes;                     /* a gauge: under way */
    metric_value opened, failures[TLS_FAILURES]; /* counters */
};

/* In whoever shakes hands. */
struct handshake {
    struct handshake *next, *prev;
    struct handshakes *of; /* NULL: it is over */
    uint64_t began_ms;
    bool is_late; /* it was so once: what had come by then has been read since */
    void (*on_late)(struct handshake *h); /* ends it */
};

struct handshakes {
    uv_timer_t timer;
    struct tls_context *context;            /* of new ones */
    void (*on_room)(struct handshakes *hs); /* one more may be accepted */
    struct tls_stats *stats;
    const struct log_scope *log;
    struct log_limit log_limit;
    struct handshake *first, *last;
    unsigned count;
    bool is_waited_for; /* outside */
};

/* The context is retained. */
void handshakes_open(struct handshakes *hs, uv_loop_t *loop, struct tls_context *context,
    void (*on_room)(struct handshakes *hs));
void handshakes_set_context(struct handshakes *hs, struct tls_context *context);
/* After the last of them has ended; the context is released. */
void handshakes_close(struct handshakes *hs, uv_close_cb on_closed);

/* False: there are too many. on_room says when there are not. */
bool handshakes_have_room(struct handshakes *hs);
void handshakes_begin(struct handshakes *hs, struct handshake *h);
void handshake_end(struct handshake *h); /* of one that is over already: nothing */

/* Counted and told; it may go on for as long as its other side needs to hear of it. */
void handshakes_tell(
    struct handshakes *hs, const char *peer, enum tls_failure failure, const char *text);

const char *tls_failure_name(enum tls_failure failure);

#endif
