/* pilotctl doctor: looks at everything that keeps a mesh well, and says what is not. */
#include "ctl/admin.h"
#include "ctl/report.h"
#include "ctl/session.h"

#include <string.h>
#include <time.h>

const struct flag *const doctor_flags[] = { STORE_FLAGS, &flag_server, READ_FLAGS, NULL };

enum {
    CLOCK_SLACK_S = 2,
    HEARTBEAT_OLD_MS = 3000, /* when a replica calls itself stale */
    LAG_REVISIONS = 100,
};

static const struct column columns[] = { { "CHECK" }, { "VERDICT" }, { "DETAIL" } };

enum verdict { VERDICT_GOOD, VERDICT_DOUBT, VERDICT_BAD };

struct doctor {
    struct ctl *ctl;
    struct answer *answer;
    int64_t store_revision; /* 0: not known */
    const char *first_version;
};

static void say(struct doctor *d, enum verdict verdict, const char *check, const char *fmt, ...)
    PRINTF_LIKE(4, 5);

/* What is bad makes the exit status; a doubt does not. */
static void say(struct doctor *d, enum verdict verdict, const char *check, const char *fmt, ...)
{
    static const char *const words[] = { "good", "look", "bad" };
    static const enum tone tones[] = { TONE_GOOD, TONE_DOUBT, TONE_BAD };
    va_list args;
    va_start(args, fmt);
    struct row row = {
        .name = check,
        .tone = tones[verdict],
        .cells = CELLS(d->ctl->a, check, words[verdict], arena_vprintf(d->ctl->a, fmt, args)),
    };
    va_end(args);
    list_push(d->ctl->a, &d->answer->rows, row);
    if (verdict == VERDICT_BAD)
        d->answer->status = EXIT_FINDINGS;
}

/* ---- the store ---- */

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void check_store(struct doctor *d)
{
    struct session session;
    struct session_answer answer;
    const char *url = ctl_value(d->ctl, &flag_store);
    if (session_open(&session, d->ctl) != EXIT_GOOD) {
        say(d, VERDICT_BAD, "store", "%s cannot be opened", url);
        return;
    }
    int64_t begin_ms = now_ms();
    bool is_there = session_list(&session, "replicas/", &answer);
    session_close(&session);
    if (!is_there) {
        say(d, VERDICT_BAD, "store", "%s", answer.err.text);
        return;
    }
    d->store_revision = answer.revision;
    say(d,
        VERDICT_GOOD,
        "store",
        "%s at revision %lld, answers in %lld ms, %zu replicas are registered",
        url,
        (long long)answer.revision,
        (long long)(now_ms() - begin_ms),
        answer.entries.count);
}

/* Each member by itself; those behind TLS want certificates, which the store's check has shown. */
static void check_members(struct doctor *d)
{
    const char *url = ctl_value(d->ctl, &flag_store);
    if (!begins_with(url, "etcd://"))
        return;
    char *rest = arena_strdup(d->ctl->a, url + strlen("etcd://"));
    rest[strcspn(rest, "/")] = 0;
    for (char *member; (member = strsep(&rest, ","));) {
        struct error err;
        const char *check = arena_printf(d->ctl->a, "etcd %s", member);
        cJSON *json = admin_get(member, "/version", &err);
        const char *version = report_text(json, "etcdserver");
        if (!json)
            say(d, VERDICT_BAD, check, "%s", err.text);
        else if (begins_with(version, "3.4.") || begins_with(version, "3.3."))
            say(d,
                VERDICT_DOUBT,
                check,
                "version %s: its watches have known faults; 3.5 and 3.6 are mended",
                version);
        else
            say(d, VERDICT_GOOD, check, "version %s", version);
        cJSON_Delete(json);
    }
}

/* ---- the replicas ---- */

static void check_ready(struct doctor *d, const char *server)
{
    struct error err;
    struct admin_probe probe;
    const char *check = arena_printf(d->ctl->a, "ready %s", server);
    if (!admin_probe(server, "/ready", &probe, &err)) {
        say(d, VERDICT_BAD, check, "%s", err.text);
        return;
    }
    say(d,
        probe.status == 200   ? VERDICT_GOOD
        : probe.status == 404 ? VERDICT_DOUBT
                              : VERDICT_BAD,
        check,
        "%ld: %s",
        probe.status,
        probe.status == 200   ? "takes new streams"
        : probe.status == 404 ? "serves, and new streams should go elsewhere: stale or full"
                              : "does not serve");
    long long off = (long long)(probe.date - time(NULL));
    if (probe.date > 0 && (off > CLOCK_SLACK_S || off < -CLOCK_SLACK_S))
        say(d,
            VERDICT_DOUBT,
            arena_printf(d->ctl->a, "clock %s", server),
            "%lld s %s this machine's",
            off > 0 ? off : -off,
            off > 0 ? "before" : "behind");
}

