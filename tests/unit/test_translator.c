/*
 * translator: a view is a pure function of the snapshot and the scope, whatever was built before
 * and in whatever order things came; what did not change is not rendered again.
 */
#include "translate_fixture.h"

#include "translate/render.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* ---- random histories over a small universe ---- */

#define META(kind, ns, name)                                                                       \
    "{\"apiVersion\":\"networking.istio.io/v1\",\"kind\":\"" kind                                  \
    "\",\"metadata\":{\"name\":\"" name "\",\"namespace\":\"" ns "\"},\"spec\":"
#define ENTRY(ns, name)    META("ServiceEntry", ns, name)
#define RULE(ns, name)     META("DestinationRule", ns, name)
#define ROUTES(ns, name)   META("VirtualService", ns, name)
#define WORKLOAD(ns, name) META("WorkloadEntry", ns, name)
#define HTTP_80            "\"ports\":[{\"number\":80,\"name\":\"http\",\"protocol\":\"HTTP\"}]"
#define HTTP_81            "\"ports\":[{\"number\":81,\"name\":\"http\",\"protocol\":\"HTTP\"}]"

enum { VARIANTS = 4 };
static const struct {
    const char *key;
    const char *variants[VARIANTS]; /* NULL: fewer */
} universe[] = {
    { "config/serviceentries/default/a",
        { ENTRY("default", "a") "{\"hosts\":[\"a.test\"],\"resolution\":\"STATIC\"," HTTP_80
                                ",\"endpoints\":[{\"address\":\"10.1.0.1\",\"labels\":"
                                "{\"version\":\"v1\"},\"locality\":\"r1/z1\"},{\"address\":"
                                "\"10.0.0.1\",\"locality\":\"r2/z1\"}]}}",
            ENTRY("default",
                "a") "{\"hosts\":[\"a.test\",\"b.test\"],\"resolution\":\"DNS\"," HTTP_80 "}}",
            ENTRY("default", "a") "{\"hosts\":[\"a.test\"],\"resolution\":\"NONE\"," HTTP_81 "}}",
            ENTRY("default", "a") "{\"hosts\":[\"a.test\"],\"resolution\":\"STATIC\"," HTTP_80
                                  ",\"exportTo\":[\".\"],"
                                  "\"workloadSelector\":{\"labels\":{\"app\":\"a\"}}}}" } },
    { "config/serviceentries/default/a2",
        { ENTRY("default", "a2") "{\"hosts\":[\"a.test\"],\"resolution\":\"STATIC\"," HTTP_81
                                 ",\"workloadSelector\":{\"labels\":{\"app\":\"a\"}}}}",
            ENTRY("default", "a2") "{\"hosts\":[\"a.test\"],\"resolution\":\"STATIC\"," HTTP_80
                                   ",\"workloadSelector\":{\"labels\":{\"app\":\"a\"}}}}" } },
    { "config/serviceentries/other/a",
        { ENTRY("other", "a") "{\"hosts\":[\"a.test\"],\"resolution\":\"STATIC\"," HTTP_80
                              ",\"endpoints\":[{\"address\":\"10.9.0.1\"}]}}" } },
    { "config/workloadentries/default/w1",
        { WORKLOAD("default", "w1") "{\"address\":\"10.2.0.1\",\"labels\":{\"app\":\"a\"}}}",
            WORKLOAD("default",
                "w1") "{\"address\":\"10.2.0.2\",\"labels\":{\"app\":\"a\"},\"weight\":3}}",
            WORKLOAD("default", "w1") "{\"address\":\"10.2.0.1\",\"labels\":{\"app\":\"x\"}}}" } },
    { "config/workloadentries/default/w2",
        { WORKLOAD("default", "w2") "{\"address\":\"10.0.0.1\",\"labels\":{\"app\":\"a\","
                                    "\"version\":\"v1\"},\"ports\":{\"http\":8080}}}" } },
    { "config/destinationrules/default/a",
        { RULE("default", "a") "{\"host\":\"a.test\",\"subsets\":[{\"name\":\"v1\",\"labels\":"
                               "{\"version\":\"v1\"}}]}}",
            RULE("default", "a") "{\"host\":\"a.test\",\"trafficPolicy\":{\"outlierDetection\":"
                                 "{\"consecutive5xxErrors\":1}}}}",
            RULE("default", "a") "{\"host\":\"*.test\",\"trafficPolicy\":{\"loadBalancer\":"
                                 "{\"simple\":\"PASSTHROUGH\"}}}}",
            RULE(
                "default", "a") "{\"host\":\"web\",\"trafficPolicy\":{\"connectionPool\":{\"tcp\":"
                                "{\"maxConnections\":3}}},\"subsets\":[{\"name\":\"v1\",\"labels\":"
                                "{\"version\":\"v1\"}}]}}" } },
    { "config/destinationrules/istio-system/a",
        { RULE("istio-system", "a") "{\"host\":\"a.test\",\"trafficPolicy\":{\"loadBalancer\":"
                                    "{\"localityLbSetting\":{\"distribute\":[{\"from\":\"r1/*\","
                                    "\"to\":{\"r2/*\":100}}]}}}}}" } },
    { "config/virtualservices/default/a",
        { ROUTES("default", "a") "{\"hosts\":[\"a.test\"],\"http\":[{\"route\":[{\"destination\":"
                                 "{\"host\":\"a.test\",\"subset\":\"v1\"}}]}]}}",
            ROUTES("default", "a") "{\"hosts\":[\"a.test\",\"web\"],\"http\":[{\"timeout\":\"2s\","
                                   "\"route\":[{\"destination\":{\"host\":\"web\"}}]}]}}",
            ROUTES("default",
                "a") "{\"hosts\":[\"*.test\"],\"http\":[{\"match\":[{\"sourceLabels\":"
                     "{\"app\":\"web\"}}],\"route\":[{\"destination\":{\"host\":\"a.test\"}}]},"
                     "{\"directResponse\":{\"status\":404}}]}}" } },
    { "config/virtualservices/other/a",
        { ROUTES("other", "a") "{\"hosts\":[\"a.test\"],\"http\":[{\"fault\":{\"abort\":"
                               "{\"httpStatus\":500,\"percentage\":{\"value\":10}}},\"route\":"
                               "[{\"destination\":{\"host\":\"a.test\"}}]}]}}" } },
    { "services/default/web",
        { "{\"ports\":[{\"name\":\"http\",\"number\":80,\"protocol\":\"HTTP\"}]}",
            "{\"ports\":[{\"name\":\"http\",\"number\":9080,\"protocol\":\"GRPC\"}],"
            "\"hosts\":[\"b.test\"]}" } },
    { "registry/default/web/1",
        { "{\"address\":\"10.3.0.1\",\"ports\":{\"http\":8080},\"labels\":{\"version\":\"v1\"}}",
            "{\"address\":\"10.3.0.1\",\"ports\":{\"http\":8081},\"health\":\"draining\"}",
            "{\"address\":\"10.0.0.1\",\"ports\":{\"http\":8080},\"locality\":\"r1/z1\"}" } },
    { "registry/default/web/2",
        { "{\"address\":\"10.3.0.2\",\"ports\":{\"http\":8080,\"tcp\":9000}}",
            "{\"address\":\"10.3.0.2\",\"ports\":{\"http\":8080},\"weight\":5}" } },
    { "registry/default/api/1",
        { "{\"address\":\"10.3.0.1\",\"ports\":{\"http\":8080}}",
            "{\"address\":\"10.3.0.1\",\"ports\":{\"http\":8080},\"health\":\"draining\"}",
            "{\"address\":\"10.0.0.1\",\"ports\":{\"http\":8080},\"serviceAccount\":\"api\"}",
            "{\"address\":\"127.0.0.7\",\"ports\":{\"http\":8080}}" } },
    { "registry/default/api/2",
        { "{\"address\":\"10.3.0.3\",\"ports\":{\"http\":8080},\"labels\":{\"version\":\"v1\"}}",
            "{\"address\":\"10.3.0.2\",\"ports\":{\"http\":8080}}",
            "{\"address\":\"10.0.0.1\",\"ports\":{\"http\":8080},\"locality\":\"r1/z1\"}" } },
    { "mesh",
        { "{\"connectTimeout\":\"3s\"}",
            "{\"outboundTrafficPolicy\":{\"mode\":\"REGISTRY_ONLY\"},"
            "\"accessLogFile\":\"/dev/stdout\"}",
            "{\"localityLbSetting\":{\"enabled\":false}}" } },
};
enum { KEYS = ARRAY_COUNT(universe), FIRST_INSTANCE = 10, INSTANCES = 4 };

