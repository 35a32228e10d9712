#include "base/arena.h"

#include <stdalign.h>
#include <string.h>

enum { FIRST_BLOCK_BYTES = 512, MAX_BLOCK_BYTES = 65536 };

struct block {
    struct block *prev;
    size_t size, used;
    alignas(max_align_t) unsigned char data[];
};

struct arena {
    struct block *tail;
    size_t total_bytes;
};

struct arena *arena_new(void)
{
    return xcalloc(1, sizeof(struct arena));
}

void arena_free(struct arena *a)
{
    if (!a)
        return;
    for (struct block *b = a->tail, *prev; b; b = prev) {
        prev = b->prev;
        free(b);
    }
    free(a);
}

/* Blocks double: a small object costs little, a large build few system calls. */
static struct block *add_block(struct arena *a, size_t need)
{
    size_t size = a->tail ? a->tail->size * 2 : FIRST_BLOCK_BYTES;
    if (size > MAX_BLOCK_BYTES)
        size = MAX_BLOCK_BYTES;
    if (size < need)
        size = need;
    struct block *b = xcalloc(1, sizeof *b + size);
    b->prev = a->tail;
    b->size = size;
    a->tail = b;
    a->total_bytes += sizeof *b + size;
    return b;
}

void *arena_alloc(struct arena *a, size_t size_bytes, size_t align)
{
    struct block *b = a->tail;
    size_t at = b ? (b->used + align - 1) & ~(align - 1) : 0;
    if (!b || at > b->size || size_bytes > b->size - at) {
        b = add_block(a, size_bytes);
        at = 0;
    }
    b->used = at + size_bytes;
    return b->data + at;
}

void *arena_dup(struct arena *a, const void *src, size_t size_bytes, size_t align)
{
    void *copy = arena_alloc(a, size_bytes, align);
    return size_bytes ? memcpy(copy, src, size_bytes) : copy;
}

char *arena_strndup(struct arena *a, const char *text, size_t size_bytes)
{
    char *copy = arena_alloc(a, size_bytes + 1, 1);
    if (size_bytes)
        memcpy(copy, text, size_bytes);
    return copy;
}

char *arena_strdup(struct arena *a, const char *text)
{
    return text ? arena_strndup(a, text, strlen(text)) : NULL;
}

char *arena_vprintf(struct arena *a, const char *fmt, va_list args)
{
    va_list again;
    va_copy(again, args);
    int size = vsnprintf(NULL, 0, fmt, args);
    INVARIANT(size >= 0);
    char *text = arena_alloc(a, (size_t)size + 1, 1);
    vsnprintf(text, (size_t)size + 1, fmt, again);
    va_end(again);
    return text;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    char *text = arena_vprintf(a, fmt, args);
    va_end(args);
    return text;
}

size_t arena_size_bytes(const struct arena *a)
{
    return sizeof *a + a->total_bytes;
}

void *list_grow(struct arena *a, void *items, size_t count, size_t item_bytes)
{
    if (count & (count - 1))
        return items;
    void *more = arena_alloc(a, item_bytes * (count ? count * 2 : 1), alignof(max_align_t));
    return count ? memcpy(more, items, item_bytes * count) : more;
}