static void check_lag(struct doctor *d, const char *server, const cJSON *status)
{
    const cJSON *store = report_member(status, "store");
    long long lag = d->store_revision - report_number(status, "revision");
    long long age_ms = report_number(store, "heartbeatAgeMs");
    const char *check = arena_printf(d->ctl->a, "follows %s", server);
    const char *state = report_text(store, "state");
    if (strcmp(state, "following") != 0)
        say(d, VERDICT_BAD, check, "%s: %s", state, report_text(store, "problem"));
    else if (age_ms > HEARTBEAT_OLD_MS)
        say(d, VERDICT_BAD, check, "its own record came back %.1f s ago", (double)age_ms / 1000);
    else if (d->store_revision && lag > LAG_REVISIONS)
        say(d, VERDICT_BAD, check, "%lld revisions behind the store", lag);
    else
        say(d,
            VERDICT_GOOD,
            check,
            "revision %lld, heartbeat %.1f s old",
            report_number(status, "revision"),
            (double)age_ms / 1000);
}

static void check_version(struct doctor *d, const char *server, const cJSON *status)
{
    const char *version = report_text(status, "version");
    if (!d->first_version)
        d->first_version = arena_strdup(d->ctl->a, version);
    if (strcmp(d->first_version, version) != 0)
        say(d,
            VERDICT_DOUBT,
            arena_printf(d->ctl->a, "version %s", server),
            "%s, another has %s: an upgrade that is under way?",
            version,
            d->first_version);
}

static void check_proxies(struct doctor *d, const char *server)
{
    static const char *const types[] = { "CDS", "EDS", "LDS", "RDS", "VHDS" };
    struct error err;
    cJSON *proxies = admin_get(server, "/debug/proxies", &err);
    const cJSON *proxy;
    size_t refused = 0;
    cJSON_ArrayForEach (proxy, proxies)
        for (size_t i = 0; i < ARRAY_COUNT(types); i++)
            if (report_number(report_member(report_member(proxy, "types"), types[i]), "refused") >
                0) {
                refused++;
                break;
            }
    const char *check = arena_printf(d->ctl->a, "proxies %s", server);
    if (refused)
        say(d,
            VERDICT_BAD,
            check,
            "%zu of %d have refused what they should have (pilotctl proxies)",
            refused,
            cJSON_GetArraySize(proxies));
    else
        say(d, VERDICT_GOOD, check, "%d, none refuses anything", cJSON_GetArraySize(proxies));
    cJSON_Delete(proxies);
}

static void check_replica(struct doctor *d, const char *server)
{
    struct error err;
    check_ready(d, server);
    cJSON *status = admin_get(server, "/debug/status", &err);
    if (!status)
        return;
    check_version(d, server, status);
    check_lag(d, server, status);
    check_proxies(d, server);
    cJSON_Delete(status);
}

/* ---- what all share ---- */

static void check_count(
    struct doctor *d, const char *check, long long count, enum verdict verdict, const char *text)
{
    if (count > 0)
        say(d, verdict, check, "%lld %s", count, text);
    else
        say(d, VERDICT_GOOD, check, "none");
}

static void check_configuration(struct doctor *d, const cJSON *status)
{
    const char *agreement = report_text(status, "agreement");
    say(d,
        strcmp(agreement, "agreed") == 0 ? VERDICT_GOOD : VERDICT_BAD,
        "agreement",
        "%s (pilotctl status)",
        agreement);
    check_count(d,
        "rejected",
        report_number(status, "rejectedCount"),
        VERDICT_BAD,
        "values are not valid, and not in force (pilotctl status)");
    check_count(d,
        "held",
        report_number(status, "heldCount"),
        VERDICT_BAD,
        "services whose instances expired at once: did a registrar fail?");
    check_count(d,
        "findings",
        report_number(status, "findingCount"),
        VERDICT_DOUBT,
        "things that resources warn of (pilotctl analyze)");
}

static int ask(struct ctl *ctl, struct answer *answer)
{
    struct doctor d = { .ctl = ctl, .answer = answer };
    struct error err;
    cJSON *status = NULL;
    answer->columns = columns;
    answer->column_count = ARRAY_COUNT(columns);
    check_store(&d);
    check_members(&d);
    string_list servers = admin_servers(ctl);
    for (list_each (const char *const, server, &servers)) {
        check_replica(&d, *server);
        if (!status)
            status = admin_get(*server, "/debug/status", &err);
    }
    if (status)
        check_configuration(&d, status);
    cJSON_Delete(status);
    return EXIT_GOOD;
}

int verb_doctor(struct ctl *ctl)
{
    return output_run(ctl, ask);
}
