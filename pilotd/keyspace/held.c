#include "keyspace/held.h"

#include "base/json.h"

#include <inttypes.h>
#include <string.h>

#define VALUE   "\"value\":"
#define EXPIRED "expired"

static bool read_revision(const cJSON *json, const char *name, int64_t *out)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, name);
    *out = cJSON_IsNumber(item) ? (int64_t)item->valuedouble : 0;
    return *out > 0;
}

static bool read_revisions(const cJSON *json, struct held *h)
{
    const cJSON *why = cJSON_GetObjectItemCaseSensitive(json, "why");
    if (!read_revision(json, "of", &h->of) || !read_revision(json, "since", &h->since))
        return false;
    if (!why)
        return true;
    return cJSON_IsString(why) && strcmp(why->valuestring, EXPIRED) == 0 &&
           read_revision(json, "created", &h->created);
}

struct held *held_read(const struct store_entry *entry, struct diags *d)
{
    struct arena *a = arena_new();
    struct held *h = ARENA_NEW(a, struct held);
    cJSON *json = json_parse(entry->value, entry->size, HELD_LIMIT_BYTES, d);
    const char *text = arena_strndup(a, entry->value, entry->size);
    const char *value = strstr(text, VALUE);
    *h = (struct held){ .mod_revision = entry->mod_revision, .arena = a };
    if (json && read_revisions(json, h) && value && text[entry->size - 1] == '}') {
        h->value = value + strlen(VALUE);
        h->size = entry->size - 1 - (size_t)(h->value - text);
    } else if (d->errors == 0) {
        diag_add(d,
            DIAG_ERROR,
            DIAG_BAD_FORMAT,
            "",
            NULL,
            "must be {\"of\": REVISION, \"since\": REVISION, \"value\": VALUE}, or {\"of\": "
            "REVISION, \"created\": REVISION, \"since\": REVISION, \"why\": \"" EXPIRED
            "\", \"value\": VALUE}");
    }
    cJSON_Delete(json);
    return h;
}

void held_free(struct held *h)
{
    if (h)
        arena_free(h->arena);
}

void held_print(struct buf *out, const struct held *value)
{
    buf_printf(out, "{\"of\":%" PRId64, value->of);
    if (value->created)
        buf_printf(out, ",\"created\":%" PRId64, value->created);
    buf_printf(out, ",\"since\":%" PRId64, value->since);
    if (value->created)
        buf_text(out, ",\"why\":\"" EXPIRED "\"");
    buf_text(out, "," VALUE);
    buf_append(out, value->value, value->size);
    buf_text(out, "}");
}
