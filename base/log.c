#include "base/log.h"

#include "base/buf.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *const level_names[] = { "debug", "info", "warn", "error" };

bool log_level_parse(const char *name, enum log_level *level)
{
    for (size_t i = 0; i < ARRAY_COUNT(level_names); i++)
        if (strcmp(name, level_names[i]) == 0) {
            *level = (enum log_level)i;
            return true;
        }
    return false;
}

static enum log_format format;

void log_set_format(enum log_format chosen)
{
    format = chosen;
}

bool log_format_parse(const char *name, enum log_format *out)
{
    static const char *const names[] = { "logfmt", "json" };
    for (size_t i = 0; i < ARRAY_COUNT(names); i++)
        if (strcmp(name, names[i]) == 0) {
            *out = (enum log_format)i;
            return true;
        }
    return false;
}

/* ---- values ---- */

static bool is_plain(const char *text)
{
    for (const char *c = text; *c; c++)
        if ((unsigned char)*c <= ' ' || (unsigned char)*c >= 0x7f || strchr("\"=\\", *c))
            return false;
    return *text != '\0';
}

/* The bytes of the character at `c`: 0 when they are none of UTF-8 (RFC 3629, 4). */
static size_t character_size(const unsigned char *c)
{
    static const struct {
        unsigned char first_min, first_max, second_min, second_max;
        size_t size;
    } rows[] = { { 0x01, 0x7f, 0x00, 0xff, 1 },
        { 0xc2, 0xdf, 0x80, 0xbf, 2 },
        { 0xe0, 0xe0, 0xa0, 0xbf, 3 },
        { 0xe1, 0xec, 0x80, 0xbf, 3 },
        { 0xed, 0xed, 0x80, 0x9f, 3 },
        { 0xee, 0xef, 0x80, 0xbf, 3 },
        { 0xf0, 0xf0, 0x90, 0xbf, 4 },
        { 0xf1, 0xf3, 0x80, 0xbf, 4 },
        { 0xf4, 0xf4, 0x80, 0x8f, 4 } };
    size_t row = 0;
    while (row < ARRAY_COUNT(rows) && *c > rows[row].first_max)
        row++;
    if (row == ARRAY_COUNT(rows) || *c < rows[row].first_min || c[1] < rows[row].second_min ||
        c[1] > rows[row].second_max)
        return 0;
    for (size_t i = 2; i < rows[row].size; i++)
        if ((c[i] & 0xc0) != 0x80)
            return 0;
    return rows[row].size;
}

static bool is_control(const unsigned char *c, size_t size)
{
    return (size == 1 && (*c < ' ' || *c == 0x7f)) || (size == 2 && *c == 0xc2 && c[1] < 0xa0);
}

/* Quotes what a reader or a parser could take for something else; neither control characters nor
 * bytes that are no text can forge lines, or a terminal's commands. */
static void append_quoted(struct buf *b, const char *text)
{
    const char *escape = format == LOG_FORMAT_JSON ? "\\u00" : "\\x";
    buf_text(b, "\"");
    for (const unsigned char *c = (const unsigned char *)text; *c;) {
        size_t size = character_size(c);
        if (*c == '"' || *c == '\\')
            buf_printf(b, "\\%c", *c);
        else if (size == 0 || is_control(c, size))
            for (size_t i = 0; i < (size ? size : 1); i++)
                buf_printf(b, "%s%02x", escape, c[i]);
        else
            buf_append(b, c, size);
        c += size ? size : 1;
    }
    buf_text(b, "\"");
}

/* ---- a line ---- */

static void put_key(struct buf *b, const char *key)
{
    const char *before =
        format == LOG_FORMAT_JSON ? (b->size ? ",\"" : "{\"") : (b->size ? " " : "");
    buf_printf(b, "%s%s%s", before, key, format == LOG_FORMAT_JSON ? "\":" : "=");
}

static void put_text(struct buf *b, const char *key, const char *text)
{
    put_key(b, key);
    if (format == LOG_FORMAT_LOGFMT && is_plain(text))
        buf_text(b, text);
    else
        append_quoted(b, text);
}

static void put_time(struct buf *b)
{
    struct timespec now;
    struct tm utc;
    char text[32], whole[48];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(whole, sizeof whole, "%s.%03ldZ", text, now.tv_nsec / 1000000);
    put_text(b, "ts", whole);
}

/* "key=value key=value ": of words that need no quotes. */
static void put_context(struct buf *b, const char *context)
{
    char words[sizeof((struct log_scope *)0)->context];
    char *rest = NULL;
    snprintf(words, sizeof words, "%s", context);
    for (char *word = strtok_r(words, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        char *value = strchr(word, '=');
        if (value)
            *value++ = '\0';
        put_text(b, word, value ? value : "");
    }
}

static void put_field(struct buf *b, const struct log_field *f)
{
    if (f->kind == LOG_FIELD_TEXT) {
        put_text(b, f->key, f->text ? f->text : "");
        return;
    }
    put_key(b, f->key);
    buf_printf(b, "%lld", (long long)f->number);
}

void log_write(const struct log_scope *scope, enum log_level level, const char *event,
    const struct log_field *fields, size_t count)
{
    if (level < (scope ? scope->level : LOG_LEVEL_INFO))
        return;
    struct buf b = { 0 };
    put_time(&b);
    put_text(&b, "level", level_names[level]);
    put_context(&b, scope ? scope->context : "");
    put_text(&b, "msg", event);
    for (const struct log_field *f = fields; f < fields + count; f++)
        put_field(&b, f);
    buf_text(&b, format == LOG_FORMAT_JSON ? "}\n" : "\n");
    /* Nothing sensible can be done when standard error is gone. */
    ssize_t ignored = write(STDERR_FILENO, b.data, b.size);
    (void)ignored;
    buf_fini(&b);
}

bool log_limit_allows(struct log_limit *l, uint64_t now_ms, unsigned *left_out)
{
    *left_out = 0;
    if (l->told == 0 || now_ms - l->began_ms >= LOG_LIMIT_MS) {
        *left_out = l->left_out;
        *l = (struct log_limit){ .began_ms = now_ms };
    }
    if (l->told >= LOG_LIMIT_LINES) {
        l->left_out++;
        return false;
    }
    l->told++;
    return true;
}
