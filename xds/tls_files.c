#include "xds/tls_parts.h"

#include <string.h>
#include <time.h>

enum { CHAIN_DEPTH_MAX = 8 };

/* ---- what OpenSSL says ---- */

static bool refuse(const struct tls_file *file, struct error *err, const char *what)
{
    return error_set(err, ERROR_USAGE, "%s: %s", file->name, what);
}

/* With OpenSSL's own reason, where it has one. */
static bool refuse_as(const struct tls_file *file, struct error *err, const char *what)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    return error_set(
        err, ERROR_USAGE, "%s: %s%s%s", file->name, what, reason ? ": " : "", reason ? reason : "");
}

/* Nobody is there to type one in. */
static int no_passphrase(char *out, int size, int is_writing, void *user)
{
    (void)out, (void)size, (void)is_writing, (void)user;
    return -1;
}

static BIO *open_file(const struct tls_file *file)
{
    BIO *bio = BIO_new_mem_buf(file->text, (int)file->size_bytes);
    INVARIANT(bio);
    ERR_clear_error();
    return bio;
}

/* After a PEM reader gave nothing: was that the end, with all before it good? */
static bool is_at_end(
    size_t count, const struct tls_file *file, const char *what, struct error *err)
{
    char text[64];
    unsigned long code = ERR_peek_last_error();
    bool is_end = ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
    if (is_end && count > 0)
        return true;
    snprintf(text, sizeof text, is_end ? "has no %s (PEM)" : "has a broken %s", what);
    return is_end ? refuse(file, err, text) : refuse_as(file, err, text);
}

/* ---- time ---- */

static int64_t unix_time(const ASN1_TIME *time)
{
    struct tm tm;
    return time && ASN1_TIME_to_tm(time, &tm) ? timegm(&tm) : 0;
}

static void keep_first(int64_t *first, const ASN1_TIME *time)
{
    int64_t end = unix_time(time);
    if (end && (!*first || end < *first))
        *first = end;
}

static bool is_past(const ASN1_TIME *time)
{
    return time && X509_cmp_current_time(time) < 0;
}

static bool refuse_time(
    const struct tls_file *file, const char *what, const ASN1_TIME *time, struct error *err)
{
    char text[96], when[32] = "an unreadable time";
    time_t seconds = unix_time(time);
    struct tm tm;
    if (seconds && gmtime_r(&seconds, &tm))
        strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &tm);
    snprintf(text, sizeof text, "%s %s", what, when);
    return refuse(file, err, text);
}

static bool is_valid_now(const struct tls_file *file, const X509 *certificate, struct error *err)
{
    const ASN1_TIME *begin = X509_get0_notBefore(certificate);
    const ASN1_TIME *end = X509_get0_notAfter(certificate);
    if (is_past(end))
        return refuse_time(file, "expired at", end, err);
    return is_past(begin) || refuse_time(file, "is not valid before", begin, err);
}

/* ---- the own certificate, and its key ---- */

static bool take_signers(
    struct tls_context *c, BIO *bio, const struct tls_file *file, struct error *err)
{
    X509 *signer;
    while ((signer = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL))) {
        keep_first(&c->ends.certificate, X509_get0_notAfter(signer));
        if (!SSL_CTX_add0_chain_cert(c->ctx, signer)) {
            X509_free(signer);
            return refuse_as(file, err, "the chain is not to be used");
        }
    }
    return is_at_end(1, file, "certificate", err);
}

static bool take_certificate(
    struct tls_context *c, BIO *bio, const struct tls_file *file, struct error *err)
{
    X509 *own = PEM_read_bio_X509_AUX(bio, NULL, no_passphrase, NULL);
    if (!own)
        return is_at_end(0, file, "certificate", err);
    keep_first(&c->ends.certificate, X509_get0_notAfter(own));
    bool is_good = is_valid_now(file, own, err);
    if (is_good && X509_check_purpose(own, X509_PURPOSE_SSL_SERVER, 0) != 1)
        is_good = refuse(file, err, "is not for servers, as its (extended) key usage says");
    if (is_good && !SSL_CTX_use_certificate(c->ctx, own))
        is_good = refuse_as(file, err, "is not to be used");
    X509_free(own);
    return is_good && take_signers(c, bio, file, err);
}

static bool mentions(const struct tls_file *file, const char *words)
{
    return memmem(file->text, file->size_bytes, words, strlen(words));
}

/* OpenSSL's reader of keys tries so much that its reasons say little. */
static bool refuse_key(const struct tls_file *file, struct error *err)
{
    if (!mentions(file, " PRIVATE KEY-----"))
        return refuse(file, err, "has no private key (PEM)");
    return refuse(file,
        err,
        mentions(file, "ENCRYPTED") ? "is encrypted, and pilotd has nobody to ask how to read it"
                                    : "has a broken private key");
}

