/*
 * gunzip: one gzip member, as gRPC's messages with "grpc-encoding: gzip" are. The one door to zlib.
 */
#ifndef XDS_GUNZIP_H
#define XDS_GUNZIP_H

#include "base/buf.h"

enum gunzip_result { GUNZIP_GOOD, GUNZIP_GARBLED, GUNZIP_TOO_LONG };

/* Appended to `out`: at most limit_bytes, however long it would be, so that a bomb costs no more.
 */
enum gunzip_result gunzip(
    const uint8_t *bytes, size_t size_bytes, size_t limit_bytes, struct buf *out);

#endif
