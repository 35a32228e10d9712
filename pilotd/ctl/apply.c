/* pilotctl validate, apply, delete: resources from files, checked, written, removed. */
#include "ctl/analysis.h"
#include "ctl/changes.h"
#include "ctl/files.h"
#include "ctl/keys.h"
#include "ctl/world.h"

#include <string.h>

const struct flag *const validate_flags[] = { &flag_file, STORE_FLAGS, NULL };
const struct flag *const apply_flags[] = { STORE_FLAGS, &flag_file, CHANGE_FLAGS, NULL };
const struct flag *const delete_flags[] = {
    STORE_FLAGS, &flag_file, &flag_namespace, CHANGE_FLAGS, NULL
};

static size_t count_objects(const struct loader *loader)
{
    size_t count = 0;
    for (list_each (const struct load_item, item, &loader->items))
        count += item->object != NULL;
    return count;
}

/* Together with what the store holds: as if they were applied. */
static int analyse_with_store(struct ctl *ctl, const struct loader *loader, size_t *found)
{
    struct session session;
    struct error err = { 0 };
    struct change change = { .loader = loader };
    change.writes = writes_of_files(ctl->a, loader, &change.count);
    int status = session_open(&session, ctl);
    if (status != EXIT_GOOD)
        return status;
    bool is_known = analysis_of_change(&session, &change, stdout, found, &err);
    session_close(&session);
    return is_known ? EXIT_GOOD : ctl_fail_error(&err);
}

/* Only what is valid by itself is worth looking at together. A store is asked only when named. */
static int analyse(struct ctl *ctl, const struct loader *loader)
{
    size_t found = 0;
    int status = EXIT_GOOD;
    if (ctl_is_set(ctl, &flag_store))
        status = analyse_with_store(ctl, loader, &found);
    else
        found = analysis_of_files(ctl, loader, stdout);
    if (status != EXIT_GOOD)
        return status;
    size_t warnings = loader->warnings + found;
    printf("%zu resources are valid", count_objects(loader));
    if (warnings > 0)
        printf(", with %zu warning%s", warnings, warnings == 1 ? "" : "s");
    puts(found > 0 && !ctl_is_set(ctl, &flag_store)
             ? " (of these files alone: --store URL takes in what is there)"
             : "");
    return EXIT_GOOD;
}

int verb_validate(struct ctl *ctl)
{
    struct loader loader;
    loader_init(&loader, ctl->a);
    int status = files_load(ctl, &loader);
    if (status == EXIT_GOOD)
        status = files_print_faults(ctl, &loader, stdout) ? analyse(ctl, &loader) : EXIT_FINDINGS;
    loader_fini(&loader);
    return status;
}

/* The store is asked for once the files are found good. */
static int apply_loaded(struct ctl *ctl, const struct loader *loader)
{
    struct session session;
    struct changes changes;
    struct error err = { 0 };
    int status = session_open(&session, ctl);
    if (status != EXIT_GOOD)
        return status;
    if (!changes_init(&changes, ctl, &session))
        status = EXIT_USAGE;
    else if (!changes_put_files(&changes, loader, &err))
        status = ctl_fail_error(&err);
    else
        status = changes_carry_out(&changes);
    session_close(&session);
    return status;
}

int verb_apply(struct ctl *ctl)
{
    struct loader loader;
    loader_init(&loader, ctl->a);
    int status = files_load(ctl, &loader);
    if (status == EXIT_GOOD && !files_print_faults(ctl, &loader, stderr))
        status = ctl_fail(EXIT_REFUSED, "nothing was written");
    if (status == EXIT_GOOD)
        status = apply_loaded(ctl, &loader);
    loader_fini(&loader);
    return status;
}

/* ---- delete ---- */

static int keys_of_files(struct ctl *ctl, string_list *keys)
{
    struct loader loader;
    loader_init(&loader, ctl->a);
    int status = files_load(ctl, &loader);
    for (list_each (struct load_item, item, &loader.items))
        if (item->key)
            list_push(ctl->a, keys, item->key);
        else if (status == EXIT_GOOD)
            status = ctl_fail(
                EXIT_REFUSED, "%s", load_diag_text(ctl->a, item, &item->diags.list.items[0]));
    loader_fini(&loader);
    return status;
}

/* The keys named on the command line or in files. */
static int keys_to_delete(struct ctl *ctl, string_list *keys)
{
    struct key_query query;
    if (ctl_is_set(ctl, &flag_file))
        return keys_of_files(ctl, keys);
    if (!key_query_parse(ctl, &query))
        return EXIT_USAGE;
    if (!query.names.count)
        return ctl_fail(EXIT_USAGE, "delete: KIND and NAME, or -f FILE, are needed");
    if (query.kind == KIND_REGISTRY_INSTANCE)
        return ctl_fail(EXIT_USAGE, "delete: instances are their registrars' to take away");
    const char *ns = query.ns ? query.ns : "default";
    for (list_each (const char *const, name, &query.names))
        list_push(ctl->a, keys, object_key_text(ctl->a, query.kind, ns, *name));
    return EXIT_GOOD;
}

int verb_delete(struct ctl *ctl)
{
    struct session session;
    struct changes changes;
    struct error err = { 0 };
    string_list keys = { 0 };
    int status = keys_to_delete(ctl, &keys);
    if (status != EXIT_GOOD || (status = session_open(&session, ctl)) != EXIT_GOOD)
        return status;
    bool is_planned = changes_init(&changes, ctl, &session);
    status = is_planned ? EXIT_GOOD : EXIT_USAGE;
    for (size_t i = 0; i < keys.count && is_planned; i++)
        is_planned = changes_remove(&changes, keys.items[i], &err);
    if (status == EXIT_GOOD)
        status = is_planned ? changes_carry_out(&changes) : ctl_fail_error(&err);
    session_close(&session);
    for (list_each (struct planned, planned, &changes.items))
        if (!changes_is_written(planned) && status == EXIT_GOOD)
            status = EXIT_FINDINGS;
    return status;
}
