/* pilotctl status, proxies: what replicas tell of themselves on /debug/…, as tables. */
#include "ctl/admin.h"
#include "ctl/ctl.h"
#include "ctl/difference.h"

#include <string.h>

static const struct flag flag_findings = {
    .name = "--findings",
    .help = "lists what resources warn of, alone and together",
};
const struct flag *const status_flags[] = { &flag_server, &flag_output, &flag_findings, NULL };
const struct flag *const proxies_flags[] = { &flag_server, &flag_output, NULL };

static const char *const short_types[] = { "CDS", "EDS", "LDS", "RDS" };

/* "" for what is not there: a table has no holes. */
static const char *text(const cJSON *object, const char *name)
{
    const char *value = json_text(object, name);
    return value ? value : "";
}

static long long number(const cJSON *object, const char *name)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, name);
    return cJSON_IsNumber(value) ? (long long)value->valuedouble : 0;
}

static const cJSON *list(const cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

static int check_format(const struct ctl *ctl, bool *is_json)
{
    const char *format = ctl_value(ctl, &flag_output);
    *is_json = strcmp(format, "json") == 0;
    if (*is_json || strcmp(format, "table") == 0)
        return EXIT_GOOD;
    return ctl_fail(EXIT_USAGE, "-o: must be table or json, not \"%s\"", format);
}

static void print_json(const cJSON *json)
{
    char *printed = cJSON_Print(json);
    puts(printed);
    free(printed);
}

static string_list servers(struct ctl *ctl)
{
    string_list addresses = { 0 };
    char *rest = arena_strdup(ctl->a, ctl_value(ctl, &flag_server));
    for (char *address; (address = strsep(&rest, ","));)
        if (*address)
            list_push(ctl->a, &addresses, address);
    return addresses;
}

/* ---- status ---- */

static void print_replicas(const cJSON *status)
{
    const cJSON *replica;
    printf("%-16s %-9s %-10s %-34s %-5s %-8s %-10s %s\n",
        "REPLICA",
        "STATE",
        "REVISION",
        "HASH",
        "LEVEL",
        "STREAMS",
        "AGREEMENT",
        "AGE");
    cJSON_ArrayForEach (replica, list(status, "replicas"))
        printf("%-16s %-9s %-10lld %-34s %-5lld %-8lld %-10s %.1f s\n",
            text(replica, "id"),
            text(replica, "state"),
            number(replica, "revision"),
            text(replica, "hash"),
            number(replica, "level"),
            number(replica, "streams"),
            text(replica, "agreement"),
            (double)number(replica, "ageMs") / 1000);
}

/* Those two may have gone on since they were found to differ. */
static void print_difference(struct arena *a, const cJSON *here, const cJSON *replica)
{
    struct error err;
    size_t count;
    cJSON *there = admin_get(text(replica, "admin"), "/debug/versions", &err);
    if (!there) {
        printf("differs   %s: what it has is not known: %s\n", text(replica, "id"), err.text);
        return;
    }
    string_list first = differences(a, here, there, &count);
    for (list_each (const char *const, line, &first))
        printf("differs   %s: %s\n", text(replica, "id"), *line);
    if (count > first.count)
        printf("and %zu more of %s\n", count - first.count, text(replica, "id"));
    if (count == 0)
        printf("differs   %s: no longer in anything that the hash covers\n", text(replica, "id"));
    cJSON_Delete(there);
}

static void print_differences(struct ctl *ctl, const cJSON *status, const char *server)
{
    struct error err;
    const cJSON *replica;
    if (strcmp(text(status, "agreement"), "diverged") != 0)
        return;
    cJSON *here = admin_get(server, "/debug/versions", &err);
    cJSON_ArrayForEach (replica, list(status, "replicas"))
        if (here && strcmp(text(replica, "agreement"), "differs") == 0)
            print_difference(ctl->a, here, replica);
    cJSON_Delete(here);
}

static void print_hidden(const cJSON *status, const char *items, const char *count)
{
    long long hidden = number(status, count) - cJSON_GetArraySize(list(status, items));
    if (hidden > 0)
        printf("and %lld more %s\n", hidden, items);
}

static void print_faults(const cJSON *status)
{
    const cJSON *item, *reason;
    cJSON_ArrayForEach (item, list(status, "rejected"))
        cJSON_ArrayForEach (reason, list(item, "reasons"))
            printf("rejected  %s@%lld: %s%s\n",
                text(item, "key"),
                number(item, "revision"),
                reason->valuestring,
                cJSON_IsTrue(list(item, "held")) ? " (the last good value stays in force)" : "");
    print_hidden(status, "rejected", "rejectedCount");
    cJSON_ArrayForEach (item, list(status, "held"))
        printf("held      %s: %lld instances expired at once and stay in force for a while\n",
            text(item, "service"),
            number(item, "instances"));
    print_hidden(status, "held", "heldCount");
    cJSON_ArrayForEach (item, list(status, "faults"))
        printf("fault     %s: %s\n", text(item, "file"), text(item, "text"));
}

static void print_findings(const cJSON *status, bool is_listed)
{
    const cJSON *item;
    long long count = number(status, "findingCount");
    if (count > 0)
        printf("findings  %lld%s\n", count, is_listed ? "" : " (status --findings lists them)");
    if (!is_listed)
        return;
    cJSON_ArrayForEach (item, list(status, "findings"))
        printf("%-9s %s: %s\n", text(item, "severity"), text(item, "key"), text(item, "text"));
    print_hidden(status, "findings", "findingCount");
}

static void print_store(const cJSON *status)
{
    const cJSON *store = list(status, "store");
    printf("\nstore     %s: %s at revision %lld%s%s\n",
        text(store, "url"),
        text(store, "state"),
        number(store, "revision"),
        *text(store, "problem") ? "; " : "",
        text(store, "problem"));
    if (*text(status, "problem"))
        printf("problem   %s\n", text(status, "problem"));
}

static void print_cap(const cJSON *status)
{
    if (number(status, "streamCap") > 0)
        printf("streams   a fair share and its margin are %lld\n", number(status, "streamCap"));
}

/* Do they agree, and is nothing wrong? Rejects are findings, and so is what is held. */
static bool is_well(const cJSON *status)
{
    const cJSON *store = list(status, "store");
    return strcmp(text(status, "agreement"), "agreed") == 0 &&
           strcmp(text(status, "state"), "serving") == 0 &&
           strcmp(text(store, "state"), "following") == 0 && number(status, "rejectedCount") == 0 &&
           number(status, "heldCount") == 0;
}

int verb_status(struct ctl *ctl)
{
    bool is_json;
    struct error err;
    if (check_format(ctl, &is_json) != EXIT_GOOD)
        return EXIT_USAGE;
    string_list addresses = servers(ctl);
    cJSON *status = NULL;
    const char *server = "";
    for (size_t i = 0; i < addresses.count && !status; i++) {
        server = addresses.items[i];
        status = admin_get(server, "/debug/status", &err);
    }
    if (!status)
        return addresses.count ? ctl_fail_error(&err) : ctl_fail(EXIT_USAGE, "--server is empty");
    int exit_status = is_well(status) ? EXIT_GOOD : EXIT_FINDINGS;
    if (is_json) {
        print_json(status);
    } else {
        print_replicas(status);
        print_store(status);
        print_cap(status);
        printf("agreement %s\n", text(status, "agreement"));
        print_differences(ctl, status, server);
        print_faults(status);
        print_findings(status, ctl_is_set(ctl, &flag_findings));
    }
    cJSON_Delete(status);
    return exit_status;
}

/* ---- proxies ---- */

static void print_proxy(const cJSON *proxy, const char *server)
{
    const cJSON *types = list(proxy, "types");
    printf("%-48s", text(proxy, "id"));
    for (size_t i = 0; i < ARRAY_COUNT(short_types); i++)
        printf(" %-8s", text(list(types, short_types[i]), "state"));
    printf(" %-6s %s\n", text(proxy, "variant"), server);
    for (size_t i = 0; i < ARRAY_COUNT(short_types); i++) {
        const char *nack = text(list(types, short_types[i]), "lastNack");
        if (*nack)
            printf("    %s refused: %s\n", short_types[i], nack);
    }
}

static void print_proxies_head(void)
{
    printf("%-48s", "PROXY");
    for (size_t i = 0; i < ARRAY_COUNT(short_types); i++)
        printf(" %-8s", short_types[i]);
    printf(" %-6s %s\n", "XDS", "REPLICA");
}

/* Has it refused something that is still in force? */
static bool has_refused(const cJSON *proxy)
{
    const cJSON *types = list(proxy, "types");
    for (size_t i = 0; i < ARRAY_COUNT(short_types); i++)
        if (number(list(types, short_types[i]), "refused"))
            return true;
    return false;
}

int verb_proxies(struct ctl *ctl)
{
    bool is_json;
    int status = check_format(ctl, &is_json);
    string_list addresses = servers(ctl);
    cJSON *all = cJSON_CreateArray();
    struct error err;
    if (status == EXIT_GOOD && !is_json)
        print_proxies_head();
    for (size_t i = 0; i < addresses.count && status != EXIT_USAGE; i++) {
        cJSON *proxies = admin_get(addresses.items[i], "/debug/proxies", &err), *proxy;
        if (!proxies) {
            status = ctl_fail_error(&err);
            continue;
        }
        cJSON_ArrayForEach (proxy, proxies) {
            if (!is_json)
                print_proxy(proxy, addresses.items[i]);
            if (has_refused(proxy) && status == EXIT_GOOD)
                status = EXIT_FINDINGS;
        }
        while ((proxy = cJSON_DetachItemFromArray(proxies, 0)))
            cJSON_AddItemToArray(all, proxy);
        cJSON_Delete(proxies);
    }
    if (is_json)
        print_json(all);
    cJSON_Delete(all);
    return status;
}
