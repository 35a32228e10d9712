/* pilotctl services, endpoints, snapshot, replicas: what a replica has made of the keyspace. */
#include "ctl/admin.h"
#include "ctl/report.h"

#include <string.h>

const struct flag *const services_flags[] = { &flag_server, &flag_namespace, READ_FLAGS, NULL };
const struct flag *const endpoints_flags[] = { &flag_server, &flag_namespace, READ_FLAGS, NULL };
const struct flag *const snapshot_flags[] = { &flag_server, READ_FLAGS, NULL };
const struct flag *const replicas_flags[] = { &flag_server, READ_FLAGS, NULL };

/* Of the first replica that answers; NULL after saying why none does. */
static cJSON *fetch(struct ctl *ctl, const char *path, int *status)
{
    struct error err = { ERROR_USAGE, "--server is empty" };
    string_list servers = admin_named_servers(ctl);
    cJSON *json = NULL;
    for (size_t i = 0; i < servers.count && !json; i++)
        json = admin_get(servers.items[i], path, &err);
    *status = json ? EXIT_GOOD : ctl_fail_error(&err);
    return json;
}

static const char *printed(struct arena *a, const cJSON *json)
{
    return output_text(a, cJSON_Duplicate(json, true));
}

static bool is_in_namespace(const struct ctl *ctl, const cJSON *item)
{
    const char *ns = ctl_value(ctl, &flag_namespace);
    return !ns || strcmp(ns, report_text(item, "namespace")) == 0;
}

/* "9080,9081", or "http:8080,grpc:9090". */
static const char *ports_text(struct arena *a, const cJSON *ports)
{
    const char *text = "";
    const cJSON *port;
    cJSON_ArrayForEach (port, ports)
        text = arena_printf(a,
            "%s%s%s%s%.0f",
            text,
            *text ? "," : "",
            port->string ? port->string : "",
            port->string ? ":" : "",
            port->valuedouble);
    return text;
}

static const char *labels_text(struct arena *a, const cJSON *labels)
{
    const char *text = "";
    const cJSON *label;
    cJSON_ArrayForEach (label, labels)
        text =
            arena_printf(a, "%s%s%s=%s", text, *text ? "," : "", label->string, label->valuestring);
    return text;
}

/* ---- services ---- */

/* A host, or the beginning of one. */
static bool is_asked_for(const struct ctl *ctl, const cJSON *item)
{
    for (list_each (const char *const, word, &ctl->args))
        if (begins_with(report_text(item, "host"), *word))
            return true;
    return ctl->args.count == 0;
}

static int ask_services(struct ctl *ctl, struct answer *answer)
{
    static const struct column columns[] = {
        { "HOST" }, { "NAMESPACE" }, { "PORTS" }, { "ENDPOINTS" }
    };
    int status;
    cJSON *snapshot = fetch(ctl, "/debug/snapshot", &status);
    const cJSON *service;
    answer->columns = columns;
    answer->column_count = ARRAY_COUNT(columns);
    cJSON_ArrayForEach (service, report_member(snapshot, "services")) {
        if (!is_in_namespace(ctl, service) || !is_asked_for(ctl, service))
            continue;
        struct row row = {
            .name = arena_printf(
                ctl->a, "%s/%s", report_text(service, "namespace"), report_text(service, "host")),
            .json = printed(ctl->a, service),
            .tone = report_number(service, "endpoints") ? TONE_PLAIN : TONE_DOUBT,
            .cells = CELLS(ctl->a,
                report_cell(ctl->a, service, "host"),
                report_cell(ctl->a, service, "namespace"),
                ports_text(ctl->a, report_member(service, "ports")),
                report_cell(ctl->a, service, "endpoints")),
        };
        list_push(ctl->a, &answer->rows, row);
    }
    cJSON_Delete(snapshot);
    return status;
}

int verb_services(struct ctl *ctl)
{
    return output_run(ctl, ask_services);
}

/* ---- endpoints ---- */

static const struct column endpoint_columns[] = {
    { "HOST" },
    { "ADDRESS" },
    { "PORTS" },
    { "HEALTH" },
    { "WEIGHT" },
    { "LOCALITY" },
    { "LABELS" },
    { "NETWORK", .is_wide = true },
    { "ACCOUNT", .is_wide = true },
    { "KEY", .is_wide = true },
};

