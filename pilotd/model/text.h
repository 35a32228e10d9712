/*
 * text: what strings of a value must be before anything else is asked of them, and how they are
 * shown in messages.
 */
#ifndef MODEL_TEXT_H
#define MODEL_TEXT_H

#include "base/arena.h"

/* In quotes, cut after some 60 bytes, control characters escaped: safe on one line of any log. */
const char *text_quote(struct arena *a, const char *text);

/* Is it UTF-8 (no overlong forms, no surrogates) without NUL bytes? If not, *at is the first byte
 * that is wrong. Envoy refuses messages with any other text, whole. */
bool text_is_utf8(const char *text, size_t size_bytes, size_t *at);

/* Does JSON text hold a \u0000 escape, at *at? C strings would end there, silently. */
bool text_has_escaped_nul(const char *json, size_t size_bytes, size_t *at);

#endif
