/* replication: an etcd that is reached over TLS, and that asks who is there. */
#include "base/arena.h"
#include "etcd_fixture.h"
#include "store_recorder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

struct world {
    struct etcd_fixture etcd;
    struct recorder r;
    struct arena *a;
    const char *url;
};

static int start(void **state, enum etcd_demands demands)
{
    struct world *w = xcalloc(1, sizeof *w);
    w->a = arena_new();
    etcd_fixture_start_with(&w->etcd, demands, NULL);
    recorder_init(&w->r);
    w->url = arena_printf(w->a,
        "etcd%s://127.0.0.1:%u/test",
        demands == ETCD_PLAIN ? "" : "s",
        w->etcd.members[0].client_port);
    *state = w;
    return 0;
}

static int start_plain(void **state)
{
    return start(state, ETCD_PLAIN);
}

static int start_tls(void **state)
{
    return start(state, ETCD_TLS);
}

static int start_certificates(void **state)
{
    return start(state, ETCD_CLIENT_CERTIFICATES);
}

static int stop(void **state)
{
    struct world *w = *state;
    recorder_close(&w->r);
    etcd_fixture_remove(&w->etcd);
    arena_free(w->a);
    free(w);
    return 0;
}

static const char *file(struct world *w, const char *name)
{
    return arena_printf(w->a, "%s/%s", w->etcd.dir, name);
}

static void replace(struct world *w, const char *from, const char *to)
{
    assert_int_equal(rename(file(w, from), file(w, to)), 0);
}

/* ---- what is refused ---- */

static void assert_refused(const char *url, const struct store_access *access, const char *text)
{
    uv_loop_t loop;
    struct store *store = NULL;
    struct error err = { 0 };
    struct store_options options = { .url = url, .access = *access, .is_oneshot = true };
    uv_loop_init(&loop);
    assert_false(store_open(&loop, &options, NULL, &store, &err));
    if (!strstr(err.text, text))
        fail_msg("\"%s\" is not in: %s", text, err.text);
    assert_int_equal(err.code, ERROR_USAGE);
    uv_loop_close(&loop);
}

static void test_access_that_does_not_fit_is_refused(void **state)
{
    (void)state;
    static const char here[] = "/dev/null";
    assert_refused("etcd://h", &(struct store_access){ .user = "pilot" }, "go together");
    assert_refused("etcd://h", &(struct store_access){ .ca_file = here }, "are for etcds://");
    assert_refused("etcds://h", &(struct store_access){ .cert_file = here }, "go together");
    assert_refused("etcds://h", &(struct store_access){ .key_file = here }, "go together");
    assert_refused(
        "etcds://h", &(struct store_access){ .ca_file = "/none" }, "/none: No such file");
}

/* ---- TLS ---- */

static void test_a_keyspace_is_followed_and_written_over_tls(void **state)
{
    struct world *w = *state;
    w->r.access.ca_file = file(w, "ca.pem");
    w->r.audit_every_ms = 20;

    recorder_open(&w->r, w->url, NULL);
    recorder_until_following(&w->r);
    recorder_put(&w->r, "a", "1");

    recorder_until(&w->r, recorder_value(&w->r, "a"));
    recorder_until(&w->r, w->r.stats.audited > 0);
    assert_int_equal(w->r.stats.errors, 0);
}

static void test_a_server_of_another_authority_is_not_followed(void **state)
{
    struct world *w = *state;
    w->r.access.ca_file = file(w, "other-ca.pem");

    recorder_open(&w->r, w->url, NULL);
    recorder_until(&w->r, w->r.states.size > 0);

    assert_int_equal(store_status(w->r.store)->state, STORE_CONNECTING);
    assert_non_null(strstr(store_status(w->r.store)->problem, "certificate"));
}

static void test_an_authority_that_is_replaced_counts_at_once(void **state)
{
    struct world *w = *state;
    w->r.access.ca_file = file(w, "other-ca.pem");
    recorder_open(&w->r, w->url, NULL);
    recorder_until(&w->r, w->r.states.size > 0);

    replace(w, "ca.pem", "other-ca.pem");

    recorder_until_following(&w->r);
}

static void test_client_certificates_are_shown_and_replaced(void **state)
{
    struct world *w = *state;
    w->r.access = (struct store_access){
        .ca_file = file(w, "ca.pem"),
        .cert_file = file(w, "stranger.pem"),
        .key_file = file(w, "stranger.key"),
    };
    recorder_open(&w->r, w->url, NULL);
    recorder_until(&w->r, w->r.states.size > 0);
    assert_int_equal(store_status(w->r.store)->state, STORE_CONNECTING);

    replace(w, "pilot.key", "stranger.key");
    replace(w, "pilot.pem", "stranger.pem");

    recorder_until_following(&w->r);
}

static void test_reload_begins_the_watch_anew_and_tells_nothing_twice(void **state)
{
    struct world *w = *state;
    w->r.access.ca_file = file(w, "ca.pem");
    recorder_open(&w->r, w->url, NULL);
    recorder_until_following(&w->r);
    recorder_put(&w->r, "a", "1");
    recorder_until(&w->r, recorder_value(&w->r, "a"));

    store_reload(w->r.store);
    recorder_until(&w->r, store_status(w->r.store)->state == STORE_BEHIND);
    recorder_until_following(&w->r);
    recorder_put(&w->r, "b", "1");
    recorder_until(&w->r, recorder_value(&w->r, "b"));

    assert_string_equal(w->r.log.data, "+a=1 +b=1 ");
    assert_int_equal(w->r.stats.lists, 1);
}

/* ---- users ---- */

static void write_password(struct world *w, const char *password)
{
    FILE *out = fopen(file(w, "password"), "w");
    assert_non_null(out);
    fprintf(out, "%s\n", password);
    fclose(out);
}

