#include "replication/folder_walk.h"

#include "replication/file_read.h"

#include <errno.h>
#include <fts.h>
#include <string.h>

static void add_item(struct arena *a, size_t dir_size, FTSENT *at, struct folder_walk *walk)
{
    const char *path = at->fts_path + dir_size;
    struct walk_item item = { .path = arena_strdup(a, *path == '/' ? path + 1 : path) };
    switch (at->fts_info) {
    case FTS_D:
        item.stat = *at->fts_statp;
        list_push(a, &walk->directories, item);
        break;
    case FTS_F:
        item.stat = *at->fts_statp;
        if (S_ISREG(item.stat.st_mode) && file_has_known_extension(at->fts_name))
            list_push(a, &walk->files, item);
        break;
    case FTS_DNR:
    case FTS_ERR:
    case FTS_NS:
        item.fault = at->fts_errno;
        if (item.fault != ENOENT) /* it went meanwhile */
            list_push(a, &walk->unreadable, item);
        break;
    default:
        break;
    }
}

static bool check_folder(const char *dir, struct error *err)
{
    struct stat folder;
    if (stat(dir, &folder) != 0)
        return error_set(err, ERROR_IO, "%s: %s", dir, strerror(errno));
    if (!S_ISDIR(folder.st_mode))
        return error_set(err, ERROR_IO, "%s: %s", dir, strerror(ENOTDIR));
    return true;
}

bool folder_walk(struct arena *a, const char *dir, struct folder_walk *walk, struct error *err)
{
    char *const roots[] = { arena_strdup(a, dir), NULL };
    *walk = (struct folder_walk){ 0 };
    if (!check_folder(dir, err))
        return false;
    FTS *fts = fts_open(roots, FTS_LOGICAL | FTS_NOCHDIR, NULL);
    if (!fts)
        return error_set(err, ERROR_IO, "%s: %s", dir, strerror(errno));
    for (FTSENT *at; (at = fts_read(fts));) {
        if (at->fts_level > FTS_ROOTLEVEL && at->fts_name[0] == '.')
            fts_set(fts, at, FTS_SKIP);
        else
            add_item(a, strlen(dir), at, walk);
    }
    int fault = errno; /* 0 after the last one */
    fts_close(fts);
    for (list_each (struct walk_item, item, &walk->unreadable))
        if (!item->path[0])
            fault = item->fault;
    return fault == 0 || error_set(err, ERROR_IO, "%s: %s", dir, strerror(fault));
}
