/* pilotctl validate, apply, delete: resources from files, checked, written, removed. */
#include "ctl/analysis.h"
#include "ctl/files.h"
#include "ctl/world.h"

#include <string.h>

const struct flag *const validate_flags[] = { &flag_file, STORE_FLAGS, NULL };
const struct flag *const apply_flags[] = { STORE_FLAGS, &flag_file, NULL };
const struct flag *const delete_flags[] = { STORE_FLAGS, &flag_file, &flag_namespace, NULL };

enum { TXN_LIMIT = 100 }; /* etcd allows 128 operations in one transaction */

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

/* One write and the word that tells what it did. */
struct planned {
    struct store_write write;
    const char *done;
};
typedef LIST(struct planned) plan_list;

/* What is there already, unchanged, is not written. False: the store could not be asked. */
static bool plan_apply(
    struct session *s, const struct load_item *item, plan_list *plan, struct error *err)
{
    struct session_answer answer;
    if (!session_get(s, item->key, &answer)) {
        *err = answer.err;
        return false;
    }
    const struct store_entry *entry = answer.entries.count ? answer.entries.items : NULL;
    bool is_same =
        entry && entry->size == item->size && memcmp(entry->value, item->value, item->size) == 0;
    struct planned planned = {
        .write = { .key = item->key,
            .value = item->value,
            .size = item->size,
            .expected_mod_revision = entry ? entry->mod_revision : 0 },
        .done = is_same ? "unchanged"
                : entry ? "configured"
                        : "created",
    };
    list_push(s->a, plan, planned);
    return true;
}

static bool plan_delete(struct session *s, const char *key, plan_list *plan, struct error *err)
{
    struct session_answer answer;
    if (!session_get(s, key, &answer)) {
        *err = answer.err;
        return false;
    }
    bool is_there = answer.entries.count > 0;
    struct planned planned = {
        .write = { .key = key,
            .expected_mod_revision = is_there ? answer.entries.items[0].mod_revision : 0 },
        .done = is_there ? "deleted" : "not found",
    };
    list_push(s->a, plan, planned);
    return true;
}

static bool is_written(const struct planned *planned)
{
    return strcmp(planned->done, "unchanged") != 0 && strcmp(planned->done, "not found") != 0;
}

static struct change change_of(struct session *s, const plan_list *plan)
{
    struct store_write *writes = ARENA_ARRAY(s->a, struct store_write, plan->count + 1);
    struct change change = { .writes = writes };
    for (list_each (const struct planned, planned, plan))
        if (is_written(planned))
            writes[change.count++] = planned->write;
    return change;
}

/* All of them in one transaction, after saying what they bring; it fails when somebody changed one
 * in between. */
static int carry_out(struct session *s, const plan_list *plan, const struct loader *loader)
{
    struct session_answer answer = { .succeeded = true };
    struct change change = change_of(s, plan);
    struct error err = { 0 };
    size_t found;
    change.loader = loader;
    if (change.count > TXN_LIMIT)
        return ctl_fail(EXIT_FINDINGS,
            "at most %d resources can be changed at once; apply them in several calls",
            TXN_LIMIT);
    if (change.count > 0 && !analysis_of_change(s, &change, stderr, &found, &err))
        return ctl_fail_error(&err);
    if (change.count > 0 && !session_txn(s, change.writes, change.count, &answer))
        return ctl_fail_error(&answer.err);
    if (!answer.succeeded)
        return ctl_fail(
            EXIT_FINDINGS, "somebody else changed one of them meanwhile; nothing was written");
    for (list_each (struct planned, planned, plan))
        printf("%s %s\n", key_title(s->a, planned->write.key), planned->done);
    return EXIT_GOOD;
}

int verb_apply(struct ctl *ctl)
{
    struct loader loader;
    struct session session;
    struct error err = { 0 };
    plan_list plan = { 0 };
    loader_init(&loader, ctl->a);
    int status = files_load(ctl, &loader);
    if (status == EXIT_GOOD && !files_print_faults(ctl, &loader, stderr))
        status = ctl_fail(EXIT_REFUSED, "nothing was written");
    if (status == EXIT_GOOD && (status = session_open(&session, ctl)) == EXIT_GOOD) {
        bool is_planned = true;
        for (list_each (struct load_item, item, &loader.items))
            if (item->object)
                is_planned = is_planned && plan_apply(&session, item, &plan, &err);
        status = is_planned ? carry_out(&session, &plan, &loader) : ctl_fail_error(&err);
        session_close(&session);
    }
    loader_fini(&loader);
    return status;
}

/* The keys named on the command line or in files. */
static int keys_to_delete(struct ctl *ctl, string_list *keys)
{
    const char *ns = ctl_value(ctl, &flag_namespace);
    if (ctl_is_set(ctl, &flag_file)) {
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
    enum kind kind = ctl->args.count ? kind_find(ctl->args.items[0]) : KIND_NONE;
    if (ctl->args.count < 2)
        return ctl_fail(EXIT_USAGE, "delete: KIND and NAME, or -f FILE, are needed");
    if (kind == KIND_NONE || !kind_info(kind)->plural)
        return ctl_fail(EXIT_USAGE, "delete: unknown kind %s", ctl->args.items[0]);
    for (size_t i = 1; i < ctl->args.count; i++)
        list_push(
            ctl->a, keys, object_key_text(ctl->a, kind, ns ? ns : "default", ctl->args.items[i]));
    return EXIT_GOOD;
}

int verb_delete(struct ctl *ctl)
{
    struct session session;
    struct error err = { 0 };
    plan_list plan = { 0 };
    string_list keys = { 0 };
    int status = keys_to_delete(ctl, &keys);
    if (status != EXIT_GOOD || (status = session_open(&session, ctl)) != EXIT_GOOD)
        return status;
    bool is_planned = true;
    for (size_t i = 0; i < keys.count && is_planned; i++)
        is_planned = plan_delete(&session, keys.items[i], &plan, &err);
    status = is_planned ? carry_out(&session, &plan, NULL) : ctl_fail_error(&err);
    session_close(&session);
    for (list_each (struct planned, planned, &plan))
        if (!is_written(planned) && status == EXIT_GOOD)
            status = EXIT_FINDINGS;
    return status;
}
