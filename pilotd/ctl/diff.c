/* pilotctl diff: what a change would change, or what has changed, line by line. */
#include "ctl/changes.h"
#include "ctl/files.h"
#include "ctl/keys.h"
#include "ctl/output.h"
#include "ctl/text_diff.h"
#include "ctl/values.h"

#include "ctl/analysis.h"

const struct flag *const diff_flags[] = {
    STORE_FLAGS, &flag_file, &flag_namespace, &flag_rev, NULL
};

struct side {
    const char *value; /* NULL: nothing */
    const char *origin;
};

static enum tone tone_of(const char *line)
{
    return *line == '+'   ? TONE_GOOD
           : *line == '-' ? TONE_BAD
           : *line == '@' ? TONE_DOUBT
                          : TONE_PLAIN;
}

/* True when they differ. */
static bool print_difference(
    struct arena *a, const char *key, const struct side *before, const struct side *after)
{
    string_list lines = text_diff(a, value_yaml(a, before->value), value_yaml(a, after->value));
    if (!lines.count)
        return false;
    printf("--- %s (%s)\n", key_title(a, key), before->value ? before->origin : "not there");
    printf("+++ %s (%s)\n", key_title(a, key), after->value ? after->origin : "not there");
    for (list_each (const char *const, line, &lines))
        puts(output_toned(a, tone_of(*line), *line));
    return true;
}

/* The only value of an answer, with where it is from. */
static struct side side_of(struct arena *a, const struct session_answer *answer)
{
    if (!answer->entries.count)
        return (struct side){ 0 };
    const struct store_entry *entry = answer->entries.items;
    return (struct side){ entry->value,
        arena_printf(a, "the store, of revision %lld", (long long)entry->mod_revision) };
}

static int diff_item(struct session *s, const struct load_item *item, bool *differ)
{
    struct session_answer answer;
    if (!session_get(s, item->key, &answer))
        return ctl_fail_error(&answer.err);
    struct side before = side_of(s->a, &answer), after = { item->value, item->file };
    if (print_difference(s->a, item->key, &before, &after))
        *differ = true;
    return EXIT_GOOD;
}

static int diff_files(struct ctl *ctl, bool *differ)
{
    struct loader loader;
    struct session session;
    loader_init(&loader, ctl->a);
    int status = files_load(ctl, &loader);
    if (status == EXIT_GOOD && !files_print_faults(ctl, &loader, stderr))
        status = EXIT_REFUSED;
    if (status == EXIT_GOOD && (status = session_open(&session, ctl)) == EXIT_GOOD) {
        for (list_each (const struct load_item, item, &loader.items))
            if (item->object && status == EXIT_GOOD)
                status = diff_item(&session, item, differ);
        session_close(&session);
    }
    loader_fini(&loader);
    return status;
}

static int diff_revisions(struct ctl *ctl, bool *differ)
{
    struct key_query query;
    struct session session;
    struct session_answer then, now;
    const char *key;
    if (!key_query_parse(ctl, &query) || !(key = key_of_words(ctl, &query)))
        return EXIT_USAGE;
    if (!query.revision)
        return ctl_fail(EXIT_USAGE, "diff: -f FILE, or --rev REVISION, is needed");
    int status = session_open(&session, ctl);
    if (status != EXIT_GOOD)
        return status;
    if (!session_get_at(&session, key, query.revision, &then)) {
        key_explain_compacted(&then.err, query.revision);
        status = ctl_fail_error(&then.err);
    } else if (!session_get(&session, key, &now)) {
        status = ctl_fail_error(&now.err);
    } else {
        struct side before = side_of(ctl->a, &then), after = side_of(ctl->a, &now);
        *differ = print_difference(ctl->a, key, &before, &after);
    }
    session_close(&session);
    return status;
}

int verb_diff(struct ctl *ctl)
{
    bool differ = false, has_files = ctl_is_set(ctl, &flag_file);
    if (has_files && (ctl->args.count || ctl_is_set(ctl, &flag_rev)))
        return ctl_fail(EXIT_USAGE, "diff: either -f FILE, or KIND NAME and --rev REVISION");
    int status = has_files ? diff_files(ctl, &differ) : diff_revisions(ctl, &differ);
    return status == EXIT_GOOD && differ ? EXIT_FINDINGS : status;
}
