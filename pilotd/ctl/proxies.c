/* pilotctl proxies: who is connected to which replica, and what each has acknowledged. */
#include "ctl/admin.h"
#include "ctl/report.h"

#include <string.h>

const struct flag *const proxies_flags[] = { &flag_server, READ_FLAGS, NULL };

static const char *const types[] = { "CDS", "EDS", "LDS", "RDS", "VHDS" };

static const struct column columns[] = {
    { "PROXY" },
    { "CDS" },
    { "EDS" },
    { "LDS" },
    { "RDS" },
    { "VHDS" },
    { "XDS" },
    { "REPLICA" },
    { "ADDRESS", .is_wide = true },
    { "IDENTITY", .is_wide = true },
    { "AGENT", .is_wide = true },
};

static const cJSON *type_of(const cJSON *proxy, size_t type)
{
    return report_member(report_member(proxy, "types"), types[type]);
}

/* Has it refused something that is still in force? */
static bool has_refused(const cJSON *proxy)
{
    for (size_t i = 0; i < ARRAY_COUNT(types); i++)
        if (report_number(type_of(proxy, i), "refused"))
            return true;
    return false;
}

static bool is_in_step(const cJSON *proxy)
{
    for (size_t i = 0; i < ARRAY_COUNT(types); i++) {
        const char *state = report_text(type_of(proxy, i), "state");
        if (strcmp(state, "synced") != 0 && strcmp(state, "not sent") != 0)
            return false;
    }
    return true;
}

static const char *refusals(struct arena *a, const cJSON *proxy)
{
    const char *lines = NULL;
    for (size_t i = 0; i < ARRAY_COUNT(types); i++) {
        const char *nack = report_text(type_of(proxy, i), "lastNack");
        if (*nack)
            lines = arena_printf(
                a, "%s%s    %s refused: %s", lines ? lines : "", lines ? "\n" : "", types[i], nack);
    }
    return lines;
}

static const char *state_cell(struct arena *a, const cJSON *proxy, size_t type)
{
    return report_cell(a, type_of(proxy, type), "state");
}

static struct row make_row(struct arena *a, const cJSON *proxy, const char *server)
{
    char *printed = cJSON_PrintUnformatted(proxy);
    const char *json = arena_strdup(a, printed);
    free(printed);
    return (struct row){
        .name = report_cell(a, proxy, "id"),
        .json = json,
        .below = refusals(a, proxy),
        .tone = has_refused(proxy)  ? TONE_BAD
                : is_in_step(proxy) ? TONE_PLAIN
                                    : TONE_DOUBT,
        .cells = CELLS(a,
            report_cell(a, proxy, "id"),
            state_cell(a, proxy, 0),
            state_cell(a, proxy, 1),
            state_cell(a, proxy, 2),
            state_cell(a, proxy, 3),
            state_cell(a, proxy, 4),
            report_cell(a, proxy, "variant"),
            server,
            report_cell(a, proxy, "address"),
            report_cell(a, proxy, "identity"),
            report_cell(a, proxy, "userAgent")),
    };
}

static bool is_wanted(const struct ctl *ctl, const cJSON *proxy)
{
    for (list_each (const char *const, word, &ctl->args))
        if (strstr(report_text(proxy, "id"), *word))
            return true;
    return ctl->args.count == 0;
}

/* While it is watched what a proxy has counted is no news: connectedSeconds goes up by itself. */
static void drop_clock(const struct ctl *ctl, cJSON *proxy)
{
    if (ctl_is_set(ctl, &flag_watch))
        cJSON_DeleteItemFromObjectCaseSensitive(proxy, "connectedSeconds");
}

static void add_proxies(struct ctl *ctl, cJSON *proxies, const char *server, struct answer *answer)
{
    cJSON *proxy;
    cJSON_ArrayForEach (proxy, proxies) {
        if (!is_wanted(ctl, proxy))
            continue;
        drop_clock(ctl, proxy);
        cJSON_AddStringToObject(proxy, "replica", server);
        list_push(ctl->a, &answer->rows, make_row(ctl->a, proxy, server));
        if (has_refused(proxy) && answer->status == EXIT_GOOD)
            answer->status = EXIT_FINDINGS;
    }
}

static int ask(struct ctl *ctl, struct answer *answer)
{
    string_list servers = admin_servers(ctl);
    size_t reached = 0;
    answer->columns = columns;
    answer->column_count = ARRAY_COUNT(columns);
    for (list_each (const char *const, server, &servers)) {
        struct error err;
        cJSON *proxies = admin_get(*server, "/debug/proxies", &err);
        if (proxies) {
            add_proxies(ctl, proxies, *server, answer);
            reached++;
        } else {
            answer->status = ctl_fail_error(&err);
        }
        cJSON_Delete(proxies);
    }
    if (!servers.count)
        return ctl_fail(EXIT_USAGE, "--server is empty");
    return reached ? EXIT_GOOD : answer->status;
}

int verb_proxies(struct ctl *ctl)
{
    return output_run(ctl, ask);
}
