/*
 * buf: bytes that grow, on the heap. Starts as {0}; always followed by a NUL that is not counted,
 * so `data` of a buffer that holds text is a string (NULL while nothing was ever appended).
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/base.h"

struct buf {
    char *data;
    size_t size, capacity;
};

void buf_fini(struct buf *b);
void buf_clear(struct buf *b); /* keeps the memory */
void buf_reserve(struct buf *b, size_t more_bytes);
void buf_append(struct buf *b, const void *bytes, size_t size_bytes);
void buf_text(struct buf *b, const char *text);
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
void buf_consume(struct buf *b, size_t size_bytes); /* drops bytes at the front */

#endif
