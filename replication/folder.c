#include "replication/folder.h"

#include "base/buf.h"
#include "replication/file_read.h"
#include "replication/folder_walk.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    FILE_BYTES_MAX = 64 * 1024 * 1024,
    SETTLED_S = 1, /* a file may be written twice within one tick of its modification time */
};

/* A file that was seen, with the last good values it had. */
struct folder_file {
    char *path;
    struct stat stat; /* when it was read */
    bool is_settled;  /* the same stat means the same content */
    bool is_seen;     /* by the look under way */
    struct arena *arena;
    struct file_values values;
    struct buf faults;     /* a line each: what is wrong in it */
    struct buf duplicates; /* a line each: its keys that others had first */
    char *told;            /* the faults that were news last; NULL: none */
};

struct folder {
    char *dir;
    const struct store_layout *layout;
    struct map files; /* path → struct folder_file */
    struct folder_entry *entries;
    size_t count;
    int64_t revision;
    struct arena *news;          /* of the last look */
    LIST(struct arena *) former; /* in `news`: the values that this look replaced */
    bool is_changed;             /* by the look under way */
};

struct folder *folder_new(const char *dir, const struct store_layout *layout)
{
    struct folder *f = xcalloc(1, sizeof *f);
    f->dir = xstrdup(dir);
    for (size_t size = strlen(dir); size > 1 && f->dir[size - 1] == '/';)
        f->dir[--size] = '\0';
    f->layout = layout;
    f->news = arena_new();
    return f;
}

static void free_file(void *context)
{
    struct folder_file *file = context;
    arena_free(file->arena);
    buf_fini(&file->faults);
    buf_fini(&file->duplicates);
    free(file->told);
    free(file->path);
    free(file);
}

void folder_free(struct folder *f)
{
    if (!f)
        return;
    map_fini(&f->files, free_file);
    arena_free(f->news);
    free(f->entries);
    free(f->dir);
    free(f);
}

const char *folder_dir(const struct folder *f)
{
    return f->dir;
}

int64_t folder_revision(const struct folder *f)
{
    return f->revision;
}

const struct folder_entry *folder_entries(const struct folder *f, size_t *count)
{
    *count = f->count;
    return f->entries;
}

static int compare_key(const void *key, const void *entry)
{
    return strcmp(key, ((const struct folder_entry *)entry)->entry.key);
}

const struct folder_entry *folder_find(const struct folder *f, const char *key)
{
    return f->count ? bsearch(key, f->entries, f->count, sizeof *f->entries, compare_key) : NULL;
}

/* ---- reading files ---- */

static void add_fault(
    const struct folder *f, const struct folder_file *file, struct buf *faults, const char *text)
{
    buf_printf(faults, "%s%s/%s: %s", faults->size ? "\n" : "", f->dir, file->path, text);
}

/* False with errno. Opening must not wait, should the file have become a pipe. */
static bool read_bytes(const char *path, struct stat *st, struct buf *out)
{
    char chunk[65536];
    ssize_t size = -1;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return false;
    if (fstat(fd, st) == 0)
        while ((size = read(fd, chunk, sizeof chunk)) > 0 && out->size <= FILE_BYTES_MAX)
            buf_append(out, chunk, (size_t)size);
    int fault = size > 0 ? EFBIG : errno;
    close(fd);
    errno = fault;
    return size == 0;
}

static void add_diags(const struct folder *f, struct folder_file *file, const struct diags *d)
{
    for (list_each (struct diag, diag, &d->list)) {
        const char *text = diag_text(d->arena, diag);
        buf_printf(&file->faults,
            "%s%s/%s:%u:%u: %s",
            file->faults.size ? "\n" : "",
            f->dir,
            file->path,
            diag->line ? diag->line : 1,
            diag->column ? diag->column : 1,
            text);
    }
}

