#include "xds/tls_parts.h"

#include <string.h>

enum {
    HANDSHAKE_RECORD = 0x16,            /* the first byte of whoever speaks TLS */
    CERTIFICATES_MAX_BYTES = 32 * 1024, /* what a client shows */
};

struct tls_session {
    struct tls_context *context;
    SSL *ssl;
    const uint8_t *in; /* what has come and OpenSSL has not read yet */
    size_t in_bytes;
    struct buf out;
    enum tls_state state;
    enum tls_failure failure;
    const char *text; /* of the failure */
    bool has_begun, lacks_alpn;
};

/* ---- how OpenSSL reads and writes: from `in`, to `out` ---- */

static int on_bio_read(BIO *bio, char *to, size_t size, size_t *done)
{
    struct tls_session *t = BIO_get_data(bio);
    *done = size < t->in_bytes ? size : t->in_bytes;
    BIO_clear_retry_flags(bio);
    if (*done == 0) {
        BIO_set_retry_read(bio);
        return 0;
    }
    memcpy(to, t->in, *done);
    t->in += *done;
    t->in_bytes -= *done;
    return 1;
}

static int on_bio_write(BIO *bio, const char *bytes, size_t size, size_t *done)
{
    struct tls_session *t = BIO_get_data(bio);
    buf_append(&t->out, bytes, size);
    *done = size;
    return 1;
}

static long on_bio_control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio, (void)number, (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *carrier_new(void)
{
    BIO_METHOD *m = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "a connection's bytes");
    INVARIANT(m && BIO_meth_set_read_ex(m, on_bio_read) && BIO_meth_set_write_ex(m, on_bio_write) &&
              BIO_meth_set_ctrl(m, on_bio_control));
    return m;
}

/* ---- contexts ---- */

/* Whoever names no protocol is asked nothing about it by OpenSSL: so it is seen here. */
static int on_client_hello(SSL *ssl, int *alert, void *user)
{
    struct tls_session *t = SSL_get_app_data(ssl);
    const unsigned char *names;
    size_t size;
    (void)user;
    if (SSL_client_hello_get0_ext(
            ssl, TLSEXT_TYPE_application_layer_protocol_negotiation, &names, &size))
        return SSL_CLIENT_HELLO_SUCCESS;
    t->lacks_alpn = true;
    *alert = SSL_AD_NO_APPLICATION_PROTOCOL;
    return SSL_CLIENT_HELLO_ERROR;
}

