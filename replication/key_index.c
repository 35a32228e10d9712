#include "replication/key_index.h"

#include "base/hash.h"
#include "base/map.h"

#include <string.h>

struct told {
    int64_t create_revision, mod_revision;
    uint64_t value_hash;
    unsigned round; /* the listing in which it was seen last */
};

struct key_index {
    struct map keys; /* key → struct told */
    unsigned round;
    char *gone; /* the key whose deletion was told last; NULL: none was */
};

struct key_index *key_index_new(void)
{
    return xcalloc(1, sizeof(struct key_index));
}

void key_index_free(struct key_index *index)
{
    if (!index)
        return;
    map_fini(&index->keys, free);
    free(index->gone);
    free(index);
}

size_t key_index_count(const struct key_index *index)
{
    return index->keys.count;
}

void key_index_begin(struct key_index *index)
{
    index->round++;
}

static uint64_t hash_value(const struct store_entry *entry)
{
    return hash64_of(entry->value, entry->size);
}

bool key_index_compare(struct key_index *index, const struct store_entry *entry)
{
    struct told *told = map_find(&index->keys, entry->key);
    if (!told)
        return true;
    told->round = index->round;
    return told->mod_revision != entry->mod_revision ||
           told->create_revision != entry->create_revision || told->value_hash != hash_value(entry);
}

void key_index_apply(struct key_index *index, const struct store_change *change)
{
    const struct store_entry *entry = &change->entry;
    if (change->is_gone) {
        free(map_remove(&index->keys, entry->key));
        free(index->gone);
        index->gone = xstrdup(entry->key);
        return;
    }
    if (index->gone && strcmp(index->gone, entry->key) == 0) {
        free(index->gone);
        index->gone = NULL;
    }
    struct told *told = map_find(&index->keys, entry->key);
    if (!told) {
        told = xcalloc(1, sizeof *told);
        map_put(&index->keys, entry->key, told);
    }
    *told = (struct told){
        .create_revision = entry->create_revision,
        .mod_revision = entry->mod_revision,
        .value_hash = hash_value(entry),
        .round = index->round,
    };
}

struct sweep {
    const struct key_index *index;
    struct arena *a;
    int64_t revision;
    store_change_list *gone;
};

static void sweep_key(const char *key, void *value, void *context)
{
    const struct told *told = value;
    struct sweep *sweep = context;
    struct store_change change = { .is_gone = true };
    if (told->round == sweep->index->round)
        return;
    change.entry.key = arena_strdup(sweep->a, key);
    change.entry.mod_revision = sweep->revision;
    list_push(sweep->a, sweep->gone, change);
}

void key_index_gone(
    struct key_index *index, struct arena *a, int64_t revision, store_change_list *gone)
{
    struct sweep sweep = { index, a, revision, gone };
    map_each (&index->keys, sweep_key, &sweep)
        ;
}

/* ---- for comparisons ---- */

static struct key_told copy_told(struct arena *a, const char *key, const struct told *told)
{
    return (struct key_told){
        .key = arena_strdup(a, key),
        .create_revision = told->create_revision,
        .mod_revision = told->mod_revision,
        .value_hash = told->value_hash,
    };
}

bool key_told_is(const struct key_told *told, const struct store_entry *entry)
{
    return told->mod_revision == entry->mod_revision &&
           told->create_revision == entry->create_revision && told->value_hash == hash_value(entry);
}

struct choice {
    struct arena *a;
    const char *after;
    size_t limit;
    key_told_list *shard;
};

static void choose_key(const char *key, void *value, void *context)
{
    struct choice *choice = context;
    if (choice->shard->count < choice->limit && (!choice->after || strcmp(key, choice->after) > 0))
        list_push(choice->a, choice->shard, copy_told(choice->a, key, value));
}

void key_index_shard(const struct key_index *index, struct arena *a, const char *after,
    size_t limit, key_told_list *shard)
{
    struct choice choice = { a, after, limit, shard };
    map_each (&index->keys, choose_key, &choice)
        ;
}

struct newest {
    const char *key;
    const struct told *told;
};

static void find_newest(const char *key, void *value, void *context)
{
    struct newest *newest = context;
    const struct told *told = value;
    if (!newest->key || told->mod_revision > newest->told->mod_revision)
        *newest = (struct newest){ key, told };
}

bool key_index_newest(const struct key_index *index, struct arena *a, struct key_told *out)
{
    struct newest newest = { 0 };
    map_each (&index->keys, find_newest, &newest)
        ;
    if (newest.key)
        *out = copy_told(a, newest.key, newest.told);
    return newest.key;
}

const char *key_index_newest_gone(const struct key_index *index)
{
    return index->gone;
}
