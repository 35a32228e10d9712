/*
 * A target without libFuzzer: each file that is named, and each of a folder that is named, once.
 * Prints how many there were.
 */
#include "fuzzer.h"

#include "base/buf.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { PATH_BYTES = 4096 };

static size_t replay_file(const char *path)
{
    struct buf bytes = { 0 };
    char piece[65536];
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        exit(2);
    }
    for (size_t got; (got = fread(piece, 1, sizeof piece, file)) > 0;)
        buf_append(&bytes, piece, got);
    fclose(file);
    /* Of its very size, so that a sanitizer sees the end. */
    uint8_t *exact = xcalloc(bytes.size, 1);
    if (bytes.size)
        memcpy(exact, bytes.data, bytes.size);
    LLVMFuzzerTestOneInput(exact, bytes.size);
    free(exact);
    buf_fini(&bytes);
    return 1;
}

static size_t replay(const char *path);

static size_t replay_folder(const char *path)
{
    struct dirent **entries;
    size_t replayed = 0;
    int count = scandir(path, &entries, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        char inner[PATH_BYTES];
        if (entries[i]->d_name[0] != '.') {
            snprintf(inner, sizeof inner, "%s/%s", path, entries[i]->d_name);
            replayed += replay(inner);
        }
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
    return replayed;
}

static size_t replay(const char *path)
{
    struct stat info;
    bool is_folder = stat(path, &info) == 0 && S_ISDIR(info.st_mode);
    return is_folder ? replay_folder(path) : replay_file(path);
}

int main(int argc, char **argv)
{
    size_t replayed = 0;
    for (int i = 1; i < argc; i++)
        replayed += replay(argv[i]);
    printf("%zu inputs\n", replayed);
    return 0;
}