static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_size,
    const unsigned char *names, unsigned size, void *user)
{
    static const unsigned char h2[] = { 2, 'h', '2' };
    struct tls_session *t = SSL_get_app_data(ssl);
    unsigned char *picked;
    (void)user;
    if (SSL_select_next_proto(&picked, out_size, h2, sizeof h2, names, size) ==
        OPENSSL_NPN_NEGOTIATED) {
        *out = picked;
        return SSL_TLSEXT_ERR_OK;
    }
    t->lacks_alpn = true;
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* There are thousands of idle connections: none keeps a buffer. */
static void set_rules(SSL_CTX *ctx)
{
    SSL_CTX_set_security_level(ctx, 2);
    INVARIANT(SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION));
    INVARIANT(SSL_CTX_set_ciphersuites(
        ctx, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"));
    INVARIANT(SSL_CTX_set_cipher_list(ctx, "ECDHE+AESGCM:ECDHE+CHACHA20"));
    INVARIANT(SSL_CTX_set1_groups_list(ctx, "X25519:P-256:P-384"));
    SSL_CTX_set_options(ctx,
        SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION |
            SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_num_tickets(ctx, 0);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN | SSL_MODE_AUTO_RETRY);
    SSL_CTX_set_max_cert_list(ctx, CERTIFICATES_MAX_BYTES);
    SSL_CTX_set_client_hello_cb(ctx, on_client_hello, NULL);
    SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
}

bool tls_context_new(const struct tls_files *files, struct tls_context **out, struct error *err)
{
    struct tls_context *c = xcalloc(1, sizeof *c);
    c->references = 1;
    c->carrier = carrier_new();
    c->ctx = SSL_CTX_new(TLS_server_method());
    INVARIANT(c->ctx);
    set_rules(c->ctx);
    if (tls_files_take(c, files, err)) {
        *out = c;
        return true;
    }
    tls_context_release(c);
    return false;
}

struct tls_context *tls_context_retain(struct tls_context *c)
{
    atomic_fetch_add_explicit(&c->references, 1, memory_order_relaxed);
    return c;
}

void tls_context_release(struct tls_context *c)
{
    if (!c || atomic_fetch_sub_explicit(&c->references, 1, memory_order_acq_rel) != 1)
        return;
    SSL_CTX_free(c->ctx);
    BIO_meth_free(c->carrier);
    free(c);
}

struct tls_ends tls_context_ends(const struct tls_context *c)
{
    return c->ends;
}

/* ---- why it failed ---- */

static const struct {
    int reason;
    enum tls_failure failure;
} of_reasons[] = {
    { SSL_R_UNSUPPORTED_PROTOCOL, TLS_VERSION },
    { SSL_R_WRONG_SSL_VERSION, TLS_VERSION },
    { SSL_R_VERSION_TOO_LOW, TLS_VERSION },
    { SSL_R_TLSV1_ALERT_PROTOCOL_VERSION, TLS_VERSION },
    { SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE, TLS_NO_CERTIFICATE },
};

static const struct {
    long verdict;
    enum tls_failure failure;
} of_verdicts[] = {
    { X509_V_ERR_CERT_HAS_EXPIRED, TLS_EXPIRED },
    { X509_V_ERR_CERT_NOT_YET_VALID, TLS_EXPIRED },
    { X509_V_ERR_CERT_REVOKED, TLS_REVOKED },
    { X509_V_ERR_UNABLE_TO_GET_CRL, TLS_NO_REVOCATIONS },
    { X509_V_ERR_CRL_HAS_EXPIRED, TLS_NO_REVOCATIONS },
    { X509_V_ERR_CRL_NOT_YET_VALID, TLS_NO_REVOCATIONS },
    { X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, TLS_UNKNOWN_CA },
    { X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, TLS_UNKNOWN_CA },
    { X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, TLS_UNKNOWN_CA },
    { X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, TLS_UNKNOWN_CA },
    { X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, TLS_UNKNOWN_CA },
    { X509_V_ERR_CERT_SIGNATURE_FAILURE, TLS_UNKNOWN_CA },
};

static enum tls_state fail(struct tls_session *t, enum tls_failure failure, const char *text)
{
    t->failure = failure;
    t->text = text;
    return TLS_FAILED;
}

static enum tls_state fail_verified(struct tls_session *t)
{
    long verdict = SSL_get_verify_result(t->ssl);
    const char *text = X509_verify_cert_error_string(verdict);
    for (size_t i = 0; i < ARRAY_COUNT(of_verdicts); i++)
        if (of_verdicts[i].verdict == verdict)
            return fail(t, of_verdicts[i].failure, text);
    return fail(t, TLS_BAD_CERTIFICATE, text);
}

static enum tls_state fail_as_openssl_says(struct tls_session *t)
{
    unsigned long code = ERR_peek_error();
    int reason = ERR_GET_REASON(code);
    const char *text = ERR_reason_error_string(code);
    ERR_clear_error();
    if (t->lacks_alpn)
        return fail(t, TLS_ALPN, "does not offer h2 (ALPN)");
    if (ERR_GET_LIB(code) != ERR_LIB_SSL)
        return fail(t, TLS_OTHER, text ? text : "unknown");
    if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED)
        return fail_verified(t);
    for (size_t i = 0; i < ARRAY_COUNT(of_reasons); i++)
        if (of_reasons[i].reason == reason)
            return fail(t, of_reasons[i].failure, text);
    return fail(t, reason >= SSL_AD_REASON_OFFSET ? TLS_REFUSED_BY_CLIENT : TLS_OTHER, text);
}

enum tls_failure tls_session_failure(const struct tls_session *t)
{
    return t->failure;
}

const char *tls_session_failure_text(const struct tls_session *t)
{
    return t->text ? t->text : "";
}

/* ---- sessions ---- */

struct tls_session *tls_session_new(struct tls_context *c)
{
    struct tls_session *t = xcalloc(1, sizeof *t);
    BIO *bio = BIO_new(c->carrier);
    t->context = tls_context_retain(c);
    t->ssl = SSL_new(c->ctx);
    INVARIANT(bio && t->ssl);
    BIO_set_data(bio, t);
    BIO_set_init(bio, 1);
    SSL_set_bio(t->ssl, bio, bio);
    SSL_set_app_data(t->ssl, t);
    SSL_set_accept_state(t->ssl);
    return t;
}

void tls_session_free(struct tls_session *t)
{
    if (!t)
        return;
    SSL_free(t->ssl);
    tls_context_release(t->context);
    buf_fini(&t->out);
    free(t);
}

/* What could pass for something else in a log or a terminal is no name. */
static bool append_name(struct buf *out, const ASN1_STRING *name)
{
    const unsigned char *text = ASN1_STRING_get0_data(name);
    int size = ASN1_STRING_length(name);
    for (int i = 0; i < size; i++)
        if (text[i] <= ' ' || text[i] > '~')
            return false;
    buf_append(out, text, (size_t)size);
    return size > 0;
}

static bool append_uri(struct buf *out, const X509 *certificate)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    bool is_found = false;
    for (int i = 0; i < sk_GENERAL_NAME_num(names) && !is_found; i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        is_found = name->type == GEN_URI && append_name(out, name->d.uniformResourceIdentifier);
    }
    GENERAL_NAMES_free(names);
    return is_found;
}

