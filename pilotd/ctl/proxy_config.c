/* pilotctl proxy-config: what a connected proxy was sent, from the replica that has it. */
#include "ctl/admin.h"
#include "ctl/one_proxy.h"
#include "ctl/report.h"

#include <string.h>

const struct flag *const proxy_config_flags[] = { &flag_server, READ_FLAGS, NULL };

/* Words for types, istioctl's among them. */
static const struct {
    const char *word, *type; /* NULL: all */
} words[] = {
    { "cluster", "CDS" },
    { "clusters", "CDS" },
    { "endpoint", "EDS" },
    { "endpoints", "EDS" },
    { "listener", "LDS" },
    { "listeners", "LDS" },
    { "route", "RDS" },
    { "routes", "RDS" },
    { "host", "VHDS" },
    { "hosts", "VHDS" },
    { "all", NULL },
};
static const char *const shorts[] = { "CDS", "EDS", "LDS", "RDS", "VHDS" };

static const struct column columns[] = {
    { "TYPE" },
    { "NAME" },
    { "STATE" },
    { "ABOUT" },
};

/* ---- the rows ---- */

static const char *address_text(struct arena *a, const cJSON *address)
{
    const cJSON *socket = report_member(address, "socketAddress");
    const char *path = report_text(report_member(address, "pipe"), "path");
    if (!socket)
        return path;
    return arena_printf(
        a, "%s:%lld", report_text(socket, "address"), report_number(socket, "portValue"));
}

static const char *domains_text(struct arena *a, const cJSON *host)
{
    const char *text = "";
    const cJSON *domain;
    cJSON_ArrayForEach (domain, report_member(host, "domains"))
        text = arena_printf(a, "%s%s%s", text, *text ? "," : "", domain->valuestring);
    return text;
}

static const char *endpoints_text(struct arena *a, const cJSON *assignment)
{
    const char *text = "";
    const cJSON *locality, *one;
    cJSON_ArrayForEach (locality, report_member(assignment, "endpoints"))
        cJSON_ArrayForEach (one, report_member(locality, "lbEndpoints"))
            text = arena_printf(a,
                "%s%s%s",
                text,
                *text ? "," : "",
                address_text(a, report_member(report_member(one, "endpoint"), "address")));
    return text;
}

/* What tells one from the other at a glance. */
static const char *about(struct arena *a, const char *type, const cJSON *resource)
{
    if (strcmp(type, "CDS") == 0)
        return report_cell(a, resource, "type");
    if (strcmp(type, "EDS") == 0)
        return endpoints_text(a, resource);
    if (strcmp(type, "LDS") == 0)
        return address_text(a, report_member(resource, "address"));
    if (strcmp(type, "VHDS") == 0)
        return domains_text(a, resource);
    if (report_member(resource, "vhds"))
        return "virtual hosts apart";
    return arena_printf(
        a, "%d virtual hosts", cJSON_GetArraySize(report_member(resource, "virtualHosts")));
}

static void add_rows(struct arena *a, const cJSON *config, const char *type, struct answer *answer)
{
    const cJSON *resource;
    const char *state =
        report_cell(a, report_member(report_member(config, "types"), type), "state");
    cJSON_ArrayForEach (resource, report_member(report_member(config, "resources"), type)) {
        const char *name = report_text(resource, strcmp(type, "EDS") == 0 ? "clusterName" : "name");
        struct row row = {
            .name = arena_printf(a, "%s/%s", type, name),
            .json = output_text(a, cJSON_Duplicate(resource, true)),
            .tone = strcmp(state, "synced") == 0 ? TONE_PLAIN : TONE_DOUBT,
            .cells = CELLS(a, type, arena_strdup(a, name), state, about(a, type, resource)),
        };
        list_push(a, &answer->rows, row);
    }
}

static int show(
    struct ctl *ctl, const struct proxy_place *place, const char *type, struct answer *answer)
{
    struct error err;
    const char *path = arena_printf(ctl->a,
        "/debug/config?proxy=%s%s%s",
        proxy_id_escaped(ctl->a, place->id),
        type ? "&type=" : "",
        type ? type : "");
    cJSON *config = admin_get(place->server, path, &err);
    if (!config)
        return ctl_fail_error(&err);
    answer->columns = columns;
    answer->column_count = ARRAY_COUNT(columns);
    for (size_t i = 0; i < ARRAY_COUNT(shorts); i++)
        add_rows(ctl->a, config, shorts[i], answer);
    if (type)
        cJSON_Delete(config);
    else
        answer->json = output_text(ctl->a, config);
    return EXIT_GOOD;
}

static int ask(struct ctl *ctl, struct answer *answer)
{
    size_t kind = 0;
    while (kind < ARRAY_COUNT(words) && ctl->args.count == 2 &&
           strcmp(words[kind].word, ctl->args.items[0]) != 0)
        kind++;
    if (ctl->args.count != 2 || kind == ARRAY_COUNT(words))
        return ctl_fail(EXIT_USAGE,
            "proxy-config: cluster, endpoint, listener, route, host or all, and a PROXY");
    struct proxy_place place;
    int status = proxy_find(ctl, ctl->args.items[1], &place);
    return status == EXIT_GOOD ? show(ctl, &place, words[kind].type, answer) : status;
}

int verb_proxy_config(struct ctl *ctl)
{
    return output_run(ctl, ask);
}
