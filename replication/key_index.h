/*
 * key_index: what a listener was told of each key, without the values: enough to tell, after all
 * was listed anew, what is different.
 */
#ifndef REPLICATION_KEY_INDEX_H
#define REPLICATION_KEY_INDEX_H

#include "base/arena.h"
#include "replication/store.h"

struct key_index;

struct key_index *key_index_new(void);
void key_index_free(struct key_index *index);

/* Begins to compare with a listing. What was compared in an earlier, broken one is forgotten. */
void key_index_begin(struct key_index *index);

/* Whether the entry is not what was told of its key. A restored backup has old revisions again, and
 * may give a new value an old one: so the value counts too. */
bool key_index_compare(struct key_index *index, const struct store_entry *entry);

/* The change is told. */
void key_index_apply(struct key_index *index, const struct store_change *change);

/* The keys that were told and not compared since key_index_begin, in order, each as gone at
 * `revision`; they are copied into the arena. */
typedef LIST(struct store_change) store_change_list;
void key_index_gone(
    struct key_index *index, struct arena *a, int64_t revision, store_change_list *gone);

size_t key_index_count(const struct key_index *index);

/* What was told of a key, to compare with what another source says. */
struct key_told {
    const char *key;
    int64_t create_revision, mod_revision;
    uint64_t value_hash;
};
typedef LIST(struct key_told) key_told_list;
bool key_told_is(const struct key_told *told, const struct store_entry *entry);

/* The first `limit` keys after `after` (NULL: from the first), in order, copied into the arena. */
void key_index_shard(const struct key_index *index, struct arena *a, const char *after,
    size_t limit, key_told_list *shard);

/* The key whose deletion was told last; NULL: none was. The index's. */
const char *key_index_newest_gone(const struct key_index *index);

/* The key that was changed last; false when there is none. */
bool key_index_newest(const struct key_index *index, struct arena *a, struct key_told *newest);

#endif
