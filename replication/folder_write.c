#include "replication/folder_write.h"

#include "base/json.h"
#include "replication/file_read.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- what may be written ---- */

static bool check_place(const struct folder_entry *entry, const char *key, struct error *err)
{
    if (!file_can_hold_key(key))
        return error_set(
            err, ERROR_REFUSED, "%s: a folder of files has no file for such a key", key);
    size_t size = strlen(key);
    if (entry && (strncmp(entry->file, key, size) != 0 || strcmp(entry->file + size, ".json") != 0))
        return error_set(err,
            ERROR_REFUSED,
            "%s stands in %s, line %u: change it there",
            key,
            entry->file,
            entry->line);
    return true;
}

static bool check_value(const struct store_write *write, struct error *err)
{
    struct diags d;
    struct arena *a = arena_new();
    diags_init(&d, a);
    cJSON *json = json_parse(write->value, write->size, SIZE_MAX, &d);
    if (!json)
        error_set(err, ERROR_REFUSED, "%s: the value %s", write->key, d.list.items[0].message);
    cJSON_Delete(json);
    arena_free(a);
    return json;
}

bool folder_check_writes(const struct folder *f, const struct store_write *writes, size_t count,
    bool *holds, struct error *err)
{
    *holds = true;
    for (size_t i = 0; i < count; i++) {
        const struct store_write *write = &writes[i];
        const struct folder_entry *entry = folder_find(f, write->key);
        if (!check_place(entry, write->key, err) || (write->value && !check_value(write, err)))
            return false;
        if (write->expected_mod_revision != STORE_ANY_REVISION &&
            write->expected_mod_revision != (entry ? entry->entry.mod_revision : 0))
            *holds = false;
    }
    return true;
}

/* ---- writing ---- */

struct staged {
    char *path, *temporary; /* temporary: NULL for one that is removed */
};

static bool make_parents(const char *path, struct error *err)
{
    char *parent = xstrdup(path);
    bool is_good = true;
    for (char *slash = strchr(parent + 1, '/'); slash && is_good; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(parent, 0777) != 0 && errno != EEXIST)
            is_good = error_set(err, ERROR_IO, "%s: %s", parent, strerror(errno));
        *slash = '/';
    }
    free(parent);
    return is_good;
}

static bool write_all(int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t written = write(fd, bytes, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return false;
        bytes += written;
        size -= (size_t)written;
    }
    return fsync(fd) == 0;
}

static bool write_file(const char *path, const struct store_write *write, struct error *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (fd < 0)
        return error_set(err, ERROR_IO, "%s: %s", path, strerror(errno));
    bool is_good = write_all(fd, write->value, write->size);
    int fault = errno;
    if (close(fd) != 0 && is_good) {
        is_good = false;
        fault = errno;
    }
    return is_good || error_set(err, ERROR_IO, "%s: %s", path, strerror(fault));
}

/* The name of the file that is not yet in place begins with a dot: nobody reads it. */
static bool stage(struct arena *a, const struct folder *f, const struct store_write *write,
    struct staged *staged, struct error *err)
{
    staged->path = arena_printf(a, "%s/%s.json", folder_dir(f), write->key);
    if (!write->value)
        return true;
    const char *name = strrchr(staged->path, '/') + 1;
    staged->temporary = arena_printf(
        a, "%.*s.%s.%ld.tmp", (int)(name - staged->path), staged->path, name, (long)getpid());
    return make_parents(staged->path, err) && write_file(staged->temporary, write, err);
}

static bool place(const struct staged *staged, struct error *err)
{
    int status = staged->temporary ? rename(staged->temporary, staged->path) : unlink(staged->path);
    if (status == 0 || (!staged->temporary && errno == ENOENT))
        return true;
    return error_set(err, ERROR_IO, "%s: %s", staged->path, strerror(errno));
}

bool folder_write(
    const struct folder *f, const struct store_write *writes, size_t count, struct error *err)
{
    struct arena *a = arena_new();
    struct staged *staged = ARENA_ARRAY(a, struct staged, count);
    bool is_good = true;
    for (size_t i = 0; i < count && is_good; i++)
        is_good = stage(a, f, &writes[i], &staged[i], err);
    for (size_t i = 0; i < count && is_good; i++)
        is_good = place(&staged[i], err);
    for (size_t i = 0; i < count && !is_good; i++)
        if (staged[i].temporary)
            unlink(staged[i].temporary);
    arena_free(a);
    return is_good;
}
