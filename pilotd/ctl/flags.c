#include "ctl/ctl.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

const struct flag flag_store = {
    .name = "--store",
    .value_name = "URL",
    .fallback = "etcd://127.0.0.1:2379/pilot",
    .env = "PILOTD_STORE",
    .help = "the keyspace: etcd://HOST:PORT,…/PREFIX (etcds:// with TLS) or file:DIR",
};
const struct flag flag_etcd_ca = {
    .name = "--etcd-ca",
    .value_name = "FILE",
    .env = "PILOTD_ETCD_CA",
    .help = "who signs for etcds:// (default: the system's authorities)",
};
const struct flag flag_etcd_cert = {
    .name = "--etcd-cert",
    .value_name = "FILE",
    .env = "PILOTD_ETCD_CERT",
    .help = "the certificate shown to etcd",
};
const struct flag flag_etcd_key = {
    .name = "--etcd-key",
    .value_name = "FILE",
    .env = "PILOTD_ETCD_KEY",
    .help = "its private key",
};
const struct flag flag_etcd_user = {
    .name = "--etcd-user",
    .value_name = "NAME",
    .env = "PILOTD_ETCD_USER",
    .help = "etcd's user, where a certificate does not say it",
};
const struct flag flag_etcd_password_file = {
    .name = "--etcd-password-file",
    .value_name = "FILE",
    .env = "PILOTD_ETCD_PASSWORD_FILE",
    .help = "the user's password is its first line",
};
const struct flag flag_server = {
    .name = "--server",
    .value_name = "ADDR:PORT",
    .fallback = "127.0.0.1:15014",
    .env = "PILOTD_SERVER",
    .help = "a replica's admin address; several with commas",
};
const struct flag flag_file = {
    .name = "--file",
    .letter = 'f',
    .value_name = "FILE",
    .is_list = true,
    .help = "YAML (several documents) or JSON; - is standard input",
};
const struct flag flag_namespace = {
    .name = "--namespace",
    .letter = 'n',
    .value_name = "NAME",
    .word = WORD_NAMESPACE,
    .help = "the namespace",
};
int ctl_fail(int status, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fputs("pilotctl: ", stderr);
    vfprintf(stderr, fmt, args);
    fputs("\n", stderr);
    va_end(args);
    return status;
}

int ctl_fail_error(const struct error *err)
{
    static const int statuses[] = {
        [ERROR_UNREACHABLE] = EXIT_UNREACHABLE,
        [ERROR_USAGE] = EXIT_USAGE,
    };
    int status = err->code < ARRAY_COUNT(statuses) ? statuses[err->code] : 0;
    return ctl_fail(status ? status : EXIT_FINDINGS, "%s", err->text);
}

static struct flag_value *find_value(const struct ctl *ctl, const struct flag *flag)
{
    for (size_t i = 0; i < ctl->flags.count; i++)
        if (ctl->flags.items[i].flag == flag)
            return &ctl->flags.items[i];
    return NULL;
}

string_list ctl_values(const struct ctl *ctl, const struct flag *flag)
{
    const struct flag_value *value = find_value(ctl, flag);
    INVARIANT(value);
    return value->values;
}

bool ctl_is_set(const struct ctl *ctl, const struct flag *flag)
{
    return ctl_values(ctl, flag).count > 0;
}

const char *ctl_value(const struct ctl *ctl, const struct flag *flag)
{
    string_list given = ctl_values(ctl, flag);
    const char *env = flag->env ? getenv(flag->env) : NULL;
    if (given.count)
        return given.items[given.count - 1];
    return env && *env ? env : flag->fallback;
}

bool ctl_number(const struct ctl *ctl, const struct flag *flag, long min, long max, long *out)
{
    const char *text = ctl_value(ctl, flag);
    char *end = NULL;
    errno = 0;
    *out = text ? strtol(text, &end, 10) : 0;
    if (text && *text && !*end && !errno && *out >= min && *out <= max)
        return true;
    ctl_fail(EXIT_USAGE,
        "%s: must be a whole number from %ld to %ld, not \"%s\"",
        flag->name,
        min,
        max,
        text ? text : "");
    return false;
}

