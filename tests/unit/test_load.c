/* load: files into keys, values, objects in the right order, and faults in the right place. */
#include "model/mesh_config.h"
#include "model_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define SE(name, more)                                                                             \
    "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: " name more          \
    "}\nspec: {hosts: [" name ".x]}\n"

static struct loader *loader_of(struct model_fixture *f)
{
    struct loader *l = ARENA_NEW(f->a, struct loader);
    loader_init(l, f->a);
    list_push(f->a, &f->loaders, l);
    return l;
}

static void add(struct loader *l, const char *file, const char *text)
{
    loader_add(l, file, text, strlen(text));
}

static void test_faults_are_told_at_their_line_and_column(void **state)
{
    const char *found = faults_in_file(*state,
        "# canary\n"
        "apiVersion: networking.istio.io/v1\n"
        "kind: VirtualService\n"
        "metadata: {name: reviews, namespace: shop, lables: {}}\n"
        "spec:\n"
        "  hosts: [reviews]\n"
        "  http:\n"
        "  - match:\n"
        "    - uri:\n"
        "        prefx: /beta\n"
        "    route:\n"
        "    - destination: {host: reviews, subset: v2}\n"
        "      weight: 90\n"
        "    - destination:\n"
        "        host: reviews\n"
        "      weigth: 10\n"
        "  - match:\n"
        "    - headers: {x.y: {regex: '*'}}\n");

    assert_string_equal(found,
        "4:44: metadata.lables: unknown field; did you mean \"labels\"? [PIL0102]\n"
        "10:9: spec.http[0].match[0].uri.prefx: unknown field; did you mean \"prefix\"? "
        "[PIL0102]\n"
        "16:7: spec.http[0].route[1].weigth: unknown field; did you mean \"weight\"? [PIL0102]\n"
        "18:23: spec.http[1].match[0].headers[\"x.y\"].regex: must be a regular expression (RE2); "
        "\"*\" is not: no argument for repetition operator: * [PIL0203]");
}

static void test_json_files_are_placed_too(void **state)
{
    const char *found = faults_in_file(*state,
        "{\"apiVersion\": \"networking.istio.io/v1\", \"kind\": \"ServiceEntry\",\n"
        " \"metadata\": {\"name\": \"a\"},\n"
        " \"spec\": {\"hosts\": [\"a.b\"],\n"
        "          \"location\": \"MESH_INTERNALS\"}}\n");

    assert_string_equal(found,
        "4:11: spec.location: unknown value \"MESH_INTERNALS\"; did you mean \"MESH_INTERNAL\"? "
        "[PIL0202]");
}

static void test_documents_become_keys_and_values(void **state)
{
    struct model_fixture *f = *state;
    struct loader *l = loader_of(f);

    add(l, "a.yaml", SE("one", "") "---\n---\n" SE("two", ", namespace: shop"));
    loader_finish(l);

    assert_int_equal(l->errors, 0);
    assert_int_equal(l->items.count, 2);
    assert_string_equal(l->items.items[0].key, "config/serviceentries/default/one");
    assert_string_equal(l->items.items[1].key, "config/serviceentries/shop/two");
    assert_string_equal(l->items.items[1].value,
        "{\"apiVersion\":\"networking.istio.io/v1\",\"kind\":\"ServiceEntry\",\"metadata\":"
        "{\"name\":\"two\",\"namespace\":\"shop\"},\"spec\":{\"hosts\":[\"two.x\"]}}");
    assert_int_equal(l->items.items[1].size, strlen(l->items.items[1].value));
    assert_string_equal(l->items.items[1].object->name, "two");
}

static void test_age_is_the_order_but_timestamps_come_first(void **state)
{
    static const int64_t ages[] = { 4, 2, 5, 1, 2 };
    struct model_fixture *f = *state;
    struct loader *l = loader_of(f);

    add(l,
        "a.yaml",
        SE("a", "") "---\n" SE("b", ", creationTimestamp: '2026-01-02T00:00:00Z'") "---\n" SE(
            "c", ""));
    add(l,
        "b.yaml",
        SE("d", ", creationTimestamp: '2026-01-01T00:00:00Z'") "---\n" SE(
            "e", ", creationTimestamp: '2026-01-02T00:00:00Z'"));
    loader_finish(l);

    assert_int_equal(l->errors, 0);
    for (size_t i = 0; i < ARRAY_COUNT(ages); i++)
        assert_int_equal(l->items.items[i].object->create_revision, ages[i]);
}

static void test_lists_are_unpacked_and_their_faults_placed(void **state)
{
    const char *found = faults_in_file(*state,
        "apiVersion: v1\n"
        "kind: List\n"
        "items:\n"
        "- apiVersion: networking.istio.io/v1\n"
        "  kind: ServiceEntry\n"
        "  metadata: {name: a}\n"
        "  spec: {hosts: [a.b]}\n"
        "- apiVersion: networking.istio.io/v1\n"
        "  kind: ServiceEntry\n"
        "  metadata: {name: b}\n"
        "  spec:\n"
        "    hots: [a.b]\n");

    assert_string_equal(found,
        "12:5: spec.hots: unknown field; did you mean \"hosts\"? [PIL0102]\n"
        "11:3: spec.hosts: is required [PIL0104]");
}

