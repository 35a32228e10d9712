/*
 * targets: the connected Envoys as Prometheus' HTTP service discovery has them (its page "Writing
 * HTTP service discovery"): a JSON list of {"targets": ["10.0.0.7:15090"], "labels": {…}}.
 *
 * Labels: namespace, proxy (NAME.NAMESPACE), kind (sidecar or router), locality, and of the proxy's
 * own labels app and version; __metrics_path__ is Envoy's /stats/prometheus. Each replica lists its
 * own proxies, so Prometheus asks all of them. gRPC's clients, which are no Envoys, are left out.
 */
#ifndef DAEMON_TARGETS_H
#define DAEMON_TARGETS_H

#include "base/buf.h"
#include "daemon/scopes.h"

enum { TARGETS_PORT = 15090 }; /* Istio's, and that of pilotctl bootstrap --stats */

void targets_list(const struct scopes *scopes, unsigned port, struct buf *out);

#endif
