/*
 * What may stand in place of the last word: for the shells, whose scripts (completion.c) ask with
 * every key. A line each: the word, a tab, what it is. What is in the store or connected is asked
 * for, but nobody waits long for it.
 */
#include "base/map.h"
#include "ctl/admin.h"
#include "ctl/ctl.h"
#include "ctl/session.h"
#include "model/object.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

enum { PATIENCE_S = 2 };

struct completion {
    struct ctl *ctl;
    const char *begun; /* what is there of the word */
    struct map offered;
};

static void offer(struct completion *c, const char *word, const char *what)
{
    static char known;
    if (!begins_with(word, c->begun) || map_put(&c->offered, word, &known))
        return;
    printf("%s%s%s\n", word, *what ? "\t" : "", what);
}

/* ---- what stands in the program ---- */

static void offer_verbs(struct completion *c)
{
    for (size_t i = 0; i < verb_count; i++)
        offer(c, verbs[i].name, verbs[i].summary);
}

static void offer_flags(struct completion *c)
{
    for (const struct flag *const *f = c->ctl->verb->flags; *f; f++)
        offer(c, (*f)->name, (*f)->help);
    offer(c, "--help", "what the verb does");
}

static void offer_words(struct completion *c, const char *words)
{
    char *rest = arena_strdup(c->ctl->a, words);
    for (char *word; (word = strsep(&rest, " "));)
        offer(c, word, "");
}

static void offer_kinds(struct completion *c)
{
    for (enum kind kind = 0; kind < KIND_COUNT; kind++)
        if (kind_info(kind)->plural)
            offer(c, kind_info(kind)->plural, "");
    offer_words(c, "services instances meshconfig");
}

static void offer_codes(struct completion *c)
{
    for (size_t i = 0; i < diag_page_count; i++)
        offer(c, arena_printf(c->ctl->a, "PIL%04d", (int)diag_pages[i].code), diag_pages[i].title);
}

/* ---- what is in the store, or connected ---- */

/* Of the kind and in the namespace that the words before it say, if they do. */
static void offer_key(struct completion *c, const char *key, bool are_namespaces)
{
    struct ctl *ctl = c->ctl;
    struct object_key parts;
    struct diags ignored;
    enum kind kind = ctl->args.count ? kind_find(ctl->args.items[0]) : KIND_NONE;
    const char *ns = ctl_value(ctl, &flag_namespace);
    diags_init(&ignored, ctl->a);
    if (!object_key_parse(ctl->a, key, &parts, &ignored) || !parts.ns || !parts.name)
        return;
    if (are_namespaces)
        offer(c, parts.ns, "");
    else if ((kind == KIND_NONE || parts.kind == kind) && (!ns || strcmp(ns, parts.ns) == 0))
        offer(c, parts.name, parts.ns);
}

static void offer_keys(struct completion *c, bool are_namespaces)
{
    struct session session;
    struct session_answer answer;
    if (session_open(&session, c->ctl) != EXIT_GOOD)
        return;
    if (session_list(&session, "config/", &answer))
        for (list_each (const struct store_entry, entry, &answer.entries))
            offer_key(c, entry->key, are_namespaces);
    session_close(&session);
}

static void offer_proxies(struct completion *c)
{
    struct error err;
    string_list servers = admin_servers(c->ctl);
    for (list_each (const char *const, server, &servers)) {
        cJSON *proxies = admin_get(*server, "/debug/proxies", &err), *proxy;
        cJSON_ArrayForEach (proxy, proxies)
            offer(c, json_text(proxy, "id"), *server);
        cJSON_Delete(proxies);
    }
}

static void offer_named(struct completion *c, enum word word)
{
    switch (word) {
    case WORD_KIND:
        offer_kinds(c);
        break;
    case WORD_RESOURCE:
        offer_keys(c, false);
        break;
    case WORD_NAMESPACE:
        offer_keys(c, true);
        break;
    case WORD_PROXY:
        offer_proxies(c);
        break;
    case WORD_TOPIC:
        offer_codes(c);
        offer_kinds(c);
        break;
    case WORD_CONFIG:
        offer_words(c, "cluster endpoint listener route host all");
        break;
    case WORD_REDIRECT:
        offer_words(c, "apply verify undo");
        break;
    case WORD_SHELL:
        offer_words(c, "bash zsh fish");
        break;
    case WORD_NONE:
        break;
    }
}

static void offer_value(struct completion *c, const struct flag *flag)
{
    if (flag->choices)
        offer_words(c, flag->choices);
    else
        offer_named(c, flag->word);
}

/* ---- the words ---- */

/* --flag=VALUE: the value is completed with what stands before it. */
static void complete_assignment(struct completion *c, const char *word, size_t size)
{
    const struct flag *flag = ctl_find_flag(c->ctl->verb, word, size);
    if (!flag || !flag->choices)
        return;
    char *rest = arena_strdup(c->ctl->a, flag->choices);
    for (char *choice; (choice = strsep(&rest, " "));)
        offer(c, arena_printf(c->ctl->a, "%.*s=%s", (int)size, word, choice), "");
}

static void complete_argument(struct completion *c)
{
    size_t at = c->ctl->args.count;
    const enum word *words = c->ctl->verb->words;
    offer_named(c, words[at < VERB_WORDS_MAX ? at : VERB_WORDS_MAX - 1]);
}

static void complete(struct completion *c, const char *before)
{
    const struct flag *flag = ctl_find_flag(c->ctl->verb, before, strlen(before));
    const char *equals = strchr(c->begun, '=');
    if (flag && flag->value_name)
        offer_value(c, flag);
    else if (c->begun[0] == '-' && equals)
        complete_assignment(c, c->begun, (size_t)(equals - c->begun));
    else if (c->begun[0] == '-')
        offer_flags(c);
    else
        complete_argument(c);
}

static void on_alarm(int number)
{
    (void)number;
    _exit(EXIT_GOOD);
}

/* The words so far say where the store is; what is wrong with them is told when they are run. */
static void complete_verb(struct completion *c, int argc, char **argv)
{
    const char *before = argc > 2 ? argv[argc - 2] : "";
    const struct flag *flag = ctl_find_flag(c->ctl->verb, before, strlen(before));
    int whole = argc - 2 - (flag && flag->value_name);
    if (!freopen("/dev/null", "w", stderr) || !ctl_parse(c->ctl, whole, argv + 1))
        return;
    signal(SIGALRM, on_alarm);
    alarm(PATIENCE_S);
    complete(c, before);
}

int complete_words(int argc, char **argv)
{
    struct ctl ctl = { .a = arena_new(), .verb = argc > 1 ? verb_find(argv[0]) : NULL };
    struct completion c = { .ctl = &ctl, .begun = argc ? argv[argc - 1] : "" };
    if (argc <= 1)
        offer_verbs(&c);
    else if (ctl.verb)
        complete_verb(&c, argc, argv);
    map_fini(&c.offered, NULL);
    arena_free(ctl.a);
    return EXIT_GOOD;
}
