/* object: keys, envelopes, values that are no good, and what a good one becomes. */
#include "base/buf.h"
#include "model/object.h"
#include "model/registry.h"
#include "model/virtual_service.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define KEY "config/virtualservices/default/reviews"
#define GOOD                                                                                       \
    "{\"apiVersion\":\"networking.istio.io/v1\",\"kind\":\"VirtualService\","                      \
    "\"metadata\":{\"name\":\"reviews\",\"namespace\":\"default\"},"                               \
    "\"spec\":{\"hosts\":[\"reviews\"],\"http\":[{\"route\":[{\"destination\":"                    \
    "{\"host\":\"reviews\",\"subset\":\"v1\"}}]}]}}"

struct fixture {
    struct arena *a;
    struct diags diags;
};

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    f->a = arena_new();
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    arena_free(f->a);
    free(f);
    return 0;
}

static const char *texts(struct fixture *f)
{
    const char *all = "";
    for (list_each (const struct diag, diag, &f->diags.list))
        all = arena_printf(f->a, "%s%s%s", all, *all ? "\n" : "", diag_text(f->a, diag));
    return all;
}

static struct object *decode(struct fixture *f, const char *key, const char *value)
{
    diags_init(&f->diags, f->a);
    return object_decode(key, value, strlen(value), 7, &f->diags);
}

static void assert_refused(
    struct fixture *f, const char *key, const char *value, const char *expected)
{
    assert_null(decode(f, key, value));
    if (strcmp(texts(f), expected) != 0)
        fail_msg("%s must be refused with:\n%s\nbut is with:\n%s", key, expected, texts(f));
}

/* ---- good values ---- */

static void test_a_good_value_becomes_an_object(void **state)
{
    struct fixture *f = *state;

    struct object *o = decode(f, KEY, GOOD);

    assert_string_equal(texts(f), "");
    assert_int_equal(o->kind, KIND_VIRTUAL_SERVICE);
    assert_string_equal(o->key, KEY);
    assert_string_equal(o->ns, "default");
    assert_string_equal(o->name, "reviews");
    assert_null(o->service);
    assert_int_equal(o->create_revision, 7);
    const struct virtual_service *vs = o->spec;
    assert_string_equal(vs->http.items[0].route.items[0].destination->subset, "v1");
    object_release(o);
}

static void test_the_digest_covers_key_and_bytes(void **state)
{
    struct fixture *f = *state;
    struct object *a = decode(f, KEY, GOOD);
    struct object *same = object_decode(KEY, GOOD, strlen(GOOD), 9, &f->diags);
    struct object *bytes = decode(f, KEY, GOOD " ");
    struct object *one = decode(f, "registry/a/s/1", "{\"address\":\"h\",\"ports\":{\"p\":1}}");
    struct object *two = decode(f, "registry/a/s/2", "{\"address\":\"h\",\"ports\":{\"p\":1}}");

    assert_true(hash128_equal(&a->digest, &same->digest));
    assert_false(hash128_equal(&a->digest, &bytes->digest));
    assert_false(hash128_equal(&one->digest, &two->digest));

    object_release(a);
    object_release(same);
    object_release(bytes);
    object_release(one);
    object_release(two);
}

static void test_metadata_of_kubernetes_is_passed_over(void **state)
{
    struct fixture *f = *state;

    struct object *o = decode(f,
        "config/serviceentries/default/x",
        "{\"apiVersion\":\"networking.istio.io/v1beta1\",\"kind\":\"ServiceEntry\",\"metadata\":{"
        "\"name\":\"x\",\"namespace\":\"default\",\"uid\":\"1\",\"resourceVersion\":\"2\","
        "\"generation\":3,\"managedFields\":[{\"manager\":\"m\"}],"
        "\"creationTimestamp\":\"2026-01-31T12:00:00Z\",\"labels\":{\"b\":\"2\",\"a\":\"1\"},"
        "\"annotations\":{\"a.b/c\":\"any text\"}},\"spec\":{\"hosts\":[\"a.b\"]},\"status\":{}}");

    assert_string_equal(texts(f), "");
    assert_string_equal(o->labels.items[0].key, "a");
    assert_string_equal(labels_find(&o->annotations, "a.b/c"), "any text");
    object_release(o);
}

