#include "xds/rpc_parts.h"

#include "base/json.h"

static const char *state_of(const struct xds_type_status *status)
{
    if (!status->is_subscribed)
        return "not sent";
    if (status->refused)
        return "nacked";
    return status->is_settled ? "synced" : "stale";
}

static cJSON *type_json(const struct rpc *rpc, enum xds_type type)
{
    struct xds_type_status status;
    cJSON *json = cJSON_CreateObject();
    xds_stream_status(rpc->xds, type, &status);
    cJSON_AddStringToObject(json, "state", state_of(&status));
    cJSON_AddBoolToObject(json, "settled", status.is_settled);
    cJSON_AddNumberToObject(json, "subscribed", (double)status.subscribed);
    cJSON_AddNumberToObject(json, "sent", (double)status.sent_resources);
    cJSON_AddNumberToObject(json, "refused", (double)status.refused);
    cJSON_AddNumberToObject(json, "sentRevision", (double)status.sent_revision);
    cJSON_AddNumberToObject(json, "ackedRevision", (double)status.acked_revision);
    cJSON_AddNumberToObject(json, "sentMs", (double)status.sent_ms);
    cJSON_AddNumberToObject(json, "ackedMs", (double)status.acked_ms);
    cJSON_AddNumberToObject(json, "refusedMs", (double)status.refused_ms);
    cJSON_AddNumberToObject(json, "acks", (double)status.acks);
    cJSON_AddNumberToObject(json, "nacks", (double)status.nacks);
    cJSON_AddStringToObject(json, "lastNack", status.last_nack);
    return json;
}

/* By its hash, which names its content; null before the first. */
static void add_view(cJSON *json, const struct xds_view *view)
{
    char text[HASH128_TEXT_BYTES];
    if (!view) {
        cJSON_AddNullToObject(json, "view");
        return;
    }
    hash128_text(&view->hash, text);
    cJSON_AddStringToObject(json, "view", text);
}

/* By its certificate; null without one. */
static void add_identity(cJSON *json, const struct h2_connection *c)
{
    struct buf identity = { 0 };
    h2_connection_identity(c, &identity);
    if (identity.size)
        cJSON_AddStringToObject(json, "identity", identity.data);
    else
        cJSON_AddNullToObject(json, "identity");
    buf_fini(&identity);
}

static cJSON *proxy_json(const struct rpc *rpc)
{
    cJSON *json = cJSON_CreateObject(), *types = cJSON_CreateObject();
    const struct h2_connection *c = h2_stream_connection(rpc->stream);
    cJSON_AddStringToObject(json, "id", rpc->node->id);
    cJSON_AddStringToObject(json, "address", h2_connection_peer(c));
    add_identity(json, c);
    cJSON_AddStringToObject(json, "variant", rpc->method == DISCOVERY_SOTW ? "sotw" : "delta");
    cJSON_AddStringToObject(json, "userAgent", rpc->node->user_agent);
    add_view(json, xds_stream_wanted(rpc->xds));
    cJSON_AddNumberToObject(
        json, "connectedSeconds", (double)((uv_now(rpc->shared->loop) - rpc->opened_ms) / 1000));
    for (enum xds_type type = 0; type < XDS_TYPE_COUNT; type++)
        cJSON_AddItemToObject(types, xds_type_short(type), type_json(rpc, type));
    cJSON_AddItemToObject(json, "types", types);
    return json;
}

void rpc_list_report(const struct rpc_list *list, struct buf *out)
{
    bool is_first = true;
    buf_text(out, "[");
    for (const struct rpc *rpc = list->first; rpc; rpc = rpc->next) {
        if (!rpc->is_subscribed)
            continue;
        cJSON *json = proxy_json(rpc);
        char *printed = cJSON_PrintUnformatted(json);
        buf_printf(out, "%s%s", is_first ? "" : ",", printed);
        is_first = false;
        free(printed);
        cJSON_Delete(json);
    }
    buf_text(out, "]");
}
