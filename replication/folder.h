/*
 * folder: what a folder of files holds, and what is different each time it is looked at.
 *
 * Reads the file system, waits for nothing, and knows no loop. The rules are with struct
 * store_options.
 */
#ifndef REPLICATION_FOLDER_H
#define REPLICATION_FOLDER_H

#include "base/arena.h"
#include "base/map.h"
#include "replication/store.h"

#include <sys/types.h>

struct folder;

struct folder_entry {
    struct store_entry entry; /* its texts live until the next look */
    const char *file;         /* relative to the folder */
    unsigned line;
};

struct folder_fault {
    const char *file; /* with the folder's name */
    const char *text; /* a line each; "" when it is mended */
};

struct folder_directory {
    const char *path;
    dev_t device;
    ino_t inode;
};

/* What a look found. Lives until the next one. */
struct folder_news {
    LIST(struct store_change) changes;         /* sorted by key */
    LIST(struct folder_fault) faults;          /* those that are others than before */
    LIST(struct folder_directory) directories; /* all that there are now */
};

struct folder *folder_new(const char *dir, const struct store_layout *layout);
void folder_free(struct folder *f);
const char *folder_dir(const struct folder *f);

/* False when the folder itself cannot be read: nothing changes. `leases`: key → the address of its
 * lease's id, for keys that have one. */
bool folder_look(
    struct folder *f, const struct map *leases, struct folder_news *news, struct error *err);

/* Looks that found a change, and the first one. */
int64_t folder_revision(const struct folder *f);

/* As of the last look. The entries are sorted by key. */
const struct folder_entry *folder_find(const struct folder *f, const char *key);
const struct folder_entry *folder_entries(const struct folder *f, size_t *count);

#endif
