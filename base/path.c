#include "base/path.h"

#include <ctype.h>
#include <string.h>

static bool is_identifier(const char *key)
{
    if (!isalpha((unsigned char)*key) && *key != '_')
        return false;
    const char *end = key;
    while (isalnum((unsigned char)*end) || *end == '_')
        end++;
    return !*end && end - key <= PATH_KEY_MAX;
}

static bool is_utf8_continuation(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

static void add_quoted(struct buf *path, const char *key)
{
    size_t size = strnlen(key, PATH_KEY_MAX + 1);
    bool is_cut = size > PATH_KEY_MAX;
    while (size > PATH_KEY_MAX || (is_cut && size && is_utf8_continuation(key[size])))
        size--;
    buf_text(path, "[\"");
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)key[i];
        if (c < 0x20 || c == 0x7f)
            buf_printf(path, "\\u%04x", c);
        else if (c == '"' || c == '\\')
            buf_printf(path, "\\%c", c);
        else
            buf_append(path, &key[i], 1);
    }
    buf_text(path, is_cut ? "…\"]" : "\"]");
}

void path_add_key(struct buf *path, const char *key)
{
    if (is_identifier(key))
        buf_printf(path, "%s%s", path->size ? "." : "", key);
    else
        add_quoted(path, key);
}

void path_add_index(struct buf *path, size_t index)
{
    buf_printf(path, "[%zu]", index);
}

/* The size of a quoted key in brackets at the start of `step`. */
static size_t quoted_size(const char *step, size_t size)
{
    size_t at = 2;
    while (at < size && step[at] != '"')
        at += step[at] == '\\' ? 2 : 1;
    return at + 2 < size ? at + 2 : size;
}

/* The size of the one step at the start of `step`. */
static size_t step_size(const char *step, size_t size)
{
    if (size > 1 && step[0] == '[' && step[1] == '"')
        return quoted_size(step, size);
    size_t at = 1;
    while (at < size && step[at] != '.' && step[at] != '[')
        at++;
    return at;
}

size_t path_parent_size(const char *path, size_t size)
{
    size_t start = 0, at = 0;
    while (at < size) {
        start = at;
        at += step_size(path + at, size - at);
    }
    return start;
}
