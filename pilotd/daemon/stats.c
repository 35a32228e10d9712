#include "daemon/stats.h"

#include "base/version.h"

#define COUNTER(name, member, help)                                                                \
    {                                                                                              \
        name, "counter", help, NULL, offsetof(struct stats, member)                                \
    }
#define GAUGE(name, member, help)                                                                  \
    {                                                                                              \
        name, "gauge", help, NULL, offsetof(struct stats, member)                                  \
    }

#define HISTOGRAM(name, member, help)                                                              \
    {                                                                                              \
        name, "histogram", help, NULL, offsetof(struct stats, member), &metric_seconds             \
    }
#define TRIGGER(name, member, kind, id, help)                                                      \
    {                                                                                              \
        name, "counter", help, "{type=\"" kind "\"}",                                              \
            offsetof(struct stats, triggers.member[TRIGGER_##id])                                  \
    }

static const struct metric_desc rows[] = {
    { "pilot_xds",
        "gauge",
        "Proxies connected.",
        "{variant=\"sotw\"}",
        offsetof(struct stats, xds.streams_sotw) },
    { "pilot_xds",
        "gauge",
        "Proxies connected.",
        "{variant=\"delta\"}",
        offsetof(struct stats, xds.streams_delta) },
#define OF_TYPE(label, kind) "{" label "=\"" kind "\"}"
#define TYPES(name, type, help, member, ...)                                                       \
    TYPE_ROW(name, type, help, "cds", CLUSTER, member, __VA_ARGS__),                               \
        TYPE_ROW(name, type, help, "eds", ENDPOINT, member, __VA_ARGS__),                          \
        TYPE_ROW(name, type, help, "lds", LISTENER, member, __VA_ARGS__),                          \
        TYPE_ROW(name, type, help, "rds", ROUTE, member, __VA_ARGS__),                             \
        TYPE_ROW(name, type, help, "vhds", VIRTUAL_HOST, member, __VA_ARGS__)
#define TYPE_ROW(name, type, help, kind, id, member, ...)                                          \
    {                                                                                              \
        name, type, help, OF_TYPE("type", kind),                                                   \
            offsetof(struct stats, xds.types[XDS_##id].member), __VA_ARGS__                        \
    }
    TYPES("pilot_xds_pushes", "counter", "Responses sent to proxies.", responses, NULL),
    TYPES("pilot_total_xds_rejects", "counter", "Responses that proxies refused.", nacks, NULL),
    TYPES("pilot_xds_push_time", "histogram",
        "Seconds that a response took to be written, or to be queued behind others.", push_us,
        &metric_seconds),
    TYPES("pilot_xds_config_size_bytes", "histogram", "Bytes of a response.", size_bytes,
        &metric_bytes),
    HISTOGRAM("pilot_proxy_queue_time", queue_time,
        "Seconds from a snapshot that was ready to each proxy's turn."),
    HISTOGRAM("pilot_proxy_convergence_time", convergence_time,
        "Seconds from a change that was heard to each proxy that it was sent to."),
    TRIGGER("pilot_inbound_updates", inbound, "eds", ENDPOINT, "Values that the store told."),
    TRIGGER("pilot_inbound_updates", inbound, "svc", SERVICE, ""),
    TRIGGER("pilot_inbound_updates", inbound, "config", CONFIG, ""),
    TRIGGER("pilot_inbound_updates", inbound, "global", GLOBAL, ""),
    TRIGGER("pilot_push_triggers", pushes, "endpoint", ENDPOINT,
        "Snapshots, by what had changed; one may have several reasons."),
    TRIGGER("pilot_push_triggers", pushes, "service", SERVICE, ""),
    TRIGGER("pilot_push_triggers", pushes, "config", CONFIG, ""),
    TRIGGER("pilot_push_triggers", pushes, "global", GLOBAL, ""),
    COUNTER("pilotd_xds_unserved_requests_total", xds.unserved,
        "Requests for types that are not served."),
    COUNTER("pilotd_xds_old_proxies_total", xds.old_proxies,
        "Streams of Envoys older than the oldest that is supported."),
    COUNTER("pilot_total_rejected_configs", keyspace.rejected_total,
        "Values of the store that were rejected."),
    GAUGE("pilot_services", services, "Services in the snapshot."),
    GAUGE("pilot_eds_no_instances", empty_services, "Services that have no instances."),
    GAUGE("pilot_virt_services", virtual_services, "VirtualServices in the snapshot."),

    GAUGE("pilotd_ready", is_ready, "1 when /ready said so last."),
    GAUGE("pilotd_connections", xds.connections, "Connections on the xDS port."),
    COUNTER("pilotd_connections_total", xds.accepted, "Connections accepted on the xDS port."),
    COUNTER("pilotd_connections_refused_total", xds.refused_connections,
        "And those over the limits, of connections or of open files."),
    COUNTER("pilotd_connections_aged_total", xds.aged,
        "Connections asked to be opened anew because they were old."),
    GAUGE("pilotd_joining_streams", xds.admission.joining,
        "Streams that are sent their first configuration."),
    GAUGE("pilotd_waiting_streams", xds.admission.waiting,
        "Streams that wait until there are fewer of these."),
    COUNTER("pilotd_waited_streams_total", xds.admission.waited, "Streams that had to wait."),
    COUNTER("pilotd_joins_overdue_total", xds.admission.overdue,
        "Streams that took too long and keep nobody waiting any more."),
    GAUGE("pilotd_arriving_connections", xds.arrivals.joining,
        "Connections whose first request is being read."),
    GAUGE("pilotd_waiting_connections", xds.arrivals.waiting,
        "Connections that wait until there are fewer of these."),
    COUNTER(
        "pilotd_waited_connections_total", xds.arrivals.waited, "Connections that had to wait."),
    COUNTER("pilotd_arrivals_overdue_total", xds.arrivals.overdue,
        "Connections that took too long and keep nobody waiting any more."),
    GAUGE("pilotd_stream_cap", xds.quota.cap,
        "Streams that this replica should have at most, by what the others have; 0: any number."),
    COUNTER("pilotd_streams_refused_total", xds.quota.refused,
        "New streams sent to others because it had as many, and they had fewer."),
    COUNTER("pilotd_streams_shed_total", xds.quota.shed,
        "Streams asked to connect anew because it had more, and others had fewer."),
    COUNTER("pilotd_xds_requests_total", xds.requests, "Requests and acknowledgements of proxies."),
    COUNTER("pilotd_xds_acks_total", xds.acks, "Responses that proxies accepted."),
    COUNTER("pilotd_xds_resources_total", xds.resources_sent, "Resources sent."),
    COUNTER("pilotd_xds_bytes_total", xds.bytes_sent, "Bytes sent on the xDS port."),
    GAUGE("pilotd_client_status_calls", xds.status_calls,
        "Calls that ask for the status of proxies (CSDS)."),
    GAUGE("pilotd_reflection_calls", xds.reflection_calls, "Calls that ask what is served."),
    COUNTER("pilotd_xds_protocol_errors_total", xds.protocol_errors,
        "Clients that spoke no HTTP/2 or gRPC, or asked for what there is not."),
#define LIMIT(name, label, status, text)                                                           \
    { "pilotd_xds_limits_total",                                                                   \
        "counter",                                                                                 \
        "Clients that crossed a limit, and lost a stream or a connection by it.",                  \
        "{limit=\"" label "\"}",                                                                   \
        offsetof(struct stats, xds.limits[XDS_LIMIT_##name]) },
#include "xds/limits.def"
#undef LIMIT
    GAUGE("pilotd_scopes", scopes, "Kinds of proxies connected, each with a view of its own."),
    COUNTER("pilotd_scopes_refused_total", refused_scopes,
        "Streams refused because there were too many kinds of proxies."),

    GAUGE("pilotd_objects", keyspace.objects, "Valid values in the store."),
    GAUGE("pilotd_rejected", keyspace.rejected, "Values in the store that are rejected."),
    GAUGE("pilotd_findings", findings, "What is wrong across values in the snapshot."),
    GAUGE("pilotd_held", keyspace.held,
        "Values held in place of rejected ones, or of instances that expired with many others."),
    GAUGE("pilotd_held_instances", keyspace.held_instances,
        "And of these, instances in force although they expired."),
    COUNTER("pilotd_mass_expired_instances_total", keyspace.mass_expired,
        "Instances that vanished with so many others of their service that they were to be held."),
    COUNTER("pilotd_decoded_total", keyspace.decoded, "Values decoded."),
    COUNTER("pilotd_decode_us_total", keyspace.decode_us, "Microseconds spent on decoding."),

    COUNTER("pilotd_builds_total", builds, "Snapshots built."),
    COUNTER("pilotd_patches_total", patches, "Of those, made by changing the last one."),
    COUNTER("pilotd_patch_divergences_total", patch_divergences,
        "Snapshots built of all objects that were not what patches had come to; must be 0."),
    COUNTER("pilotd_scope_builds_total", scope_builds, "Builds of more scopes for one snapshot."),
    HISTOGRAM("pilotd_build_time", build_time, "Seconds that a snapshot took to be built."),
    GAUGE("pilotd_build_last_us", build_last_us, "Microseconds that the last snapshot took."),
    COUNTER("pilotd_build_us_total", build_us, "Microseconds spent on building."),
    COUNTER("pilotd_rendered_total", translate.rendered, "Resources rendered."),
    COUNTER("pilotd_reused_total", translate.reused, "Resources taken from memory."),

    GAUGE("pilotd_store_state", store_state, "0 connecting, 1 following, 2 behind."),
    GAUGE("pilotd_store_revision", store_revision, "The store is known up to here."),
    GAUGE("pilotd_served_revision", served_revision, "What is served is right up to here."),
    GAUGE("pilotd_heartbeat_age_ms", heartbeat_age_ms,
        "Milliseconds since the replica saw its own record in the store."),
    COUNTER("pilotd_store_lists_total", store.lists, "Listings of the whole store."),
    COUNTER(
        "pilotd_store_watch_events_total", store.watch_events, "Changes that the watch brought."),
    COUNTER("pilotd_store_reconnects_total", store.reconnects, "Times the watch was begun anew."),
    COUNTER(
        "pilotd_store_compactions_total", store.compactions, "Times it had been compacted away."),
    COUNTER("pilotd_store_histories_total", store.histories,
        "Times etcd had another history than was followed, as after a restored backup."),
    COUNTER("pilotd_store_audited_total", store.audited,
        "Keys compared with etcd's own in the background."),
    COUNTER(
        "pilotd_store_divergences_total", store.divergences, "And those that differed: must be 0."),
    COUNTER("pilotd_cluster_faults_total", cluster_faults,
        "Times the key cluster was found deleted, garbled, or with another epoch."),
    COUNTER("pilotd_store_errors_total", store.errors, "Failures of the store."),
    COUNTER("pilotd_store_writes_total", store.writes, "Writes to the store."),

    COUNTER("pilotd_gate_reads_total", gate.reads, "Quorum reads for streams that opened."),
    COUNTER("pilotd_gate_asks_total", gate.asks, "Answers to serving loops with new streams."),
    COUNTER("pilotd_gate_wait_us_total", gate.wait_us, "Microseconds until each answer."),
    COUNTER("pilotd_turned_away_streams_total", gate.turned_away,
        "Streams sent to other replicas because the store did not answer."),
    COUNTER("pilotd_stale_streams_total", gate.stale_streams,
        "Streams served without knowing whether the store has news."),

    GAUGE("pilotd_copy_served", recalled, "1 while the copy on disk stands in for the store."),
    GAUGE("pilotd_copy_revision", keeper.revision, "Revision of the copy on disk."),
    GAUGE("pilotd_copy_bytes", keeper.bytes, "Bytes of the copy on disk."),
    COUNTER("pilotd_copy_writes_total", keeper.writes, "Times the copy on disk was written."),
    COUNTER("pilotd_copy_failures_total", keeper.failures, "Times it could not be."),

    GAUGE("pilotd_replicas", replicas, "Replicas, this one included."),
    GAUGE("pilotd_differing_replicas", differing_replicas,
        "Replicas that have another hash at the same revision."),

    COUNTER("pilotd_admin_requests_total", admin_requests, "Requests on the admin port."),
    COUNTER("pilotd_admin_errors_total", admin_errors, "And those that were refused."),
    GAUGE("pilotd_event_listeners", event_listeners, "Who listens to /debug/events; 32 at most."),
    COUNTER("pilotd_event_listeners_refused_total", event_listeners_refused,
        "Listeners refused because there were as many."),
    GAUGE("process_resident_memory_bytes", process.resident_bytes, "Resident memory."),
    GAUGE("process_open_fds", process.open_fds, "Open descriptors."),
    GAUGE("process_max_fds", process.max_fds, "And how many may be."),
    GAUGE(
        "process_start_time_seconds", process.start_time_seconds, "When it started, in Unix time."),
};

/* Where there is a TLS port; else a certificate would seem to have run out. */
static const struct metric_desc tls_rows[] = {
    GAUGE("pilotd_tls_handshakes", xds.tls.handshakes, "TLS handshakes under way."),
    COUNTER("pilotd_tls_handshakes_total", xds.tls.opened, "TLS handshakes that came to an end."),
#define TLS_FAILURE(id, name)                                                                      \
    { "pilotd_tls_handshake_failures_total",                                                       \
        "counter",                                                                                 \
        "Handshakes that failed, by reason.",                                                      \
        "{reason=\"" name "\"}",                                                                   \
        offsetof(struct stats, xds.tls.failures[TLS_##id]) },
#include "xds/tls_failures.def"
#undef TLS_FAILURE
    COUNTER("pilotd_tls_reloads_total", certificates.reloads,
        "Times that certificates were read again."),
    COUNTER("pilotd_tls_reload_failures_total", certificates.failures,
        "And times that they were left as they were, since the files are wrong."),
    GAUGE("pilotd_tls_files_refused", certificates.is_refused,
        "1 while the files are others than what is in force, since they are wrong."),
    GAUGE("pilotd_tls_certificate_ends_in_seconds", certificates.certificate_ends_in_s,
        "Until the own certificate, or one that signed it, runs out."),
    GAUGE("pilotd_tls_authorities_end_in_seconds", certificates.authorities_end_in_s,
        "Until the first of the authorities for proxies does; 0: there are none."),
    GAUGE("pilotd_tls_revocations_end_in_seconds", certificates.revocations_end_in_s,
        "Until the first list of revoked certificates does; 0: there is none."),
};

void stats_render(const struct stats *stats, struct buf *out)
{
    buf_text(out,
        "# HELP pilot_info The build.\n# TYPE pilot_info gauge\n"
        "pilot_info{version=\"" PILOTD_VERSION "\"} 1\n");
    if (*stats->snapshot_hash)
        buf_printf(out,
            "# HELP pilotd_snapshot_info What is served.\n# TYPE pilotd_snapshot_info gauge\n"
            "pilotd_snapshot_info{hash=\"%s\"} 1\n",
            stats->snapshot_hash);
    buf_printf(out,
        "# HELP process_cpu_seconds_total Processor time taken.\n"
        "# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total %.3f\n",
        (double)stats->process.cpu_ms / 1000);
    metrics_render(out, rows, ARRAY_COUNT(rows), stats);
    if (stats->certificates.is_used)
        metrics_render(out, tls_rows, ARRAY_COUNT(tls_rows), stats);
}
