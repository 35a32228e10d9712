/*
 * tls: TLS of a server, over bytes that somebody else carries. The one door to OpenSSL's TLS.
 *
 * A context is what is shown to clients and asked of them. It is made of files' contents, immutable
 * and shared between threads: what replaces it counts for sessions made of the new one.
 *
 * A session is one connection's. What came from the network goes in, plain text comes out, and the
 * other way; it does no I/O. TLS 1.2 or newer, no renegotiation, no tickets, and ALPN must say h2.
 */
#ifndef XDS_TLS_H
#define XDS_TLS_H

#include "base/buf.h"
#include "base/error.h"

/* ---- what a server shows and asks for ---- */

struct tls_file {
    const char *name; /* for messages */
    const char *text; /* PEM; NULL: there is none */
    size_t size_bytes;
};
struct tls_files {
    struct tls_file certificate; /* its own first, then whoever signed it */
    struct tls_file key;
    struct tls_file authorities; /* of clients, which then must show a certificate */
    struct tls_file revocations; /* of theirs, by each of these authorities */
};

struct tls_context;

/* False: err names the file and says what is wrong with it. */
bool tls_context_new(const struct tls_files *files, struct tls_context **out, struct error *err);
struct tls_context *tls_context_retain(struct tls_context *c);
void tls_context_release(struct tls_context *c); /* NULL is fine */

/* When the first of a kind runs out, in Unix time; 0: never, or there is none. */
struct tls_ends {
    int64_t certificate, authorities, revocations;
};
struct tls_ends tls_context_ends(const struct tls_context *c);

/* ---- one connection ---- */

/* Why there is none. */
enum tls_failure {
#define TLS_FAILURE(id, name) TLS_##id,
#include "xds/tls_failures.def"
#undef TLS_FAILURE
    TLS_FAILURES,
};

struct tls_session;

struct tls_session *tls_session_new(struct tls_context *c);
void tls_session_free(struct tls_session *t); /* NULL is fine */

enum tls_state {
    TLS_SHAKING_HANDS,
    TLS_OPEN,
    TLS_ENDED, /* by the other side, in due form */
    TLS_FAILED,
};

/* Takes what came, and appends the plain text of it. */
enum tls_state tls_session_take(
    struct tls_session *t, const uint8_t *bytes, size_t size_bytes, struct buf *plain);
/* After TLS_FAILED. */
enum tls_failure tls_session_failure(const struct tls_session *t);
const char *tls_session_failure_text(const struct tls_session *t);

/* Who the other side's certificate says it is, appended: its first URI, or else its common name.
 * Nothing, where there is no certificate or neither is in it. */
void tls_session_identity(const struct tls_session *t, struct buf *out);

enum { TLS_RECORD_BYTES = 16 * 1024 };
/* Once it is open: seals plain text, at most a record's. False: it has failed. */
bool tls_session_seal(struct tls_session *t, const uint8_t *bytes, size_t size_bytes);
void tls_session_end(struct tls_session *t); /* says so to the other side */

/* What is to be carried to the other side: to be taken out, or moved elsewhere. */
struct buf *tls_session_out(struct tls_session *t);

#endif