struct history {
    uint64_t random;
    int64_t revision;
    struct object *objects[KEYS]; /* NULL: not there */
};

static uint64_t next_random(struct history *h)
{
    h->random ^= h->random << 13;
    h->random ^= h->random >> 7;
    h->random ^= h->random << 17;
    return h->random;
}

static size_t below(struct history *h, size_t limit)
{
    return (size_t)(next_random(h) % limit);
}

/* A key is put (which keeps its create_revision) or deleted, as in etcd. */
static void history_step_of(struct history *h, size_t key)
{
    struct object *old = h->objects[key];
    size_t variant = below(h, VARIANTS + 1);
    const char *json = variant < VARIANTS ? universe[key].variants[variant] : NULL;
    h->revision++;
    h->objects[key] = NULL;
    if (json) {
        struct fixture_value value = { universe[key].key, json };
        h->objects[key] = fixture_object(&value, old ? old->create_revision : h->revision);
    }
    object_release(old);
}

static void history_step(struct history *h)
{
    history_step_of(h, below(h, KEYS));
}

static void history_fini(struct history *h)
{
    for (size_t i = 0; i < KEYS; i++)
        object_release(h->objects[i]);
}

/* The objects come in some order: rotated and, for odd seeds, reversed. */
static struct snapshot *history_snapshot(const struct history *h, size_t order)
{
    struct object *objects[KEYS];
    size_t count = 0;
    for (size_t i = 0; i < KEYS; i++) {
        size_t at = (i + order) % KEYS;
        struct object *o = h->objects[order % 2 ? KEYS - 1 - at : at];
        if (o)
            objects[count++] = o;
    }
    return snapshot_build(objects, count, h->revision, level_newest);
}

