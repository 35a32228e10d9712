#include "tls_fixture.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>

enum { DAY_S = 24 * 3600 };

static const char *text_of(struct arena *a, BIO *bio)
{
    char *data;
    long size = BIO_get_mem_data(bio, &data);
    const char *text = arena_strndup(a, data, (size_t)size);
    BIO_free(bio);
    return text;
}

static const char *certificate_pem(struct arena *a, X509 *certificate)
{
    BIO *bio = BIO_new(BIO_s_mem());
    INVARIANT(PEM_write_bio_X509(bio, certificate));
    return text_of(a, bio);
}

static const char *key_pem(struct arena *a, EVP_PKEY *key)
{
    BIO *bio = BIO_new(BIO_s_mem());
    INVARIANT(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL));
    return text_of(a, bio);
}

const char *encrypted_key(struct arena *a, struct authority *of)
{
    BIO *bio = BIO_new(BIO_s_mem());
    INVARIANT(PEM_write_bio_PrivateKey(
        bio, of->key, EVP_aes_256_cbc(), (const unsigned char *)"secret", 6, NULL, NULL));
    return text_of(a, bio);
}

static void extend(X509 *certificate, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    INVARIANT(extension && X509_add_ext(certificate, extension, -1));
    X509_EXTENSION_free(extension);
}

static X509 *certificate_new(struct wanted wanted, long serial, EVP_PKEY *key)
{
    X509 *made = X509_new();
    X509_NAME *name = X509_get_subject_name(made);
    bool is_default = !wanted.from_days && !wanted.to_days;
    X509_set_version(made, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(made), serial);
    X509_gmtime_adj(X509_getm_notBefore(made), (is_default ? -1 : wanted.from_days) * DAY_S);
    X509_gmtime_adj(X509_getm_notAfter(made), (is_default ? 1 : wanted.to_days) * DAY_S);
    X509_NAME_add_entry_by_txt(
        name, "CN", MBSTRING_ASC, (const unsigned char *)wanted.name, -1, -1, 0);
    X509_set_pubkey(made, key);
    return made;
}

void authority_init(struct authority *by, struct arena *a, const char *name)
{
    *by = (struct authority){ .a = a, .key = EVP_EC_gen("P-256"), .serial = 1 };
    by->certificate = certificate_new((struct wanted){ .name = name }, 1, by->key);
    X509_set_issuer_name(by->certificate, X509_get_subject_name(by->certificate));
    extend(by->certificate, by->certificate, NID_basic_constraints, "critical,CA:TRUE");
    INVARIANT(X509_sign(by->certificate, by->key, EVP_sha256()));
    by->pem = certificate_pem(a, by->certificate);
}

void authority_fini(struct authority *by)
{
    X509_free(by->certificate);
    EVP_PKEY_free(by->key);
}

struct identity issue(struct authority *by, struct wanted wanted)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    struct identity made = { .serial = ++by->serial };
    X509 *certificate = certificate_new(wanted, made.serial, key);
    X509_set_issuer_name(certificate, X509_get_subject_name(by->certificate));
    extend(certificate,
        by->certificate,
        NID_ext_key_usage,
        wanted.usage ? wanted.usage : "serverAuth,clientAuth");
    if (wanted.alt_names)
        extend(certificate, by->certificate, NID_subject_alt_name, wanted.alt_names);
    INVARIANT(X509_sign(certificate, by->key, EVP_sha256()));
    made.certificate = certificate_pem(by->a, certificate);
    made.key = key_pem(by->a, key);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return made;
}

const char *revocations(struct authority *by, long serial, long to_days)
{
    X509_CRL *list = X509_CRL_new();
    ASN1_TIME *from = X509_gmtime_adj(NULL, -2 * DAY_S),
              *to = X509_gmtime_adj(NULL, to_days * DAY_S);
    X509_CRL_set_version(list, X509_CRL_VERSION_2);
    X509_CRL_set_issuer_name(list, X509_get_subject_name(by->certificate));
    X509_CRL_set1_lastUpdate(list, from);
    X509_CRL_set1_nextUpdate(list, to);
    if (serial) {
        X509_REVOKED *revoked = X509_REVOKED_new();
        ASN1_INTEGER *number = ASN1_INTEGER_new();
        ASN1_INTEGER_set(number, serial);
        X509_REVOKED_set_serialNumber(revoked, number);
        X509_REVOKED_set_revocationDate(revoked, from);
        X509_CRL_add0_revoked(list, revoked);
        ASN1_INTEGER_free(number);
    }
    INVARIANT(X509_CRL_sign(list, by->key, EVP_sha256()));
    BIO *bio = BIO_new(BIO_s_mem());
    INVARIANT(PEM_write_bio_X509_CRL(bio, list));
    ASN1_TIME_free(from);
    ASN1_TIME_free(to);
    X509_CRL_free(list);
    return text_of(by->a, bio);
}

/* ---- the client ---- */

static void show(SSL *ssl, const struct identity *identity)
{
    BIO *bio = BIO_new_mem_buf(identity->certificate, -1);
    X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    INVARIANT(SSL_use_certificate(ssl, certificate));
    X509_free(certificate);
    BIO_free(bio);
    bio = BIO_new_mem_buf(identity->key, -1);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    INVARIANT(SSL_use_PrivateKey(ssl, key));
    EVP_PKEY_free(key);
    BIO_free(bio);
}

void client_init(struct client *c, struct client_wanted wanted)
{
    *c = (struct client){ .ctx = SSL_CTX_new(TLS_client_method()) };
    SSL_CTX_set_security_level(c->ctx, 0);
    SSL_CTX_set_min_proto_version(c->ctx, TLS1_VERSION);
    SSL_CTX_set_max_proto_version(c->ctx, wanted.max_version);
    c->ssl = SSL_new(c->ctx);
    if (wanted.alpn)
        SSL_set_alpn_protos(
            c->ssl, (const unsigned char *)wanted.alpn, (unsigned)strlen(wanted.alpn));
    if (wanted.identity)
        show(c->ssl, wanted.identity);
    SSL_set_bio(c->ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_connect_state(c->ssl);
}

void client_fini(struct client *c)
{
    SSL_free(c->ssl);
    SSL_CTX_free(c->ctx);
    buf_fini(&c->plain);
}

static void read_plain(struct client *c)
{
    char piece[4096];
    int size;
    while ((size = SSL_read(c->ssl, piece, sizeof piece)) > 0)
        buf_append(&c->plain, piece, (size_t)size);
}

enum tls_state client_talk(struct client *c, struct tls_session *t, struct buf *plain)
{
    enum tls_state state = TLS_SHAKING_HANDS;
    struct buf *out = tls_session_out(t);
    for (;;) {
        char *said;
        read_plain(c);
        long size = BIO_get_mem_data(SSL_get_wbio(c->ssl), &said);
        if (size > 0 && state != TLS_FAILED)
            state = tls_session_take(t, (const uint8_t *)said, (size_t)size, plain);
        (void)BIO_reset(SSL_get_wbio(c->ssl));
        if (size <= 0 && out->size == 0)
            return state;
        if (out->size > 0)
            BIO_write(SSL_get_rbio(c->ssl), out->data, (int)out->size);
        buf_clear(out);
    }
}
