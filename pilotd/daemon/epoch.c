#include "daemon/epoch.h"

#include "daemon/json_out.h"
#include "mesh/level.h"

#include <inttypes.h>
#include <string.h>

enum { VALUE_LIMIT_BYTES = 4096, RANDOM_BYTES = 16, LEVEL_MAX = 1000 * 1000 };

static void change(struct epoch *e, const char *text)
{
    if (e->text[0] && strcmp(e->text, text) != 0)
        log_warn(e->log,
            "the keyspace is another cluster's now",
            LOG_STR("epoch", text),
            LOG_STR("former", e->text));
    snprintf(e->text, sizeof e->text, "%s", text);
}

static bool read_level(const cJSON *json, int64_t *level, struct diags *d)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, "level");
    *level = 1;
    if (!item)
        return true;
    if (!cJSON_IsNumber(item) || item->valuedouble < 1 || item->valuedouble > LEVEL_MAX) {
        diag_add(d, DIAG_ERROR, DIAG_BAD_FORMAT, "level", NULL, "must be a whole number from 1");
        return false;
    }
    *level = (int64_t)item->valuedouble;
    return true;
}

static bool read_value(
    struct epoch *e, const char *value, size_t size_bytes, int64_t *level, struct diags *d)
{
    cJSON *json = json_parse(value, size_bytes, VALUE_LIMIT_BYTES, d);
    const char *text = json_text(json, "epoch");
    bool is_good = text && *text && strlen(text) <= EPOCH_TEXT_MAX;
    if (json && !is_good)
        diag_add(d,
            DIAG_ERROR,
            DIAG_BAD_FORMAT,
            "epoch",
            NULL,
            "must be a text of 1 to %d bytes",
            EPOCH_TEXT_MAX);
    is_good = is_good && read_level(json, level, d);
    if (is_good)
        change(e, text);
    cJSON_Delete(json);
    return is_good;
}

bool epoch_told(struct epoch *e, const struct store_change *told, struct diags *d)
{
    int64_t level = 1;
    bool is_good = true;
    e->is_told = !told->is_gone;
    e->mod_revision = told->is_gone ? 0 : told->entry.mod_revision;
    if (told->is_gone)
        e->text[0] = '\0';
    else
        is_good = read_value(e, told->entry.value, told->entry.size, &level, d);
    if (is_good && e->level > 0 && level != e->level)
        log_info(e->log,
            "another translation level is in force",
            LOG_INT("level", level),
            LOG_INT("former", e->level));
    free(e->value);
    e->value = is_good && !told->is_gone ? xstrdup(told->entry.value) : NULL;
    if (is_good)
        e->level = level;
    return is_good;
}

/* ---- writing: the watch tells what came of it ---- */

static void on_written(struct store_call *call, const struct store_reply *reply)
{
    struct epoch *e = container_of(call, struct epoch, make);
    e->is_making = false;
    if (reply->err)
        log_debug(e->log, "the key cluster was not written", LOG_STR("why", reply->err->text));
}

/* `json` is taken over. */
static void write_key(struct epoch *e, cJSON *json, int64_t expected)
{
    struct buf value = { 0 };
    json_out(&value, json);
    struct store_write write = {
        .key = "cluster",
        .value = value.data,
        .size = value.size,
        .expected_mod_revision = expected,
    };
    e->make.on_reply = on_written;
    e->is_making = true;
    store_txn(e->store, &write, 1, &e->make);
    buf_fini(&value);
}

void epoch_make(struct epoch *e)
{
    uint8_t random[RANDOM_BYTES];
    char text[2 * RANDOM_BYTES + 1];
    if (e->is_told || e->is_making)
        return;
    INVARIANT(uv_random(NULL, NULL, random, sizeof random, 0, NULL) == 0);
    for (size_t i = 0; i < sizeof random; i++)
        snprintf(&text[2 * i], 3, "%02x", random[i]);
    log_info(e->log, "a new cluster: its epoch is made", LOG_STR("epoch", text));
    cJSON *json = cJSON_CreateObject();
    json_add_text(json, "epoch", text);
    json_add_int(json, "level", level_newest);
    write_key(e, json, 0);
}

/* What a newer release may have written beside it stays. */
void epoch_propose_level(struct epoch *e, int64_t level)
{
    if (e->is_making || !e->value)
        return;
    log_info(e->log,
        "all replicas can build another translation level: it is proposed",
        LOG_INT("level", level),
        LOG_INT("former", e->level));
    cJSON *json = cJSON_Parse(e->value);
    cJSON_DeleteItemFromObjectCaseSensitive(json, "level");
    json_add_int(json, "level", level);
    write_key(e, json, e->mod_revision);
}

void epoch_close(struct epoch *e)
{
    if (e->is_making)
        store_cancel(e->store, &e->make);
    e->is_making = false;
    free(e->value);
    e->value = NULL;
}
