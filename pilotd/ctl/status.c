/* pilotctl status: what a replica tells of itself and of the others on /debug/status. */
#include "ctl/admin.h"
#include "ctl/difference.h"
#include "ctl/report.h"

#include <string.h>
#include <time.h>

static const struct flag flag_findings = {
    .name = "--findings",
    .help = "lists what resources warn of, alone and together",
};
const struct flag *const status_flags[] = { &flag_server, &flag_findings, READ_FLAGS, NULL };

static const struct column columns[] = {
    { "REPLICA" },
    { "STATE" },
    { "REVISION" },
    { "HASH" },
    { "LEVEL" },
    { "STREAMS" },
    { "AGREEMENT" },
    { "AGE" },
    { "VERSION", .is_wide = true },
    { "XDS", .is_wide = true },
    { "XDS-TLS", .is_wide = true },
    { "ADMIN", .is_wide = true },
};

static enum tone tone_of(const cJSON *replica)
{
    if (strcmp(report_text(replica, "agreement"), "differs") == 0)
        return TONE_BAD;
    return strcmp(report_text(replica, "state"), "serving") == 0 ? TONE_PLAIN : TONE_DOUBT;
}

static void add_replicas(struct arena *a, const cJSON *status, struct answer *answer)
{
    const cJSON *replica;
    answer->columns = columns;
    answer->column_count = ARRAY_COUNT(columns);
    cJSON_ArrayForEach (replica, report_member(status, "replicas")) {
        struct row row = {
            .name = report_cell(a, replica, "id"),
            .tone = tone_of(replica),
            .cells = CELLS(a,
                report_cell(a, replica, "id"),
                report_cell(a, replica, "state"),
                report_cell(a, replica, "revision"),
                report_cell(a, replica, "hash"),
                report_cell(a, replica, "level"),
                report_cell(a, replica, "streams"),
                report_cell(a, replica, "agreement"),
                arena_printf(a, "%.1f s", (double)report_number(replica, "ageMs") / 1000),
                report_cell(a, replica, "version"),
                report_cell(a, replica, "xds"),
                report_cell(a, replica, "xdsTls"),
                report_cell(a, replica, "admin")),
        };
        list_push(a, &answer->rows, row);
    }
}

/* ---- where they differ ---- */

/* Those two may have gone on since they were found to differ. */
static void add_difference(
    struct arena *a, const cJSON *here, const cJSON *replica, struct answer *answer)
{
    struct error err;
    size_t count;
    const char *id = report_text(replica, "id");
    cJSON *there = admin_get(report_text(replica, "admin"), "/debug/versions", &err);
    if (!there) {
        report_note(a, answer, "differs   %s: what it has is not known: %s", id, err.text);
        return;
    }
    string_list first = differences(a, here, there, &count);
    for (list_each (const char *const, line, &first))
        report_note(a, answer, "differs   %s: %s", id, *line);
    if (count > first.count)
        report_note(a, answer, "and %zu more of %s", count - first.count, id);
    if (count == 0)
        report_note(a, answer, "differs   %s: no longer in anything that the hash covers", id);
    cJSON_Delete(there);
}

static void add_differences(
    struct arena *a, const cJSON *status, const char *server, struct answer *answer)
{
    struct error err;
    const cJSON *replica;
    if (strcmp(report_text(status, "agreement"), "diverged") != 0)
        return;
    cJSON *here = admin_get(server, "/debug/versions", &err);
    cJSON_ArrayForEach (replica, report_member(status, "replicas"))
        if (here && strcmp(report_text(replica, "agreement"), "differs") == 0)
            add_difference(a, here, replica, answer);
    cJSON_Delete(here);
}

/* ---- what is wrong ---- */

static void add_hidden(struct arena *a, const cJSON *status, const char *items, const char *count,
    struct answer *answer)
{
    long long hidden =
        report_number(status, count) - cJSON_GetArraySize(report_member(status, items));
    if (hidden > 0)
        report_note(a, answer, "and %lld more %s", hidden, items);
}

static void add_faults(struct arena *a, const cJSON *status, struct answer *answer)
{
    const cJSON *item, *reason;
    cJSON_ArrayForEach (item, report_member(status, "rejected"))
        cJSON_ArrayForEach (reason, report_member(item, "reasons"))
            report_note(a,
                answer,
                "rejected  %s@%lld: %s%s",
                report_text(item, "key"),
                report_number(item, "revision"),
                reason->valuestring,
                cJSON_IsTrue(report_member(item, "held")) ? " (the last good value stays in force)"
                                                          : "");
    add_hidden(a, status, "rejected", "rejectedCount", answer);
    cJSON_ArrayForEach (item, report_member(status, "held"))
        report_note(a,
            answer,
            "held      %s: %lld instances expired at once and stay in force for a while",
            report_text(item, "service"),
            report_number(item, "instances"));
    add_hidden(a, status, "held", "heldCount", answer);
    cJSON_ArrayForEach (item, report_member(status, "faults"))
        report_note(
            a, answer, "fault     %s: %s", report_text(item, "file"), report_text(item, "text"));
}

