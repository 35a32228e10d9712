#include "daemon/last_good.h"

#include "daemon/options.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_NAME    "last-good"
#define MAGIC        "pilotd last-good "
#define VERSION_LINE MAGIC "2"
#define HASH_WORD    "hash "

enum { PATH_BYTES = 4096, HASH_LINE_BYTES = sizeof HASH_WORD - 1 + HASH128_TEXT_BYTES };

static bool path_of(char path[PATH_BYTES], const char *dir, const char *suffix, struct error *err)
{
    int size = snprintf(path, PATH_BYTES, "%s/" FILE_NAME "%s", dir, suffix);
    return size < PATH_BYTES || error_set(err, ERROR_USAGE, "%.40s…: the path is too long", dir);
}

/* ---- writing ---- */

struct writing {
    FILE *file;
    struct hasher *hasher;
    size_t bytes;
    int failure; /* errno of the first one; 0: none */
};

static void emit(struct writing *w, const char *bytes, size_t size)
{
    if (!w->failure && fwrite(bytes, 1, size, w->file) != size)
        w->failure = errno;
    hasher_add(w->hasher, bytes, size);
    w->bytes += size;
}

static void emit_line(struct writing *w, struct buf *line)
{
    emit(w, line->data, line->size);
    buf_clear(line);
}

static void emit_state(struct writing *w, const struct last_good_state *state)
{
    struct buf line = { 0 };
    buf_printf(&line,
        VERSION_LINE "\nepoch %s\nrevision %" PRId64 "\nlevel %" PRId64 "\nobjects %zu\n",
        state->epoch,
        state->revision,
        state->level,
        state->count);
    emit_line(w, &line);
    for (size_t i = 0; i < state->count; i++) {
        const struct object *o = state->objects[i];
        size_t key_bytes = strlen(o->key);
        buf_printf(&line,
            "%" PRId64 " %" PRId64 " %zu %zu\n",
            o->create_revision,
            o->mod_revision,
            key_bytes,
            o->value_bytes);
        emit_line(w, &line);
        emit(w, o->key, key_bytes);
        emit(w, o->value, o->value_bytes);
        emit(w, "\n", 1);
    }
    buf_fini(&line);
}

static void emit_hash(struct writing *w)
{
    char text[HASH128_TEXT_BYTES];
    struct hash128 hash = hasher_finish(w->hasher);
    hash128_text(&hash, text);
    if (!w->failure && fprintf(w->file, HASH_WORD "%s\n", text) < 0)
        w->failure = errno;
    w->bytes += HASH_LINE_BYTES;
}

/* The name counts once the directory is on the disk as well. */
static int put_in_place(const char *new_path, const char *path, const char *dir)
{
    if (rename(new_path, path) != 0)
        return errno;
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int failure = fd < 0 || fsync(fd) != 0 ? errno : 0;
    if (fd >= 0)
        close(fd);
    return failure;
}

static int write_file(const char *path, const struct last_good_state *state, size_t *bytes)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return errno;
    struct writing w = { .file = fdopen(fd, "w"), .hasher = hasher_new() };
    INVARIANT(w.file);
    emit_state(&w, state);
    emit_hash(&w);
    *bytes = w.bytes;
    if (!w.failure && (fflush(w.file) != 0 || fsync(fd) != 0))
        w.failure = errno;
    if (fclose(w.file) != 0 && !w.failure)
        w.failure = errno;
    return w.failure;
}

static size_t size_of(const struct last_good_state *state)
{
    size_t size = 0;
    for (size_t i = 0; i < state->count; i++)
        size += strlen(state->objects[i]->key) + state->objects[i]->value_bytes;
    return size;
}

bool last_good_write(
    const char *dir, const struct last_good_state *state, size_t *bytes, struct error *err)
{
    char path[PATH_BYTES], new_path[PATH_BYTES], suffix[32];
    snprintf(suffix, sizeof suffix, ".new-%d", (int)getpid());
    if (!path_of(path, dir, "", err) || !path_of(new_path, dir, suffix, err))
        return false;
    if (size_of(state) > LAST_GOOD_LIMIT_BYTES / 2)
        return error_set(err,
            ERROR_REFUSED,
            "%s: the configuration is larger than half of %zu bytes",
            path,
            LAST_GOOD_LIMIT_BYTES);
    int failure = write_file(new_path, state, bytes);
    if (!failure)
        failure = put_in_place(new_path, path, dir);
    if (failure)
        unlink(new_path);
    return !failure || error_set(err, ERROR_IO, "%s: %s", path, strerror(failure));
}

/* ---- reading ---- */

/* What is left of the text. */
struct cursor {
    const char *at, *end;
};

static bool take_word(struct cursor *c, const char *word)
{
    size_t size = strlen(word);
    if ((size_t)(c->end - c->at) < size || memcmp(c->at, word, size) != 0)
        return false;
    c->at += size;
    return true;
}