/* Values that are replaced are still needed for comparing. */
static void take_values(
    struct folder *f, struct folder_file *file, struct arena *a, struct file_values values)
{
    if (file->arena)
        list_push(f->news, &f->former, file->arena);
    file->arena = a;
    file->values = values;
    f->is_changed = true;
}

static void parse_file(struct folder *f, struct folder_file *file, const struct buf *bytes)
{
    struct diags d;
    struct arena *a = arena_new();
    diags_init(&d, a);
    struct file_values values =
        file_read(a, file->path, bytes->data ? bytes->data : "", bytes->size, f->layout, &d);
    add_diags(f, file, &d);
    if (values.is_whole)
        take_values(f, file, a, values);
    else
        arena_free(a);
}

static bool is_settled(const struct stat *st)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec - st->st_mtim.tv_sec > SETTLED_S;
}

static void read_file(struct folder *f, struct folder_file *file)
{
    struct buf bytes = { 0 };
    struct arena *a = arena_new();
    buf_clear(&file->faults);
    file->is_settled = false;
    if (read_bytes(arena_printf(a, "%s/%s", f->dir, file->path), &file->stat, &bytes)) {
        file->is_settled = is_settled(&file->stat);
        parse_file(f, file, &bytes);
    } else if (errno == ENOENT) {
        file->is_seen = false;
    } else {
        add_fault(f, file, &file->faults, strerror(errno));
    }
    buf_fini(&bytes);
    arena_free(a);
}

static bool is_same(const struct stat *left, const struct stat *right)
{
    return left->st_dev == right->st_dev && left->st_ino == right->st_ino &&
           left->st_size == right->st_size && left->st_mtim.tv_sec == right->st_mtim.tv_sec &&
           left->st_mtim.tv_nsec == right->st_mtim.tv_nsec;
}

static struct folder_file *file_at(struct folder *f, const char *path)
{
    struct folder_file *file = map_find(&f->files, path);
    if (!file) {
        file = xcalloc(1, sizeof *file);
        file->path = xstrdup(path);
        map_put(&f->files, path, file);
    }
    file->is_seen = true;
    return file;
}

/* ---- files that are there no more ---- */

struct unseen {
    LIST(struct folder_file *) list;
    struct arena *a;
    const struct folder_walk *walk;
};

/* What is below a directory that cannot be read stays as it was. */
static bool is_below(const char *path, const struct folder_walk *walk)
{
    for (list_each (const struct walk_item, item, &walk->unreadable)) {
        size_t size = strlen(item->path);
        if (strncmp(path, item->path, size) == 0 && path[size] == '/')
            return true;
    }
    return false;
}

static void find_unseen(const char *path, void *value, void *context)
{
    struct folder_file *file = value;
    struct unseen *unseen = context;
    if (!file->is_seen && !is_below(path, unseen->walk))
        list_push(unseen->a, &unseen->list, file);
    file->is_seen = false; /* for the next look */
}

static void remove_unseen(
    struct folder *f, const struct folder_walk *walk, struct folder_news *news)
{
    struct unseen unseen = { .a = f->news, .walk = walk };
    map_each (&f->files, find_unseen, &unseen)
        ;
    for (list_each (struct folder_file *, at, &unseen.list)) {
        struct folder_file *file = *at;
        if (file->told)
            list_push(f->news,
                &news->faults,
                (struct folder_fault){ arena_printf(f->news, "%s/%s", f->dir, file->path), "" });
        if (file->arena)
            take_values(f, file, NULL, (struct file_values){ 0 });
        map_remove(&f->files, file->path);
        free_file(file);
    }
}

/* ---- from values to entries ---- */

struct slot {
    const struct file_value *value;
    struct folder_file *file;
    size_t order; /* of the file, and in it */
    int64_t create_revision;
};

struct slots {
    LIST(struct slot) list;
    struct arena *a;
};