static void test_warnings_do_not_refuse_and_are_kept(void **state)
{
    struct fixture *f = *state;

    struct object *o = decode(f, "mesh", "{\"ingressClass\":\"x\",\"connectTimeout\":\"3s\"}");

    assert_non_null(o);
    assert_int_equal(f->diags.warnings, 1);
    assert_string_equal(
        texts(f), "ingressClass: has no effect; there is no Kubernetes here [PIL0108]");
    assert_int_equal(o->warnings.count, 1);
    assert_string_equal(o->warnings.items[0].path, "ingressClass");
    object_release(o);
}

static void test_mesh_config_is_read_bare_and_enveloped(void **state)
{
    static const char *const forms[] = {
        "{\"proxyListenPort\":1,\"bad\":2}",
        "{\"kind\":\"MeshConfig\",\"apiVersion\":\"x\",\"proxyListenPort\":1,\"bad\":2}",
        "{\"kind\":\"MeshConfig\",\"metadata\":{\"name\":\"x\"},\"spec\":"
        "{\"proxyListenPort\":1,\"bad\":2}}",
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_COUNT(forms); i++)
        assert_refused(f,
            "mesh",
            forms[i],
            arena_printf(f->a, "%sbad: unknown field [PIL0102]", i == 2 ? "spec." : ""));

    assert_refused(f,
        "mesh",
        "{\"kind\":\"Gateway\",\"spec\":{}}",
        "kind: must be \"MeshConfig\" as in the key, not \"Gateway\" [PIL0502]");
}

/* ---- keys ---- */

static void test_keys_name_kind_and_parts(void **state)
{
    static const struct {
        const char *key;
        struct object_key parts;
    } cases[] = {
        { KEY, { KIND_VIRTUAL_SERVICE, "default", "reviews", NULL } },
        { "config/destinationrules/a/b.c", { KIND_DESTINATION_RULE, "a", "b.c", NULL } },
        { "config/serviceentries/a/b", { KIND_SERVICE_ENTRY, "a", "b", NULL } },
        { "config/workloadentries/a/b", { KIND_WORKLOAD_ENTRY, "a", "b", NULL } },
        { "mesh", { KIND_MESH_CONFIG, "", "mesh", NULL } },
        { "services/a/b", { KIND_REGISTRY_SERVICE, "a", "b", NULL } },
        { "registry/a/b/10.0.0.1:80", { KIND_REGISTRY_INSTANCE, "a", "10.0.0.1:80", "b" } },
        { "replicas/r1", { KIND_NONE, "", "replicas/r1", NULL } },
        { "cluster", { KIND_NONE, "", "cluster", NULL } },
        { "holds/config/virtualservices/a/b",
            { KIND_NONE, "", "holds/config/virtualservices/a/b", NULL } },
    };
    struct fixture *f = *state;
    diags_init(&f->diags, f->a);

    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        const struct object_key *want = &cases[i].parts;
        struct object_key got;
        assert_true(object_key_parse(f->a, cases[i].key, &got, &f->diags));
        assert_int_equal(got.kind, want->kind);
        assert_string_equal(got.ns, want->ns);
        assert_string_equal(got.name, want->name);
        if (want->service)
            assert_string_equal(got.service, want->service);
        else
            assert_null(got.service);
        if (got.kind < KIND_REGISTRY_INSTANCE)
            assert_string_equal(object_key_text(f->a, got.kind, got.ns, got.name), cases[i].key);
    }
}

