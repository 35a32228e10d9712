/* pilotctl edit: a resource in $EDITOR, checked before it is written, and only over what was read.
 */
#include "ctl/changes.h"
#include "ctl/files.h"
#include "ctl/keys.h"
#include "ctl/values.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

const struct flag *const edit_flags[] = { STORE_FLAGS, &flag_namespace, CHANGE_FLAGS, NULL };

struct editing {
    struct ctl *ctl;
    const char *key, *path;
    const char *text; /* as it was given to the editor, without remarks */
    const char *faults;
    int64_t revision;
};

/* ---- the file ---- */

static bool write_text(const struct editing *e, struct error *err)
{
    FILE *out = fopen(e->path, "wb");
    bool is_good =
        out && fprintf(out,
                   "# %s, of revision %lld. It is checked when you leave; lines that begin "
                   "with '#' do not count.\n%s%s",
                   e->key,
                   (long long)e->revision,
                   e->faults,
                   e->text) > 0;
    if (out && fclose(out) != 0)
        is_good = false;
    return is_good || error_set(err, ERROR_IO, "%s: %s", e->path, strerror(errno));
}

/* The lines that count. */
static const char *without_remarks(struct arena *a, const char *text)
{
    struct buf out = { 0 };
    while (*text) {
        size_t size = strcspn(text, "\n");
        size += text[size] == '\n';
        if (*text != '#')
            buf_append(&out, text, size);
        text += size;
    }
    const char *kept = arena_strndup(a, out.size ? out.data : "", out.size);
    buf_fini(&out);
    return kept;
}

static bool make_file(struct editing *e, struct error *err)
{
    const char *directory = getenv("TMPDIR");
    char *path = arena_printf(
        e->ctl->a, "%s/pilotctl-XXXXXX.yaml", directory && *directory ? directory : "/tmp");
    int descriptor = mkstemps(path, (int)strlen(".yaml"));
    if (descriptor < 0)
        return error_set(err, ERROR_IO, "%s: %s", path, strerror(errno));
    close(descriptor);
    e->path = path;
    return true;
}

/* ---- the editor ---- */

static const char *editor(void)
{
    const char *visual = getenv("VISUAL"), *plain = getenv("EDITOR");
    return visual && *visual ? visual : plain && *plain ? plain : "vi";
}

/* Through a shell, since the variable may have flags. */
static bool run_editor(const struct editing *e, struct error *err)
{
    const char *command = arena_printf(e->ctl->a, "%s \"$1\"", editor());
    int status = -1;
    pid_t child = fork();
    if (child == 0) {
        execl("/bin/sh", "sh", "-c", command, "sh", e->path, (char *)NULL);
        _exit(127);
    }
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    return status == 0 || error_set(err, ERROR_IO, "%s failed; nothing was written", editor());
}

/* ---- what came of it ---- */

static const char *faults_as_remarks(struct arena *a, const struct loader *loader)
{
    const char *text = "#\n# Not written, for:\n";
    for (list_each (const struct load_item, item, &loader->items))
        for (list_each (const struct diag, diag, &item->diags.list))
            if (diag->severity == DIAG_ERROR)
                text = arena_printf(a, "%s# %s\n", text, diag_text(a, diag));
    return arena_printf(a, "%s#\n", text);
}

/* Exactly the resource that was asked for. */
static void check_key(const struct editing *e, struct loader *loader)
{
    for (list_each (struct load_item, item, &loader->items))
        if (item->object && strcmp(item->key, e->key) != 0) {
            diag_add(&item->diags,
                DIAG_ERROR,
                DIAG_KEY_MISMATCH,
                "metadata",
                NULL,
                "is another resource: %s",
                item->key);
            loader->errors++;
        }
}

static int write_edited(struct editing *e, const struct loader *loader)
{
    struct session session;
    struct changes changes;
    struct error err = { 0 };
    int status = session_open(&session, e->ctl);
    if (status != EXIT_GOOD)
        return status;
    if (changes_init(&changes, e->ctl, &session)) {
        if (changes.if_revision < 0 || changes.if_revision > e->revision)
            changes.if_revision = e->revision;
        status = changes_put_files(&changes, loader, &err) ? changes_carry_out(&changes)
                                                           : ctl_fail_error(&err);
    } else {
        status = EXIT_USAGE;
    }
    session_close(&session);
    return status;
}

enum outcome { OUTCOME_AGAIN, OUTCOME_DONE };

/* One look at what was left in the file. */
static enum outcome take_edited(struct editing *e, int *status)
{
    struct loader loader;
    struct error err = { 0 };
    const char *text;
    size_t size;
    enum outcome outcome = OUTCOME_DONE;
    *status = EXIT_GOOD;
    if (!files_read(e->ctl->a, e->path, &text, &size, &err)) {
        *status = ctl_fail_error(&err);
        return outcome;
    }
    const char *kept = without_remarks(e->ctl->a, text);
    if (strcmp(kept, e->text) == 0) {
        puts(*e->faults ? "given up; nothing was written" : "unchanged");
        *status = *e->faults ? EXIT_REFUSED : EXIT_GOOD;
        return outcome;
    }
    loader_init(&loader, e->ctl->a);
    loader_add(&loader, e->path, kept, strlen(kept));
    loader_finish(&loader);
    check_key(e, &loader);
    if (loader.errors > 0) {
        e->faults = faults_as_remarks(e->ctl->a, &loader);
        e->text = kept;
        outcome = OUTCOME_AGAIN;
    } else if (loader.items.count != 1) {
        *status = ctl_fail(EXIT_REFUSED, "one resource is needed; nothing was written");
    } else {
        *status = write_edited(e, &loader);
    }
    loader_fini(&loader);
    return outcome;
}

static int edit(struct editing *e)
{
    struct error err = { 0 };
    int status = EXIT_GOOD;
    if (!make_file(e, &err))
        return ctl_fail_error(&err);
    do {
        if (!write_text(e, &err) || !run_editor(e, &err)) {
            status = ctl_fail_error(&err);
            break;
        }
    } while (take_edited(e, &status) == OUTCOME_AGAIN);
    if (status == EXIT_GOOD)
        unlink(e->path);
    else
        fprintf(stderr, "pilotctl: what you wrote is kept in %s\n", e->path);
    return status;
}

int verb_edit(struct ctl *ctl)
{
    struct editing e = { .ctl = ctl, .faults = "" };
    struct key_query query;
    struct session session;
    struct session_answer answer;
    if (!key_query_parse(ctl, &query) || !(e.key = key_of_words(ctl, &query)))
        return EXIT_USAGE;
    int status = session_open(&session, ctl);
    if (status != EXIT_GOOD)
        return status;
    bool is_known = session_get(&session, e.key, &answer);
    session_close(&session);
    if (!is_known)
        return ctl_fail_error(&answer.err);
    if (!answer.entries.count)
        return ctl_fail(EXIT_FINDINGS, "%s: not found", e.key);
    e.revision = answer.revision;
    e.text = value_document(ctl->a, e.key, answer.entries.items[0].value);
    return edit(&e);
}