static bool take_key(struct tls_context *c, BIO *bio, const struct tls_file *file,
    const struct tls_file *certificate, struct error *err)
{
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
    if (!key)
        return refuse_key(file, err);
    bool fits = X509_check_private_key(SSL_CTX_get0_certificate(c->ctx), key) == 1;
    bool is_taken = fits && SSL_CTX_use_PrivateKey(c->ctx, key);
    EVP_PKEY_free(key);
    if (!fits)
        return error_set(err,
            ERROR_USAGE,
            "%s: is not the key of the certificate in %s",
            file->name,
            certificate->name);
    return is_taken || refuse_as(file, err, "is not to be used");
}

/* ---- who signs for clients, and what they revoked ---- */

/* One that has expired is left out, as long as others have not. */
static bool take_authorities(
    struct tls_context *c, BIO *bio, const struct tls_file *file, struct error *err)
{
    size_t count = 0, valid = 0;
    struct error problem;
    X509 *authority;
    while ((authority = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL))) {
        count++;
        if (is_valid_now(file, authority, &problem)) {
            valid++;
            keep_first(&c->ends.authorities, X509_get0_notAfter(authority));
            X509_STORE_add_cert(SSL_CTX_get_cert_store(c->ctx), authority);
            SSL_CTX_add_client_CA(c->ctx, authority);
        }
        X509_free(authority);
    }
    if (!is_at_end(count, file, "certificate", err))
        return false;
    if (valid == 0)
        *err = problem;
    return valid > 0;
}

/* By one of the authorities, of which several may have one name; or by somebody whom a client will
 * have to show. */
static bool is_signed(struct tls_context *c, X509_CRL *list)
{
    X509_STORE_CTX *lookup = X509_STORE_CTX_new();
    INVARIANT(lookup && X509_STORE_CTX_init(lookup, SSL_CTX_get_cert_store(c->ctx), NULL, NULL));
    STACK_OF(X509) *named = X509_STORE_CTX_get1_certs(lookup, X509_CRL_get_issuer(list));
    bool is_good = sk_X509_num(named) <= 0;
    for (int i = 0; i < sk_X509_num(named); i++)
        is_good |= X509_CRL_verify(list, X509_get0_pubkey(sk_X509_value(named, i))) == 1;
    sk_X509_pop_free(named, X509_free);
    X509_STORE_CTX_free(lookup);
    return is_good;
}

static bool take_revocations(
    struct tls_context *c, BIO *bio, const struct tls_file *file, struct error *err)
{
    X509_STORE *store = SSL_CTX_get_cert_store(c->ctx);
    size_t count = 0;
    bool is_good = true;
    X509_CRL *list;
    while (is_good && (list = PEM_read_bio_X509_CRL(bio, NULL, no_passphrase, NULL))) {
        const ASN1_TIME *end = X509_CRL_get0_nextUpdate(list);
        count++;
        keep_first(&c->ends.revocations, end);
        if (is_past(end))
            is_good = refuse_time(file, "expired at", end, err);
        else if (!is_signed(c, list))
            is_good = refuse(file, err, "has a list that none of the authorities signed");
        else
            X509_STORE_add_crl(store, list);
        X509_CRL_free(list);
    }
    X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
    return is_good && is_at_end(count, file, "revocation list", err);
}

/* ---- all together ---- */

typedef bool (*reader)(
    struct tls_context *c, BIO *bio, const struct tls_file *file, struct error *err);

static bool take(struct tls_context *c, reader read, const struct tls_file *file, struct error *err)
{
    BIO *bio = open_file(file);
    bool is_good = read(c, bio, file, err);
    BIO_free(bio);
    ERR_clear_error();
    return is_good;
}

static bool take_own(struct tls_context *c, const struct tls_files *files, struct error *err)
{
    if (!take(c, take_certificate, &files->certificate, err))
        return false;
    BIO *bio = open_file(&files->key);
    bool is_good = take_key(c, bio, &files->key, &files->certificate, err);
    BIO_free(bio);
    ERR_clear_error();
    return is_good;
}

bool tls_files_take(struct tls_context *c, const struct tls_files *files, struct error *err)
{
    if (!take_own(c, files, err))
        return false;
    if (!files->authorities.text)
        return true;
    /* An authority may be one that another signed, which need not be there. */
    X509_STORE_set_flags(SSL_CTX_get_cert_store(c->ctx), X509_V_FLAG_PARTIAL_CHAIN);
    SSL_CTX_set_verify(c->ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_verify_depth(c->ctx, CHAIN_DEPTH_MAX);
    return take(c, take_authorities, &files->authorities, err) &&
           (!files->revocations.text || take(c, take_revocations, &files->revocations, err));
}