/* Digits and the byte that ends them. */
static bool take_number(struct cursor *c, char after, int64_t *out)
{
    const char *begin = c->at;
    *out = 0;
    while (c->at < c->end && *c->at >= '0' && *c->at <= '9' && c->at - begin < 18)
        *out = *out * 10 + (*c->at++ - '0');
    return c->at > begin && c->at < c->end && *c->at++ == after;
}

static bool take_bytes(struct cursor *c, int64_t size, struct arena *a, const char **out)
{
    if (size < 0 || size > c->end - c->at)
        return false;
    *out = arena_strndup(a, c->at, (size_t)size);
    c->at += size;
    return true;
}

static bool take_epoch(struct cursor *c, struct arena *a, const char **out)
{
    if (!take_word(c, "epoch "))
        return false;
    const char *line_end = memchr(c->at, '\n', (size_t)(c->end - c->at));
    return line_end && take_bytes(c, line_end - c->at, a, out) && take_word(c, "\n");
}

static bool take_entry(struct cursor *c, struct arena *a, struct store_entry *entry)
{
    int64_t key_bytes, value_bytes;
    if (!take_number(c, ' ', &entry->create_revision) ||
        !take_number(c, ' ', &entry->mod_revision) || !take_number(c, ' ', &key_bytes) ||
        !take_number(c, '\n', &value_bytes) || !take_bytes(c, key_bytes, a, &entry->key) ||
        !take_bytes(c, value_bytes, a, &entry->value))
        return false;
    entry->size = (size_t)value_bytes;
    return take_word(c, "\n");
}

static bool take_state(struct cursor *c, struct arena *a, struct last_good_copy *copy)
{
    int64_t count;
    if (!take_word(c, VERSION_LINE "\n") || !take_epoch(c, a, &copy->epoch) ||
        !take_word(c, "revision ") || !take_number(c, '\n', &copy->revision) ||
        !take_word(c, "level ") || !take_number(c, '\n', &copy->level) ||
        !take_word(c, "objects ") || !take_number(c, '\n', &count))
        return false;
    for (int64_t i = 0; i < count; i++) {
        struct store_entry entry = { 0 };
        if (!take_entry(c, a, &entry))
            return false;
        list_push(a, &copy->entries, entry);
    }
    return c->at == c->end;
}

/* The hash is checked before anything is believed. */
static const char *find_fault(const char *text, size_t size)
{
    char line[HASH_LINE_BYTES + 1], hash_text[HASH128_TEXT_BYTES];
    if (size < strlen(MAGIC) || memcmp(text, MAGIC, strlen(MAGIC)) != 0)
        return "it is no copy that pilotd has written";
    if (memcmp(text, VERSION_LINE "\n", strlen(VERSION_LINE "\n")) != 0)
        return "it is of a version that this pilotd does not know";
    if (size < HASH_LINE_BYTES)
        return "it is cut off";
    struct hash128 hash = hash128_of(text, size - HASH_LINE_BYTES);
    hash128_text(&hash, hash_text);
    snprintf(line, sizeof line, HASH_WORD "%s\n", hash_text);
    if (memcmp(text + size - HASH_LINE_BYTES, line, HASH_LINE_BYTES) != 0)
        return "it is cut off or was changed: its hash is another one";
    return NULL;
}

static bool check_size(const char *path, struct error *err)
{
    struct stat info;
    if (stat(path, &info) != 0)
        return error_set(
            err, errno == ENOENT ? ERROR_NOT_FOUND : ERROR_IO, "%s: %s", path, strerror(errno));
    if (!S_ISREG(info.st_mode))
        return error_set(err, ERROR_GARBLED, "%s: it is no file", path);
    return (size_t)info.st_size <= LAST_GOOD_LIMIT_BYTES ||
           error_set(
               err, ERROR_GARBLED, "%s: it has more than %zu bytes", path, LAST_GOOD_LIMIT_BYTES);
}

bool last_good_read(
    struct arena *a, const char *dir, struct last_good_copy *copy, struct error *err)
{
    char path[PATH_BYTES];
    const char *text;
    size_t size;
    struct arena *scratch = arena_new();
    *copy = (struct last_good_copy){ 0 };
    bool is_good = path_of(path, dir, "", err) && check_size(path, err) &&
                   options_read_file(scratch, path, &text, &size, err);
    if (is_good) {
        const char *fault = find_fault(text, size);
        struct cursor c = { text, text + size - HASH_LINE_BYTES };
        if (!fault && !take_state(&c, a, copy))
            fault = "its lines are not what they must be";
        is_good = !fault || error_set(err, ERROR_GARBLED, "%s: %s", path, fault);
    }
    arena_free(scratch);
    return is_good;
}
