/* pilotctl trace: how far one write has come: each replica, and the proxies that are connected to
 * it. */
#include "ctl/admin.h"
#include "ctl/keys.h"
#include "ctl/report.h"
#include "ctl/rollout.h"

#include <string.h>
#include <time.h>

const struct flag *const trace_flags[] = {
    STORE_FLAGS, &flag_namespace, &flag_rev, &flag_server, READ_FLAGS, NULL
};

enum { NAMED_MAX = 20 };

static const struct column columns[] = {
    { "REPLICA" },
    { "APPLIED" },
    { "TOOK" },
    { "ACKNOWLEDGED" },
    { "WAITING" },
    { "REFUSED" },
    { "LAST ACK" },
};

/* ---- which write ---- */

struct write {
    const char *key;
    int64_t revision;
};

static bool is_raw_key(const char *word)
{
    return begins_with(word, "config/") || begins_with(word, "services/") ||
           begins_with(word, "registry/") || strcmp(word, "mesh") == 0;
}

/* A key as it is in the store, or KIND/NAMESPACE/NAME. */
static bool parse_key(struct ctl *ctl, struct key_query *query, const char **key)
{
    struct ctl words = *ctl;
    const char *first = ctl->args.count ? ctl->args.items[0] : "";
    bool is_raw = ctl->args.count == 1 && is_raw_key(first);
    if (is_raw)
        words.args.count = 0;
    if (!key_query_parse(&words, query))
        return false;
    *key = is_raw ? first : key_of_words(ctl, query);
    return *key != NULL;
}

static int find_write(struct ctl *ctl, struct write *write)
{
    struct key_query query;
    struct session session;
    struct session_answer answer;
    if (!parse_key(ctl, &query, &write->key))
        return EXIT_USAGE;
    int status = session_open(&session, ctl);
    if (status != EXIT_GOOD)
        return status;
    bool is_good = session_get_at(&session, write->key, query.revision, &answer);
    if (!is_good) {
        key_explain_compacted(&answer.err, query.revision);
        status = ctl_fail_error(&answer.err);
    } else if (!answer.entries.count) {
        status = ctl_fail(EXIT_FINDINGS, "%s: not found", write->key);
    } else {
        write->revision = answer.entries.items[0].mod_revision;
    }
    session_close(&session);
    return status;
}

/* ---- one replica ---- */

struct trace {
    struct ctl *ctl;
    struct answer *answer;
    struct write write;
    cJSON *replicas;
};

struct when {
    long long heard_ms, applied_ms; /* 0: not known */
    bool is_newest;                 /* nothing was applied after it: what was acknowledged was it */
};

static struct when find_when(const struct trace *t, const cJSON *changes)
{
    struct when when = { 0 };
    const cJSON *one;
    cJSON_ArrayForEach (one, report_member(changes, "changes"))
        if (report_number(one, "from") <= t->write.revision &&
            t->write.revision <= report_number(one, "to")) {
            when.heard_ms = report_number(one, "heardMs");
            when.applied_ms = report_number(one, "appliedMs");
            when.is_newest = !one->next;
        }
    return when;
}

static const char *time_text(struct arena *a, long long ms)
{
    char text[32];
    time_t seconds = (time_t)(ms / 1000);
    struct tm parts;
    if (!ms)
        return "?";
    gmtime_r(&seconds, &parts);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
    return arena_printf(a, "%s.%03lldZ", text, ms % 1000);
}

/* ---- what is told of it ---- */

static const char *below(struct arena *a, const struct rollout_standing *s)
{
    const string_list *const lists[] = { &s->refused, &s->late };
    static const char *const words[] = { "refused", "waiting" };
    const char *text = "";
    for (size_t i = 0; i < ARRAY_COUNT(lists); i++) {
        for (size_t n = 0; n < lists[i]->count && n < NAMED_MAX; n++)
            text = arena_printf(a, "%s\n    %s: %s", text, words[i], lists[i]->items[n]);
        if (lists[i]->count > NAMED_MAX)
            text = arena_printf(a, "%s\n    and %zu more", text, lists[i]->count - NAMED_MAX);
    }
    return *text ? text + 1 : NULL;
}