/* ---- what must be equal ---- */

static const struct {
    const char *id, *metadata, *region;
} proxies[] = {
    { WEB_NODE, "{\"LABELS\":{\"app\":\"web\"}}", "r1" },
    { WEB_NODE, "{\"INTERCEPTION_MODE\":\"NONE\"}", "r2" },
    { "sidecar~10.3.0.1~x.other~other.svc.cluster.local", "{}", "" },
    { "sidecar~127.0.0.7~l.default~default.svc.cluster.local",
        "{\"INTERCEPTION_MODE\":\"NONE\"}",
        "" },
    { "router~10.0.0.9~gw.default~default.svc.cluster.local", "{}", "" },
};

static struct scope *proxy_scope(struct arena *a, size_t i)
{
    const struct scope_input input = {
        .node_id = proxies[i].id,
        .metadata_json = proxies[i].metadata,
        .region = proxies[i].region,
        .zone = "z1",
        .sub_zone = "",
    };
    struct scope *scope = ARENA_NEW(a, struct scope);
    struct error err;
    assert_true(scope_parse(a, &input, scope, &err));
    return scope;
}

static void assert_equal_resources(const struct xds_resource *x, const struct xds_resource *y)
{
    assert_true(x && y);
    assert_string_equal(x->name, y->name);
    assert_int_equal(x->size_bytes, y->size_bytes);
    assert_memory_equal(x->bytes, y->bytes, x->size_bytes);
    assert_true(hash128_equal(&x->version, &y->version));
}

static void assert_equal_views(const struct xds_view *x, const struct xds_view *y)
{
    for (enum xds_type type = 0; type < XDS_TYPE_COUNT; type++) {
        struct xds_cursor at_x = { 0 }, at_y = { 0 };
        assert_int_equal(xds_view_count(x, type), xds_view_count(y, type));
        for (size_t i = xds_view_count(x, type); i; i--)
            assert_equal_resources(xds_view_next(x, type, &at_x), xds_view_next(y, type, &at_y));
        assert_true(hash128_equal(&x->own[type].hash, &y->own[type].hash));
    }
}