static void test_keys_outside_the_layout_are_faults(void **state)
{
    static const struct {
        const char *key, *fault;
    } cases[] = {
        { "", "the key \"\" is outside the layout of the keyspace [PIL0501]" },
        { "configs/virtualservices/a/b",
            "the key \"configs/virtualservices/a/b\" is outside the layout of the keyspace; did "
            "you mean \"config\"? [PIL0501]" },
        { "config/virtualservices/a",
            "the key \"config/virtualservices/a\" must be config/KIND/NAMESPACE/NAME [PIL0501]" },
        { "config/virtualservices/a/b/c",
            "the key \"config/virtualservices/a/b/c\" must be config/KIND/NAMESPACE/NAME "
            "[PIL0501]" },
        { "config/virtualservice/a/b",
            "unknown kind \"virtualservice\"; did you mean \"virtualservices\"? [PIL0105]" },
        { "config/gateways/a/b",
            "\"gateways\" is not supported yet; supported: VirtualService, DestinationRule, "
            "ServiceEntry, WorkloadEntry, WorkloadGroup, MeshConfig [PIL0105]" },
        { "config/virtualservices/A/b",
            "the key \"config/virtualservices/A/b\" has \"A\" where there must be a lower-case DNS "
            "label (letters, digits and '-', at most 63) [PIL0501]" },
        { "config/virtualservices//b",
            "the key \"config/virtualservices//b\" has \"\" where there must be a lower-case DNS "
            "label (letters, digits and '-', at most 63) [PIL0501]" },
        { "config/virtualservices/a/b_c",
            "the key \"config/virtualservices/a/b_c\" has \"b_c\" where there must be lower-case "
            "DNS labels joined by dots (at most 253 characters) [PIL0501]" },
        { "services/a", "the key \"services/a\" must be services/NAMESPACE/SERVICE [PIL0501]" },
        { "registry/a/b",
            "the key \"registry/a/b\" must be registry/NAMESPACE/SERVICE/INSTANCE [PIL0501]" },
        { "registry/a/b/",
            "the key \"registry/a/b/\" has \"\" where there must be at least one character "
            "[PIL0501]" },
        { "mesh/x",
            "the key \"mesh/x\" is outside the layout of the keyspace; did you mean "
            "\"mesh\"? [PIL0501]" },
        { "replicas/r1", "the key is not one of configuration [PIL0501]" },
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_COUNT(cases); i++)
        assert_refused(f, cases[i].key, GOOD, cases[i].fault);
}

static void test_documents_name_their_keys(void **state)
{
    struct fixture *f = *state;
    diags_init(&f->diags, f->a);

    assert_string_equal(object_key_of_document(f->a, "ServiceEntry", "n", "x", &f->diags),
        "config/serviceentries/n/x");
    assert_string_equal(object_key_of_document(f->a, "MeshConfig", "n", "x", &f->diags), "mesh");
    assert_string_equal(texts(f), "");
    assert_null(object_key_of_document(f->a, "Service", "n", "x", &f->diags));
    assert_null(object_key_of_document(f->a, "VirtualServise", "n", "x", &f->diags));
    assert_string_equal(texts(f),
        "kind: unknown kind \"Service\"; supported: VirtualService, DestinationRule, ServiceEntry, "
        "WorkloadEntry, WorkloadGroup, MeshConfig [PIL0105]\n"
        "kind: unknown kind \"VirtualServise\"; did you mean \"VirtualService\"? [PIL0105]");
}