static cJSON *names_json(const string_list *names)
{
    cJSON *list = cJSON_CreateArray();
    for (list_each (const char *const, name, names))
        cJSON_AddItemToArray(list, cJSON_CreateString(*name));
    return list;
}

static void add_time(cJSON *json, const char *name, long long ms)
{
    if (ms)
        cJSON_AddNumberToObject(json, name, (double)ms);
    else
        cJSON_AddNullToObject(json, name);
}

static cJSON *replica_json(
    const char *server, const struct when *when, const struct rollout_standing *s)
{
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "replica", server);
    cJSON_AddBoolToObject(json, "applied", s->is_served);
    add_time(json, "heardMs", when->heard_ms);
    add_time(json, "appliedMs", when->applied_ms);
    cJSON_AddNumberToObject(json, "proxies", (double)s->proxies);
    cJSON_AddNumberToObject(json, "acknowledged", (double)s->done);
    cJSON_AddItemToObject(json, "waiting", names_json(&s->late));
    cJSON_AddItemToObject(json, "refused", names_json(&s->refused));
    add_time(json, "lastAckMs", when->is_newest ? s->last_ack_ms : 0);
    return json;
}

static const char *applied_text(
    struct arena *a, const struct when *when, const struct rollout_standing *s)
{
    if (!s->is_served)
        return "not yet";
    return when->applied_ms ? time_text(a, when->applied_ms) : "before what it remembers";
}

static void add_replica(
    struct trace *t, const char *server, const struct when *when, const struct rollout_standing *s)
{
    struct arena *a = t->ctl->a;
    bool has_ack = when->is_newest && s->last_ack_ms >= when->applied_ms;
    struct row row = {
        .name = server,
        .below = below(a, s),
        .tone = s->refused.count                        ? TONE_BAD
                : s->done < s->proxies || !s->is_served ? TONE_DOUBT
                                                        : TONE_GOOD,
        .cells = CELLS(a,
            server,
            applied_text(a, when, s),
            when->applied_ms ? arena_printf(a, "%lld ms", when->applied_ms - when->heard_ms) : "",
            arena_printf(a, "%zu/%zu", s->done, s->proxies),
            arena_printf(a, "%zu", s->late.count),
            arena_printf(a, "%zu", s->refused.count),
            has_ack ? arena_printf(a, "+%lld ms", s->last_ack_ms - when->applied_ms) : ""),
    };
    list_push(a, &t->answer->rows, row);
    cJSON_AddItemToArray(t->replicas, replica_json(server, when, s));
    if (row.tone != TONE_GOOD)
        t->answer->status = EXIT_FINDINGS;
}

static void trace_replica(struct trace *t, const char *server)
{
    struct rollout_standing standing;
    struct error err;
    cJSON *changes = admin_get(server, "/debug/changes", &err);
    struct when when = find_when(t, changes);
    cJSON_Delete(changes);
    if (changes &&
        rollout_standing(t->ctl, server, t->write.revision, when.applied_ms, &standing, &err))
        add_replica(t, server, &when, &standing);
    else
        t->answer->status = ctl_fail_error(&err);
}

/* ---- the verb ---- */

static int ask(struct ctl *ctl, struct answer *answer)
{
    struct trace t = { .ctl = ctl, .answer = answer };
    int status = find_write(ctl, &t.write);
    if (status != EXIT_GOOD)
        return status;
    t.replicas = cJSON_CreateArray();
    answer->columns = columns;
    answer->column_count = ARRAY_COUNT(columns);
    string_list servers = admin_servers(ctl);
    for (list_each (const char *const, server, &servers))
        trace_replica(&t, *server);
    report_note(ctl->a, answer, "%s, revision %lld", t.write.key, (long long)t.write.revision);
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "key", t.write.key);
    cJSON_AddNumberToObject(json, "revision", (double)t.write.revision);
    cJSON_AddItemToObject(json, "replicas", t.replicas);
    answer->json = output_text(ctl->a, json);
    return answer->rows.count ? EXIT_GOOD : answer->status;
}

int verb_trace(struct ctl *ctl)
{
    return output_run(ctl, ask);
}
