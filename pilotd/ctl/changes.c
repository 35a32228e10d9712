#include "ctl/changes.h"

#include "ctl/analysis.h"

#include <string.h>

const struct flag flag_if_rev = {
    .name = "--if-rev",
    .value_name = "REVISION",
    .help = "only if none of it has changed since that revision of the store; 0: if none is there",
};
const struct flag flag_dry_run = {
    .name = "--dry-run",
    .help = "says what would be done, and does nothing",
};

const struct flag flag_rollback_on_nack = {
    .name = "--rollback-on-nack",
    .help = "puts back what was there when a proxy refuses what comes of it; implies --wait",
};

bool changes_init(struct changes *c, struct ctl *ctl, struct session *session)
{
    long revision = -1, timeout_s;
    *c = (struct changes){
        .ctl = ctl, .session = session, .is_dry_run = ctl_is_set(ctl, &flag_dry_run)
    };
    if (!ctl_number(ctl, &flag_timeout, 1, 86400, &timeout_s))
        return false;
    if (ctl_is_set(ctl, &flag_if_rev) && !ctl_number(ctl, &flag_if_rev, 0, INT64_MAX, &revision))
        return false;
    c->if_revision = revision;
    return true;
}

/* ---- planning ---- */

/* What is not there may have been deleted since. */
static bool was_deleted_since(
    struct changes *c, const char *key, bool *was_there, struct error *err)
{
    struct session_answer answer;
    *was_there = false;
    if (c->if_revision <= 0)
        return true;
    if (!session_get_at(c->session, key, c->if_revision, &answer)) {
        *err = answer.err;
        return false;
    }
    *was_there = answer.entries.count > 0;
    return true;
}

static bool check_revision(
    struct changes *c, const char *key, const struct store_entry *entry, struct error *err)
{
    const char *title = key_title(c->session->a, key);
    bool was_there = false;
    if (c->if_revision < 0)
        return true;
    if (entry && entry->mod_revision > c->if_revision)
        return error_set(err,
            ERROR_REFUSED,
            c->if_revision ? "%s was changed at revision %lld" : "%s is there, of revision %lld",
            title,
            (long long)entry->mod_revision);
    if (entry)
        return true;
    return was_deleted_since(c, key, &was_there, err) &&
           (!was_there || error_set(err, ERROR_REFUSED, "%s was deleted since", title));
}

/* What is there now; *entry NULL: nothing. False too where --if-rev forbids the change. */
static bool look(
    struct changes *c, const char *key, const struct store_entry **entry, struct error *err)
{
    struct session_answer answer = { 0 };
    if (!c->known && !session_get(c->session, key, &answer)) {
        *err = answer.err;
        return false;
    }
    *entry = c->known               ? map_find(c->known, key)
             : answer.entries.count ? answer.entries.items
                                    : NULL;
    return check_revision(c, key, *entry, err);
}

bool changes_put(
    struct changes *c, const char *key, const char *value, size_t size, struct error *err)
{
    const struct store_entry *entry;
    if (!look(c, key, &entry, err))
        return false;
    bool is_same = entry && entry->size == size && memcmp(entry->value, value, size) == 0;
    struct planned planned = {
        .write = { .key = key,
            .value = value,
            .size = size,
            .expected_mod_revision = entry ? entry->mod_revision : 0 },
        .former = entry ? entry->value : NULL,
        .done = is_same ? "unchanged"
                : entry ? "configured"
                        : "created",
    };
    list_push(c->session->a, &c->items, planned);
    return true;
}

bool changes_remove(struct changes *c, const char *key, struct error *err)
{
    const struct store_entry *entry;
    if (!look(c, key, &entry, err))
        return false;
    struct planned planned = {
        .write = { .key = key, .expected_mod_revision = entry ? entry->mod_revision : 0 },
        .former = entry ? entry->value : NULL,
        .done = entry ? "deleted" : "not found",
    };
    list_push(c->session->a, &c->items, planned);
    return true;
}

bool changes_put_files(struct changes *c, const struct loader *loader, struct error *err)
{
    c->loader = loader;
    for (list_each (struct load_item, item, &loader->items))
        if (item->object && !changes_put(c, item->key, item->value, item->size, err))
            return false;
    return true;
}

/* ---- carrying out ---- */

bool changes_is_written(const struct planned *planned)
{
    return strcmp(planned->done, "unchanged") != 0 && strcmp(planned->done, "not found") != 0;
}

static struct change change_of(const struct changes *c)
{
    struct store_write *writes = ARENA_ARRAY(c->session->a, struct store_write, c->items.count + 1);
    struct change change = { .writes = writes, .loader = c->loader };
    for (list_each (const struct planned, planned, &c->items))
        if (changes_is_written(planned))
            writes[change.count++] = planned->write;
    return change;
}

