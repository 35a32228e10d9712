#include "daemon/json_out.h"

#include <inttypes.h>

void json_add_int(cJSON *object, const char *name, int64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, value);
    cJSON_AddRawToObject(object, name, text);
}

void json_add_text(cJSON *object, const char *name, const char *text)
{
    if (text)
        cJSON_AddStringToObject(object, name, text);
    else
        cJSON_AddNullToObject(object, name);
}

void json_out(struct buf *out, cJSON *document)
{
    char *text = cJSON_PrintUnformatted(document);
    INVARIANT(text);
    buf_text(out, text);
    cJSON_free(text);
    cJSON_Delete(document);
}
