/* pilotctl get: what is in the store, as it was written. */
#include "ctl/keys.h"
#include "ctl/output.h"
#include "ctl/rollout.h"
#include "ctl/values.h"

#include <string.h>

const struct flag *const get_flags[] = {
    STORE_FLAGS, &flag_namespace, &flag_rev, &flag_server, READ_FLAGS, NULL
};

static const struct column columns[] = {
    { "KIND" },
    { "NAMESPACE" },
    { "NAME" },
    { "REVISION" },
    { "HOSTS" },
    { "CREATED", .is_wide = true },
    { "APPLIED", .is_wide = true },
    { "KEY", .is_wide = true },
};

/* "12/12": of the connected proxies those that have it; "" where none is known of. */
static const char *applied(
    struct arena *a, const struct rollout_revisions *proxies, int64_t revision)
{
    size_t count = 0;
    for (list_each (const int64_t, has, &proxies->items))
        count += *has >= revision;
    return proxies->items.count ? arena_printf(a, "%zu/%zu", count, proxies->items.count) : "";
}

static struct row make_row(
    struct arena *a, const struct key_entry *found, const struct rollout_revisions *proxies)
{
    const struct store_entry *entry = &found->entry;
    return (struct row){
        .name = key_entry_title(a, found),
        .json = entry->value,
        .cells = CELLS(a,
            kind_info(found->key.kind)->name,
            found->key.ns,
            key_entry_name(a, found),
            arena_printf(a, "%lld", (long long)entry->mod_revision),
            value_subject(a, entry->value),
            arena_printf(a, "%lld", (long long)entry->create_revision),
            applied(a, proxies, entry->mod_revision),
            entry->key),
    };
}

static int ask(struct ctl *ctl, struct answer *answer)
{
    struct key_query query;
    struct session session;
    struct error err = { 0 };
    key_entry_list found = { 0 };
    if (!key_query_parse(ctl, &query))
        return EXIT_USAGE;
    int status = session_open(&session, ctl);
    if (status != EXIT_GOOD)
        return status;
    bool is_good = key_query_run(&session, &query, &found, &err);
    session_close(&session);
    if (!is_good)
        return ctl_fail_error(&err);
    answer->columns = columns;
    answer->column_count = ARRAY_COUNT(columns);
    answer->is_one = query.names.count == 1;
    struct rollout_revisions proxies = { 0 };
    if (strcmp(ctl_value(ctl, &flag_output), "wide") == 0)
        proxies = rollout_revisions(ctl);
    for (list_each (const struct key_entry, entry, &found))
        list_push(ctl->a, &answer->rows, make_row(ctl->a, entry, &proxies));
    if (query.names.count && !found.count && !ctl_is_set(ctl, &flag_watch))
        return ctl_fail(EXIT_FINDINGS, "%s: not found", key_query_text(ctl->a, &query));
    return EXIT_GOOD;
}

int verb_get(struct ctl *ctl)
{
    return output_run(ctl, ask);
}