static void test_kinds_are_found_by_any_of_their_names(void **state)
{
    (void)state;

    assert_int_equal(kind_find("VirtualService"), KIND_VIRTUAL_SERVICE);
    assert_int_equal(kind_find("virtualservices"), KIND_VIRTUAL_SERVICE);
    assert_int_equal(kind_find("virtualservice"), KIND_VIRTUAL_SERVICE);
    assert_int_equal(kind_find("VS"), KIND_VIRTUAL_SERVICE);
    assert_int_equal(kind_find("dr"), KIND_DESTINATION_RULE);
    assert_int_equal(kind_find("se"), KIND_SERVICE_ENTRY);
    assert_int_equal(kind_find("we"), KIND_WORKLOAD_ENTRY);
    assert_int_equal(kind_find("wg"), KIND_WORKLOAD_GROUP);
    assert_int_equal(kind_find("instance"), KIND_REGISTRY_INSTANCE);
    assert_int_equal(kind_find("gateway"), KIND_NONE);
    assert_string_equal(kind_info(KIND_SERVICE_ENTRY)->plural, "serviceentries");
}

/* ---- envelopes ---- */

static void test_the_value_must_be_its_keys(void **state)
{
    struct fixture *f = *state;

    assert_refused(f,
        "config/virtualservices/prod/details",
        GOOD,
        "metadata.name: must be \"details\" as in the key, not \"reviews\" [PIL0502]\n"
        "metadata.namespace: must be \"prod\" as in the key, not \"default\" [PIL0502]");
    assert_refused(f,
        "config/destinationrules/default/reviews",
        GOOD,
        "kind: must be \"DestinationRule\" as in the key, not \"VirtualService\" [PIL0502]");
}

static void test_the_envelope_is_checked_like_the_rest(void **state)
{
    struct fixture *f = *state;

    assert_refused(f,
        KEY,
        "{\"kind\":\"VirtualService\",\"spec\":{\"hosts\":[\"a\"]}}",
        "apiVersion: is required [PIL0104]\n"
        "spec.http: must have at least one route: http, tls or tcp [PIL0104]");
    assert_refused(f,
        KEY,
        "{\"apiVersion\":\"v2\",\"kind\":\"VirtualService\",\"metadata\":{\"lables\":{},"
        "\"labels\":{\"a b\":\"c\"},\"creationTimestamp\":\"today\"},\"spek\":{}}",
        "metadata.lables: unknown field; did you mean \"labels\"? [PIL0102]\n"
        "metadata.labels[\"a b\"]: must be a label's key: [PREFIX/]NAME of letters, digits, '-', "
        "'_' and '.', at most 63, not \"a b\" [PIL0203]\n"
        "metadata.creationTimestamp: must be a time such as 2026-01-31T12:00:00Z, not \"today\" "
        "[PIL0203]\n"
        "spek: unknown field; did you mean \"spec\"? [PIL0102]\n"
        "spec: is required [PIL0104]");
    assert_refused(f,
        KEY,
        "{\"apiVersion\":\"networking.istio.io/v9\",\"kind\":\"VirtualService\",\"spec\":[]}",
        "apiVersion: must be networking.istio.io/v1 (or v1beta1, v1alpha3), not "
        "\"networking.istio.io/v9\" [PIL0202]\n"
        "spec: must be an object, not a list [PIL0103]");
}

/* ---- values that are no good at all ---- */

static const char *repeat(struct arena *a, const char *piece, size_t count)
{
    size_t size = strlen(piece);
    char *text = arena_alloc(a, size * count + 1, 1);
    for (size_t i = 0; i < count; i++)
        memcpy(text + i * size, piece, size);
    return text;
}

static void test_what_is_not_json_is_refused(void **state)
{
    struct fixture *f = *state;

    assert_refused(f, KEY, "", "is not JSON: stopped at byte 0 [PIL0101]");
    assert_refused(f, KEY, "hosts: [a]", "is not JSON: stopped at byte 0 [PIL0101]");
    assert_refused(f, KEY, "{} {}", "is not JSON: stopped at byte 3 [PIL0101]");
    assert_refused(f, KEY, "[]", "must be an object [PIL0103]");
    assert_refused(f, KEY, "null", "must be an object [PIL0103]");
    assert_refused(f, KEY, "{\"kind\":1,\"kind\":2}", "key \"kind\" is given twice [PIL0101]");
}

