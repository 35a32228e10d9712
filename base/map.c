#include "base/map.h"

#include <search.h>
#include <string.h>

/* `key` comes first: tsearch compares nodes through it, and a lookup key can stand in for one. */
struct node {
    const char *key;
    void *value;
    char text[];
};

static int compare(const void *left, const void *right)
{
    return strcmp(((const struct node *)left)->key, ((const struct node *)right)->key);
}

static struct node *find(const struct map *m, const char *key)
{
    struct node probe = { .key = key };
    void *const *at = tfind(&probe, (void *const *)&m->root, compare);
    return at ? *at : NULL;
}

void *map_find(const struct map *m, const char *key)
{
    const struct node *node = find(m, key);
    return node ? node->value : NULL;
}

void *map_put(struct map *m, const char *key, void *value)
{
    struct node *node = find(m, key);
    if (node) {
        void *former = node->value;
        node->value = value;
        return former;
    }
    size_t size = strlen(key) + 1;
    node = xcalloc(1, sizeof *node + size);
    memcpy(node->text, key, size);
    node->key = node->text;
    node->value = value;
    INVARIANT(tsearch(node, &m->root, compare));
    m->count++;
    return NULL;
}

void *map_remove(struct map *m, const char *key)
{
    struct node *node = find(m, key);
    if (!node)
        return NULL;
    void *value = node->value;
    tdelete(node, &m->root, compare);
    free(node);
    m->count--;
    return value;
}

struct walk {
    void (*on_item)(const char *, void *, void *);
    void *context;
};

static void on_node(const void *at, VISIT visit, void *context)
{
    const struct walk *walk = context;
    const struct node *node = *(const struct node *const *)at;
    if (visit == postorder || visit == leaf)
        walk->on_item(node->key, node->value, walk->context);
}

void map_each (const struct map *m, void (*on_item)(const char *key, void *value, void *context),
    void *context)
{
    struct walk walk = { on_item, context };
    twalk_r(m->root, on_node, &walk);
}

void map_fini(struct map *m, void (*free_value)(void *))
{
    while (m->root) {
        struct node *node = *(struct node **)m->root;
        if (free_value)
            free_value(node->value);
        tdelete(node, &m->root, compare);
        free(node);
    }
    *m = (struct map){ 0 };
}
