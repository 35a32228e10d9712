/*
 * arena: memory that is given back all at once.
 *
 * Allocate freely while building a value; free the arena when the value goes. Allocation never
 * fails (out of memory aborts) and is zeroed. An arena belongs to one thread at a time; what is in
 * it may be read by all once it is no longer written.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/base.h"

#include <stdarg.h>

struct arena;

struct arena *arena_new(void);
void arena_free(struct arena *a); /* NULL is fine */

void *arena_alloc(struct arena *a, size_t size_bytes, size_t align);
void *arena_dup(struct arena *a, const void *src, size_t size_bytes, size_t align);
char *arena_strdup(struct arena *a, const char *text); /* NULL gives NULL */
char *arena_strndup(struct arena *a, const char *text, size_t size_bytes);
char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3);
char *arena_vprintf(struct arena *a, const char *fmt, va_list args) PRINTF_LIKE(2, 0);

/* Bytes taken from the system, for limits and metrics. */
size_t arena_size_bytes(const struct arena *a);

#define ARENA_NEW(a, T)      ((T *)arena_alloc((a), sizeof(T), _Alignof(T)))
#define ARENA_ARRAY(a, T, n) ((T *)arena_alloc((a), sizeof(T) * (n), _Alignof(T)))

/*
 * LIST(T): items and a count, in an arena. A list that is built with list_push grows by doubling
 * whenever its count is a power of two, so it needs no capacity: push only onto a list that was
 * begun empty and grown by list_push alone.
 */
#define LIST(T)                                                                                    \
    struct {                                                                                       \
        T *items;                                                                                  \
        size_t count;                                                                              \
    }
#define list_push(a, list, ...)                                                                    \
    ((list)->items = list_grow((a), (list)->items, (list)->count, sizeof *(list)->items),          \
        (list)->items[(list)->count] = (__VA_ARGS__),                                              \
        (list)->count++)
void *list_grow(struct arena *a, void *items, size_t count, size_t item_bytes);

/* for (list_each(struct port, p, &svc->ports)) : p points at each item in turn. */
#define list_each(T, p, list)                                                                      \
    T *p = (list)->items;                                                                          \
    p &&p < (list)->items + (list)->count;                                                         \
    p++

typedef LIST(const char *) string_list;

#endif
