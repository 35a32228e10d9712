/*
 * json_text: where something stands in a JSON text, without taking it apart.
 *
 * For texts that are known to be good JSON. Names are compared as they are written: one with an
 * escape in it is not found.
 */
#ifndef BASE_JSON_TEXT_H
#define BASE_JSON_TEXT_H

#include "base/base.h"

struct json_span {
    const char *text;
    size_t size;
};

/* The value of an object's member, without the space around it; size 0: it has none. */
struct json_span json_text_member(struct json_span object, const char *name);

#endif
