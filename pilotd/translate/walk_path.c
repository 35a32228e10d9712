#include "translate/walk_path.h"

#include <ctype.h>
#include <string.h>

size_t walk_path_size(const char *path)
{
    return strcspn(path, "?#");
}

static int hex_value(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *digit = c ? strchr(digits, tolower((unsigned char)c)) : NULL;
    return digit ? (int)(digit - digits) : -1;
}

/* The character that %XX at `text` stands for; -1: it is none. */
static int escaped(const char *text)
{
    if (text[0] != '%' || hex_value(text[1]) < 0 || hex_value(text[2]) < 0)
        return -1;
    return hex_value(text[1]) * 16 + hex_value(text[2]);
}

static bool is_slash(int c)
{
    return c == '/' || c == '\\';
}

static bool is_unreserved(int c)
{
    return c > 0 && (isalnum(c) || strchr("-._~", c));
}

/* In place: escapes of characters that `belongs` accepts become those characters. */
static void unescape(char *path, bool (*belongs)(int c))
{
    char *out = path;
    for (const char *in = path; *in; in++) {
        int c = escaped(in);
        if (c >= 0 && belongs(c)) {
            *out++ = (char)c;
            in += 2;
        } else {
            *out++ = *in;
        }
    }
    *out = '\0';
}

static void turn_backslashes(char *path)
{
    for (char *c = path; *c; c++)
        if (*c == '\\')
            *c = '/';
}

static bool is_segment(const char *segment, size_t size, const char *text)
{
    return size == strlen(text) && strncmp(segment, text, size) == 0;
}

/* In place; `path` begins with a slash. What is written never overtakes what is read. */
static void resolve_dots(char *path)
{
    char *out = path;
    for (const char *in = path; *in;) {
        size_t size = strcspn(in + 1, "/");
        bool is_last = in[1 + size] == '\0', is_up = is_segment(in + 1, size, "..");
        if (is_up || is_segment(in + 1, size, ".")) {
            while (is_up && out > path && *--out != '/')
                continue;
            if (is_last)
                *out++ = '/';
        } else {
            memmove(out, in, size + 1);
            out += size + 1;
        }
        in += size + 1;
    }
    *out = '\0';
}

static void merge_slashes(char *path)
{
    char *out = path;
    for (const char *in = path; *in; in++)
        if (*in != '/' || out == path || out[-1] != '/')
            *out++ = *in;
    *out = '\0';
}

const char *walk_path_normalize(struct arena *a, const char *path, const struct path_care *care)
{
    size_t size = walk_path_size(path);
    char *own = arena_strndup(a, path, size);
    if (*own != '/')
        return path;
    if (care->unescapes_slashes)
        unescape(own, is_slash);
    if (care->normalizes) {
        unescape(own, is_unreserved);
        turn_backslashes(own);
        resolve_dots(own);
    }
    if (care->merges_slashes)
        merge_slashes(own);
    return arena_printf(a, "%s%s", own, path + size);
}
