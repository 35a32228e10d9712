/*
 * json_out: the few calls that JSON documents are written with.
 */
#ifndef DAEMON_JSON_OUT_H
#define DAEMON_JSON_OUT_H

#include "base/buf.h"
#include "base/json.h"

/* Whole numbers as they are: cJSON's own doubles print some of them as 1.2e+15. */
void json_add_int(cJSON *object, const char *name, int64_t value);

/* null when the text is NULL. */
void json_add_text(cJSON *object, const char *name, const char *text);

/* Appends the document, and frees it. */
void json_out(struct buf *out, cJSON *document);

#endif
