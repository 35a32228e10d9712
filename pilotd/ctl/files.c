#include "ctl/files.h"

#include "base/buf.h"

#include <errno.h>
#include <string.h>

bool files_read(
    struct arena *a, const char *path, const char **text, size_t *size, struct error *err)
{
    bool is_input = strcmp(path, "-") == 0;
    FILE *in = is_input ? stdin : fopen(path, "rb");
    struct buf whole = { 0 };
    char piece[65536];
    size_t got;
    if (!in)
        return error_set(err, ERROR_IO, "%s: %s", path, strerror(errno));
    while (whole.size <= FILE_LIMIT_BYTES && (got = fread(piece, 1, sizeof piece, in)) > 0)
        buf_append(&whole, piece, got);
    bool is_good = !ferror(in);
    int problem = errno;
    if (!is_input)
        fclose(in);
    if (whole.size > FILE_LIMIT_BYTES)
        is_good = error_set(
            err, ERROR_IO, "%s: larger than %d MiB", path, FILE_LIMIT_BYTES / 1024 / 1024);
    else if (!is_good)
        error_set(err, ERROR_IO, "%s: %s", path, strerror(problem));
    *text = arena_strndup(a, whole.data, whole.size);
    *size = whole.size;
    buf_fini(&whole);
    return is_good;
}

int files_load(struct ctl *ctl, struct loader *loader)
{
    string_list paths = ctl_values(ctl, &flag_file);
    if (!paths.count)
        return ctl_fail(EXIT_USAGE, "%s: -f FILE is needed", ctl->verb->name);
    for (size_t i = 0; i < paths.count; i++) {
        const char *text = NULL;
        size_t size = 0;
        struct error err;
        if (!files_read(ctl->a, paths.items[i], &text, &size, &err))
            return ctl_fail_error(&err);
        loader_add(
            loader, strcmp(paths.items[i], "-") == 0 ? "<stdin>" : paths.items[i], text, size);
    }
    loader_finish(loader);
    return EXIT_GOOD;
}

bool files_print_faults(struct ctl *ctl, const struct loader *loader, FILE *out)
{
    for (list_each (struct load_item, item, &loader->items))
        for (list_each (struct diag, diag, &item->diags.list))
            fprintf(out, "%s\n", load_diag_text(ctl->a, item, diag));
    for (list_each (struct load_item, item, &loader->items))
        if (item->diags.dropped)
            fprintf(
                out, "%s:%u: and %zu more faults\n", item->file, item->line, item->diags.dropped);
    return loader->errors == 0;
}
