/* The builder on its pool: whole snapshots, then more scopes for the same one. */
#include "daemon/builder.h"
#include "mesh_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const struct fixture_value values[] = {
    { "services/default/web",
        "{\"ports\":[{\"name\":\"http\",\"number\":80,\"protocol\":\"HTTP\"}]}" },
    { "registry/default/web/i1", "{\"address\":\"10.1.0.1\",\"ports\":{\"http\":8080}}" },
};

struct world {
    uv_loop_t loop;
    struct builder *builder;
    struct builder_owner owner;
    struct arena *a;
    struct publication *last; /* retained */
    int shown, built;
};

static void on_views(struct builder_owner *owner, struct publication *publication)
{
    struct world *w = container_of(owner, struct world, owner);
    assert_true(builder_is_busy(w->builder));
    assert_int_equal(w->shown, w->built);
    assert_null(publication->reference);
    w->shown++;
}

static void on_built(struct builder_owner *owner, const struct build_result *result)
{
    struct world *w = container_of(owner, struct world, owner);
    assert_false(builder_is_busy(w->builder));
    publication_release(w->last);
    w->last = publication_retain(result->publication);
    assert_int_equal(w->shown, ++w->built);
}

static int setup(void **state)
{
    struct world *w = xcalloc(1, sizeof *w);
    assert_int_equal(uv_loop_init(&w->loop), 0);
    w->owner.on_views = on_views;
    w->owner.on_built = on_built;
    w->builder = builder_open(&w->loop, &w->owner, NULL);
    w->a = arena_new();
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    if (w->builder)
        builder_close(w->builder);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&w->loop), 0);
    publication_release(w->last);
    arena_free(w->a);
    free(w);
    return 0;
}

static struct shared_scope *scope_of(struct world *w, const char *node_id)
{
    return shared_scope_new(fixture_scope(w->a, node_id, "{}"));
}

/* Scopes of the nodes; the objects are the first `objects` of `values`. */
static void order(struct world *w, bool is_whole, size_t objects, int64_t revision,
    const char *const *nodes, size_t node_count)
{
    struct build_order order = { .is_whole = is_whole, .revision = revision };
    order.objects = xcalloc(objects + 1, sizeof(struct object *));
    for (; is_whole && order.object_count < objects; order.object_count++)
        order.objects[order.object_count] =
            fixture_object(&values[order.object_count], (int64_t)order.object_count + 1);
    order.scopes = xcalloc(node_count + 1, sizeof(struct shared_scope *));
    for (; order.scope_count < node_count; order.scope_count++)
        order.scopes[order.scope_count] = scope_of(w, nodes[order.scope_count]);
    builder_order(w->builder, &order);
}

static void build(struct world *w, bool is_whole, size_t objects, int64_t revision,
    const char *const *nodes, size_t node_count)
{
    order(w, is_whole, objects, revision, nodes, node_count);
    assert_true(builder_is_busy(w->builder));
    uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_false(builder_is_busy(w->builder));
}

static const char *const one[] = { "sidecar~10.0.0.1~a.default~default.svc.cluster.local" };
static const char *const two[] = { "sidecar~10.0.0.2~b.default~default.svc.cluster.local",
    "sidecar~10.0.0.3~c.other~other.svc.cluster.local" };
static const char web[] = "outbound|80||web.default.svc.cluster.local";

static void test_a_whole_build_has_a_snapshot_and_a_view_for_each_scope(void **state)
{
    struct world *w = *state;

    build(w, true, 2, 17, two, 2);

    assert_int_equal(w->built, 1);
    assert_true(w->last->is_whole);
    assert_int_equal(w->last->snapshot->revision, 17);
    assert_int_equal(w->last->count, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_non_null(xds_view_find(w->last->views[i].view, XDS_CLUSTER, web));
        assert_int_equal(w->last->views[i].view->revision, 17);
    }
}

static void test_more_scopes_stand_on_the_last_snapshot(void **state)
{
    struct world *w = *state;
    build(w, true, 2, 17, NULL, 0);
    struct snapshot *snapshot = w->last->snapshot;
    struct hash128 hash = w->last->hash;

    build(w, false, 0, 99, one, 1);

    assert_false(w->last->is_whole);
    assert_ptr_equal(w->last->snapshot, snapshot);
    assert_true(hash128_equal(&w->last->hash, &hash));
    assert_int_equal(w->last->count, 1);
    assert_int_equal(w->last->views[0].view->revision, 17);
    assert_non_null(xds_view_find(w->last->views[0].view, XDS_CLUSTER, web));
}

static void test_equal_objects_have_one_hash_and_others_another(void **state)
{
    struct world *w = *state;
    build(w, true, 2, 17, NULL, 0);
    struct hash128 both = w->last->hash;

    build(w, true, 1, 18, NULL, 0);
    assert_false(hash128_equal(&w->last->hash, &both));
    build(w, true, 2, 19, one, 1);
    assert_true(hash128_equal(&w->last->hash, &both));
}

static void test_an_empty_keyspace_is_a_snapshot_too(void **state)
{
    struct world *w = *state;

    build(w, true, 0, 1, one, 1);

    assert_int_equal(w->last->snapshot->services.count, 0);
    assert_true(xds_view_count(w->last->views[0].view, XDS_LISTENER) > 0);
}

static void test_closing_while_a_job_runs_frees_all_and_tells_nothing(void **state)
{
    struct world *w = *state;
    order(w, true, 2, 1, two, 2);

    builder_close(w->builder);
    w->builder = NULL;
    uv_run(&w->loop, UV_RUN_DEFAULT);

    assert_int_equal(w->built, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_whole_build_has_a_snapshot_and_a_view_for_each_scope),
        TEST(test_more_scopes_stand_on_the_last_snapshot),
        TEST(test_equal_objects_have_one_hash_and_others_another),
        TEST(test_an_empty_keyspace_is_a_snapshot_too),
        TEST(test_closing_while_a_job_runs_frees_all_and_tells_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