static void add_slots(const char *path, void *file, void *context)
{
    struct slots *slots = context;
    (void)path;
    buf_clear(&((struct folder_file *)file)->duplicates);
    for (list_each (const struct file_value, value, &((struct folder_file *)file)->values.list))
        list_push(slots->a, &slots->list, (struct slot){ value, file, slots->list.count, 1 });
}

static int compare_slots(const void *left, const void *right)
{
    const struct slot *a = left, *b = right;
    int order = strcmp(a->value->key, b->value->key);
    return order ? order : (a->order > b->order) - (a->order < b->order);
}

/* Those with a time come first, by time; then the others, in the order of files. 0: equally old. */
static int compare_creation(const void *left, const void *right)
{
    const struct slot *a = *(struct slot *const *)left, *b = *(struct slot *const *)right;
    const struct file_value *v = a->value, *w = b->value;
    if (v->has_timestamp != w->has_timestamp)
        return v->has_timestamp ? -1 : 1;
    if (v->created_ns != w->created_ns)
        return v->created_ns < w->created_ns ? -1 : 1;
    return v->has_timestamp ? 0 : (a->order > b->order) - (a->order < b->order);
}

static void drop_duplicates(const struct folder *f, struct slots *slots)
{
    size_t kept = 0;
    for (size_t i = 0; i < slots->list.count; i++) {
        const struct slot *slot = &slots->list.items[i], *first = slots->list.items + kept - 1;
        if (kept == 0 || strcmp(first->value->key, slot->value->key) != 0) {
            slots->list.items[kept++] = *slot;
            continue;
        }
        struct buf *out = &slot->file->duplicates;
        buf_printf(out,
            "%s%s/%s:%u:1: %s is already given by %s/%s:%u, which counts",
            out->size ? "\n" : "",
            f->dir,
            slot->file->path,
            slot->value->line,
            slot->value->key,
            f->dir,
            first->file->path,
            first->value->line);
    }
    slots->list.count = kept;
}

static void number_slots(struct slots *slots)
{
    struct slot **ranked = ARENA_ARRAY(slots->a, struct slot *, slots->list.count);
    size_t count = 0;
    for (list_each (struct slot, slot, &slots->list))
        if (slot->value->has_order)
            ranked[count++] = slot;
    qsort(ranked, count, sizeof(struct slot *), compare_creation);
    for (size_t i = 0; i < count; i++)
        ranked[i]->create_revision = i > 0 && compare_creation(&ranked[i - 1], &ranked[i]) == 0
                                         ? ranked[i - 1]->create_revision
                                         : (int64_t)i + 1;
}

static struct folder_entry entry_of(const struct slot *slot, const struct map *leases)
{
    const int64_t *lease = map_find(leases, slot->value->key);
    return (struct folder_entry){
        .entry = {
            .key = slot->value->key,
            .value = slot->value->value,
            .size = slot->value->size,
            .create_revision = slot->create_revision,
            .lease = lease ? *lease : STORE_LEASE_NONE,
        },
        .file = slot->file->path,
        .line = slot->value->line,
    };
}

static struct folder_entry *make_entries(
    const struct folder *f, const struct map *leases, size_t *count)
{
    struct slots slots = { .a = f->news };
    map_each (&f->files, add_slots, &slots)
        ;
    if (slots.list.count)
        qsort(slots.list.items, slots.list.count, sizeof(struct slot), compare_slots);
    drop_duplicates(f, &slots);
    number_slots(&slots);
    struct folder_entry *entries = xcalloc(slots.list.count, sizeof *entries);
    for (size_t i = 0; i < slots.list.count; i++)
        entries[i] = entry_of(&slots.list.items[i], leases);
    *count = slots.list.count;
    return entries;
}

/* ---- what is different ---- */

static bool is_equal(const struct store_entry *a, const struct store_entry *b)
{
    return a->create_revision == b->create_revision && a->lease == b->lease && a->size == b->size &&
           memcmp(a->value, b->value, a->size) == 0;
}

