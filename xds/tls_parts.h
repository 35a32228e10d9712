/*
 * tls_parts: what contexts and sessions of TLS are made of; for tls_files.c, which makes a context
 * of what files say, and tls.c, which has the sessions.
 */
#ifndef XDS_TLS_PARTS_H
#define XDS_TLS_PARTS_H

#include "xds/tls.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <stdatomic.h>

struct tls_context {
    atomic_uint references;
    SSL_CTX *ctx;
    BIO_METHOD *carrier; /* how its sessions read and write: tls.c */
    struct tls_ends ends;
};

/* Into a context that has none: what its files say. */
bool tls_files_take(struct tls_context *c, const struct tls_files *files, struct error *err);

#endif
