/* pilotctl export, import: the whole keyspace as a file of YAML documents, and back. */
#include "ctl/changes.h"
#include "ctl/files.h"
#include "ctl/keys.h"
#include "ctl/values.h"

#include <string.h>

static const struct flag flag_prune = {
    .name = "--prune",
    .help = "deletes what is in the store and not in the files",
};
const struct flag *const export_flags[] = { STORE_FLAGS, &flag_namespace, &flag_rev, NULL };
const struct flag *const import_flags[] = {
    STORE_FLAGS, &flag_file, &flag_prune, CHANGE_FLAGS, NULL
};

/* What operators and registrars wrote to stay: replicas, holds and leases are nobody's to keep. */
static const char *const kept[] = { "config/", "mesh", "services/", "registry/" };

static bool is_kept(const struct store_entry *entry)
{
    for (size_t i = 0; i < ARRAY_COUNT(kept); i++)
        if (begins_with(entry->key, kept[i]))
            return entry->lease == STORE_LEASE_NONE;
    return false;
}

static bool is_in_namespace(struct ctl *ctl, const char *key)
{
    const char *ns = ctl_value(ctl, &flag_namespace);
    struct object_key parts;
    struct diags ignored;
    diags_init(&ignored, ctl->a);
    return !ns || (object_key_parse(ctl->a, key, &parts, &ignored) && parts.ns &&
                      strcmp(parts.ns, ns) == 0);
}

int verb_export(struct ctl *ctl)
{
    struct key_query query;
    struct session session;
    struct session_answer answer;
    if (ctl->args.count)
        return ctl_fail(EXIT_USAGE, "export: takes no words; get KIND -o yaml shows some");
    if (!key_query_parse(ctl, &query))
        return EXIT_USAGE;
    int status = session_open(&session, ctl);
    if (status != EXIT_GOOD)
        return status;
    bool is_known = session_list_at(&session, "", query.revision, &answer);
    session_close(&session);
    if (!is_known) {
        key_explain_compacted(&answer.err, query.revision);
        return ctl_fail_error(&answer.err);
    }
    printf("# The keyspace at revision %lld\n", (long long)answer.revision);
    for (list_each (const struct store_entry, entry, &answer.entries))
        if (is_kept(entry) && is_in_namespace(ctl, entry->key))
            printf("---\n%s", value_document(ctl->a, entry->key, entry->value));
    return EXIT_GOOD;
}

/* ---- import ---- */

/* What is there now, by key. */
static bool read_all(struct session *s, struct map *known, int64_t *revision, struct error *err)
{
    struct session_answer answer;
    if (!session_list(s, "", &answer)) {
        *err = answer.err;
        return false;
    }
    *revision = answer.revision;
    for (list_each (struct store_entry, entry, &answer.entries))
        map_put(known, entry->key, entry);
    return true;
}

struct pruning {
    struct changes *changes;
    struct map wanted;
    struct error err;
    bool is_good;
};

static void prune_key(const char *key, void *value, void *context)
{
    struct pruning *p = context;
    if (is_kept(value) && !map_find(&p->wanted, key) && p->is_good)
        p->is_good = changes_remove(p->changes, key, &p->err);
}

/* What is not in the files goes. */
static bool prune(struct changes *changes, const struct loader *loader, struct error *err)
{
    struct pruning p = { .changes = changes, .is_good = true };
    for (list_each (struct load_item, item, &loader->items))
        map_put(&p.wanted, item->key, item);
    map_each (changes->known, prune_key, &p)
        ;
    map_fini(&p.wanted, NULL);
    *err = p.err;
    return p.is_good;
}

static int import_loaded(struct ctl *ctl, const struct loader *loader)
{
    struct session session;
    struct changes changes;
    struct map known = { 0 };
    struct error err = { 0 };
    int status = session_open(&session, ctl);
    if (status != EXIT_GOOD)
        return status;
    bool is_planned = changes_init(&changes, ctl, &session);
    status = is_planned ? EXIT_GOOD : EXIT_USAGE;
    changes.may_be_parts = true;
    changes.known = &known;
    is_planned = is_planned && read_all(&session, &known, &changes.revision, &err) &&
                 changes_put_files(&changes, loader, &err) &&
                 (!ctl_is_set(ctl, &flag_prune) || prune(&changes, loader, &err));
    if (status == EXIT_GOOD)
        status = is_planned ? changes_carry_out(&changes) : ctl_fail_error(&err);
    session_close(&session);
    map_fini(&known, NULL);
    return status;
}

int verb_import(struct ctl *ctl)
{
    struct loader loader;
    loader_init(&loader, ctl->a);
    int status = files_load(ctl, &loader);
    if (status == EXIT_GOOD && !files_print_faults(ctl, &loader, stderr))
        status = ctl_fail(EXIT_REFUSED, "nothing was written");
    if (status == EXIT_GOOD)
        status = import_loaded(ctl, &loader);
    loader_fini(&loader);
    return status;
}
