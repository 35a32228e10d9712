/* pilotctl history, rollback: what etcd remembers of one value, and back to it. */
#include "ctl/changes.h"
#include "ctl/keys.h"
#include "ctl/output.h"
#include "ctl/values.h"

#include <string.h>

static const struct flag flag_to = {
    .name = "--to",
    .value_name = "REVISION",
    .help = "back to what it was then (default: to what it was before its last change)",
};
const struct flag *const history_flags[] = { STORE_FLAGS, &flag_namespace, READ_FLAGS, NULL };
const struct flag *const rollback_flags[] = {
    STORE_FLAGS, &flag_namespace, &flag_to, CHANGE_FLAGS, NULL
};

struct past {
    const char *key;
    LIST(struct store_entry) entries; /* oldest first; a deletion has no value */
    int64_t compacted;                /* what was before is forgotten; 0: nothing is */
};

/* What was in force when all before it was forgotten is remembered, too. */
static bool add_oldest(struct session *s, struct past *past, struct error *err)
{
    struct session_answer answer;
    if (!past->compacted)
        return true;
    if (!session_get_at(s, past->key, past->compacted, &answer)) {
        *err = answer.err;
        return false;
    }
    for (list_each (const struct store_entry, entry, &answer.entries))
        list_push(s->a, &past->entries, *entry);
    return true;
}

static bool read_past(struct session *s, struct past *past, struct error *err)
{
    struct session_answer now, told;
    bool is_good = session_get(s, past->key, &now);
    if (!is_good)
        *err = now.err;
    int64_t last = is_good && now.entries.count ? now.entries.items[0].mod_revision : 0;
    if (is_good && !session_history(s, past->key, last, &told)) {
        *err = told.err;
        is_good = false;
    }
    if (!is_good)
        return false;
    past->compacted = told.compacted;
    if (!add_oldest(s, past, err))
        return false;
    for (list_each (const struct store_entry, entry, &told.entries)) {
        bool is_known =
            past->entries.count && past->entries.items[0].mod_revision == entry->mod_revision;
        if (!is_known)
            list_push(s->a, &past->entries, *entry);
    }
    return true;
}

/* ---- history ---- */

static const struct column columns[] = { { "REVISION" }, { "CHANGE" }, { "HOSTS" } };

static const char *change_word(const struct store_entry *entry)
{
    if (!entry->value)
        return "deleted";
    return entry->create_revision == entry->mod_revision ? "created" : "changed";
}

static const char *row_json(struct arena *a, const struct store_entry *entry)
{
    cJSON *json = cJSON_CreateObject();
    cJSON_AddNumberToObject(json, "revision", (double)entry->mod_revision);
    cJSON_AddStringToObject(json, "change", change_word(entry));
    if (entry->value)
        cJSON_AddRawToObject(json, "value", entry->value);
    return output_text(a, json);
}

static void add_rows(struct arena *a, const struct past *past, struct answer *answer)
{
    for (size_t i = past->entries.count; i-- > 0;) {
        const struct store_entry *entry = &past->entries.items[i];
        const char *revision = arena_printf(a, "%lld", (long long)entry->mod_revision);
        struct row row = {
            .name = revision,
            .tone = entry->value ? TONE_PLAIN : TONE_BAD,
            .json = row_json(a, entry),
            .cells = CELLS(a,
                revision,
                change_word(entry),
                entry->value ? value_subject(a, entry->value) : ""),
        };
        list_push(a, &answer->rows, row);
    }
    if (past->compacted)
        list_push(a,
            &answer->notes,
            arena_printf(a,
                "What was before revision %lld was compacted: etcd does not keep it.",
                (long long)past->compacted));
}

/* Opens the store and reads what it remembers of the words' key. */
static int open_past(struct ctl *ctl, struct session *session, struct past *past)
{
    struct key_query query;
    struct error err = { 0 };
    *past = (struct past){ 0 };
    if (!key_query_parse(ctl, &query) || !(past->key = key_of_words(ctl, &query)))
        return EXIT_USAGE;
    int status = session_open(session, ctl);
    if (status != EXIT_GOOD)
        return status;
    if (read_past(session, past, &err))
        return EXIT_GOOD;
    session_close(session);
    return ctl_fail_error(&err);
}

