/*
 * transport: how a cluster's connections are wrapped: plain, or TLS towards a server that is not
 * of the mesh (DestinationRule's tls, mode SIMPLE).
 *
 * Certificate authorities are files on the proxy's own machine, read by Envoy.
 */
#ifndef TRANSLATE_TRANSPORT_H
#define TRANSLATE_TRANSPORT_H

#include "model/destination_rule.h"
#include "proto/pb.h"

/* NULL for plain connections. `names` are what the server's certificate may say (empty: what the
 * authority signed is enough). */
pb_TransportSocket *transport_build(
    struct arena *a, const struct client_tls *tls, const string_list *names, bool is_http2);

#endif
