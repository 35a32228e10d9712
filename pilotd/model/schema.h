/*
 * schema: one table a message; the table is the language.
 *
 * Each row names a JSON field, its kind, where it goes in the struct, and its limits; rules across
 * fields are a check function. schema_decode walks JSON by the table and reports every fault with
 * its exact path. A row without a member names a known field that is refused (UNSUPPORTED) or has
 * no effect (NO_EFFECT: a warning). The JSON name is lowerCamelCase; the snake_case spelling of
 * protobuf's JSON mapping is accepted as well. null is absence.
 *
 * How tables are written: schema_fields.h.
 */
#ifndef MODEL_SCHEMA_H
#define MODEL_SCHEMA_H

#include "base/diag.h"
#include "base/json.h"
#include "model/types.h"

/* Items of all lists and maps of one value together; one more is a fault. It bounds the memory
 * that a small value can ask for. */
enum { SCHEMA_ITEMS_MAX = 100000 };

struct schema;

/* NULL when there is an error in `d`. `root` is the path's first step ("spec"), or "". */
const void *schema_decode(
    const struct schema *s, const char *root, const cJSON *json, struct arena *a, struct diags *d);

/* The same, for rules that ask in which namespace the resource is. */
const void *schema_decode_in(const struct schema *s, const char *root, const char *ns,
    const cJSON *json, struct arena *a, struct diags *d);

#endif
