/* pilotctl proxy-log: the log levels of an Envoy, by its own admin. */
#include "ctl/admin.h"
#include "ctl/one_proxy.h"
#include "ctl/report.h"

#include <string.h>

static const struct flag flag_level = {
    .name = "--level",
    .value_name = "[LOGGER:]LEVEL",
    .is_list = true,
    .help = "sets it, of one logger or of all",
};
const struct flag *const proxy_log_flags[] = {
    &flag_server, &flag_envoy_admin, &flag_level, READ_FLAGS, NULL
};

static const struct column columns[] = { { "LOGGER" }, { "LEVEL" } };

/* The query that asks for it; NULL after saying what is wrong. */
static const char *query_of(struct arena *a, const char *given)
{
    static const char *const levels[] = {
        "trace", "debug", "info", "warning", "error", "critical", "off"
    };
    const char *colon = strchr(given, ':'), *level = colon ? colon + 1 : given;
    size_t size = colon ? (size_t)(colon - given) : 0, i = 0;
    while (i < ARRAY_COUNT(levels) && strcmp(levels[i], level) != 0)
        i++;
    bool is_logger = !colon || (size && strspn(given,
                                            "abcdefghijklmnopqrstuvwxyz"
                                            "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.") == size);
    if (i < ARRAY_COUNT(levels) && is_logger)
        return colon ? arena_printf(a, "%.*s=%s", (int)size, given, level)
                     : arena_printf(a, "level=%s", level);
    ctl_fail(EXIT_USAGE,
        "--level: \"%s\" is no [LOGGER:]LEVEL, of trace, debug, info, warning, error, critical, "
        "off",
        given);
    return NULL;
}

/* "  upstream: info" */
static void add_rows(struct arena *a, const char *text, struct answer *answer)
{
    char *rest = arena_strdup(a, text);
    for (char *line; (line = strsep(&rest, "\n"));) {
        char *name = line + strspn(line, " "), *colon = strstr(name, ": ");
        if (name == line || !colon)
            continue;
        *colon = 0;
        struct row row = { .name = name, .cells = CELLS(a, name, colon + 2) };
        list_push(a, &answer->rows, row);
    }
}

static int set_and_ask(
    struct ctl *ctl, const char *admin, const string_list *queries, const char **text)
{
    struct error err;
    const char *ignored;
    for (list_each (const char *const, query, queries)) {
        const char *path = arena_printf(ctl->a, "/logging?%s", *query);
        if (!admin_post_text(ctl->a, admin, path, &ignored, &err))
            return ctl_fail_error(&err);
    }
    return admin_post_text(ctl->a, admin, "/logging", text, &err) ? EXIT_GOOD
                                                                  : ctl_fail_error(&err);
}

static int ask(struct ctl *ctl, struct answer *answer)
{
    struct proxy_place place = { 0 };
    string_list given = ctl_values(ctl, &flag_level), queries = { 0 };
    const char *text = "";
    if (ctl->args.count != 1)
        return ctl_fail(EXIT_USAGE, "proxy-log: exactly one PROXY is needed");
    for (list_each (const char *const, level, &given)) {
        const char *query = query_of(ctl->a, *level);
        if (!query)
            return EXIT_USAGE;
        list_push(ctl->a, &queries, query);
    }
    int status = proxy_find(ctl, ctl->args.items[0], &place);
    if (status == EXIT_GOOD)
        status = set_and_ask(ctl, proxy_envoy_admin(ctl, &place), &queries, &text);
    answer->columns = columns;
    answer->column_count = ARRAY_COUNT(columns);
    add_rows(ctl->a, text, answer);
    return status;
}

int verb_proxy_log(struct ctl *ctl)
{
    return output_run(ctl, ask);
}
