/*
 * stats: every number of /metrics, and their names. Names are Istio's where the meaning is the
 * same.
 */
#ifndef DAEMON_STATS_H
#define DAEMON_STATS_H

#include "daemon/certificates.h"
#include "daemon/gate.h"
#include "daemon/keeper.h"
#include "daemon/process.h"
#include "daemon/triggers.h"
#include "keyspace/keyspace.h"
#include "translate/translate.h"
#include "xds/server.h"

struct stats {
    struct xds_stats xds;
    struct store_stats store;
    metric_value cluster_faults;
    struct keyspace_stats keyspace;
    struct certificates_stats certificates;
    struct gate_stats gate;
    struct keeper_stats keeper;
    struct translate_stats translate;
    struct trigger_stats triggers;
    struct metric_histogram build_time, queue_time, convergence_time; /* microseconds */

    /* Gauges, by the control loop. */
    metric_value recalled; /* 1: the copy on disk is served */
    metric_value is_ready, store_state, store_revision, served_revision, heartbeat_age_ms;
    metric_value replicas, differing_replicas, findings, services, empty_services, virtual_services;
    metric_value scopes;                    /* by the serving loops */
    char snapshot_hash[HASH128_TEXT_BYTES]; /* of what is served; "": nothing is yet */
    struct process_stats process;

    metric_value builds, patches, patch_divergences, scope_builds, build_last_us, build_us,
        refused_scopes;
    metric_value admin_requests, admin_errors;
    metric_value event_listeners, event_listeners_refused; /* of /debug/events */
};

void stats_render(const struct stats *stats, struct buf *out);

#endif
