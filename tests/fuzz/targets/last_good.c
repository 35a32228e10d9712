/*
 * The copy on disk that a replica starts with when the store is away. What its hash says is right
 * is read whole or refused; the first byte says whether a right hash is put behind the bytes.
 */
#include "support/fuzzer.h"

#include "base/buf.h"
#include "base/hash.h"
#include "daemon/last_good.h"

#include <string.h>
#include <unistd.h>

static const char *folder(void)
{
    static char path[64];
    if (!*path) {
        snprintf(path, sizeof path, "/dev/shm/pilot-fuzz-XXXXXX");
        INVARIANT(mkdtemp(path));
    }
    return path;
}

static void leave(void)
{
    char path[80];
    snprintf(path, sizeof path, "%s/last-good", folder());
    unlink(path);
    rmdir(folder());
}

static void put(const struct buf *bytes)
{
    char path[80];
    snprintf(path, sizeof path, "%s/last-good", folder());
    FILE *file = fopen(path, "wb");
    INVARIANT(file && fwrite(bytes->data, 1, bytes->size, file) == bytes->size);
    fclose(file);
}

static void append_hash(struct buf *bytes)
{
    char text[HASH128_TEXT_BYTES];
    struct hash128 hash = hash128_of(bytes->data, bytes->size);
    hash128_text(&hash, text);
    buf_printf(bytes, "hash %s\n", text);
}

/* What was read, as far as it is configuration, is written and read again. */
static void check_again(struct arena *a, const struct last_good_copy *copy)
{
    struct last_good_state state = {
        .epoch = copy->epoch, .revision = copy->revision, .level = copy->level
    };
    struct object **objects = ARENA_ARRAY(a, struct object *, copy->entries.count + 1);
    struct last_good_copy again;
    struct diags d;
    struct error err;
    size_t size;
    diags_init(&d, a);
    for (list_each (const struct store_entry, entry, &copy->entries)) {
        struct object *o =
            object_decode(entry->key, entry->value, entry->size, entry->create_revision, &d);
        if (o)
            objects[state.count++] = o;
    }
    state.objects = objects;
    INVARIANT(last_good_write(folder(), &state, &size, &err));
    INVARIANT(last_good_read(a, folder(), &again, &err));
    INVARIANT(strcmp(again.epoch, copy->epoch) == 0 && again.revision == copy->revision);
    INVARIANT(again.entries.count == state.count);
    for (size_t i = 0; i < state.count; i++)
        object_release(objects[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes)
{
    static bool is_tidy;
    struct input in = input_of(bytes, size_bytes);
    struct arena *a = arena_new();
    struct buf text = { 0 };
    struct last_good_copy copy;
    struct error err;
    if (!is_tidy)
        is_tidy = atexit(leave) == 0;
    bool is_hashed = !(input_byte(&in) & 1);
    buf_append(&text, in.at, (size_t)(in.end - in.at));
    if (is_hashed)
        append_hash(&text);
    put(&text);
    if (last_good_read(a, folder(), &copy, &err)) {
        size_t size = strlen(copy.epoch);
        for (list_each (const struct store_entry, entry, &copy.entries)) {
            size += strlen(entry->key) + entry->size;
            INVARIANT(entry->value[entry->size] == '\0');
        }
        INVARIANT(size <= text.size);
        check_again(a, &copy);
    } else {
        INVARIANT(err.code == ERROR_GARBLED && *err.text);
    }
    buf_fini(&text);
    arena_free(a);
    return 0;
}