static void test_mesh_config_comes_in_three_forms(void **state)
{
    static const char *const forms[] = {
        "kind: MeshConfig\nspec:\n  proxyListenPort: 7\n",
        "apiVersion: x\nkind: MeshConfig\nmetadata: {name: y}\nproxyListenPort: 7\n",
        "proxyListenPort: 7\n",
    };
    struct model_fixture *f = *state;

    for (size_t i = 0; i < ARRAY_COUNT(forms); i++) {
        struct loader *l = loader_of(f);
        (i == 2 ? loader_add_mesh : loader_add)(l, "m.yaml", forms[i], strlen(forms[i]));
        loader_finish(l);
        assert_int_equal(l->errors, 0);
        assert_string_equal(l->items.items[0].key, "mesh");
        assert_string_equal(l->items.items[0].value, "{\"proxyListenPort\":7}");
        const struct mesh_config *mesh = l->items.items[0].object->spec;
        assert_int_equal(mesh->proxy_listen_port, 7);
    }
    assert_string_equal(faults_in_file(f, "kind: MeshConfig\nspec:\n  connectTimeut: 1s\n"),
        "3:3: connectTimeut: unknown field; did you mean \"connectTimeout\"? [PIL0102]");
}

static void test_a_mesh_config_that_is_no_object_is_a_fault(void **state)
{
    static const char *const files[] = { "- rootNamespace: a\n", "rootNamespace\n", "[[]]", "7" };
    struct model_fixture *f = *state;

    for (size_t i = 0; i < ARRAY_COUNT(files); i++) {
        struct loader *l = loader_of(f);

        loader_add_mesh(l, "mesh.yaml", files[i], strlen(files[i]));
        loader_finish(l);

        assert_int_equal(l->items.count, 1);
        assert_int_equal(l->errors, 1);
        assert_null(l->items.items[0].object);
    }
}

static void test_documents_that_are_nothing_known_are_faults(void **state)
{
    const char *found = faults_in_file(*state,
        "just text\n"
        "---\n"
        "kind: Gateway\nmetadata: {name: g}\n"
        "---\n"
        "kind: VirtualServise\nmetadata: {name: g}\n"
        "---\n"
        "kind: VirtualService\nmetadata: {}\n"
        "---\n"
        "kind: VirtualService\nmetadata: {name: A}\nspec: {}\n"
        "---\n"
        "a: [\n");

    assert_string_equal(found,
        "17:1: is not YAML: did not find expected node content while parsing a flow node "
        "[PIL0101]\n"
        "1:1: kind: is required [PIL0104]\n"
        "3:1: kind: \"Gateway\" is not supported yet; supported: VirtualService, "
        "DestinationRule, ServiceEntry, WorkloadEntry, WorkloadGroup, MeshConfig [PIL0105]\n"
        "6:1: kind: unknown kind \"VirtualServise\"; did you mean \"VirtualService\"? [PIL0105]\n"
        "10:1: metadata.name: is required [PIL0104]\n"
        "12:1: the key \"config/virtualservices/default/A\" has \"A\" where there must be "
        "lower-case DNS labels joined by dots (at most 253 characters) [PIL0501]");
}

static void test_of_a_resource_given_twice_the_later_stands(void **state)
{
    struct model_fixture *f = *state;
    struct loader *l = loader_of(f);

    add(l, "a.yaml", SE("one", ""));
    add(l, "b.yaml", "# again\n" SE("one", ""));
    loader_finish(l);

    assert_int_equal(l->errors, 0);
    assert_null(l->items.items[0].object);
    assert_non_null(l->items.items[1].object);
    assert_string_equal(
        load_diag_text(f->a, &l->items.items[1], l->items.items[1].diags.list.items),
        "b.yaml:4:12: warning: metadata.name: config/serviceentries/default/one is given twice: "
        "this one stands, the one at a.yaml:1 is left out [PIL0301]");
}

static void test_a_fault_that_is_found_later_has_its_place(void **state)
{
    struct model_fixture *f = *state;
    struct loader *l = loader_of(f);
    struct diag diag = { .path = "spec.hosts[0]", .message = "is odd" };

    add(l, "a.yaml", SE("one", "") "---\n" SE("two", ""));
    loader_finish(l);
    const struct load_item *item = loader_locate(l, "config/serviceentries/default/two", &diag);

    assert_ptr_equal(item, &l->items.items[1]);
    assert_int_equal(diag.line, 9);
    assert_int_equal(diag.column, 16);
    assert_string_equal(diag.path, "spec.hosts[0]");
    assert_null(loader_locate(l, "config/serviceentries/default/three", &diag));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, model_setup, model_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_faults_are_told_at_their_line_and_column),
        TEST(test_json_files_are_placed_too),
        TEST(test_documents_become_keys_and_values),
        TEST(test_age_is_the_order_but_timestamps_come_first),
        TEST(test_lists_are_unpacked_and_their_faults_placed),
        TEST(test_mesh_config_comes_in_three_forms),
        TEST(test_a_mesh_config_that_is_no_object_is_a_fault),
        TEST(test_documents_that_are_nothing_known_are_faults),
        TEST(test_of_a_resource_given_twice_the_later_stands),
        TEST(test_a_fault_that_is_found_later_has_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