static void add_findings(
    struct arena *a, const cJSON *status, bool is_listed, struct answer *answer)
{
    const cJSON *item;
    long long count = report_number(status, "findingCount");
    if (count > 0)
        report_note(a,
            answer,
            "findings  %lld%s",
            count,
            is_listed ? "" : " (status --findings lists them)");
    if (!is_listed)
        return;
    cJSON_ArrayForEach (item, report_member(status, "findings"))
        report_note(a,
            answer,
            "%-9s %s: %s",
            report_text(item, "severity"),
            report_text(item, "key"),
            report_text(item, "text"));
    add_hidden(a, status, "findings", "findingCount", answer);
}

/* ---- TLS ---- */

enum { HOUR_S = 3600, ENDS_SOON_HOURS = 7 * 24 };

static void add_end(struct arena *a, const char *what, long long end, struct answer *answer)
{
    long long left_s = end - (long long)time(NULL);
    if (end == 0 || left_s / HOUR_S >= ENDS_SOON_HOURS)
        return;
    if (left_s > 0)
        report_note(a, answer, "tls       %s runs out in %lld h", what, left_s / HOUR_S);
    else
        report_note(a, answer, "tls       %s has run out", what);
}

static void add_tls(struct arena *a, const cJSON *status, struct answer *answer)
{
    const cJSON *tls = report_member(status, "tls");
    if (*report_text(tls, "problem"))
        report_note(a,
            answer,
            "tls       certificates are left as they were: %s",
            report_text(tls, "problem"));
    add_end(a, "the certificate shown to proxies", report_number(tls, "certificateEnds"), answer);
    add_end(a, "an authority of theirs", report_number(tls, "authoritiesEnd"), answer);
    add_end(a, "a list of revoked certificates", report_number(tls, "revocationsEnd"), answer);
}

static void add_store(struct arena *a, const cJSON *status, struct answer *answer)
{
    const cJSON *store = report_member(status, "store");
    report_note(a,
        answer,
        "\nstore     %s: %s at revision %lld%s%s",
        report_text(store, "url"),
        report_text(store, "state"),
        report_number(store, "revision"),
        *report_text(store, "problem") ? "; " : "",
        report_text(store, "problem"));
    if (*report_text(status, "problem"))
        report_note(a, answer, "problem   %s", report_text(status, "problem"));
    if (*report_text(status, "epochProblem"))
        report_note(a, answer, "epoch     %s", report_text(status, "epochProblem"));
    if (report_number(status, "streamCap") > 0)
        report_note(a,
            answer,
            "streams   a fair share and its margin are %lld",
            report_number(status, "streamCap"));
}

/* Do they agree, and is nothing wrong? Rejects are findings, and so is what is held. */
static bool is_well(const cJSON *status)
{
    const cJSON *store = report_member(status, "store");
    return strcmp(report_text(status, "agreement"), "agreed") == 0 &&
           strcmp(report_text(status, "state"), "serving") == 0 &&
           strcmp(report_text(store, "state"), "following") == 0 &&
           !*report_text(report_member(status, "tls"), "problem") &&
           report_number(status, "rejectedCount") == 0 && report_number(status, "heldCount") == 0;
}

static int ask(struct ctl *ctl, struct answer *answer)
{
    struct arena *a = ctl->a;
    struct error err = { ERROR_USAGE, "--server is empty" };
    string_list addresses = admin_named_servers(ctl);
    cJSON *status = NULL;
    const char *server = "";
    for (size_t i = 0; i < addresses.count && !status; i++) {
        server = addresses.items[i];
        status = admin_get(server, "/debug/status", &err);
    }
    if (!status)
        return ctl_fail_error(&err);
    answer->status = is_well(status) ? EXIT_GOOD : EXIT_FINDINGS;
    add_replicas(a, status, answer);
    add_store(a, status, answer);
    add_tls(a, status, answer);
    const char *agreement = report_text(status, "agreement");
    enum tone tone = strcmp(agreement, "agreed") == 0 ? TONE_GOOD : TONE_BAD;
    report_note(a, answer, "agreement %s", output_toned(a, tone, agreement));
    add_differences(a, status, server, answer);
    add_faults(a, status, answer);
    add_findings(a, status, ctl_is_set(ctl, &flag_findings), answer);
    answer->json = output_text(a, status);
    return EXIT_GOOD;
}

int verb_status(struct ctl *ctl)
{
    return output_run(ctl, ask);
}
