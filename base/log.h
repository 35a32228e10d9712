/*
 * log: one line an event to standard error, in logfmt: ts=… level=… msg="…" key=value …, or as a
 * JSON object with the same keys.
 *
 * A log line is one write(2), so threads need no lock. Context that every line should carry
 * (replica, node) is set once in a scope. No secrets, no configuration bodies.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/base.h"

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };

struct log_scope {
    enum log_level level; /* lines below it are dropped */
    char context[96];     /* ready-made "key=value " text of plain words, may be empty */
};

struct log_field {
    const char *key;
    enum { LOG_FIELD_TEXT, LOG_FIELD_INT } kind;
    const char *text;
    int64_t number;
};

#define LOG_STR(k, v) ((struct log_field){ .key = (k), .kind = LOG_FIELD_TEXT, .text = (v) })
#define LOG_INT(k, v) ((struct log_field){ .key = (k), .kind = LOG_FIELD_INT, .number = (v) })

#define log_debug(scope, ...) LOG_AT(scope, LOG_LEVEL_DEBUG, __VA_ARGS__)
#define log_info(scope, ...)  LOG_AT(scope, LOG_LEVEL_INFO, __VA_ARGS__)
#define log_warn(scope, ...)  LOG_AT(scope, LOG_LEVEL_WARN, __VA_ARGS__)
#define log_error(scope, ...) LOG_AT(scope, LOG_LEVEL_ERROR, __VA_ARGS__)

/* The first element is nobody's: it lets a list of fields be empty. */
#define LOG_FIELDS(...) ((const struct log_field[]){ { 0 }, ##__VA_ARGS__ })
#define LOG_AT(scope, level, event, ...)                                                           \
    log_write((scope),                                                                             \
        (level),                                                                                   \
        (event),                                                                                   \
        LOG_FIELDS(__VA_ARGS__) + 1,                                                               \
        ARRAY_COUNT(LOG_FIELDS(__VA_ARGS__)) - 1)

/* scope may be NULL: level info, no context. */
void log_write(const struct log_scope *scope, enum log_level level, const char *event,
    const struct log_field *fields, size_t count);

/* For lines that others can cause as often as they like: LOG_LIMIT_LINES in LOG_LIMIT_MS, and the
 * first of the next while says how many were left out. Starts as {0}; one thread. */
enum { LOG_LIMIT_LINES = 20, LOG_LIMIT_MS = 10000 };
struct log_limit {
    uint64_t began_ms;
    unsigned told, left_out;
};
/* False: leave the line out. `left_out` is for its field "left_out". */
bool log_limit_allows(struct log_limit *l, uint64_t now_ms, unsigned *left_out);

enum log_format { LOG_FORMAT_LOGFMT, LOG_FORMAT_JSON };
/* Of the whole process, before it has threads. */
void log_set_format(enum log_format format);
bool log_format_parse(const char *name, enum log_format *format); /* logfmt json */

bool log_level_parse(const char *name, enum log_level *level); /* debug info warn error */

#endif
