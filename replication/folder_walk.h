/*
 * folder_walk: the files and directories below a folder, without what they hold.
 */
#ifndef REPLICATION_FOLDER_WALK_H
#define REPLICATION_FOLDER_WALK_H

#include "base/arena.h"
#include "base/error.h"

#include <sys/stat.h>

struct walk_item {
    const char *path; /* relative to the folder; "" for itself */
    struct stat stat;
    int fault; /* an errno: there is something, which cannot be looked at */
};

struct folder_walk {
    LIST(struct walk_item) files;       /* regular ones that file_read takes */
    LIST(struct walk_item) directories; /* the folder itself is the first */
    LIST(struct walk_item) unreadable;
};

/* Symbolic links are followed, names that begin with a dot are not. False when the folder itself
 * cannot be read. */
bool folder_walk(struct arena *a, const char *dir, struct folder_walk *walk, struct error *err);

#endif
