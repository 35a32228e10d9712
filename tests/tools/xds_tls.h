/*
 * xds_tls: a client's side of TLS over bytes that somebody else carries, for the raw clients of the
 * tests: independent of the code they try.
 */
#ifndef XDS_TLS_CLIENT_H
#define XDS_TLS_CLIENT_H

#include <openssl/ssl.h>
#include <stdbool.h>

/* "CA,CERT,KEY": files. NULL when one of them is no good. */
static inline SSL_CTX *tls_client_context(const char *files)
{
    char ca[256], cert[256], key[256];
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    if (sscanf(files, "%255[^,],%255[^,],%255[^,]", ca, cert, key) != 3 ||
        !SSL_CTX_load_verify_locations(ctx, ca, NULL) ||
        !SSL_CTX_use_certificate_chain_file(ctx, cert) ||
        !SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM))
        return NULL;
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_alpn_protos(ctx, (const unsigned char *)"\x02h2", 3);
    return ctx;
}

static inline SSL *tls_client_new(SSL_CTX *ctx)
{
    SSL *ssl = SSL_new(ctx);
    SSL_set_bio(ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_connect_state(ssl);
    return ssl;
}

/* Goes on with the handshake; true once it is done. */
static inline bool tls_client_is_open(SSL *ssl)
{
    return SSL_is_init_finished(ssl) || SSL_do_handshake(ssl) == 1;
}

#endif
