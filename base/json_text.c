#include "base/json_text.h"

#include <string.h>

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static const char *skip_space(const char *at, const char *end)
{
    while (at < end && is_space(*at))
        at++;
    return at;
}

/* From a quote to behind the one that ends it. */
static const char *skip_string(const char *at, const char *end)
{
    for (at++; at < end && *at != '"'; at++)
        at += *at == '\\';
    return at < end ? at + 1 : end;
}

/* To the comma or bracket that ends the value. */
static const char *skip_value(const char *at, const char *end)
{
    size_t depth = 0;
    while (at < end) {
        if (*at == '"') {
            at = skip_string(at, end);
            continue;
        }
        bool opens = *at == '{' || *at == '[', closes = *at == '}' || *at == ']';
        if (depth == 0 && (closes || *at == ','))
            break;
        depth = depth + opens - closes;
        at++;
    }
    return at;
}

static struct json_span trim(const char *from, const char *to)
{
    while (to > from && is_space(to[-1]))
        to--;
    return (struct json_span){ from, (size_t)(to - from) };
}

struct json_span json_text_member(struct json_span object, const char *name)
{
    const char *end = object.text + object.size, *at = skip_space(object.text, end);
    size_t size = strlen(name);
    if (at == end || *at != '{')
        return (struct json_span){ 0 };
    for (at = skip_space(at + 1, end); at < end && *at == '"'; at = skip_space(at + 1, end)) {
        const char *key = at + 1, *key_end = skip_string(at, end);
        bool is_it = (size_t)(key_end - key) == size + 1 && memcmp(key, name, size) == 0;
        at = skip_space(key_end, end);
        const char *value = at < end ? skip_space(at + 1, end) : end; /* behind the colon */
        at = skip_value(value, end);
        if (is_it)
            return trim(value, at);
        if (at == end)
            break;
    }
    return (struct json_span){ 0 };
}
