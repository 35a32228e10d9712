/* xds: TLS contexts of files' contents, and sessions with clients of every kind. */
#include "tls_fixture.h"
#include "xds/handshakes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static const char h2[] = "\x02h2", h1_and_h2[] = "\x08http/1.1\x02h2", h1[] = "\x08http/1.1";

struct world {
    struct arena *a;
    struct authority ca, other;
    struct identity server, proxy;
    struct tls_files files;
    struct tls_context *context;
    struct error err;
};

static struct tls_file file(const char *name, const char *text)
{
    return (struct tls_file){ .name = name, .text = text, .size_bytes = text ? strlen(text) : 0 };
}

static int set_up(void **state)
{
    struct world *w = xcalloc(1, sizeof *w);
    w->a = arena_new();
    authority_init(&w->ca, w->a, "ca");
    authority_init(&w->other, w->a, "other");
    w->server = issue(&w->ca, (struct wanted){ .name = "pilotd" });
    w->proxy = issue(&w->ca, (struct wanted){ .name = "proxy" });
    w->files = (struct tls_files){
        .certificate = file("cert.pem", w->server.certificate),
        .key = file("key.pem", w->server.key),
        .authorities = file("ca.pem", w->ca.pem),
    };
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    tls_context_release(w->context);
    authority_fini(&w->ca);
    authority_fini(&w->other);
    arena_free(w->a);
    free(w);
    return 0;
}

/* ---- files ---- */

static void assert_refused(struct world *w, const char *says)
{
    assert_false(tls_context_new(&w->files, &w->context, &w->err));
    w->context = NULL;
    assert_int_equal(w->err.code, ERROR_USAGE);
    if (!strstr(w->err.text, says))
        fail_msg("\"%s\" is not in \"%s\"", says, w->err.text);
}

static void assert_taken(struct world *w)
{
    if (!tls_context_new(&w->files, &w->context, &w->err))
        fail_msg("%s", w->err.text);
}

