/*
 * limits: how much one client may take of a server, and what it is told when it wants more.
 *
 * Whoever crosses a limit loses its stream or its connection, is told which limit it was, counted
 * (pilotd_xds_limits_total{limit=…}) and logged; everybody else is served meanwhile. Times can be
 * set; the other limits are far from what a proxy does, and fixed: here and in xds/server.h. What
 * they are there against, by name: "HTTP/2 Rapid Reset" (CVE-2023-44487), the floods of
 * CVE-2019-9511 to 9518, "CONTINUATION Flood" (VU#421644), bombs of HPACK and gzip, slow reads.
 */
#ifndef XDS_LIMITS_H
#define XDS_LIMITS_H

#include "base/token_bucket.h"

#include <stddef.h>

enum xds_limit {
    XDS_LIMIT_NONE,
#define LIMIT(name, label, status, text) XDS_LIMIT_##name,
#include "xds/limits.def"
#undef LIMIT
    XDS_LIMIT_COUNT
};

/* What whoever crosses it is told. */
const char *xds_limit_text(enum xds_limit limit);

/* Of a server; 0: never. */
struct xds_limits {
    uint64_t keepalive_ms; /* nothing heard so long: a PING; and again so long: closed */
    /* A connection's first request, and each message from its first byte to its last. */
    uint64_t request_ms;
    /* A stream that has something to be sent and gets rid of less than XDS_STALL_BYTES in this. */
    uint64_t stall_ms;
    uint64_t idle_ms; /* a connection without streams */
};

enum { XDS_STALL_BYTES = 64 * 1024 };

#define XDS_LIMITS_DEFAULT                                                                         \
    {                                                                                              \
        .keepalive_ms = 30 * 1000, .request_ms = 30 * 1000, .stall_ms = 60 * 1000,                 \
        .idle_ms = 300 * 1000                                                                      \
    }

/* A frame of any kind counts; a frame of data that we send gives its client XDS_FRAMES_PER_DATA
 * more, for then window updates are due. */
static const struct token_bucket_rate xds_frame_rate = { 10000, 2000 };
enum { XDS_FRAMES_PER_DATA = 4 };
static const struct token_bucket_rate xds_stream_rate = { 1000, 50 };    /* of a connection */
static const struct token_bucket_rate xds_request_rate = { 5000, 1000 }; /* of a stream */

#endif
