#include "base/error.h"

#include <stdarg.h>
#include <string.h>

bool error_set(struct error *err, enum error_code code, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    err->code = code;
    vsnprintf(err->text, sizeof err->text, fmt, args);
    va_end(args);
    return false;
}

bool error_context(struct error *err, const char *fmt, ...)
{
    char former[sizeof err->text], context[sizeof err->text];
    va_list args;
    va_start(args, fmt);
    vsnprintf(context, sizeof context, fmt, args);
    va_end(args);
    memcpy(former, err->text, sizeof former);
    err->text[0] = '\0';
    size_t used = strnlen(context, sizeof err->text - 4);
    int left = (int)(sizeof err->text - used - sizeof ": ");
    memcpy(err->text, context, used);
    snprintf(err->text + used, sizeof err->text - used, ": %.*s", left, former);
    return false;
}
