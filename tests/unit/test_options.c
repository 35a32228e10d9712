/* pilotd's settings: where each may stand, which one counts, and what wrong ones are told. */
#include "daemon/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { WORDS_MAX = 16 };

struct world {
    struct options o;
    struct error err;
    char config[64]; /* a file */
    int argc;
    char *argv[WORDS_MAX + 2];
    char words[WORDS_MAX][128];
};

static int setup(void **state)
{
    static const char *const names[] = { "STORE",
        "XDS",
        "ADMIN",
        "ID",
        "THREADS",
        "REPLICA_TTL",
        "DRAIN_SPREAD",
        "DRAIN_GRACE",
        "LOG_LEVEL",
        "CONFIG",
        "DEV",
        "XDS_TLS",
        "XDS_TLS_CERT",
        "XDS_TLS_KEY",
        "XDS_TLS_CA",
        "XDS_TLS_CRL",
        "DATA_DIR",
        "MAX_STREAM_AGE",
        "MAX_JOINING" };
    struct world *w = xcalloc(1, sizeof *w);
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        char name[64];
        snprintf(name, sizeof name, "PILOTD_%s", names[i]);
        unsetenv(name);
    }
    snprintf(w->config, sizeof w->config, "/tmp/test-options-XXXXXX");
    int fd = mkstemp(w->config);
    assert_true(fd >= 0);
    close(fd);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    options_fini(&w->o);
    unlink(w->config);
    free(w);
    return 0;
}