const struct flag *ctl_find_flag(const struct verb *verb, const char *word, size_t size)
{
    for (const struct flag *const *f = verb->flags; *f; f++) {
        bool is_name = strlen((*f)->name) == size && strncmp((*f)->name, word, size) == 0;
        bool is_letter = size == 2 && (*f)->letter && word[1] == (*f)->letter;
        if (is_name || is_letter)
            return *f;
    }
    return NULL;
}

static bool unknown_flag(const struct ctl *ctl, const char *word)
{
    const char *names[32];
    size_t count = 0;
    for (const struct flag *const *f = ctl->verb->flags; *f && count < ARRAY_COUNT(names); f++)
        names[count++] = (*f)->name;
    const char *near = diag_nearest(word, names, count);
    ctl_fail(EXIT_USAGE,
        "unknown flag %s%s%s; see pilotctl %s --help",
        word,
        near ? "; did you mean " : "",
        near ? near : "",
        ctl->verb->name);
    return false;
}

/* "table, name or json" */
static const char *listed(struct arena *a, const char *choices)
{
    const char *text = "", *separator = "";
    char *rest = arena_strdup(a, choices);
    for (char *choice; (choice = strsep(&rest, " "));) {
        text = arena_printf(a, "%s%s%s", text, separator, choice);
        separator = rest && !strchr(rest, ' ') ? " or " : ", ";
    }
    return text;
}

static bool is_choice(struct arena *a, const char *choices, const char *value)
{
    char *rest = arena_strdup(a, choices);
    for (char *choice; (choice = strsep(&rest, " "));)
        if (strcmp(choice, value) == 0)
            return true;
    return false;
}

/* One value more for a flag; false after saying why it cannot have it. */
static bool set_flag(struct ctl *ctl, const struct flag *flag, const char *value, bool has_equals)
{
    struct flag_value *slot = find_value(ctl, flag);
    if (has_equals && !flag->value_name)
        ctl_fail(EXIT_USAGE, "%s takes no value", flag->name);
    else if (!value)
        ctl_fail(EXIT_USAGE, "%s needs a value: %s", flag->name, flag->value_name);
    else if (slot->values.count && !flag->is_list)
        ctl_fail(EXIT_USAGE, "%s is given twice", flag->name);
    else if (flag->choices && !is_choice(ctl->a, flag->choices, value))
        ctl_fail(EXIT_USAGE,
            "%s: must be %s, not \"%s\"",
            flag->name,
            listed(ctl->a, flag->choices),
            value);
    else {
        list_push(ctl->a, &slot->values, value);
        return true;
    }
    return false;
}

/* `word` is a flag: takes its value from "--name=value" or from the next word. */
static bool parse_flag(struct ctl *ctl, const char *word, const char *next, bool *used_next)
{
    const char *equals = word[1] == '-' ? strchr(word, '=') : NULL;
    size_t size = equals ? (size_t)(equals - word) : strlen(word);
    const struct flag *flag = ctl_find_flag(ctl->verb, word, size);
    if (!flag)
        return unknown_flag(ctl, word);
    *used_next = flag->value_name && !equals;
    const char *value = equals ? equals + 1 : flag->value_name ? next : "true";
    return set_flag(ctl, flag, value, equals != NULL);
}

bool ctl_parse(struct ctl *ctl, int argc, char **argv)
{
    for (const struct flag *const *f = ctl->verb->flags; *f; f++)
        list_push(ctl->a, &ctl->flags, (struct flag_value){ .flag = *f });
    for (int i = 0; i < argc; i++) {
        bool used_next = false;
        if (strcmp(argv[i], "--") == 0) {
            ctl->command = argv + i + 1;
            return true;
        }
        if (argv[i][0] != '-' || !argv[i][1])
            list_push(ctl->a, &ctl->args, argv[i]);
        else if (!parse_flag(ctl, argv[i], i + 1 < argc ? argv[i + 1] : NULL, &used_next))
            return false;
        i += used_next;
    }
    return true;
}
