#include "daemon/record.h"

#include "daemon/json_out.h"

#include <string.h>

enum { RECORD_LIMIT_BYTES = 16 * 1024, LEVEL_MAX = 1000 * 1000 };

const char *replica_state_name(enum replica_state state)
{
    static const char *const names[] = {
        [REPLICA_STARTING] = "starting",
        [REPLICA_SERVING] = "serving",
        [REPLICA_DRAINING] = "draining",
        [REPLICA_DEGRADED] = "degraded",
    };
    return names[state];
}

/* The fields, in the order of the JSON; every record has them but for those that may be missing. */
static const struct {
    const char *name;
    enum { TEXT, TEXT_OR_NONE, NUMBER } type;
    size_t offset;
} fields[] = {
    { "id", TEXT, offsetof(struct replica_record, id) },
    { "instance", TEXT, offsetof(struct replica_record, instance) },
    { "version", TEXT, offsetof(struct replica_record, version) },
    { "xds", TEXT, offsetof(struct replica_record, xds) },
    { "xdsTls", TEXT_OR_NONE, offsetof(struct replica_record, xds_tls) },
    { "admin", TEXT, offsetof(struct replica_record, admin) },
    { "state", TEXT, offsetof(struct replica_record, state) },
    { "level", NUMBER, offsetof(struct replica_record, level) },
    { "streams", NUMBER, offsetof(struct replica_record, streams) },
    { "beat", NUMBER, offsetof(struct replica_record, beat) },
};

static const char **text_of(struct replica_record *r, size_t offset)
{
    return (const char **)(void *)((char *)r + offset);
}

static int64_t *number_of(struct replica_record *r, size_t offset)
{
    return (int64_t *)(void *)((char *)r + offset);
}

void record_encode(const struct replica_record *r, struct buf *out)
{
    struct replica_record copy = *r;
    cJSON *json = cJSON_CreateObject();
    for (size_t i = 0; i < ARRAY_COUNT(fields); i++) {
        if (fields[i].type == NUMBER)
            json_add_int(json, fields[i].name, *number_of(&copy, fields[i].offset));
        else if (fields[i].type == TEXT || *text_of(&copy, fields[i].offset))
            json_add_text(json, fields[i].name, *text_of(&copy, fields[i].offset));
    }
    cJSON *levels = cJSON_AddArrayToObject(json, "levels");
    for (int64_t level = r->level_least; level <= r->level_newest; level++)
        cJSON_AddItemToArray(levels, cJSON_CreateNumber((double)level));
    if (r->has_snapshot) {
        json_add_int(json, "revision", r->revision);
        json_add_int(json, "snapshotRevision", r->snapshot_revision);
        json_add_text(json, "hash", r->hash);
    }
    json_out(out, json);
}

static bool fault(struct diags *d, enum diag_code code, const char *name, const char *wanted)
{
    diag_add(d, DIAG_ERROR, code, name, NULL, "must be %s", wanted);
    return false;
}

static bool read_number(const cJSON *json, const char *name, int64_t *out, struct diags *d)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, name);
    double limit = 9007199254740992.0; /* 2^53: exact in a double */
    if (!cJSON_IsNumber(item) || item->valuedouble < 0 || item->valuedouble > limit)
        return fault(d, DIAG_WRONG_TYPE, name, "a whole number");
    *out = (int64_t)item->valuedouble;
    return true;
}

static bool read_field(
    struct arena *a, const cJSON *json, size_t i, struct replica_record *out, struct diags *d)
{
    if (fields[i].type == NUMBER)
        return read_number(json, fields[i].name, number_of(out, fields[i].offset), d);
    const char *text = json_text(json, fields[i].name);
    *text_of(out, fields[i].offset) = arena_strdup(a, text);
    return text || fields[i].type == TEXT_OR_NONE ||
           fault(d, DIAG_WRONG_TYPE, fields[i].name, "a text");
}

static bool read_snapshot(const cJSON *json, struct replica_record *out, struct diags *d)
{
    const char *hash = json_text(json, "hash");
    if (!hash)
        return true;
    if (strlen(hash) != HASH128_TEXT_BYTES - 1)
        return fault(d, DIAG_BAD_FORMAT, "hash", "32 hexadecimal digits");
    out->has_snapshot = true;
    memcpy(out->hash, hash, HASH128_TEXT_BYTES);
    return read_number(json, "revision", &out->revision, d) &&
           read_number(json, "snapshotRevision", &out->snapshot_revision, d);
}

/* In the order of levels; one that says nothing can build the one it builds. */
static bool read_levels(const cJSON *json, struct replica_record *out, struct diags *d)
{
    const cJSON *levels = cJSON_GetObjectItemCaseSensitive(json, "levels"), *item;
    if (out->level < 1 || out->level > LEVEL_MAX)
        return fault(d, DIAG_OUT_OF_RANGE, "level", "a whole number from 1");
    out->level_least = out->level_newest = out->level;
    cJSON_ArrayForEach (item, levels) {
        bool is_first = item == levels->child;
        if (!cJSON_IsNumber(item) || item->valuedouble < 1 || item->valuedouble > LEVEL_MAX)
            return fault(d, DIAG_WRONG_TYPE, "levels", "an array of whole numbers from 1");
        int64_t level = (int64_t)item->valuedouble;
        if (is_first || level < out->level_least)
            out->level_least = level;
        if (is_first || level > out->level_newest)
            out->level_newest = level;
    }
    return true;
}

bool record_decode(struct arena *a, const char *value, size_t size_bytes,
    struct replica_record *out, struct diags *d)
{
    cJSON *json = json_parse(value, size_bytes, RECORD_LIMIT_BYTES, d);
    bool is_good = json;
    *out = (struct replica_record){ 0 };
    for (size_t i = 0; is_good && i < ARRAY_COUNT(fields); i++)
        is_good = read_field(a, json, i, out, d);
    is_good = is_good && read_levels(json, out, d) && read_snapshot(json, out, d);
    cJSON_Delete(json);
    return is_good;
}
