/*
 * json_text: JSON set anew, token by token, so that every number and text stays as it was written.
 */
#ifndef CTL_JSON_TEXT_H
#define CTL_JSON_TEXT_H

#include "base/buf.h"

/* Appends valid JSON with two blanks a level; what is empty stays on its line. */
void json_text_indent(const char *json, struct buf *out);

/* Appends it on one line, without blanks between tokens. */
void json_text_compact(const char *json, struct buf *out);

#endif
