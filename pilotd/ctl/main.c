/* pilotctl: the operator's tool. One verb table (verbs.def); each verb is a file. */
#include "ctl/ctl.h"

#include <signal.h>
#include <string.h>

static const struct verb *find_verb(const char *name)
{
    const struct verb *verb = verb_find(name);
    if (verb)
        return verb;
    struct arena *a = arena_new();
    string_list names = { 0 };
    for (size_t i = 0; i < verb_count; i++)
        list_push(a, &names, verbs[i].name);
    const char *near = diag_nearest(name, names.items, names.count);
    ctl_fail(EXIT_USAGE,
        "unknown verb %s%s%s; see pilotctl --help",
        name,
        near ? "; did you mean " : "",
        near ? near : "");
    arena_free(a);
    return NULL;
}

static bool is_help_flag(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

static bool wants_help(int argc, char **argv)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (is_help_flag(argv[i]))
            return true;
    return false;
}

static int run(const struct verb *verb, int argc, char **argv)
{
    struct ctl ctl = { .a = arena_new(), .verb = verb };
    int status = ctl_parse(&ctl, argc, argv) ? verb->run(&ctl) : EXIT_USAGE;
    arena_free(ctl.a);
    if (fflush(stdout) != 0)
        return ctl_fail(EXIT_FINDINGS, "writing the output failed");
    return status;
}

/* `words` begin with the verb's. */
static int run_words(int count, char **words)
{
    const struct verb *verb = find_verb(words[0]);
    if (!verb)
        return EXIT_USAGE;
    if (wants_help(count - 1, words + 1)) {
        help_print_verb(verb);
        return EXIT_GOOD;
    }
    signal(SIGPIPE, SIG_IGN); /* a peer that goes away is an error of that call, not our end */
    return run(verb, count - 1, words + 1);
}

static int run_help(const char *name)
{
    const struct verb *verb = find_verb(name);
    if (verb)
        help_print_verb(verb);
    return verb ? EXIT_GOOD : EXIT_USAGE;
}

/* The words that are no verbs: help, and what istioctl's fingers put before experimental ones. */
int main(int argc, char **argv)
{
    const char *first = argc > 1 ? argv[1] : "";
    bool is_help = is_help_flag(first) || strcmp(first, "help") == 0;
    if (strcmp(first, "__complete") == 0)
        return complete_words(argc - 2, argv + 2);
    if (is_help && argc > 2)
        return run_help(argv[2]);
    if (strcmp(first, "x") == 0 && argc > 2)
        return run_words(argc - 2, argv + 2);
    if (argc > 1 && !is_help)
        return run_words(argc - 1, argv + 1);
    help_print_usage(is_help ? stdout : stderr);
    return is_help ? EXIT_GOOD : EXIT_USAGE;
}
