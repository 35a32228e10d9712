/*
 * certificates: what proxies are shown on the TLS port and asked for there: files, which are read
 * at the start, at SIGHUP, and when they are found to have changed and to have stayed so for
 * CERTIFICATES_CHECK_MS (they are rarely replaced all at once).
 *
 * A context is made of all of them together. Files of which none can be made are told (log, status,
 * metric), and the context that was there stays in force.
 */
#ifndef DAEMON_CERTIFICATES_H
#define DAEMON_CERTIFICATES_H

#include "base/hash.h"
#include "base/log.h"
#include "base/metrics.h"
#include "daemon/options.h"
#include "xds/tls.h"

#include <uv.h>

enum { CERTIFICATES_CHECK_MS = 5000 };

struct certificates_stats {
    metric_value is_used; /* there is a TLS port */
    metric_value reloads, failures;
    metric_value is_refused; /* a gauge: the files are others than what is in force */
    metric_value certificate_ends_in_s, authorities_end_in_s, revocations_end_in_s;
};

struct certificates {
    uv_timer_t timer;
    const struct options *options;
    struct tls_context *context; /* in force; NULL: there is no TLS port */
    struct hash128 seen, tried;  /* of the files: when they were last looked at, and taken or not */
    char problem[512];           /* why what they say now is not in force, or "" */
    void (*on_changed)(struct certificates *c);
    struct certificates_stats *stats;
    const struct log_scope *log;
};

/* Without --xds-tls there is nothing to it. False: err says which file is wrong and why. */
bool certificates_open(struct certificates *c, uv_loop_t *loop, struct error *err);
void certificates_reload(struct certificates *c);
void certificates_close(struct certificates *c);

/* How long what is in force is good for, into the metrics. */
void certificates_gauges(const struct certificates *c);

#endif