/* root may all, pilot reads and writes below /test/. */
static void enable_users(struct world *w)
{
    static const char *const commands[] = {
        "user add root:all",
        "user grant-role root root",
        "user add pilot:secret",
        "role add mesh",
        "role grant-permission mesh --prefix=true readwrite /test/",
        "user grant-role pilot mesh",
        "auth enable",
    };
    etcdctl(&w->etcd, 0, "role add root");
    for (size_t i = 0; i < ARRAY_COUNT(commands); i++)
        etcdctl(&w->etcd, 0, "%s", commands[i]);
    w->etcd.user = w->etcd.demands == ETCD_PLAIN ? "root:all" : NULL;
    write_password(w, "secret");
}

static void open_as_pilot(struct world *w)
{
    w->r.access.user = "pilot";
    w->r.access.password_file = file(w, "password");
    recorder_open(&w->r, w->url, NULL);
}

static void put_and_see(struct recorder *r, const char *key)
{
    recorder_put(r, key, "1");
    recorder_until(r, recorder_value(r, key));
}

static void test_a_user_follows_and_writes_with_a_password(void **state)
{
    struct world *w = *state;
    enable_users(w);
    open_as_pilot(w);
    recorder_until_following(&w->r);

    put_and_see(&w->r, "a");

    assert_int_equal(w->r.stats.errors, 0);
}

/* etcd forgets its tokens when it is begun anew. */
static void test_a_token_that_etcd_forgot_is_renewed(void **state)
{
    struct world *w = *state;
    enable_users(w);
    open_as_pilot(w);
    recorder_until_following(&w->r);
    put_and_see(&w->r, "a");

    etcd_member_kill(&w->etcd, 0);
    recorder_until(&w->r, store_status(w->r.store)->state == STORE_BEHIND);
    etcd_member_restart(&w->etcd, 0);
    recorder_until_following(&w->r);

    put_and_see(&w->r, "b");
    assert_int_equal(w->r.stats.lists, 1);
}

/* A conditional write, too, for etcd refuses it before it looks at it. */
static void test_authentication_that_is_turned_on_is_followed(void **state)
{
    struct world *w = *state;
    struct store_write write = { .key = "b", .value = "1", .size = 1, .expected_mod_revision = 0 };
    write_password(w, "secret");
    open_as_pilot(w);
    recorder_until_following(&w->r);
    put_and_see(&w->r, "a");

    enable_users(w);
    struct answer written = recorder_write(&w->r, &write);

    assert_true(written.succeeded);
    recorder_until(&w->r, recorder_value(&w->r, "b"));
}

static void test_a_wrong_password_is_told_and_a_right_one_counts_after_reload(void **state)
{
    struct world *w = *state;
    enable_users(w);
    write_password(w, "wrong");
    open_as_pilot(w);
    recorder_until(&w->r, w->r.states.size > 0);
    assert_non_null(strstr(store_status(w->r.store)->problem, "logging in as pilot"));
    assert_int_equal(store_status(w->r.store)->state, STORE_CONNECTING);

    write_password(w, "secret");
    store_reload(w->r.store);

    recorder_until_following(&w->r);
}

static void assert_recycled(struct world *w)
{
    recorder_until_following(&w->r);
    put_and_see(&w->r, "a");

    etcdctl(&w->etcd, 0, "role revoke-permission mesh --prefix=true /test/");
    recorder_until(&w->r, store_status(w->r.store)->state == STORE_BEHIND);
    assert_non_null(strstr(store_status(w->r.store)->problem, "permission denied"));
    assert_string_equal(recorder_value(&w->r, "a"), "1"); /* what there is stays */

    etcdctl(&w->etcd, 0, "role grant-permission mesh --prefix=true readwrite /test/");
    recorder_until_following(&w->r);
    put_and_see(&w->r, "b");
    assert_int_equal(w->r.stats.lists, 1);
}

static void test_a_role_that_is_revoked_ends_the_watch(void **state)
{
    struct world *w = *state;
    enable_users(w);
    w->r.audit_every_ms = 50;
    open_as_pilot(w);
    assert_recycled(w);
}

static void test_the_name_in_the_certificate_is_the_user(void **state)
{
    struct world *w = *state;
    enable_users(w);
    w->r.audit_every_ms = 50;
    w->r.access = (struct store_access){
        .ca_file = file(w, "ca.pem"),
        .cert_file = file(w, "pilot.pem"),
        .key_file = file(w, "pilot.key"),
    };
    recorder_open(&w->r, w->url, NULL);
    assert_recycled(w);
}

#define TEST(f, start) cmocka_unit_test_setup_teardown(f, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_access_that_does_not_fit_is_refused),
        TEST(test_a_keyspace_is_followed_and_written_over_tls, start_tls),
        TEST(test_a_server_of_another_authority_is_not_followed, start_tls),
        TEST(test_an_authority_that_is_replaced_counts_at_once, start_tls),
        TEST(test_client_certificates_are_shown_and_replaced, start_certificates),
        TEST(test_reload_begins_the_watch_anew_and_tells_nothing_twice, start_tls),
        TEST(test_a_user_follows_and_writes_with_a_password, start_plain),
        TEST(test_a_token_that_etcd_forgot_is_renewed, start_plain),
        TEST(test_authentication_that_is_turned_on_is_followed, start_plain),
        TEST(test_a_wrong_password_is_told_and_a_right_one_counts_after_reload, start_plain),
        TEST(test_a_role_that_is_revoked_ends_the_watch, start_plain),
        TEST(test_the_name_in_the_certificate_is_the_user, start_certificates),
    };
    return cmocka_run_group_tests_name("store_access", tests, NULL, NULL);
}
