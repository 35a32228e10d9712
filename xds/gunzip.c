#include "xds/gunzip.h"

#include <zlib.h>

enum { PIECE_BYTES = 16 * 1024, GZIP_ALONE = 16 /* added to the window's bits: no zlib, no raw */ };

static int inflate_piece(z_stream *z, struct buf *out)
{
    buf_reserve(out, PIECE_BYTES);
    z->next_out = (Bytef *)out->data + out->size;
    z->avail_out = PIECE_BYTES;
    int result = inflate(z, Z_NO_FLUSH);
    out->size += PIECE_BYTES - z->avail_out;
    return result;
}

enum gunzip_result gunzip(
    const uint8_t *bytes, size_t size_bytes, size_t limit_bytes, struct buf *out)
{
    z_stream z = { .next_in = (Bytef *)(uintptr_t)bytes, .avail_in = (uInt)size_bytes };
    size_t before = out->size;
    int result = inflateInit2(&z, GZIP_ALONE + MAX_WBITS);
    while (result == Z_OK && out->size - before <= limit_bytes)
        result = inflate_piece(&z, out);
    bool is_whole = result == Z_STREAM_END && z.avail_in == 0;
    inflateEnd(&z);
    if (out->size - before > limit_bytes)
        return GUNZIP_TOO_LONG;
    return is_whole ? GUNZIP_GOOD : GUNZIP_GARBLED;
}
