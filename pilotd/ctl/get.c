/* pilotctl get: what is in the store, as it was written. */
#include "base/json.h"
#include "ctl/session.h"
#include "model/object.h"

#include <string.h>

const struct flag *const get_flags[] = { STORE_FLAGS, &flag_namespace, &flag_output, NULL };

/* Where a kind's keys begin, and how its rows read. */
struct listing {
    const char *word; /* besides the kind's own names */
    enum kind kind;
    const char *prefix;
};
static const struct listing registry_listings[] = {
    { "services", KIND_REGISTRY_SERVICE, "services/" },
    { "instances", KIND_REGISTRY_INSTANCE, "registry/" },
    { "meshconfig", KIND_MESH_CONFIG, "mesh" },
};

static bool find_listing(struct arena *a, const char *word, struct listing *out)
{
    for (size_t i = 0; i < ARRAY_COUNT(registry_listings); i++)
        if (strcmp(word, registry_listings[i].word) == 0) {
            *out = registry_listings[i];
            return true;
        }
    enum kind kind = kind_find(word);
    if (kind == KIND_NONE || !kind_info(kind)->plural)
        return false;
    *out = (struct listing){ .kind = kind,
        .prefix = arena_printf(a, "config/%s/", kind_info(kind)->plural) };
    return true;
}

struct row {
    const struct store_entry *entry;
    struct object_key key;
};
typedef LIST(struct row) row_list;

static bool is_or_any(const char *wanted, const char *text)
{
    return !wanted || (text && strcmp(wanted, text) == 0);
}

static row_list select_rows(struct ctl *ctl, const struct session_answer *answer)
{
    const char *ns = ctl_value(ctl, &flag_namespace);
    const char *name = ctl->args.count > 1 ? ctl->args.items[1] : NULL;
    row_list rows = { 0 };
    for (list_each (struct store_entry, entry, &answer->entries)) {
        struct row row = { .entry = entry };
        struct diags ignored;
        diags_init(&ignored, ctl->a);
        bool is_ours =
            object_key_parse(ctl->a, entry->key, &row.key, &ignored) && row.key.kind != KIND_NONE;
        bool is_named = is_or_any(name, row.key.name) || is_or_any(name, row.key.service);
        if (is_ours && is_named && is_or_any(ns, row.key.ns))
            list_push(ctl->a, &rows, row);
    }
    return rows;
}

/* What a row is about: its hosts, its host, or its address. */
static const char *subject(struct arena *a, const struct row *row)
{
    cJSON *json = cJSON_ParseWithLength(row->entry->value, row->entry->size);
    const cJSON *spec = cJSON_GetObjectItemCaseSensitive(json, "spec");
    const cJSON *body = spec ? spec : json, *host;
    const cJSON *hosts = cJSON_GetObjectItemCaseSensitive(body, "hosts");
    const char *text = json_text(body, "host");
    if (!text)
        text = json_text(body, "address");
    const char *result = arena_strdup(a, text ? text : "");
    cJSON_ArrayForEach (host, hosts)
        if (cJSON_IsString(host))
            result = arena_printf(a, "%s%s%s", result, *result ? "," : "", host->valuestring);
    cJSON_Delete(json);
    return result;
}

static const char *kind_word(const struct row *row)
{
    return kind_info(row->key.kind)->name;
}

static const char *row_name(struct arena *a, const struct row *row)
{
    if (row->key.service && row->key.name)
        return arena_printf(a, "%s/%s", row->key.service, row->key.name);
    return row->key.name ? row->key.name : row->entry->key;
}

static void print_table(struct arena *a, const row_list *rows)
{
    printf("%-16s %-14s %-28s %-9s %s\n", "KIND", "NAMESPACE", "NAME", "REVISION", "HOSTS");
    for (list_each (struct row, row, rows))
        printf("%-16s %-14s %-28s %-9lld %s\n",
            kind_word(row),
            row->key.ns ? row->key.ns : "",
            row_name(a, row),
            (long long)row->entry->mod_revision,
            subject(a, row));
}

static void print_names(struct arena *a, const row_list *rows)
{
    for (list_each (struct row, row, rows))
        printf("%s/%s%s%s\n",
            kind_word(row),
            row->key.ns ? row->key.ns : "",
            row->key.ns && *row->key.ns ? "/" : "",
            row_name(a, row));
}

/* The values as they are: one object for one name, else a list; never through a parser. */
static void print_json(const row_list *rows, bool is_one)
{
    if (!is_one)
        puts("[");
    for (size_t i = 0; i < rows->count; i++)
        printf("%.*s%s\n",
            (int)rows->items[i].entry->size,
            rows->items[i].entry->value,
            i + 1 < rows->count ? "," : "");
    if (!is_one)
        puts("]");
}

static bool list_rows(struct ctl *ctl, struct session *session, row_list *rows, struct error *err)
{
    struct listing listing = { .prefix = "" };
    struct session_answer answer;
    if (ctl->args.count && !find_listing(ctl->a, ctl->args.items[0], &listing))
        return error_set(err,
            ERROR_USAGE,
            "unknown kind %s; known: virtualservices, destinationrules, serviceentries, "
            "workloadentries, workloadgroups, services, instances, meshconfig",
            ctl->args.items[0]);
    if (!session_list(session, listing.prefix, &answer)) {
        *err = answer.err;
        return false;
    }
    *rows = select_rows(ctl, &answer);
    return true;
}

int verb_get(struct ctl *ctl)
{
    const char *format = ctl_value(ctl, &flag_output);
    bool is_one = ctl->args.count == 2;
    struct session session;
    struct error err = { 0 };
    row_list rows = { 0 };
    if (strcmp(format, "table") != 0 && strcmp(format, "name") != 0 && strcmp(format, "json") != 0)
        return ctl_fail(EXIT_USAGE, "-o: must be table, name or json, not \"%s\"", format);
    if (ctl->args.count > 2)
        return ctl_fail(EXIT_USAGE, "get: at most KIND and NAME");
    int status = session_open(&session, ctl);
    if (status != EXIT_GOOD)
        return status;
    bool is_good = list_rows(ctl, &session, &rows, &err);
    session_close(&session);
    if (!is_good)
        return ctl_fail_error(&err);
    if (is_one && !rows.count)
        return ctl_fail(EXIT_FINDINGS, "%s %s: not found", ctl->args.items[0], ctl->args.items[1]);
    if (strcmp(format, "table") == 0)
        print_table(ctl->a, &rows);
    else if (strcmp(format, "name") == 0)
        print_names(ctl->a, &rows);
    else
        print_json(&rows, is_one && rows.count == 1);
    return EXIT_GOOD;
}
