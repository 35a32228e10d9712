/* Certificates made in memory, and a TLS client over memory, for tests of xds/tls.h. */
#ifndef TLS_FIXTURE_H
#define TLS_FIXTURE_H

#include "base/arena.h"
#include "xds/tls.h"

#include <openssl/ssl.h>

struct authority {
    struct arena *a;
    X509 *certificate;
    EVP_PKEY *key;
    const char *pem;
    long serial;
};
struct identity {
    const char *certificate, *key; /* PEM */
    long serial;
};
struct wanted {
    const char *name;
    long from_days, to_days; /* from now; 0 and 0: a day on either side */
    const char *usage;       /* extended; NULL: servers and clients */
    const char *alt_names;   /* as openssl writes them: "URI:spiffe://a,DNS:b"; NULL: none */
};

void authority_init(struct authority *by, struct arena *a, const char *name);
void authority_fini(struct authority *by);
struct identity issue(struct authority *by, struct wanted wanted);
/* A list, of one certificate or (serial 0) none, that runs out so many days from now. */
const char *revocations(struct authority *by, long serial, long to_days);
const char *encrypted_key(struct arena *a, struct authority *of);

struct client {
    SSL_CTX *ctx;
    SSL *ssl;
    struct buf plain; /* what it was sent */
};
struct client_wanted {
    const char *alpn; /* "\x02h2"; NULL: none */
    const struct identity *identity;
    int max_version;
};
void client_init(struct client *c, struct client_wanted wanted);
void client_fini(struct client *c);
/* Carries bytes to and fro until both are silent. */
enum tls_state client_talk(struct client *c, struct tls_session *t, struct buf *plain);

#endif
