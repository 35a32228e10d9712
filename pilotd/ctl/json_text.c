#include "ctl/json_text.h"

#include <ctype.h>
#include <string.h>

/* The end of the token at `text`: a quoted text, or any other run of characters. */
static const char *token_end(const char *text)
{
    if (*text != '"')
        return text + strcspn(text, " \t\r\n,:[]{}\"");
    for (text++; *text && *text != '"'; text++)
        if (*text == '\\' && text[1])
            text++;
    return *text ? text + 1 : text;
}

static const char *skip_blanks(const char *text)
{
    while (isspace((unsigned char)*text))
        text++;
    return text;
}

static void new_line(struct buf *out, size_t depth)
{
    buf_printf(out, "\n%*s", (int)(2 * depth), "");
}

/* A bracket, a comma or a colon. `*depth` is that of what follows. */
static const char *set_mark(const char *json, struct buf *out, size_t *depth)
{
    char mark = *json++;
    bool closes = mark == ']' || mark == '}', opens = mark == '[' || mark == '{';
    if (closes && *depth > 0)
        new_line(out, --*depth);
    buf_append(out, &mark, 1);
    if (mark == ':')
        buf_text(out, " ");
    if (mark == ',')
        new_line(out, *depth);
    json = skip_blanks(json);
    if (!opens)
        return json;
    if (*json == ']' || *json == '}') {
        buf_append(out, json, 1);
        return json + 1;
    }
    new_line(out, ++*depth);
    return json;
}

void json_text_indent(const char *json, struct buf *out)
{
    size_t depth = 0;
    buf_text(out, "");
    for (json = skip_blanks(json); *json; json = skip_blanks(json)) {
        if (strchr(",:[]{}", *json)) {
            json = set_mark(json, out, &depth);
            continue;
        }
        const char *end = token_end(json);
        buf_append(out, json, (size_t)(end - json));
        json = end;
    }
}

void json_text_compact(const char *json, struct buf *out)
{
    buf_text(out, "");
    for (json = skip_blanks(json); *json; json = skip_blanks(json)) {
        const char *end = strchr(",:[]{}", *json) ? json + 1 : token_end(json);
        buf_append(out, json, (size_t)(end - json));
        json = end;
    }
}
