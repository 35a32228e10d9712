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

static bool is_plain(const char *text)
{
    for (const char *c = text; *c; c++)
        if ((unsigned char)*c <= ' ' || *c == 0x7f || strchr("\"=\\", *c))
            return false;
    return *text != '\0';
}

/* Quotes what a reader or a parser could take for something else; control bytes cannot forge
 * lines. */
static void append_value(struct buf *b, const char *text)
{
    if (is_plain(text)) {
        buf_text(b, text);
        return;
    }
    buf_text(b, "\"");
    for (const char *c = text; *c; c++) {
        if (*c == '"' || *c == '\\')
            buf_printf(b, "\\%c", *c);
        else if ((unsigned char)*c < ' ' || *c == 0x7f)
            buf_printf(b, "\\x%02x", (unsigned char)*c);
        else
            buf_append(b, c, 1);
    }
    buf_text(b, "\"");
}

static void append_time(struct buf *b)
{
    struct timespec now;
    struct tm utc;
    char text[32];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
    buf_printf(b, "ts=%s.%03ldZ ", text, now.tv_nsec / 1000000);
}

void log_write(const struct log_scope *scope, enum log_level level, const char *event,
    const struct log_field *fields, size_t count)
{
    if (level < (scope ? scope->level : LOG_LEVEL_INFO))
        return;
    struct buf b = { 0 };
    append_time(&b);
    buf_printf(&b, "level=%s %smsg=", level_names[level], scope ? scope->context : "");
    append_value(&b, event);
    for (const struct log_field *f = fields; f < fields + count; f++) {
        buf_printf(&b, " %s=", f->key);
        if (f->kind == LOG_FIELD_INT)
            buf_printf(&b, "%lld", (long long)f->number);
        else
            append_value(&b, f->text ? f->text : "");
    }
    buf_text(&b, "\n");
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
