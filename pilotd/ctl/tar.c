#include "ctl/tar.h"

#include <string.h>

enum { BLOCK = 512, CHECKSUM_AT = 148, CHECKSUM_SIZE = 8 };

static void pad(struct buf *archive)
{
    static const char zeroes[BLOCK];
    if (archive->size % BLOCK)
        buf_append(archive, zeroes, BLOCK - archive->size % BLOCK);
}

void tar_add(struct buf *archive, const char *name, const char *text, size_t size, int64_t time_s)
{
    char head[BLOCK] = { 0 };
    unsigned sum = 0;
    INVARIANT(strlen(name) <= TAR_NAME_MAX);
    snprintf(head, TAR_NAME_MAX + 1, "%s", name);
    snprintf(head + 100, 8, "%07o", 0644U);
    snprintf(head + 108, 8, "%07o", 0U);
    snprintf(head + 116, 8, "%07o", 0U);
    snprintf(head + 124, 12, "%011llo", (unsigned long long)size);
    snprintf(head + 136, 12, "%011llo", (unsigned long long)time_s);
    memset(head + CHECKSUM_AT, ' ', CHECKSUM_SIZE);
    head[156] = '0';
    memcpy(head + 257, "ustar\00000", 8);
    for (size_t i = 0; i < BLOCK; i++)
        sum += (unsigned char)head[i];
    snprintf(head + CHECKSUM_AT, CHECKSUM_SIZE, "%06o", sum);
    buf_append(archive, head, BLOCK);
    buf_append(archive, text, size);
    pad(archive);
}

void tar_end(struct buf *archive)
{
    static const char zeroes[2 * BLOCK];
    buf_append(archive, zeroes, sizeof zeroes);
}