static void test_text_that_envoy_would_refuse_is_refused(void **state)
{
    struct fixture *f = *state;

    assert_refused(f, "mesh", "{\"a\":\"\xff\"}", "is not UTF-8 text: stopped at byte 6 [PIL0101]");
    assert_refused(
        f, "mesh", "{\"a\":\"\xc0\x80\"}", "is not UTF-8 text: stopped at byte 6 [PIL0101]");
    assert_refused(
        f, "mesh", "{\"a\":\"\xed\xa0\x80\"}", "is not UTF-8 text: stopped at byte 6 [PIL0101]");
    assert_refused(
        f, "mesh", "{\"a\":\"x\\u0000y\"}", "contains a NUL character at byte 7 [PIL0101]");
    assert_refused(f, "mesh", "{\"a\":\"x\\\\u0000y\"}", "a: unknown field [PIL0102]");
    diags_init(&f->diags, f->a);
    assert_null(object_decode("mesh", "{}\0", 3, 1, &f->diags));
    assert_string_equal(texts(f), "is not UTF-8 text: stopped at byte 2 [PIL0101]");
}

static void test_large_and_deep_values_are_refused(void **state)
{
    struct fixture *f = *state;

    assert_refused(
        f, KEY, repeat(f->a, "[", 10000), "nested deeper than 64 levels at byte 64 [PIL0101]");
    assert_refused(f,
        KEY,
        repeat(f->a, "{\"a\":", 10000),
        "nested deeper than 64 levels at byte 320 [PIL0101]");
    assert_refused(f,
        KEY,
        repeat(f->a, "x", 1536 * 1024),
        "is 1572864 bytes; at most 1048576 are accepted [PIL0107]");
    assert_refused(f,
        "mesh",
        arena_printf(f->a, "{\"a\":\"%s\"}", repeat(f->a, "\xff", OBJECT_VALUE_MAX_BYTES)),
        "is 1048584 bytes; at most 1048576 are accepted [PIL0107]");
}

static void test_a_hostile_value_takes_little_time(void **state)
{
    struct fixture *f = *state;
    static const char head[] = "{\"apiVersion\":\"networking.istio.io/v1\",\"kind\":"
                               "\"VirtualService\",\"spec\":{\"hosts\":[";

    /* 90,000 hosts that all cover each other */
    assert_null(decode(f,
        KEY,
        arena_printf(f->a,
            "%s%s\"*.a\"],\"http\":[{\"redirect\":{\"uri\":\"/\"}}]}}",
            head,
            repeat(f->a, "\"x.a\",", 90000))));
    assert_int_equal(f->diags.list.count, DIAGS_LIMIT);

    /* as many empty routes as fit */
    assert_null(decode(f,
        KEY,
        arena_printf(f->a, "%s\"a\"],\"http\":[%s{}]}}", head, repeat(f->a, "{},", 340000))));
    assert_string_equal(
        texts(f), "spec.http: has too many items: at most 100000 in one resource [PIL0107]");
}

/* ---- age ---- */

static void test_age_is_settled_by_revision_then_namespace_then_name(void **state)
{
    static const char value[] = "{\"address\":\"h\",\"ports\":{\"p\":1}}";
    struct fixture *f = *state;
    struct object *objects[5] = {
        object_decode("registry/b/s/1", value, sizeof value - 1, 1, &f->diags),
        object_decode("registry/a/s/1", value, sizeof value - 1, 2, &f->diags),
        object_decode("registry/a/s/2", value, sizeof value - 1, 2, &f->diags),
        object_decode("registry/a/t/2", value, sizeof value - 1, 2, &f->diags),
        object_decode("registry/b/s/0", value, sizeof value - 1, 2, &f->diags),
    };

    for (size_t i = 0; i < ARRAY_COUNT(objects); i++)
        for (size_t j = 0; j < ARRAY_COUNT(objects); j++) {
            int order = object_compare_age(objects[i], objects[j]);
            assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
        }

    for (size_t i = 0; i < ARRAY_COUNT(objects); i++)
        object_release(objects[i]);
}

