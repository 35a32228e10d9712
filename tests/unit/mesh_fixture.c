#include "mesh_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

struct object *fixture_object(const struct fixture_value *value, int64_t create_revision)
{
    struct arena *a = arena_new();
    struct diags d;
    diags_init(&d, a);
    struct object *object =
        object_decode(value->key, value->json, strlen(value->json), create_revision, &d);
    for (size_t i = 0; i < d.list.count; i++)
        if (!object)
            print_error("%s: %s\n", value->key, diag_text(a, &d.list.items[i]));
    arena_free(a);
    assert_non_null(object);
    return object;
}

struct snapshot *fixture_snapshot(const struct fixture_value *values, size_t count)
{
    struct object **objects = xcalloc(count, sizeof(struct object *));
    for (size_t i = 0; i < count; i++)
        objects[i] = fixture_object(&values[i], (int64_t)i + 1);
    struct snapshot *snapshot = snapshot_build(objects, count, (int64_t)count, level_newest);
    for (size_t i = 0; i < count; i++)
        object_release(objects[i]);
    free(objects);
    return snapshot;
}

struct scope *fixture_scope(struct arena *a, const char *node_id, const char *metadata_json)
{
    const struct scope_input input = { node_id, metadata_json, "", "", "", true };
    struct scope *scope = ARENA_NEW(a, struct scope);
    struct error err;
    if (!scope_parse(a, &input, scope, &err))
        fail_msg("%s", err.text);
    return scope;
}
