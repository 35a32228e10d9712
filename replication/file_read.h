/*
 * file_read: what one file of a folder says. Bytes in, values out.
 *
 * The two kinds of file, and the keys of the first kind, are described with struct store_options.
 */
#ifndef REPLICATION_FILE_READ_H
#define REPLICATION_FILE_READ_H

#include "replication/store.h"

struct file_value {
    const char *key, *value; /* `size` bytes, and a NUL */
    size_t size;
    unsigned line;      /* where it begins */
    bool has_order;     /* takes part in the order of creation */
    bool has_timestamp; /* metadata.creationTimestamp */
    int64_t created_ns; /* since 1970 */
};

struct file_values {
    LIST(struct file_value) list;
    bool is_whole; /* false: the file could not be read to its end, or not at all */
};

/* `path` is relative to the folder. The values live in the arena. What is wrong goes to `d`, with
 * its line and column; a document that gives no value is left out. */
struct file_values file_read(struct arena *a, const char *path, const char *text, size_t size,
    const struct store_layout *layout, struct diags *d);

/* Whether a file of this name is read at all. */
bool file_has_known_extension(const char *name);

/* Whether a value of this key has a file of its own, KEY.json. */
bool file_can_hold_key(const char *key);

#endif
