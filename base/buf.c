#include "base/buf.h"

#include <stdarg.h>
#include <string.h>

void buf_fini(struct buf *b)
{
    free(b->data);
    *b = (struct buf){ 0 };
}

void buf_clear(struct buf *b)
{
    b->size = 0;
    if (b->data)
        b->data[0] = '\0';
}

void buf_reserve(struct buf *b, size_t more_bytes)
{
    INVARIANT(more_bytes < SIZE_MAX / 4 && b->size < SIZE_MAX / 4);
    size_t need = b->size + more_bytes + 1;
    if (need <= b->capacity)
        return;
    size_t capacity = b->capacity ? b->capacity : 64;
    while (capacity < need)
        capacity *= 2;
    b->data = xrealloc(b->data, capacity);
    b->capacity = capacity;
}

void buf_append(struct buf *b, const void *bytes, size_t size_bytes)
{
    buf_reserve(b, size_bytes);
    if (size_bytes)
        memcpy(b->data + b->size, bytes, size_bytes);
    b->size += size_bytes;
    b->data[b->size] = '\0';
}

void buf_text(struct buf *b, const char *text)
{
    buf_append(b, text, strlen(text));
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int size = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    INVARIANT(size >= 0);
    buf_reserve(b, (size_t)size);
    vsnprintf(b->data + b->size, (size_t)size + 1, fmt, again);
    va_end(again);
    b->size += (size_t)size;
}

void buf_consume(struct buf *b, size_t size_bytes)
{
    INVARIANT(size_bytes <= b->size);
    if (!size_bytes)
        return;
    memmove(b->data, b->data + size_bytes, b->size - size_bytes);
    b->size -= size_bytes;
    b->data[b->size] = '\0';
}
