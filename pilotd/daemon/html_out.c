#include "daemon/html_out.h"

#include "model/text.h"

#include <ctype.h>
#include <string.h>

static const char replacement[] = "\xef\xbf\xbd";

static const char *entity_of(char c)
{
    static const struct {
        char c;
        const char *entity;
    } entities[] = {
        { '&', "&amp;" }, { '<', "&lt;" }, { '>', "&gt;" }, { '"', "&quot;" }, { '\'', "&#39;" }
    };
    for (size_t i = 0; i < ARRAY_COUNT(entities); i++)
        if (entities[i].c == c)
            return entities[i].entity;
    return NULL;
}

/* U+202A to U+202E and U+2066 to U+2069. */
static bool turns_text_around(const char *c)
{
    unsigned char last =
        (unsigned char)(begins_with(c, "\xe2\x80") || begins_with(c, "\xe2\x81") ? c[2] : 0);
    return (c[1] == '\x80' && last >= 0xaa && last <= 0xae) ||
           (c[1] == '\x81' && last >= 0xa6 && last <= 0xa9);
}

/* Bytes of the character at `c`; 0: it is not to be shown. */
static size_t shown_bytes(const char *c, size_t left)
{
    static const unsigned char leads[] = { 0xc0, 0xe0, 0xf0 };
    unsigned char first = (unsigned char)*c;
    size_t size = 1, at;
    if (first < 0x80)
        return (first >= ' ' && first != 0x7f) || first == '\n' || first == '\t';
    for (size_t i = 0; i < ARRAY_COUNT(leads); i++)
        size += first >= leads[i];
    if (size == 1 || size > left || !text_is_utf8(c, size, &at) || turns_text_around(c))
        return 0;
    return size;
}

void html_text(struct buf *out, const char *text)
{
    size_t left = text ? strlen(text) : 0;
    while (left > 0) {
        const char *entity = entity_of(*text);
        size_t size = shown_bytes(text, left);
        if (entity)
            buf_text(out, entity);
        else if (size > 0)
            buf_append(out, text, size);
        else
            buf_text(out, replacement);
        size = size > 0 ? size : 1;
        text += size;
        left -= size;
    }
}

void html_url(struct buf *out, const char *text)
{
    for (; text && *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c < 0x80 && (isalnum(c) || strchr("-._~", c)))
            buf_append(out, text, 1);
        else
            buf_printf(out, "%%%02X", c);
    }
}

void html_tag(struct buf *out, const char *kind, const char *text)
{
    buf_printf(out, "<span class=\"tag %s\">", kind);
    html_text(out, text);
    buf_text(out, "</span>");
}
