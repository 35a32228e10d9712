#include "daemon/epoch.h"

#include "daemon/json_out.h"

#include <string.h>

enum { VALUE_LIMIT_BYTES = 4096, RANDOM_BYTES = 16 };

static void change(struct epoch *e, const char *text)
{
    if (e->text[0] && strcmp(e->text, text) != 0)
        log_warn(e->log,
            "the keyspace is another cluster's now",
            LOG_STR("epoch", text),
            LOG_STR("former", e->text));
    snprintf(e->text, sizeof e->text, "%s", text);
}

bool epoch_told(struct epoch *e, const char *value, size_t size_bytes, struct diags *d)
{
    e->is_told = value;
    if (!value) {
        e->text[0] = '\0';
        return true;
    }
    cJSON *json = json_parse(value, size_bytes, VALUE_LIMIT_BYTES, d);
    const char *text = json_text(json, "epoch");
    bool is_good = text && *text && strlen(text) <= EPOCH_TEXT_MAX;
    if (is_good)
        change(e, text);
    else if (json)
        diag_add(d,
            DIAG_ERROR,
            DIAG_BAD_FORMAT,
            "epoch",
            NULL,
            "must be a text of 1 to %d bytes",
            EPOCH_TEXT_MAX);
    cJSON_Delete(json);
    return is_good;
}

/* The watch tells what came of it, and whose it is. */
static void on_made(struct store_call *call, const struct store_reply *reply)
{
    struct epoch *e = container_of(call, struct epoch, make);
    e->is_making = false;
    if (reply->err)
        log_debug(e->log, "the cluster's epoch was not made", LOG_STR("why", reply->err->text));
    else if (reply->succeeded)
        log_info(e->log, "a new cluster: its epoch was made");
}

void epoch_make(struct epoch *e)
{
    uint8_t random[RANDOM_BYTES];
    char value[64] = "{\"epoch\":\"";
    if (e->is_told || e->is_making)
        return;
    INVARIANT(uv_random(NULL, NULL, random, sizeof random, 0, NULL) == 0);
    for (size_t i = 0; i < sizeof random; i++)
        snprintf(value + strlen(value), 3, "%02x", random[i]);
    snprintf(value + strlen(value), sizeof value - strlen(value), "\"}");
    struct store_write write = {
        .key = "cluster",
        .value = value,
        .size = strlen(value),
        .expected_mod_revision = 0,
    };
    e->make.on_reply = on_made;
    e->is_making = true;
    store_txn(e->store, &write, 1, &e->make);
}

void epoch_close(struct epoch *e)
{
    if (e->is_making)
        store_cancel(e->store, &e->make);
    e->is_making = false;
}
