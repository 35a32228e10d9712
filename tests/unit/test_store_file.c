/* replication: the file store, on temporary directories. */
#include "store_recorder.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct world {
    struct recorder r;
    char dir[64], url[96];
};

static const char *key_of(
    struct arena *a, const char *kind, const char *ns, const char *name, struct diags *d)
{
    if (strcmp(kind, "VirtualService") == 0)
        return arena_printf(a, "config/virtualservices/%s/%s", ns, name);
    diag_add(d, DIAG_ERROR, DIAG_UNKNOWN_KIND, "kind", NULL, "\"%s\" is not known", kind);
    return NULL;
}
static const struct store_layout layout = { key_of };

static int start(void **state)
{
    struct world *w = xcalloc(1, sizeof *w);
    snprintf(w->dir, sizeof w->dir, "/tmp/test-file-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    snprintf(w->url, sizeof w->url, "file:%s", w->dir);
    recorder_init(&w->r);
    *state = w;
    return 0;
}

static int stop(void **state)
{
    struct world *w = *state;
    char command[256];
    recorder_close(&w->r);
    snprintf(command, sizeof command, "chmod -R u+rwx %s; rm -rf %s", w->dir, w->dir);
    assert_int_equal(system(command), 0);
    free(w);
    return 0;
}

static const char *path_in(const struct world *w, char out[256], const char *name)
{
    snprintf(out, 256, "%s/%s", w->dir, name);
    return out;
}

/* Atomically, as editors do; makes the directories. */
static void write_file(const struct world *w, const char *name, const char *text)
{
    char path[256], temporary[256];
    path_in(w, path, name);
    for (char *slash = strchr(path + strlen(w->dir) + 1, '/'); slash;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(path, 0777);
        *slash = '/';
    }
    path_in(w, temporary, ".being-written");
    FILE *file = fopen(temporary, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    assert_int_equal(rename(temporary, path), 0);
}

static void remove_file(const struct world *w, const char *name)
{
    char path[256];
    assert_int_equal(unlink(path_in(w, path, name)), 0);
}

static bool has_file(const struct world *w, const char *name)
{
    char path[256];
    return access(path_in(w, path, name), F_OK) == 0;
}

static void follow(struct world *w)
{
    recorder_open(&w->r, w->url, &layout);
    recorder_until_following(&w->r);
}

static void forget_log(struct recorder *r)
{
    buf_clear(&r->log);
    r->told = 0;
}

static void assert_log(const struct recorder *r, const char *expected)
{
    assert_string_equal(r->log.size ? r->log.data : "", expected);
}

static const char *fault_of(const struct world *w, const char *name)
{
    char path[256];
    return map_find(&w->r.faults, path_in(w, path, name));
}

#define VS(name) "kind: VirtualService\nmetadata: {name: " name "}\n"

/* ---- what is read ---- */

static void test_documents_become_values_with_the_layouts_keys(void **state)
{
    struct world *w = *state;
    write_file(w, "a.yaml", VS("one") "---\n---\n" VS("two") "spec: {x: [1, true, null]}\n");
    write_file(w, "sub/b.yml", "kind: VirtualService\nmetadata: {name: n, namespace: shop}\n");
    write_file(w, "c.json", "{\"kind\": \"VirtualService\", \"metadata\": {\"name\": \"three\"}}");
    write_file(w, "notes.txt", "kind: [");
    write_file(w, ".hidden.yaml", "kind: [");
    write_file(w, ".git/x.yaml", "kind: [");

    follow(w);

    assert_int_equal(w->r.values.count, 4);
    assert_int_equal(w->r.faults.count, 0);
    assert_string_equal(recorder_value(&w->r, "config/virtualservices/default/two"),
        "{\"kind\":\"VirtualService\",\"metadata\":{\"name\":\"two\"},\"spec\":{\"x\":[1,true,null]"
        "}}");
    assert_non_null(recorder_value(&w->r, "config/virtualservices/shop/n"));
    assert_non_null(recorder_value(&w->r, "config/virtualservices/default/three"));
    assert_int_equal(w->r.revision, 1);
}

static void test_files_of_single_values_have_their_path_as_key(void **state)
{
    struct world *w = *state;
    write_file(w, "mesh.yaml", "outboundTrafficPolicy: {mode: REGISTRY_ONLY}\n");
    write_file(w, "services/shop/cart.json", "{ \"ports\": [] }\n");
    write_file(w, "registry/shop/cart/10.0.0.1-8080.yaml", "address: 10.0.0.1\n");
    write_file(w, "config/virtualservices/shop/v.yaml", VS("v"));
    write_file(w, "config/more.yaml", VS("elsewhere"));

    follow(w);

    assert_int_equal(w->r.values.count, 5);
    assert_non_null(recorder_value(&w->r, "config/virtualservices/default/elsewhere"));
    assert_string_equal(recorder_value(&w->r, "config/virtualservices/shop/v"),
        "{\"kind\":\"VirtualService\",\"metadata\":{\"name\":\"v\"}}");
    assert_string_equal(
        recorder_value(&w->r, "mesh"), "{\"outboundTrafficPolicy\":{\"mode\":\"REGISTRY_ONLY\"}}");
    assert_string_equal(
        recorder_value(&w->r, "registry/shop/cart/10.0.0.1-8080"), "{\"address\":\"10.0.0.1\"}");
    assert_string_equal(recorder_value(&w->r, "services/shop/cart"), "{ \"ports\": [] }\n");
}

static void test_integers_keep_their_digits(void **state)
{
    struct world *w = *state;
    write_file(w,
        "mesh.yaml",
        "a: 1230000000000000\nb: 9007199254740991\nc: -1000000000000000\nd: 1.5\ne: 0\n");

    follow(w);

    assert_string_equal(recorder_value(&w->r, "mesh"),
        "{\"a\":1230000000000000,\"b\":9007199254740991,\"c\":-1000000000000000,\"d\":1.5,\"e\":"
        "0}");
}

static int64_t order_of(const struct world *w, const char *name)
{
    char key[128];
    snprintf(key, sizeof key, "config/virtualservices/default/%s", name);
    const struct recorded *recorded = recorder_find(&w->r, key);
    assert_non_null(recorded);
    return recorded->create_revision;
}

#define VS_AT(name, time)                                                                          \
    "kind: VirtualService\nmetadata: {name: " name ", creationTimestamp: \"" time "\"}\n"

static void test_creation_order_is_time_then_the_order_of_documents(void **state)
{
    struct world *w = *state;
    write_file(w, "a.yaml", VS("z") "---\n" VS("b"));
    write_file(w, "a/b.yaml", VS("y"));
    write_file(w, "t.yaml", VS_AT("late", "2024-01-02T00:00:00Z"));
    write_file(w, "u.yaml", VS_AT("early", "2024-01-02T01:00:00+02:00"));
    write_file(w, "v.yaml", VS_AT("middle", "2024-01-01T23:00:00.5Z"));
    write_file(w, "registry/a/b/c.json", "{}");

    follow(w);

    assert_int_equal(order_of(w, "early"), 1);
    assert_int_equal(order_of(w, "middle"), 2);
    assert_int_equal(order_of(w, "late"), 3);
    assert_int_equal(order_of(w, "z"), 4); /* a.yaml sorts before a/b.yaml */
    assert_int_equal(order_of(w, "b"), 5);
    assert_int_equal(order_of(w, "y"), 6);
    assert_int_equal(recorder_find(&w->r, "registry/a/b/c")->create_revision, 1);
}

static void test_times_of_centuries_away_have_an_order_too(void **state)
{
    struct world *w = *state;
    write_file(w, "a.yaml", VS_AT("never", "9999-12-31T23:59:59.9Z"));
    write_file(w, "b.yaml", VS_AT("now", "2024-01-01T00:00:00Z"));
    write_file(w, "c.yaml", VS_AT("once", "1000-01-01T00:00:00Z"));

    follow(w);

    assert_int_equal(order_of(w, "once"), 1);
    assert_int_equal(order_of(w, "now"), 2);
    assert_int_equal(order_of(w, "never"), 3);
}

static void test_of_two_documents_with_one_key_the_first_counts(void **state)
{
    struct world *w = *state;
    write_file(w, "a.yaml", VS("same") "spec: {from: a}\n");
    write_file(w, "b.yaml", VS("other") "---\n" VS("same") "spec: {from: b}\n");

    follow(w);

    assert_non_null(strstr(recorder_value(&w->r, "config/virtualservices/default/same"), "\"a\""));
    assert_non_null(strstr(fault_of(w, "b.yaml"),
        "/b.yaml:3:1: config/virtualservices/default/same"
        " is already given by "));
    assert_non_null(strstr(fault_of(w, "b.yaml"), "/a.yaml:1"));

    remove_file(w, "a.yaml");
    recorder_until(&w->r, !fault_of(w, "b.yaml"));
    recorder_until(&w->r, w->r.revision == 2);
    assert_non_null(strstr(recorder_value(&w->r, "config/virtualservices/default/same"), "\"b\""));
}

/* ---- what changes ---- */

static void test_a_change_tells_what_is_different_alone(void **state)
{
    struct world *w = *state;
    write_file(w, "a.yaml", VS("a"));
    write_file(w, "b.yaml", VS("b") "---\n" VS("c"));
    follow(w);
    forget_log(&w->r);

    write_file(w, "b.yaml", VS("b") "---\n" VS("c") "spec: {x: 1}\n");
    recorder_until(&w->r, w->r.revision == 2);
    assert_int_equal(w->r.told, 1);
    assert_int_equal(recorder_find(&w->r, "config/virtualservices/default/c")->mod_revision, 2);
    assert_int_equal(recorder_find(&w->r, "config/virtualservices/default/b")->mod_revision, 1);

    write_file(w, "new/deep/d.yaml", VS("d"));
    recorder_until(&w->r, recorder_value(&w->r, "config/virtualservices/default/d"));
    write_file(w, "new/deep/e.yaml", VS("e")); /* in a directory that is watched since */
    recorder_until(&w->r, recorder_value(&w->r, "config/virtualservices/default/e"));
    remove_file(w, "new/deep/d.yaml");
    recorder_until(&w->r, !recorder_value(&w->r, "config/virtualservices/default/d"));
}

static void test_a_change_is_told_soon(void **state)
{
    struct world *w = *state;
    follow(w);
    uint64_t before = uv_hrtime();

    write_file(w, "mesh.json", "{}");
    recorder_until(&w->r, recorder_value(&w->r, "mesh"));

    assert_true((uv_hrtime() - before) / 1000000 < 1000); /* by the event, not by the rescan */
}

static void test_a_rewrite_of_equal_size_is_noticed(void **state)
{
    struct world *w = *state;
    char path[256], value[8];
    write_file(w, "mesh.json", "{\"a\":0}");
    follow(w);

    for (int i = 1; i < 10; i++) {
        FILE *file = fopen(path_in(w, path, "mesh.json"), "r+"); /* in place: the same inode */
        fprintf(file, "{\"a\":%d}", i);
        fclose(file);
        snprintf(value, sizeof value, "{\"a\":%d}", i);
        recorder_until(&w->r, strcmp(recorder_value(&w->r, "mesh"), value) == 0);
    }
}

static void test_touching_a_file_is_no_change(void **state)
{
    struct world *w = *state;
    write_file(w, "mesh.json", "{}");
    follow(w);

    write_file(w, "mesh.json", "{}");
    write_file(w, "services/a/b.json", "{}");
    recorder_until(&w->r, recorder_value(&w->r, "services/a/b"));

    assert_int_equal(recorder_find(&w->r, "mesh")->mod_revision, 1);
}

/* ---- faults ---- */

static void test_a_file_that_breaks_keeps_what_it_held_until_it_is_mended(void **state)
{
    struct world *w = *state;
    write_file(w, "a.yaml", VS("a"));
    follow(w);
    forget_log(&w->r);

    write_file(w, "a.yaml", VS("a") "spec: [1, 2\n");
    recorder_until(&w->r, fault_of(w, "a.yaml"));
    assert_non_null(strstr(fault_of(w, "a.yaml"), "/a.yaml:4:1: "));
    assert_non_null(strstr(fault_of(w, "a.yaml"), "[PIL0101]"));
    write_file(w, "b.yaml", VS("b"));
    recorder_until(&w->r, recorder_value(&w->r, "config/virtualservices/default/b"));
    assert_non_null(recorder_value(&w->r, "config/virtualservices/default/a"));

    write_file(w, "a.yaml", VS("a2"));
    recorder_until(&w->r, !fault_of(w, "a.yaml"));
    recorder_until(&w->r, !recorder_value(&w->r, "config/virtualservices/default/a"));
    assert_non_null(recorder_value(&w->r, "config/virtualservices/default/a2"));
}

static void test_a_faulty_document_is_left_out_and_placed(void **state)
{
    struct world *w = *state;
    write_file(w,
        "a.yaml",
        VS("good") "---\nkind: Deployment\nmetadata: {name: x}\n---\nkind: VirtualService\n"
                   "metadata: {}\n---\n" VS_AT("odd", "yesterday") "---\n- 1\n");

    follow(w);

    const char *faults = fault_of(w, "a.yaml");
    assert_int_equal(w->r.values.count, 1);
    assert_non_null(strstr(faults, "/a.yaml:4:1: kind: \"Deployment\" is not known"));
    assert_non_null(strstr(faults, "/a.yaml:8:1: metadata.name: is required"));
    assert_non_null(strstr(faults, "/a.yaml:11:23: metadata.creationTimestamp: is no time"));
    assert_non_null(strstr(faults, "/a.yaml:13:1: "));
}

static void test_faults_of_single_values(void **state)
{
    struct world *w = *state;
    write_file(w, "mesh.yaml", "a: 1\n---\nb: 1\n");
    write_file(w, "services/a/empty.json", "");
    write_file(w, "services/a/yaml.json", "a: 1\n");

    follow(w);

    assert_int_equal(w->r.values.count, 0);
    assert_non_null(strstr(fault_of(w, "mesh.yaml"), "exactly one value"));
    assert_non_null(strstr(fault_of(w, "services/a/empty.json"), "exactly one value"));
    assert_non_null(strstr(fault_of(w, "services/a/yaml.json"), "is not JSON"));

    remove_file(w, "mesh.yaml");
    recorder_until(&w->r, !fault_of(w, "mesh.yaml"));
}

static void test_what_is_no_file_is_passed_over(void **state)
{
    struct world *w = *state;
    char path[256];
    assert_int_equal(mkfifo(path_in(w, path, "pipe.yaml"), 0666), 0);
    assert_int_equal(symlink("/nowhere", path_in(w, path, "dangling.yaml")), 0);
    assert_int_equal(symlink(".", path_in(w, path, "loop")), 0);
    write_file(w, "mesh.json", "{}");

    follow(w);

    assert_int_equal(w->r.values.count, 1);
    assert_int_equal(w->r.faults.count, 0);
}

static void test_a_folder_that_is_away_is_waited_for_and_its_loss_changes_nothing(void **state)
{
    struct world *w = *state;
    char other[96], url[128];
    snprintf(other, sizeof other, "%s/later", w->dir);
    snprintf(url, sizeof url, "file:%s/", other);
    recorder_open(&w->r, url, &layout);
    recorder_until(&w->r, w->r.states.size > 0);
    assert_int_equal(store_status(w->r.store)->state, STORE_CONNECTING);
    assert_non_null(strstr(store_status(w->r.store)->problem, "No such file"));

    write_file(w, "later/mesh.json", "{}");
    store_reconnect(w->r.store);
    recorder_until_following(&w->r);
    assert_string_equal(recorder_value(&w->r, "mesh"), "{}");

    char moved[96];
    snprintf(moved, sizeof moved, "%s/moved", w->dir);
    assert_int_equal(rename(other, moved), 0);
    recorder_until(&w->r, store_status(w->r.store)->state == STORE_BEHIND);
    assert_non_null(recorder_value(&w->r, "mesh"));
    assert_int_equal(rename(moved, other), 0);
    recorder_until(&w->r, store_status(w->r.store)->state == STORE_FOLLOWING);
    assert_int_equal(w->r.told, 1);
}

/* ---- requests ---- */

static struct error write_error(struct world *w, const struct store_write *write)
{
    struct answer *answer = answer_new(&w->r);
    store_txn(w->r.store, write, 1, &answer->call);
    return answer_error(answer);
}

static struct store_write write_of(const char *key, const char *value)
{
    return (struct store_write){ .key = key,
        .value = value,
        .size = value ? strlen(value) : 0,
        .expected_mod_revision = STORE_ANY_REVISION };
}

static void test_writes_make_and_remove_files(void **state)
{
    struct world *w = *state;
    struct stat st;
    char path[256];
    follow(w);

    recorder_put(&w->r, "registry/shop/cart/1", "{\"a\": 1}");
    assert_log(&w->r, "+registry/shop/cart/1={\"a\": 1} "); /* told before the answer */
    assert_int_equal(stat(path_in(w, path, "registry/shop/cart/1.json"), &st), 0);
    assert_int_equal(st.st_size, 8);
    recorder_put(&w->r, "registry/shop/cart/1", "{\"a\": 2}");
    recorder_put(&w->r, "registry/shop/cart/1", NULL);
    recorder_put(&w->r, "registry/shop/cart/1", NULL);

    assert_false(has_file(w, "registry/shop/cart/1.json"));
    assert_log(&w->r,
        "+registry/shop/cart/1={\"a\": 1} +registry/shop/cart/1={\"a\": 2} -registry/shop/cart/1 ");
    assert_int_equal(w->r.stats.writes, 4);
}

static void test_writes_elsewhere_are_refused(void **state)
{
    struct world *w = *state;
    static const char *const no_file[] = { "what",
        "registry/../a/b",
        "registry/a//b",
        "registry/a/b/.c",
        "config/a/b",
        "mesh/",
        "",
        "/mesh",
        "registry/a/b/c/d" };
    write_file(w, "a.yaml", "\n" VS("a"));
    write_file(w, "mesh.yaml", "{}");
    follow(w);

    for (size_t i = 0; i < ARRAY_COUNT(no_file); i++) {
        struct store_write write = write_of(no_file[i], "{}");
        assert_int_equal(write_error(w, &write).code, ERROR_REFUSED);
    }
    struct store_write document = write_of("config/virtualservices/default/a", NULL);
    assert_non_null(strstr(write_error(w, &document).text, "stands in a.yaml, line 2"));
    struct store_write yaml = write_of("mesh", "{\"x\":1}");
    assert_non_null(strstr(write_error(w, &yaml).text, "stands in mesh.yaml"));
    struct store_write no_json = write_of("services/a/b", "{");
    assert_non_null(strstr(write_error(w, &no_json).text, "not JSON"));
    assert_false(has_file(w, "mesh.json"));
}

static void test_conditions_are_checked_against_the_files_as_they_are(void **state)
{
    struct world *w = *state;
    struct store_write write = write_of("services/a/b", "{}");
    recorder_open_oneshot(&w->r, w->url, &layout);
    write.expected_mod_revision = 0;

    struct answer first = recorder_write(&w->r, &write);
    assert_true(first.succeeded);
    assert_false(recorder_write(&w->r, &write).succeeded);
    write.expected_mod_revision = first.revision;
    write_file(w, "services/a/b.json", "{\"by\": \"others\"}");
    assert_false(recorder_write(&w->r, &write).succeeded);
}

static void test_a_transaction_is_all_or_nothing(void **state)
{
    struct world *w = *state;
    follow(w);
    struct store_write writes[] = {
        write_of("services/a/b", "{}"), write_of("services/a/c", "{}"), write_of("nowhere", "{}")
    };

    struct answer *answer = answer_new(&w->r);
    store_txn(w->r.store, writes, 3, &answer->call);
    assert_int_equal(answer_error(answer).code, ERROR_REFUSED);
    assert_false(has_file(w, "services/a/b.json"));

    answer = answer_new(&w->r);
    store_txn(w->r.store, writes, 2, &answer->call);
    assert_int_equal(answer_good(answer).revision, 2);
    assert_int_equal(recorder_find(&w->r, "services/a/b")->mod_revision, 2);
    assert_int_equal(recorder_find(&w->r, "services/a/c")->mod_revision, 2);
}

static void test_get_and_list(void **state)
{
    struct world *w = *state;
    write_file(w, "services/a/b.json", "1");
    write_file(w, "services/a/bc.json", "2");
    recorder_open_oneshot(&w->r, w->url, &layout);

    struct answer *get = answer_new(&w->r), *list = answer_new(&w->r), *none = answer_new(&w->r);
    store_get(w->r.store, "services/a/b", &get->call);
    store_list(w->r.store, "services/", &list->call);
    store_get(w->r.store, "services/a", &none->call);
    struct answer got = answer_good(get), listed = answer_good(list);

    assert_string_equal(got.text.data, "services/a/b=1 ");
    assert_string_equal(listed.text.data, "services/a/b=1 services/a/bc=2 ");
    assert_int_equal(answer_good(none).count, 0);
    buf_fini(&got.text);
    buf_fini(&listed.text);
}

static void test_leased_keys_go_with_their_lease_or_the_store(void **state)
{
    struct world *w = *state;
    follow(w);
    int64_t leases[2];
    for (int i = 0; i < 2; i++) {
        struct answer *grant = answer_new(&w->r);
        store_lease_grant(w->r.store, 10, &grant->call);
        leases[i] = answer_good(grant).lease;
        struct store_write write = write_of(i ? "registry/a/b/2" : "registry/a/b/1", "{}");
        write.lease = leases[i];
        recorder_write(&w->r, &write);
    }
    recorder_put(&w->r, "registry/a/b/3", "{}");
    assert_int_equal(recorder_find(&w->r, "registry/a/b/2")->lease, leases[1]);

    struct answer *answer = answer_new(&w->r);
    store_lease_revoke(w->r.store, leases[0], &answer->call);
    answer_good(answer);
    assert_null(recorder_value(&w->r, "registry/a/b/1"));
    for (int i = 0; i < 2; i++) {
        answer = answer_new(&w->r);
        store_lease_keepalive(w->r.store, leases[i], &answer->call);
        assert_int_equal(answer_good(answer).lease, i ? leases[1] : STORE_LEASE_NONE);
    }
    struct store_write late = write_of("registry/a/b/4", "{}");
    late.lease = leases[0];
    assert_int_equal(write_error(w, &late).code, ERROR_NOT_FOUND);

    recorder_close_store(&w->r);
    assert_false(has_file(w, "registry/a/b/2.json"));
    assert_true(has_file(w, "registry/a/b/3.json"));
}

static void test_refusals_of_the_interface(void **state)
{
    struct world *w = *state;
    struct store_write many[STORE_TXN_WRITES_MAX + 1];
    struct store_write twice[] = { write_of("mesh", "{}"), write_of("mesh", NULL) };
    char keys[ARRAY_COUNT(many)][32];
    for (size_t i = 0; i < ARRAY_COUNT(many); i++) {
        snprintf(keys[i], sizeof keys[i], "services/a/n%zu", i);
        many[i] = write_of(keys[i], "{}");
    }
    follow(w);

    struct answer *answer = answer_new(&w->r);
    store_txn(w->r.store, many, ARRAY_COUNT(many), &answer->call);
    assert_int_equal(answer_error(answer).code, ERROR_REFUSED);
    answer = answer_new(&w->r);
    store_txn(w->r.store, twice, 2, &answer->call);
    assert_non_null(strstr(answer_error(answer).text, "twice"));
}

static void test_a_readonly_store_refuses_writes(void **state)
{
    struct world *w = *state;
    struct store_options options = {
        .url = w->url, .layout = &layout, .is_oneshot = true, .is_readonly = true
    };
    struct error err;
    assert_true(store_open(w->r.loop, &options, NULL, &w->r.store, &err));
    struct store_write write = write_of("mesh", "{}");
    assert_int_equal(write_error(w, &write).code, ERROR_REFUSED);

    struct answer *answer = answer_new(&w->r);
    store_lease_grant(w->r.store, 10, &answer->call);
    assert_int_equal(answer_error(answer).code, ERROR_REFUSED);
    assert_false(has_file(w, "mesh.json"));
}

static void test_urls_that_are_refused(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *url, *text;
    } cases[] = {
        { "file:", "must name a folder" },
        { "/etc", "neither" },
        { "etcd:h", "must be etcd://" },
        { "etcd://", "no HOST:PORT" },
        { "etcd://h:0", "no HOST:PORT" },
        { "etcd://h:99999", "no HOST:PORT" },
        { "etcd://h,,i", "no HOST:PORT" },
        { "etcd://h h", "no HOST:PORT" },
        { "etcd://[::1", "no HOST:PORT" },
        { "etcd://user:secret@h", "users" },
        { "etcd://h/a?b", "plain text" },
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct store_options options = { .url = cases[i].url, .is_oneshot = true };
        struct error err = { 0 };
        assert_false(store_open(w->r.loop, &options, NULL, &w->r.store, &err));
        assert_int_equal(err.code, ERROR_USAGE);
        if (!strstr(err.text, cases[i].text))
            fail_msg("%s: %s", cases[i].url, err.text);
    }
}

static void test_a_store_can_be_closed_from_any_callback(void **state)
{
    struct world *w = *state;
    static const char *const moments[] = { "changes", "synced", "state", "reply" };
    write_file(w, "mesh.json", "{}");

    for (size_t i = 0; i < ARRAY_COUNT(moments); i++) {
        struct recorder r;
        struct answer *answer = answer_new(&r);
        recorder_init(&r);
        r.close_when = moments[i];
        recorder_open(&r, w->url, &layout);
        store_get(r.store, "mesh", &answer->call);
        recorder_until(&r, !r.store);
        recorder_close(&r);
        buf_fini(&answer->text);
        free(answer);
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_documents_become_values_with_the_layouts_keys),
        TEST(test_files_of_single_values_have_their_path_as_key),
        TEST(test_integers_keep_their_digits),
        TEST(test_creation_order_is_time_then_the_order_of_documents),
        TEST(test_times_of_centuries_away_have_an_order_too),
        TEST(test_of_two_documents_with_one_key_the_first_counts),
        TEST(test_a_change_tells_what_is_different_alone),
        TEST(test_a_change_is_told_soon),
        TEST(test_a_rewrite_of_equal_size_is_noticed),
        TEST(test_touching_a_file_is_no_change),
        TEST(test_a_file_that_breaks_keeps_what_it_held_until_it_is_mended),
        TEST(test_a_faulty_document_is_left_out_and_placed),
        TEST(test_faults_of_single_values),
        TEST(test_what_is_no_file_is_passed_over),
        TEST(test_a_folder_that_is_away_is_waited_for_and_its_loss_changes_nothing),
        TEST(test_writes_make_and_remove_files),
        TEST(test_writes_elsewhere_are_refused),
        TEST(test_conditions_are_checked_against_the_files_as_they_are),
        TEST(test_a_transaction_is_all_or_nothing),
        TEST(test_get_and_list),
        TEST(test_leased_keys_go_with_their_lease_or_the_store),
        TEST(test_refusals_of_the_interface),
        TEST(test_a_readonly_store_refuses_writes),
        TEST(test_urls_that_are_refused),
        TEST(test_a_store_can_be_closed_from_any_callback),
    };
    return cmocka_run_group_tests_name("store_file", tests, NULL, NULL);
}