static struct row endpoint_row(struct arena *a, const cJSON *e)
{
    const char *health = report_text(e, "health");
    return (struct row){
        .name = arena_printf(a,
            "%s/%s/%s",
            report_text(e, "host"),
            report_text(e, "key"),
            report_text(e, "address")),
        .json = printed(a, e),
        .tone = strcmp(health, "healthy") == 0 ? TONE_PLAIN : TONE_DOUBT,
        .cells = CELLS(a,
            report_cell(a, e, "host"),
            report_cell(a, e, "address"),
            ports_text(a, report_member(e, "ports")),
            report_cell(a, e, "health"),
            report_cell(a, e, "weight"),
            report_cell(a, e, "locality"),
            labels_text(a, report_member(e, "labels")),
            report_cell(a, e, "network"),
            report_cell(a, e, "serviceAccount"),
            report_cell(a, e, "key")),
    };
}

static int ask_endpoints(struct ctl *ctl, struct answer *answer)
{
    int status;
    cJSON *endpoints = fetch(ctl, "/debug/endpoints", &status);
    const cJSON *e;
    answer->columns = endpoint_columns;
    answer->column_count = ARRAY_COUNT(endpoint_columns);
    cJSON_ArrayForEach (e, endpoints)
        if (is_in_namespace(ctl, e) && is_asked_for(ctl, e))
            list_push(ctl->a, &answer->rows, endpoint_row(ctl->a, e));
    cJSON_Delete(endpoints);
    return status;
}

int verb_endpoints(struct ctl *ctl)
{
    return output_run(ctl, ask_endpoints);
}

/* ---- snapshot ---- */

static int ask_snapshot(struct ctl *ctl, struct answer *answer)
{
    static const struct column columns[] = { { "KIND" }, { "COUNT" } };
    int status;
    cJSON *snapshot = fetch(ctl, "/debug/snapshot", &status);
    const cJSON *kind;
    if (!snapshot)
        return status;
    answer->columns = columns;
    answer->column_count = ARRAY_COUNT(columns);
    cJSON_ArrayForEach (kind, report_member(snapshot, "objects")) {
        struct row row = {
            .name = arena_strdup(ctl->a, kind->string),
            .cells = CELLS(ctl->a,
                arena_strdup(ctl->a, kind->string),
                arena_printf(ctl->a, "%.0f", kind->valuedouble)),
        };
        list_push(ctl->a, &answer->rows, row);
    }
    report_note(ctl->a,
        answer,
        "\nrevision  %lld\nhash      %s\nlevel     %lld\nservices  %d",
        report_number(snapshot, "revision"),
        report_text(snapshot, "hash"),
        report_number(snapshot, "level"),
        cJSON_GetArraySize(report_member(snapshot, "services")));
    answer->json = output_text(ctl->a, snapshot);
    return EXIT_GOOD;
}

int verb_snapshot(struct ctl *ctl)
{
    return output_run(ctl, ask_snapshot);
}

/* ---- replicas ---- */

static int ask_replicas(struct ctl *ctl, struct answer *answer)
{
    static const struct column columns[] = { { "REPLICA" },
        { "STATE" },
        { "REVISION" },
        { "STREAMS" },
        { "AGREEMENT" },
        { "VERSION" },
        { "XDS" },
        { "ADMIN" },
        { "XDS-TLS", .is_wide = true },
        { "LEVEL", .is_wide = true },
        { "HASH", .is_wide = true } };
    int status;
    cJSON *told = fetch(ctl, "/debug/status", &status);
    const cJSON *replica;
    answer->columns = columns;
    answer->column_count = ARRAY_COUNT(columns);
    cJSON_ArrayForEach (replica, report_member(told, "replicas")) {
        static const char *const names[] = { "id",
            "state",
            "revision",
            "streams",
            "agreement",
            "version",
            "xds",
            "admin",
            "xdsTls",
            "level",
            "hash" };
        struct row row = { .name = report_cell(ctl->a, replica, "id"),
            .json = printed(ctl->a, replica),
            .cells = ARENA_ARRAY(ctl->a, const char *, ARRAY_COUNT(names)) };
        for (size_t i = 0; i < ARRAY_COUNT(names); i++)
            row.cells[i] = report_cell(ctl->a, replica, names[i]);
        list_push(ctl->a, &answer->rows, row);
    }
    cJSON_Delete(told);
    return status;
}

int verb_replicas(struct ctl *ctl)
{
    return output_run(ctl, ask_replicas);
}