static int ask(struct ctl *ctl, struct answer *answer)
{
    struct session session;
    struct past past;
    int status = open_past(ctl, &session, &past);
    if (status != EXIT_GOOD)
        return status;
    session_close(&session);
    if (!past.entries.count)
        return ctl_fail(EXIT_FINDINGS, "%s: nothing is remembered of it", past.key);
    answer->columns = columns;
    answer->column_count = ARRAY_COUNT(columns);
    add_rows(ctl->a, &past, answer);
    return EXIT_GOOD;
}

int verb_history(struct ctl *ctl)
{
    return output_run(ctl, ask);
}

/* ---- rollback ---- */

/* The last value before what is there now; NULL: none is remembered. */
static const struct store_entry *value_before(const struct past *past)
{
    for (size_t i = past->entries.count; i-- > 1;)
        if (past->entries.items[i - 1].value)
            return &past->entries.items[i - 1];
    return NULL;
}

static const struct store_entry *value_at(const struct past *past, int64_t revision)
{
    for (size_t i = past->entries.count; i-- > 0;)
        if (past->entries.items[i].mod_revision <= revision)
            return &past->entries.items[i];
    return NULL;
}

static int find_value(struct ctl *ctl, const struct past *past, const struct store_entry **found)
{
    long to;
    if (!ctl_is_set(ctl, &flag_to)) {
        *found = value_before(past);
        return *found ? EXIT_GOOD
                      : ctl_fail(EXIT_FINDINGS,
                            past->compacted ? "%s: what it was before was compacted away"
                                            : "%s: there was nothing before",
                            past->key);
    }
    if (!ctl_number(ctl, &flag_to, 1, INT64_MAX, &to))
        return EXIT_USAGE;
    *found = value_at(past, to);
    if (to < past->compacted)
        return ctl_fail(EXIT_FINDINGS,
            "revision %ld was compacted: etcd keeps what is of revision %lld and later",
            to,
            (long long)past->compacted);
    if (*found && (*found)->value)
        return EXIT_GOOD;
    return ctl_fail(EXIT_FINDINGS,
        "%s was not there at revision %ld; pilotctl delete takes it away",
        past->key,
        to);
}

/* What was good for an older release may not be for this one. */
static bool is_valid(struct ctl *ctl, const char *key, const struct store_entry *entry)
{
    struct diags d;
    diags_init(&d, ctl->a);
    struct object *object = object_decode(key, entry->value, entry->size, 1, &d);
    for (list_each (const struct diag, diag, &d.list))
        if (!object)
            fprintf(stderr, "%s\n", diag_text(ctl->a, diag));
    object_release(object);
    return object;
}

static int roll_back(struct ctl *ctl, struct session *session, const struct past *past)
{
    const struct store_entry *entry;
    struct changes changes;
    struct error err = { 0 };
    int status = find_value(ctl, past, &entry);
    if (status != EXIT_GOOD)
        return status;
    if (!is_valid(ctl, past->key, entry))
        return ctl_fail(EXIT_REFUSED, "what it was is not valid; nothing was written");
    if (!changes_init(&changes, ctl, session))
        return EXIT_USAGE;
    if (!changes_put(&changes, past->key, entry->value, entry->size, &err))
        return ctl_fail_error(&err);
    printf("back to what it was at revision %lld: ", (long long)entry->mod_revision);
    return changes_carry_out(&changes);
}

int verb_rollback(struct ctl *ctl)
{
    struct session session;
    struct past past;
    int status = open_past(ctl, &session, &past);
    if (status != EXIT_GOOD)
        return status;
    status = begins_with(past.key, "registry/")
                 ? ctl_fail(EXIT_USAGE, "rollback: instances are their registrars'")
                 : roll_back(ctl, &session, &past);
    session_close(&session);
    return status;
}