static void write_config(const struct world *w, const char *text)
{
    FILE *file = fopen(w->config, "we");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

/* Cuts a command line at its spaces; CONFIG stands for the file. */
static void set_words(struct world *w, const char *line)
{
    w->argc = 0;
    w->argv[w->argc++] = (char *)(uintptr_t) "pilotd";
    while (*line) {
        size_t size = strcspn(line, " ");
        char *word = w->words[w->argc - 1];
        assert_true(w->argc <= WORDS_MAX && size < sizeof w->words[0]);
        snprintf(word, sizeof w->words[0], "%.*s", (int)size, line);
        if (strcmp(word, "CONFIG") == 0)
            snprintf(word, sizeof w->words[0], "%s", w->config);
        w->argv[w->argc++] = word;
        line += size + (line[size] == ' ');
    }
    w->argv[w->argc] = NULL;
}

static bool parse(struct world *w, const char *line)
{
    options_fini(&w->o);
    set_words(w, line);
    return options_parse(&w->o, w->argc, w->argv, &w->err);
}

static void assert_refused(struct world *w, const char *line, const char *text)
{
    if (parse(w, line))
        fail_msg("%s: accepted", line);
    if (w->err.code != ERROR_USAGE || !strstr(w->err.text, text))
        fail_msg("%s: %s", line, w->err.text);
}

static void test_without_a_word_all_have_their_defaults(void **state)
{
    struct world *w = *state;

    assert_true(parse(w, ""));

    assert_string_equal(w->o.store, "etcd://127.0.0.1:2379/pilot");
    assert_string_equal(w->o.xds, "0.0.0.0:15010");
    assert_string_equal(w->o.admin, "127.0.0.1:15014");
    assert_non_null(strstr(w->o.id, "-15010"));
    assert_in_range(w->o.threads, 1, THREADS_MAX);
    assert_int_equal(w->o.replica_ttl_ms, 10000);
    assert_int_equal(w->o.drain_spread_ms, 10000);
    assert_int_equal(w->o.max_stream_age_ms, 1800000);
    assert_int_equal(w->o.max_joining, 100);
    assert_int_equal(w->o.stream_margin, 20);
    assert_int_equal(w->o.hold_share, 50);
    assert_int_equal(w->o.hold_window_ms, 15000);
    assert_int_equal(w->o.hold_time_ms, 120000);
    assert_int_equal(w->o.log_level, LOG_LEVEL_INFO);
    assert_false(w->o.is_dev);
}

static void test_a_flag_beats_the_environment_and_that_the_file(void **state)
{
    struct world *w = *state;
    write_config(w, "id: file\nthreads: 3\nlog-level: warn\ndrain-spread: 3s\n");
    setenv("PILOTD_ID", "environment", 1);
    setenv("PILOTD_DRAIN_SPREAD", "250ms", 1);

    assert_true(parse(w, "--config CONFIG --id=flag"));

    assert_string_equal(w->o.id, "flag");
    assert_int_equal(w->o.drain_spread_ms, 250);
    assert_int_equal(w->o.threads, 3);
    assert_int_equal(w->o.log_level, LOG_LEVEL_WARN);
}

static void test_the_file_may_be_named_by_the_environment(void **state)
{
    struct world *w = *state;
    write_config(w, "{\"admin\": \"[::1]:0\", \"dev\": true}");
    setenv("PILOTD_CONFIG", w->config, 1);

    assert_true(parse(w, ""));

    assert_string_equal(w->o.admin, "[::1]:0");
    assert_true(w->o.is_dev);
    assert_string_equal(w->o.xds, "127.0.0.1:15010"); /* a laptop's */
}

static void test_a_wrong_flag_is_told_with_the_right_one(void **state)
{
    struct world *w = *state;

    assert_refused(w, "--stor x", "unknown flag --stor; did you mean --store");
    assert_refused(w, "--drain-spred=1s", "did you mean --drain-spread");
    assert_refused(w, "--nothing-like-it", "unknown flag --nothing-like-it");
    assert_refused(w, "-x", "unexpected word -x");
    assert_refused(w, "serve", "unexpected word serve");
    assert_refused(w, "--id", "--id needs NAME");
    assert_refused(w, "--id a --id=b", "--id is given twice");
    assert_refused(w, "--config CONFIG --config CONFIG", "--config is given twice");
}

static void test_a_wrong_value_is_told_with_what_it_must_be(void **state)
{
    struct world *w = *state;

    assert_refused(w, "--xds localhost:15010", "must be ADDRESS:PORT");
    assert_refused(w, "--xds 127.0.0.1", "must be ADDRESS:PORT");
    assert_refused(w, "--xds 127.0.0.1:65536", "must be ADDRESS:PORT");
    assert_refused(w, "--xds ::1:15010", "must be ADDRESS:PORT");
    assert_refused(w, "--admin 127.0.0.1:+1", "must be ADDRESS:PORT");
    assert_refused(w, "--threads 0", "from 1 to 64");
    assert_refused(w, "--threads 65", "from 1 to 64");
    assert_refused(w, "--threads 2x", "must be a whole number");
    assert_refused(w, "--threads=-1", "must be a whole number");
    assert_refused(w, "--stream-margin 20%", "--stream-margin: must be a whole number");
    assert_refused(w, "--stream-margin 1001", "from 0 to 1000");
    assert_refused(w, "--threads 99999999999999999999", "must be a whole number");
    assert_refused(w, "--drain-spread 10", "must be a duration");
    assert_refused(w, "--drain-spread -1s", "must be a duration");
    assert_refused(w, "--drain-grace 2h", "must be a duration");
    assert_refused(w, "--replica-ttl 1s", "from 2000ms");
    assert_refused(w, "--log-level loud", "must be debug, info, warn or error");
    assert_refused(w, "--id a/b", "letters, digits");
    assert_refused(w, "--id=", "letters, digits");
    assert_refused(w, "--store=", "must not be empty");
    assert_refused(w, "--dev=yes", "must be true or false");
}

static void test_the_error_says_where_the_setting_stands(void **state)
{
    struct world *w = *state;
    write_config(w, "id: good\nthreds: 2\n");
    assert_refused(w, "--config CONFIG", "unknown setting threds; did you mean threads");
    assert_non_null(strstr(w->err.text, w->config));

    write_config(w, "threads: many\n");
    assert_refused(w, "--config CONFIG", ": threads: must be a whole number");
    write_config(w, "threads: [1]\n");
    assert_refused(w, "--config CONFIG", "must be one value");
    write_config(w, "config: other\n");
    assert_refused(w, "--config CONFIG", "unknown setting config");
    write_config(w, "id: a\nid: b\n");
    assert_refused(w, "--config CONFIG", ":2:1: ");
    write_config(w, "- id\n");
    assert_refused(w, "--config CONFIG", "one YAML mapping");
    assert_false(parse(w, "--config /nowhere/pilotd.yaml"));
    assert_non_null(strstr(w->err.text, "/nowhere/pilotd.yaml: No such file"));
    setenv("PILOTD_THREADS", "all", 1);
    assert_refused(w, "", "PILOTD_THREADS: must be");
}

static void test_files_of_tls_go_with_its_port_and_with_one_another(void **state)
{
    struct world *w = *state;
    static const char *const port = "--xds-tls 0.0.0.0:15012 --xds-tls-cert c";

    assert_refused(w, "--xds-tls-key k", "are for --xds-tls ADDR:PORT");
    assert_refused(w, "--xds-tls-ca k", "are for --xds-tls ADDR:PORT");
    assert_refused(w, port, "needs --xds-tls-cert and --xds-tls-key");
    assert_refused(w,
        "--xds-tls 0.0.0.0:15012 --xds-tls-cert c --xds-tls-key k --xds-tls-crl l",
        "is for the certificates of --xds-tls-ca");
    assert_refused(w, "--xds-tls anywhere", "must be ADDRESS:PORT");
    write_config(w, "xds-tls: 0.0.0.0:15012\nxds-tls-cert: c\n");
    setenv("PILOTD_XDS_TLS_KEY", "k", 1);
    assert_true(parse(w, "--config CONFIG --xds-tls-ca a --xds-tls-crl l"));
    assert_string_equal(w->o.xds_tls, "0.0.0.0:15012");
    assert_string_equal(w->o.xds_tls_cert, "c");
    assert_string_equal(w->o.xds_tls_key, "k");
    assert_string_equal(w->o.xds_tls_ca, "a");
    assert_string_equal(w->o.xds_tls_crl, "l");
}

static void test_dev_has_a_store_of_its_own(void **state)
{
    struct world *w = *state;

    assert_refused(w, "--dev --store etcd://127.0.0.1:2379", "leave out --store");
    assert_true(parse(w, "--dev --xds 127.0.0.2:1"));
    assert_string_equal(w->o.xds, "127.0.0.2:1");
}

static char fixed[128];

static void on_fixed(const struct log_scope *log, const char *name)
{
    (void)log;
    strncat(fixed, name, sizeof fixed - strlen(fixed) - 2);
    strcat(fixed, " ");
}

static void test_a_reload_changes_what_can_change_and_tells_the_rest(void **state)
{
    struct world *w = *state;
    write_config(w, "id: a\nlog-level: info\ndrain-spread: 1s\n");
    assert_true(parse(w, "--config CONFIG --drain-grace 7s"));
    write_config(w, "id: b\nlog-level: debug\ndrain-spread: 2s\ndrain-grace: 1s\nthreads: 64\n");
    fixed[0] = '\0';

    assert_true(options_reload(&w->o, w->argc, w->argv, on_fixed, NULL, &w->err));

    assert_string_equal(w->o.id, "a");
    assert_int_equal(w->o.log_level, LOG_LEVEL_DEBUG);
    assert_int_equal(w->o.drain_spread_ms, 2000);
    assert_int_equal(w->o.drain_grace_ms, 7000);
    assert_string_equal(fixed, "id threads ");
}

static void test_a_faulty_reload_changes_nothing(void **state)
{
    struct world *w = *state;
    write_config(w, "log-level: info\ndrain-spread: 1s\n");
    assert_true(parse(w, "--config CONFIG"));
    write_config(w, "log-level: debug\ndrain-spread: soon\n");

    assert_false(options_reload(&w->o, w->argc, w->argv, on_fixed, NULL, &w->err));

    assert_int_equal(w->o.log_level, LOG_LEVEL_INFO);
    assert_int_equal(w->o.drain_spread_ms, 1000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_without_a_word_all_have_their_defaults),
        TEST(test_a_flag_beats_the_environment_and_that_the_file),
        TEST(test_the_file_may_be_named_by_the_environment),
        TEST(test_a_wrong_flag_is_told_with_the_right_one),
        TEST(test_a_wrong_value_is_told_with_what_it_must_be),
        TEST(test_the_error_says_where_the_setting_stands),
        TEST(test_files_of_tls_go_with_its_port_and_with_one_another),
        TEST(test_dev_has_a_store_of_its_own),
        TEST(test_a_reload_changes_what_can_change_and_tells_the_rest),
        TEST(test_a_faulty_reload_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