/* Each part is written whole, or the rest is left. */
static int write_all(struct changes *c, const struct change *change)
{
    for (size_t done = 0; done < change->count; done += CHANGES_AT_ONCE_MAX) {
        struct session_answer answer;
        size_t left = change->count - done;
        size_t part = left < CHANGES_AT_ONCE_MAX ? left : CHANGES_AT_ONCE_MAX;
        if (!session_txn(c->session, change->writes + done, part, &answer))
            return ctl_fail_error(&answer.err);
        if (!answer.succeeded && done > 0)
            return ctl_fail(EXIT_FINDINGS,
                "somebody else changed one of them meanwhile; %zu were written, the rest was not",
                done);
        if (!answer.succeeded)
            return ctl_fail(
                EXIT_FINDINGS, "somebody else changed one of them meanwhile; nothing was written");
        c->revision = answer.revision;
    }
    return EXIT_GOOD;
}

/* ---- and then ---- */

/* Only over what was written: who changed one of them since has the last word. */
static int put_back(struct changes *c, const struct change *change)
{
    struct session_answer answer;
    struct store_write *writes = ARENA_ARRAY(c->session->a, struct store_write, change->count + 1);
    size_t count = 0;
    for (list_each (const struct planned, planned, &c->items))
        if (changes_is_written(planned))
            writes[count++] = (struct store_write){
                .key = planned->write.key,
                .value = planned->former,
                .size = planned->former ? strlen(planned->former) : 0,
                .expected_mod_revision = planned->write.value ? c->revision : 0,
            };
    if (!session_txn(c->session, writes, count, &answer))
        return ctl_fail_error(&answer.err);
    if (!answer.succeeded)
        return ctl_fail(
            EXIT_FINDINGS, "somebody else changed one of them since; it stays as it is");
    printf("rolled back to what was there before\n");
    return EXIT_FINDINGS;
}

static int wait_for_proxies(struct changes *c, struct rollout *rollout, const struct change *change)
{
    string_list keys = { 0 };
    for (size_t i = 0; i < change->count; i++)
        list_push(c->session->a, &keys, change->writes[i].key);
    enum rollout_outcome outcome = rollout_wait(rollout, c->revision, &keys);
    if (outcome == ROLLOUT_REFUSED && ctl_is_set(c->ctl, &flag_rollback_on_nack))
        return put_back(c, change);
    return outcome == ROLLOUT_DONE ? EXIT_GOOD : EXIT_FINDINGS;
}

static bool is_waited_for(const struct changes *c)
{
    return !c->is_dry_run &&
           (ctl_is_set(c->ctl, &flag_wait) || ctl_is_set(c->ctl, &flag_rollback_on_nack));
}

static void tell_done(const struct changes *c)
{
    for (list_each (const struct planned, planned, &c->items))
        printf("%s %s%s\n",
            key_title(c->session->a, planned->write.key),
            planned->done,
            c->is_dry_run ? " (not done: --dry-run)" : "");
    fflush(stdout);
}

static int write_and_wait(struct changes *c, const struct change *change)
{
    struct rollout rollout = { 0 };
    bool is_waited = is_waited_for(c) && change->count > 0;
    if (is_waited)
        rollout_begin(&rollout, c->ctl);
    int status = c->is_dry_run ? EXIT_GOOD : write_all(c, change);
    if (status == EXIT_GOOD)
        tell_done(c);
    if (status == EXIT_GOOD && is_waited)
        status = wait_for_proxies(c, &rollout, change);
    rollout_end(&rollout);
    return status;
}

/* Revisions of a folder of files are of no meaning to others; and what was written in parts is of
 * several. */
static bool can_be_waited_for(const struct changes *c, const struct change *change)
{
    bool is_file = begins_with(ctl_value(c->ctl, &flag_store), "file:");
    if (is_waited_for(c) && is_file)
        ctl_fail(EXIT_USAGE, "--wait: revisions of a folder of files are its reader's own");
    else if (change->count > CHANGES_AT_ONCE_MAX && ctl_is_set(c->ctl, &flag_rollback_on_nack))
        ctl_fail(EXIT_USAGE,
            "--rollback-on-nack: at most %d changes can be put back at once",
            CHANGES_AT_ONCE_MAX);
    else
        return true;
    return false;
}

int changes_carry_out(struct changes *c)
{
    struct change change = change_of(c);
    struct error err = { 0 };
    size_t found;
    if (change.count > CHANGES_AT_ONCE_MAX && !c->may_be_parts)
        return ctl_fail(EXIT_FINDINGS,
            "at most %d resources can be changed at once; apply them in several calls",
            CHANGES_AT_ONCE_MAX);
    if (!can_be_waited_for(c, &change))
        return EXIT_USAGE;
    if (change.count > 0 && !analysis_of_change(c->session, &change, stderr, &found, &err))
        return ctl_fail_error(&err);
    return write_and_wait(c, &change);
}
