/*
 * xds_held: which version of which resource each of many clients has, for measuring: every name and
 * every version is kept once, and a client has a pointer for each name.
 */
#ifndef XDS_HELD_H
#define XDS_HELD_H

#include "xds_wire.h"

struct version {
    struct version *older;
    uint64_t first_ns; /* when the first client got it */
    int count;         /* how many got it */
    size_t size;
    char text[];
};

struct name {
    struct version *newest;
    int type;
    size_t index; /* its place in what each client has */
    size_t size;
    char text[];
};

struct names { /* a hash table with open addresses */
    struct name **slots;
    size_t count, capacity; /* a power of two */
};

struct held {
    struct version **items; /* by the names' index; NULL: nothing */
    size_t capacity;
};

static inline size_t name_hash(int type, const struct field *text)
{
    size_t hash = 14695981039346656037u + (size_t)type;
    for (size_t i = 0; i < text->size; i++)
        hash = (hash ^ text->data[i]) * 1099511628211u;
    return hash ^ hash >> 29;
}

static inline struct name **name_slot(struct names *n, int type, const struct field *text)
{
    size_t at = name_hash(type, text) & (n->capacity - 1);
    for (; n->slots[at]; at = (at + 1) & (n->capacity - 1)) {
        const struct name *name = n->slots[at];
        if (name->type == type && name->size == text->size &&
            memcmp(name->text, text->data, text->size) == 0)
            break;
    }
    return &n->slots[at];
}

static inline void names_grow(struct names *n)
{
    struct names former = *n;
    n->capacity = former.capacity ? former.capacity * 2 : 1024;
    n->slots = calloc(n->capacity, sizeof *n->slots);
    if (!n->slots)
        abort();
    for (size_t i = 0; i < former.capacity; i++) {
        struct name *name = former.slots[i];
        struct field text = { .data = name ? (const uint8_t *)name->text : NULL,
            .size = name ? name->size : 0 };
        if (name)
            *name_slot(n, name->type, &text) = name;
    }
    free(former.slots);
}

static inline struct name *name_of(struct names *n, int type, const struct field *text)
{
    if (n->count * 2 >= n->capacity)
        names_grow(n);
    struct name **slot = name_slot(n, type, text);
    if (*slot)
        return *slot;
    struct name *name = calloc(1, sizeof *name + text->size + 1);
    if (!name)
        abort();
    name->type = type;
    name->index = n->count++;
    name->size = text->size;
    memcpy(name->text, text->data, text->size);
    return *slot = name;
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