static void test_a_broken_certificate_is_named_with_the_reason(void **state)
{
    struct world *w = *state;
    struct identity late = issue(&w->ca, (struct wanted){ "late", -3, -2 });
    struct identity early = issue(&w->ca, (struct wanted){ "early", 2, 3 });
    struct identity client = issue(&w->ca, (struct wanted){ "client", .usage = "clientAuth" });

    w->files.certificate = file("cert.pem", "");
    assert_refused(w, "cert.pem: has no certificate (PEM)");
    w->files.certificate = file("cert.pem", w->server.key);
    assert_refused(w, "cert.pem: has no certificate (PEM)");
    w->files.certificate =
        file("cert.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    assert_refused(w, "cert.pem: has a broken certificate");
    w->files.certificate = file("cert.pem", late.certificate);
    assert_refused(w, "cert.pem: expired at 20");
    w->files.certificate = file("cert.pem", early.certificate);
    assert_refused(w, "cert.pem: is not valid before 20");
    w->files.certificate = file("cert.pem", client.certificate);
    assert_refused(w, "cert.pem: is not for servers");
}

static void test_a_key_must_be_there_readable_and_the_certificates_own(void **state)
{
    struct world *w = *state;

    w->files.key = file("key.pem", "nothing");
    assert_refused(w, "key.pem: has no private key (PEM)");
    w->files.key = file("key.pem", w->proxy.key);
    assert_refused(w, "key.pem: is not the key of the certificate in cert.pem");
    w->files.key = file("key.pem", encrypted_key(w->a, &w->ca));
    assert_refused(w, "key.pem: is encrypted");
    w->files.key =
        file("key.pem", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    assert_refused(w, "key.pem: has a broken private key");
}

static void test_authorities_and_their_lists_must_hold(void **state)
{
    struct world *w = *state;

    w->files.authorities = file("ca.pem", "");
    assert_refused(w, "ca.pem: has no certificate (PEM)");
    w->files.authorities = file("ca.pem", w->ca.pem);
    w->files.revocations = file("crl.pem", w->ca.pem);
    assert_refused(w, "crl.pem: has no revocation list (PEM)");
    w->files.revocations = file("crl.pem", revocations(&w->ca, 0, -1));
    assert_refused(w, "crl.pem: expired at 20");
    struct authority impostor;
    authority_init(&impostor, w->a, "ca");
    w->files.revocations = file("crl.pem", revocations(&impostor, 0, 1));
    assert_refused(w, "crl.pem: has a list that none of the authorities signed");
    authority_fini(&impostor);
}

static void test_one_authority_that_has_expired_is_left_out(void **state)
{
    struct world *w = *state;
    struct identity late = issue(&w->other, (struct wanted){ "late", -3, -2 });

    w->files.authorities = file("ca.pem", late.certificate);
    assert_refused(w, "ca.pem: expired at 20");
    w->files.authorities = file("ca.pem", arena_printf(w->a, "%s%s", late.certificate, w->ca.pem));
    assert_taken(w);
}

static void test_the_first_end_of_each_kind_is_told(void **state)
{
    struct world *w = *state;
    int64_t now = time(NULL), day = 24 * 3600;
    struct identity longer = issue(&w->ca, (struct wanted){ "longer", -1, 9 });

    w->files.certificate =
        file("cert.pem", arena_printf(w->a, "%s%s", longer.certificate, w->ca.pem));
    w->files.key = file("key.pem", longer.key);
    w->files.revocations = file("crl.pem", revocations(&w->ca, 0, 5));
    assert_taken(w);

    struct tls_ends ends = tls_context_ends(w->context);
    assert_in_range(ends.certificate, now + day - 60, now + day + 60); /* the authority's */
    assert_in_range(ends.authorities, now + day - 60, now + day + 60);
    assert_in_range(ends.revocations, now + 5 * day - 60, now + 5 * day + 60);
}

/* ---- sessions ---- */

static enum tls_state meet(struct world *w, struct client_wanted wanted, enum tls_failure *failure)
{
    struct client client;
    struct buf plain = { 0 };
    if (!w->context)
        assert_taken(w);
    struct tls_session *t = tls_session_new(w->context);
    client_init(&client, wanted);
    enum tls_state state = client_talk(&client, t, &plain);
    *failure = state == TLS_FAILED ? tls_session_failure(t) : TLS_FAILURES;
    assert_true(state != TLS_FAILED || *tls_session_failure_text(t));
    client_fini(&client);
    tls_session_free(t);
    buf_fini(&plain);
    return state;
}

static void assert_open(struct world *w, struct client_wanted wanted)
{
    enum tls_failure failure;
    enum tls_state state = meet(w, wanted, &failure);
    if (state == TLS_FAILED)
        fail_msg("%s", tls_failure_name(failure));
    assert_int_equal(state, TLS_OPEN);
}

static void assert_failed(struct world *w, struct client_wanted wanted, enum tls_failure why)
{
    enum tls_failure failure;
    assert_int_equal(meet(w, wanted, &failure), TLS_FAILED);
    assert_string_equal(tls_failure_name(failure), tls_failure_name(why));
}

static void test_a_proxy_of_the_authority_comes_in(void **state)
{
    struct world *w = *state;

    assert_open(w, (struct client_wanted){ h2, &w->proxy });
    assert_open(w, (struct client_wanted){ h1_and_h2, &w->proxy, TLS1_2_VERSION });
}

static void test_no_certificate_is_asked_for_without_authorities(void **state)
{
    struct world *w = *state;
    w->files.authorities = (struct tls_file){ 0 };

    assert_open(w, (struct client_wanted){ h2 });
}

static void test_each_reason_to_refuse_has_its_name(void **state)
{
    struct world *w = *state;
    struct identity late = issue(&w->ca, (struct wanted){ "late", -3, -2 });
    struct identity early = issue(&w->ca, (struct wanted){ "early", 2, 3 });
    struct identity foreign = issue(&w->other, (struct wanted){ .name = "foreign" });
    struct identity server = issue(&w->ca, (struct wanted){ "server", .usage = "serverAuth" });
    const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };

    for (size_t i = 0; i < ARRAY_COUNT(versions); i++) {
        int v = versions[i];
        assert_failed(w, (struct client_wanted){ NULL, &w->proxy, v }, TLS_ALPN);
        assert_failed(w, (struct client_wanted){ h1, &w->proxy, v }, TLS_ALPN);
        assert_failed(w, (struct client_wanted){ h2, NULL, v }, TLS_NO_CERTIFICATE);
        assert_failed(w, (struct client_wanted){ h2, &late, v }, TLS_EXPIRED);
        assert_failed(w, (struct client_wanted){ h2, &early, v }, TLS_EXPIRED);
        assert_failed(w, (struct client_wanted){ h2, &foreign, v }, TLS_UNKNOWN_CA);
        assert_failed(w, (struct client_wanted){ h2, &server, v }, TLS_BAD_CERTIFICATE);
    }
    assert_failed(w, (struct client_wanted){ h2, &w->proxy, TLS1_1_VERSION }, TLS_VERSION);
}

static void test_what_is_revoked_is_refused_and_the_rest_is_not(void **state)
{
    struct world *w = *state;
    struct identity bad = issue(&w->ca, (struct wanted){ .name = "bad" });
    w->files.revocations = file("crl.pem", revocations(&w->ca, bad.serial, 1));

    assert_open(w, (struct client_wanted){ h2, &w->proxy });
    assert_failed(w, (struct client_wanted){ h2, &bad }, TLS_REVOKED);
}

static void test_an_authority_without_a_list_vouches_for_nobody(void **state)
{
    struct world *w = *state;
    struct identity foreign = issue(&w->other, (struct wanted){ .name = "foreign" });
    w->files.authorities = file("ca.pem", arena_printf(w->a, "%s%s", w->ca.pem, w->other.pem));
    w->files.revocations = file("crl.pem", revocations(&w->ca, 0, 1));

    assert_failed(w, (struct client_wanted){ h2, &foreign }, TLS_NO_REVOCATIONS);
}

static void test_who_speaks_no_tls_is_told_apart(void **state)
{
    struct world *w = *state;
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    struct buf plain = { 0 };
    assert_taken(w);
    struct tls_session *t = tls_session_new(w->context);

    assert_int_equal(
        tls_session_take(t, (const uint8_t *)preface, sizeof preface - 1, &plain), TLS_FAILED);
    assert_int_equal(tls_session_failure(t), TLS_NOT_TLS);
    assert_int_equal(tls_session_out(t)->size, 0);
    tls_session_free(t);
}

struct talk {
    struct client client;
    struct tls_session *t;
    struct buf plain;
};

static void talk_begin_as(struct world *w, struct talk *talk, const struct identity *identity)
{
    *talk = (struct talk){ 0 };
    if (!w->context)
        assert_taken(w);
    talk->t = tls_session_new(w->context);
    client_init(&talk->client, (struct client_wanted){ h2, identity });
    assert_int_equal(client_talk(&talk->client, talk->t, &talk->plain), TLS_OPEN);
}

static void talk_begin(struct world *w, struct talk *talk)
{
    talk_begin_as(w, talk, &w->proxy);
}

static void talk_end(struct talk *talk)
{
    client_fini(&talk->client);
    tls_session_free(talk->t);
    buf_fini(&talk->plain);
}

static void test_bytes_come_through_both_ways_however_they_are_cut(void **state)
{
    struct world *w = *state;
    struct talk k;
    uint8_t record[TLS_RECORD_BYTES];
    for (size_t i = 0; i < sizeof record; i++)
        record[i] = (uint8_t)(i * 7);
    talk_begin(w, &k);

    assert_int_equal(SSL_write(k.client.ssl, "hello", 5), 5);
    char *said;
    long size = BIO_get_mem_data(SSL_get_wbio(k.client.ssl), &said);
    for (long i = 0; i < size; i++)
        assert_int_equal(tls_session_take(k.t, (const uint8_t *)said + i, 1, &k.plain), TLS_OPEN);
    (void)BIO_reset(SSL_get_wbio(k.client.ssl));
    assert_int_equal(k.plain.size, 5);
    assert_memory_equal(k.plain.data, "hello", 5);

    assert_true(tls_session_seal(k.t, record, sizeof record));
    assert_true(tls_session_seal(k.t, record, 1));
    client_talk(&k.client, k.t, &k.plain);
    assert_int_equal(k.client.plain.size, sizeof record + 1);
    assert_memory_equal(k.client.plain.data, record, sizeof record);
    talk_end(&k);
}

static void test_the_other_side_ends_it_in_due_form_and_so_do_we(void **state)
{
    struct world *w = *state;
    struct talk k;
    talk_begin(w, &k);

    tls_session_end(k.t);
    client_talk(&k.client, k.t, &k.plain);
    assert_true(SSL_get_shutdown(k.client.ssl) & SSL_RECEIVED_SHUTDOWN);
    SSL_shutdown(k.client.ssl);
    assert_int_equal(client_talk(&k.client, k.t, &k.plain), TLS_ENDED);
    talk_end(&k);
}

static void test_new_keys_may_be_asked_for_and_a_changed_byte_is_the_end(void **state)
{
    struct world *w = *state;
    struct talk k;
    talk_begin(w, &k);

    assert_true(SSL_key_update(k.client.ssl, SSL_KEY_UPDATE_REQUESTED));
    SSL_write(k.client.ssl, "x", 1);
    assert_int_equal(client_talk(&k.client, k.t, &k.plain), TLS_OPEN);
    assert_true(tls_session_seal(k.t, (const uint8_t *)"yes", 3));
    client_talk(&k.client, k.t, &k.plain);
    assert_int_equal(k.client.plain.size, 3);

    SSL_write(k.client.ssl, "y", 1);
    char *said;
    long size = BIO_get_mem_data(SSL_get_wbio(k.client.ssl), &said);
    said[size - 1] ^= 1;
    assert_int_equal(
        tls_session_take(k.t, (const uint8_t *)said, (size_t)size, &k.plain), TLS_FAILED);
    assert_int_equal(k.plain.size, 1);
    talk_end(&k);
}

static void test_no_tickets_are_given_and_no_session_is_resumed(void **state)
{
    struct world *w = *state;
    struct talk k;
    talk_begin(w, &k);

    assert_false(SSL_SESSION_is_resumable(SSL_get0_session(k.client.ssl)));
    talk_end(&k);
}

static void assert_identity(struct world *w, struct wanted wanted, const char *is)
{
    struct talk k;
    struct buf identity = { 0 };
    struct identity proxy = issue(&w->ca, wanted);
    talk_begin_as(w, &k, &proxy);
    tls_session_identity(k.t, &identity);
    assert_string_equal(identity.data ? identity.data : "", is);
    buf_fini(&identity);
    talk_end(&k);
}

static void test_who_a_client_is_is_its_first_uri_or_its_name(void **state)
{
    struct world *w = *state;

    assert_identity(w, (struct wanted){ .name = "web" }, "web");
    assert_identity(w, (struct wanted){ .name = "web", .alt_names = "DNS:b" }, "web");
    assert_identity(
        w, (struct wanted){ .name = "web", .alt_names = "DNS:b,URI:s://a,URI:s://b" }, "s://a");
    assert_identity(w, (struct wanted){ .name = "two words" }, "");
}

static void test_who_shows_no_certificate_is_nobody(void **state)
{
    struct world *w = *state;
    struct talk k;
    struct buf identity = { 0 };
    w->files.authorities = (struct tls_file){ 0 };
    talk_begin_as(w, &k, NULL);

    tls_session_identity(k.t, &identity);
    assert_int_equal(identity.size, 0);
    talk_end(&k);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_a_broken_certificate_is_named_with_the_reason),
        TEST(test_a_key_must_be_there_readable_and_the_certificates_own),
        TEST(test_authorities_and_their_lists_must_hold),
        TEST(test_one_authority_that_has_expired_is_left_out),
        TEST(test_the_first_end_of_each_kind_is_told),
        TEST(test_a_proxy_of_the_authority_comes_in),
        TEST(test_no_certificate_is_asked_for_without_authorities),
        TEST(test_each_reason_to_refuse_has_its_name),
        TEST(test_what_is_revoked_is_refused_and_the_rest_is_not),
        TEST(test_an_authority_without_a_list_vouches_for_nobody),
        TEST(test_who_speaks_no_tls_is_told_apart),
        TEST(test_bytes_come_through_both_ways_however_they_are_cut),
        TEST(test_the_other_side_ends_it_in_due_form_and_so_do_we),
        TEST(test_new_keys_may_be_asked_for_and_a_changed_byte_is_the_end),
        TEST(test_no_tickets_are_given_and_no_session_is_resumed),
        TEST(test_who_a_client_is_is_its_first_uri_or_its_name),
        TEST(test_who_shows_no_certificate_is_nobody),
    };
    return cmocka_run_group_tests_name("tls", tests, NULL, NULL);
}
