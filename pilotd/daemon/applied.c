#include "daemon/applied.h"

#include "daemon/json_out.h"

void applied_heard(struct applied *a, int64_t revision, int64_t now_ms)
{
    struct applied_entry *w = &a->waiting;
    if (!w->from)
        *w = (struct applied_entry){ .from = revision, .to = revision, .heard_ms = now_ms };
    if (revision < w->from) /* a listing is in the order of keys */
        w->from = revision;
    if (revision > w->to)
        w->to = revision;
}

/* What came while the rest was built waits for the next build. */
void applied_served(struct applied *a, int64_t revision, int64_t now_ms)
{
    struct applied_entry entry = a->waiting;
    if (!entry.from || revision < entry.from)
        return;
    a->waiting.from = entry.to > revision ? revision + 1 : 0;
    if (entry.to > revision)
        entry.to = revision;
    entry.applied_ms = now_ms;
    a->ring[a->count++ % APPLIED_KEPT] = entry;
}

void applied_forget(struct applied *a)
{
    a->count = 0;
    a->waiting.from = 0;
}

void applied_report(const struct applied *a, struct buf *out)
{
    cJSON *json = cJSON_CreateObject();
    json_add_int(json, "kept", APPLIED_KEPT);
    cJSON *list = cJSON_AddArrayToObject(json, "changes");
    for (uint64_t i = a->count > APPLIED_KEPT ? a->count - APPLIED_KEPT : 0; i < a->count; i++) {
        const struct applied_entry *entry = &a->ring[i % APPLIED_KEPT];
        cJSON *one = cJSON_CreateObject();
        json_add_int(one, "from", entry->from);
        json_add_int(one, "to", entry->to);
        json_add_int(one, "heardMs", entry->heard_ms);
        json_add_int(one, "appliedMs", entry->applied_ms);
        cJSON_AddItemToArray(list, one);
    }
    json_out(out, json);
}
