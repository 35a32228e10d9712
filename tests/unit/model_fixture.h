/*
 * model_fixture: a test's configuration in YAML, its faults as text, its decoded objects. What the
 * helpers return lives until the test ends.
 */
#ifndef TESTS_MODEL_FIXTURE_H
#define TESTS_MODEL_FIXTURE_H

#include "model/load.h"

struct model_fixture {
    struct arena *a;
    LIST(struct loader *) loaders;
};

/* cmocka's setup and teardown: *state is the fixture. */
int model_setup(void **state);
int model_teardown(void **state);

/* Faults and warnings of a resource of that kind, named default/a, with that spec (YAML in flow
 * style): "PATH: message; hint [PIL0101]", one a line, warnings after "warning: ". "" for none. */
const char *faults(struct model_fixture *f, const char *kind, const char *spec);

/* The same of a whole file, each line behind its place: "LINE:COLUMN: PATH: …". */
const char *faults_in_file(struct model_fixture *f, const char *yaml);

/* The decoded spec; the test fails when there are errors. */
const void *spec_of(struct model_fixture *f, const char *kind, const char *spec);

/* Each spec (of that kind) must have exactly those faults. */
struct fault_case {
    const char *spec, *faults;
};
void assert_faults(
    struct model_fixture *f, const char *kind, const struct fault_case *cases, size_t count);

#endif
