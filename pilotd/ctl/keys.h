/*
 * keys: which values of the store a command line speaks of: KIND NAME…, or KIND/NAME, with
 * --namespace, or KIND/NAMESPACE/NAME as other verbs print it.
 */
#ifndef CTL_KEYS_H
#define CTL_KEYS_H

#include "ctl/session.h"
#include "model/object.h"

extern const struct flag flag_rev; /* of what is read: as it was then */

struct key_query {
    enum kind kind;     /* KIND_NONE: any */
    const char *prefix; /* of the keys of that kind */
    const char *ns;     /* NULL: any */
    string_list names;  /* none: all */
    int64_t revision;   /* 0: now */
};

struct key_entry {
    struct store_entry entry;
    struct object_key key;
};
typedef LIST(struct key_entry) key_entry_list;

/* Of the verb's words, and --rev where it has that. False after saying what is wrong. */
bool key_query_parse(struct ctl *ctl, struct key_query *query);
/* "VirtualService reviews, ratings" */
const char *key_query_text(struct arena *a, const struct key_query *query);

/* Lists, and takes what fits; in the order of keys. False: the store could not be asked. */
bool key_query_run(
    struct session *s, const struct key_query *query, key_entry_list *found, struct error *err);

/* "… was compacted", for people who asked for what etcd does not keep any more. */
void key_explain_compacted(struct error *err, int64_t revision);

/* The one key that is meant, with the namespace "default" unless another is said; NULL after saying
 * what is wrong. */
const char *key_of_words(struct ctl *ctl, const struct key_query *query);

/* "VirtualService/shop/reviews", for people and for -o name. */
const char *key_entry_title(struct arena *a, const struct key_entry *entry);
const char *key_entry_name(struct arena *a, const struct key_entry *entry);

#endif