static struct store_change gone(struct arena *a, const char *key, int64_t revision)
{
    struct store_change change = { .is_gone = true };
    change.entry.key = arena_strdup(a, key);
    change.entry.mod_revision = revision;
    return change;
}

/* Both lists are sorted: what the former has before the next one's key is gone. */
static void compare_entries(struct folder *f, struct folder_entry *next, size_t count,
    int64_t revision, struct folder_news *news)
{
    struct folder_entry *was = f->entries, *end = f->entries + f->count;
    for (struct folder_entry *is = next; is < next + count; is++) {
        int order = -1;
        while (was < end && (order = strcmp(was->entry.key, is->entry.key)) < 0)
            list_push(f->news, &news->changes, gone(f->news, was++->entry.key, revision));
        bool is_known = was < end && order == 0;
        if (is_known && is_equal(&was->entry, &is->entry)) {
            is->entry.mod_revision = was->entry.mod_revision;
        } else {
            is->entry.mod_revision = revision;
            list_push(f->news, &news->changes, (struct store_change){ .entry = is->entry });
        }
        was += is_known;
    }
    while (was < end)
        list_push(f->news, &news->changes, gone(f->news, was++->entry.key, revision));
}

static void take_entries(struct folder *f, const struct map *leases, struct folder_news *news)
{
    size_t count = 0;
    struct folder_entry *next = make_entries(f, leases, &count);
    compare_entries(f, next, count, f->revision + 1, news);
    free(f->entries);
    f->entries = next;
    f->count = count;
    f->revision += news->changes.count > 0 || f->revision == 0;
}

struct fault_news {
    const struct folder *f;
    struct folder_news *news;
};

static void add_fault_news(const char *path, void *value, void *context)
{
    struct folder_file *file = value;
    struct fault_news *fault = context;
    struct arena *a = fault->f->news;
    const struct buf *own = &file->faults, *others = &file->duplicates;
    const char *text = arena_printf(a,
        "%s%s%s",
        own->size ? own->data : "",
        own->size && others->size ? "\n" : "",
        others->size ? others->data : "");
    if (strcmp(text, file->told ? file->told : "") == 0)
        return;
    free(file->told);
    file->told = *text ? xstrdup(text) : NULL;
    list_push(a,
        &fault->news->faults,
        (struct folder_fault){ arena_printf(a, "%s/%s", fault->f->dir, path), text });
}

static void read_all(struct folder *f, const struct folder_walk *walk)
{
    for (list_each (const struct walk_item, item, &walk->files)) {
        struct folder_file *file = file_at(f, item->path);
        if (!file->is_settled || !is_same(&file->stat, &item->stat))
            read_file(f, file);
    }
    /* A directory that cannot be read stands among the files, with its fault alone. */
    for (list_each (const struct walk_item, item, &walk->unreadable)) {
        struct folder_file *file = file_at(f, item->path);
        buf_clear(&file->faults);
        add_fault(f, file, &file->faults, strerror(item->fault));
    }
}

bool folder_look(
    struct folder *f, const struct map *leases, struct folder_news *news, struct error *err)
{
    struct folder_walk walk;
    arena_free(f->news);
    f->news = arena_new();
    f->former.count = 0;
    f->is_changed = f->revision == 0;
    *news = (struct folder_news){ 0 };
    if (!folder_walk(f->news, f->dir, &walk, err))
        return false;
    read_all(f, &walk);
    remove_unseen(f, &walk, news);
    if (f->is_changed)
        take_entries(f, leases, news);
    for (list_each (struct arena *, at, &f->former))
        arena_free(*at);
    map_each (&f->files, add_fault_news, &(struct fault_news){ f, news })
        ;
    for (list_each (const struct walk_item, item, &walk.directories))
        list_push(f->news,
            &news->directories,
            (struct folder_directory){ arena_printf(f->news, "%s/%s", f->dir, item->path),
                item->stat.st_dev,
                item->stat.st_ino });
    return true;
}