/* ---- mutations ---- */

static const struct {
    const char *key, *value;
} seeds[] = {
    { KEY, GOOD },
    { KEY,
        "{\"apiVersion\":\"networking.istio.io/v1\",\"kind\":\"VirtualService\",\"spec\":{"
        "\"hosts\":[\"*.a.b\",\"1.2.3.4\"],\"gateways\":[\"mesh\"],\"exportTo\":[\".\"],\"http\":["
        "{\"match\":[{\"uri\":{\"regex\":\"/a(b|c)*\"},\"headers\":{\"x\":{\"exact\":\"\"}},"
        "\"withoutHeaders\":{\"y\":{\"regex\":\"*\"}},\"port\":80}],\"redirect\":{\"uri\":\"/\","
        "\"redirectCode\":302}},{\"fault\":{\"delay\":{\"fixedDelay\":\"1.5s\",\"percentage\":"
        "{\"value\":0.5}}},\"route\":[{\"destination\":{\"host\":\"a\",\"port\":{\"number\":80}},"
        "\"weight\":3,\"headers\":{\"request\":{\"set\":{\"a\":\"%PROTOCOL%\"},\"remove\":[\"c\"]}}"
        "}],"
        "\"retries\":{\"attempts\":2,\"retryOn\":\"5xx,503\"},\"rewrite\":{\"uriRegexRewrite\":"
        "{\"match\":\"(a)\",\"rewrite\":\"\\\\1\"}},\"corsPolicy\":{\"allowOrigins\":[{\"prefix\":"
        "\"h\"}],\"maxAge\":\"2s\"}}]}}" },
    { "config/destinationrules/default/d",
        "{\"apiVersion\":\"networking.istio.io/v1\",\"kind\":\"DestinationRule\",\"spec\":{"
        "\"host\":\"reviews\",\"trafficPolicy\":{\"loadBalancer\":{\"consistentHash\":{"
        "\"httpCookie\":{\"name\":\"c\",\"ttl\":\"0s\"},\"maglev\":{\"tableSize\":65537}},"
        "\"localityLbSetting\":{\"distribute\":[{\"from\":\"a/b\",\"to\":{\"a/*\":60,\"b\":40}}]}},"
        "\"outlierDetection\":{\"consecutive5xxErrors\":3},\"portLevelSettings\":[{\"port\":"
        "{\"number\":80},\"tls\":{\"mode\":\"SIMPLE\",\"sni\":\"x\"}}]},\"subsets\":[{\"name\":"
        "\"v1\",\"labels\":{\"version\":\"v1\"}}]}}" },
    { "config/serviceentries/default/s",
        "{\"apiVersion\":\"networking.istio.io/v1\",\"kind\":\"ServiceEntry\",\"spec\":{\"hosts\":"
        "[\"a.b\"],\"addresses\":[\"1.2.3.4\",\"::1\"],\"ports\":[{\"number\":80,\"name\":\"http\","
        "\"protocol\":\"http\"}],\"resolution\":\"STATIC\",\"endpoints\":[{\"address\":\"10.0.0."
        "1\","
        "\"ports\":{\"http\":8080},\"locality\":\"r/z\",\"weight\":2,\"labels\":{\"a\":\"b\"}},"
        "{\"address\":\"unix:///a\"}]}}" },
    { "mesh",
        "{\"outboundTrafficPolicy\":{\"mode\":\"REGISTRY_ONLY\"},\"connectTimeout\":\"3s\"}" },
    { "services/default/s",
        "{\"ports\":[{\"name\":\"http\",\"number\":80}],\"hosts\":[\"a.b\"],\"labels\":{}}" },
    { "registry/default/s/1",
        "{\"address\":\"10.0.0.1\",\"ports\":{\"http\":80},\"health\":\"draining\"}" },
};