/* Both have begun a build of equal snapshots. */
static void assert_equal_translations(struct translator *x, struct translator *y)
{
    struct arena *a = arena_new();
    for (size_t i = 0; i < ARRAY_COUNT(proxies); i++) {
        struct scope *scope = proxy_scope(a, i);
        struct xds_view *of_x = translator_view(x, scope), *of_y = translator_view(y, scope);
        assert_equal_views(of_x, of_y);
        xds_view_release(of_x);
        xds_view_release(of_y);
    }
    struct hash128 hash_x = translator_hash(x), hash_y = translator_hash(y);
    assert_true(hash128_equal(&hash_x, &hash_y));
    arena_free(a);
}

static struct translator *begun(struct snapshot *s)
{
    struct translator *t = translator_new(NULL);
    translator_begin(t, s);
    return t;
}

enum { SEEDS = 5, STEPS = 200 };

/* Most steps are of instances, which are patched in. */
static struct snapshot *next_snapshot(struct history *h, struct snapshot *former)
{
    bool is_of_endpoints = below(h, 4) > 0;
    size_t key = is_of_endpoints ? FIRST_INSTANCE + below(h, INSTANCES) : below(h, KEYS);
    history_step_of(h, key);
    const struct object_change change = { universe[key].key, h->objects[key] };
    if (!former)
        return history_snapshot(h, 0);
    struct snapshot *next = snapshot_next(former, &change, 1, h->revision, level_newest);
    snapshot_release(former);
    return next;
}

static size_t run_history(uint64_t seed)
{
    struct history h = { .random = seed };
    struct translator *old = translator_new(NULL);
    struct snapshot *s = NULL;
    size_t patched = 0;
    for (int step = 0; step < STEPS; step++) {
        s = next_snapshot(&h, s);
        patched += s->root != NULL;
        struct snapshot *whole = history_snapshot(&h, 0);
        struct translator *fresh = begun(whole);
        translator_begin(old, s);
        assert_equal_translations(old, fresh);
        translator_free(fresh);
        snapshot_release(whole);
    }
    snapshot_release(s);
    translator_free(old);
    history_fini(&h);
    return patched;
}

static void test_incremental_build_equals_build_from_nothing_byte_for_byte(void **state)
{
    (void)state;
    size_t patched = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        patched += run_history(seed * 0x9e3779b97f4a7c15u);
    assert_true(patched > SEEDS * STEPS / 4);
}

static void test_the_order_of_arrival_does_not_matter(void **state)
{
    (void)state;
    struct history h = { .random = 0x123456789abcdefu };
    for (int step = 0; step < STEPS; step++) {
        history_step(&h);
        struct snapshot *s = history_snapshot(&h, 0);
        struct snapshot *other = history_snapshot(&h, 1 + below(&h, 2 * KEYS));
        struct translator *x = begun(s), *y = begun(other);
        assert_equal_translations(x, y);
        translator_free(x);
        translator_free(y);
        snapshot_release(s);
        snapshot_release(other);
    }
    history_fini(&h);
}

static void test_replicas_that_started_at_different_times_agree(void **state)
{
    (void)state;
    struct history h = { .random = 0xfeedfacecafebeefu };
    struct translator *early = translator_new(NULL), *late = translator_new(NULL);
    for (int step = 0; step < STEPS; step++) {
        history_step(&h);
        struct snapshot *s = history_snapshot(&h, 0);
        translator_begin(early, s);
        struct hash128 one = translator_hash(early);
        if (step > STEPS / 2 && step % 3 == 0) {
            translator_begin(late, s);
            struct hash128 two = translator_hash(late);
            assert_true(hash128_equal(&one, &two));
        }
        snapshot_release(s);
    }
    translator_free(early);
    translator_free(late);
    history_fini(&h);
}

/* ---- the hash ---- */

static struct hash128 hash_of(const struct fixture_value *values, size_t count, unsigned level)
{
    struct object *objects[4] = { NULL };
    for (size_t i = 0; i < count; i++)
        objects[i] = fixture_object(&values[i], (int64_t)i + 1);
    struct snapshot *s = snapshot_build(objects, count, 7, level);
    struct translator *t = begun(s);
    struct hash128 hash = translator_hash(t);
    translator_free(t);
    snapshot_release(s);
    for (size_t i = 0; i < count; i++)
        object_release(objects[i]);
    return hash;
}

