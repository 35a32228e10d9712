/*
 * map: an ordered map from a string to a pointer.
 *
 * A door over the C library's tsearch(3) (a red-black tree). Keys are copied; values belong to the
 * caller. Iteration is in strcmp order, so whatever is made from a map is in a stable order.
 */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include "base/base.h"

struct map {
    void *root;
    size_t count;
};

void map_fini(struct map *m, void (*free_value)(void *));   /* free_value may be NULL */
void *map_find(const struct map *m, const char *key);       /* NULL when absent */
void *map_put(struct map *m, const char *key, void *value); /* the former value, or NULL */
void *map_remove(struct map *m, const char *key);           /* the value, or NULL */

/* Calls on_item for each key in order. The map must not change meanwhile. */
void map_each (const struct map *m, void (*on_item)(const char *key, void *value, void *context),
    void *context);

#endif
