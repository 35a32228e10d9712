/*
 * etcd_access: how an etcd is reached: in plain text or over TLS, and as whom.
 *
 * etcds:// is TLS: the server is verified by its name, against --etcd-ca or the system's
 * authorities; --etcd-cert and --etcd-key show a certificate, whose common name is the user where
 * etcd demands client certificates. Or a user's password is in the first line of a file. The files
 * of certificates are read again with each connection, the password with each login.
 */
#ifndef REPLICATION_ETCD_ACCESS_H
#define REPLICATION_ETCD_ACCESS_H

#include "replication/etcd_client.h"

/* Fills in how `url` is reached. False when the options do not fit, or a file cannot be read. */
bool etcd_access_take(
    struct arena *a, const struct store_options *options, struct etcd_url *url, struct error *err);

#endif
