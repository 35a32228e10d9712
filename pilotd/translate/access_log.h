/*
 * access_log: the file access log that MeshConfig asks for (accessLogFile, accessLogFormat,
 * accessLogEncoding).
 *
 * Both are arguments of every renderer that logs: `file` NULL or "" means no log, `format` NULL or
 * "" Istio's usual line.
 */
#ifndef TRANSLATE_ACCESS_LOG_H
#define TRANSLATE_ACCESS_LOG_H

#include "model/mesh_config.h"
#include "proto/pb.h"

struct access_log {
    const char *file, *format;
    bool is_json;             /* `format` is then a JSON object of texts */
    bool has_no_listener_log; /* only what a chain took is logged */
};
struct access_log access_log_of(const struct mesh_config *mesh);

/* At most one item. PB_LIST(access_log, logs.count, logs.items) puts it into a message. */
typedef LIST(pb_AccessLog *) access_log_list;

/* Every request or connection: for HttpConnectionManager and TcpProxy. */
access_log_list access_log_build(struct arena *a, const struct access_log *log);

/* Only connections that no filter chain takes: for the virtual listeners themselves. */
access_log_list access_log_build_no_route(struct arena *a, const struct access_log *log);

#endif
