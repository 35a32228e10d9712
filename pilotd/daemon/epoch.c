#include "daemon/epoch.h"

#include "daemon/json_out.h"
#include "mesh/level.h"

#include <string.h>

enum { VALUE_LIMIT_BYTES = 4096, RANDOM_BYTES = 16, LEVEL_MAX = 1000 * 1000 };

/* ---- what is told ---- */

static void blame(struct epoch *e, const char *what, const char *text)
{
    snprintf(e->problem, sizeof e->problem, "%s", what);
    metric_add(e->faults, 1);
    log_error(e->log, what, LOG_STR("epoch", text), LOG_STR("former", e->text));
}

/* What stands in the store is no good. Nothing is known of a former history or by a copy on disk
 * that would be right here. */
static void lose(struct epoch *e, const char *what)
{
    if (e->value && !e->has_other_past) {
        blame(e, what, "");
        return;
    }
    free(e->value);
    e->value = NULL;
    e->text[0] = '\0';
    e->level = 0;
    e->waited = 0;
}

static void change_text(struct epoch *e, const char *text)
{
    bool is_other = e->text[0] && strcmp(e->text, text) != 0;
    e->problem[0] = '\0';
    if (is_other && e->value && !e->has_other_past)
        blame(e, "the key cluster has another epoch: the keyspace is another cluster's now", text);
    else if (is_other)
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
    struct epoch *e, const struct store_entry *entry, int64_t *level, struct diags *d)
{
    cJSON *json = json_parse(entry->value, entry->size, VALUE_LIMIT_BYTES, d);
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
        change_text(e, text);
    cJSON_Delete(json);
    return is_good;
}

static void take_value(struct epoch *e, const struct store_entry *entry, int64_t level)
{
    if (e->level > 0 && level != e->level)
        log_info(e->log,
            "another translation level is in force",
            LOG_INT("level", level),
            LOG_INT("former", e->level));
    e->level = level;
    free(e->value);
    e->value = xstrdup(entry->value);
}

void epoch_told(struct epoch *e, const struct store_change *told, struct diags *d)
{
    int64_t level;
    e->mod_revision = told->is_gone ? 0 : told->entry.mod_revision;
    e->is_good = !told->is_gone && read_value(e, &told->entry, &level, d);
    if (e->is_good)
        take_value(e, &told->entry, level);
    else
        lose(e, told->is_gone ? "the key cluster was deleted" : "the key cluster is no good");
}

/* ---- writing: the watch tells what came of it ---- */

static void on_written(struct store_call *call, const struct store_reply *reply)
{
    struct epoch *e = container_of(call, struct epoch, make);
    e->is_making = false;
    if (reply->err)
        log_debug(e->log, "the key cluster was not written", LOG_STR("why", reply->err->text));
}

/* Nobody else may have written meanwhile. */
static void write_key(struct epoch *e, const char *value)
{
    struct store_write write = {
        .key = "cluster",
        .value = value,
        .size = strlen(value),
        .expected_mod_revision = e->mod_revision,
    };
    e->make.on_reply = on_written;
    e->is_making = true;
    store_txn(e->store, &write, 1, &e->make);
}

/* `json` is taken over. */
static void write_json(struct epoch *e, cJSON *json)
{
    struct buf value = { 0 };
    json_out(&value, json);
    write_key(e, value.data);
    buf_fini(&value);
}

static void make_anew(struct epoch *e)
{
    uint8_t random[RANDOM_BYTES];
    char text[2 * RANDOM_BYTES + 1];
    INVARIANT(uv_random(NULL, NULL, random, sizeof random, 0, NULL) == 0);
    for (size_t i = 0; i < sizeof random; i++)
        snprintf(&text[2 * i], 3, "%02x", random[i]);
    log_info(e->log, "a new cluster: its epoch is made", LOG_STR("epoch", text));
    cJSON *json = cJSON_CreateObject();
    json_add_text(json, "epoch", text);
    json_add_int(json, "level", level_newest);
    write_json(e, json);
}

void epoch_review(struct epoch *e, bool has_peers)
{
    if (e->is_good || e->is_making)
        return;
    if (e->value && store_status(e->store)->state != STORE_FOLLOWING) {
        return; /* it might be another history's by now */
    } else if (e->value) {
        log_warn(e->log, "the key cluster is written again", LOG_STR("epoch", e->text));
        write_key(e, e->value);
    } else if (e->mod_revision == 0 && (!has_peers || ++e->waited > EPOCH_PATIENCE)) {
        make_anew(e);
    }
}

/* What a newer release may have written beside it stays. */
void epoch_propose_level(struct epoch *e, int64_t level)
{
    if (e->is_making || !e->is_good)
        return;
    log_info(e->log,
        "all replicas can build another translation level: it is proposed",
        LOG_INT("level", level),
        LOG_INT("former", e->level));
    cJSON *json = cJSON_Parse(e->value);
    cJSON_DeleteItemFromObjectCaseSensitive(json, "level");
    json_add_int(json, "level", level);
    write_json(e, json);
}

void epoch_close(struct epoch *e)
{
    if (e->is_making)
        store_cancel(e->store, &e->make);
    e->is_making = false;
    free(e->value);
    e->value = NULL;
}
