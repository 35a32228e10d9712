/* JSON trees out as YAML, so that yaml_read gives the same tree again. */
#include "base/yaml.h"

#include <string.h>
#include <strings.h>
#include <yaml.h>

struct writer {
    yaml_emitter_t emitter;
    struct buf *out;
};

static int on_bytes(void *context, unsigned char *bytes, size_t size)
{
    struct writer *w = context;
    buf_append(w->out, bytes, size);
    return 1;
}

/* libyaml keeps an event that it was given, and frees it. */
static void emit(struct writer *w, yaml_event_t *event)
{
    INVARIANT(yaml_emitter_emit(&w->emitter, event));
}

/* Texts that some reader of YAML takes for something else when they stand without quotes. */
static bool reads_as_text(const char *text)
{
    static const char *const words[] = {
        "true", "false", "null", "yes", "no", "on", "off", "y", "n"
    };
    for (size_t i = 0; i < ARRAY_COUNT(words); i++)
        if (strcasecmp(text, words[i]) == 0)
            return false;
    return *text && !strchr("0123456789.+-~=<", *text);
}

static void emit_scalar(struct writer *w, const char *text, bool is_text)
{
    yaml_event_t event;
    size_t size = strlen(text);
    bool is_plain = !is_text || reads_as_text(text);
    bool has_lines = is_text && strchr(text, '\n');
    yaml_scalar_style_t style = has_lines  ? YAML_DOUBLE_QUOTED_SCALAR_STYLE
                                : is_plain ? YAML_ANY_SCALAR_STYLE
                                           : YAML_DOUBLE_QUOTED_SCALAR_STYLE;
    INVARIANT(yaml_scalar_event_initialize(
        &event, NULL, NULL, (const yaml_char_t *)text, (int)size, is_plain, 1, style));
    emit(w, &event);
}

static void emit_node(struct writer *w, const cJSON *json);

static void emit_list(struct writer *w, const cJSON *json)
{
    yaml_event_t event;
    const cJSON *item;
    yaml_sequence_style_t style =
        json->child ? YAML_BLOCK_SEQUENCE_STYLE : YAML_FLOW_SEQUENCE_STYLE;
    INVARIANT(yaml_sequence_start_event_initialize(&event, NULL, NULL, 1, style));
    emit(w, &event);
    cJSON_ArrayForEach (item, json)
        emit_node(w, item);
    INVARIANT(yaml_sequence_end_event_initialize(&event));
    emit(w, &event);
}

static void emit_object(struct writer *w, const cJSON *json)
{
    yaml_event_t event;
    const cJSON *item;
    yaml_mapping_style_t style = json->child ? YAML_BLOCK_MAPPING_STYLE : YAML_FLOW_MAPPING_STYLE;
    INVARIANT(yaml_mapping_start_event_initialize(&event, NULL, NULL, 1, style));
    emit(w, &event);
    cJSON_ArrayForEach (item, json) {
        emit_scalar(w, item->string, true);
        emit_node(w, item);
    }
    INVARIANT(yaml_mapping_end_event_initialize(&event));
    emit(w, &event);
}

static void emit_node(struct writer *w, const cJSON *json)
{
    if (cJSON_IsArray(json)) {
        emit_list(w, json);
    } else if (cJSON_IsObject(json)) {
        emit_object(w, json);
    } else if (cJSON_IsString(json)) {
        emit_scalar(w, json->valuestring, true);
    } else { /* numbers, true, false and null are spelled as in JSON */
        char *printed = cJSON_PrintUnformatted(json);
        emit_scalar(w, printed, false);
        free(printed);
    }
}

void yaml_write(const cJSON *json, struct buf *out)
{
    struct writer w = { .out = out };
    yaml_event_t event;
    INVARIANT(yaml_emitter_initialize(&w.emitter));
    yaml_emitter_set_output(&w.emitter, on_bytes, &w);
    yaml_emitter_set_unicode(&w.emitter, 1);
    yaml_emitter_set_width(&w.emitter, -1);
    INVARIANT(yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING));
    emit(&w, &event);
    INVARIANT(yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1));
    emit(&w, &event);
    emit_node(&w, json);
    INVARIANT(yaml_document_end_event_initialize(&event, 1));
    emit(&w, &event);
    INVARIANT(yaml_stream_end_event_initialize(&event));
    emit(&w, &event);
    yaml_emitter_delete(&w.emitter);
    buf_text(out, "");
}
