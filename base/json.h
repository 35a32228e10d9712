/*
 * json: the one door to cJSON, and strict where cJSON is lax.
 *
 * json_parse refuses duplicate keys, trailing text, nesting deeper than JSON_MAX_DEPTH and
 * documents over the caller's size; it says the byte where it stopped. Look keys up with
 * cJSON_GetObjectItemCaseSensitive only; never hash what cJSON prints.
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include "base/diag.h"

#include <cjson/cJSON.h>

enum { JSON_MAX_DEPTH = 64 };

/* The tree is the caller's (cJSON_Delete), or NULL after adding an error to `d`. */
cJSON *json_parse(const char *text, size_t size_bytes, size_t limit_bytes, struct diags *d);

/* NULL when `object` has no such member or it is not a string. */
const char *json_text(const cJSON *object, const char *name);

#endif
