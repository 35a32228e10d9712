#include "xds/h2_memory.h"

#include "base/base.h"

#include <stdalign.h>
#include <string.h>
#include <sys/mman.h>

enum { LARGE_BYTES = 16384 }; /* from here on it is pages of its own */

struct head { /* before each piece */
    alignas(max_align_t) size_t size;
};

static struct head *head_of(void *piece)
{
    return (struct head *)piece - 1;
}

/* Small pages: one that is touched must not bring two megabytes with it. */
static struct head *map_pages(size_t size)
{
    void *pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED)
        return NULL;
    (void)madvise(pages, size, MADV_NOHUGEPAGE); /* where there are none, it fails */
    return pages;
}

/* NULL is an answer that nghttp2 takes: it ends that connection. */
static void *take(size_t size_bytes, void *user)
{
    size_t size = size_bytes + sizeof(struct head);
    (void)user;
    if (size < size_bytes)
        return NULL;
    struct head *head = size_bytes >= LARGE_BYTES ? map_pages(size) : malloc(size);
    if (!head)
        return NULL;
    head->size = size_bytes;
    return head + 1;
}

static void give_back(void *piece, void *user)
{
    (void)user;
    if (!piece)
        return;
    struct head *head = head_of(piece);
    if (head->size >= LARGE_BYTES)
        INVARIANT(munmap(head, head->size + sizeof *head) == 0);
    else
        free(head);
}

static void *take_zeroed(size_t count, size_t each_bytes, void *user)
{
    size_t size;
    if (__builtin_mul_overflow(count, each_bytes, &size))
        return NULL;
    void *piece = take(size, user);
    bool is_zeroed = size >= LARGE_BYTES;
    return piece && !is_zeroed ? memset(piece, 0, size) : piece;
}

static void *take_other(void *piece, size_t size_bytes, void *user)
{
    void *other = take(size_bytes, user);
    if (!piece || !other)
        return other;
    size_t size = head_of(piece)->size;
    memcpy(other, piece, size < size_bytes ? size : size_bytes);
    give_back(piece, user);
    return other;
}

nghttp2_mem *h2_memory(void)
{
    static nghttp2_mem memory = { NULL, take, give_back, take_zeroed, take_other };
    return &memory;
}
