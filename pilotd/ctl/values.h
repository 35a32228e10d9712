/*
 * values: what stands in the store, as people read and write it: resources in YAML.
 */
#ifndef CTL_VALUES_H
#define CTL_VALUES_H

#include "base/arena.h"

/* The value in YAML; one that is not JSON as it is; "" for none (NULL). */
const char *value_yaml(struct arena *a, const char *value);

/* The document that gives this value at this key when it is loaded again: the resource itself, a
 * MeshConfig, or, for what is no resource, {key, value}. */
const char *value_document(struct arena *a, const char *key, const char *value);

/* What a value is about: its hosts, its host, or its address. */
const char *value_subject(struct arena *a, const char *value);

#endif
