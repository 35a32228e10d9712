#include "translate/access_log.h"

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

static pb_FileAccessLog *file_log(struct arena *a, const struct access_log *log)
{
    pb_DataSource *format =
        pb_new_DataSource(a, pb_DataSource_inline_string(pb_str(format_text(a, log->format))));
    return pb_new_FileAccessLog(a,
        .path = pb_str(log->file),
        pb_FileAccessLog_log_format(pb_new_SubstitutionFormatString(
            a, pb_SubstitutionFormatString_text_format_source(format))));
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
    list_push(a, &flags, "NR");
    pb_ResponseFlagFilter *no_route =
        pb_new_ResponseFlagFilter(a, PB_LIST(flags, flags.count, pb_strs(&flags)));
    return build(
        a, log, pb_new_AccessLogFilter(a, pb_AccessLogFilter_response_flag_filter(no_route)));
}
