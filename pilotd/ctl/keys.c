#include "ctl/keys.h"

#include <string.h>

const struct flag flag_rev = {
    .name = "--rev",
    .value_name = "REVISION",
    .help = "as it was at that revision of the store, until etcd compacts it away",
};

/* Kinds that are no resources, by the words for them. */
static const struct {
    const char *word;
    enum kind kind;
    const char *prefix;
} others[] = {
    { "services", KIND_REGISTRY_SERVICE, "services/" },
    { "service", KIND_REGISTRY_SERVICE, "services/" },
    { "svc", KIND_REGISTRY_SERVICE, "services/" },
    { "instances", KIND_REGISTRY_INSTANCE, "registry/" },
    { "instance", KIND_REGISTRY_INSTANCE, "registry/" },
    { "meshconfig", KIND_MESH_CONFIG, "mesh" },
};

static const char *const kind_words[] = { "virtualservices",
    "destinationrules",
    "serviceentries",
    "workloadentries",
    "workloadgroups",
    "services",
    "instances",
    "meshconfig" };

static bool find_kind(struct arena *a, const char *word, struct key_query *query)
{
    for (size_t i = 0; i < ARRAY_COUNT(others); i++)
        if (strcasecmp(word, others[i].word) == 0) {
            query->kind = others[i].kind;
            query->prefix = others[i].prefix;
            return true;
        }
    query->kind = kind_find(word);
    if (query->kind == KIND_NONE || !kind_info(query->kind)->plural)
        return false;
    query->prefix = arena_printf(a, "config/%s/", kind_info(query->kind)->plural);
    return true;
}

static bool unknown_kind(struct arena *a, const char *word)
{
    const char *near = diag_nearest(word, kind_words, ARRAY_COUNT(kind_words)), *known = "";
    for (size_t i = 0; i < ARRAY_COUNT(kind_words); i++)
        known = arena_printf(a, "%s%s%s", known, i ? ", " : "", kind_words[i]);
    if (near)
        ctl_fail(EXIT_USAGE, "unknown kind %s; did you mean %s?", word, near);
    else
        ctl_fail(EXIT_USAGE, "unknown kind %s; known: %s", word, known);
    return false;
}

/* KIND/NAME and KIND/NAMESPACE/NAME. */
static void split(struct arena *a, const char *word, struct key_query *query, const char **kind)
{
    char *rest = arena_strdup(a, word);
    *kind = strsep(&rest, "/");
    char *name = rest ? strchr(rest, '/') : NULL;
    if (name && query->kind != KIND_REGISTRY_INSTANCE) {
        *name = 0;
        query->ns = rest;
        rest = name + 1;
    }
    if (rest && *rest)
        list_push(a, &query->names, rest);
}

static bool parse_revision(struct ctl *ctl, struct key_query *query)
{
    long revision = 0;
    for (const struct flag *const *f = ctl->verb->flags; *f; f++)
        if (*f == &flag_rev && ctl_is_set(ctl, *f) && !ctl_number(ctl, *f, 1, INT64_MAX, &revision))
            return false;
    query->revision = revision;
    return true;
}

bool key_query_parse(struct ctl *ctl, struct key_query *query)
{
    const char *kind;
    *query = (struct key_query){
        .kind = KIND_NONE, .prefix = "", .ns = ctl_value(ctl, &flag_namespace)
    };
    if (!parse_revision(ctl, query))
        return false;
    if (!ctl->args.count)
        return true;
    split(ctl->a, ctl->args.items[0], query, &kind);
    if (!find_kind(ctl->a, kind, query))
        return unknown_kind(ctl->a, kind);
    for (size_t i = 1; i < ctl->args.count; i++)
        list_push(ctl->a, &query->names, ctl->args.items[i]);
    return true;
}

const char *key_query_text(struct arena *a, const struct key_query *query)
{
    const char *text = query->kind == KIND_NONE ? "resources" : kind_info(query->kind)->name;
    for (list_each (const char *const, name, &query->names))
        text = arena_printf(a, "%s%s %s", text, name == query->names.items ? "" : ",", *name);
    return text;
}

static bool is_or_any(const char *wanted, const char *text)
{
    return !wanted || (text && strcmp(wanted, text) == 0);
}

/* Instances are named by their service as well. */
static bool has_name(struct arena *a, const struct key_entry *entry, const char *name)
{
    const struct object_key *key = &entry->key;
    return (key->name && strcmp(name, key->name) == 0) ||
           (key->service && strcmp(name, key->service) == 0) ||
           strcmp(name, key_entry_name(a, entry)) == 0;
}

static bool is_wanted(struct arena *a, const struct key_query *query, const struct key_entry *entry)
{
    enum kind kind = entry->key.kind;
    bool is_of_kind = query->kind == KIND_NONE || query->kind == kind;
    if (kind == KIND_NONE || !is_of_kind || !is_or_any(query->ns, entry->key.ns))
        return false;
    for (list_each (const char *const, name, &query->names))
        if (has_name(a, entry, *name))
            return true;
    return query->names.count == 0;
}

bool key_query_run(
    struct session *s, const struct key_query *query, key_entry_list *found, struct error *err)
{
    struct session_answer answer;
    if (!session_list_at(s, query->prefix, query->revision, &answer)) {
        *err = answer.err;
        key_explain_compacted(err, query->revision);
        return false;
    }
    for (list_each (const struct store_entry, entry, &answer.entries)) {
        struct key_entry one = { .entry = *entry };
        struct diags ignored;
        diags_init(&ignored, s->a);
        if (object_key_parse(s->a, entry->key, &one.key, &ignored) && is_wanted(s->a, query, &one))
            list_push(s->a, found, one);
    }
    return true;
}

void key_explain_compacted(struct error *err, int64_t revision)
{
    if (err->code == ERROR_COMPACTED)
        error_set(err,
            ERROR_COMPACTED,
            strstr(err->text, "future") ? "the store has not come to revision %lld yet"
                                        : "revision %lld was compacted: etcd does not keep it",
            (long long)revision);
}

const char *key_of_words(struct ctl *ctl, const struct key_query *query)
{
    if (query->kind == KIND_MESH_CONFIG)
        return "mesh";
    if (query->kind != KIND_NONE && query->names.count == 1)
        return object_key_text(
            ctl->a, query->kind, query->ns ? query->ns : "default", query->names.items[0]);
    ctl_fail(EXIT_USAGE, "%s: one KIND and NAME are needed", ctl->verb->name);
    return NULL;
}

const char *key_entry_name(struct arena *a, const struct key_entry *entry)
{
    const struct object_key *key = &entry->key;
    if (key->service && key->name)
        return arena_printf(a, "%s/%s", key->service, key->name);
    return key->name ? key->name : entry->entry.key;
}

const char *key_entry_title(struct arena *a, const struct key_entry *entry)
{
    const char *ns = entry->key.ns ? entry->key.ns : "";
    return arena_printf(a,
        "%s/%s%s%s",
        kind_info(entry->key.kind)->name,
        ns,
        *ns ? "/" : "",
        key_entry_name(a, entry));
}