static uint32_t next_random(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

/* One change: a byte, a cut, a doubled piece, or a token from another place of the text. */
static void mutate(struct buf *text, uint32_t *seed)
{
    static const char *const tokens[] = { "{",
        "}",
        "[",
        "]",
        "\"",
        ",",
        ":",
        "null",
        "true",
        "-1",
        "1e99",
        "\"\"",
        "{}",
        "[]",
        "0",
        "65536",
        "\"*\"",
        "\"0s\"",
        "\\u0000",
        "\xff",
        "%",
        "/" };
    size_t at = text->size ? next_random(seed) % text->size : 0;
    size_t size = next_random(seed) % 16;
    if (size > text->size - at)
        size = text->size - at;
    struct buf out = { 0 };
    const char *token = tokens[next_random(seed) % ARRAY_COUNT(tokens)];
    buf_append(&out, text->data, at);
    switch (next_random(seed) % 5) {
    case 0: /* cut */
        break;
    case 1: /* double */
        buf_append(&out, text->data + at, size);
        buf_append(&out, text->data + at, size);
        break;
    case 2: /* replace */
        buf_text(&out, token);
        break;
    case 3: /* flip a byte */
        buf_append(&out, text->data + at, size);
        if (size)
            out.data[at] = (char)(out.data[at] ^ (1 << next_random(seed) % 8));
        break;
    default: /* insert */
        buf_text(&out, token);
        buf_append(&out, text->data + at, size);
    }
    buf_append(&out, text->data + at + size, text->size - at - size);
    buf_fini(text);
    *text = out;
}

static void test_mutated_values_are_decoded_or_refused_but_never_crash(void **state)
{
    enum { ROUNDS = 30000 };
    struct fixture *f = *state;
    uint32_t seed = 20260131;
    size_t accepted = 0, refused = 0;

    for (int i = 0; i < ROUNDS; i++) {
        size_t which = next_random(&seed) % ARRAY_COUNT(seeds);
        struct arena *a = arena_new();
        struct diags d;
        struct buf text = { 0 };
        diags_init(&d, a);
        buf_text(&text, seeds[which].value);
        for (uint32_t left = next_random(&seed) % 6; left > 0; left--)
            mutate(&text, &seed);
        struct object *o = object_decode(seeds[which].key, text.data, text.size, 1, &d);
        assert_int_equal(o == NULL, d.errors > 0);
        *(o ? &accepted : &refused) += 1;
        object_release(o);
        buf_fini(&text);
        arena_free(a);
    }

    assert_true(accepted > ROUNDS / 20);
    assert_true(refused > ROUNDS / 2);
    for (size_t i = 0; i < ARRAY_COUNT(seeds); i++) {
        struct object *o = decode(f, seeds[i].key, seeds[i].value);
        if (!o)
            fail_msg("%s: %s", seeds[i].key, texts(f));
        object_release(o);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_a_good_value_becomes_an_object),
        TEST(test_the_digest_covers_key_and_bytes),
        TEST(test_metadata_of_kubernetes_is_passed_over),
        TEST(test_warnings_do_not_refuse_and_are_kept),
        TEST(test_mesh_config_is_read_bare_and_enveloped),
        TEST(test_keys_name_kind_and_parts),
        TEST(test_keys_outside_the_layout_are_faults),
        TEST(test_documents_name_their_keys),
        TEST(test_kinds_are_found_by_any_of_their_names),
        TEST(test_the_value_must_be_its_keys),
        TEST(test_the_envelope_is_checked_like_the_rest),
        TEST(test_what_is_not_json_is_refused),
        TEST(test_text_that_envoy_would_refuse_is_refused),
        TEST(test_large_and_deep_values_are_refused),
        TEST(test_a_hostile_value_takes_little_time),
        TEST(test_age_is_settled_by_revision_then_namespace_then_name),
        TEST(test_mutated_values_are_decoded_or_refused_but_never_crash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
