/*
 * pilotctl drain, undrain, deregister: what an operator does to an instance that somebody else
 * keeps registered. Its lease stays what it is; a registrar that writes the value anew undoes it.
 */
#include "ctl/changes.h"
#include "ctl/instance.h"
#include "ctl/keys.h"

#include <string.h>

const struct flag *const drain_flags[] = { STORE_FLAGS, &flag_namespace, NULL };
const struct flag *const undrain_flags[] = { STORE_FLAGS, &flag_namespace, NULL };
const struct flag *const deregister_flags[] = { STORE_FLAGS, &flag_namespace, NULL };

/* The instances that the words name: SERVICE for all of it, or SERVICE/INSTANCE. */
static int find_instances(struct ctl *ctl, struct session *s, key_entry_list *found)
{
    const char *ns = ctl_value(ctl, &flag_namespace);
    struct error err = { 0 };
    struct key_query query = {
        .kind = KIND_REGISTRY_INSTANCE, .prefix = "registry/", .ns = ns ? ns : "default"
    };
    query.names = ctl->args;
    if (!ctl->args.count)
        return ctl_fail(EXIT_USAGE, "%s: SERVICE or SERVICE/INSTANCE is needed", ctl->verb->name);
    int status = session_open(s, ctl);
    if (status != EXIT_GOOD)
        return status;
    if (!key_query_run(s, &query, found, &err))
        status = ctl_fail_error(&err);
    else if (!found->count)
        status = ctl_fail(EXIT_FINDINGS, "no such instance in namespace %s", query.ns);
    if (status != EXIT_GOOD)
        session_close(s);
    return status;
}

static int write_instance(
    struct session *s, const struct store_write *writes, size_t count, const char *key)
{
    struct session_answer answer;
    if (!session_txn(s, writes, count, &answer))
        return ctl_fail_error(&answer.err);
    if (!answer.succeeded)
        return ctl_fail(EXIT_FINDINGS, "%s was changed meanwhile; it is left as it is", key);
    return EXIT_GOOD;
}

/* The same value with another health. */
static int set_health(struct session *s, const struct store_entry *entry, const char *health)
{
    cJSON *json = cJSON_ParseWithLength(entry->value, entry->size);
    if (!cJSON_IsObject(json)) {
        cJSON_Delete(json);
        return ctl_fail(EXIT_FINDINGS, "%s: its value is no JSON object", entry->key);
    }
    cJSON_DeleteItemFromObjectCaseSensitive(json, "health");
    cJSON_AddStringToObject(json, "health", health);
    char *printed = cJSON_PrintUnformatted(json);
    const struct store_write write = { .key = entry->key,
        .value = printed,
        .size = strlen(printed),
        .lease = entry->lease,
        .expected_mod_revision = entry->mod_revision };
    int status = write_instance(s, &write, 1, entry->key);
    free(printed);
    cJSON_Delete(json);
    return status;
}

/* The tombstone says that it goes on purpose: instances that only vanish are held for a while. */
static int take_away(struct session *s, const struct store_entry *entry)
{
    const struct store_write writes[] = {
        { .key = entry->key, .expected_mod_revision = entry->mod_revision },
        { .key = arena_printf(s->a, "tombstones/%s", entry->key),
            .value = "{}",
            .size = 2,
            .lease = entry->lease,
            .expected_mod_revision = STORE_ANY_REVISION },
    };
    return write_instance(s, writes, entry->lease ? 2 : 1, entry->key);
}

static int each_instance(struct ctl *ctl, const char *health, const char *done)
{
    struct session session;
    key_entry_list found = { 0 };
    int status = find_instances(ctl, &session, &found);
    if (status != EXIT_GOOD)
        return status;
    for (list_each (const struct key_entry, one, &found)) {
        int own =
            health ? set_health(&session, &one->entry, health) : take_away(&session, &one->entry);
        if (own == EXIT_GOOD)
            printf("%s %s\n", key_entry_title(ctl->a, one), done);
        else
            status = own;
    }
    session_close(&session);
    return status;
}

int verb_drain(struct ctl *ctl)
{
    return each_instance(ctl, "draining", "draining");
}

int verb_undrain(struct ctl *ctl)
{
    return each_instance(ctl, "healthy", "healthy");
}

int verb_deregister(struct ctl *ctl)
{
    return each_instance(ctl, NULL, "deregistered");
}
