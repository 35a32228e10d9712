/*
 * report: what a replica tells of itself on /debug/…, as JSON. Read by pilotctl, people and tests.
 *
 * /debug/status: {
 *   "id", "version", "state": "starting" | "serving" | "draining" | "degraded",
 *   "problem": why degraded, or "",
 *   "epoch": the cluster's, or null, "epochProblem": what is wrong with the key `cluster`, or "",
 *   "revision": what is served is right up to here,
 *   "snapshotRevision": and has been so from here on; both null before the first snapshot,
 *   "hash": of the snapshot (32 hex digits) or null, "level": translation level,
 *   "agreement": "agreed" | "diverged",
 *   "proxies": connected streams, "scopes": kinds of proxies they are of,
 *   "store": {"url", "state": "connecting" | "following" | "behind", "revision", "member",
 * "problem", "heartbeatAgeMs": since the own record was last seen in the store, or null},
 *   "tls": {"certificateEnds", "authoritiesEnd", "revocationsEnd": in Unix time or null,
 *           "problem": why what the files say is not in force, or ""}, or null without a TLS port,
 *   "replicas": [{"id", "state", "version", "level", "revision", "snapshotRevision", "hash",
 *                 "streams", "xds", "xdsTls": null without TLS, "admin", "ageMs": since it was
 * heard of, "agreement": "self" | "agrees" | "differs" | "unknown" (nothing comparable)}],
 *   "rejectedCount", "rejected": [{"key", "revision", "reasons": ["PATH: message; hint [PIL0101]"],
 *                                  "reasonsNotShown"}],   the first REPORT_ITEMS_MAX by key
 *   "findingCount", "findings": [{"key", "severity": "error" | "warning", "code": "PIL0401",
 *                                 "path", "text": "PATH: message; hint [PIL0401]"}],   likewise
 *   "faults": [{"file", "text"}],   of a store of files, likewise
 *   "build": {"lastMs", "count"}
 * }
 * /debug/proxies: [ … ], what xds_server_report tells, of all serving loops.
 * /debug/snapshot: {"revision", "hash", "level", "objects": {"VirtualService": 3, …},
 *   "services": [{"host", "namespace", "ports": [80], "endpoints": 2}]}, or {} before the first.
 */
#ifndef DAEMON_REPORT_H
#define DAEMON_REPORT_H

#include "base/buf.h"
#include "base/json.h"

enum { REPORT_ITEMS_MAX = 200 };

struct control;

/* The caller's. */
cJSON *report_status_json(const struct control *c);

/* Each appends one JSON document. */
void report_status(const struct control *c, struct buf *out);
/* What the hash covers, each with its version. */
void report_versions(const struct control *c, struct buf *out);
void report_snapshot(const struct control *c, struct buf *out);

/* Brings the gauges up to date that nobody sets when they change. */
void report_gauges(struct control *c);

#endif