static void test_the_hash_tells_apart_objects_and_levels(void **state)
{
    (void)state;
    struct arena *a = arena_new();
    struct fixture_value one[] = { make_rule(a, "x", "'host': 'nobody.test'") };
    struct fixture_value other[] = { make_rule(a, "y", "'host': 'nobody.test'") };

    struct hash128 none = hash_of(one, 0, 1);
    struct hash128 first = hash_of(one, 1, 1), again = hash_of(one, 1, 1);
    struct hash128 second = hash_of(other, 1, 1), next_level = hash_of(one, 1, 2);

    assert_true(hash128_equal(&first, &again));
    assert_false(hash128_equal(&none, &first));
    assert_false(hash128_equal(&first, &second));
    assert_false(hash128_equal(&first, &next_level));
    arena_free(a);
}

/* ---- sharing ---- */

static void test_proxies_that_differ_only_inbound_share_their_outbound_view(void **state)
{
    (void)state;
    struct translated t;
    struct arena *a = arena_new();
    struct fixture_value values[] = { make_instance(
        a, "web/a", "'address': '10.0.0.1', 'ports': {'http': 80}") };
    translated_init(&t, values, 1, fixture_scope(a, WEB_NODE, "{}"));

    struct scope *neighbour =
        fixture_scope(a, "sidecar~10.0.0.2~b.default~default.svc.cluster.local", "{}");
    struct xds_view *other = translator_view(t.translator, neighbour);

    assert_ptr_equal(t.view->base, other->base);
    assert_non_null(xds_view_find(t.view, XDS_CLUSTER, "inbound|80||"));
    assert_null(xds_view_find(other, XDS_CLUSTER, "inbound|80||"));
    xds_view_release(other);
    translated_fini(&t);
    arena_free(a);
}

static void build_once(struct translator *t, const struct fixture_value *values, size_t count)
{
    struct arena *a = arena_new();
    struct snapshot *s = fixture_snapshot(values, count);
    translator_begin(t, s);
    xds_view_release(translator_view(t, fixture_scope(a, WEB_NODE, "{}")));
    snapshot_release(s);
    arena_free(a);
}

static void test_a_changed_endpoint_renders_its_own_assignment_alone(void **state)
{
    (void)state;
    struct arena *a = arena_new();
    struct translate_stats stats = { 0 };
    struct translator *t = translator_new(&stats);
    struct fixture_value values[] = {
        make_instance(a, "web/a", "'address': '10.1.0.1', 'ports': {'http': 80}"),
        make_instance(a, "api/a", "'address': '10.1.0.2', 'ports': {'http': 81}"),
    };
    build_once(t, values, 2);

    stats.rendered = 0;
    build_once(t, values, 2);
    assert_int_equal(stats.rendered, 0);

    values[1] = make_instance(a, "api/a", "'address': '10.1.0.3', 'ports': {'http': 81}");
    build_once(t, values, 2);

    assert_int_equal(stats.rendered, 1);
    translator_free(t);
    arena_free(a);
}

/* ---- the form people read ---- */

static void test_rendered_json_lists_every_message_by_name(void **state)
{
    (void)state;
    struct translated t;
    struct arena *a = arena_new();
    struct fixture_value values[] = {
        make_instance(a, "web/a", "'address': '10.0.0.1', 'ports': {'http': 80}"),
        make_instance(a, "api/a", "'address': '10.0.0.2', 'ports': {'http': 80}"),
    };
    translated_init(&t, values, 2, fixture_scope(a, WEB_NODE, "{}"));

    cJSON *list = render_json(t.view, XDS_CLUSTER), *message;

    const char *last = "";
    cJSON_ArrayForEach (message, list) {
        assert_true(strcmp(last, json_text(message, "name")) < 0);
        last = json_text(message, "name");
    }
    assert_int_equal(cJSON_GetArraySize(list), 6);
    cJSON_Delete(list);
    translated_fini(&t);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_incremental_build_equals_build_from_nothing_byte_for_byte),
        cmocka_unit_test(test_the_order_of_arrival_does_not_matter),
        cmocka_unit_test(test_replicas_that_started_at_different_times_agree),
        cmocka_unit_test(test_the_hash_tells_apart_objects_and_levels),
        cmocka_unit_test(test_proxies_that_differ_only_inbound_share_their_outbound_view),
        cmocka_unit_test(test_a_changed_endpoint_renders_its_own_assignment_alone),
        cmocka_unit_test(test_rendered_json_lists_every_message_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
