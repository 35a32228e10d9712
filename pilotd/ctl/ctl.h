/*
 * ctl: what pilotctl's verbs share: the verb table, the command line, the exit statuses.
 */
#ifndef CTL_CTL_H
#define CTL_CTL_H

#include "base/arena.h"
#include "base/diag.h"
#include "base/error.h"

/* Exit statuses (docs/ARCHITECTURE.md, Commands). */
enum {
    EXIT_GOOD = 0,
    EXIT_FINDINGS = 1, /* findings, or it did not work */
    EXIT_USAGE = 2,
    EXIT_UNREACHABLE = 3,
    EXIT_REFUSED = 4, /* by validation */
};

/* What a word of the command line names, for completion. */
enum word {
    WORD_NONE,
    WORD_KIND,
    WORD_RESOURCE, /* the name of one, of the kind before it */
    WORD_NAMESPACE,
    WORD_PROXY, /* a connected one's node id */
    WORD_SHELL,
    WORD_CONFIG,   /* a kind of resource that proxies are sent */
    WORD_REDIRECT, /* what redirect does */
    WORD_TOPIC,    /* of explain: a code or a kind */
};

/* One flag of a verb. Values are texts; a flag without a value name is a switch. */
struct flag {
    const char *name;       /* "--store" */
    char letter;            /* 'f' for -f, or 0 */
    const char *value_name; /* "URL"; NULL: a switch */
    const char *fallback;   /* default; NULL: none */
    const char *env;        /* environment variable that stands for it, or NULL */
    const char *choices;    /* all that it may be, between blanks; NULL: any text */
    const char *help;
    enum word word; /* what its value names */
    bool is_list;   /* may be given several times */
};

struct flag_value {
    const struct flag *flag;
    string_list values;
};

struct ctl {
    struct arena *a;
    const struct verb *verb;
    LIST(struct flag_value) flags; /* one for each flag of the verb */
    string_list args;              /* the words that are no flags */
    char **command;                /* what follows "--", NULL-terminated; NULL: no "--" */
};

enum verb_group {
    VERBS_OF_RESOURCES,
    VERBS_OF_REGISTRY,
    VERBS_OF_PROXIES,
    VERBS_OF_CALLS,
    VERBS_OF_CLUSTER,
    VERBS_OF_TOOL,
    VERB_GROUPS,
};

enum { VERB_WORDS_MAX = 2 };
struct verb {
    const char *name, *aliases;
    enum verb_group group;
    const char *args_help;
    enum word words[VERB_WORDS_MAX]; /* of the arguments; the last is that of all that follow */
    const char *summary, *help, *examples;
    const struct flag *const *flags; /* ends with NULL */
    int (*run)(struct ctl *ctl);     /* an exit status */
};

/* verbs.c: the table that verbs.def fills. */
extern const struct verb verbs[];
extern const size_t verb_count;
const char *verb_group_title(enum verb_group group);
/* By its name or another one for it; NULL when there is none. */
const struct verb *verb_find(const char *name);

/* help.c */
void help_print_usage(FILE *out);
void help_print_verb(const struct verb *verb);

/* complete.c: prints what may stand in place of the last of these words, a line each. */
int complete_words(int argc, char **argv);

/* Parses the words after the verb. Prints what is wrong and returns false. */
bool ctl_parse(struct ctl *ctl, int argc, char **argv);

/* The flag that is named so, by name or letter; NULL: none of the verb's. */
const struct flag *ctl_find_flag(const struct verb *verb, const char *word, size_t size);

/* The flag's last value, its environment's, or its default; NULL when there is none. */
const char *ctl_value(const struct ctl *ctl, const struct flag *flag);
string_list ctl_values(const struct ctl *ctl, const struct flag *flag);
bool ctl_is_set(const struct ctl *ctl, const struct flag *flag);
/* A whole number in [min, max]; prints what is wrong and returns false. */
bool ctl_number(const struct ctl *ctl, const struct flag *flag, long min, long max, long *out);

/* "pilotctl: text" on standard error; returns the status, for `return ctl_fail(…)`. */
int ctl_fail(int status, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The status that fits the error's code. */
int ctl_fail_error(const struct error *err);

/* Flags that several verbs have. */
extern const struct flag flag_store, flag_server, flag_file, flag_namespace;
extern const struct flag flag_etcd_ca, flag_etcd_cert, flag_etcd_key, flag_etcd_user,
    flag_etcd_password_file;

/* All that says where the store is and how it is reached, for a verb's list of flags. */
#define STORE_FLAGS                                                                                \
    &flag_store, &flag_etcd_ca, &flag_etcd_cert, &flag_etcd_key, &flag_etcd_user,                  \
        &flag_etcd_password_file

/* The verbs: each is run by a function and has a list of flags. */
#define VERB(id, ...)                                                                              \
    int verb_##id(struct ctl *ctl);                                                                \
    extern const struct flag *const id##_flags[];
#include "ctl/verbs.def"
#undef VERB

#endif