void tls_session_identity(const struct tls_session *t, struct buf *out)
{
    const X509 *certificate = SSL_get0_peer_certificate(t->ssl);
    if (!certificate || append_uri(out, certificate))
        return;
    const X509_NAME *subject = X509_get_subject_name(certificate);
    int place = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (place >= 0)
        append_name(out, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, place)));
}

/* OpenSSL wants more than came, and has nothing to complain of? */
static enum tls_state state_after(struct tls_session *t, int result)
{
    switch (SSL_get_error(t->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        return t->state == TLS_OPEN || SSL_is_init_finished(t->ssl) ? TLS_OPEN : TLS_SHAKING_HANDS;
    case SSL_ERROR_ZERO_RETURN:
        return TLS_ENDED;
    default:
        return fail_as_openssl_says(t);
    }
}

static enum tls_state read_all(struct tls_session *t, struct buf *plain)
{
    uint8_t piece[TLS_RECORD_BYTES];
    for (;;) {
        ERR_clear_error();
        int result = SSL_read(t->ssl, piece, sizeof piece);
        if (result <= 0)
            return state_after(t, result);
        buf_append(plain, piece, (size_t)result);
    }
}

enum tls_state tls_session_take(
    struct tls_session *t, const uint8_t *bytes, size_t size, struct buf *plain)
{
    bool is_first = !t->has_begun;
    INVARIANT(t->state != TLS_FAILED);
    t->has_begun = true;
    t->in = bytes;
    t->in_bytes = size;
    if (is_first && size > 0 && bytes[0] != HANDSHAKE_RECORD)
        t->state = fail(t, TLS_NOT_TLS, "speaks no TLS");
    else
        t->state = read_all(t, plain);
    t->in_bytes = 0;
    return t->state;
}

/* `out` takes everything; but who is in the middle of saying something about keys gets nothing. */
bool tls_session_seal(struct tls_session *t, const uint8_t *bytes, size_t size)
{
    INVARIANT(t->state == TLS_OPEN && size > 0 && size <= TLS_RECORD_BYTES);
    ERR_clear_error();
    if (SSL_write(t->ssl, bytes, (int)size) == (int)size)
        return true;
    t->state = fail_as_openssl_says(t);
    return false;
}

void tls_session_end(struct tls_session *t)
{
    ERR_clear_error();
    if (t->state == TLS_OPEN || t->state == TLS_ENDED)
        SSL_shutdown(t->ssl);
    ERR_clear_error();
}

struct buf *tls_session_out(struct tls_session *t)
{
    return &t->out;
}
