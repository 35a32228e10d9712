#include "ctl/report.h"

const char *report_text(const cJSON *object, const char *name)
{
    const char *value = json_text(object, name);
    return value ? value : "";
}

long long report_number(const cJSON *object, const char *name)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, name);
    return cJSON_IsNumber(value) ? (long long)value->valuedouble : 0;
}

const cJSON *report_member(const cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

const char *report_cell(struct arena *a, const cJSON *object, const char *name)
{
    const cJSON *value = report_member(object, name);
    if (cJSON_IsNumber(value))
        return arena_printf(a, "%.10g", value->valuedouble);
    return arena_strdup(a, report_text(object, name));
}

void report_note(struct arena *a, struct answer *answer, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    list_push(a, &answer->notes, arena_vprintf(a, fmt, args));
    va_end(args);
}
