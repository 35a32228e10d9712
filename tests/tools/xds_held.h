/*
 * xds_held: which version of which resource each of many clients has, for measuring: every name and
 * every version is kept once, and a client has a pointer for each name.
 */
#ifndef XDS_HELD_H
#define XDS_HELD_H

#include "xds_wire.h"

#include <uthash.h>

struct version {
    struct version *older;
    uint64_t first_ns; /* when the first client got it */
    int count;         /* how many got it */
    size_t size;
    char text[];
};

struct name {
    UT_hash_handle hh;
    struct version *newest;
    size_t index; /* its place in what each client has */
    char text[];
};

struct names {
    struct name *of_type[TYPES];
    size_t count;
};

struct held {
    struct version **items; /* by the names' index; NULL: nothing */
    size_t capacity;
};

static inline struct name *name_of(struct names *n, int type, const struct field *text)
{
    struct name *name;
    HASH_FIND(hh, n->of_type[type], text->data, text->size, name);
    if (name)
        return name;
    name = calloc(1, sizeof *name + text->size + 1);
    if (!name)
        abort();
    name->index = n->count++;
    memcpy(name->text, text->data, text->size);
    HASH_ADD_KEYPTR(hh, n->of_type[type], name->text, text->size, name);
    return name;
}

/* The newest come first: they are what is asked for. */
static inline struct version *version_of(struct name *name, const struct field *text)
{
    for (struct version *v = name->newest; v; v = v->older)
        if (v->size == text->size && memcmp(v->text, text->data, text->size) == 0)
            return v;
    struct version *v = calloc(1, sizeof *v + text->size + 1);
    if (!v)
        abort();
    v->size = text->size;
    memcpy(v->text, text->data, text->size);
    v->older = name->newest;
    return name->newest = v;
}

/* True when the client had exactly this. */
static inline bool held_take(struct held *h, const struct name *name, struct version *v)
{
    if (name->index >= h->capacity) {
        size_t capacity = name->index + name->index / 2 + 16;
        h->items = realloc(h->items, capacity * sizeof(struct version *));
        if (!h->items)
            abort();
        memset(h->items + h->capacity, 0, (capacity - h->capacity) * sizeof(struct version *));
        h->capacity = capacity;
    }
    bool is_same = h->items[name->index] == v;
    h->items[name->index] = v;
    return is_same;
}

#endif
