#include "model/text.h"

#include "base/buf.h"

#include <string.h>

enum { QUOTE_MAX_BYTES = 60 };

static bool is_continuation(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

const char *text_quote(struct arena *a, const char *text)
{
    struct buf out = { 0 };
    size_t size = strnlen(text, QUOTE_MAX_BYTES + 1);
    bool is_cut = size > QUOTE_MAX_BYTES;
    while (is_cut && size > 0 && (size > QUOTE_MAX_BYTES || is_continuation(text[size])))
        size--;
    buf_text(&out, "\"");
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c < 0x20 || c == 0x7f)
            buf_printf(&out, "\\u%04x", c);
        else
            buf_append(&out, &text[i], 1);
    }
    buf_text(&out, is_cut ? "…\"" : "\"");
    const char *quoted = arena_strndup(a, out.data, out.size);
    buf_fini(&out);
    return quoted;
}

/* The size of the character at the start of `text`, or 0 when it is none. */
static size_t character_size(const unsigned char *text, size_t size)
{
    static const struct {
        size_t size;
        uint32_t least;
        unsigned char mask, bits;
    } forms[] = {
        { 1, 1, 0x80, 0x00 },
        { 2, 0x80, 0xe0, 0xc0 },
        { 3, 0x800, 0xf0, 0xe0 },
        { 4, 0x10000, 0xf8, 0xf0 },
    };
    for (size_t i = 0; i < ARRAY_COUNT(forms); i++) {
        if ((text[0] & forms[i].mask) != forms[i].bits)
            continue;
        uint32_t point = text[0] & (unsigned char)~forms[i].mask;
        if (forms[i].size > size)
            return 0;
        for (size_t j = 1; j < forms[i].size; j++) {
            if (!is_continuation((char)text[j]))
                return 0;
            point = point << 6 | (text[j] & 0x3fu);
        }
        bool is_surrogate = point >= 0xd800 && point <= 0xdfff;
        return point >= forms[i].least && point <= 0x10ffff && !is_surrogate ? forms[i].size : 0;
    }
    return 0;
}

bool text_is_utf8(const char *text, size_t size_bytes, size_t *at)
{
    for (size_t i = 0; i < size_bytes;) {
        size_t size = character_size((const unsigned char *)text + i, size_bytes - i);
        if (size == 0) {
            *at = i;
            return false;
        }
        i += size;
    }
    return true;
}

bool text_has_escaped_nul(const char *json, size_t size_bytes, size_t *at)
{
    for (size_t i = 0; i + 1 < size_bytes; i++) {
        if (json[i] != '\\')
            continue;
        if (size_bytes - i >= 6 && memcmp(json + i, "\\u0000", 6) == 0) {
            *at = i;
            return true;
        }
        i++; /* the escaped character, which may be a backslash itself */
    }
    return false;
}
