/*
 * mesh_fixture: snapshots and scopes from text, for tests. A value that does not decode fails the
 * test and prints why.
 */
#ifndef TESTS_MESH_FIXTURE_H
#define TESTS_MESH_FIXTURE_H

#include "mesh/scope.h"
#include "mesh/snapshot.h"

struct fixture_value {
    const char *key, *json; /* "config/virtualservices/default/reviews", the whole value */
};

/* The value's place in the array is its create_revision (from 1); the caller releases. */
struct object *fixture_object(const struct fixture_value *value, int64_t create_revision);
struct snapshot *fixture_snapshot(const struct fixture_value *values, size_t count);

struct scope *fixture_scope(struct arena *a, const char *node_id, const char *metadata_json);

#endif
