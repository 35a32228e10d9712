/*
 * translate_fixture: resources in, what one proxy would be sent out, for tests of translate/.
 *
 * JSON is written with single quotes. A message's part is asked for by a path of steps:
 * "circuitBreakers/thresholds/0/maxConnections" in proto JSON's spelling.
 */
#ifndef TESTS_TRANSLATE_FIXTURE_H
#define TESTS_TRANSLATE_FIXTURE_H

#include "mesh_fixture.h"

#include "base/json.h"
#include "translate/translate.h"

/* Resources of the namespace "default"; `spec` is the inside of the spec's braces. */
struct fixture_value make_entry(struct arena *a, const char *name, const char *spec);
struct fixture_value make_rule(struct arena *a, const char *name, const char *spec);
/* The inside of the whole value's braces. */
struct fixture_value make_mesh(struct arena *a, const char *fields);
struct fixture_value make_service(struct arena *a, const char *name, const char *fields);
struct fixture_value make_instance(
    struct arena *a, const char *service_and_name, const char *fields);

struct translated {
    struct arena *a;
    struct snapshot *snapshot;
    struct translator *translator;
    struct xds_view *view;
    LIST(cJSON *) messages; /* taken apart so far */
};

#define WEB_NODE "sidecar~10.0.0.1~web.default~default.svc.cluster.local"

/* The view of a proxy that is `scope`, from values in order of age. */
void translated_init(struct translated *t, const struct fixture_value *values, size_t count,
    const struct scope *scope);
void translated_fini(struct translated *t);

/* "(absent)" without such a resource or part; a string is given bare, all else as JSON. */
const char *translated_at(
    struct translated *t, enum xds_type type, const char *name, const char *path);

#endif
