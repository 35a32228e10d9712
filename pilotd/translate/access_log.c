#include "translate/access_log.h"

#include "base/json.h"

#include <string.h>

/* Istio's usual line: the request, the answer, why it failed, how much, who asked, who answered. */
static const char usual_format[] =
    "[%START_TIME%] "
    "\"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" "
    "%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% "
    "%CONNECTION_TERMINATION_DETAILS% "
    "\"%UPSTREAM_TRANSPORT_FAILURE_REASON%\" "
    "%BYTES_RECEIVED% %BYTES_SENT% "
    "%DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "
    "\"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" "
    "\"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" "
    "\"%UPSTREAM_HOST%\" %UPSTREAM_CLUSTER_RAW% "
    "%UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% "
    "%DOWNSTREAM_REMOTE_ADDRESS% "
    "%REQUESTED_SERVER_NAME% %ROUTE_NAME%\n";

/* A format of the user's own gets the newline it lacks: a log is lines. */
static const char *format_text(struct arena *a, const char *format)
{
    if (!format || !*format)
        return usual_format;
    bool has_newline = format[strlen(format) - 1] == '\n';
    return has_newline ? format : arena_printf(a, "%s\n", format);
}

/* ---- lines in JSON ---- */

/* Istio's usual fields, of the same commands. */
static const struct {
    const char *name, *command;
} usual_fields[] = {
    { "start_time", "%START_TIME%" },
    { "method", "%REQ(:METHOD)%" },
    { "path", "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%" },
    { "protocol", "%PROTOCOL%" },
    { "response_code", "%RESPONSE_CODE%" },
    { "response_flags", "%RESPONSE_FLAGS%" },
    { "response_code_details", "%RESPONSE_CODE_DETAILS%" },
    { "connection_termination_details", "%CONNECTION_TERMINATION_DETAILS%" },
    { "upstream_transport_failure_reason", "%UPSTREAM_TRANSPORT_FAILURE_REASON%" },
    { "bytes_received", "%BYTES_RECEIVED%" },
    { "bytes_sent", "%BYTES_SENT%" },
    { "duration", "%DURATION%" },
    { "upstream_service_time", "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%" },
    { "x_forwarded_for", "%REQ(X-FORWARDED-FOR)%" },
    { "user_agent", "%REQ(USER-AGENT)%" },
    { "request_id", "%REQ(X-REQUEST-ID)%" },
    { "authority", "%REQ(:AUTHORITY)%" },
    { "upstream_host", "%UPSTREAM_HOST%" },
    { "upstream_cluster", "%UPSTREAM_CLUSTER_RAW%" },
    { "upstream_local_address", "%UPSTREAM_LOCAL_ADDRESS%" },
    { "downstream_local_address", "%DOWNSTREAM_LOCAL_ADDRESS%" },
    { "downstream_remote_address", "%DOWNSTREAM_REMOTE_ADDRESS%" },
    { "requested_server_name", "%REQUESTED_SERVER_NAME%" },
    { "route_name", "%ROUTE_NAME%" },
};

typedef LIST(pb_Struct_FieldsEntry *) entry_list;

static void push_entry(struct arena *a, entry_list *entries, const char *name, pb_Value *value)
{
    list_push(
        a, entries, pb_new_Struct_FieldsEntry(a, .key = arena_strdup(a, name), .value = value));
}

static pb_Struct *usual_struct(struct arena *a)
{
    entry_list entries = { 0 };
    for (size_t i = 0; i < ARRAY_COUNT(usual_fields); i++)
        push_entry(a,
            &entries,
            usual_fields[i].name,
            pb_new_Value(a, pb_Value_string_value(pb_str(usual_fields[i].command))));
    return pb_new_Struct(a, PB_LIST(fields, entries.count, entries.items));
}

/* Checked when it was decoded: objects of texts, as deep as JSON may be. */
static pb_Struct *struct_of(struct arena *a, const cJSON *json)
{
    entry_list entries = { 0 };
    const cJSON *member;
    cJSON_ArrayForEach (member, json) {
        if (cJSON_IsObject(member))
            push_entry(a,
                &entries,
                member->string,
                pb_new_Value(a, pb_Value_struct_value(struct_of(a, member))));
        else if (cJSON_IsString(member))
            push_entry(a,
                &entries,
                member->string,
                pb_new_Value(a, pb_Value_string_value(arena_strdup(a, member->valuestring))));
    }
    return pb_new_Struct(a, PB_LIST(fields, entries.count, entries.items));
}

static pb_Struct *json_fields(struct arena *a, const char *format)
{
    struct diags faults;
    if (!format || !*format)
        return usual_struct(a);
    diags_init(&faults, a);
    cJSON *json = json_parse(format, strlen(format), strlen(format), &faults);
    INVARIANT(json);
    pb_Struct *fields = struct_of(a, json);
    cJSON_Delete(json);
    return fields;
}

/* ---- the log ---- */

static pb_SubstitutionFormatString *format_build(struct arena *a, const struct access_log *log)
{
    if (log->is_json)
        return pb_new_SubstitutionFormatString(
            a, pb_SubstitutionFormatString_json_format(json_fields(a, log->format)));
    pb_DataSource *text =
        pb_new_DataSource(a, pb_DataSource_inline_string(pb_str(format_text(a, log->format))));
    return pb_new_SubstitutionFormatString(a, pb_SubstitutionFormatString_text_format_source(text));
}

static pb_FileAccessLog *file_log(struct arena *a, const struct access_log *log)
{
    return pb_new_FileAccessLog(
        a, .path = pb_str(log->file), pb_FileAccessLog_log_format(format_build(a, log)));
}

struct access_log access_log_of(const struct mesh_config *mesh)
{
    return (struct access_log){
        .file = mesh->access_log_file,
        .format = mesh->access_log_format,
        .is_json = mesh->access_log_encoding == ACCESS_LOG_JSON,
        .has_no_listener_log = mesh->disable_envoy_listener_log,
    };
}

static access_log_list build(
    struct arena *a, const struct access_log *log, pb_AccessLogFilter *filter)
{
    access_log_list logs = { 0 };
    if (log->file && *log->file)
        list_push(a,
            &logs,
            pb_new_AccessLog(a,
                .name = pb_str("envoy.access_loggers.file"),
                .filter = filter,
                pb_AccessLog_typed_config(pb_any(a, &file_log(a, log)->base))));
    return logs;
}

access_log_list access_log_build(struct arena *a, const struct access_log *log)
{
    return build(a, log, NULL);
}

access_log_list access_log_build_no_route(struct arena *a, const struct access_log *log)
{
    string_list flags = { 0 };
    if (log->has_no_listener_log)
        return (access_log_list){ 0 };
    list_push(a, &flags, "NR");
    pb_ResponseFlagFilter *no_route =
        pb_new_ResponseFlagFilter(a, PB_LIST(flags, flags.count, pb_strs(&flags)));
    return build(
        a, log, pb_new_AccessLogFilter(a, pb_AccessLogFilter_response_flag_filter(no_route)));
}
