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

/* One flag of a verb. Values are texts; a flag without a value name is a switch. */
struct flag {
    const char *name;       /* "--store" */
    char letter;            /* 'f' for -f, or 0 */
    const char *value_name; /* "URL"; NULL: a switch */
    const char *fallback;   /* default; NULL: none */
    const char *env;        /* environment variable that stands for it, or NULL */
    const char *help;
    bool is_list; /* may be given several times */
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

struct verb {
    const char *name, *args_help, *help;
    const struct flag *const *flags; /* ends with NULL */
    int (*run)(struct ctl *ctl);     /* an exit status */
};

/* Parses the words after the verb. Prints what is wrong and returns false. */
bool ctl_parse(struct ctl *ctl, int argc, char **argv);
void ctl_print_help(const struct verb *verb);

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
extern const struct flag flag_store, flag_server, flag_file, flag_namespace, flag_output;
extern const struct flag flag_etcd_ca, flag_etcd_cert, flag_etcd_key, flag_etcd_user,
    flag_etcd_password_file;

/* All that says where the store is and how it is reached, for a verb's list of flags. */
#define STORE_FLAGS                                                                                \
    &flag_store, &flag_etcd_ca, &flag_etcd_cert, &flag_etcd_key, &flag_etcd_user,                  \
        &flag_etcd_password_file

/* The verbs, one file each. */
int verb_apply(struct ctl *ctl);
int verb_get(struct ctl *ctl);
int verb_delete(struct ctl *ctl);
int verb_validate(struct ctl *ctl);
int verb_render(struct ctl *ctl);
int verb_route(struct ctl *ctl);
int verb_status(struct ctl *ctl);
int verb_proxies(struct ctl *ctl);
int verb_bootstrap(struct ctl *ctl);
int verb_register(struct ctl *ctl);
extern const struct flag *const apply_flags[],
    *const get_flags[], *const delete_flags[], *const validate_flags[],
                                                   *const render_flags[],
                                                       *const route_flags[],
                                                           *const status_flags[],
                                                               *const proxies_flags[],
                                                                   *const bootstrap_flags[],
                                                                       *const register_flags[];

#endif
