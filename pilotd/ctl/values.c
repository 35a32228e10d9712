#include "ctl/values.h"

#include "base/yaml.h"

#include <string.h>

static const char *yaml_text(struct arena *a, const cJSON *json)
{
    struct buf out = { 0 };
    yaml_write(json, &out);
    const char *text = arena_strndup(a, out.data, out.size);
    buf_fini(&out);
    return text;
}

const char *value_yaml(struct arena *a, const char *value)
{
    cJSON *json = cJSON_Parse(value ? value : "");
    const char *text = json ? yaml_text(a, json) : arena_strdup(a, value ? value : "");
    cJSON_Delete(json);
    return text;
}

const char *value_document(struct arena *a, const char *key, const char *value)
{
    cJSON *json = cJSON_Parse(value), *document = cJSON_CreateObject();
    bool is_mesh = strcmp(key, "mesh") == 0;
    if (!json)
        json = cJSON_CreateString(value);
    if (begins_with(key, "config/")) {
        cJSON_Delete(document);
        document = json;
    } else {
        cJSON_AddStringToObject(document, is_mesh ? "kind" : "key", is_mesh ? "MeshConfig" : key);
        cJSON_AddItemToObject(document, is_mesh ? "spec" : "value", json);
    }
    const char *text = yaml_text(a, document);
    cJSON_Delete(document);
    return text;
}

const char *value_subject(struct arena *a, const char *value)
{
    cJSON *json = cJSON_Parse(value);
    const cJSON *spec = cJSON_GetObjectItemCaseSensitive(json, "spec");
    const cJSON *body = spec ? spec : json, *host;
    const cJSON *hosts = cJSON_GetObjectItemCaseSensitive(body, "hosts");
    const char *text = json_text(body, "host");
    if (!text)
        text = json_text(body, "address");
    const char *result = arena_strdup(a, text ? text : "");
    cJSON_ArrayForEach (host, hosts)
        if (cJSON_IsString(host))
            result = arena_printf(a, "%s%s%s", result, *result ? "," : "", host->valuestring);
    cJSON_Delete(json);
    return result;
}
