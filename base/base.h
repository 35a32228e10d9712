/*
 * base: the few words every room shares. Includes nothing of the project.
 */
#ifndef BASE_BASE_H
#define BASE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))
#define ARRAY_COUNT(array)              (sizeof(array) / sizeof *(array))
#define PRINTF_LIKE(fmt, args)          __attribute__((format(printf, fmt, args)))

/* We are wrong, not the world: says where and aborts. Always compiled in. */
#define INVARIANT(cond) ((cond) ? (void)0 : invariant_failed(__FILE__, __LINE__, #cond))
_Noreturn void invariant_failed(const char *file, int line, const char *cond);

/* Heap allocation that cannot fail: out of memory aborts. xcalloc zeroes. */
void *xcalloc(size_t count, size_t size);
void *xrealloc(void *ptr, size_t size);
char *xstrdup(const char *text);

static inline bool begins_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

#endif
