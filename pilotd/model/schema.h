/*
 * schema: one table a message; the table is the language.
 *
 * Each row names a JSON field, its kind, where it goes in the struct, and its limits; rules across
 * fields are a check function. schema_decode walks JSON by the table and reports every fault with
 * its exact path. A row without a member names a known field that is refused (SCHEMA_UNSUPPORTED)
 * or has no effect (SCHEMA_NO_EFFECT: a warning). The JSON name is lowerCamelCase; the snake_case
 * spelling of protobuf's JSON mapping is accepted as well.
 */
#ifndef MODEL_SCHEMA_H
#define MODEL_SCHEMA_H

#include "base/diag.h"
#include "base/json.h"
#include "model/types.h"

/* The macros and field kinds are described in schema.c's tables; see schema_fields.h. */
struct schema;

/* NULL when there is an error in `d`. `root` is the path's first step ("spec"). */
const void *schema_decode(
    const struct schema *s, const char *root, const cJSON *json, struct arena *a, struct diags *d);

#endif
